//! Updates, rollbacks, sizes and what stands beside them, against a runner whose jobs do as the test says.
#![allow(clippy::unwrap_used, reason = "a failed expectation is the test's result")]

mod puppet;

use control::{
    Applications, Begin, Beginning, Configuration, ControlError, Expected, OperationStatus, ScaledBy, StateFate,
    Status, Update,
};
use model::{Classified, Kind};
use puppet::{Puppet, ended, new, open, wait_for, wait_until};
use tempfile::TempDir;

struct Stand {
    _dir: TempDir,
    puppet: Puppet,
    applications: Applications,
}

impl Stand {
    /// A platform with one application that runs.
    fn running(script: &str) -> Self {
        let (dir, puppet) = (tempfile::tempdir().unwrap(), Puppet::default());
        let applications = open(dir.path(), &puppet);
        applications.make(new(script)).unwrap();
        applications.start("taxi").unwrap();
        wait_for(&applications, Status::Running);
        Self { _dir: dir, puppet, applications }
    }

    fn update(&self, change: impl FnOnce(&mut Configuration)) -> Result<String, ControlError> {
        self.update_from(None, change)
    }

    fn update_from(
        &self,
        beginning: Option<Beginning>,
        change: impl FnOnce(&mut Configuration),
    ) -> Result<String, ControlError> {
        let view = self.applications.view("taxi").unwrap();
        let mut configuration = (*view.version.configuration).clone();
        let before = configuration.parallelism;
        change(&mut configuration);
        let resized = configuration.parallelism != before;
        let update = Update { configuration, resized, beginning };
        self.applications.update("taxi", Expected::Version(view.version.version), update)
    }

    fn version(&self) -> u64 {
        self.applications.view("taxi").unwrap().version.version
    }

    fn script(&self) -> String {
        self.applications.view("taxi").unwrap().spec.script
    }

    fn operations(&self) -> Vec<(&'static str, &'static str)> {
        let all = self.applications.operations("taxi", (None, None), u64::MAX, 100).unwrap();
        all.iter().rev().map(|(_, operation)| (operation.kind.name(), operation.status.name())).collect()
    }
}

#[test]
fn a_parallelism_is_changed_live_and_makes_a_version() {
    let stand = Stand::running("one");
    let id = stand.update(|c| c.parallelism.parallelism = 4).unwrap();
    assert_eq!(ended(&stand.applications, &id), (OperationStatus::Successful, String::new()));
    wait_for(&stand.applications, Status::Running);
    let script = stand.puppet.0.lock();
    assert_eq!((script.rescaled.as_slice(), script.stopped, script.snapshots.len()), (&[4][..], 0, 0));
    drop(script);
    assert_eq!(stand.version(), 2);
    let versions = stand.applications.versions("taxi", u64::MAX, 9).unwrap();
    let told: Vec<_> =
        versions.iter().map(|v| (v.version, v.updated_from, v.configuration.parallelism.parallelism)).collect();
    assert_eq!(told, [(2, Some(1), 4), (1, None, 2)]);
    assert_eq!(versions[1].status, Status::Running);
}

#[test]
fn a_refused_rescale_is_taken_back_under_a_version_of_its_own() {
    let stand = Stand::running("one");
    stand.puppet.0.lock().refuse_rescale = true;
    let id = stand.update(|c| c.parallelism.parallelism = 4).unwrap();
    assert_eq!(ended(&stand.applications, &id), (OperationStatus::Failed, "not now".to_owned()));
    let view = stand.applications.view("taxi").unwrap();
    assert_eq!((view.version.version, view.version.rolled_back, view.spec.parallelism), (3, Some((2, 1)), 2));
    assert_eq!(view.status, Status::Running);
}

#[test]
fn other_changes_are_a_snapshot_an_end_and_a_start() {
    let stand = Stand::running("one");
    for (number, change) in [
        (2, (|c| c.code = "two".into()) as fn(&mut Configuration)),
        (3, |c| c.parallelism.per_kpu = 2),
        (4, |c| c.checkpoints = control::CheckpointSetting::OWN),
        (5, |c| drop(c.properties.insert("g".into(), [("a".into(), "b".into())].into()))),
    ] {
        let id = stand.update(change).unwrap();
        assert_eq!(ended(&stand.applications, &id).0, OperationStatus::Successful, "version {number}");
        wait_for(&stand.applications, Status::Running);
        let script = stand.puppet.0.lock();
        assert_eq!(
            (script.started.len(), script.stopped, script.snapshots.len()),
            (number, number as u32 - 1, number - 1)
        );
        assert_eq!(script.began_with.last().unwrap(), &Beginning::default());
    }
    assert_eq!(stand.puppet.0.lock().started_as.last().unwrap(), &("two".to_owned(), 2));
    let views = stand.applications.snapshot_views("taxi").unwrap();
    let mut of: Vec<_> = views.iter().map(|s| (s.name.starts_with("update-2"), s.version)).collect();
    of.sort();
    assert_eq!(of, [(true, Some(1)), (true, Some(2)), (true, Some(3)), (true, Some(4))]);
}

