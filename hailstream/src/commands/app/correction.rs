//! What a correction does and cannot do, in lines for a person.

use super::look::moment;
use crate::status::count;
use serde::Deserialize;
use std::collections::BTreeMap;

/// What the console tells of a correction.
#[derive(Deserialize)]
pub(super) struct Correction {
    late_rows: u64,
    corrected: Vec<Window>,
    lost: Vec<Window>,
    refused: Vec<Refused>,
    from: Vec<From>,
    work: Option<Work>,
}

#[derive(Deserialize)]
struct Window {
    operator: String,
    #[serde(default)]
    sinks: Vec<String>,
    start_ms: i64,
    end_ms: i64,
    #[serde(default)]
    reason: String,
}

#[derive(Deserialize)]
struct Refused {
    operator: String,
    reason: String,
}

#[derive(Deserialize)]
struct From {
    split: String,
    position: u64,
}

#[derive(Deserialize)]
struct Work {
    records_in: u64,
    records_out: u64,
}

/// All of it: what is corrected, from where on, and what is not, and why.
pub(super) fn lines(application: &str, told: &Correction) -> Vec<String> {
    if told.late_rows == 0 {
        return vec![format!("Application {application} has had no late rows that are still kept.")];
    }
    let (windows, rows) = (told.corrected.len() as f64, told.late_rows as f64);
    let done = if told.work.is_some() { "are corrected" } else { "can be corrected" };
    let mut lines = vec![format!("{}: {} late rows; {} windows {done}.", application, count(rows), count(windows))];
    let mut by_operator: BTreeMap<(&str, String), Vec<&Window>> = BTreeMap::new();
    for window in &told.corrected {
        by_operator.entry((&window.operator, window.sinks.join(", "))).or_default().push(window);
    }
    for ((operator, sinks), windows) in by_operator {
        lines.push(format!("{operator} into {sinks}:"));
        lines.extend(windows.iter().map(|w| format!("  {} to {}", moment(w.start_ms), moment(w.end_ms))));
    }
    lines.extend(told.from.iter().map(|from| format!("read {} from position {} on", from.split, from.position)));
    let lost = |w: &Window| {
        let (start, end) = (moment(w.start_ms), moment(w.end_ms));
        format!("not corrected: {}, {start} to {end}: {}", w.operator, w.reason)
    };
    lines.extend(told.lost.iter().map(lost));
    lines.extend(told.refused.iter().map(|r| format!("not corrected: {}: {}", r.operator, r.reason)));
    lines.extend(told.work.iter().map(|work| {
        let (records, rows) = (count(work.records_in as f64), count(work.records_out as f64));
        format!("{records} records were read and {rows} results written, each in the place of the one before.")
    }));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_done_and_what_is_not_is_told() {
        let window =
            json!({ "operator": "window aggregate 4", "sinks": ["counts"], "start_ms": 0, "end_ms": 3_600_000 });
        let lost = json!({ "operator": "window aggregate 4", "start_ms": -3_600_000, "end_ms": 0, "reason": "gone" });
        let mut told = json!({
            "late_rows": 1_234, "corrected": [window], "lost": [lost],
            "refused": [{ "operator": "session 2", "reason": "no windows" }],
            "from": [{ "split": "trips, shard 0", "position": 7 }], "work": null,
        });
        let said = |told: &serde_json::Value| lines("taxi", &serde_json::from_value(told.clone()).unwrap());
        assert_eq!(
            said(&told),
            [
                "taxi: 1,234 late rows; 1 windows can be corrected.",
                "window aggregate 4 into counts:",
                "  1970-01-01T00:00:00.000Z to 1970-01-01T01:00:00.000Z",
                "read trips, shard 0 from position 7 on",
                "not corrected: window aggregate 4, 1969-12-31T23:00:00.000Z to 1970-01-01T00:00:00.000Z: gone",
                "not corrected: session 2: no windows",
            ]
        );
        told["work"] = json!({ "records_in": 1_000, "records_out": 2 });
        assert!(said(&told)[0].ends_with("1 windows are corrected."));
        assert!(said(&told).last().unwrap().starts_with("1,000 records were read and 2 results written"));
        told["late_rows"] = json!(0);
        assert_eq!(said(&told), ["Application taxi has had no late rows that are still kept."]);
    }
}
