//! The pipeline as the console shows it, from the stages' own accounts.

use super::Parts;
use super::observe::{Rates, ShardRates, StreamRates};
use console::views;
use control::{ApplicationView, Status};
use model::limits::{SHARD_WRITE_BYTES_PER_S, SHARD_WRITE_RECORDS_PER_S};
use store::{Limits, ShardState, StreamDescription, StreamStatus};

impl Parts {
    /// All stages as of now, with the rates of the last second.
    pub(crate) fn pipeline(&self) -> views::Pipeline {
        let second = self.second();
        let rates = &second.rates;
        let stream = self.stream().and_then(|name| self.store().describe_stream(&name).ok());
        views::Pipeline {
            replay: self.replaying().map(replay),
            stream: stream.map(|stream| self.stream_view(&stream, rates)),
            application: self.application().map(|view| application(view, rates)),
            index: self.index_view(rates),
        }
    }

    fn stream_view(&self, stream: &StreamDescription, rates: &Rates) -> views::Stream {
        let limited = self.store().config().limits == Limits::Enforced;
        let open = stream.shards.iter().filter(|shard| shard.state == ShardState::Open);
        let none = StreamRates::default();
        let rates = rates.streams.get(&stream.name).unwrap_or(&none);
        let shard = |index: u32| shard(index, rates.shards.get(&index).copied().unwrap_or_default(), limited);
        views::Stream {
            name: stream.name.clone(),
            status: stream_status(stream.status),
            open_shards: stream.open_shards() as u32,
            records_per_s: rates.total.records,
            bytes_per_s: rates.total.bytes,
            throttled_per_s: rates.total.throttled,
            shards: open.map(|described| shard(described.index.0)).collect(),
        }
    }
}

/// The console's word for where a stream is in its life.
pub(super) fn stream_status(status: StreamStatus) -> views::StreamStatus {
    match status {
        StreamStatus::Creating => views::StreamStatus::Creating,
        StreamStatus::Active => views::StreamStatus::Active,
        StreamStatus::Updating => views::StreamStatus::Updating,
        StreamStatus::Deleting => views::StreamStatus::Deleting,
    }
}

fn shard(index: u32, rates: ShardRates, limited: bool) -> views::Shard {
    let used = (rates.records / SHARD_WRITE_RECORDS_PER_S as f64).max(rates.bytes / SHARD_WRITE_BYTES_PER_S as f64);
    views::Shard {
        id: format!("shard {index}"),
        records_per_s: rates.records,
        bytes_per_s: rates.bytes,
        limit_use: limited.then_some(used.min(1.0)),
        throttled_per_s: rates.throttled,
    }
}

fn replay(replaying: &crate::replaying::Replaying) -> views::Replay {
    use replay::State;
    let stats = replaying.stats();
    let (state, message) = match stats.as_ref().map(|s| &s.state) {
        None => (views::ReplayState::Idle, None),
        Some(State::Running) => (views::ReplayState::Running, None),
        Some(State::Paused | State::Stopped) => (views::ReplayState::Paused, None),
        Some(State::Finished) => (views::ReplayState::Finished, None),
        Some(State::Failed { reason }) => (views::ReplayState::Failed, Some(reason.clone())),
    };
    let stats = stats.unwrap_or_default();
    let speedup = replaying.speed().factor();
    views::Replay {
        state,
        message: message.or(stats.last_error),
        records_per_s: stats.events_per_s,
        speedup,
        replay_lag_ms: speedup.map(|_| stats.replay_lag_ms),
        sent: stats.sent,
        refused: stats.refused,
        retries: stats.retries,
        position_ms: stats.event_time.map(|t| t.0),
        progress: stats.fraction,
    }
}

/// The console's word for what an application is doing.
pub(super) fn application_state(status: Status) -> views::ApplicationState {
    match status {
        Status::Ready | Status::Deleting => views::ApplicationState::Ready,
        Status::Starting | Status::Maintenance => views::ApplicationState::Starting,
        Status::Running => views::ApplicationState::Running,
        Status::Updating | Status::Autoscaling | Status::RollingBack => views::ApplicationState::Updating,
        Status::Stopping | Status::ForceStopping => views::ApplicationState::Stopping,
        Status::RolledBack => views::ApplicationState::Failed,
    }
}

fn application(view: ApplicationView, rates: &Rates) -> views::Application {
    let records_per_s = rates.applications.get(&view.spec.name).map_or(0.0, |rates| rates.records_in);
    let metrics = view.metrics.unwrap_or_default();
    let sample = |bad: control::BadRecord| views::BadSample { position: bad.place, reason: bad.reason, text: bad.text };
    views::Application {
        state: application_state(view.status),
        kpus: view.spec.kpus(),
        parallelism: view.spec.parallelism,
        name: view.spec.name,
        records_per_s,
        watermark_ms: metrics.watermark_ms,
        watermark_hold: metrics.watermark_hold,
        operators: metrics.operators.into_iter().map(operator).collect(),
        millis_behind_latest: metrics.millis_behind_latest,
        late: metrics.totals.late,
        late_windows: late_windows(&metrics.late_windows),
        bad: metrics.totals.bad,
        bad_samples: metrics.bad_samples.into_iter().map(sample).collect(),
        restarts: view.restarts,
        last_error: view.last_error,
    }
}

fn operator(operator: control::OperatorFigures) -> views::Operator {
    let control::OperatorFigures { operator, input_ms, output_ms, hold, .. } = operator;
    views::Operator { name: operator, input_watermark_ms: input_ms, watermark_ms: output_ms, hold }
}

/// The newest windows first.
fn late_windows(windows: &[(i64, u64)]) -> Vec<views::LateWindow> {
    let view = |(end_ms, count): &(i64, u64)| views::LateWindow { end_ms: *end_ms, count: *count };
    windows.iter().rev().take(views::LATE_WINDOWS_SHOWN_MAX).map(view).collect()
}

impl Parts {
    fn index_view(&self, rates: &Rates) -> views::Index {
        let known = |name: String| self.index().info(&name).ok().map(|info| (name, info.documents));
        let named = |(name, documents)| views::IndexName { name, documents };
        let indices: Vec<_> = self.index().names().into_iter().filter_map(known).map(named).collect();
        views::Index {
            documents: indices.iter().map(|index| index.documents).sum(),
            documents_per_s: rates.documents_written,
            revision: self.index().revision(),
            indices,
        }
    }
}
