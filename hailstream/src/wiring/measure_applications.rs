//! What is measured of applications in a second, under the names that people know.

use super::application_rates::per_second;
use control::aws::{ApplicationMetric, Measured, application_series};
use control::metrics::{Entry, StatisticSet};
use control::{ApplicationView, OperatorFigures, RunMetrics, SinkFigures, SourceFigures, Status, SubtaskFigures};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Disk that goes with a KPU, in bytes.
const DISK_BYTES_PER_KPU: f64 = 50.0 * 1024.0 * 1024.0 * 1024.0;

/// What is measured of an application.
#[derive(Debug, Clone, Copy)]
pub(super) struct Measurable<'a> {
    name: &'a str,
    status: Status,
    restarts: u64,
    kpus: u32,
    metrics: Option<&'a RunMetrics>,
}

impl<'a> From<&'a ApplicationView> for Measurable<'a> {
    fn from(view: &'a ApplicationView) -> Self {
        let (name, metrics) = (view.spec.name.as_str(), view.metrics.as_ref());
        Self { name, status: view.status, restarts: view.restarts, kpus: view.spec.kpus(), metrics }
    }
}

/// What of an application was read the last time.
#[derive(Debug, Default, Clone)]
struct Before {
    at_ms: u64,
    running_since_ms: Option<u64>,
    down_since_ms: Option<u64>,
    records: (u64, u64),
    operators: BTreeMap<String, OperatorBefore>,
}

/// What of one operator was read.
#[derive(Debug, Default, Clone, Copy)]
struct OperatorBefore {
    all: SubtaskFigures,
    source: SourceFigures,
    sink: SinkFigures,
}

impl OperatorBefore {
    fn of(operator: &OperatorFigures) -> Self {
        let (source, sink) = (operator.source.unwrap_or_default(), operator.sink.unwrap_or_default());
        Self { all: operator.total(), source, sink }
    }
}

/// Remembers what rates and durations are told from.
#[derive(Debug, Default)]
pub(super) struct ApplicationMeter {
    before: BTreeMap<String, Before>,
}

/// The values of one second, of one application.
struct Told<'a> {
    application: &'a str,
    entries: Vec<Entry>,
}

impl Told<'_> {
    fn push(&mut self, measured: Measured<'_>, metric: ApplicationMetric, value: f64) {
        match application_series(self.application, measured, metric) {
            Ok(key) => self.entries.push(Entry {
                key: Arc::new(key),
                at_ms: None,
                summary: StatisticSet::of(value).into(),
                unit: metric.unit(),
            }),
            // The name of an operator may be longer than a dimension's value may be.
            Err(error) => tracing::debug!(%error, application = self.application, "something cannot be measured"),
        }
    }

    fn whole(&mut self, metric: ApplicationMetric, value: f64) {
        self.push(Measured::Whole, metric, value);
    }
}

