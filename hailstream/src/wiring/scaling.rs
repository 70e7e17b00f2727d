//! Scaling at work: what the stages tell of one second, handed to the autoscaler, and its steps taken by store and engine.

use super::application_rates::{ApplicationRates, OperatorRates};
use super::connectors::stream_of;
use super::observe::{Rates, Second, StreamRates};
use super::runner::{DescribedTables, plan_of};
use super::{Parts, alarm_actions, waiting::Waiting};
use console::Failure;
use console::views::ShardChange;
use control::alarms::{NotPerformed, Occurrence};
use control::aws::AutoScaling;
use control::scaling::{
    ApplicationSeen, Autoscaler, KeptPolicy, Observation, Policies, Policy, PolicyError, Seen, ShardSeen, SinkSeen,
    Step, Steps, StreamSeen, Subject,
};
use control::timeline::Timeline;
use control::{ApplicationView, Database, DatabaseError, RunMetrics, ScaledBy, Status};
use engine::plan::NodeKind;
use model::{Classified, Kind, ShardIndex};
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use store::{ShardState, StreamStatus};

/// Most decisions that are shown.
const DECISIONS_SHOWN: u32 = 100;
/// The heaviest key of a full shard is looked for every so many milliseconds.
const KEY_LOOK_MS: u64 = 5_000;
/// A shard is full enough to be looked into from this part of its limits on.
const FULL: f64 = 0.9;
/// One subtask is hot when it computes for so much of its time.
const HOT_BUSY: f64 = 0.9;

/// The autoscaler of a platform, and what is remembered between two seconds to see for it.
pub(crate) struct Scaling {
    parts: Arc<Parts>,
    scaler: Arc<Autoscaler>,
    policies: Arc<Policies>,
    service: Arc<AutoScaling>,
    eyes: Mutex<Eyes>,
}

#[derive(Default)]
struct Eyes {
    /// Up to when schedules were looked at, in milliseconds since the Unix epoch.
    scheduled_ms: u64,
    /// The stream that each application's script reads, by application and script.
    sources: BTreeMap<String, (String, Option<String>)>,
    waiting: BTreeMap<String, Waiting>,
    /// When the keys of a shard were looked at, and the part that the heaviest has.
    keys: BTreeMap<(String, u32), (u64, Option<f64>)>,
}

impl Scaling {
    /// The policies and decisions of this database, for these stages.
    ///
    /// # Errors
    /// When they cannot be read.
    pub(crate) fn open(parts: Arc<Parts>, database: Arc<Database>, timeline: Timeline) -> Result<Self, DatabaseError> {
        let steps = Arc::new(PlatformSteps { parts: parts.clone() });
        let env = parts.env().clone();
        let scaler = Autoscaler::open(database.clone(), timeline, env.clone(), steps)?;
        let policies = Arc::new(Policies::new(scaler.clone(), env.clone()));
        let service = Arc::new(AutoScaling::open(database, scaler.clone(), policies.clone(), env.clone())?);
        let eyes = Mutex::new(Eyes { scheduled_ms: env.now_ms(), ..Eyes::default() });
        Ok(Self { parts, scaler, policies, service, eyes })
    }

    /// What the console shows.
    pub(super) fn shown(&self) -> Result<Value, Failure> {
        let decisions = self.scaler.decisions(None, DECISIONS_SHOWN).map_err(Failure::from_error)?;
        let policy = |kept: KeptPolicy| json!({ "id": kept.id, "subject": kept.subject, "policy": kept.policy });
        let subject = |seen: Seen| json!({ "subject": seen.subject, "stream": seen.stream, "seen": seen.observation });
        Ok(json!({
            "decisions": decisions,
            "policies": self.scaler.policies().into_iter().map(policy).collect::<Vec<_>>(),
            "subjects": self.scaler.seen().into_iter().map(subject).collect::<Vec<_>>(),
        }))
    }

    /// Gives a subject a policy of its own, or takes it away.
    pub(super) fn set_policy(&self, subject: &str, policy: Option<Value>) -> Result<(), Failure> {
        let known = subject_of(subject)?;
        let id = known.to_string();
        let done = match policy {
            None => self.scaler.remove_policy(&id),
            Some(document) => Policy::read(&document.to_string())
                .map_err(PolicyError::from)
                .and_then(|policy| self.scaler.put_policy(KeptPolicy { id, subject: known, policy })),
        };
        done.map_err(Failure::from_error)
    }

    /// What decides.
    pub(in crate::wiring) fn scaler(&self) -> &Arc<Autoscaler> {
        &self.scaler
    }

    /// The service on the AWS door.
    pub(crate) fn service(&self) -> Arc<AutoScaling> {
        self.service.clone()
    }

