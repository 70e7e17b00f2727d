//! OVER windows along event time: aggregates of each row over the rows before it, told when its time has passed.

use super::state::{Key, ordered, ordered_value};
use super::tally::{Count, Tally};
use super::{Input, Operator, RowCodec, Work};
use crate::expr::Scalar;
use crate::plan::OverFrame;
use crate::port::RowKind;
use crate::run::aggregate::{loaded, saved};
use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMillisecondType;
use arrow_array::{Array, RecordBatch, RecordBatchOptions};
use arrow_row::Rows;
use arrow_schema::{ArrowError, SchemaRef};
use std::sync::Arc;

/// The area of rows whose time has not passed: behind the key time and number.
const WAITING: u8 = 1;
/// The area of rows that may stand in the frame of a later one, likewise.
const FRAME: u8 = 2;
/// The area of what the aggregates have come to over the frame.
const COUNTS: u8 = 4;

/// Computes aggregates over frames.
pub(crate) struct Over {
    pub(crate) tallies: Vec<Tally>,
    pub(crate) time: usize,
    pub(crate) frame: OverFrame,
    pub(crate) codec: Arc<RowCodec>,
    /// The columns that rows are decoded to.
    pub(crate) schema: SchemaRef,
}

/// A kept row on its way through the frame.
struct Kept {
    below: Vec<u8>,
    row: Box<[u8]>,
}

impl Kept {
    fn time(&self) -> i64 {
        ordered_value(&self.below)
    }
}

fn kept(key: &Key, area: u8, work: &Work<'_>, chosen: impl Fn(usize, i64) -> bool) -> Vec<Kept> {
    let prefix = key.place(area, &[]);
    let all = work.state.within(&prefix).map(|(p, row)| Kept { below: key.below(p).to_vec(), row: row.into() });
    all.enumerate().take_while(|(i, k)| chosen(*i, k.time())).map(|(_, k)| k).collect()
}

impl Over {
    fn batch(&self, rows: &[Kept]) -> Result<(RecordBatch, Vec<Option<Rows>>), ArrowError> {
        let columns = self.codec.decode(rows.iter().map(|k| &*k.row))?;
        let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
        let batch = RecordBatch::try_new_with_options(self.schema.clone(), columns, &options)?;
        let encoded = self.tallies.iter().map(|t| t.encoded(&batch)).collect::<Result<Vec<_>, _>>()?;
        Ok((batch, encoded))
    }

    /// Lets rows into the frame, or out of it.
    fn count(
        &self,
        key: &Key,
        rows: &[Kept],
        adds: bool,
        counts: &mut [Count],
        work: &mut Work<'_>,
    ) -> Result<(), ArrowError> {
        if rows.is_empty() {
            return Ok(());
        }
        let (batch, encoded) = self.batch(rows)?;
        for row in 0..rows.len() {
            for ((tally, count), encoded) in self.tallies.iter().zip(counts.iter_mut()).zip(&encoded) {
                tally.update(count, key, (&batch, row, encoded.as_ref()), adds, work);
            }
        }
        Ok(())
    }

    /// The rows that have left the frame of a row at `time` that is in it.
    fn leaving(&self, key: &Key, time: i64, work: &Work<'_>) -> Vec<Kept> {
        match self.frame {
            OverFrame::Unbounded { .. } => Vec::new(),
            OverFrame::Rows { preceding } => {
                let prefix = key.place(FRAME, &[]);
                let within = usize::try_from(preceding).unwrap_or(usize::MAX).saturating_add(1);
                let surplus = work.state.within(&prefix).count().saturating_sub(within);
                kept(key, FRAME, work, |index, _| index < surplus)
            }
            OverFrame::Range { preceding_ms } => kept(key, FRAME, work, |_, t| t < time.saturating_sub(preceding_ms)),
        }
    }

    /// Takes rows of one time (or one row) into the frame and tells what the aggregates are over it.
    fn step(&self, key: &Key, rows: &[Kept], counts: &mut [Count], work: &mut Work<'_>) -> Result<(), ArrowError> {
        self.count(key, rows, true, counts, work)?;
        if !matches!(self.frame, OverFrame::Unbounded { .. }) {
            rows.iter().for_each(|k| work.state.put(key.place(FRAME, &[&k.below]), &k.row));
            let leaving = self.leaving(key, rows[0].time(), work);
            self.count(key, &leaving, false, counts, work)?;
            leaving.iter().for_each(|k| drop(work.state.remove(&key.place(FRAME, &[&k.below]))));
        }
        let results: Vec<Scalar> =
            self.tallies.iter().zip(&*counts).map(|(t, c)| t.result(c, key, work)).collect::<Result<_, _>>()?;
        rows.iter().for_each(|k| work.out.push(RowKind::Insert, &[&k.row], results.iter().cloned()));
        Ok(())
    }

    /// Whether rows of one time see each other.
    fn by_time(&self) -> bool {
        matches!(self.frame, OverFrame::Range { .. } | OverFrame::Unbounded { peers: true })
    }
}

impl Operator for Over {
    fn update(&mut self, input: &Input<'_>, work: &mut Work<'_>) -> Result<(), ArrowError> {
        let times = input.batch.column(self.time).as_primitive_opt::<TimestampMillisecondType>();
        let times = times.ok_or_else(|| ArrowError::SchemaError("the time of OVER is no rowtime".into()))?;
        for at in 0..input.batch.num_rows() {
            if times.is_null(at) {
                work.timeless.push(at as u32);
                continue;
            }
            let time = times.value(at);
            if time <= work.watermark {
                work.late.push(at as u32);
                continue;
            }
            let key = input.key(at);
            let number = work.state.next_sequence().to_be_bytes();
            work.state.put(key.place(WAITING, &[&ordered(time), &number]), input.row(at));
            work.state.wake_at(&key, time);
        }
        Ok(())
    }

    fn fire(&mut self, key: &Key, at: i64, work: &mut Work<'_>) -> Result<(), ArrowError> {
        let wrong = |e: String| ArrowError::ComputeError(format!("a group of the state: {e}"));
        let waiting = kept(key, WAITING, work, |_, time| time <= at);
        waiting.iter().for_each(|k| drop(work.state.remove(&key.place(WAITING, &[&k.below]))));
        if waiting.is_empty() {
            return Ok(());
        }
        let place = key.place(COUNTS, &[]);
        let known: Option<Vec<Count>> = work.state.get(&place).map(loaded).transpose().map_err(wrong)?;
        let mut counts = known.unwrap_or_else(|| self.tallies.iter().map(Tally::empty).collect());
        let by_time = self.by_time();
        let together = |a: &Kept, b: &Kept| by_time && a.time() == b.time();
        for rows in waiting.chunk_by(together) {
            self.step(key, rows, &mut counts, work)?;
        }
        work.state.put(place, &saved(&counts).map_err(wrong)?);
        Ok(())
    }
}
