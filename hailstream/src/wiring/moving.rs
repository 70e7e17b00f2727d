//! From where on another runner has to read to go on with an application.

use super::connectors::stream_of;
use super::correcting::moment;
use super::ending::EndingConnectors;
use super::runner::job_error;
use control::{ApplicationSpec, FLINK, Handover, MovePlan, RunnerError, StartAt};
use engine::plan::{JobPlan, NodeKind, TableDef};
use engine::port::{Connectors, SplitId};
use engine::run::{JobOptions, Movable, Restore, earlier_than};
use model::{Classified, Env, Kind, Position};
use std::collections::BTreeMap;
use std::sync::Arc;
use store::{ShardDescription, ShardRead, Store};

/// So many records in a row tell how late those before them can have been.
const PROBED_RECORDS: u64 = 1_000;
/// Bytes that are read to find one record.
const READ_BYTES: usize = 64 * 1024;

/// From which time on a table has all of its records, and why not before.
type Whole<'a> = &'a dyn Fn(&TableDef) -> Result<Option<(i64, String)>, RunnerError>;

/// Finds out what a move takes.
pub(super) struct Mover<'a> {
    pub(super) connectors: &'a Arc<dyn Connectors>,
    pub(super) store: &'a Store,
    pub(super) env: &'a Env,
}

impl Mover<'_> {
    /// What it takes to have the runner of `to` go on with `plan`, whose results are written up to the watermark `closed_ms`.
    pub(super) fn plan(
        &self,
        from: &ApplicationSpec,
        to: &ApplicationSpec,
        plan: &JobPlan,
        closed_ms: Option<i64>,
        whole_from: impl Fn(&TableDef) -> Result<Option<(i64, String)>, RunnerError>,
    ) -> Result<MovePlan, RunnerError> {
        let refused = |kind: Kind, why: String| {
            RunnerError::new(kind, format!("application {} cannot be moved to {}: {why}", from.name, to.runner))
        };
        let movable =
            Movable::of(plan, self.connectors.as_ref()).map_err(|why| refused(Kind::Invalid, why.join("; ")))?;
        let zoned = movable.is_zoned().ok_or_else(|| {
            refused(Kind::Invalid, "some of its windows follow a local clock and others do not".to_owned())
        })?;
        let mut starts = BTreeMap::new();
        for table in movable.sources() {
            let start = self.start(from, to, table, &movable, closed_ms, &whole_from);
            starts.insert(table.name.clone(), start.map_err(|e| refused(e.kind(), e.message))?);
        }
        Ok(MovePlan {
            from: from.runner.clone(),
            to: to.runner.clone(),
            handover: Handover { closed_ms, zoned, starts },
            windows: closed_ms.map(|closed| movable.open_windows(closed)).unwrap_or_default(),
            sinks: movable.sinks().to_vec(),
            hints: hints(to),
        })
    }

    /// Where reading a table begins.
    fn start(
        &self,
        from: &ApplicationSpec,
        to: &ApplicationSpec,
        table: &Arc<TableDef>,
        movable: &Movable,
        closed_ms: Option<i64>,
        whole_from: Whole<'_>,
    ) -> Result<StartAt, RunnerError> {
        let Ok(stream) = stream_of(table) else { return Ok(StartAt::Oldest) };
        let described = self.store.describe_stream(stream).map_err(|e| RunnerError::new(e.kind(), e.to_string()))?;
        let Some(closed_ms) = closed_ms else {
            has_subtasks(to, stream, described.shards.len())?;
            return Ok(StartAt::Oldest);
        };
        let needed_ms = movable.needed_from(closed_ms);
        if let Some((whole, why)) = whole_from(table)?.filter(|(whole, _)| *whole > needed_ms) {
            let what = format!(
                "records from {} on are needed for windows that are open, and {why}; wait until windows that begin after {} are the only ones open",
                moment(needed_ms),
                moment(whole)
            );
            return Err(RunnerError::new(Kind::Conflict, what));
        }
        let (mut arrived_ms, mut read) = (self.env.now_ms(), 0);
        for shard in &described.shards {
            let arrived = self.needed_of(from, table, stream, shard, needed_ms)?;
            arrived_ms = arrived.map_or(arrived_ms, |arrived| arrived.min(arrived_ms));
            read += usize::from(arrived.is_some() || shard.ending.is_none());
        }
        has_subtasks(to, stream, read)?;
        Ok(StartAt::Arrived(arrived_ms))
    }

    /// When the first record of a shard arrived that may be of `needed_ms` or later, or one not long before it; `None` where all
    /// that it has is earlier.
    fn needed_of(
        &self,
        spec: &ApplicationSpec,
        table: &Arc<TableDef>,
        stream: &str,
        shard: &ShardDescription,
        needed_ms: i64,
    ) -> Result<Option<u64>, RunnerError> {
        // All before `low` is earlier.
        let (mut low, mut high) = (shard.first.0, shard.next.0);
        let is_earlier = |at: u64| -> Result<bool, RunnerError> {
            let records = Position(at)..Position(at + PROBED_RECORDS);
            let before = self.earlier_than(spec, table, SplitId(shard.index.0), records)?;
            Ok(before.is_some_and(|before| before <= needed_ms))
        };
        let last = high.saturating_sub(PROBED_RECORDS).max(low);
        if low == high || is_earlier(last)? {
            return Ok(None);
        }
        high = high.min(last + 1);
        while high - low > PROBED_RECORDS {
            let middle = low + (high - low) / 2;
            if is_earlier(middle)? { low = middle } else { high = middle }
        }
        self.arrival(stream, shard, Position(low))
    }

    /// The event time that all records before these are earlier than; `None` where these do not tell.
    fn earlier_than(
        &self,
        spec: &ApplicationSpec,
        table: &TableDef,
        split: SplitId,
        records: std::ops::Range<Position>,
    ) -> Result<Option<i64>, RunnerError> {
        let connectors = EndingConnectors::of_range(self.connectors.clone(), self.store.clone(), split, records);
        let options = JobOptions {
            parallelism: Some(1),
            restore: Restore::Nothing,
            ..JobOptions::new(&*spec.name, self.env.clone(), Arc::new(connectors))
        };
        earlier_than(table, options).map_err(|e| job_error(&e))
    }

    /// When a record arrived, or the first one after it that is still there; `None` where there is none.
    fn arrival(&self, stream: &str, shard: &ShardDescription, at: Position) -> Result<Option<u64>, RunnerError> {
        let refused = |e: store::ReadError| RunnerError::new(e.kind(), format!("stream {stream}: {e}"));
        let mut reader = self.store.shard_reader(stream, shard.index, at).map_err(refused)?;
        loop {
            match reader.read(READ_BYTES).map_err(refused)? {
                ShardRead::Block(block) => return Ok(block.rows.first().map(|row| row.arrival_ms)),
                ShardRead::Trimmed { first } => reader.seek(first),
                ShardRead::Tip | ShardRead::End { .. } => return Ok(None),
            }
        }
    }
}

