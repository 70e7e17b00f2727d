//! The life of an application against a runner whose jobs do as the test says.
#![allow(clippy::unwrap_used, reason = "a failed expectation is the test's result")]

mod puppet;

use control::{ApplicationSpec, Begin, ControlError, RestartPolicy, RunState, Status};
use model::limits::SNAPSHOTS_PER_APPLICATION_MAX;
use model::{Classified, Kind};
use puppet::{Puppet, info, open, spec, wait_for};

#[test]
fn it_is_created_started_rescaled_stopped_and_goes_on_where_it_was() {
    let (dir, puppet) = (tempfile::tempdir().unwrap(), Puppet::default());
    let applications = open(dir.path(), &puppet);
    applications.create(spec("good")).unwrap();
    assert_eq!(applications.view("taxi").unwrap().status, Status::Ready);
    applications.start("taxi").unwrap();
    wait_for(&applications, Status::Running);
    applications.set_parallelism("taxi", 4).unwrap();
    assert_eq!(applications.view("taxi").unwrap().status, Status::Running);
    puppet.0.lock().refuse_rescale = true;
    assert!(matches!(applications.set_parallelism("taxi", 8), Err(ControlError::Runner(_))));
    assert_eq!(applications.view("taxi").unwrap().spec.parallelism, 4);
    assert_eq!(applications.view("taxi").unwrap().status, Status::Running);
    applications.stop("taxi", false).unwrap();
    assert_eq!(applications.view("taxi").unwrap().status, Status::Ready);
    applications.start("taxi").unwrap();
    wait_for(&applications, Status::Running);
    assert_eq!(puppet.0.lock().started, [2, 4]);
    let script = puppet.0.lock();
    assert_eq!((script.rescaled.as_slice(), script.stopped), (&[4][..], 1));
    drop(script);
}

#[test]
fn it_goes_on_from_a_snapshot_once_and_with_another_parallelism() {
    let (dir, puppet) = (tempfile::tempdir().unwrap(), Puppet::default());
    let applications = open(dir.path(), &puppet);
    applications.create(spec("good")).unwrap();
    assert!(matches!(applications.snapshot("taxi", "one"), Err(ControlError::Status { .. })));
    applications.start("taxi").unwrap();
    wait_for(&applications, Status::Running);
    applications.snapshot("taxi", "one").unwrap();
    assert_eq!(applications.snapshots("taxi").unwrap(), [info("one")]);
    assert!(matches!(applications.snapshot("taxi", "one"), Err(ControlError::SnapshotTaken { .. })));
    assert!(matches!(applications.restore("taxi", "two", None), Err(ControlError::Snapshot { .. })));
    assert!(matches!(applications.restore("taxi", "one", Some(0)), Err(ControlError::Spec(_))));
    assert_eq!(applications.view("taxi").unwrap().status, Status::Running, "a refusal stops nothing");
    puppet.0.lock().fail_next_starts = 2;
    applications.restore("taxi", "one", Some(5)).unwrap();
    wait_for(&applications, Status::Running);
    puppet.0.lock().state = Some(RunState::Failed("a fault".into()));
    while puppet.0.lock().started.len() < 3 {
        std::thread::yield_now();
    }
    let script = puppet.0.lock();
    assert_eq!(script.started, [2, 5, 5]);
    let began: Vec<Begin> = script.began_with.iter().map(|beginning| beginning.from.clone()).collect();
    assert_eq!(
        began,
        [Begin::Latest, Begin::Snapshot("one".to_owned()), Begin::Latest],
        "a restart goes on from its own checkpoints"
    );
    drop(script);
    applications.remove_snapshot("taxi", "one").unwrap();
    assert!(applications.snapshots("taxi").unwrap().is_empty());
    assert!(matches!(applications.snapshots("other"), Err(ControlError::Unknown(_))));
}

fn is_of_a_stop(name: &str) -> bool {
    name.starts_with("stop-2") && name.len() == "stop-20160106T071530.007Z".len()
}

