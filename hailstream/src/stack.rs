//! The stack file: one YAML file that declares streams, indices and applications.

use serde::Deserialize;
use std::collections::BTreeMap;

/// What a stack declares.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Stack {
    #[serde(default)]
    pub(crate) streams: Vec<StreamDecl>,
    #[serde(default)]
    pub(crate) indices: Vec<IndexDecl>,
    #[serde(default)]
    pub(crate) applications: Vec<ApplicationDecl>,
    #[serde(default)]
    pub(crate) alarms: Vec<AlarmDecl>,
    #[serde(default)]
    pub(crate) scaling: Vec<ScalingDecl>,
    #[serde(default)]
    pub(crate) dashboards: Vec<DashboardDecl>,
}

/// A stream.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StreamDecl {
    pub(crate) name: String,
    pub(crate) shards: u32,
    /// How long records are kept, 24 to 8,760; as it is where nothing is said.
    #[serde(default)]
    pub(crate) retention_hours: Option<u32>,
}

/// An index with the types of its fields.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct IndexDecl {
    pub(crate) name: String,
    pub(crate) properties: BTreeMap<String, String>,
}

/// An application.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ApplicationDecl {
    pub(crate) name: String,
    /// The script's file, beside the stack file.
    pub(crate) script: String,
    #[serde(default)]
    pub(crate) description: String,
    #[serde(default = "one")]
    pub(crate) parallelism: u32,
    #[serde(default = "one")]
    pub(crate) parallelism_per_kpu: u32,
    /// Whether rules may change the parallelism.
    #[serde(default)]
    pub(crate) auto_scaling: bool,
    /// How often state is kept, in milliseconds; as the platform does by itself where nothing is said.
    #[serde(default)]
    pub(crate) checkpoint_interval_ms: Option<u64>,
    /// Properties for the places `${name}` of the script, in groups.
    #[serde(default)]
    pub(crate) properties: BTreeMap<String, BTreeMap<String, String>>,
    /// Whether it runs.
    #[serde(default = "yes")]
    pub(crate) running: bool,
}

/// Alarms: those that are advised for an application, or one in the words of `PutMetricAlarm` and `PutCompositeAlarm`.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "serde_json::Value")]
pub(crate) enum AlarmDecl {
    Advised(AdvisedDecl),
    Document(serde_json::Value),
}

/// The alarms that are advised for an application.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AdvisedDecl {
    pub(crate) advised_for: String,
    /// The stream that it reads.
    pub(crate) stream: String,
    /// What is done when one of them rings.
    #[serde(default)]
    pub(crate) actions: Vec<String>,
}

impl TryFrom<serde_json::Value> for AlarmDecl {
    type Error = String;

    fn try_from(value: serde_json::Value) -> Result<Self, String> {
        if value.get("advised_for").is_some() {
            return serde_json::from_value(value).map(Self::Advised).map_err(|error| format!("alarms: {error}"));
        }
        match value.get("AlarmName") {
            Some(_) => Ok(Self::Document(value)),
            None => Err("an alarm has an AlarmName, or is advised_for an application".to_owned()),
        }
    }
}

/// A policy of scaling.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ScalingDecl {
    /// What it scales: `application/NAME` or `stream/NAME`.
    pub(crate) subject: String,
    /// The policy, in the form of docs/scaling.md; ours where nothing is said.
    #[serde(default)]
    pub(crate) policy: serde_json::Map<String, serde_json::Value>,
}

/// A dashboard.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DashboardDecl {
    pub(crate) name: String,
    /// The file of its body (JSON), beside the stack file.
    pub(crate) body: String,
}

fn yes() -> bool {
    true
}

fn one() -> u32 {
    1
}

/// A stack and the files that it names.
#[derive(Debug, Clone)]
pub(crate) struct StackFiles {
    pub(crate) stack: Stack,
    pub(crate) files: BTreeMap<String, String>,
}

/// Why a stack file cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StackError {
    #[error("the stack file is wrong: {0}")]
    Parse(String),
    #[error("the stack names {0}, which does not stand beside the stack file")]
    NoFile(String),
}

impl Stack {
    /// Reads a stack file.
    pub(crate) fn parse(text: &str) -> Result<Self, StackError> {
        serde_norway::from_str(text).map_err(|e| StackError::Parse(e.to_string()))
    }

    /// The files that it names.
    pub(crate) fn files(&self) -> impl Iterator<Item = &str> {
        let scripts = self.applications.iter().map(|application| application.script.as_str());
        scripts.chain(self.dashboards.iter().map(|dashboard| dashboard.body.as_str()))
    }
}

impl StackFiles {
    /// Reads a stack whose files are given by name.
    pub(crate) fn parse(stack: &str, files: BTreeMap<String, String>) -> Result<Self, StackError> {
        let stack = Stack::parse(stack)?;
        if let Some(missing) = stack.files().find(|name| !files.contains_key(*name)) {
            return Err(StackError::NoFile(missing.to_owned()));
        }
        Ok(Self { stack, files })
    }

    /// The taxi example, which the binary carries.
    pub(crate) fn taxi() -> Result<Self, StackError> {
        let script = ("taxi.sql".to_owned(), include_str!("../../examples/taxi/taxi.sql").to_owned());
        Self::parse(include_str!("../../examples/taxi/stack.yaml"), BTreeMap::from([script]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_taxi_example_is_a_stack() {
        let files = StackFiles::taxi().unwrap();
        assert_eq!(files.stack.streams[0].shards, 8);
        assert_eq!(files.stack.indices.len(), 2);
        assert_eq!((files.stack.alarms.len(), files.stack.scaling.len()), (1, 1));
        assert!(files.files["taxi.sql"].contains("EXECUTE STATEMENT SET"));
    }

    #[test]
    fn the_reference_page_names_every_key() {
        let (page, source) = (include_str!("../../docs/stack.md"), include_str!("stack.rs"));
        // The declarations stand before the first function.
        let declared = source.split("impl TryFrom").next().unwrap();
        let rest =
            source.split("/// A policy of scaling.").nth(1).and_then(|rest| rest.split("fn yes()").next()).unwrap();
        let keys = |text: &'static str| {
            let fields = text.lines().filter_map(|line| line.trim().strip_prefix("pub(crate) "));
            fields.filter_map(|field| field.split_once(": ").map(|(key, _)| key))
        };
        let keys: Vec<&str> = keys(declared).chain(keys(rest)).collect();
        assert!(keys.len() >= 25 && keys.contains(&"parallelism_per_kpu") && keys.contains(&"body"), "{keys:?}");
        for key in keys {
            assert!(page.contains(&format!("| `{key}` |")), "docs/stack.md has no row for the key {key}");
        }
    }

    #[test]
    fn what_is_unknown_or_missing_is_named() {
        let refused = |text: &str| StackFiles::parse(text, BTreeMap::new()).unwrap_err().to_string();
        assert!(refused("streams: [{name: a, shards: 1, shrads: 2}]").contains("shrads"));
        assert!(refused("applications: [{name: a, script: b.sql}]").contains("b.sql"));
        assert!(refused("dashboards: [{name: a, body: b.json}]").contains("b.json"));
        assert!(refused("alerts: []").contains("alerts"));
        assert!(refused("alarms: [{Threshold: 3}]").contains("an alarm has an AlarmName"));
        assert!(refused("alarms: [{advised_for: a, strem: b}]").contains("strem"));
    }
}
