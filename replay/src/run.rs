//! The replay itself: a machine that takes one step at a time and never waits, so that a thread, a test or a simulation
//! can drive it with any clock.

use crate::batch::{Backoff, Unfit, Window};
use crate::config::{ConfigError, ReplayConfig};
use crate::handle::{Commands, ReplayHandle, Shared, StartError};
use crate::pace::{Schedule, Speed};
use crate::source::{Findings, Row, Source};
use crate::stats::{RateMeter, State, Stats};
use crate::target::{PutError, PutTarget, PutVerdict};
use model::{Env, EventTime};
use std::sync::Arc;

/// Most rows that one step passes over, so that commands are heard while a replay seeks.
const SKIP_ROWS_PER_STEP: u64 = 10_000;

/// What is to be done after a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Take the next step now.
    Again,
    /// Take the next step at this monotonic time in nanoseconds, or when a command arrives.
    WaitUntil(u64),
    /// Take the next step when a command arrives.
    WaitForCommand,
    /// There is no next step.
    Ended,
}

/// A replay: history from a source, paced, into a target.
pub struct Replay {
    config: ReplayConfig,
    source: Box<dyn Source>,
    target: Box<dyn PutTarget>,
    env: Env,
    shared: Arc<Shared>,
    window: Window,
    refusals: Backoff,
    errors: Backoff,
    /// Nothing is sent before this moment.
    hold_until_ns: u64,
    /// The next row, with its number, read but not yet due or not yet fitting.
    head: Option<(u64, Row)>,
    /// Rows taken from the source.
    rows_read: u64,
    /// The same, less the row that waits in `head`: those that are acknowledged, pending, skipped or unfit.
    rows_taken: u64,
    source_ended: bool,
    ending: Option<Ending>,
    schedule: Option<Schedule>,
    speed: Speed,
    paused: bool,
    stats: Stats,
    unfit: Findings,
    meter: RateMeter,
}

/// The state that the replay goes into once nothing is pending, or at the deadline.
struct Ending {
    state: State,
    deadline_ns: u64,
}

impl Replay {
    /// Starts a replay on a thread of its own.
    ///
    /// # Errors
    /// When an option is out of bounds or the thread cannot be started.
    pub fn start(
        config: ReplayConfig,
        source: Box<dyn Source>,
        target: Box<dyn PutTarget>,
        env: Env,
    ) -> Result<ReplayHandle, StartError> {
        let (replay, handle) = Self::prepare(config, source, target, env)?;
        handle.run_on_thread(replay)
    }

    /// A replay that somebody else drives by [`Replay::step`], and its handle.
    ///
    /// # Errors
    /// When an option is out of bounds.
    pub fn prepare(
        config: ReplayConfig,
        source: Box<dyn Source>,
        target: Box<dyn PutTarget>,
        env: Env,
    ) -> Result<(Self, ReplayHandle), ConfigError> {
        config.check()?;
        let shared = Arc::new(Shared::new(Commands { speed: config.speed, paused: config.paused, stop: false }));
        let handle = ReplayHandle::new(shared.clone(), env.clone());
        let mut replay = Self {
            window: Window::new(config.limits),
            refusals: Backoff::new(config.backoff_ms_min, config.backoff_ms_max),
            errors: Backoff::new(config.backoff_ms_min, config.error_backoff_ms_max),
            hold_until_ns: 0,
            head: None,
            rows_read: 0,
            rows_taken: 0,
            source_ended: false,
            ending: None,
            schedule: None,
            speed: config.speed,
            paused: false,
            stats: Stats::default(),
            unfit: Findings::default(),
            meter: RateMeter::default(),
            config,
            source,
            target,
            env,
            shared,
        };
        replay.publish();
        Ok((replay, handle))
    }

