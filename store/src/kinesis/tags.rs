//! Tags of streams, in the older family of operations (by stream) and in the newer one (by resource).

use super::error::ApiError;
use super::validate::Check;
use super::{Door, check_stream, parse, to_json};
use crate::setting::Resource;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Most tags in one answer of ListTagsForStream, and where nothing else is asked for.
const LIST_MAX: i64 = 50;
/// Most tags in one request.
const REQUEST_MAX: usize = 200;
/// Most keys in one request.
const KEYS_MAX: usize = 50;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct TagInput {
    stream_name: Option<String>,
    #[serde(rename = "StreamARN")]
    stream_arn: Option<String>,
    stream_id: Option<String>,
    #[serde(rename = "ResourceARN")]
    resource_arn: Option<String>,
    tags: Option<BTreeMap<String, String>>,
    tag_keys: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ListTagsInput {
    stream_name: Option<String>,
    #[serde(rename = "StreamARN")]
    stream_arn: Option<String>,
    stream_id: Option<String>,
    #[serde(rename = "ResourceARN")]
    resource_arn: Option<String>,
    exclusive_start_tag_key: Option<String>,
    limit: Option<i64>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Tag {
    key: String,
    value: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ListTagsOutput {
    tags: Vec<Tag>,
    #[serde(skip_serializing_if = "Option::is_none")]
    has_more_tags: Option<bool>,
}

/// Which family an operation belongs to, and so how it names its stream.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Family {
    Stream,
    Resource,
}

/// Checks how a request of a family names its stream.
fn check_target(check: &mut Check, family: Family, stream: (Option<&str>, Option<&str>), resource: Option<&str>) {
    match family {
        Family::Stream => check_stream(check, stream.0, stream.1),
        Family::Resource => {
            check.present("resourceARN", resource.as_ref());
            check.resource_arn("resourceARN", resource);
        }
    }
}

impl TagInput {
    fn parse(body: &[u8], family: Family) -> Result<(Self, Check), ApiError> {
        let input: Self = parse(body)?;
        let mut check = Check::default();
        let stream = (input.stream_name.as_deref(), input.stream_arn.as_deref());
        check_target(&mut check, family, stream, input.resource_arn.as_deref());
        check.stream_id(input.stream_id.as_deref());
        Ok((input, check))
    }
}

pub(super) fn check_tags(check: &mut Check, tags: Option<&BTreeMap<String, String>>) {
    check.present("tags", tags);
    let Some(tags) = tags else { return };
    check.count("tags", tags.len(), 1, REQUEST_MAX);
    for (key, value) in tags.iter().take(REQUEST_MAX) {
        check.length("tags.key", key, 1, 128);
        check.length(format_args!("tags.{key}.member"), value, 0, 256);
    }
}

fn check_keys(check: &mut Check, keys: Option<&Vec<String>>) {
    check.present("tagKeys", keys);
    let Some(keys) = keys else { return };
    check.count("tagKeys", keys.len(), 1, KEYS_MAX);
    for (i, key) in keys.iter().enumerate().take(KEYS_MAX) {
        check.length(format_args!("tagKeys.{}.member", i + 1), key, 1, 128);
    }
}

/// What a tag is made of: letters, digits and white space of any script, and these signs.
pub(super) fn check_letters(tags: Option<&BTreeMap<String, String>>) -> Result<(), ApiError> {
    let fits = |c: char| c.is_alphanumeric() || c.is_whitespace() || "_./=+-%@:".contains(c);
    match tags.into_iter().flatten().find(|(key, value)| !key.chars().chain(value.chars()).all(fits)) {
        Some((key, _)) => Err(ApiError::invalid(format!(
            "Some tags contain invalid characters. Valid characters: Unicode letters, digits, white space, _ . / = + - % @ : \
             (see the tag {key:?})"
        ))),
        None => Ok(()),
    }
}

impl Door {
    pub(super) async fn add_tags_to_stream(&self, body: &[u8]) -> Result<Vec<u8>, ApiError> {
        self.add_tags(body, Family::Stream).await
    }

    pub(super) async fn tag_resource(&self, body: &[u8]) -> Result<Vec<u8>, ApiError> {
        self.add_tags(body, Family::Resource).await
    }

    async fn add_tags(&self, body: &[u8], family: Family) -> Result<Vec<u8>, ApiError> {
        let (input, mut check) = TagInput::parse(body, family)?;
        check_tags(&mut check, input.tags.as_ref());
        check.finish()?;
        let tags = input.tags.clone().unwrap_or_default();
        check_letters(Some(&tags))?;
        self.store.tag(self.tagged(&input)?, tags).await.map(|()| Vec::new()).map_err(|error| self.setting_error(error))
    }

    pub(super) async fn remove_tags_from_stream(&self, body: &[u8]) -> Result<Vec<u8>, ApiError> {
        self.remove_tags(body, Family::Stream).await
    }

    pub(super) async fn untag_resource(&self, body: &[u8]) -> Result<Vec<u8>, ApiError> {
        self.remove_tags(body, Family::Resource).await
    }

    async fn remove_tags(&self, body: &[u8], family: Family) -> Result<Vec<u8>, ApiError> {
        let (input, mut check) = TagInput::parse(body, family)?;
        check_keys(&mut check, input.tag_keys.as_ref());
        check.finish()?;
        let removed = self.store.untag(self.tagged(&input)?, input.tag_keys.as_deref().unwrap_or_default()).await;
        removed.map(|()| Vec::new()).map_err(|error| self.setting_error(error))
    }

    pub(super) fn list_tags_for_stream(&self, body: &[u8]) -> Result<Vec<u8>, ApiError> {
        let input: ListTagsInput = parse(body)?;
        let mut check = Check::default();
        check_stream(&mut check, input.stream_name.as_deref(), input.stream_arn.as_deref());
        check.stream_id(input.stream_id.as_deref());
        check.range("limit", input.limit, 1, LIST_MAX);
        if let Some(key) = input.exclusive_start_tag_key.as_deref() {
            check.length("exclusiveStartTagKey", key, 1, 128);
        }
        check.finish()?;
        let stream = self.stream_name(input.stream_name.as_deref(), input.stream_arn.as_deref())?;
        let all = self.store.tags(stream).map_err(|error| self.setting_error(error))?;
        let after = |key: &&String| input.exclusive_start_tag_key.as_ref().is_none_or(|start| *key > start);
        let mut left = all.iter().filter(|(key, _)| after(key));
        let tags = left.by_ref().take(input.limit.unwrap_or(LIST_MAX) as usize).map(tag).collect();
        to_json(&ListTagsOutput { tags, has_more_tags: Some(left.next().is_some()) })
    }

    pub(super) fn list_tags_for_resource(&self, body: &[u8]) -> Result<Vec<u8>, ApiError> {
        let input: ListTagsInput = parse(body)?;
        let mut check = Check::default();
        check_target(&mut check, Family::Resource, (None, None), input.resource_arn.as_deref());
        check.stream_id(input.stream_id.as_deref());
        check.finish()?;
        let resource = self.resource(input.resource_arn.as_deref().unwrap_or_default())?;
        let all = self.store.tags(resource).map_err(|error| self.setting_error(error))?;
        to_json(&ListTagsOutput { tags: all.iter().map(tag).collect(), has_more_tags: None })
    }

    /// The stream or consumer that a request of either family names.
    fn tagged<'a>(&self, input: &'a TagInput) -> Result<Resource<'a>, ApiError> {
        match input.resource_arn.as_deref() {
            Some(arn) => self.resource(arn),
            None => Ok(self.stream_name(input.stream_name.as_deref(), input.stream_arn.as_deref())?.into()),
        }
    }
}

fn tag((key, value): (&String, &String)) -> Tag {
    Tag { key: key.clone(), value: value.clone() }
}
