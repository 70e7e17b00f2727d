//! Starting, stopping, rolling back and removing applications.

use super::schema::Input;
use super::{Analytics, Answer, configure, invalid, refused};
use crate::Expected;
use serde_json::json;

impl Analytics {
    pub(super) fn start(&self, input: Input<'_>) -> Answer {
        let name = input.given("ApplicationName");
        let beginning = input.of("RunConfiguration").map(configure::beginning).transpose()?;
        let id = self.applications.start_from(name, beginning).map_err(refused)?;
        Ok(json!({ "OperationId": id }))
    }

    pub(super) fn stop(&self, input: Input<'_>) -> Answer {
        let (name, forced) = (input.given("ApplicationName"), input.truth("Force") == Some(true));
        let id = self.applications.order_stop(name, forced).map_err(refused)?;
        Ok(json!({ "OperationId": id }))
    }

    pub(super) fn rollback(&self, input: Input<'_>) -> Answer {
        let name = input.given("ApplicationName");
        let expected = Expected::Version(input.whole("CurrentApplicationVersionId").unwrap_or_default());
        let id = self.applications.rollback(name, expected).map_err(refused)?;
        Ok(json!({ "ApplicationDetail": self.detail(&self.view(name)?, None), "OperationId": id }))
    }

    pub(super) fn delete(&self, input: Input<'_>) -> Answer {
        let view = self.view(input.given("ApplicationName"))?;
        let made_s = (view.created_ms / 1_000) as i64;
        if input.moment_s("CreateTimestamp") != Some(made_s) {
            return Err(invalid(format!(
                "The CreateTimestamp is not that of application {}, which DescribeApplication tells.",
                view.spec.name
            )));
        }
        self.applications.order_delete(&view.spec.name).map_err(refused)?;
        Ok(json!({}))
    }
}
