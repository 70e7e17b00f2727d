//! All alarms of a platform: kept, evaluated when they are due, changed by people.

use super::actions::{Actions, Occurrence, Outcome, Performer};
use super::doubts::doubt;
use super::reasons::stamp;
use super::records::{self, HistoryFilter, HistoryItem, HistoryKind, Status};
use super::rule::Composite;
use super::sample::sample;
use super::spec::{Alarm, SpecError, State, Watch, Watches};
use super::verdict::Verdict;
use crate::database::{Database, DatabaseError};
use crate::metrics::{MetricStore, Unit};
use crate::timeline::{Event, Severity, Timeline};
use model::{Classified, Env, Kind};
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Most alarms.
const ALARMS_MAX: usize = 5_000;
/// Why an alarm that was just made is in its state.
const UNCHECKED: &str = "Unchecked: Initial alarm creation";

/// An alarm with what has become of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Kept {
    /// The alarm.
    pub alarm: Alarm,
    /// Its state.
    pub status: Status,
    /// Why it could not be evaluated the last time; `None` when it could.
    pub trouble: Option<String>,
    /// The number of the evaluation that was made last.
    evaluated: Option<u64>,
}

/// Which alarms are asked for.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Filter {
    /// Those of these names; any where there are none.
    pub names: Vec<String>,
    /// Those whose names begin so.
    pub prefix: Option<String>,
    /// Those in this state.
    pub state: Option<State>,
    /// Those with an action that begins so.
    pub action_prefix: Option<String>,
}

/// Why something was not done to an alarm.
#[derive(Debug, thiserror::Error)]
pub enum AlarmError {
    /// It is refused.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// An action is none.
    #[error("alarm {alarm}: {reason}")]
    Action {
        /// The alarm.
        alarm: String,
        /// What is wrong with the action.
        reason: String,
    },
    /// There is none of this name.
    #[error("there is no alarm {0}")]
    Unknown(String),
    /// Other alarms need it, or it needs itself.
    #[error("{0}")]
    Needed(String),
    /// There are too many.
    #[error("there are {ALARMS_MAX} alarms; remove some first")]
    TooMany,
    /// It cannot be kept.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

impl Classified for AlarmError {
    fn kind(&self) -> Kind {
        match self {
            Self::Spec(_) | Self::Action { .. } => Kind::Invalid,
            Self::Unknown(_) => Kind::NotFound,
            Self::Needed(_) | Self::TooMany => Kind::Conflict,
            Self::Database(error) => error.kind(),
        }
    }
}

type Alarmed = BTreeMap<String, Kept>;

/// All alarms. Cheap to share by reference; all methods may be called from any thread, and block on the disk.
pub struct Alarms {
    env: Env,
    database: Arc<Database>,
    metrics: Arc<MetricStore>,
    timeline: Timeline,
    actions: Arc<dyn Actions>,
    performer: Performer,
    alarms: Mutex<Alarmed>,
}

/// A change that is to be kept and told.
struct Changed {
    name: String,
    status: Status,
    before: State,
    /// Whether actions follow although the state is the same. Nothing is kept of it then: the state is as old as it was.
    again: bool,
    /// The newest number that decided, where one did.
    newest: Option<f64>,
}

impl Alarms {
    /// Opens what is kept in the database.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn open(
        env: Env,
        database: Arc<Database>,
        metrics: Arc<MetricStore>,
        actions: Arc<dyn Actions>,
    ) -> Result<Self, AlarmError> {
        records::migrate(&database)?;
        let timeline = Timeline::open(Arc::clone(&database))?;
        let kept = |(alarm, status): (Alarm, Status)| {
            let evaluated = turn(&alarm, env.now_ms());
            (alarm.name.clone(), Kept { alarm, status, trouble: None, evaluated })
        };
        let alarms = records::load(&database)?.into_iter().map(kept).collect();
        let (told, clock) = (Arc::clone(&database), env.clone());
        let performer = Performer::start(Arc::clone(&actions), move |outcome| note_outcome(&told, &clock, &outcome))
            .map_err(|error| AlarmError::Needed(format!("the thread for actions cannot be started: {error}")))?;
        Ok(Self { env, database, metrics, timeline, actions, performer, alarms: Mutex::new(alarms) })
    }

