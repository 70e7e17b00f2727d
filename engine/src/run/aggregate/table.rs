//! Groups found by key: a hash table over compact keys, and the aggregates of each group beside it.

use super::accumulate::{Accumulator, AggregateType, Rows, loaded, saved};
use super::keys::{KeyCodec, Keys};
use crate::plan::Aggregate;
use crate::types::{DataType, Field};
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::ArrowError;
use hashbrown::HashTable;
use serde_bytes::Bytes;
use std::ops::Range;

/// What one aggregation computes: its keys and its aggregates.
#[derive(Debug, Clone)]
pub(crate) struct Shape {
    pub(crate) keys: KeyCodec,
    aggregates: Vec<(Aggregate, AggregateType)>,
}

impl Shape {
    /// The shape of an aggregation over rows of `input`; `output` begins with the keys and the aggregates' results.
    ///
    /// # Errors
    /// Names the aggregate that does not exist for its argument's type.
    pub(crate) fn new(
        keys: &[usize],
        aggregates: &[Aggregate],
        input: &[Field],
        output: &[Field],
    ) -> Result<Self, String> {
        let typed = aggregates.iter().zip(&output[keys.len()..]).map(|(aggregate, field)| {
            let argument = aggregate.argument.map(|a| input[a].data_type);
            let (function, distinct) = (aggregate.function, aggregate.distinct);
            let of = AggregateType { function, argument, distinct, result: field.data_type };
            match of.accumulator() {
                Some(_) => Ok((aggregate.clone(), of)),
                None => {
                    let over = argument.unwrap_or(DataType::Null);
                    Err(format!("{:?} over {over} is not supported", aggregate.function))
                }
            }
        });
        Ok(Self { keys: KeyCodec::new(keys, input), aggregates: typed.collect::<Result<_, _>>()? })
    }

    fn accumulators(&self) -> Vec<Accumulator> {
        self.aggregates.iter().filter_map(|(_, of)| of.accumulator()).collect()
    }
}

/// Groups without a way to find them: what travels between two halves of an aggregation.
#[derive(Debug, Clone)]
pub(crate) struct Groups {
    keys: Keys,
    accumulators: Vec<Accumulator>,
}

impl Groups {
    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }

    /// Bytes of memory, texts of MIN and MAX aside.
    pub(crate) fn bytes(&self) -> usize {
        let of = |a: &Accumulator| self.len() * a.bytes_per_group() + a.bytes_of_values();
        self.keys.bytes() + self.accumulators.iter().map(of).sum::<usize>()
    }

    /// The groups by what `of` makes of the spread of their keys' hash, a number below `parts`; empty parts stay empty.
    pub(crate) fn partition(self, parts: usize, of: impl Fn(u32) -> usize) -> Vec<Self> {
        if parts == 1 {
            return vec![self];
        }
        let mut indices: Vec<Vec<u32>> = vec![Vec::new(); parts];
        for group in 0..self.len() {
            indices[of(self.keys.spread(group))].push(group as u32);
        }
        indices.iter().map(|chosen| self.pick(chosen)).collect()
    }

    /// Writes the groups down.
    pub(crate) fn save(&self) -> Result<Vec<u8>, String> {
        let (mut lengths, mut bytes) = (Vec::with_capacity(self.len()), Vec::new());
        for group in 0..self.len() {
            self.keys.with_bytes(group, |key| {
                lengths.push(key.len() as u32);
                bytes.extend_from_slice(key);
            });
        }
        let states = self.accumulators.iter().map(Accumulator::save).collect::<Result<Vec<_>, _>>()?;
        let states: Vec<&Bytes> = states.iter().map(|state| Bytes::new(state)).collect();
        saved(&(lengths, Bytes::new(&bytes), states))
    }

    /// Reads what [`Groups::save`] wrote of groups of this shape.
    ///
    /// # Errors
    /// Says what is wrong when the bytes are anything else.
    pub(crate) fn load(shape: &Shape, bytes: &[u8]) -> Result<Self, String> {
        let (lengths, bytes, states): (Vec<u32>, &Bytes, Vec<&Bytes>) = loaded(bytes)?;
        let mut groups = Self { keys: Keys::default(), accumulators: shape.accumulators() };
        let mut rest: &[u8] = bytes;
        for length in &lengths {
            let (key, behind) = rest.split_at_checked(*length as usize).ok_or("a key ends behind the keys' end")?;
            groups.keys.push_bytes(key);
            rest = behind;
        }
        if !rest.is_empty() || states.len() != groups.accumulators.len() {
            return Err(format!("{} aggregates, and {} bytes behind the keys", states.len(), rest.len()));
        }
        for (accumulator, state) in groups.accumulators.iter_mut().zip(&states) {
            accumulator.load(state, lengths.len())?;
        }
        Ok(groups)
    }

    fn pick(&self, indices: &[u32]) -> Self {
        let mut keys = Keys::default();
        indices.iter().for_each(|i| keys.push_from(&self.keys, *i as usize));
        Self { keys, accumulators: self.accumulators.iter().map(|a| a.pick(indices)).collect() }
    }

    /// The key columns and the results of the groups `range`.
    pub(crate) fn columns(&self, shape: &Shape, range: Range<usize>) -> Result<Vec<ArrayRef>, ArrowError> {
        let mut columns = shape.keys.decode(&self.keys, range.clone())?;
        for (accumulator, (_, of)) in self.accumulators.iter().zip(&shape.aggregates) {
            columns.push(accumulator.finish(*of, range.clone())?);
        }
        Ok(columns)
    }
}

