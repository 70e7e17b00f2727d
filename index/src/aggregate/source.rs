//! The values that an aggregation works on: where they are in one index, and what stands for missing ones.

use super::decimal::Decimal;
use super::partial::{PartialKey, Shape};
use super::request::{Grid, ValueSource};
use crate::column::Column;
use crate::dictionary::Dictionary;
use crate::error::QueryError;
use crate::geo::StepBox;
use crate::mapping::{FieldKind, unloadable};
use crate::search::{Literal, Planner, literal_value};
use crate::table::{Snapshot, View};
use crate::time::DateFormat;
use crate::value::{as_number, from_f64};
use rustc_hash::{FxBuildHasher, FxHashSet};
use std::hash::BuildHasher;
use std::sync::Arc;

/// The values of a field in one index.
#[derive(Debug, Clone)]
pub(super) struct Source {
    pub(super) origin: Origin,
    pub(super) missing: Option<i64>,
    pub(super) shape: Shape,
}

/// Where values are.
#[derive(Debug, Clone)]
pub(super) enum Origin {
    /// Nowhere: the field is not mapped.
    Nothing,
    /// In a column.
    Column(usize),
    /// This text for every document: the name of the index, or what stands for a missing value.
    Text(Arc<str>),
    /// The ids of documents, as hashes.
    Id,
}

pub(super) fn numbers(of: &ValueSource, name: &str, planner: &Planner<'_>) -> Result<Source, QueryError> {
    source(of, name, planner, |kind| !matches!(kind, FieldKind::Keyword | FieldKind::GeoPoint))
}

pub(super) fn points(
    grid: &Grid,
    name: &str,
    planner: &Planner<'_>,
) -> Result<(Source, Option<(StepBox, bool)>), QueryError> {
    let source = source(&ValueSource::field(grid.field.as_str()), name, planner, |kind| kind == FieldKind::GeoPoint)?;
    Ok((source, grid.bounds.map(|b| (b.steps(), b.crosses()))))
}

pub(super) fn source(
    of: &ValueSource,
    name: &str,
    planner: &Planner<'_>,
    fits: impl Fn(FieldKind) -> bool,
) -> Result<Source, QueryError> {
    let mapping = &planner.snapshot.mapping;
    let Some(at) = mapping.position(&of.field) else { return unmapped(of, planner) };
    let field = &mapping.fields()[at];
    if field.kind == FieldKind::Text {
        return Err(QueryError::Argument(format!(
            "Text fields are not optimised for operations that require per-document field data like aggregations and \
             sorting, so these operations are disabled by default. Please use a keyword field instead of [{}].",
            of.field
        )));
    }
    if !fits(field.kind) {
        let kind = field.kind.name();
        let message = format!("Field [{}] of type [{kind}] is not supported for aggregation [{name}]", of.field);
        return Err(QueryError::Argument(message));
    }
    let missing = match (&of.missing, field.kind) {
        (None | Some(Literal::Null), _) => None,
        (Some(value), FieldKind::Keyword) => {
            planner.snapshot.dictionary(at).map(|d| i64::from(d.intern(value.as_text())))
        }
        (Some(value), _) => Some(literal_value(field, value, planner.now_ms).map_err(QueryError::Argument)?),
    };
    if !field.columnar {
        return Err(QueryError::Argument(unloadable(field)));
    }
    let mut shape = Shape { kind: Some(field.kind), ..Shape::default() };
    match (field.kind, &of.format) {
        (FieldKind::Date, None) => shape.format = Some(field.date_format()),
        (FieldKind::Date, Some(text)) => shape.format = Some(date_format(text)?),
        (kind, Some(text)) if kind.is_whole() || kind.is_fractional() => shape.decimal = Some(decimal(text)?),
        _ => {}
    }
    Ok(Source { origin: Origin::Column(at), missing, shape })
}

fn date_format(text: &str) -> Result<DateFormat, QueryError> {
    DateFormat::new(text).map_err(|e| QueryError::Argument(e.to_string()))
}

fn decimal(text: &str) -> Result<Decimal, QueryError> {
    Decimal::new(text).ok_or_else(|| QueryError::Argument(format!("the format [{text}] is not supported for numbers")))
}

