//! Functions that the planner treats in its own way: one that it writes itself, and the mark of processing time.

use super::super::EvalError;
use super::super::function::{CallSite, Kernel, ScalarFunction, Signature};
use super::super::value::Value;
use super::Expr;
use arrow_array::Array;

/// Hands its first argument on, and fails where that is null; the second is the name of the column it is for.
pub(super) static NOT_NULL: ScalarFunction =
    ScalarFunction { name: "NOT NULL", signature: not_null_types, prepare: not_null, can_fail: true };

/// `PROCTIME()`: marks a column as processing time. It has no value of its own.
pub(super) const FUNCTIONS: &[ScalarFunction] =
    &[ScalarFunction { name: PROCTIME, signature: proctime_types, prepare: proctime, can_fail: true }];

/// The name of the function that marks processing time.
pub(super) const PROCTIME: &str = "PROCTIME";

fn proctime_types(args: &[Expr]) -> Result<Signature, String> {
    match args {
        [] => super::fixed(&[], crate::types::DataType::TimestampLtz(3)),
        _ => Err("PROCTIME takes no argument".to_owned()),
    }
}

fn proctime(_: &CallSite<'_>) -> Result<Kernel, EvalError> {
    Ok(Box::new(|_: &[Value], _| Err(EvalError::new("processing time has no value of its own"))))
}

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
