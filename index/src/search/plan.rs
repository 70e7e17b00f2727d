//! Checking a query against the mapping of an index.

use super::matcher::{BoolMatcher, Matcher, Test};
use super::request::{GeoCorners, Literal, Query, RangeBounds, Validation};
use super::source_filter::matches_pattern;
use crate::document::boolean;
use crate::error::QueryError;
use crate::mapping::{Field, FieldKind};
use crate::table::Snapshot;
use crate::time::{DateError, DateFormat, Edge, Zone, resolve_date};
use crate::value::{from_f64, parse_whole};
use rustc_hash::FxHashSet;

/// Most values of one `terms` query.
const TERMS_MAX: usize = 65_536;

/// Turns queries into conditions on the columns of one snapshot.
pub(crate) struct Planner<'a> {
    pub(crate) snapshot: &'a Snapshot,
    pub(crate) now_ms: i64,
    /// Whether scores will be looked at: counting what they need takes a pass over the column.
    pub(crate) scored: bool,
}

/// Milliseconds of a date that a search gives.
///
/// # Errors
/// When it is no date of this format.
pub(crate) fn literal_date(
    text: &str,
    format: &DateFormat,
    edge: Edge,
    zone: Zone,
    now_ms: i64,
) -> Result<i64, QueryError> {
    resolve_date(text, format, edge, zone, now_ms).map_err(|e| match e {
        DateError::Date { ref text, ref format } => {
            QueryError::Date(format!("failed to parse date field [{text}] with format [{format}]: [{e}]"))
        }
        DateError::Math { .. } => QueryError::Date(e.to_string()),
    })
}

/// The column value of a plain value, as a document would have it; dates are their start.
///
/// # Errors
/// When it does not fit the field.
pub(crate) fn literal_value(field: &Field, value: &Literal, now_ms: i64) -> Result<i64, String> {
    let text = value.as_text();
    let number = || format!("For input string: \"{text}\"");
    match field.kind {
        FieldKind::Boolean => boolean(text).map(i64::from).map_err(|e| e.to_string()),
        FieldKind::Date => {
            literal_date(text, &field.date_format(), Edge::Start, Zone::UTC, now_ms).map_err(|e| e.to_string())
        }
        FieldKind::Float => text.trim().parse::<f32>().map(|v| from_f64(v.into())).map_err(|_| number()),
        FieldKind::Double => text.trim().parse::<f64>().map(from_f64).map_err(|_| number()),
        kind if kind.is_whole() => parse_whole(text).flatten().ok_or_else(number),
        _ => Err(format!("a value of [{}] cannot be given here", field.kind.name())),
    }
}

/// A whole number that a query gives: its whole part, and whether it has a fraction.
struct Whole {
    floor: i64,
    exact: bool,
}

