//! The operations on dashboards.

use super::super::service::ServiceError;
use super::input::{Input, required};
use super::{CloudWatch, PLACE, invalid, tokens};
use rusqlite::OptionalExtension;
use serde_json::{Value, json};

pub(super) const TABLE: &str = "CREATE TABLE cloudwatch_dashboards (name TEXT PRIMARY KEY, body TEXT NOT NULL, modified_ms INTEGER NOT NULL) STRICT;";

/// Longest body, in characters.
const BODY_MAX: usize = 1_024 * 1_024;
/// Most widgets of a dashboard.
const WIDGETS_MAX: usize = 500;
/// Most dashboards.
const DASHBOARDS_MAX: i64 = 5_000;
/// Most dashboards of a page.
const PAGE: usize = 1_000;

type Answer = Result<Value, ServiceError>;

/// The name of a dashboard as a resource.
pub(super) fn arn(name: &str) -> String {
    let account = PLACE.rsplit(':').next().unwrap_or_default();
    format!("arn:aws:cloudwatch::{account}:dashboard/{name}")
}

fn name<'a>(input: &Input<'a>) -> Result<&'a str, ServiceError> {
    let name = input.required_text("DashboardName", 255)?;
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if name.chars().all(legal) {
        return Ok(name);
    }
    Err(invalid(format!("The value {name} for parameter DashboardName must hold letters, digits, - and _ only.")))
}

fn missing(name: &str) -> ServiceError {
    let message = format!("Dashboard {name} does not exist.");
    ServiceError { status: 404, ..ServiceError::new("DashboardNotFoundError", message) }
}

/// What is wrong with a body: where, and what.
fn troubles(body: &Value) -> Vec<(String, String)> {
    let Some(document) = body.as_object() else {
        return vec![("/".to_owned(), "The body must be a JSON object.".to_owned())];
    };
    let Some(widgets) = document.get("widgets") else { return Vec::new() };
    let Some(widgets) = widgets.as_array() else {
        return vec![("/widgets".to_owned(), "The widgets must be a list.".to_owned())];
    };
    let mut found = Vec::new();
    if widgets.len() > WIDGETS_MAX {
        found
            .push(("/widgets".to_owned(), format!("There are {} widgets; there may be {WIDGETS_MAX}.", widgets.len())));
    }
    for (nth, widget) in widgets.iter().enumerate() {
        if widget.get("type").and_then(Value::as_str).is_none() {
            found.push((format!("/widgets/{nth}"), "A widget must have a type.".to_owned()));
        }
        if !widget.get("properties").is_some_and(Value::is_object) {
            found.push((format!("/widgets/{nth}"), "A widget must have properties.".to_owned()));
        }
    }
    found
}

impl CloudWatch {
    pub(super) fn put_dashboard(&self, input: &Input<'_>) -> Answer {
        let name = name(input)?;
        let body = input.text("DashboardBody", BODY_MAX)?.ok_or_else(|| required("DashboardBody"))?;
        let refused = |troubles: &[(String, String)]| {
            let told: Vec<String> = troubles.iter().map(|(path, what)| format!("{path}: {what}")).collect();
            ServiceError::new("DashboardInvalidInputError", format!("The dashboard is wrong: {}", told.join(" ")))
        };
        let parsed: Value = serde_json::from_str(body)
            .map_err(|error| refused(&[("/".to_owned(), format!("The body is not JSON: {error}."))]))?;
        let troubles = troubles(&parsed);
        if !troubles.is_empty() {
            return Err(refused(&troubles));
        }
        let (tags, now_ms) = (self.tags_of(input)?, self.env.now_ms() as i64);
        let kept = self.database.write(|sql| {
            let count: i64 =
                sql.query_row("SELECT COUNT(*) FROM cloudwatch_dashboards WHERE name <> ?1", [name], |row| row.get(0))?;
            if count >= DASHBOARDS_MAX {
                return Ok(false);
            }
            let here = "SELECT EXISTS (SELECT 1 FROM cloudwatch_dashboards WHERE name = ?1)";
            // Tags are for a dashboard that is made; those of one that is there are changed as tags are.
            if !sql.query_row(here, [name], |row| row.get(0))? {
                for (key, value) in &tags {
                    sql.execute("INSERT OR REPLACE INTO cloudwatch_tags VALUES (?1, ?2, ?3)", (arn(name), key, value))?;
                }
            }
            sql.execute("INSERT OR REPLACE INTO cloudwatch_dashboards VALUES (?1, ?2, ?3)", (name, body, now_ms))?;
            Ok(true)
        })?;
        if !kept {
            return Err(ServiceError::new(
                "LimitExceededFault",
                format!("There are {DASHBOARDS_MAX} dashboards; remove some first."),
            ));
        }
        Ok(json!({ "DashboardValidationMessages": [] }))
    }

