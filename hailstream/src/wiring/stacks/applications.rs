//! Applications of a stack: how they are set up, and whether they run.

use super::{Change, Doing, Extent, StackFailure, Step};
use crate::stack::ApplicationDecl;
use crate::wiring::Parts;
use control::{
    ApplicationSpec, ApplicationView, CheckpointSetting, Configuration, ControlError, Expected, New, OperationStatus,
    Status, Update,
};
use model::Kind;
use std::sync::Arc;
use std::time::Duration;

/// How often it is looked whether a change has been brought about.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

pub(super) fn plan(
    parts: &Parts,
    declared: &ApplicationDecl,
    script: &str,
    extent: Extent,
    steps: &mut Vec<Step>,
) -> Result<(), StackFailure> {
    let subject = format!("application {}", declared.name);
    let name = declared.name.clone();
    let known = parts.applications().view(&name).ok();
    let wanted = configuration(declared, script, known.as_ref().map(|view| &*view.version.configuration));
    parts.applications().check(&name, &wanted).map_err(|error| StackFailure::of(&subject, &error))?;
    let start = |steps: &mut Vec<Step>| {
        steps.push(Step::new(&subject, Change::Start, "", Doing::StartApplication(name.clone())));
    };
    let Some(view) = known else {
        let words = format!("of {}, with parallelism {}", declared.script, declared.parallelism);
        let doing = Doing::MakeApplication(name.clone(), Box::new(wanted));
        steps.push(Step::new(&subject, Change::Create, words, doing));
        if declared.running {
            start(steps);
        }
        return Ok(());
    };
    let before = steps.len();
    let differences = differences(&view.version.configuration, &wanted);
    if extent == Extent::All && !differences.is_empty() {
        let doing = Doing::ChangeApplication(name.clone(), Box::new(wanted));
        steps.push(Step::new(&subject, Change::Update, differences.join(", "), doing));
    }
    match (declared.running, rests(&view)) {
        (true, true) => start(steps),
        (false, false) if extent == Extent::All => {
            let words = "with a snapshot first";
            steps.push(Step::new(&subject, Change::Stop, words, Doing::StopApplication(name.clone())));
        }
        _ => {}
    }
    if steps.len() == before {
        steps.push(Step::keep(subject));
    }
    Ok(())
}

fn rests(view: &ApplicationView) -> bool {
    matches!(view.status, Status::Ready | Status::RolledBack)
}

/// How the application is to be set up; what a stack does not speak of stays as it is.
fn configuration(declared: &ApplicationDecl, script: &str, before: Option<&Configuration>) -> Configuration {
    let spec = ApplicationSpec {
        name: declared.name.clone(),
        runner: control::EMBEDDED.into(),
        script: script.to_owned(),
        program: None,
        parallelism: declared.parallelism,
        parallelism_per_kpu: declared.parallelism_per_kpu,
        checkpoints: None,
        handover: None,
    };
    let new = Configuration::of(&spec);
    let parallelism = control::Parallelism { auto_scaling: declared.auto_scaling, ..new.parallelism };
    let checkpoints = match declared.checkpoint_interval_ms {
        Some(interval_ms) => CheckpointSetting { interval_ms, ..CheckpointSetting::OWN },
        None => before.map_or(new.checkpoints, |before| before.checkpoints),
    };
    Configuration {
        description: declared.description.clone(),
        code: new.code.clone(),
        properties: declared.properties.clone(),
        parallelism,
        checkpoints,
        ..before.cloned().unwrap_or(new)
    }
}

/// What is different, in words.
fn differences(is: &Configuration, wanted: &Configuration) -> Vec<String> {
    let mut words = Vec::new();
    let (before, after) = (is.parallelism, wanted.parallelism);
    let mut say = |differs: bool, text: String| words.extend(differs.then_some(text));
    say(is.code != wanted.code, "another script".into());
    say(is.properties != wanted.properties, "other properties".into());
    let sizes = (before.parallelism, after.parallelism);
    say(sizes.0 != sizes.1, format!("parallelism {} (before: {})", sizes.1, sizes.0));
    say(
        before.per_kpu != after.per_kpu,
        format!("{} subtasks for each KPU (before: {})", after.per_kpu, before.per_kpu),
    );
    let scaling = if after.auto_scaling { "scaled by rules" } else { "not scaled by rules" };
    say(before.auto_scaling != after.auto_scaling, scaling.into());
    let every = (is.checkpoints.interval_ms, wanted.checkpoints.interval_ms);
    say(every.0 != every.1, format!("a checkpoint every {} ms (before: {})", every.1, every.0));
    say(is.description != wanted.description, "another description".into());
    words
}

pub(super) fn make(parts: &Parts, subject: &str, name: &str, configuration: Configuration) -> Result<(), StackFailure> {
    let new = New { name: name.to_owned(), configuration, tags: std::collections::BTreeMap::new() };
    parts.applications().make(new).map_err(|error| StackFailure::of(subject, &error))
}

pub(super) async fn start(parts: &Arc<Parts>, subject: &str, name: &str) -> Result<(), StackFailure> {
    let named = name.to_owned();
    apart(parts, subject, move |parts| parts.applications().start(&named)).await
}

/// Does what waits for an application's state, which may stand in a bucket, on a thread that may be held up.
async fn apart<T: Send + 'static>(
    parts: &Arc<Parts>,
    subject: &str,
    work: impl FnOnce(&Parts) -> Result<T, ControlError> + Send + 'static,
) -> Result<T, StackFailure> {
    let parts = parts.clone();
    match tokio::task::spawn_blocking(move || work(&parts)).await {
        Ok(done) => done.map_err(|error| StackFailure::of(subject, &error)),
        Err(error) => Err(StackFailure::new(subject, Kind::Internal, error.to_string())),
    }
}

pub(super) async fn stop(parts: &Arc<Parts>, subject: &str, name: &str) -> Result<(), StackFailure> {
    let named = name.to_owned();
    apart(parts, subject, move |parts| parts.applications().stop(&named, false)).await.map(drop)
}

/// Makes another version, and waits until it is there or is known not to come.
pub(super) async fn change(
    parts: &Arc<Parts>,
    subject: &str,
    name: &str,
    configuration: Configuration,
) -> Result<(), StackFailure> {
    let failed = |error: control::ControlError| StackFailure::of(subject, &error);
    let before = parts.applications().view(name).map_err(failed)?.version.configuration.parallelism;
    let resized = before != configuration.parallelism;
    let update = Update { configuration, resized, beginning: None };
    let named = name.to_owned();
    let id = apart(parts, subject, move |parts| parts.applications().update(&named, Expected::Any, update)).await?;
    loop {
        let operation = parts.applications().operation(name, &id).map_err(failed)?;
        match operation {
            Some(operation) if operation.status == OperationStatus::InProgress => {}
            Some(operation) if operation.status == OperationStatus::Successful => return Ok(()),
            Some(operation) => {
                let why = operation.failure.unwrap_or_else(|| "the change was taken back".into());
                return Err(StackFailure::new(subject, Kind::Conflict, why));
            }
            // The oldest operations are forgotten, and this one was there a moment ago.
            None => return Ok(()),
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}
