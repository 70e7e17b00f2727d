//! The pipeline from left to right: replay, stream, application, index.

use super::{BAD_SAMPLES_MAX, INDICES_SHOWN_MAX, SHARDS_SHOWN_MAX, TEXT_CHARS_MAX};
use serde::Serialize;

/// All stages at one moment. A stage that the platform has not been given is `None`.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Pipeline {
    /// The replay that feeds the stream.
    pub replay: Option<Replay>,
    /// The stream that the application reads.
    pub stream: Option<Stream>,
    /// The application that computes the results.
    pub application: Option<Application>,
    /// The index that holds the results.
    pub index: Index,
}

/// What a replay is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ReplayState {
    /// Not started yet.
    Idle,
    /// Sending.
    Running,
    /// Stopped where it is; it can go on.
    Paused,
    /// Everything was sent.
    Finished,
    /// It gave up; `message` says why.
    Failed,
}

/// The replay stage.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Replay {
    /// What it is doing.
    pub state: ReplayState,
    /// More about the state, such as why it failed.
    pub message: Option<String>,
    /// Records accepted by the stream per second.
    pub records_per_s: f64,
    /// How many times faster than the events happened; `None` = as fast as possible.
    pub speedup: Option<f64>,
    /// How far it is behind its schedule, in milliseconds; `None` when it has no schedule.
    pub replay_lag_ms: Option<u64>,
    /// Records accepted so far.
    pub sent: u64,
    /// Records that the stream refused so far.
    pub refused: u64,
    /// Records sent again so far.
    pub retries: u64,
    /// Event time of the last record sent, in milliseconds since the Unix epoch.
    pub position_ms: Option<i64>,
    /// Share of the whole that was sent, 0 to 1; `None` when the whole is not known.
    pub progress: Option<f64>,
}

/// Rows that came too late for a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct LateWindow {
    /// When it ended, in milliseconds since the Unix epoch on the windows' clock.
    pub end_ms: i64,
    /// How many rows.
    pub count: u64,
}

/// What an application has come to, kept under a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Snapshot {
    /// Its name.
    pub name: String,
    /// When it was taken, in milliseconds since the Unix epoch.
    pub created_ms: u64,
    /// What it takes, in bytes.
    pub bytes: u64,
}

impl Snapshot {
    /// The same within the bounds of what travels to a page.
    #[must_use]
    pub(crate) fn bounded(mut self) -> Self {
        cut(&mut self.name);
        self
    }
}

/// What a stream is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StreamStatus {
    /// It is being made.
    Creating,
    /// It serves.
    Active,
    /// Its shards are being split or merged; it serves.
    Updating,
    /// It is being removed.
    Deleting,
}

/// The stream stage.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Stream {
    /// Its name.
    pub name: String,
    /// What it is doing.
    pub status: StreamStatus,
    /// Number of shards open for writing.
    pub open_shards: u32,
    /// Records accepted per second.
    pub records_per_s: f64,
    /// Bytes accepted per second.
    pub bytes_per_s: f64,
    /// Records refused per second because a shard was at its limit.
    pub throttled_per_s: f64,
    /// The open shards in order of their numbers.
    pub shards: Vec<Shard>,
}

/// One open shard.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Shard {
    /// Its id.
    pub id: String,
    /// Records accepted per second.
    pub records_per_s: f64,
    /// Bytes accepted per second.
    pub bytes_per_s: f64,
    /// The larger of bytes/s and records/s as a share of its limit, 0 to 1; `None` when the stream has no limits.
    pub limit_use: Option<f64>,
    /// Records refused per second.
    pub throttled_per_s: f64,
}

/// What an application is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ApplicationState {
    /// Ready to start.
    Ready,
    /// On its way to running.
    Starting,
    /// Running.
    Running,
    /// Changing its configuration or parallelism.
    Updating,
    /// On its way to ready.
    Stopping,
    /// Its input has ended and all results are out.
    Finished,
    /// It gave up; `last_error` says why.
    Failed,
}

