//! The first rows of each key in some order: top-N, deduplication, and both within windows.

use super::state::Key;
use super::{Input, Operator, RowCodec, Work};
use crate::expr::{Scalar, Zone};
use crate::port::RowKind;
use arrow_array::Array;
use arrow_array::ArrayRef;
use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMillisecondType;
use arrow_row::Rows;
use arrow_schema::ArrowError;
use std::collections::VecDeque;

/// The area of the rows: behind the key their order and their number.
const ROWS: u8 = 1;

/// What a rank keeps and gives.
pub(crate) struct RankOptions {
    /// The columns that rows are ordered by, and how they are encoded.
    pub(crate) order: (Vec<usize>, RowCodec),
    /// The first rank that is given, ≥ 1.
    pub(crate) from: u64,
    /// The last one.
    pub(crate) to: u64,
    /// Whether rows are given with their rank.
    pub(crate) numbered: bool,
    /// Of rows that are equal in the order the one that came last goes first.
    pub(crate) newest_first: bool,
    /// Rows may be taken back.
    pub(crate) retracts: bool,
    /// Ranks are given once, when the windows end that this column names, on this zone's clock.
    pub(crate) window: Option<(usize, Zone)>,
}

/// Keeps the first rows of each key.
pub(crate) struct Rank {
    options: RankOptions,
}

type Row = Box<[u8]>;

impl Rank {
    pub(crate) fn new(options: RankOptions) -> Self {
        Self { options }
    }

    fn limit(&self) -> usize {
        usize::try_from(self.options.to).unwrap_or(usize::MAX)
    }

    /// The rows of a key that are within the last rank.
    fn top(&self, key: &Key, work: &Work<'_>) -> Vec<Row> {
        let prefix = key.place(ROWS, &[]);
        work.state.within(&prefix).take(self.limit()).map(|(_, row)| row.into()).collect()
    }

    fn add(&self, key: &Key, order: &[u8], row: &[u8], work: &mut Work<'_>) {
        let sequence = work.state.next_sequence();
        let number = if self.options.newest_first { !sequence } else { sequence };
        work.state.put(key.place(ROWS, &[order, &number.to_be_bytes()]), row);
        if self.options.retracts {
            return;
        }
        // What has fallen behind the last rank never comes back.
        let prefix = key.place(ROWS, &[]);
        let behind = work.state.within(&prefix).nth(self.limit()).map(|(place, _)| place.to_vec());
        if let Some(place) = behind {
            work.state.remove(&place);
        }
    }

    /// Takes back the row that was added last of those that are equal.
    fn remove(&self, key: &Key, order: &[u8], row: &[u8], work: &mut Work<'_>) {
        let prefix = key.place(ROWS, &[order]);
        let equal = work.state.within(&prefix).rev().find(|(_, kept)| *kept == row);
        if let Some(place) = equal.map(|(place, _)| place.to_vec()) {
            work.state.remove(&place);
        }
    }

    /// Whether a row would stand behind the last rank, so that nothing is to be done.
    fn is_behind(&self, key: &Key, order: &[u8], work: &Work<'_>) -> bool {
        if self.options.retracts {
            return false;
        }
        let prefix = key.place(ROWS, &[]);
        let last = work.state.within(&prefix).nth(self.limit().saturating_sub(1));
        last.is_some_and(|(place, _)| {
            let kept = key.below(place);
            let kept = &kept[..kept.len().saturating_sub(8)];
            if self.options.newest_first { order > kept } else { order >= kept }
        })
    }

    fn change(&self, key: &Key, order: &[u8], row: &[u8], kind: RowKind, work: &mut Work<'_>) {
        if kind.adds() && self.is_behind(key, order, work) {
            return;
        }
        if self.options.window.is_some() {
            return self.add(key, order, row, work);
        }
        let before = self.top(key, work);
        if kind.adds() {
            self.add(key, order, row, work);
        } else {
            self.remove(key, order, row, work);
        }
        let after = self.top(key, work);
        if self.options.numbered {
            self.tell_numbers(&before, &after, work);
        } else {
            self.tell_rows(&before, &after, work);
        }
    }

