//! Applications between the console's words and control's.

use console::views::{
    ApplicationChange, ApplicationDetail, ApplicationLog, MoveView, MovedStart, MovedWindows, NewApplication,
    OperationLine, ProgramLine,
};
use control::{
    ApplicationSpec, ApplicationView, Applications, Begin, Beginning, Code, Configuration, ControlError, Expected,
    LogLine, New, Operation, Program, ProgramError, Setting, StartAt, Update,
};
use model::Kind;
use std::collections::BTreeMap;

/// An application that somebody wants to have.
pub(super) fn new(applications: &Applications, new: NewApplication) -> Result<New, ControlError> {
    let code = code(applications, new.script, new.program.as_deref())?;
    let code = code.ok_or_else(|| wrong("an application has code: give a script, or a program"))?;
    let spec = ApplicationSpec {
        name: new.name.clone(),
        runner: control::EMBEDDED.into(),
        script: String::new(),
        program: None,
        parallelism: new.parallelism,
        parallelism_per_kpu: new.parallelism_per_kpu,
        checkpoints: None,
        handover: None,
    };
    let configuration = Configuration { code, properties: new.properties, ..Configuration::of(&spec) };
    Ok(New { name: new.name, configuration, tags: BTreeMap::new() })
}

fn wrong(message: &str) -> ControlError {
    ControlError::Program(ProgramError::new(Kind::Invalid, message))
}

/// The code that was given: a script, or a program that was sent before.
fn code(
    applications: &Applications,
    script: Option<String>,
    program: Option<&str>,
) -> Result<Option<Code>, ControlError> {
    match (script, program) {
        (Some(_), Some(_)) => Err(wrong("give a script or a program, not both")),
        (script, None) => Ok(script.map(Code::from)),
        (None, Some(sha256)) => Ok(Some(applications.programs()?.kept(sha256)?.into())),
    }
}

/// A program in few words.
pub(super) fn program(program: &Program) -> ProgramLine {
    let from = program.from.as_ref().map(|place| format!("{}/{}", place.bucket_arn, place.key));
    let (sha256, main_class) = (program.sha256.clone(), program.main_class.clone());
    ProgramLine { sha256, bytes: program.bytes, main_class, from }
}

/// Orders a change of an application; gives back the operation's id.
pub(super) fn update(
    applications: &Applications,
    name: &str,
    change: ApplicationChange,
) -> Result<String, ControlError> {
    let view = applications.view(name)?;
    let mut configuration = (*view.version.configuration).clone();
    if let Some(code) = code(applications, change.script, change.program.as_deref())? {
        configuration.code = code;
    }
    if let Some(properties) = change.properties {
        configuration.properties = properties;
    }
    configuration.rollback_enabled = change.rollback.unwrap_or(configuration.rollback_enabled);
    let resized = change.parallelism.is_some() || change.parallelism_per_kpu.is_some();
    if resized {
        let size = &mut configuration.parallelism;
        size.by = Setting::Custom;
        size.parallelism = change.parallelism.unwrap_or(view.spec.parallelism);
        size.per_kpu = change.parallelism_per_kpu.unwrap_or(view.spec.parallelism_per_kpu);
    }
    let from = if change.anew { Begin::Nothing } else { Begin::Latest };
    let beginning =
        (change.anew || change.allow_dropped).then_some(Beginning { from, allow_dropped: change.allow_dropped });
    let update = Update { configuration, resized, beginning };
    applications.update(name, Expected::Version(view.version.version), update)
}

/// Orders that another runner goes on with an application, or tells what that would mean.
pub(super) fn move_to(
    applications: &Applications,
    name: &str,
    runner: &str,
    only_plan: bool,
) -> Result<MoveView, ControlError> {
    let (plan, operation) = if only_plan {
        (applications.plan_move(name, runner)?, None)
    } else {
        let (plan, id) = applications.move_to(name, Expected::Any, runner)?;
        (plan, Some(id))
    };
    let start = |(table, start): (String, StartAt)| MovedStart {
        table,
        arrived_ms: if let StartAt::Arrived(ms) = start { Some(ms) } else { None },
    };
    Ok(MoveView {
        from: plan.from,
        to: plan.to,
        closed_ms: plan.handover.closed_ms,
        windows: plan.windows.into_iter().map(|(operator, begins_ms)| MovedWindows { operator, begins_ms }).collect(),
        starts: plan.handover.starts.into_iter().map(start).collect(),
        sinks: plan.sinks,
        hints: plan.hints,
        operation,
    })
}

/// All that is to be known of an application.
pub(super) fn detail(view: ApplicationView) -> ApplicationDetail {
    let configuration = &*view.version.configuration;
    let checkpoints = configuration.checkpoints;
    let current = view.metrics.as_ref().map_or(view.spec.parallelism, |metrics| metrics.parallelism);
    ApplicationDetail {
        status: view.status.name().to_owned(),
        version: view.version.version,
        created_ms: view.created_ms,
        updated_ms: view.updated_ms,
        parallelism: configuration.parallelism.parallelism,
        parallelism_per_kpu: view.spec.parallelism_per_kpu,
        current_parallelism: current,
        kpus: view.spec.kpus(),
        auto_scaling: configuration.parallelism.auto_scaling,
        snapshots: configuration.snapshots_enabled,
        rollback: configuration.rollback_enabled,
        checkpoint_interval_ms: checkpoints.enabled.then_some(checkpoints.interval_ms),
        description: configuration.description.clone(),
        properties: configuration.properties.clone(),
        script: configuration.code.script().unwrap_or_default().to_owned(),
        program: configuration.code.program().map(program),
        name: view.spec.name,
        tags: view.tags,
        restarts: view.restarts,
        last_error: view.last_error,
    }
}

/// One thing that was done.
pub(super) fn operation(operation: Operation) -> OperationLine {
    OperationLine {
        kind: operation.kind.name().to_owned(),
        status: operation.status.name().to_owned(),
        id: operation.id,
        start_ms: operation.start_ms,
        end_ms: operation.end_ms,
        versions: operation.versions,
        failure: operation.failure,
    }
}

/// One line.
pub(super) fn line(line: LogLine) -> ApplicationLog {
    ApplicationLog { number: line.number, at_ms: line.at_ms, level: line.level, text: line.text }
}
