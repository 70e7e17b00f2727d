//! Where the reading of a split could begin again, for each watermark up to which results are durable.

use crate::plan::WindowSpec;
use crate::run::aggregate::Windows;
use model::Position;
use std::collections::VecDeque;

/// Most positions remembered of one split. Past it they are remembered at wider steps, which costs a longer replay only.
const ENTRIES_MAX: usize = 1_024;

/// When a row of a source changes no result any more: the windows on each path from the source to a sink.
#[derive(Debug, Clone, Default)]
pub(crate) struct Release {
    /// For each path with an aggregation the windows in order.
    pub(crate) paths: Vec<Vec<WindowSpec>>,
    /// Some path has no aggregation: its rows are done when they are written.
    pub(crate) direct: bool,
}

impl Release {
    /// The watermark from which on no row of this time or an earlier one changes a result.
    pub(crate) fn done_at(&self, time_ms: i64) -> i64 {
        // The rows that a window gives carry its last millisecond as their time.
        let last = |path: &Vec<WindowSpec>| path.iter().fold(time_ms, |at, spec| Windows::done_at(spec, at));
        self.paths.iter().map(last).max().unwrap_or(i64::MIN)
    }

    /// Whether results depend on event time at all.
    pub(crate) fn is_windowed(&self) -> bool {
        !self.paths.is_empty()
    }
}

/// Positions of one split, each with the greatest event time before it.
#[derive(Debug)]
pub(super) struct History {
    entries: VecDeque<(Position, i64)>,
    safe: Position,
    /// The newest position, which need not stand among the entries.
    last: (Position, i64),
    /// One of so many positions is remembered.
    step: u32,
    passed: u32,
}

impl History {
    /// A history that begins at `start`, before which nothing is needed.
    pub(super) fn new(start: Position) -> Self {
        Self { entries: VecDeque::new(), safe: start, last: (start, i64::MIN), step: 1, passed: 0 }
    }

    /// Rows up to `next` were read, the latest of them at `greatest` (`i64::MIN`: none had a time).
    pub(super) fn push(&mut self, next: Position, greatest: i64) {
        self.last = (next, self.last.1.max(greatest));
        self.passed += 1;
        if self.passed < self.step {
            return;
        }
        self.passed = 0;
        self.entries.push_back(self.last);
        if self.entries.len() > ENTRIES_MAX {
            self.step = self.step.saturating_mul(2);
            let mut kept = false;
            self.entries.retain(|_| {
                kept = !kept;
                !kept
            });
        }
    }

    /// The latest position before which no row matters any more once results are durable up to `watermark`.
    pub(super) fn safe(&mut self, release: &Release, watermark: i64) -> Position {
        let done = |greatest: i64| greatest == i64::MIN || release.done_at(greatest) <= watermark;
        while let Some((position, greatest)) = self.entries.front() {
            if !done(*greatest) {
                break;
            }
            self.safe = *position;
            self.entries.pop_front();
        }
        if self.entries.is_empty() {
            self.step = 1;
            if done(self.last.1) {
                self.safe = self.last.0;
            }
        }
        self.safe
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expr::Zone;
    use crate::plan::WindowKind;

    fn release() -> Release {
        let kind = WindowKind::Sliding;
        let minute = WindowSpec { time_column: 0, kind, size_ms: 60, slide_ms: 60, offset_ms: 0, zone: Zone::UTC };
        let hour = WindowSpec { size_ms: 600, slide_ms: 300, ..minute.clone() };
        Release { paths: vec![vec![minute.clone()], vec![minute, hour]], direct: false }
    }

    #[test]
    fn a_row_is_done_when_the_last_window_of_its_longest_path_is() {
        // 130 → window ends at 180, its row has time 179 → windows end at 300 and 600.
        assert_eq!(release().done_at(130), 599);
        assert_eq!(Release::default().done_at(130), i64::MIN);
    }

    #[test]
    fn safe_positions_follow_the_watermark() {
        let mut history = History::new(Position(3));
        for (next, greatest) in [(5, 10), (6, 400), (9, 20), (12, 700)] {
            history.push(Position(next), greatest);
        }
        assert_eq!(history.safe(&release(), 598), Position(3));
        assert_eq!(history.safe(&release(), 599), Position(5));
        assert_eq!(history.safe(&release(), 899), Position(9));
        assert_eq!(history.safe(&release(), i64::MAX), Position(12));
    }

    #[test]
    fn a_long_history_stays_bounded_and_safe() {
        let mut history = History::new(Position(0));
        for i in 0..10_000 {
            history.push(Position(i + 1), i as i64 * 100);
        }
        assert!(history.entries.len() <= ENTRIES_MAX);
        let safe = history.safe(&release(), 500_000);
        let needed_from = 500_000 / 100;
        assert!(safe.0 <= needed_from && safe.0 > needed_from - 64, "{safe}");
        assert_eq!(history.safe(&release(), i64::MAX), Position(10_000));
    }
}
