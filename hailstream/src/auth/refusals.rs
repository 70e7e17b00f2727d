//! A table of requests that must be refused, each with the error's name and its message, in both codecs; and that the
//! requests from which they were made are taken.

use super::credentials::KeyRing;
use super::layer::guarded;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Request};
use axum::routing::any;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http_body_util::BodyExt;
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;
use model::Env;
use serde::Deserialize;
use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use wire::signature::SigningKey;
use wire::signature::{Head, sha256_hex};

/// One case a line: the form of the request, what is done to it, and what it is refused with.
const CASES: &str = include_str!("vectors/refusals.jsonl");
const FORMS: [&str; 5] = ["header", "query", "chunks", "trailed", "unsigned"];
/// 2015-08-30T12:36:00Z in seconds.
const NOW_S: u64 = 1_440_938_160;
const BODY: &str = r#"{"Limit":1}"#;
const KEYS: &str = "
[[key]]
id = 'AKID'
secret = 'secret'
role = 'admin'
[[key]]
id = 'OFF'
secret = 'secret'
role = 'admin'
enabled = false
[[key]]
id = 'TOKEN'
secret = 'secret'
session-token = 'T'
role = 'admin'
[[key]]
id = 'OLD'
secret = 'secret'
role = 'admin'
expires = 2015-08-30T12:36:00Z
";

#[derive(Deserialize)]
struct Case {
    form: String,
    /// Each a verb and what it needs; those that begin with `then-` happen after the request was signed.
    #[serde(rename = "do")]
    steps: Vec<Vec<String>>,
    #[serde(rename = "type")]
    name: String,
    /// `{authorization}` stands for that header, as it was sent.
    message: String,
}

/// A request that is being made.
struct Draft {
    method: String,
    path: String,
    query: String,
    headers: HeaderMap,
    body: String,
    id: String,
    secret: String,
    algorithm: String,
    /// Date, region, service and terminator.
    scope: [String; 4],
    signed: Option<String>,
    expires: Option<String>,
    token: Option<String>,
    clock_s: i64,
}

impl Draft {
    fn new(content_type: &str) -> Self {
        let mut draft = Self {
            method: "POST".into(),
            path: "/".into(),
            query: String::new(),
            headers: HeaderMap::new(),
            body: BODY.into(),
            id: "AKID".into(),
            secret: "secret".into(),
            algorithm: "AWS4-HMAC-SHA256".into(),
            scope: ["20150830", "eu-west-1", "kinesis", "aws4_request"].map(Into::into),
            signed: None,
            expires: Some("3600".into()),
            token: None,
            clock_s: 0,
        };
        draft.set("host", "localhost:4566");
        draft.set("content-type", content_type);
        draft.set("x-amz-date", "20150830T123600Z");
        draft.set("x-amz-target", "K.ListStreams");
        draft
    }

    fn set(&mut self, name: &str, value: &str) {
        let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
        self.headers.insert(HeaderName::from_bytes(name.as_bytes()).unwrap(), value);
    }

