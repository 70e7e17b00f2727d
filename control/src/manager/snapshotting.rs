//! Snapshots: taken, listed, removed.

use super::state::Shared;
use super::view::SnapshotView;
use super::{Applications, ControlError};
use crate::catalog::{Fact, SnapshotRow};
use crate::operation::{Operation, OperationKind};
use crate::snapshots::{has_room, is_automatic, too_many};
use crate::{Running, SnapshotInfo, Status};
use std::sync::Arc;

impl Applications {
    /// Keeps what a running application has come to under a name. It goes on running. Returns when it is durable.
    ///
    /// # Errors
    /// When it does not run, or the runner refuses.
    pub fn snapshot(&self, name: &str, snapshot: &str) -> Result<SnapshotInfo, ControlError> {
        let (running, operation) = self.begin_snapshot(name, snapshot)?;
        self.shared.take(name, running.as_ref(), snapshot, operation)
    }

    /// The same, and returns at once with the operation's id; how far it is shows in [`Applications::snapshot_views`].
    ///
    /// # Errors
    /// When it does not run, the name is taken, or there is no room for it.
    pub fn order_snapshot(&self, name: &str, snapshot: &str) -> Result<String, ControlError> {
        let (running, operation) = self.begin_snapshot(name, snapshot)?;
        let id = operation.id.clone();
        let (shared, of, called) = (self.shared.clone(), name.to_owned(), snapshot.to_owned());
        let body = move || {
            // It is told where the operation ends.
            if let Err(error) = shared.take(&of, running.as_ref(), &called, operation) {
                tracing::warn!(application = of, snapshot = called, %error, "a snapshot was not taken");
            }
        };
        let thread = std::thread::Builder::new().name(format!("snapshot-{name}")).spawn(body).inspect_err(|_| {
            self.shared.release_snapshot(name, snapshot);
        })?;
        self.shared.remember(thread);
        Ok(id)
    }

    fn begin_snapshot(&self, name: &str, snapshot: &str) -> Result<(Arc<dyn Running>, Operation), ControlError> {
        self.shared
            .state
            .lock()
            .get(name)?
            .expect(&[Status::Running], "a snapshot is taken of a RUNNING application")?;
        self.shared.room_for(name, snapshot)?;
        let mut state = self.shared.state.lock();
        let application = state.get(name)?;
        application.expect(&[Status::Running], "a snapshot is taken of a RUNNING application")?;
        if !application.version.configuration.snapshots_enabled {
            return Err(ControlError::SnapshotsOff(name.to_owned()));
        }
        if application.taking.contains(snapshot) {
            return Err(ControlError::SnapshotTaken { name: name.to_owned(), snapshot: snapshot.to_owned() });
        }
        let running = application.running.clone().ok_or_else(|| ControlError::Unknown(name.to_owned()))?;
        let operation = self.shared.operation(OperationKind::Snapshot, None);
        let row = SnapshotRow {
            snapshot: snapshot.to_owned(),
            version: application.version.version,
            created_ms: operation.start_ms,
            status: "CREATING".to_owned(),
        };
        self.shared.catalog.add(name, &[Fact::Operation(&operation), Fact::Snapshot(&row)])?;
        application.taking.insert(snapshot.to_owned());
        state.workers += 1;
        Ok((running, operation))
    }

    /// The snapshots of an application, the newest first.
    ///
    /// # Errors
    /// When there is no such application, or they cannot be read.
    pub fn snapshots(&self, name: &str) -> Result<Vec<SnapshotInfo>, ControlError> {
        self.shared.state.lock().get(name)?;
        Ok(self.shared.runner.snapshots(name)?)
    }

    /// The same with the version that each was taken of, and with those that are being taken or have failed.
    ///
    /// # Errors
    /// When there is no such application, or they cannot be read.
    pub fn snapshot_views(&self, name: &str) -> Result<Vec<SnapshotView>, ControlError> {
        let there = self.snapshots(name)?;
        let rows = self.shared.catalog.snapshots(name)?;
        let row = |snapshot: &str| rows.iter().find(|row| row.snapshot == snapshot);
        let view = |info: SnapshotInfo| SnapshotView {
            version: row(&info.name).map(|row| row.version),
            created_ms: row(&info.name).map_or(info.created_ms, |row| row.created_ms),
            status: "READY".to_owned(),
            name: info.name,
            bytes: info.bytes,
        };
        let mut views: Vec<SnapshotView> = there.into_iter().map(view).collect();
        let absent = rows.iter().filter(|row| row.status != "READY" && !views.iter().any(|v| v.name == row.snapshot));
        let absent: Vec<SnapshotView> = absent
            .map(|row| SnapshotView {
                name: row.snapshot.clone(),
                created_ms: row.created_ms,
                bytes: 0,
                version: Some(row.version),
                status: row.status.clone(),
            })
            .collect();
        views.extend(absent);
        views.sort_by(|a, b| b.created_ms.cmp(&a.created_ms).then_with(|| a.name.cmp(&b.name)));
        Ok(views)
    }

