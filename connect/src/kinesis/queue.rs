//! What was fetched of a shard and waits to be read.

use engine::port::{PortError, Wakers};
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::sync::Notify;

/// More is fetched of a shard while less than so much of it waits, in bytes. One answer, of at most 10 MB, may go beyond.
const WAITING_BYTES: usize = 4 * 1024 * 1024;
/// What a record counts beside its bytes: its number, and its place in the queue.
const RECORD_BYTES: usize = 128;

/// A record as it was fetched; it may be an aggregate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fetched {
    pub(super) number: String,
    pub(super) data: Vec<u8>,
}

/// Between what fetches from a shard and what reads it.
pub(super) struct Queue {
    state: Mutex<State>,
    room: Notify,
    wakers: Arc<Wakers>,
}

#[derive(Default)]
struct State {
    /// Answers with records, and how far behind the newest record each was, in milliseconds.
    answers: VecDeque<(VecDeque<Fetched>, Option<u64>)>,
    bytes: usize,
    /// How far behind the last answer was; `None` before the first one and after a failure.
    behind_ms: Option<u64>,
    ended: bool,
    failure: Option<PortError>,
}

/// What is at the front.
pub(super) enum Front {
    /// A record, and how far behind the newest one its answer was.
    Record(Fetched, Option<u64>),
    /// Nothing, and nothing more was there when the service was asked last.
    Tip,
    /// Nothing yet.
    Later,
    /// Nothing more, ever.
    End,
}

impl Queue {
    /// An empty one, whose news wake `wakers`.
    pub(super) fn new(wakers: Arc<Wakers>) -> Self {
        Self { state: Mutex::default(), room: Notify::new(), wakers }
    }

    /// Returns when there is room for one more answer.
    pub(super) async fn room(&self) {
        while self.state.lock().bytes >= WAITING_BYTES {
            self.room.notified().await;
        }
    }

    /// Adds an answer.
    pub(super) fn push(&self, records: VecDeque<Fetched>, behind_ms: Option<u64>) {
        let mut state = self.state.lock();
        // That there is still nothing is no news.
        let is_news = !records.is_empty() || state.behind_ms != behind_ms;
        state.behind_ms = behind_ms;
        if !records.is_empty() {
            state.bytes += records.iter().map(weight).sum::<usize>();
            state.answers.push_back((records, behind_ms));
        }
        drop(state);
        if is_news {
            self.wakers.wake();
        }
    }

    /// Nobody knows how far behind it is now: the service does not answer.
    pub(super) fn is_cut_off(&self) {
        self.state.lock().behind_ms = None;
    }

    /// The shard has been fetched to its end.
    pub(super) fn end(&self) {
        self.state.lock().ended = true;
        self.wakers.wake();
    }

    /// Nothing more can be fetched.
    pub(super) fn fail(&self, error: PortError) {
        self.state.lock().failure = Some(error);
        self.wakers.wake();
    }

    /// Takes what is at the front.
    ///
    /// # Errors
    /// When all that was fetched is taken and nothing more can be.
    pub(super) fn take(&self) -> Result<Front, PortError> {
        let mut state = self.state.lock();
        while let Some((records, behind_ms)) = state.answers.front_mut() {
            let behind_ms = *behind_ms;
            let Some(record) = records.pop_front() else {
                state.answers.pop_front();
                continue;
            };
            let was_full = state.bytes >= WAITING_BYTES;
            state.bytes -= weight(&record);
            if was_full && state.bytes < WAITING_BYTES {
                self.room.notify_one();
            }
            return Ok(Front::Record(record, behind_ms));
        }
        match (&state.failure, state.ended, state.behind_ms) {
            (Some(error), ..) => Err(error.clone()),
            (None, true, _) => Ok(Front::End),
            (None, false, Some(0)) => Ok(Front::Tip),
            (None, false, _) => Ok(Front::Later),
        }
    }

    /// How far behind the last answer was.
    pub(super) fn behind_ms(&self) -> Option<u64> {
        self.state.lock().behind_ms
    }
}

fn weight(record: &Fetched) -> usize {
    record.data.len() + RECORD_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::Kind;

    fn records(count: usize, bytes: usize) -> VecDeque<Fetched> {
        (0..count).map(|n| Fetched { number: n.to_string(), data: vec![0; bytes] }).collect()
    }

    #[tokio::test]
    async fn no_more_is_fetched_than_there_is_room_for() {
        let queue = Arc::new(Queue::new(Arc::default()));
        queue.room().await;
        queue.push(records(2, WAITING_BYTES), Some(7));
        let waits = tokio::spawn({
            let queue = queue.clone();
            async move { queue.room().await }
        });
        assert!(matches!(queue.take(), Ok(Front::Record(_, Some(7)))));
        tokio::task::yield_now().await;
        assert!(!waits.is_finished());
        assert!(matches!(queue.take(), Ok(Front::Record(..))));
        waits.await.unwrap();
    }

    #[test]
    fn a_tip_is_one_only_where_the_service_says_so() {
        let queue = Queue::new(Arc::default());
        assert!(matches!(queue.take(), Ok(Front::Later)), "nobody was asked yet");
        queue.push(VecDeque::new(), Some(0));
        assert!(matches!(queue.take(), Ok(Front::Tip)));
        queue.is_cut_off();
        assert!(matches!(queue.take(), Ok(Front::Later)));
        queue.push(records(1, 1), Some(0));
        queue.end();
        assert!(matches!(queue.take(), Ok(Front::Record(..))), "the end comes last");
        assert!(matches!(queue.take(), Ok(Front::End)));
        queue.fail(PortError::new(Kind::NotFound, "gone"));
        assert_eq!(queue.take().err().unwrap().message, "gone");
    }
}