impl ApplicationMeter {
    /// The measurements of a second that ends at `now_ms` (milliseconds since the Unix epoch).
    pub(super) fn measure(&mut self, views: &[Measurable<'_>], now_ms: u64) -> Vec<Entry> {
        self.before.retain(|name, _| views.iter().any(|view| view.name == *name));
        let mut entries = Vec::new();
        for view in views {
            let before = self.before.entry(view.name.to_owned()).or_default();
            let mut told = Told { application: view.name, entries: Vec::new() };
            let now = seen(before, view, now_ms);
            life(&mut told, view, &now);
            if let Some(metrics) = view.metrics {
                let seconds = now_ms.saturating_sub(before.at_ms) as f64 / 1_000.0;
                totals(&mut told, metrics);
                memory(&mut told, metrics);
                // Rates have a beginning: that of the reading before.
                if before.at_ms > 0 && seconds > 0.0 {
                    rates(&mut told, metrics, before, &now, seconds);
                }
            }
            *before = now;
            entries.append(&mut told.entries);
        }
        entries
    }
}

fn seen(before: &Before, view: &Measurable<'_>, now_ms: u64) -> Before {
    let runs = matches!(view.status, Status::Running | Status::Updating | Status::Autoscaling | Status::Maintenance);
    // An application that waits to be started again after a failure should run, and does not.
    let is_down = view.status == Status::Starting && view.restarts > 0;
    let metrics = view.metrics;
    let operator = |operator: &OperatorFigures| (operator.operator.clone(), OperatorBefore::of(operator));
    let operators = metrics.map(|metrics| metrics.operators.iter().map(operator).collect());
    Before {
        at_ms: now_ms,
        running_since_ms: runs.then(|| before.running_since_ms.unwrap_or(now_ms)),
        down_since_ms: is_down.then(|| before.down_since_ms.unwrap_or(now_ms)),
        records: metrics.map_or((0, 0), |metrics| (metrics.totals.records_in, metrics.totals.records_out)),
        operators: operators.unwrap_or_default(),
    }
}

fn life(told: &mut Told<'_>, view: &Measurable<'_>, now: &Before) {
    let since = |since_ms: Option<u64>| since_ms.map_or(0, |since_ms| now.at_ms.saturating_sub(since_ms)) as f64;
    let kpus = view.metrics.map_or(view.kpus, |metrics| metrics.kpus);
    told.whole(ApplicationMetric::Uptime, since(now.running_since_ms));
    told.whole(ApplicationMetric::Downtime, since(now.down_since_ms));
    told.whole(ApplicationMetric::FullRestarts, view.restarts as f64);
    told.whole(ApplicationMetric::Kpus, f64::from(kpus));
}

fn totals(told: &mut Told<'_>, metrics: &RunMetrics) {
    told.whole(ApplicationMetric::RecordsIn, metrics.totals.records_in as f64);
    told.whole(ApplicationMetric::RecordsOut, metrics.totals.records_out as f64);
    told.whole(ApplicationMetric::LateRecordsDropped, metrics.totals.late as f64);
    told.whole(ApplicationMetric::FailedCheckpoints, metrics.checkpoints.failed as f64);
    if metrics.checkpoints.completed > 0 {
        told.whole(ApplicationMetric::LastCheckpointDuration, metrics.checkpoints.last_duration_ms as f64);
        told.whole(ApplicationMetric::LastCheckpointSize, metrics.checkpoints.last_size_bytes as f64);
    }
    if let Some(watermark_ms) = metrics.watermark_ms {
        told.whole(ApplicationMetric::InputWatermark, watermark_ms as f64);
    }
    // The real service tells -1 until it knows.
    let behind = |ms: Option<u64>| ms.map_or(-1.0, |ms| ms as f64);
    told.whole(ApplicationMetric::MillisBehindLatest, behind(metrics.millis_behind_latest));
    for operator in &metrics.operators {
        if let Some(source) = &operator.source {
            let at = Measured::Source(source_id(operator));
            told.push(at, ApplicationMetric::MillisBehindLatest, behind(source.millis_behind_latest));
        }
        let at = Measured::Operator(&operator.operator);
        if let Some(sink) = &operator.sink {
            told.push(at, ApplicationMetric::SendErrors, sink.refused as f64);
        }
        let all = operator.total();
        told.push(at, ApplicationMetric::RecordsIn, all.records_in as f64);
        told.push(at, ApplicationMetric::RecordsOut, all.records_out as f64);
        for (metric, ms) in [
            (ApplicationMetric::InputWatermark, operator.input_ms),
            (ApplicationMetric::OutputWatermark, operator.output_ms),
        ] {
            if let Some(ms) = ms {
                told.push(at, metric, ms as f64);
            }
        }
    }
    // What leaves the application last has passed all of it.
    if let Some(ms) = metrics.operators.iter().filter_map(|operator| operator.output_ms).min() {
        told.whole(ApplicationMetric::OutputWatermark, ms as f64);
    }
}

/// What a source is known by: its table.
fn source_id(operator: &OperatorFigures) -> &str {
    operator.operator.strip_prefix("source ").unwrap_or(&operator.operator)
}

fn memory(told: &mut Told<'_>, metrics: &RunMetrics) {
    if let Some(budget) = metrics.state_budget_bytes.filter(|budget| *budget > 0) {
        let part = 100.0 * metrics.state_bytes as f64 / budget as f64;
        told.whole(ApplicationMetric::HeapMemoryUtilization, part.min(100.0));
        told.whole(ApplicationMetric::ContainerMemoryUtilization, part.min(100.0));
    }
    let disk = DISK_BYTES_PER_KPU * f64::from(metrics.kpus.max(1));
    told.whole(ApplicationMetric::ContainerDiskUtilization, (100.0 * metrics.spilled_bytes as f64 / disk).min(100.0));
}

fn rates(told: &mut Told<'_>, metrics: &RunMetrics, before: &Before, now: &Before, seconds: f64) {
    let rate = |now: u64, then: u64| per_second(now, then, seconds);
    told.whole(ApplicationMetric::RecordsInPerSecond, rate(now.records.0, before.records.0));
    told.whole(ApplicationMetric::RecordsOutPerSecond, rate(now.records.1, before.records.1));
    let (mut all, mut subtasks) = ([0.0; 3], 0.0);
    for operator in &metrics.operators {
        let (Some(then), Some(this)) =
            (before.operators.get(&operator.operator), now.operators.get(&operator.operator))
        else {
            continue;
        };
        means(told, operator, then, this);
        let (then, this) = (&then.all, &this.all);
        let at = Measured::Operator(&operator.operator);
        told.push(at, ApplicationMetric::RecordsInPerSecond, rate(this.records_in, then.records_in));
        told.push(at, ApplicationMetric::RecordsOutPerSecond, rate(this.records_out, then.records_out));
        let count = operator.subtasks.len().max(1) as f64;
        let times = [
            rate(this.busy_ms, then.busy_ms),
            rate(this.idle_ms, then.idle_ms),
            rate(this.backpressured_ms, then.backpressured_ms),
        ];
        for (nth, metric) in TIMES.into_iter().enumerate() {
            all[nth] += times[nth];
            told.push(at, metric, (times[nth] / count).min(1_000.0));
        }
        subtasks += count;
    }
    if subtasks > 0.0 {
        for (nth, metric) in TIMES.into_iter().enumerate() {
            told.whole(metric, (all[nth] / subtasks).min(1_000.0));
        }
        // A KPU is one thread, which computes for one subtask at a time.
        let busy = 100.0 * all[0] / (1_000.0 * f64::from(metrics.kpus.max(1)));
        told.whole(ApplicationMetric::CpuUtilization, busy.min(100.0));
        told.whole(ApplicationMetric::ContainerCpuUtilization, busy.min(100.0));
    }
}

/// Means over the calls of a second: of reads, and of flushes.
fn means(told: &mut Told<'_>, operator: &OperatorFigures, then: &OperatorBefore, now: &OperatorBefore) {
    let mean = |grown: u64, calls: u64| (calls > 0).then(|| grown as f64 / calls as f64);
    let (source, sink) = (&now.source, &now.sink);
    let asked = source.requested_bytes.saturating_sub(then.source.requested_bytes);
    if let Some(bytes) = mean(asked, source.reads.saturating_sub(then.source.reads)) {
        told.push(Measured::Source(source_id(operator)), ApplicationMetric::BytesRequestedPerFetch, bytes);
    }
    let spent_us = sink.flush_us.saturating_sub(then.sink.flush_us);
    if let Some(us) = mean(spent_us, sink.flushes.saturating_sub(then.sink.flushes)) {
        told.push(Measured::Operator(&operator.operator), ApplicationMetric::SendTime, us / 1_000.0);
    }
}

/// What a subtask does with its time.
const TIMES: [ApplicationMetric; 3] =
    [ApplicationMetric::BusyTime, ApplicationMetric::IdleTime, ApplicationMetric::BackPressuredTime];

#[cfg(test)]
mod tests {
    use super::*;
    use control::RunningStats;

