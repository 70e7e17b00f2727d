//! Replays the answers that a real Elasticsearch 7.10.2 gave: every case of `conformance/search`, against the router in
//! this process. How answers compare is said in `conformance/README.md`.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use index::{Index, IndexConfig};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};

/// Cases that cannot pass, each with its reason: `name: reason` a line.
const EXCEPTIONS: &str = include_str!("conformance_exceptions.txt");

fn cases() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../conformance/search")
}

struct Volatile {
    anywhere: Vec<String>,
    at: BTreeMap<String, Vec<String>>,
}

impl Volatile {
    fn read() -> Self {
        let listed: Value = serde_json::from_slice(&std::fs::read(cases().join("volatile.json")).unwrap()).unwrap();
        Self {
            anywhere: serde_json::from_value(listed["anywhere"].clone()).unwrap(),
            at: serde_json::from_value(listed["at"].clone()).unwrap(),
        }
    }

    fn strip(&self, request: &str, body: &mut Value) {
        self.strip_names(body);
        for pointer in self.at.get(request).into_iter().flatten() {
            let (parent, name) = pointer.rsplit_once('/').unwrap();
            if let Some(Value::Object(members)) = body.pointer_mut(parent) {
                members.remove(name);
            }
        }
    }

    fn strip_names(&self, value: &mut Value) {
        match value {
            Value::Object(members) => {
                members.retain(|name, _| !self.anywhere.contains(name));
                members.values_mut().for_each(|v| self.strip_names(v));
            }
            Value::Array(items) => items.iter_mut().for_each(|v| self.strip_names(v)),
            _ => {}
        }
    }
}