/// The application stage.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Application {
    /// Its name.
    pub name: String,
    /// What it is doing.
    pub state: ApplicationState,
    /// Parallel subtasks of each operator.
    pub parallelism: u32,
    /// KPUs it runs on.
    pub kpus: u32,
    /// Records read per second.
    pub records_per_s: f64,
    /// Smallest watermark over its sources, in milliseconds since the Unix epoch; `None` before the first one.
    pub watermark_ms: Option<i64>,
    /// Which part of its sources the watermark waits for, and why, in words; `None` when it waits for none for long.
    pub watermark_hold: Option<String>,
    /// How far each operator is in event time, each behind those whose rows it reads;
    /// [`OPERATORS_SHOWN_MAX`](super::OPERATORS_SHOWN_MAX) at most.
    pub operators: Vec<Operator>,
    /// How far its reading is behind the end of the stream, the maximum over shards; `None` when not reported.
    pub millis_behind_latest: Option<u64>,
    /// Records that came too late for their windows.
    pub late: u64,
    /// They by window, the newest first; [`LATE_WINDOWS_SHOWN_MAX`](super::LATE_WINDOWS_SHOWN_MAX) at most.
    pub late_windows: Vec<LateWindow>,
    /// Records that could not be read.
    pub bad: u64,
    /// Some of the bad records, newest first.
    pub bad_samples: Vec<BadSample>,
    /// How often it started anew after a failure.
    pub restarts: u64,
    /// The last failure.
    pub last_error: Option<String>,
}

/// How far one operator of an application is in event time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Operator {
    /// What it is called; no two of an application are called the same.
    pub name: String,
    /// The watermark that has come to it, in milliseconds since the Unix epoch; `None` before the first and after the last.
    pub input_watermark_ms: Option<i64>,
    /// The watermark that it has handed on, likewise.
    pub watermark_ms: Option<i64>,
    /// Which part of its sources this watermark waits for, and what else keeps it, in words; `None` when it waits for none.
    pub hold: Option<String>,
}

/// One record that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BadSample {
    /// Where it stands, such as a shard and a sequence number.
    pub position: String,
    /// Why it could not be read.
    pub reason: String,
    /// The beginning of its content as text.
    pub text: String,
}

/// The index stage.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Index {
    /// Documents in all indices.
    pub documents: u64,
    /// Documents written per second.
    pub documents_per_s: f64,
    /// A number that changes whenever visible results change, so that a page knows when to ask again.
    pub revision: u64,
    /// Its indices, by name.
    pub indices: Vec<IndexName>,
}

/// One index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct IndexName {
    /// Its name.
    pub name: String,
    /// Documents in it.
    pub documents: u64,
}

impl Pipeline {
    /// The same within the bounds of what travels to a page: lists cut to their first entries, texts to their beginning,
    /// rates that JSON cannot say to zero.
    #[must_use]
    pub(crate) fn bounded(mut self) -> Self {
        if let Some(replay) = &mut self.replay {
            bound_replay(replay);
        }
        if let Some(stream) = &mut self.stream {
            bound_stream(stream);
        }
        if let Some(application) = &mut self.application {
            bound_application(application);
        }
        self.index.documents_per_s = finite(self.index.documents_per_s);
        self.index.indices.truncate(INDICES_SHOWN_MAX);
        self.index.indices.iter_mut().for_each(|index| cut(&mut index.name));
        self
    }
}

fn bound_replay(replay: &mut Replay) {
    cut_option(&mut replay.message);
    replay.records_per_s = finite(replay.records_per_s);
    replay.speedup = replay.speedup.filter(|speedup| speedup.is_finite());
    replay.progress = replay.progress.map(|progress| finite(progress).clamp(0.0, 1.0));
}

