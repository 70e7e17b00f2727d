//! The tree of collectors that rows pass through.

use super::buckets::BucketTable;
use super::decimal::Decimal;
use super::keys::{Floor, Keys};
use super::metrics::{Metric, grow};
use super::partial::{Partial, PartialBucket, PartialKey, Shape};
use super::request::{Aggregation, AggregationKind, Filters, Grid, ValueSource};
use crate::bitmap::Bitmap;
use crate::column::Column;
use crate::dictionary::Dictionary;
use crate::error::QueryError;
use crate::mapping::{FieldKind, unloadable};
use crate::search::{Literal, Matcher, Planner, literal_value};
use crate::table::{Snapshot, View};
use crate::time::DateFormat;
use crate::value::{as_number, from_f64};
use rustc_hash::{FxBuildHasher, FxHashSet};
use std::hash::BuildHasher;
use std::sync::Arc;

/// Bytes that the aggregations of one search may take in one thread.
const MEMORY_BYTES_MAX: usize = 256 * 1024 * 1024;

/// The collectors of all aggregations of a search.
#[derive(Debug, Clone, Default)]
pub(crate) struct Collectors {
    top: Vec<Collector>,
    zeros: Vec<u32>,
}

#[derive(Debug, Clone)]
struct Collector {
    kind: CollectorKind,
    inner: Vec<Collector>,
}

/// The values of a field in one index.
#[derive(Debug, Clone)]
struct Source {
    origin: Origin,
    missing: Option<i64>,
    shape: Shape,
}

/// Where values are.
#[derive(Debug, Clone)]
enum Origin {
    /// Nowhere: the field is not mapped.
    Nothing,
    /// In a column.
    Column(usize),
    /// This text for every document: the name of the index, or what stands for a missing value.
    Text(Arc<str>),
    /// The ids of documents, as hashes.
    Id,
}

#[derive(Debug, Clone)]
enum CollectorKind {
    Buckets {
        source: Source,
        keys: Keys,
        table: BucketTable,
        shows_empty: bool,
    },
    Filters {
        matchers: Arc<Vec<Matcher>>,
        other: bool,
        single: bool,
        counts: Vec<u64>,
        rows: Option<(usize, Vec<Bitmap>)>,
    },
    Missing {
        field: Option<usize>,
        counts: Vec<u64>,
    },
    Metric {
        source: Source,
        metric: Metric,
    },
    Weighted {
        value: Source,
        weight: Source,
        metric: Metric,
        too_many: bool,
    },
}

impl Collectors {
    /// Collectors for these aggregations.
    ///
    /// # Errors
    /// When one does not fit the mapping.
    pub(crate) fn new(aggregations: &[(String, Aggregation)], planner: &Planner<'_>) -> Result<Self, QueryError> {
        let top = aggregations.iter().map(|(_, a)| collector(a, planner)).collect::<Result<_, _>>()?;
        Ok(Self { top, zeros: Vec::new() })
    }

    /// The same collectors, for another thread. Call it before anything is collected.
    pub(crate) fn fresh(&self) -> Self {
        self.clone()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.top.is_empty()
    }

    /// Takes in rows of a view.
    ///
    /// # Errors
    /// When more memory would be needed than a search may take.
    pub(crate) fn collect(&mut self, view: &View, rows: &[u32]) -> Result<(), QueryError> {
        if self.zeros.len() < rows.len() {
            self.zeros.resize(rows.len(), 0);
        }
        for collector in &mut self.top {
            collector.collect(view, rows, &self.zeros[..rows.len()]);
        }
        if self.top.iter().any(Collector::has_too_many_weights) {
            let message = "Encountered more than one weight for a single document. Give each document one weight.";
            return Err(QueryError::Execution(message.to_owned()));
        }
        let bytes: usize = self.top.iter().map(Collector::memory_bytes).sum();
        if bytes > MEMORY_BYTES_MAX { Err(QueryError::Memory(MEMORY_BYTES_MAX)) } else { Ok(()) }
    }

