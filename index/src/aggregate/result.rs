//! What aggregations answer.

/// A number, and how it is written where it is a date or a boolean.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Number {
    /// The number; `None` where there was no value to compute it from.
    pub value: Option<f64>,
    /// Its text.
    pub text: Option<String>,
}

/// The key of a bucket.
#[derive(Debug, Clone, PartialEq)]
pub enum BucketKey {
    /// A keyword, a geohash, a tile (`zoom/x/y`), or the name of a filter.
    Text(String),
    /// A whole number; an instant in milliseconds; a boolean as 0 or 1.
    Whole(i64),
    /// A number with a fraction.
    Fraction(f64),
    /// None: buckets by query that have no names.
    None,
}

/// A bucket.
#[derive(Debug, Clone, PartialEq)]
pub struct Bucket {
    /// What its documents have in common.
    pub key: BucketKey,
    /// The key as text, where it is an instant or a boolean.
    pub key_text: Option<String>,
    /// How many documents are in it.
    pub count: u64,
    /// What was computed for it.
    pub inner: Vec<(String, AggregationResult)>,
}

/// Buckets.
#[derive(Debug, Clone, PartialEq)]
pub struct Buckets {
    /// The buckets in order.
    pub buckets: Vec<Bucket>,
    /// Of buckets by value: the documents in buckets that were cut off.
    pub other_count: Option<u64>,
    /// Of buckets by value: what the real service tells about the error of counts. Here counts have none.
    pub error_bound: Option<i64>,
    /// Whether they are returned by name.
    pub keyed: bool,
}

/// The answer of an aggregation.
#[derive(Debug, Clone, PartialEq)]
pub enum AggregationResult {
    /// One number.
    Number(Number),
    /// A count.
    Count(u64),
    /// Number of values, then least, greatest, mean and sum.
    Stats {
        /// How many values there are.
        count: u64,
        /// The least.
        min: Number,
        /// The greatest.
        max: Number,
        /// The mean.
        avg: Number,
        /// The sum.
        sum: Number,
    },
    /// Percentiles.
    Percentiles {
        /// Each with its percent.
        values: Vec<(f64, Number)>,
        /// Whether they are returned by name.
        keyed: bool,
    },
    /// Buckets.
    Buckets(Buckets),
    /// The single bucket of a filter.
    Single {
        /// How many documents are in it.
        count: u64,
        /// What was computed for it.
        inner: Vec<(String, AggregationResult)>,
    },
}
