//! The runner against a cluster that answers as a real one did: what it is asked, what is kept, and what happens when it fails.
#![allow(clippy::unwrap_used, reason = "a failed expectation is the test's result")]

mod cluster;

use cluster::{Shared, World};
use control::{
    ApplicationSpec, Begin, Beginning, Checkpoints, DATABASE_FILE, Database, FLINK, Programs, RunState, Runner, Running,
};
use flink::{Addresses, Doors, FlinkOptions, FlinkRunner, Health, examine};
use model::{Env, Kind};
use parking_lot::Mutex;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::runtime::Runtime;

const SCRIPT: &str = "SET 'parallelism.default' = '9';\nCREATE TABLE t (a INT) WITH ('connector' = 'kinesis', 'stream' = 's');\n\
    EXECUTE STATEMENT SET BEGIN\nINSERT INTO i SELECT GEOHASH(a, a, 7) FROM t;\nEND;";

/// A cluster, and the platform's own end of it.
struct Stand {
    runtime: Runtime,
    dir: TempDir,
    address: String,
    world: Shared,
    runner: Option<FlinkRunner>,
}

impl Stand {
    fn new() -> Self {
        let runtime = Runtime::new().unwrap();
        let world = Arc::new(Mutex::new(World { slots: 4, has_adaptive_scheduler: true, ..World::default() }));
        let address = runtime.block_on(cluster::serve(world.clone()));
        let mut stand = Self { runtime, dir: tempfile::tempdir().unwrap(), address, world, runner: None };
        stand.reopen();
        stand
    }

    /// Another platform on the same data: the one before has died.
    fn reopen(&mut self) {
        self.runner = None;
        let path = self.dir.path().join(DATABASE_FILE);
        let mut database = None;
        // Whoever looks at a job looks to the end.
        wait_until("the end of the former platform", || {
            database = Database::open(&path).ok();
            database.is_some()
        });
        let database = Arc::new(database.unwrap());
        let programs = Arc::new(Programs::open(self.dir.path().join("programs"), Env::system(), None).unwrap());
        let addresses = Addresses { rest: self.address.clone(), gateway: self.address.clone() };
        let doors = Doors { streams: Some("http://door:4566".into()), ..Doors::default() };
        let options = FlinkOptions { addresses, doors, functions: Some("/f.jar".into()), savepoints: None };
        let handle = self.runtime.handle().clone();
        self.runner = Some(FlinkRunner::open(options, database, programs, Env::system(), handle).unwrap());
    }

    fn runner(&self) -> &FlinkRunner {
        self.runner.as_ref().unwrap()
    }

    fn start(&self, from: Begin) -> Arc<dyn Running> {
        self.runner().start(&spec(), &Beginning { from, allow_dropped: false }).unwrap()
    }

    /// Why a start is refused.
    fn refused(&self, spec: &ApplicationSpec) -> (Kind, String) {
        let error = self.runner().start(spec, &Beginning::default()).err().unwrap();
        (error.kind, error.message)
    }

    /// The jobs that run.
    fn jobs(&self) -> Vec<String> {
        let world = self.world.lock();
        world.jobs.iter().filter(|(_, state)| **state == "RUNNING").map(|(job, _)| job.clone()).collect()
    }

    /// What the last session was set to.
    fn setting(&self, name: &str) -> Value {
        self.world.lock().sessions.last().unwrap()[name].clone()
    }
}

fn spec() -> ApplicationSpec {
    let checkpoints = Checkpoints { enabled: true, interval_ms: 1_000, min_pause_ms: 7 };
    ApplicationSpec {
        name: "taxi".into(),
        runner: FLINK.into(),
        script: SCRIPT.into(),
        program: None,
        parallelism: 2,
        parallelism_per_kpu: 2,
        checkpoints: Some(checkpoints),
        handover: None,
    }
}

fn wait_until(what: &str, mut so: impl FnMut() -> bool) {
    let (_keep, waiting) = std::sync::mpsc::channel::<()>();
    for _ in 0..1_000 {
        if so() {
            return;
        }
        let _elapsed = waiting.recv_timeout(Duration::from_millis(10));
    }
    panic!("waited in vain for {what}");
}

