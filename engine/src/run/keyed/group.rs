//! Aggregates without a window: each change of a group is told, and a group that has become empty is taken back.

use super::state::Key;
use super::tally::{Count, Tally};
use super::{Input, Operator, Work};
use crate::expr::Scalar;
use crate::port::RowKind;
use crate::run::aggregate::{loaded, saved};
use arrow_row::Rows;
use arrow_schema::ArrowError;
use rustc_hash::FxHashMap;

/// The area of what the aggregates have come to.
const COUNTS: u8 = 1;

/// Keeps what each group has come to.
pub(crate) struct Group {
    tallies: Vec<Tally>,
}

/// One group: how many rows it has, and its aggregates.
type State = (i64, Vec<Count>);

impl Group {
    pub(crate) fn new(tallies: Vec<Tally>) -> Self {
        Self { tallies }
    }

    fn load(&self, key: &Key, work: &Work<'_>) -> Result<Option<State>, ArrowError> {
        let wrong = |e: String| ArrowError::ComputeError(format!("a group of the state: {e}"));
        work.state.get(&key.place(COUNTS, &[])).map(|bytes| loaded(bytes).map_err(wrong)).transpose()
    }

    fn results(&self, counts: &[Count], key: &Key, work: &Work<'_>) -> Result<Vec<Scalar>, ArrowError> {
        self.tallies.iter().zip(counts).map(|(tally, count)| tally.result(count, key, work)).collect()
    }

    /// Takes in the rows of one group, and tells what has become of it.
    fn change(
        &self,
        key: &Key,
        rows: &[usize],
        (input, encoded): (&Input<'_>, &[Option<Rows>]),
        work: &mut Work<'_>,
    ) -> Result<(), ArrowError> {
        let known = self.load(key, work)?;
        let before = known.as_ref().map(|(_, counts)| self.results(counts, key, work)).transpose()?;
        let (mut number, mut counts) = known.unwrap_or_else(|| (0, self.tallies.iter().map(Tally::empty).collect()));
        for row in rows {
            let adds = input.kind(*row).adds();
            if !adds && number == 0 {
                // It was never counted: there is nothing to take back.
                continue;
            }
            number += if adds { 1 } else { -1 };
            for ((tally, count), encoded) in self.tallies.iter().zip(&mut counts).zip(encoded) {
                tally.update(count, key, (input.batch, *row, encoded.as_ref()), adds, work);
            }
        }
        if number == 0 {
            work.state.remove(&key.place(COUNTS, &[]));
            self.tallies.iter().for_each(|tally| tally.forget(key, work));
            if let Some(before) = before {
                work.out.push(RowKind::Delete, &[key.bytes()], before);
            }
            return Ok(());
        }
        let after = self.results(&counts, key, work)?;
        let bytes = saved(&(number, &counts)).map_err(ArrowError::ComputeError)?;
        work.state.put(key.place(COUNTS, &[]), &bytes);
        match before {
            Some(before) if before == after => {}
            Some(before) => {
                work.out.push(RowKind::UpdateBefore, &[key.bytes()], before);
                work.out.push(RowKind::UpdateAfter, &[key.bytes()], after);
            }
            None => work.out.push(RowKind::Insert, &[key.bytes()], after),
        }
        Ok(())
    }
}

impl Operator for Group {
    fn update(&mut self, input: &Input<'_>, work: &mut Work<'_>) -> Result<(), ArrowError> {
        let encoded = self.tallies.iter().map(|t| t.encoded(input.batch)).collect::<Result<Vec<_>, _>>()?;
        // Each group once for a batch, in the order in which they come.
        let (mut places, mut groups): (FxHashMap<&[u8], usize>, Vec<Vec<usize>>) = (FxHashMap::default(), Vec::new());
        for row in 0..input.batch.num_rows() {
            let at = *places.entry(input.keys.row(row).data()).or_insert_with(|| {
                groups.push(Vec::new());
                groups.len() - 1
            });
            groups[at].push(row);
        }
        groups.iter().try_for_each(|rows| self.change(&input.key(rows[0]), rows, (input, &encoded), work))
    }

    fn fire(&mut self, _key: &Key, _at: i64, _work: &mut Work<'_>) -> Result<(), ArrowError> {
        Ok(())
    }
}
