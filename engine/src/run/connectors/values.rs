//! `VALUES`: constant rows as a source of one split.

use crate::expr::{EvalError, Expr, Program};
use crate::plan::TableDef;
use crate::port::{Cursor, PortError, Source, SplitId, SplitInfo, SplitRead, SplitReader, Waker};
use crate::types::{Field, Schema};
use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_schema::Schema as ArrowSchema;
use model::Position;
use std::collections::BTreeMap;
use std::sync::Arc;

pub(crate) struct ValuesSource {
    rows: RecordBatch,
}

impl ValuesSource {
    /// A source of the given rows, each of as many constant expressions as `schema` has fields.
    pub(crate) fn new(rows: &[Vec<Expr>], schema: &Schema) -> Result<Self, EvalError> {
        let one = RecordBatchOptions::new().with_row_count(Some(1));
        let nothing = RecordBatch::try_new_with_options(Arc::new(ArrowSchema::empty()), Vec::new(), &one)?;
        let mut evaluated: Vec<Vec<ArrayRef>> = Vec::new();
        for row in rows {
            evaluated.push(Program::compile(row)?.evaluate(&nothing)?);
        }
        let mut columns = Vec::new();
        for index in 0..schema.fields.len() {
            let parts: Vec<&dyn arrow_array::Array> = evaluated.iter().map(|r| r[index].as_ref()).collect();
            columns.push(match parts.is_empty() {
                true => arrow_array::new_empty_array(&schema.fields[index].data_type.arrow()),
                false => arrow_select::concat::concat(&parts)?,
            });
        }
        let table = Self::table(schema);
        let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
        Ok(Self { rows: RecordBatch::try_new_with_options(table.schema.arrow(), columns, &options)? })
    }

    /// The rows as a table without options.
    pub(crate) fn table(schema: &Schema) -> TableDef {
        let nullable = |f: &Field| Field { nullable: true, ..f.clone() };
        TableDef {
            name: "VALUES".into(),
            computed: vec![None; schema.fields.len()],
            schema: Schema { fields: schema.fields.iter().map(nullable).collect() },
            watermark: None,
            primary_key: Vec::new(),
            options: BTreeMap::new(),
        }
    }
}

impl Source for ValuesSource {
    fn splits(&self) -> Result<Vec<SplitInfo>, PortError> {
        let (name, parents) = ("VALUES".into(), Vec::new());
        Ok(vec![SplitInfo { id: SplitId(0), name, parents, start: Position::ZERO.into() }])
    }

    fn open(&self, _split: SplitId, from: Cursor) -> Result<Box<dyn SplitReader>, PortError> {
        let from = (from.position.0 as usize).min(self.rows.num_rows());
        Ok(Box::new(ValuesReader { rest: self.rows.slice(from, self.rows.num_rows() - from), from }))
    }

    fn is_bounded(&self) -> bool {
        true
    }

    fn subscribe(&self, _waker: Waker) -> Box<dyn Send> {
        Box::new(())
    }
}

struct ValuesReader {
    rest: RecordBatch,
    from: usize,
}

impl SplitReader for ValuesReader {
    fn read(&mut self, _bytes_max: usize) -> Result<SplitRead, PortError> {
        let rows = self.rest.num_rows();
        if rows == 0 {
            return Ok(SplitRead::End);
        }
        self.from += rows;
        let nothing = self.rest.slice(0, 0);
        let batch = std::mem::replace(&mut self.rest, nothing);
        Ok(SplitRead::Rows { batch, next: Position(self.from as u64).into() })
    }

    fn millis_behind_latest(&self) -> Option<u64> {
        None
    }
}
