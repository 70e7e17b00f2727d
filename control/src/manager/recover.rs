//! What a platform finds when it opens: the catalogue of a former version, and orders that a crash has broken off.

use super::ControlError;
use super::state::{Shared, ended};
use super::work::{Former, Work};
use crate::Status;
use crate::catalog::{Catalog, Fact, Kept, More, SnapshotRow, Version};
use crate::configuration::Configuration;
use crate::former;
use crate::operation::{Operation, OperationKind};
use crate::runner::Begin;
use std::path::Path;
use std::sync::Arc;

/// Operations of one application that can be under way: one that changes it, and snapshots.
const UNDER_WAY_MAX: u32 = 1_100;

/// Brings the applications that a file of a former version holds into the database, and removes it.
pub(super) fn take_over(catalog: &Catalog, dir: &Path, now_ms: u64) -> Result<(), ControlError> {
    let entries = former::read(dir)?;
    let known: Vec<String> = catalog.all()?.into_iter().map(|(kept, _)| kept.name).collect();
    // What is in the database was taken over before a crash, and is newer by now.
    for entry in entries.into_iter().filter(|entry| !known.contains(&entry.spec.name)) {
        let configuration = Arc::new(Configuration::of(&entry.spec));
        let more = More { begin: entry.snapshot.map_or(Begin::Latest, Begin::Snapshot), ..More::default() };
        let kept = Kept {
            name: entry.spec.name,
            created_ms: now_ms,
            updated_ms: now_ms,
            version: 1,
            wanted: entry.wanted,
            deleting: false,
            more,
        };
        let status = Status::Ready;
        let version =
            Version { version: 1, created_ms: now_ms, status, updated_from: None, rolled_back: None, configuration };
        catalog.write(&kept, &[Fact::Version(&version)])?;
    }
    former::remove(dir)
}

/// Carries on, or ends, what was under way.
pub(super) fn carry_on(shared: &Arc<Shared>) -> Result<(), ControlError> {
    let names: Vec<String> = shared.state.lock().applications.keys().cloned().collect();
    for name in names {
        let open = shared.catalog.operations(&name, (None, Some("IN_PROGRESS")), u64::MAX, UNDER_WAY_MAX)?;
        let (snapshots, orders): (Vec<_>, Vec<_>) =
            open.into_iter().map(|(_, operation)| operation).partition(|o| o.kind == OperationKind::Snapshot);
        snapshots_ended(shared, &name, snapshots)?;
        // The newest comes first; one that it came in place of was given up with it.
        let mut orders = orders.into_iter();
        let last = orders.next();
        for given_up in orders {
            let given_up = ended(given_up, Err("the platform ended before it was done".to_owned()), shared.now_ms());
            shared.catalog.add(&name, &[Fact::Operation(&given_up)])?;
        }
        carry_on_one(shared, &name, last)?;
    }
    Ok(())
}

fn carry_on_one(shared: &Arc<Shared>, name: &str, operation: Option<Operation>) -> Result<(), ControlError> {
    let mut state = shared.state.lock();
    let application = state.get(name)?;
    let kept = application.kept.clone();
    let kind = operation.as_ref().map(|operation| operation.kind);
    let present = application.version.version;
    let has_moved = operation.as_ref().and_then(|o| o.versions).is_some_and(|(_, wanted)| wanted == present);
    application.operation = operation;
    let work = match kind {
        _ if kept.deleting => {
            application.status = Status::Deleting;
            Work::Delete
        }
        Some(OperationKind::Update | OperationKind::AutoScale) if kept.wanted => {
            application.status = Status::Updating;
            let version = application.version.updated_from.filter(|_| kind == Some(OperationKind::Update));
            Work::Renew(application.former(version))
        }
        // Before there is another version the former run is what there is: it goes on where it was.
        Some(OperationKind::Move) if kept.wanted && has_moved => {
            application.status = Status::Updating;
            let former = Former { handover: kept.more.left, ..application.former(application.version.updated_from) };
            Work::Arrive(former)
        }
        Some(OperationKind::Move) if kept.wanted => {
            let end = Err("the platform ended before its run had: it goes on where it was".to_owned());
            return shared.finish(application, kept, None, end);
        }
        Some(OperationKind::Rollback) if kept.wanted => {
            application.status = Status::RollingBack;
            Work::Rollback
        }
        Some(OperationKind::Start) if kept.wanted => return Ok(()),
        Some(_) => return shared.finish(application, kept, None, Ok(())),
        None => return Ok(()),
    };
    state.seize(name)?;
    drop(state);
    shared.hand_over(name, work);
    Ok(())
}

