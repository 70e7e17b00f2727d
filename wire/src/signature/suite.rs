//! AWS's own suite of signing tests, whole: each signed request, in its headers and presigned, gets the suite's signature.

use super::canonical::{Head, sha256_hex};
use super::signing::SigningKey;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;

/// The cases of the public `aws-signing-test-suite`, version 4 (Apache License 2.0), one object each.
const CASES: &str = include_str!("vectors/sigv4.json");
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

#[derive(Deserialize)]
struct Case {
    case: String,
    /// Whether the path is normalised, as for all services but one that is not ours.
    #[serde(default = "yes")]
    normalize: bool,
    header: Option<Form>,
    query: Option<Form>,
}

#[derive(Deserialize)]
struct Form {
    request: String,
    /// Empty where the suite tells none.
    signature: String,
    canonical: Option<String>,
}

fn yes() -> bool {
    true
}

/// A request as the suite writes it.
struct Parsed {
    method: String,
    path: String,
    query: String,
    headers: HeaderMap,
    body: String,
}

fn parse(text: &str) -> Parsed {
    let (head, body) = text.split_once("\n\n").unwrap_or((text, ""));
    // A line that begins with a space goes on with the value of the one before it.
    let unfolded = head.replace("\n ", " ");
    let mut lines = unfolded.lines();
    let (method, target) = lines.next().unwrap().trim_end_matches(" HTTP/1.1").split_once(' ').unwrap();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut headers = HeaderMap::new();
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        let name = HeaderName::from_bytes(name.to_ascii_lowercase().as_bytes()).unwrap();
        headers.append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    Parsed { method: method.into(), path: path.into(), query: query.into(), headers, body: body.into() }
}

/// The parameter of a signature, in the authorization header or in the query.
fn parameter(request: &Parsed, in_header: &str, in_query: &str) -> String {
    if let Some(value) = request.headers.get("authorization") {
        let value = value.to_str().unwrap();
        let field = value.split([',', ' ']).find_map(|field| field.strip_prefix(in_header)?.strip_prefix('='));
        return field.unwrap().to_owned();
    }
    let found = super::parameters(&request.query).into_iter().find(|(name, _)| name == in_query.as_bytes());
    String::from_utf8(found.unwrap().1).unwrap()
}

/// Gives whether the case's signature is what we compute.
fn check(case: &str, form: &Form) -> bool {
    let request = parse(&form.request);
    let Parsed { method, path, query, headers, body } = &request;
    let head = Head { method, path, query, headers, authority: None };
    let signed = parameter(&request, "SignedHeaders", "X-Amz-SignedHeaders");
    let credential = parameter(&request, "Credential", "X-Amz-Credential");
    let signed: Vec<&str> = signed.split(';').collect();
    let canonical = head.canonical(&signed, &sha256_hex(body.as_bytes())).unwrap();
    if form.canonical.as_ref().is_some_and(|expected| *expected != canonical) {
        return false;
    }
    if form.signature.is_empty() {
        return true;
    }
    let scope: Vec<&str> = credential.split('/').skip(1).collect();
    let date = headers.get("x-amz-date").map(|value| value.to_str().unwrap().trim().to_owned());
    let date = date.unwrap_or_else(|| parameter(&request, "Date", "X-Amz-Date"));
    let digest = sha256_hex(canonical.as_bytes());
    let text = format!("AWS4-HMAC-SHA256\n{date}\n{}\n{digest}", scope.join("/"));
    let hex = SigningKey::derive(SECRET, [scope[0], scope[1], scope[2]]).sign(&text);
    assert_eq!(hex == form.signature, parameter(&request, "Signature", "X-Amz-Signature") == hex, "{case}");
    hex == form.signature
}

/// Presigned with a token that was added after the signature, as one other service wants it.
const TOKEN_AFTERWARDS: &str = "post-sts-header-after";

#[test]
fn every_case_of_the_suite_gets_its_signature() {
    let cases: Vec<Case> = serde_json::from_str(CASES).unwrap();
    let mut refused = Vec::new();
    for Case { case, normalize, header, query } in &cases {
        for form in [header, query].into_iter().flatten() {
            if !check(case, form) {
                // What belongs to other services must not pass here: paths signed as they stand, unsigned tokens.
                assert!(!normalize || case == TOKEN_AFTERWARDS, "{case}\n{}", form.request);
                refused.push(case.as_str());
            }
        }
    }
    assert_eq!(cases.len(), 40);
    let expected = [
        "get-relative-relative-unnormalized",
        "get-relative-unnormalized",
        "get-slash-dot-slash-unnormalized",
        "get-slash-pointless-dot-unnormalized",
        "get-slash-unnormalized",
        "get-slashes-unnormalized",
        TOKEN_AFTERWARDS,
    ];
    refused.dedup();
    assert_eq!(refused, expected);
}
