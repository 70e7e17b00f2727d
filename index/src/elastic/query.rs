//! Queries, from JSON.

use super::body::{Body, literal, token};
use super::failure::Failure;
use crate::geo::{GeoBox, Point, geohash_box};
use crate::json::{Member, Node, Value};
use crate::search::{GeoCorners, Literal, Query, RangeBounds, Validation};

/// Queries that the real one knows and this index does not.
const UNSUPPORTED: [&str; 27] = [
    "match",
    "match_phrase",
    "match_phrase_prefix",
    "match_bool_prefix",
    "multi_match",
    "common",
    "query_string",
    "simple_query_string",
    "intervals",
    "prefix",
    "wildcard",
    "regexp",
    "fuzzy",
    "terms_set",
    "dis_max",
    "function_score",
    "boosting",
    "has_child",
    "has_parent",
    "parent_id",
    "geo_distance",
    "geo_polygon",
    "geo_shape",
    "script",
    "script_score",
    "more_like_this",
    "percolate",
];

impl Body {
    /// A query.
    pub(super) fn query(&self, node: &Node) -> Result<Query, Failure> {
        let Some(members) = node.members() else {
            return Err(self.parsing(node.at, "[_na] query malformed, must start with start_object"));
        };
        let Some(first) = members.first() else {
            let reason = format!("query malformed, empty clause found at [{}]", self.place(node.end));
            return Err(Failure::argument(reason));
        };
        let name = first.key.as_str();
        let Some(inner) = first.node.members() else {
            return Err(
                self.parsing(first.node.at, format!("[{name}] query malformed, no start_object after query name"))
            );
        };
        let query = self.named_query(first, inner)?;
        if let Some(second) = members.get(1) {
            let reason = format!("[{name}] malformed query, expected [END_OBJECT] but found [FIELD_NAME]");
            return Err(self.parsing(second.at, reason));
        }
        Ok(query)
    }

    fn named_query(&self, first: &Member, inner: &[Member]) -> Result<Query, Failure> {
        match first.key.as_str() {
            "match_all" => self.only_boost("match_all", inner).map(|boost| Query::All { boost }),
            "match_none" => self.only_boost("match_none", inner).map(|_| Query::None),
            "term" => self.term(inner),
            "terms" => self.terms(inner),
            "range" => self.range(inner),
            "exists" => self.exists(first, inner),
            "ids" => self.ids(inner),
            "bool" => self.bool_query(inner),
            "constant_score" => self.constant_score(first, inner),
            "geo_bounding_box" => self.geo_bounding_box(inner),
            "nested" => Err(IndexRefusal::nested(inner)),
            name if UNSUPPORTED.contains(&name) => {
                Err(self.parsing(first.node.at, format!("query [{name}] is not supported by this index")))
            }
            name => {
                let cause = format!("[{}] unknown field [{name}]", self.place(first.node.at));
                Err(self.parsing(first.node.at, format!("unknown query [{name}]")).caused_by(Failure::new(
                    400,
                    "named_object_not_found_exception",
                    cause,
                )))
            }
        }
    }

    fn boost(&self, member: &Member) -> Result<f32, Failure> {
        let boost = self.number("boost", member)? as f32;
        if boost.is_finite() && boost >= 0.0 {
            return Ok(boost);
        }
        Err(Failure::argument(format!(
            "negative [boost] are not allowed in [query], use a value between 0 and 1, got [{boost}]"
        )))
    }

    fn only_boost(&self, name: &str, members: &[Member]) -> Result<f32, Failure> {
        let mut boost = 1.0;
        for member in members {
            match member.key.as_str() {
                "boost" => boost = self.boost(member)?,
                key => {
                    let reason = format!("[{}] [{name}] unknown field [{key}]", self.place(member.at));
                    return Err(self.parsing(member.at, reason));
                }
            }
        }
        Ok(boost)
    }

