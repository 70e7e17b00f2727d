//! The port through which the console sees and steers the platform.

use crate::Failure;
use crate::views::{
    AirportLine, AlarmLine, AlarmView, ApplicationChange, ApplicationDetail, ApplicationLine, ApplicationLog,
    ApplicationView, AuditPage, Cell, CellsRequest, Correction, Happening, HourCount, MoveView, NewApplication,
    OperationLine, Pipeline, ProgramLine, Scaling, ScalingMode, ShardChange, ShardKeys, Snapshot, StackRequest,
    StackStep, StreamHistory, StreamLine, StreamView, TimeRange, Totals,
};
use crate::views::{AlarmItem, AlarmTrial, MetricLine, MetricQuestion};
use model::{Kind, Sample};

/// The platform as people see it. The binary implements this; the console knows nothing else of it.
///
/// Every method is synchronous and may block for a moment: the console calls it on a thread for blocking work, never on
/// one that serves requests, and has at most 17 calls under way: one for live updates, and 16 questions or orders (more
/// are refused as `Throttled`).
///
/// *Laws.* Reading changes nothing. Questions with the same arguments, asked while `pipeline().index.revision` stands
/// still, have the same answers. What a [`TimeRange`] includes is told there and holds for every question.
pub trait Platform: Send + Sync + 'static {
    /// The pipeline as it stands now, with rates over the last second or so. Called once a second however many pages
    /// are open, and not at all while none is; must answer well within a second.
    fn pipeline(&self) -> Pipeline;

    /// The smallest range that holds all results, from the start of the first window to the end of the last one;
    /// `None` while there are no results.
    fn time_range(&self) -> Result<Option<TimeRange>, Failure>;

    /// The sum of `pickup_count` per geohash cell, in any order; the `cells_max` largest when there are more.
    fn cells(&self, request: &CellsRequest) -> Result<Vec<Cell>, Failure>;

    /// Per airport and hour the average trip time weighted by trips (`Σ sum / Σ trips`), hours in ascending order.
    fn airport_lines(&self, range: TimeRange) -> Result<Vec<AirportLine>, Failure>;

    /// Sums over all results of a range.
    fn totals(&self, range: TimeRange) -> Result<Totals, Failure>;

    /// The `n` cells of the finest precision with the most pickups, largest first; ties in order of geohash.
    fn top_cells(&self, range: TimeRange, n: usize) -> Result<Vec<Cell>, Failure>;

    /// Pickups by hour in ascending order, hours without any left out; of everything, or of the cell `geohash`
    /// (1 to 7 characters: every result whose location begins with it).
    fn pickups_by_hour(&self, range: TimeRange, geohash: Option<&str>) -> Result<Vec<HourCount>, Failure>;

    /// Starts the replay, or lets a stopped one go on where it stopped.
    fn start_replay(&self) -> Result<(), Failure>;

    /// Stops the replay where it is.
    fn stop_replay(&self) -> Result<(), Failure>;

    /// Lets the replay run `speedup` times as fast as the events happened; `None` means as fast as possible.
    fn set_speedup(&self, speedup: Option<f64>) -> Result<(), Failure>;

    /// Begins to change the number of open shards of the stream; progress shows in its status.
    fn set_shard_count(&self, count: u32) -> Result<(), Failure>;

    /// An application in few words. Here and below it is the one of this name, or without one the one that is shown.
    fn application(&self, application: Option<&str>) -> Result<ApplicationLine, Failure> {
        Err(no_application(application))
    }

    /// All applications by their names.
    fn applications(&self) -> Vec<ApplicationLine> {
        Vec::new()
    }

    /// The latest decisions about sizes (`decisions`, the newest first, 100 at most), the policies (`policies`) and what was
    /// seen of each subject in the last second (`subjects`).
    fn sizes(&self) -> Result<serde_json::Value, Failure> {
        Ok(serde_json::json!({ "decisions": [], "policies": [], "subjects": [] }))
    }

    /// Gives a subject (`application/NAME` or `stream/NAME`) a scaling policy of its own, or takes it away.
    fn set_scaling_policy(&self, _subject: &str, _policy: Option<serde_json::Value>) -> Result<(), Failure> {
        Err(Failure::new(Kind::NotFound, "this platform scales nothing"))
    }

    /// An application with its operators.
    fn application_view(&self, name: &str) -> Result<ApplicationView, Failure> {
        Err(no_application(Some(name)))
    }

    /// Lets an application run; how far it is shows in its state.
    fn start_application(&self, application: Option<&str>) -> Result<(), Failure> {
        Err(no_application(application))
    }

    /// Stops an application, what it has come to kept as a snapshot first unless the stop is forced. Returns when all of
    /// that is durable.
    fn stop_application(&self, application: Option<&str>, _force: bool) -> Result<Option<Snapshot>, Failure> {
        Err(no_application(application))
    }

    /// Computes the windows of an application anew that had late rows, or (`only_plan`) tells which could be. Returns when
    /// the results are durable, which may take as long as reading what its streams hold. The platform bounds the answer.
    fn correct(&self, application: Option<&str>, _only_plan: bool) -> Result<Correction, Failure> {
        Err(no_application(application))
    }

    /// Has another runner go on with an application, or (`only_plan`) tells what that would mean. Returns at once, with the name
    /// of the operation where there is one.
    fn move_application(
        &self,
        application: Option<&str>,
        _runner: &str,
        _only_plan: bool,
    ) -> Result<MoveView, Failure> {
        Err(no_application(application))
    }

    /// Adds an application; it does not run yet.
    fn create_application(&self, new: NewApplication) -> Result<(), Failure> {
        Err(Failure::new(Kind::Invalid, format!("application {} cannot be made here", new.name)))
    }

    /// Keeps the jar of a program, which an application may name from then on.
    fn keep_program(&self, jar: &[u8]) -> Result<ProgramLine, Failure> {
        Err(Failure::new(Kind::Invalid, format!("a jar of {} bytes cannot be kept here", jar.len())))
    }

    /// Changes an application. Returns at once, with the name of the operation.
    fn update_application(&self, change: ApplicationChange) -> Result<String, Failure> {
        Err(no_application(change.application.as_deref()))
    }

    /// Lets the version before the present one take its place again. Returns at once, with the name of the operation.
    fn roll_back_application(&self, application: Option<&str>) -> Result<String, Failure> {
        Err(no_application(application))
    }

    /// Removes an application that does not run, with all that it keeps.
    fn delete_application(&self, application: Option<&str>) -> Result<(), Failure> {
        Err(no_application(application))
    }

    /// All that is to be known of an application.
    fn describe_application(&self, application: Option<&str>) -> Result<ApplicationDetail, Failure> {
        Err(no_application(application))
    }

    /// The operators of an application, as text.
    fn explain_application(&self, application: Option<&str>) -> Result<String, Failure> {
        Err(no_application(application))
    }

    /// What was done with an application last, the newest first; `limit` of it at most.
    fn operations(&self, application: Option<&str>, _limit: u32) -> Result<Vec<OperationLine>, Failure> {
        Err(no_application(application))
    }

    /// The lines told of an application after the one with the number `after`, the oldest first; of more than `limit` the
    /// latest.
    fn application_lines(
        &self,
        application: Option<&str>,
        _after: u64,
        _limit: u32,
    ) -> Result<Vec<ApplicationLog>, Failure> {
        Err(no_application(application))
    }

    /// Gives an application another parallelism while it runs. Returns when it has it.
    fn set_parallelism(&self, application: Option<&str>, parallelism: u32) -> Result<(), Failure>;

    /// The snapshots of an application, the newest first.
    fn snapshots(&self, _application: Option<&str>) -> Result<Vec<Snapshot>, Failure> {
        Ok(Vec::new())
    }

    /// Keeps what an application has come to under a name. Returns when it is durable.
    fn take_snapshot(&self, _application: Option<&str>, name: &str) -> Result<(), Failure> {
        Err(no_snapshot(name))
    }

    /// Lets an application go on from a snapshot, with another parallelism where one is given.
    fn restore_snapshot(
        &self,
        _application: Option<&str>,
        name: &str,
        _parallelism: Option<u32>,
    ) -> Result<(), Failure> {
        Err(no_snapshot(name))
    }

    /// Removes a snapshot of an application.
    fn remove_snapshot(&self, _application: Option<&str>, name: &str) -> Result<(), Failure> {
        Err(no_snapshot(name))
    }

    /// The steps from what there is to what a stack declares; nothing is done.
    fn plan_stack(&self, _stack: &StackRequest) -> Result<Vec<StackStep>, Failure> {
        Err(no_stacks())
    }

    /// Takes them. Returns when what they do is done.
    fn apply_stack(&self, _stack: &StackRequest) -> Result<Vec<StackStep>, Failure> {
        Err(no_stacks())
    }

    /// All alarms by their names.
    fn alarms(&self) -> Result<Vec<AlarmLine>, Failure> {
        Ok(Vec::new())
    }

    /// An alarm with its numbers of the last `seconds` (900 to 604,800) and what became of it then.
    fn alarm_view(&self, name: &str, _seconds: u64) -> Result<AlarmView, Failure> {
        Err(no_alarm(name))
    }

    /// Whether anything is done when the state of an alarm changes.
    fn set_alarm_actions(&self, name: &str, _enabled: bool) -> Result<(), Failure> {
        Err(no_alarm(name))
    }

    /// Load, lag and size of the pipeline that is shown over the last `seconds` (900 to 604,800), with decisions and rules.
    fn scaling(&self, _seconds: u64) -> Result<Scaling, Failure> {
        Ok(Scaling { period_s: 1, points: Vec::new(), decisions: Vec::new(), policies: Vec::new() })
    }

    /// What the rule that scales `subject` (as [`PolicyLine`](crate::views::PolicyLine) calls it) may do.
    fn set_scaling_mode(&self, subject: &str, _mode: ScalingMode) -> Result<(), Failure> {
        Err(Failure::new(Kind::NotFound, format!("no rule scales {subject}")))
    }

    /// What happened from `from_ms` until before `to_ms`, both in milliseconds since the Unix epoch, the oldest first; of more
    /// than `limit` the latest.
    fn timeline(&self, _from_ms: u64, _to_ms: u64, _limit: usize) -> Result<Vec<Happening>, Failure> {
        Ok(Vec::new())
    }

    /// An alarm in the words of the metric service.
    fn alarm_document(&self, name: &str) -> Result<serde_json::Value, Failure> {
        Err(no_alarm(name))
    }

    /// What happened to an alarm, or to all of them, the latest first; `limit` at most.
    fn alarm_history(&self, _alarm: Option<&str>, _limit: u32) -> Result<Vec<AlarmItem>, Failure> {
        Ok(Vec::new())
    }

    /// Puts an alarm into a state until it is evaluated the next time.
    fn set_alarm_state(&self, alarm: &str, _state: &str, _reason: &str) -> Result<(), Failure> {
        Err(no_alarm(alarm))
    }

    /// What an alarm would have said about the last `seconds`: one that there is, by its name, or one in the words of the
    /// metric service.
    fn try_alarm(&self, alarm: &serde_json::Value, _seconds: u64) -> Result<AlarmTrial, Failure> {
        Err(no_alarm(&alarm.to_string()))
    }

    /// The points of a metric.
    fn metric(&self, question: &MetricQuestion) -> Result<Vec<MetricLine>, Failure> {
        Err(Failure::new(Kind::NotFound, format!("there is no metric {}", question.name)))
    }

    /// All streams by their names, with their rates.
    fn streams(&self) -> Vec<StreamLine> {
        Vec::new()
    }

    /// A stream with the use of its shards and their lineage.
    fn stream_view(&self, name: &str) -> Result<StreamView, Failure> {
        Err(no_stream(name))
    }

    /// The totals of a stream over the last `seconds` (900 to 86,400), in about 180 points, gaps left out.
    fn stream_history(&self, name: &str, _seconds: u64) -> Result<StreamHistory, Failure> {
        Err(no_stream(name))
    }

    /// The heaviest keys of an open shard of late. Reads of its records as much as it takes, up to a bound.
    fn shard_keys(&self, stream: &str, _shard: u32) -> Result<ShardKeys, Failure> {
        Err(no_stream(stream))
    }

    /// Begins to change a stream's shards; progress shows in its status.
    fn change_shards(&self, stream: &str, _change: ShardChange) -> Result<(), Failure> {
        Err(no_stream(stream))
    }

    /// The newest `n` control actions before the entry `before`, or of all, the newest first.
    fn audit(&self, _before: Option<u64>, _n: usize) -> Result<AuditPage, Failure> {
        Err(Failure::new(Kind::NotFound, "there is no audit log here"))
    }

    /// All readings for `/metrics`.
    fn samples(&self) -> Vec<Sample>;

    /// What the reading `name` says, in one line, for `/metrics`.
    fn help(&self, _name: &str) -> Option<&'static str> {
        None
    }

    /// Whether the platform serves; a failure says what does not.
    fn health(&self) -> Result<(), Failure>;
}

fn no_application(name: Option<&str>) -> Failure {
    let what =
        name.map_or_else(|| "there is no application yet".to_owned(), |name| format!("there is no application {name}"));
    Failure::new(Kind::NotFound, what)
}

fn no_stacks() -> Failure {
    Failure::new(Kind::NotFound, "this platform takes no stacks")
}

fn no_snapshot(name: &str) -> Failure {
    Failure::new(Kind::NotFound, format!("there is no snapshot {name}"))
}

fn no_alarm(name: &str) -> Failure {
    Failure::new(Kind::NotFound, format!("there is no alarm {name}"))
}

fn no_stream(name: &str) -> Failure {
    Failure::new(Kind::NotFound, format!("there is no stream {name}"))
}