    fn step(&mut self, step: &[String]) {
        let words: Vec<&str> = step.iter().map(String::as_str).collect();
        match words[..] {
            ["set" | "then-set", name, value] => self.set(name, value),
            ["add" | "then-add", name, value] => {
                self.headers.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap());
            }
            ["drop" | "then-drop", name] => assert!(self.headers.remove(name).is_some(), "{name}"),
            ["id", id] => self.id = id.into(),
            ["secret", secret] => self.secret = secret.into(),
            ["algorithm", algorithm] => self.algorithm = algorithm.into(),
            ["day", day] => self.scope[0] = day.into(),
            ["region", region] => self.scope[1] = region.into(),
            ["service", service] => self.scope[2] = service.into(),
            ["end", end] => self.scope[3] = end.into(),
            ["signed", names] => self.signed = Some(names.into()),
            ["expires", expires] => self.expires = Some(expires.into()).filter(|expires: &String| !expires.is_empty()),
            ["token", token] => self.token = Some(token.into()),
            ["then-method", method] => self.method = method.into(),
            ["then-path", path] => self.path = path.into(),
            ["query" | "then-query", query] => self.query = query.into(),
            ["then-body", body] => self.body = body.into(),
            ["then-edit-body", from, to] => replace(&mut self.body, from, to),
            ["then-edit", from, to] if self.headers.contains_key("authorization") => {
                let mut value = self.headers["authorization"].to_str().unwrap().to_owned();
                replace(&mut value, from, to);
                self.set("authorization", &value);
            }
            ["then-edit", from, to] => replace(&mut self.query, from, to),
            ["clock", seconds] => self.clock_s = seconds.parse().unwrap(),
            _ => panic!("{step:?}"),
        }
    }

    fn names(&self) -> String {
        let mut names: Vec<&str> = self.headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        self.signed.clone().unwrap_or_else(|| names.join(";"))
    }

    /// The signature over the request as it is, the names of its signed headers, and the key and scope that made it.
    fn seal(&self, date: &str, payload: &str) -> (String, SigningKey, String) {
        let scope = self.scope.join("/");
        let Self { method, path, query, headers, .. } = self;
        let head = Head { method, path, query, headers, authority: None };
        let names = self.names();
        // What is signed but not there is an empty value for who makes the request.
        let there: Vec<&str> = names.split(';').filter(|name| headers.contains_key(*name)).collect();
        let digest = sha256_hex(head.canonical(&there, payload).unwrap().as_bytes());
        let key = SigningKey::derive(&self.secret, [&self.scope[0], &self.scope[1], &self.scope[2]]);
        let signature = key.sign(&format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{digest}"));
        (signature, key, scope)
    }

    fn sign(&mut self, form: &str) {
        let date = self.headers.get("x-amz-date").map_or("20150830T123600Z", |date| date.to_str().unwrap()).to_owned();
        if form == "query" {
            return self.presign(&date);
        }
        let payload = match form {
            "chunks" => "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
            "trailed" => "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
            "unsigned" => "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
            _ => "",
        };
        if !payload.is_empty() {
            self.set("x-amz-decoded-content-length", &self.body.len().to_string());
            self.set("x-amz-content-sha256", payload);
            self.set("content-encoding", "aws-chunked");
        }
        if matches!(form, "trailed" | "unsigned") {
            self.set("x-amz-trailer", "x-amz-checksum-crc32c");
        }
        let payload = if payload.is_empty() { sha256_hex(self.body.as_bytes()) } else { payload.to_owned() };
        if let Some(token) = self.token.clone() {
            self.set("x-amz-security-token", &token);
        }
        let (signature, key, scope) = self.seal(&date, &payload);
        let value = format!(
            "{} Credential={}/{scope}, SignedHeaders={}, Signature={signature}",
            self.algorithm,
            self.id,
            self.names()
        );
        self.set("authorization", &value);
        if form != "header" {
            self.chunk(form, &key, &format!("{date}\n{scope}"), signature);
        }
    }

    fn presign(&mut self, date: &str) {
        self.headers.remove("x-amz-date");
        let encoded = |text: &str| text.replace('/', "%2F").replace(';', "%3B");
        let credential = encoded(&format!("{}/{}", self.id, self.scope.join("/")));
        let (names, algorithm) = (encoded(&self.names()), &self.algorithm);
        let mut query = format!("X-Amz-Algorithm={algorithm}&X-Amz-Credential={credential}&X-Amz-Date={date}");
        for (name, value) in [("Expires", &self.expires), ("Security-Token", &self.token)] {
            query += &value.as_ref().map(|value| format!("&X-Amz-{name}={value}")).unwrap_or_default();
        }
        self.query = format!("{query}&X-Amz-SignedHeaders={names}");
        let (signature, ..) = self.seal(date, &sha256_hex(self.body.as_bytes()));
        self.query += &format!("&X-Amz-Signature={signature}");
    }

    /// Puts the body into chunks of six bytes.
    fn chunk(&mut self, form: &str, key: &SigningKey, of: &str, seed: String) {
        let (mut out, mut previous) = (String::new(), seed);
        let whole = std::mem::take(&mut self.body);
        for chunk in whole.as_bytes().chunks(6).chain([&b""[..]]) {
            out += &format!("{:x}", chunk.len());
            if form != "unsigned" {
                let hashes = format!("{}\n{}", sha256_hex(b""), sha256_hex(chunk));
                previous = key.sign(&format!("AWS4-HMAC-SHA256-PAYLOAD\n{of}\n{previous}\n{hashes}"));
                out += &format!(";chunk-signature={previous}");
            }
            let end = if chunk.is_empty() && form != "chunks" { "" } else { "\r\n" };
            out += &format!("\r\n{}{end}", std::str::from_utf8(chunk).unwrap());
        }
        if form != "chunks" {
            let trailer =
                format!("x-amz-checksum-crc32c:{}", STANDARD.encode(crc32c::crc32c(whole.as_bytes()).to_be_bytes()));
            out += &format!("{trailer}\r\n");
            if form == "trailed" {
                let hash = sha256_hex(format!("{trailer}\n").as_bytes());
                let seal = key.sign(&format!("AWS4-HMAC-SHA256-TRAILER\n{of}\n{previous}\n{hash}"));
                out += &format!("x-amz-trailer-signature:{seal}\r\n");
            }
            out += "\r\n";
        }
        self.body = out;
    }
}

fn replace(text: &mut String, from: &str, to: &str) {
    assert!(text.contains(from), "{from} does not stand in {text}");
    *text = text.replacen(from, to, 1);
}

