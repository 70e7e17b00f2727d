//! Groups found by key: a hash table over compact keys, and the aggregates of each group beside it.

use super::accumulate::{Accumulator, AggregateType, Rows, loaded, saved};
use super::keys::{KeyCodec, Keys};
use crate::plan::Aggregate;
use crate::types::{DataType, Field};
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::ArrowError;
use hashbrown::HashTable;
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
        saved(&(lengths, bytes, states))
    }

    /// Reads what [`Groups::save`] wrote of groups of this shape.
    ///
    /// # Errors
    /// Says what is wrong when the bytes are anything else.
    pub(crate) fn load(shape: &Shape, bytes: &[u8]) -> Result<Self, String> {
        let (lengths, bytes, states): (Vec<u32>, Vec<u8>, Vec<Vec<u8>>) = loaded(bytes)?;
        let mut groups = Self { keys: Keys::default(), accumulators: shape.accumulators() };
        let mut rest = bytes.as_slice();
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
