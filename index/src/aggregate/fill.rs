//! The loops over values: from rows to the numbers of their buckets, and from values to metrics.
//!
//! Neighbouring rows often fall into the same bucket. What a bucket gets is summed up in local variables for as long as
//! the bucket stays the same, so that one addition need not wait for the last one to reach memory.

use super::buckets::BucketTable;
use super::keys::Keys;
use super::metrics::{Metric, Sum, grow};
use super::source::Source;
use crate::table::View;
use crate::value::to_f64;

/// Rows on their way to the collectors inside of buckets.
#[derive(Debug, Clone, Default)]
pub(super) struct Handed {
    /// The rows; unused where they are those that came in.
    pub(super) rows: Vec<u32>,
    /// The bucket of each.
    pub(super) buckets: Vec<u32>,
    /// Whether the rows are those that came in.
    pub(super) same_rows: bool,
}

impl Handed {
    pub(super) fn clear(&mut self) {
        self.rows.clear();
        self.buckets.clear();
        self.same_rows = false;
    }
}

/// Counts rows into their buckets and, with `hands_on`, tells which ones.
pub(super) fn count_rows(
    source: &Source,
    keys: &mut Keys,
    table: &mut BucketTable,
    view: &View,
    (rows, parents): (&[u32], &[u32]),
    hands_on: bool,
    handed: &mut Handed,
) {
    if source.is_multiple(view) {
        return count_several(source, keys, table, view, (rows, parents), handed);
    }
    handed.same_rows = source.missing.is_none() && source.is_one_each(view) && keys.takes_all();
    let mut counter = Counter { source, table, view, rows, parents, hands_on, handed };
    match keys {
        Keys::Value => counter.run(Some),
        Keys::Time(floor) => counter.run(|value| Some(floor.key(value))),
        Keys::Geohash { shift, bounds: None } => {
            let shift = *shift;
            // The bits as an unsigned number, so that the shift brings in zeros.
            counter.run(|value| Some(((value ^ i64::MIN) as u64 >> shift) as i64));
        }
        keys => counter.run(|value| keys.key(value)),
    }
}

struct Counter<'a> {
    source: &'a Source,
    table: &'a mut BucketTable,
    view: &'a View,
    rows: &'a [u32],
    parents: &'a [u32],
    hands_on: bool,
    handed: &'a mut Handed,
}

impl Counter<'_> {
    #[inline]
    fn run(&mut self, mut key_of: impl FnMut(i64) -> Option<i64>) {
        let Self { source, table, view, rows, parents, hands_on, handed } = self;
        let (hands_rows, hands_on) = (*hands_on && !handed.same_rows, *hands_on);
        let mut same: Option<(u32, i64, u32)> = None;
        let mut run = 0;
        source.each(view, rows, |i, value| {
            let Some(key) = key_of(value) else { return };
            let parent = parents[i];
            let number = match same {
                Some((p, k, number)) if p == parent && k == key => number,
                _ => {
                    if let Some((.., number)) = same {
                        table.add_count(number, run);
                    }
                    run = 0;
                    let number = table.number(parent, key);
                    same = Some((parent, key, number));
                    number
                }
            };
            run += 1;
            if hands_on {
                handed.buckets.push(number);
            }
            if hands_rows {
                handed.rows.push(rows[i]);
            }
        });
        if let Some((.., number)) = same {
            table.add_count(number, run);
        }
    }
}

/// Rows with several values: a bucket counts a document once, however many of its values fall into it.
fn count_several(
    source: &Source,
    keys: &mut Keys,
    table: &mut BucketTable,
    view: &View,
    (rows, parents): (&[u32], &[u32]),
    handed: &mut Handed,
) {
    let (mut met, mut met_of) = (Vec::new(), usize::MAX);
    source.each(view, rows, |i, value| {
        let Some(key) = keys.key(value) else { return };
        if met_of != i {
            met.clear();
            met_of = i;
        }
        if !met.contains(&key) {
            met.push(key);
            let number = table.number(parents[i], key);
            table.add_count(number, 1);
            handed.rows.push(rows[i]);
            handed.buckets.push(number);
        }
    });
}

/// Adds values to the metrics of their buckets.
pub(super) fn measure(source: &Source, metric: &mut Metric, view: &View, rows: &[u32], parents: &[u32]) {
    let fractional = source.shape.kind.is_some_and(crate::mapping::FieldKind::is_fractional);
    match metric {
        Metric::Wholes(all) => {
            grow(all, parents);
            let (mut bucket, mut count, mut sum) = (usize::MAX, 0, 0);
            source.each(view, rows, |i, value| {
                let next = parents[i] as usize;
                if next != bucket {
                    if let Some(of) = all.get_mut(bucket) {
                        *of = (of.0 + count, of.1 + sum);
                    }
                    (bucket, count, sum) = (next, 0, 0);
                }
                count += 1;
                sum += i128::from(value);
            });
            if let Some(of) = all.get_mut(bucket) {
                *of = (of.0 + count, of.1 + sum);
            }
        }
        Metric::Sums(all) => {
            grow(all, parents);
            let (mut bucket, mut count, mut sum) = (usize::MAX, 0, Sum::default());
            source.each(view, rows, |i, value| {
                let next = parents[i] as usize;
                if next != bucket {
                    if let Some(of) = all.get_mut(bucket) {
                        *of = (count, sum);
                    }
                    bucket = next;
                    (count, sum) = all[next];
                }
                count += 1;
                sum.add(to_f64(value));
            });
            if let Some(of) = all.get_mut(bucket) {
                *of = (count, sum);
            }
        }
        Metric::Summaries(all) if fractional => {
            grow(all, parents);
            source.each(view, rows, |i, value| all[parents[i] as usize].add(to_f64(value)));
        }
        Metric::Summaries(all) => {
            grow(all, parents);
            source.each(view, rows, |i, value| all[parents[i] as usize].add(value as f64));
        }
        Metric::Distributions(all) => {
            grow(all, parents);
            source.each(view, rows, |i, value| all[parents[i] as usize].add(source.number(value)));
        }
        Metric::Distinct(all) => {
            grow(all, parents);
            source.each(view, rows, |i, value| {
                all[parents[i] as usize].insert(value);
            });
        }
        Metric::Weighted(_) => {}
    }
}

/// Returns whether a document has more than one weight.
pub(super) fn measure_weighted(
    value: &Source,
    weight: &Source,
    metric: &mut Metric,
    view: &View,
    rows: &[u32],
    parents: &[u32],
) -> bool {
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