    /// Lets policies decide about a second. Called once a second, after it was observed.
    pub(crate) fn look(&self, Second { rates, views }: &Second) -> Result<(), DatabaseError> {
        let mut eyes = self.eyes.lock();
        eyes.forget(views, rates);
        let mut seen: Vec<Seen> = Vec::new();
        for view in views {
            let stream = eyes.source(view);
            seen.push(self.application(view, stream, rates, &mut eyes));
        }
        for (name, own) in &rates.streams {
            let observation =
                Observation { now_ms: self.now_ms(), stream: self.stream(name, own, &mut eyes), application: None };
            seen.push(Seen {
                subject: Subject::Stream(name.clone()),
                stream: Some(name.clone()),
                observation,
                by_default: false,
            });
        }
        let (since_ms, now_ms) = (eyes.scheduled_ms, self.now_ms());
        drop(eyes);
        self.scaler.look(seen)?;
        self.service.do_scheduled(since_ms)?;
        // What was due while something could not be kept is due again.
        self.eyes.lock().scheduled_ms = now_ms;
        Ok(())
    }

    fn now_ms(&self) -> u64 {
        self.parts.env().now_ms()
    }

    fn application(&self, view: &ApplicationView, stream: Option<String>, rates: &Rates, eyes: &mut Eyes) -> Seen {
        let name = &view.spec.name;
        let none = ApplicationRates::default();
        let own = rates.applications.get(name).unwrap_or(&none);
        let of_stream = stream.as_ref().and_then(|stream| rates.streams.get(stream).map(|rates| (stream, rates)));
        let metrics = view.metrics.clone().unwrap_or_default();
        let arrived = of_stream.map_or(own.records_in, |(_, rates)| rates.total.records);
        let waiting = eyes.waiting.entry(name.clone()).or_default();
        let backlog = waiting.pass(arrived, own.records_in, metrics.millis_behind_latest);
        let mut seen = application_seen(view, &metrics, own, backlog);
        let stream_seen = of_stream.and_then(|(stream, rates)| self.stream(stream, rates, eyes));
        seen.hot_key_share = seen.hot_key_share.map(|share| hottest(share, stream_seen.as_ref()));
        Seen {
            subject: Subject::Application(name.clone()),
            stream,
            observation: Observation { now_ms: self.now_ms(), stream: stream_seen, application: Some(seen) },
            by_default: view.auto_scaling(),
        }
    }

    fn stream(&self, name: &str, rates: &StreamRates, eyes: &mut Eyes) -> Option<StreamSeen> {
        // A stream that was deleted since the reading is not scaled.
        let described = self.parts.store().describe_stream(name).ok()?;
        let left = self.parts.runtime().block_on(self.parts.store().resizes_left(name)).ok()?;
        let open = described.shards.iter().filter(|shard| shard.state == ShardState::Open);
        let mut shards: Vec<ShardSeen> = open.map(|shard| shard_seen(shard.index, rates)).collect();
        for shard in shards.iter_mut().filter(|shard| shard.throttled > 0.0 && shard.use_of_limits() > FULL) {
            shard.hot_key_share = self.heaviest(name, shard.number, eyes);
        }
        Some(StreamSeen {
            shards,
            changing: described.status != StreamStatus::Active,
            resizes_left: left,
            read_bytes: rates.total.read_bytes,
            throttled_reads: rates.total.throttled_reads,
        })
    }

    /// The part of a shard's records that its heaviest key has; looked for now and then, since it reads them.
    fn heaviest(&self, stream: &str, shard: u32, eyes: &mut Eyes) -> Option<f64> {
        let (now_ms, place) = (self.now_ms(), (stream.to_owned(), shard));
        if let Some((at_ms, share)) = eyes.keys.get(&place)
            && now_ms.saturating_sub(*at_ms) < KEY_LOOK_MS
        {
            return *share;
        }
        let share = match self.parts.shard_keys(stream, shard) {
            Ok(keys) => keys.keys.first().map(|key| key.share),
            Err(error) => {
                tracing::warn!(stream, shard, ?error, "the keys of a full shard cannot be looked at");
                None
            }
        };
        eyes.keys.insert(place, (now_ms, share));
        share
    }
}

impl Eyes {
    /// Lets go of what is remembered of applications and streams that are gone.
    fn forget(&mut self, views: &[ApplicationView], rates: &Rates) {
        let runs = |name: &String| views.iter().any(|view| view.spec.name == *name);
        self.sources.retain(|name, _| runs(name));
        self.waiting.retain(|name, _| runs(name));
        self.keys.retain(|(stream, shard), _| rates.streams.get(stream).is_some_and(|r| r.shards.contains_key(shard)));
    }