    /// What was collected, with keywords in place of their numbers.
    pub(crate) fn into_partials(self, snapshot: &Snapshot) -> Vec<Partial> {
        self.top.into_iter().map(|c| c.into_partials(1, snapshot).pop().unwrap_or(Partial::Nothing)).collect()
    }
}

fn collector(aggregation: &Aggregation, planner: &Planner<'_>) -> Result<Collector, QueryError> {
    let name = aggregation.kind.name();
    let inner = aggregation.inner.iter().map(|(_, a)| collector(a, planner)).collect::<Result<Vec<_>, _>>()?;
    let buckets =
        |source, keys| CollectorKind::Buckets { source, keys, table: BucketTable::default(), shows_empty: false };
    let number = |of: &ValueSource, metric| Ok(CollectorKind::Metric { source: numbers(of, name, planner)?, metric });
    let summary = |of: &ValueSource| number(of, Metric::Summaries(Vec::new()));
    let kind = match &aggregation.kind {
        AggregationKind::Terms(terms) => {
            let source = source(&terms.source, name, planner, |kind| kind != FieldKind::GeoPoint)?;
            if matches!(source.origin, Origin::Id) {
                return Err(QueryError::Argument("[terms] on [_id] is not supported by this index".to_owned()));
            }
            let shows_empty = terms.min_doc_count == 0;
            CollectorKind::Buckets { source, keys: Keys::Value, table: BucketTable::default(), shows_empty }
        }
        AggregationKind::DateHistogram(h) => {
            let fits = |kind: FieldKind| kind == FieldKind::Date || kind.is_whole() || kind == FieldKind::Boolean;
            let mut source = source(&h.source, name, planner, fits)?;
            source.shape.zone = h.zone;
            buckets(source, Keys::Time(Floor::new(h.interval, h.zone, h.offset_ms)))
        }
        AggregationKind::GeohashGrid(grid) => {
            let (source, bounds) = points(grid, name, planner)?;
            buckets(source, Keys::Geohash { shift: 64 - 5 * u32::from(grid.precision), bounds })
        }
        AggregationKind::GeotileGrid(grid) => {
            let (source, bounds) = points(grid, name, planner)?;
            buckets(source, Keys::Geotile { zoom: grid.precision, bounds })
        }
        AggregationKind::Filter(query) => filters(vec![planner.plan(query)?], false, true),
        AggregationKind::Filters(Filters { filters: queries, other, .. }) => {
            let matchers = queries.iter().map(|(_, q)| planner.plan(q)).collect::<Result<Vec<_>, _>>()?;
            filters(matchers, other.is_some(), false)
        }
        AggregationKind::Missing(field) => {
            let source = source(&ValueSource::field(field.as_str()), name, planner, |_| true)?;
            CollectorKind::Missing { field: source.column(), counts: Vec::new() }
        }
        AggregationKind::Sum(of)
        | AggregationKind::Avg(of)
        | AggregationKind::Min(of)
        | AggregationKind::Max(of)
        | AggregationKind::Stats(of) => summary(of)?,
        AggregationKind::ValueCount(of) => {
            let source = source(of, name, planner, |_| true)?;
            CollectorKind::Metric { source, metric: Metric::Summaries(Vec::new()) }
        }
        AggregationKind::Cardinality(of) => {
            let source = source(of, name, planner, |_| true)?;
            CollectorKind::Metric { source, metric: Metric::Distinct(Vec::new()) }
        }
        AggregationKind::Percentiles(p) => number(&p.source, Metric::Distributions(Vec::new()))?,
        AggregationKind::WeightedAvg { value, weight } => {
            let value = numbers(value, name, planner)?;
            let weight = numbers(weight, name, planner)?;
            CollectorKind::Weighted { value, weight, metric: Metric::Weighted(Vec::new()), too_many: false }
        }
    };
    Ok(Collector { kind, inner })
}

