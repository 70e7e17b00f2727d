//! The registry of scalar functions, by name.

mod geo;
mod kernels;
mod time;

use super::Expr;
use super::function::{FunctionRef, ScalarFunction, Signature};
use crate::types::DataType;

/// The function called `name`, whatever the case of its letters.
pub fn find(name: &str) -> Option<FunctionRef> {
    let name = name.to_ascii_uppercase();
    all().find(|f| f.name == name).map(FunctionRef::new)
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
