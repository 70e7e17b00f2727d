//! Alarms of a stack: those of a document, and those that are advised for an application.

use super::{Change, Doing, Extent, StackFailure, Step};
use crate::stack::{AdvisedDecl, AlarmDecl, Stack};
use crate::wiring::Parts;
use control::CheckpointSetting;
use control::alarms::Alarm;
use control::aws::{advised_alarms, alarm_of};
use model::Kind;
use model::limits::RETENTION_HOURS_MIN;

pub(super) fn plan(
    parts: &Parts,
    stack: &Stack,
    declared: &AlarmDecl,
    extent: Extent,
    steps: &mut Vec<Step>,
) -> Result<(), StackFailure> {
    for alarm in alarms(stack, declared)? {
        let subject = format!("alarm {}", alarm.name);
        alarm.check().map_err(|error| StackFailure::new(&subject, Kind::Invalid, error.to_string()))?;
        let known = parts.control().alarms().get(&alarm.name).ok();
        steps.push(match known {
            None => Step::new(&subject, Change::Create, "", Doing::PutAlarm(Box::new(alarm))),
            Some(kept) if extent == Extent::All && kept.alarm != alarm => {
                Step::new(&subject, Change::Update, "as declared", Doing::PutAlarm(Box::new(alarm)))
            }
            Some(_) => Step::keep(subject),
        });
    }
    Ok(())
}

fn alarms(stack: &Stack, declared: &AlarmDecl) -> Result<Vec<Alarm>, StackFailure> {
    match declared {
        AlarmDecl::Advised(advised) => self::advised(stack, advised),
        AlarmDecl::Document(document) => {
            let name = document["AlarmName"].as_str().unwrap_or("without a name");
            let alarm = alarm_of(document);
            alarm
                .map(|alarm| vec![alarm])
                .map_err(|error| StackFailure::new(&format!("alarm {name}"), Kind::Invalid, error.message))
        }
    }
}

/// The alarms that are advised for an application, by how it and its stream are declared.
fn advised(stack: &Stack, declared: &AdvisedDecl) -> Result<Vec<Alarm>, StackFailure> {
    let AdvisedDecl { advised_for, stream, actions } = declared;
    let application = stack.applications.iter().find(|application| application.name == *advised_for);
    let interval_ms = application.and_then(|application| application.checkpoint_interval_ms);
    let known = stack.streams.iter().find(|known| known.name == *stream);
    let hours = known.and_then(|stream| stream.retention_hours).unwrap_or(RETENTION_HOURS_MIN);
    let interval_ms = interval_ms.unwrap_or(CheckpointSetting::OWN.interval_ms);
    let subject = format!("alarms of {advised_for}");
    let mut alarms = advised_alarms(advised_for, stream, interval_ms, hours)
        .map_err(|error| StackFailure::new(&subject, Kind::Invalid, error.to_string()))?;
    alarms.iter_mut().for_each(|alarm| alarm.alarm_actions.clone_from(actions));
    Ok(alarms)
}

pub(super) fn put(parts: &Parts, subject: &str, alarm: Alarm) -> Result<(), StackFailure> {
    parts.control().alarms().put(alarm).map_err(|error| StackFailure::of(subject, &error))
}
