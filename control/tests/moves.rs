//! Moves from one runner to another: what the next one is told, what is gone back to, and a crash at each step.
#![allow(clippy::unwrap_used, reason = "a failed expectation is the test's result")]

mod puppet;

use control::{Applications, Begin, EMBEDDED, Expected, FLINK, Handover, OperationStatus, StartAt, Status};
use model::{Classified, Kind};
use puppet::{Puppet, crashed, ended, new, open, wait_for, wait_until};
use std::sync::mpsc::channel;
use tempfile::TempDir;

fn running(script: &str) -> (TempDir, Puppet, Applications) {
    let (dir, puppet) = (tempfile::tempdir().unwrap(), Puppet::default());
    puppet.0.lock().watermark = Some(100);
    let applications = open(dir.path(), &puppet);
    applications.make(new(script)).unwrap();
    applications.start("taxi").unwrap();
    wait_for(&applications, Status::Running);
    (dir, puppet, applications)
}

fn moved(applications: &Applications, runner: &str) -> (OperationStatus, String) {
    let (_, id) = applications.move_to("taxi", Expected::Any, runner).unwrap();
    let told = ended(applications, &id);
    wait_until("an end of the move", || !applications.view("taxi").unwrap().status.is_passing());
    told
}

fn handed_over(closed_ms: i64) -> Option<Handover> {
    let starts = [("trips".to_owned(), StartAt::Arrived(7))].into();
    Some(Handover { closed_ms: Some(closed_ms), zoned: false, starts })
}

/// Version and runner of the application.
fn stands(applications: &Applications) -> (u64, String, Option<Handover>) {
    let view = applications.view("taxi").unwrap();
    assert_eq!(view.version.configuration.runner(), view.spec.runner);
    (view.version.version, view.spec.runner, view.spec.handover)
}

#[test]
fn another_runner_begins_behind_the_watermark_at_which_the_former_run_ended() {
    let (dir, puppet, applications) = running("one");
    assert_eq!(applications.plan_move("taxi", FLINK).unwrap().handover.closed_ms, Some(100));
    assert_eq!(puppet.0.lock().stopped, 0, "a plan changes nothing");
    assert_eq!(moved(&applications, FLINK), (OperationStatus::Successful, String::new()));
    assert_eq!(stands(&applications), (2, FLINK.to_owned(), handed_over(101)));
    {
        let script = puppet.0.lock();
        assert_eq!(script.started_at[1], (FLINK.to_owned(), handed_over(101)));
        assert_eq!((script.began_with[1].from.clone(), script.stopped), (Begin::Nothing, 1));
        assert!(script.snapshots.is_empty(), "no snapshot that only the former runner could read");
    }
    // It stays so through a restart of the platform, a stop and a start; and what began anew has taken nothing over.
    drop(applications);
    let applications = open(dir.path(), &puppet);
    wait_for(&applications, Status::Running);
    assert_eq!(puppet.0.lock().started_at.last().unwrap(), &(FLINK.to_owned(), handed_over(101)));
    assert_eq!(puppet.0.lock().began_with.last().unwrap().from, Begin::Latest);
    assert_eq!(moved(&applications, EMBEDDED), (OperationStatus::Successful, String::new()));
    let (version, runner, handover) = stands(&applications);
    assert_eq!((version, runner.as_str()), (3, EMBEDDED));
    assert!(handover.unwrap().closed_ms > Some(101));
    applications.stop("taxi", true).unwrap();
    let anew = control::Beginning { from: Begin::Nothing, allow_dropped: false };
    applications.start_from("taxi", Some(anew)).unwrap();
    wait_for(&applications, Status::Running);
    assert_eq!(stands(&applications).2, None);
}

#[test]
fn where_the_new_run_does_not_come_up_the_former_one_goes_on() {
    for cluster in ["never", "dies"] {
        let (_dir, puppet, applications) = running("one");
        puppet.0.lock().cluster = cluster;
        let (status, why) = moved(&applications, FLINK);
        assert_eq!(status, OperationStatus::Failed);
        assert!(
            why.contains("version 2 does not come up") && why.contains("the former version takes its place"),
            "{why}"
        );
        wait_for(&applications, Status::Running);
        assert_eq!(stands(&applications), (3, EMBEDDED.to_owned(), None));
        let script = puppet.0.lock();
        assert_eq!(script.started_at.last().unwrap(), &(EMBEDDED.to_owned(), None));
        assert_eq!(script.began_with.last().unwrap().from, Begin::Latest, "from where it ended");
    }
}

