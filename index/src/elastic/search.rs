//! `_search`, `_count` and scrolls.

use super::body::{Body, literal, token};
use super::call::{Answer, Call};
use super::failure::Failure;
use super::histogram::time_value;
use super::render;
use super::scroll::scroll_id;
use super::sort::sort_of_text;
use crate::json::{Member, Node, Value};
use crate::search::{ColumnField, SearchRequest, SortKey, SortOrder, SourceFilter, TrackTotal};

/// Members of a search that the real one knows and this index does not.
const UNSUPPORTED: [&str; 14] = [
    "suggest",
    "highlight",
    "rescore",
    "collapse",
    "script_fields",
    "stored_fields",
    "indices_boost",
    "slice",
    "ext",
    "profile",
    "explain",
    "stats",
    "pit",
    "runtime_mappings",
];

/// What a request says about its answer, not about the search.
struct Shown {
    typed_keys: bool,
    total_as_number: bool,
    version: bool,
    sequence: bool,
}

/// `_search`.
pub(super) fn search(call: &Call) -> Result<Answer, Failure> {
    let mut request = SearchRequest::default();
    let mut shown =
        Shown { typed_keys: call.flag("typed_keys", false)?, total_as_number: false, version: false, sequence: false };
    shown.total_as_number = call.flag("rest_total_hits_as_int", false)?;
    let body = Body::read(&call.body)?;
    body.search(&mut request, &mut shown)?;
    parameters(call, &mut request, &mut shown)?;
    let scroll = call.parameter("scroll").map(|text| time_value(text, "scroll")).transpose()?;
    let names = call.indices()?;
    call.no_others()?;
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let started = call.index.env().monotonic_ns();
    let (id, response) = match scroll {
        None => (None, call.index.search(&names, &request)?),
        Some(keep_ms) => {
            check_scroll(&request, &body)?;
            let keep_ms = u64::try_from(keep_ms).unwrap_or(0);
            let (id, response) = call.index.scroll(&names, &request, keep_ms)?;
            (Some(scroll_id(id)), response)
        }
    };
    let took_ms = (call.index.env().monotonic_ns() - started) / 1_000_000;
    let view = render::View {
        typed_keys: shown.typed_keys,
        total_as_number: shown.total_as_number,
        version: shown.version,
        sequence: shown.sequence,
        indices: names.len(),
        took_ms,
        notes: body.take_notes(),
    };
    Ok(Answer::json(render::response(id, &response, &request.aggregations, &view)))
}

fn check_scroll(request: &SearchRequest, body: &Body) -> Result<(), Failure> {
    let mut problems = Vec::new();
    let says_from = body.root.members().is_some_and(|m| m.iter().any(|m| m.key == "from")) && request.from > 0;
    if says_from || request.from > 0 {
        problems.push("using [from] is not allowed in a scroll context".to_owned());
    }
    if request.size == 0 {
        problems.push("[size] cannot be [0] in a scroll context".to_owned());
    }
    if problems.is_empty() { Ok(()) } else { Err(Failure::validation(&problems)) }
}

fn parameters(call: &Call, request: &mut SearchRequest, shown: &mut Shown) -> Result<(), Failure> {
    if let Some(from) = call.whole("from")? {
        request.from = usize::try_from(from).unwrap_or(0);
    }
    if let Some(size) = call.whole("size")? {
        request.size = usize::try_from(size).unwrap_or(10);
    }
    if let Some(sort) = call.parameter("sort") {
        request.sort = sort.split(',').map(sort_of_text).collect();
        // By score alone is what happens anyway.
        if request.sort == [SortKey::Score(SortOrder::Descending)] {
            request.sort.clear();
        }
    }
    if let Some(text) = call.parameter("track_total_hits") {
        request.track_total = track_total(text)?;
    }
    request.track_scores |= call.flag("track_scores", false)?;
    shown.version |= call.flag("version", false)?;
    shown.sequence |= call.flag("seq_no_primary_term", false)?;
    if let Some(text) = call.parameter("timeout") {
        request.time_ms_max = time_limit(text)?;
    }
    if let Some(fields) = call.list("docvalue_fields") {
        request.column_fields.extend(fields.into_iter().map(|field| ColumnField { field, format: None }));
    }
    source_parameters(call, &mut request.source)?;
    match call.parameter("search_type") {
        None | Some("query_then_fetch" | "dfs_query_then_fetch") => {}
        Some(other) => return Err(Failure::argument(format!("No search type for [{other}]"))),
    }
    call.hints(&[
        "preference",
        "routing",
        "request_cache",
        "batched_reduce_size",
        "max_concurrent_shard_requests",
        "pre_filter_shard_size",
        "ccs_minimize_roundtrips",
        "allow_partial_search_results",
        "ignore_throttled",
    ]);
    Ok(())
}

