//! Programs on a cluster that answers as a real one did: what is sent there, what is asked, and what is left.
#![allow(clippy::unwrap_used, reason = "a failed expectation is the test's result")]

mod cluster;

use cluster::{Shared, UPLOADS, World};
use control::{
    ApplicationSpec, Begin, Beginning, Checkpoints, DATABASE_FILE, Database, FLINK, Program, ProgramRun, Programs,
    PropertyGroups, Runner,
};
use flink::{Addresses, Doors, FlinkOptions, FlinkRunner};
use model::{Env, Kind};
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::io::{Cursor, Read, Write};
use std::sync::Arc;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use zip::write::SimpleFileOptions;
use zip::{ZipArchive, ZipWriter};

/// A cluster, and a platform with two programs: one asks the managed service's library for its properties, one does not.
struct Stand {
    _runtime: Runtime,
    _dir: TempDir,
    world: Shared,
    runner: FlinkRunner,
    asks: Program,
    bare: Program,
}

fn jar(entries: &[(&str, &str)]) -> Vec<u8> {
    let mut jar = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in entries {
        jar.start_file(*name, SimpleFileOptions::default()).unwrap();
        jar.write_all(content.as_bytes()).unwrap();
    }
    jar.finish().unwrap().into_inner()
}

impl Stand {
    fn new() -> Self {
        let runtime = Runtime::new().unwrap();
        let world = Arc::new(Mutex::new(World { slots: 4, has_adaptive_scheduler: true, ..World::default() }));
        let address = runtime.block_on(cluster::serve(world.clone()));
        let dir = tempfile::tempdir().unwrap();
        let database = Arc::new(Database::open(&dir.path().join(DATABASE_FILE)).unwrap());
        let programs = Arc::new(Programs::open(dir.path().join("programs"), Env::system(), None).unwrap());
        let manifest = ("META-INF/MANIFEST.MF", "Main-Class: trip.Main\n");
        let library = ("config.properties", "application_properties_file = /etc/flink/application_properties.json\n");
        let asks = programs.keep(&jar(&[manifest, ("trip/Main.class", "code"), library])).unwrap();
        let bare = programs.keep(&jar(&[manifest, ("trip/Main.class", "code")])).unwrap();
        let addresses = Addresses { rest: address.clone(), gateway: address };
        let options = FlinkOptions { addresses, doors: Doors::default(), functions: None, savepoints: None };
        let handle = runtime.handle().clone();
        let runner = FlinkRunner::open(options, database, programs, Env::system(), handle).unwrap();
        Self { _runtime: runtime, _dir: dir, world, runner, asks, bare }
    }

    fn spec(&self, program: &Program, stream: &str) -> ApplicationSpec {
        let properties: PropertyGroups =
            [("Input".to_owned(), [("stream".to_owned(), stream.to_owned())].into())].into();
        let run = ProgramRun {
            program: program.clone(),
            entry_class: "trip.Main".into(),
            arguments: vec!["--a b".into()],
            properties,
        };
        ApplicationSpec {
            name: "taxi".into(),
            runner: FLINK.into(),
            script: String::new(),
            program: Some(run),
            parallelism: 2,
            parallelism_per_kpu: 2,
            checkpoints: Some(Checkpoints { enabled: true, interval_ms: 1_000, min_pause_ms: 7 }),
            handover: None,
        }
    }

    fn start(&self, spec: &ApplicationSpec, from: Begin) -> Result<(), (Kind, String)> {
        let started = self.runner.start(spec, &Beginning { from, allow_dropped: true });
        started.map(drop).map_err(|error| (error.kind, error.message))
    }

    /// The only file on the JobManager's disk whose name ends so, and its bytes.
    fn file(&self, end: &str) -> (String, Vec<u8>) {
        let world = self.world.lock();
        let found: Vec<_> = world.jars.iter().filter(|(id, _)| id.ends_with(end)).collect();
        let [(id, bytes)] = found[..] else { panic!("{end}: {:?}", world.jars.keys()) };
        (id.clone(), bytes.clone())
    }

    /// How many files were sent to the JobManager, and how many it has.
    fn disk(&self) -> (usize, usize) {
        let world = self.world.lock();
        (world.uploads, world.jars.len())
    }

    fn asked(&self) -> Value {
        self.world.lock().programs.last().unwrap().clone()
    }

    fn running(&self) -> Vec<String> {
        let world = self.world.lock();
        world.jobs.iter().filter(|(_, state)| **state == "RUNNING").map(|(job, _)| job.clone()).collect()
    }
}

