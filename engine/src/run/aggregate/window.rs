//! Which windows a row belongs to, and when they close.

use crate::expr::Zone;
use crate::plan::{WindowKind, WindowSpec};

/// How far a wall clock is set back or forth at a time, at most.
const ZONE_CHANGE_MS: i64 = 3 * 3_600_000;

/// A part of the wall clock that no window boundary cuts: a tumbling window itself, or what overlapping windows share.
/// Ordered by its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Slice {
    /// Milliseconds on the wall clock; the first one after it.
    pub(crate) end: i64,
    /// Milliseconds on the wall clock.
    pub(crate) start: i64,
    /// Of the windows that share the slice only those that end at or after it count these rows: the others had closed
    /// when the rows came. `i64::MIN` for rows that came in time for all of them.
    pub(crate) from: i64,
}

impl Slice {
    /// A slice (or window) whose rows count for every window that shares it.
    pub(crate) fn new(start: i64, end: i64) -> Self {
        Self { end, start, from: i64::MIN }
    }
}

/// The windows of one aggregation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Windows {
    /// Rows are put into windows by their time.
    Assigned { spec: WindowSpec, slice_ms: i64 },
    /// Rows carry their window.
    Attached { zone: Zone },
}

impl Windows {
    pub(crate) fn assigned(spec: WindowSpec) -> Self {
        let slice_ms = greatest_common_divisor(spec.size_ms, spec.slide_ms);
        Self::Assigned { spec, slice_ms }
    }

    pub(crate) fn zone(&self) -> Zone {
        match self {
            Self::Assigned { spec, .. } => spec.zone,
            Self::Attached { zone } => *zone,
        }
    }

    /// Whether a slice is a window by itself.
    pub(crate) fn is_slice_window(&self) -> bool {
        match self {
            Self::Assigned { spec, .. } => spec.size_ms == spec.slide_ms,
            Self::Attached { .. } => true,
        }
    }

    /// The window after whose end the slice is needed no more; `None` when it is in no window.
    pub(crate) fn last_window_of(&self, slice: Slice) -> Option<Slice> {
        match self {
            Self::Attached { .. } => Some(slice),
            Self::Assigned { spec, .. } => {
                let start = floor(slice.start, start_distance(spec), spec.offset_ms);
                let end = start.saturating_add(spec.size_ms);
                (end >= slice.end).then_some(Slice::new(start, end))
            }
        }
    }

    /// All windows that the slice belongs to, the earliest first.
    pub(crate) fn windows_of(&self, slice: Slice) -> Vec<Slice> {
        let Some(last) = self.last_window_of(slice) else { return Vec::new() };
        let Self::Assigned { spec, .. } = self else { return vec![last] };
        let earlier = |w: &Slice| {
            let window = match spec.kind {
                WindowKind::Sliding => {
                    let start = w.start.checked_sub(spec.slide_ms)?;
                    Slice::new(start, start.saturating_add(spec.size_ms))
                }
                WindowKind::Cumulative => Slice::new(w.start, w.end.checked_sub(spec.slide_ms)?),
            };
            Some(window).filter(|w| w.end >= slice.end && w.end >= slice.from)
        };
        let mut windows: Vec<Slice> = std::iter::successors(Some(last), earlier).collect();
        windows.reverse();
        windows
    }

    /// When the earliest window begins that is open at `watermark`, whether or not it has rows, in milliseconds since the epoch;
    /// nothing is known of windows that rows carry.
    pub(crate) fn earliest_open(&self, watermark: i64) -> Option<i64> {
        let Self::Assigned { spec, .. } = self else { return None };
        let wall = spec.zone.wall_ms(watermark.saturating_add(1));
        let start = match spec.kind {
            WindowKind::Sliding => {
                floor(wall.saturating_sub(spec.size_ms), spec.slide_ms, spec.offset_ms).saturating_add(spec.slide_ms)
            }
            WindowKind::Cumulative => floor(wall, spec.size_ms, spec.offset_ms),
        };
        // A clock that is set back shows a time twice.
        let margin = if spec.zone.is_utc() { 0 } else { ZONE_CHANGE_MS };
        Some(spec.zone.epoch_ms(start).saturating_sub(margin))
    }

    /// The watermark at which a window that ends at `end` (on the wall clock) closes.
    pub(crate) fn closes_at(&self, end: i64) -> i64 {
        self.zone().epoch_ms(end).saturating_sub(1)
    }
}

/// The slice of `slice_ms` that a time on the wall clock belongs to.
pub(crate) fn slice_of(spec: &WindowSpec, slice_ms: i64, wall_ms: i64) -> Slice {
    let start = floor(wall_ms, slice_ms, spec.offset_ms.rem_euclid(slice_ms));
    Slice::new(start, start.saturating_add(slice_ms))
}

/// The distance between the starts of windows that begin at different times.
fn start_distance(spec: &WindowSpec) -> i64 {
    match spec.kind {
        WindowKind::Sliding => spec.slide_ms,
        WindowKind::Cumulative => spec.size_ms,
    }
}