fn bound_stream(stream: &mut Stream) {
    cut(&mut stream.name);
    stream.shards.truncate(SHARDS_SHOWN_MAX);
    for rate in [&mut stream.records_per_s, &mut stream.bytes_per_s, &mut stream.throttled_per_s] {
        *rate = finite(*rate);
    }
    for shard in &mut stream.shards {
        cut(&mut shard.id);
        shard.limit_use = shard.limit_use.map(|used| finite(used).clamp(0.0, 1.0));
        for rate in [&mut shard.records_per_s, &mut shard.bytes_per_s, &mut shard.throttled_per_s] {
            *rate = finite(*rate);
        }
    }
}

fn bound_application(application: &mut Application) {
    application.records_per_s = finite(application.records_per_s);
    cut(&mut application.name);
    cut_option(&mut application.last_error);
    application.operators.truncate(super::OPERATORS_SHOWN_MAX);
    for operator in &mut application.operators {
        cut(&mut operator.name);
        cut_option(&mut operator.hold);
    }
    application.late_windows.truncate(super::LATE_WINDOWS_SHOWN_MAX);
    application.bad_samples.truncate(BAD_SAMPLES_MAX);
    for sample in &mut application.bad_samples {
        cut(&mut sample.position);
        cut(&mut sample.reason);
        cut(&mut sample.text);
    }
}

pub(super) fn finite(value: f64) -> f64 {
    if value.is_finite() { value } else { 0.0 }
}

fn cut_option(text: &mut Option<String>) {
    if let Some(text) = text {
        cut(text);
    }
}

pub(super) fn cut(text: &mut String) {
    if let Some((end, _)) = text.char_indices().nth(TEXT_CHARS_MAX) {
        text.truncate(end);
        text.push('…');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shard(number: usize) -> Shard {
        let id = format!("shardId-{number:012}");
        Shard { id, records_per_s: 1.0, bytes_per_s: 2.0, limit_use: None, throttled_per_s: 0.0 }
    }

    #[test]
    fn what_travels_to_a_page_is_bounded() {
        let sample =
            BadSample { position: "shard 0, 7".into(), reason: "not JSON".into(), text: "é".repeat(1_000_000) };
        let (name, hold) = ("join 7".to_owned(), Some("x".repeat(5_000)));
        let operator = Operator { name, input_watermark_ms: Some(1), watermark_ms: None, hold };
        let pipeline = Pipeline {
            stream: Some(Stream {
                name: "trips".into(),
                status: StreamStatus::Active,
                open_shards: 10_000,
                records_per_s: f64::NAN,
                bytes_per_s: f64::INFINITY,
                throttled_per_s: 0.0,
                shards: (0..10_000).map(shard).collect(),
            }),
            application: Some(Application {
                name: "taxi".into(),
                state: ApplicationState::Failed,
                parallelism: 1,
                kpus: 1,
                records_per_s: 0.0,
                watermark_ms: None,
                watermark_hold: None,
                operators: vec![operator; 5_000],
                millis_behind_latest: None,
                late: 0,
                late_windows: vec![],
                bad: 1,
                bad_samples: vec![sample; 100],
                restarts: 0,
                last_error: Some("x".repeat(5_000)),
            }),
            ..Pipeline::default()
        };
        let bounded = pipeline.bounded();
        let (stream, application) = (bounded.stream.unwrap(), bounded.application.unwrap());
        assert_eq!((stream.open_shards, stream.shards.len()), (10_000, SHARDS_SHOWN_MAX));
        assert_eq!((stream.records_per_s, stream.bytes_per_s), (0.0, 0.0), "JSON cannot say these");
        assert_eq!(application.bad_samples.len(), BAD_SAMPLES_MAX);
        assert_eq!(application.operators.len(), crate::views::OPERATORS_SHOWN_MAX);
        assert!(application.operators[0].hold.as_ref().unwrap().ends_with('…'));
        assert_eq!(application.bad_samples[0].text.chars().count(), TEXT_CHARS_MAX + 1);
        assert!(application.last_error.unwrap().ends_with('…'));
    }
}
