//! Sessions: rows of a key that follow each other within a gap share a window, which ends a gap after the last of them.

use super::state::{Key, ordered, ordered_value};
use super::{Input, Operator, Work};
use crate::expr::{Scalar, Zone};
use crate::port::RowKind;
use arrow_array::Array;
use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMillisecondType;
use arrow_schema::ArrowError;

/// The area of the rows: behind the key their time and their number.
const ROWS: u8 = 1;
/// The area of the sessions: behind the key the start, as value the end.
const SESSIONS: u8 = 2;

/// Gives the rows of a session with its window when it has ended.
pub(crate) struct Session {
    /// The time of a row; `None`: the moment at which it comes.
    pub(crate) time: Option<usize>,
    /// Rows closer than this, or as close, share a session, in milliseconds.
    pub(crate) gap_ms: i64,
    /// On whose clock start and end are told.
    pub(crate) zone: Zone,
    /// Whether the time of the window is a point in time rather than a reading of that clock.
    pub(crate) zoned: bool,
}

impl Session {
    /// The sessions of a key that meet `start..=end`.
    fn meeting(key: &Key, start: i64, end: i64, work: &Work<'_>) -> Vec<(i64, i64)> {
        let prefix = key.place(SESSIONS, &[]);
        let all = work.state.within(&prefix).map(|(p, end)| (ordered_value(key.below(p)), ordered_value(end)));
        all.filter(|(from, to)| *from <= end && *to >= start).collect()
    }

    /// The session that a row at `time` is in once it is there.
    fn joined(&self, key: &Key, time: i64, work: &Work<'_>) -> ((i64, i64), Vec<(i64, i64)>) {
        let own = (time, time.saturating_add(self.gap_ms));
        let met = Self::meeting(key, own.0, own.1, work);
        (met.iter().fold(own, |a, b| (a.0.min(b.0), a.1.max(b.1))), met)
    }
}

impl Operator for Session {
    fn update(&mut self, input: &Input<'_>, work: &mut Work<'_>) -> Result<(), ArrowError> {
        let wrong = || ArrowError::SchemaError("the time of a session is no rowtime".into());
        let times =
            |column: usize| input.batch.column(column).as_primitive_opt::<TimestampMillisecondType>().ok_or_else(wrong);
        let times = self.time.map(times).transpose()?;
        for at in 0..input.batch.num_rows() {
            if times.is_some_and(|times| times.is_null(at)) {
                work.timeless.push(at as u32);
                continue;
            }
            let (key, time) = (input.key(at), times.map_or(work.now_ms, |times| times.value(at)));
            let ((start, end), met) = self.joined(&key, time, work);
            if end.saturating_sub(1) <= work.watermark {
                work.late.push(at as u32);
                continue;
            }
            // What it grows out of is no session of its own any more.
            for (from, to) in met.iter().filter(|met| **met != (start, end)) {
                work.state.remove(&key.place(SESSIONS, &[&ordered(*from)]));
                work.state.let_sleep(&key, to.saturating_sub(1));
            }
            if !met.contains(&(start, end)) {
                work.state.put(key.place(SESSIONS, &[&ordered(start)]), &ordered(end));
                work.state.wake_at(&key, end.saturating_sub(1));
            }
            let number = work.state.next_sequence().to_be_bytes();
            work.state.put(key.place(ROWS, &[&ordered(time), &number]), input.row(at));
        }
        Ok(())
    }

    fn fire(&mut self, key: &Key, _at: i64, work: &mut Work<'_>) -> Result<(), ArrowError> {
        let prefix = key.place(SESSIONS, &[]);
        let all = work.state.within(&prefix).map(|(p, end)| (ordered_value(key.below(p)), ordered_value(end)));
        let ended: Vec<(i64, i64)> = all.filter(|(_, end)| end.saturating_sub(1) <= work.watermark).collect();
        for (start, end) in ended {
            work.state.remove(&key.place(SESSIONS, &[&ordered(start)]));
            let prefix = key.place(ROWS, &[]);
            let within = |p: &[u8]| (start..end).contains(&ordered_value(key.below(p)));
            let rows = work.state.within(&prefix).filter(|(p, _)| within(p));
            let rows: Vec<(Vec<u8>, Box<[u8]>)> = rows.map(|(p, row)| (p.to_vec(), row.into())).collect();
            let walls = (self.zone.wall_ms(start), self.zone.wall_ms(end));
            let last = if self.zoned { end - 1 } else { walls.1 - 1 };
            for (place, row) in rows {
                work.state.remove(&place);
                work.out.push(RowKind::Insert, &[&row], [walls.0, walls.1, last].map(Scalar::Integer));
            }
        }
        Ok(())
    }
}
