//! Policies at work: asked once a second, they decide from what is seen; a decision is kept before it is acted upon, and what
//! came of it is measured afterwards.

use super::decisions::{Decision, DecisionState, Decisions};
use super::policies::{KeptPolicy, PolicyBook, PolicyError};
use super::{Account, Memory, Observation, Policy, Step, Subject, Verdict, decide};
use crate::database::{Database, DatabaseError};
use crate::timeline::{Event, Severity, Timeline};
use model::Env;
use parking_lot::Mutex;
use serde_json::json;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// What came of a decision is measured so long after its steps were taken.
const OUTCOME_MS: u64 = 30_000;
/// Most decisions whose outcome is waited for.
const OUTCOMES_MAX: usize = 64;
/// After a step that was not taken nothing is tried for so long.
const FAILED_MS: u64 = 30_000;

/// Takes steps. It may block; it is called on a thread of its own.
pub trait Steps: Send + Sync {
    /// Takes one step for a subject whose stream has this name, where it has one, for a reason that is told with it.
    ///
    /// # Errors
    /// Says why it was not taken, for a person.
    fn take(&self, subject: &Subject, stream: Option<&str>, step: &Step, reason: &str) -> Result<(), String>;
}

/// What is seen of a subject in one second.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    /// What is seen.
    pub subject: Subject,
    /// The stream that an application reads, or the stream itself.
    pub stream: Option<String>,
    /// The second.
    pub observation: Observation,
    /// Our rule decides where the subject has no policy of its own.
    pub by_default: bool,
}

/// Decides once a second.
pub struct Autoscaler {
    env: Env,
    timeline: Timeline,
    steps: Arc<dyn Steps>,
    decisions: Decisions,
    book: PolicyBook,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    policies: Vec<KeptPolicy>,
    memories: BTreeMap<String, Memory>,
    seen: BTreeMap<Subject, Seen>,
    /// Subjects whose steps are being taken, and those that have failed, with when that is forgotten.
    acting: BTreeMap<Subject, Option<u64>>,
    outcomes: Vec<(i64, Subject, u64)>,
    /// Ends that the disk has not taken yet. No more than there are subjects: while none is taken nothing new begins.
    unkept: Vec<Ended>,
    /// What policies that only tell have told last, by their names.
    told: BTreeMap<String, Vec<Step>>,
}

/// How the steps of a decision ended.
struct Ended {
    decision: i64,
    at_ms: u64,
    error: Option<String>,
}

