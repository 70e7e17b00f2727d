//! The console's platform: every question and control handed to the stage that it concerns.

use super::stacks::{self, Extent, Ground, Step};
use super::{Parts, Scaling, managing};
use crate::audit::{AuditLog, Entry};
use crate::replaying::Replaying;
use crate::stack::StackFiles;
use console::views::{
    AirportLine, ApplicationChange, ApplicationDetail, ApplicationLine, ApplicationLog, ApplicationView, AuditEntry,
    AuditPage, Cell, CellsRequest, CorrectedWindow, Correction, CorrectionWork, HourCount, LostWindow, MoveView,
    NewApplication, OperationLine, Pipeline, ReadFrom, RefusedOperator, ShardChange, ShardKeys, Snapshot, StackRequest,
    StackStep, StreamHistory, StreamLine, StreamView, TimeRange, Totals,
};
use console::views::{AlarmItem, AlarmLine, AlarmTrial, AlarmView, Happening, MetricLine, MetricQuestion};
use console::{Failure, Platform, views};
use model::{Kind, Sample};
use std::sync::Arc;

/// A platform as the console sees it.
pub(crate) struct ConsolePlatform {
    parts: Arc<Parts>,
    scaling: Arc<Scaling>,
    audit: Arc<AuditLog>,
}

impl ConsolePlatform {
    /// The platform made of `parts`, whose control actions `audit` keeps.
    pub(crate) fn new(parts: Arc<Parts>, scaling: Arc<Scaling>, audit: Arc<AuditLog>) -> Self {
        Self { parts, scaling, audit }
    }

    fn ground(&self) -> Ground {
        Ground { parts: self.parts.clone(), scaling: self.scaling.clone() }
    }

    /// The application that is meant, by its name: without one the one that is shown.
    fn named(&self, application: Option<&str>) -> String {
        application.map_or_else(|| self.parts.application_name(), str::to_owned)
    }

    fn replaying(&self) -> Result<&Replaying, Failure> {
        self.parts.replaying().ok_or_else(|| {
            Failure::new(Kind::NotFound, "this platform has no replay of its own; start one with `hailstream replay`")
        })
    }
}

fn snapshot_view(snapshot: control::SnapshotInfo) -> Snapshot {
    Snapshot { name: snapshot.name, created_ms: snapshot.created_ms, bytes: snapshot.bytes }
}

fn correction_view(done: control::Correction) -> Correction {
    let window = |of: &control::CorrectedWindows, (start_ms, end_ms): (i64, i64)| CorrectedWindow {
        operator: of.operator.clone(),
        sinks: of.sinks.clone(),
        start_ms,
        end_ms,
    };
    let lost = |w: control::LostWindow| LostWindow {
        operator: w.operator,
        start_ms: w.start_ms,
        end_ms: w.end_ms,
        reason: w.reason,
    };
    let refused = |o: control::RefusedOperator| RefusedOperator { operator: o.operator, reason: o.reason };
    let from = |f: control::ReadFrom| ReadFrom { split: f.split, position: f.position };
    let work = |w: control::CorrectionWork| CorrectionWork { records_in: w.records_in, records_out: w.records_out };
    Correction {
        late_rows: done.late_rows,
        corrected: done.corrected.iter().flat_map(|o| o.windows.iter().map(move |w| window(o, *w))).collect(),
        lost: done.lost.into_iter().map(lost).collect(),
        refused: done.refused.into_iter().map(refused).collect(),
        from: done.from.into_iter().map(from).collect(),
        work: done.work.map(work),
    }
}

fn stack_files(stack: &StackRequest) -> Result<StackFiles, Failure> {
    StackFiles::parse(&stack.stack, stack.files.clone()).map_err(|error| Failure::new(Kind::Invalid, error.to_string()))
}

fn stack_step(step: &Step) -> StackStep {
    StackStep { subject: step.subject.clone(), change: step.change.name().to_owned(), words: step.words.clone() }
}

