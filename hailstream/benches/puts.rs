//! Puts over HTTP from another process: signed PutRecords of 500 records of 460 bytes, each durable before its answer (P4), in
//! plain text and over TLS; a single PutRecord at half of the highest load, beside the device's fdatasync (P6); and how soon
//! a record is with a reader that it is pushed to (P7). One line of JSON for each figure; medians of several runs. `--quick`,
//! and `cargo test`, take few. `--peer http://host:port` measures another server with the same load, unsigned.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark fails loudly and its output is its purpose")]

use axum::http::Request;
use axum::http::request::Parts;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use model::{Env, PutRecord, ShardIndex};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use store::{CapacityMode, Limits, StartAt, Store, StoreConfig};
use wire::signature::{Authorize, ClientKey, Signer};

const RECORDS: usize = 500;
const RECORD_BYTES: usize = 460;
const SHARDS: u32 = 8;
const CONNECTIONS: usize = 4;
const TICKS_PER_S: f64 = 100.0;

/// How long each measurement takes, and how many there are.
#[derive(Clone, Copy)]
struct Size {
    seconds: f64,
    runs: usize,
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let given = |wanted: &str| args.iter().any(|arg| arg == wanted);
    let quick = given("--quick") || !given("--bench");
    let size = if quick { Size { seconds: 0.3, runs: 1 } } else { Size { seconds: 4.0, runs: 5 } };
    if let Some(at) = args.iter().position(|arg| arg == "--peer") {
        return peer(&args[at + 1], size);
    }
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let rate = puts(&server, &server.plain(), "", size);
    puts(&server, &server.tls(), "_tls", size);
    single(&server, rate, size);
    drop(server);
    device(folder.path(), rate, size);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(pushed(folder.path(), size));
}

/// The real binary with credentials and without limits, killed when it is dropped.
struct Server {
    child: Child,
    address: String,
    certificate: PathBuf,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// How a connection is opened.
#[derive(Clone)]
struct Dial {
    address: String,
    tls: Option<Arc<ClientConfig>>,
    signed: bool,
}

enum Connection {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Server {
    fn start(dir: &Path) -> Self {
        let (addresses, keys) = (dir.join("addresses.json"), dir.join("keys.toml"));
        fs::write(&keys, "[[key]]\nid = 'AKID'\nsecret = 'secret'\nrole = 'admin'\n").unwrap();
        fs::set_permissions(&keys, Permissions::from_mode(0o600)).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_hailstream"));
        command.args(["serve", "--unlimited", "--aws-port", "0", "--search-port", "0", "--console-port", "0"]);
        command
            .arg("--data-dir")
            .arg(dir.join("data"))
            .arg("--addresses-file")
            .arg(&addresses)
            .arg("--credentials")
            .arg(&keys);
        let child = command.stdout(Stdio::null()).spawn().unwrap();
        while !addresses.exists() {
            std::thread::yield_now();
        }
        let found: serde_json::Value = serde_json::from_str(&fs::read_to_string(&addresses).unwrap()).unwrap();
        let address = found["aws"].as_str().unwrap().trim_start_matches("http://").to_owned();
        let server = Self { child, address, certificate: dir.join("data/tls/cert.pem") };
        make_stream(&server.plain());
        server
    }

    fn plain(&self) -> Dial {
        Dial { address: self.address.clone(), tls: None, signed: true }
    }

    fn tls(&self) -> Dial {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(&self.certificate).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let config = config.with_root_certificates(roots).with_no_client_auth();
        Dial { tls: Some(Arc::new(config)), ..self.plain() }
    }

    /// CPU time of the server, all threads, user and system.
    fn cpu_seconds(&self) -> f64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / TICKS_PER_S
    }
}

impl Dial {
    fn open(&self) -> Connection {
        let stream = TcpStream::connect(&self.address).unwrap();
        stream.set_nodelay(true).unwrap();
        match &self.tls {
            None => Connection::Plain(stream),
            Some(config) => {
                let name = ServerName::try_from("localhost").unwrap();
                let client = ClientConnection::new(config.clone(), name).unwrap();
                Connection::Tls(Box::new(StreamOwned::new(client, stream)))
            }
        }
    }