impl Autoscaler {
    /// The policies and decisions of this database.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn open(
        database: Arc<Database>,
        timeline: Timeline,
        env: Env,
        steps: Arc<dyn Steps>,
    ) -> Result<Arc<Self>, DatabaseError> {
        let decisions = Decisions::open(database.clone())?;
        let book = PolicyBook::open(database);
        let state = State { policies: book.all()?, ..State::default() };
        Ok(Arc::new(Self { env, timeline, steps, decisions, book, state: Mutex::new(state) }))
    }

    /// Decides from one second of all subjects.
    ///
    /// # Errors
    /// When a decision could not be kept; it is not acted upon then.
    pub fn look(self: &Arc<Self>, second: Vec<Seen>) -> Result<(), DatabaseError> {
        let mut state = self.state.lock();
        state.seen = second.iter().map(|seen| (seen.subject.clone(), seen.clone())).collect();
        let now_ms = self.env.now_ms();
        state.acting.retain(|_, failed_until| failed_until.is_none_or(|until| until > now_ms));
        let policies = state.due(&second);
        drop(state);
        self.keep_ends()?;
        self.measure_outcomes(&second)?;
        for (kept, mut seen) in policies {
            self.decide_one(&kept, &mut seen)?;
        }
        Ok(())
    }

    fn decide_one(self: &Arc<Self>, kept: &KeptPolicy, seen: &mut Seen) -> Result<(), DatabaseError> {
        let (memory, held) = {
            let state = self.state.lock();
            let memory = state.memories.get(&kept.id).cloned().unwrap_or_default();
            (memory, state.is_held(&kept.subject, self.env.now_ms()))
        };
        let before = memory.clone();
        if held {
            // What is under way, or has just failed, is a change for every rule.
            seen.observation.application.iter_mut().for_each(|application| application.changing = true);
            seen.observation.stream.iter_mut().for_each(|stream| stream.changing = true);
        }
        let (verdict, memory) = decide(&seen.observation, &kept.policy, memory);
        self.state.lock().memories.insert(kept.id.clone(), memory);
        let done = match verdict.account.clone() {
            Some(_) if self.was_told(kept, &verdict) => Ok(true),
            // Somebody else may have begun with the subject since it was looked at.
            Some(account) => self.act(kept, seen, verdict, account).map(|made| made.is_some()),
            None => Ok(true),
        };
        if !matches!(done, Ok(true)) {
            // Nothing was decided: it is to be decided again, and not once a pause after it has passed.
            let mut state = self.state.lock();
            state.memories.insert(kept.id.clone(), before);
            state.told.remove(&kept.id);
        }
        done.map(drop)
    }

    /// Whether a policy that only tells has told the same before: what nobody does is wanted again each second.
    fn was_told(&self, kept: &KeptPolicy, verdict: &Verdict) -> bool {
        if !kept.policy.dry_run || verdict.steps.is_empty() {
            return false;
        }
        let told = self.state.lock().told.insert(kept.id.clone(), verdict.steps.clone());
        told.as_ref() == Some(&verdict.steps)
    }

    /// Keeps a decision, tells it, and has its steps taken; `None` where steps are to be taken and others are under way.
    fn act(
        self: &Arc<Self>,
        kept: &KeptPolicy,
        seen: &Seen,
        verdict: Verdict,
        account: Account,
    ) -> Result<Option<i64>, DatabaseError> {
        let state = match (verdict.steps.is_empty(), kept.policy.dry_run) {
            (true, _) => DecisionState::Refused,
            (false, true) => DecisionState::DryRun,
            (false, false) => DecisionState::Acting,
        };
        let mut decision = Decision {
            id: 0,
            at_ms: self.env.now_ms(),
            subject: kept.subject.clone(),
            rule: kept.policy.rule.name().to_owned(),
            policy: kept.id.clone(),
            steps: verdict.steps,
            refusal: verdict.refusal,
            account,
            state,
            error: None,
            ended_ms: None,
            outcome: None,
        };
        let acts = state == DecisionState::Acting;
        if acts && !self.state.lock().hold(&kept.subject, decision.at_ms) {
            return Ok(None);
        }
        match self.decisions.keep(&decision) {
            Ok(id) => decision.id = id,
            Err(failed) => {
                if acts {
                    self.state.lock().acting.remove(&kept.subject);
                }
                return Err(failed);
            }
        }
        self.tell(&decision);
        if acts {
            self.begin(decision.clone(), seen.stream.clone());
        }
        Ok(Some(decision.id))
    }

    /// Takes the steps on a thread of their own: a change may take longer than a second.
    fn begin(self: &Arc<Self>, decision: Decision, stream: Option<String>) {
        let scaler = self.clone();
        let (id, subject) = (decision.id, decision.subject.clone());
        let work = move || scaler.finish(&decision, stream.as_deref());
        if let Err(error) = std::thread::Builder::new().name("scaling".into()).spawn(work) {
            self.note(id, &subject, Some(&format!("no thread could be started: {error}")));
        }
    }

    fn finish(&self, decision: &Decision, stream: Option<&str>) {
        let reason = &decision.account.reason;
        let take = |step| self.steps.take(&decision.subject, stream, step, reason);
        // A thread that ended without a note would hold the subject for good.
        let taken = catch_unwind(AssertUnwindSafe(|| decision.steps.iter().try_for_each(take)));
        let broken = |_| Err("taking it broke off with a panic; the output of the platform says where".to_owned());
        let error = taken.unwrap_or_else(broken).err();
        self.note(decision.id, &decision.subject, error.as_deref());
    }

    /// Notes how the steps of a decision ended, and looks after its outcome.
    fn note(&self, id: i64, subject: &Subject, error: Option<&str>) {
        let now_ms = self.env.now_ms();
        if let Err(failed) = self.decisions.ended(id, now_ms, error) {
            tracing::error!(%failed, %subject, "the end of a scaling decision could not be kept; it is tried again");
            let error = error.map(str::to_owned);
            self.state.lock().unkept.push(Ended { decision: id, at_ms: now_ms, error });
        }
        if let Some(error) = error {
            let text = format!("a step of decision {id} was not taken: {error}");
            self.tell_text(subject, Severity::Warning, text, json!({ "decision": id }));
        }
        let mut state = self.state.lock();
        match error {
            Some(_) => drop(state.acting.insert(subject.clone(), Some(now_ms + FAILED_MS))),
            None => drop(state.acting.remove(subject)),
        }
        if state.outcomes.len() < OUTCOMES_MAX {
            state.outcomes.push((id, subject.clone(), now_ms + OUTCOME_MS));
        }
    }

    /// Keeps the ends that the disk did not take when they came.
    fn keep_ends(&self) -> Result<(), DatabaseError> {
        let mut waiting = std::mem::take(&mut self.state.lock().unkept).into_iter();
        while let Some(ended) = waiting.next() {
            if let Err(failed) = self.decisions.ended(ended.decision, ended.at_ms, ended.error.as_deref()) {
                self.state.lock().unkept.extend([ended].into_iter().chain(waiting));
                return Err(failed);
            }
        }
        Ok(())
    }

    fn measure_outcomes(&self, second: &[Seen]) -> Result<(), DatabaseError> {
        let now_ms = self.env.now_ms();
        let due: Vec<(i64, Subject, u64)> = {
            let mut state = self.state.lock();
            let (due, later) = state.outcomes.drain(..).partition(|(_, _, at_ms)| *at_ms <= now_ms);
            state.outcomes = later;
            due
        };
        let mut due = due.into_iter();
        while let Some((id, subject, at_ms)) = due.next() {
            let Some(seen) = second.iter().find(|seen| seen.subject == subject) else { continue };
            if let Err(failed) = self.decisions.measured(id, &outcome(&seen.observation)) {
                let mut state = self.state.lock();
                let room = OUTCOMES_MAX.saturating_sub(state.outcomes.len());
                state.outcomes.extend([(id, subject, at_ms)].into_iter().chain(due).take(room));
                return Err(failed);
            }
        }
        Ok(())
    }

    fn tell(&self, decision: &Decision) {
        let severity = if decision.refusal.is_some() { Severity::Warning } else { Severity::Info };
        let text = told(decision);
        let details = json!({
            "decision": decision.id, "rule": decision.rule, "steps": decision.steps, "formula": decision.account.formula,
            "price_per_hour": decision.account.price_per_hour, "otherwise": decision.account.otherwise,
        });
        self.tell_text(&decision.subject, severity, text, details);
    }

    fn tell_text(&self, subject: &Subject, severity: Severity, text: String, details: serde_json::Value) {
        let (at_ms, kind, subject) = (self.env.now_ms(), "scaling".to_owned(), subject.to_string());
        self.timeline.tell(&Event { at_ms, severity, kind, subject, text, details });
    }

    /// The latest decisions, the newest first; of one subject, or of all.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn decisions(&self, subject: Option<&Subject>, limit: u32) -> Result<Vec<Decision>, DatabaseError> {
        self.decisions.latest(subject, limit)
    }

    /// The decision of this number.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn decision(&self, id: i64) -> Result<Option<Decision>, DatabaseError> {
        self.decisions.get(id)
    }

    /// What was seen in the last second.
    pub fn seen(&self) -> Vec<Seen> {
        self.state.lock().seen.values().cloned().collect()
    }

    /// The policies that are kept, by name.
    pub fn policies(&self) -> Vec<KeptPolicy> {
        self.state.lock().policies.clone()
    }

    /// Keeps a policy; it decides from the next second on, and begins with no memory.
    ///
    /// # Errors
    /// When it is wrong, or could not be kept.
    pub fn put_policy(&self, kept: KeptPolicy) -> Result<(), PolicyError> {
        self.book.put(&kept, self.env.now_ms())?;
        let mut state = self.state.lock();
        state.memories.remove(&kept.id);
        state.told.remove(&kept.id);
        state.policies.retain(|known| known.id != kept.id);
        state.policies.push(kept);
        state.policies.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(())
    }

    /// Removes a policy.
    ///
    /// # Errors
    /// When there is none of this name, or it could not be removed.
    pub fn remove_policy(&self, id: &str) -> Result<(), PolicyError> {
        if !self.book.remove(id)? {
            return Err(PolicyError::Unknown(id.to_owned()));
        }
        let mut state = self.state.lock();
        state.memories.remove(id);
        state.told.remove(id);
        state.policies.retain(|known| known.id != id);
        Ok(())
    }

    /// Takes a step that something else than a rule has decided, such as an alarm's policy or a schedule; kept, told and
    /// bounded like any other. Gives back the number of the decision; `None` where the bounds leave nothing to do.
    ///
    /// # Errors
    /// When the subject has no size now, is being changed, or the decision could not be kept.
    pub fn order(self: &Arc<Self>, kept: &KeptPolicy, wanted: u32, reason: &str) -> Result<Option<i64>, PolicyError> {
        let state = self.state.lock();
        let subject = &kept.subject;
        let seen = state.seen.get(subject).cloned().ok_or_else(|| PolicyError::NoCapacity(subject.clone()))?;
        if state.is_held(subject, self.env.now_ms()) {
            return Err(PolicyError::Changing(subject.clone()));
        }
        drop(state);
        let verdict = super::ordered(&seen.observation, &kept.policy, subject, wanted, reason);
        match verdict.account.clone() {
            None => Ok(None),
            Some(account) => {
                let made = self.act(kept, &seen, verdict, account)?;
                made.map(Some).ok_or_else(|| PolicyError::Changing(subject.clone()))
            }
        }
    }

    /// The size of a subject: parallelism or open shards; `None` where it is not seen.
    pub fn capacity(&self, subject: &Subject) -> Option<u32> {
        let state = self.state.lock();
        let seen = &state.seen.get(subject)?.observation;
        match subject {
            Subject::Application(_) => seen.application.as_ref().map(|application| application.parallelism),
            Subject::Stream(_) => seen.stream.as_ref().map(super::StreamSeen::open_shards),
        }
    }
}