    /// The stream that an application reads; the first where it reads several.
    fn source(&mut self, view: &ApplicationView) -> Option<String> {
        let known = self.sources.get(&view.spec.name).filter(|(script, _)| *script == view.spec.script);
        if let Some((_, stream)) = known {
            return stream.clone();
        }
        let plan = plan_of(&view.spec, &DescribedTables).ok();
        let stream = plan.and_then(|plan| {
            plan.nodes.iter().find_map(|node| match &node.kind {
                NodeKind::Scan { table, .. } => stream_of(table).ok().map(str::to_owned),
                _ => None,
            })
        });
        self.sources.insert(view.spec.name.clone(), (view.spec.script.clone(), stream.clone()));
        stream
    }
}

/// Alarms fire step policies.
impl alarm_actions::Policies for Scaling {
    fn execute(&self, policy: &str, occurrence: &Occurrence) -> Result<String, NotPerformed> {
        let (Some(value), Some(threshold)) = (occurrence.value, occurrence.threshold) else {
            let reason = format!("alarm {} has no number to go by", occurrence.alarm);
            return Err(NotPerformed { retriable: false, reason });
        };
        match self.policies.fire(policy, value, threshold) {
            Ok(Some(decision)) => Ok(format!("decision {decision} was made")),
            Ok(None) => Ok("no step was due".to_owned()),
            Err(error) => {
                let retriable = matches!(error.kind(), Kind::Conflict | Kind::Unavailable);
                Err(NotPerformed { retriable, reason: error.to_string() })
            }
        }
    }
}

/// The subject that someone names.
pub(super) fn subject_of(text: &str) -> Result<Subject, Failure> {
    Subject::try_from(text.to_owned()).map_err(|message| Failure::new(Kind::Invalid, message))
}

fn shard_seen(index: ShardIndex, rates: &StreamRates) -> ShardSeen {
    let own = rates.shards.get(&index.0).copied().unwrap_or_default();
    ShardSeen {
        number: index.0,
        records: own.records,
        bytes: own.bytes,
        throttled: own.throttled,
        age_ms: own.read_age_ms.map_or(0.0, |age| age as f64),
        hot_key_share: None,
    }
}

fn application_seen(
    view: &ApplicationView,
    metrics: &RunMetrics,
    rates: &ApplicationRates,
    backlog: f64,
) -> ApplicationSeen {
    let kpus = f64::from(metrics.kpus.max(1));
    let subtasks = |name: &String| {
        metrics
            .operators
            .iter()
            .find(|operator| operator.operator == *name)
            .map_or(1, |operator| operator.subtasks.len())
    };
    // Subtasks of one KPU share its thread: what they compute together is what it computes.
    let computed: f64 = rates.operators.iter().map(|(name, own)| own.busy * subtasks(name) as f64).sum();
    let cpu = (computed / kpus).min(1.0);
    let busiest = rates.operators.values().map(|own| own.busy).fold(0.0, f64::max);
    let sources = metrics.operators.iter().filter(|operator| operator.inputs.is_empty());
    let held_up = sources.filter_map(|operator| rates.operators.get(&operator.operator));
    ApplicationSeen {
        parallelism: if metrics.parallelism > 0 { metrics.parallelism } else { view.spec.parallelism },
        per_kpu: view.spec.parallelism_per_kpu,
        changing: view.status != Status::Running,
        records_in: rates.records_in,
        backlog,
        age_ms: metrics.millis_behind_latest.map_or(0.0, |age| age as f64),
        busy: busiest.max(cpu),
        backpressured: held_up.map(|own| own.backpressured).fold(0.0, f64::max),
        cpu,
        state_bytes: (metrics.state_bytes + metrics.spilled_bytes) as f64,
        sink: sink_seen(metrics, rates),
        hot_key_share: rates.operators.iter().filter_map(|(name, own)| skew(own, subtasks(name))).reduce(f64::max),
        restarts: view.restarts,
        failed_checkpoints: metrics.checkpoints.failed,
        completed_checkpoints: metrics.checkpoints.completed,
        rescale_pause_ms: metrics.rescale_pause_ms,
    }
}

/// The part of an operator's work that its busiest subtask does, where that one is at its end and has more than its share.
fn skew(own: &OperatorRates, subtasks: usize) -> Option<f64> {
    let all = own.busy * subtasks as f64;
    let share = own.busy_most / all.max(own.busy_most);
    (own.busy_most >= HOT_BUSY && subtasks > 1 && share * subtasks as f64 > 1.3).then_some(share)
}

/// The part of an application's records that have the heaviest key, where one subtask has more than its share: that key's
/// part of the stream where it is known, but never more than the subtask has; else as much as the subtask has.
fn hottest(subtask_share: f64, stream: Option<&StreamSeen>) -> f64 {
    let Some(stream) = stream.filter(|stream| stream.offered_records() > 0.0) else { return subtask_share };
    let of_all = |shard: &ShardSeen| Some(shard.hot_key_share? * shard.offered_records() / stream.offered_records());
    stream.shards.iter().filter_map(of_all).reduce(f64::max).map_or(subtask_share, |share| share.min(subtask_share))
}