    fn view(status: Status, restarts: u64, metrics: &RunMetrics) -> Measurable<'_> {
        Measurable { name: "taxi", status, restarts, kpus: 2, metrics: Some(metrics) }
    }

    fn metrics(records: u64, busy_ms: u64) -> RunMetrics {
        let subtask = SubtaskFigures { records_in: records, busy_ms, idle_ms: 0, ..SubtaskFigures::default() };
        let operator = |name: &str, inputs: &[&str]| OperatorFigures {
            operator: name.into(),
            inputs: inputs.iter().map(|input| (*input).to_owned()).collect(),
            subtasks: vec![subtask; 2],
            output_ms: Some(50),
            ..OperatorFigures::default()
        };
        let source = |name: &str, behind_ms| OperatorFigures {
            source: Some(SourceFigures {
                millis_behind_latest: behind_ms,
                reads: records,
                requested_bytes: 512 * records,
                ..SourceFigures::default()
            }),
            ..operator(name, &[])
        };
        let sink = OperatorFigures {
            sink: Some(SinkFigures {
                flush_us: 2_500 * records,
                flushes: records,
                refused: 7,
                ..SinkFigures::default()
            }),
            ..operator("sink areas", &["window"])
        };
        RunMetrics {
            totals: RunningStats { records_in: records, ..RunningStats::default() },
            operators: vec![
                source("source trips", Some(40)),
                operator("window", &["source trips"]),
                source("source fares", None),
                sink,
            ],
            millis_behind_latest: Some(40),
            state_bytes: 50,
            state_budget_bytes: Some(200),
            kpus: 2,
            ..RunMetrics::default()
        }
    }

