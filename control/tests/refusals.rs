//! A database that takes nothing for a while, against a runner whose jobs do as the test says.
#![allow(clippy::unwrap_used, reason = "a failed expectation is the test's result")]

mod puppet;

use control::{Applications, Database, Expected, OperationStatus, Status, Update};
use puppet::{Puppet, QUICK, database, ended, new, open_on, wait_for, wait_until};
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use tempfile::TempDir;

struct Stand {
    _dir: TempDir,
    puppet: Puppet,
    applications: Applications,
    database: Arc<Database>,
}

impl Stand {
    fn running() -> Self {
        let (dir, puppet) = (tempfile::tempdir().unwrap(), Puppet::default());
        let database = database(dir.path());
        let applications = open_on(database.clone(), dir.path(), &puppet, QUICK);
        let mut new = new("one");
        new.configuration.rollback_enabled = true;
        applications.make(new).unwrap();
        applications.start("taxi").unwrap();
        wait_for(&applications, Status::Running);
        Self { _dir: dir, puppet, applications, database }
    }

    /// Begins an update, and holds it up where its new run is started.
    fn update_held_up(&self, code: &str) -> (String, Sender<()>) {
        let (over, slow) = channel();
        self.puppet.0.lock().slow_start = Some(slow);
        let id = self.update(code);
        wait_until("its start", || self.puppet.0.lock().slow_start.is_none());
        (id, over)
    }

    fn update(&self, code: &str) -> String {
        let mut configuration = (*self.applications.view("taxi").unwrap().version.configuration).clone();
        configuration.code = code.into();
        let update = Update { configuration, resized: false, beginning: None };
        self.applications.update("taxi", Expected::Any, update).unwrap()
    }

    /// What is kept of applications cannot be changed until [`Stand::take_again`].
    fn refuse(&self) {
        let refusals =
            "CREATE TRIGGER refuse_new BEFORE INSERT ON applications BEGIN SELECT RAISE(ABORT, 'no room'); END;
            CREATE TRIGGER refuse_changed BEFORE UPDATE ON applications BEGIN SELECT RAISE(ABORT, 'no room'); END;";
        self.database.write(|sql| sql.execute_batch(refusals)).unwrap();
    }

    fn take_again(&self) {
        self.database.write(|sql| sql.execute_batch("DROP TRIGGER refuse_new; DROP TRIGGER refuse_changed;")).unwrap();
    }

    fn script(&self) -> String {
        self.applications.view("taxi").unwrap().spec.script
    }
}

#[test]
fn an_update_whose_end_is_not_kept_leaves_an_application_that_can_be_updated() {
    let stand = Stand::running();
    let (id, over) = stand.update_held_up("two");
    stand.refuse();
    over.send(()).unwrap();
    wait_for(&stand.applications, Status::Running);
    stand.take_again();
    assert_eq!(ended(&stand.applications, &id).0, OperationStatus::Successful, "it is kept as soon as it can be");
    assert_eq!(ended(&stand.applications, &stand.update("three")).0, OperationStatus::Successful);
    assert_eq!(stand.script(), "three");
}

#[test]
fn a_rollback_by_itself_that_is_not_kept_is_tried_again() {
    let stand = Stand::running();
    let (id, over) = stand.update_held_up("dies");
    stand.refuse();
    over.send(()).unwrap();
    wait_for(&stand.applications, Status::Starting);
    stand.take_again();
    stand.puppet.0.lock().fail_next_starts = u32::MAX;
    wait_until("its being free", || stand.applications.rollback("taxi", Expected::Any).is_ok());
    stand.puppet.0.lock().fail_next_starts = 0;
    wait_for(&stand.applications, Status::Running);
    assert_eq!(stand.script(), "one");
    // It was given up for the rollback, unless its version had come up before that.
    assert_ne!(ended(&stand.applications, &id).0, OperationStatus::InProgress);
}

#[test]
fn an_order_that_is_not_kept_leaves_what_is_under_way() {
    let stand = Stand::running();
    let (id, over) = stand.update_held_up("two");
    stand.refuse();
    for told in [
        stand.applications.rollback("taxi", Expected::Any).unwrap_err().to_string(),
        stand.applications.order_stop("taxi", true).unwrap_err().to_string(),
    ] {
        assert!(told.contains("no room"), "{told}");
    }
    stand.take_again();
    over.send(()).unwrap();
    assert_eq!(ended(&stand.applications, &id).0, OperationStatus::Successful);
    wait_for(&stand.applications, Status::Running);
    assert_eq!(stand.script(), "two");
}
