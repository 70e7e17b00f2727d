//! Tags of scalable targets.

use super::book::Kind;
use super::{AutoScaling, broken, validation};
use crate::aws::service::ServiceError;
use serde_json::{Value, json};

const TAGS_MAX: usize = 50;
const KEY_CHARS_MAX: usize = 128;
const VALUE_CHARS_MAX: usize = 256;

impl AutoScaling {
    fn tagged(&self, input: &Value) -> Result<(String, Value), ServiceError> {
        let arn = input["ResourceARN"].as_str().unwrap_or_default();
        if arn.is_empty() {
            return Err(validation(
                "1 validation error detected: Value null at 'resourceARN' failed to satisfy constraint: Member must not be null",
            ));
        }
        let all = self.book.all(Kind::Target).map_err(|error| broken(&error))?;
        all.into_iter().find(|(_, target)| target["ScalableTargetARN"] == arn).ok_or_else(|| {
            let message = format!("The resource doesn't exist: {arn}");
            ServiceError::new("ResourceNotFoundException", message)
        })
    }

    pub(super) fn tag(&self, input: &Value) -> Result<Value, ServiceError> {
        let (key, mut target) = self.tagged(input)?;
        let Some(tags) = input["Tags"].as_object() else { return Err(validation("Tags must not be null")) };
        for (name, value) in tags {
            let value = value.as_str().ok_or_else(|| validation("the value of a tag must be a string"))?;
            let (name_chars, value_chars) = (name.chars().count(), value.chars().count());
            if !(1..=KEY_CHARS_MAX).contains(&name_chars) || value_chars > VALUE_CHARS_MAX || name.starts_with("aws:") {
                return Err(validation(format!("The tag {name:?} is not a legal one.")));
            }
            target["Tags"][name] = json!(value);
        }
        if target["Tags"].as_object().map_or(0, serde_json::Map::len) > TAGS_MAX {
            let message = format!("A scalable target may have {TAGS_MAX} tags.");
            return Err(ServiceError::new("TooManyTagsException", message));
        }
        self.keep(Kind::Target, &key, &target)?;
        Ok(json!({}))
    }

    pub(super) fn untag(&self, input: &Value) -> Result<Value, ServiceError> {
        let (key, mut target) = self.tagged(input)?;
        let Some(names) = input["TagKeys"].as_array() else { return Err(validation("TagKeys must not be null")) };
        if let Some(tags) = target["Tags"].as_object_mut() {
            tags.retain(|name, _| !names.iter().any(|gone| gone == name));
        }
        self.keep(Kind::Target, &key, &target)?;
        Ok(json!({}))
    }

    pub(super) fn list_tags(&self, input: &Value) -> Result<Value, ServiceError> {
        let (_, target) = self.tagged(input)?;
        Ok(json!({ "Tags": target["Tags"] }))
    }
}
