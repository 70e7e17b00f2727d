//! Sort keys: each becomes one 64-bit number per hit, so that comparing hits is comparing numbers.

use super::plan::literal_value;
use super::request::{Literal, SortField, SortKey, SortMissing, SortMode, SortOrder};
use crate::column::Column;
use crate::dictionary::Ranking;
use crate::error::QueryError;
use crate::mapping::{Field, FieldKind, unloadable};
use crate::table::{Snapshot, View};
use crate::value::{as_number, from_f64, to_f64};
use std::cmp::Ordering;
use std::sync::Arc;

/// A value that a hit was sorted by.
#[derive(Debug, Clone, PartialEq)]
pub enum SortValue {
    /// A whole number, an instant (milliseconds), or a boolean as 0 or 1.
    Whole(i64),
    /// A number with a fraction, infinite for documents without a value.
    Fraction(f64),
    /// The same in 32 bits.
    Fraction32(f32),
    /// A keyword.
    Text(String),
    /// No value.
    Null,
}

impl SortValue {
    /// The order of values of the same kind; no value stands behind all others.
    pub(crate) fn compare(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Text(a), Self::Text(b)) => a.as_bytes().cmp(b.as_bytes()),
            (Self::Null, Self::Null) => Ordering::Equal,
            (Self::Null, _) => Ordering::Greater,
            (_, Self::Null) => Ordering::Less,
            (a, b) => a.number().total_cmp(&b.number()),
        }
    }

    fn number(&self) -> f64 {
        match self {
            Self::Whole(v) => *v as f64,
            Self::Fraction(v) => *v,
            Self::Fraction32(v) => f64::from(*v),
            Self::Text(_) | Self::Null => f64::INFINITY,
        }
    }
}

/// A sort that fits an index.
pub(crate) struct SortPlan {
    keys: Vec<PlannedKey>,
    /// Whether hits need their scores to be sorted.
    pub(crate) uses_scores: bool,
}

struct PlannedKey {
    source: KeySource,
    descending: bool,
}

enum KeySource {
    Score,
    Document,
    Number {
        field: usize,
        kind: FieldKind,
        mode: SortMode,
        missing: i64,
    },
    Keyword {
        field: usize,
        ranking: Arc<Ranking>,
        greatest: bool,
        missing: i64,
    },
    /// A field that is not mapped.
    Nothing {
        missing: i64,
    },
}

/// Keys of keywords leave room between ranks, for values that are no keyword of the index.
fn rank_key(rank: usize) -> i64 {
    rank as i64 * 2
}

impl SortPlan {
    /// Checks sort keys against a mapping.
    ///
    /// # Errors
    /// When a field cannot be sorted by.
    pub(crate) fn new(keys: &[SortKey], snapshot: &Snapshot, now_ms: i64) -> Result<Self, QueryError> {
        let plan = |key: &SortKey| match key {
            SortKey::Score(order) => Ok((KeySource::Score, *order)),
            SortKey::Document(order) => Ok((KeySource::Document, *order)),
            SortKey::Field(field) => plan_field(field, snapshot, now_ms).map(|source| (source, field.order)),
        };
        let keys = keys
            .iter()
            .map(|key| plan(key).map(|(source, o)| PlannedKey { source, descending: o == SortOrder::Descending }))
            .collect::<Result<Vec<_>, _>>()?;
        let uses_scores = keys.iter().any(|k| matches!(k.source, KeySource::Score));
        Ok(Self { keys, uses_scores })
    }

    /// How many keys there are.
    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether hits are wanted in the order of the index.
    pub(crate) fn is_document_order(&self) -> bool {
        matches!(self.keys[..], [PlannedKey { source: KeySource::Document, descending: false }])
    }

