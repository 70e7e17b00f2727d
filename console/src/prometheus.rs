//! The Prometheus text exposition format, version 0.0.4.

use model::Sample;
use std::collections::BTreeMap;
use std::fmt::Write;

/// The content type of [`text`].
pub(crate) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What every name begins with.
const PREFIX: &str = "hailstream_";

/// All samples as text, sorted by name and labels. Of samples with equal name and labels the last one stands, for a
/// reader would refuse the whole page otherwise. Names that end in `_total` are counters, others gauges.
pub(crate) fn text(samples: &[Sample], help: impl Fn(&str) -> Option<&'static str>) -> String {
    let mut families: BTreeMap<&str, BTreeMap<String, f64>> = BTreeMap::new();
    for sample in samples {
        families.entry(sample.name).or_default().insert(labels(&sample.labels), sample.value);
    }
    let mut out = String::new();
    for (bare, series) in &families {
        let name = name(bare);
        let kind = if name.ends_with("_total") { "counter" } else { "gauge" };
        // Writing to a string cannot fail.
        if let Some(words) = help(bare) {
            let _ = writeln!(out, "# HELP {name} {}", words.replace('\\', r"\\").replace('\n', r"\n"));
        }
        let _ = writeln!(out, "# TYPE {name} {kind}");
        for (labels, value) in series {
            let _ = writeln!(out, "{name}{labels} {}", number(*value));
        }
    }
    out
}

fn name(name: &str) -> String {
    let allowed = |c: char| if c.is_ascii_alphanumeric() || c == '_' { c } else { '_' };
    PREFIX.chars().chain(name.chars().map(allowed)).collect()
}

fn labels(labels: &[(&'static str, String)]) -> String {
    if labels.is_empty() {
        return String::new();
    }
    let pairs: Vec<String> = labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escaped(value))).collect();
    format!("{{{}}}", pairs.join(","))
}

fn escaped(value: &str) -> String {
    value.replace('\\', r"\\").replace('"', "\\\"").replace('\n', r"\n")
}

fn number(value: f64) -> String {
    if value.is_nan() {
        "NaN".into()
    } else if value.is_infinite() {
        if value > 0.0 { "+Inf".into() } else { "-Inf".into() }
    } else {
        value.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(samples: Vec<Sample>, expected: &str) {
        assert_eq!(text(&samples, |name| (name == "helped").then_some("What\\ it\nis.")), expected);
    }

    #[test]
    fn nothing_is_an_empty_page() {
        check(vec![], "");
    }

    #[test]
    fn families_are_together_and_typed_by_their_names() {
        check(
            vec![
                Sample::new("store_incoming_bytes_total", 12.0).with("stream", "trips").with("shard", "1"),
                Sample::new("replay_lag_ms", 1.5),
                Sample::new("store_incoming_bytes_total", 7.0).with("stream", "trips").with("shard", "0"),
            ],
            "# TYPE hailstream_replay_lag_ms gauge\nhailstream_replay_lag_ms 1.5\n\
             # TYPE hailstream_store_incoming_bytes_total counter\n\
             hailstream_store_incoming_bytes_total{stream=\"trips\",shard=\"0\"} 7\n\
             hailstream_store_incoming_bytes_total{stream=\"trips\",shard=\"1\"} 12\n",
        );
    }

    #[test]
    fn words_stand_before_the_type_in_one_line() {
        check(
            vec![Sample::new("helped", 1.0)],
            "# HELP hailstream_helped What\\\\ it\\nis.\n# TYPE hailstream_helped gauge\nhailstream_helped 1\n",
        );
    }

    #[test]
    fn hostile_labels_cannot_forge_a_line() {
        check(
            vec![Sample::new("up", 1.0).with("name", "a\"} 9\nforged 1\\")],
            "# TYPE hailstream_up gauge\nhailstream_up{name=\"a\\\"} 9\\nforged 1\\\\\"} 1\n",
        );
    }

    #[test]
    fn a_series_stands_once_and_every_number_is_written() {
        check(
            vec![
                Sample::new("a", 1.0),
                Sample::new("a", f64::NAN),
                Sample::new("b", f64::INFINITY),
                Sample::new("c", f64::NEG_INFINITY),
            ],
            "# TYPE hailstream_a gauge\nhailstream_a NaN\n# TYPE hailstream_b gauge\nhailstream_b +Inf\n\
             # TYPE hailstream_c gauge\nhailstream_c -Inf\n",
        );
    }
}
