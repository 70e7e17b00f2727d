//! Constant folding: what reads no column is computed once, unless it fails, in which case it fails where it is reached.

use crate::expr::{Expr, ExprKind, Program, Scalar};
use arrow_array::{RecordBatch, RecordBatchOptions};
use arrow_schema::Schema;
use std::sync::Arc;

/// The constant that `expr` is, or `expr`. Its parts are not looked at.
pub(super) fn constant(expr: Expr) -> Expr {
    if expr.as_literal().is_some() || !expr.is_constant() {
        return expr;
    }
    match value_of(&expr) {
        Some(value) => Expr { nullable: value.is_null(), kind: ExprKind::Literal(value), data_type: expr.data_type },
        None => expr,
    }
}

/// The value of an expression without columns, if it has one.
pub(super) fn value_of(expr: &Expr) -> Option<Scalar> {
    let program = Program::compile(std::slice::from_ref(expr)).ok()?;
    let options = RecordBatchOptions::new().with_row_count(Some(1));
    let batch = RecordBatch::try_new_with_options(Arc::new(Schema::empty()), Vec::new(), &options).ok()?;
    let columns = program.evaluate(&batch).ok()?;
    Some(Scalar::from_array(columns.first()?, 0, expr.data_type))
}

/// `expr` with all constant parts computed and conditions made simple.
pub(super) fn all(expr: &Expr) -> Expr {
    let children = expr.children().into_iter().map(all).collect();
    constant(simplified(expr.with_children(children)))
}

/// Conditions in a simpler form that means the same.
fn simplified(expr: Expr) -> Expr {
    match &expr.kind {
        ExprKind::And(parts) => junction(parts, true),
        ExprKind::Or(parts) => junction(parts, false),
        ExprKind::Not(inner) => match &inner.kind {
            ExprKind::Not(twice) => (**twice).clone(),
            _ => expr,
        },
        ExprKind::IsNull(inner) if !inner.nullable => Expr::boolean(false),
        ExprKind::IsNull(inner) => case_is_null(inner).unwrap_or(expr),
        ExprKind::IsTrue(inner) if !inner.nullable => (**inner).clone(),
        _ => expr,
    }
}

/// A conjunction (`all`) or disjunction without constants that do not matter.
fn junction(parts: &[Expr], all: bool) -> Expr {
    let known = |e: &Expr| match e.as_literal() {
        Some(Scalar::Boolean(b)) => Some(*b),
        _ => None,
    };
    if parts.iter().any(|p| known(p) == Some(!all)) {
        return Expr::boolean(!all);
    }
    let kept = parts.iter().filter(|p| known(p) != Some(all)).cloned().collect();
    if all { Expr::and(kept) } else { Expr::or(kept) }
}

/// `CASE WHEN a THEN x WHEN b THEN y END IS NULL` without computing a result: true when no condition is, where no
/// result is null and there is no ELSE.
fn case_is_null(case: &Expr) -> Option<Expr> {
    let ExprKind::Case { branches, otherwise } = &case.kind else { return None };
    let clear = branches.iter().all(|(_, then)| !then.nullable) && otherwise.as_literal() == Some(&Scalar::Null);
    clear.then(|| Expr::or(branches.iter().map(|(when, _)| when.clone().is_true()).collect()).negate())
}