#[test]
fn a_run_that_does_not_end_cleanly_stays_where_it_is() {
    let (_dir, puppet, applications) = running("one");
    puppet.0.lock().fail_stop = true;
    let (status, why) = moved(&applications, FLINK);
    assert_eq!(status, OperationStatus::Failed);
    assert!(why.contains("its run did not end cleanly: the disk is full; it goes on where it was"), "{why}");
    wait_for(&applications, Status::Running);
    assert_eq!(stands(&applications), (1, EMBEDDED.to_owned(), None));
    puppet.0.lock().fail_stop = false;
}

#[test]
fn what_cannot_be_moved_is_told_and_nothing_has_changed() {
    let (_dir, puppet, applications) = running("unmovable");
    let refused = |applications: &Applications, runner: &str, expected| {
        let error = applications.move_to("taxi", expected, runner).unwrap_err();
        (error.kind(), error.to_string())
    };
    let (kind, why) = refused(&applications, FLINK, Expected::Any);
    assert!(kind == Kind::Invalid && why.contains("without an end in time"), "{why}");
    let (kind, why) = refused(&applications, EMBEDDED, Expected::Any);
    assert!(kind == Kind::Conflict && why.contains("runs on embedded already"), "{why}");
    assert_eq!(puppet.0.lock().stopped, 0);
    assert_eq!(applications.view("taxi").unwrap().status, Status::Running);
    let (_dir, _puppet, applications) = running("one");
    let (kind, why) = refused(&applications, FLINK, Expected::Version(7));
    assert!(kind == Kind::Conflict && why.contains("at version 1, not 7"), "{why}");
    applications.stop("taxi", true).unwrap();
    let (_, why) = refused(&applications, FLINK, Expected::Any);
    assert!(why.contains("only a RUNNING application can be moved"), "{why}");
}

#[test]
fn what_the_former_runner_has_kept_is_not_used_by_the_next() {
    let (_dir, _puppet, applications) = running("one");
    applications.snapshot("taxi", "before").unwrap();
    moved(&applications, FLINK);
    let told = applications.restore("taxi", "before", None).unwrap_err().to_string();
    assert!(told.contains("was taken by embedded, and flink, which runs it now, cannot read it"), "{told}");
    let told = applications.rollback("taxi", Expected::Any).unwrap_err().to_string();
    assert!(told.contains("hailstream app move taxi --runner embedded"), "{told}");
    assert_eq!(applications.view("taxi").unwrap().status, Status::Running);
    moved(&applications, EMBEDDED);
    applications.restore("taxi", "before", None).unwrap();
    wait_for(&applications, Status::Running);
}

#[test]
fn a_crash_leaves_the_application_where_it_was_or_where_it_goes() {
    let (dir, puppet, applications) = running("one");
    let (go_on, waiting) = channel();
    puppet.0.lock().slow_stop = Some(waiting);
    let (_, id) = applications.move_to("taxi", Expected::Any, FLINK).unwrap();
    // Its run is ending.
    let ending = crashed(dir.path());
    let (start, waiting) = channel();
    puppet.0.lock().slow_start = Some(waiting);
    drop(go_on);
    wait_until("the next version", || applications.view("taxi").unwrap().version.version == 2);
    let (arriving, once_more) = (crashed(dir.path()), crashed(dir.path()));
    drop(start);
    assert_eq!(ended(&applications, &id).0, OperationStatus::Successful);

    let puppet = Puppet::default();
    let after = open(ending.path(), &puppet);
    let (status, why) = ended(&after, &id);
    assert!(status == OperationStatus::Failed && why.contains("it goes on where it was"), "{why}");
    wait_for(&after, Status::Running);
    assert_eq!(stands(&after), (1, EMBEDDED.to_owned(), None));
    assert_eq!(puppet.0.lock().began_with[0].from, Begin::Latest);

    let puppet = Puppet::default();
    let after = open(arriving.path(), &puppet);
    assert_eq!(ended(&after, &id).0, OperationStatus::Successful);
    assert_eq!(stands(&after), (2, FLINK.to_owned(), handed_over(101)));
    assert_eq!(puppet.0.lock().began_with[0].from, Begin::Nothing);

    let puppet = Puppet::default();
    puppet.0.lock().cluster = "never";
    let after = open(once_more.path(), &puppet);
    assert_eq!(ended(&after, &id).0, OperationStatus::Failed);
    wait_for(&after, Status::Running);
    assert_eq!(stands(&after), (3, EMBEDDED.to_owned(), None));
}
