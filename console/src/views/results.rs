//! Results: pickups per cell, airport trip times by hour, totals, and the questions about them.

use serde::Serialize;

/// A range of event time over windows: every window that ended after `from_ms` and at or before `to_ms`.
///
/// Results carry the end of their window, so this is `from_ms < timestamp <= to_ms`, and the ranges of consecutive days
/// share no window. Both in milliseconds since the Unix epoch; `from_ms < to_ms`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct TimeRange {
    /// Windows that ended at or before this time are outside.
    pub from_ms: i64,
    /// Windows that ended after this time are outside.
    pub to_ms: i64,
}

impl TimeRange {
    /// Whether the window that ended at `window_end_ms` is inside.
    pub fn contains(self, window_end_ms: i64) -> bool {
        self.from_ms < window_end_ms && window_end_ms <= self.to_ms
    }
}

/// A part of the map in degrees (WGS 84); it does not cross the antimeridian.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bbox {
    /// Western edge, longitude.
    pub west: f64,
    /// Southern edge, latitude.
    pub south: f64,
    /// Eastern edge, longitude.
    pub east: f64,
    /// Northern edge, latitude.
    pub north: f64,
}

/// A question about pickups per cell.
#[derive(Debug, Clone, PartialEq)]
pub struct CellsRequest {
    /// Only results located inside (edges included) are counted. The page asks for boxes along the edges of cells, so
    /// that cells at the rim are whole.
    pub bbox: Bbox,
    /// Length of the geohashes in the answer, 1 to [`super::PRECISION_MAX`].
    pub precision: u8,
    /// Only windows of this range are counted.
    pub range: TimeRange,
    /// Most cells in the answer; the largest counts win.
    pub cells_max: usize,
}

/// Pickups in one geohash cell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Cell {
    /// The cell, in lower-case base 32.
    pub geohash: String,
    /// `sum(pickup_count)`.
    pub count: u64,
}

/// Trips to one airport that ended in one hour.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct AirportHour {
    /// End of the hour, in milliseconds since the Unix epoch.
    pub t: i64,
    /// Average trip time in minutes, weighted by trips.
    pub avg: f64,
    /// Number of trips.
    pub trips: u64,
}

/// The line of one airport.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AirportLine {
    /// The airport's code, such as `JFK`.
    pub airport: String,
    /// Its hours in ascending order; hours without trips are left out.
    pub points: Vec<AirportHour>,
}

/// Pickups in one hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct HourCount {
    /// End of the hour, in milliseconds since the Unix epoch.
    pub t: i64,
    /// `sum(pickup_count)`.
    pub count: u64,
}

/// Sums over all results of a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Totals {
    /// `sum(pickup_count)`.
    pub pickups: u64,
    /// Number of different cells of the finest precision with pickups.
    pub areas: u64,
    /// `sum(trip_count)` over the trips to airports.
    pub airport_trips: u64,
    /// Number of different hours with pickups.
    pub hours: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_of_consecutive_days_share_no_window() {
        let (first, second) = (TimeRange { from_ms: 0, to_ms: 24 }, TimeRange { from_ms: 24, to_ms: 48 });
        assert!((1..=24).all(|end| first.contains(end) && !second.contains(end)));
        assert!((25..=48).all(|end| !first.contains(end) && second.contains(end)));
        assert!(!first.contains(0) && !second.contains(49));
    }
}