    fn plain(&self, name: &str, member: &Member) -> Result<Literal, Failure> {
        match literal(&member.node.value) {
            Some(Literal::Null) => Err(Failure::argument("value cannot be null")),
            Some(value) => Ok(value),
            None => Err(self.parsing(member.node.at, format!("[{name}] query does not support array of values"))),
        }
    }

    fn term(&self, members: &[Member]) -> Result<Query, Failure> {
        let Some(first) = members.first() else { return Err(Failure::argument("field name is null or empty")) };
        if let Some(second) = members.get(1) {
            let reason =
                format!("[term] query doesn't support multiple fields, found [{}] and [{}]", first.key, second.key);
            return Err(self.parsing(second.node.at, reason));
        }
        let (mut value, mut boost) = (None, 1.0);
        match first.node.members() {
            None => value = Some(self.plain("term", first)?),
            Some(inner) => {
                for member in inner {
                    match member.key.as_str() {
                        "value" => value = Some(self.plain("term", member)?),
                        "boost" => boost = self.boost(member)?,
                        "case_insensitive" if !self.boolean("term", member)? => {}
                        key => return Err(self.parsing(member.at, format!("[term] query does not support [{key}]"))),
                    }
                }
            }
        }
        let value = value.ok_or_else(|| Failure::argument("value cannot be null"))?;
        Ok(Query::Term { field: first.key.clone(), value, boost })
    }

    fn terms(&self, members: &[Member]) -> Result<Query, Failure> {
        let (mut found, mut boost) = (None, 1.0);
        for member in members {
            match (&member.node.value, member.key.as_str()) {
                (Value::Array(_), _) if found.is_some() => {
                    return Err(self.parsing(member.node.at, "[terms] query does not support multiple fields"));
                }
                (Value::Array(items), field) => {
                    let values: Option<Vec<Literal>> =
                        items.iter().map(|i| literal(&i.value).filter(|v| *v != Literal::Null)).collect();
                    let values = values.ok_or_else(|| Failure::argument("No value specified for terms query"))?;
                    found = Some((field.to_owned(), values));
                }
                (_, "boost") => boost = self.boost(member)?,
                (_, key) => {
                    return Err(self.parsing(member.node.at, format!("[terms] query does not support [{key}]")));
                }
            }
        }
        let (field, values) = found.ok_or_else(|| {
            self.parsing(
                0,
                "[terms] query requires a field name, followed by array of terms or a document lookup specification",
            )
        })?;
        Ok(Query::Terms { field, values, boost })
    }

    fn range(&self, members: &[Member]) -> Result<Query, Failure> {
        let mut found: Option<Query> = None;
        for member in members {
            let Some(inner) = member.node.members() else {
                return Err(self.parsing(member.node.at, format!("[range] query does not support [{}]", member.key)));
            };
            if found.is_some() {
                return Err(self.parsing(member.at, "[range] query doesn't support multiple fields"));
            }
            let (bounds, boost) = self.bounds(inner)?;
            found = Some(Query::Range { field: member.key.clone(), bounds, boost });
        }
        found.ok_or_else(|| Failure::argument("field name is null or empty"))
    }

    fn bounds(&self, members: &[Member]) -> Result<(RangeBounds, f32), Failure> {
        let (mut from, mut to, mut lower, mut upper) = (None, None, true, true);
        let mut bounds = RangeBounds::default();
        let mut boost = 1.0;
        for member in members {
            let end = || {
                literal(&member.node.value).ok_or_else(|| {
                    self.parsing(member.node.at, format!("[range] query does not support [{}]", member.key))
                })
            };
            match member.key.as_str() {
                "gte" => (from, lower) = (Some(end()?), true),
                "gt" => (from, lower) = (Some(end()?), false),
                "lte" => (to, upper) = (Some(end()?), true),
                "lt" => (to, upper) = (Some(end()?), false),
                "from" => from = Some(end()?),
                "to" => to = Some(end()?),
                "include_lower" => lower = self.boolean("range", member)?,
                "include_upper" => upper = self.boolean("range", member)?,
                "format" => bounds.format = Some(self.text("range", member)?),
                "time_zone" => bounds.time_zone = Some(self.text("range", member)?),
                "boost" => boost = self.boost(member)?,
                key => return Err(self.parsing(member.node.at, format!("[range] query does not support [{key}]"))),
            }
        }
        bounds.from = from.map(|v| (v, lower));
        bounds.to = to.map(|v| (v, upper));
        Ok((bounds, boost))
    }

