//! A job that is killed before and after every crossing of its ports (reading, writing, preparing, committing, keeping and
//! restoring state), plainly, after a restore, and while it is rescaled: what is left at the end is what an undisturbed
//! run leaves, documents as well as rows that would count twice if they were written twice.
#![allow(clippy::unwrap_used, missing_docs, reason = "for tests alone")]

mod run_support;

use bytes::Bytes;
use engine::plan::TableDef;
use engine::port::{
    Connectors, Cursor, PortError, Role, Sink, SinkBatch, SinkSpec, Source, SplitId, SplitInfo, SplitRead, SplitReader,
    Waker,
};
use engine::run::decode::JsonOptions;
use engine::run::encode::JsonEncoder;
use engine::run::{CheckpointStorage, Checkpointing, Job, JobOptions, JobState};
use model::{Env, Kind};
use run_support::{Hands, Index, Kept, Memory, counts, event, expected_counts, pause};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Where a process dies: at the so manieth crossing of a point, before it takes effect or after.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Death {
    point: &'static str,
    crossing: u64,
    after: bool,
}

/// Counts crossings, and lets nothing through any more once the process is dead.
#[derive(Default)]
struct Fuse {
    death: Option<Death>,
    state: Mutex<(BTreeMap<&'static str, u64>, bool)>,
}

impl Fuse {
    fn is_dead(&self) -> bool {
        self.state.lock().unwrap().1
    }

    fn cross<T>(&self, point: &'static str, act: impl FnOnce() -> Result<T, PortError>) -> Result<T, PortError> {
        let dead = || Err(PortError::new(Kind::Unavailable, "the process is dead"));
        let hit = {
            let mut state = self.state.lock().unwrap();
            if state.1 {
                return dead();
            }
            let crossing = state.0.entry(point).or_default();
            *crossing += 1;
            let hit = self.death.filter(|d| d.point == point && d.crossing == *crossing);
            state.1 = hit.is_some_and(|d| !d.after);
            hit
        };
        match hit {
            Some(death) if !death.after => dead(),
            Some(_) => {
                let done = act();
                self.state.lock().unwrap().1 = true;
                done.and_then(|_| dead())
            }
            None => act(),
        }
    }
}

/// What outlives a process.
#[derive(Clone, Default)]
struct World {
    kept: Kept,
    index: Index,
    rows: Arc<Mutex<Rows>>,
}

/// Rows of a sink that shows each of them once: prepared under a name, then visible.
#[derive(Default)]
struct Rows {
    prepared: BTreeMap<u64, Vec<String>>,
    visible: Vec<String>,
    next: u64,
}

/// One process in that world.
#[derive(Clone)]
struct Process {
    world: World,
    fuse: Arc<Fuse>,
    hands: Hands,
}

struct MortalSource(Process, Arc<dyn Source>);
struct MortalReader(Arc<Fuse>, Box<dyn SplitReader>);
struct MortalSink(Arc<Fuse>, Box<dyn Sink>);

impl Source for MortalSource {
    fn splits(&self) -> Result<Vec<SplitInfo>, PortError> {
        self.0.fuse.cross("source.splits", || self.1.splits())
    }

    fn open(&self, split: SplitId, from: Cursor) -> Result<Box<dyn SplitReader>, PortError> {
        let reader = self.0.fuse.cross("source.open", || self.1.open(split, from))?;
        Ok(Box::new(MortalReader(self.0.fuse.clone(), reader)))
    }

    fn goes_on(&self, known: &BTreeSet<SplitId>) {
        self.1.goes_on(known);
    }

    fn is_bounded(&self) -> bool {
        self.1.is_bounded()
    }

    fn subscribe(&self, waker: Waker) -> Box<dyn Send> {
        self.1.subscribe(waker)
    }
}

impl SplitReader for MortalReader {
    fn read(&mut self, bytes_max: usize) -> Result<SplitRead, PortError> {
        self.0.cross("source.read", || self.1.read(bytes_max))
    }

    fn millis_behind_latest(&self) -> Option<u64> {
        self.1.millis_behind_latest()
    }
}

impl Sink for MortalSink {
    fn write(&mut self, batch: &SinkBatch) -> Result<(), PortError> {
        self.0.cross("index.write", || self.1.write(batch))
    }

    fn flush(&mut self) -> Result<(), PortError> {
        self.0.cross("index.flush", || self.1.flush())
    }