#[test]
fn a_stop_keeps_what_the_application_has_come_to_unless_it_is_forced() {
    let (dir, puppet) = (tempfile::tempdir().unwrap(), Puppet::default());
    let applications = open(dir.path(), &puppet);
    applications.create(spec("good")).unwrap();
    let run = || {
        applications.start("taxi").unwrap();
        wait_for(&applications, Status::Running);
    };
    run();
    let kept = applications.stop("taxi", false).unwrap().unwrap();
    assert!(is_of_a_stop(&kept.name), "{}", kept.name);
    assert_eq!(applications.snapshots("taxi").unwrap(), [kept]);
    run();
    assert_eq!(applications.stop("taxi", true).unwrap(), None);
    assert_eq!(applications.snapshots("taxi").unwrap().len(), 1);
    run();
    puppet.0.lock().fail_snapshots = true;
    let told = applications.stop("taxi", false).unwrap_err();
    assert!(told.to_string().contains("goes on running") && told.to_string().contains("the disk is full"), "{told}");
    assert_eq!(told.kind(), Kind::Unavailable);
    assert_eq!((applications.view("taxi").unwrap().status, puppet.0.lock().stopped), (Status::Running, 2));
    assert_eq!(applications.stop("taxi", true).unwrap(), None);
    assert_eq!((applications.view("taxi").unwrap().status, puppet.0.lock().stopped), (Status::Ready, 3));
}

#[test]
fn a_start_that_takes_its_time_holds_up_nobody_but_a_stop_of_the_same_application() {
    let (dir, puppet) = (tempfile::tempdir().unwrap(), Puppet::default());
    let applications = open(dir.path(), &puppet);
    applications.create(spec("good")).unwrap();
    let (over, slow) = std::sync::mpsc::channel();
    puppet.0.lock().slow_start = Some(slow);
    applications.start("taxi").unwrap();
    while puppet.0.lock().slow_start.is_some() {
        std::thread::yield_now();
    }
    assert_eq!(applications.view("taxi").unwrap().status, Status::Starting, "it is looked at meanwhile");
    applications.create(ApplicationSpec { name: "other".into(), ..spec("good") }).unwrap();
    std::thread::scope(|scope| {
        let stop = scope.spawn(|| applications.stop("taxi", true));
        over.send(()).unwrap();
        assert_eq!(stop.join().unwrap().unwrap(), None);
    });
    assert_eq!(applications.view("taxi").unwrap().status, Status::Ready);
    assert_eq!(puppet.0.lock().stopped, 1, "what had been started is stopped");
}

#[test]
fn what_is_failing_is_stopped_without_a_snapshot() {
    let (dir, puppet) = (tempfile::tempdir().unwrap(), Puppet::default());
    let policy = RestartPolicy { pause_ms_min: 60_000, pause_ms_max: 60_000, stable_ms: 60_000 };
    let applications = puppet::open_with(dir.path(), &puppet, policy);
    applications.create(spec("good")).unwrap();
    applications.start("taxi").unwrap();
    wait_for(&applications, Status::Running);
    puppet.0.lock().fail_snapshots = true;
    puppet.0.lock().state = Some(RunState::Failed("a fault".into()));
    assert_eq!(applications.stop("taxi", false).unwrap(), None, "whether the fault has been seen already or not");
    assert_eq!(applications.view("taxi").unwrap().status, Status::Ready);
    puppet.0.lock().fail_next_starts = 1;
    applications.start("taxi").unwrap();
    while applications.view("taxi").unwrap().last_error.is_none() {
        std::thread::yield_now();
    }
    assert_eq!(applications.stop("taxi", false).unwrap(), None, "it waits to be started again");
    assert_eq!(applications.view("taxi").unwrap().status, Status::Ready);
}

#[test]
fn the_oldest_snapshots_of_stops_make_room_and_named_ones_stay() {
    let (dir, puppet) = (tempfile::tempdir().unwrap(), Puppet::default());
    let applications = open(dir.path(), &puppet);
    applications.create(spec("good")).unwrap();
    applications.start("taxi").unwrap();
    wait_for(&applications, Status::Running);
    let named = (0..SNAPSHOTS_PER_APPLICATION_MAX - 1).map(|n| format!("mine-{n}"));
    puppet.0.lock().snapshots = named.chain(["stop-20010101T000000.000Z".to_owned()]).collect();
    applications.snapshot("taxi", "one-more").unwrap();
    assert!(puppet.0.lock().snapshots.iter().all(|name| !name.starts_with("stop-")));
    assert_eq!(puppet.0.lock().snapshots.len(), SNAPSHOTS_PER_APPLICATION_MAX);
    assert!(matches!(applications.snapshot("taxi", "two-more"), Err(ControlError::SnapshotsFull(_))));
    let told = applications.stop("taxi", false).unwrap_err();
    assert!(told.to_string().contains("remove one first") && told.kind() == Kind::Conflict, "{told}");
    applications.remove_snapshot("taxi", "mine-0").unwrap();
    assert!(is_of_a_stop(&applications.stop("taxi", false).unwrap().unwrap().name));
}

