//! The registry of scalar functions, by name.

mod geo;
mod internal;
mod kernels;
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

/// Whether Flink has a scalar function of this name that is not there yet.
pub(crate) fn is_known_elsewhere(name: &str) -> bool {
    LATER.contains(&name)
}

/// Scalar functions of Flink that are not there yet.
const LATER: &[&str] =
    &["JSON_VALUE", "JSON_QUERY", "JSON_EXISTS", "CURRENT_TIMESTAMP", "PROCTIME", "RAND", "UUID", "NOW"];

/// The function called `name`, whatever the case of its letters.
pub fn find(name: &str) -> Option<FunctionRef> {
    all().find(|f| f.name.eq_ignore_ascii_case(name)).map(FunctionRef::new)
}

/// The names of all functions of the registry.
pub fn names() -> impl Iterator<Item = &'static str> {
    all().map(|f| f.name)
}

fn all() -> impl Iterator<Item = &'static ScalarFunction> {
    [geo::FUNCTIONS, time::FUNCTIONS].into_iter().flatten()
}

/// A signature of fixed types whose result is null only where an argument is.
fn fixed(args: &[DataType], returns: DataType) -> Result<Signature, String> {
    Ok(Signature { args: args.to_vec(), returns, nullable: false })
}

/// The types of the arguments, for messages.
fn type_list(args: &[Expr]) -> String {
    args.iter().map(|a| a.data_type.to_string()).collect::<Vec<_>>().join(", ")
}
