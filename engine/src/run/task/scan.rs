//! From what a split gives to the rows of a table: decoding, computed columns, and the event time of what was read.

use super::order::Timing;
use crate::expr::{Expr, ExprKind, Program};
use crate::plan::TableDef;
use crate::port::PayloadBlock;
use crate::run::decode::{JsonDecoder, JsonOptions};
use crate::run::error::JobError;
use crate::types::{Field, Schema};
use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMillisecondType;
use arrow_array::{Array, ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_schema::SchemaRef;
use std::collections::BTreeSet;
use std::ops::Range;

/// Most rows of one batch.
const BATCH_ROWS_MAX: usize = 8_192;

/// The columns that a job reads of one table.
pub(crate) struct Scan {
    table: String,
    /// Physical columns that are read, by their index in the table.
    physical: Vec<usize>,
    /// The schema of batches of these columns.
    physical_schema: SchemaRef,
    /// For each physical column of the table its place among them.
    ordinal: Vec<Option<usize>>,
    decoder: Option<JsonDecoder>,
    program: Program,
    /// Whether `program` ends with watermark and rowtime.
    timed: bool,
    /// A row without event time fails the job.
    strict: bool,
    output: SchemaRef,
}

/// Rows of a table and what they say of event time.
pub(crate) struct Scanned {
    pub(crate) rows: RecordBatch,
    /// The event time of each row; `None` for a table without a watermark.
    pub(crate) timing: Option<Timing>,
    /// The greatest watermark that a row implies; `i64::MIN` when none implies one.
    pub(crate) watermark: i64,
}

impl Scan {
    /// A scan that gives `columns` of the table, whose fields are those of `output`. Payloads can be decoded only when
    /// the table has a format that is known; others must come as rows.
    pub(crate) fn new(table: &TableDef, columns: &[usize], output: &Schema, strict: bool) -> Result<Self, JobError> {
        let mut exprs: Vec<Expr> = columns.iter().map(|c| expand(table, *c)).collect();
        if let Some(watermark) = &table.watermark {
            exprs.push(watermark.expr.map_columns(&mut |c, _| expand(table, c)));
            exprs.push(expand(table, watermark.column));
        }
        let mut needed: BTreeSet<usize> = BTreeSet::new();
        exprs.iter().for_each(|e| e.each_column(&mut |c| needed.extend([c])));
        let physical: Vec<usize> = needed.into_iter().collect();
        let fields: Vec<Field> = physical.iter().map(|c| nullable(&table.schema.fields[*c])).collect();
        let placed =
            |e: &Expr| e.map_columns(&mut |c, e| Expr { kind: ExprKind::Column(place(&physical, c)), ..e.clone() });
        let exprs: Vec<Expr> = exprs.iter().map(placed).collect();
        let decoder = match JsonOptions::is_given(&table.options) {
            true => {
                let options = JsonOptions::parse(&table.options).map_err(JobError::port(&table.name))?;
                Some(JsonDecoder::new(&fields, options))
            }
            false => None,
        };
        let mut ordinal = Vec::new();
        for (index, computed) in table.computed.iter().enumerate() {
            ordinal.push(computed.is_none().then(|| table.computed[..index].iter().filter(|c| c.is_none()).count()));
        }
        Ok(Self {
            table: table.name.clone(),
            physical_schema: Schema { fields }.arrow(),
            physical,
            ordinal,
            decoder,
            program: Program::compile(&exprs).map_err(JobError::evaluate(&table.name))?,
            timed: table.watermark.is_some(),
            strict,
            output: Schema { fields: output.fields.iter().map(nullable).collect() }.arrow(),
        })
    }

    /// Decodes a block into batches; each payload that cannot be read is handed to `bad` with its index and the reason.
    pub(crate) fn decode(
        &mut self,
        block: &PayloadBlock,
        bad: &mut dyn FnMut(usize, String),
    ) -> Result<Vec<Scanned>, JobError> {
        let Some(decoder) = &mut self.decoder else {
            return Err(JobError::Plan(format!("table {} needs a 'format' option; supported: json", self.table)));
        };
        let mut batches = Vec::new();
        let mut from = 0;
        while from < block.rows.len() {
            let rows: Range<usize> = from..block.rows.len().min(from + BATCH_ROWS_MAX);
            from = rows.end;
            batches.push(decoder.decode(block, rows, bad).map_err(JobError::arrow(&self.table))?);
        }
        batches.into_iter().map(|b| self.compute(&b)).collect()
    }

    /// Takes rows that hold all physical columns of the table.
    pub(crate) fn rows(&self, batch: &RecordBatch) -> Result<Scanned, JobError> {
        let column = |c: &usize| self.ordinal[*c].and_then(|o| batch.columns().get(o)).cloned();
        let columns: Option<Vec<ArrayRef>> = self.physical.iter().map(column).collect();
        let columns = columns.ok_or_else(|| JobError::internal(&self.table, "the source left out a column"))?;
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        let chosen = RecordBatch::try_new_with_options(self.physical_schema.clone(), columns, &options);
        self.compute(&chosen.map_err(JobError::arrow(&self.table))?)
    }

    fn compute(&self, physical: &RecordBatch) -> Result<Scanned, JobError> {
        let mut columns = self.program.evaluate(physical).map_err(JobError::evaluate(&self.table))?;
        let timing = match self.timed {
            true => columns.pop().zip(columns.pop()).map(|(times, watermarks)| Timing { watermarks, times }),
            false => None,
        };
        if self.strict && timing.as_ref().is_some_and(|t| t.times.null_count() > 0) {
            return Err(JobError::Timeless { place: format!("table {}", self.table) });
        }
        let watermark = timing.as_ref().map_or(i64::MIN, |t| maximum(t.watermarks.as_ref()));
        let options = RecordBatchOptions::new().with_row_count(Some(physical.num_rows()));
        let rows = RecordBatch::try_new_with_options(self.output.clone(), columns, &options);
        Ok(Scanned { rows: rows.map_err(JobError::arrow(&self.table))?, timing, watermark })
    }
}

/// A record may always lack a member, whatever the declaration says of nulls.
fn nullable(field: &Field) -> Field {
    Field { nullable: true, ..field.clone() }
}

/// A column of the table as an expression over its physical columns.
fn expand(table: &TableDef, column: usize) -> Expr {
    match table.computed.get(column) {
        Some(Some(expr)) => expr.clone(),
        _ => Expr::column(column, &nullable(&table.schema.fields[column])),
    }
}

fn place(physical: &[usize], column: usize) -> usize {
    physical.iter().position(|p| *p == column).unwrap_or(usize::MAX)
}

/// The greatest value of a time column; `i64::MIN` when it has none.
fn maximum(array: &dyn Array) -> i64 {
    let Some(times) = array.as_primitive_opt::<TimestampMillisecondType>() else { return i64::MIN };
    match times.nulls().filter(|n| n.null_count() > 0) {
        None => times.values().iter().copied().max().unwrap_or(i64::MIN),
        Some(_) => times.iter().flatten().max().unwrap_or(i64::MIN),
    }
}
