//! A crash at each step: the data directory as it stood then is opened anew, and what was wanted is done.
#![allow(clippy::unwrap_used, reason = "a failed expectation is the test's result")]

mod puppet;

use control::{Applications, Begin, Configuration, Expected, OperationStatus, Status, Update};
use puppet::{Puppet, crashed, ended, new, open, wait_for, wait_until};
use std::sync::mpsc::channel;

fn update(applications: &Applications, change: impl FnOnce(&mut Configuration)) -> String {
    let view = applications.view("taxi").unwrap();
    let mut configuration = (*view.version.configuration).clone();
    change(&mut configuration);
    let update = Update { configuration, resized: true, beginning: None };
    applications.update("taxi", Expected::Any, update).unwrap()
}

#[test]
fn what_was_created_is_there_and_what_was_to_start_starts() {
    let (dir, puppet) = (tempfile::tempdir().unwrap(), Puppet::default());
    let applications = open(dir.path(), &puppet);
    applications.make(new("one")).unwrap();
    let made = crashed(dir.path());
    let after = open(made.path(), &Puppet::default());
    assert_eq!(after.views(), applications.views());
    puppet.0.lock().fail_next_starts = u32::MAX;
    let id = applications.start_from("taxi", None).unwrap();
    let starting = crashed(dir.path());
    let puppet = Puppet::default();
    let after = open(starting.path(), &puppet);
    wait_for(&after, Status::Running);
    assert_eq!(ended(&after, &id).0, OperationStatus::Successful);
    assert_eq!(puppet.0.lock().started, [2]);
}

#[test]
fn an_update_that_was_kept_is_carried_out_and_taken_back_if_it_does_not_come_up() {
    for (code, rollback_enabled, script, version) in [("two", false, "two", 3), ("it dies", true, "one", 4)] {
        let (dir, puppet) = (tempfile::tempdir().unwrap(), Puppet::default());
        let applications = open(dir.path(), &puppet);
        applications.make(new("one")).unwrap();
        update(&applications, |c| c.rollback_enabled = rollback_enabled);
        applications.start("taxi").unwrap();
        wait_for(&applications, Status::Running);
        applications.snapshot("taxi", "before").unwrap();
        let (over, slow) = channel();
        puppet.0.lock().slow_snapshot = Some(slow);
        let id = update(&applications, |c| c.code = code.into());
        wait_until("the snapshot before the update", || puppet.0.lock().slow_snapshot.is_none());
        let middle = crashed(dir.path());
        over.send(()).unwrap();
        let puppet = Puppet::default();
        puppet.0.lock().snapshots.push("before".into());
        let after = open(middle.path(), &puppet);
        let status = if code == "two" { OperationStatus::Successful } else { OperationStatus::Failed };
        assert_eq!(ended(&after, &id).0, status);
        wait_for(&after, Status::Running);
        let view = after.view("taxi").unwrap();
        assert_eq!((view.spec.script.as_str(), view.version.version), (script, version));
        let began = puppet.0.lock().began_with.iter().map(|b| b.from.clone()).collect::<Vec<_>>();
        assert_eq!(began[0], Begin::Latest);
        if rollback_enabled {
            assert_eq!(began[1], Begin::Snapshot("before".into()));
        }
    }
}

#[test]
fn a_rollback_that_was_kept_is_carried_out() {
    let (dir, puppet) = (tempfile::tempdir().unwrap(), Puppet::default());
    let applications = open(dir.path(), &puppet);
    applications.make(new("one")).unwrap();
    applications.start("taxi").unwrap();
    wait_for(&applications, Status::Running);
    ended(&applications, &update(&applications, |c| c.code = "two".into()));
    wait_for(&applications, Status::Running);
    let (over, slow) = channel();
    puppet.0.lock().slow_start = Some(slow);
    let id = applications.rollback("taxi", Expected::Any).unwrap();
    wait_until("its start", || puppet.0.lock().slow_start.is_none());
    let middle = crashed(dir.path());
    over.send(()).unwrap();
    let puppet = Puppet::default();
    let after = open(middle.path(), &puppet);
    assert_eq!(ended(&after, &id).0, OperationStatus::Successful);
    wait_for(&after, Status::Running);
    assert_eq!(puppet.0.lock().started_as, [("one".to_owned(), 1)]);
    let Begin::Snapshot(snapshot) = puppet.0.lock().began_with[0].from.clone() else { panic!() };
    assert!(snapshot.starts_with("update-"));
}

