//! What of `control` watches over the platform: metrics, alarms and the timeline, on one database.

use super::Parts;
use super::alarm_actions::{AlarmPerformer, PolicySeat};
use super::application_rates::ApplicationRates;
use super::measure::measure;
use super::measure_applications::{ApplicationMeter, Measurable};
use super::observe::{Second, StreamRates};
use super::process;
use super::scaling::sink_seen;
use super::signals::Signals;
use crate::outgoing;
use crate::settings::AlarmActions;
use control::alarms::{AlarmError, Alarms};
use control::aws::{CloudWatch, Service};
use control::metrics::{MetricStore, MetricsError};
use control::timeline::Timeline;
use control::watcher::{Seen, SeenApplication, SeenStream, Watcher};
use control::{ApplicationView, Database, DatabaseError, Status};
use model::{Env, Sample};
use parking_lot::Mutex;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::runtime::Handle;

/// Why it could not be opened, or a second could not be written down.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WatchError {
    #[error(transparent)]
    Metrics(#[from] MetricsError),
    #[error(transparent)]
    Alarms(#[from] AlarmError),
    #[error(transparent)]
    Database(#[from] DatabaseError),
    #[error("no client for webhooks can be made: {0}")]
    Client(std::io::Error),
}

/// Metrics, alarms and the timeline of one platform.
pub(crate) struct Control {
    env: Env,
    data_dir: PathBuf,
    database: Arc<Database>,
    metrics: Arc<MetricStore>,
    alarms: Arc<Alarms>,
    timeline: Timeline,
    state: Mutex<Watching>,
}

/// What is remembered from second to second.
#[derive(Default)]
struct Watching {
    signals: Signals,
    applications: ApplicationMeter,
    watcher: Watcher,
    refused_documents: Option<f64>,
}

impl Control {
    /// Opens it on the database, with metrics in the data directory.
    pub(crate) fn open(
        data_dir: &Path,
        env: Env,
        database: Arc<Database>,
        (actions, policies): (AlarmActions, PolicySeat),
        runtime: Handle,
    ) -> Result<Self, WatchError> {
        let metrics = Arc::new(MetricStore::open(&data_dir.join("metrics"), env.clone())?);
        let performer =
            Arc::new(AlarmPerformer::new(actions, runtime, outgoing::client().map_err(WatchError::Client)?, policies));
        let alarms = Alarms::open(env.clone(), database.clone(), metrics.clone(), performer)?;
        let timeline = Timeline::open(database.clone())?;
        Ok(Self {
            env,
            data_dir: data_dir.to_owned(),
            database,
            metrics,
            alarms: Arc::new(alarms),
            timeline,
            state: Mutex::default(),
        })
    }

    pub(crate) fn metrics(&self) -> &MetricStore {
        &self.metrics
    }

    pub(crate) fn alarms(&self) -> &Alarms {
        &self.alarms
    }

    /// Brings all that is kept into the database's own file.
    pub(crate) fn settle(&self) -> Result<(), DatabaseError> {
        self.database.settle()
    }

    pub(crate) fn timeline(&self) -> &Timeline {
        &self.timeline
    }

    /// Its service on the AWS door.
    pub(crate) fn service(&self) -> Result<Arc<dyn Service>, WatchError> {
        let (env, metrics, alarms) = (self.env.clone(), self.metrics.clone(), self.alarms.clone());
        Ok(Arc::new(CloudWatch::open(env, metrics, alarms, self.database.clone())?))
    }

    /// Readings of the process, beside those of the stages.
    pub(super) fn samples(&self) -> Vec<Sample> {
        let mut samples = self.metrics.samples();
        samples.extend(process::samples(&self.data_dir));
        samples
    }

    /// Writes down a second: its metrics, what has begun and ended in it, and what the alarms say of it.
    pub(crate) fn watch(&self, parts: &Parts, second: &Second) -> Result<(), WatchError> {
        let samples = parts.samples_with(&second.views);
        let now_ms = self.env.now_ms();
        let mut entries = measure(parts, &second.rates);
        let measurable: Vec<Measurable> = second.views.iter().map(Measurable::from).collect();
        let events = {
            let mut state = self.state.lock();
            entries.extend(state.signals.measure(&samples));
            entries.extend(state.applications.measure(&measurable, now_ms));
            let refused = state.refused(&samples);
            state.watcher.see(&seen(parts, second, now_ms, refused))
        };
        events.iter().for_each(|event| self.timeline.tell(event));
        // Alarms are evaluated although the disk takes no metrics: that is when they are needed.
        let recorded = self.metrics.record_entries(&entries);
        self.alarms.tick()?;
        Ok(recorded.map(drop)?)
    }
}

impl Watching {
    /// Documents that the index has refused since the reading before.
    fn refused(&mut self, samples: &[Sample]) -> u64 {
        let total =
            samples.iter().find(|sample| sample.name == "index_refused_documents_total").map_or(0.0, |s| s.value);
        let before = self.refused_documents.replace(total).unwrap_or(total);
        (total - before).max(0.0) as u64
    }
}

fn seen(parts: &Parts, Second { rates, views }: &Second, at_ms: u64, refused_documents: u64) -> Seen {
    let stream = |(name, rates): (&String, &StreamRates)| {
        let described = parts.store().describe_stream(name).ok()?;
        Some(SeenStream {
            name: name.clone(),
            throttled_records: rates.total.counted.throttled,
            throttled_reads: rates.total.counted.throttled_reads,
            open_shards: described.open_shards() as u32,
        })
    };
    let application = |view: &ApplicationView| {
        let metrics = view.metrics.as_ref().filter(|_| view.status == Status::Running)?;
        let own = rates.applications.get(&view.spec.name);
        let sink = own.map(|own| sink_seen(metrics, own)).unwrap_or_default();
        Some(SeenApplication {
            name: view.spec.name.clone(),
            records_in: metrics.totals.records_in,
            watermark_ms: metrics.watermark_ms,
            hold: metrics.watermark_hold.clone(),
            refused_rows: own.map_or(0, ApplicationRates::refused_rows),
            waited_for_sink: sink.waited,
        })
    };
    Seen {
        at_ms,
        streams: rates.streams.iter().filter_map(stream).collect(),
        applications: views.iter().filter_map(application).collect(),
        refused_documents,
    }
}
