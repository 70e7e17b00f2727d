//! Tests of the protocols: what they take, write and refuse.

use super::super::service::{Form, ServiceError};
use super::*;
use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;
use serde_json::json;
use std::io::Write;

const FORM_OF: Form = Form {
    signing_name: "test",
    version: "2010-08-01",
    namespace: "http://test/",
    times: &["At"],
    maps: &["Map"],
    codes: &[("MissingShape", "Missing")],
};

fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
    pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
}

#[test]
fn each_protocol_has_the_operation_at_its_place() {
    let target = headers(&[("x-amz-target", "T_1.Do"), ("content-type", "application/x-amz-json-1.0")]);
    let cbor = headers(&[("smithy-protocol", "rpc-v2-cbor"), ("content-type", "application/cbor")]);
    let form = headers(&[("content-type", "application/x-www-form-urlencoded; charset=utf-8")]);
    for (headers, path, body, expected) in [
        (&target, "/", "", Some("Do")),
        (&cbor, "/service/T_1/operation/Do", "", Some("Do")),
        (&cbor, "/service/T_1", "", None),
        (&form, "/", "Version=1&Action=Do", Some("Do")),
        (&form, "/", "Version=1", None),
        (&form, "/other", "Action=Do", None),
        (&HeaderMap::new(), "/service/T_1/operation/Do", "", None),
        (&HeaderMap::new(), "/", "Action=Do", None),
    ] {
        let found = head(headers, path);
        let named = found.and_then(|head| head.operation.map(str::to_owned).or_else(|| query::action(body.as_bytes())));
        assert_eq!(named.as_deref(), expected, "{path} {body}");
    }
}

#[test]
fn a_form_is_read_as_the_document_that_it_is() {
    let body = "Action=Do&Version=1&Name=a+b%26c&List.member.2.Value=2&List.member.1.Value=1&Empty=&Deep.Of.It=x";
    let (operation, input) = query::parse(body.as_bytes()).unwrap();
    let expected = json!({ "Name": "a b&c", "List": [{ "Value": "1" }, { "Value": "2" }], "Empty": "", "Deep": { "Of": { "It": "x" } } });
    assert_eq!((operation.as_str(), input), ("Do", expected));
    assert_eq!(query::parse(b"Action=Do").unwrap().1, json!({}));
    let refused = |body: &str| query::parse(body.as_bytes()).unwrap_err().code.into_owned();
    assert_eq!(refused("Name=a"), "MissingAction");
    assert_eq!(refused("Action=a&L.member.0=x"), "MalformedQueryString");
    assert_eq!(refused(&format!("Action=a&{}=x", vec!["a"; 100].join("."))), "MalformedQueryString");
}

#[test]
fn an_answer_in_xml_has_lists_maps_times_and_nothing_that_breaks_out() {
    let output = json!({ "At": 1.5, "L": [{ "N": "<a&\"b\u{1}" }], "Map": { "p99": 0.5 }, "None": null, "Is": true });
    assert_eq!(
        xml::answer("Do", &output, &FORM_OF, "id"),
        "<DoResponse xmlns=\"http://test/\"><DoResult><At>1970-01-01T00:00:01.500Z</At><Is>true</Is><L><member>\
         <N>&lt;a&amp;&quot;b\u{fffd}</N></member></L><Map><entry><key>p99</key><value>0.5</value></entry></Map></DoResult>\
         <ResponseMetadata><RequestId>id</RequestId></ResponseMetadata></DoResponse>"
    );
    let error = xml::error(&ServiceError::new("MissingShape", "no <x>"), &FORM_OF, "id");
    assert!(error.contains("<Code>Missing</Code><Message>no &lt;x&gt;</Message><Type>Sender</Type>"), "{error}");
}

#[test]
fn what_is_no_call_is_refused() {
    for (protocol, body) in [
        (Protocol::Json(JSON_1_0), &b"{"[..]),
        (Protocol::Json(JSON_1_0), b"[]"),
        (Protocol::Cbor, b"\xff"),
        (Protocol::Cbor, b"\x80"),
        (Protocol::Cbor, b"\xa1\x01\x02"),
        (Protocol::Cbor, b"\xa1\x61a\xfb\x7f\xf8\0\0\0\0\0\0"),
    ] {
        assert_eq!(protocol.input(body).unwrap_err().code, "SerializationException", "{protocol:?} {body:?}");
    }
    let deep = "[".repeat(100);
    assert!(json::parse(format!("{{\"a\":{deep}").as_bytes()).unwrap_err().message.contains("deeper than 64"));
    assert!(
        json::parse(br#"{"a":"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["}"#).is_ok()
    );
    assert!(cbor::parse(&vec![0x81; 1_000]).is_err());
}

fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn a_packed_body_is_unpacked_within_its_bounds() {
    let text = (0..2_000).map(|n: u32| n.to_string()).collect::<String>();
    assert_eq!(body::unpacked(&packed(text.as_bytes())).unwrap(), text.as_bytes());
    let error = body::unpacked(&packed(&vec![0; 1 << 20])).unwrap_err();
    assert_eq!(error.status, 413);
    assert!(error.message.contains("100 times"), "{error}");
    let error = body::unpacked(&packed(&vec![0; 1 << 20])[..40]).unwrap_err();
    assert!(matches!(error.code.as_ref(), "SerializationException" | "RequestEntityTooLargeException"));
    assert_eq!(body::unpacked(b"plain").unwrap_err().code, "SerializationException");
}

fn document() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-1e9_f64..1e9).prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            // None of the names of the form, whose times have a shape of their own.
            proptest::collection::hash_map("[A-Z][a-z]{0,3}[0-9]", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn a_document_in_cbor_is_read_as_it_was_written(inner in document()) {
        let document = json!({ "Document": inner });
        prop_assert_eq!(cbor::parse(&cbor::write(&document, &FORM_OF)).unwrap(), document);
    }

    #[test]
    fn any_body_is_read_without_a_panic(body in proptest::collection::vec(any::<u8>(), 0..128)) {
        for protocol in [Protocol::Json(JSON_1_1), Protocol::Cbor, Protocol::Query] {
            let _ = protocol.input(&body);
        }
        let _ = body::unpacked(&body);
    }
}