#[test]
fn a_stop_that_was_kept_stays_stopped_and_a_snapshot_is_there_or_has_failed() {
    let (dir, puppet) = (tempfile::tempdir().unwrap(), Puppet::default());
    let applications = open(dir.path(), &puppet);
    applications.make(new("one")).unwrap();
    applications.start("taxi").unwrap();
    wait_for(&applications, Status::Running);
    let (taken, slow) = channel();
    puppet.0.lock().slow_snapshot = Some(slow);
    let named = applications.order_snapshot("taxi", "mine").unwrap();
    wait_until("the snapshot", || puppet.0.lock().slow_snapshot.is_none());
    assert_eq!(applications.snapshot_views("taxi").unwrap()[0].status, "CREATING");
    assert!(applications.snapshot("taxi", "mine").is_err() && applications.remove_snapshot("taxi", "mine").is_err());
    let taking = crashed(dir.path());
    taken.send(()).unwrap();
    assert_eq!(ended(&applications, &named).0, OperationStatus::Successful);
    let (over, slow) = channel();
    puppet.0.lock().slow_snapshot = Some(slow);
    let id = applications.order_stop("taxi", false).unwrap();
    wait_until("the snapshot before the stop", || puppet.0.lock().slow_snapshot.is_none());
    let stopping = crashed(dir.path());
    over.send(()).unwrap();

    for (there, status) in [(true, "READY"), (false, "FAILED")] {
        let puppet = Puppet::default();
        puppet.0.lock().snapshots.extend(there.then(|| "mine".to_owned()));
        let copy = crashed(taking.path());
        let after = open(copy.path(), &puppet);
        assert_eq!(after.snapshot_views("taxi").unwrap()[0].status, status);
        assert_eq!(ended(&after, &named).0, OperationStatus::Failed);
        after.remove_snapshot("taxi", "mine").unwrap();
        assert!(after.snapshot_views("taxi").unwrap().is_empty());
    }
    let puppet = Puppet::default();
    let after = open(stopping.path(), &puppet);
    assert_eq!(after.view("taxi").unwrap().status, Status::Ready);
    assert_eq!(ended(&after, &id).0, OperationStatus::Successful);
    assert!(puppet.0.lock().started.is_empty());
}

#[test]
fn a_deletion_that_was_kept_is_carried_out_and_one_that_fails_leaves_the_application() {
    let (dir, puppet) = (tempfile::tempdir().unwrap(), Puppet::default());
    let applications = open(dir.path(), &puppet);
    applications.make(new("one")).unwrap();
    applications.start("taxi").unwrap();
    wait_for(&applications, Status::Running);
    assert!(applications.delete("taxi").is_err(), "it runs");
    puppet.0.lock().fail_forget = true;
    applications.order_delete("taxi").unwrap();
    wait_for(&applications, Status::Ready);
    let told = applications.delete("taxi").unwrap_err().to_string();
    assert!(told.contains("the disk is gone"), "{told}");
    // As if the crash had come before the disk was asked.
    let deleting = crashed(dir.path());
    control::Database::open(&deleting.path().join(control::DATABASE_FILE))
        .unwrap()
        .write(|sql| sql.execute("UPDATE applications SET deleting = 1", []))
        .unwrap();
    let puppet = Puppet::default();
    let after = open(deleting.path(), &puppet);
    wait_until("the end of the application", || after.views().is_empty());
    assert_eq!(puppet.0.lock().forgotten, ["taxi"]);
    drop(after);
    assert!(open(deleting.path(), &puppet).views().is_empty());
}

#[test]
fn a_later_version_of_the_platform_shows_that_it_starts_what_ran_on_another() {
    let (dir, puppet) = (tempfile::tempdir().unwrap(), Puppet::default());
    let applications = open(dir.path(), &puppet);
    applications.make(new("one")).unwrap();
    applications.start("taxi").unwrap();
    wait_for(&applications, Status::Running);
    let copy = crashed(dir.path());
    control::Database::open(&copy.path().join(control::DATABASE_FILE))
        .unwrap()
        .write(|sql| sql.execute("UPDATE applications SET more = json_set(more, '$.run_by', '0.0.1')", []))
        .unwrap();
    let puppet = Puppet::default();
    puppet.0.lock().fail_next_starts = 2;
    let (over, slow) = channel();
    puppet.0.lock().slow_start = Some(slow);
    let after = open(copy.path(), &puppet);
    assert_eq!(after.view("taxi").unwrap().status, Status::Maintenance);
    over.send(()).unwrap();
    wait_for(&after, Status::Running);
}
