//! Grouping keys as short byte strings: up to 15 bytes stand in one number, longer ones in an arena.

use crate::types::{DataType, Field};
use arrow_array::builder::{BinaryBuilder, BooleanBuilder, PrimitiveBuilder, StringBuilder};
use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, Time32MillisecondType, TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
};
use arrow_array::{Array, ArrayRef, NullArray, RecordBatch};
use arrow_schema::ArrowError;
use std::hash::Hasher;
use std::sync::Arc;

/// Most bytes of a key that stand in the key itself.
const INLINE_MAX: usize = 15;
/// What the top byte of a key says when its bytes are in an arena.
const LONG: u8 = 0xFF;
/// The first byte of a null.
const NULL: u8 = 0xFF;

/// Which of `parallelism` subtasks owns the keys of a spread: subtasks own ranges of key groups, and the group of a key
/// never changes.
pub(crate) fn owner_of(spread: u32, key_groups: u32, parallelism: usize) -> usize {
    let group = (u64::from(spread) * u64::from(key_groups)) >> 32;
    (group * parallelism as u64 / u64::from(key_groups.max(1))) as usize
}

/// A key: up to 15 bytes with their number in the top byte, or where the bytes stand in an arena.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Key(u128);

impl Key {
    fn inline(bytes: u128, length: usize) -> Self {
        Self(bytes | (length as u128) << 120)
    }

    fn long(offset: usize, length: usize) -> Self {
        Self(offset as u128 | (length as u128) << 64 | u128::from(LONG) << 120)
    }

    #[inline]
    fn is_long(self) -> bool {
        (self.0 >> 120) as u8 == LONG
    }

    fn long_bytes(self, arena: &[u8]) -> &[u8] {
        let (offset, length) = (self.0 as u64 as usize, (self.0 >> 64) as u32 as usize);
        arena.get(offset..offset + length).unwrap_or_default()
    }
}

/// Keys of rows or groups, with the arena of the long ones.
#[derive(Debug, Clone, Default)]
pub(crate) struct Keys {
    keys: Vec<Key>,
    arena: Vec<u8>,
}

impl Keys {
    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }

    /// Bytes of memory behind the keys.
    pub(crate) fn bytes(&self) -> usize {
        self.keys.capacity() * size_of::<Key>() + self.arena.capacity()
    }

    #[inline]
    pub(crate) fn hash(&self, index: usize) -> u64 {
        let key = self.keys[index];
        if key.is_long() {
            let mut hasher = rustc_hash::FxHasher::default();
            hasher.write(key.long_bytes(&self.arena));
            return hasher.finish();
        }
        let low = key.0 as u64 ^ 0x243F_6A88_85A3_08D3;
        let high = (key.0 >> 64) as u64 ^ 0x1319_8A2E_0370_7344;
        let product = u128::from(low) * u128::from(high);
        product as u64 ^ (product >> 64) as u64
    }

    /// The key's place among all 2³² of them, by which groups are shared out: other bits than those that a table uses.
    #[inline]
    pub(crate) fn spread(&self, index: usize) -> u32 {
        (self.hash(index).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32) as u32
    }

    /// Whether key `index` of these equals key `other_index` of `other`.
    #[inline]
    pub(crate) fn same(&self, index: usize, other: &Self, other_index: usize) -> bool {
        let (a, b) = (self.keys[index], other.keys[other_index]);
        if a.is_long() && b.is_long() {
            return a.long_bytes(&self.arena) == b.long_bytes(&other.arena);
        }
        a == b
    }

    /// Appends key `index` of `other`.
    pub(crate) fn push_from(&mut self, other: &Self, index: usize) {
        let key = other.keys[index];
        if key.is_long() {
            let bytes = key.long_bytes(&other.arena);
            self.push_long(bytes);
        } else {
            self.keys.push(key);
        }
    }

    fn push_long(&mut self, bytes: &[u8]) {
        let key = Key::long(self.arena.len(), bytes.len());
        self.arena.extend_from_slice(bytes);
        self.keys.push(key);
    }

    /// Appends a key of these bytes, as [`Keys::with_bytes`] gives them.
    pub(crate) fn push_bytes(&mut self, bytes: &[u8]) {
        if bytes.len() <= INLINE_MAX {
            self.keys.push(Key::inline(load(bytes, 0, bytes.len()), bytes.len()));
        } else {
            self.push_long(bytes);
        }
    }

    /// Calls `read` with the bytes of key `index`.
    pub(crate) fn with_bytes<R>(&self, index: usize, read: impl FnOnce(&[u8]) -> R) -> R {
        let key = self.keys[index];
        if key.is_long() {
            return read(key.long_bytes(&self.arena));
        }
        let bytes = key.0.to_le_bytes();
        read(&bytes[..usize::from(bytes[15])])
    }
}