#[test]
fn what_no_run_knows_of_changes_at_once() {
    let stand = Stand::running("one");
    let id = stand.update(|c| c.rollback_enabled = true).unwrap();
    assert_eq!(ended(&stand.applications, &id).0, OperationStatus::Successful);
    assert_eq!((stand.version(), stand.puppet.0.lock().started.len()), (2, 1));
    stand.applications.stop("taxi", true).unwrap();
    stand.update(|c| c.code = "three".into()).unwrap();
    assert_eq!((stand.version(), stand.applications.view("taxi").unwrap().status), (3, Status::Ready));
    stand.applications.start("taxi").unwrap();
    wait_for(&stand.applications, Status::Running);
    assert_eq!(stand.puppet.0.lock().started_as.last().unwrap().0, "three");
}

#[test]
fn an_update_without_snapshots_takes_none() {
    let stand = Stand::running("one");
    stand.update(|c| c.snapshots_enabled = false).unwrap();
    let id = stand.update(|c| c.code = "two".into()).unwrap();
    assert_eq!(ended(&stand.applications, &id).0, OperationStatus::Successful);
    wait_for(&stand.applications, Status::Running);
    assert!(matches!(stand.applications.snapshot("taxi", "s"), Err(ControlError::SnapshotsOff(_))));
    assert_eq!(stand.applications.stop("taxi", false).unwrap(), None);
    assert!(stand.puppet.0.lock().snapshots.is_empty());
}

#[test]
fn a_version_that_does_not_come_up_is_taken_back_where_that_is_set() {
    for bad in ["it never starts", "it dies"] {
        let stand = Stand::running("one");
        stand.update(|c| c.rollback_enabled = true).unwrap();
        let id = stand.update(|c| c.code = bad.into()).unwrap();
        let (status, failure) = ended(&stand.applications, &id);
        assert_eq!(status, OperationStatus::Failed);
        assert!(failure.contains("version 3 does not come up") && failure.contains("the former version"), "{failure}");
        wait_for(&stand.applications, Status::Running);
        let view = stand.applications.view("taxi").unwrap();
        assert_eq!(
            (view.version.version, view.version.rolled_back, view.spec.script.as_str()),
            (4, Some((3, 2)), "one")
        );
        let script = stand.puppet.0.lock();
        let Begin::Snapshot(snapshot) = &script.began_with.last().unwrap().from else { panic!() };
        assert!(snapshot.starts_with("update-"));
        drop(script);
        let update = stand.applications.operation("taxi", &id).unwrap().unwrap();
        let rollback = stand.applications.operation("taxi", &update.rollback.unwrap()).unwrap().unwrap();
        assert_eq!((rollback.status, rollback.versions), (OperationStatus::Successful, Some((3, 4))));
        let versions = stand.applications.versions("taxi", u64::MAX, 9).unwrap();
        assert_eq!(versions[1].status, Status::RolledBack);
    }
}

#[test]
fn without_that_the_error_stays_and_a_rollback_takes_the_former_version() {
    let stand = Stand::running("one");
    let id = stand.update(|c| c.code = "it dies".into()).unwrap();
    assert_eq!(ended(&stand.applications, &id).0, OperationStatus::Failed);
    wait_until("a failing start", || stand.applications.view("taxi").unwrap().last_error.is_some());
    assert_eq!(stand.script(), "it dies");
    let back = loop {
        // Between two starts it can be rolled back, in one it is refused.
        match stand.applications.rollback("taxi", Expected::Version(2)) {
            Ok(id) => break id,
            Err(error) => assert!(matches!(error, ControlError::Status { .. }), "{error}"),
        }
    };
    assert_eq!(ended(&stand.applications, &back).0, OperationStatus::Successful);
    wait_for(&stand.applications, Status::Running);
    assert_eq!((stand.version(), stand.script().as_str()), (3, "one"));
    assert!(matches!(stand.applications.rollback("taxi", Expected::Any), Err(ControlError::NoFormer(_))));
}

