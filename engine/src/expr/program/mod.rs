//! Programs: expressions made ready to be evaluated over batches, each common part once for a batch.

mod evaluate;

use super::cast::{self, CastMode};
use super::function::{CallSite, Kernel};
use super::value::Value;
use super::{Arithmetic, Comparison, EvalError, Expr, ExprKind, Scalar, Zone};
use crate::types::DataType;
use arrow_array::{ArrayRef, RecordBatch, new_empty_array};
use evaluate::Evaluation;
use rustc_hash::FxHashMap;
use std::fmt;

/// Expressions ready to be evaluated. Making one is work (patterns and constants are prepared), evaluating is not.
pub struct Program {
    nodes: Vec<Node>,
    outputs: Vec<usize>,
}

/// One distinct part of the expressions.
struct Node {
    step: Step,
    /// Whether evaluating it can fail for some row.
    can_fail: bool,
    /// The columns of the input that it reads, in no order.
    columns: Vec<usize>,
    /// What it computes, for messages and types.
    expr: Expr,
}

/// How a part is computed from others.
enum Step {
    Column(usize),
    Literal(Value),
    Cast { input: usize, mode: CastMode, zone: Zone },
    Case { branches: Vec<(usize, usize)>, otherwise: usize },
    And(Vec<usize>),
    Or(Vec<usize>),
    Not(usize),
    IsNull(usize),
    IsTrue(usize),
    Compare { op: Comparison, left: usize, right: usize },
    In { input: usize, list: Vec<Value> },
    Arithmetic { op: Arithmetic, left: usize, right: usize },
    Call { kernel: Kernel, args: Vec<usize> },
}

impl Program {
    /// Makes a program that gives one column for each of `exprs`.
    ///
    /// # Errors
    /// When a constant argument is one that its function cannot work with (a wrong pattern).
    pub fn compile(exprs: &[Expr]) -> Result<Self, EvalError> {
        let mut compiler = Compiler { nodes: Vec::new(), known: FxHashMap::default() };
        let outputs = exprs.iter().map(|e| compiler.add(e)).collect::<Result<_, _>>()?;
        Ok(Self { nodes: compiler.nodes, outputs })
    }

    /// Evaluates over the rows of `batch`, whose columns are those that the expressions were made for. Each column of
    /// the result has as many rows.
    ///
    /// # Errors
    /// When a row has no result; the error names expression and value.
    pub fn evaluate(&self, batch: &RecordBatch) -> Result<Vec<ArrayRef>, EvalError> {
        if batch.num_rows() == 0 {
            let empty = |&output: &usize| new_empty_array(&self.nodes[output].expr.data_type.arrow());
            return Ok(self.outputs.iter().map(empty).collect());
        }
        let names = |index: usize| batch.schema().field(index).name().clone();
        let mut evaluation = Evaluation::new(self, batch.columns(), batch.num_rows());
        let mut outputs = Vec::with_capacity(self.outputs.len());
        for &output in &self.outputs {
            let value = evaluation.value(output).map_err(|e| self.named(e, &names))?;
            outputs.push(value.into_array(batch.num_rows())?);
        }
        Ok(outputs)
    }

    /// The error with the expression that it came from as SQL.
    fn named(&self, failure: Failure, names: &dyn Fn(usize) -> String) -> EvalError {
        let expression = self.nodes[failure.node].expr.shown(names).to_string();
        EvalError { expression, message: failure.error.message }
    }
}

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = |index: usize| format!("${index}");
        let outputs = self.outputs.iter().map(|&o| self.nodes[o].expr.shown(&names).to_string());
        f.debug_list().entries(outputs).finish()
    }
}

/// An error and the part of the program that it came from.
struct Failure {
    node: usize,
    error: EvalError,
}

struct Compiler {
    nodes: Vec<Node>,
    known: FxHashMap<Expr, usize>,
}

impl Compiler {
    fn add(&mut self, expr: &Expr) -> Result<usize, EvalError> {
        if let Some(&known) = self.known.get(expr) {
            return Ok(known);
        }
        let step = self.step(expr)?;
        let can_fail = fails_itself(expr) || expr.children().into_iter().any(|c| self.known_fails(c));
        let mut columns = Vec::new();
        expr.each_column(&mut |c| {
            if !columns.contains(&c) {
                columns.push(c);
            }
        });
        self.nodes.push(Node { step, can_fail, columns, expr: expr.clone() });
        self.known.insert(expr.clone(), self.nodes.len() - 1);
        Ok(self.nodes.len() - 1)
    }

    fn known_fails(&self, child: &Expr) -> bool {
        self.known.get(child).is_none_or(|&node| self.nodes[node].can_fail)
    }

    fn all(&mut self, exprs: &[Expr]) -> Result<Vec<usize>, EvalError> {
        exprs.iter().map(|e| self.add(e)).collect()
    }