    fn exists(&self, first: &Member, members: &[Member]) -> Result<Query, Failure> {
        let (mut field, mut boost) = (None, 1.0);
        for member in members {
            match member.key.as_str() {
                "field" => field = Some(self.text("exists", member)?),
                "boost" => boost = self.boost(member)?,
                key => return Err(self.parsing(member.node.at, format!("[exists] query does not support [{key}]"))),
            }
        }
        let field = field.ok_or_else(|| self.parsing(first.node.end, "[exists] must be provided with a [field]"))?;
        Ok(Query::Exists { field, boost })
    }

    fn ids(&self, members: &[Member]) -> Result<Query, Failure> {
        let (mut values, mut boost) = (Vec::new(), 1.0);
        for member in members {
            match (member.key.as_str(), &member.node.value) {
                ("values", Value::Array(items)) => {
                    let texts: Option<Vec<String>> =
                        items.iter().map(|i| literal(&i.value).map(|v| v.as_text().to_owned())).collect();
                    values = texts.ok_or_else(|| self.wrong_kind("ids", member))?;
                }
                ("values", _) => values = vec![self.text("ids", member)?],
                ("boost", _) => boost = self.boost(member)?,
                (key, _) => {
                    let reason = format!("[{}] [ids] unknown field [{key}]", self.place(member.at));
                    return Err(self.parsing(member.at, reason));
                }
            }
        }
        Ok(Query::Ids { values, boost })
    }

    /// One query, or several.
    fn queries(&self, member: &Member) -> Result<Vec<Query>, Failure> {
        let one = |node: &Node| self.query(node).map_err(|cause| self.failed("bool", member, cause));
        match &member.node.value {
            Value::Array(items) => items.iter().map(one).collect(),
            Value::Object(_) => Ok(vec![one(&member.node)?]),
            _ => Err(self.wrong_kind("bool", member)),
        }
    }

    fn bool_query(&self, members: &[Member]) -> Result<Query, Failure> {
        let (mut must, mut filter, mut should, mut must_not) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let (mut least, mut boost) = (None, 1.0);
        for member in members {
            match member.key.as_str() {
                "must" => must.extend(self.queries(member)?),
                "filter" => filter.extend(self.queries(member)?),
                "should" => should.extend(self.queries(member)?),
                "must_not" | "mustNot" => must_not.extend(self.queries(member)?),
                "minimum_should_match" => least = Some((member, self.text("bool", member)?)),
                "boost" => boost = self.boost(member)?,
                _ => return Err(self.unknown("bool", member)),
            }
        }
        let minimum_should_match = least.map(|(member, text)| self.least(member, &text, should.len())).transpose()?;
        Ok(Query::Bool { must, filter, should, must_not, minimum_should_match, boost })
    }

    /// A number, or a percentage of the clauses; negative ones count what may be missing.
    fn least(&self, member: &Member, text: &str, clauses: usize) -> Result<i64, Failure> {
        let percent = text.strip_suffix('%').and_then(|p| p.trim().parse::<i64>().ok());
        if let Some(percent) = percent.filter(|p| (-100..=100).contains(p)) {
            let part = percent * clauses as i64 / 100;
            return Ok(if percent < 0 { clauses as i64 + part } else { part });
        }
        text.trim().parse().map_err(|_| {
            let cause = Failure::argument(format!("minimum_should_match [{text}] is not supported by this index"));
            self.failed("bool", member, cause)
        })
    }