    /// What has changed at each rank.
    fn tell_numbers(&self, before: &[Row], after: &[Row], work: &mut Work<'_>) {
        let first = (self.options.from as usize).saturating_sub(1);
        for index in first..before.len().max(after.len()) {
            let rank = || [Scalar::Integer(index as i64 + 1)];
            match (before.get(index), after.get(index)) {
                (Some(old), Some(new)) if old == new => {}
                (Some(old), Some(new)) => {
                    work.out.push(RowKind::UpdateBefore, &[old], rank());
                    work.out.push(RowKind::UpdateAfter, &[new], rank());
                }
                (Some(old), None) => work.out.push(RowKind::Delete, &[old], rank()),
                (None, Some(new)) => work.out.push(RowKind::Insert, &[new], rank()),
                (None, None) => {}
            }
        }
    }

    /// Which rows have come and gone.
    fn tell_rows(&self, before: &[Row], after: &[Row], work: &mut Work<'_>) {
        let first = (self.options.from as usize).saturating_sub(1);
        let mut gone: VecDeque<&Row> = before.iter().skip(first).collect();
        let mut new: Vec<&Row> = Vec::new();
        for row in after.iter().skip(first) {
            match gone.iter().position(|g| *g == row) {
                Some(at) => drop(gone.remove(at)),
                None => new.push(row),
            }
        }
        let replaces = self.options.to == 1 && gone.len() == 1 && new.len() == 1;
        let (away, here) =
            if replaces { (RowKind::UpdateBefore, RowKind::UpdateAfter) } else { (RowKind::Delete, RowKind::Insert) };
        gone.into_iter().for_each(|row| work.out.push(away, &[row], []));
        new.into_iter().for_each(|row| work.out.push(here, &[row], []));
    }

    fn orders(&self, input: &Input<'_>) -> Result<Rows, ArrowError> {
        let columns: Vec<ArrayRef> = self.options.order.0.iter().map(|c| input.batch.column(*c).clone()).collect();
        self.options.order.1.encode(&columns, input.batch.num_rows())
    }

    /// When the window of a row ends; `None` where it says nothing.
    fn closes_at(&self, input: &Input<'_>, row: usize) -> Option<Option<i64>> {
        let (column, zone) = self.options.window?;
        let ends = input.batch.column(column).as_primitive_opt::<TimestampMillisecondType>();
        let end = ends.filter(|e| e.is_valid(row)).map(|e| zone.epoch_ms(e.value(row)).saturating_sub(1));
        Some(end)
    }
}

impl Operator for Rank {
    fn update(&mut self, input: &Input<'_>, work: &mut Work<'_>) -> Result<(), ArrowError> {
        let orders = self.orders(input)?;
        for row in 0..input.batch.num_rows() {
            let key = input.key(row);
            match self.closes_at(input, row) {
                None => {}
                Some(None) => {
                    work.timeless.push(row as u32);
                    continue;
                }
                Some(Some(at)) if at <= work.watermark => {
                    work.late.push(row as u32);
                    continue;
                }
                Some(Some(at)) => work.state.wake_at(&key, at),
            }
            self.change(&key, orders.row(row).data(), input.row(row), input.kind(row), work);
        }
        Ok(())
    }

    fn fire(&mut self, key: &Key, _at: i64, work: &mut Work<'_>) -> Result<(), ArrowError> {
        let prefix = key.place(ROWS, &[]);
        let rows: Vec<(Vec<u8>, Row)> = work.state.within(&prefix).map(|(p, row)| (p.to_vec(), row.into())).collect();
        for (index, (place, row)) in rows.into_iter().enumerate() {
            work.state.remove(&place);
            let rank = index as u64 + 1;
            if (self.options.from..=self.options.to).contains(&rank) {
                let number = self.options.numbered.then_some(Scalar::Integer(rank as i64));
                work.out.push(RowKind::Insert, &[&row], number);
            }
        }
        Ok(())
    }
}