    fn step(&mut self, expr: &Expr) -> Result<Step, EvalError> {
        Ok(match &expr.kind {
            ExprKind::Column(index) => Step::Column(*index),
            ExprKind::Literal(value) => Step::Literal(Value::constant(value.to_array(expr.data_type))),
            ExprKind::Cast { input, mode, zone } => Step::Cast { input: self.add(input)?, mode: *mode, zone: *zone },
            ExprKind::Case { branches, otherwise } => {
                let branch = |(when, then): &(Expr, Expr)| Ok((self.add(when)?, self.add(then)?));
                let branches = branches.iter().map(branch).collect::<Result<_, EvalError>>()?;
                Step::Case { branches, otherwise: self.add(otherwise)? }
            }
            ExprKind::And(parts) => Step::And(self.all(parts)?),
            ExprKind::Or(parts) => Step::Or(self.all(parts)?),
            ExprKind::Not(e) => Step::Not(self.add(e)?),
            ExprKind::IsNull(e) => Step::IsNull(self.add(e)?),
            ExprKind::IsTrue(e) => Step::IsTrue(self.add(e)?),
            ExprKind::Compare { op, left, right } => {
                Step::Compare { op: *op, left: self.add(left)?, right: self.add(right)? }
            }
            ExprKind::In { input, list } => {
                let list = list.iter().map(|v| Value::constant(v.to_array(input.data_type))).collect();
                Step::In { input: self.add(input)?, list }
            }
            ExprKind::Arithmetic { op, left, right } => {
                Step::Arithmetic { op: *op, left: self.add(left)?, right: self.add(right)? }
            }
            ExprKind::Call { function, args, zone } => {
                let site = CallSite { args, returns: expr.data_type, zone: *zone };
                let kernel = function.prepare(&site).map_err(|error| EvalError {
                    expression: expr.shown(&|index| format!("${index}")).to_string(),
                    ..error
                })?;
                Step::Call { kernel, args: self.all(args)? }
            }
        })
    }
}

/// Whether the operation itself, its operands aside, can fail for some row.
fn fails_itself(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Cast { input, mode, .. } => cast::can_fail(input.data_type, *mode),
        ExprKind::Call { function, .. } => function.can_fail(),
        ExprKind::Arithmetic { op: Arithmetic::Divide | Arithmetic::Remainder, right, .. } => {
            let exact = !matches!(right.data_type, DataType::Float | DataType::Double);
            exact && !matches!(right.as_literal(), Some(Scalar::Integer(1..) | Scalar::Decimal(1..) | Scalar::Null))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::Zone;
    use super::*;
    use crate::types::Field;
    use arrow_array::cast::AsArray;
    use arrow_array::types::Int32Type;
    use arrow_array::{Array, Int32Array, StringArray};
    use arrow_schema::{DataType as ArrowType, Field as ArrowField, Schema};
    use std::sync::Arc;

    fn column(index: usize, data_type: DataType) -> Expr {
        Expr::column(index, &Field { name: "c".into(), data_type, nullable: true })
    }

    fn batch(texts: &[Option<&str>], numbers: &[Option<i32>]) -> RecordBatch {
        let schema = Schema::new(vec![
            ArrowField::new("s", ArrowType::Utf8, true),
            ArrowField::new("n", ArrowType::Int32, true),
        ]);
        let columns: Vec<ArrayRef> =
            vec![Arc::new(StringArray::from(texts.to_vec())), Arc::new(Int32Array::from(numbers.to_vec()))];
        RecordBatch::try_new(Arc::new(schema), columns).unwrap()
    }

    fn to_int(text: Expr) -> Expr {
        text.cast(DataType::Int, CastMode::Strict, Zone::UTC)
    }

    fn number(value: i64) -> Expr {
        Expr::literal(Scalar::Integer(value), DataType::Int)
    }

    #[test]
    fn a_branch_that_is_not_taken_cannot_fail() {
        let (s, n) = (column(0, DataType::STRING), column(1, DataType::Int));
        let positive = Expr::compare(Comparison::Greater, n, number(0));
        let case = Expr::case(vec![(positive.clone(), to_int(s.clone()))], number(-1), DataType::Int);
        let rows = batch(&[Some("7"), Some("x"), None, Some("y")], &[Some(1), Some(0), Some(2), None]);
        let out = Program::compile(&[case]).unwrap().evaluate(&rows).unwrap();
        let values: Vec<_> = out[0].as_primitive::<Int32Type>().iter().collect();
        assert_eq!(values, [Some(7), Some(-1), None, Some(-1)]);

        let is_seven = Expr::compare(Comparison::Equal, to_int(s), number(7));
        let both = Expr::and(vec![positive.clone(), is_seven.clone()]);
        let rows = batch(&[Some("7"), Some("x")], &[Some(1), Some(0)]);
        let out = Program::compile(&[both]).unwrap().evaluate(&rows).unwrap();
        assert_eq!(out[0].as_boolean().iter().collect::<Vec<_>>(), [Some(true), Some(false)]);

        let either = Expr::or(vec![positive.negate(), is_seven]);
        let out = Program::compile(&[either]).unwrap().evaluate(&rows).unwrap();
        assert_eq!(out[0].as_boolean().iter().collect::<Vec<_>>(), [Some(true), Some(true)]);
    }

    #[test]
    fn an_error_names_expression_and_value() {
        let program = Program::compile(&[to_int(column(0, DataType::STRING))]).unwrap();
        let error = program.evaluate(&batch(&[Some("x")], &[None])).unwrap_err();
        assert_eq!(error.to_string(), "cannot evaluate CAST(s AS INT): 'x' cannot be read as INT");
    }

    #[test]
    fn a_constant_fills_the_batch() {
        let program = Program::compile(&[Expr::text("a"), Expr::null(DataType::Int)]).unwrap();
        let out = program.evaluate(&batch(&[None, None, None], &[None, None, None])).unwrap();
        assert_eq!(out[0].as_string::<i32>().iter().collect::<Vec<_>>(), [Some("a"); 3]);
        assert_eq!((out[1].len(), out[1].null_count()), (3, 3));
    }

    #[test]
    fn common_parts_are_one_node() {
        let n = column(1, DataType::Int);
        let twice = |e: &Expr| Expr {
            kind: ExprKind::Arithmetic { op: Arithmetic::Add, left: Box::new(e.clone()), right: Box::new(e.clone()) },
            data_type: DataType::Int,
            nullable: true,
        };
        let program = Program::compile(&[twice(&twice(&n)), twice(&n)]).unwrap();
        assert_eq!(program.nodes.len(), 3);
    }
}