/// Snapshots are either there as a whole or not at all.
fn snapshots_ended(shared: &Shared, name: &str, operations: Vec<Operation>) -> Result<(), ControlError> {
    let open: Vec<SnapshotRow> =
        shared.catalog.snapshots(name)?.into_iter().filter(|row| row.status == "CREATING").collect();
    if open.is_empty() && operations.is_empty() {
        return Ok(());
    }
    let there = shared.runner.snapshot_names(name)?;
    for row in open {
        let status = if there.contains(&row.snapshot) { "READY" } else { "FAILED" };
        shared.catalog.add(name, &[Fact::Snapshot(&SnapshotRow { status: status.to_owned(), ..row })])?;
    }
    for operation in operations {
        let end = Err("the platform ended while the snapshot was taken; look whether it is there".to_owned());
        shared.catalog.add(name, &[Fact::Operation(&ended(operation, end, shared.now_ms()))])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ApplicationSpec;
    use crate::database::Database;

    fn entry(name: &str, wanted: bool, snapshot: Option<&str>) -> former::Entry {
        let (name, script) = (name.to_owned(), "SELECT 1".to_owned());
        let spec = ApplicationSpec {
            name,
            runner: crate::EMBEDDED.into(),
            script,
            program: None,
            parallelism: 3,
            parallelism_per_kpu: 2,
            checkpoints: None,
            handover: None,
        };
        former::Entry { spec, wanted, snapshot: snapshot.map(str::to_owned) }
    }

    #[test]
    fn the_catalogue_of_a_former_version_is_taken_over_once() {
        let dir = tempfile::tempdir().unwrap();
        let catalog = Catalog::open(Arc::new(Database::open(&dir.path().join(crate::DATABASE_FILE)).unwrap())).unwrap();
        former::write(dir.path(), &[entry("a", true, Some("s")), entry("b", false, None)]);
        assert_eq!(crate::Applications::read(dir.path()).unwrap().len(), 2, "before it is taken over, too");
        take_over(&catalog, dir.path(), 7).unwrap();
        let all = catalog.all().unwrap();
        let told: Vec<_> = all.iter().map(|(k, _)| (k.name.as_str(), k.wanted, k.more.begin.clone())).collect();
        assert_eq!(told, [("a", true, Begin::Snapshot("s".into())), ("b", false, Begin::Latest)]);
        let parallelism = all[0].1.configuration.parallelism;
        assert_eq!((parallelism.parallelism, parallelism.per_kpu, all[0].1.version), (3, 2, 1));
        assert!(former::read(dir.path()).unwrap().is_empty(), "the file is gone");
        assert_eq!(crate::Applications::read(dir.path()).unwrap().len(), 2);
        // A crash between taking over and removing: what is in the database is newer.
        catalog.remove("b").unwrap();
        former::write(dir.path(), &[entry("a", false, None)]);
        take_over(&catalog, dir.path(), 8).unwrap();
        assert_eq!(catalog.all().unwrap(), all[..1]);
    }

    #[test]
    fn a_catalogue_that_makes_no_sense_is_told_and_kept() {
        let dir = tempfile::tempdir().unwrap();
        let catalog = Catalog::open(Arc::new(Database::open(&dir.path().join(crate::DATABASE_FILE)).unwrap())).unwrap();
        std::fs::write(dir.path().join("applications"), b"nonsense").unwrap();
        assert!(take_over(&catalog, dir.path(), 7).is_err());
        assert!(dir.path().join("applications").exists());
    }
}