/// `_source`, `_source_includes` and `_source_excludes`.
pub(super) fn source_parameters(call: &Call, source: &mut SourceFilter) -> Result<(), Failure> {
    match call.parameter("_source") {
        None => {}
        Some("" | "true") => source.enabled = true,
        Some("false") => source.enabled = false,
        Some(_) => source.includes = call.list("_source").unwrap_or_default(),
    }
    if let Some(includes) = call.list("_source_includes") {
        source.includes = includes;
    }
    if let Some(excludes) = call.list("_source_excludes") {
        source.excludes = excludes;
    }
    Ok(())
}

fn track_total(text: &str) -> Result<TrackTotal, Failure> {
    match text {
        "" | "true" => Ok(TrackTotal::All),
        "false" => Ok(TrackTotal::None),
        number => match number.parse::<i64>() {
            Ok(-1) => Ok(TrackTotal::All),
            Ok(limit) if limit >= 0 => Ok(TrackTotal::UpTo(limit as u64)),
            Ok(limit) => Err(Failure::argument(format!(
                "[track_total_hits] parameter must be positive or equals to -1, got {limit}"
            ))),
            Err(_) => Err(number_format(number)),
        },
    }
}

fn number_format(text: &str) -> Failure {
    Failure::new(400, "number_format_exception", format!("For input string: \"{text}\""))
}

fn time_limit(text: &str) -> Result<Option<u64>, Failure> {
    Ok(u64::try_from(time_value(text, "timeout")?).ok())
}

impl Body {
    fn search(&self, request: &mut SearchRequest, shown: &mut Shown) -> Result<(), Failure> {
        let Some(members) = self.root.members() else {
            let reason = format!("Expected [START_OBJECT] but found [{}]", token(&self.root.value));
            return Err(self.parsing(self.root.at, reason));
        };
        members.iter().try_for_each(|member| self.search_member(member, request, shown))
    }

    fn unknown_key(&self, member: &Member) -> Failure {
        let reason = format!("Unknown key for a {} in [{}].", token(&member.node.value), member.key);
        self.parsing(member.node.at, reason)
    }

    fn search_member(&self, member: &Member, request: &mut SearchRequest, shown: &mut Shown) -> Result<(), Failure> {
        let node = &member.node;
        match (member.key.as_str(), &node.value) {
            ("query", Value::Object(_)) => request.query = self.query(node)?,
            ("post_filter", Value::Object(_)) => request.post_filter = Some(self.query(node)?),
            ("aggs" | "aggregations", Value::Object(_)) => request.aggregations = self.aggregations(node, "")?,
            ("sort", Value::Object(_) | Value::Array(_) | Value::Text(_) | Value::Number(_)) => {
                request.sort = self.sort(node)?;
            }
            ("_source", value) => request.source = self.source(node, value)?,
            ("docvalue_fields", Value::Array(items)) => request.column_fields = self.fields(items)?,
            ("fields", Value::Array(items)) => request.document_fields = self.fields(items)?,
            ("search_after", Value::Array(items)) => {
                let values: Option<Vec<_>> = items.iter().map(|i| literal(&i.value)).collect();
                request.search_after = Some(values.ok_or_else(|| self.unknown_key(member))?);
            }
            (_, Value::Object(_) | Value::Array(_) | Value::Null | Value::Raw(_))
                if !UNSUPPORTED.contains(&member.key.as_str()) =>
            {
                return Err(self.unknown_key(member));
            }
            ("from", _) => request.from = self.plain_whole(member)?.map_or(0, |n| usize::try_from(n).unwrap_or(0)),
            ("size", _) => request.size = self.plain_whole(member)?.map_or(10, |n| usize::try_from(n).unwrap_or(10)),
            ("track_total_hits", _) => {
                let text = literal(&node.value).map(|v| v.as_text().to_owned()).unwrap_or_default();
                request.track_total = track_total(&text)?;
            }
            ("track_scores", _) => request.track_scores = self.boolean("search", member)?,
            ("version", _) => shown.version = self.boolean("search", member)?,
            ("seq_no_primary_term", _) => shown.sequence = self.boolean("search", member)?,
            ("min_score", _) => {
                let text = self.text("search", member)?;
                request.min_score = Some(text.parse().map_err(|_| number_format(&text))?);
            }
            ("timeout", _) => request.time_ms_max = time_limit(&self.text("search", member)?)?,
            (key, _) if UNSUPPORTED.contains(&key) || key == "terminate_after" => {
                return Err(self.parsing(node.at, format!("[{key}] is not supported by this index")));
            }
            _ => return Err(self.unknown_key(member)),
        }
        Ok(())
    }