/// Flink's reader of streams has one watermark for all shards of a subtask: far behind their ends it takes rows of one for late
/// that another is ahead of.
fn has_subtasks(to: &ApplicationSpec, stream: &str, shards: usize) -> Result<(), RunnerError> {
    if to.runner != FLINK || to.parallelism as usize >= shards {
        return Ok(());
    }
    let what = format!(
        "{shards} shards of stream {stream} are to be read by {} subtasks, and a subtask on a cluster drops rows of one shard that \
         another is ahead of; give the application parallelism {shards} first",
        to.parallelism
    );
    Err(RunnerError::new(Kind::Conflict, what))
}

fn hints(to: &ApplicationSpec) -> Vec<String> {
    let mut hints = vec![
        "snapshots that were taken before stay, and can be used after a move back alone".to_owned(),
        "rows that come too late for a window are too late for both, and counted by the one that meets them".to_owned(),
    ];
    if to.runner == FLINK {
        hints.push("on a cluster there are no dead letters, and late rows are not computed anew".to_owned());
    }
    hints
}

/// Has the tables of a plan read from where the handover says.
pub(super) fn begin_at(plan: &mut JobPlan, starts: &BTreeMap<String, StartAt>) {
    for node in &mut plan.nodes {
        if let NodeKind::Scan { table, .. } = &mut node.kind
            && let Some(start) = starts.get(&table.name)
        {
            *table = Arc::new(beginning_at(table, *start));
        }
    }
}

