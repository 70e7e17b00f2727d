//! Threads of our own for what blocks on a disk, so that no thread that serves requests or computes ever does.

use parking_lot::{Condvar, Mutex};
use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};
use tokio::sync::{Semaphore, SemaphorePermit, oneshot};

type Job = Box<dyn FnOnce() + Send>;

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    closed: bool,
}

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    wake: Condvar,
}

/// A fixed number of threads. The queue is bounded by its users: each shard and each reader waits for its one job.
pub(crate) struct Pool {
    shared: Arc<Shared>,
    turns: Semaphore,
    /// The one turn that only small jobs take: they need not wait behind large ones.
    small_turn: Semaphore,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// The job did not come to its end: it panicked, or the pool is closed.
#[derive(Debug, thiserror::Error)]
#[error("a disk thread did not finish its work")]
pub(crate) struct JobLost;

impl Pool {
    pub(crate) fn start(name: &str, threads: usize) -> io::Result<Self> {
        let turns = Semaphore::new(threads.saturating_sub(1).max(1));
        let small_turn = Semaphore::new(1);
        let pool = Self { shared: Arc::default(), turns, small_turn, threads: Mutex::default() };
        for i in 0..threads {
            let shared = pool.shared.clone();
            let thread = Builder::new().name(format!("{name}-{i}")).spawn(move || work(&shared))?;
            pool.threads.lock().push(thread);
        }
        Ok(pool)
    }

    /// Waits for a thread to be free, in the order of asking; small jobs have one more to themselves. Whoever makes a job of
    /// what has gathered until then makes fewer and larger ones the busier the threads are.
    pub(crate) async fn turn(&self, small: bool) -> Result<SemaphorePermit<'_>, JobLost> {
        let turn = async {
            tokio::select! {
                biased;
                turn = self.turns.acquire() => turn,
                turn = self.small_turn.acquire(), if small => turn,
            }
        };
        turn.await.map_err(|_| JobLost)
    }

    /// Runs `job` on one of the threads.
    pub(crate) async fn run<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> Result<T, JobLost> {
        self.submit(job).await.map_err(|_| JobLost)
    }

    /// Starts `job` on one of the threads; its result arrives on the returned channel.
    pub(crate) fn submit<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> oneshot::Receiver<T> {
        let (done, result) = oneshot::channel();
        let mut queue = self.shared.queue.lock();
        if !queue.closed {
            queue.jobs.push_back(Box::new(move || {
                // Whoever asked may have gone away meanwhile; the work is done all the same.
                let _ = done.send(job());
            }));
            self.shared.wake.notify_one();
        }
        result
    }

    /// Lets the threads finish what is queued and waits for them.
    pub(crate) fn close(&self) {
        self.shared.queue.lock().closed = true;
        self.shared.wake.notify_all();
        for thread in self.threads.lock().drain(..) {
            // Jobs are run behind a guard, so a thread itself does not panic.
            let _ = thread.join();
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        // The last user may be one of the threads themselves, which cannot wait for itself.
        self.shared.queue.lock().closed = true;
        self.shared.wake.notify_all();
    }
}

fn work(shared: &Shared) {
    loop {
        let job = {
            let mut queue = shared.queue.lock();
            loop {
                if let Some(job) = queue.jobs.pop_front() {
                    break job;
                }
                if queue.closed {
                    return;
                }
                shared.wake.wait(&mut queue);
            }
        };
        if catch_unwind(AssertUnwindSafe(job)).is_err() {
            tracing::error!("a disk thread's work panicked; what it held is given up");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    #[tokio::test]
    async fn jobs_run_elsewhere_and_a_panic_is_an_error() {
        let pool = Pool::start("test", 2).unwrap();
        let here = std::thread::current().id();
        assert_ne!(pool.run(|| std::thread::current().id()).await.unwrap(), here);
        assert!(pool.run(|| panic!("on purpose")).await.is_err());
        assert_eq!(pool.run(|| 7).await.unwrap(), 7);
        pool.close();
        assert!(pool.run(|| 8).await.is_err());
    }

    #[tokio::test]
    async fn a_small_job_does_not_wait_behind_large_ones_and_takes_any_turn() {
        let pool = Pool::start("test", 3).unwrap();
        let free = |small| pool.turn(small).now_or_never().is_some_and(|turn| turn.is_ok());
        let large = (pool.turn(false).await.unwrap(), pool.turn(false).await.unwrap());
        assert!(!free(false));
        let small = pool.turn(true).await.unwrap();
        assert!(!free(true));
        drop(large.0);
        assert!(free(true), "a turn of the large ones is as good");
        drop((large.1, small));
        assert!(free(false));
        pool.close();
    }
}
