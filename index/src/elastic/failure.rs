//! Errors in the shape of Elasticsearch 7: a type, a reason, a root cause and a status.

use crate::error::{IndexError, QueryError};
use crate::geo::PointError;
use crate::json::{JsonError, JsonFault, Value};
use crate::mapping::MappingError;
use crate::{DocumentError, ValueFault};

/// A request that is not served.
#[derive(Debug, Clone)]
pub(super) struct Failure {
    pub(super) status: u16,
    kind: &'static str,
    reason: String,
    extra: Vec<(&'static str, Value)>,
    cause: Option<Box<Failure>>,
    form: Form,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// A type, a reason, a root cause.
    Usual,
    /// A text and nothing else.
    Plain,
    /// What a search says when its only shard has failed with the cause.
    Shard,
}

impl Failure {
    pub(super) fn new(status: u16, kind: &'static str, reason: impl Into<String>) -> Self {
        Self { status, kind, reason: reason.into(), extra: Vec::new(), cause: None, form: Form::Usual }
    }

    /// An error that is a plain text.
    pub(super) fn plain(status: u16, reason: impl Into<String>) -> Self {
        Self { form: Form::Plain, ..Self::new(status, "", reason) }
    }

    /// An argument that cannot be.
    pub(super) fn argument(reason: impl Into<String>) -> Self {
        Self::new(400, "illegal_argument_exception", reason)
    }

    /// A request that is complete but does not make sense.
    pub(super) fn validation(problems: &[String]) -> Self {
        let listed: String = problems.iter().enumerate().map(|(i, p)| format!("{}: {p};", i + 1)).collect();
        Self::new(400, "action_request_validation_exception", format!("Validation Failed: {listed}"))
    }

    pub(super) fn with(mut self, key: &'static str, value: impl Into<Value>) -> Self {
        self.extra.push((key, value.into()));
        self
    }

    pub(super) fn caused_by(mut self, cause: Self) -> Self {
        self.cause = Some(Box::new(cause));
        self
    }

    /// An error that a shard met while it searched.
    fn in_shard(self, index: &str) -> Self {
        let status = self.status;
        Self { form: Form::Shard, ..Self::new(status, "search_phase_execution_exception", "all shards failed") }
            .with("index", index)
            .caused_by(self)
    }

    /// A body that cannot be read.
    pub(super) fn json(error: &JsonError) -> Self {
        Self::new(400, json_kind(error), error.to_string())
    }

    /// The cause that is of most interest: the innermost of those that are about parsing.
    fn root(&self) -> &Self {
        let through = self.kind == "x_content_parse_exception" && self.form == Form::Usual;
        match &self.cause {
            Some(cause) if self.form == Form::Shard => cause.root(),
            Some(cause) if through && cause.is_of_parsing() => cause.root(),
            _ if self.kind == "mapper_parsing_exception" => {
                self.cause.as_ref().filter(|c| c.kind == "parse_exception" || c.kind == self.kind).map_or(self, |c| c)
            }
            _ => self,
        }
    }

    fn is_of_parsing(&self) -> bool {
        matches!(
            self.kind,
            "x_content_parse_exception" | "parsing_exception" | "parse_exception" | "query_shard_exception"
        )
    }

    fn is_of_reduction(&self) -> bool {
        self.cause.as_ref().is_some_and(|c| c.kind == "too_many_buckets_exception")
    }

    fn members(&self) -> Value {
        let mut members = Value::object([("type", Value::from(self.kind)), ("reason", self.reason.as_str().into())]);
        self.extra.iter().for_each(|(key, value)| members.push(*key, value.clone()));
        members
    }

    fn chain(&self) -> Value {
        let members = self.members();
        match &self.cause {
            Some(cause) => members.with("caused_by", cause.chain()),
            None => members,
        }
    }

    /// The object that stands under `error`.
    fn error(&self) -> Value {
        // No shard has failed when the answers of shards cannot be put together.
        let roots = (!self.is_of_reduction()).then(|| self.root().members());
        let root = Value::object([("root_cause", Value::array(roots))]);
        let (Value::Object(mut all), rest) = (root, if self.form == Form::Shard { self.shard() } else { self.chain() })
        else {
            return Value::Null;
        };
        if let Value::Object(rest) = rest {
            all.extend(rest);
        }
        Value::Object(all)
    }

    fn shard(&self) -> Value {
        let index = self.extra.first().map_or(Value::Null, |(_, index)| index.clone());
        let cause = self.cause.as_ref().map_or(Value::Null, |c| c.chain());
        let shard = Value::object([
            ("shard", Value::from(0u32)),
            ("index", index),
            ("node", "hailstream".into()),
            ("reason", cause.clone()),
        ]);
        let members = Value::object([
            ("type", Value::from(self.kind)),
            ("reason", self.reason.as_str().into()),
            ("phase", "query".into()),
            ("grouped", true.into()),
            ("failed_shards", Value::array([shard])),
        ]);
        let plain = self.cause.as_ref().is_some_and(|c| c.kind == "illegal_argument_exception");
        if plain { members.with("caused_by", cause) } else { members }
    }

    /// The whole body.
    pub(super) fn body(&self) -> Value {
        let error = if self.form == Form::Plain { self.reason.as_str().into() } else { self.error() };
        Value::object([("error", error), ("status", self.status.into())])
    }

    /// What stands in an item of a bulk.
    pub(super) fn item(&self) -> Value {
        self.chain()
    }

