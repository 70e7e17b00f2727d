//! Windowed aggregation: compact keys, columns of intermediate results, slices that overlapping windows share.

mod accumulate;
mod distinct;
mod keys;
mod parts;
mod state;
mod stored;
mod table;
mod window;

pub(crate) use accumulate::{decimal, finished_decimal, loaded, number, real, saved, within_decimal};
pub(crate) use keys::{owner_of, retype};
pub(crate) use state::{Aggregation, Emission, Partials, Rejected};
pub(crate) use stored::{GroupsPart, StoredGroups, stow};
pub(crate) use table::{GroupTable, Groups, Shape};
pub(crate) use window::{Slice, Windows, slice_of};
