//! The result index: documents with ids, durable when a write is answered, visible to searches within the refresh
//! interval, searched and aggregated from columns in memory.
//!
//! A write is decided under its index's lock, appended to the log ([`disk`]), and answered when the log is on disk. Its
//! rows collect in the tail of the index ([`table`]); a full tail becomes a chunk, and a checkpoint moves chunks to
//! files so that the log can be cleared. A refresh publishes a snapshot: the chunks, a frozen copy of the tail, and which
//! rows count. Searches ([`search`]) and aggregations ([`aggregate`]) work on snapshots alone and never wait for writes.
//!
//! *Invariant:* an answered write survives a crash. *Invariant:* a search sees one moment of each index. *Invariant:* the
//! words of the protocol stand in `elastic` only. *Invariant:* what is not supported is refused by name.

mod aggregate;
mod bitmap;
mod checkpointing;
mod chunk;
mod codec;
mod column;
mod dictionary;
mod disk;
mod document;
pub mod elastic;
mod error;
mod flat;
pub mod geo;
mod ids;
mod index;
pub mod json;
mod mapping;
mod name;
mod open;
mod operation;
mod search;
mod source;
mod table;
pub mod time;
mod value;
mod work;
mod write;

pub use aggregate::{
    Aggregation, AggregationKind, AggregationResult, Bucket, BucketKey, BucketOrder, Buckets, DateHistogram,
    ExtendedBounds, Filters, Grid, Number, OrderTarget, Percentiles, Selection, Terms, ValueSource,
};
pub use document::{DocumentError, ValueFault};
pub use error::{IndexError, OpenError, QueryError};
pub use index::{Index, IndexConfig, IndexInfo};
pub use mapping::{Dynamic, FIELDS_MAX, Field, FieldKind, Mapping, MappingError};
pub use operation::{Action, Operation, Outcome, Refresh, Staged, Written};
pub use search::{
    ColumnField, GeoCorners, Hit, Literal, Query, RangeBounds, SCROLL_AGE_MS_MAX, SCROLLS_MAX, SearchRequest,
    SearchResponse, SortField, SortKey, SortMissing, SortMode, SortOrder, SortValue, SourceFilter, Total, TrackTotal,
    Validation,
};
pub use table::{Document, IndexSettings};