fn beginning_at(table: &TableDef, start: StartAt) -> TableDef {
    let connector = table.options.get("connector").map_or("", String::as_str);
    let options: &[(&str, String)] = &match (connector, start) {
        ("kinesis", StartAt::Arrived(ms)) => vec![
            ("scan.stream.initpos", "AT_TIMESTAMP".to_owned()),
            ("scan.stream.initpos-timestamp", moment(i64::try_from(ms).unwrap_or(i64::MAX))),
        ],
        ("kinesis", StartAt::Oldest) => vec![("scan.stream.initpos", "TRIM_HORIZON".to_owned())],
        ("kafka", StartAt::Arrived(ms)) => {
            vec![("scan.startup.mode", "timestamp".to_owned()), ("scan.startup.timestamp-millis", ms.to_string())]
        }
        ("kafka", StartAt::Oldest) => vec![("scan.startup.mode", "earliest-offset".to_owned())],
        _ => Vec::new(),
    };
    const PLACES: [&str; 3] = ["scan.stream.initpos", "scan.startup.", "source.init."];
    let mut table = table.clone();
    if !options.is_empty() {
        table.options.retain(|key, _| !PLACES.iter().any(|place| key.starts_with(place)));
    }
    table.options.extend(options.iter().map(|(key, value)| ((*key).to_owned(), value.clone())));
    table
}

#[cfg(test)]
mod tests {
    use super::super::{EmbeddedRunner, PlatformConnectors};
    use super::*;
    use control::{Beginning, EMBEDDED, Runner, Running, written_up_to};
    use index::{Document, Index, IndexConfig};
    use model::PutRecord;
    use std::path::Path;
    use store::{CapacityMode, Limits, StoreConfig};
    use tokio::runtime::Runtime;

    const SCRIPT: &str = "
        CREATE TABLE trips (ts TIMESTAMP(3), k STRING, v BIGINT, WATERMARK FOR ts AS ts - INTERVAL '1' SECOND)
        WITH ('connector'='kinesis','stream'='trips','scan.stream.initpos'='TRIM_HORIZON','format'='json',
              'json.timestamp-format.standard'='ISO-8601');
        CREATE TABLE tens (w BIGINT, k STRING, n BIGINT, s BIGINT, PRIMARY KEY (w, k) NOT ENFORCED)
        WITH ('connector'='elasticsearch-7','hosts'='http://127.0.0.1:9200','index'='tens');
        CREATE TABLE thirties (w BIGINT, k STRING, n BIGINT, s BIGINT, PRIMARY KEY (w, k) NOT ENFORCED)
        WITH ('connector'='elasticsearch-7','hosts'='http://127.0.0.1:9200','index'='thirties');
        EXECUTE STATEMENT SET BEGIN
        INSERT INTO tens SELECT TIMESTAMPDIFF(SECOND, TIMESTAMP '1970-01-01 00:00:00', window_end), k, COUNT(*), SUM(v)
        FROM TABLE(TUMBLE(TABLE trips, DESCRIPTOR(ts), INTERVAL '10' SECOND)) GROUP BY window_start, window_end, k;
        INSERT INTO thirties SELECT TIMESTAMPDIFF(SECOND, TIMESTAMP '1970-01-01 00:00:00', window_end), k, COUNT(*), SUM(v)
        FROM TABLE(HOP(TABLE trips, DESCRIPTOR(ts), INTERVAL '10' SECOND, INTERVAL '30' SECOND)) GROUP BY window_start, window_end, k;
        END;";
    const KEYS: [&str; 4] = ["a", "b", "c", "d"];
    const ROWS_A_SECOND: i64 = 20;

    /// A stream of two shards, an index, and two runners that keep their state apart.
    struct Stand {
        _dir: tempfile::TempDir,
        runtime: Runtime,
        store: Store,
        index: Index,
        runners: [EmbeddedRunner; 2],
    }

    /// Row `number` of all: its time in milliseconds, somewhat out of order, its key and its value.
    fn row(number: i64) -> (i64, &'static str, i64) {
        let jitter = number.wrapping_mul(7_919) % 900;
        (number * 1_000 / ROWS_A_SECOND + 900 - jitter, KEYS[(number * 31 % 7 % 4) as usize], number % 13)
    }

