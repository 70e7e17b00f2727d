//! Joins of rows that share a window: pairs are given once, when the window ends.

use super::pairs::Pairs;
use super::state::Key;
use super::{Input, Operator, Work};
use crate::expr::Zone;
use crate::port::RowKind;
use arrow_array::Array;
use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMillisecondType;
use arrow_schema::ArrowError;

/// The areas of the two sides: behind the key, which holds the window, the number of a row.
const SIDES: [u8; 2] = [1, 2];

/// Keeps the rows of both sides until their window ends.
pub(crate) struct WindowJoin {
    pub(crate) pairs: Pairs,
    /// The column of each side that says when its window ends.
    pub(crate) ends: [usize; 2],
    /// On whose clock.
    pub(crate) zone: Zone,
}

type Row = Box<[u8]>;

impl WindowJoin {
    /// The rows of a side, taken out.
    fn take(key: &Key, side: usize, work: &mut Work<'_>) -> Vec<Row> {
        let prefix = key.place(SIDES[side], &[]);
        let rows: Vec<(Vec<u8>, Row)> = work.state.within(&prefix).map(|(p, row)| (p.to_vec(), row.into())).collect();
        rows.iter().for_each(|(place, _)| drop(work.state.remove(place)));
        rows.into_iter().map(|(_, row)| row).collect()
    }
}

impl Operator for WindowJoin {
    fn update(&mut self, input: &Input<'_>, work: &mut Work<'_>) -> Result<(), ArrowError> {
        let ends = input.batch.column(self.ends[input.side]).as_primitive_opt::<TimestampMillisecondType>();
        let ends = ends.ok_or_else(|| ArrowError::SchemaError("the end of a window is no TIMESTAMP(3)".into()))?;
        for at in 0..input.batch.num_rows() {
            if ends.is_null(at) {
                work.timeless.push(at as u32);
                continue;
            }
            let closes_at = self.zone.epoch_ms(ends.value(at)).saturating_sub(1);
            if closes_at <= work.watermark {
                work.late.push(at as u32);
                continue;
            }
            let key = input.key(at);
            work.state.wake_at(&key, closes_at);
            let number = work.state.next_sequence().to_be_bytes();
            work.state.put(key.place(SIDES[input.side], &[&number]), input.row(at));
        }
        Ok(())
    }

    fn fire(&mut self, key: &Key, _at: i64, work: &mut Work<'_>) -> Result<(), ArrowError> {
        let (left, right) = (Self::take(key, 0, work), Self::take(key, 1, work));
        let others: Vec<&[u8]> = right.iter().map(|r| &**r).collect();
        let mut met = vec![false; right.len()];
        for row in &left {
            let matches = self.pairs.matches(0, row, &others)?;
            for (index, _) in matches.iter().enumerate().filter(|(_, matches)| **matches) {
                met[index] = true;
                work.out.push(RowKind::Insert, &[row, others[index]], []);
            }
            if self.pairs.outer.left && !matches.contains(&true) {
                work.out.push(RowKind::Insert, &self.pairs.pieces(0, row, None), []);
            }
        }
        for (row, _) in right.iter().zip(met).filter(|(_, met)| self.pairs.outer.right && !met) {
            work.out.push(RowKind::Insert, &self.pairs.pieces(1, row, None), []);
        }
        Ok(())
    }
}
