//! Corrections: windows that had late rows, computed anew from what the streams still hold.

use super::connectors::stream_of;
use super::dead_letters::late_stream;
use super::ending::{EndingConnectors, from_the_oldest};
use super::runner::job_error;
use chrono::DateTime;
use control::{ApplicationSpec, CorrectedWindows, CorrectionWork, LostWindow, ReadFrom, RefusedOperator, RunnerError};
use engine::plan::{JobPlan, TableDef};
use engine::port::Connectors;
use engine::run::{
    CORRECTED_WINDOWS_MAX, CorrectedWindow, Correction, Job, JobHandle, JobOptions, JobState, Restore, earlier_than,
};
use model::{Classified, Env, Kind, Position, ShardIndex};
use parking_lot::Mutex;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use store::{ShardDescription, ShardRead, Store};

/// Of a shard that has lost records so many of those that are left tell how late the lost ones can have been.
const PROBED_RECORDS: u64 = 1_000;
/// Operators that late rows may name, and how long their names may be, in bytes.
const OPERATORS_MAX: usize = 1_000;
const OPERATOR_BYTES_MAX: usize = 200;
/// Bytes of late rows that are read at once.
const READ_BYTES: usize = 1024 * 1024;

/// Does one correction at a time.
pub(super) struct Corrector {
    connectors: Arc<dyn Connectors>,
    store: Store,
    env: Env,
    under_way: Mutex<UnderWay>,
}

#[derive(Default)]
struct UnderWay {
    busy: bool,
    closing: bool,
    /// The job that computes windows; none while it is being prepared.
    job: Option<Arc<JobHandle>>,
}

/// The right to correct, given back however that ends.
struct Turn<'a>(&'a Mutex<UnderWay>);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut under_way = self.0.lock();
        (under_way.busy, under_way.job) = (false, None);
    }
}

/// What a late row says of itself.
#[derive(Deserialize)]
struct LateRow {
    #[serde(rename = "_operator", default)]
    operator: String,
    #[serde(rename = "_window_end_ms", default)]
    window_end_ms: Option<i64>,
}

/// By operator the ends of the windows that late rows had; none of a row that had no window.
#[derive(Default)]
struct LateWindows {
    rows: u64,
    ends: BTreeMap<String, BTreeSet<i64>>,
}

impl Corrector {
    pub(super) fn new(connectors: Arc<dyn Connectors>, store: Store, env: Env) -> Self {
        Self { connectors, store, env, under_way: Mutex::default() }
    }

    /// Breaks off a correction that is under way, of which no more is written, and takes no other.
    pub(super) fn close(&self) {
        let mut under_way = self.under_way.lock();
        under_way.closing = true;
        under_way.job.iter().for_each(|job| job.cancel());
    }

