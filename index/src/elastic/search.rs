//! `_search`, `_count` and scrolls.

use super::aggregation::time_value;
use super::body::{Body, Notes, literal, token};
use super::call::{Answer, Call};
use super::failure::Failure;
use super::render;
use crate::json::{Member, Node, Value};
use crate::search::{
    ColumnField, SearchRequest, SortField, SortKey, SortMissing, SortMode, SortOrder, SourceFilter, TrackTotal,
};
use base64::Engine;
use bytes::Bytes;

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

/// `field` or `field:direction`; a direction that is none counts as part of the name, as the real one has it.
fn sort_of_text(text: &str) -> SortKey {
    match text.rsplit_once(':') {
        Some((field, "asc")) => sort_key(field, Some(SortOrder::Ascending)),
        Some((field, "desc")) => sort_key(field, Some(SortOrder::Descending)),
        // The real one drops a sort whose direction it does not know.
        Some(_) => SortKey::Score(SortOrder::Descending),
        None => sort_key(text, None),
    }
}

fn sort_key(field: &str, order: Option<SortOrder>) -> SortKey {
    match field {
        "_score" => SortKey::Score(order.unwrap_or(SortOrder::Descending)),
        "_doc" => SortKey::Document(order.unwrap_or(SortOrder::Ascending)),
        _ => SortKey::Field(SortField {
            field: field.to_owned(),
            order: order.unwrap_or(SortOrder::Ascending),
            missing: SortMissing::Last,
            mode: None,
            unmapped: false,
        }),
    }
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

    fn sort(&self, node: &Node) -> Result<Vec<SortKey>, Failure> {
        let mut keys = Vec::new();
        match &node.value {
            Value::Array(items) => {
                for item in items {
                    match &item.value {
                        Value::Object(members) => self.sort_object(members, &mut keys)?,
                        Value::Text(field) => keys.push(sort_key(field, None)),
                        other => {
                            let reason = format!(
                                "malformed sort format, within the sort array, an object, or an actual string are allowed, \
                                 but found [{}]",
                                token(other)
                            );
                            return Err(Failure::argument(reason));
                        }
                    }
                }
            }
            Value::Object(members) => self.sort_object(members, &mut keys)?,
            Value::Text(field) | Value::Number(field) => keys.push(sort_key(field, None)),
            _ => {}
        }
        if keys == [SortKey::Score(SortOrder::Descending)] {
            keys.clear();
        }
        Ok(keys)
    }

    fn sort_object(&self, members: &[Member], keys: &mut Vec<SortKey>) -> Result<(), Failure> {
        for member in members {
            match &member.node.value {
                Value::Text(order) => keys.push(sort_key(&member.key, Some(order_of(order)?))),
                Value::Object(inner) => keys.push(self.sort_field(&member.key, inner)?),
                other => {
                    let reason =
                        format!("a sort of [{}] must be an order or an object, found [{}]", member.key, token(other));
                    return Err(self.parsing(member.node.at, reason));
                }
            }
        }
        Ok(())
    }

    fn sort_field(&self, field: &str, members: &[Member]) -> Result<SortKey, Failure> {
        const WHAT: &str = "field_sort";
        if field == "_geo_distance" || field == "_script" {
            return Err(Failure::argument(format!("a sort by [{field}] is not supported by this index")));
        }
        let (mut order, mut missing, mut mode, mut unmapped) = (None, SortMissing::Last, None, false);
        for member in members {
            match member.key.as_str() {
                "order" => order = Some(order_of(&self.text(WHAT, member)?)?),
                "missing" => {
                    missing = match literal(&member.node.value).ok_or_else(|| self.wrong_kind(WHAT, member))? {
                        crate::search::Literal::Text(text) if text == "_last" => SortMissing::Last,
                        crate::search::Literal::Text(text) if text == "_first" => SortMissing::First,
                        value => SortMissing::Value(value),
                    }
                }
                "mode" => {
                    let text = self.text(WHAT, member)?;
                    let cause = || Failure::argument(format!("Unknown SortMode [{text}]"));
                    mode = Some(mode_of(&text).ok_or_else(|| self.failed(WHAT, member, cause()))?);
                }
                "unmapped_type" => unmapped = true,
                "numeric_type" | "nested" | "nested_path" | "nested_filter" | "format" => {
                    let cause = Failure::argument(format!("[{}] is not supported by this index", member.key));
                    return Err(self.failed(WHAT, member, cause));
                }
                _ => return Err(self.unknown(WHAT, member)),
            }
        }
        Ok(match sort_key(field, order) {
            SortKey::Field(sort) => SortKey::Field(SortField { missing, mode, unmapped, ..sort }),
            special => special,
        })
    }
}

