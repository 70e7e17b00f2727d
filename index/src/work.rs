//! The threads behind an index: one makes writes visible, one moves them from the log to chunk files.

use crate::index::Core;
use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// How often the second thread looks whether there is something to do.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// The running threads. They end when this is dropped.
pub(crate) struct Workers {
    running: Mutex<Vec<(Sender<()>, JoinHandle<()>)>>,
}

impl Workers {
    pub(crate) fn start(core: Arc<Core>) -> Self {
        let refresher = core.clone();
        let running = [
            spawn("index-refresh", move |stop| refresh_loop(&refresher, stop)),
            spawn("index-checkpoint", move |stop| checkpoint_loop(&core, stop)),
        ];
        Self { running: Mutex::new(running.into_iter().flatten().collect()) }
    }

    /// Ends the threads and waits for them.
    pub(crate) fn stop(&self) {
        for (stop, thread) in std::mem::take(&mut *self.running.lock()) {
            drop(stop);
            if thread.join().is_err() {
                tracing::error!("a worker of the index has panicked");
            }
        }
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.stop();
    }
}

fn spawn(name: &str, work: impl FnOnce(&Receiver<()>) + Send + 'static) -> Option<(Sender<()>, JoinHandle<()>)> {
    let (stop, stopped) = channel();
    match std::thread::Builder::new().name(name.to_owned()).spawn(move || work(&stopped)) {
        Ok(thread) => Some((stop, thread)),
        Err(error) => {
            tracing::error!(%error, "the thread {name} could not be started");
            None
        }
    }
}

fn refresh_loop(core: &Core, stop: &Receiver<()>) {
    let every = Duration::from_millis(core.config.refresh_interval_ms.max(1));
    let mut last: FxHashMap<u64, u64> = FxHashMap::default();
    while stop.recv_timeout(every) == Err(RecvTimeoutError::Timeout) {
        let tables: Vec<_> = core.tables.read().values().cloned().collect();
        let now_ms = core.config.env.monotonic_ns() / 1_000_000;
        for table in tables {
            match table.meta.settings.refresh_interval_ms {
                Some(ms) if ms < 0 => {}
                Some(ms) => {
                    let last = last.entry(table.meta.number).or_default();
                    if now_ms.saturating_sub(*last) >= ms as u64 {
                        *last = now_ms;
                        table.refresh();
                    }
                }
                None => table.refresh(),
            }
        }
    }
}

fn checkpoint_loop(core: &Core, stop: &Receiver<()>) {
    let mut moved_bytes = 0;
    while stop.recv_timeout(LOOK_EVERY) == Err(RecvTimeoutError::Timeout) {
        core.scrolls.expire(core.config.env.now_ms());
        moved_bytes += core.compact() as u64;
        let old = core.counters.old_log_bytes.load(Ordering::Relaxed);
        if core.log.file_bytes() + old + moved_bytes < core.config.checkpoint_log_bytes {
            continue;
        }
        if let Err(error) = core.checkpoint() {
            tracing::error!(%error, "the index could not write a checkpoint; the log keeps growing until it can");
        } else {
            moved_bytes = 0;
        }
    }
}
