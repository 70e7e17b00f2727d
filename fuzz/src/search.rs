//! The search door: bodies of bulk writes, documents, queries and aggregations.

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{Request, StatusCode};
use http_body_util::BodyExt;
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;
use index::{Index, IndexConfig};
use model::Env;
use std::sync::LazyLock;
use std::time::Duration;
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

/// What is asked, by the first byte.
const CALLS: [(&str, &str); 6] = [
    ("POST", "/s/_bulk"),
    ("POST", "/s/_search"),
    ("POST", "/s/_count"),
    ("PUT", "/s/_doc/1"),
    ("POST", "/s/_update/1"),
    ("PUT", "/s/_mapping"),
];

/// A door to an index with a few documents.
struct World {
    runtime: Runtime,
    door: Router,
    _folder: TempDir,
}

static WORLD: LazyLock<World> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    let config = IndexConfig::new(folder.path().join("data"), Env::system());
    let index = Index::open(IndexConfig { search_time_ms_max: 2_000, ..config }).unwrap();
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let world = World { runtime, door: index::elastic::router(index), _folder: folder };
    let mapping = r#"{"mappings":{"properties":{"n":{"type":"long"},"t":{"type":"keyword"},"d":{"type":"date"},"g":{"type":"geo_point"}}}}"#;
    let made = send(&world, "PUT", "/s", mapping.as_bytes());
    assert_eq!(made.0, StatusCode::OK);
    let document = br#"{"n":1,"t":"a","d":"2026-01-01T00:00:00Z","g":{"lat":1,"lon":2}}"#;
    assert_eq!(send(&world, "PUT", "/s/_doc/1?refresh=true", document).0, StatusCode::CREATED);
    world
});

/// Sends a request; the status of its answer and its body.
fn send(world: &World, method: &str, path: &str, body: &[u8]) -> (StatusCode, Bytes) {
    let request = Request::builder().method(method).uri(path).header("content-type", "application/json");
    let request = request.body(Body::from(body.to_vec())).unwrap();
    world.runtime.block_on(async {
        let answer = TowerToHyperService::new(world.door.clone()).call(request).await.unwrap();
        let status = answer.status();
        let body = tokio::time::timeout(Duration::from_secs(10), answer.into_body().collect()).await;
        (status, body.unwrap().unwrap().to_bytes())
    })
}

/// The first byte says what is asked, the rest is the body. The protocol has some faults of a request
/// under the status 500; what nobody foresaw has a name of its own.
pub fn search(data: &[u8]) {
    let Some((&first, body)) = data.split_first() else { return };
    let (method, path) = CALLS[usize::from(first) % CALLS.len()];
    let (status, answer) = send(&WORLD, method, path, body);
    let answer = String::from_utf8_lossy(&answer);
    let own_fault = ["illegal_state_exception", "corrupt_index_exception"].iter().any(|name| answer.contains(name));
    assert!(status != StatusCode::INTERNAL_SERVER_ERROR || !own_fault, "{method} {path}: {answer}");
}
