//! Answers of searches, as JSON.

use super::body::Notes;
use crate::aggregate::{Aggregation, AggregationKind, AggregationResult, Bucket, BucketKey, Buckets, Number};
use crate::json::Value;
use crate::search::{Hit, SearchResponse, SortValue};

/// How an answer is shown.
pub(super) struct View {
    pub(super) typed_keys: bool,
    pub(super) total_as_number: bool,
    pub(super) version: bool,
    pub(super) sequence: bool,
    pub(super) indices: usize,
    pub(super) took_ms: u64,
    pub(super) notes: Notes,
}

/// What is said about shards: each index is one.
pub(super) fn shards(indices: usize) -> Value {
    Value::object([
        ("total", Value::from(indices)),
        ("successful", indices.into()),
        ("skipped", 0u32.into()),
        ("failed", 0u32.into()),
    ])
}

/// The answer to a search.
pub(super) fn response(
    scroll_id: Option<String>,
    response: &SearchResponse,
    asked: &[(String, Aggregation)],
    view: &View,
) -> Value {
    let mut hits = Value::object::<&str>([]);
    match &response.total {
        Some(total) if view.total_as_number => hits.push("total", total.value),
        Some(total) => {
            let relation = if total.exact { "eq" } else { "gte" };
            hits.push("total", Value::object([("value", Value::from(total.value)), ("relation", relation.into())]));
        }
        None if view.total_as_number => hits.push("total", -1i64),
        None => {}
    }
    hits.push("max_score", response.max_score.map_or(Value::Null, Value::from));
    hits.push("hits", Value::array(response.hits.iter().map(|hit| render_hit(hit, view))));
    let mut answer = Value::object::<&str>([]);
    if let Some(id) = scroll_id {
        answer.push("_scroll_id", id);
    }
    answer.push("took", view.took_ms);
    answer.push("timed_out", response.timed_out);
    if let Some(filled) = response.filled {
        answer.push("terminated_early", filled);
    }
    answer.push("_shards", shards(view.indices));
    answer.push("hits", hits);
    if !response.aggregations.is_empty() {
        answer.push("aggregations", aggregations(&response.aggregations, asked, "", view));
    }
    answer
}

fn render_hit(hit: &Hit, view: &View) -> Value {
    let mut shown = Value::object([
        ("_index", Value::from(&*hit.index)),
        ("_type", "_doc".into()),
        ("_id", hit.id.as_str().into()),
    ]);
    if view.version {
        shown.push("_version", hit.version);
    }
    if view.sequence {
        shown.push("_seq_no", hit.sequence);
        shown.push("_primary_term", 1u32);
    }
    shown.push("_score", hit.score.map_or(Value::Null, Value::from));
    if let Some(source) = &hit.source {
        shown.push("_source", Value::Raw(source.clone().into()));
    }
    if !hit.fields.is_empty() {
        let fields = hit.fields.iter().map(|(name, values)| (name.as_str(), Value::array(values.iter().cloned())));
        shown.push("fields", Value::object(fields));
    }
    if !hit.sort.is_empty() {
        shown.push("sort", Value::array(hit.sort.iter().map(sort_value)));
    }
    shown
}

fn sort_value(value: &SortValue) -> Value {
    match value {
        SortValue::Whole(v) => (*v).into(),
        SortValue::Fraction(v) => (*v).into(),
        SortValue::Fraction32(v) => (*v).into(),
        SortValue::Text(text) => text.as_str().into(),
        SortValue::Null => Value::Null,
    }
}

fn aggregations(
    results: &[(String, AggregationResult)],
    asked: &[(String, Aggregation)],
    within: &str,
    view: &View,
) -> Value {
    let named = results.iter().map(|(name, result)| {
        let of = asked.iter().find(|(n, _)| n == name).map(|(_, a)| a);
        let key = match of.filter(|_| view.typed_keys) {
            Some(of) => format!("{}#{name}", type_of(of, result)),
            None => name.clone(),
        };
        let path = if within.is_empty() { name.clone() } else { format!("{within}>{name}") };
        (key, aggregation(result, of, &path, view))
    });
    Value::object(named)
}

fn type_of(asked: &Aggregation, result: &AggregationResult) -> &'static str {
    match (&asked.kind, result) {
        (AggregationKind::Terms(_), AggregationResult::Buckets(b)) => match b.buckets.first().map(|b| &b.key) {
            None | Some(BucketKey::Text(_) | BucketKey::None) => "sterms",
            Some(BucketKey::Whole(_)) => "lterms",
            Some(BucketKey::Fraction(_)) => "dterms",
        },
        (AggregationKind::Percentiles(_), _) => "tdigest_percentiles",
        (kind, _) => kind.name(),
    }
}

