//! What belongs to an application beside its versions: tags, its maintenance window, the console that shows it.

use super::schema::Input;
use super::{Analytics, Answer, configure, describe, invalid, refused, unsupported};
use crate::ControlError;
use crate::aws::ServiceError;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What a change of tags is refused with.
struct Refusal(ServiceError);

impl From<ControlError> for Refusal {
    fn from(error: ControlError) -> Self {
        Self(refused(error))
    }
}

impl Analytics {
    /// The application that an ARN names.
    fn named(&self, input: Input<'_>) -> Result<String, ServiceError> {
        let arn = input.given("ResourceARN");
        let parts: Vec<&str> = arn.splitn(6, ':').collect();
        let name = match parts[..] {
            ["arn", partition, "kinesisanalytics", _, _, resource] if partition.starts_with("aws") => {
                resource.strip_prefix("application/")
            }
            _ => None,
        };
        let name = name.ok_or_else(|| invalid(format!("{arn} is not the ARN of an application.")))?;
        let view = self.view(name)?;
        if self.arn(&view.spec.name) != arn {
            let message = format!("There is no resource {arn} here; the application's ARN is {}.", self.arn(name));
            return Err(ServiceError::new("ResourceNotFoundException", message));
        }
        Ok(view.spec.name)
    }

    fn change_tags(
        &self,
        input: Input<'_>,
        change: impl FnOnce(&mut BTreeMap<String, String>) -> Result<(), ServiceError>,
    ) -> Answer {
        let name = self.named(input)?;
        let changed = self.applications.change_tags(&name, |tags| change(tags).map_err(Refusal));
        changed.map(|()| json!({})).map_err(|Refusal(error)| error)
    }

    pub(super) fn tag(&self, input: Input<'_>) -> Answer {
        self.change_tags(input, |tags| configure::add_tags(tags, input))
    }

    pub(super) fn untag(&self, input: Input<'_>) -> Answer {
        self.change_tags(input, |tags| {
            let keys = input.list("TagKeys").into_iter().flatten();
            keys.filter_map(|key| key.0.as_str()).for_each(|key| drop(tags.remove(key)));
            Ok(())
        })
    }

    pub(super) fn tags(&self, input: Input<'_>) -> Answer {
        let view = self.view(&self.named(input)?)?;
        let tags: Vec<Value> = view.tags.iter().map(|(key, value)| json!({ "Key": key, "Value": value })).collect();
        Ok(json!({ "Tags": tags }))
    }

    pub(super) fn maintain(&self, input: Input<'_>) -> Answer {
        let name = input.given("ApplicationName");
        let update = input.of("ApplicationMaintenanceConfigurationUpdate");
        let at = update.map(|update| update.given("ApplicationMaintenanceWindowStartTimeUpdate")).unwrap_or_default();
        self.applications.set_maintenance(name, at).map_err(refused)?;
        Ok(json!({
            "ApplicationARN": self.arn(name),
            "ApplicationMaintenanceConfigurationDescription": describe::maintenance(at),
        }))
    }

    pub(super) fn presigned(&self, input: Input<'_>) -> Answer {
        let view = self.view(input.given("ApplicationName"))?;
        if input.text("UrlType") == Some("ZEPPELIN_UI_URL") {
            return Err(unsupported("There are no notebooks here: use FLINK_DASHBOARD_URL, which opens the console."));
        }
        let console = self.place.console.trim_end_matches('/');
        Ok(json!({ "AuthorizedUrl": format!("{console}/?application={}", view.spec.name) }))
    }
}
