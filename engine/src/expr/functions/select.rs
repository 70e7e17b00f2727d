//! The greatest and the least of several values; null when one of them is.

use super::super::compare::compare;
use super::super::function::{CallSite, Kernel, ScalarFunction, Signature};
use super::super::value::Value;
use super::super::{Comparison, EvalError};
use super::{Expr, type_list};
use crate::sql::common_type;
use crate::types::DataType;
use arrow_array::{Array, BooleanArray};

pub(super) const FUNCTIONS: &[ScalarFunction] = &[
    ScalarFunction { name: "GREATEST", signature: types, prepare: |s| best(s, Comparison::Greater), can_fail: false },
    ScalarFunction { name: "LEAST", signature: types, prepare: |s| best(s, Comparison::Less), can_fail: false },
];

fn types(args: &[Expr]) -> Result<Signature, String> {
    let wrong = || format!("values of one kind are wanted, found ({})", type_list(args));
    let common = args.iter().try_fold(DataType::Null, |t, a| common_type(t, a.data_type));
    let common = common.filter(|t| *t != DataType::Null).ok_or_else(wrong)?;
    Ok(Signature { args: vec![common; args.len()], returns: common, nullable: false })
}

fn best(site: &CallSite<'_>, better: Comparison) -> Result<Kernel, EvalError> {
    let of = site.returns;
    Ok(Box::new(move |args: &[Value], rows| {
        let mut best = args[0].clone().into_array(rows)?;
        for arg in &args[1..] {
            let known = Value::column(best.clone());
            let wins = compare(better, arg, &known, (of, of))?;
            // A comparison with null is null: then the result is whichever side is null.
            let take = BooleanArray::from_iter((0..rows).map(|i| {
                let null = arg.array.is_null(if arg.scalar { 0 } else { i });
                Some(null || (wins.is_valid(i) && wins.value(i)))
            }));
            best = arrow_select::zip::zip(&take, arg, &known)?;
        }
        Ok(best)
    }))
}