#[test]
fn a_script_is_given_to_the_cluster_in_its_own_words() {
    let stand = Stand::new();
    let running = stand.start(Begin::Latest);
    let statements = stand.world.lock().statements.clone();
    let told: Vec<&str> = statements.iter().map(String::as_str).collect();
    let [asks, _, asked, "SHOW FUNCTIONS", "ADD JAR '/f.jar'", function, table, job] = told[..] else {
        panic!("{told:#?}")
    };
    assert!(asks.contains("hailstream-asks") && asked.starts_with("DROP"), "{told:#?}");
    assert_eq!(function, "CREATE TEMPORARY SYSTEM FUNCTION IF NOT EXISTS GEOHASH AS 'hailstream.functions.Geohash'");
    assert!(table.contains("'aws.endpoint' = 'http://door:4566'"), "{table}");
    assert!(job.starts_with("EXECUTE STATEMENT SET BEGIN") && job.ends_with("END"), "{job}");
    for (name, value) in [
        ("pipeline.name", "taxi"),
        ("parallelism.default", "2"),
        ("execution.checkpointing.interval", "1000 ms"),
        ("execution.checkpointing.min-pause", "7 ms"),
    ] {
        assert_eq!(stand.setting(name), value, "{name}");
    }
    assert_eq!(stand.jobs(), [stand.setting("$internal.pipeline.job-id").as_str().unwrap()]);
    wait_until("figures", || running.metrics().totals.records_in > 0);
    let metrics = running.metrics();
    assert_eq!(
        (metrics.operators.len(), metrics.parallelism, metrics.kpus),
        (3, 4, 2),
        "the recorded job has four subtasks"
    );
    assert_eq!(metrics.watermark_ms, Some(1_452_088_390_000), "a subtask that rests holds nobody up");
    assert_eq!(metrics.operators[1].inputs, [metrics.operators[0].operator.clone()]);
    assert!(metrics.operators[0].source.is_some() && metrics.operators[1].sink.is_some());
    assert!(
        metrics.millis_behind_latest.is_some() && metrics.checkpoints.completed > 0 && metrics.totals.records_out > 0
    );
}

#[test]
fn what_a_cluster_says_is_wrong_is_told_with_its_line_and_nothing_is_started() {
    let stand = Stand::new();
    stand.world.lock().fails = Some(("INSERT", "Object 'i' not found"));
    let told = stand.runner().check(&spec()).unwrap_err();
    assert_eq!((told.kind, told.message.as_str()), (Kind::Invalid, "application taxi, line 3: Object 'i' not found"));
    assert_eq!(stand.refused(&spec()).1, told.message);
    stand.world.lock().fails = None;
    assert_eq!(stand.runner().explain(&spec()).unwrap(), "the plan");
    let of = |script: &str| ApplicationSpec { script: script.into(), ..spec() };
    assert!(stand.refused(&of("SET 'a' = 'b'")).1.contains("its script has no jobs"));
    let kafka = of("CREATE TABLE t (a INT) WITH ('connector' = 'kafka'); INSERT INTO t SELECT 1");
    assert!(stand.refused(&kafka).1.contains("line 1: the Flink cluster has no connector 'kafka'"));
    let large = ApplicationSpec { parallelism: 5, ..spec() };
    let (kind, message) = stand.refused(&large);
    assert!(kind == Kind::Unavailable && message.contains("and the Flink cluster has 4"), "{message}");
    assert_eq!(stand.jobs(), Vec::<String>::new());
    stand.world.lock().functions = vec!["geohash"];
    let before = stand.world.lock().statements.len();
    stand.start(Begin::Latest);
    assert!(!stand.world.lock().statements[before..].iter().any(|s| s.starts_with("ADD JAR")), "it has the function");
}

#[test]
fn a_job_that_a_platform_has_left_is_taken_over_if_it_runs_as_it_is_to() {
    let mut stand = Stand::new();
    stand.start(Begin::Latest);
    let job = stand.jobs();
    stand.reopen();
    let running = stand.start(Begin::Latest);
    assert_eq!(stand.jobs(), job);
    // The platform closes: the job goes on.
    stand.runner().close();
    running.stop().unwrap();
    assert_eq!(stand.jobs(), job);
    drop(running);
    stand.reopen();
    let changed = ApplicationSpec { script: SCRIPT.replace("7)", "6)"), ..spec() };
    stand.runner().start(&changed, &Beginning::default()).unwrap();
    assert!(stand.jobs().len() == 1 && stand.jobs() != job, "what runs otherwise is ended first");
    assert_eq!(stand.setting("execution.state-recovery.path"), stand.world.lock().savepoints[0].as_str());
}