    /// Removes a snapshot.
    ///
    /// # Errors
    /// When there is no such application or snapshot, it is being taken, or some of it stays.
    pub fn remove_snapshot(&self, name: &str, snapshot: &str) -> Result<(), ControlError> {
        {
            let mut state = self.shared.state.lock();
            let application = state.get(name)?;
            if application.taking.contains(snapshot) {
                return Err(application.refused("the snapshot is being taken; wait until it is done"));
            }
        }
        let only_noted =
            self.shared.catalog.snapshots(name)?.iter().any(|row| row.snapshot == snapshot && row.status == "FAILED");
        if !only_noted || self.shared.runner.snapshot_names(name)?.iter().any(|known| known == snapshot) {
            self.shared.runner.remove_snapshot(name, snapshot)?;
        }
        Ok(self.shared.catalog.add(name, &[Fact::NoSnapshot(snapshot)])?)
    }
}

impl Shared {
    /// Whether a snapshot of this name can be taken; the names of those that there are.
    fn room_for(&self, name: &str, snapshot: &str) -> Result<Vec<String>, ControlError> {
        let names = self.runner.snapshot_names(name)?;
        if names.iter().any(|known| known == snapshot) {
            return Err(ControlError::SnapshotTaken { name: name.to_owned(), snapshot: snapshot.to_owned() });
        }
        if !has_room(&names) {
            return Err(ControlError::SnapshotsFull(name.to_owned()));
        }
        Ok(names)
    }

    /// Takes a snapshot that was begun, and ends its operation.
    fn take(
        &self,
        name: &str,
        running: &dyn Running,
        snapshot: &str,
        operation: Operation,
    ) -> Result<SnapshotInfo, ControlError> {
        let taken = self.keep_snapshot(name, running, snapshot);
        let end = taken.as_ref().map(drop).map_err(ToString::to_string);
        let operation = super::state::ended(operation, end, self.now_ms());
        let kept = self.catalog.add(name, &[Fact::Operation(&operation)]);
        self.release_snapshot(name, snapshot);
        kept?;
        taken
    }

    fn release_snapshot(&self, name: &str, snapshot: &str) {
        let mut state = self.state.lock();
        state.workers -= 1;
        if let Some(application) = state.applications.get_mut(name) {
            application.taking.remove(snapshot);
        }
        drop(state);
        self.wake.notify_all();
    }

    /// Takes a snapshot where there is room for it, notes the version that it is of, and removes the automatic ones that are
    /// too many then.
    pub(super) fn keep_snapshot(
        &self,
        name: &str,
        running: &dyn Running,
        snapshot: &str,
    ) -> Result<SnapshotInfo, ControlError> {
        let mut names = self.room_for(name, snapshot)?;
        let version = self.state.lock().get(name).map(|application| application.runs)?;
        let row = |created_ms: u64, status: &str| SnapshotRow {
            snapshot: snapshot.to_owned(),
            version,
            created_ms,
            status: status.to_owned(),
        };
        let taken = match running.snapshot(snapshot) {
            Ok(taken) => taken,
            Err(error) => {
                // Of one that nobody has named nobody wants to know afterwards.
                let failed = row(self.now_ms(), "FAILED");
                let fact = if is_automatic(snapshot) { Fact::NoSnapshot(snapshot) } else { Fact::Snapshot(&failed) };
                self.catalog.add(name, &[fact])?;
                return Err(error.into());
            }
        };
        self.catalog.add(name, &[Fact::Snapshot(&row(taken.created_ms, "READY"))])?;
        names.push(snapshot.to_owned());
        for old in too_many(&names) {
            let removed = self.runner.remove_snapshot(name, old).map_err(ControlError::from);
            let removed = removed.and_then(|()| Ok(self.catalog.add(name, &[Fact::NoSnapshot(old)])?));
            if let Err(error) = removed {
                tracing::warn!(application = name, snapshot = old, %error, "an old snapshot could not be removed");
            }
        }
        Ok(taken)
    }
}
