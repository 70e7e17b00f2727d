//! `filesystem` looked up: a small table held in memory by key, loaded anew from time to time.

use super::files::FileSource;
use super::storage::FileStorage;
use crate::expr::Scalar;
use crate::plan::TableDef;
use crate::port::{Answer, Lookup, LookupKey, LookupSpec, PortError, Source, SplitRead, SplitReader};
use crate::run::decode::{JsonDecoder, JsonOptions};
use arrow_array::{RecordBatch, UInt32Array};
use arrow_select::concat::concat_batches;
use arrow_select::take::take_record_batch;
use model::{Env, Kind, Position};
use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use std::sync::Arc;

/// Most bytes of a table in memory.
const TABLE_BYTES_MAX: usize = 256 * 1024 * 1024;
/// Bytes of one read of a file.
const READ_BYTES: usize = 1024 * 1024;

/// A table in memory.
pub(super) struct TableLookup {
    shared: Arc<Shared>,
    /// How old the table may be before it is loaded anew, in nanoseconds; `None`: as old as it gets.
    reload_ns: Option<u64>,
    env: Env,
}

struct Shared {
    storage: Arc<dyn FileStorage>,
    table: Arc<TableDef>,
    keys: Vec<usize>,
    state: Mutex<State>,
}

struct State {
    loaded: Arc<Loaded>,
    loaded_ns: u64,
    loading: bool,
}

struct Loaded {
    rows: RecordBatch,
    by_key: FxHashMap<Vec<Scalar>, Vec<u32>>,
}

impl TableLookup {
    /// The table in `storage`, loaded.
    pub(super) fn open(
        storage: Arc<dyn FileStorage>,
        spec: &LookupSpec,
        reload_ms: Option<u64>,
        env: &Env,
    ) -> Result<Self, PortError> {
        let loaded = Arc::new(load(&storage, &spec.table, &spec.keys)?);
        let state = Mutex::new(State { loaded, loaded_ns: env.monotonic_ns(), loading: false });
        let shared = Arc::new(Shared { storage, table: spec.table.clone(), keys: spec.keys.clone(), state });
        Ok(Self { shared, reload_ns: reload_ms.map(|ms| ms.saturating_mul(1_000_000)), env: env.clone() })
    }

    /// The table as it is; when it is too old, a thread of its own loads it anew, and the old one answers until then.
    fn current(&self) -> Arc<Loaded> {
        let now_ns = self.env.monotonic_ns();
        let mut state = self.shared.state.lock();
        let old = self.reload_ns.is_some_and(|limit| now_ns.saturating_sub(state.loaded_ns) >= limit);
        if old && !state.loading {
            state.loading = true;
            let (shared, env) = (self.shared.clone(), self.env.clone());
            let started = std::thread::Builder::new().name("lookup-reload".into()).spawn(move || shared.reload(&env));
            if let Err(error) = started {
                tracing::warn!(%error, "a table that is looked up could not be loaded anew");
                state.loading = false;
            }
        }
        state.loaded.clone()
    }
}

impl Shared {
    fn reload(&self, env: &Env) {
        let loaded = load(&self.storage, &self.table, &self.keys);
        let mut state = self.state.lock();
        match loaded {
            Ok(loaded) => state.loaded = Arc::new(loaded),
            Err(error) => tracing::warn!(table = self.table.name, %error, "the table stays as it was loaded before"),
        }
        state.loaded_ns = env.monotonic_ns();
        state.loading = false;
    }
}

impl Lookup for TableLookup {
    fn start(&self, key: LookupKey, answer: Answer) {
        let loaded = self.current();
        let rows = match loaded.by_key.get(&*key.values) {
            None => Ok(loaded.rows.slice(0, 0)),
            Some(rows) => take_record_batch(&loaded.rows, &UInt32Array::from(rows.clone()))
                .map_err(|e| PortError::new(Kind::Internal, e.to_string())),
        };
        answer(rows);
    }
}