    /// A whole request of an operation; the same bytes may be sent again for five minutes.
    fn request(&self, operation: &str, body: &[u8]) -> Vec<u8> {
        let request = Request::builder().method("POST").uri("/").header("host", &self.address);
        let request = request.header("content-type", "application/x-amz-json-1.1");
        let request = request.header("x-amz-target", format!("Kinesis_20131202.{operation}")).body(()).unwrap();
        let mut parts: Parts = request.into_parts().0;
        if self.signed {
            let pairs = BTreeMap::from([("AWS_ACCESS_KEY_ID", "AKID"), ("AWS_SECRET_ACCESS_KEY", "secret")]);
            let key = ClientKey::find(None, |name| pairs.get(name).map(|value| (*value).to_owned())).unwrap().unwrap();
            Signer::new(key, "us-east-1".to_owned(), Env::system()).authorize(&mut parts, body).unwrap();
        } else {
            parts.headers.insert(
                "authorization",
                "AWS4-HMAC-SHA256 Credential=a/20200101/us-east-1/kinesis/aws4_request, \
                SignedHeaders=host, Signature=a"
                    .parse()
                    .unwrap(),
            );
            parts.headers.insert("x-amz-date", "20200101T000000Z".parse().unwrap());
        }
        let mut out = format!("POST / HTTP/1.1\r\ncontent-length: {}\r\n", body.len()).into_bytes();
        for (name, value) in &parts.headers {
            out.extend_from_slice(format!("{name}: {}\r\n", value.to_str().unwrap()).as_bytes());
        }
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(body);
        out
    }
}

impl Connection {
    /// Sends a request and reads its whole answer; gives the body.
    fn call(&mut self, request: &[u8], buffer: &mut Vec<u8>) -> Vec<u8> {
        match self {
            Self::Plain(stream) => exchange(stream, request, buffer),
            Self::Tls(stream) => exchange(stream, request, buffer),
        }
    }
}

fn exchange(stream: &mut (impl Read + Write), request: &[u8], buffer: &mut Vec<u8>) -> Vec<u8> {
    stream.write_all(request).unwrap();
    stream.flush().unwrap();
    buffer.clear();
    let mut chunk = [0; 64 * 1024];
    loop {
        let n = stream.read(&mut chunk).unwrap();
        assert!(n > 0, "the server hung up: {}", String::from_utf8_lossy(buffer));
        buffer.extend_from_slice(&chunk[..n]);
        let Some(head) = buffer.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        let text = String::from_utf8_lossy(&buffer[..head]).to_ascii_lowercase();
        let len = text
            .lines()
            .find_map(|line| line.strip_prefix("content-length:"))
            .map_or(0, |len| len.trim().parse().unwrap());
        if buffer.len() >= head + 4 + len {
            assert!(text.starts_with("http/1.1 200"), "{}", String::from_utf8_lossy(buffer));
            return buffer[head + 4..].to_vec();
        }
    }
}

fn make_stream(dial: &Dial) {
    let (mut connection, mut buffer) = (dial.open(), Vec::new());
    let body = format!(r#"{{"StreamName":"puts","ShardCount":{SHARDS}}}"#);
    connection.call(&dial.request("CreateStream", body.as_bytes()), &mut buffer);
    let summary = dial.request("DescribeStreamSummary", br#"{"StreamName":"puts"}"#);
    while !String::from_utf8_lossy(&connection.call(&summary, &mut buffer)).contains("\"ACTIVE\"") {
        std::thread::yield_now();
    }
}

fn batch(seed: usize) -> Vec<u8> {
    let data: Vec<u8> = (0..RECORD_BYTES).map(|i| b'a' + ((i * 7 + seed) % 26) as u8).collect();
    let data = STANDARD.encode(data);
    let entry = |i: usize| format!(r#"{{"Data":"{data}","PartitionKey":"cab-{seed}-{i}"}}"#);
    let entries: Vec<String> = (0..RECORDS).map(entry).collect();
    format!(r#"{{"StreamName":"puts","Records":[{}]}}"#, entries.join(",")).into_bytes()
}

/// Puts from several connections for a while; gives how many records a second were stored.
fn load(dial: &Dial, seconds: f64) -> f64 {
    let (stop, stored) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let env = Env::system();
    let started_ns = env.monotonic_ns();
    let writers: Vec<_> = (0..CONNECTIONS)
        .map(|writer| {
            let (dial, stop, stored) = (dial.clone(), stop.clone(), stored.clone());
            std::thread::spawn(move || {
                let (mut connection, mut buffer) = (dial.open(), Vec::new());
                let request = dial.request("PutRecords", &batch(writer));
                while !stop.load(Ordering::Relaxed) {
                    let answer = connection.call(&request, &mut buffer);
                    assert!(
                        answer.starts_with(br#"{"FailedRecordCount":0"#)
                            || answer.ends_with(br#""FailedRecordCount":0}"#)
                    );
                    stored.fetch_add(RECORDS as u64, Ordering::Relaxed);
                }
            })
        })
        .collect();
    std::thread::park_timeout(Duration::from_secs_f64(seconds));
    stop.store(true, Ordering::Relaxed);
    writers.into_iter().for_each(|writer| writer.join().unwrap());
    stored.load(Ordering::Relaxed) as f64 / ((env.monotonic_ns() - started_ns) as f64 / 1e9)
}

/// P4: records a second on the clock, and for each second of the server's CPU time. Gives the first.
fn puts(server: &Server, dial: &Dial, suffix: &str, size: Size) -> f64 {
    let (mut wall, mut per_core) = (Vec::new(), Vec::new());
    for _ in 0..size.runs {
        let (cpu_s, env) = (server.cpu_seconds(), Env::system());
        let started_ns = env.monotonic_ns();
        let rate = load(dial, size.seconds);
        let stored = rate * ((env.monotonic_ns() - started_ns) as f64 / 1e9);
        wall.push(rate);
        per_core.push(stored / (server.cpu_seconds() - cpu_s).max(0.01));
    }
    figure(&format!("p4_put_records{suffix}"), "records/s", "higher", &wall);
    figure(&format!("p4_put_records_per_core{suffix}"), "records/s", "higher", &per_core);
    median(&wall)
}

fn peer(address: &str, size: Size) {
    let address = address.trim_start_matches("http://").trim_end_matches('/').to_owned();
    let dial = Dial { address, tls: None, signed: false };
    make_stream(&dial);
    let wall: Vec<f64> = (0..size.runs).map(|_| load(&dial, size.seconds)).collect();
    figure("peer_put_records", "records/s", "higher", &wall);
}

/// P6: single records, each due at its time, while puts come at half of the highest rate.
fn single(server: &Server, rate: f64, size: Size) {
    let dial = server.plain();
    let stop = Arc::new(AtomicBool::new(false));
    let pause_ns = (1e9 / (rate / 2.0 / RECORDS as f64)) as u64;
    let background = {
        let (dial, stop) = (dial.clone(), stop.clone());
        std::thread::spawn(move || {
            let (mut connection, mut buffer, env) = (dial.open(), Vec::new(), Env::system());
            let request = dial.request("PutRecords", &batch(9));
            let mut due_ns = env.monotonic_ns();
            while !stop.load(Ordering::Relaxed) {
                due_ns += pause_ns;
                std::thread::park_timeout(Duration::from_nanos(due_ns.saturating_sub(env.monotonic_ns())));
                connection.call(&request, &mut buffer);
            }
        })
    };
    let (mut p50, mut p99) = (Vec::new(), Vec::new());
    let body =
        format!(r#"{{"StreamName":"puts","PartitionKey":"k","Data":"{}"}}"#, STANDARD.encode([b'x'; RECORD_BYTES]));
    let request = dial.request("PutRecord", body.as_bytes());
    let (mut connection, mut buffer, env) = (dial.open(), Vec::new(), Env::system());
    for _ in 0..size.runs {
        let mut taken = Vec::new();
        let ends_ns = env.monotonic_ns() + (size.seconds * 1e9) as u64;
        while env.monotonic_ns() < ends_ns {
            let started_ns = env.monotonic_ns();
            connection.call(&request, &mut buffer);
            taken.push((env.monotonic_ns() - started_ns) as f64 / 1e6);
        }
        p50.push(percentile(&mut taken, 0.5));
        p99.push(percentile(&mut taken, 0.99));
    }
    stop.store(true, Ordering::Relaxed);
    background.join().unwrap();
    figure("p6_put_record_p50", "ms", "lower", &p50);
    figure("p6_put_record_p99", "ms", "lower", &p99);
}

/// The device's own fdatasync behind a small write: alone, and beside the writes of a put for eight logs as often as puts came
/// beside the single records.
fn device(dir: &Path, rate: f64, size: Size) {
    device_alone(dir, "", size);
    let stop = Arc::new(AtomicBool::new(false));
    let pause = Duration::from_secs_f64(1.0 / (rate / 2.0 / RECORDS as f64));
    let logs: Vec<_> = (0..SHARDS)
        .map(|log| {
            let (stop, path) = (stop.clone(), dir.join(format!("probe-{log}")));
            std::thread::spawn(move || {
                let file = fs::File::create(path).unwrap();
                let block = vec![1; RECORDS * RECORD_BYTES / SHARDS as usize];
                let mut at = 0;
                while !stop.load(Ordering::Relaxed) {
                    file.write_all_at(&block, at).unwrap();
                    file.sync_data().unwrap();
                    at += block.len() as u64;
                    std::thread::park_timeout(pause);
                }
            })
        })
        .collect();
    device_alone(dir, "_beside_puts", size);
    stop.store(true, Ordering::Relaxed);
    logs.into_iter().for_each(|log| log.join().unwrap());
}

fn device_alone(dir: &Path, suffix: &str, size: Size) {
    let file = fs::File::create(dir.join("probe")).unwrap();
    let (env, mut p50, mut p99) = (Env::system(), Vec::new(), Vec::new());
    for _ in 0..size.runs {
        let mut taken = Vec::new();
        let ends_ns = env.monotonic_ns() + (size.seconds * 5e8) as u64;
        let mut at = 0;
        while env.monotonic_ns() < ends_ns {
            let started_ns = env.monotonic_ns();
            file.write_all_at(&[1; 4_096], at).unwrap();
            file.sync_data().unwrap();
            at += 4_096;
            taken.push((env.monotonic_ns() - started_ns) as f64 / 1e6);
        }
        p50.push(percentile(&mut taken, 0.5));
        p99.push(percentile(&mut taken, 0.99));
    }
    figure(&format!("device_fdatasync{suffix}_p50"), "ms", "lower", &p50);
    figure(&format!("device_fdatasync{suffix}_p99"), "ms", "lower", &p99);
}

/// P7: from the acknowledgement of a record until a subscribed reader has it; negative where the reader was first.
async fn pushed(dir: &Path, size: Size) {
    let env = Env::system();
    let config =
        StoreConfig { limits: Limits::Unlimited, status_delay_ms: 0, ..StoreConfig::new(dir.join("p7"), env.clone()) };
    let store = Store::open(config).unwrap();
    store.create_stream("s", 1, CapacityMode::Provisioned).await.unwrap();
    store.register_consumer("s", "reader", BTreeMap::new()).await.unwrap();
    let mut push = store.push("s", "reader", ShardIndex(0), StartAt::Latest).await.unwrap();
    push.next().await.unwrap().unwrap();
    let (mut p50, mut p99) = (Vec::new(), Vec::new());
    for _ in 0..size.runs {
        let mut taken = Vec::new();
        for _ in 0..((size.seconds * 200.0) as usize).max(20) {
            let data = Bytes::from(env.monotonic_ns().to_string());
            let record = PutRecord { partition_key: "k".into(), explicit_hash_key: None, data };
            let (writer, clock) = (store.clone(), env.clone());
            let stored = tokio::spawn(async move {
                writer.put_records("s", vec![record]).await.unwrap();
                clock.monotonic_ns()
            });
            while push.next().await.unwrap().unwrap().records.is_empty() {}
            let delivered_ns = env.monotonic_ns();
            taken.push((delivered_ns as f64 - stored.await.unwrap() as f64) / 1e6);
        }
        p50.push(percentile(&mut taken, 0.5));
        p99.push(percentile(&mut taken, 0.99));
    }
    figure("p7_delivered_after_acknowledgement_p50", "ms", "lower", &p50);
    figure("p7_delivered_after_acknowledgement_p99", "ms", "lower", &p99);
    store.shutdown().await;
}

fn percentile(values: &mut [f64], part: f64) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values[((values.len() - 1) as f64 * part) as usize]
}

fn median(runs: &[f64]) -> f64 {
    percentile(&mut runs.to_vec(), 0.5)
}

fn figure(name: &str, unit: &str, better: &str, runs: &[f64]) {
    let value = median(runs);
    let runs: Vec<f64> = runs.iter().map(|run| (run * 1_000.0).round() / 1_000.0).collect();
    println!(r#"{{"figure":"{name}","value":{value:.3},"unit":"{unit}","better":"{better}","runs":{runs:?}}}"#);
}