fn order_of(text: &str) -> Result<SortOrder, Failure> {
    match text.to_ascii_lowercase().as_str() {
        "asc" => Ok(SortOrder::Ascending),
        "desc" => Ok(SortOrder::Descending),
        _ => Err(Failure::argument(format!("No enum constant SortOrder.{}", text.to_uppercase()))),
    }
}

fn mode_of(text: &str) -> Option<SortMode> {
    Some(match text.to_ascii_lowercase().as_str() {
        "min" => SortMode::Min,
        "max" => SortMode::Max,
        "sum" => SortMode::Sum,
        "avg" => SortMode::Avg,
        "median" => SortMode::Median,
        _ => return None,
    })
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

const SCROLL_MAGIC: &[u8; 4] = b"scr1";

/// The text of a scroll's id.
fn scroll_id(id: u64) -> String {
    let bytes: Vec<u8> = SCROLL_MAGIC.iter().copied().chain(id.to_be_bytes()).collect();
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes)
}

fn parse_scroll_id(text: &str) -> Result<u64, Failure> {
    let wrong = || Failure::argument("Cannot parse scroll id");
    let bytes =
        base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).map_err(|_| wrong())?;
    let id = bytes.strip_prefix(SCROLL_MAGIC).and_then(|id| <[u8; 8]>::try_from(id).ok()).ok_or_else(wrong)?;
    Ok(u64::from_be_bytes(id))
}

/// What a scroll request says: ids and, to go on, how long to keep the scroll.
struct ScrollBody {
    ids: Vec<String>,
    keep: Option<String>,
}

fn scroll_body(call: &Call) -> Result<ScrollBody, Failure> {
    let mut found = ScrollBody { ids: Vec::new(), keep: call.parameter("scroll").map(str::to_owned) };
    let split = |text: &str| text.split(',').map(str::to_owned).collect();
    if let Some(ids) = call.parameter("scroll_id") {
        found.ids = split(ids);
    }
    if !call.part("scroll_id").is_empty() {
        found.ids = split(call.part("scroll_id"));
    }
    let body = Body::read(&Bytes::clone(&call.body))?;
    let Some(members) = body.root.members() else {
        return Err(Failure::argument("Malformed content, must start with an object"));
    };
    for member in members {
        match (member.key.as_str(), &member.node.value) {
            ("scroll_id", Value::Text(id)) => found.ids = vec![id.clone()],
            ("scroll_id", Value::Array(_)) => found.ids = body.texts("scroll", member)?,
            ("scroll", Value::Text(keep)) => found.keep = Some(keep.clone()),
            (key, value) => {
                let reason = format!(
                    "Unknown parameter [{key}] in request body or parameter is of the wrong type[{}] ",
                    token(value)
                );
                return Err(Failure::argument(reason));
            }
        }
    }
    Ok(found)
}

/// The next page of a scroll.
pub(super) fn scroll(call: &Call) -> Result<Answer, Failure> {
    let asked = scroll_body(call)?;
    let total_as_number = call.flag("rest_total_hits_as_int", false)?;
    call.no_others()?;
    let [id] = &asked.ids[..] else { return Err(Failure::validation(&["scrollId is missing".to_owned()])) };
    let number = parse_scroll_id(id)?;
    let keep_ms = asked.keep.map(|text| time_value(&text, "scroll")).transpose()?;
    let started = call.index.env().monotonic_ns();
    let response = call.index.scroll_next(number, keep_ms.and_then(|ms| u64::try_from(ms).ok()))?;
    let took_ms = (call.index.env().monotonic_ns() - started) / 1_000_000;
    let view = render::View {
        typed_keys: false,
        total_as_number,
        version: false,
        sequence: false,
        indices: 1,
        took_ms,
        notes: Notes::default(),
    };
    Ok(Answer::json(render::response(Some(id.clone()), &response, &[], &view)))
}

/// Ends scrolls.
pub(super) fn clear_scroll(call: &Call) -> Result<Answer, Failure> {
    let asked = scroll_body(call)?;
    call.no_others()?;
    if asked.ids.is_empty() {
        return Err(Failure::validation(&["no scroll ids specified".to_owned()]));
    }
    let freed = if asked.ids == ["_all"] {
        call.index.scroll_end_all()
    } else {
        let numbers = asked.ids.iter().map(|id| parse_scroll_id(id)).collect::<Result<Vec<_>, _>>()?;
        numbers.into_iter().filter(|id| call.index.scroll_end(*id)).count()
    };
    let status = if freed > 0 || asked.ids == ["_all"] { 200 } else { 404 };
    Ok(Answer::status(status, Value::object([("succeeded", true.into()), ("num_freed", freed.into())])))
}
