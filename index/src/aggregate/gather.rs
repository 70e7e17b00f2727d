//! From collectors to partials: what was collected, by parent bucket, with keywords in place of their numbers.

use super::buckets::BucketTable;
use super::collect::{Collector, CollectorKind};
use super::metrics::{Metric, Sum, Summary};
use super::partial::{Partial, PartialBucket};
use super::source::Source;
use crate::table::Snapshot;

impl Collector {
    /// What was collected for each of `parents` parent buckets.
    pub(super) fn into_partials(self, parents: usize, snapshot: &Snapshot) -> Vec<Partial> {
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
        Metric::Wholes(mut all) => {
            all.resize(parents, Default::default());
            let summary = |(count, sum)| Summary { count, sum: Sum::of(sum as f64), ..Summary::default() };
            all.into_iter().map(|of| Partial::Summary { shape: shape(), summary: summary(of) }).collect()
        }
        Metric::Sums(mut all) => {
            all.resize(parents, Default::default());
            let summary = |(count, sum)| Summary { count, sum, ..Summary::default() };
            all.into_iter().map(|of| Partial::Summary { shape: shape(), summary: summary(of) }).collect()
        }
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