/// Of the sinks the one that those before it wait for most; rows that any of them refused.
pub(super) fn sink_seen(metrics: &RunMetrics, rates: &ApplicationRates) -> SinkSeen {
    let mut slowest = SinkSeen::default();
    let mut refused = 0.0;
    for operator in metrics.operators.iter().filter(|operator| operator.sink.is_some()) {
        let own = rates.operators.get(&operator.operator);
        let Some(sink) = own.and_then(|own| own.sink) else { continue };
        refused += sink.refused;
        let feeds = operator.inputs.iter().filter_map(|input| rates.operators.get(input));
        let waited = feeds.map(|feed| feed.backpressured).fold(0.0, f64::max);
        if let Some(latency_ms) = sink.latency_ms.filter(|_| waited >= slowest.waited) {
            slowest = SinkSeen { latency_ms, waited, refused: 0.0 };
        }
    }
    SinkSeen { refused, ..slowest }
}

/// Steps taken by the store and by applications.
struct PlatformSteps {
    parts: Arc<Parts>,
}

impl Steps for PlatformSteps {
    fn take(&self, subject: &Subject, stream: Option<&str>, step: &Step, reason: &str) -> Result<(), String> {
        let the_stream = || stream.ok_or_else(|| format!("{subject} reads no stream of this platform"));
        match step {
            Step::Shards(target) => self.change(the_stream()?, ShardChange::Count(*target)),
            Step::Split(shards) => {
                shards.iter().try_for_each(|shard| self.change(the_stream()?, ShardChange::Split(*shard, None)))
            }
            Step::Scale { parallelism, per_kpu } => {
                let by = ScaledBy::Rule(reason.to_owned());
                let scaled = self.parts.applications().scale(subject.name(), *parallelism, Some(*per_kpu), &by);
                scaled.map_err(|error| error.to_string())
            }
        }
    }
}

impl PlatformSteps {
    fn change(&self, stream: &str, change: ShardChange) -> Result<(), String> {
        self.parts.change_shards(stream, change).map_err(|failure| failure.to_string())?;
        let settled = self.parts.runtime().block_on(self.parts.store().settled(stream));
        settled.map(drop).map_err(|error| error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::super::application_rates::SinkRates;
    use super::*;
    use control::{OperatorFigures, SinkFigures};

    #[test]
    fn a_hot_subtask_is_told_by_its_key_where_that_is_known() {
        let shard = |records, hot_key_share| ShardSeen { records, hot_key_share, ..ShardSeen::default() };
        let stream = |shards: &[ShardSeen]| StreamSeen { shards: shards.to_vec(), ..StreamSeen::default() };
        assert_eq!(hottest(0.9, None), 0.9);
        assert_eq!(hottest(0.9, Some(&stream(&[shard(600.0, None), shard(400.0, None)]))), 0.9, "nobody looked");
        assert_eq!(hottest(0.9, Some(&stream(&[shard(600.0, Some(0.5)), shard(400.0, Some(0.1))]))), 0.3);
        assert_eq!(hottest(0.5, Some(&stream(&[shard(600.0, Some(1.0))]))), 0.5, "never more than the subtask has");
        assert_eq!(hottest(0.5, Some(&stream(&[shard(0.0, Some(1.0))]))), 0.5);
    }

    #[test]
    fn of_several_sinks_the_one_is_told_that_is_waited_for_and_what_all_refuse() {
        let operator = |name: &str, inputs: &[&str], sink| OperatorFigures {
            operator: name.into(),
            inputs: inputs.iter().map(|input| (*input).to_owned()).collect(),
            sink,
            ..OperatorFigures::default()
        };
        let is_sink = Some(SinkFigures::default());
        let metrics = RunMetrics {
            operators: vec![
                operator("source", &[], None),
                operator("window", &["source"], None),
                operator("sink slow", &["window"], is_sink),
                operator("sink quick", &["source"], is_sink),
            ],
            ..RunMetrics::default()
        };
        let writes = |latency_ms, refused| OperatorRates {
            sink: Some(SinkRates { latency_ms, refused, ..SinkRates::default() }),
            ..OperatorRates::default()
        };
        let held_up = |backpressured| OperatorRates { backpressured, ..OperatorRates::default() };
        let all = [
            ("source", held_up(0.1)),
            ("window", held_up(0.8)),
            ("sink slow", writes(Some(900.0), 0.0)),
            ("sink quick", writes(Some(3.0), 12.0)),
        ];
        let operators = all.into_iter().map(|(name, own)| (name.to_owned(), own)).collect();
        let rates = ApplicationRates { operators, ..ApplicationRates::default() };
        assert_eq!(sink_seen(&metrics, &rates), SinkSeen { latency_ms: 900.0, waited: 0.8, refused: 12.0 });
    }
}
