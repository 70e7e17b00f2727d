//! Where a batch must be cut so that each row finds the watermark that the rows before it made, as in Flink, whatever the
//! size of batches.
//!
//! Only a row that such a watermark would make late for one of its windows needs a cut before it: rows within the bound
//! of the watermark never do, so that nearly every batch stays whole.

use crate::plan::WindowSpec;
use crate::run::aggregate::{Windows, slice_of};
use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMillisecondType;
use arrow_array::{Array, ArrayRef, TimestampMillisecondArray};

/// The event time of the rows of a batch: what each implies for the watermark, and when it happened.
#[derive(Debug, Clone)]
pub(crate) struct Timing {
    pub(crate) watermarks: ArrayRef,
    pub(crate) times: ArrayRef,
}

impl Timing {
    fn columns(&self) -> Option<(&TimestampMillisecondArray, &TimestampMillisecondArray)> {
        let column = |c| AsArray::as_primitive_opt::<TimestampMillisecondType>(c);
        Some((column(&self.watermarks)?, column(&self.times)?))
    }
}

/// Finds the rows that a watermark could make late.
pub(crate) struct Order {
    clocks: Vec<Clock>,
}

/// The windows of one specification, with the slice that was asked for last.
struct Clock {
    spec: WindowSpec,
    windows: Windows,
    slice_ms: i64,
    /// Wall-clock bounds of the slice asked for last.
    start: i64,
    end: i64,
    /// The watermarks at which its first and its last window close.
    closes: Option<(i64, i64)>,
}

impl Order {
    /// For rows that go into windows of these specifications first.
    pub(crate) fn new(specs: impl Iterator<Item = WindowSpec>) -> Self {
        let mut clocks: Vec<Clock> = Vec::new();
        for spec in specs {
            if clocks.iter().any(|c| c.spec == spec) {
                continue;
            }
            let windows = Windows::assigned(spec.clone());
            if let Windows::Assigned { slice_ms, .. } = windows {
                clocks.push(Clock { spec, windows, slice_ms, start: 0, end: 0, closes: None });
            }
        }
        Self { clocks }
    }

    /// The rows before which the batch is to be cut, each with the watermark of the rows before it. `running` is the
    /// split's watermark before the batch, `emitted` what was emitted last.
    pub(crate) fn cuts(&mut self, timing: &Timing, mut running: i64, emitted: i64) -> Vec<(usize, i64)> {
        let Some((watermarks, times)) = timing.columns() else { return Vec::new() };
        let greatest = watermarks.iter().flatten().max().unwrap_or(i64::MIN).max(running);
        let Some(least) = times.iter().flatten().min() else { return Vec::new() };
        if !self.clocks.iter_mut().any(|c| c.touches(least, greatest, emitted)) {
            return Vec::new();
        }
        let mut cuts = Vec::new();
        let mut cut_at = emitted;
        for row in 0..times.len() {
            if times.is_valid(row) && running > cut_at {
                let time = times.value(row);
                if self.clocks.iter_mut().any(|c| c.touches(time, running, cut_at)) {
                    cuts.push((row, running));
                    cut_at = running;
                }
            }
            if watermarks.is_valid(row) {
                running = running.max(watermarks.value(row));
            }
        }
        cuts
    }
}

impl Clock {
    /// Whether a window of a row of this time closes by `watermark` and one had not closed at `emitted`.
    fn touches(&mut self, time: i64, watermark: i64, emitted: i64) -> bool {
        let wall = self.spec.zone.wall_ms(time);
        if !(self.start..self.end).contains(&wall) {
            let slice = slice_of(&self.spec, self.slice_ms, wall);
            (self.start, self.end) = (slice.start, slice.end);
            let windows = self.windows.windows_of(slice);
            let closes = |w: &crate::run::aggregate::Slice| self.windows.closes_at(w.end);
            self.closes = windows.first().map(closes).zip(windows.last().map(closes));
        }
        self.closes.is_some_and(|(first, last)| first <= watermark && last > emitted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expr::Zone;
    use crate::plan::{WindowKind, WindowTime};
    use std::sync::Arc;

    fn cuts(size_ms: i64, slide_ms: i64, times: &[i64], bound: i64) -> Vec<(usize, i64)> {
        let spec = WindowSpec {
            time: WindowTime::Row(0),
            kind: WindowKind::Sliding,
            size_ms,
            slide_ms,
            offset_ms: 0,
            zone: Zone::UTC,
        };
        let array = |shift: i64| -> ArrayRef {
            Arc::new(TimestampMillisecondArray::from_iter_values(times.iter().map(|t| t - shift)))
        };
        let timing = Timing { watermarks: array(bound), times: array(0) };
        Order::new([spec.clone(), spec].into_iter()).cuts(&timing, i64::MIN, i64::MIN)
    }

    #[test]
    fn only_rows_that_would_be_late_need_a_cut() {
        assert!(cuts(10, 10, &[1, 5, 9, 10, 12, 25, 24, 31], 2).is_empty(), "in order within the bound");
        assert_eq!(cuts(10, 10, &[1, 12, 9, 25, 18, 30, 9], 1), [(2, 11), (4, 24)]);
        assert_eq!(cuts(10, 10, &[1, 12, 9, 9, 9], 1), [(2, 11)], "one cut serves all that follow");
        assert_eq!(cuts(20, 10, &[1, 12, 9], 1), [(2, 11)], "one of its windows has closed, another has not");
    }
}
