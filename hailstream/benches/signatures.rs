//! What checking signatures costs: puts of 500 records of 460 bytes through the guard of the AWS door, beside the SHA-256 of
//! the same bytes alone. One line of JSON for each figure; medians of several runs. `--quick`, and `cargo test`, take few.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark fails loudly and its output is its purpose")]

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::request::Parts;
use axum::http::{Request, StatusCode};
use axum::routing::any;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hailstream::auth::{KeyRing, guarded};
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;
use model::Env;
use sha2::{Digest, Sha256};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use wire::signature::{ClientKey, Signer};

const RECORDS: usize = 500;
const RECORD_BYTES: usize = 460;

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let given = |wanted: &str| args.iter().any(|arg| arg == wanted);
    let quick = given("--quick") || !given("--bench");
    let (requests, runs) = if quick { (20, 1) } else { (2_000, 5) };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(measure(requests, runs));
}

async fn measure(requests: usize, runs: usize) {
    let env = Env::system();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("keys.toml");
    fs::write(&path, "[[key]]\nid = 'AKID'\nsecret = 'secret'\nrole = 'producer'\n").unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    let taken = Router::new().route("/", any(|body: Bytes| async move { body.len().to_string() }));
    let keys = Arc::new(KeyRing::open(&path, env.clone()).unwrap());
    let door = TowerToHyperService::new(guarded(taken, Some(keys)));
    let body = body();
    let head = signed(&body, env.clone());
    let (mut checked, mut megabytes, mut hashed) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..runs {
        let started_ns = env.monotonic_ns();
        for _ in 0..requests {
            let request = Request::from_parts(head.clone(), Body::from(body.clone()));
            assert_eq!(door.call(request).await.unwrap().status(), StatusCode::OK);
        }
        let seconds = (env.monotonic_ns() - started_ns) as f64 / 1e9;
        let bytes = (requests * body.len()) as f64;
        checked.push(requests as f64 / seconds);
        megabytes.push(bytes / seconds / 1e6);
        let started_ns = env.monotonic_ns();
        for _ in 0..requests {
            std::hint::black_box(Sha256::digest(std::hint::black_box(&body)));
        }
        hashed.push(bytes / ((env.monotonic_ns() - started_ns) as f64 / 1e9) / 1e6);
    }
    figure("signatures_puts_checked", "requests/s", &checked);
    figure("signatures_bytes_checked", "MB/s", &megabytes);
    figure("machine_sha256", "MB/s", &hashed);
}

/// A put as the official clients write it.
fn body() -> Bytes {
    let data = STANDARD.encode([b'd'; RECORD_BYTES]);
    let record = |i: usize| serde_json::json!({ "Data": data, "PartitionKey": format!("key-{i}") });
    let records: Vec<_> = (0..RECORDS).map(record).collect();
    serde_json::json!({ "StreamName": "trips", "Records": records }).to_string().into()
}

fn signed(body: &[u8], env: Env) -> Parts {
    let key = ClientKey { id: "AKID".into(), secret: "secret".into(), session_token: None };
    let request = Request::post("http://localhost:4566/").header("content-type", "application/x-amz-json-1.1");
    let (mut head, ()) = request.header("x-amz-target", "Kinesis_20131202.PutRecords").body(()).unwrap().into_parts();
    Signer::new(key, "us-east-1", env).sign(&mut head, body).unwrap();
    head
}

fn figure(name: &str, unit: &str, runs: &[f64]) {
    let mut sorted = runs.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let value = sorted[sorted.len() / 2];
    let runs: Vec<f64> = runs.iter().map(|run| (run * 10.0).round() / 10.0).collect();
    println!(r#"{{"figure":"{name}","value":{value:.1},"unit":"{unit}","better":"higher","runs":{runs:?}}}"#);
}