    /// Takes one step: hears commands, then skips, fills, sends, or says what to wait for. Only the target may block it.
    pub fn step(&mut self) -> Step {
        if self.stats.state.is_ended() {
            return Step::Ended;
        }
        self.obey(self.shared.commands());
        let step = self.advance();
        self.publish();
        step
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    pub(crate) fn env(&self) -> &Env {
        &self.env
    }

    fn obey(&mut self, commands: Commands) {
        let now_ns = self.env.monotonic_ns();
        if commands.speed != self.speed {
            let position = self.oldest();
            self.speed = commands.speed;
            if let (Some(schedule), Some(position)) = (&mut self.schedule, position) {
                schedule.set_speed(commands.speed, position, now_ns);
            }
        }
        if commands.paused != self.paused {
            self.paused = commands.paused;
            if let Some(schedule) = &mut self.schedule {
                if self.paused { schedule.pause(now_ns) } else { schedule.resume(now_ns) }
            }
        }
        if commands.stop && !matches!(&self.ending, Some(Ending { state: State::Stopped | State::Failed { .. }, .. })) {
            self.end_as(if self.source_ended && self.window.is_empty() { State::Finished } else { State::Stopped });
        }
    }

    fn advance(&mut self) -> Step {
        let now_ns = self.env.monotonic_ns();
        if self.ending.is_none() {
            if self.paused {
                return Step::WaitForCommand;
            }
            if self.skip() {
                return Step::Again;
            }
            self.fill(now_ns);
        }
        if let Some(ending) = &self.ending
            && (self.window.is_empty() || now_ns >= ending.deadline_ns)
        {
            self.stats.state = ending.state.clone();
            return Step::Ended;
        }
        match self.wait_before_put(now_ns) {
            Some(until_ns) if until_ns > now_ns => Step::WaitUntil(until_ns),
            _ => self.put(),
        }
    }

    /// When the next put may be sent; `None` for now. With an empty window: when the next row is due.
    fn wait_before_put(&self, now_ns: u64) -> Option<u64> {
        if self.window.is_empty() {
            let (schedule, (_, head)) = (self.schedule.as_ref()?, self.head.as_ref()?);
            return Some(schedule.due_ns(head.event_time).max(now_ns + 1));
        }
        if self.hold_until_ns > now_ns {
            return Some(self.hold_until_ns);
        }
        // A put that cannot grow, or that carries what was sent before, has nothing to linger for.
        let behind = self.head_is_due(now_ns);
        if behind || self.window.is_full() || self.window.sent_before() > 0 || self.ending.is_some() {
            return None;
        }
        Some(self.window.opened_ns() + self.config.linger_ms * 1_000_000)
    }

    fn head_is_due(&self, now_ns: u64) -> bool {
        let (Some(schedule), Some((_, head))) = (&self.schedule, &self.head) else { return false };
        schedule.is_due(head.event_time, now_ns)
    }

    /// Passes over a chunk of the rows that were acknowledged in an earlier run; `false` when there are none left.
    fn skip(&mut self) -> bool {
        let left = self.config.skip_rows.saturating_sub(self.rows_read);
        if left == 0 || self.source_ended {
            return false;
        }
        match self.source.skip_rows(left.min(SKIP_ROWS_PER_STEP)) {
            Ok(0) => self.end_of_source(),
            Ok(skipped) => {
                self.rows_read += skipped;
                self.rows_taken = self.rows_read;
                self.stats.skipped += skipped;
            }
            Err(error) => self.end_as(State::Failed { reason: error.to_string() }),
        }
        true
    }

    /// Takes rows that are due into the window, until it is full or the next row is not due.
    fn fill(&mut self, now_ns: u64) {
        // Rows that are passed over do not fill the window: they are bounded apart.
        let mut passed_over = 0;
        while self.ending.is_none() && !self.window.is_full() && passed_over < SKIP_ROWS_PER_STEP {
            let Some((number, row)) = self.next_row() else { return };
            if self.config.seek.is_some_and(|seek| row.event_time < seek) {
                self.stats.skipped += 1;
                self.rows_taken = self.rows_read;
                passed_over += 1;
                continue;
            }
            let (speed, first) = (self.speed, row.event_time);
            let schedule = self.schedule.get_or_insert_with(|| Schedule::new(speed, first, now_ns));
            if !schedule.is_due(row.event_time, now_ns) {
                self.head = Some((number, row));
                return;
            }
            match self.window.offer(number, row, now_ns) {
                Ok(()) => self.rows_taken = self.rows_read,
                Err(Unfit::Full(row)) => {
                    self.head = Some((number, row));
                    return;
                }
                Err(Unfit::Never(reason)) => {
                    self.rows_taken = self.rows_read;
                    self.unfit.bad_row(|| format!("row {}", number + 1), &reason);
                    passed_over += 1;
                }
            }
        }
    }

    fn next_row(&mut self) -> Option<(u64, Row)> {
        if let Some(head) = self.head.take() {
            return Some(head);
        }
        match self.source.next_row() {
            Ok(Some(row)) => {
                self.rows_read += 1;
                Some((self.rows_read - 1, row))
            }
            Ok(None) => {
                self.end_of_source();
                None
            }
            Err(error) => {
                self.end_as(State::Failed { reason: error.to_string() });
                None
            }
        }
    }

    fn end_of_source(&mut self) {
        self.source_ended = true;
        self.ending = Some(Ending { state: State::Finished, deadline_ns: u64::MAX });
    }

    fn end_as(&mut self, state: State) {
        let grace_ns = self.config.stop_grace_ms * 1_000_000;
        self.ending = Some(Ending { state, deadline_ns: self.env.monotonic_ns().saturating_add(grace_ns) });
    }

    fn put(&mut self) -> Step {
        if self.window.is_empty() {
            return Step::Again;
        }
        self.stats.puts += 1;
        self.stats.retries += self.window.sent_before() as u64;
        let answer = self.target.put(self.window.records());
        let now_ns = self.env.monotonic_ns();
        match answer {
            Ok(verdicts) => self.settle(&verdicts, now_ns),
            Err(PutError::Retriable(reason)) => {
                self.stats.put_errors += 1;
                self.stats.last_error = Some(reason);
                let sent = self.window.records().len();
                self.window.failed();
                self.hold_until_ns = now_ns + self.errors.after(sent, sent, &self.env);
                Step::Again
            }
            Err(PutError::Fatal(reason)) => {
                self.stats.put_errors += 1;
                self.fail(reason)
            }
        }
    }

    fn settle(&mut self, verdicts: &[PutVerdict], now_ns: u64) -> Step {
        let sent = self.window.records().len();
        let Some(settled) = self.window.settle(verdicts) else {
            return self.fail(format!("the target gave {} verdicts for {sent} records", verdicts.len()));
        };
        self.errors.reset();
        self.stats.last_error = None;
        self.stats.sent += settled.accepted as u64;
        self.stats.sent_bytes += settled.accepted_bytes as u64;
        self.stats.event_time = self.stats.event_time.max(settled.event_time);
        self.meter.add(now_ns, settled.accepted as u64);
        if settled.refused > 0 {
            self.count_codes(verdicts);
        }
        self.hold_until_ns = now_ns + self.refusals.after(settled.refused, sent, &self.env);
        Step::Again
    }

    /// Counts refusals, run by run: neighbours mostly share their code.
    fn count_codes(&mut self, verdicts: &[PutVerdict]) {
        let codes = verdicts.iter().filter_map(|verdict| match verdict {
            PutVerdict::Accepted => None,
            PutVerdict::Refused { code } => Some(code.as_ref()),
        });
        let mut run: Option<(&str, u64)> = None;
        for code in codes {
            match &mut run {
                Some((known, n)) if *known == code => *n += 1,
                _ => {
                    if let Some((known, n)) = run.replace((code, 1)) {
                        self.stats.count_refusals(known, n);
                    }
                }
            }
        }
        if let Some((code, n)) = run {
            self.stats.count_refusals(code, n);
        }
    }

    fn fail(&mut self, reason: String) -> Step {
        self.stats.last_error = Some(reason.clone());
        self.stats.state = State::Failed { reason };
        Step::Ended
    }

    /// The event time of the oldest row that is not acknowledged.
    fn oldest(&self) -> Option<EventTime> {
        let head = self.head.as_ref().map(|(_, row)| row.event_time);
        self.window.oldest().map(|(_, event_time)| event_time).or(head)
    }

    fn publish(&mut self) {
        let stats = &mut self.stats;
        if !stats.state.is_ended() {
            stats.state = if self.paused && self.ending.is_none() { State::Paused } else { State::Running };
        }
        stats.speed = self.speed;
        stats.position = self.window.oldest().map_or(self.rows_taken, |(number, _)| number);
        stats.acknowledged_ahead = self.rows_taken - stats.position - self.window.records().len() as u64;
        let findings = self.source.findings();
        let unparsable = findings.unparsable + self.unfit.unparsable;
        if unparsable != stats.unparsable {
            stats.unparsable = unparsable;
            let room = crate::source::BAD_ROW_SAMPLES_MAX;
            stats.bad_rows = findings.bad_rows.iter().chain(&self.unfit.bad_rows).take(room).cloned().collect();
        }
        stats.out_of_order = findings.out_of_order;
        if stats.left_out.len() != findings.left_out.len() {
            stats.left_out.clone_from(&findings.left_out);
        }
        let progress = self.source.progress();
        stats.rows_total = progress.rows_total;
        let part = |done: u64, of: u64| (of > 0).then(|| (done as f64 / of as f64).min(1.0));
        stats.fraction = match (progress.rows_total, progress.bytes_total) {
            (Some(rows), _) => part(stats.position, rows),
            (None, Some(bytes)) => part(progress.bytes_read, bytes),
            (None, None) => None,
        };
        self.shared.publish(&self.stats, &self.meter, self.schedule, self.oldest());
    }
}

impl std::fmt::Debug for Replay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Replay").field("config", &self.config).field("stats", &self.stats).finish_non_exhaustive()
    }
}
