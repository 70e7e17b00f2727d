//! Aggregations: buckets and metrics over the documents of a search, computed from columns.
//!
//! Each chunk's matching rows pass through a tree of collectors in batches. A bucket collector gives every row the numbers
//! of its buckets and hands rows and numbers to its children, for which the bucket is the parent. What a thread has
//! collected becomes a [`Partial`]; partials of threads and indices are merged by key, then finished into results.

mod buckets;
mod collect;
mod decimal;
mod fill;
mod finish;
mod gather;
mod keys;
mod metrics;
mod partial;
mod pattern;
mod request;
mod result;
mod select;
mod source;

pub(crate) use collect::Collectors;
pub(crate) use finish::finish;
pub(crate) use partial::Partial;
pub use request::{
    Aggregation, AggregationKind, BucketOrder, DateHistogram, ExtendedBounds, Filters, Grid, OrderTarget, Percentiles,
    Selection, Terms, ValueSource,
};
pub use result::{AggregationResult, Bucket, BucketKey, Buckets, Number};
