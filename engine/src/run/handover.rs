//! What can go on elsewhere: of which plans another engine can make the results that are still open, from the records of their
//! sources alone, so that each result is written by one of the two.
//!
//! State is not handed over: what the windows hold that are open is in records that sources still have. So all that a plan
//! keeps has to be windows over single rows, and what is written has to replace what was written early.

use super::aggregate::Windows;
use super::correction::place_of;
use crate::plan::{JobPlan, NodeKind, SinkTarget, TableDef, WindowSource};
use crate::port::{Changelog, Connectors};
use std::collections::BTreeSet;
use std::sync::Arc;

/// A plan that can go on elsewhere.
#[derive(Debug, Clone)]
pub struct Movable {
    windows: Vec<(String, Windows)>,
    sources: Vec<Arc<TableDef>>,
    sinks: Vec<String>,
}

impl Movable {
    /// What of `plan` is handed over, or every reason why it cannot be.
    ///
    /// # Errors
    /// All of the reasons, each about one operator or table.
    pub fn of(plan: &JobPlan, connectors: &dyn Connectors) -> Result<Self, Vec<String>> {
        let (mut reasons, mut windows, mut sinks) = (BTreeSet::new(), Vec::new(), BTreeSet::new());
        let mut sources: Vec<Arc<TableDef>> = Vec::new();
        for (id, node) in plan.nodes.iter().enumerate() {
            match &node.kind {
                kind if kind.goes_by_the_clock() => {
                    reasons.insert(format!("operator {id} goes by the clock, which no record tells"));
                }
                NodeKind::Keyed { .. } => {
                    let why = "keeps rows or groups without an end in time, or across windows: only windows over single rows can be made from records again";
                    reasons.insert(format!("operator {id} {why}"));
                }
                NodeKind::WindowAssign { window } => windows.push((place_of(id), Windows::assigned(window.clone()))),
                NodeKind::WindowAggregate { window: WindowSource::Assigned(spec), .. } => {
                    windows.push((place_of(id), Windows::assigned(spec.clone())));
                }
                NodeKind::Scan { table, .. } if sources.iter().all(|known| known.name != table.name) => {
                    sources.push(table.clone());
                }
                NodeKind::Sink { target, .. } => match target {
                    SinkTarget::Table(table) => {
                        reasons.extend(not_replacing(table, connectors));
                        sinks.insert(table.name.clone());
                    }
                    SinkTarget::Collect => {
                        reasons.insert("rows that are shown to whoever asks are in no table".to_owned());
                    }
                },
                _ => {}
            }
        }
        if !reasons.is_empty() {
            return Err(reasons.into_iter().collect());
        }
        Ok(Self { windows, sources, sinks: sinks.into_iter().collect() })
    }

    /// The aggregations whose open windows are handed over, by name, each with the moment at which the earliest window begins
    /// that is open at `watermark`; both in milliseconds since the epoch.
    pub fn open_windows(&self, watermark: i64) -> Vec<(String, i64)> {
        let begin = |(name, windows): &(String, Windows)| Some((name.clone(), windows.earliest_open(watermark)?));
        self.windows.iter().filter_map(begin).collect()
    }

    /// The earliest event time of a row that a result which is open at `watermark` may need; both in milliseconds since the epoch.
    pub fn needed_from(&self, watermark: i64) -> i64 {
        self.open_windows(watermark).into_iter().map(|(_, begin)| begin).min().unwrap_or(watermark).min(watermark)
    }

    /// Whether windows follow a wall clock that is not UTC; `None` where some do and others do not.
    pub fn is_zoned(&self) -> Option<bool> {
        let mut zoned = self.windows.iter().map(|(_, windows)| !windows.zone().is_utc());
        let first = zoned.next().unwrap_or(false);
        zoned.all(|other| other == first).then_some(first)
    }

    /// The tables that are read.
    pub fn sources(&self) -> &[Arc<TableDef>] {
        &self.sources
    }

    /// The names of the tables that are written.
    pub fn sinks(&self) -> &[String] {
        &self.sinks
    }
}