impl Planner<'_> {
    fn field_error(&self, message: String) -> QueryError {
        QueryError::Field { index: self.snapshot.name.to_string(), message }
    }

    fn create_error(&self, what: impl std::fmt::Display) -> QueryError {
        self.field_error(format!("failed to create query: {what}"))
    }

    /// Checks a query.
    ///
    /// # Errors
    /// When it does not fit the mapping.
    pub(crate) fn plan(&self, query: &Query) -> Result<Matcher, QueryError> {
        match query {
            Query::All { boost } => Ok(Matcher::All { score: *boost }),
            Query::None => Ok(Matcher::None),
            Query::Term { field, value, boost } => self.term(field, value, *boost),
            Query::Terms { field, values, boost } => self.terms(field, values, *boost),
            Query::Range { field, bounds, boost } => self.range(field, bounds, *boost),
            Query::Exists { field, boost } => Ok(self.exists(field, *boost)),
            Query::Ids { values, boost } => Ok(ids(values.iter().map(String::as_str), *boost)),
            Query::GeoBox { field, corners, boost } => self.geo_box(field, corners, *boost),
            Query::Bool { must, filter, should, must_not, minimum_should_match, boost } => {
                let all = |queries: &[Query]| queries.iter().map(|q| self.plan(q)).collect::<Result<Vec<_>, _>>();
                let least = match minimum_should_match {
                    None => i64::from(must.is_empty() && filter.is_empty() && !should.is_empty()),
                    Some(n) if *n < 0 => (should.len() as i64 + n).max(0),
                    Some(n) => *n,
                };
                let (must, filter, should, must_not) = (all(must)?, all(filter)?, all(should)?, all(must_not)?);
                if must.is_empty() && filter.is_empty() && should.is_empty() && must_not.is_empty() {
                    return Ok(Matcher::All { score: *boost });
                }
                let minimum_should_match = least as usize;
                let boost = *boost;
                Ok(Matcher::Bool(Box::new(BoolMatcher {
                    must,
                    filter,
                    should,
                    must_not,
                    minimum_should_match,
                    boost,
                    constant: None,
                })))
            }
            Query::Constant { filter, boost } => {
                let filter = vec![self.plan(filter)?];
                Ok(Matcher::Bool(Box::new(BoolMatcher {
                    must: Vec::new(),
                    filter,
                    should: Vec::new(),
                    must_not: Vec::new(),
                    minimum_should_match: 0,
                    boost: 1.0,
                    constant: Some(*boost),
                })))
            }
        }
    }

    fn field(&self, path: &str) -> Option<(usize, &Field)> {
        self.snapshot.mapping.position(path).map(|at| (at, &self.snapshot.mapping.fields()[at]))
    }

    /// All documents or none: by the name of their index.
    fn of_index(&self, names: &[Literal], boost: f32) -> Matcher {
        let is_meant = names.iter().any(|n| matches_pattern(n.as_text(), &self.snapshot.name));
        if is_meant { Matcher::All { score: boost } } else { Matcher::None }
    }

    fn check_searchable(&self, field: &Field) -> Result<(), QueryError> {
        if field.searchable {
            return Ok(());
        }
        Err(self.create_error(format!("Cannot search on field [{}] since it is not indexed.", field.path)))
    }

    fn unsearchable(&self, field: &Field) -> QueryError {
        let what = match field.kind {
            FieldKind::Text => format!(
                "Field [{}] is of type [text], which this index does not search by words; query a keyword field of it",
                field.path
            ),
            _ => "Geometry fields do not support exact searching, use dedicated geometry queries instead".to_owned(),
        };
        self.field_error(what)
    }

    fn term(&self, path: &str, value: &Literal, boost: f32) -> Result<Matcher, QueryError> {
        if path == "_id" {
            return Ok(ids([value.as_text()].into_iter(), boost));
        }
        if path == "_index" {
            return Ok(self.of_index(std::slice::from_ref(value), boost));
        }
        let Some((at, field)) = self.field(path) else { return Ok(Matcher::None) };
        self.check_searchable(field)?;
        match field.kind {
            FieldKind::Boolean if self.scored => match self.value_range(at, field, value)? {
                Some((from, _)) => {
                    let score = self.rarity(at, from, boost);
                    Ok(Matcher::Column { field: at, test: Test::Between(from, from), score })
                }
                None => Ok(Matcher::None),
            },
            FieldKind::Keyword => {
                let number = self.snapshot.dictionary(at).and_then(|d| d.number(value.as_text()));
                let Some(number) = number.map(i64::from) else { return Ok(Matcher::None) };
                let score = if self.scored { self.rarity(at, number, boost) } else { boost };
                Ok(Matcher::Column { field: at, test: Test::Between(number, number), score })
            }
            _ => self.terms(path, std::slice::from_ref(value), boost),
        }
    }

    fn terms(&self, path: &str, values: &[Literal], boost: f32) -> Result<Matcher, QueryError> {
        if values.len() > TERMS_MAX {
            return Err(self.field_error(format!(
                "The number of terms [{}] used in the Terms Query request has exceeded the allowed maximum of [{TERMS_MAX}]",
                values.len()
            )));
        }
        if path == "_id" {
            return Ok(ids(values.iter().map(Literal::as_text), boost));
        }
        if path == "_index" {
            return Ok(self.of_index(values, boost));
        }
        let Some((at, field)) = self.field(path) else { return Ok(Matcher::None) };
        self.check_searchable(field)?;
        let mut ranges = Vec::new();
        for value in values {
            ranges.extend(self.value_range(at, field, value)?);
        }
        let test = match ranges[..] {
            [] => return Ok(Matcher::None),
            [(from, to)] => Test::Between(from, to),
            _ if ranges.iter().all(|(from, to)| from == to) => Test::OneOf(ranges.iter().map(|r| r.0).collect()),
            _ => {
                let part = |&(from, to): &(i64, i64)| Matcher::Column {
                    field: at,
                    test: Test::Between(from, to),
                    score: boost,
                };
                return Ok(Matcher::Bool(Box::new(BoolMatcher {
                    must: Vec::new(),
                    filter: Vec::new(),
                    should: ranges.iter().map(part).collect(),
                    must_not: Vec::new(),
                    minimum_should_match: 1,
                    boost: 1.0,
                    constant: Some(boost),
                })));
            }
        };
        Ok(Matcher::Column { field: at, test, score: boost })
    }

    /// The column values that equal a value; `None` when none can.
    fn value_range(&self, at: usize, field: &Field, value: &Literal) -> Result<Option<(i64, i64)>, QueryError> {
        let same = |v: i64| Some((v, v));
        match field.kind {
            FieldKind::Keyword => {
                let number = self.snapshot.dictionary(at).and_then(|d| d.number(value.as_text()));
                Ok(number.and_then(|n| same(n.into())))
            }
            FieldKind::Text | FieldKind::GeoPoint => Err(self.unsearchable(field)),
            FieldKind::Date => {
                let format = field.date_format();
                let edge = |edge| literal_date(value.as_text(), &format, edge, Zone::UTC, self.now_ms);
                Ok(Some((edge(Edge::Start)?, edge(Edge::End)?)))
            }
            FieldKind::Boolean => match value.as_text() {
                "true" => Ok(same(1)),
                "false" => Ok(same(0)),
                other => {
                    Err(self.create_error(format!("Can't parse boolean value [{other}], expected [true] or [false]")))
                }
            },
            kind if kind.is_whole() => {
                let whole = self.whole(field, value)?;
                Ok(same(whole.floor).filter(|_| whole.exact))
            }
            _ => self.fraction(field, value).map(same),
        }
    }

    fn whole(&self, field: &Field, value: &Literal) -> Result<Whole, QueryError> {
        let text = value.as_text();
        let (least, greatest) = field.kind.whole_range();
        if let Ok(floor) = text.parse::<i64>() {
            if !(least..=greatest).contains(&floor) {
                return Err(self.create_error(format!("Value [{text}] is out of range for a {}", field.kind.name())));
            }
            return Ok(Whole { floor, exact: true });
        }
        let number: f64 = parse_whole(text)
            .and(text.parse().ok())
            .ok_or_else(|| self.create_error(format!("For input string: \"{text}\"")))?;
        if number < least as f64 || number > greatest as f64 || parse_whole(text).flatten().is_none() {
            return Err(self.create_error(format!("Value [{text}] is out of range for a {}", field.kind.name())));
        }
        Ok(Whole { floor: number.floor() as i64, exact: number.fract() == 0.0 })
    }

    fn fraction(&self, field: &Field, value: &Literal) -> Result<i64, QueryError> {
        let text = value.as_text().trim();
        let parsed = if field.kind == FieldKind::Float {
            text.parse::<f32>().map(f64::from).ok()
        } else {
            text.parse::<f64>().ok()
        };
        let number = parsed.ok_or_else(|| self.create_error(format!("For input string: \"{text}\"")))?;
        if number.is_finite() {
            return Ok(from_f64(number));
        }
        Err(self.create_error(format!("[{}] supports only finite values, but got [{text}]", field.kind.name())))
    }

    fn range(&self, path: &str, bounds: &RangeBounds, score: f32) -> Result<Matcher, QueryError> {
        let Some((at, field)) = self.field(path) else { return Ok(Matcher::None) };
        self.check_searchable(field)?;
        let given = |end: &Option<(Literal, bool)>| end.clone().filter(|(v, _)| *v != Literal::Null);
        let (from, to) = (given(&bounds.from), given(&bounds.to));
        if from.is_none() && to.is_none() {
            return Ok(Matcher::Exists { fields: vec![at], score });
        }
        let ends = match field.kind {
            FieldKind::Keyword => return Ok(self.keyword_range(at, from, to, score)),
            FieldKind::Text | FieldKind::GeoPoint => return Err(self.unsearchable(field)),
            FieldKind::Date => self.date_range(field, bounds, from, to)?,
            FieldKind::Boolean => {
                self.plain_range(from, to, |v| boolean(v.as_text()).map(i64::from).map_err(|e| self.create_error(e)))?
            }
            kind if kind.is_whole() => self.whole_range(field, from, to)?,
            _ => self.plain_range(from, to, |v| self.fraction(field, v))?,
        };
        Ok(match ends {
            Some((from, to)) if from <= to => Matcher::Column { field: at, test: Test::Between(from, to), score },
            _ => Matcher::None,
        })
    }

    fn plain_range(
        &self,
        from: Option<(Literal, bool)>,
        to: Option<(Literal, bool)>,
        value: impl Fn(&Literal) -> Result<i64, QueryError>,
    ) -> Result<Option<(i64, i64)>, QueryError> {
        let low = match from {
            None => Some(i64::MIN),
            Some((v, true)) => Some(value(&v)?),
            Some((v, false)) => value(&v)?.checked_add(1),
        };
        let high = match to {
            None => Some(i64::MAX),
            Some((v, true)) => Some(value(&v)?),
            Some((v, false)) => value(&v)?.checked_sub(1),
        };
        Ok(low.zip(high))
    }

    fn whole_range(
        &self,
        field: &Field,
        from: Option<(Literal, bool)>,
        to: Option<(Literal, bool)>,
    ) -> Result<Option<(i64, i64)>, QueryError> {
        let low = match from {
            None => Some(i64::MIN),
            Some((v, included)) => {
                let whole = self.whole(field, &v)?;
                if included && whole.exact { Some(whole.floor) } else { whole.floor.checked_add(1) }
            }
        };
        let high = match to {
            None => Some(i64::MAX),
            Some((v, included)) => {
                let whole = self.whole(field, &v)?;
                if included || !whole.exact { Some(whole.floor) } else { whole.floor.checked_sub(1) }
            }
        };
        Ok(low.zip(high))
    }

    fn date_range(
        &self,
        field: &Field,
        bounds: &RangeBounds,
        from: Option<(Literal, bool)>,
        to: Option<(Literal, bool)>,
    ) -> Result<Option<(i64, i64)>, QueryError> {
        let format = match &bounds.format {
            Some(text) => DateFormat::new(text).map_err(|e| QueryError::Argument(e.to_string()))?,
            None => field.date_format(),
        };
        let zone: Zone = match &bounds.time_zone {
            Some(text) => text.parse().map_err(|e: crate::time::ZoneError| QueryError::Argument(e.to_string()))?,
            None => Zone::UTC,
        };
        let date = |v: &Literal, edge| literal_date(v.as_text(), &format, edge, zone, self.now_ms);
        // Of a span (a day, a month), gte and lt take the start, gt and lte the end.
        let low = match &from {
            None => Some(i64::MIN),
            Some((v, true)) => Some(date(v, Edge::Start)?),
            Some((v, false)) => date(v, Edge::End)?.checked_add(1),
        };
        let high = match &to {
            None => Some(i64::MAX),
            Some((v, true)) => Some(date(v, Edge::End)?),
            Some((v, false)) => date(v, Edge::Start)?.checked_sub(1),
        };
        Ok(low.zip(high))
    }

    fn keyword_range(
        &self,
        at: usize,
        from: Option<(Literal, bool)>,
        to: Option<(Literal, bool)>,
        score: f32,
    ) -> Matcher {
        let Some(dictionary) = self.snapshot.dictionary(at) else { return Matcher::None };
        let ranking = dictionary.ranking();
        let low = from.map_or(0, |(v, included)| {
            let (_, rank, is_word) = dictionary.position(v.as_text());
            rank + usize::from(is_word && !included)
        });
        let high = to.map_or(usize::MAX, |(v, included)| {
            let (_, rank, is_word) = dictionary.position(v.as_text());
            rank + usize::from(is_word && included)
        });
        let numbers = crate::dictionary::Dictionary::between(&ranking, low, high);
        Matcher::Column { field: at, test: Test::Numbers(numbers), score }
    }

    fn exists(&self, path: &str, score: f32) -> Matcher {
        let mapping = &self.snapshot.mapping;
        if matches!(path, "_id" | "_index" | "_seq_no" | "_version") {
            return Matcher::All { score };
        }
        let inside = format!("{path}.");
        let fields: Vec<usize> = match mapping.position(path) {
            Some(at) => vec![at],
            None if mapping.objects().contains(path) => {
                (0..mapping.fields().len()).filter(|at| mapping.fields()[*at].path.starts_with(&inside)).collect()
            }
            None => return Matcher::None,
        };
        Matcher::Exists { fields, score }
    }

    fn geo_box(&self, path: &str, given: &GeoCorners, score: f32) -> Result<Matcher, QueryError> {
        let Some((at, field)) = self.field(path) else {
            return if given.ignore_unmapped {
                Ok(Matcher::None)
            } else {
                Err(self.field_error(format!("failed to find geo_point field [{path}]")))
            };
        };
        if field.kind != FieldKind::GeoPoint {
            return Err(self.field_error(format!("field [{path}] is not a geo_point field")));
        }
        let mut corners = given.corners;
        let on_earth = [corners.top, corners.bottom].iter().all(|v| (-90.0..=90.0).contains(v))
            && [corners.left, corners.right].iter().all(|v| (-180.0..=180.0).contains(v));
        match given.validation {
            Validation::Strict if !on_earth => {
                return Err(self.field_error(format!(
                    "failed to create query: a corner of the box on [{path}] is off the earth: {corners:?}"
                )));
            }
            Validation::Coerce if !on_earth => {
                let full = corners.right - corners.left >= 360.0;
                corners.top = corners.top.clamp(-90.0, 90.0);
                corners.bottom = corners.bottom.clamp(-90.0, 90.0);
                let around =
                    |v: f64| if (-180.0..=180.0).contains(&v) { v } else { (v + 180.0).rem_euclid(360.0) - 180.0 };
                (corners.left, corners.right) =
                    if full { (-180.0, 180.0) } else { (around(corners.left), around(corners.right)) };
            }
            _ => {}
        }
        Ok(Matcher::Column { field: at, test: Test::Box(corners.steps(), corners.crosses()), score })
    }

    /// BM25 of a keyword: the rarer, the higher. Every value counts as one word; how many a document has does not.
    fn rarity(&self, field: usize, number: i64, boost: f32) -> f32 {
        let (mut with_field, mut values, mut with_value) = (0u64, 0u64, 0u64);
        for view in &self.snapshot.views {
            let Some(column) = view.chunk.column(field) else { continue };
            let rows: Vec<u32> = view.live_bits().ones().collect();
            with_field += rows.iter().filter(|row| column.has(**row as usize)).count() as u64;
            column.each(&rows, |_, value| {
                values += 1;
                with_value += u64::from(value == number);
            });
        }
        bm25(with_field, values, with_value, boost)
    }
}

