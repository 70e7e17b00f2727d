//! From values to bucket keys.

use crate::geo::{Point, StepBox};
use crate::time::{Interval, Rounding, Zone};

/// How values become keys.
#[derive(Debug, Clone)]
pub(super) enum Keys {
    /// Each value is a key.
    Value,
    /// The cell of a point: its bits without the last ones.
    Geohash { shift: u32, bounds: Option<(StepBox, bool)> },
    /// The tile of a point.
    Geotile { zoom: u8, bounds: Option<(StepBox, bool)> },
    /// The beginning of the interval that an instant is in.
    Time(Floor),
}

/// Rounding that remembers.
#[derive(Debug, Clone)]
pub(super) struct Floor {
    rounding: Rounding,
    /// The interval found last.
    from: i64,
    to: i64,
    /// In a zone that changes its clocks: quarters of an hour and their keys, where all of the quarter has one key.
    quarters: Vec<(i64, i64)>,
    plain: Option<(i64, i64)>,
}

const QUARTER_MS: i64 = 15 * 60 * 1_000;
const QUARTERS: usize = 4_096;

impl Floor {
    pub(super) fn new(interval: Interval, zone: Zone, offset_ms: i64) -> Self {
        let plain = match (interval, zone) {
            (Interval::Fixed(length), Zone::Fixed(zone_ms)) => Some((length, offset_ms - zone_ms)),
            _ => None,
        };
        let quarters = if matches!(zone, Zone::Named(_)) { vec![(i64::MIN, 0); QUARTERS] } else { Vec::new() };
        Self { rounding: Rounding::new(interval, zone, offset_ms), from: 0, to: 0, quarters, plain }
    }

    #[inline]
    pub(super) fn key(&mut self, ms: i64) -> i64 {
        if self.from <= ms && ms < self.to {
            return self.from;
        }
        self.find(ms)
    }

    fn find(&mut self, ms: i64) -> i64 {
        if let Some((length, shift)) = self.plain {
            let moved = ms.saturating_sub(shift);
            self.from = (moved - moved.rem_euclid(length)).saturating_add(shift);
            self.to = self.from.saturating_add(length);
            return self.from;
        }
        if self.quarters.is_empty() {
            self.from = self.rounding.floor(ms);
            self.to = self.rounding.next(self.from);
            return self.from;
        }
        let quarter = ms.div_euclid(QUARTER_MS);
        let place = quarter.rem_euclid(QUARTERS as i64) as usize;
        if self.quarters[place].0 == quarter {
            return self.quarters[place].1;
        }
        let (first, last) = (quarter * QUARTER_MS, quarter * QUARTER_MS + QUARTER_MS - 1);
        let key = self.rounding.floor(ms);
        if self.rounding.floor(first) == key && self.rounding.floor(last) == key {
            self.quarters[place] = (quarter, key);
        }
        key
    }
}

impl Keys {
    /// Whether every value is in some bucket.
    pub(super) fn takes_all(&self) -> bool {
        !matches!(self, Self::Geohash { bounds: Some(_), .. } | Self::Geotile { bounds: Some(_), .. })
    }

    /// The key of a value; `None` when the value is in no bucket.
    #[inline]
    pub(super) fn key(&mut self, value: i64) -> Option<i64> {
        match self {
            Self::Value => Some(value),
            Self::Time(floor) => Some(floor.key(value)),
            Self::Geohash { shift, bounds } => {
                let point = Point::from_column(value);
                let inside = bounds.is_none_or(|(steps, crosses)| steps.contains(point, crosses));
                // The bits as an unsigned number, so that the shift brings in zeros.
                inside.then(|| ((value ^ i64::MIN) as u64 >> *shift) as i64)
            }
            Self::Geotile { zoom, bounds } => {
                let point = Point::from_column(value);
                let inside = bounds.is_none_or(|(steps, crosses)| steps.contains(point, crosses));
                inside.then(|| point.tile(*zoom).number())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::CalendarUnit;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn remembering_changes_nothing(times in proptest::collection::vec(-1_000_000_000_000i64..2_000_000_000_000, 1..60),
                                       which in 0usize..5, zone in 0usize..4) {
            let interval = [Interval::Fixed(3_600_000), Interval::Fixed(7_000), Interval::Calendar(CalendarUnit::Day),
                Interval::Calendar(CalendarUnit::Month), Interval::Calendar(CalendarUnit::Hour)][which];
            let zone: Zone = ["UTC", "+05:30", "America/New_York", "Europe/Berlin"][zone].parse().unwrap();
            let mut floor = Floor::new(interval, zone, 0);
            let rounding = Rounding::new(interval, zone, 0);
            for ms in times.iter().chain(times.iter()) {
                prop_assert_eq!(floor.key(*ms), rounding.floor(*ms));
            }
        }
    }
}