fn filters(matchers: Vec<Matcher>, other: bool, single: bool) -> CollectorKind {
    CollectorKind::Filters { matchers: Arc::new(matchers), other, single, counts: Vec::new(), rows: None }
}

fn numbers(of: &ValueSource, name: &str, planner: &Planner<'_>) -> Result<Source, QueryError> {
    source(of, name, planner, |kind| !matches!(kind, FieldKind::Keyword | FieldKind::GeoPoint))
}

fn points(
    grid: &Grid,
    name: &str,
    planner: &Planner<'_>,
) -> Result<(Source, Option<(crate::geo::StepBox, bool)>), QueryError> {
    let source = source(&ValueSource::field(grid.field.as_str()), name, planner, |kind| kind == FieldKind::GeoPoint)?;
    Ok((source, grid.bounds.map(|b| (b.steps(), b.crosses()))))
}

fn source(
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
    fn each(&self, view: &View, rows: &[u32], mut f: impl FnMut(usize, i64)) {
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

    fn is_multiple(&self, view: &View) -> bool {
        self.column().and_then(|field| view.chunk.column(field)).is_some_and(Column::is_multiple)
    }

    fn column(&self) -> Option<usize> {
        if let Origin::Column(field) = self.origin { Some(field) } else { None }
    }

    /// The dictionary that the values are numbers of.
    fn dictionary<'s>(&self, snapshot: &'s Snapshot) -> Option<&'s Arc<Dictionary>> {
        self.column().and_then(|field| snapshot.dictionary(field))
    }

    fn number(&self, value: i64) -> f64 {
        self.shape.kind.map_or(0.0, |kind| as_number(kind, value))
    }
}

impl Source {
    fn key(&self, value: i64, snapshot: &Snapshot) -> PartialKey {
        match (&self.origin, self.dictionary(snapshot)) {
            (Origin::Text(text), _) => PartialKey::Text(text.to_string()),
            (_, Some(dictionary)) => PartialKey::Text(dictionary.word(value)),
            (_, None) => PartialKey::Whole(value),
        }
    }

