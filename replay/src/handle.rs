//! The two ends between a running replay and those who watch and steer it: commands in, published statistics out.

use crate::config::ConfigError;
use crate::pace::{Schedule, Speed};
use crate::run::{Replay, Step};
use crate::stats::{RateMeter, State, Stats};
use model::{Classified, Env, EventTime, Kind, Sample};
use parking_lot::{Condvar, Mutex};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

/// Longest single wait of the thread: a clock that moves otherwise than the machine's is looked at again after this.
const WAIT_MAX: Duration = Duration::from_secs(1);

/// What a replay has been told to do.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Commands {
    pub(crate) speed: Speed,
    pub(crate) paused: bool,
    pub(crate) stop: bool,
}

/// What the replay and its handle share. Locks are held for the copying of small values alone.
pub(crate) struct Shared {
    board: Mutex<Board>,
    changed: Condvar,
}

struct Board {
    commands: Commands,
    /// What the replay has heard of them.
    heard: Commands,
    stats: Stats,
    meter: RateMeter,
    schedule: Option<Schedule>,
    oldest: Option<EventTime>,
}

impl Shared {
    pub(crate) fn new(commands: Commands) -> Self {
        let board = Board {
            commands,
            heard: commands,
            stats: Stats::default(),
            meter: RateMeter::default(),
            schedule: None,
            oldest: None,
        };
        Self { board: Mutex::new(board), changed: Condvar::new() }
    }

    /// The commands as they stand, which are heard by this.
    pub(crate) fn commands(&self) -> Commands {
        let mut board = self.board.lock();
        board.heard = board.commands;
        board.commands
    }

    pub(crate) fn publish(
        &self,
        stats: &Stats,
        meter: &RateMeter,
        schedule: Option<Schedule>,
        oldest: Option<EventTime>,
    ) {
        let mut board = self.board.lock();
        board.stats.clone_from(stats);
        board.meter.clone_from(meter);
        (board.schedule, board.oldest) = (schedule, oldest);
        if board.stats.state.is_ended() {
            self.changed.notify_all();
        }
    }

    fn command(&self, change: impl FnOnce(&mut Commands)) {
        change(&mut self.board.lock().commands);
        self.changed.notify_all();
    }

    fn fail(&self, reason: &str) {
        let mut board = self.board.lock();
        if !board.stats.state.is_ended() {
            board.stats.state = State::Failed { reason: reason.to_owned() };
        }
        self.changed.notify_all();
    }

    /// Waits until a command arrives that was not heard, or until the monotonic time `until_ns`.
    fn wait(&self, env: &Env, until_ns: Option<u64>) {
        let mut board = self.board.lock();
        while board.heard == board.commands {
            let left_ns = until_ns.map_or(u64::MAX, |until_ns| until_ns.saturating_sub(env.monotonic_ns()));
            if left_ns == 0 {
                return;
            }
            self.changed.wait_for(&mut board, Duration::from_nanos(left_ns).min(WAIT_MAX));
        }
    }
}