#[test]
fn a_failing_application_can_be_updated_too() {
    let stand = Stand::running("one");
    let id = stand.update(|c| c.code = "it never starts".into()).unwrap();
    assert_eq!(ended(&stand.applications, &id).0, OperationStatus::Failed);
    loop {
        match stand.update(|c| c.code = "two".into()) {
            Ok(_) => break,
            Err(error) => assert!(matches!(error, ControlError::Status { .. }), "{error}"),
        }
    }
    wait_for(&stand.applications, Status::Running);
    assert_eq!((stand.version(), stand.script().as_str()), (3, "two"));
}

#[test]
fn a_rollback_that_does_not_come_up_either_waits_for_somebody() {
    let stand = Stand::running("one");
    stand.update(|c| c.code = "two".into()).unwrap();
    wait_until("version 2", || stand.puppet.0.lock().started.len() == 2);
    wait_for(&stand.applications, Status::Running);
    stand.puppet.0.lock().fail_next_starts = u32::MAX;
    let id = stand.applications.rollback("taxi", Expected::Version(2)).unwrap();
    assert_eq!(ended(&stand.applications, &id).0, OperationStatus::Failed);
    wait_for(&stand.applications, Status::RolledBack);
    assert!(stand.applications.view("taxi").unwrap().metrics.is_none());
    stand.puppet.0.lock().fail_next_starts = 0;
    stand.applications.start("taxi").unwrap();
    wait_for(&stand.applications, Status::Running);
    assert_eq!(stand.script(), "one");
}

#[test]
fn an_update_that_is_under_way_is_given_up_for_a_rollback_or_a_forced_stop() {
    for forced_stop in [false, true] {
        let stand = Stand::running("one");
        stand.puppet.0.lock().fail_next_starts = u32::MAX;
        let id = stand.update(|c| c.code = "two".into()).unwrap();
        wait_until("a start that is refused", || stand.puppet.0.lock().fail_next_starts < u32::MAX);
        assert_eq!(stand.applications.view("taxi").unwrap().status, Status::Updating);
        assert!(matches!(stand.update(|c| c.code = "x".into()), Err(ControlError::Status { .. })));
        assert!(matches!(stand.applications.stop("taxi", false), Err(ControlError::Status { .. })));
        let expected = if forced_stop {
            assert_eq!(stand.applications.stop("taxi", true).unwrap(), None);
            ("StopApplication", "SUCCESSFUL")
        } else {
            let back = stand.applications.rollback("taxi", Expected::Version(2)).unwrap();
            stand.puppet.0.lock().fail_next_starts = 0;
            assert_eq!(ended(&stand.applications, &back).0, OperationStatus::Successful);
            wait_for(&stand.applications, Status::Running);
            assert_eq!((stand.version(), stand.script().as_str()), (3, "one"));
            ("RollbackApplication", "SUCCESSFUL")
        };
        if forced_stop {
            wait_for(&stand.applications, Status::Ready);
        }
        assert_eq!(ended(&stand.applications, &id).0, OperationStatus::Cancelled);
        let all = [("StartApplication", "SUCCESSFUL"), ("UpdateApplication", "CANCELLED"), expected];
        assert_eq!(stand.operations(), all);
    }
}

#[test]
fn state_that_would_be_lost_refuses_an_update_and_a_start_unless_that_is_allowed() {
    let stand = Stand::running("one");
    let fate = |of: &str, fate: &str, lost| StateFate { of: of.into(), fate: fate.into(), lost };
    stand.puppet.0.lock().fates = vec![fate("operator a", "kept", false), fate("operator b", "refused: no", true)];
    let refused = stand.update(|c| c.code = "two".into()).unwrap_err();
    let text = refused.to_string();
    assert!(text.contains("operator b is refused: no") && text.contains("what goes on: operator a (kept)"), "{text}");
    assert_eq!((refused.kind(), stand.version()), (Kind::Conflict, 1));
    stand.update(|c| c.parallelism.parallelism = 3).unwrap();
    wait_for(&stand.applications, Status::Running);
    let allowed = Beginning { from: Begin::Latest, allow_dropped: true };
    let id = stand.update_from(Some(allowed.clone()), |c| c.code = "two".into()).unwrap();
    assert_eq!(ended(&stand.applications, &id).0, OperationStatus::Successful);
    assert_eq!(stand.puppet.0.lock().began_with.last().unwrap(), &allowed);
    wait_for(&stand.applications, Status::Running);
    stand.applications.stop("taxi", true).unwrap();
    stand.applications.start_from("taxi", Some(Beginning::default())).unwrap_err();
    let anew = Beginning { from: Begin::Nothing, allow_dropped: false };
    stand.applications.start_from("taxi", Some(anew.clone())).unwrap();
    wait_for(&stand.applications, Status::Running);
    assert_eq!(stand.puppet.0.lock().began_with.last().unwrap(), &anew);
    assert_eq!(stand.applications.view("taxi").unwrap().beginning, anew);
}