    /// The keys of all documents of the index, found by the search or not.
    fn all_keys(&self, snapshot: &Snapshot) -> Vec<PartialKey> {
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

impl Collector {
    fn memory_bytes(&self) -> usize {
        let own = match &self.kind {
            CollectorKind::Buckets { table, .. } => table.memory_bytes(),
            CollectorKind::Filters { counts, .. } | CollectorKind::Missing { counts, .. } => counts.capacity() * 8,
            CollectorKind::Metric { metric, .. } | CollectorKind::Weighted { metric, .. } => metric.memory_bytes(),
        };
        own + self.inner.iter().map(Self::memory_bytes).sum::<usize>()
    }

    fn has_too_many_weights(&self) -> bool {
        matches!(self.kind, CollectorKind::Weighted { too_many: true, .. })
            || self.inner.iter().any(Self::has_too_many_weights)
    }

    /// Takes in rows; `parents[i]` is the bucket that `rows[i]` is in.
    fn collect(&mut self, view: &View, rows: &[u32], parents: &[u32]) {
        let wants_inner = !self.inner.is_empty();
        let (mut inner_rows, mut inner_parents) = (Vec::new(), Vec::new());
        match &mut self.kind {
            CollectorKind::Metric { source, metric } => metric_values(source, metric, view, rows, parents),
            CollectorKind::Weighted { value, weight, metric, too_many } => {
                *too_many |= weighted(value, weight, metric, view, rows, parents);
            }
            CollectorKind::Buckets { source, keys, table, .. } => {
                let multiple = source.is_multiple(view);
                let mut met: Vec<i64> = Vec::new();
                let mut met_of = usize::MAX;
                source.each(view, rows, |i, value| {
                    let Some(key) = keys.key(value) else { return };
                    if multiple {
                        if met_of != i {
                            met.clear();
                            met_of = i;
                        }
                        // A bucket counts a document once, however many of its values fall into it.
                        if met.contains(&key) {
                            return;
                        }
                        met.push(key);
                    }
                    let number = table.count(parents[i], key);
                    if wants_inner {
                        inner_rows.push(rows[i]);
                        inner_parents.push(number);
                    }
                });
            }
            CollectorKind::Filters { matchers, other, counts, rows: cached, .. } => {
                let buckets = matchers.len() + usize::from(*other);
                let place = Arc::as_ptr(&view.chunk).addr();
                if cached.as_ref().is_none_or(|(of, _)| *of != place) {
                    *cached = Some((place, matchers.iter().map(|m| m.rows(view)).collect()));
                }
                let bits = cached.as_ref().map_or(&[][..], |(_, bits)| bits);
                for (row, parent) in rows.iter().zip(parents) {
                    let mut put = |bucket: usize| {
                        let number = *parent as usize * buckets + bucket;
                        if counts.len() <= number {
                            counts.resize(number + 1, 0);
                        }
                        counts[number] += 1;
                        if wants_inner {
                            inner_rows.push(*row);
                            inner_parents.push(number as u32);
                        }
                    };
                    let mut any = false;
                    for (bucket, bits) in bits.iter().enumerate() {
                        if bits.get(*row as usize) {
                            put(bucket);
                            any = true;
                        }
                    }
                    if *other && !any {
                        put(matchers.len());
                    }
                }
            }
            CollectorKind::Missing { field, counts } => {
                let column = field.and_then(|f| view.chunk.column(f));
                grow(counts, parents);
                for (row, parent) in rows.iter().zip(parents) {
                    if column.is_none_or(|c| !c.has(*row as usize)) {
                        counts[*parent as usize] += 1;
                        inner_rows.push(*row);
                        inner_parents.push(*parent);
                    }
                }
            }
        }
        if wants_inner && !inner_rows.is_empty() {
            self.inner.iter_mut().for_each(|inner| inner.collect(view, &inner_rows, &inner_parents));
        }
    }

    /// What was collected for each of `parents` parent buckets.
    fn into_partials(self, parents: usize, snapshot: &Snapshot) -> Vec<Partial> {
        match self.kind {
            CollectorKind::Buckets { source, table, shows_empty, .. } => {
                let mut partials = bucket_partials(&source, &table, self.inner, parents, snapshot);
                if shows_empty {
                    let all = source.all_keys(snapshot);
                    partials.iter_mut().for_each(|p| p.add_empty(&all));
                }
                partials
            }
            CollectorKind::Filters { matchers, other, single, mut counts, .. } => {
                let buckets = matchers.len() + usize::from(other);
                counts.resize(parents * buckets, 0);
                let mut inner = transpose(self.inner, parents * buckets, snapshot);
                (0..parents)
                    .map(|parent| {
                        let one = |bucket: usize| {
                            let number = parent * buckets + bucket;
                            (counts[number], std::mem::take(&mut inner[number]))
                        };
                        let of_parent: Vec<_> = (0..buckets).map(one).collect();
                        if single { Partial::single(of_parent) } else { Partial::Filters(of_parent) }
                    })
                    .collect()
            }
            CollectorKind::Missing { mut counts, .. } => {
                counts.resize(parents, 0);
                let inner = transpose(self.inner, parents, snapshot);
                counts.into_iter().zip(inner).map(|of| Partial::single(vec![of])).collect()
            }
            CollectorKind::Metric { source, metric } => metric_partials(&source, metric, parents, snapshot),
            CollectorKind::Weighted { value, metric, .. } => metric_partials(&value, metric, parents, snapshot),
        }
    }
}

fn metric_values(source: &Source, metric: &mut Metric, view: &View, rows: &[u32], parents: &[u32]) {
    match metric {
        Metric::Summaries(all) => {
            grow(all, parents);
            match source.shape.kind {
                Some(kind) if kind.is_fractional() => {
                    source.each(view, rows, |i, v| all[parents[i] as usize].add(crate::value::to_f64(v)));
                }
                _ => source.each(view, rows, |i, v| all[parents[i] as usize].add(v as f64)),
            }
        }
        Metric::Distributions(all) => {
            grow(all, parents);
            source.each(view, rows, |i, v| all[parents[i] as usize].add(source.number(v)));
        }
        Metric::Distinct(all) => {
            grow(all, parents);
            source.each(view, rows, |i, v| {
                all[parents[i] as usize].insert(v);
            });
        }
        Metric::Weighted(_) => {}
    }
}

/// Returns whether a document has more than one weight.
fn weighted(value: &Source, weight: &Source, metric: &mut Metric, view: &View, rows: &[u32], parents: &[u32]) -> bool {
    let Metric::Weighted(all) = metric else { return false };
    grow(all, parents);
    let mut weights = vec![None; rows.len()];
    let mut too_many = false;
    weight.each(view, rows, |i, v| too_many |= weights[i].replace(weight.number(v)).is_some());
    value.each(view, rows, |i, v| {
        if let Some(weight) = weights[i] {
            let (sum, weights) = &mut all[parents[i] as usize];
            sum.add(value.number(v) * weight);
            weights.add(weight);
        }
    });
    too_many
}

/// The partials of all inner collectors, by parent.
fn transpose(inner: Vec<Collector>, parents: usize, snapshot: &Snapshot) -> Vec<Vec<Partial>> {
    let mut by_parent: Vec<Vec<Partial>> = Vec::new();
    by_parent.resize_with(parents, Vec::new);
    for collector in inner {
        for (of, partial) in by_parent.iter_mut().zip(collector.into_partials(parents, snapshot)) {
            of.push(partial);
        }
    }
    by_parent
}

fn bucket_partials(
    source: &Source,
    table: &BucketTable,
    inner: Vec<Collector>,
    parents: usize,
    snapshot: &Snapshot,
) -> Vec<Partial> {
    let inner = transpose(inner, table.keys().len(), snapshot);
    let mut by_parent: Vec<Vec<PartialBucket>> = Vec::new();
    by_parent.resize_with(parents, Vec::new);
    for ((number, (parent, key)), inner) in table.keys().iter().enumerate().zip(inner) {
        let key = source.key(*key, snapshot);
        by_parent[*parent as usize].push(PartialBucket { key, count: table.count_of(number as u32), inner });
    }
    by_parent.into_iter().map(|buckets| Partial::Buckets { shape: source.shape.clone(), buckets }).collect()
}

fn metric_partials(source: &Source, metric: Metric, parents: usize, snapshot: &Snapshot) -> Vec<Partial> {
    let shape = || source.shape.clone();
    match metric {
        Metric::Summaries(mut all) => {
            all.resize(parents, Default::default());
            all.into_iter().map(|summary| Partial::Summary { shape: shape(), summary }).collect()
        }
        Metric::Distributions(mut all) => {
            all.resize_with(parents, Default::default);
            all.into_iter().map(|values| Partial::Distribution { shape: shape(), values }).collect()
        }
        Metric::Distinct(mut all) => {
            all.resize_with(parents, Default::default);
            let dictionary = source.dictionary(snapshot);
            let hash = |value: &i64| match dictionary {
                Some(dictionary) => dictionary.hash(*value),
                None => *value as u64,
            };
            all.into_iter().map(|set| Partial::Distinct(set.iter().map(hash).collect())).collect()
        }
        Metric::Weighted(mut all) => {
            all.resize(parents, Default::default());
            all.into_iter().map(|(sum, weights)| Partial::Weighted { shape: shape(), sum, weights }).collect()
        }
    }
}