/// The handle of a replay: watch it, steer it, stop it. Dropping it asks the replay to stop.
pub struct ReplayHandle {
    shared: Arc<Shared>,
    env: Env,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl ReplayHandle {
    pub(crate) fn new(shared: Arc<Shared>, env: Env) -> Self {
        Self { shared, env, thread: Mutex::new(None) }
    }

    pub(crate) fn run_on_thread(self, replay: Replay) -> Result<Self, StartError> {
        let thread = std::thread::Builder::new().name("replay".into()).spawn(move || run(replay));
        *self.thread.lock() = Some(thread.map_err(StartError::Thread)?);
        Ok(self)
    }

    /// The replay's account of itself, with rate and lag as of now. One that was told to pause or to go on is told to
    /// have done so at once, whatever it still has in flight.
    pub fn stats(&self) -> Stats {
        let now_ns = self.env.monotonic_ns();
        let board = self.shared.board.lock();
        let mut stats = board.stats.clone();
        if !stats.state.is_ended() {
            if !board.commands.stop {
                stats.state = if board.commands.paused { State::Paused } else { State::Running };
            }
            stats.events_per_s = board.meter.per_s(now_ns);
            if let (Some(schedule), Some(oldest)) = (&board.schedule, board.oldest) {
                stats.replay_lag_ms = schedule.lag_ms(oldest, now_ns);
            }
        }
        stats
    }

    /// Rows from the source's start that are all done: the `skip_rows` with which a later replay continues.
    pub fn position(&self) -> u64 {
        self.shared.board.lock().stats.position
    }

    /// The statistics as samples.
    pub fn samples(&self) -> Vec<Sample> {
        self.stats().samples()
    }

    /// Changes the speed; it holds from the next step on, which comes at once.
    pub fn set_speed(&self, speed: Speed) {
        self.shared.command(|commands| commands.speed = speed);
    }

    /// Changes the speed to `factor` times.
    ///
    /// # Errors
    /// When the factor is out of bounds; the speed then stays.
    pub fn set_speedup(&self, factor: f64) -> Result<(), ConfigError> {
        self.set_speed(Speed::times(factor)?);
        Ok(())
    }

    /// Lets the replay pause; the schedule stands still meanwhile, so that no lag grows.
    pub fn pause(&self) {
        self.shared.command(|commands| commands.paused = true);
    }

    /// Lets the replay go on.
    pub fn resume(&self) {
        self.shared.command(|commands| commands.paused = false);
    }

    /// Asks the replay to stop and returns at once.
    pub fn request_stop(&self) {
        self.shared.command(|commands| commands.stop = true);
    }

    /// Stops the replay and waits until it has stopped: for what was refused to be taken, `stop_grace_ms` at most, and for
    /// a put that is in flight. Returns the final statistics. For a replay on a thread only.
    pub fn stop(&self) -> Stats {
        self.request_stop();
        let thread = self.thread.lock().take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            self.shared.fail(PANICKED);
        }
        self.stats()
    }

    /// Waits for the replay's end, `wait_ms_max` milliseconds at most, and returns the statistics as they then are.
    pub fn wait(&self, wait_ms_max: u64) -> Stats {
        let until_ns = self.env.monotonic_ns().saturating_add(wait_ms_max.saturating_mul(1_000_000));
        let mut board = self.shared.board.lock();
        while !board.stats.state.is_ended() {
            let left_ns = until_ns.saturating_sub(self.env.monotonic_ns());
            if left_ns == 0 {
                break;
            }
            self.shared.changed.wait_for(&mut board, Duration::from_nanos(left_ns).min(WAIT_MAX));
        }
        drop(board);
        self.stats()
    }
}

impl Drop for ReplayHandle {
    fn drop(&mut self) {
        self.request_stop();
    }
}

impl std::fmt::Debug for ReplayHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ReplayHandle").field("stats", &self.stats()).finish_non_exhaustive()
    }
}

const PANICKED: &str = "the replay ended by a fault of its own; please report it";

/// Says that the replay failed when its thread ends without having said how it ended.
struct Mourner(Arc<Shared>);

impl Drop for Mourner {
    fn drop(&mut self) {
        self.0.fail(PANICKED);
    }
}

fn run(mut replay: Replay) {
    let (shared, env) = (replay.shared().clone(), replay.env().clone());
    let _mourner = Mourner(shared.clone());
    loop {
        match replay.step() {
            Step::Again => {}
            Step::WaitUntil(until_ns) => shared.wait(&env, Some(until_ns)),
            Step::WaitForCommand => shared.wait(&env, None),
            Step::Ended => return,
        }
    }
}

/// Why a replay did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An option is out of bounds.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The operating system gives no thread.
    #[error("cannot start the replay's thread: {0}")]
    Thread(std::io::Error),
}

impl Classified for StartError {
    fn kind(&self) -> Kind {
        match self {
            Self::Config(error) => error.kind(),
            Self::Thread(_) => Kind::Unavailable,
        }
    }
}