/// Makes a request and asks a guarded door that echoes bodies; gives status, authorization and answer.
async fn ask(dir: &std::path::Path, form: &str, steps: &[Vec<String>], content_type: &str) -> (u16, String, Bytes) {
    let mut draft = Draft::new(content_type);
    let (after, before): (Vec<_>, Vec<_>) = steps.iter().partition(|step| step[0].starts_with("then-"));
    before.into_iter().for_each(|step| draft.step(step));
    draft.sign(form);
    after.into_iter().for_each(|step| draft.step(step));
    let now_ms = NOW_S.saturating_add_signed(draft.clock_s) * 1000;
    let ring = Arc::new(KeyRing::open(&dir.join("keys.toml"), Env::manual(now_ms, 1).0).unwrap());
    let door = guarded(Router::new().route("/", any(|body: Bytes| async { body })), Some(ring));
    let query = if draft.query.is_empty() { String::new() } else { format!("?{}", draft.query) };
    let mut request = Request::new(Body::from(draft.body));
    *request.method_mut() = draft.method.parse().unwrap();
    *request.uri_mut() = format!("{}{query}", draft.path).parse().unwrap();
    *request.headers_mut() = draft.headers;
    let authorization = request.headers().get("authorization");
    let authorization = authorization.map_or(String::new(), |value| String::from_utf8_lossy(value.as_bytes()).into());
    let response = TowerToHyperService::new(door).call(request).await.unwrap();
    let status = response.status().as_u16();
    (status, authorization, response.into_body().collect().await.unwrap().to_bytes())
}

fn with_keys() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("keys.toml");
    std::fs::write(&path, KEYS).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    dir
}

const JSON: &str = "application/x-amz-json-1.1";
const CBOR: &str = "application/x-amz-cbor-1.1";

fn told(content_type: &str, body: &[u8]) -> (String, String) {
    let told: serde_json::Value = match content_type {
        CBOR => ciborium::from_reader(body).unwrap_or_default(),
        _ => serde_json::from_slice(body).unwrap_or_default(),
    };
    let member = |name: &str| told[name].as_str().unwrap_or_default().to_owned();
    (member("__type"), member("message"))
}

#[tokio::test]
async fn every_form_of_a_right_request_is_taken() {
    let dir = with_keys();
    let step = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    for form in FORMS {
        for steps in [
            vec![],
            vec![step(&["id", "TOKEN"]), step(&["token", "T"])],
            vec![step(&["region", "us-east-1"]), step(&["clock", "300"])],
            vec![step(&["clock", "-300"])],
        ] {
            let (status, _, body) = ask(dir.path(), form, &steps, JSON).await;
            assert_eq!((status, &body[..]), (200, BODY.as_bytes()), "{form} {steps:?} {body:?}");
        }
    }
    // Over HTTP/2 the host may stand in the address alone.
    let steps = [step(&["then-drop", "host"]), step(&["then-path", "http://localhost:4566/"])];
    for form in FORMS {
        assert_eq!(ask(dir.path(), form, &steps, JSON).await.0, 200, "{form}");
    }
    let elsewhere = [step(&["then-drop", "host"]), step(&["then-path", "http://localhost:4567/"])];
    assert_eq!(ask(dir.path(), "header", &elsewhere, JSON).await.0, 400);
    // The last moment of a key and of a presigned request; a date as HTTP writes it; fields apart by blanks alone.
    for (form, steps) in [
        ("header", vec![step(&["id", "OLD"]), step(&["clock", "-1"])]),
        ("query", vec![step(&["clock", "3600"])]),
        ("query", vec![step(&["expires", ""]), step(&["clock", "300"])]),
        ("header", vec![step(&["drop", "x-amz-date"]), step(&["set", "date", "Sun, 30 Aug 2015 12:36:00 GMT"])]),
        ("header", vec![step(&["drop", "x-amz-date"]), step(&["set", "date", "20150830T123600Z"])]),
        ("header", vec![step(&["then-edit", ", SignedHeaders", " SignedHeaders"])]),
        ("header", vec![step(&["then-edit", ", SignedHeaders", ",SignedHeaders"])]),
    ] {
        assert_eq!(ask(dir.path(), form, &steps, JSON).await.0, 200, "{steps:?}");
    }
}

#[tokio::test]
async fn every_case_of_the_table_is_refused_in_its_words() {
    let dir = with_keys();
    let (mut seen, mut wrong) = (BTreeSet::new(), Vec::new());
    for line in CASES.lines().filter(|line| !line.is_empty()) {
        let Case { form, steps, name, message } = serde_json::from_str(line).unwrap();
        assert!(seen.insert((form.clone(), steps.clone())), "twice: {line}");
        for content_type in [JSON, CBOR] {
            let (status, authorization, body) = ask(dir.path(), &form, &steps, content_type).await;
            let expected = (name.clone(), message.replace("{authorization}", &authorization));
            if status != 400 || told(content_type, &body) != expected {
                wrong.push(format!("{line}\n  {status} {}", String::from_utf8_lossy(&body)));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {}\n{}", wrong.len(), seen.len(), wrong.join("\n"));
    assert!(seen.len() >= 200, "{}", seen.len());
}