/// Errors as they compare: their type and the type of the first root cause.
fn reduce_errors(value: &mut Value) {
    match value {
        Value::Object(members) => {
            for (name, value) in members.iter_mut() {
                match (name.as_str(), &*value) {
                    ("error", Value::String(_)) => *value = json!("text"),
                    ("error", Value::Object(error)) => {
                        let mut kept = Map::new();
                        kept.insert("type".into(), error.get("type").cloned().unwrap_or(Value::Null));
                        if let Some(root) = error.get("root_cause").and_then(|r| r.get(0)) {
                            kept.insert("root_cause".into(), root["type"].clone());
                        }
                        *value = Value::Object(kept);
                    }
                    _ => reduce_errors(value),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(reduce_errors),
        _ => {}
    }
}

fn order_hits(body: &mut Value) {
    if let Some(Value::Array(hits)) = body.pointer_mut("/hits/hits") {
        hits.sort_by_key(|hit| (hit["_index"].to_string(), hit["_id"].to_string()));
    }
}

fn difference(expected: &Value, got: &Value, at: &str) -> Option<String> {
    let differ = || Some(format!("{at}: recorded {expected}, got {got}"));
    match (expected, got) {
        (Value::Number(a), Value::Number(b)) => {
            let (a, b) = (a.as_f64().unwrap(), b.as_f64().unwrap());
            if (a - b).abs() <= 1e-9 * a.abs().max(b.abs()) { None } else { differ() }
        }
        (Value::Object(a), Value::Object(b)) => {
            if let Some(name) = a.keys().find(|k| !b.contains_key(*k)).or(b.keys().find(|k| !a.contains_key(*k))) {
                return Some(format!("{at}: [{name}] is on one side only: recorded {expected}, got {got}"));
            }
            a.iter().find_map(|(name, value)| difference(value, &b[name], &format!("{at}/{name}")))
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            a.iter().zip(b).enumerate().find_map(|(i, (a, b))| difference(a, b, &format!("{at}/{i}")))
        }
        (a, b) if a == b => None,
        _ => differ(),
    }
}

fn lines(text: &str) -> Vec<String> {
    text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

/// The search door on a port of this machine, and the smallest client that speaks to it.
struct Server {
    address: SocketAddr,
    _runtime: tokio::runtime::Runtime,
    _dir: tempfile::TempDir,
}

struct Got {
    status: u16,
    body: Option<Value>,
    text: Option<String>,
}

impl Server {
    fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let index = Index::open(IndexConfig::new(dir.path(), model::Env::system())).unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        runtime.spawn(async move { axum::serve(listener, index::elastic::router(index)).await });
        Self { address, _runtime: runtime, _dir: dir }
    }

    fn call(&self, method: &str, path: &str, headers: &[(String, String)], body: &[u8]) -> Got {
        let mut stream = TcpStream::connect(self.address).unwrap();
        let mut head = format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n");
        headers.iter().for_each(|(name, value)| head.push_str(&format!("{name}: {value}\r\n")));
        head.push_str(&format!("content-length: {}\r\n\r\n", body.len()));
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(body).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let split = answer.windows(4).position(|w| w == b"\r\n\r\n").unwrap();
        let head = String::from_utf8(answer[..split].to_vec()).unwrap().to_lowercase();
        let status = head.split_whitespace().nth(1).unwrap().parse().unwrap();
        assert!(head.contains("x-elastic-product: elasticsearch"), "{head}");
        let bytes = &answer[split + 4..];
        let (mut body, mut text) = (None, None);
        if !bytes.is_empty() && head.contains("content-type: application/json") {
            let shown = || String::from_utf8_lossy(bytes).into_owned();
            body = Some(serde_json::from_slice(bytes).unwrap_or_else(|e| panic!("{e}: {}", shown())));
        } else if !bytes.is_empty() {
            text = Some(String::from_utf8(bytes.to_vec()).unwrap());
        }
        Got { status, body, text }
    }
}

/// A request as its text stands in the case: the order of members can matter.
#[derive(serde::Deserialize)]
struct RawRequest {
    body: Option<Box<RawValue>>,
    ndjson: Option<Vec<Box<RawValue>>>,
}

#[derive(serde::Deserialize)]
struct RawStep {
    #[serde(rename = "do")]
    request: RawRequest,
}

#[derive(serde::Deserialize)]
struct RawCase {
    steps: Vec<RawStep>,
}

/// Puts captured values in place of `${name}`.
fn fill(text: &str, captured: &BTreeMap<String, String>) -> String {
    captured.iter().fold(text.to_owned(), |t, (name, value)| t.replace(&format!("${{{name}}}"), value))
}

fn ask(server: &Server, asked: &Value, raw: &RawRequest, captured: &BTreeMap<String, String>) -> Got {
    let (mut kind, mut bytes) = (None, Vec::new());
    if let Some(body) = &raw.body {
        (kind, bytes) = (Some("application/json"), fill(body.get(), captured).into_bytes());
    } else if let Some(values) = &raw.ndjson {
        kind = Some("application/x-ndjson");
        for value in values {
            // A line is one line, however the case is laid out.
            bytes.extend(value.get().lines().map(str::trim).collect::<Vec<_>>().join(" ").bytes());
            bytes.push(b'\n');
        }
    } else if let Some(Value::String(raw)) = asked.get("raw") {
        (kind, bytes) = (Some("application/json"), raw.as_bytes().to_vec());
    }
    let mut headers: BTreeMap<String, String> = kind.iter().map(|k| ("content-type".into(), (*k).into())).collect();
    for (name, value) in asked.get("headers").and_then(Value::as_object).into_iter().flatten() {
        headers.insert(name.to_lowercase(), value.as_str().unwrap().to_owned());
    }
    let path = fill(asked["path"].as_str().unwrap(), captured);
    let headers: Vec<_> = headers.into_iter().collect();
    server.call(asked["method"].as_str().unwrap(), &path, &headers, &bytes)
}

fn check_step(step: &Value, got: &mut Got, volatile: &Volatile) -> Option<String> {
    let expected = &step["expect"];
    if expected["status"].as_u64() != Some(got.status.into()) {
        return Some(format!("recorded status {}, got {} {:?}", expected["status"], got.status, got.body));
    }
    if expected.get("text").is_some() != got.text.is_some() || expected.get("body").is_some() != got.body.is_some() {
        return Some(format!("recorded {expected}, got {:?} {:?}", got.body, got.text));
    }
    if let (Some(Value::String(recorded)), Some(text)) = (expected.get("text"), &got.text) {
        return (lines(recorded) != lines(text)).then(|| format!("recorded {recorded:?}, got {text:?}"));
    }
    let (mut recorded, mut got) = (expected.get("body")?.clone(), got.body.take()?);
    let request = format!("{} {}", step["do"]["method"].as_str()?, step["do"]["path"].as_str()?);
    for side in [&mut recorded, &mut got] {
        volatile.strip(&request, side);
        reduce_errors(side);
        if step.get("unordered_hits") == Some(&Value::Bool(true)) {
            order_hits(side);
        }
    }
    difference(&recorded, &got, "")
}

fn replay(server: &Server, case: &Value, raw: &RawCase, volatile: &Volatile) -> Vec<String> {
    for name in case["indices"].as_array().unwrap() {
        server.call("DELETE", &format!("/{}", name.as_str().unwrap()), &[], b"");
    }
    let (mut captured, mut wrong) = (BTreeMap::new(), Vec::new());
    for (at, step) in case["steps"].as_array().unwrap().iter().enumerate() {
        let mut got = ask(server, &step["do"], &raw.steps[at].request, &captured);
        for (name, pointer) in step.get("capture").and_then(Value::as_object).into_iter().flatten() {
            let value = got.body.as_ref().and_then(|b| b.pointer(pointer.as_str().unwrap()));
            captured.insert(name.clone(), value.and_then(Value::as_str).unwrap_or_default().to_owned());
        }
        if let Some(what) = check_step(step, &mut got, volatile) {
            let asked = &step["do"];
            let body = asked.get("body").or(asked.get("ndjson")).or(asked.get("raw")).unwrap_or(&Value::Null);
            wrong.push(format!("  step {at}: {} {} {body}\n    {what}", asked["method"], asked["path"]));
        }
    }
    wrong
}

#[test]
fn every_recorded_answer_is_given() {
    let (server, volatile) = (Server::start(), Volatile::read());
    let excepted: BTreeMap<&str, &str> =
        EXCEPTIONS.lines().filter(|l| !l.starts_with('#')).filter_map(|l| l.split_once(": ")).collect();
    let only = std::env::var("HAILSTREAM_CASE").ok();
    let mut paths: Vec<PathBuf> = std::fs::read_dir(cases()).unwrap().map(|e| e.unwrap().path()).collect();
    paths.retain(|p| p.extension().is_some_and(|e| e == "json") && !p.ends_with("volatile.json"));
    paths.sort();
    let (mut failed, mut count) = (Vec::new(), 0);
    for path in paths {
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if only.as_ref().is_some_and(|o| !name.contains(o.as_str())) {
            continue;
        }
        count += 1;
        let text = std::fs::read(&path).unwrap();
        let case: Value = serde_json::from_slice(&text).unwrap();
        let raw: RawCase = serde_json::from_slice(&text).unwrap();
        let wrong = replay(&server, &case, &raw, &volatile);
        match (wrong.is_empty(), excepted.contains_key(name.as_str())) {
            (true, false) | (false, true) => {}
            (true, true) => failed.push(format!("{name} passes: take it off the exceptions")),
            (false, false) => failed.push(format!("{name}\n{}", wrong.join("\n"))),
        }
    }
    assert!(count >= 40 || only.is_some(), "only {count} cases were found");
    assert!(failed.is_empty(), "{} of {count} cases differ:\n{}", failed.len(), failed.join("\n"));
}
