//! Dashboards of a stack, kept and told by the metric service.

use super::{Change, Doing, Extent, StackFailure, Step};
use crate::stack::{DashboardDecl, StackFiles};
use crate::wiring::Parts;
use control::aws::{Service, ServiceError};
use model::Kind;
use serde_json::{Value, json};
use std::sync::Arc;

pub(super) fn plan(
    parts: &Parts,
    files: &StackFiles,
    declared: &DashboardDecl,
    extent: Extent,
    steps: &mut Vec<Step>,
) -> Result<(), StackFailure> {
    let subject = format!("dashboard {}", declared.name);
    let body = files.files.get(&declared.body).cloned().unwrap_or_default();
    let wanted: Value = serde_json::from_str(&body).map_err(|error| {
        StackFailure::new(&subject, Kind::Invalid, format!("{} is not JSON: {error}", declared.body))
    })?;
    let known = match service(parts, &subject)?.call("GetDashboard", &json!({ "DashboardName": declared.name })) {
        Ok(known) => Some(known),
        Err(error) if error.code == "ResourceNotFound" || error.status == 404 => None,
        Err(error) => return Err(refused(&subject, &error)),
    };
    let is = known.and_then(|known| serde_json::from_str::<Value>(known["DashboardBody"].as_str()?).ok());
    let doing = Doing::PutDashboard(declared.name.clone(), body);
    steps.push(match is {
        None => Step::new(&subject, Change::Create, format!("of {}", declared.body), doing),
        Some(is) if extent == Extent::All && is != wanted => {
            Step::new(&subject, Change::Update, format!("of {}", declared.body), doing)
        }
        Some(_) => Step::keep(subject),
    });
    Ok(())
}

pub(super) fn put(parts: &Parts, subject: &str, name: &str, body: &str) -> Result<(), StackFailure> {
    let input = json!({ "DashboardName": name, "DashboardBody": body });
    service(parts, subject)?.call("PutDashboard", &input).map(drop).map_err(|error| refused(subject, &error))
}

fn service(parts: &Parts, subject: &str) -> Result<Arc<dyn Service>, StackFailure> {
    parts.control().service().map_err(|error| StackFailure::new(subject, Kind::Unavailable, error.to_string()))
}

fn refused(subject: &str, error: &ServiceError) -> StackFailure {
    let kind = if error.status < 500 { Kind::Invalid } else { Kind::Unavailable };
    StackFailure::new(subject, kind, error.message.clone())
}
