//! The AWS door: requests in both codecs to every operation, and what a request says of its signature.

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, Request, StatusCode};
use hailstream::auth::{KeyRing, guarded};
use http_body_util::BodyExt;
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;
use model::Env;
use std::os::unix::fs::PermissionsExt;
use std::sync::{Arc, LazyLock};
use std::time::Duration;
use store::{CapacityMode, Limits, Store, StoreConfig};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

/// Operations that read or change what there is. Those that make streams and shards are left out: a disk full of them is
/// no news.
const OPERATIONS: [&str; 24] = [
    "PutRecords",
    "PutRecord",
    "GetRecords",
    "GetShardIterator",
    "ListShards",
    "ListStreams",
    "DescribeStream",
    "DescribeStreamSummary",
    "DescribeLimits",
    "AddTagsToStream",
    "RemoveTagsFromStream",
    "ListTagsForStream",
    "TagResource",
    "UntagResource",
    "ListTagsForResource",
    "PutResourcePolicy",
    "GetResourcePolicy",
    "DeleteResourcePolicy",
    "DescribeStreamConsumer",
    "ListStreamConsumers",
    "SubscribeToShard",
    "EnableEnhancedMonitoring",
    "IncreaseStreamRetentionPeriod",
    "StartStreamEncryption",
];
const CODECS: [&str; 2] = ["application/x-amz-json-1.1", "application/x-amz-cbor-1.1"];

/// A door to a store with one stream and one consumer, and the same behind a guard.
struct World {
    runtime: Runtime,
    open: Router,
    guarded: Router,
    _folder: TempDir,
}

static WORLD: LazyLock<World> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let keys = folder.path().join("keys.toml");
    std::fs::write(&keys, "[[key]]\nid = 'AKID'\nsecret = 'secret'\nrole = 'admin'\n").unwrap();
    std::fs::set_permissions(&keys, std::fs::Permissions::from_mode(0o600)).unwrap();
    let open = runtime.block_on(async {
        let config = StoreConfig::new(folder.path().join("data"), Env::system());
        let store = Store::open(StoreConfig { limits: Limits::Unlimited, status_delay_ms: 0, ..config }).unwrap();
        store.create_stream("s", 2, CapacityMode::Provisioned).await.unwrap();
        store.register_consumer("s", "c", std::collections::BTreeMap::new()).await.unwrap();
        store::kinesis::router(store)
    });
    let ring = KeyRing::open(&keys, Env::system()).unwrap();
    let guarded = guarded(open.clone(), Some(Arc::new(ring)));
    World { runtime, open, guarded, _folder: folder }
});

/// Sends a request; the status of its answer, whose body is read as far as it comes at once.
fn send(router: &Router, request: Request<Body>) -> StatusCode {
    WORLD.runtime.block_on(async {
        let answer = TowerToHyperService::new(router.clone()).call(request).await.unwrap();
        let status = answer.status();
        let mut body = answer.into_body();
        // A subscription goes on for minutes: its first frame is enough.
        let frame = tokio::time::timeout(Duration::from_secs(10), body.frame()).await;
        assert!(frame.is_ok(), "no answer in time");
        status
    })
}

/// The first byte says which operation is asked and in which codec, the rest is the body.
pub fn requests(data: &[u8]) {
    let Some((&first, body)) = data.split_first() else { return };
    let operation = OPERATIONS[usize::from(first >> 1) % OPERATIONS.len()];
    let request = Request::builder()
        .method("POST")
        .uri("/")
        .header("content-type", CODECS[usize::from(first & 1)])
        .header("x-amz-target", format!("Kinesis_20131202.{operation}"))
        .body(Body::from(body.to_vec()))
        .unwrap();
    let status = send(&WORLD.open, request);
    assert_ne!(status, StatusCode::INTERNAL_SERVER_ERROR, "{operation} fails on its own side");
}

/// Lines of headers, an empty line, and the body; the first line is the query. Nothing of this was ever signed.
pub fn signatures(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (head, body) = text.split_once("\n\n").unwrap_or((&text, ""));
    let mut lines = head.lines();
    let query: String = lines.next().unwrap_or_default().chars().filter(|c| c.is_ascii_graphic()).collect();
    let Ok(mut request) = Request::post(format!("/?{query}")).body(Body::from(body.to_owned())) else { return };
    for (name, value) in lines.filter_map(|line| line.split_once(':')).take(50) {
        let name = HeaderName::from_bytes(name.trim().as_bytes());
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(value.trim().as_bytes())) {
            request.headers_mut().append(name, value);
        }
    }
    let status = send(&WORLD.guarded, request);
    assert!(status.is_client_error(), "{status} for a request that nobody signed");
}