    fn turn(&self) -> Result<Turn<'_>, RunnerError> {
        let mut under_way = self.under_way.lock();
        if under_way.closing {
            return Err(broken_off());
        }
        if under_way.busy {
            return Err(RunnerError::new(Kind::Conflict, "a correction is under way; wait until it is done"));
        }
        under_way.busy = true;
        Ok(Turn(&self.under_way))
    }

    /// Computes anew what had late rows, or only tells what would be.
    pub(super) fn correct(
        &self,
        spec: &ApplicationSpec,
        plan: &JobPlan,
        only_plan: bool,
    ) -> Result<control::Correction, RunnerError> {
        let _turn = self.turn()?;
        let late = self.late_windows(&spec.name)?;
        let mut correction = Correction::of(plan, self.connectors.as_ref(), &late.ends);
        let windows = correction.windows();
        if windows > CORRECTED_WINDOWS_MAX {
            let what =
                format!("{windows} windows had late rows; {CORRECTED_WINDOWS_MAX} can be computed anew at a time");
            return Err(RunnerError::new(Kind::Invalid, format!("application {}: {what}", spec.name)));
        }
        let lost = self.without_lost(spec, &mut correction)?;
        let mut told = self.told(&correction, late.rows, lost)?;
        if !only_plan && correction.windows() > 0 {
            told.work = Some(self.compute(spec, &correction)?);
        }
        Ok(told)
    }

    /// Reads what has become of late rows.
    fn late_windows(&self, application: &str) -> Result<LateWindows, RunnerError> {
        let stream = late_stream(application);
        let mut late = LateWindows::default();
        // There is no such stream before the first late row.
        for shard in self.store.shards(&stream).unwrap_or_default() {
            self.read_late(&stream, &shard, &mut late)?;
        }
        Ok(late)
    }

    fn read_late(&self, stream: &str, shard: &ShardDescription, late: &mut LateWindows) -> Result<(), RunnerError> {
        let refused = |e: store::ReadError| RunnerError::new(e.kind(), format!("stream {stream}: {e}"));
        let mut reader = self.store.shard_reader(stream, shard.index, shard.first).map_err(refused)?;
        loop {
            match reader.read(READ_BYTES).map_err(refused)? {
                ShardRead::Block(block) => {
                    let rows = block.rows.iter().filter_map(|row| serde_json::from_slice(block.payload(row)).ok());
                    rows.for_each(|row| late.add(row));
                    if block.next >= shard.next {
                        return Ok(());
                    }
                }
                ShardRead::Trimmed { first } => reader.seek(first),
                ShardRead::Tip | ShardRead::End { .. } => return Ok(()),
            }
        }
    }

    /// Takes the windows out of which records may be gone.
    fn without_lost(
        &self,
        spec: &ApplicationSpec,
        correction: &mut Correction,
    ) -> Result<Vec<LostWindow>, RunnerError> {
        let mut whole_from: Option<(i64, String)> = None;
        for table in correction.sources() {
            let Some(from) = self.whole_from(spec, &table)? else { continue };
            if whole_from.as_ref().is_none_or(|known| known.0 < from.0) {
                whole_from = Some(from);
            }
        }
        let Some((whole_from, reason)) = whole_from else { return Ok(Vec::new()) };
        let (mut lost, beginning) = (Vec::new(), correction.clone());
        correction.retain(|operator, CorrectedWindow { start_ms, end_ms }| {
            let whole = beginning.begins_at(operator, CorrectedWindow { start_ms, end_ms }) >= whole_from;
            if !whole {
                lost.push(LostWindow { operator: operator.to_owned(), start_ms, end_ms, reason: reason.clone() });
            }
            whole
        });
        Ok(lost)
    }

    /// From which event time on a table has all its records, and why not before; `None` where nothing is gone.
    ///
    /// What is gone came before what is left. A record that was not late itself is at most as much earlier than any before
    /// it as watermarks allow; so the latest of the first records that are left, and as much beyond, is later than all that
    /// is gone.
    pub(super) fn whole_from(
        &self,
        spec: &ApplicationSpec,
        table: &TableDef,
    ) -> Result<Option<(i64, String)>, RunnerError> {
        let Ok(stream) = stream_of(table) else { return Ok(None) };
        let refused = |e: store::StreamError| RunnerError::new(e.kind(), format!("stream {stream}: {e}"));
        let shards = self.store.shards(stream).map_err(refused)?;
        let there: BTreeSet<ShardIndex> = shards.iter().map(|shard| shard.index).collect();
        let is_cut = |s: &&ShardDescription| s.first > Position::ZERO || s.parents.iter().any(|p| !there.contains(p));
        let cut: Vec<&ShardDescription> = shards.iter().filter(is_cut).collect();
        if cut.is_empty() {
            return Ok(None);
        }
        let no_time =
            || (i64::MAX, format!("stream {stream} has lost records, and none is left to tell of which time"));
        if cut.iter().any(|shard| shard.first == shard.next && shard.ending.is_none()) {
            return Ok(Some(no_time()));
        }
        let found = earlier_than(table, self.options(spec, PROBED_RECORDS)).map_err(|e| job_error(&e))?;
        Ok(Some(
            found.map_or_else(no_time, |ms| {
                (ms, format!("stream {stream} has all records only from {} on", moment(ms)))
            }),
        ))
    }

    fn options(&self, spec: &ApplicationSpec, records_max: u64) -> JobOptions {
        let connectors = EndingConnectors::new(self.connectors.clone(), self.store.clone(), records_max);
        JobOptions {
            parallelism: Some(spec.parallelism),
            parallelism_per_kpu: spec.parallelism_per_kpu,
            restore: Restore::Nothing,
            // The application's name, so that rows are named as it names them.
            ..JobOptions::new(&*spec.name, self.env.clone(), Arc::new(connectors))
        }
    }

    fn compute(&self, spec: &ApplicationSpec, correction: &Correction) -> Result<CorrectionWork, RunnerError> {
        let job = Job::start(correction.plan(), self.options(spec, u64::MAX)).map_err(|e| job_error(&e))?;
        let job = Arc::new(job);
        {
            let mut under_way = self.under_way.lock();
            if under_way.closing {
                return Err(broken_off());
            }
            under_way.job = Some(job.clone());
        }
        match job.wait().map_err(|e| job_error(&e))? {
            JobState::Finished => {
                let metrics = job.metrics();
                Ok(CorrectionWork { records_in: metrics.records_in, records_out: metrics.records_out })
            }
            _ => Err(broken_off()),
        }
    }

    fn told(
        &self,
        correction: &Correction,
        late_rows: u64,
        lost: Vec<LostWindow>,
    ) -> Result<control::Correction, RunnerError> {
        let corrected = correction.operators.iter().map(|o| CorrectedWindows {
            operator: o.operator.clone(),
            sinks: o.sinks.clone(),
            windows: o.windows.iter().map(|w| (w.start_ms, w.end_ms)).collect(),
        });
        let refused = correction.refused.iter();
        let refused =
            refused.map(|(operator, reason)| RefusedOperator { operator: operator.clone(), reason: reason.clone() });
        let mut from = Vec::new();
        for table in correction.sources() {
            let splits = self.connectors.source(&from_the_oldest(&table)).and_then(|source| source.splits());
            let splits = splits.map_err(|e| RunnerError::new(e.kind, e.message))?;
            from.extend(
                splits.into_iter().map(|split| ReadFrom { split: split.name, position: split.start.position.0 }),
            );
        }
        let (corrected, refused) = (corrected.collect(), refused.collect());
        Ok(control::Correction { late_rows, corrected, lost, refused, from, work: None })
    }
}

