//! What is done about a change of state: a thread of its own asks the port, again where that may help, and every outcome
//! is told.

use super::spec::State;
use serde_json::Value;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// Most actions that wait to be performed; more are refused, and told.
const WAITING_MAX: usize = 1_000;
/// How often an action is tried.
const TRIES_MAX: u32 = 3;
/// Pause before the second try; the next one is twice as long.
const PAUSE: Duration = Duration::from_secs(1);

/// The port through which actions are performed.
pub trait Actions: Send + Sync {
    /// Whether an action is one that can be performed.
    ///
    /// # Errors
    /// Says why not, and what there is.
    fn check(&self, action: &str) -> Result<(), String>;

    /// Whether it is performed again at every evaluation for as long as the state lasts.
    fn repeats(&self, action: &str) -> bool;

    /// Performs it; waits for the outcome, which it tells in words.
    ///
    /// # Errors
    /// When it was not performed.
    fn perform(&self, action: &str, occurrence: &Occurrence) -> Result<String, NotPerformed>;
}

/// Why an action was not performed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotPerformed {
    /// Whether another try may help.
    pub retriable: bool,
    /// Why, in words.
    pub reason: String,
}

/// What an action is about.
#[derive(Debug, Clone, PartialEq)]
pub struct Occurrence {
    /// The alarm.
    pub alarm: String,
    /// What it is for.
    pub description: Option<String>,
    /// The state that it has come to.
    pub state: State,
    /// The state that it was in.
    pub before: State,
    /// Why.
    pub reason: String,
    /// When, in milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// The newest number that it went by; `None` where there was none.
    pub value: Option<f64>,
    /// What its numbers are compared with; `None` for an alarm that goes by other alarms.
    pub threshold: Option<f64>,
    /// All of the alarm, for those who are told of it.
    pub details: Value,
}

/// What became of an action.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Outcome {
    pub(super) action: String,
    pub(super) occurrence: Occurrence,
    pub(super) tries: u32,
    pub(super) result: Result<String, String>,
}

/// An action and what it is about.
type Order = Box<(String, Occurrence)>;

/// The thread that performs actions.
pub(super) struct Performer {
    queue: Option<SyncSender<Order>>,
    thread: Option<JoinHandle<()>>,
}

impl Performer {
    /// Starts it. Every outcome is handed to `told`.
    pub(super) fn start(
        actions: Arc<dyn Actions>,
        told: impl Fn(Outcome) + Send + 'static,
    ) -> Result<Self, std::io::Error> {
        let (queue, orders) = sync_channel(WAITING_MAX);
        let work = move || perform_all(&*actions, &orders, told);
        let thread = std::thread::Builder::new().name("alarm-actions".to_owned()).spawn(work)?;
        Ok(Self { queue: Some(queue), thread: Some(thread) })
    }

    /// Hands an action over; tells what became of it where too many wait.
    pub(super) fn order(&self, action: &str, occurrence: Occurrence) -> Option<Outcome> {
        let order = Box::new((action.to_owned(), occurrence));
        match self.queue.as_ref()?.try_send(order) {
            Ok(()) => None,
            Err(TrySendError::Full(order) | TrySendError::Disconnected(order)) => {
                let (action, occurrence) = *order;
                let result = Err(format!("{WAITING_MAX} actions wait already"));
                Some(Outcome { action, occurrence, tries: 0, result })
            }
        }
    }
}

impl Drop for Performer {
    fn drop(&mut self) {
        // Without a sender the thread ends after what was ordered.
        self.queue = None;
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the thread that performs the actions of alarms had panicked");
        }
    }
}

fn perform_all(actions: &dyn Actions, orders: &Receiver<Order>, told: impl Fn(Outcome)) {
    let (_held, never) = sync_channel::<()>(0);
    while let Ok(order) = orders.recv() {
        let (action, occurrence) = *order;
        let (mut tries, mut pause) = (1, PAUSE);
        let mut result = actions.perform(&action, &occurrence);
        while tries < TRIES_MAX && result.as_ref().is_err_and(|error| error.retriable) {
            // Nothing ever comes here: this is a pause.
            let _ = never.recv_timeout(pause);
            (tries, pause) = (tries + 1, pause * 2);
            result = actions.perform(&action, &occurrence);
        }
        told(Outcome { action, occurrence, tries, result: result.map_err(|error| error.reason) });
    }
}
