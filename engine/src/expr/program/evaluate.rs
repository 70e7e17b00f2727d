//! The evaluation of one batch: values are computed when they are first asked for and kept; what can fail is computed
//! for the rows that need it alone.

use super::super::arithmetic;
use super::super::cast;
use super::super::compare;
use super::super::value::Value;
use super::super::{Comparison, EvalError};
use super::{Failure, Program, Step};
use crate::types::DataType;
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BooleanArray, UInt32Array, new_empty_array};
use arrow_buffer::BooleanBuffer;
use std::sync::Arc;

/// The values of one batch, or of some of its rows.
pub(super) struct Evaluation<'a> {
    program: &'a Program,
    columns: &'a [ArrayRef],
    rows: usize,
    known: Vec<Option<Value>>,
}

impl<'a> Evaluation<'a> {
    pub(super) fn new(program: &'a Program, columns: &'a [ArrayRef], rows: usize) -> Self {
        Self { program, columns, rows, known: vec![None; program.nodes.len()] }
    }

    /// The value of a node for all rows.
    pub(super) fn value(&mut self, node: usize) -> Result<Value, Failure> {
        if let Some(value) = &self.known[node] {
            return Ok(value.clone());
        }
        let value = self.compute(node)?;
        self.known[node] = Some(value.clone());
        Ok(value)
    }

    fn values(&mut self, nodes: &[usize]) -> Result<Vec<Value>, Failure> {
        nodes.iter().map(|&n| self.value(n)).collect()
    }

    fn type_of(&self, node: usize) -> DataType {
        self.program.nodes[node].expr.data_type
    }

    fn compute(&mut self, node: usize) -> Result<Value, Failure> {
        let program = self.program;
        let at = |error: EvalError| Failure { node, error };
        match &program.nodes[node].step {
            Step::Column(index) => Ok(Value::column(Arc::clone(&self.columns[*index]))),
            Step::Literal(value) => Ok(value.clone()),
            Step::Case { branches, otherwise } => self.case(node, branches, *otherwise),
            Step::And(parts) => self.junction(node, parts, true),
            Step::Or(parts) => self.junction(node, parts, false),
            Step::Cast { input, mode, zone } => {
                let value = self.value(*input)?;
                let types = (self.type_of(*input), self.type_of(node));
                let array = cast::cast(&value, types, *mode, *zone).map_err(at)?;
                Ok(Value { array, scalar: value.scalar })
            }
            Step::Not(input) => {
                self.boolean(*input, |b| arrow_arith::boolean::not(b).map_err(Into::into)).map_err(at)?
            }
            Step::IsNull(input) => {
                let value = self.value(*input)?;
                let array = arrow_arith::boolean::is_null(&value.array).map_err(|e| at(e.into()))?;
                Ok(Value { array: Arc::new(array), scalar: value.scalar })
            }
            Step::IsTrue(input) => self.boolean(*input, |b| Ok(known_true(b))).map_err(at)?,
            Step::Compare { op, left, right } => {
                let (l, r) = (self.value(*left)?, self.value(*right)?);
                let types = (self.type_of(*left), self.type_of(*right));
                let array = compare::compare(*op, &l, &r, types).map_err(at)?;
                Ok(Value { array: Arc::new(array), scalar: l.scalar && r.scalar })
            }
            Step::In { input, list } => {
                let value = self.value(*input)?;
                is_in(&value, list, self.type_of(*input)).map_err(at)
            }
            Step::Arithmetic { op, left, right } => {
                let (l, r) = (self.value(*left)?, self.value(*right)?);
                let types = (self.type_of(*left), self.type_of(*right));
                let array = arithmetic::evaluate(*op, &l, &r, types, self.type_of(node)).map_err(at)?;
                Ok(Value { array, scalar: l.scalar && r.scalar })
            }
            Step::Call { kernel, args } => {
                let args = self.values(args)?;
                let scalar = !args.is_empty() && args.iter().all(|a| a.scalar);
                let array = kernel(&args, if scalar { 1 } else { self.rows }).map_err(at)?;
                Ok(Value { array, scalar })
            }
        }
    }

    /// Applies `f` to a boolean; the outer result is the operand's, the inner one that of `f`.
    #[allow(clippy::type_complexity, reason = "two errors of different origin, told apart by the caller")]
    fn boolean(
        &mut self,
        input: usize,
        f: impl Fn(&BooleanArray) -> Result<BooleanArray, EvalError>,
    ) -> Result<Result<Value, Failure>, EvalError> {
        let value = match self.value(input) {
            Ok(value) => value,
            Err(failure) => return Ok(Err(failure)),
        };
        let array = f(value.array.as_boolean())?;
        Ok(Ok(Value { array: Arc::new(array), scalar: value.scalar }))
    }

    /// A boolean for every row.
    fn booleans(&mut self, node: usize) -> Result<BooleanArray, Failure> {
        let value = self.value(node)?;
        let array = value.into_array(self.rows).map_err(|error| Failure { node, error })?;
        Ok(array.as_boolean().clone())
    }