#[test]
fn a_job_whose_start_was_not_answered_is_found_and_not_started_again() {
    let stand = Stand::new();
    stand.world.lock().loses_the_answer = true;
    stand.start(Begin::Latest);
    assert_eq!(stand.jobs().len(), 1);
    stand.start(Begin::Latest);
    assert_eq!(stand.jobs().len(), 1);
}

#[test]
fn a_start_of_which_nobody_knows_is_tried_under_the_same_id() {
    let stand = Stand::new();
    stand.world.lock().fails = Some(("EXECUTE", "Connection refused"));
    assert_eq!(stand.refused(&spec()).0, Kind::Unavailable);
    let id = stand.setting("$internal.pipeline.job-id");
    stand.world.lock().fails = Some(("EXECUTE", "no such column"));
    assert_eq!((stand.refused(&spec()).0, stand.setting("$internal.pipeline.job-id")), (Kind::Invalid, id.clone()));
    stand.world.lock().fails = None;
    stand.start(Begin::Latest);
    assert_eq!(stand.jobs(), [stand.setting("$internal.pipeline.job-id").as_str().unwrap()]);
}

#[test]
fn a_stop_is_a_savepoint_that_the_next_start_goes_on_from() {
    let stand = Stand::new();
    let running = stand.start(Begin::Latest);
    assert_eq!(stand.setting("execution.state-recovery.path"), Value::Null);
    let kept = running.snapshot("named").unwrap();
    assert_eq!(kept.bytes, 4_321);
    assert_eq!(running.snapshot("named").unwrap_err().kind, Kind::Conflict);
    running.stop().unwrap();
    assert_eq!(stand.jobs(), Vec::<String>::new());
    let of_stop = stand.world.lock().savepoints[1].clone();
    stand.start(Begin::Latest).stop().unwrap();
    assert_eq!(stand.setting("execution.state-recovery.path"), of_stop.as_str());
    assert_eq!(stand.world.lock().savepoints.len(), 2, "that of the stop before is gone, and the named one stays");
    stand.start(Begin::Snapshot("named".into())).stop().unwrap();
    assert_eq!(stand.setting("execution.state-recovery.path"), "file:/s/savepoint-0");
    assert_eq!(stand.runner().snapshot_names("taxi").unwrap(), ["named"]);
    stand.runner().remove_snapshot("taxi", "named").unwrap();
    assert_eq!(stand.runner().remove_snapshot("taxi", "named").unwrap_err().kind, Kind::NotFound);
    stand.start(Begin::Nothing);
    assert_eq!(stand.setting("execution.state-recovery.path"), Value::Null);
    stand.runner().forget("taxi").unwrap();
    assert_eq!((stand.jobs(), stand.runner().knows("taxi").unwrap()), (vec![], false));
}

#[test]
fn what_breaks_tells_its_first_cause_and_the_next_start_goes_on_from_its_checkpoint() {
    let stand = Stand::new();
    let running = stand.start(Begin::Latest);
    let job = stand.jobs().remove(0);
    wait_until("a look", || running.checkpoints().completed > 0);
    stand.world.lock().jobs.insert(job.clone(), "FAILED");
    wait_until("the failure", || running.state() == RunState::Failed("the disk is full".into()));
    let again = stand.start(Begin::Latest);
    assert_eq!(stand.setting("execution.state-recovery.path"), format!("file:/checkpoints/{job}/chk-7"));
    // A savepoint that is not taken at a stop: what the last checkpoint holds is kept.
    let job = stand.jobs().remove(0);
    stand.world.lock().refuses_savepoints = true;
    let told = again.stop().unwrap_err().message;
    assert!(told.ends_with("it goes on from its last checkpoint: the bucket is away"), "{told}");
    assert_eq!(stand.jobs(), Vec::<String>::new());
    let lost = stand.start(Begin::Latest);
    assert_eq!(stand.setting("execution.state-recovery.path"), format!("file:/checkpoints/{job}/chk-7"));
    // A job without checkpoints is none that is lost.
    stand.world.lock().has_no_checkpoints = true;
    let seen = lost.metrics().totals.records_in;
    wait_until("another look", || lost.checkpoints().completed == 0);
    assert_eq!((lost.state(), lost.metrics().totals.records_in), (RunState::Running, seen));
    // A cluster that was started anew knows nothing.
    stand.world.lock().jobs.clear();
    wait_until("the loss", || matches!(lost.state(), RunState::Failed(why) if why.contains("knows no job")));
}

