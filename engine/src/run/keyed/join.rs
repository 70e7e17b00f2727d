//! Joins without a bound in time: every row of one side meets every row of the other that has its key, whenever it comes.

use super::pairs::Pairs;
use super::state::Key;
use super::{Input, Operator, Work};
use crate::port::RowKind;
use arrow_schema::ArrowError;

/// The areas of the two sides: behind the key the row, as value how often it is there.
const SIDES: [u8; 2] = [1, 2];

/// Keeps all rows of both sides.
pub(crate) struct RegularJoin {
    pairs: Pairs,
}

/// A row of the other side that is a pair with the row at hand, and how often it is there.
struct Partner {
    row: Box<[u8]>,
    count: u64,
}

fn count(value: &[u8]) -> u64 {
    value.first_chunk::<8>().map_or(0, |c| u64::from_be_bytes(*c))
}

impl RegularJoin {
    pub(crate) fn new(pairs: Pairs) -> Self {
        Self { pairs }
    }

    /// The rows of the other side that belong to `row`.
    fn partners(&self, key: &Key, side: usize, row: &[u8], work: &Work<'_>) -> Result<Vec<Partner>, ArrowError> {
        let prefix = key.place(SIDES[1 - side], &[]);
        let all: Vec<(&[u8], u64)> =
            work.state.within(&prefix).map(|(place, value)| (key.below(place), count(value))).collect();
        let rows: Vec<&[u8]> = all.iter().map(|(row, _)| *row).collect();
        let matches = self.pairs.matches(side, row, &rows)?;
        let chosen = all.into_iter().zip(matches).filter(|(_, matches)| *matches);
        Ok(chosen.map(|((row, count), _)| Partner { row: row.into(), count }).collect())
    }

    /// Whether a row of `side` has any partner now.
    fn has_partner(&self, key: &Key, side: usize, row: &[u8], work: &Work<'_>) -> Result<bool, ArrowError> {
        if self.pairs.is_unconditional() {
            let prefix = key.place(SIDES[1 - side], &[]);
            return Ok(work.state.within(&prefix).next().is_some());
        }
        Ok(!self.partners(key, side, row, work)?.is_empty())
    }

    fn tell(&self, kind: RowKind, side: usize, row: &[u8], other: Option<&[u8]>, times: u64, work: &mut Work<'_>) {
        let pieces = self.pairs.pieces(side, row, other);
        (0..times).for_each(|_| work.out.push(kind, &pieces, []));
    }

    fn add(&self, key: &Key, side: usize, row: &[u8], work: &mut Work<'_>) -> Result<(), ArrowError> {
        let partners = self.partners(key, side, row, work)?;
        for partner in &partners {
            // A partner that has been alone until now is no longer.
            if self.pairs.outer.keeps(1 - side) && !self.has_partner(key, 1 - side, &partner.row, work)? {
                self.tell(RowKind::Delete, 1 - side, &partner.row, None, partner.count, work);
            }
            self.tell(RowKind::Insert, side, row, Some(&partner.row), partner.count, work);
        }
        if partners.is_empty() && self.pairs.outer.keeps(side) {
            self.tell(RowKind::Insert, side, row, None, 1, work);
        }
        let place = key.place(SIDES[side], &[row]);
        let before = work.state.get(&place).map_or(0, count);
        work.state.put(place, &(before + 1).to_be_bytes());
        Ok(())
    }

    fn remove(&self, key: &Key, side: usize, row: &[u8], work: &mut Work<'_>) -> Result<(), ArrowError> {
        let place = key.place(SIDES[side], &[row]);
        match work.state.get(&place).map_or(0, count) {
            // It has never come: there is nothing to take back.
            0 => return Ok(()),
            1 => drop(work.state.remove(&place)),
            before => work.state.put(place, &(before - 1).to_be_bytes()),
        }
        let partners = self.partners(key, side, row, work)?;
        for partner in &partners {
            self.tell(RowKind::Delete, side, row, Some(&partner.row), partner.count, work);
            if self.pairs.outer.keeps(1 - side) && !self.has_partner(key, 1 - side, &partner.row, work)? {
                self.tell(RowKind::Insert, 1 - side, &partner.row, None, partner.count, work);
            }
        }
        if partners.is_empty() && self.pairs.outer.keeps(side) {
            self.tell(RowKind::Delete, side, row, None, 1, work);
        }
        Ok(())
    }
}

impl Operator for RegularJoin {
    fn update(&mut self, input: &Input<'_>, work: &mut Work<'_>) -> Result<(), ArrowError> {
        for at in 0..input.batch.num_rows() {
            let (key, row) = (input.key(at), input.row(at));
            match input.kind(at).adds() {
                true => self.add(&key, input.side, row, work)?,
                false => self.remove(&key, input.side, row, work)?,
            }
        }
        Ok(())
    }

    fn fire(&mut self, _key: &Key, _at: i64, _work: &mut Work<'_>) -> Result<(), ArrowError> {
        Ok(())
    }
}