    impl Stand {
        fn new() -> Self {
            let (dir, runtime, env) = (tempfile::tempdir().unwrap(), Runtime::new().unwrap(), Env::system());
            let config = StoreConfig {
                status_delay_ms: 0,
                limits: Limits::Unlimited,
                ..StoreConfig::new(dir.path().join("store"), env.clone())
            };
            let store = runtime.block_on(async { Store::open(config) }).unwrap();
            runtime.block_on(store.create_stream("trips", 2, CapacityMode::Provisioned)).unwrap();
            runtime.block_on(store.settled("trips")).unwrap();
            let index = Index::open(IndexConfig::new(dir.path().join("index"), env.clone())).unwrap();
            let handle = runtime.handle().clone();
            let connectors: Arc<dyn Connectors> = Arc::new(PlatformConnectors::new(
                store.clone(),
                index.clone(),
                handle.clone(),
                Path::new("."),
                env.clone(),
            ));
            let runners = ["one", "other"].map(|state| {
                EmbeddedRunner::new(
                    connectors.clone(),
                    store.clone(),
                    handle.clone(),
                    env.clone(),
                    dir.path().join(state),
                )
            });
            Self { _dir: dir, runtime, store, index, runners }
        }

        fn put(&self, rows: std::ops::Range<i64>) {
            let record = |(ms, key, value): (i64, &str, i64)| PutRecord {
                partition_key: key.into(),
                explicit_hash_key: None,
                data: format!("{{\"ts\":\"{}\",\"k\":\"{key}\",\"v\":{value}}}", moment(ms).trim_end_matches('Z'))
                    .into(),
            };
            for first in rows.clone().step_by(100) {
                let records = (first..rows.end.min(first + 100)).map(|number| record(row(number))).collect();
                self.runtime.block_on(self.store.put_records("trips", records)).unwrap();
            }
        }

        /// The document of a window that ends at this second.
        fn document(&self, index: &str, end: i64, key: &str) -> Option<Document> {
            self.index.get(index, &format!("{end}_{key}")).unwrap_or_default()
        }

        /// All documents of windows that end by `until`, in seconds.
        fn documents(&self, until: i64) -> BTreeMap<(&'static str, i64, &'static str), Document> {
            let mut all = BTreeMap::new();
            for (index, end) in
                ["tens", "thirties"].into_iter().flat_map(|i| (10..=until).step_by(10).map(move |e| (i, e)))
            {
                for key in KEYS {
                    all.extend(self.document(index, end, key).map(|found| ((index, end, key), found)));
                }
            }
            all
        }

        fn until(&self, what: &str, holds: impl Fn() -> bool) {
            let (_keep, never) = std::sync::mpsc::channel::<()>();
            for _ in 0..12_000 {
                if holds() {
                    return;
                }
                let _elapsed = never.recv_timeout(std::time::Duration::from_millis(5));
            }
            panic!("in vain waited for {what}");
        }

        /// Ends a run of runner `from` and has the other go on; whose results were written until when is given back.
        fn moved(
            &self,
            from: usize,
            spec: &ApplicationSpec,
            running: &dyn Running,
        ) -> (ApplicationSpec, Arc<dyn Running>) {
            let plan = self.runners[from].plan_move(spec, spec, written_up_to(spec, &running.metrics())).unwrap();
            running.stop().unwrap();
            let closed_ms = written_up_to(spec, &running.metrics());
            assert!(closed_ms >= plan.handover.closed_ms && closed_ms.is_some(), "{closed_ms:?} of {plan:?}");
            let next = ApplicationSpec { handover: Some(Handover { closed_ms, ..plan.handover }), ..spec.clone() };
            let beginning = Beginning { from: control::Begin::Nothing, allow_dropped: false };
            let running = self.runners[1 - from].start(&next, &beginning).unwrap();
            (next, running)
        }
    }

    fn spec(script: &str) -> ApplicationSpec {
        ApplicationSpec {
            name: "app".into(),
            runner: EMBEDDED.into(),
            script: script.into(),
            parallelism: 2,
            parallelism_per_kpu: 1,
            checkpoints: None,
            handover: None,
            program: None,
        }
    }

    /// Count and sum of the rows of a window.
    fn expected(rows: i64, (index, end, key): (&str, i64, &str)) -> (i64, i64) {
        let size = if index == "tens" { 10 } else { 30 };
        let within = |ms: i64| ((end - size) * 1_000..end * 1_000).contains(&ms);
        (0..rows)
            .map(row)
            .filter(|(ms, of, _)| *of == key && within(*ms))
            .fold((0, 0), |(n, s), (_, _, v)| (n + 1, s + v))
    }

    fn told(document: &Document) -> (i64, i64) {
        let source: serde_json::Value = serde_json::from_slice(&document.source).unwrap();
        (source["n"].as_i64().unwrap(), source["s"].as_i64().unwrap())
    }