/// Makes keys of the key columns of a batch, and columns of keys.
#[derive(Debug, Clone)]
pub(crate) struct KeyCodec {
    columns: Vec<usize>,
    types: Vec<DataType>,
}

impl KeyCodec {
    /// A codec for the key `columns` of rows that have `fields`.
    pub(crate) fn new(columns: &[usize], fields: &[Field]) -> Self {
        Self { columns: columns.to_vec(), types: columns.iter().map(|c| fields[*c].data_type).collect() }
    }

    /// A codec for keys of one column of its own.
    pub(crate) fn of_type(data_type: DataType) -> Self {
        Self { columns: vec![0], types: vec![data_type] }
    }

    /// The keys of all rows of `batch`.
    pub(crate) fn encode(&self, batch: &RecordBatch) -> Keys {
        let columns: Vec<&dyn Array> = self.columns.iter().map(|c| batch.column(*c).as_ref()).collect();
        encode(&columns, batch.num_rows())
    }

    /// The values of a column as keys.
    pub(crate) fn encode_column(&self, column: &dyn Array) -> Keys {
        encode(&[column], column.len())
    }

    /// The key columns of the keys `range`.
    pub(crate) fn decode(&self, keys: &Keys, range: std::ops::Range<usize>) -> Result<Vec<ArrayRef>, ArrowError> {
        let mut builders: Vec<Builder> = self.types.iter().map(|t| Builder::new(*t, range.len())).collect();
        for index in range {
            keys.with_bytes(index, |mut bytes| {
                for builder in &mut builders {
                    bytes = builder.push(bytes);
                }
            });
        }
        builders.into_iter().map(Builder::finish).collect()
    }
}

/// The keys of `rows` rows of some columns.
fn encode(columns: &[&dyn Array], rows: usize) -> Keys {
    let mut packed = vec![0_u128; rows];
    let mut lengths = vec![0_u8; rows];
    columns.iter().for_each(|column| pack_column(*column, &mut packed, &mut lengths));
    let mut keys = Keys { keys: Vec::with_capacity(rows), arena: Vec::new() };
    let mut scratch = Vec::new();
    for row in 0..rows {
        if usize::from(lengths[row]) <= INLINE_MAX {
            keys.keys.push(Key::inline(packed[row], usize::from(lengths[row])));
        } else {
            scratch.clear();
            columns.iter().for_each(|column| write_value(*column, row, &mut scratch));
            keys.push_long(&scratch);
        }
    }
    keys
}

/// Appends the bytes of each value of a column to the packed keys; a key that grows too long keeps a length that says so.
fn pack_column(array: &dyn Array, packed: &mut [u128], lengths: &mut [u8]) {
    if let Some(strings) = array.as_string_opt::<i32>() {
        let (offsets, data) = (strings.value_offsets(), strings.value_data());
        for row in 0..packed.len() {
            let (from, to) = (offsets[row] as usize, offsets[row + 1] as usize);
            if strings.is_null(row) {
                pack(&mut packed[row], &mut lengths[row], u128::from(NULL), 1);
            } else if to - from < INLINE_MAX {
                pack(
                    &mut packed[row],
                    &mut lengths[row],
                    load(data, from, to) << 8 | (to - from) as u128,
                    to - from + 1,
                );
            } else {
                lengths[row] = u8::MAX;
            }
        }
        return;
    }
    if let Some(signed) = SignedColumn::of(array) {
        for row in 0..packed.len() {
            let (bytes, length) = if array.is_null(row) { (u128::from(NULL), 1) } else { compact(signed.value(row)) };
            pack(&mut packed[row], &mut lengths[row], bytes, length);
        }
        return;
    }
    let mut scratch = Vec::new();
    for row in 0..packed.len() {
        scratch.clear();
        write_value(array, row, &mut scratch);
        if scratch.len() <= INLINE_MAX {
            pack(&mut packed[row], &mut lengths[row], load(&scratch, 0, scratch.len()), scratch.len());
        } else {
            lengths[row] = u8::MAX;
        }
    }
}

#[inline]
fn pack(packed: &mut u128, length: &mut u8, bytes: u128, count: usize) {
    let total = usize::from(*length) + count;
    if total <= INLINE_MAX {
        *packed |= bytes << (8 * u32::from(*length));
        *length = total as u8;
    } else {
        *length = u8::MAX;
    }
}

