//! Tags of alarms and dashboards.

use super::super::service::ServiceError;
use super::input::{Input, required};
use super::{CloudWatch, invalid};
use super::{alarm_output, dashboards};
use model::limits::TAGS_MAX;
use serde_json::{Value, json};

pub(super) const TABLE: &str = "CREATE TABLE cloudwatch_tags (arn TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (arn, key)) STRICT;";

type Tags = Vec<(String, String)>;

impl CloudWatch {
    /// The tags in a call.
    pub(super) fn tags_of(&self, input: &Input<'_>) -> Result<Tags, ServiceError> {
        let mut tags = Tags::new();
        for tag in input.list("Tags", TAGS_MAX)? {
            let (key, value) = (tag.required_text("Key", 128)?, tag.text_from("Value", 0, 256)?);
            let value = value.ok_or_else(|| required(&tag.path("Value")))?;
            if key.starts_with("aws:") {
                return Err(invalid(format!("The key {key} begins with aws:, which is reserved.")));
            }
            tags.push((key.to_owned(), value.to_owned()));
        }
        Ok(tags)
    }

    /// The name of a resource that there is.
    fn resource<'a>(&self, input: &Input<'a>) -> Result<&'a str, ServiceError> {
        let arn = input.required_text("ResourceARN", 1_024)?;
        let behind = |mark| arn.strip_prefix("arn:").and_then(|_| arn.split_once(mark)).map(|(_, name)| name);
        let (kind, is_there) = match (behind(":alarm:"), behind(":dashboard/")) {
            (Some(name), _) => ("alarm", self.alarms.get(name).is_ok() && alarm_output::arn(name) == arn),
            (None, Some(name)) => ("dashboard", self.has_dashboard(name)? && dashboards::arn(name) == arn),
            (None, None) => return Err(invalid(format!("{arn} is no name of an alarm or a dashboard."))),
        };
        if is_there {
            return Ok(arn);
        }
        let message = format!("There is no {kind} {arn}.");
        Err(ServiceError { status: 404, ..ServiceError::new("ResourceNotFoundException", message) })
    }

    /// Adds tags, or gives those that are there other values.
    pub(super) fn add_tags(&self, arn: &str, tags: &Tags) -> Result<(), ServiceError> {
        let fits = self.database.write(|sql| {
            for (key, value) in tags {
                sql.execute("INSERT OR REPLACE INTO cloudwatch_tags VALUES (?1, ?2, ?3)", (arn, key, value))?;
            }
            let text = "SELECT COUNT(*) FROM cloudwatch_tags WHERE arn = ?1";
            let count: i64 = sql.query_row(text, [arn], |row| row.get(0))?;
            // An error takes everything back.
            if count as usize > TAGS_MAX { Err(rusqlite::Error::QueryReturnedMoreThanOneRow) } else { Ok(()) }
        });
        match fits {
            Err(crate::DatabaseError::Sql { source: rusqlite::Error::QueryReturnedMoreThanOneRow, .. }) => {
                Err(invalid(format!("{arn} would have more than {TAGS_MAX} tags.")))
            }
            other => Ok(other?),
        }
    }

    pub(super) fn forget_tags(&self, arn: &str) -> Result<(), ServiceError> {
        self.database.write(|sql| sql.execute("DELETE FROM cloudwatch_tags WHERE arn = ?1", [arn]))?;
        Ok(())
    }

    pub(super) fn tag_resource(&self, input: &Input<'_>) -> Result<Value, ServiceError> {
        let (arn, tags) = (self.resource(input)?, self.tags_of(input)?);
        if tags.is_empty() {
            return Err(required("Tags"));
        }
        self.add_tags(arn, &tags)?;
        Ok(json!({}))
    }

    pub(super) fn untag_resource(&self, input: &Input<'_>) -> Result<Value, ServiceError> {
        let (arn, keys) = (self.resource(input)?, input.texts("TagKeys", TAGS_MAX, 128)?);
        self.database.write(|sql| {
            for key in &keys {
                sql.execute("DELETE FROM cloudwatch_tags WHERE arn = ?1 AND key = ?2", (arn, key))?;
            }
            Ok(())
        })?;
        Ok(json!({}))
    }

    pub(super) fn list_tags_for_resource(&self, input: &Input<'_>) -> Result<Value, ServiceError> {
        let arn = self.resource(input)?;
        let tags: Tags = self.database.read(|sql| {
            let mut statement =
                sql.prepare_cached("SELECT key, value FROM cloudwatch_tags WHERE arn = ?1 ORDER BY key")?;
            statement.query_map([arn], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
        })?;
        let tag = |(key, value): &(String, String)| json!({ "Key": key, "Value": value });
        Ok(json!({ "Tags": tags.iter().map(tag).collect::<Vec<_>>() }))
    }
}
