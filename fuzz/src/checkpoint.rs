//! Checkpoints of jobs: manifests and parts of state, sealed as if they had been written so.

use bytes::Bytes;
use engine::plan::JobPlan;
use engine::port::PortError;
use engine::run::connectors::BuiltinConnectors;
use engine::run::{CheckpointStorage, Checkpointing, Job, JobOptions, Restore, compare, groups, inspect};
use engine::sql::{Planned, Script, Session};
use model::{Env, Kind};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

const MANIFEST: [u8; 8] = *b"HAILCHKM";
const PART: [u8; 8] = *b"HAILCHKP";

const SCRIPT: &str = "
    CREATE TABLE made (k BIGINT, x DOUBLE, t STRING, ts TIMESTAMP_LTZ(3), WATERMARK FOR ts AS ts - INTERVAL '1' SECOND)
        WITH ('connector' = 'datagen', 'fields.k.min' = '1', 'fields.k.max' = '9', 'fields.t.length' = '3',
        'rows-per-second' = '5000');
    CREATE TABLE results (k BIGINT, n BIGINT, d BIGINT, a DOUBLE, m STRING) WITH ('connector' = 'blackhole');
    INSERT INTO results SELECT k, COUNT(*), COUNT(DISTINCT t), AVG(x), MAX(t) FROM
        TABLE(TUMBLE(TABLE made, DESCRIPTOR(ts), INTERVAL '9' DAY)) GROUP BY window_start, window_end, k;";

/// Objects in memory.
#[derive(Clone, Default)]
struct Memory(Arc<Mutex<BTreeMap<String, Vec<u8>>>>);

impl CheckpointStorage for Memory {
    fn write(&self, name: &str, parts: &[&[u8]]) -> Result<(), PortError> {
        self.0.lock().insert(name.to_owned(), parts.concat());
        Ok(())
    }

    fn read(&self, name: &str, offset: u64, length: Option<u64>) -> Result<Bytes, PortError> {
        let objects = self.0.lock();
        let object = objects.get(name).ok_or_else(|| PortError::new(Kind::NotFound, name))?;
        let end = length.map_or(Some(object.len() as u64), |length| offset.checked_add(length));
        let range = end.and_then(|end| object.get(usize::try_from(offset).ok()?..usize::try_from(end).ok()?));
        range.map(Bytes::copy_from_slice).ok_or_else(|| PortError::new(Kind::Corrupt, "cut off"))
    }

    fn list(&self) -> Result<Vec<String>, PortError> {
        Ok(self.0.lock().keys().cloned().collect())
    }

    fn remove(&self, name: &str) -> Result<(), PortError> {
        self.0.lock().remove(name);
        Ok(())
    }
}

/// A plan, and the manifest and the first part of a real checkpoint of it, unsealed.
struct Real {
    plan: JobPlan,
    manifest: serde_json::Value,
    part: Vec<u8>,
}

static REAL: LazyLock<Real> = LazyLock::new(|| {
    let connectors = Arc::new(BuiltinConnectors::new(".", Env::system()));
    let planned = Session::new().plan(&Script::parse(SCRIPT).unwrap(), connectors.as_ref()).unwrap();
    let plan =
        planned.into_iter().find_map(|p| if let Planned::Job { plan, .. } = p { Some(plan) } else { None }).unwrap();
    let memory = Memory::default();
    let checkpointing = Checkpointing { storage: Some(Arc::new(memory.clone())), ..Checkpointing::default() };
    let options = JobOptions { checkpointing, ..JobOptions::new("fuzz", Env::system(), connectors) };
    let job = Job::start(plan.clone(), options).unwrap();
    while job.metrics().records_in < 100 {
        job.wait_for(Duration::from_millis(1));
    }
    job.stop();
    job.wait().unwrap();
    let objects = memory.0.lock();
    let sealed = objects.iter().rev().find(|(name, _)| name.ends_with(".manifest")).unwrap().1;
    let manifest: serde_json::Value = serde_json::from_slice(model::unseal(MANIFEST, 1, sealed).unwrap()).unwrap();
    let place = &manifest["operators"][0]["parts"][0];
    let number = |name: &str| place[name].as_u64().unwrap() as usize;
    let file = &objects[place["file"].as_str().unwrap()];
    let sealed = &file[number("offset")..number("offset") + number("length")];
    let part = model::unseal(PART, 1, sealed).unwrap().to_vec();
    Real { plan, manifest, part }
});

/// Inputs that make sense: a manifest and a part.
pub fn checkpoint_seeds() -> Vec<Vec<u8>> {
    let manifest = serde_json::to_vec(&REAL.manifest).unwrap();
    vec![[&[0], manifest.as_slice()].concat(), [&[1], REAL.part.as_slice()].concat()]
}

/// A manifest (first byte even) or a part of state (odd), and whatever follows from it.
pub fn checkpoint(data: &[u8]) {
    let Some((which, bytes)) = data.split_first() else { return };
    let memory = Memory::default();
    let (manifest, part) = if which % 2 == 0 {
        (bytes.to_vec(), model::seal(PART, 1, &REAL.part))
    } else {
        let (mut manifest, part) = (REAL.manifest.clone(), model::seal(PART, 1, bytes));
        let place = &mut manifest["operators"][0]["parts"][0];
        (place["file"], place["offset"], place["length"]) = ("one.state".into(), 0.into(), part.len().into());
        (serde_json::to_vec(&manifest).unwrap(), part)
    };
    memory.write("checkpoint-0000000000000001.manifest", &[&model::seal(MANIFEST, 1, &manifest)]).unwrap();
    memory.write("one.state", &[&part]).unwrap();
    let _view = inspect(&memory, &Restore::Latest);
    let _report = compare(&memory, &Restore::Latest, &REAL.plan);
    if let Ok(found) = groups(&memory, &Restore::Latest, &REAL.plan, "results", usize::MAX) {
        assert!(found.iter().all(|g| g.rows.num_columns() == g.schema.fields.len()));
    }
}