/// Up to 15 bytes as a number, the first one lowest.
#[inline]
fn load(data: &[u8], from: usize, to: usize) -> u128 {
    if let Some(chunk) = data.get(from..).and_then(|d| d.first_chunk::<16>()) {
        let mask = (1_u128 << (8 * (to - from))) - 1;
        return u128::from_le_bytes(*chunk) & mask;
    }
    data[from..to].iter().rev().fold(0, |n, b| n << 8 | u128::from(*b))
}

/// An integer in as few bytes as it needs, their number before them; small magnitudes of either sign are short.
#[inline]
fn compact(value: i64) -> (u128, usize) {
    let zigzag = (value << 1 ^ value >> 63) as u64;
    let length = (64 - zigzag.leading_zeros()).div_ceil(8) as usize;
    (u128::from(zigzag) << 8 | length as u128, length + 1)
}

/// A column of integers of any width.
enum SignedColumn<'a> {
    I8(&'a [i8]),
    I16(&'a [i16]),
    I32(&'a [i32]),
    I64(&'a [i64]),
}

impl<'a> SignedColumn<'a> {
    fn of(array: &'a dyn Array) -> Option<Self> {
        use arrow_schema::DataType as A;
        use arrow_schema::TimeUnit as U;
        Some(match array.data_type() {
            A::Int8 => Self::I8(array.as_primitive::<Int8Type>().values()),
            A::Int16 => Self::I16(array.as_primitive::<Int16Type>().values()),
            A::Int32 => Self::I32(array.as_primitive::<Int32Type>().values()),
            A::Int64 => Self::I64(array.as_primitive::<Int64Type>().values()),
            A::Date32 => Self::I32(array.as_primitive::<Date32Type>().values()),
            A::Time32(U::Millisecond) => Self::I32(array.as_primitive::<Time32MillisecondType>().values()),
            A::Timestamp(U::Millisecond, _) => Self::I64(array.as_primitive::<TimestampMillisecondType>().values()),
            A::Timestamp(U::Microsecond, _) => Self::I64(array.as_primitive::<TimestampMicrosecondType>().values()),
            A::Timestamp(U::Nanosecond, _) => Self::I64(array.as_primitive::<TimestampNanosecondType>().values()),
            _ => return None,
        })
    }

    #[inline]
    fn value(&self, row: usize) -> i64 {
        match self {
            Self::I8(v) => v[row].into(),
            Self::I16(v) => v[row].into(),
            Self::I32(v) => v[row].into(),
            Self::I64(v) => v[row],
        }
    }
}

/// Appends the bytes of any value. Values of one type begin with bytes that say how long they are, so that two
/// different rows never give the same bytes.
fn write_value(array: &dyn Array, row: usize, out: &mut Vec<u8>) {
    if array.is_null(row) || array.data_type() == &arrow_schema::DataType::Null {
        out.push(NULL);
    } else if let Some(signed) = SignedColumn::of(array) {
        let (bytes, length) = compact(signed.value(row));
        out.extend_from_slice(&bytes.to_le_bytes()[..length]);
    } else if let Some(strings) = array.as_string_opt::<i32>() {
        write_bytes(strings.value(row).as_bytes(), out);
    } else if let Some(binary) = array.as_binary_opt::<i32>() {
        write_bytes(binary.value(row), out);
    } else if let Some(booleans) = array.as_boolean_opt() {
        out.push(u8::from(booleans.value(row)));
    } else if let Some(doubles) = array.as_primitive_opt::<Float64Type>() {
        out.push(8);
        out.extend_from_slice(&doubles.value(row).to_bits().to_le_bytes());
    } else if let Some(floats) = array.as_primitive_opt::<Float32Type>() {
        out.push(4);
        out.extend_from_slice(&floats.value(row).to_bits().to_le_bytes());
    } else if let Some(decimals) = array.as_primitive_opt::<Decimal128Type>() {
        let value = decimals.value(row);
        let zigzag = (value << 1 ^ value >> 127) as u128;
        let length = (128 - zigzag.leading_zeros()).div_ceil(8) as usize;
        out.push(length as u8);
        out.extend_from_slice(&zigzag.to_le_bytes()[..length]);
    }
}

/// The length in one byte below 0xFE, else 0xFE and four bytes; then the bytes.
fn write_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    if bytes.len() < 0xFE {
        out.push(bytes.len() as u8);
    } else {
        out.push(0xFE);
        out.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
    }
    out.extend_from_slice(bytes);
}

/// A key column under construction.
enum Builder {
    Null(usize),
    Boolean(BooleanBuilder),
    I8(PrimitiveBuilder<Int8Type>),
    I16(PrimitiveBuilder<Int16Type>),
    I32(PrimitiveBuilder<Int32Type>, DataType),
    I64(PrimitiveBuilder<Int64Type>, DataType),
    F32(PrimitiveBuilder<Float32Type>),
    F64(PrimitiveBuilder<Float64Type>),
    I128(PrimitiveBuilder<Decimal128Type>, DataType),
    String(StringBuilder),
    Bytes(BinaryBuilder),
}

impl Builder {
    fn new(data_type: DataType, rows: usize) -> Self {
        match data_type {
            DataType::Null => Self::Null(0),
            DataType::Boolean => Self::Boolean(BooleanBuilder::with_capacity(rows)),
            DataType::TinyInt => Self::I8(PrimitiveBuilder::with_capacity(rows)),
            DataType::SmallInt => Self::I16(PrimitiveBuilder::with_capacity(rows)),
            DataType::Int | DataType::IntervalYearMonth | DataType::Date | DataType::Time(_) => {
                Self::I32(PrimitiveBuilder::with_capacity(rows), data_type)
            }
            DataType::BigInt | DataType::IntervalDayTime | DataType::Timestamp(_) | DataType::TimestampLtz(_) => {
                Self::I64(PrimitiveBuilder::with_capacity(rows), data_type)
            }
            DataType::Float => Self::F32(PrimitiveBuilder::with_capacity(rows)),
            DataType::Double => Self::F64(PrimitiveBuilder::with_capacity(rows)),
            DataType::Decimal(..) => Self::I128(PrimitiveBuilder::with_capacity(rows), data_type),
            DataType::Char(_) | DataType::Varchar(_) => Self::String(StringBuilder::with_capacity(rows, rows * 8)),
            DataType::Bytes => Self::Bytes(BinaryBuilder::with_capacity(rows, rows * 8)),
        }
    }

    /// Takes one value from the front of `bytes`; gives the rest.
    fn push<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let Some((&first, rest)) = bytes.split_first() else { return bytes };
        if first == NULL {
            self.push_null();
            return rest;
        }
        if let Self::Boolean(builder) = self {
            builder.append_value(first == 1);
            return rest;
        }
        let (length, rest) = match rest.split_first_chunk::<4>() {
            Some((long, rest)) if first == 0xFE => (u32::from_le_bytes(*long) as usize, rest),
            _ => (usize::from(first), rest),
        };
        let (value, rest) = rest.split_at(length.min(rest.len()));
        let mut wide = [0_u8; 16];
        if value.len() <= 16 {
            wide[..value.len()].copy_from_slice(value);
        }
        let wide = u128::from_le_bytes(wide);
        let signed = (wide as u64 >> 1) as i64 ^ -((wide & 1) as i64);
        match self {
            Self::I8(b) => b.append_value(signed as i8),
            Self::I16(b) => b.append_value(signed as i16),
            Self::I32(b, _) => b.append_value(signed as i32),
            Self::I64(b, _) => b.append_value(signed),
            Self::F32(b) => b.append_value(f32::from_bits(wide as u32)),
            Self::F64(b) => b.append_value(f64::from_bits(wide as u64)),
            Self::I128(b, _) => b.append_value((wide >> 1) as i128 ^ -((wide & 1) as i128)),
            // What went in as text comes out as the same bytes.
            Self::String(b) => b.append_value(std::str::from_utf8(value).unwrap_or_default()),
            Self::Bytes(b) => b.append_value(value),
            Self::Null(_) | Self::Boolean(_) => {}
        }
        rest
    }

    fn push_null(&mut self) {
        match self {
            Self::Null(rows) => *rows += 1,
            Self::Boolean(b) => b.append_null(),
            Self::I8(b) => b.append_null(),
            Self::I16(b) => b.append_null(),
            Self::I32(b, _) => b.append_null(),
            Self::I64(b, _) => b.append_null(),
            Self::F32(b) => b.append_null(),
            Self::F64(b) => b.append_null(),
            Self::I128(b, _) => b.append_null(),
            Self::String(b) => b.append_null(),
            Self::Bytes(b) => b.append_null(),
        }
    }

    fn finish(self) -> Result<ArrayRef, ArrowError> {
        Ok(match self {
            Self::Null(rows) => Arc::new(NullArray::new(rows)),
            Self::Boolean(mut b) => Arc::new(b.finish()),
            Self::I8(mut b) => Arc::new(b.finish()),
            Self::I16(mut b) => Arc::new(b.finish()),
            Self::I32(b, t) => retype(b, t)?,
            Self::I64(b, t) => retype(b, t)?,
            Self::F32(mut b) => Arc::new(b.finish()),
            Self::F64(mut b) => Arc::new(b.finish()),
            Self::I128(b, t) => retype(b, t)?,
            Self::String(mut b) => Arc::new(b.finish()),
            Self::Bytes(mut b) => Arc::new(b.finish()),
        })
    }
}

/// Numbers under another logical type of the same width.
pub(crate) fn retype<T: ArrowPrimitiveType>(
    mut builder: PrimitiveBuilder<T>,
    data_type: DataType,
) -> Result<ArrayRef, ArrowError> {
    let data = builder.finish().into_data().into_builder().data_type(data_type.arrow()).build()?;
    Ok(arrow_array::make_array(data))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Schema;
    use arrow_array::{
        BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int8Array, Int64Array, StringArray,
        TimestampMillisecondArray,
    };
    use proptest::prelude::*;

    fn codec_and_batch(columns: Vec<(DataType, ArrayRef)>) -> (KeyCodec, RecordBatch) {
        let fields: Vec<Field> = columns
            .iter()
            .enumerate()
            .map(|(i, (t, _))| Field { name: format!("c{i}"), data_type: *t, nullable: true })
            .collect();
        let indices: Vec<usize> = (0..fields.len()).collect();
        let codec = KeyCodec::new(&indices, &fields);
        let arrays = columns.into_iter().map(|(_, a)| a).collect();
        (codec, RecordBatch::try_new(Schema { fields }.arrow(), arrays).unwrap())
    }

    proptest! {
        #[test]
        fn keys_come_back_and_differ_where_rows_differ(
            rows in prop::collection::vec((
                prop::option::of("[a-cé]{0,20}"), prop::option::of(any::<i64>()), prop::option::of(-3i8..3),
                prop::option::of(any::<bool>()), prop::option::of(any::<f64>()),
                prop::option::of(-(10_i128.pow(20))..10_i128.pow(20)), prop::option::of(prop::collection::vec(any::<u8>(), 0..300)),
                prop::option::of(-100_000..100_000_i32)), 1..40)
        ) {
            let of = |i: usize| i;
            let decimals: Decimal128Array = rows.iter().map(|r| r.5).collect();
            let times: TimestampMillisecondArray = rows.iter().map(|r| r.1.map(|v| v / 3)).collect();
            let binary: BinaryArray = rows.iter().map(|r| r.6.as_deref()).collect();
            let columns: Vec<(DataType, ArrayRef)> = vec![
                (DataType::STRING, Arc::new(rows.iter().map(|r| r.0.clone()).collect::<StringArray>())),
                (DataType::BigInt, Arc::new(rows.iter().map(|r| r.1).collect::<Int64Array>())),
                (DataType::TinyInt, Arc::new(rows.iter().map(|r| r.2).collect::<Int8Array>())),
                (DataType::Boolean, Arc::new(rows.iter().map(|r| r.3).collect::<BooleanArray>())),
                (DataType::Double, Arc::new(rows.iter().map(|r| r.4).collect::<Float64Array>())),
                (DataType::Decimal(38, 3), Arc::new(decimals.with_precision_and_scale(38, 3).unwrap())),
                (DataType::TimestampLtz(3), Arc::new(times.with_timezone("UTC"))),
                (DataType::Bytes, Arc::new(binary)),
                (DataType::Date, Arc::new(rows.iter().map(|r| r.7).collect::<Date32Array>())),
            ];
            // Every column alone (mostly short keys), all pairs of neighbours, and all together (long keys).
            for width in [1, 2, columns.len()] {
                for first in 0..=columns.len() - width {
                    let (codec, batch) = codec_and_batch(columns[first..first + width].to_vec());
                    let keys = codec.encode(&batch);
                    prop_assert_eq!(codec.decode(&keys, 0..of(rows.len())).unwrap(), batch.columns());
                    for a in 0..rows.len() {
                        let equal = batch.columns().iter().all(|c| c.slice(a, 1).to_data() == c.slice(0, 1).to_data());
                        let nan = rows[a].4.is_some_and(f64::is_nan) || rows[0].4.is_some_and(f64::is_nan)
                            || rows[a].4 == Some(0.0);
                        prop_assert!(nan || keys.same(a, &keys, 0) == equal);
                        prop_assert!(!equal || nan || keys.hash(a) == keys.hash(0));
                    }
                }
            }
        }
    }
}
