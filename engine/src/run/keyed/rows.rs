//! Rows as bytes that sort as the rows do.

use arrow_array::ArrayRef;
use arrow_row::{RowConverter, Rows, SortField};
use arrow_schema::{ArrowError, DataType as ArrowType, SortOptions};

/// Turns columns into bytes, one string for each row, and back. The bytes are kept in checkpoints: a test holds them to what
/// they have always been.
#[derive(Debug)]
pub(crate) struct RowCodec {
    converter: RowConverter,
}

impl RowCodec {
    /// A codec for columns of these types, nulls first.
    pub(crate) fn new(types: impl IntoIterator<Item = ArrowType>) -> Result<Self, ArrowError> {
        Self::sorted(types.into_iter().map(|t| (t, SortOptions { descending: false, nulls_first: true })))
    }

    /// A codec whose bytes sort by these columns as it is said of each.
    pub(crate) fn sorted(columns: impl IntoIterator<Item = (ArrowType, SortOptions)>) -> Result<Self, ArrowError> {
        let fields = columns.into_iter().map(|(t, options)| SortField::new_with_options(t, options)).collect();
        Ok(Self { converter: RowConverter::new(fields)? })
    }

    /// The rows of columns as bytes. `count` is how many there are, which no column might say.
    pub(crate) fn encode(&self, columns: &[ArrayRef], count: usize) -> Result<Rows, ArrowError> {
        if columns.is_empty() {
            let mut rows = self.converter.empty_rows(0, 0);
            let parser = self.converter.parser();
            (0..count).for_each(|_| rows.push(parser.parse(&[])));
            return Ok(rows);
        }
        self.converter.convert_columns(columns)
    }

    /// The columns of rows.
    pub(crate) fn decode<'a>(&self, rows: impl IntoIterator<Item = &'a [u8]>) -> Result<Vec<ArrayRef>, ArrowError> {
        let parser = self.converter.parser();
        self.converter.convert_rows(rows.into_iter().map(|bytes| parser.parse(bytes)))
    }

    /// The row whose columns are all null.
    pub(crate) fn nulls(&self, types: &[ArrowType]) -> Result<Vec<u8>, ArrowError> {
        let columns: Vec<ArrayRef> = types.iter().map(|t| arrow_array::new_null_array(t, 1)).collect();
        let rows = self.encode(&columns, 1)?;
        Ok(rows.row(0).data().to_vec())
    }
}

/// The place of a key among all 2³² of them. It is a part of what checkpoints keep: the hash of Fowler, Noll and Vo
/// (1a, 64 bits), mixed once more so that its high bits depend on all bytes.
pub(crate) fn spread_of(key: &[u8]) -> u32 {
    const BASIS: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    let hash = key.iter().fold(BASIS, |hash, b| (hash ^ u64::from(*b)).wrapping_mul(PRIME));
    let mixed = (hash ^ (hash >> 32)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (mixed >> 32) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::{Decimal128Array, Float64Array, Int64Array, StringArray, TimestampMillisecondArray};
    use std::fmt::Write;
    use std::sync::Arc;

    /// What checkpoints hold must be readable by every later version.
    #[test]
    fn bytes_are_what_they_have_always_been() {
        let columns: Vec<ArrayRef> = vec![
            Arc::new(Int64Array::from(vec![Some(-2), None])),
            Arc::new(StringArray::from(vec![Some("drop"), Some("")])),
            Arc::new(TimestampMillisecondArray::from(vec![1_000, 0]).with_timezone("UTC")),
            Arc::new(Float64Array::from(vec![Some(1.5), None])),
            Arc::new(Decimal128Array::from(vec![123, -1]).with_precision_and_scale(10, 2).unwrap()),
        ];
        let codec = RowCodec::new(columns.iter().map(|c| c.data_type().clone())).unwrap();
        let rows = codec.encode(&columns, 2).unwrap();
        let hex = |row: usize| {
            rows.row(row).data().iter().fold(String::new(), |mut text, b| {
                let _ = write!(text, "{b:02x}");
                text
            })
        };
        assert_eq!(
            [hex(0), hex(1)],
            [
                "017ffffffffffffffe0264726f700000000004018000000000000\
                 3e801bff8000000000000018000000000000000000000000000007b",
                "00000000000000000001018000000000000000000000000000000000\
                 017fffffffffffffffffffffffffffffff"
            ]
        );
        let back = codec.decode(rows.iter().map(|r| r.data())).unwrap();
        assert_eq!(back, columns);
        assert_eq!([spread_of(b""), spread_of(b"hailstream")], [2_238_767_700, 2_349_792_569]);
    }

    #[test]
    fn rows_without_columns_are_counted() {
        let codec = RowCodec::new([]).unwrap();
        assert_eq!(codec.encode(&[], 3).unwrap().num_rows(), 3);
    }
}
