//! Live updates: one message a tick to every page, newest wins.
//!
//! One task asks the platform once a tick while at least one page listens, and puts the answer into a cell that holds
//! one message. Each page reads that cell when it is ready for more, so a slow one skips messages and nothing queues.

use crate::views::Pipeline;
use crate::{Failure, Platform};
use axum::response::sse::Event;
use futures_util::{Stream, StreamExt, future};
use model::{Env, Kind};
use parking_lot::Mutex;
use serde::Serialize;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, watch};
use tokio::time::MissedTickBehavior;
use tokio_stream::wrappers::WatchStream;

/// Most pages that listen at a time.
pub(crate) const PAGES_MAX: usize = 256;

/// One message to the pages.
#[derive(Debug, Serialize)]
struct Tick {
    /// Grows by one with each message of this process.
    sequence: u64,
    /// Wall-clock time of the message, in milliseconds since the Unix epoch.
    at_ms: u64,
    pipeline: Pipeline,
}

/// The newest message as JSON; `None` before the first one.
type Newest = Option<Arc<str>>;

/// Gives out streams of ticks, and asks the platform for them while anyone listens.
pub(crate) struct Live {
    platform: Arc<dyn Platform>,
    env: Env,
    tick: Duration,
    pages: Arc<Semaphore>,
    closing: Option<watch::Receiver<bool>>,
    /// The cell with the newest message while the task runs.
    cell: Mutex<Option<watch::Sender<Newest>>>,
}

impl Live {
    pub(crate) fn new(
        platform: Arc<dyn Platform>,
        env: Env,
        tick: Duration,
        closing: Option<watch::Receiver<bool>>,
    ) -> Arc<Self> {
        let pages = Arc::new(Semaphore::new(PAGES_MAX));
        Arc::new(Self { platform, env, tick, pages, closing, cell: Mutex::new(None) })
    }

    /// The stream of one page. Refused when too many pages listen.
    pub(crate) fn subscribe(
        self: &Arc<Self>,
    ) -> Result<impl Stream<Item = Result<Event, Infallible>> + Send + use<>, Failure> {
        let place = Arc::clone(&self.pages).try_acquire_owned().map_err(|_| {
            Failure::new(
                Kind::Throttled,
                format!("{PAGES_MAX} pages listen already: close one and load this one again"),
            )
        })?;
        let messages = WatchStream::new(self.listen()).filter_map(move |newest| {
            let _held_while_the_page_listens = &place;
            future::ready(newest.map(|json| Ok(Event::default().event("tick").data(json))))
        });
        Ok(messages.take_until(closed(self.closing.clone())))
    }

    /// The newest message, now and whenever there is a newer one; starts the task when it does not run.
    fn listen(self: &Arc<Self>) -> watch::Receiver<Newest> {
        let mut cell = self.cell.lock();
        if let Some(sender) = &*cell {
            return sender.subscribe();
        }
        let (sender, receiver) = watch::channel(None);
        *cell = Some(sender);
        tokio::spawn(Arc::clone(self).run());
        receiver
    }

    /// Asks and publishes once a tick until nobody listens.
    async fn run(self: Arc<Self>) {
        let mut interval = tokio::time::interval(self.tick);
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for sequence in 0.. {
            interval.tick().await;
            let message = self.message(sequence).await;
            let mut cell = self.cell.lock();
            match (&*cell, message) {
                // Decided under the lock that `listen` takes, so no page can come in between and be left alone.
                (Some(sender), _) if sender.receiver_count() == 0 => {
                    *cell = None;
                    return;
                }
                (Some(sender), Some(message)) => {
                    sender.send_replace(Some(message));
                }
                (Some(_), None) => {}
                (None, _) => return,
            }
        }
    }

    /// The next message; `None` (and a line in the log) when the platform could not be asked.
    async fn message(&self, sequence: u64) -> Option<Arc<str>> {
        let platform = Arc::clone(&self.platform);
        let asked = tokio::task::spawn_blocking(move || platform.pipeline().bounded()).await;
        let pipeline = asked.inspect_err(|error| tracing::error!(%error, "the pipeline could not be read")).ok()?;
        let tick = Tick { sequence, at_ms: self.env.now_ms(), pipeline };
        let json = serde_json::to_string(&tick);
        json.inspect_err(|error| tracing::error!(%error, "a tick could not be written")).ok().map(Arc::from)
    }
}