    fn value(entries: &[Entry], name: &str, dimensions: usize) -> Option<f64> {
        let found = entries.iter().find(|e| e.key.name() == name && e.key.dimensions().len() == dimensions);
        found.map(|entry| entry.summary.set.sum)
    }

    #[test]
    fn an_application_is_measured_as_a_whole_and_in_its_parts() {
        let mut meter = ApplicationMeter::default();
        let first = meter.measure(&[view(Status::Running, 0, &metrics(100, 0))], 10_000);
        assert_eq!(value(&first, "numRecordsIn", 1), Some(100.0));
        assert_eq!(value(&first, "millisBehindLatest", 1), Some(40.0));
        let of = |id: &str| {
            let is = |entry: &&Entry| entry.key.dimensions().iter().any(|(name, value)| name == "Id" && value == id);
            first.iter().filter(is).map(|entry| entry.summary.set.sum).collect::<Vec<_>>()
        };
        assert_eq!((of("trips"), of("fares")), (vec![40.0], vec![-1.0]), "each source tells its own");
        assert_eq!((value(&first, "heapMemoryUtilization", 1), value(&first, "KPUs", 1)), (Some(25.0), Some(2.0)));
        assert_eq!(value(&first, "numRecordsInPerSecond", 1), None, "a rate has a beginning");
        let second = meter.measure(&[view(Status::Running, 0, &metrics(300, 250))], 12_000);
        assert_eq!(value(&second, "numRecordsInPerSecond", 1), Some(100.0));
        assert_eq!(value(&second, "numRecordsInPerSecond", 3), Some(200.0), "of both subtasks of an operator");
        // Four operators with two subtasks each were busy for 250 ms within 2 s, on two threads.
        assert_eq!(
            (value(&second, "busyTimeMsPerSecond", 1), value(&second, "cpuUtilization", 1)),
            (Some(125.0), Some(50.0))
        );
        assert_eq!(value(&second, "uptime", 1), Some(2_000.0));
        assert_eq!(value(&second, "bytesRequestedPerFetch", 3), Some(512.0));
        assert_eq!(value(&second, "currentSendTime", 3), Some(2.5));
        assert_eq!(value(&second, "numRecordsSendErrors", 3), Some(7.0));
    }

    #[test]
    fn time_without_a_run_that_should_be_is_told() {
        let mut meter = ApplicationMeter::default();
        let metrics = metrics(1, 0);
        meter.measure(&[view(Status::Running, 0, &metrics)], 1_000);
        meter.measure(&[view(Status::Starting, 1, &metrics)], 2_000);
        let told = meter.measure(&[view(Status::Starting, 1, &metrics)], 5_000);
        assert_eq!((value(&told, "downtime", 1), value(&told, "uptime", 1)), (Some(3_000.0), Some(0.0)));
        let told = meter.measure(&[view(Status::Running, 1, &metrics)], 6_000);
        assert_eq!((value(&told, "downtime", 1), value(&told, "fullRestarts", 1)), (Some(0.0), Some(1.0)));
        let told = meter.measure(&[view(Status::Running, 1, &metrics)], 5_000);
        assert_eq!(value(&told, "uptime", 1), Some(0.0), "the clock was set back");
    }
}
