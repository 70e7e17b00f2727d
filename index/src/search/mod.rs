//! Searches: what may be asked, how it is checked against a mapping, and how it is answered from the columns.

mod collect;
mod fetch;
mod matcher;
mod plan;
mod request;
mod run;
mod scroll;
mod sort;
mod source_filter;

pub use request::{
    ColumnField, GeoCorners, Literal, Query, RangeBounds, SearchRequest, SortField, SortKey, SortMissing, SortMode,
    SortOrder, TrackTotal, Validation,
};
pub(crate) use run::{Environment, count, search};
pub use run::{Hit, SearchResponse, Total};
pub(crate) use scroll::Scrolls;
pub use scroll::{SCROLL_AGE_MS_MAX, SCROLLS_MAX};
pub use sort::SortValue;
pub use source_filter::SourceFilter;
pub(crate) use source_filter::matches_pattern;
pub(crate) use {
    matcher::Matcher,
    plan::{Planner, literal_date, literal_value},
};