#[test]
fn a_program_is_run_with_its_properties_where_it_looks_for_them() {
    let stand = Stand::new();
    stand.start(&stand.spec(&stand.asks, "trips"), Begin::Latest).unwrap();
    let (file, properties) = stand.file("_taxi-properties.jar");
    let properties: Value = serde_json::from_slice(&properties).unwrap();
    assert_eq!(properties, json!([{ "PropertyGroupId": "Input", "PropertyMap": { "stream": "trips" } }]));
    let (id, sent) = stand.file("_taxi.jar");
    let mut archive = ZipArchive::new(Cursor::new(sent)).unwrap();
    let mut resource = String::new();
    archive.by_name("config.properties").unwrap().read_to_string(&mut resource).unwrap();
    assert_eq!(resource.trim(), format!("application_properties_file={UPLOADS}/{file}"));
    assert!(archive.by_name("trip/Main.class").is_ok());
    let asked = stand.asked();
    assert_eq!(asked["jar"], id);
    assert_eq!((&asked["entryClass"], &asked["programArgsList"]), (&json!("trip.Main"), &json!(["--a b"])));
    assert_eq!((&asked["parallelism"], asked.get("savepointPath")), (&json!(2), None));
    let settings = &asked["flinkConfiguration"];
    for (name, value) in [
        ("execution.checkpointing.interval", "1000 ms"),
        ("execution.checkpointing.externalized-checkpoint-retention", "RETAIN_ON_CANCELLATION"),
        ("restart-strategy.type", "fixed-delay"),
        ("pipeline.max-parallelism", "1024"),
    ] {
        assert_eq!(settings[name], value, "{name}");
    }
    assert_eq!(stand.running(), [asked["jobId"].as_str().unwrap()], "under the id that was kept before");
}

#[test]
fn what_the_cluster_has_is_used_again_and_what_nobody_needs_is_removed() {
    let stand = Stand::new();
    let spec = stand.spec(&stand.asks, "trips");
    stand.start(&spec, Begin::Latest).unwrap();
    let before = stand.running();
    stand.start(&spec, Begin::Latest).unwrap();
    assert_eq!((stand.running(), stand.disk()), (before.clone(), (2, 2)), "the job is taken over");
    // Another stream: another file of properties, another job, which goes on from the savepoint of the one before.
    stand.start(&stand.spec(&stand.asks, "other"), Begin::Latest).unwrap();
    assert_ne!(stand.running(), before);
    assert!(stand.asked()["savepointPath"].as_str().unwrap().contains("savepoint-"));
    assert_eq!(stand.asked()["allowNonRestoredState"], true);
    assert_eq!(stand.disk(), (4, 2));
    // A cluster that was started anew has lost all of it.
    stand.world.lock().jars.clear();
    stand.start(&stand.spec(&stand.asks, "third"), Begin::Nothing).unwrap();
    assert_eq!(stand.asked().get("savepointPath"), None);
    assert_eq!(stand.world.lock().jars.len(), 2);
    // A program without the library is sent as it is.
    let bytes = stand.bare.bytes;
    stand.start(&stand.spec(&stand.bare, "third"), Begin::Latest).unwrap();
    assert_eq!((stand.file("_taxi.jar").1.len() as u64, stand.world.lock().jars.len()), (bytes, 1));
    stand.runner.forget("taxi").unwrap();
    assert_eq!((stand.disk().1, stand.running()), (0, vec![]));
    assert!(!stand.runner.knows("taxi").unwrap());
}

#[test]
fn a_program_is_checked_without_the_cluster_and_explained_by_it() {
    let stand = Stand::new();
    let mut spec = stand.spec(&stand.asks, "trips");
    stand.runner.check(&spec).unwrap();
    assert_eq!(stand.world.lock().uploads, 0);
    let plan = stand.runner.explain(&spec).unwrap();
    assert!(plan.starts_with("1: Source: trips +- in New York (parallelism 2)\n2: Window("), "{plan}");
    assert!(plan.ends_with("documents: Writer (parallelism 2, from 1 by HASH)\n"), "{plan}");
    assert!(stand.running().is_empty());
    spec.program.as_mut().unwrap().entry_class = "trip.Other".into();
    let error = stand.runner.check(&spec).unwrap_err();
    assert!(error.kind == Kind::Invalid && error.message.contains("application taxi: its jar has no class trip.Other"));
    stand.runner.forget("taxi").unwrap();
    assert!(stand.world.lock().jars.is_empty(), "what was sent for a plan goes too");
}

#[test]
fn a_main_that_fails_tells_why_and_nothing_runs() {
    let stand = Stand::new();
    let spec = stand.spec(&stand.asks, "trips");
    stand.world.lock().takes_no_jars = true;
    assert!(stand.start(&spec, Begin::Latest).unwrap_err().1.contains("web.submit.enable"));
    stand.world.lock().takes_no_jars = false;
    stand.world.lock().main_fails = Some("no property group Input");
    let (kind, told) = stand.start(&spec, Begin::Latest).unwrap_err();
    assert_eq!((kind, told.as_str()), (Kind::Invalid, "application taxi: its program: no property group Input"));
    assert!(stand.running().is_empty());
    stand.world.lock().main_fails = None;
    stand.start(&spec, Begin::Latest).unwrap();
    assert_eq!((stand.running().len(), stand.disk()), (1, (2, 2)), "what was sent before is there");
}