    /// Makes an alarm, or changes it; its state stays.
    ///
    /// # Errors
    /// When it is refused, or cannot be kept.
    pub fn put(&self, alarm: Alarm) -> Result<(), AlarmError> {
        alarm.check()?;
        self.check_actions(&alarm)?;
        if let Some(reason) = self.doubt(&alarm) {
            return Err(SpecError::Doubt { alarm: alarm.name, reason }.into());
        }
        let now_ms = self.env.now_ms();
        let mut alarms = self.alarms.lock();
        check_children(&alarms, &alarm)?;
        let before = alarms.get(&alarm.name);
        if before.is_none() && alarms.len() >= ALARMS_MAX {
            return Err(AlarmError::TooMany);
        }
        let fresh = || Status {
            state: State::InsufficientData,
            reason: UNCHECKED.to_owned(),
            reason_data: None,
            updated_ms: now_ms,
            transitioned_ms: now_ms,
            configured_ms: now_ms,
        };
        let status = before.map_or_else(fresh, |kept| Status { configured_ms: now_ms, ..kept.status.clone() });
        let verb = if before.is_some() { "updated" } else { "created" };
        let item = configured(&alarm, now_ms, verb);
        records::keep(&self.database, &[(&alarm, &status)], &[item])?;
        let evaluated = turn(&alarm, now_ms);
        alarms.insert(alarm.name.clone(), Kept { alarm, status, trouble: None, evaluated });
        Ok(())
    }

    /// Why an alarm could never say what it is meant to; `None` where nothing speaks against it.
    pub fn doubt(&self, alarm: &Alarm) -> Option<String> {
        doubt(alarm, &|wanted| self.metrics.unit(&wanted.key).filter(|unit| *unit != Unit::None))
    }

    fn check_actions(&self, alarm: &Alarm) -> Result<(), AlarmError> {
        let all = State::ALL.into_iter().flat_map(|state| alarm.actions(state));
        for action in all {
            let wrong = |reason| AlarmError::Action { alarm: alarm.name.clone(), reason };
            self.actions.check(action).map_err(wrong)?;
        }
        Ok(())
    }

    /// Removes alarms; names of which there is none are passed over.
    ///
    /// # Errors
    /// When another alarm watches one of them, or they cannot be removed; none is removed then.
    pub fn remove(&self, names: &[String]) -> Result<(), AlarmError> {
        let now_ms = self.env.now_ms();
        let mut alarms = self.alarms.lock();
        for kept in alarms.values().filter(|kept| !names.contains(&kept.alarm.name)) {
            let Watches::Alarms(rule) = &kept.alarm.watches else { continue };
            if let Some(child) = rule.children().into_iter().find(|child| names.iter().any(|name| name == child)) {
                let message =
                    format!("alarm {child} is watched by the composite alarm {}; change that first", kept.alarm.name);
                return Err(AlarmError::Needed(message));
            }
        }
        let gone: Vec<&Alarm> = names.iter().filter_map(|name| alarms.get(name)).map(|kept| &kept.alarm).collect();
        let items: Vec<HistoryItem> = gone.into_iter().map(|alarm| configured(alarm, now_ms, "deleted")).collect();
        records::remove(&self.database, names, &items)?;
        alarms.retain(|name, _| !names.contains(name));
        Ok(())
    }

    /// The alarms that are asked for, by name.
    pub fn find(&self, filter: &Filter) -> Vec<Kept> {
        let fits = |kept: &&Kept| {
            let name = &kept.alarm.name;
            let acts = |prefix: &String| {
                State::ALL
                    .into_iter()
                    .flat_map(|state| kept.alarm.actions(state))
                    .any(|a| a.starts_with(prefix.as_str()))
            };
            (filter.names.is_empty() || filter.names.contains(name))
                && filter.prefix.as_ref().is_none_or(|prefix| name.starts_with(prefix.as_str()))
                && filter.state.is_none_or(|state| state == kept.status.state)
                && filter.action_prefix.as_ref().is_none_or(acts)
        };
        self.alarms.lock().values().filter(fits).cloned().collect()
    }

    /// One alarm.
    ///
    /// # Errors
    /// When there is none of this name.
    pub fn get(&self, name: &str) -> Result<Kept, AlarmError> {
        self.alarms.lock().get(name).cloned().ok_or_else(|| AlarmError::Unknown(name.to_owned()))
    }