/// The greatest number at or below `at` that is `offset` and a multiple of `step`.
fn floor(at: i64, step: i64, offset: i64) -> i64 {
    let shifted = at.saturating_sub(offset);
    shifted.saturating_sub(shifted.rem_euclid(step)).saturating_add(offset)
}

fn greatest_common_divisor(mut a: i64, mut b: i64) -> i64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a.max(1)
}

/// Rows of a batch by the slice that they belong to; rows of one batch nearly always share it.
pub(crate) struct Sliced {
    /// The slices, each with its rows in order.
    pub(crate) parts: Vec<(Slice, Vec<u32>)>,
}

impl Sliced {
    /// Groups rows by the slice that `of` gives; rows without one are left out.
    pub(crate) fn new(rows: usize, mut of: impl FnMut(usize) -> Option<Slice>) -> Self {
        let mut parts: Vec<(Slice, Vec<u32>)> = Vec::new();
        let mut current = 0;
        for row in 0..rows {
            let Some(slice) = of(row) else { continue };
            if parts.get(current).is_none_or(|(s, _)| *s != slice) {
                current = parts.iter().position(|(s, _)| *s == slice).unwrap_or(parts.len());
                if current == parts.len() {
                    parts.push((slice, Vec::with_capacity(rows - row)));
                }
            }
            parts[current].1.push(row as u32);
        }
        Self { parts }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::WindowTime;
    use proptest::prelude::*;

    fn spec(size_ms: i64, slide_ms: i64, offset_ms: i64) -> WindowSpec {
        WindowSpec {
            time: WindowTime::Row(0),
            kind: WindowKind::Sliding,
            size_ms,
            slide_ms,
            offset_ms,
            zone: Zone::UTC,
        }
    }

    proptest! {
        /// Slices and their windows against the definition: a row is in every window [start, start + size) that holds it.
        #[test]
        fn windows_are_those_that_hold_the_time(
            size in 1i64..60, slide in 1i64..60, offset in 0i64..60, at in -500i64..500
        ) {
            let spec = spec(size, slide, offset % slide);
            let windows = Windows::assigned(spec.clone());
            let Windows::Assigned { slice_ms, .. } = windows else { unreachable!() };
            let slice = slice_of(&spec, slice_ms, at);
            prop_assert!(slice.start <= at && at < slice.end);
            let expected: Vec<Slice> = (-800..800)
                .filter(|start| (start - spec.offset_ms).rem_euclid(slide) == 0)
                .map(|start| Slice::new(start, start + size))
                .filter(|w| w.start <= at && at < w.end)
                .collect();
            prop_assert_eq!(&windows.windows_of(slice), &expected);
            prop_assert_eq!(windows.last_window_of(slice), expected.last().copied());
            if let Some(last) = expected.last() {
                prop_assert_eq!(windows.closes_at(last.end), last.end - 1);
            }
            let open = (-800..800)
                .find(|start| (start - spec.offset_ms).rem_euclid(slide) == 0 && start + size - 1 > at);
            prop_assert_eq!(windows.earliest_open(at), open);
        }

        /// The same for windows that accumulate: from each start one for every multiple of the step.
        #[test]
        fn cumulative_windows_are_those_that_hold_the_time(
            step in 1i64..30, steps in 1i64..6, offset in 0i64..180, at in -500i64..500
        ) {
            let size = step * steps;
            let spec = WindowSpec { kind: WindowKind::Cumulative, ..spec(size, step, offset % size) };
            let windows = Windows::assigned(spec.clone());
            let Windows::Assigned { slice_ms, .. } = windows else { unreachable!() };
            let slice = slice_of(&spec, slice_ms, at);
            prop_assert!(slice.start <= at && at < slice.end);
            let expected: Vec<Slice> = (-800..800)
                .filter(|start| (start - spec.offset_ms).rem_euclid(size) == 0)
                .flat_map(|start| (1..=steps).map(move |n| Slice::new(start, start + n * step)))
                .filter(|w| w.start <= at && at < w.end)
                .collect();
            prop_assert_eq!(&windows.windows_of(slice), &expected);
            prop_assert_eq!(windows.last_window_of(slice), expected.last().copied());
            let open = (-800..800)
                .find(|start| (start - spec.offset_ms).rem_euclid(size) == 0 && start + size - 1 > at);
            prop_assert_eq!(windows.earliest_open(at), open);
        }
    }

    #[test]
    fn a_zone_moves_the_days() {
        let zone = Zone::parse("America/New_York").unwrap();
        let day = WindowSpec { zone, ..spec(86_400_000, 86_400_000, 0) };
        // 2016-03-13 has 23 hours there: it ends at 04:00 UTC of the 14th.
        let noon = 1_457_884_800_000;
        let windows = Windows::assigned(day.clone());
        let last = windows.last_window_of(slice_of(&day, day.size_ms, zone.wall_ms(noon))).unwrap();
        assert_eq!(windows.closes_at(last.end), 1_457_928_000_000 - 1);
    }
}
