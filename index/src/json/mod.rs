//! JSON as it is received: a strict pull parser that knows where each token stands, and a tree that keeps the order of
//! members and the text of numbers.

mod parser;
mod tree;

pub use parser::{DEPTH_MAX, Event, JsonError, JsonFault, Parser, line_and_column};
pub use tree::{Member, Node, Value, parse, parse_first, read_node};

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn round_trip(text: &str) -> String {
        String::from_utf8(parse(text.as_bytes()).unwrap().value.to_bytes()).unwrap()
    }

    #[test]
    fn what_is_read_is_written_back() {
        for text in [
            r#"{"a":1,"b":[true,false,null],"c":{"d":"e"}}"#,
            r#"[1.50,-0.0,1e10,9007199254740993]"#,
            r#""\"\\\n\r\t\u0001é😀""#,
            "[]",
            "{}",
            "7",
        ] {
            assert_eq!(round_trip(text), text);
        }
        assert_eq!(round_trip(r#" { "a" : "\u00e9\ud83d\ude00\/" } "#), r#"{"a":"é😀/"}"#);
    }

    #[test]
    fn what_is_no_json_is_refused_with_its_place() {
        use JsonFault::{Duplicate, Syntax, TooDeep, Truncated};
        let deep = "[".repeat(65);
        for (text, fault, column) in [
            ("", Truncated, 1),
            ("{\"a\"", Truncated, 5),
            ("{\"a\":1", Truncated, 7),
            ("{\"a\":1,\"a\":2}", Duplicate, 11),
            ("{'a':1}", Syntax, 2),
            ("{} x", Syntax, 4),
            ("[1,]", Syntax, 4),
            ("01 ", Syntax, 3),
            ("1.", Truncated, 3),
            ("[1}", Syntax, 3),
            ("nul", Truncated, 1),
            ("nulx", Syntax, 1),
            ("\"\u{1}\"", Syntax, 2),
            (r#""\ud800""#, Syntax, 8),
            (deep.as_str(), TooDeep, 65),
        ] {
            let error = parse(text.as_bytes()).unwrap_err();
            assert_eq!((error.fault, error.column), (fault, column), "{text}");
        }
    }

    #[test]
    fn many_keys_are_compared_by_hash_and_duplicates_found() {
        let keys: Vec<String> = (0..100).map(|i| format!("\"k{i}\":{i}")).collect();
        assert!(parse(format!("{{{}}}", keys.join(",")).as_bytes()).is_ok());
        let twice = parse(format!("{{{},\"k7\":1}}", keys.join(",")).as_bytes()).unwrap_err();
        assert_eq!(twice.fault, JsonFault::Duplicate);
    }

    #[test]
    fn positions_are_those_of_the_tokens() {
        let node = parse(b"{\"a\":\n {\"b\": 12}}").unwrap();
        let a = &node.members().unwrap()[0];
        let b = &a.node.members().unwrap()[0];
        assert_eq!((a.at, a.node.at, b.at, b.node.at, a.node.end, node.end), (1, 7, 8, 13, 15, 16));
        assert_eq!(line_and_column(b"{\"a\":\n {\"b\": 12}}", b.at), (2, 3));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&bytes);
        }

        #[test]
        fn any_text_survives(text in any::<String>()) {
            let written = Value::Text(text.clone()).to_bytes();
            prop_assert_eq!(parse(&written).unwrap().value, Value::Text(text));
        }

        #[test]
        fn any_number_survives(number in any::<f64>().prop_filter("finite", |n| n.is_finite())) {
            let Value::Number(text) = Value::from(number) else { panic!("no number") };
            prop_assert_eq!(text.parse::<f64>().unwrap().to_bits(), number.to_bits());
            prop_assert!(parse(text.as_bytes()).is_ok());
        }
    }
}
