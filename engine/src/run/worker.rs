//! Worker threads: each steps its subtasks in turn, rests when none is ready, and reports the first failure.

use super::error::JobError;
use super::load::Waiting;
use super::task::{Step, Task};
use super::time::Progress;
use super::wake::{Parker, Wake};
use crate::port::Ending;
use model::Env;
use parking_lot::{Condvar, Mutex};
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

/// What all threads of a job share.
pub(crate) struct Shared {
    pub(crate) env: Env,
    /// Whether the job is to end; at once, what is in flight is dropped.
    pub(crate) ending: Ending,
    parkers: Vec<Arc<Parker>>,
    status: Mutex<Status>,
    changed: Condvar,
}

struct Status {
    running: usize,
    failure: Option<JobError>,
}

impl Shared {
    pub(crate) fn new(env: Env, parkers: Vec<Arc<Parker>>) -> Arc<Self> {
        let status = Mutex::new(Status { running: parkers.len(), failure: None });
        Arc::new(Self { env, ending: Ending::default(), parkers, status, changed: Condvar::new() })
    }

    /// Records the first failure and ends the job.
    pub(crate) fn fail(&self, error: JobError) {
        {
            let mut status = self.status.lock();
            if status.failure.is_none() && !self.ending.is_cancelled() {
                tracing::error!(%error, "the job has failed");
                status.failure = Some(error);
            }
        }
        self.cancel();
    }

    /// Ends the job at once.
    pub(crate) fn cancel(&self) {
        self.ending.cancel();
        self.parkers.iter().for_each(|p| p.unpark());
    }

    /// A thread has ended.
    pub(crate) fn thread_ended(&self) {
        self.status.lock().running -= 1;
        self.changed.notify_all();
    }

    /// Whether threads are running, and the first failure.
    pub(crate) fn status(&self) -> (bool, Option<JobError>) {
        let status = self.status.lock();
        (status.running > 0, status.failure.clone())
    }

    /// Waits until no thread is running, at most `limit`; gives the first failure. Whether all have ended.
    pub(crate) fn wait(&self, limit: Option<Duration>) -> (bool, Option<JobError>) {
        let mut status = self.status.lock();
        while status.running > 0 {
            match limit {
                None => self.changed.wait(&mut status),
                Some(limit) => {
                    if self.changed.wait_for(&mut status, limit).timed_out() {
                        break;
                    }
                }
            }
        }
        (status.running == 0, status.failure.clone())
    }
}

/// A subtask with what wakes it and where it tells what it does.
pub(crate) struct Seat {
    pub(crate) task: Box<dyn Task>,
    pub(crate) wake: Arc<Wake>,
    pub(crate) progress: Arc<Progress>,
}

struct Seated {
    seat: Seat,
    deadline_ns: Option<u64>,
    done: bool,
}

/// Steps `seats` until all are done or the job is cancelled.
pub(crate) fn run(seats: Vec<Seat>, parker: &Parker, shared: &Shared) {
    let seated = |seat| Seated { seat, deadline_ns: None, done: false };
    let mut seats: Vec<Seated> = seats.into_iter().map(seated).collect();
    while !shared.ending.is_cancelled() && seats.iter().any(|s| !s.done) {
        let mut stepped = false;
        for seat in seats.iter_mut().filter(|s| !s.done) {
            if shared.ending.is_cancelled() {
                break;
            }
            let due = seat.deadline_ns.is_some_and(|at| at <= shared.env.monotonic_ns());
            if seat.seat.wake.take() || due {
                stepped = true;
                step(seat, shared);
            }
        }
        if !stepped {
            let now = shared.env.monotonic_ns();
            let next = seats.iter().filter(|s| !s.done).filter_map(|s| s.deadline_ns).min();
            parker.park(next.map(|at| Duration::from_nanos(at.saturating_sub(now).max(1_000))));
        }
    }
}

fn step(seated: &mut Seated, shared: &Shared) {
    let before = shared.env.monotonic_ns();
    seated.seat.progress.load.begins(before);
    seated.deadline_ns = None;
    let task = &mut seated.seat.task;
    let outcome = catch_unwind(AssertUnwindSafe(|| task.step(before)))
        .unwrap_or_else(|panic| Err(JobError::internal(task.place(), message_of(panic.as_ref()))));
    let after = shared.env.monotonic_ns();
    let load = &seated.seat.progress.load;
    load.worked(after.saturating_sub(before));
    match outcome {
        Ok(Step::Again) => seated.seat.wake.wake(),
        Ok(Step::Idle(deadline)) => {
            seated.deadline_ns = deadline;
            load.waits(after, Waiting::Input);
        }
        Ok(Step::Paced(deadline)) => {
            seated.deadline_ns = Some(deadline);
            load.waits(after, Waiting::Pace);
        }
        Ok(Step::Blocked) => load.waits(after, Waiting::Room),
        Ok(Step::Done) => seated.done = true,
        Err(error) => {
            seated.done = true;
            shared.fail(error);
        }
    }
}

fn message_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|s| (*s).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "a panic without a message".into())
}
