//! Aggregates over different values: each value of a group is handed on once, wherever and how often it comes.

use super::accumulate::{Accumulator, Rows, loaded, saved};
use super::keys::{KeyCodec, Keys};
use crate::types::DataType;
use arrow_array::{Array, UInt32Array};
use arrow_schema::ArrowError;
use arrow_select::take::take;
use hashbrown::HashTable;

/// The different values of each group, and the aggregate over them.
#[derive(Debug, Clone)]
pub(crate) struct Distinct {
    codec: KeyCodec,
    /// Finds entries by group and value.
    index: HashTable<u32>,
    /// The group of each entry.
    groups: Vec<u32>,
    /// The value of each entry.
    values: Keys,
    /// Has seen every entry once.
    inner: Accumulator,
}

impl Distinct {
    /// Without groups, over values of one type.
    pub(crate) fn new(argument: DataType, inner: Accumulator) -> Self {
        let codec = KeyCodec::of_type(argument);
        Self { codec, index: HashTable::new(), groups: Vec::new(), values: Keys::default(), inner }
    }

    /// The aggregate over the different values.
    pub(crate) fn inner(&self) -> &Accumulator {
        &self.inner
    }

    pub(crate) fn resize(&mut self, groups: usize) {
        self.inner.resize(groups);
    }

    /// Bytes of memory of the values, those of the aggregate aside.
    pub(crate) fn bytes(&self) -> usize {
        self.values.bytes() + self.groups.capacity() * size_of::<u32>() + self.index.allocation_size()
    }

    /// Takes rows in; nulls are no values.
    pub(crate) fn update(&mut self, rows: Rows<'_>, array: &dyn Array) -> Result<(), ArrowError> {
        let valid = |pair: &(&u32, &u32)| array.is_valid(*pair.0 as usize);
        let (rows, groups): (Vec<u32>, Vec<u32>) = rows.rows.iter().zip(rows.groups).filter(valid).unzip();
        let chosen = UInt32Array::from(rows);
        let values = self.codec.encode_column(take(array, &chosen, None)?.as_ref());
        let (mut fresh, mut fresh_groups) = (Vec::new(), Vec::new());
        for (at, group) in groups.into_iter().enumerate() {
            if self.insert(group, &values, at) {
                fresh.push(chosen.value(at));
                fresh_groups.push(group);
            }
        }
        self.inner.update(Rows { rows: &fresh, groups: &fresh_groups }, Some(array))
    }

    /// Takes the groups of `other` in: its group `i` goes into group `groups[i]`.
    pub(crate) fn merge(&mut self, groups: &[u32], other: &Self) -> Result<(), ArrowError> {
        let (mut fresh, mut fresh_groups) = (Keys::default(), Vec::new());
        for (at, from) in other.groups.iter().enumerate() {
            let group = groups[*from as usize];
            if self.insert(group, &other.values, at) {
                fresh.push_from(&other.values, at);
                fresh_groups.push(group);
            }
        }
        let rows: Vec<u32> = (0..fresh.len() as u32).collect();
        for column in self.codec.decode(&fresh, 0..fresh.len())? {
            self.inner.update(Rows { rows: &rows, groups: &fresh_groups }, Some(column.as_ref()))?;
        }
        Ok(())
    }

    /// The groups `indices` alone, in that order.
    pub(crate) fn pick(&self, indices: &[u32]) -> Self {
        let mut places = vec![None; self.groups.iter().max().map_or(0, |g| *g as usize + 1)];
        for (place, group) in indices.iter().enumerate() {
            if let Some(slot) = places.get_mut(*group as usize) {
                *slot = Some(place as u32);
            }
        }
        let (codec, inner) = (self.codec.clone(), self.inner.pick(indices));
        let mut picked = Self { codec, index: HashTable::new(), groups: Vec::new(), values: Keys::default(), inner };
        for (at, group) in self.groups.iter().enumerate() {
            if let Some(place) = places[*group as usize] {
                picked.insert(place, &self.values, at);
            }
        }
        picked
    }

    /// Writes values and aggregate down.
    pub(crate) fn save(&self) -> Result<Vec<u8>, String> {
        let values: Vec<Vec<u8>> =
            (0..self.groups.len()).map(|at| self.values.with_bytes(at, <[u8]>::to_vec)).collect();
        saved(&(&self.groups, values, self.inner.save()?))
    }

