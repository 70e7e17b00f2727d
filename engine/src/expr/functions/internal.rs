//! Functions that no script can name: the planner writes them.

use super::super::EvalError;
use super::super::function::{CallSite, Kernel, ScalarFunction, Signature};
use super::super::value::Value;
use super::Expr;
use arrow_array::Array;

/// Hands its first argument on, and fails where that is null; the second is the name of the column it is for.
pub(super) static NOT_NULL: ScalarFunction =
    ScalarFunction { name: "NOT NULL", signature: not_null_types, prepare: not_null, can_fail: true };

fn not_null_types(args: &[Expr]) -> Result<Signature, String> {
    let returns = args.first().map_or(crate::types::DataType::Null, |a| a.data_type);
    Ok(Signature { args: args.iter().map(|a| a.data_type).collect(), returns, nullable: false })
}

fn not_null(site: &CallSite<'_>) -> Result<Kernel, EvalError> {
    let column = site.constant_text(1).unwrap_or_default().to_owned();
    Ok(Box::new(move |args: &[Value], rows| {
        if args[0].array.null_count() > 0 {
            return Err(EvalError::new(format!(
                "column \"{column}\" is NOT NULL, a row has null in it: SET 'table.exec.sink.not-null-enforcer' = 'DROP' leaves such rows out"
            )));
        }
        args[0].clone().into_array(rows)
    }))
}
