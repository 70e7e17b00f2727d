//! Rows on their way out of an operator: pieces of encoded rows and single values side by side, and what happens to each.

use super::rows::RowCodec;
use crate::expr::Scalar;
use crate::port::RowKind;
use crate::run::aggregate::{decimal, number, real};
use crate::types::{DataType, Schema};
use arrow_array::{ArrayRef, BinaryArray, Int8Array, RecordBatch, RecordBatchOptions, StringArray, new_null_array};
use arrow_schema::{ArrowError, SchemaRef};
use std::sync::Arc;

/// Collects changes.
pub(crate) struct Changes {
    codecs: Vec<Arc<RowCodec>>,
    /// For each codec one piece of every row.
    pieces: Vec<Vec<Box<[u8]>>>,
    /// The types of the single values, which stand behind the pieces.
    types: Vec<DataType>,
    values: Vec<Vec<Scalar>>,
    kinds: Vec<i8>,
    /// Whether a last column says what happens to each row.
    changing: bool,
    schema: SchemaRef,
}

impl Changes {
    /// No changes yet. A row of `schema` is a piece of each codec, then values of the last columns' types, then, when
    /// `changing`, what happens to it.
    pub(crate) fn new(codecs: Vec<Arc<RowCodec>>, values: usize, changing: bool, schema: &Schema) -> Self {
        let width = schema.fields.len() - usize::from(changing);
        let types: Vec<DataType> = schema.fields[width - values..width].iter().map(|f| f.data_type).collect();
        let fields = schema.fields.iter().map(crate::run::nullable_field).collect();
        Self {
            pieces: codecs.iter().map(|_| Vec::new()).collect(),
            values: types.iter().map(|_| Vec::new()).collect(),
            codecs,
            types,
            kinds: Vec::new(),
            changing,
            schema: Schema { fields }.arrow(),
        }
    }

    /// One more change.
    pub(crate) fn push(&mut self, kind: RowKind, pieces: &[&[u8]], values: impl IntoIterator<Item = Scalar>) {
        self.pieces.iter_mut().zip(pieces).for_each(|(all, piece)| all.push((*piece).into()));
        self.values.iter_mut().zip(values).for_each(|(all, value)| all.push(value));
        self.kinds.push(kind as i8);
    }

    /// Changes that wait.
    pub(crate) fn len(&self) -> usize {
        self.kinds.len()
    }

    /// All changes, in their order.
    pub(crate) fn take(&mut self) -> Result<RecordBatch, ArrowError> {
        let rows = self.kinds.len();
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(self.schema.fields().len());
        for (codec, pieces) in self.codecs.iter().zip(&mut self.pieces) {
            columns.extend(codec.decode(pieces.iter().map(|p| &**p))?);
            pieces.clear();
        }
        for (data_type, values) in self.types.iter().zip(&mut self.values) {
            columns.push(array(values, *data_type)?);
            values.clear();
        }
        let kinds = std::mem::take(&mut self.kinds);
        if self.changing {
            columns.push(Arc::new(Int8Array::from(kinds)));
        }
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        RecordBatch::try_new_with_options(self.schema.clone(), columns, &options)
    }
}

/// Values of one type as an array.
fn array(values: &[Scalar], data_type: DataType) -> Result<ArrayRef, ArrowError> {
    let decimals = |v: &Scalar| if let Scalar::Decimal(d) = v { Some(*d) } else { None };
    let floats = |v: &Scalar| if let Scalar::Float(f) = v { Some(*f) } else { None };
    let integers = |v: &Scalar| match v {
        Scalar::Boolean(b) => Some(i64::from(*b)),
        other => other.as_integer(),
    };
    let bytes = |v: &'_ Scalar| if let Scalar::Bytes(b) = v { Some(b.clone()) } else { None };
    match data_type {
        DataType::Null => Ok(new_null_array(&data_type.arrow(), values.len())),
        DataType::Decimal(..) => decimal(data_type, values.iter().map(decimals)),
        DataType::Float | DataType::Double => real(data_type, values.iter().map(floats)),
        DataType::Char(_) | DataType::Varchar(_) => {
            Ok(Arc::new(values.iter().map(Scalar::as_text).collect::<StringArray>()))
        }
        DataType::Bytes => Ok(Arc::new(values.iter().map(bytes).collect::<BinaryArray>())),
        _ => number(data_type, values.iter().map(integers)),
    }
}
