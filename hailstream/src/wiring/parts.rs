//! What a platform is made of, as the wiring and the commands need it together.

use super::control::Control;
use super::dead_letters::holds_letters;
use super::observe::{Reading, Second};
use crate::platform::PlatformError;
use crate::replaying::{Replaying, ReplayingError};
use crate::telemetry::Counts;
use control::metrics::{MetricStore, MetricsError};
use control::{ApplicationView, Applications, LookupStats, OperatorFigures, RunMetrics};
use index::Index;
use model::{Env, Sample};
use parking_lot::Mutex;
use std::sync::{Arc, OnceLock};
use store::Store;
use tokio::runtime::Handle;

/// The open stages of one platform.
pub(crate) struct Parts {
    env: Env,
    store: Store,
    index: Index,
    control: Control,
    applications: Arc<Applications>,
    replaying: OnceLock<Replaying>,
    messages: OnceLock<Arc<Counts>>,
    runtime: Handle,
    observed: Mutex<(Reading, Arc<Second>)>,
}

impl Parts {
    pub(crate) fn new(
        env: Env,
        (store, index, control): (Store, Index, Control),
        applications: Arc<Applications>,
        runtime: Handle,
    ) -> Self {
        let (replaying, messages, observed) = (OnceLock::new(), OnceLock::new(), Mutex::default());
        Self { env, store, index, control, applications, replaying, messages, runtime, observed }
    }

    /// Shows and steers this replay from now on; the first one that is given stays.
    pub(crate) fn replay_with(&self, replaying: Replaying) {
        self.replaying.get_or_init(|| replaying);
    }

    /// Tells among the readings what has become of messages to a collector.
    pub(crate) fn tell_of_messages(&self, counts: Arc<Counts>) {
        self.messages.get_or_init(|| counts);
    }

    pub(crate) fn env(&self) -> &Env {
        &self.env
    }

    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    pub(crate) fn index(&self) -> &Index {
        &self.index
    }

    pub(super) fn metrics(&self) -> &MetricStore {
        self.control.metrics()
    }

    /// Metrics, alarms and the timeline.
    pub(crate) fn control(&self) -> &Control {
        &self.control
    }

    pub(crate) fn replaying(&self) -> Option<&Replaying> {
        self.replaying.get()
    }

    pub(crate) fn runtime(&self) -> &Handle {
        &self.runtime
    }

    /// The stream that is shown: the replay's, else the first one.
    pub(crate) fn stream(&self) -> Option<String> {
        let replayed = self.replaying.get().map(|r| r.stream().to_owned());
        let first = || self.store.list_streams().into_iter().find(|name| !holds_letters(name));
        replayed.or_else(first)
    }

    /// The application that is shown: the one that was made first, so that one that is made later never takes its place.
    pub(crate) fn application(&self) -> Option<ApplicationView> {
        self.applications.views().into_iter().min_by_key(|view| view.created_ms)
    }

    /// Its name; empty where there is none.
    pub(crate) fn application_name(&self) -> String {
        self.application().map(|view| view.spec.name).unwrap_or_default()
    }

    /// All applications.
    pub(crate) fn applications(&self) -> &Arc<Applications> {
        &self.applications
    }

    /// Reads all counters; the rates are then those since the last call. Called once a second.
    pub(crate) fn observe(&self) -> Arc<Second> {
        let views = self.applications.views();
        let reading = Reading::of(self, &views);
        let mut observed = self.observed.lock();
        let second = Arc::new(Second { rates: reading.since(&observed.0), views });
        *observed = (reading, second.clone());
        second
    }

    /// Makes durable what was measured.
    pub(crate) fn sync_metrics(&self) -> Result<(), MetricsError> {
        self.control.metrics().sync()
    }

    /// What was observed last.
    pub(super) fn second(&self) -> Arc<Second> {
        self.observed.lock().1.clone()
    }

    /// Writes down where the replay is.
    pub(crate) fn save_replay(&self) -> Result<(), ReplayingError> {
        self.replaying.get().map_or(Ok(()), Replaying::save)
    }

    /// Ends the replay, then the applications, whose results are durable afterwards. Both are tried.
    pub(crate) fn stop_work(&self) -> Result<(), PlatformError> {
        let replay = self.replaying.get().map_or(Ok(()), Replaying::close);
        self.applications.close()?;
        Ok(replay?)
    }

    /// Every signal of every stage.
    pub(crate) fn samples(&self) -> Vec<Sample> {
        self.samples_with(&self.applications.views())
    }