#[test]
fn a_correction_is_the_runners_and_is_broken_off_when_the_platform_closes() {
    let (dir, puppet) = (tempfile::tempdir().unwrap(), Puppet::default());
    let applications = open(dir.path(), &puppet);
    applications.create(spec("late")).unwrap();
    let told = applications.correct("taxi", true).unwrap();
    assert_eq!((told.late_rows, told.work), (7, None), "whether it runs or not");
    assert_eq!(applications.correct("taxi", false).unwrap().work.unwrap().records_out, 3);
    assert!(matches!(applications.correct("other", true), Err(ControlError::Unknown(_))));
    applications.close().unwrap();
    assert_eq!(puppet.0.lock().closed, 1);
}

#[test]
fn what_ran_when_the_platform_closed_runs_again_when_it_opens() {
    let (dir, puppet) = (tempfile::tempdir().unwrap(), Puppet::default());
    let applications = open(dir.path(), &puppet);
    applications.create(spec("good")).unwrap();
    applications.start("taxi").unwrap();
    wait_for(&applications, Status::Running);
    applications.close().unwrap();
    drop(applications);
    assert_eq!(puppet.0.lock().stopped, 1);
    let applications = open(dir.path(), &puppet);
    wait_for(&applications, Status::Running);
    assert_eq!(puppet.0.lock().started, [2, 2]);
}

#[test]
fn a_failed_run_is_started_again() {
    let (dir, puppet) = (tempfile::tempdir().unwrap(), Puppet::default());
    let applications = open(dir.path(), &puppet);
    applications.create(spec("good")).unwrap();
    applications.start("taxi").unwrap();
    wait_for(&applications, Status::Running);
    puppet.0.lock().state = Some(RunState::Failed("the disk is full".into()));
    wait_for(&applications, Status::Starting);
    wait_for(&applications, Status::Running);
    assert_eq!(puppet.0.lock().started, [2, 2]);
    let view = applications.view("taxi").unwrap();
    assert_eq!((view.restarts, view.last_error.as_deref()), (1, Some("the disk is full")));
}

#[test]
fn after_the_third_failure_in_a_row_the_first_cause_is_told() {
    let (dir, puppet) = (tempfile::tempdir().unwrap(), Puppet::default());
    puppet.0.lock().fail_next_starts = 3;
    let applications = open(dir.path(), &puppet);
    applications.create(spec("good")).unwrap();
    applications.start("taxi").unwrap();
    wait_for(&applications, Status::Running);
    let told = applications.view("taxi").unwrap().last_error.unwrap();
    assert_eq!(told, "3 failures in a row; the first: no start, 2 to go");
}

#[test]
fn a_finished_run_is_ready_and_is_not_started_again() {
    let (dir, puppet) = (tempfile::tempdir().unwrap(), Puppet::default());
    let applications = open(dir.path(), &puppet);
    applications.create(spec("good")).unwrap();
    applications.start("taxi").unwrap();
    wait_for(&applications, Status::Running);
    puppet.0.lock().state = Some(RunState::Finished);
    wait_for(&applications, Status::Ready);
    applications.close().unwrap();
    drop(applications);
    let applications = open(dir.path(), &puppet);
    assert_eq!(applications.view("taxi").unwrap().status, Status::Ready);
}

#[test]
fn what_makes_no_sense_is_refused() {
    let (dir, puppet) = (tempfile::tempdir().unwrap(), Puppet::default());
    let applications = open(dir.path(), &puppet);
    assert!(matches!(applications.create(spec("wrong")), Err(ControlError::Runner(_))));
    assert!(matches!(applications.start("taxi"), Err(ControlError::Unknown(_))));
    applications.create(spec("good")).unwrap();
    assert!(matches!(applications.create(spec("good")), Err(ControlError::Exists(_))));
    assert!(matches!(applications.stop("taxi", false), Err(ControlError::Status { status: Status::Ready, .. })));
    assert!(matches!(applications.set_parallelism("taxi", 4), Err(ControlError::Status { .. })));
    applications.start("taxi").unwrap();
    assert!(matches!(applications.start("taxi"), Err(ControlError::Status { .. })));
    wait_for(&applications, Status::Running);
    assert!(matches!(applications.set_parallelism("taxi", 0), Err(ControlError::Spec(_))));
    assert!(matches!(applications.delete("taxi"), Err(ControlError::Status { .. })));
    applications.stop("taxi", false).unwrap();
    assert!(puppet.0.lock().forgotten.is_empty());
    applications.delete("taxi").unwrap();
    assert_eq!(puppet.0.lock().forgotten, ["taxi"]);
    assert!(matches!(applications.view("taxi"), Err(ControlError::Unknown(_))));
}