    /// A whole number, or a text of one; `None` for those below 0, which stand for nothing being said.
    fn plain_whole(&self, member: &Member) -> Result<Option<i64>, Failure> {
        let text = self.text("search", member)?;
        let number = crate::value::parse_whole(&text).flatten().ok_or_else(|| number_format(&text))?;
        Ok(Some(number).filter(|n| *n >= 0))
    }

    fn source(&self, node: &Node, value: &Value) -> Result<SourceFilter, Failure> {
        let mut filter = SourceFilter::default();
        let what = "_source";
        let paths = |member: &Member| self.texts(what, member);
        match value {
            Value::Bool(enabled) => filter.enabled = *enabled,
            Value::Text(path) => filter.includes = vec![path.clone()],
            Value::Array(_) => {
                let all = Member { key: what.to_owned(), at: node.at, node: node.clone() };
                filter.includes = paths(&all)?;
            }
            Value::Object(members) => {
                for member in members {
                    match member.key.as_str() {
                        "includes" | "include" => filter.includes = paths(member)?,
                        "excludes" | "exclude" => filter.excludes = paths(member)?,
                        _ => {
                            let reason =
                                format!("Unknown key for a {} in [{}].", token(&member.node.value), member.key);
                            return Err(self.parsing(member.node.at, reason));
                        }
                    }
                }
            }
            other => {
                let reason = format!("Expected one of [VALUE_BOOLEAN, START_OBJECT] but found [{}]", token(other));
                return Err(self.parsing(node.at, reason));
            }
        }
        Ok(filter)
    }

    fn fields(&self, items: &[Node]) -> Result<Vec<ColumnField>, Failure> {
        items
            .iter()
            .map(|item| match &item.value {
                Value::Text(field) => Ok(ColumnField { field: field.clone(), format: None }),
                Value::Object(members) => {
                    let mut of = ColumnField { field: String::new(), format: None };
                    for member in members {
                        match member.key.as_str() {
                            "field" => of.field = self.text("field_and_format", member)?,
                            "format" => of.format = Some(self.text("field_and_format", member)?),
                            _ => return Err(self.unknown("field_and_format", member)),
                        }
                    }
                    Ok(of)
                }
                other => Err(self.parsing(item.at, format!("a field is needed, but found [{}]", token(other)))),
            })
            .collect()
    }
}

/// `_count`.
pub(super) fn count(call: &Call) -> Result<Answer, Failure> {
    let body = Body::read(&call.body)?;
    let mut query = crate::search::Query::ALL;
    let Some(members) = body.root.members() else {
        return Err(body.parsing(body.root.at, "a count takes an object"));
    };
    for member in members {
        match member.key.as_str() {
            "query" => query = body.query(&member.node)?,
            key => return Err(body.parsing(member.at, format!("request does not support [{key}]"))),
        }
    }
    call.hints(&["preference", "routing", "ignore_throttled"]);
    let names = call.indices()?;
    call.no_others()?;
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let count = call.index.count(&names, &query)?;
    Ok(Answer::json(Value::object([("count", count.into()), ("_shards", render::shards(names.len()))])))
}
