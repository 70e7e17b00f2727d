//! The registry of scalar functions, by name.

mod digest;
mod formats;
mod geo;
mod internal;
mod kernels;
mod math;
mod parts;
mod pattern;
mod select;
mod text;
mod time;

use super::Expr;
use super::function::{FunctionRef, ScalarFunction, Signature};
use crate::types::DataType;

/// The function behind `time + interval`. No script can name it.
pub(crate) const TIME_ADD: &str = "time + interval";

/// The function that hands a value on unless it is null: arguments are the value and the column that it is for.
pub(crate) fn not_null() -> FunctionRef {
    FunctionRef::new(&internal::NOT_NULL)
}

/// A call of `PROCTIME()`.
pub(crate) fn proctime(zone: super::Zone) -> Expr {
    let kind = super::ExprKind::Call { function: FunctionRef::new(&internal::FUNCTIONS[0]), args: Vec::new(), zone };
    Expr { kind, data_type: crate::types::DataType::TimestampLtz(3), nullable: false }
}

/// Whether this is a call of `PROCTIME()`, or reads one.
pub(crate) fn reads_proctime(expr: &Expr) -> bool {
    is_proctime(expr) || expr.children().into_iter().any(reads_proctime)
}

/// Whether this is a call of `PROCTIME()`.
pub(crate) fn is_proctime(expr: &Expr) -> bool {
    matches!(&expr.kind, super::ExprKind::Call { function, .. } if function.name() == internal::PROCTIME)
}

/// Whether Flink has a scalar function of this name that is not there yet.
pub(crate) fn is_known_elsewhere(name: &str) -> bool {
    LATER.contains(&name)
}

/// Scalar functions of Flink that are not there yet.
#[rustfmt::skip]
const LATER: &[&str] = &[
    "ARRAY", "ARRAY_APPEND", "ARRAY_CONCAT", "ARRAY_CONTAINS", "ARRAY_DISTINCT", "ARRAY_EXCEPT", "ARRAY_INTERSECT",
    "ARRAY_JOIN", "ARRAY_MAX", "ARRAY_MIN", "ARRAY_POSITION", "ARRAY_PREPEND", "ARRAY_REMOVE", "ARRAY_REVERSE",
    "ARRAY_SLICE", "ARRAY_SORT", "ARRAY_UNION", "CARDINALITY", "COALESCE_JSON", "CURRENT_DATABASE", "CURRENT_DATE",
    "CURRENT_ROW_TIMESTAMP", "CURRENT_TIME", "CURRENT_TIMESTAMP", "CURRENT_WATERMARK", "DECODE", "ELEMENT", "ELT",
    "ENCODE", "ENDSWITH", "GEOHASH_DECODE", "GROUPING", "GROUPING_ID", "GROUP_ID", "HOP_END", "HOP_PROCTIME",
    "HOP_ROWTIME", "HOP_START", "IS_ALPHA", "IS_DECIMAL", "IS_DIGIT", "JSON", "JSON_ARRAY", "JSON_EXISTS",
    "JSON_OBJECT", "JSON_QUERY", "JSON_QUOTE", "JSON_STRING", "JSON_UNQUOTE", "JSON_VALUE", "LOCALTIME",
    "LOCALTIMESTAMP", "MAP", "MAP_ENTRIES", "MAP_FROM_ARRAYS", "MAP_KEYS", "MAP_UNION", "MAP_VALUES", "NOW",
    "PARSE_URL", "PRINTF", "RAND", "RAND_INTEGER", "REGEXP_COUNT", "REGEXP_EXTRACT_ALL", "REGEXP_INSTR",
    "REGEXP_SUBSTR", "ROW", "SESSION_END", "SESSION_PROCTIME", "SESSION_ROWTIME", "SESSION_START", "SHA2", "SPLIT",
    "STARTSWITH", "STR_TO_MAP", "TRANSLATE", "TRY_PARSE_JSON", "TUMBLE_END", "TUMBLE_PROCTIME", "TUMBLE_ROWTIME",
    "TUMBLE_START", "TYPEOF", "UNHEX", "URL_DECODE", "URL_ENCODE", "UUID",
];

/// The function called `name`, whatever the case of its letters.
pub fn find(name: &str) -> Option<FunctionRef> {
    all().find(|f| f.name.eq_ignore_ascii_case(name)).map(FunctionRef::new)
}

/// The names of all functions of the registry.
pub fn names() -> impl Iterator<Item = &'static str> {
    all().map(|f| f.name)
}

fn all() -> impl Iterator<Item = &'static ScalarFunction> {
    const ALL: [&[ScalarFunction]; 10] = [
        math::FUNCTIONS,
        text::FUNCTIONS,
        pattern::FUNCTIONS,
        digest::FUNCTIONS,
        parts::FUNCTIONS,
        time::FUNCTIONS,
        formats::FUNCTIONS,
        select::FUNCTIONS,
        geo::FUNCTIONS,
        internal::FUNCTIONS,
    ];
    ALL.into_iter().flatten()
}

/// A signature of fixed types whose result is null only where an argument is.
fn fixed(args: &[DataType], returns: DataType) -> Result<Signature, String> {
    Ok(Signature { args: args.to_vec(), returns, nullable: false })
}

/// The types of the arguments, for messages.
fn type_list(args: &[Expr]) -> String {
    args.iter().map(|a| a.data_type.to_string()).collect::<Vec<_>>().join(", ")
}
