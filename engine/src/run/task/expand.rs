//! A table function: each row joined to the rows that the function gives for it.

use crate::expr::{EvalError, Program};
use crate::functions::{TableRef, TableRows};
use crate::run::error::JobError;
use crate::types::Field;
use arrow_array::{Array, RecordBatch, UInt32Array};
use arrow_schema::SchemaRef;
use arrow_select::take::{take, take_record_batch};

/// Most rows that a function is called with at once: what it gives for them is held in memory.
const ROWS_MAX: usize = 1_024;

/// Joins rows to what a table function gives for them.
pub(crate) struct Expander {
    pub(crate) function: TableRef,
    pub(crate) args: Program,
    /// The function's own columns, which stand behind those of the input.
    pub(crate) fields: Vec<Field>,
    /// A row for which the function gives nothing is kept, with nulls (`LEFT JOIN`).
    pub(crate) outer: bool,
    pub(crate) schema: SchemaRef,
    pub(crate) label: String,
}

impl Expander {
    /// The pieces of `batch` that are worked on one after the other.
    pub(crate) fn pieces(batch: &RecordBatch) -> impl Iterator<Item = RecordBatch> + use<> {
        let batch = batch.clone();
        let rows = batch.num_rows();
        (0..rows).step_by(ROWS_MAX).map(move |from| batch.slice(from, ROWS_MAX.min(rows - from)))
    }

    /// The rows of one piece, joined.
    pub(crate) fn expand(&self, piece: &RecordBatch) -> Result<RecordBatch, JobError> {
        let args = self.args.evaluate(piece).map_err(JobError::evaluate(&self.label))?;
        let found = self.function.call(&args, piece.num_rows(), &self.fields).map_err(|error| {
            let expression = format!("TABLE({}(…))", self.function.name());
            JobError::Evaluate { place: self.label.clone(), error: EvalError { expression, message: error.message } }
        })?;
        self.join(piece, &found).map_err(JobError::arrow(&self.label))
    }

    fn join(&self, piece: &RecordBatch, found: &TableRows) -> Result<RecordBatch, arrow_schema::ArrowError> {
        let (mut left, mut right) = (Vec::new(), Vec::new());
        let mut next = 0;
        for row in 0..piece.num_rows() as u32 {
            let first = next;
            while found.origin.get(next) == Some(&row) {
                left.push(row);
                right.push(Some(next as u32));
                next += 1;
            }
            if first == next && self.outer {
                left.push(row);
                right.push(None);
            }
        }
        let mut columns = take_record_batch(piece, &UInt32Array::from(left))?.columns().to_vec();
        let right = UInt32Array::from(right);
        for column in &found.columns {
            // Nothing to take from is nothing but nulls.
            columns.push(match column.is_empty() {
                true => arrow_array::new_null_array(column.data_type(), right.len()),
                false => take(column, &right, None)?,
            });
        }
        RecordBatch::try_new(self.schema.clone(), columns)
    }
}