impl State {
    /// Whether the steps of a subject are being taken, or have just failed.
    fn is_held(&self, subject: &Subject, now_ms: u64) -> bool {
        self.acting.get(subject).is_some_and(|failed_until| failed_until.is_none_or(|until| until > now_ms))
    }

    /// Holds a subject whose steps are to be taken; false where it is held already. Looking and holding are one, under
    /// one lock, so that no two hold it. [`Autoscaler::note`] ends it, however the steps end.
    fn hold(&mut self, subject: &Subject, now_ms: u64) -> bool {
        let is_free = !self.is_held(subject, now_ms);
        if is_free {
            self.acting.insert(subject.clone(), None);
        }
        is_free
    }

    /// The policies that decide about this second: those that are kept, and ours where there is none and it is wanted.
    fn due(&self, second: &[Seen]) -> Vec<(KeptPolicy, Seen)> {
        let mut due = Vec::new();
        for seen in second {
            let mut found = false;
            for kept in self.policies.iter().filter(|kept| kept.subject == seen.subject) {
                found = true;
                due.push((kept.clone(), seen.clone()));
            }
            if !found && seen.by_default {
                let (id, subject) = (seen.subject.to_string(), seen.subject.clone());
                due.push((KeptPolicy { id, subject, policy: Policy::default() }, seen.clone()));
            }
        }
        due
    }
}