    /// What happened to alarms.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn history(&self, filter: &HistoryFilter) -> Result<Vec<HistoryItem>, AlarmError> {
        Ok(records::history(&self.database, filter)?)
    }

    /// Lets actions follow changes of state, or keeps them from it.
    ///
    /// # Errors
    /// When it cannot be kept; no alarm is changed then.
    pub fn enable_actions(&self, names: &[String], enabled: bool) -> Result<(), AlarmError> {
        let now_ms = self.env.now_ms();
        let mut alarms = self.alarms.lock();
        // A name that is there twice is changed once.
        let names: BTreeSet<&String> = names.iter().collect();
        let changed = |name: &String| {
            let kept = alarms.get(name).filter(|kept| kept.alarm.actions_enabled != enabled)?;
            let alarm = Alarm { actions_enabled: enabled, ..kept.alarm.clone() };
            Some((alarm, Status { configured_ms: now_ms, ..kept.status.clone() }))
        };
        let changes: Vec<(Alarm, Status)> = names.into_iter().filter_map(changed).collect();
        if changes.is_empty() {
            return Ok(());
        }
        let rows: Vec<(&Alarm, &Status)> = changes.iter().map(|(alarm, status)| (alarm, status)).collect();
        let items: Vec<HistoryItem> = changes.iter().map(|(alarm, _)| configured(alarm, now_ms, "updated")).collect();
        records::keep(&self.database, &rows, &items)?;
        for (alarm, status) in changes {
            if let Some(kept) = alarms.get_mut(&alarm.name) {
                (kept.alarm, kept.status) = (alarm, status);
            }
        }
        Ok(())
    }

    /// Puts an alarm into a state until it is evaluated the next time.
    ///
    /// # Errors
    /// When there is none of this name, or it cannot be kept.
    pub fn set_state(&self, name: &str, state: State, reason: &str, data: Option<String>) -> Result<(), AlarmError> {
        let now_ms = self.env.now_ms();
        let mut alarms = self.alarms.lock();
        let kept = alarms.get_mut(name).ok_or_else(|| AlarmError::Unknown(name.to_owned()))?;
        let evaluated = turn(&kept.alarm, now_ms);
        let status = moved(&kept.status, state, reason.to_owned(), data, now_ms);
        // Who says why may say by which numbers too.
        let newest = newest_told(status.reason_data.as_deref());
        let changed = Changed { name: name.to_owned(), before: kept.status.state, status, again: false, newest };
        self.keep_changes(&mut alarms, &[changed])?;
        // What was evaluated within the same minute is not evaluated again: whoever looks sees what was set.
        alarms.entry(name.to_owned()).and_modify(|kept| kept.evaluated = evaluated);
        Ok(())
    }

    /// Evaluates what is due. Called once a second.
    ///
    /// # Errors
    /// When what has changed cannot be kept; it is evaluated again then.
    pub fn tick(&self) -> Result<(), AlarmError> {
        let now_ms = self.env.now_ms();
        let mut alarms = self.alarms.lock();
        let mut changes = Vec::new();
        for (name, kept) in alarms.iter_mut() {
            let Watches::Numbers(watch) = &kept.alarm.watches else { continue };
            let number = now_ms / 1_000 / watch.every_s();
            if kept.evaluated == Some(number) {
                continue;
            }
            kept.evaluated = Some(number);
            let sample = sample(&self.metrics, watch, number * watch.every_s() * 1_000);
            match sample.map(|sample| Verdict::of(watch, sample, kept.status.state)) {
                Ok(verdict) => {
                    changes.extend(self.changed(kept, watch, &verdict, now_ms));
                    kept.trouble = None;
                }
                Err(trouble) => {
                    tracing::warn!(alarm = name, trouble, "an alarm cannot be evaluated");
                    kept.trouble = Some(trouble);
                }
            }
        }
        if let Err(error) = self.keep_changes(&mut alarms, &changes) {
            // These alone are evaluated again: another may be in a state that somebody has set meanwhile.
            for changed in &changes {
                alarms.entry(changed.name.clone()).and_modify(|kept| kept.evaluated = None);
            }
            return Err(error);
        }
        self.follow(&mut alarms, now_ms)
    }

    /// What an evaluation has come to, where that is to be kept or told.
    fn changed(&self, kept: &Kept, watch: &Watch, verdict: &Verdict, now_ms: u64) -> Option<Changed> {
        let (before, state) = (kept.status.state, verdict.state);
        let repeats = || kept.alarm.actions(state).iter().any(|action| self.actions.repeats(action));
        let again = state == before && kept.alarm.actions_enabled && repeats();
        (state != before || again).then(|| {
            let data = (!again).then(|| verdict.data(watch, now_ms));
            let status = moved(&kept.status, state, verdict.words(watch), data, now_ms);
            Changed { name: kept.alarm.name.clone(), status, before, again, newest: verdict.newest() }
        })
    }

    /// Brings the alarms that watch others after them, from the inside out.
    fn follow(&self, alarms: &mut Alarmed, now_ms: u64) -> Result<(), AlarmError> {
        // Each pass settles at least one of them where any has changed, and none watches itself.
        for _ in 0..alarms.len() {
            let state = |name: &str| alarms.get(name).map(|kept| kept.status.state);
            let changed = |(name, kept): (&String, &Kept)| {
                let Watches::Alarms(rule) = &kept.alarm.watches else { return None };
                let next = if rule.holds(&state) { State::Alarm } else { State::Ok };
                let before = kept.status.state;
                (next != before).then(|| {
                    let status = moved(&kept.status, next, followed(rule, next, &state), None, now_ms);
                    Changed { name: name.clone(), before, status, again: false, newest: None }
                })
            };
            let changes: Vec<Changed> = alarms.iter().filter_map(changed).collect();
            if changes.is_empty() {
                break;
            }
            self.keep_changes(alarms, &changes)?;
        }
        Ok(())
    }

    fn keep_changes(&self, alarms: &mut Alarmed, changes: &[Changed]) -> Result<(), AlarmError> {
        let (again, real): (Vec<&Changed>, Vec<&Changed>) = changes.iter().partition(|changed| changed.again);
        let mut items = Vec::new();
        let mut rows = Vec::new();
        for changed in &real {
            let Some(kept) = alarms.get(&changed.name) else { continue };
            items.push(updated(kept, changed));
            rows.push((&kept.alarm, &changed.status));
        }
        if !rows.is_empty() {
            records::keep(&self.database, &rows, &items)?;
        }
        for changed in real.into_iter().chain(again) {
            let Some(kept) = alarms.get_mut(&changed.name) else { continue };
            let is_change = !changed.again && changed.before != changed.status.state;
            if !changed.again {
                kept.status = changed.status.clone();
            }
            if is_change {
                self.timeline.tell(&happening(&kept.alarm, changed));
            }
            if is_change || changed.again {
                self.act(kept, changed);
            }
        }
        Ok(())
    }

    /// Orders what is to be done about a change.
    fn act(&self, kept: &Kept, changed: &Changed) {
        if !kept.alarm.actions_enabled {
            return;
        }
        let threshold = if let Watches::Numbers(watch) = &kept.alarm.watches { Some(watch.threshold) } else { None };
        let occurrence = Occurrence {
            value: changed.newest,
            threshold,
            alarm: kept.alarm.name.clone(),
            description: kept.alarm.description.clone(),
            state: changed.status.state,
            before: changed.before,
            reason: changed.status.reason.clone(),
            at_ms: self.env.now_ms(),
            details: serde_json::to_value(&kept.alarm.watches).unwrap_or_default(),
        };
        for action in kept.alarm.actions(changed.status.state) {
            if changed.again && !self.actions.repeats(action) {
                continue;
            }
            if let Some(refused) = self.performer.order(action, occurrence.clone()) {
                note_outcome(&self.database, &self.env, &refused);
            }
        }
    }
}