impl LateWindows {
    /// Anybody may write to a stream: what no application of ours would say is only counted.
    fn add(&mut self, row: LateRow) {
        self.rows += 1;
        let is_known = self.ends.contains_key(&row.operator);
        if is_known || (self.ends.len() < OPERATORS_MAX && row.operator.len() <= OPERATOR_BYTES_MAX) {
            self.ends.entry(row.operator).or_default().extend(row.window_end_ms);
        }
    }
}

fn broken_off() -> RunnerError {
    RunnerError::new(Kind::Unavailable, "the correction was broken off: the platform ends")
}

pub(super) fn moment(ms: i64) -> String {
    let at = DateTime::from_timestamp_millis(ms).unwrap_or_default();
    at.format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::super::{EmbeddedRunner, PlatformConnectors};
    use super::*;
    use control::Runner;
    use index::{Index, IndexConfig, Query};
    use model::PutRecord;
    use std::path::Path;
    use store::{CapacityMode, StoreConfig};
    use tokio::runtime::{Handle, Runtime};

    const SCRIPT: &str = "
        CREATE TABLE trips (ts TIMESTAMP_LTZ(3), k STRING, v BIGINT, WATERMARK FOR ts AS ts - INTERVAL '1' SECOND)
        WITH ('connector'='kinesis','stream'='trips','scan.stream.initpos'='TRIM_HORIZON','format'='json',
              'json.timestamp-format.standard'='ISO-8601');
        CREATE TABLE counts (w BIGINT, k STRING, n BIGINT, s BIGINT, PRIMARY KEY (w, k) NOT ENFORCED)
        WITH ('connector'='elasticsearch-7','hosts'='http://127.0.0.1:9200','index'='counts');
        INSERT INTO counts
        SELECT 1000 * TIMESTAMPDIFF(SECOND, TIMESTAMP '1970-01-01 00:00:00', window_end), k, COUNT(*), SUM(v)
        FROM TABLE(TUMBLE(TABLE trips, DESCRIPTOR(ts), INTERVAL '10' SECOND)) GROUP BY window_start, window_end, k;";
    const HOUR_MS: u64 = 3_600_000;

    /// A store, an index and a runner over them.
    struct Stand {
        _dir: tempfile::TempDir,
        runtime: Runtime,
        store: Store,
        index: Index,
        runner: EmbeddedRunner,
        clock: Arc<model::ManualClock>,
    }

    impl Stand {
        fn new() -> Self {
            let (dir, runtime) = (tempfile::tempdir().unwrap(), Runtime::new().unwrap());
            let (env, clock) = Env::manual(100 * HOUR_MS, 1);
            let config = StoreConfig { status_delay_ms: 0, ..StoreConfig::new(dir.path().join("store"), env.clone()) };
            let store = runtime.block_on(async { Store::open(config) }).unwrap();
            runtime.block_on(store.create_stream("trips", 1, CapacityMode::Provisioned)).unwrap();
            runtime.block_on(store.settled("trips")).unwrap();
            let index = Index::open(IndexConfig::new(dir.path().join("index"), Env::system())).unwrap();
            let handle: Handle = runtime.handle().clone();
            let connectors =
                PlatformConnectors::new(store.clone(), index.clone(), handle.clone(), Path::new("."), Env::system());
            let state = dir.path().join("state");
            let runner = EmbeddedRunner::new(Arc::new(connectors), store.clone(), handle, Env::system(), state);
            Self { _dir: dir, runtime, store, index, runner, clock }
        }

        fn put(&self, rows: &[(i64, &str, i64)]) {
            let data = |(second, key, value): &(i64, &str, i64)| {
                format!("{{\"ts\":\"{}\",\"k\":\"{key}\",\"v\":{value}}}", moment(second * 1_000))
            };
            let record = |row| PutRecord { partition_key: "k".into(), explicit_hash_key: None, data: data(row).into() };
            let put = self.store.put_records("trips", rows.iter().map(record).collect());
            self.runtime.block_on(put).unwrap();
        }

        fn spec() -> ApplicationSpec {
            ApplicationSpec {
                name: "app".into(),
                runner: control::EMBEDDED.into(),
                script: SCRIPT.into(),
                program: None,
                parallelism: 2,
                parallelism_per_kpu: 1,
                checkpoints: None,
                handover: None,
            }
        }

        fn correct(&self, only_plan: bool) -> control::Correction {
            self.runner.correct(&Self::spec(), only_plan).unwrap()
        }

        /// What the documents say, by window and key.
        fn documents(&self) -> BTreeMap<String, (i64, i64)> {
            let ids = ["10000_a", "10000_b", "20000_a", "20000_b", "70000_a"];
            let read = |id: &str| {
                let found = self.index.get("counts", id).ok()??;
                let source: serde_json::Value = serde_json::from_slice(&found.source).unwrap();
                Some((id.to_owned(), (source["n"].as_i64()?, source["s"].as_i64()?)))
            };
            ids.into_iter().filter_map(read).collect()
        }

        fn until(&self, what: &str, holds: impl Fn() -> bool) {
            let (_keep, never) = std::sync::mpsc::channel::<()>();
            for _ in 0..2_000 {
                if holds() {
                    return;
                }
                let _elapsed = never.recv_timeout(std::time::Duration::from_millis(5));
            }
            panic!("in vain waited for {what}: {:?}", self.documents());
        }
    }

    fn counts<const N: usize>(all: [(&str, (i64, i64)); N]) -> BTreeMap<String, (i64, i64)> {
        all.into_iter().map(|(id, count)| (id.to_owned(), count)).collect()
    }

    #[test]
    fn documents_are_those_of_input_in_order() {
        let stand = Stand::new();
        let running = stand.runner.start(&Stand::spec(), &control::Beginning::default()).unwrap();
        assert_eq!(stand.correct(true), control::Correction::default(), "nothing was late");
        stand.put(&[(1, "a", 1), (12, "a", 2), (60, "a", 3)]);
        stand.until("the first windows", || stand.documents().len() >= 2);
        stand.put(&[(2, "a", 10), (3, "b", 20), (61, "a", 4)]);
        stand.until("late rows", || running.metrics().totals.late == 2);
        running.stop().unwrap();
        assert_eq!(stand.documents()["10000_a"], (1, 1));

        let told = stand.correct(true);
        assert_eq!((told.late_rows, told.work), (2, None));
        assert_eq!((told.corrected.len(), told.corrected[0].windows.as_slice()), (1, &[(0, 10_000)][..]));
        assert_eq!(told.corrected[0].sinks, ["counts"]);
        assert_eq!(told.from, [ReadFrom { split: "trips, shard 0".into(), position: 0 }]);
        assert_eq!(stand.documents()["10000_a"], (1, 1), "a plan changes nothing");

        let before = stand.documents();
        let done = stand.correct(false);
        assert_eq!(done.work, Some(CorrectionWork { records_in: 6, records_out: 2 }));
        let expected = counts([("10000_a", (2, 11)), ("10000_b", (1, 20)), ("20000_a", (1, 2))]);
        let after = stand.documents();
        assert_eq!(after.iter().filter(|(id, _)| *id != "70000_a").count(), 3);
        assert!(expected.iter().all(|(id, count)| after[id] == *count), "{after:?}");
        assert_eq!(after.get("70000_a"), before.get("70000_a"), "other windows stay as they are");
        assert_eq!(stand.correct(false).work.unwrap().records_out, 2, "once more changes nothing");
        assert_eq!(stand.documents(), after);
        stand.runner.close();
        assert_eq!(stand.runner.correct(&Stand::spec(), true).unwrap_err().kind, Kind::Unavailable);
    }

    #[test]
    fn what_retention_has_cut_into_is_not_corrected() {
        let stand = Stand::new();
        let running = stand.runner.start(&Stand::spec(), &control::Beginning::default()).unwrap();
        stand.put(&[(1, "a", 1), (12, "a", 2), (60, "a", 3)]);
        stand.until("the first windows", || stand.documents().len() >= 2);
        stand.put(&[(2, "a", 10), (13, "b", 20)]);
        stand.until("late rows", || running.metrics().totals.late == 2);
        running.stop().unwrap();
        stand.clock.advance_ms(25 * HOUR_MS);
        stand.runtime.block_on(stand.store.enforce_retention()).unwrap();
        stand.put(&[(61, "a", 4)]);
        let told = stand.correct(false);
        assert_eq!((told.late_rows, told.corrected.len(), told.work), (2, 0, None));
        let lost: Vec<_> = told.lost.iter().map(|w| (w.start_ms, w.end_ms)).collect();
        assert_eq!(lost, [(0, 10_000), (10_000, 20_000)]);
        assert_eq!(told.lost[0].reason, "stream trips has all records only from 1970-01-01T00:01:02.001Z on");
        assert_eq!(stand.documents()["10000_a"], (1, 1), "half of the records would make it worse");
        stand.index.refresh("counts").unwrap();
        assert!(stand.index.count(&["counts"], &Query::All { boost: 1.0 }).unwrap() >= 2);
    }
}
