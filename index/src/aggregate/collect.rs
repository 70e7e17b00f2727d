//! The tree of collectors that rows pass through.

use super::buckets::BucketTable;
use super::fill::{Handed, count_rows, measure, measure_weighted};
use super::keys::{Floor, Keys};
use super::metrics::{Metric, grow};
use super::partial::Partial;
use super::request::{Aggregation, AggregationKind, Filters, ValueSource};
use super::source::{Origin, Source, numbers, points, source};
use crate::bitmap::Bitmap;
use crate::error::QueryError;
use crate::mapping::FieldKind;
use crate::search::{Matcher, Planner};
use crate::table::{Snapshot, View};
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
pub(super) struct Collector {
    pub(super) kind: CollectorKind,
    pub(super) inner: Vec<Collector>,
    /// Rows and their buckets on the way to `inner`: kept, so that batches need no memory of their own.
    handed: Handed,
}

#[derive(Debug, Clone)]
pub(super) enum CollectorKind {
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
        AggregationKind::Sum(of) | AggregationKind::Avg(of) => {
            let source = numbers(of, name, planner)?;
            let fractional = source.shape.kind.is_some_and(FieldKind::is_fractional);
            let metric = if fractional { Metric::Sums(Vec::new()) } else { Metric::Wholes(Vec::new()) };
            CollectorKind::Metric { source, metric }
        }
        AggregationKind::Min(of) | AggregationKind::Max(of) | AggregationKind::Stats(of) => summary(of)?,
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
    Ok(Collector { kind, inner, handed: Handed::default() })
}

fn filters(matchers: Vec<Matcher>, other: bool, single: bool) -> CollectorKind {
    CollectorKind::Filters { matchers: Arc::new(matchers), other, single, counts: Vec::new(), rows: None }
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
        let mut handed = std::mem::take(&mut self.handed);
        handed.clear();
        match &mut self.kind {
            CollectorKind::Metric { source, metric } => measure(source, metric, view, rows, parents),
            CollectorKind::Weighted { value, weight, metric, too_many } => {
                *too_many |= measure_weighted(value, weight, metric, view, rows, parents);
            }
            CollectorKind::Buckets { source, keys, table, .. } => {
                count_rows(source, keys, table, view, (rows, parents), wants_inner, &mut handed);
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
                            handed.rows.push(*row);
                            handed.buckets.push(number as u32);
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
                        handed.rows.push(*row);
                        handed.buckets.push(*parent);
                    }
                }
            }
        }
        if wants_inner && !handed.buckets.is_empty() {
            let rows = if handed.same_rows { rows } else { &handed.rows };
            self.inner.iter_mut().for_each(|inner| inner.collect(view, rows, &handed.buckets));
        }
        self.handed = handed;
    }
}