    /// The error of an index, as a request to it alone tells it.
    pub(super) fn of(error: &IndexError) -> Self {
        match error {
            IndexError::NoIndex(name) => no_index(name, "index_or_alias"),
            IndexError::IndexExists { name, uuid } => {
                Self::new(400, "resource_already_exists_exception", error.to_string())
                    .with("index_uuid", uuid.as_str())
                    .with("index", name.as_str())
            }
            IndexError::InvalidName { name, .. } => Self::new(400, "invalid_index_name_exception", error.to_string())
                .with("index_uuid", "_na_")
                .with("index", name.as_str()),
            IndexError::Mapping(MappingError::Changed { .. }) => Self::argument(error.to_string()),
            IndexError::Mapping(inner) => mapping(inner),
            IndexError::Document(inner) => document(inner),
            IndexError::Exists { .. } => Self::new(409, "version_conflict_engine_exception", error.to_string()),
            IndexError::Missing { .. } => Self::new(404, "document_missing_exception", error.to_string()),
            IndexError::IdTooLong { .. } => Self::validation(&[error.to_string()]),
            IndexError::Query(inner) => query(inner),
            IndexError::Memory { .. } => Self::new(429, "circuit_breaking_exception", error.to_string()),
            IndexError::NoScroll(_) => {
                Self { form: Form::Shard, ..Self::new(404, "search_phase_execution_exception", "all shards failed") }
                    .with("index", Value::Null)
                    .caused_by(Self::new(404, "search_context_missing_exception", error.to_string()))
            }
            IndexError::TooManyScrolls(_) => Self::new(429, "search_phase_execution_exception", error.to_string()),
            IndexError::Unavailable(_) => Self::new(503, "cluster_block_exception", error.to_string()),
            IndexError::Corrupt(_) => Self::new(500, "corrupt_index_exception", error.to_string()),
        }
    }

    /// The error of a document, with where it happened where the real one says so.
    pub(super) fn of_document(error: &IndexError, index: &str, uuid: &str) -> Self {
        let failure = Self::of(error);
        match error {
            IndexError::Exists { .. } | IndexError::Missing { .. } => {
                failure.with("index_uuid", uuid).with("shard", "0").with("index", index)
            }
            _ => failure,
        }
    }
}

impl From<IndexError> for Failure {
    fn from(error: IndexError) -> Self {
        Self::of(&error)
    }
}

/// No such index; `kind` is what the real one thinks it was asked for.
pub(super) fn no_index(name: &str, kind: &str) -> Failure {
    Failure::new(404, "index_not_found_exception", format!("no such index [{name}]"))
        .with("resource.type", kind)
        .with("resource.id", name)
        .with("index_uuid", "_na_")
        .with("index", name)
}

fn json_kind(error: &JsonError) -> &'static str {
    if error.fault == JsonFault::Truncated { "json_e_o_f_exception" } else { "json_parse_exception" }
}

fn mapping(error: &MappingError) -> Failure {
    match error {
        MappingError::Changed { .. } | MappingError::TooManyFields => Failure::argument(error.to_string()),
        MappingError::Malformed(text) if text.contains("conflicts with existing") => Failure::argument(text.as_str()),
        _ => Failure::new(400, "mapper_parsing_exception", format!("Failed to parse mapping [_doc]: {error}"))
            .caused_by(Failure::new(400, "mapper_parsing_exception", error.to_string())),
    }
}

fn document(error: &DocumentError) -> Failure {
    let parsing = |reason: String| Failure::new(400, "mapper_parsing_exception", reason);
    match error {
        DocumentError::Json(inner) => parsing("failed to parse".to_owned()).caused_by(Failure::json(inner)),
        DocumentError::NotAnObject => parsing("failed to parse".to_owned()).caused_by(Failure::new(
            400,
            "not_x_content_exception",
            error.to_string(),
        )),
        DocumentError::Value { field, kind, preview, fault } => {
            let kind = kind.name();
            if let ValueFault::NotAPoint(point) = fault {
                return parsing(format!("failed to parse field [{field}] of type [{kind}]"))
                    .caused_by(not_a_point(point));
            }
            let cause = match fault {
                ValueFault::NotNumeric => "json_parse_exception",
                ValueFault::OutOfRange => "input_coercion_exception",
                ValueFault::Structure => "illegal_state_exception",
                _ => "illegal_argument_exception",
            };
            parsing(format!("failed to parse field [{field}] of type [{kind}]. Preview of field's value: '{preview}'"))
                .caused_by(Failure::new(400, cause, fault.to_string()))
        }
        DocumentError::ObjectExpected(_) | DocumentError::EmptyName => parsing(error.to_string()),
        DocumentError::Strict { .. } => Failure::new(400, "strict_dynamic_mapping_exception", error.to_string()),
        DocumentError::Mapping(inner) => mapping(inner),
    }
}

fn not_a_point(error: &PointError) -> Failure {
    let kind = match error {
        PointError::Latitude(_) | PointError::Longitude(_) => "illegal_argument_exception",
        PointError::Geohash { .. } | PointError::Malformed(_) => "parse_exception",
    };
    Failure::new(400, kind, error.to_string())
}

fn query(error: &QueryError) -> Failure {
    match error {
        QueryError::Field { index, message } => {
            Failure::new(400, "query_shard_exception", message.as_str()).with("index", index.as_str()).in_shard(index)
        }
        QueryError::Argument(message) => Failure::argument(message.as_str()).in_shard("_all"),
        QueryError::Date(message) => Failure::new(400, "parse_exception", message.as_str()).in_shard("_all"),
        QueryError::Execution(message) => {
            Failure::new(500, "aggregation_execution_exception", message.as_str()).in_shard("_all")
        }
        QueryError::TooManyBuckets(_) => Failure::new(503, "search_phase_execution_exception", "").caused_by(
            Failure::new(503, "too_many_buckets_exception", error.to_string())
                .with("max_buckets", model::limits::BUCKETS_MAX),
        ),
        QueryError::Memory(_) => Failure::new(429, "circuit_breaking_exception", error.to_string()),
    }
}
