//! The writer of one subtask: rows to documents, documents to bulks, one bulk on its way while the next one fills.

use super::bulk::Gathering;
use super::cluster::Cluster;
use super::index_name::IndexName;
use super::options::Options;
use super::sending::Sending;
use engine::port::{PortError, Refusals, Sink, SinkBatch, SinkSpec};
use engine::run::encode::JsonEncoder;
use model::{Env, Kind};
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

/// How often a writer that waits for the cluster looks whether its job is still wanted.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Writes rows into a cluster. It holds two bulks at most: one that fills, and one that is on its way. A bulk leaves when the
/// one before it was taken, so that changes of a document arrive in their order.
pub(super) struct ElasticsearchSink {
    sending: Arc<Sending>,
    encoder: JsonEncoder,
    index: IndexName,
    actions_max: usize,
    bytes_max: usize,
    interval: Option<Duration>,
    gathering: Gathering,
    /// When the first row that waits was written.
    since_ns: Option<u64>,
    under_way: Option<JoinHandle<Result<(), PortError>>>,
    /// Rows were lost to this: nothing may be said to be durable any more.
    failed: Option<PortError>,
    runtime: Handle,
}

impl ElasticsearchSink {
    /// A writer for the rows of `spec`. Nothing is asked yet.
    ///
    /// # Errors
    /// When the cluster cannot be asked at all.
    pub(super) fn open(spec: &SinkSpec, options: Options, runtime: Handle, env: Env) -> Result<Self, PortError> {
        let table = spec.table.name.clone();
        let cluster = Cluster::new(&options, spec.subtask as usize);
        let cluster = cluster.map_err(|error| PortError::new(error.kind, format!("table {table}: {error}")))?;
        Ok(Self {
            sending: Arc::new(Sending::new(
                table,
                cluster,
                options.patience,
                options.on_refused,
                spec.ending.clone(),
                env,
            )),
            encoder: JsonEncoder::new(&spec.schema, options.json),
            index: options.index,
            actions_max: options.actions_max,
            bytes_max: options.bytes_max,
            interval: options.interval,
            gathering: Gathering::default(),
            since_ns: None,
            under_way: None,
            failed: None,
            runtime,
        })
    }

    /// Takes rows from `from` on until a bulk is full. Returns the first that it left.
    fn take(&mut self, batch: &SinkBatch, from: usize) -> Result<usize, PortError> {
        let rows = self.encoder.bind(&batch.rows)?;
        let mut index = String::new();
        let refused = |kind, what: String| PortError::new(kind, format!("table {}: {what}", self.sending.table));
        for row in from..batch.rows.num_rows() {
            if self.gathering.actions() >= self.actions_max || self.gathering.bytes() >= self.bytes_max {
                return Ok(row);
            }
            index.clear();
            self.index.write(&batch.rows, row, &mut index).map_err(|what| refused(Kind::Invalid, what))?;
            let id = batch.ids.as_ref().map(|ids| ids.value(row));
            let adds = batch.kind(row).adds();
            if id.is_none() && !adds {
                return Err(refused(Kind::Internal, "a row without an id is to be taken back".to_owned()));
            }
            self.gathering.push(&index, id, adds.then_some(|out: &mut Vec<u8>| rows.write(row, out)));
        }
        Ok(batch.rows.num_rows())
    }

    /// Sends what waits as soon as what is on its way was taken.
    fn send(&mut self) -> Result<(), PortError> {
        self.since_ns = None;
        if self.gathering.actions() == 0 {
            return Ok(());
        }
        self.wait()?;
        let (sending, bulk) = (self.sending.clone(), self.gathering.take());
        self.under_way = Some(self.runtime.spawn(async move { sending.send(bulk).await }));
        Ok(())
    }

    /// Waits for what is on its way.
    fn wait(&mut self) -> Result<(), PortError> {
        let Some(mut under_way) = self.under_way.take() else { return Ok(()) };
        let failed = |kind, what: &str| PortError::new(kind, format!("table {}: {what}", self.sending.table));
        let ended = self.runtime.block_on(async {
            loop {
                tokio::select! {
                    ended = &mut under_way => {
                        return ended.unwrap_or_else(|error| Err(failed(Kind::Internal, &format!("a bulk: {error}"))));
                    }
                    () = tokio::time::sleep(LOOK_EVERY) => {}
                }
                if self.sending.ending.is_cancelled() {
                    under_way.abort();
                    return Err(failed(Kind::Conflict, "the job has ended while a bulk was on its way"));
                }
            }
        });
        self.kept(ended)
    }

    /// Remembers a failure, after which nothing more is taken.
    fn kept<T>(&mut self, done: Result<T, PortError>) -> Result<T, PortError> {
        done.inspect_err(|error| self.failed = Some(error.clone()))
    }

    fn is_due(&self) -> bool {
        let interval_ns = self.interval.map(|interval| u64::try_from(interval.as_nanos()).unwrap_or(u64::MAX));
        let waited = |since: u64| self.sending.env.monotonic_ns().saturating_sub(since);
        self.since_ns.zip(interval_ns).is_some_and(|(since, interval)| waited(since) >= interval)
    }

    fn ok(&self) -> Result<(), PortError> {
        self.failed.clone().map_or(Ok(()), Err)
    }
}

impl Sink for ElasticsearchSink {
    fn write(&mut self, batch: &SinkBatch) -> Result<(), PortError> {
        self.ok()?;
        let mut from = 0;
        while from < batch.rows.num_rows() {
            let taken = self.take(batch, from);
            from = self.kept(taken)?;
            let now_ns = self.sending.env.monotonic_ns();
            self.since_ns.get_or_insert(now_ns);
            let is_full = self.gathering.actions() >= self.actions_max || self.gathering.bytes() >= self.bytes_max;
            if is_full || self.is_due() {
                self.send()?;
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), PortError> {
        self.ok()?;
        self.send()?;
        self.wait()
    }

    fn close(&mut self) -> Result<(), PortError> {
        self.flush()
    }

    fn flush_interval(&self) -> Option<Duration> {
        // Without one rows wait for a full bulk or a checkpoint, as Flink's do.
        Some(self.interval.unwrap_or(Duration::MAX))
    }

    fn refusals(&self) -> Option<Arc<Refusals>> {
        Some(self.sending.refusals.clone())
    }
}

impl Drop for ElasticsearchSink {
    /// What was not flushed is not wanted any more: a checkpoint that has it begins anew.
    fn drop(&mut self) {
        if let Some(under_way) = self.under_way.take() {
            under_way.abort();
        }
    }
}
