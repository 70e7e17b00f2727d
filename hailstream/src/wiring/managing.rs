//! Applications between the console's words and control's.

use console::views::{
    ApplicationChange, ApplicationDetail, ApplicationLog, MoveView, MovedStart, MovedWindows, NewApplication,
    OperationLine,
};
use control::{
    ApplicationSpec, ApplicationView, Applications, Begin, Beginning, Configuration, ControlError, Expected, LogLine,
    New, Operation, Setting, StartAt, Update,
};
use std::collections::BTreeMap;

/// An application that somebody wants to have.
pub(super) fn new(new: NewApplication) -> New {
    let spec = ApplicationSpec {
        name: new.name.clone(),
        runner: control::EMBEDDED.into(),
        script: new.script,
        parallelism: new.parallelism,
        parallelism_per_kpu: new.parallelism_per_kpu,
        checkpoints: None,
        handover: None,
    };
    let configuration = Configuration { properties: new.properties, ..Configuration::of(&spec) };
    New { name: new.name, configuration, tags: BTreeMap::new() }
}

/// Orders a change of an application; gives back the operation's id.
pub(super) fn update(
    applications: &Applications,
    name: &str,
    change: ApplicationChange,
) -> Result<String, ControlError> {
    let view = applications.view(name)?;
    let mut configuration = (*view.version.configuration).clone();
    if let Some(script) = change.script {
        configuration.code = script;
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
    let plan = applications.plan_move(name, runner)?;
    let operation = (!only_plan).then(|| applications.move_to(name, Expected::Any, runner)).transpose()?;
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
        script: configuration.code.clone(),
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