fn load(storage: &Arc<dyn FileStorage>, table: &TableDef, keys: &[usize]) -> Result<Loaded, PortError> {
    let wrong = |what: String| PortError::new(Kind::Invalid, format!("table {}: {what}", table.name));
    let source = FileSource::new(storage.clone())?;
    let mut decoder = JsonDecoder::new(&table.schema.fields, JsonOptions::parse(&table.options)?);
    let (mut batches, mut bytes) = (Vec::new(), 0);
    for split in source.splits()? {
        let mut reader = source.reader(split.id, &Position::ZERO.into())?;
        while let SplitRead::Payloads(block) = reader.read(READ_BYTES)? {
            let mut bad = None;
            let rows = decoder.decode(&block, 0..block.rows.len(), &mut |row, reason| {
                bad.get_or_insert_with(|| format!("{}, line {}: {reason}", split.name, block.first.0 + row as u64 + 1));
            });
            let rows = rows.map_err(|e| PortError::new(Kind::Internal, e.to_string()))?;
            if let Some(bad) = bad {
                return Err(wrong(bad));
            }
            bytes += rows.get_array_memory_size();
            if bytes > TABLE_BYTES_MAX {
                return Err(wrong(format!("it is larger than {TABLE_BYTES_MAX} bytes: too large to be looked up")));
            }
            batches.push(rows);
        }
    }
    let rows = concat_batches(decoder.schema(), &batches).map_err(|e| PortError::new(Kind::Internal, e.to_string()))?;
    let mut by_key: FxHashMap<Vec<Scalar>, Vec<u32>> = FxHashMap::default();
    for row in 0..rows.num_rows() {
        let value = |c: &usize| Scalar::from_array(rows.column(*c), row, table.schema.fields[*c].data_type);
        by_key.entry(keys.iter().map(value).collect()).or_default().push(row as u32);
    }
    Ok(Loaded { rows, by_key })
}

#[cfg(test)]
mod tests {
    use super::super::local::LocalFiles;
    use super::super::tests::table;
    use super::*;
    use std::sync::mpsc::channel;
    use std::time::Duration;

    fn found(lookup: &TableLookup, key: i64) -> usize {
        let (sender, receiver) = channel();
        let answer =
            Box::new(move |rows: Result<RecordBatch, PortError>| sender.send(rows.unwrap().num_rows()).unwrap());
        lookup.start(LookupKey { values: Arc::new([Scalar::Integer(key)]) }, answer);
        receiver.recv_timeout(Duration::from_secs(10)).unwrap()
    }

    /// Asks until the answer is as wanted: a thread loads the table meanwhile.
    fn wait(lookup: &TableLookup, key: i64, rows: usize) {
        let (_keep, never) = channel::<()>();
        for _ in 0..1_000 {
            if found(lookup, key) == rows {
                return;
            }
            let _ = never.recv_timeout(Duration::from_millis(5));
        }
        panic!("in vain waited for {rows} rows of {key}");
    }

    #[test]
    fn an_old_table_is_loaded_anew_and_stays_where_that_fails() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.ndjson");
        std::fs::write(&path, "{\"a\":1}\n{\"a\":1}\n").unwrap();
        let table = Arc::new(table(&[("connector", "filesystem"), ("path", "t.ndjson"), ("format", "json")]));
        let spec = LookupSpec { table, keys: vec![0] };
        let (env, clock) = Env::manual(0, 1);
        let lookup = TableLookup::open(Arc::new(LocalFiles::new(path.clone())), &spec, Some(1_000), &env).unwrap();
        assert_eq!((found(&lookup, 1), found(&lookup, 2)), (2, 0));
        std::fs::write(&path, "{\"a\":2}\n").unwrap();
        clock.advance_ms(999);
        assert_eq!((found(&lookup, 1), found(&lookup, 2)), (2, 0), "it is not old yet");
        clock.advance_ms(1);
        wait(&lookup, 2, 1);
        assert_eq!(found(&lookup, 1), 0);
        std::fs::write(&path, "broken\n").unwrap();
        clock.advance_ms(1_000);
        assert_eq!(found(&lookup, 2), 1);
        wait(&lookup, 2, 1);
    }
}