#[test]
fn a_parallelism_changes_in_place_or_else_by_a_savepoint() {
    let stand = Stand::new();
    let running = stand.start(Begin::Latest);
    let job = stand.jobs();
    running.rescale(4).unwrap();
    assert_eq!((stand.jobs(), stand.world.lock().parallelism[&job[0]]), (job.clone(), 4));
    assert!(running.metrics().rescale_pause_ms.is_some());
    stand.world.lock().has_adaptive_scheduler = false;
    running.rescale(3).unwrap();
    assert!(stand.jobs().len() == 1 && stand.jobs() != job);
    assert_eq!(stand.setting("parallelism.default"), "3");
    assert_eq!(stand.setting("execution.state-recovery.path"), stand.world.lock().savepoints[0].as_str());
    running.stop().unwrap();
    assert_eq!(stand.jobs(), Vec::<String>::new(), "it is the new job that is stopped");
}

#[test]
fn a_cluster_is_examined_and_what_it_lacks_is_told() {
    let stand = Stand::new();
    let looked = |change: &dyn Fn(&mut FlinkOptions)| {
        let doors = Doors { search: Some(stand.address.clone()), ..Doors::default() };
        let addresses = Addresses { rest: stand.address.clone(), gateway: stand.address.clone() };
        let mut options = FlinkOptions { addresses, doors, functions: None, savepoints: Some("file:/s".into()) };
        change(&mut options);
        let found = examine(&options, &Env::system(), stand.runtime.handle().clone()).unwrap();
        found.into_iter().map(|finding| (finding.what, finding.health, finding.words)).collect::<Vec<_>>()
    };
    let health = |found: &[(&str, Health, String)], what: &str| {
        found.iter().find(|(of, ..)| *of == what).map(|(_, health, words)| (*health, words.clone())).unwrap()
    };
    let good = looked(&|options| options.functions = Some("/f.jar".into()));
    let told: Vec<_> = good.iter().map(|(what, health, _)| (*what, *health)).collect();
    let all = ["JobManager", "SQL gateway", "slots", "state", "connectors", "functions", "search door"];
    assert_eq!(told, all.map(|what| (what, Health::Good)), "{good:#?}");
    let lacking = looked(&|options| options.savepoints = None);
    assert!(health(&lacking, "state").1.contains("--flink-savepoints"), "{lacking:#?}");
    assert_eq!(health(&lacking, "functions").0, Health::Doubtful);
    stand.world.lock().slots = 0;
    stand.world.lock().probes_end = Some("FAILED");
    let bad = looked(&|_| {});
    assert_eq!(health(&bad, "slots").0, Health::Bad);
    assert!(health(&bad, "search door").1.contains("(the disk is full); name the address"), "{bad:#?}");
    let away = looked(&|options| options.addresses.rest = "http://127.0.0.1:1".into());
    assert_eq!((away.len(), health(&away, "JobManager").0), (2, Health::Bad), "there is no more to see");
}

#[test]
fn a_cluster_that_is_away_is_waited_for() {
    let mut stand = Stand::new();
    stand.start(Begin::Latest);
    let job = stand.jobs();
    let address = std::mem::replace(&mut stand.address, "http://127.0.0.1:1".to_owned());
    stand.reopen();
    let (kind, message) = stand.refused(&spec());
    assert!(kind == Kind::Unavailable && message.contains("nobody answers at http://127.0.0.1:1/"), "{message}");
    stand.address = address;
    stand.reopen();
    stand.start(Begin::Latest);
    assert_eq!(stand.jobs(), job);
}
