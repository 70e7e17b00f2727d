//! What aggregations may be asked for.

use crate::geo::GeoBox;
use crate::search::{Literal, Query};
use crate::time::{Interval, Zone};

/// An aggregation with those inside each of its buckets.
#[derive(Debug, Clone, PartialEq)]
pub struct Aggregation {
    /// What is computed.
    pub kind: AggregationKind,
    /// What is computed for each bucket; empty for metrics.
    pub inner: Vec<(String, Aggregation)>,
}

/// Where values come from.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ValueSource {
    /// The field.
    pub field: String,
    /// The value of documents that have none.
    pub missing: Option<Literal>,
    /// How dates are written, in place of the field's format; of numbers, their decimal pattern (`0.00`).
    pub format: Option<String>,
    /// Only these values get buckets.
    pub include: Option<Selection>,
    /// These values get no buckets.
    pub exclude: Option<Selection>,
}

impl ValueSource {
    /// The values of a field, and nothing for documents without one.
    pub fn field(field: impl Into<String>) -> Self {
        Self { field: field.into(), ..Self::default() }
    }
}

/// By what buckets are ordered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OrderTarget {
    /// The number of documents.
    Count,
    /// The key.
    Key,
    /// A metric inside: its name, and the percentile if it is one of several.
    Metric(String, Option<String>),
}

/// One criterion of the order of buckets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketOrder {
    /// By what.
    pub target: OrderTarget,
    /// Whether the least comes first.
    pub ascending: bool,
}

/// A bucket for each value of a field.
#[derive(Debug, Clone, PartialEq)]
pub struct Terms {
    /// The field.
    pub source: ValueSource,
    /// Buckets returned at most.
    pub size: usize,
    /// How many buckets a shard of the real service would consider; decides only whether an error bound is told.
    pub shard_size: Option<usize>,
    /// The order; none: the most documents first.
    pub order: Vec<BucketOrder>,
    /// Buckets with fewer documents are left out; at 0, keywords that no document of the search has are shown too.
    pub min_doc_count: u64,
}

/// Some of the values of a field.
#[derive(Debug, Clone, PartialEq)]
pub enum Selection {
    /// These.
    Values(Vec<Literal>),
    /// Those whose text matches as a whole: a small regular expression.
    Pattern(String),
    /// Instants, from the interval that holds the first one to before the interval that holds the last one.
    Instants(ExtendedBounds),
}

/// Instants between which buckets are shown even where no document is.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ExtendedBounds {
    /// The first one.
    pub min: Option<Literal>,
    /// The last one.
    pub max: Option<Literal>,
}

/// A bucket for each interval of time.
#[derive(Debug, Clone, PartialEq)]
pub struct DateHistogram {
    /// The field.
    pub source: ValueSource,
    /// The length of an interval.
    pub interval: Interval,
    /// By the clocks of which zone intervals begin.
    pub zone: Zone,
    /// Moves the beginnings of intervals, in milliseconds.
    pub offset_ms: i64,
    /// Buckets with fewer documents are left out; at 0, gaps are filled.
    pub min_doc_count: u64,
    /// Where to show buckets at least.
    pub extended_bounds: Option<ExtendedBounds>,
    /// The order; none: the earliest first.
    pub order: Vec<BucketOrder>,
    /// Whether buckets are returned by name.
    pub keyed: bool,
}

/// A bucket for each cell of a grid over the earth.
#[derive(Debug, Clone, PartialEq)]
pub struct Grid {
    /// The field.
    pub field: String,
    /// Digits of the geohash (1..=12), or zoom of the tile (0..=29).
    pub precision: u8,
    /// Buckets returned at most.
    pub size: usize,
    /// Only points in this box.
    pub bounds: Option<GeoBox>,
}

/// A bucket for each of several queries.
#[derive(Debug, Clone, PartialEq)]
pub struct Filters {
    /// The queries with their names.
    pub filters: Vec<(String, Query)>,
    /// The name of a bucket for the documents that none of them finds.
    pub other: Option<String>,
    /// Whether buckets are returned by name.
    pub keyed: bool,
}

/// Percentiles of values.
#[derive(Debug, Clone, PartialEq)]
pub struct Percentiles {
    /// The values.
    pub source: ValueSource,
    /// Which percentiles, each 0..=100.
    pub percents: Vec<f64>,
    /// Whether they are returned by name.
    pub keyed: bool,
}

/// What an aggregation computes.
#[derive(Debug, Clone, PartialEq)]
pub enum AggregationKind {
    /// Buckets by value.
    Terms(Terms),
    /// Buckets by time.
    DateHistogram(DateHistogram),
    /// Buckets by geohash cell.
    GeohashGrid(Grid),
    /// Buckets by map tile.
    GeotileGrid(Grid),
    /// One bucket of the documents that a query finds.
    Filter(Query),
    /// Buckets by query.
    Filters(Filters),
    /// One bucket of the documents without a value.
    Missing(String),
    /// The sum of values.
    Sum(ValueSource),
    /// Their mean.
    Avg(ValueSource),
    /// The least.
    Min(ValueSource),
    /// The greatest.
    Max(ValueSource),
    /// Number, least, greatest, mean and sum.
    Stats(ValueSource),
    /// The number of values.
    ValueCount(ValueSource),
    /// The number of distinct values, exact.
    Cardinality(ValueSource),
    /// Percentiles, exact: between ranks they are interpolated.
    Percentiles(Percentiles),
    /// The mean of values, each with its document's weight.
    WeightedAvg {
        /// The values.
        value: ValueSource,
        /// The weights.
        weight: ValueSource,
    },
}

impl AggregationKind {
    /// The name that requests use.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Terms(_) => "terms",
            Self::DateHistogram(_) => "date_histogram",
            Self::GeohashGrid(_) => "geohash_grid",
            Self::GeotileGrid(_) => "geotile_grid",
            Self::Filter(_) => "filter",
            Self::Filters(_) => "filters",
            Self::Missing(_) => "missing",
            Self::Sum(_) => "sum",
            Self::Avg(_) => "avg",
            Self::Min(_) => "min",
            Self::Max(_) => "max",
            Self::Stats(_) => "stats",
            Self::ValueCount(_) => "value_count",
            Self::Cardinality(_) => "cardinality",
            Self::Percentiles(_) => "percentiles",
            Self::WeightedAvg { .. } => "weighted_avg",
        }
    }
}
