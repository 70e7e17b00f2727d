//! Scaling policies of a stack.

use super::{Change, Doing, Extent, StackFailure, Step};
use crate::stack::ScalingDecl;
use crate::wiring::Scaling;
use control::scaling::{KeptPolicy, Policy, Subject};
use model::Kind;

pub(super) fn plan(
    scaling: &Scaling,
    declared: &ScalingDecl,
    extent: Extent,
    steps: &mut Vec<Step>,
) -> Result<(), StackFailure> {
    let subject = format!("scaling {}", declared.subject);
    let wrong = |message: String| StackFailure::new(&subject, Kind::Invalid, message);
    let known = Subject::read(&declared.subject)
        .ok_or_else(|| wrong("the subject is neither application/NAME nor stream/NAME".into()))?;
    let text = serde_json::Value::Object(declared.policy.clone()).to_string();
    let policy = Policy::read(&text).map_err(|error| wrong(error.to_string()))?;
    let wanted = KeptPolicy { id: known.to_string(), subject: known, policy };
    let words = |policy: &Policy| format!("{}{}", policy.rule.name(), if policy.dry_run { ", dry run" } else { "" });
    let is = scaling.scaler().policies().into_iter().find(|kept| kept.id == wanted.id);
    steps.push(match is {
        None => Step::new(&subject, Change::Create, words(&wanted.policy), Doing::PutPolicy(Box::new(wanted))),
        Some(is) if extent == Extent::All && is != wanted => {
            Step::new(&subject, Change::Update, words(&wanted.policy), Doing::PutPolicy(Box::new(wanted)))
        }
        Some(_) => Step::keep(subject),
    });
    Ok(())
}

pub(super) fn put(scaling: &Scaling, subject: &str, policy: KeptPolicy) -> Result<(), StackFailure> {
    scaling.scaler().put_policy(policy).map_err(|error| StackFailure::of(subject, &error))
}
