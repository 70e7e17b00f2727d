//! Time as documents and searches write it: the calendar, zones, date formats, date arithmetic and rounding to intervals.

mod calendar;
mod format;
mod math;
mod rounding;
mod zone;

pub use format::{DateFormat, FormatError};
pub use math::{DateError, resolve_date};
pub use rounding::{CalendarUnit, Interval, Rounding};
pub use zone::{Zone, ZoneError};

/// Which end of a time span given without its smaller parts (a day, a month) is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edge {
    /// Its first millisecond.
    Start,
    /// Its last millisecond.
    End,
}