fn inner(
    into: &mut Value,
    results: &[(String, AggregationResult)],
    asked: Option<&Aggregation>,
    path: &str,
    view: &View,
) {
    let all = aggregations(results, asked.map_or(&[], |a| &a.inner), path, view);
    if let Value::Object(members) = all {
        members.into_iter().for_each(|m| into.push(m.key, m.node.value));
    }
}

fn put_number(into: &mut Value, key: &str, number: &Number) {
    into.push(key, number.value.map_or(Value::Null, Value::from));
    if let Some(text) = &number.text {
        let key = if key == "value" { "value_as_string".to_owned() } else { format!("{key}_as_string") };
        into.push(key, text.as_str());
    }
}

fn aggregation(result: &AggregationResult, asked: Option<&Aggregation>, path: &str, view: &View) -> Value {
    let mut shown = Value::object::<&str>([]);
    if let Some(note) = view.notes.get(path) {
        shown.push("meta", Value::Raw(note.clone()));
    }
    match result {
        AggregationResult::Number(number) => put_number(&mut shown, "value", number),
        AggregationResult::Count(count) => shown.push("value", *count),
        AggregationResult::Stats { count, min, max, avg, sum } => {
            shown.push("count", *count);
            for (key, number) in [("min", min), ("max", max), ("avg", avg), ("sum", sum)] {
                shown.push(key, number.value.map_or(Value::Null, Value::from));
            }
            for (key, number) in [("min", min), ("max", max), ("avg", avg), ("sum", sum)] {
                if let Some(text) = &number.text {
                    shown.push(format!("{key}_as_string"), text.as_str());
                }
            }
        }
        AggregationResult::Percentiles { values, keyed: true } => {
            let mut all = Value::object::<&str>([]);
            values.iter().for_each(|(percent, number)| put_number(&mut all, &format!("{percent:?}"), number));
            shown.push("values", all);
        }
        AggregationResult::Percentiles { values, keyed: false } => {
            let one = |(percent, number): &(f64, Number)| {
                let mut of = Value::object([("key", Value::from(*percent))]);
                put_number(&mut of, "value", number);
                of
            };
            shown.push("values", Value::array(values.iter().map(one)));
        }
        AggregationResult::Single { count, inner: results } => {
            shown.push("doc_count", *count);
            inner(&mut shown, results, asked, path, view);
        }
        AggregationResult::Buckets(buckets) => put_buckets(&mut shown, buckets, asked, path, view),
    }
    shown
}

fn put_buckets(shown: &mut Value, of: &Buckets, asked: Option<&Aggregation>, path: &str, view: &View) {
    if let Some(bound) = of.error_bound {
        shown.push("doc_count_error_upper_bound", bound);
    }
    if let Some(count) = of.other_count {
        shown.push("sum_other_doc_count", count);
    }
    if of.keyed {
        let named = of.buckets.iter().map(|b| (bucket_name(b), bucket(b, asked, path, view)));
        shown.push("buckets", Value::object(named));
    } else {
        shown.push("buckets", Value::array(of.buckets.iter().map(|b| bucket(b, asked, path, view))));
    }
}

fn bucket_name(bucket: &Bucket) -> String {
    match (&bucket.key_text, &bucket.key) {
        (Some(text), _) | (None, BucketKey::Text(text)) => text.clone(),
        (None, BucketKey::Whole(value)) => value.to_string(),
        (None, BucketKey::Fraction(value)) => format!("{value:?}"),
        (None, BucketKey::None) => String::new(),
    }
}

fn bucket(bucket: &Bucket, asked: Option<&Aggregation>, path: &str, view: &View) -> Value {
    let by_query = matches!(asked.map(|a| &a.kind), Some(AggregationKind::Filters(_)));
    let mut shown = Value::object::<&str>([]);
    let key = match &bucket.key {
        BucketKey::Text(_) if by_query => None,
        BucketKey::Text(text) => Some(Value::from(text.as_str())),
        BucketKey::Whole(value) => Some((*value).into()),
        BucketKey::Fraction(value) => Some((*value).into()),
        BucketKey::None => None,
    };
    if let Some(text) = &bucket.key_text {
        shown.push("key_as_string", text.as_str());
    }
    if let Some(key) = key {
        shown.push("key", key);
    }
    shown.push("doc_count", bucket.count);
    inner(&mut shown, &bucket.inner, asked, path, view);
    shown
}