fn audit_view(entry: Entry) -> AuditEntry {
    AuditEntry {
        number: entry.number,
        at_ms: entry.at_ms,
        event: entry.event.name().to_owned(),
        of: entry.of,
        door: entry.door,
        operation: entry.operation,
        subject: entry.subject,
        key: entry.key,
        user: entry.user,
        role: entry.role,
        address: entry.address,
        status: entry.status,
        note: entry.note,
    }
}

impl Platform for ConsolePlatform {
    fn pipeline(&self) -> Pipeline {
        self.parts.pipeline()
    }

    fn time_range(&self) -> Result<Option<TimeRange>, Failure> {
        self.parts.time_range()
    }

    fn cells(&self, request: &CellsRequest) -> Result<Vec<Cell>, Failure> {
        self.parts.cells(request)
    }

    fn airport_lines(&self, range: TimeRange) -> Result<Vec<AirportLine>, Failure> {
        self.parts.airport_lines(range)
    }

    fn totals(&self, range: TimeRange) -> Result<Totals, Failure> {
        self.parts.totals(range)
    }

    fn top_cells(&self, range: TimeRange, n: usize) -> Result<Vec<Cell>, Failure> {
        self.parts.top_cells(range, n)
    }

    fn pickups_by_hour(&self, range: TimeRange, geohash: Option<&str>) -> Result<Vec<HourCount>, Failure> {
        self.parts.pickups_by_hour(range, geohash)
    }

    fn start_replay(&self) -> Result<(), Failure> {
        self.replaying()?.start().map_err(Failure::from_error)
    }

    fn stop_replay(&self) -> Result<(), Failure> {
        self.replaying()?.stop().map_err(Failure::from_error)
    }

    fn set_speedup(&self, speedup: Option<f64>) -> Result<(), Failure> {
        self.replaying()?.set_speedup(speedup).map_err(Failure::from_error)
    }

    fn set_shard_count(&self, count: u32) -> Result<(), Failure> {
        let stream = self.parts.stream().ok_or_else(|| Failure::new(Kind::NotFound, "there is no stream yet"))?;
        self.parts.change_shards(&stream, console::views::ShardChange::Count(count))
    }

    fn scaling(&self, seconds: u64) -> Result<views::Scaling, Failure> {
        self.scaling.past(&self.parts, seconds)
    }

    fn set_scaling_mode(&self, subject: &str, mode: views::ScalingMode) -> Result<(), Failure> {
        self.scaling.set_mode(&self.parts, subject, mode)
    }

    fn plan_stack(&self, stack: &StackRequest) -> Result<Vec<StackStep>, Failure> {
        let files = stack_files(stack)?;
        let steps = stacks::plan(&self.ground(), &files, Extent::All).map_err(Failure::from_error)?;
        Ok(steps.iter().map(stack_step).collect())
    }

    fn apply_stack(&self, stack: &StackRequest) -> Result<Vec<StackStep>, Failure> {
        let files = stack_files(stack)?;
        let steps = stacks::plan(&self.ground(), &files, Extent::All).map_err(Failure::from_error)?;
        let ground = self.ground();
        for (taken, step) in steps.iter().enumerate() {
            let done = self.parts.runtime().block_on(stacks::take(&ground, step));
            done.map_err(|error| {
                let message = format!("{error} ({taken} of {} steps were taken before)", steps.len());
                Failure::new(error.kind, message)
            })?;
        }
        Ok(steps.iter().map(stack_step).collect())
    }

    fn application(&self, application: Option<&str>) -> Result<ApplicationLine, Failure> {
        let view = self.parts.applications().view(&self.named(application)).map_err(Failure::from_error)?;
        Ok(super::applications::line(&view))
    }

    fn sizes(&self) -> Result<serde_json::Value, Failure> {
        self.scaling.shown()
    }