/// The number of the evaluation whose time has begun. One that is under way when an alarm is made, or when the platform
/// starts, is passed over: of what was not measured while nothing ran nobody is to be called.
fn turn(alarm: &Alarm, now_ms: u64) -> Option<u64> {
    let Watches::Numbers(watch) = &alarm.watches else { return None };
    Some(now_ms / 1_000 / watch.every_s())
}

/// Why a rule makes it this state.
fn followed(rule: &Composite, next: State, state: &dyn Fn(&str) -> Option<State>) -> String {
    let told = |child: &str| Some(format!("{child} is {}", state(child)?));
    let by: Vec<String> = rule.children().into_iter().filter_map(told).collect();
    let verb = if next == State::Alarm { "holds" } else { "does not hold" };
    format!("the rule {verb}: {}", by.join(", "))
}

/// The newest number in what is told to programs, which has the form of our own documents or is no help.
fn newest_told(data: Option<&str>) -> Option<f64> {
    let data = serde_json::from_str::<Value>(data?).ok()?;
    data["recentDatapoints"].as_array().and_then(|points| points.last()).and_then(Value::as_f64)
}

fn moved(status: &Status, state: State, reason: String, reason_data: Option<String>, now_ms: u64) -> Status {
    let transitioned_ms = if state == status.state { status.transitioned_ms } else { now_ms };
    Status { state, reason, reason_data, updated_ms: now_ms, transitioned_ms, configured_ms: status.configured_ms }
}