    /// The key of each row, for sort key `at`, in an order in which the least comes first.
    pub(crate) fn keys(&self, at: usize, view: &View, rows: &[u32], scores: impl Fn(u32) -> f32, out: &mut Vec<i64>) {
        let key = &self.keys[at];
        out.clear();
        match &key.source {
            KeySource::Score => out.extend(rows.iter().map(|row| from_f64(scores(*row).into()))),
            KeySource::Document => out.extend(rows.iter().map(|row| (view.base + u64::from(*row)) as i64)),
            KeySource::Nothing { missing } => out.resize(rows.len(), *missing),
            KeySource::Number { field, kind, mode, missing } => {
                out.resize(rows.len(), *missing);
                if let Some(column) = view.chunk.column(*field) {
                    number_keys(column, *kind, *mode, rows, out);
                }
            }
            KeySource::Keyword { field, ranking, greatest, missing } => {
                out.resize(rows.len(), *missing);
                if let Some(column) = view.chunk.column(*field) {
                    let mut seen = vec![false; rows.len()];
                    column.each(rows, |i, number| {
                        let rank = rank_key(ranking.rank(number) as usize);
                        let better = if *greatest { rank > out[i] } else { rank < out[i] };
                        if !seen[i] || better {
                            out[i] = rank;
                        }
                        seen[i] = true;
                    });
                }
            }
        }
        if key.descending {
            out.iter_mut().for_each(|key| *key = !*key);
        }
    }

    /// What a hit shows for a key of [`SortPlan::keys`].
    pub(crate) fn show(&self, at: usize, key: i64, snapshot: &Snapshot) -> SortValue {
        let planned = &self.keys[at];
        let key = if planned.descending { !key } else { key };
        match &planned.source {
            KeySource::Score => SortValue::Fraction32(to_f64(key) as f32),
            KeySource::Document => SortValue::Whole(key),
            KeySource::Nothing { .. } => SortValue::Whole(key),
            KeySource::Number { kind: FieldKind::Float, .. } => SortValue::Fraction32(to_f64(key) as f32),
            KeySource::Number { kind: FieldKind::Double, .. } => SortValue::Fraction(to_f64(key)),
            KeySource::Number { .. } => SortValue::Whole(key),
            KeySource::Keyword { field, ranking, .. } => {
                let number = usize::try_from(key / 2).ok().filter(|_| key >= 0).and_then(|rank| ranking.number(rank));
                match (number, snapshot.dictionary(*field)) {
                    (Some(number), Some(dictionary)) => SortValue::Text(dictionary.word(number.into())),
                    _ => SortValue::Null,
                }
            }
        }
    }

    /// The keys that hits must be behind.
    ///
    /// # Errors
    /// When there is not one value for each key, or one does not fit.
    pub(crate) fn after(
        &self,
        values: &[Literal],
        keys: &[SortKey],
        snapshot: &Snapshot,
    ) -> Result<Vec<i64>, QueryError> {
        if keys.is_empty() {
            return Err(QueryError::Argument("Sort must contain at least one field.".to_owned()));
        }
        if values.len() != keys.len() {
            return Err(QueryError::Argument(format!(
                "search_after has {} value(s) but sort has {}.",
                values.len(),
                keys.len()
            )));
        }
        let wrong =
            |name: &str| QueryError::Argument(format!("Failed to parse search_after value for field [{name}]."));
        self.keys
            .iter()
            .zip(values)
            .zip(keys)
            .map(|((planned, value), key)| {
                let name = match key {
                    SortKey::Field(field) => field.field.as_str(),
                    SortKey::Score(_) => "_score",
                    SortKey::Document(_) => "_doc",
                };
                let key = planned.key_of(value, snapshot).ok_or_else(|| wrong(name))?;
                Ok(if planned.descending { !key } else { key })
            })
            .collect()
    }
}

impl PlannedKey {
    fn key_of(&self, value: &Literal, snapshot: &Snapshot) -> Option<i64> {
        match &self.source {
            KeySource::Score => value.as_text().parse().ok().map(|v: f32| from_f64(v.into())),
            KeySource::Document => value.as_text().parse().ok(),
            KeySource::Nothing { missing } => Some(*missing),
            KeySource::Number { missing, .. } if *value == Literal::Null => Some(*missing),
            KeySource::Number { kind, .. } if kind.is_fractional() => value.as_text().parse::<f64>().ok().map(from_f64),
            KeySource::Number { field, kind, .. } => value.as_text().parse().ok().or_else(|| {
                let field = &snapshot.mapping.fields()[*field];
                (*kind == FieldKind::Date).then(|| literal_value(field, value, 0).ok()).flatten()
            }),
            KeySource::Keyword { missing, .. } if *value == Literal::Null => Some(*missing),
            KeySource::Keyword { field, .. } => {
                let (_, rank, is_word) = snapshot.dictionary(*field)?.position(value.as_text());
                Some(rank_key(rank) - i64::from(!is_word))
            }
        }
    }
}