    fn constant_score(&self, first: &Member, members: &[Member]) -> Result<Query, Failure> {
        let (mut filter, mut boost) = (None, 1.0);
        for member in members {
            match member.key.as_str() {
                "filter" => filter = Some(Box::new(self.query(&member.node)?)),
                "boost" => boost = self.boost(member)?,
                key => {
                    let reason = format!("[constant_score] query does not support [{key}]");
                    return Err(self.parsing(member.node.at, reason));
                }
            }
        }
        let filter =
            filter.ok_or_else(|| self.parsing(first.node.end, "[constant_score] requires a 'filter' element"))?;
        Ok(Query::Constant { filter, boost })
    }

    fn geo_bounding_box(&self, members: &[Member]) -> Result<Query, Failure> {
        let (mut found, mut boost, mut validation, mut ignore_unmapped) = (None, 1.0, Validation::Strict, false);
        for member in members {
            match member.key.as_str() {
                "validation_method" => validation = self.validation(member)?,
                "ignore_unmapped" => ignore_unmapped = self.boolean("geo_bounding_box", member)?,
                // Both ways of executing it find the same documents.
                "type" if matches!(member.node.text(), Some("memory" | "indexed")) => {}
                "boost" => boost = self.boost(member)?,
                field => match member.node.members() {
                    Some(inner) => found = Some((field.to_owned(), self.corners(inner)?)),
                    None => {
                        let reason = format!(
                            "failed to parse [geo_bounding_box] query. unexpected field [{field}] of {}",
                            token(&member.node.value)
                        );
                        return Err(self.parsing(member.node.at, reason));
                    }
                },
            }
        }
        let (field, corners) = found.ok_or_else(|| box_error("bounding box not provided"))?;
        if validation == Validation::Strict {
            check_box(&corners)?;
        }
        Ok(Query::GeoBox { field, corners: GeoCorners { corners, validation, ignore_unmapped }, boost })
    }

    fn validation(&self, member: &Member) -> Result<Validation, Failure> {
        match self.text("geo_bounding_box", member)?.to_ascii_uppercase().as_str() {
            "STRICT" => Ok(Validation::Strict),
            "COERCE" => Ok(Validation::Coerce),
            "IGNORE_MALFORMED" => Ok(Validation::IgnoreMalformed),
            other => Err(Failure::argument(format!(
                "operator needs to be either STRICT, COERCE or IGNORE_MALFORMED, but not [{other}]"
            ))),
        }
    }

    /// The corners of a box in one of their many forms.
    pub(super) fn corners(&self, members: &[Member]) -> Result<GeoBox, Failure> {
        let mut b = GeoBox { top: f64::NAN, left: f64::NAN, bottom: f64::NAN, right: f64::NAN };
        for member in members {
            match member.key.as_str() {
                "top" => b.top = self.number("geo_bounding_box", member)?,
                "bottom" => b.bottom = self.number("geo_bounding_box", member)?,
                "left" => b.left = self.number("geo_bounding_box", member)?,
                "right" => b.right = self.number("geo_bounding_box", member)?,
                // A geohash stands for its cell: a corner of the box is that corner of the cell.
                "top_left" => [_, b.left, b.top, _] = self.corner(&member.node)?,
                "bottom_right" => [b.bottom, _, _, b.right] = self.corner(&member.node)?,
                "top_right" => [_, _, b.top, b.right] = self.corner(&member.node)?,
                "bottom_left" => [b.bottom, b.left, _, _] = self.corner(&member.node)?,
                "wkt" => return box_of_wkt(&self.text("geo_bounding_box", member)?),
                key => return Err(box_error(&format!("[failed to parse bounding box. unexpected field [{key}]]"))),
            }
        }
        Ok(b)
    }