/// Whether all alarms that a rule names are there, and none of them watches this one.
fn check_children(alarms: &Alarmed, alarm: &Alarm) -> Result<(), AlarmError> {
    let Watches::Alarms(rule) = &alarm.watches else { return Ok(()) };
    let (mut waiting, mut seen) = (rule.children().into_iter().collect::<Vec<_>>(), BTreeSet::new());
    while let Some(child) = waiting.pop() {
        if child == alarm.name {
            let message = format!("the composite alarm {child} would watch itself, by way of the alarms that it names");
            return Err(AlarmError::Needed(message));
        }
        if !seen.insert(child) {
            continue;
        }
        match alarms.get(child) {
            None => {
                let reason = format!("its rule names the alarm {child}, which there is not");
                return Err(SpecError::Bounds { alarm: alarm.name.clone(), reason }.into());
            }
            Some(Kept { alarm: Alarm { watches: Watches::Alarms(inner), .. }, .. }) => waiting.extend(inner.children()),
            Some(_) => {}
        }
    }
    Ok(())
}

fn item(alarm: &Alarm, at_ms: u64, kind: HistoryKind, summary: String, data: &Value) -> HistoryItem {
    let composite = matches!(alarm.watches, Watches::Alarms(_));
    HistoryItem { at_ms, alarm: alarm.name.clone(), composite, kind, summary, data: data.to_string() }
}

fn configured(alarm: &Alarm, at_ms: u64, verb: &str) -> HistoryItem {
    let type_ = match verb {
        "created" => "Create",
        "deleted" => "Delete",
        _ => "Update",
    };
    let data = json!({ "version": "1.0", "type": type_, "alarm": alarm });
    item(alarm, at_ms, HistoryKind::ConfigurationUpdate, format!("Alarm \"{}\" {verb}", alarm.name), &data)
}

fn updated(kept: &Kept, changed: &Changed) -> HistoryItem {
    let told = |state: State, reason: &str, data: Option<&String>| {
        let data = data.and_then(|data| serde_json::from_str::<Value>(data).ok()).unwrap_or_default();
        json!({ "stateValue": state.name(), "stateReason": reason, "stateReasonData": data })
    };
    let (before, now) = (&kept.status, &changed.status);
    let data = json!({
        "version": "1.0",
        "oldState": told(before.state, &before.reason, before.reason_data.as_ref()),
        "newState": told(now.state, &now.reason, now.reason_data.as_ref()),
    });
    let summary = format!("Alarm updated from {} to {}", before.state, now.state);
    item(&kept.alarm, now.updated_ms, HistoryKind::StateUpdate, summary, &data)
}

fn happening(alarm: &Alarm, changed: &Changed) -> Event {
    let (before, state) = (changed.before, changed.status.state);
    Event {
        at_ms: changed.status.updated_ms,
        severity: if state == State::Alarm { Severity::Warning } else { Severity::Info },
        kind: "alarm".to_owned(),
        subject: format!("alarm/{}", alarm.name),
        text: format!("alarm {} went from {before} to {state}: {}", alarm.name, changed.status.reason),
        details: json!({ "state": state.name(), "before": before.name() }),
    }
}

fn note_outcome(database: &Database, env: &Env, outcome: &Outcome) {
    let Outcome { action, occurrence, tries, result } = outcome;
    let (verb, state, words) = match result {
        Ok(words) => ("Successfully executed action", "Succeeded", words),
        Err(words) => ("Failed to execute action", "Failed", words),
    };
    if let Err(reason) = result {
        tracing::warn!(alarm = occurrence.alarm, action, reason, "the action of an alarm was not performed");
    }
    let data = json!({
        "version": "1.0",
        "actionState": state,
        "action": action,
        "stateUpdateTimestamp": stamp(occurrence.at_ms),
        "tries": tries,
        "outcome": words,
    });
    let item = HistoryItem {
        at_ms: env.now_ms(),
        alarm: occurrence.alarm.clone(),
        composite: occurrence.details.get("Alarms").is_some(),
        kind: HistoryKind::Action,
        summary: format!("{verb} {action}"),
        data: data.to_string(),
    };
    if let Err(error) = records::keep(database, &[], &[item]) {
        tracing::error!(%error, alarm = occurrence.alarm, "what became of an action could not be kept");
    }
}
