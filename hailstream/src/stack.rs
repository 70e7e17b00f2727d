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

fn yes() -> bool {
    true
}

fn one() -> u32 {
    1
}

/// A stack and the scripts that it names.
#[derive(Debug, Clone)]
pub(crate) struct StackFiles {
    pub(crate) stack: Stack,
    pub(crate) scripts: BTreeMap<String, String>,
}

/// Why a stack file cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StackError {
    #[error("the stack file is wrong: {0}")]
    Parse(String),
    #[error("application {application} names the script {script}, which does not stand beside the stack file")]
    NoScript { application: String, script: String },
}

impl Stack {
    /// Reads a stack file.
    pub(crate) fn parse(text: &str) -> Result<Self, StackError> {
        serde_norway::from_str(text).map_err(|e| StackError::Parse(e.to_string()))
    }

    /// The files that it names.
    pub(crate) fn files(&self) -> impl Iterator<Item = &str> {
        self.applications.iter().map(|application| application.script.as_str())
    }
}

impl StackFiles {
    /// Reads a stack whose scripts are given by name.
    pub(crate) fn parse(stack: &str, scripts: BTreeMap<String, String>) -> Result<Self, StackError> {
        let stack = Stack::parse(stack)?;
        for application in &stack.applications {
            if !scripts.contains_key(&application.script) {
                let (application, script) = (application.name.clone(), application.script.clone());
                return Err(StackError::NoScript { application, script });
            }
        }
        Ok(Self { stack, scripts })
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
        assert!(files.scripts["taxi.sql"].contains("EXECUTE STATEMENT SET"));
    }

    #[test]
    fn what_is_unknown_or_missing_is_named() {
        let refused = |text: &str| StackFiles::parse(text, BTreeMap::new()).unwrap_err().to_string();
        assert!(refused("streams: [{name: a, shards: 1, shrads: 2}]").contains("shrads"));
        assert!(refused("applications: [{name: a, script: b.sql}]").contains("b.sql"));
        assert!(refused("alarms: []").contains("alarms"));
    }
}