/// The source of a field that the mapping does not have: what is known of every document, or what stands for missing
/// values.
fn unmapped(of: &ValueSource, planner: &Planner<'_>) -> Result<Source, QueryError> {
    let of_texts =
        |origin| Source { origin, missing: None, shape: Shape { kind: Some(FieldKind::Keyword), ..Shape::default() } };
    Ok(match (of.field.as_str(), &of.missing) {
        ("_index", _) => of_texts(Origin::Text(planner.snapshot.name.clone())),
        ("_id", _) => of_texts(Origin::Id),
        (_, None | Some(Literal::Null)) => {
            let format = of.format.as_deref().map(date_format).transpose().unwrap_or_default();
            Source { origin: Origin::Nothing, missing: None, shape: Shape { format, ..Shape::default() } }
        }
        (_, Some(value)) => match value.as_text().parse::<f64>() {
            Ok(number) => Source {
                origin: Origin::Nothing,
                missing: Some(from_f64(number)),
                shape: Shape { kind: Some(FieldKind::Double), ..Shape::default() },
            },
            Err(_) => of_texts(Origin::Text(value.as_text().into())),
        },
    })
}

impl Source {
    /// Calls `f(i, value)` for each value of each row, rows rising; rows without one count with `missing`.
    #[inline]
    pub(super) fn each(&self, view: &View, rows: &[u32], mut f: impl FnMut(usize, i64)) {
        let column = match &self.origin {
            Origin::Column(field) => view.chunk.column(*field),
            Origin::Nothing => None,
            Origin::Text(_) => return (0..rows.len()).for_each(|i| f(i, 0)),
            Origin::Id => {
                let hash = |row: u32| FxBuildHasher.hash_one(view.chunk.ids.get(row as usize)) as i64;
                return rows.iter().enumerate().for_each(|(i, row)| f(i, hash(*row)));
            }
        };
        match (column, self.missing) {
            (None, None) => {}
            (None, Some(missing)) => (0..rows.len()).for_each(|i| f(i, missing)),
            (Some(column), None) => column.each(rows, f),
            (Some(column), Some(missing)) => {
                for (i, row) in rows.iter().enumerate() {
                    if column.has(*row as usize) {
                        column.each(&[*row], |_, value| f(i, value));
                    } else {
                        f(i, missing);
                    }
                }
            }
        }
    }

    /// Whether every row of the chunk has exactly one value, so that rows need not be told apart from values.
    pub(super) fn is_one_each(&self, view: &View) -> bool {
        self.column().and_then(|field| view.chunk.column(field)).is_some_and(Column::is_one_each)
    }

    /// Whether a row of the chunk can have several values.
    pub(super) fn is_multiple(&self, view: &View) -> bool {
        self.column().and_then(|field| view.chunk.column(field)).is_some_and(Column::is_multiple)
    }

    pub(super) fn column(&self) -> Option<usize> {
        if let Origin::Column(field) = self.origin { Some(field) } else { None }
    }

    /// The dictionary that the values are numbers of.
    pub(super) fn dictionary<'s>(&self, snapshot: &'s Snapshot) -> Option<&'s Arc<Dictionary>> {
        self.column().and_then(|field| snapshot.dictionary(field))
    }

    pub(super) fn number(&self, value: i64) -> f64 {
        self.shape.kind.map_or(0.0, |kind| as_number(kind, value))
    }

    pub(super) fn key(&self, value: i64, snapshot: &Snapshot) -> PartialKey {
        match (&self.origin, self.dictionary(snapshot)) {
            (Origin::Text(text), _) => PartialKey::Text(text.to_string()),
            (_, Some(dictionary)) => PartialKey::Text(dictionary.word(value)),
            (_, None) => PartialKey::Whole(value),
        }
    }

    /// The keys of all documents of the index, found by the search or not.
    pub(super) fn all_keys(&self, snapshot: &Snapshot) -> Vec<PartialKey> {
        let mut values = FxHashSet::default();
        for view in &snapshot.views {
            let rows: Vec<u32> = view.live_bits().ones().collect();
            self.each(view, &rows, |_, value| {
                values.insert(value);
            });
        }
        values.into_iter().map(|value| self.key(value, snapshot)).collect()
    }
}