    /// `AND` (`all`) or `OR` from left to right; what can fail is evaluated where it still matters.
    fn junction(&mut self, node: usize, parts: &[usize], all: bool) -> Result<Value, Failure> {
        let mut result = self.booleans(parts[0])?;
        for &part in &parts[1..] {
            let undecided = if all { not_false(&result) } else { not_true(&result) };
            if undecided.count_set_bits() == 0 {
                break;
            }
            let next = if !self.program.nodes[part].can_fail || undecided.count_set_bits() == self.rows {
                self.booleans(part)?
            } else {
                self.where_true(part, &undecided)?.as_boolean().clone()
            };
            let joined = if all {
                arrow_arith::boolean::and_kleene(&result, &next)
            } else {
                arrow_arith::boolean::or_kleene(&result, &next)
            };
            result = joined.map_err(|e| Failure { node, error: e.into() })?;
        }
        Ok(Value::column(Arc::new(result)))
    }

    /// The value of a node for the rows chosen, null for the others.
    fn where_true(&mut self, node: usize, chosen: &BooleanBuffer) -> Result<ArrayRef, Failure> {
        let compact = self.compact(node, chosen)?;
        let mut next = 0;
        let places = chosen.iter().map(|is| {
            next += u32::from(is);
            is.then(|| next - 1)
        });
        let places: UInt32Array = places.collect();
        arrow_select::take::take(&compact, &places, None).map_err(|e| Failure { node, error: e.into() })
    }

    /// The value of a node for the rows chosen, one after the other.
    fn compact(&mut self, node: usize, chosen: &BooleanBuffer) -> Result<ArrayRef, Failure> {
        let fault = |e: arrow_schema::ArrowError| Failure { node, error: e.into() };
        let mask = BooleanArray::new(chosen.clone(), None);
        let filter = arrow_select::filter::FilterBuilder::new(&mask).optimize().build();
        let count = chosen.count_set_bits();
        if count == 0 {
            // Nothing is computed for no row, not even a constant that would fail.
            return Ok(new_empty_array(&self.type_of(node).arrow()));
        }
        let mut columns = self.columns.to_vec();
        for &column in &self.program.nodes[node].columns {
            columns[column] = filter.filter(&self.columns[column]).map_err(fault)?;
        }
        let value = Evaluation::new(self.program, &columns, count).value(node)?;
        value.into_array(count).map_err(|error| Failure { node, error })
    }

    fn case(&mut self, node: usize, branches: &[(usize, usize)], otherwise: usize) -> Result<Value, Failure> {
        let fails = |n: usize| self.program.nodes[n].can_fail;
        if branches.iter().any(|&(when, then)| fails(when) || fails(then)) || fails(otherwise) {
            return self.careful_case(node, branches, otherwise);
        }
        let fault = |error: EvalError| Failure { node, error };
        let mut result = self.value(otherwise)?;
        for &(when, then) in branches.iter().rev() {
            let mask = known_true(&self.booleans(when)?);
            let then = self.value(then)?;
            // Both sides may be constants; a mask always has all rows.
            let zipped = arrow_select::zip::zip(&mask, &then, &result).map_err(|e| fault(e.into()))?;
            result = Value::column(zipped);
        }
        Ok(result)
    }

    /// A `CASE` of which something can fail: each part is evaluated for the rows that reach it.
    fn careful_case(&mut self, node: usize, branches: &[(usize, usize)], otherwise: usize) -> Result<Value, Failure> {
        let mut open = BooleanBuffer::new_set(self.rows);
        let mut parts = Vec::with_capacity(branches.len() + 1);
        let mut origin = vec![(0_usize, 0_usize); self.rows];
        for &(when, then) in branches {
            let taken = known_true(self.where_true(when, &open)?.as_boolean()).values().clone();
            open = &open & &!&taken;
            parts.push(self.taken(then, &taken, parts.len(), &mut origin)?);
        }
        parts.push(self.taken(otherwise, &open, parts.len(), &mut origin)?);
        let arrays: Vec<&dyn Array> = parts.iter().map(|a| &**a).collect();
        let joined = arrow_select::interleave::interleave(&arrays, &origin);
        joined.map(Value::column).map_err(|e| Failure { node, error: e.into() })
    }

    /// The values of the rows that take a branch, and for each of them where it stands.
    fn taken(
        &mut self,
        node: usize,
        rows: &BooleanBuffer,
        branch: usize,
        origin: &mut [(usize, usize)],
    ) -> Result<ArrayRef, Failure> {
        for (place, row) in rows.set_indices().enumerate() {
            origin[row] = (branch, place);
        }
        self.compact(node, rows)
    }
}

/// True where the value is true, false where it is false or null.
fn known_true(values: &BooleanArray) -> BooleanArray {
    match values.nulls() {
        Some(nulls) => BooleanArray::new(values.values() & nulls.inner(), None),
        None => values.clone(),
    }
}

fn not_false(values: &BooleanArray) -> BooleanBuffer {
    match values.nulls() {
        Some(nulls) => values.values() | &!nulls.inner(),
        None => values.values().clone(),
    }
}

fn not_true(values: &BooleanArray) -> BooleanBuffer {
    !known_true(values).values()
}

/// Whether each value equals one of the constants.
fn is_in(value: &Value, list: &[Value], data_type: DataType) -> Result<Value, EvalError> {
    let mut result: Option<BooleanArray> = None;
    for candidate in list {
        let equal = compare::compare(Comparison::Equal, value, candidate, (data_type, data_type))?;
        result = Some(match result {
            None => equal,
            Some(before) => arrow_arith::boolean::or_kleene(&before, &equal)?,
        });
    }
    let array = result.unwrap_or_else(|| BooleanArray::new(BooleanBuffer::new_unset(value.array.len()), None));
    Ok(Value { array: Arc::new(array), scalar: value.scalar })
}