fn plan_field(sort: &SortField, snapshot: &Snapshot, now_ms: i64) -> Result<KeySource, QueryError> {
    let descending = sort.order == SortOrder::Descending;
    let (least, greatest) = (i64::MIN, i64::MAX);
    // Last in both directions, before falling keys are turned round.
    let first = sort.missing == SortMissing::First;
    let missing_end = |low: i64, high: i64| if first == descending { high } else { low };
    let Some(at) = snapshot.mapping.position(&sort.field) else {
        if sort.unmapped {
            return Ok(KeySource::Nothing { missing: missing_end(least, greatest) });
        }
        let message = format!("No mapping found for [{}] in order to sort on", sort.field);
        return Err(QueryError::Field { index: snapshot.name.to_string(), message });
    };
    let field = &snapshot.mapping.fields()[at];
    match field.kind {
        kind if !field.columnar && kind != FieldKind::Text => Err(QueryError::Argument(unloadable(field))),
        FieldKind::GeoPoint => Err(QueryError::Argument(
            "can't sort on geo_point field without using specific sorting feature, like geo_distance".to_owned(),
        )),
        FieldKind::Text => Err(QueryError::Argument(text_refusal(&sort.field))),
        FieldKind::Keyword => plan_keyword(sort, at, snapshot, missing_end(-2, greatest)),
        kind => {
            let ends = match kind {
                FieldKind::Double | FieldKind::Float => (from_f64(f64::NEG_INFINITY), from_f64(f64::INFINITY)),
                _ => (least, greatest),
            };
            let missing = match &sort.missing {
                SortMissing::Value(value) => {
                    literal_value(field, value, now_ms).map_err(|e| missing_error(field, &e))?
                }
                _ => missing_end(ends.0, ends.1),
            };
            let default = if descending { SortMode::Max } else { SortMode::Min };
            Ok(KeySource::Number { field: at, kind, mode: sort.mode.unwrap_or(default), missing })
        }
    }
}

fn missing_error(field: &Field, what: &str) -> QueryError {
    QueryError::Argument(format!("the value for missing [{}] does not fit: {what}", field.path))
}

pub(crate) fn text_refusal(field: &str) -> String {
    format!(
        "Text fields are not optimised for operations that require per-document field data like aggregations and sorting, \
         so these operations are disabled by default. Please use a keyword field instead of [{field}]."
    )
}

fn plan_keyword(sort: &SortField, at: usize, snapshot: &Snapshot, missing_end: i64) -> Result<KeySource, QueryError> {
    let greatest = match sort.mode {
        None => sort.order == SortOrder::Descending,
        Some(SortMode::Min) => false,
        Some(SortMode::Max) => true,
        Some(mode) => {
            let message = format!(
                "we only support MIN and MAX mode for sorting [{}] of type [keyword], not {mode:?}",
                sort.field
            );
            return Err(QueryError::Argument(message));
        }
    };
    let dictionary = snapshot.dictionary(at);
    let missing = match (&sort.missing, dictionary) {
        (SortMissing::Value(value), Some(dictionary)) => {
            let (_, rank, is_word) = dictionary.position(value.as_text());
            rank_key(rank) - i64::from(!is_word)
        }
        _ => missing_end,
    };
    let ranking = dictionary.map(|d| d.ranking()).unwrap_or_default();
    Ok(KeySource::Keyword { field: at, ranking, greatest, missing })
}

fn number_keys(column: &Column, kind: FieldKind, mode: SortMode, rows: &[u32], out: &mut [i64]) {
    if !column.is_multiple() {
        column.each(rows, |i, value| out[i] = value);
        return;
    }
    for (row, key) in rows.iter().zip(out) {
        let values = column.of_row(*row);
        if values.is_empty() {
            continue;
        }
        let numbers = || values.iter().map(|v| as_number(kind, *v));
        let key_of = |number: f64| if kind.is_fractional() { from_f64(number) } else { number.round() as i64 };
        let sum = || if kind.is_fractional() { numbers().sum() } else { values.iter().map(|v| *v as f64).sum::<f64>() };
        *key = match mode {
            SortMode::Min => values[0],
            SortMode::Max => values[values.len() - 1],
            SortMode::Sum => key_of(sum()),
            SortMode::Avg => key_of(sum() / values.len() as f64),
            SortMode::Median => {
                let middle = values.len() / 2;
                if values.len() % 2 == 1 {
                    values[middle]
                } else {
                    key_of((as_number(kind, values[middle - 1]) + as_number(kind, values[middle])) / 2.0)
                }
            }
        };
    }
}
