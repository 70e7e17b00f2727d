//! Every recorded case of the real Flink is planned, or refused, as it was there.
#![allow(clippy::unwrap_used, missing_docs)]

mod sql_support;

use std::fs;
use std::path::{Path, PathBuf};

/// Folders of recorded cases.
fn cases() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../conformance/sql");
    let folders = |path: &Path| -> Vec<PathBuf> {
        let entries = fs::read_dir(path).unwrap().map(|e| e.unwrap().path());
        entries.filter(|p| p.is_dir()).collect()
    };
    let mut cases: Vec<PathBuf> = folders(&root).iter().flat_map(|f| folders(f)).collect();
    cases.sort();
    cases
}

/// Cases of features that are refused by name for now.
const LATER: [&str; 2] = ["script/rows-and-fields", "text/parse-url-json"];

#[test]
fn cases_are_planned_or_refused_as_recorded() {
    let mut wrong = Vec::new();
    for case in cases() {
        let script = fs::read_to_string(case.join("case.sql")).unwrap();
        let recorded = fs::read_to_string(case.join("expected/error.txt")).unwrap_or_default();
        let planned = sql_support::plan(&script);
        if LATER.iter().any(|later| case.ends_with(later)) {
            let message = planned.map_or_else(|e| e.to_string(), |_| "it is planned: take it off the list".to_owned());
            if !message.contains("not supported yet") {
                wrong.push(format!("{}: {message}", case.display()));
            }
            continue;
        }
        // What a connector wants is said by the connector.
        if recorded.contains("options") {
            continue;
        }
        match planned {
            Err(e) if !recorded.starts_with("refused") => wrong.push(format!("{}: {e}", case.display())),
            Ok(_) if recorded.starts_with("refused") => {
                wrong.push(format!("{}: planned, but {recorded}", case.display()));
            }
            _ => {}
        }
    }
    assert!(wrong.is_empty(), "{} cases:\n{}", wrong.len(), wrong.join("\n"));
}