#[test]
fn a_failed_snapshot_before_an_update_leaves_the_former_version_running() {
    let stand = Stand::running("one");
    stand.puppet.0.lock().fail_snapshots = true;
    let id = stand.update(|c| c.code = "two".into()).unwrap();
    let (status, failure) = ended(&stand.applications, &id);
    assert!(status == OperationStatus::Failed && failure.contains("the disk is full"), "{failure}");
    wait_for(&stand.applications, Status::Running);
    let view = stand.applications.view("taxi").unwrap();
    assert_eq!((view.version.version, view.version.rolled_back, view.spec.script.as_str()), (3, Some((2, 1)), "one"));
    let script = stand.puppet.0.lock();
    assert_eq!((script.stopped, script.started.len()), (0, 1));
}

#[test]
fn a_rule_gives_a_size_beside_the_version_and_a_person_takes_it_away() {
    let stand = Stand::running("one");
    let rule = ScaledBy::Rule("it lags".into());
    stand.applications.scale("taxi", 6, None, &rule).unwrap();
    let view = stand.applications.view("taxi").unwrap();
    assert_eq!((view.version.version, view.spec.parallelism, view.configured_size().parallelism), (1, 6, 2));
    stand.applications.scale("taxi", 6, Some(3), &rule).unwrap();
    let view = stand.applications.view("taxi").unwrap();
    assert_eq!((view.status, view.spec.kpus(), view.version.version), (Status::Running, 2, 1));
    assert_eq!(stand.puppet.0.lock().started_as.last().unwrap(), &("one".to_owned(), 3));
    stand.puppet.0.lock().refuse_rescale = true;
    assert!(stand.applications.scale("taxi", 8, None, &rule).is_err());
    assert_eq!(stand.applications.view("taxi").unwrap().spec.parallelism, 6);
    stand.puppet.0.lock().refuse_rescale = false;
    assert!(matches!(stand.applications.scale("taxi", 200, None, &rule), Err(ControlError::Spec(_))));
    stand.update(|c| c.rollback_enabled = true).unwrap();
    assert_eq!(stand.applications.view("taxi").unwrap().spec.parallelism, 6, "what has nothing to do with it");
    stand.applications.scale("taxi", 4, None, &ScaledBy::Person).unwrap();
    let view = stand.applications.view("taxi").unwrap();
    assert_eq!((view.spec.parallelism, view.spec.parallelism_per_kpu, view.version.version), (4, 3, 3));
    assert_eq!(
        stand.operations()[1..4],
        [("AutoScaling", "SUCCESSFUL"), ("AutoScaling", "SUCCESSFUL"), ("AutoScaling", "FAILED")]
    );
    let lines = stand.applications.lines("taxi", 0, 100).unwrap();
    assert!(lines.iter().any(|line| line.text.contains("from 2 to 6: it lags")), "{lines:?}");
}

#[test]
fn a_change_is_made_to_the_version_that_was_looked_at() {
    let stand = Stand::running("one");
    let view = stand.applications.view("taxi").unwrap();
    let update = Update { configuration: (*view.version.configuration).clone(), resized: false, beginning: None };
    let refused = stand.applications.update("taxi", Expected::Version(7), update.clone()).unwrap_err();
    assert!(matches!(refused, ControlError::Version { expected: 7, found: 1, .. }));
    assert!(matches!(stand.applications.rollback("taxi", Expected::Version(7)), Err(ControlError::Version { .. })));
    stand.applications.update("taxi", Expected::Any, update).unwrap();
    for change in [
        (|c| c.code = "wrong".into()) as fn(&mut Configuration),
        |c| c.code = "${unknown}".into(),
        |c| c.checkpoints.interval_ms = 1,
        |c| c.parallelism.parallelism = 0,
        |c| c.parallelism.parallelism = 99,
    ] {
        assert_eq!(stand.update(change).unwrap_err().kind(), Kind::Invalid);
    }
    assert_eq!(stand.version(), 2, "what is refused makes no version");
}

#[test]
fn failed_checkpoints_and_first_causes_are_told() {
    let stand = Stand::running("one");
    stand.puppet.0.lock().checkpoints.failed = 3;
    let told =
        |text: &str| stand.applications.lines("taxi", 0, 100).unwrap().iter().any(|line| line.text.contains(text));
    wait_until("a line about checkpoints", || told("3 checkpoints failed"));
    stand.puppet.0.lock().fail_next_starts = 4;
    stand.puppet.0.lock().state = Some(control::RunState::Failed("the first".into()));
    wait_until("a line with the first cause", || told("3 failures in a row; the first: the first"));
    wait_for(&stand.applications, Status::Running);
}
