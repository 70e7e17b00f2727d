//! A generator of plausible New York taxi trips: any number of them, from a seed, in the order of their drop-offs.
//!
//! It invents every trip. Volume follows the hour and the day of the week, places have their own hours (offices empty in
//! the evening, bars fill), rides are short for the most part, and airports are far when the roads are full. As in
//! recorded data, a few positions are zero, a few lie outside the city, and some details are unknown.
//!
//! Random numbers and arithmetic are chosen so that the same seed gives the same bytes on every machine: no function of
//! the system's mathematics library is called.

mod city;
mod day;
mod dice;
mod json;
mod places;
mod trip;

use crate::source::{Findings, Progress, Row, Source, SourceError};
use bytes::Bytes;
use dice::Dice;
use model::EventTime;
use places::Places;
use trip::Trip;

pub use day::TRIPS_PER_HOUR_MAX;

const MS_PER_DAY: i64 = 86_400_000;
/// Room for one trip's JSON.
const TRIP_BYTES: usize = 512;

/// Plausible taxi trips as rows of JSON, keyed by `trip_id`.
pub struct Generator {
    dice: Dice,
    places: Places,
    trips: u64,
    made: u64,
    /// The start of the first day, in seconds since 1970.
    start_s: i64,
    /// Seconds since then at which the last trip ended.
    clock_s: f64,
    buffer: Vec<u8>,
    findings: Findings,
}

impl Generator {
    /// `trips` trips from `seed`. They begin at the start of the day (in the trips' own clock, which is labelled Z) that
    /// holds `start_day_ms`, milliseconds since 1970, and go on over as many days as it takes: about a quarter of a million
    /// on a working day, never more than about [`TRIPS_PER_HOUR_MAX`] an hour.
    pub fn new(seed: u64, trips: u64, start_day_ms: i64) -> Self {
        Self {
            dice: Dice::new(seed),
            places: Places::new(),
            trips,
            made: 0,
            start_s: start_day_ms.div_euclid(MS_PER_DAY) * 86_400,
            clock_s: 0.0,
            buffer: Vec::with_capacity(TRIP_BYTES),
            findings: Findings::default(),
        }
    }

    fn next_trip(&mut self) -> Option<Trip> {
        if self.made >= self.trips {
            return None;
        }
        self.made += 1;
        let rate_per_s = day::trips_per_s(self.start_s + self.clock_s as i64);
        self.clock_s += 2.0 * self.dice.unit() / rate_per_s;
        let dropoff_s = self.start_s + self.clock_s as i64;
        Some(Trip::invent(self.made, dropoff_s, &self.places, &mut self.dice))
    }
}

impl Source for Generator {
    fn next_row(&mut self) -> Result<Option<Row>, SourceError> {
        let Some(trip) = self.next_trip() else { return Ok(None) };
        self.buffer.clear();
        trip.write_json(&mut self.buffer);
        let data = Bytes::copy_from_slice(&self.buffer);
        Ok(Some(Row { event_time: EventTime(trip.dropoff_s * 1_000), key: trip.trip_id.to_string(), data }))
    }

    fn skip_rows(&mut self, rows: u64) -> Result<u64, SourceError> {
        // The dice must be thrown for each trip, but nothing needs to be written.
        Ok((0..rows).map_while(|_| self.next_trip()).count() as u64)
    }

    fn progress(&self) -> Progress {
        Progress { rows_total: Some(self.trips), ..Progress::default() }
    }

    fn findings(&self) -> &Findings {
        &self.findings
    }
}

impl std::fmt::Debug for Generator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Generator").field("trips", &self.trips).field("made", &self.made).finish_non_exhaustive()
    }
}