    #[test]
    fn moves_there_and_back_leave_every_result_as_one_run_makes_it_and_no_closed_window_is_written_again() {
        const SECONDS: i64 = 400;
        let stand = Stand::new();
        let (mut spec, mut at) = (spec(SCRIPT), 0);
        let mut running = stand.runners[0].start(&spec, &Beginning::default()).unwrap();
        let (mut put, mut closed) = (0, Vec::new());
        // The last rows close nothing that is looked at.
        for until in [95, 130, 131, 222, 305, SECONDS + 60] {
            stand.put(put..until * ROWS_A_SECOND);
            put = until * ROWS_A_SECOND;
            let written = (until - 5) / 10 * 10 - 10;
            stand.until("results", || stand.document("thirties", written, "a").is_some());
            let (next, moved) = stand.moved(at, &spec, running.as_ref());
            let done = next.handover.as_ref().unwrap().closed_ms.unwrap();
            closed.push(stand.documents((done + 1) / 1_000));
            (spec, running, at) = (next, moved, 1 - at);
        }
        running.stop().unwrap();
        let all = stand.documents(SECONDS);
        assert_eq!(all.len() as i64, 2 * (SECONDS / 10) * KEYS.len() as i64);
        for (window, document) in &all {
            assert_eq!(told(document), expected(put, *window), "{window:?}");
        }
        for (window, document) in closed.iter().flatten().filter(|((_, end, _), _)| *end <= SECONDS) {
            assert_eq!(document.version, all[window].version, "{window:?} was closed, and was written again");
        }
        assert_eq!(running.metrics().totals.late, 0, "rows of windows that others have closed are not late");
    }

    #[test]
    fn reading_begins_shortly_before_what_is_needed() {
        let stand = Stand::new();
        let spec = spec(SCRIPT);
        for from in (0..60_000).step_by(6_000) {
            stand.put(from..from + 6_000);
        }
        let start = |closed_ms: i64| {
            let plan = stand.runners[0].plan_move(&spec, &spec, Some(closed_ms)).unwrap();
            let StartAt::Arrived(ms) = plan.handover.starts["trips"] else { panic!("{plan:?}") };
            ms
        };
        let arrivals: Vec<Vec<(u64, i64)>> = stand
            .store
            .shards("trips")
            .unwrap()
            .iter()
            .map(|shard| {
                let mut reader = stand.store.shard_reader("trips", shard.index, Position(0)).unwrap();
                let mut found = Vec::new();
                while let ShardRead::Block(block) = reader.read(1 << 20).unwrap() {
                    for row in &block.rows {
                        let text: serde_json::Value = serde_json::from_slice(block.payload(row)).unwrap();
                        let time = chrono::DateTime::parse_from_rfc3339(&format!("{}Z", text["ts"].as_str().unwrap()))
                            .unwrap();
                        found.push((row.arrival_ms, time.timestamp_millis()));
                    }
                }
                found
            })
            .collect();
        for closed in [50_000, 1_000_000, 2_345_678, 2_990_000] {
            let (at, needed) = (start(closed), closed / 10_000 * 10_000 - 20_000);
            for shard in &arrivals {
                let first = shard.iter().position(|(_, time)| *time >= needed).unwrap();
                let read = shard.iter().position(|(arrived, _)| *arrived >= at).unwrap();
                assert!(read <= first, "at {closed} ms a needed record would be left out");
                // At most what is probed, and what arrived in the same moments.
                assert!(first - read < 12_000, "at {closed} ms {} records too many are read", first - read);
            }
        }
        assert!(start(100_000_000) >= arrivals.iter().flatten().map(|(arrived, _)| *arrived).max().unwrap());
    }

    #[test]
    fn a_cluster_whose_subtasks_would_share_shards_is_refused() {
        let stand = Stand::new();
        let to = ApplicationSpec { runner: FLINK.into(), parallelism: 1, ..spec(SCRIPT) };
        let told = stand.runners[0].plan_move(&spec(SCRIPT), &to, None).unwrap_err();
        assert!(told.message.contains("give the application parallelism 2 first"), "{}", told.message);
        let unkeyed = spec(&SCRIPT.replace(", PRIMARY KEY (w, k) NOT ENFORCED", ""));
        let told = stand.runners[0].plan_move(&unkeyed, &unkeyed, Some(0)).unwrap_err().message;
        assert!(told.contains("application app cannot be moved to embedded: table tens has no PRIMARY KEY"), "{told}");
    }
}