/// Groups that can be found by their key.
#[derive(Debug, Clone)]
pub(crate) struct GroupTable {
    index: HashTable<u32>,
    groups: Groups,
    found: Vec<u32>,
    /// The least and the greatest spread of a key.
    spreads: (u32, u32),
}

/// The bounds of the spreads of no key.
const NO_SPREADS: (u32, u32) = (u32::MAX, 0);

impl GroupTable {
    pub(crate) fn new(shape: &Shape) -> Self {
        let groups = Groups { keys: Keys::default(), accumulators: shape.accumulators() };
        Self { index: HashTable::new(), groups, found: Vec::new(), spreads: NO_SPREADS }
    }

    /// A table of `groups`, whose keys are all different.
    ///
    /// # Errors
    /// When two are the same.
    pub(crate) fn of(groups: Groups) -> Result<Self, String> {
        let mut index = HashTable::with_capacity(groups.len());
        let (keys, mut spreads) = (&groups.keys, NO_SPREADS);
        for group in 0..groups.len() {
            let hash = keys.hash(group);
            if index.find(hash, |g: &u32| keys.same(*g as usize, keys, group)).is_some() {
                return Err("a group stands twice in its slice".to_owned());
            }
            index.insert_unique(hash, group as u32, |g| keys.hash(*g as usize));
            spreads = widened(spreads, keys.spread(group));
        }
        Ok(Self { index, groups, found: Vec::new(), spreads })
    }

    /// What `of` makes of the spread of every key where it is the same for all; `None` where it is not, and for none.
    /// `of` must not fall where the spread rises.
    pub(crate) fn common<T: PartialEq>(&self, of: impl Fn(u32) -> T) -> Option<T> {
        let (least, greatest) = self.spreads;
        (least <= greatest && of(least) == of(greatest)).then(|| of(least))
    }

    /// The least and the greatest spread of a key.
    pub(super) fn spreads(&self) -> (u32, u32) {
        self.spreads
    }

    pub(crate) fn groups(&self) -> &Groups {
        &self.groups
    }

    pub(crate) fn into_groups(self) -> Groups {
        self.groups
    }

    /// Bytes of memory.
    pub(crate) fn bytes(&self) -> usize {
        self.groups.bytes() + self.index.allocation_size()
    }

    /// Takes the rows `rows` of `batch` in; `keys` are the keys of all its rows.
    pub(crate) fn update(
        &mut self,
        shape: &Shape,
        batch: &RecordBatch,
        keys: &Keys,
        rows: &[u32],
    ) -> Result<(), ArrowError> {
        self.find(keys, rows.iter().map(|r| *r as usize));
        let groups = std::mem::take(&mut self.found);
        for (accumulator, (aggregate, _)) in self.groups.accumulators.iter_mut().zip(&shape.aggregates) {
            let argument = aggregate.argument.map(|a| batch.column(a).as_ref());
            match aggregate.filter {
                None => accumulator.update(Rows { rows, groups: &groups }, argument)?,
                Some(filter) => {
                    let (rows, groups) = filtered(batch.column(filter), rows, &groups);
                    accumulator.update(Rows { rows: &rows, groups: &groups }, argument)?;
                }
            }
        }
        self.found = groups;
        Ok(())
    }

    /// Takes other groups of the same shape in.
    pub(crate) fn merge(&mut self, other: &Groups) -> Result<(), ArrowError> {
        self.find(&other.keys, 0..other.len());
        let mut pairs = self.groups.accumulators.iter_mut().zip(&other.accumulators);
        pairs.try_for_each(|(accumulator, from)| accumulator.merge(&self.found, from))
    }

    /// Finds the groups of some keys, or makes them; their numbers are then in `found`.
    fn find(&mut self, keys: &Keys, wanted: impl ExactSizeIterator<Item = usize>) {
        self.found.clear();
        self.found.reserve(wanted.len());
        for at in wanted {
            let hash = keys.hash(at);
            let own = &mut self.groups.keys;
            let group = match self.index.find(hash, |g| own.same(*g as usize, keys, at)) {
                Some(group) => *group,
                None => {
                    let group = own.len() as u32;
                    own.push_from(keys, at);
                    self.index.insert_unique(hash, group, |g| own.hash(*g as usize));
                    self.spreads = widened(self.spreads, own.spread(group as usize));
                    group
                }
            };
            self.found.push(group);
        }
        let groups = self.groups.len();
        self.groups.accumulators.iter_mut().for_each(|a| a.resize(groups));
    }
}

fn widened((least, greatest): (u32, u32), spread: u32) -> (u32, u32) {
    (least.min(spread), greatest.max(spread))
}