    /// Reads what [`Distinct::save`] wrote of `groups` groups.
    pub(crate) fn load(&mut self, bytes: &[u8], groups: usize) -> Result<(), String> {
        let (owners, values, inner): (Vec<u32>, Vec<Vec<u8>>, Vec<u8>) = loaded(bytes)?;
        if owners.len() != values.len() || owners.iter().any(|owner| *owner as usize >= groups) {
            return Err(format!("different values of groups beyond the {groups} that there are"));
        }
        let mut keys = Keys::default();
        values.iter().for_each(|value| keys.push_bytes(value));
        for (at, owner) in owners.into_iter().enumerate() {
            if !self.insert(owner, &keys, at) {
                return Err("a value stands twice in its group".to_owned());
            }
        }
        self.inner.load(&inner, groups)
    }

    /// Whether value `at` of `values` is new to the group.
    fn insert(&mut self, group: u32, values: &Keys, at: usize) -> bool {
        let hash = hash(group, values, at);
        let (own, groups) = (&mut self.values, &mut self.groups);
        let same = |e: &u32| groups[*e as usize] == group && own.same(*e as usize, values, at);
        if self.index.find(hash, same).is_some() {
            return false;
        }
        let entry = groups.len() as u32;
        groups.push(group);
        own.push_from(values, at);
        self.index.insert_unique(hash, entry, |e| self::hash(groups[*e as usize], own, *e as usize));
        true
    }
}

fn hash(group: u32, values: &Keys, at: usize) -> u64 {
    values.hash(at) ^ u64::from(group).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::AggregateFunction;
    use crate::run::aggregate::accumulate::AggregateType;
    use arrow_array::cast::AsArray;
    use arrow_array::types::Int64Type;
    use arrow_array::{ArrayRef, Int64Array};
    use proptest::prelude::*;
    use std::collections::BTreeSet;
    use std::sync::Arc;

    const GROUPS: usize = 4;

    fn over(rows: &[(u32, Option<i64>)], aggregate: AggregateType) -> Accumulator {
        let values: ArrayRef = Arc::new(rows.iter().map(|(_, v)| *v).collect::<Int64Array>());
        let (groups, numbers): (Vec<u32>, Vec<u32>) = rows.iter().map(|(g, _)| *g).zip(0..).unzip();
        let mut accumulator = aggregate.accumulator().unwrap();
        accumulator.resize(GROUPS);
        accumulator.update(Rows { rows: &numbers, groups: &groups }, Some(values.as_ref())).unwrap();
        accumulator
    }

    proptest! {
        /// Each value counts once, however the rows are cut, partitioned and merged again.
        #[test]
        fn each_value_counts_once(
            rows in prop::collection::vec((0..GROUPS as u32, prop::option::of(-6i64..6)), 0..60), cut in 0usize..60
        ) {
            for function in [AggregateFunction::Count, AggregateFunction::Sum] {
                let big = DataType::BigInt;
                let aggregate = AggregateType { function, argument: Some(big), distinct: true, result: big };
                let expected: Vec<Option<i64>> = (0..GROUPS as u32).map(|group| {
                    let of = |r: &(u32, Option<i64>)| r.1.filter(|_| r.0 == group);
                    let values: BTreeSet<i64> = rows.iter().filter_map(of).collect();
                    match function {
                        AggregateFunction::Count => Some(values.len() as i64),
                        _ => (!values.is_empty()).then(|| values.iter().sum()),
                    }
                }).collect();
                let (left, right) = rows.split_at(cut.min(rows.len()));
                let mut merged = over(left, aggregate);
                let other = over(right, aggregate);
                merged.merge(&[3, 1], &other.pick(&[3, 1])).unwrap();
                merged.merge(&[0, 2], &other.pick(&[0, 2])).unwrap();
                for accumulator in [over(&rows, aggregate), merged] {
                    let result = accumulator.finish(aggregate, 0..GROUPS).unwrap();
                    let found: Vec<Option<i64>> = result.as_primitive::<Int64Type>().iter().collect();
                    prop_assert_eq!(&found, &expected);
                }
            }
        }
    }
}