/// The score of one occurrence of a word that `with_value` of `with_field` documents have, of `values` words in all.
fn bm25(with_field: u64, values: u64, with_value: u64, boost: f32) -> f32 {
    const K1: f32 = 1.2;
    const B: f32 = 0.75;
    if with_value == 0 {
        return 0.0;
    }
    let rarity = (1.0 + ((with_field - with_value) as f64 + 0.5) / (with_value as f64 + 0.5)).ln() as f32;
    let mean_length = (values as f64 / with_field as f64) as f32;
    let norm = 1.0 / (K1 * ((1.0 - B) + B * 1.0 / mean_length));
    let weight = boost * (K1 + 1.0) * rarity;
    weight - weight / (1.0 + norm)
}

fn ids<'v>(values: impl Iterator<Item = &'v str>, score: f32) -> Matcher {
    let ids: FxHashSet<Vec<u8>> = values.map(|v| v.as_bytes().to_vec()).collect();
    if ids.is_empty() { Matcher::None } else { Matcher::Ids { ids, score } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rarity_is_that_of_the_real_service() {
        assert_eq!(bm25(4, 5, 3, 1.0), 0.388_457_83);
        assert_eq!(bm25(4, 5, 2, 1.0), 0.754_912_7);
        assert_eq!(bm25(4, 5, 2, 3.0), 2.264_738_3);
        assert_eq!(bm25(3, 3, 1, 1.0), 0.980_829_1);
    }
}
