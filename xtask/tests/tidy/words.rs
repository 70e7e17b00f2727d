//! Where the words of the protocols that are spoken outside may stand: in the module that translates them, nowhere else.

use crate::tree::{File, Offence};

/// Words, and the folders that own them.
const OWNED: [(&[&str], &[&str]); 4] = [
    (
        &["Kinesis_2013", "ProvisionedThroughputExceeded", "ShardIterator"],
        &["store/src/kinesis", "connect/src/kinesis"],
    ),
    (
        &["X-Amz-Target", "X-Amzn-ErrorType"],
        &["store/src/kinesis", "control/src/aws", "hailstream/src/auth", "wire/src/signature", "connect/src/kinesis"],
    ),
    (
        &["_bulk", "_search", "_mapping", "_cat/indices", "index_not_found_exception", "X-Elastic-Product"],
        &["index/src/elastic", "connect/src/elasticsearch"],
    ),
    (&["KinesisAnalytics_2018", "GraniteServiceVersion"], &["control/src/aws"]),
];

/// Words of a protocol in shipped Rust code that does not own them. Case does not matter.
pub(crate) fn astray(file: &File) -> Vec<Offence> {
    // Fuzz targets and clients ask the doors in their own words, as tests do; they are never shipped.
    let unshipped = ["xtask/", "fuzz/", "conformance/"].iter().any(|crate_| file.path.starts_with(crate_));
    if !file.is_rust() || !file.is_under("src") || unshipped {
        return Vec::new();
    }
    let mut offences = Vec::new();
    for (words, owners) in OWNED {
        let owned = |owner: &&str| file.path.starts_with(&format!("{owner}/")) || file.path == format!("{owner}.rs");
        if owners.iter().any(owned) {
            continue;
        }
        for (line, text) in file.text.lines().enumerate() {
            for word in words.iter().filter(|word| contains_word(text, word)) {
                offences.push(file.offence(line, format!("`{word}` belongs to {}", owners.join(" and "))));
            }
        }
    }
    offences
}

/// Whether the word begins somewhere in the text and is not the end of a longer name.
fn contains_word(text: &str, word: &str) -> bool {
    let (text, word) = (text.to_ascii_lowercase(), word.to_ascii_lowercase());
    text.match_indices(&word).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let begins = !before.is_some_and(|c| c.is_alphanumeric() || c == '_');
        // `_search` is a word where it is a part of a path or a text, and a mere name in `_searcher`.
        let after = text[at + word.len()..].chars().next();
        begins && (!word.starts_with('_') || !after.is_some_and(|c| c.is_alphanumeric() || c == '_'))
    })
}

#[cfg(test)]
fn told(path: &str, text: &str) -> Vec<String> {
    astray(&File::new(path, text)).iter().map(Offence::to_string).collect()
}

#[test]
fn words_are_free_in_their_modules_and_in_tests() {
    let text = "const TARGET: &str = \"X-Amz-Target\"; // ShardIterator";
    for path in [
        "connect/src/kinesis/client.rs",
        "store/src/kinesis/put.rs",
        "store/src/kinesis.rs",
        "store/tests/put.rs",
        "docs/stream.md",
    ] {
        assert_eq!(told(path, text), [""; 0], "{path}");
    }
    for path in ["index/src/elastic/bulk.rs", "connect/src/elasticsearch/cluster.rs"] {
        assert_eq!(told(path, "\"/_bulk\""), [""; 0], "{path}");
    }
    assert_eq!(told("control/src/aws/mod.rs", "\"x-amz-target\" KinesisAnalytics_20180523"), [""; 0]);
}

#[test]
fn words_elsewhere_are_told_with_their_line() {
    assert_eq!(
        told("store/src/shard.rs", "\n// ProvisionedThroughputExceededException"),
        ["store/src/shard.rs:2: `ProvisionedThroughputExceeded` belongs to store/src/kinesis and connect/src/kinesis"]
    );
    assert_eq!(
        told("console/src/api.rs", "route(\"/{index}/_search\")"),
        ["console/src/api.rs:1: `_search` belongs to index/src/elastic and connect/src/elasticsearch"]
    );
    assert_eq!(told("store/src/kinesis/x.rs", "KinesisAnalytics_20180523").len(), 1);
}

#[test]
fn a_name_that_only_ends_like_a_word_is_free() {
    assert_eq!(
        told("engine/src/a.rs", "let binary_search = v.binary_search_by(|x| x); fn decode_bulk() {} _searcher"),
        [""; 0]
    );
}