    fn set_scaling_policy(&self, subject: &str, policy: Option<serde_json::Value>) -> Result<(), Failure> {
        self.scaling.set_policy(subject, policy)
    }

    fn applications(&self) -> Vec<ApplicationLine> {
        self.parts.application_lines()
    }

    fn application_view(&self, name: &str) -> Result<ApplicationView, Failure> {
        self.parts.application_detail(name)
    }

    fn start_application(&self, application: Option<&str>) -> Result<(), Failure> {
        self.parts.applications().start(&self.named(application)).map_err(Failure::from_error)
    }

    fn stop_application(&self, application: Option<&str>, force: bool) -> Result<Option<Snapshot>, Failure> {
        let stopped = self.parts.applications().stop(&self.named(application), force);
        Ok(stopped.map_err(Failure::from_error)?.map(snapshot_view))
    }

    fn correct(&self, application: Option<&str>, only_plan: bool) -> Result<Correction, Failure> {
        let done = self.parts.applications().correct(&self.named(application), only_plan);
        done.map(correction_view).map_err(Failure::from_error)
    }

    fn move_application(&self, application: Option<&str>, runner: &str, only_plan: bool) -> Result<MoveView, Failure> {
        let (applications, name) = (self.parts.applications(), self.named(application));
        managing::move_to(applications, &name, runner, only_plan).map_err(Failure::from_error)
    }

    fn create_application(&self, new: NewApplication) -> Result<(), Failure> {
        let new = managing::new(self.parts.applications(), new).map_err(Failure::from_error)?;
        self.parts.applications().make(new).map_err(Failure::from_error)
    }

    fn keep_program(&self, jar: &[u8]) -> Result<views::ProgramLine, Failure> {
        let kept = self.parts.applications().programs().and_then(|programs| programs.keep(jar));
        kept.map(|program| managing::program(&program)).map_err(Failure::from_error)
    }

    fn update_application(&self, change: ApplicationChange) -> Result<String, Failure> {
        let name = self.named(change.application.as_deref());
        managing::update(self.parts.applications(), &name, change).map_err(Failure::from_error)
    }

    fn roll_back_application(&self, application: Option<&str>) -> Result<String, Failure> {
        let done = self.parts.applications().rollback(&self.named(application), control::Expected::Any);
        done.map_err(Failure::from_error)
    }

    fn delete_application(&self, application: Option<&str>) -> Result<(), Failure> {
        self.parts.applications().delete(&self.named(application)).map_err(Failure::from_error)
    }

    fn describe_application(&self, application: Option<&str>) -> Result<ApplicationDetail, Failure> {
        let view = self.parts.applications().view(&self.named(application));
        view.map(managing::detail).map_err(Failure::from_error)
    }

    fn explain_application(&self, application: Option<&str>) -> Result<String, Failure> {
        self.parts.applications().explain(&self.named(application)).map_err(Failure::from_error)
    }

    fn operations(&self, application: Option<&str>, limit: u32) -> Result<Vec<OperationLine>, Failure> {
        let found = self.parts.applications().operations(&self.named(application), (None, None), u64::MAX, limit);
        let found = found.map_err(Failure::from_error)?;
        Ok(found.into_iter().map(|(_, operation)| managing::operation(operation)).collect())
    }

    fn application_lines(
        &self,
        application: Option<&str>,
        after: u64,
        limit: u32,
    ) -> Result<Vec<ApplicationLog>, Failure> {
        let found = self.parts.applications().lines(&self.named(application), after, limit);
        Ok(found.map_err(Failure::from_error)?.into_iter().map(managing::line).collect())
    }

    fn set_parallelism(&self, application: Option<&str>, parallelism: u32) -> Result<(), Failure> {
        let name = self.named(application);
        self.parts.applications().set_parallelism(&name, parallelism).map_err(Failure::from_error)
    }

    fn snapshots(&self, application: Option<&str>) -> Result<Vec<Snapshot>, Failure> {
        let all = self.parts.applications().snapshots(&self.named(application));
        Ok(all.map_err(Failure::from_error)?.into_iter().map(snapshot_view).collect())
    }