/// A decision in a sentence.
fn told(decision: &Decision) -> String {
    let step = |step: &Step| match step {
        Step::Shards(shards) => format!("{shards} shards"),
        Step::Split(shards) => format!("shards {shards:?} split"),
        Step::Scale { parallelism, per_kpu } => {
            format!("parallelism {parallelism} on {} KPUs", parallelism.div_ceil((*per_kpu).max(1)))
        }
    };
    let steps: Vec<String> = decision.steps.iter().map(step).collect();
    match decision.state {
        DecisionState::Refused => format!("not scaled: {}", decision.account.reason),
        DecisionState::DryRun => format!("would be scaled to {}: {}", steps.join(" and "), decision.account.reason),
        _ => format!("scaled to {}: {}", steps.join(" and "), decision.account.reason),
    }
}

fn outcome(seen: &Observation) -> serde_json::Value {
    json!({
        "application": seen.application.as_ref().map(|application| json!({
            "parallelism": application.parallelism, "records_in": application.records_in, "backlog": application.backlog,
            "age_ms": application.age_ms, "busy": application.busy, "pause_ms": application.rescale_pause_ms,
        })),
        "stream": seen.stream.as_ref().map(|stream| json!({
            "open_shards": stream.open_shards(), "records": stream.records(), "throttled": stream.throttled(),
        })),
    })
}
