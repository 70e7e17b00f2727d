//! Scripts of SQL: read, bound and planned, against a session that has tables.

use engine::plan::TableDef;
use engine::port::{Connectors, PortError, Role, Sink, SinkSpec, Source};
use engine::sql::{Planned, Script, Session};
use model::Kind;
use std::sync::{Arc, LazyLock};

/// Takes every table and opens none.
struct Closed;

fn closed() -> PortError {
    PortError::new(Kind::Internal, "nothing is opened here")
}

impl Connectors for Closed {
    fn check(&self, _: &TableDef, _: Role) -> Result<(), PortError> {
        Ok(())
    }

    fn source(&self, _: &TableDef) -> Result<Arc<dyn Source>, PortError> {
        Err(closed())
    }

    fn sink(&self, _: &SinkSpec) -> Result<Box<dyn Sink>, PortError> {
        Err(closed())
    }
}

const TABLES: &str = "
    CREATE TABLE rides (id BIGINT, fare DECIMAL(10, 2), city STRING, ok BOOLEAN, ts TIMESTAMP(3),
        WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH ('connector' = 'in');
    CREATE TABLE sums (city STRING, total DOUBLE, PRIMARY KEY (city) NOT ENFORCED) WITH ('connector' = 'out');";

static SESSION: LazyLock<Session> = LazyLock::new(|| {
    let mut session = Session::new();
    session.plan(&Script::parse(TABLES).unwrap(), &Closed).unwrap();
    session
});

/// A script becomes a plan or an error that says something.
pub fn sql(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let planned = Script::parse(&text).and_then(|script| SESSION.clone().plan(&script, &Closed));
    match planned {
        Ok(planned) => {
            let explained = |one: &Planned| matches!(one, Planned::Explain(text) if text.is_empty());
            assert!(!planned.iter().any(explained), "a plan without a text");
        }
        Err(error) => assert!(!error.to_string().is_empty(), "an error without a word"),
    }
}
