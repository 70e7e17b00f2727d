//! What the tests of the SQL front share: planning without any connector.
#![allow(missing_docs, reason = "for tests alone")]

use engine::plan::TableDef;
use engine::port::{Connectors, PortError, Role, Sink, SinkSpec, Source};
use engine::sql::{Planned, Script, Session, SqlError};
use model::Kind;
use std::sync::Arc;

/// Knows the connector names of the tests and opens none of them.
pub struct Checked;

impl Connectors for Checked {
    fn check(&self, table: &TableDef, _: Role) -> Result<(), PortError> {
        match table.options.get("connector").map(String::as_str) {
            Some("filesystem" | "datagen" | "print" | "blackhole") => Ok(()),
            Some(other) => Err(PortError::new(Kind::Invalid, format!("unknown connector '{other}'"))),
            None => Err(PortError::new(Kind::Invalid, "the option 'connector' is missing")),
        }
    }

    fn source(&self, _: &TableDef) -> Result<Arc<dyn Source>, PortError> {
        Err(PortError::new(Kind::Internal, "nothing is opened here"))
    }

    fn sink(&self, _: &SinkSpec) -> Result<Box<dyn Sink>, PortError> {
        Err(PortError::new(Kind::Internal, "nothing is opened here"))
    }
}

/// What a script is planned to do in a fresh session.
pub fn plan(script: &str) -> Result<Vec<Planned>, SqlError> {
    Session::new().plan(&Script::parse(script)?, &Checked)
}

/// The plan of the first statement that runs, as text.
#[allow(dead_code, reason = "each test binary uses its part")]
pub fn explain(script: &str) -> String {
    for word in ["EXECUTE STATEMENT SET", "INSERT INTO", "SELECT"] {
        let starts = script.lines().position(|l| l.starts_with(word));
        let Some(line) = starts else { continue };
        let text: Vec<String> = script
            .lines()
            .enumerate()
            .map(|(i, l)| match (i == line, word) {
                (true, "EXECUTE STATEMENT SET") => l.replacen("EXECUTE", "EXPLAIN", 1),
                (true, _) => format!("EXPLAIN {l}"),
                _ => l.to_owned(),
            })
            .collect();
        for step in plan(&text.join("\n")).unwrap() {
            if let Planned::Explain(text) = step {
                return text;
            }
        }
    }
    panic!("nothing to explain");
}
