//! Snapshots in the service's words.

use super::describe::moment;
use super::schema::Input;
use super::{Analytics, Answer, invalid, lists, refused};
use crate::aws::ServiceError;
use crate::{ApplicationView, SnapshotView};
use serde_json::{Value, json};

impl Analytics {
    pub(super) fn create_snapshot(&self, input: Input<'_>) -> Answer {
        let (name, snapshot) = (input.given("ApplicationName"), input.given("SnapshotName"));
        self.applications.order_snapshot(name, snapshot).map_err(refused)?;
        Ok(json!({}))
    }

    pub(super) fn describe_snapshot(&self, input: Input<'_>) -> Answer {
        let view = self.view(input.given("ApplicationName"))?;
        let snapshot = self.snapshot(input)?;
        Ok(json!({ "SnapshotDetails": self.snapshot_detail(&view, &snapshot)? }))
    }

    pub(super) fn list_snapshots(&self, input: Input<'_>) -> Answer {
        let view = self.view(input.given("ApplicationName"))?;
        let all = self.applications.snapshot_views(&view.spec.name).map_err(refused)?;
        let page = lists::Page::of(input, "snapshots")?;
        let from = page.after.map_or(0, |after| usize::try_from(after).unwrap_or(usize::MAX));
        let shown: Vec<&SnapshotView> = all.iter().skip(from).take(page.limit).collect();
        let details =
            shown.iter().map(|snapshot| self.snapshot_detail(&view, snapshot)).collect::<Result<Vec<_>, _>>()?;
        let next = from.saturating_add(shown.len());
        Ok(page.answer("SnapshotSummaries", details, (next < all.len()).then_some(next as u64)))
    }

    pub(super) fn delete_snapshot(&self, input: Input<'_>) -> Answer {
        let snapshot = self.snapshot(input)?;
        let taken_s = (snapshot.created_ms / 1_000) as i64;
        if input.moment_s("SnapshotCreationTimestamp") != Some(taken_s) {
            return Err(invalid(format!(
                "The SnapshotCreationTimestamp is not that of snapshot {}, which DescribeApplicationSnapshot tells.",
                snapshot.name
            )));
        }
        self.applications.remove_snapshot(input.given("ApplicationName"), &snapshot.name).map_err(refused)?;
        Ok(json!({}))
    }

    fn snapshot(&self, input: Input<'_>) -> Result<SnapshotView, ServiceError> {
        let (name, wanted) = (input.given("ApplicationName"), input.given("SnapshotName"));
        let all = self.applications.snapshot_views(name).map_err(refused)?;
        all.into_iter().find(|snapshot| snapshot.name == wanted).ok_or_else(|| {
            let message = format!("Application {name} has no snapshot {wanted}.");
            ServiceError::new("ResourceNotFoundException", message)
        })
    }

    fn snapshot_detail(&self, view: &ApplicationView, snapshot: &SnapshotView) -> Result<Value, ServiceError> {
        let number = snapshot.version.unwrap_or(view.version.version);
        let version = self.applications.version(&view.spec.name, number).map_err(refused)?;
        let runtime =
            version.map_or_else(|| view.version.configuration.runtime.clone(), |v| v.configuration.runtime.clone());
        Ok(json!({
            "SnapshotName": snapshot.name,
            "SnapshotStatus": snapshot.status,
            "ApplicationVersionId": number,
            "SnapshotCreationTimestamp": moment(snapshot.created_ms),
            "RuntimeEnvironment": runtime,
        }))
    }
}
