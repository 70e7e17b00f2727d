//! What one thread or one index has collected: trees that are merged by key.

use super::decimal::Decimal;
use super::metrics::{Distribution, Sum, Summary};
use crate::mapping::FieldKind;
use crate::time::{DateFormat, Zone};
use rustc_hash::{FxHashMap, FxHashSet};

/// How values are shown.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Shape {
    /// The kind of the field; `None`: it is not mapped.
    pub(super) kind: Option<FieldKind>,
    pub(super) format: Option<DateFormat>,
    pub(super) decimal: Option<Decimal>,
    pub(super) zone: Zone,
}

impl Default for Shape {
    fn default() -> Self {
        Self { kind: None, format: None, decimal: None, zone: Zone::UTC }
    }
}

/// The key of a bucket, the same in every index.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum PartialKey {
    /// A column value, a cell, a tile, an instant.
    Whole(i64),
    /// A keyword.
    Text(String),
}

/// A bucket that may grow.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct PartialBucket {
    pub(super) key: PartialKey,
    pub(super) count: u64,
    pub(super) inner: Vec<Partial>,
}

/// What was collected for one aggregation in one bucket.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Partial {
    Nothing,
    Buckets { shape: Shape, buckets: Vec<PartialBucket> },
    Filters(Vec<(u64, Vec<Partial>)>),
    Single(u64, Vec<Partial>),
    Summary { shape: Shape, summary: Summary },
    Distribution { shape: Shape, values: Distribution },
    Distinct(FxHashSet<u64>),
    Weighted { shape: Shape, sum: Sum, weights: Sum },
}

impl Shape {
    /// Of two indices, the one that knows the field decides.
    fn merge(&mut self, other: Self) {
        if self.kind.is_none() && other.kind.is_some() {
            *self = other;
        }
    }
}

impl Partial {
    /// The partial of an aggregation with a single bucket.
    pub(super) fn single(buckets: Vec<(u64, Vec<Self>)>) -> Self {
        buckets.into_iter().next().map_or(Self::Nothing, |(count, inner)| Self::Single(count, inner))
    }

    /// Adds buckets without documents for the keys that have none.
    pub(super) fn add_empty(&mut self, keys: &[PartialKey]) {
        let Self::Buckets { buckets, .. } = self else { return };
        let known: FxHashSet<PartialKey> = buckets.iter().map(|b| b.key.clone()).collect();
        let empty = |key: &PartialKey| PartialBucket { key: key.clone(), count: 0, inner: Vec::new() };
        buckets.extend(keys.iter().filter(|key| !known.contains(key)).map(empty));
    }

    /// Takes in another partial of the same aggregation.
    pub(crate) fn merge(&mut self, other: Self) {
        match (self, other) {
            (Self::Buckets { shape, buckets }, Self::Buckets { shape: other_shape, buckets: other }) => {
                shape.merge(other_shape);
                merge_buckets(buckets, other);
            }
            (Self::Filters(all), Self::Filters(other)) => {
                for ((count, inner), (more, other)) in all.iter_mut().zip(other) {
                    *count += more;
                    merge_all(inner, other);
                }
            }
            (Self::Single(count, inner), Self::Single(more, other)) => {
                *count += more;
                merge_all(inner, other);
            }
            (Self::Summary { shape, summary }, Self::Summary { shape: other_shape, summary: other }) => {
                shape.merge(other_shape);
                summary.merge(other);
            }
            (Self::Distribution { shape, values }, Self::Distribution { shape: other_shape, values: other }) => {
                shape.merge(other_shape);
                values.merge(other);
            }
            (Self::Distinct(set), Self::Distinct(other)) => set.extend(other),
            (
                Self::Weighted { shape, sum, weights },
                Self::Weighted { shape: other_shape, sum: more, weights: other },
            ) => {
                shape.merge(other_shape);
                sum.merge(more);
                weights.merge(other);
            }
            (into @ Self::Nothing, other) => *into = other,
            _ => {}
        }
    }
}

fn merge_all(into: &mut [Partial], other: Vec<Partial>) {
    into.iter_mut().zip(other).for_each(|(into, partial)| into.merge(partial));
}

fn merge_buckets(into: &mut Vec<PartialBucket>, other: Vec<PartialBucket>) {
    let places: FxHashMap<PartialKey, usize> = into.iter().enumerate().map(|(at, b)| (b.key.clone(), at)).collect();
    for bucket in other {
        match places.get(&bucket.key) {
            Some(at) => {
                into[*at].count += bucket.count;
                merge_all(&mut into[*at].inner, bucket.inner);
            }
            None => into.push(bucket),
        }
    }
}