    fn take_snapshot(&self, application: Option<&str>, name: &str) -> Result<(), Failure> {
        let taken = self.parts.applications().snapshot(&self.named(application), name);
        taken.map(drop).map_err(Failure::from_error)
    }

    fn restore_snapshot(&self, application: Option<&str>, name: &str, parallelism: Option<u32>) -> Result<(), Failure> {
        let application = self.named(application);
        self.parts.applications().restore(&application, name, parallelism).map_err(Failure::from_error)
    }

    fn remove_snapshot(&self, application: Option<&str>, name: &str) -> Result<(), Failure> {
        let application = self.named(application);
        self.parts.applications().remove_snapshot(&application, name).map_err(Failure::from_error)
    }

    fn timeline(&self, from_ms: u64, to_ms: u64, limit: usize) -> Result<Vec<Happening>, Failure> {
        self.parts.happenings(from_ms, to_ms, limit)
    }

    fn alarms(&self) -> Result<Vec<AlarmLine>, Failure> {
        Ok(self.parts.alarm_lines())
    }

    fn alarm_view(&self, name: &str, seconds: u64) -> Result<AlarmView, Failure> {
        self.parts.alarm_view(name, seconds)
    }

    fn set_alarm_actions(&self, name: &str, enabled: bool) -> Result<(), Failure> {
        self.parts.set_alarm_actions(name, enabled)
    }

    fn alarm_document(&self, name: &str) -> Result<serde_json::Value, Failure> {
        self.parts.alarm_document(name)
    }

    fn alarm_history(&self, alarm: Option<&str>, limit: u32) -> Result<Vec<AlarmItem>, Failure> {
        self.parts.alarm_history(alarm, limit)
    }

    fn set_alarm_state(&self, alarm: &str, state: &str, reason: &str) -> Result<(), Failure> {
        self.parts.set_alarm_state(alarm, state, reason)
    }

    fn try_alarm(&self, alarm: &serde_json::Value, seconds: u64) -> Result<AlarmTrial, Failure> {
        self.parts.try_alarm(alarm, seconds)
    }

    fn metric(&self, question: &MetricQuestion) -> Result<Vec<MetricLine>, Failure> {
        self.parts.metric_lines(question)
    }

    fn streams(&self) -> Vec<StreamLine> {
        self.parts.stream_lines()
    }

    fn stream_view(&self, name: &str) -> Result<StreamView, Failure> {
        self.parts.stream_detail(name)
    }

    fn stream_history(&self, name: &str, seconds: u64) -> Result<StreamHistory, Failure> {
        self.parts.stream_history(name, seconds)
    }

    fn shard_keys(&self, stream: &str, shard: u32) -> Result<ShardKeys, Failure> {
        self.parts.shard_keys(stream, shard)
    }

    fn change_shards(&self, stream: &str, change: ShardChange) -> Result<(), Failure> {
        self.parts.change_shards(stream, change)
    }

    fn audit(&self, before: Option<u64>, n: usize) -> Result<AuditPage, Failure> {
        let (newest, hash) = self.audit.head();
        let entries = self.audit.newest(before, n).map_err(|e| Failure::new(Kind::Corrupt, e.to_string()))?;
        Ok(AuditPage { entries: entries.into_iter().map(audit_view).collect(), newest, hash })
    }

    fn samples(&self) -> Vec<Sample> {
        self.parts.samples()
    }

    fn help(&self, name: &str) -> Option<&'static str> {
        super::help::help(name)
    }

    fn health(&self) -> Result<(), Failure> {
        match self.parts.application().and_then(|view| view.last_error.filter(|_| view.metrics.is_none())) {
            None => Ok(()),
            Some(error) => Err(Failure::new(Kind::Unavailable, format!("the application does not run: {error}"))),
        }
    }
}
