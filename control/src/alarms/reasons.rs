//! Why an alarm is in its state: words for people, and a document for programs.

use super::judge::Judgement;
use super::sample::Sample;
use super::spec::{State, Watch};
use chrono::{DateTime, Utc};
use serde_json::{Value, json};

/// Most values that are told in words.
const VALUES_TOLD: usize = 5;

fn moment(at_ms: u64) -> DateTime<Utc> {
    i64::try_from(at_ms).ok().and_then(DateTime::from_timestamp_millis).unwrap_or_default()
}

/// A time as it stands in documents.
pub(super) fn stamp(at_ms: u64) -> String {
    moment(at_ms).format("%Y-%m-%dT%H:%M:%S%.3f+0000").to_string()
}

fn number(value: f64) -> String {
    format!("{value:?}")
}

/// Why the values make it this state.
pub(super) fn words(watch: &Watch, sample: &Sample, judgement: &Judgement, state: State) -> String {
    let asked = watch.evaluation_periods;
    let missing = watch.missing.map_or("missing", |missing| missing.name());
    if judgement.counted.is_empty() {
        let treated = match state {
            State::InsufficientData => return format!("Insufficient Data: {asked} datapoints were unknown."),
            _ => format!("treated as {missing}"),
        };
        return format!(
            "Threshold Crossed: no datapoints were received for {asked} periods, and {asked} missing datapoints were {treated}."
        );
    }
    let told = |place: &usize| {
        let (at_ms, value) = sample.points[*place];
        format!("{} ({})", number(value.unwrap_or_default()), moment(at_ms).format("%d/%m/%y %H:%M:%S"))
    };
    let values: Vec<String> = judgement.counted.iter().take(VALUES_TOLD).map(told).collect();
    let more = if judgement.counted.len() > VALUES_TOLD { ", …" } else { "" };
    let (count, is_alarm) = (judgement.counted.len(), state == State::Alarm);
    let shown = if is_alarm { judgement.breaching } else { count - judgement.breaching };
    let (verb, not) = (if shown == 1 { "was" } else { "were" }, if is_alarm { "" } else { "not " });
    let filled = match judgement.filled {
        0 => String::new(),
        filled => format!(" {filled} missing datapoints were treated as {missing}."),
    };
    format!(
        "Threshold Crossed: {shown} out of the last {count} datapoints [{}{more}] {verb} {not}{} the threshold ({}) (minimum {} \
         datapoint{} for OK -> ALARM transition).{filled}",
        values.join(", "),
        watch.comparison.words(),
        number(watch.threshold),
        watch.datapoints(),
        if watch.datapoints() == 1 { "" } else { "s" },
    )
}

/// The same for programs.
pub(super) fn data(watch: &Watch, sample: &Sample, judgement: &Judgement, now_ms: u64) -> Value {
    let mut recent: Vec<usize> = judgement.counted.clone();
    recent.reverse();
    let value = |place: &usize| sample.points[*place].1;
    let evaluated = |place: &usize| json!({ "timestamp": stamp(sample.points[*place].0), "value": value(place) });
    let mut data = json!({
        "version": "1.0",
        "queryDate": stamp(now_ms),
        "period": watch.period_s(),
        "recentDatapoints": recent.iter().filter_map(value).collect::<Vec<_>>(),
        "threshold": watch.threshold,
        "evaluatedDatapoints": judgement.counted.iter().take(100).map(evaluated).collect::<Vec<_>>(),
    });
    if let Some(first) = recent.first() {
        data["startDate"] = json!(stamp(sample.points[*first].0));
    }
    if let Some(wanted) = watch.series() {
        data["statistic"] = json!(wanted.asked.words());
    }
    data
}
