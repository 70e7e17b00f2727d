//! Joins within an interval of event time: a row meets the rows of the other side whose time is not too far from its own.

use super::pairs::Pairs;
use super::state::{Key, ordered, ordered_value};
use super::{Input, Operator, Work};
use crate::port::RowKind;
use arrow_array::Array;
use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMillisecondType;
use arrow_schema::ArrowError;

/// The areas of the two sides: behind the key a row's time and number; as value whether it has met a partner, and the row.
const SIDES: [u8; 2] = [1, 2];

/// Keeps the rows of both sides as long as a partner may come.
pub(crate) struct IntervalJoin {
    pub(crate) pairs: Pairs,
    /// The time column of each side.
    pub(crate) times: [usize; 2],
    /// Bounds of the left time less the right time, in milliseconds, both included.
    pub(crate) lower_ms: i64,
    pub(crate) upper_ms: i64,
}

/// A kept row.
struct Kept {
    place: Vec<u8>,
    met: bool,
    row: Box<[u8]>,
}

impl IntervalJoin {
    /// The times of the other side that a row at `time` meets.
    fn reach(&self, side: usize, time: i64) -> (i64, i64) {
        match side {
            0 => (time.saturating_sub(self.upper_ms), time.saturating_sub(self.lower_ms)),
            _ => (time.saturating_add(self.lower_ms), time.saturating_add(self.upper_ms)),
        }
    }

    fn kept(key: &Key, side: usize, (from, to): (i64, i64), work: &Work<'_>) -> Vec<Kept> {
        let prefix = key.place(SIDES[side], &[]);
        let entries = work.state.within(&prefix).filter(|(p, _)| (from..=to).contains(&ordered_value(key.below(p))));
        let kept = |(place, value): (&[u8], &[u8])| {
            let (met, row) = value.split_first().unwrap_or((&0, &[]));
            Kept { place: place.to_vec(), met: *met != 0, row: row.into() }
        };
        entries.map(kept).collect()
    }

    fn put(place: Vec<u8>, met: bool, row: &[u8], work: &mut Work<'_>) {
        let mut value = Vec::with_capacity(1 + row.len());
        value.push(u8::from(met));
        value.extend_from_slice(row);
        work.state.put(place, &value);
    }

    fn add(&self, key: &Key, side: usize, time: i64, row: &[u8], work: &mut Work<'_>) -> Result<(), ArrowError> {
        let (from, to) = self.reach(side, time);
        if from > to {
            return Ok(());
        }
        let others = Self::kept(key, 1 - side, (from, to), work);
        let rows: Vec<&[u8]> = others.iter().map(|k| &*k.row).collect();
        let matches = self.pairs.matches(side, row, &rows)?;
        let met = matches.contains(&true);
        for (other, _) in others.iter().zip(&matches).filter(|(_, matches)| **matches) {
            work.out.push(RowKind::Insert, &self.pairs.pieces(side, row, Some(&other.row)), []);
            if !other.met {
                Self::put(other.place.clone(), true, &other.row, work);
            }
        }
        // While rows at `to` may come, so may a partner.
        if to > work.watermark {
            let number = work.state.next_sequence().to_be_bytes();
            Self::put(key.place(SIDES[side], &[&ordered(time), &number]), met, row, work);
            work.state.wake_at(key, to);
        } else if !met && self.pairs.outer.keeps(side) {
            work.out.push(RowKind::Insert, &self.pairs.pieces(side, row, None), []);
        }
        Ok(())
    }

    /// Lets go of the rows of a side to which no partner can come any more.
    fn expire(&self, key: &Key, side: usize, work: &mut Work<'_>) {
        let watermark = work.watermark;
        let all = Self::kept(key, side, (i64::MIN, i64::MAX), work);
        for kept in all {
            let time = ordered_value(key.below(&kept.place));
            if self.reach(side, time).1 > watermark {
                break;
            }
            work.state.remove(&kept.place);
            if !kept.met && self.pairs.outer.keeps(side) {
                work.out.push(RowKind::Insert, &self.pairs.pieces(side, &kept.row, None), []);
            }
        }
    }
}

impl Operator for IntervalJoin {
    fn update(&mut self, input: &Input<'_>, work: &mut Work<'_>) -> Result<(), ArrowError> {
        let times = input.batch.column(self.times[input.side]).as_primitive_opt::<TimestampMillisecondType>();
        let times = times.ok_or_else(|| ArrowError::SchemaError("the time of a join is no rowtime".into()))?;
        for at in 0..input.batch.num_rows() {
            if times.is_null(at) {
                work.timeless.push(at as u32);
                continue;
            }
            self.add(&input.key(at), input.side, times.value(at), input.row(at), work)?;
        }
        Ok(())
    }

    fn fire(&mut self, key: &Key, _at: i64, work: &mut Work<'_>) -> Result<(), ArrowError> {
        self.expire(key, 0, work);
        self.expire(key, 1, work);
        Ok(())
    }
}
