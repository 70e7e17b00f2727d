//! What the tests of the SQL front share: planning without any connector.
#![allow(missing_docs, reason = "for tests alone")]

use engine::plan::TableDef;
use engine::port::{Connectors, PortError, Role, Sink, SinkSpec, Source};
use engine::sql::{Planned, Script, Session, SqlError};
use model::Kind;
use std::sync::Arc;

/// Knows the connector names of the tests and opens none of them.
pub(crate) struct Checked;

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
pub(crate) fn plan(script: &str) -> Result<Vec<Planned>, SqlError> {
    Session::new().plan(&Script::parse(script)?, &Checked)
}
