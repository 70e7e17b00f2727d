//! What a search may ask for.

use super::SourceFilter;
use crate::aggregate::Aggregation;
use crate::geo::GeoBox;

/// A value as a query gives it: it becomes one of a field's kind when the field is known.
#[derive(Debug, Clone, PartialEq)]
pub enum Literal {
    /// No value.
    Null,
    /// True or false.
    Bool(bool),
    /// A number, as it was written.
    Number(String),
    /// A text.
    Text(String),
}

impl Literal {
    /// The text that a keyword would hold for this value.
    pub fn as_text(&self) -> &str {
        match self {
            Self::Null => "null",
            Self::Bool(true) => "true",
            Self::Bool(false) => "false",
            Self::Number(text) | Self::Text(text) => text,
        }
    }
}

/// The ends of a range; a missing one is open.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RangeBounds {
    /// The lower end, and whether it belongs to the range.
    pub from: Option<(Literal, bool)>,
    /// The upper end, and whether it belongs to the range.
    pub to: Option<(Literal, bool)>,
    /// How dates are written, in place of the field's format.
    pub format: Option<String>,
    /// The zone of dates without an offset.
    pub time_zone: Option<String>,
}

/// What to do with a box whose corners are off the earth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Validation {
    /// Refuse it.
    #[default]
    Strict,
    /// Bring the corners back onto the earth.
    Coerce,
    /// Take it as it is.
    IgnoreMalformed,
}

/// The corners of a box, as they were given.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GeoCorners {
    /// The box.
    pub corners: GeoBox,
    /// What to do when it is off the earth.
    pub validation: Validation,
    /// Whether a field that is not mapped finds nothing in place of being refused.
    pub ignore_unmapped: bool,
}

/// Which documents are asked for.
#[derive(Debug, Clone, PartialEq)]
pub enum Query {
    /// All of them.
    All {
        /// The score of each.
        boost: f32,
    },
    /// None.
    None,
    /// Those whose field has this value.
    Term {
        /// The field; `_id` is the id.
        field: String,
        /// The value.
        value: Literal,
        /// Multiplies the score.
        boost: f32,
    },
    /// Those whose field has one of these values.
    Terms {
        /// The field; `_id` is the id.
        field: String,
        /// The values.
        values: Vec<Literal>,
        /// The score.
        boost: f32,
    },
    /// Those whose field has a value in a range.
    Range {
        /// The field.
        field: String,
        /// The range.
        bounds: RangeBounds,
        /// The score.
        boost: f32,
    },
    /// Those whose field (or a field of this object) has a value.
    Exists {
        /// The field or object.
        field: String,
        /// The score.
        boost: f32,
    },
    /// Those of these ids.
    Ids {
        /// The ids.
        values: Vec<String>,
        /// The score.
        boost: f32,
    },
    /// Those whose point is in a box.
    GeoBox {
        /// The field.
        field: String,
        /// The box.
        corners: GeoCorners,
        /// The score.
        boost: f32,
    },
    /// Those that meet conditions.
    Bool {
        /// All of these; they score.
        must: Vec<Query>,
        /// All of these; they do not score.
        filter: Vec<Query>,
        /// At least `minimum_should_match` of these; they score.
        should: Vec<Query>,
        /// None of these.
        must_not: Vec<Query>,
        /// `None`: 1 where nothing else must match, else 0. Negative: all but this many.
        minimum_should_match: Option<i64>,
        /// Multiplies the score.
        boost: f32,
    },
    /// Those of another query, all with one score.
    Constant {
        /// The other query.
        filter: Box<Query>,
        /// The score.
        boost: f32,
    },
}

impl Query {
    /// All documents, each with the score 1.
    pub const ALL: Self = Self::All { boost: 1.0 };
}

/// Rising or falling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SortOrder {
    /// The least first.
    Ascending,
    /// The greatest first.
    Descending,
}

/// Which of several values a document is sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SortMode {
    /// The least.
    Min,
    /// The greatest.
    Max,
    /// Their sum.
    Sum,
    /// Their mean.
    Avg,
    /// The middle one.
    Median,
}

/// Where documents without a value stand.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum SortMissing {
    /// Behind all others.
    #[default]
    Last,
    /// Before all others.
    First,
    /// As if they had this value.
    Value(Literal),
}

/// Sorting by a field.
#[derive(Debug, Clone, PartialEq)]
pub struct SortField {
    /// The field.
    pub field: String,
    /// Rising or falling.
    pub order: SortOrder,
    /// Where documents without a value stand.
    pub missing: SortMissing,
    /// Which value counts; `None`: the least when rising, the greatest when falling.
    pub mode: Option<SortMode>,
    /// Whether a field that is not mapped counts as one without values in place of being refused.
    pub unmapped: bool,
}

/// One key of a sort.
#[derive(Debug, Clone, PartialEq)]
pub enum SortKey {
    /// The score.
    Score(SortOrder),
    /// The order of the index.
    Document(SortOrder),
    /// A field.
    Field(SortField),
}

/// How exactly hits are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrackTotal {
    /// All are counted.
    All,
    /// None are.
    None,
    /// Those up to this number are.
    UpTo(u64),
}

/// A field whose column values are shown with each hit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnField {
    /// The field; a star stands for any text.
    pub field: String,
    /// How dates are written.
    pub format: Option<String>,
}

/// A search.
#[derive(Debug, Clone, PartialEq)]
pub struct SearchRequest {
    /// Which documents.
    pub query: Query,
    /// Which of these are hits; aggregations are not concerned.
    pub post_filter: Option<Query>,
    /// Hits to pass over.
    pub from: usize,
    /// Hits to return at most.
    pub size: usize,
    /// In which order; none given: by score, then in the order of the index.
    pub sort: Vec<SortKey>,
    /// Only hits behind these sort values.
    pub search_after: Option<Vec<Literal>>,
    /// How exactly hits are counted.
    pub track_total: TrackTotal,
    /// Whether scores are computed even though hits are sorted by something else.
    pub track_scores: bool,
    /// Only hits with at least this score.
    pub min_score: Option<f32>,
    /// Which parts of the documents are returned.
    pub source: SourceFilter,
    /// Column values to return with each hit.
    pub column_fields: Vec<ColumnField>,
    /// Values of the documents to return with each hit, each as its field's kind.
    pub document_fields: Vec<ColumnField>,
    /// Aggregations by name.
    pub aggregations: Vec<(String, Aggregation)>,
    /// After this many milliseconds the search ends with what it has.
    pub time_ms_max: Option<u64>,
}

impl Default for SearchRequest {
    fn default() -> Self {
        Self {
            query: Query::ALL,
            post_filter: None,
            from: 0,
            size: 10,
            sort: Vec::new(),
            search_after: None,
            track_total: TrackTotal::UpTo(10_000),
            track_scores: false,
            min_score: None,
            source: SourceFilter::default(),
            column_fields: Vec::new(),
            document_fields: Vec::new(),
            aggregations: Vec::new(),
            time_ms_max: None,
        }
    }
}