    fn close(&mut self) -> Result<(), PortError> {
        self.0.cross("index.close", || self.1.close())
    }
}

struct RowSink {
    fuse: Arc<Fuse>,
    rows: Arc<Mutex<Rows>>,
    encoder: JsonEncoder,
    open: Vec<String>,
}

impl RowSink {
    fn show(rows: &Mutex<Rows>, transaction: &[u8]) {
        let mut rows = rows.lock().unwrap();
        let name = u64::from_be_bytes(transaction.try_into().unwrap());
        let prepared = rows.prepared.remove(&name).unwrap_or_default();
        rows.visible.extend(prepared);
    }
}

impl Sink for RowSink {
    fn write(&mut self, batch: &SinkBatch) -> Result<(), PortError> {
        let (bound, open) = (self.encoder.bind(&batch.rows)?, &mut self.open);
        self.fuse.cross("rows.write", || {
            for row in 0..batch.rows.num_rows() {
                let mut text = Vec::new();
                bound.write(row, &mut text);
                open.push(String::from_utf8(text).unwrap());
            }
            Ok(())
        })
    }

    fn flush(&mut self) -> Result<(), PortError> {
        Ok(())
    }

    fn prepare(&mut self) -> Result<Option<Vec<u8>>, PortError> {
        if self.open.is_empty() {
            return Ok(None);
        }
        let (rows, open) = (&self.rows, &mut self.open);
        self.fuse.cross("rows.prepare", || {
            let mut rows = rows.lock().unwrap();
            let name = rows.next;
            rows.next += 1;
            rows.prepared.insert(name, std::mem::take(open));
            Ok(Some(name.to_be_bytes().to_vec()))
        })
    }

    fn commit(&mut self, transaction: &[u8]) -> Result<(), PortError> {
        self.fuse.cross("rows.commit", || {
            Self::show(&self.rows, transaction);
            Ok(())
        })
    }

    fn close(&mut self) -> Result<(), PortError> {
        assert!(self.open.is_empty());
        Ok(())
    }
}

impl Connectors for Process {
    fn check(&self, table: &TableDef, role: Role) -> Result<(), PortError> {
        if table.name == "copies" { Ok(()) } else { self.hands.check(table, role) }
    }

    fn source(&self, table: &TableDef) -> Result<Arc<dyn Source>, PortError> {
        Ok(Arc::new(MortalSource(self.clone(), Connectors::source(&self.hands, table)?)))
    }

    fn sink(&self, spec: &SinkSpec) -> Result<Box<dyn Sink>, PortError> {
        if spec.table.name != "copies" {
            let sink = self.fuse.cross("index.open", || self.hands.sink(spec))?;
            return Ok(Box::new(MortalSink(self.fuse.clone(), sink)));
        }
        let rows = self.world.rows.clone();
        self.fuse.cross("rows.open", || {
            if let Some(prepared) = &spec.prepared {
                prepared.iter().for_each(|t| RowSink::show(&rows, t));
                rows.lock().unwrap().prepared.clear();
            }
            Ok(())
        })?;
        let encoder = JsonEncoder::new(&spec.schema, JsonOptions::default());
        Ok(Box::new(RowSink { fuse: self.fuse.clone(), rows, encoder, open: Vec::new() }))
    }
}

impl CheckpointStorage for Process {
    fn write(&self, name: &str, parts: &[&[u8]]) -> Result<(), PortError> {
        let point = if name.ends_with(".state") { "storage.write state" } else { "storage.write manifest" };
        self.fuse.cross(point, || self.world.kept.write(name, parts))
    }

    fn read(&self, name: &str, offset: u64, length: Option<u64>) -> Result<Bytes, PortError> {
        let point = if length.is_some() { "storage.read state" } else { "storage.read manifest" };
        self.fuse.cross(point, || self.world.kept.read(name, offset, length))
    }

    fn list(&self) -> Result<Vec<String>, PortError> {
        self.fuse.cross("storage.list", || self.world.kept.list())
    }

