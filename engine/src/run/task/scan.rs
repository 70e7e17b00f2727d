//! From what a split gives to the rows of a table: decoding, computed columns, and the event time of what was read.

use super::order::Timing;
use super::records::{RecordDecoder, Refuse};
use crate::expr::{Expr, ExprKind, Program};
use crate::plan::TableDef;
use crate::port::{KeyFormat, PayloadBlock, RecordBlock, RecordLayout, RowKind};
use crate::run::decode::{JsonDecoder, JsonOptions, OnParseError};
use crate::run::error::JobError;
use crate::types::{Field, Schema};
use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMillisecondType;
use arrow_array::{Array, ArrayRef, Int8Array, RecordBatch, RecordBatchOptions};
use arrow_schema::SchemaRef;
use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

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
    /// Decodes records by key and value, where they come so.
    records: Option<RecordDecoder>,
    program: Program,
    /// Whether `program` ends with watermark and rowtime.
    timed: bool,
    /// A row without event time fails the job.
    strict: bool,
    /// Whether a last column says what happens to each row, which replaces others or goes away.
    upserts: bool,
    output: SchemaRef,
}

/// What comes of a table beside its rows.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    /// Rows replace others or go away.
    pub(crate) upserts: bool,
    /// How records become rows, where they come by key and value.
    pub(crate) layout: Option<RecordLayout>,
}

impl Reading {
    /// What is done with a record of the table that cannot be read, by its key or its value. `strict` is what is meant where
    /// neither says anything: that the job fails.
    pub(crate) fn on_parse_error(&self, table: &TableDef, strict: bool) -> Result<OnParseError, JobError> {
        if !JsonOptions::is_given(&table.options) {
            return Ok(OnParseError::Count);
        }
        let options = JsonOptions::parse(&table.options).map_err(JobError::port(&table.name))?;
        let key = self.layout.as_ref().map(|layout| layout.key_format);
        if matches!(key, Some(KeyFormat::Json(key)) if key.on_parse_error == OnParseError::Fail) {
            return Ok(OnParseError::Fail);
        }
        Ok(match options.on_parse_error {
            OnParseError::Count if strict => OnParseError::Fail,
            other => other,
        })
    }
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
    pub(crate) fn new(
        table: &TableDef,
        columns: &[usize],
        output: &Schema,
        strict: bool,
        reading: &Reading,
    ) -> Result<Self, JobError> {
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
        let physical_schema = Schema { fields: fields.clone() }.arrow();
        let (mut decoder, mut records) = (None, None);
        if JsonOptions::is_given(&table.options) {
            let options = JsonOptions::parse(&table.options).map_err(JobError::port(&table.name))?;
            decoder = Some(JsonDecoder::new(&fields, options));
            records = reading.layout.as_ref().map(|layout| {
                let parts = (physical.as_slice(), fields.as_slice());
                RecordDecoder::new(layout, options, parts, reading.upserts, physical_schema.clone())
            });
        }
        let mut ordinal = Vec::new();
        for (index, computed) in table.computed.iter().enumerate() {
            ordinal.push(computed.is_none().then(|| table.computed[..index].iter().filter(|c| c.is_none()).count()));
        }
        Ok(Self {
            table: table.name.clone(),
            physical_schema,
            physical,
            ordinal,
            decoder,
            records,
            program: Program::compile(&exprs).map_err(JobError::evaluate(&table.name))?,
            timed: table.watermark.is_some(),
            strict,
            upserts: reading.upserts,
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
        batches.into_iter().map(|b| self.compute(&b, None)).collect()
    }

    /// Decodes records by key and value, as [`Scan::decode`] does it with payloads.
    pub(crate) fn decode_records(
        &mut self,
        block: &RecordBlock,
        bad: &mut Refuse<'_>,
    ) -> Result<Vec<Scanned>, JobError> {
        let Some(decoder) = &mut self.records else {
            return Err(JobError::internal(
                &self.table,
                "records came by key and value, and nobody said how to read them",
            ));
        };
        let mut batches = Vec::new();
        let mut from = 0;
        while from < block.rows.len() {
            let rows: Range<usize> = from..block.rows.len().min(from + BATCH_ROWS_MAX);
            from = rows.end;
            batches.push(decoder.decode(block, rows, bad).map_err(JobError::arrow(&self.table))?);
        }
        batches.into_iter().map(|(batch, kinds)| self.compute(&batch, Some(&kinds))).collect()
    }

    /// Takes rows that hold all physical columns of the table.
    pub(crate) fn rows(&self, batch: &RecordBatch) -> Result<Scanned, JobError> {
        let column = |c: &usize| self.ordinal[*c].and_then(|o| batch.columns().get(o)).cloned();
        let columns: Option<Vec<ArrayRef>> = self.physical.iter().map(column).collect();
        let columns = columns.ok_or_else(|| JobError::internal(&self.table, "the source left out a column"))?;
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        let chosen = RecordBatch::try_new_with_options(self.physical_schema.clone(), columns, &options);
        self.compute(&chosen.map_err(JobError::arrow(&self.table))?, None)
    }

    /// `kinds` say what happens to each row; where they do not and rows replace others, all do.
    fn compute(&self, physical: &RecordBatch, kinds: Option<&[RowKind]>) -> Result<Scanned, JobError> {
        let mut columns = self.program.evaluate(physical).map_err(JobError::evaluate(&self.table))?;
        let timing = match self.timed {
            true => columns.pop().zip(columns.pop()).map(|(times, watermarks)| Timing { watermarks, times }),
            false => None,
        };
        // A row that goes away has no time.
        let adds = |row: usize| kinds.is_none_or(|kinds| kinds[row].adds());
        let timeless = |t: &Timing| (0..t.times.len()).any(|row| t.times.is_null(row) && adds(row));
        if self.strict && timing.as_ref().is_some_and(|t| t.times.null_count() > 0 && timeless(t)) {
            return Err(JobError::Timeless { place: format!("table {}", self.table) });
        }
        let watermark = timing.as_ref().map_or(i64::MIN, |t| maximum(t.watermarks.as_ref()));
        if self.upserts {
            let kind = |row: usize| kinds.map_or(RowKind::UpdateAfter, |kinds| kinds[row]) as i8;
            let changes: Int8Array = (0..physical.num_rows()).map(|row| Some(kind(row))).collect();
            columns.push(Arc::new(changes));
        }
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
