//! The task that owns one shard: takes puts from a bounded queue, admits what the limits allow, commits what has
//! gathered in one block, and only then answers.

use crate::error::Refusal;
use crate::log::{AppendError, Appended, Log, LogView, NewRecord};
use crate::pool::Pool;
use crate::stats::{ShardCounters, add};
use crate::stream::ShardsShared;
use crate::throttle::{ReadThrottle, WriteThrottle};
use model::{Env, Position, PutRecord, limits};
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

/// Commands that wait for one shard. Their bytes are bounded for all shards together.
const QUEUE_COMMANDS_MAX: usize = 1_024;
/// Gathering for a commit stops at this size. Larger commits add latency and no bandwidth.
const COMMIT_BYTES: usize = 1024 * 1024;

const _: () = assert!(
    COMMIT_BYTES + 2 * limits::PUT_BYTES_LARGE_MAX < 32 * 1024 * 1024,
    "what is gathered, and one more put with its headers, must fit into a block"
);

/// A put up to this size takes a turn of its own at the disk.
const SMALL_BYTES: usize = 8 * 1024;

/// Records of one put for one shard.
pub(crate) struct PutBatch {
    pub(crate) records: Vec<PutRecord>,
    pub(crate) reply: oneshot::Sender<BatchReply>,
    /// Its share of the memory that waiting records may take; given back when the batch is done.
    pub(crate) permit: Arc<OwnedSemaphorePermit>,
}

/// What became of a batch.
pub(crate) enum BatchReply {
    /// The first `accepted` records are durable from position `first` on; the rest was refused.
    Done { first: Position, accepted: usize, refusal: Refusal },
    /// The shard is closed; the records are given back.
    Moved(Vec<PutRecord>),
}

/// What a shard's task can be told.
pub(crate) enum Command {
    Put(PutBatch),
    /// Take no more records; when it answers, the log's next position stays as it is.
    Close(oneshot::Sender<Result<(), AppendError>>),
    /// Take records again: the change for which the shard was closed failed.
    Reopen,
    /// Delete the segments with nothing newer than this.
    Retain {
        cutoff_ms: u64,
        done: oneshot::Sender<Result<(), AppendError>>,
    },
    /// Commit what is queued, let go of the files and end.
    Stop(oneshot::Sender<()>),
}

/// What others hold of a shard.
pub(crate) struct ShardHandle {
    pub(crate) commands: mpsc::Sender<Command>,
    pub(crate) log: Arc<LogView>,
    pub(crate) counters: Arc<ShardCounters>,
    pub(crate) read_throttle: Mutex<ReadThrottle>,
}

/// What a shard's task is started with.
pub(crate) struct ShardSetup {
    pub(crate) env: Env,
    pub(crate) limited: bool,
    pub(crate) pool: Arc<Pool>,
    /// How much faster than the machine's clock the one of the limits runs.
    pub(crate) speedup: u32,
    pub(crate) shared: ShardsShared,
}

struct ShardTask {
    setup: ShardSetup,
    commands: mpsc::Receiver<Command>,
    /// Away while a disk thread uses it; gone for good when that thread panicked.
    log: Option<Log>,
    throttle: Option<WriteThrottle>,
    counters: Arc<ShardCounters>,
    closed: bool,
}

/// A batch of which some records are to be written.
struct Admitted {
    batch: PutBatch,
    accepted: usize,
}

fn size(batch: &PutBatch) -> usize {
    batch.records.iter().map(PutRecord::size).sum()
}

/// Starts the task of a shard; it ends on [`Command::Stop`] or when all its handles are gone.
pub(crate) fn start(
    log: Log,
    closed: bool,
    setup: ShardSetup,
) -> (Arc<ShardHandle>, impl Future<Output = ()> + Send + 'static) {
    let (sender, commands) = mpsc::channel(QUEUE_COMMANDS_MAX);
    let counters = Arc::<ShardCounters>::default();
    let now_ns = setup.env.monotonic_ns();
    let handle = ShardHandle {
        commands: sender,
        log: log.view(),
        counters: counters.clone(),
        read_throttle: Mutex::new(ReadThrottle::new(now_ns, setup.speedup)),
    };
    let throttle = setup.limited.then(|| WriteThrottle::new(now_ns, setup.speedup));
    let task = ShardTask { setup, commands, log: Some(log), throttle, counters, closed };
    (Arc::new(handle), task.run())
}

impl ShardTask {
    async fn run(mut self) {
        while let Some(command) = self.commands.recv().await {
            let mut next = Some(command);
            while let Some(command) = next.take() {
                next = match command {
                    Command::Put(batch) => self.put(batch).await,
                    Command::Stop(done) => {
                        self.stop().await;
                        // Whoever asked may have stopped waiting.
                        let _ = done.send(());
                        return;
                    }
                    other => {
                        self.control(other).await;
                        None
                    }
                };
            }
        }
        self.end().await;
    }

    /// Commits what has gathered by the time a disk thread is free; gives the command of another kind that came behind it.
    async fn put(&mut self, first: PutBatch) -> Option<Command> {
        let pool = self.setup.pool.clone();
        // A pool that is closed has no turns; its jobs are lost, which the writers are told.
        let _turn = pool.turn(size(&first) <= SMALL_BYTES).await;
        let (batches, follower) = self.gather(first);
        self.commit(batches).await;
        follower
    }

    /// Takes what else is queued, up to the size of a commit or to a command of another kind, which is returned.
    fn gather(&mut self, first: PutBatch) -> (Vec<PutBatch>, Option<Command>) {
        let mut bytes = size(&first);
        let mut batches = vec![first];
        while bytes < COMMIT_BYTES {
            match self.commands.try_recv() {
                Ok(Command::Put(batch)) => {
                    bytes += size(&batch);
                    batches.push(batch);
                }
                Ok(other) => return (batches, Some(other)),
                Err(_) => break,
            }
        }
        (batches, None)
    }

