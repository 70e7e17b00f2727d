//! Replays every recorded case of `conformance/sql/` at two parallelisms: what a real Flink answered is what we answer.
#![allow(clippy::unwrap_used, clippy::print_stderr, missing_docs, reason = "for tests alone")]

use engine::run::connectors::BuiltinConnectors;
use engine::run::{JobOptions, ScriptError, run_script};
use model::Env;
use serde_json::Value;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Cases whose recorded answer is not ours on purpose, with the reason.
const DEVIATIONS: [(&str, &str); 2] = [
    (
        "json/timestamps-beyond-precision",
        "the real one lets digits beyond the declared precision pass through a TIMESTAMP(3); ours holds three",
    ),
    (
        "window/tumble-offset",
        "the first half of the real one's aggregation flushes as if windows had no offset, so that rows are lost as late",
    ),
];

/// Cases that need what may not be there yet. Each is answered rightly or refused by name before anything starts.
const NOT_YET: [(&str, &str); 2] = [("script/rows-and-fields", "ROW"), ("text/parse-url-json", "JSON_VALUE")];

#[test]
fn recorded_answers_hold() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../conformance/sql");
    let only = std::env::var("CASE").unwrap_or_default();
    let cases: Vec<PathBuf> = cases(&root).into_iter().filter(|c| c.display().to_string().contains(&only)).collect();
    assert!(!cases.is_empty(), "no case in {}", root.display());
    let mut wrong = Vec::new();
    for case in &cases {
        let name = case.strip_prefix(&root).unwrap().display().to_string();
        if DEVIATIONS.iter().any(|(deviating, _)| *deviating == name) {
            continue;
        }
        if let Some((_, word)) = NOT_YET.iter().find(|(case, _)| *case == name) {
            match replay(case, 1) {
                Ok(()) => {}
                Err(what) if what.contains(word) && what.starts_with("line ") => {}
                other => wrong.push(format!("{name} is neither right nor refused for {word}: {other:?}")),
            }
            continue;
        }
        for parallelism in [1, 3] {
            if let Err(what) = replay(case, parallelism) {
                wrong.push(format!("{name} at parallelism {parallelism}: {what}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {} cases differ:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

fn cases(root: &Path) -> Vec<PathBuf> {
    let mut cases = Vec::new();
    for feature in folders(root) {
        cases.extend(folders(&feature).into_iter().filter(|c| c.join("expected").is_dir()));
    }
    cases.sort();
    cases
}

fn folders(path: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(path).into_iter().flatten();
    entries.map(|e| e.unwrap().path()).filter(|p| p.is_dir()).collect()
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            std::fs::copy(&path, &target).unwrap();
        }
    }
}

fn replay(case: &Path, parallelism: u32) -> Result<(), String> {
    let folder = tempfile::tempdir().unwrap();
    if case.join("input").is_dir() {
        copy(&case.join("input"), &folder.path().join("input"));
    }
    let script = std::fs::read_to_string(case.join("case.sql")).unwrap();
    let env = Env::system();
    let connectors = Arc::new(BuiltinConnectors::new(folder.path(), env.clone()));
    let options = JobOptions {
        parallelism: Some(parallelism),
        // A small read makes many batches even of a small file.
        read_bytes: if parallelism == 1 { 512 * 1024 } else { 150 },
        strict: true,
        ..JobOptions::new("conformance", env, connectors)
    };
    let outcome = run_script(&script, &options, &mut |_| ControlFlow::Continue(()));
    let error = case.join("expected/error.txt");
    if error.exists() {
        let recorded = std::fs::read_to_string(error).unwrap();
        return match outcome {
            Ok(_) => Err(format!("it ends well where the real one says {recorded}")),
            Err(ScriptError::Failed { error, .. }) if recorded.starts_with("refused") => {
                Err(format!("it is refused by the real one ({recorded}), but was started: {error}"))
            }
            Err(_) => Ok(()),
        };
    }
    outcome.map_err(|e| e.to_string())?;
    for entry in std::fs::read_dir(case.join("expected")).unwrap() {
        let path = entry.unwrap().path();
        let table = path.file_stem().unwrap();
        let expected = rows(std::fs::read_to_string(&path).unwrap().lines());
        let found = rows(written(&folder.path().join("out").join(table)).lines());
        compare(&expected, found).map_err(|e| format!("{}: {e}", table.display()))?;
    }
    Ok(())
}

fn written(folder: &Path) -> String {
    let entries = std::fs::read_dir(folder).into_iter().flatten().map(|e| e.unwrap().path());
    entries.map(|p| std::fs::read_to_string(p).unwrap()).collect()
}

/// Each row as its members in order.
fn rows<'a>(lines: impl Iterator<Item = &'a str>) -> Vec<Vec<(String, Value)>> {
    lines.filter(|l| !l.trim().is_empty()).map(members).collect()
}

/// The members of an object in the order of the text, which a map would not keep.
fn members(line: &str) -> Vec<(String, Value)> {
    struct Ordered(Vec<(String, Value)>);
    impl<'de> serde::Deserialize<'de> for Ordered {
        fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            struct Visitor;
            impl<'de> serde::de::Visitor<'de> for Visitor {
                type Value = Ordered;
                fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                    f.write_str("an object")
                }
                fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Ordered, A::Error> {
                    let mut members = Vec::new();
                    while let Some(entry) = map.next_entry()? {
                        members.push(entry);
                    }
                    Ok(Ordered(members))
                }
            }
            deserializer.deserialize_map(Visitor)
        }
    }
    serde_json::from_str::<Ordered>(line).unwrap_or_else(|e| panic!("{line}: {e}")).0
}

fn compare(expected: &[Vec<(String, Value)>], mut found: Vec<Vec<(String, Value)>>) -> Result<(), String> {
    let mut missing = Vec::new();
    for row in expected {
        match found.iter().position(|f| same_row(row, f)) {
            Some(at) => drop(found.swap_remove(at)),
            None => missing.push(shown(row)),
        }
    }
    if missing.is_empty() && found.is_empty() {
        return Ok(());
    }
    let extra: Vec<String> = found.iter().map(|r| shown(r)).collect();
    Err(format!("\n  missing {}\n  extra   {}", missing.join("\n          "), extra.join("\n          ")))
}

fn shown(row: &[(String, Value)]) -> String {
    let members: Vec<String> = row.iter().map(|(k, v)| format!("{k}: {v}")).collect();
    format!("{{{}}}", members.join(", "))
}

fn same_row(a: &[(String, Value)], b: &[(String, Value)]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|((ka, va), (kb, vb))| ka == kb && same(va, vb))
}

fn same(a: &Value, b: &Value) -> bool {
    let (Value::Number(x), Value::Number(y)) = (a, b) else { return a == b };
    if let (Some(x), Some(y)) = (x.as_i64(), y.as_i64()) {
        return x == y;
    }
    let (Some(x), Some(y)) = (x.as_f64(), y.as_f64()) else { return false };
    x == y || (x - y).abs() <= 1e-9 * x.abs().max(y.abs())
}
