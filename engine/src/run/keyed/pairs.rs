//! Pairs of rows of two sides: which of them belong together, and what stands in the place of a partner that is missing.

use super::rows::RowCodec;
use crate::expr::Program;
use arrow_array::cast::AsArray;
use arrow_array::{Array, RecordBatch, RecordBatchOptions};
use arrow_schema::{ArrowError, DataType as ArrowType, SchemaRef};
use std::sync::Arc;

/// Which rows are kept although they have no partner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sides {
    /// Those of the left side.
    pub(crate) left: bool,
    /// Those of the right side.
    pub(crate) right: bool,
}

impl Sides {
    /// Whether rows of a side (0: left) are kept.
    pub(crate) fn keeps(self, side: usize) -> bool {
        if side == 0 { self.left } else { self.right }
    }
}

/// What makes two rows a pair, beside their key.
pub(crate) struct Pairs {
    pub(crate) codecs: [Arc<RowCodec>; 2],
    /// Rows of nulls, one for each side.
    nulls: [Box<[u8]>; 2],
    /// A condition over the columns of both sides, and the schema that it is evaluated over.
    condition: Option<(Program, SchemaRef)>,
    pub(crate) outer: Sides,
}

impl Pairs {
    /// Pairs of rows of these types. Every row belongs to every other one where there is no condition.
    pub(crate) fn new(
        codecs: [Arc<RowCodec>; 2],
        types: [&[ArrowType]; 2],
        condition: Option<(Program, SchemaRef)>,
        outer: Sides,
    ) -> Result<Self, ArrowError> {
        let nulls = [codecs[0].nulls(types[0])?.into(), codecs[1].nulls(types[1])?.into()];
        Ok(Self { codecs, nulls, condition, outer })
    }

    /// Whether all rows of one key are pairs.
    pub(crate) fn is_unconditional(&self) -> bool {
        self.condition.is_none()
    }

    /// The two pieces of a pair; `side` is that of `row`.
    pub(crate) fn pieces<'a>(&'a self, side: usize, row: &'a [u8], other: Option<&'a [u8]>) -> [&'a [u8]; 2] {
        let other = other.unwrap_or(&self.nulls[1 - side]);
        if side == 0 { [row, other] } else { [other, row] }
    }

    /// For each of `others` whether it and `row`, which is of `side`, are a pair.
    pub(crate) fn matches(&self, side: usize, row: &[u8], others: &[&[u8]]) -> Result<Vec<bool>, ArrowError> {
        let Some((program, schema)) = &self.condition else { return Ok(vec![true; others.len()]) };
        if others.is_empty() {
            return Ok(Vec::new());
        }
        let own = self.codecs[side].decode(others.iter().map(|_| row))?;
        let others_columns = self.codecs[1 - side].decode(others.iter().copied())?;
        let columns = if side == 0 { [own, others_columns].concat() } else { [others_columns, own].concat() };
        let options = RecordBatchOptions::new().with_row_count(Some(others.len()));
        let batch = RecordBatch::try_new_with_options(schema.clone(), columns, &options)?;
        let result = program.evaluate(&batch).map_err(|e| ArrowError::ExternalError(Box::new(e)))?;
        let mask = result.first().and_then(|c| c.as_boolean_opt());
        let mask = mask.ok_or_else(|| ArrowError::SchemaError("the condition of a join is no BOOLEAN".into()))?;
        Ok((0..others.len()).map(|i| mask.is_valid(i) && mask.value(i)).collect())
    }
}