/// Ends when the server closes; never when it was given no word of that.
async fn closed(closing: Option<watch::Receiver<bool>>) {
    match closing {
        // An error means that the sender is gone, which is a close as well.
        Some(mut closing) => drop(closing.wait_for(|closed| *closed).await),
        None => future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::views::{AirportLine, Cell, CellsRequest, HourCount, TimeRange, Totals};
    use std::sync::atomic::{AtomicU64, Ordering};

    /// Counts how often it was asked, and says so as its number of documents.
    #[derive(Default)]
    struct Counting {
        asked: AtomicU64,
    }

    impl Platform for Counting {
        fn pipeline(&self) -> Pipeline {
            let mut pipeline = Pipeline::default();
            pipeline.index.documents = self.asked.fetch_add(1, Ordering::SeqCst) + 1;
            pipeline
        }
        fn time_range(&self) -> Result<Option<TimeRange>, Failure> {
            Ok(None)
        }
        fn cells(&self, _: &CellsRequest) -> Result<Vec<Cell>, Failure> {
            Ok(vec![])
        }
        fn airport_lines(&self, _: TimeRange) -> Result<Vec<AirportLine>, Failure> {
            Ok(vec![])
        }
        fn totals(&self, _: TimeRange) -> Result<Totals, Failure> {
            Ok(Totals::default())
        }
        fn top_cells(&self, _: TimeRange, _: usize) -> Result<Vec<Cell>, Failure> {
            Ok(vec![])
        }
        fn pickups_by_hour(&self, _: TimeRange, _: Option<&str>) -> Result<Vec<HourCount>, Failure> {
            Ok(vec![])
        }
        fn start_replay(&self) -> Result<(), Failure> {
            Ok(())
        }
        fn stop_replay(&self) -> Result<(), Failure> {
            Ok(())
        }
        fn set_speedup(&self, _: Option<f64>) -> Result<(), Failure> {
            Ok(())
        }
        fn set_parallelism(&self, _: Option<&str>, _: u32) -> Result<(), Failure> {
            unreachable!("nobody asks")
        }
        fn set_shard_count(&self, _: u32) -> Result<(), Failure> {
            Ok(())
        }
        fn samples(&self) -> Vec<model::Sample> {
            vec![]
        }
        fn health(&self) -> Result<(), Failure> {
            Ok(())
        }
    }

    fn live(closing: Option<watch::Receiver<bool>>) -> (Arc<Counting>, Arc<Live>) {
        let platform = Arc::new(Counting::default());
        let env = Env::manual(1_000, 1).0;
        (platform.clone(), Live::new(platform, env, Duration::from_millis(5), closing))
    }

    async fn until(mut condition: impl FnMut() -> bool) {
        for _ in 0..2_000 {
            if condition() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("the condition did not come true within 10 s");
    }

    fn sequence(message: &Newest) -> u64 {
        let tick: serde_json::Value = serde_json::from_str(message.as_ref().unwrap()).unwrap();
        tick["sequence"].as_u64().unwrap()
    }

    #[tokio::test]
    async fn a_slow_page_gets_the_newest_message_and_none_of_those_it_missed() {
        let (platform, live) = live(None);
        let mut slow = WatchStream::new(live.listen());
        until(|| platform.asked.load(Ordering::SeqCst) >= 20).await;
        let mut received = vec![];
        while received.len() < 3 {
            received.extend(slow.next().await.filter(Option::is_some));
        }
        let sequences: Vec<u64> = received.iter().map(sequence).collect();
        assert!(sequences[0] >= 18, "old messages had queued: {sequences:?}");
        assert!(sequences.windows(2).all(|pair| pair[0] < pair[1]), "{sequences:?}");
    }

    #[tokio::test]
    async fn many_pages_cost_one_question_a_tick_and_none_costs_none() {
        let (platform, live) = live(None);
        let pages: Vec<_> = (0..50).map(|_| live.listen()).collect();
        let mut first = WatchStream::new(pages[0].clone());
        while first.next().await.flatten().is_none() {}
        assert!(pages.iter().all(|page| page.borrow().is_some()));
        assert!(platform.asked.load(Ordering::SeqCst) < 50, "each page asked for itself");
        drop((pages, first));
        until(|| live.cell.lock().is_none()).await;
        let asked = platform.asked.load(Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert_eq!(platform.asked.load(Ordering::SeqCst), asked, "it asks although nobody listens");
        // And it starts again for the next page.
        let mut again = WatchStream::new(live.listen());
        while again.next().await.flatten().is_none() {}
    }

    #[tokio::test]
    async fn pages_are_bounded_and_a_place_is_free_again_when_one_leaves() {
        let (_, live) = live(None);
        let mut pages: Vec<_> = (0..PAGES_MAX).map(|_| live.subscribe().unwrap()).collect();
        assert!(live.subscribe().is_err());
        pages.pop();
        assert!(live.subscribe().is_ok());
    }

    #[tokio::test]
    async fn streams_end_when_the_server_closes() {
        let (close, closing) = watch::channel(false);
        let (_, live) = live(Some(closing));
        let mut page = Box::pin(live.subscribe().unwrap());
        assert!(page.next().await.is_some());
        close.send_replace(true);
        let rest = tokio::time::timeout(Duration::from_secs(10), page.collect::<Vec<_>>()).await;
        assert!(rest.is_ok(), "the stream did not end");
    }
}