    /// South, west, north, east of a corner; of a point all are itself.
    fn corner(&self, node: &Node) -> Result<[f64; 4], Failure> {
        let number = |node: &Node| match &node.value {
            Value::Number(text) | Value::Text(text) => text.parse::<f64>().ok(),
            _ => None,
        };
        let point = |lat: f64, lon: f64| Ok([lat, lon, lat, lon]);
        let wrong = || box_error("[a corner must be a point]");
        match &node.value {
            Value::Object(members) => {
                let of = |key: &str| members.iter().find(|m| m.key == key).and_then(|m| number(&m.node));
                let geohash = members.iter().find(|m| m.key == "geohash").and_then(|m| m.node.text());
                match (of("lat"), of("lon"), geohash) {
                    (Some(lat), Some(lon), None) => point(lat, lon),
                    (None, None, Some(geohash)) => geohash_box(geohash).map_err(|e| box_error(&format!("[{e}]"))),
                    _ => Err(wrong()),
                }
            }
            Value::Array(items) => match items[..] {
                [ref lon, ref lat] => match (number(lat), number(lon)) {
                    (Some(lat), Some(lon)) => point(lat, lon),
                    _ => Err(wrong()),
                },
                _ => Err(wrong()),
            },
            Value::Text(text) if text.contains(',') => {
                let (lat, lon) = text.split_once(',').unwrap_or_default();
                match (lat.trim().parse(), lon.trim().parse()) {
                    (Ok(lat), Ok(lon)) => point(lat, lon),
                    _ => Err(wrong()),
                }
            }
            Value::Text(text) if text.to_ascii_uppercase().starts_with("POINT") => {
                let p = Point::from_text(text).map_err(|e| box_error(&format!("[{e}]")))?;
                point(p.latitude(), p.longitude())
            }
            Value::Text(geohash) => geohash_box(geohash).map_err(|e| box_error(&format!("[{e}]"))),
            _ => Err(wrong()),
        }
    }
}

fn box_error(what: &str) -> Failure {
    Failure::new(400, "parse_exception", format!("failed to parse [geo_bounding_box] query. {what}"))
}

/// `BBOX (left, right, top, bottom)`.
fn box_of_wkt(text: &str) -> Result<GeoBox, Failure> {
    let wrong = || box_error(&format!("[failed to parse WKT bounding box [{text}]]"));
    let upper = text.to_ascii_uppercase();
    let inner = upper.trim().strip_prefix("BBOX").map(str::trim);
    let inner = inner.and_then(|r| r.strip_prefix('(')).and_then(|r| r.strip_suffix(')')).ok_or_else(wrong)?;
    let numbers: Vec<f64> = inner.split(',').filter_map(|n| n.trim().parse().ok()).collect();
    match numbers[..] {
        [left, right, top, bottom] => Ok(GeoBox { top, left, bottom, right }),
        _ => Err(wrong()),
    }
}

fn check_box(b: &GeoBox) -> Result<(), Failure> {
    for (name, value) in [
        ("top latitude", b.top),
        ("left longitude", b.left),
        ("bottom latitude", b.bottom),
        ("right longitude", b.right),
    ] {
        if !value.is_finite() {
            return Err(Failure::argument(format!("{name} is invalid: {value}")));
        }
    }
    if b.top == b.bottom {
        return Err(Failure::argument(format!("top cannot be the same as bottom: {:?} == {:?}", b.top, b.bottom)));
    }
    if b.left == b.right {
        return Err(Failure::argument(format!("left cannot be the same as right: {:?} == {:?}", b.left, b.right)));
    }
    if b.top < b.bottom {
        return Err(Failure::argument(format!("top is below bottom corner: {:?} vs. {:?}", b.top, b.bottom)));
    }
    Ok(())
}

/// Refusals that the real one makes in a shard.
struct IndexRefusal;

impl IndexRefusal {
    fn nested(members: &[Member]) -> Failure {
        let path = members.iter().find(|m| m.key == "path").and_then(|m| m.node.text()).unwrap_or_default();
        let message = format!("[nested] failed to find nested object under path [{path}]: this index has none");
        let error = crate::QueryError::Field { index: "_all".to_owned(), message };
        Failure::from(crate::IndexError::Query(error))
    }
}