    async fn commit(&mut self, batches: Vec<PutBatch>) {
        if self.closed {
            for PutBatch { records, reply, .. } in batches {
                // A writer that has gone away loses nothing: its records were not accepted.
                let _ = reply.send(BatchReply::Moved(records));
            }
            return;
        }
        let admitted: Vec<Admitted> = batches.into_iter().map(|batch| self.admit(batch)).collect();
        if admitted.iter().all(|one| one.accepted == 0) {
            answer(admitted, Ok(Position::ZERO), &self.counters);
            return;
        }
        let Some(mut log) = self.log.take() else {
            answer(admitted, Err(Refusal::StorageFailed), &self.counters);
            return;
        };
        let arrival_ms = self.setup.env.now_ms();
        let job = move || {
            let result = log.append(admitted.iter().flat_map(|one| one.accepted_records(arrival_ms)));
            (log, admitted, result)
        };
        // A job that is lost drops the batches, whose writers then know that the disk failed them.
        let Ok((log, admitted, result)) = self.setup.pool.run(job).await else { return };
        self.log = Some(log);
        self.finish(admitted, result);
    }

    fn finish(&self, admitted: Vec<Admitted>, result: Result<Appended, AppendError>) {
        match result {
            Ok(done) => {
                self.counters.committed(done.bytes, done.elapsed_ns);
                answer(admitted, Ok(done.first), &self.counters);
                self.setup.shared.wakers.wake();
            }
            Err(error) => {
                tracing::error!(%error, "a group commit failed; none of its records is acknowledged");
                answer(admitted, Err(Refusal::from(&error)), &self.counters);
            }
        }
    }

    /// Counts how many records from the beginning of the batch the limits allow. The first refusal refuses all behind
    /// it, so that those accepted stay in order with those sent again.
    fn admit(&mut self, batch: PutBatch) -> Admitted {
        let Some(throttle) = self.throttle.as_mut().filter(|_| self.setup.shared.limited.load(Ordering::Relaxed))
        else {
            return Admitted { accepted: batch.records.len(), batch };
        };
        let now_ns = self.setup.env.monotonic_ns();
        let accepted = batch.records.iter().take_while(|r| throttle.admit(now_ns, r.size() as u64)).count();
        add(&self.counters.throttled_records, (batch.records.len() - accepted) as u64);
        Admitted { batch, accepted }
    }

    async fn control(&mut self, command: Command) {
        match command {
            Command::Close(done) => {
                self.closed = true;
                // Whoever asked may have stopped waiting.
                let _ = done.send(self.seal().await);
            }
            Command::Reopen => self.closed = false,
            Command::Retain { cutoff_ms, done } => {
                let roll = !self.closed;
                let result = self.with_log(move |log| log.retain(cutoff_ms, roll)).await;
                let _ = done.send(result.map(|deleted| {
                    if let Some(deleted) = deleted.filter(|deleted| deleted.segments > 0) {
                        tracing::info!(segments = deleted.segments, bytes = deleted.bytes, "expired records deleted");
                    }
                }));
            }
            Command::Put(_) | Command::Stop(_) => unreachable!("handled by the caller"),
        }
    }

    async fn seal(&mut self) -> Result<(), AppendError> {
        self.with_log(Log::seal).await.map(drop)
    }

    async fn with_log<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut Log) -> Result<T, AppendError> + Send + 'static,
    ) -> Result<Option<T>, AppendError> {
        let Some(mut log) = self.log.take() else { return Ok(None) };
        let job = move || {
            let result = work(&mut log);
            (log, result)
        };
        let Ok((log, result)) = self.setup.pool.run(job).await else { return Ok(None) };
        self.log = Some(log);
        result.map(Some)
    }

    /// Writes what was queued before the end, and seals the log.
    async fn stop(&mut self) {
        self.commands.close();
        let mut rest = VecDeque::new();
        while let Some(command) = self.commands.recv().await {
            if let Command::Put(batch) = command {
                rest.push_back(batch);
            }
        }
        while let Some(batch) = rest.pop_front() {
            self.commit(vec![batch]).await;
        }
        self.end().await;
    }

    async fn end(&mut self) {
        if let Err(error) = self.seal().await {
            tracing::error!(%error, "the log could not be sealed");
        }
    }
}

impl Admitted {
    fn accepted_records(&self, arrival_ms: u64) -> impl Iterator<Item = NewRecord<'_>> {
        let records = self.batch.records[..self.accepted].iter();
        records.map(move |record| NewRecord { arrival_ms, key: &record.partition_key, data: &record.data })
    }
}

/// Tells each writer what became of its records; `first` is the position of the first accepted one of all.
fn answer(admitted: Vec<Admitted>, first: Result<Position, Refusal>, counters: &ShardCounters) {
    let mut written = 0;
    for Admitted { batch, accepted } in admitted {
        let reply = match first {
            Ok(first) => {
                add(&counters.incoming_records, accepted as u64);
                add(&counters.incoming_bytes, batch.records[..accepted].iter().map(|r| r.size() as u64).sum());
                let first = Position(first.0 + written);
                BatchReply::Done { first, accepted, refusal: Refusal::Throttled }
            }
            Err(refusal) => {
                add(&counters.failed_records, accepted as u64);
                BatchReply::Done { first: Position::ZERO, accepted: 0, refusal }
            }
        };
        written += accepted as u64;
        drop(batch.permit);
        // A writer that has gone away does not get its answer; the records are written all the same.
        let _ = batch.reply.send(reply);
    }
}
