//! The search door: what the index says in the words of Elasticsearch 7.10.2.
//!
//! A request is taken apart ([`call`]), its route is found ([`routes`]), its handler reads the body with places for
//! errors ([`body`]), makes one call to the index, and renders the answer. Handlers wait for disks and compute, so that
//! they run on threads for blocking work, a bounded number at a time.

mod aggregation;
mod body;
mod bulk;
mod call;
mod cat;
mod cluster;
mod document;
mod failure;
mod histogram;
mod indices;
mod mapping;
mod names;
mod query;
mod render;
mod routes;
mod scroll;
mod search;
mod sort;

use crate::index::Index;
use crate::json::{self, Node, Value};
use crate::search::SourceFilter;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use bytes::Bytes;
use call::{Answer, Call, Content};
use failure::Failure;
use model::Access;
use std::cell::RefCell;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Largest body of a request, in bytes.
const BODY_BYTES_MAX: usize = 100 * 1024 * 1024;
/// Requests that are worked on at a time; others wait their turn.
const REQUESTS_AT_ONCE: usize = 64;

/// What the handlers share.
#[derive(Clone)]
struct Door {
    index: Index,
    turns: Arc<Semaphore>,
}

/// The routes of the search door.
pub fn router(index: Index) -> Router {
    let door = Door { index, turns: Arc::new(Semaphore::new(REQUESTS_AT_ONCE)) };
    Router::new().fallback(handle).with_state(door)
}

/// What a request with this method and path does, the path of its route, and the index that it names. What has no route
/// changes nothing and has no path.
pub fn access(method: &Method, path: &str) -> (Access, &'static str, Option<String>) {
    routes::access(method.as_str(), path)
}

async fn handle(State(door): State<Door>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let path = head.uri.path().to_owned();
    let query = head.uri.query().unwrap_or_default().to_owned();
    let is_head = head.method == Method::HEAD;
    let outcome = match content_type(&head.headers) {
        Err(failure) => Err(failure),
        Ok(typed) => match to_bytes(body, BODY_BYTES_MAX).await {
            Err(_) => Err(Failure::plain(413, format!("the body is larger than {BODY_BYTES_MAX} bytes"))),
            Ok(body) if !body.is_empty() && !typed => {
                Err(Failure::plain(406, "Content-Type header [] is not supported"))
            }
            Ok(body) => work(&door, head.method.as_str().to_owned(), path, query.clone(), body).await,
        },
    };
    let answer = outcome.unwrap_or_else(|failure| Answer::status(failure.status, failure.body()));
    respond(answer, &query, is_head)
}

/// Answers a request on a thread where waiting harms no one.
async fn work(door: &Door, method: String, path: String, query: String, body: Bytes) -> Result<Answer, Failure> {
    let stopped = || Failure::new(503, "cluster_block_exception", "the door is closing");
    let _turn = door.turns.acquire().await.map_err(|_| stopped())?;
    let index = door.index.clone();
    let work = move || {
        let found = routes::find(&method, &path)?;
        let parameters = parameters(&query)?;
        let known = RefCell::default();
        let call = Call { index, path, parts: found.parts, parameters, body, known };
        (found.handler)(&call)
    };
    match tokio::task::spawn_blocking(work).await {
        Ok(outcome) => outcome,
        Err(error) => {
            tracing::error!(%error, "a request to the search door has failed in an unforeseen way");
            Err(Failure::new(500, "illegal_state_exception", "an unforeseen failure; it is in the log"))
        }
    }
}

/// Whether the request names a content type; one that is not read here is refused.
fn content_type(headers: &HeaderMap) -> Result<bool, Failure> {
    if let Some(encoding) = headers.get(header::CONTENT_ENCODING).filter(|e| *e != "identity") {
        let name = encoding.to_str().unwrap_or_default();
        return Err(Failure::plain(415, format!("Content-Encoding header [{name}] is not supported")));
    }
    let Some(value) = headers.get(header::CONTENT_TYPE) else { return Ok(false) };
    let text = value.to_str().unwrap_or_default();
    let media = text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match media.as_str() {
        "application/json"
        | "application/x-ndjson"
        | "application/vnd.elasticsearch+json"
        | "application/vnd.elasticsearch+x-ndjson" => Ok(true),
        _ => Err(Failure::plain(406, format!("Content-Type header [{text}] is not supported"))),
    }
}

fn parameters(query: &str) -> Result<Vec<(String, String)>, Failure> {
    query
        .split('&')
        .filter(|p| !p.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Ok((routes::decode(name, true)?, routes::decode(value, true)?))
        })
        .collect()
}

fn respond(answer: Answer, query: &str, is_head: bool) -> Response {
    let all = parameters(query).unwrap_or_default();
    let of = |name: &str| all.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str());
    let (kind, bytes) = match answer.content {
        Content::Json(value) => {
            let value = of("filter_path").map_or_else(|| value.clone(), |paths| filter_path(&value, paths));
            let pretty = of("pretty").is_some_and(|p| p != "false");
            ("application/json; charset=UTF-8", if pretty { pretty_bytes(value) } else { value.to_bytes() })
        }
        Content::Text(text) => ("text/plain; charset=UTF-8", text.into_bytes()),
        Content::Empty => ("application/json; charset=UTF-8", Vec::new()),
    };
    let mut response = Response::new(Body::from(if is_head { Vec::new() } else { bytes }));
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    // Without this header clients refuse to go on.
    headers.insert("x-elastic-product", HeaderValue::from_static("Elasticsearch"));
    if let Some(location) = answer.location.and_then(|l| HeaderValue::from_str(&l).ok()) {
        headers.insert(header::LOCATION, location);
    }
    response
}

/// The parts of an answer that a client asks for; those after a `-` are left out.
fn filter_path(value: &Value, paths: &str) -> Value {
    let mut filter = SourceFilter::default();
    for path in paths.split(',').filter(|p| !p.is_empty()) {
        match path.strip_prefix('-') {
            Some(excluded) => filter.excludes.push(excluded.replace("**", "*")),
            None => filter.includes.push(path.replace("**", "*")),
        }
    }
    let left = filter.apply(value.to_bytes()).ok().flatten();
    left.map_or_else(|| value.clone(), |left| Value::Raw(left.into()))
}

fn pretty_bytes(value: Value) -> Vec<u8> {
    // Documents stand in answers as their own text: it is read again, so that it is indented too.
    let text = value.to_bytes();
    let mut out = Vec::with_capacity(text.len() * 2);
    match json::parse(&text) {
        Ok(node) => indent(&node, 0, &mut out),
        Err(_) => out = text,
    }
    out.push(b'\n');
    out
}

fn indent(node: &Node, depth: usize, out: &mut Vec<u8>) {
    let line = |depth: usize, out: &mut Vec<u8>| {
        out.push(b'\n');
        out.extend(std::iter::repeat_n(b' ', depth * 2));
    };
    match &node.value {
        Value::Object(members) if !members.is_empty() => {
            out.push(b'{');
            for (at, member) in members.iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                line(depth + 1, out);
                Value::from(member.key.as_str()).write(out);
                out.extend_from_slice(b" : ");
                indent(&member.node, depth + 1, out);
            }
            line(depth, out);
            out.push(b'}');
        }
        Value::Array(items) if !items.is_empty() => {
            out.push(b'[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                line(depth + 1, out);
                indent(item, depth + 1, out);
            }
            line(depth, out);
            out.push(b']');
        }
        other => other.write(out),
    }
}