    fn remove(&self, name: &str) -> Result<(), PortError> {
        let point = if name.ends_with(".state") { "storage.remove state" } else { "storage.remove manifest" };
        self.fuse.cross(point, || self.world.kept.remove(name))
    }
}

fn rows() -> Vec<(i64, String, i64)> {
    (0..900).map(|i| (i * 100 + (i * 7_919) % 900, format!("k{}", i % 5), i)).collect()
}

/// What a process comes to.
enum Fate {
    Finished,
    Died,
}

/// Runs one process until it dies or has read everything; `rescale` changes its parallelism on the way.
fn live(world: &World, parallelism: u32, death: Option<Death>, rescale: bool) -> (Fate, BTreeMap<&'static str, u64>) {
    let all = rows();
    let of = |part| all.iter().filter(|r| r.2 % 3 == part).map(|(ms, k, v)| event(*ms, k, *v)).collect();
    let memory = Memory::bounded((0..3).map(of).collect());
    let hands = Hands::default().source("events", &memory).index("counts", &world.index);
    let fuse = Arc::new(Fuse { death, ..Fuse::default() });
    let process = Process { world: world.clone(), fuse: fuse.clone(), hands };
    let one = counts();
    let (tables, insert) = one.split_at(one.find("INSERT").unwrap());
    let script = format!(
        "{tables}CREATE TABLE copies (k STRING, v BIGINT) WITH ('connector'='rows');\n\
         EXECUTE STATEMENT SET BEGIN\n{insert}\nINSERT INTO copies SELECT k, v FROM events;\nEND;"
    );
    let plan = process.hands.clone().index("copies", &Index::default()).plan(&script);
    let storage: Arc<dyn CheckpointStorage> = Arc::new(process.clone());
    let options = JobOptions {
        parallelism: Some(parallelism),
        read_bytes: 700,
        channel_bytes: 64 * 1024,
        checkpointing: Checkpointing { storage: Some(storage), interval_ms: 1, ..Checkpointing::default() },
        ..JobOptions::new("app", Env::system(), Arc::new(process.clone()))
    };
    let job = match Job::start(plan, options) {
        Ok(job) => job,
        Err(error) => {
            assert!(fuse.is_dead(), "{error}");
            return (Fate::Died, BTreeMap::new());
        }
    };
    if rescale {
        pause(2);
        // It may have ended by then, or die on the way.
        let _done = job.rescale(1 + parallelism % 3);
    }
    while !job.wait_for(Duration::from_millis(1)) && !fuse.is_dead() {}
    if !fuse.is_dead() {
        let ended = job.wait();
        if !fuse.is_dead() {
            assert!(matches!(ended, Ok(JobState::Finished)), "{ended:?}");
            return (Fate::Finished, fuse.state.lock().unwrap().0.clone());
        }
    }
    job.cancel();
    drop(job);
    let crossings = fuse.state.lock().unwrap().0.clone();
    (Fate::Died, crossings)
}

#[test]
fn killed_at_every_crossing_it_leaves_what_an_undisturbed_run_leaves() {
    let all = rows();
    let expected = expected_counts(all.iter());
    let mut copies: Vec<String> = all.iter().map(|(_, k, v)| format!("{{\"k\":\"{k}\",\"v\":{v}}}")).collect();
    copies.sort();
    let first = Death { point: "source.read", crossing: 40, after: false };
    let mut survived = BTreeSet::new();
    for scenario in ["plain", "restored", "rescaled"] {
        // How often each point is crossed when nothing happens.
        let trial = World::default();
        if scenario == "restored" {
            live(&trial, 2, Some(first), false);
        }
        let (_, crossings) = live(&trial, 2, None, scenario == "rescaled");
        for (point, count) in crossings {
            for crossing in BTreeSet::from([1, count.div_ceil(2), count]) {
                for after in [false, true] {
                    let death = Death { point, crossing, after };
                    let world = World::default();
                    if scenario == "restored" {
                        live(&world, 2, Some(first), false);
                    }
                    let (fate, _) = live(&world, 2, Some(death), scenario == "rescaled");
                    if matches!(fate, Fate::Died) {
                        survived.insert(format!(
                            "{scenario}: {point}, {} {crossing}",
                            if after { "after" } else { "before" }
                        ));
                        let (fate, _) = live(&world, 3, None, false);
                        assert!(matches!(fate, Fate::Finished));
                    }
                    assert_eq!(world.index.rows(), expected, "{scenario}, {death:?}");
                    let mut visible = world.rows.lock().unwrap().visible.clone();
                    visible.sort();
                    assert_eq!(visible.len(), copies.len(), "{scenario}, {death:?}");
                    assert_eq!(visible, copies, "{scenario}, {death:?}");
                }
            }
        }
    }
    assert!(survived.len() >= 80, "only {} deaths: {survived:#?}", survived.len());
}