    /// The same, of applications what these views tell.
    pub(super) fn samples_with(&self, views: &[ApplicationView]) -> Vec<Sample> {
        let mut samples = self.store.samples();
        samples.extend(self.index.samples());
        samples.extend(self.control.samples());
        samples.extend(self.replaying.get().into_iter().flat_map(Replaying::samples));
        samples.extend(self.messages.get().into_iter().flat_map(|counts| counts.samples()));
        samples.extend(views.iter().flat_map(application_samples));
        samples
    }
}

/// State and checkpoints of an application.
fn state_samples(view: &ApplicationView, metrics: &RunMetrics) -> Vec<Sample> {
    let checkpoints = metrics.checkpoints;
    let mut values = vec![
        ("application_checkpoints_completed_total", checkpoints.completed as f64),
        ("application_checkpoints_failed_total", checkpoints.failed as f64),
        ("application_last_checkpoint_duration_ms", checkpoints.last_duration_ms as f64),
        ("application_last_checkpoint_size_bytes", checkpoints.last_size_bytes as f64),
        ("application_spilled_bytes", metrics.spilled_bytes as f64),
        ("application_state_bytes", metrics.state_bytes as f64),
    ];
    values.extend(metrics.state_budget_bytes.map(|bytes| ("application_state_budget_bytes", bytes as f64)));
    values.extend(metrics.rescale_pause_ms.map(|ms| ("application_rescale_pause_ms", ms)));
    values
        .into_iter()
        .map(|(name, value)| Sample::new(name, value).with("application", view.spec.name.as_str()))
        .collect()
}

fn operator_samples(view: &ApplicationView, operator: &OperatorFigures) -> Vec<Sample> {
    let all = operator.total();
    let mut values = vec![
        ("application_operator_backpressured_ms_total", all.backpressured_ms as f64),
        ("application_operator_busy_ms_total", all.busy_ms as f64),
        ("application_operator_idle_ms_total", all.idle_ms as f64),
        ("application_operator_records_in_total", all.records_in as f64),
        ("application_operator_records_out_total", all.records_out as f64),
    ];
    values.extend(operator.output_ms.map(|ms| ("application_current_output_watermark_ms", ms as f64)));
    let named = |(name, value)| {
        let sample = Sample::new(name, value).with("application", view.spec.name.as_str());
        sample.with("operator", operator.operator.as_str())
    };
    values.into_iter().map(named).collect()
}

fn lookup_samples(view: &ApplicationView, lookup: &LookupStats) -> Vec<Sample> {
    let readings = [
        ("application_lookup_cache_hits_total", lookup.cache_hits as f64),
        ("application_lookup_dead_letters_total", lookup.dead as f64),
        ("application_lookup_in_flight", lookup.in_flight as f64),
        ("application_lookup_latency_ms", lookup.latency_ms),
        ("application_lookup_requests_total", lookup.requests as f64),
        ("application_lookup_retries_total", lookup.retries as f64),
    ];
    let sample = |(name, value)| {
        Sample::new(name, value).with("application", view.spec.name.as_str()).with("table", lookup.table.as_str())
    };
    readings.into_iter().map(sample).collect()
}

fn application_samples(view: &ApplicationView) -> Vec<Sample> {
    let sample = |name, value: f64| Sample::new(name, value).with("application", view.spec.name.as_str());
    let parallelism = view.metrics.as_ref().map_or(view.spec.parallelism, |m| m.parallelism);
    let mut samples = vec![
        sample("application_kpus", f64::from(view.spec.kpus())),
        sample("application_parallelism", f64::from(parallelism)),
        sample("application_restarts_total", view.restarts as f64),
    ];
    if let Some(metrics) = &view.metrics {
        samples.extend([
            sample("application_records_in_total", metrics.totals.records_in as f64),
            sample("application_records_out_total", metrics.totals.records_out as f64),
            sample("application_late_records_total", metrics.totals.late as f64),
            sample("application_bad_records_total", metrics.totals.bad as f64),
        ]);
        samples.extend(metrics.operators.iter().flat_map(|operator| operator_samples(view, operator)));
        samples.extend(metrics.lookups.iter().flat_map(|lookup| lookup_samples(view, lookup)));
        samples.extend(state_samples(view, metrics));
        samples.extend(metrics.watermark_ms.map(|ms| sample("application_watermark_ms", ms as f64)));
        samples.extend(metrics.millis_behind_latest.map(|ms| sample("application_behind_latest_ms", ms as f64)));
    }
    samples
}