    pub(super) fn has_dashboard(&self, name: &str) -> Result<bool, ServiceError> {
        let text = "SELECT EXISTS (SELECT 1 FROM cloudwatch_dashboards WHERE name = ?1)";
        Ok(self.database.read(|sql| sql.query_row(text, [name], |row| row.get(0)))?)
    }

    pub(super) fn get_dashboard(&self, input: &Input<'_>) -> Answer {
        let name = name(input)?;
        let text = "SELECT body FROM cloudwatch_dashboards WHERE name = ?1";
        let body: Option<String> =
            self.database.read(|sql| sql.query_row(text, [name], |row| row.get(0)).optional())?;
        let body = body.ok_or_else(|| missing(name))?;
        Ok(json!({ "DashboardName": name, "DashboardArn": arn(name), "DashboardBody": body }))
    }

    pub(super) fn list_dashboards(&self, input: &Input<'_>) -> Answer {
        let prefix = input.text_from("DashboardNamePrefix", 0, 255)?.unwrap_or_default();
        let begin = tokens::begin(input, prefix)?;
        let rows: Vec<(String, i64, i64)> = self.database.read(|sql| {
            let text = "SELECT name, modified_ms, LENGTH(CAST(body AS BLOB)) FROM cloudwatch_dashboards
                        WHERE SUBSTR(name, 1, LENGTH(?1)) = ?1 ORDER BY name LIMIT ?2 OFFSET ?3";
            let mut statement = sql.prepare_cached(text)?;
            let page = (prefix, PAGE as i64 + 1, begin as i64);
            statement.query_map(page, |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?.collect()
        })?;
        let entry = |(name, modified_ms, size): &(String, i64, i64)| {
            let modified = *modified_ms as f64 / 1_000.0;
            json!({ "DashboardName": name, "DashboardArn": arn(name), "LastModified": modified, "Size": size })
        };
        let mut output = json!({ "DashboardEntries": rows.iter().take(PAGE).map(entry).collect::<Vec<_>>() });
        if rows.len() > PAGE {
            output["NextToken"] = json!(tokens::token(begin + PAGE, prefix));
        }
        Ok(output)
    }

    pub(super) fn delete_dashboards(&self, input: &Input<'_>) -> Answer {
        let names = input.texts("DashboardNames", 100, 255)?;
        if names.is_empty() {
            return Err(required("DashboardNames"));
        }
        let unknown = self.database.write(|sql| {
            let text = "SELECT COUNT(*) FROM cloudwatch_dashboards WHERE name = ?1";
            for name in &names {
                let count: i64 = sql.query_row(text, [name], |row| row.get(0))?;
                if count == 0 {
                    return Ok(Some(name.clone()));
                }
            }
            for name in &names {
                sql.execute("DELETE FROM cloudwatch_dashboards WHERE name = ?1", [name])?;
                sql.execute("DELETE FROM cloudwatch_tags WHERE arn = ?1", [arn(name)])?;
            }
            Ok(None)
        })?;
        unknown.map_or_else(|| Ok(json!({})), |name| Err(missing(&name)))
    }
}