/// The rows (and their groups) for which a `FILTER` holds; null does not.
fn filtered(filter: &ArrayRef, rows: &[u32], groups: &[u32]) -> (Vec<u32>, Vec<u32>) {
    let Some(filter) = filter.as_boolean_opt() else { return (Vec::new(), Vec::new()) };
    let holds = |row: u32| filter.is_valid(row as usize) && filter.value(row as usize);
    rows.iter().zip(groups).filter(|(row, _)| holds(**row)).map(|(row, group)| (*row, *group)).unzip()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::AggregateFunction;
    use arrow_array::{Float64Array, Int64Array, StringArray};
    use proptest::prelude::*;
    use std::sync::Arc;

    /// All sorts of aggregates by a text, over a number, a fraction and a text.
    fn shape() -> (Shape, Vec<Field>) {
        use AggregateFunction::{Avg, Count, Max, Min, Sum};
        let field = |name: &str, data_type| Field { name: name.into(), data_type, nullable: true };
        let (text, big, double) = (DataType::STRING, DataType::BigInt, DataType::Double);
        let input = vec![field("k", text), field("n", big), field("x", double), field("t", text)];
        let wanted = [
            (Count, None, false, big),
            (Sum, Some(1), false, big),
            (Avg, Some(2), false, double),
            (Min, Some(1), false, big),
            (Max, Some(2), false, double),
            (Max, Some(3), false, text),
            (Count, Some(1), true, big),
            (Sum, Some(1), true, big),
        ];
        let aggregate = |(function, argument, distinct, _)| Aggregate { function, argument, distinct, filter: None };
        let aggregates: Vec<Aggregate> = wanted.into_iter().map(aggregate).collect();
        let mut output = vec![field("k", text)];
        output.extend(wanted.map(|(.., result)| field("a", result)));
        (Shape::new(&[0], &aggregates, &input, &output).unwrap(), input)
    }

    fn table(rows: &[(String, Option<i64>, Option<f64>)]) -> GroupTable {
        let (shape, input) = shape();
        let columns: Vec<ArrayRef> = vec![
            Arc::new(rows.iter().map(|r| Some(r.0.as_str())).collect::<StringArray>()),
            Arc::new(rows.iter().map(|r| r.1).collect::<Int64Array>()),
            Arc::new(rows.iter().map(|r| r.2).collect::<Float64Array>()),
            Arc::new(rows.iter().map(|r| Some(format!("{:?}", r.2))).collect::<StringArray>()),
        ];
        let batch = RecordBatch::try_new(crate::types::Schema { fields: input }.arrow(), columns).unwrap();
        let (keys, all): (Keys, Vec<u32>) = (shape.keys.encode(&batch), (0..rows.len() as u32).collect());
        let mut table = GroupTable::new(&shape);
        table.update(&shape, &batch, &keys, &all).unwrap();
        table
    }

    fn rows() -> impl Strategy<Value = Vec<(String, Option<i64>, Option<f64>)>> {
        let number = prop::option::of(-5i64..5);
        prop::collection::vec(("[a-c]{0,20}", number, prop::option::of(-9.0..9.0)), 0..40)
    }

    proptest! {
        /// What is written down reads back as the same groups, which go on as if nothing had happened.
        #[test]
        fn groups_come_back_and_go_on(before in rows(), after in rows()) {
            let (shape, _) = shape();
            let mut kept = table(&before);
            let bytes = kept.groups().save().unwrap();
            let mut restored = GroupTable::of(Groups::load(&shape, &bytes).unwrap()).unwrap();
            let more = table(&after);
            kept.merge(more.groups()).unwrap();
            restored.merge(more.groups()).unwrap();
            let all = 0..kept.groups().len();
            prop_assert_eq!(restored.groups().columns(&shape, all.clone()).unwrap(), kept.groups().columns(&shape, all).unwrap());
        }

        /// Whatever the bytes are, reading them ends with groups or with a reason.
        #[test]
        fn any_bytes_are_groups_or_are_refused(
            rows in rows(), at in any::<prop::sample::Index>(), with in any::<u8>(), noise in prop::collection::vec(any::<u8>(), 0..80)
        ) {
            let (shape, _) = shape();
            let mut bytes = table(&rows).groups().save().unwrap();
            let at = at.index(bytes.len());
            bytes[at] = with;
            for bytes in [&bytes, &bytes[..at].to_vec(), &noise] {
                if let Ok(groups) = Groups::load(&shape, bytes) {
                    let all = 0..groups.len();
                    let _results = groups.columns(&shape, all);
                    let _table = GroupTable::of(groups);
                }
            }
        }

        /// Every key of a table lies between its bounds, so that a part that one subtask owns is seen to be.
        #[test]
        fn bounds_hold_all_keys(rows in rows(), subtasks in 1usize..9) {
            let table = table(&rows);
            let owner = |spread: u32| super::super::owner_of(spread, 1_024, subtasks);
            let owners: std::collections::BTreeSet<usize> =
                (0..table.groups().len()).map(|g| owner(table.groups().keys.spread(g))).collect();
            prop_assert_eq!(table.common(owner), if owners.len() == 1 { owners.first().copied() } else { None });
        }
    }
}
