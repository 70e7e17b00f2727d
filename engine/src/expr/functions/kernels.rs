//! Shapes that many functions share: typed rows in, one builder out, null in giving null out.

use super::super::EvalError;
use super::super::value::{Value, integer_at};
use arrow_array::Array;

/// The integers of an argument, whatever they stand for.
pub(super) struct Integers<'a> {
    value: &'a Value,
}

impl<'a> Integers<'a> {
    pub(super) fn of(value: &'a Value) -> Self {
        Self { value }
    }

    /// The integer of row `row`, `None` when it is null.
    pub(super) fn get(&self, row: usize) -> Result<Option<i64>, EvalError> {
        let array = &self.value.array;
        let row = if self.value.scalar { 0 } else { row };
        if array.is_null(row) {
            return Ok(None);
        }
        integer_at(array, row).map(Some).ok_or_else(|| EvalError::mismatch("integers", array.data_type()))
    }
}