/// Why a row of a table would be there twice once two engines have written it.
fn not_replacing(table: &TableDef, connectors: &dyn Connectors) -> Option<String> {
    if connectors.changelog(table) == Changelog::Append {
        return Some(format!("table {} takes new rows only, so that what is written twice is there twice", table.name));
    }
    let without = table.primary_key.is_empty();
    without.then(|| {
        format!("table {} has no PRIMARY KEY, by which both runners would write a row under the same id", table.name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::{Planned, Script, Session};

    struct Tables;

    impl Connectors for Tables {
        fn check(&self, _: &TableDef, _: crate::port::Role) -> Result<(), crate::port::PortError> {
            Ok(())
        }
        fn changelog(&self, table: &TableDef) -> Changelog {
            if table.options["connector"] == "files" { Changelog::Append } else { Changelog::Upsert }
        }
        fn source(&self, _: &TableDef) -> Result<Arc<dyn crate::port::Source>, crate::port::PortError> {
            unreachable!()
        }
        fn sink(&self, _: &crate::port::SinkSpec) -> Result<Box<dyn crate::port::Sink>, crate::port::PortError> {
            unreachable!()
        }
    }

    fn movable(inserts: &str) -> Result<Movable, Vec<String>> {
        let script = format!(
            "CREATE TABLE t (a INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts) WITH ('connector'='x');
             CREATE TABLE keyed (w TIMESTAMP(3), a INT, n BIGINT, PRIMARY KEY (w, a) NOT ENFORCED) WITH ('connector'='x');
             CREATE TABLE bare (w TIMESTAMP(3), a INT, n BIGINT) WITH ('connector'='x');
             CREATE TABLE file (w TIMESTAMP(3), a INT, n BIGINT) WITH ('connector'='files');
             EXECUTE STATEMENT SET BEGIN {inserts}; END;"
        );
        let planned = Session::new().plan(&Script::parse(&script).unwrap(), &Tables).unwrap();
        let plan = planned.into_iter().find_map(|step| match step {
            Planned::Job { plan, .. } => Some(plan),
            _ => None,
        });
        Movable::of(&plan.unwrap(), &Tables)
    }

    fn counted(into: &str, windows: &str) -> String {
        format!(
            "INSERT INTO {into} SELECT window_start, a, COUNT(*) FROM TABLE({windows}) GROUP BY window_start, window_end, a"
        )
    }

    const TUMBLE: &str = "TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '10' SECOND)";
    const HOP: &str = "HOP(TABLE t, DESCRIPTOR(ts), INTERVAL '10' SECOND, INTERVAL '60' SECOND)";

    #[test]
    fn windows_over_rows_into_tables_with_a_key_can_go_on_elsewhere() {
        let told = movable(&format!("{}; {}", counted("keyed", TUMBLE), counted("keyed", HOP))).unwrap();
        // At 75 s the tumbling window from 70 s is open, and of the hopping ones the first is that from 20 to 80 s.
        assert_eq!(told.open_windows(75_000).iter().map(|(_, begin)| *begin).collect::<Vec<_>>(), [70_000, 20_000]);
        assert_eq!(told.needed_from(75_000), 20_000);
        assert_eq!((told.is_zoned(), told.sinks()), (Some(false), &["keyed".to_owned()][..]));
        assert_eq!(told.sources().iter().map(|t| t.name.as_str()).collect::<Vec<_>>(), ["t"]);
        let plain = movable("INSERT INTO keyed SELECT ts, a, 1 FROM t").unwrap();
        assert_eq!((plain.needed_from(7), plain.open_windows(7)), (7, vec![]));
    }

    #[test]
    fn what_cannot_is_told_with_every_reason() {
        let why = |inserts: &str| movable(inserts).unwrap_err().join("; ");
        assert!(why(&counted("bare", TUMBLE)).contains("table bare has no PRIMARY KEY"));
        assert!(why(&counted("file", TUMBLE)).contains("table file takes new rows only"));
        let both = why(&format!(
            "INSERT INTO keyed SELECT MAX(ts), a, COUNT(*) FROM t GROUP BY a; {}",
            counted("bare", TUMBLE)
        ));
        assert!(both.contains("without an end in time") && both.contains("table bare"), "{both}");
    }
}
