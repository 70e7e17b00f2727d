//! Columns: the values of one field for the rows of one chunk, packed into as few bytes as their range needs.

use crate::bitmap::Bitmap;
use crate::codec::{DecodeError, Decoder, put_i64, put_varint};

/// Whole numbers as `base + scale * cell`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Packed {
    base: i64,
    scale: i64,
    cells: Cells,
}

#[derive(Debug, Clone, PartialEq)]
enum Cells {
    /// This many times the base.
    Same(usize),
    U8(Vec<u8>),
    U16(Vec<u16>),
    U32(Vec<u32>),
    I64(Vec<i64>),
}

/// Runs `$body` once for the width that the cells have, with `$get(i)` as their decoder, so that loops are compiled for
/// each width in place of deciding for each cell.
macro_rules! with_cells {
    ($packed:expr, $get:ident => $body:expr) => {{
        let (base, scale) = ($packed.base, $packed.scale);
        match &$packed.cells {
            Cells::Same(_) => {
                let $get = |_: usize| base;
                $body
            }
            Cells::U8(cells) => {
                let $get = |i: usize| base.wrapping_add(scale.wrapping_mul(i64::from(cells[i])));
                $body
            }
            Cells::U16(cells) => {
                let $get = |i: usize| base.wrapping_add(scale.wrapping_mul(i64::from(cells[i])));
                $body
            }
            Cells::U32(cells) => {
                let $get = |i: usize| base.wrapping_add(scale.wrapping_mul(i64::from(cells[i])));
                $body
            }
            Cells::I64(cells) => {
                let $get = |i: usize| cells[i];
                $body
            }
        }
    }};
}

fn gcd(mut a: u64, mut b: u64) -> u64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

impl Packed {
    /// Packs these values.
    pub(crate) fn pack(values: &[i64]) -> Self {
        let (Some(&min), Some(&max)) = (values.iter().min(), values.iter().max()) else {
            return Self { base: 0, scale: 1, cells: Cells::Same(0) };
        };
        let distance = |v: i64| v.wrapping_sub(min) as u64;
        let mut scale = distance(max);
        if scale == 0 {
            return Self { base: min, scale: 1, cells: Cells::Same(values.len()) };
        }
        for &value in values {
            scale = gcd(scale, distance(value));
            if scale == 1 {
                break;
            }
        }
        let steps = distance(max) / scale;
        let cell = |v: &i64| distance(*v) / scale;
        let cells = match steps {
            0..=0xff => Cells::U8(values.iter().map(|v| cell(v) as u8).collect()),
            0x100..=0xffff => Cells::U16(values.iter().map(|v| cell(v) as u16).collect()),
            0x1_0000..=0xffff_ffff => Cells::U32(values.iter().map(|v| cell(v) as u32).collect()),
            _ => Cells::I64(values.to_vec()),
        };
        Self { base: min, scale: scale as i64, cells }
    }

    pub(crate) fn len(&self) -> usize {
        match &self.cells {
            Cells::Same(len) => *len,
            Cells::U8(cells) => cells.len(),
            Cells::U16(cells) => cells.len(),
            Cells::U32(cells) => cells.len(),
            Cells::I64(cells) => cells.len(),
        }
    }

    pub(crate) fn get(&self, at: usize) -> i64 {
        with_cells!(self, get => get(at))
    }

    fn memory_bytes(&self) -> usize {
        match &self.cells {
            Cells::Same(_) => 0,
            Cells::U8(cells) => cells.len(),
            Cells::U16(cells) => cells.len() * 2,
            Cells::U32(cells) => cells.len() * 4,
            Cells::I64(cells) => cells.len() * 8,
        }
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        put_i64(out, self.base);
        put_i64(out, self.scale);
        put_varint(out, self.len() as u64);
        match &self.cells {
            Cells::Same(_) => out.push(0),
            Cells::U8(cells) => {
                out.push(1);
                out.extend_from_slice(cells);
            }
            Cells::U16(cells) => {
                out.push(2);
                cells.iter().for_each(|c| out.extend_from_slice(&c.to_le_bytes()));
            }
            Cells::U32(cells) => {
                out.push(4);
                cells.iter().for_each(|c| out.extend_from_slice(&c.to_le_bytes()));
            }
            Cells::I64(cells) => {
                out.push(8);
                cells.iter().for_each(|c| out.extend_from_slice(&c.to_le_bytes()));
            }
        }
    }

    pub(crate) fn decode(from: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let (base, scale) = (from.i64()?, from.i64()?);
        let len = from.varint()? as usize;
        let width = from.u8()?;
        let bytes = from.take(len.checked_mul(width.into()).ok_or_else(|| from.error("a column is too long"))?)?;
        let cells = match width {
            0 => Cells::Same(len),
            1 => Cells::U8(bytes.to_vec()),
            2 => Cells::U16(bytes.as_chunks().0.iter().map(|c| u16::from_le_bytes(*c)).collect()),
            4 => Cells::U32(bytes.as_chunks().0.iter().map(|c| u32::from_le_bytes(*c)).collect()),
            8 => Cells::I64(bytes.as_chunks().0.iter().map(|c| i64::from_le_bytes(*c)).collect()),
            _ => return Err(from.error("an unknown width of a column")),
        };
        Ok(Self { base, scale, cells })
    }
}

/// Which values belong to which row.
#[derive(Debug, Clone, PartialEq)]
enum Rows {
    /// One value for each row.
    One,
    /// A value for the rows that are set; the cells of the others mean nothing.
    Some(Bitmap),
    /// The values of row `r` stand from `starts[r]` to `starts[r + 1]`.
    Many(Vec<u32>),
}

/// The values of one field in one chunk. The values of a row are in rising order.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Column {
    min: i64,
    max: i64,
    values: Packed,
    rows: Rows,
}

impl Column {
    /// The column of `rows` rows whose values are given as pairs of row and value, rows rising; `None` when there is no
    /// value at all. With `distinct`, a value counts once in a row.
    pub(crate) fn build(rows: usize, entry_rows: &[u16], entry_values: &[i64], distinct: bool) -> Option<Self> {
        let (min, max) = (*entry_values.iter().min()?, *entry_values.iter().max()?);
        let single = entry_rows.windows(2).all(|w| w[0] != w[1]);
        if single && entry_rows.len() == rows {
            return Some(Self { min, max, values: Packed::pack(entry_values), rows: Rows::One });
        }
        if single {
            let mut present = Bitmap::none(rows);
            let mut values = vec![min; rows];
            for (row, value) in entry_rows.iter().zip(entry_values) {
                present.set(usize::from(*row));
                values[usize::from(*row)] = *value;
            }
            return Some(Self { min, max, values: Packed::pack(&values), rows: Rows::Some(present) });
        }
        let (mut starts, mut values) = (Vec::with_capacity(rows + 1), Vec::with_capacity(entry_values.len()));
        let mut at = 0;
        for row in 0..rows {
            starts.push(values.len() as u32);
            let from = at;
            while entry_rows.get(at).is_some_and(|r| usize::from(*r) == row) {
                at += 1;
            }
            let mut of_row = entry_values[from..at].to_vec();
            of_row.sort_unstable();
            if distinct {
                of_row.dedup();
            }
            values.extend(of_row);
        }
        starts.push(values.len() as u32);
        Some(Self { min, max, values: Packed::pack(&values), rows: Rows::Many(starts) })
    }

    /// Least and greatest value.
    pub(crate) fn range(&self) -> (i64, i64) {
        (self.min, self.max)
    }

    /// Whether every row has exactly one value.
    pub(crate) fn is_one_each(&self) -> bool {
        matches!(self.rows, Rows::One)
    }

    /// Whether a row can have more than one value.
    pub(crate) fn is_multiple(&self) -> bool {
        matches!(self.rows, Rows::Many(_))
    }

    /// Calls `f(i, value)` for each value of `rows[i]`, in the order of `rows`.
    #[inline]
    pub(crate) fn each(&self, rows: &[u32], mut f: impl FnMut(usize, i64)) {
        match &self.rows {
            Rows::One => with_cells!(self.values, get => {
                for (i, row) in rows.iter().enumerate() {
                    f(i, get(*row as usize));
                }
            }),
            Rows::Some(present) => with_cells!(self.values, get => {
                for (i, row) in rows.iter().enumerate() {
                    if present.get(*row as usize) {
                        f(i, get(*row as usize));
                    }
                }
            }),
            Rows::Many(starts) => with_cells!(self.values, get => {
                for (i, row) in rows.iter().enumerate() {
                    for at in starts[*row as usize]..starts[*row as usize + 1] {
                        f(i, get(at as usize));
                    }
                }
            }),
        }
    }

    /// The values of one row.
    pub(crate) fn of_row(&self, row: u32) -> Vec<i64> {
        let mut values = Vec::new();
        self.each(&[row], |_, value| values.push(value));
        values
    }

    /// Whether a row has a value.
    pub(crate) fn has(&self, row: usize) -> bool {
        match &self.rows {
            Rows::One => true,
            Rows::Some(present) => present.get(row),
            Rows::Many(starts) => starts[row] < starts[row + 1],
        }
    }

    /// How many rows there are.
    pub(crate) fn row_count(&self) -> usize {
        match &self.rows {
            Rows::One => self.values.len(),
            Rows::Some(present) => present.len(),
            Rows::Many(starts) => starts.len() - 1,
        }
    }

    /// The rows with a value.
    pub(crate) fn present(&self) -> Bitmap {
        match &self.rows {
            Rows::One => Bitmap::all(self.values.len()),
            Rows::Some(present) => present.clone(),
            Rows::Many(_) => {
                let mut bits = Bitmap::none(self.row_count());
                (0..self.row_count()).filter(|row| self.has(*row)).for_each(|row| bits.set(row));
                bits
            }
        }
    }

    /// Sets the bits of the rows that have a value which passes.
    pub(crate) fn matching(&self, bits: &mut Bitmap, passes: impl Fn(i64) -> bool) {
        let rows = self.row_count();
        match &self.rows {
            Rows::Many(starts) => with_cells!(self.values, get => {
                for row in 0..rows {
                    if (starts[row]..starts[row + 1]).any(|at| passes(get(at as usize))) {
                        bits.set(row);
                    }
                }
            }),
            one_or_none => {
                with_cells!(self.values, get => {
                    for row in 0..rows {
                        if passes(get(row)) {
                            bits.set(row);
                        }
                    }
                });
                if let Rows::Some(present) = one_or_none {
                    bits.and(present);
                }
            }
        }
    }

    /// The same column with every value replaced; the values of a row are put in order again.
    pub(crate) fn map(&self, f: impl Fn(i64) -> i64) -> Option<Self> {
        let rows: Vec<u32> = (0..self.row_count() as u32).collect();
        let (mut entry_rows, mut values) = (Vec::new(), Vec::new());
        self.each(&rows, |i, value| {
            entry_rows.push(i as u16);
            values.push(f(value));
        });
        Self::build(rows.len(), &entry_rows, &values, false)
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        let rows = match &self.rows {
            Rows::One => 0,
            Rows::Some(present) => present.len() / 8,
            Rows::Many(starts) => starts.len() * 4,
        };
        self.values.memory_bytes() + rows
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        put_i64(out, self.min);
        put_i64(out, self.max);
        self.values.encode(out);
        match &self.rows {
            Rows::One => out.push(0),
            Rows::Some(present) => {
                out.push(1);
                encode_bitmap(present, out);
            }
            Rows::Many(starts) => {
                out.push(2);
                put_varint(out, starts.len() as u64 - 1);
                starts.windows(2).for_each(|w| put_varint(out, u64::from(w[1] - w[0])));
            }
        }
    }

    pub(crate) fn decode(from: &mut Decoder<'_>, rows: usize) -> Result<Self, DecodeError> {
        let (min, max) = (from.i64()?, from.i64()?);
        let values = Packed::decode(from)?;
        let (held, rows_of) = match from.u8()? {
            0 => (values.len(), Rows::One),
            1 => (values.len(), Rows::Some(decode_bitmap(from, rows)?)),
            2 => {
                let count = from.count(1)?;
                let mut starts = vec![0u32];
                let mut sum = 0u64;
                for _ in 0..count {
                    sum += from.varint()?.min(1 << 32);
                    starts.push(u32::try_from(sum).map_err(|_| from.error("too many values"))?);
                }
                if sum != values.len() as u64 {
                    return Err(from.error("rows and values do not agree"));
                }
                (count, Rows::Many(starts))
            }
            _ => return Err(from.error("an unknown kind of rows")),
        };
        if held != rows {
            Err(from.error("a column has another number of rows"))
        } else {
            Ok(Self { min, max, values, rows: rows_of })
        }
    }
}

pub(crate) fn encode_bitmap(bits: &Bitmap, out: &mut Vec<u8>) {
    put_varint(out, bits.words().len() as u64);
    bits.words().iter().for_each(|w| out.extend_from_slice(&w.to_le_bytes()));
}

pub(crate) fn decode_bitmap(from: &mut Decoder<'_>, len: usize) -> Result<Bitmap, DecodeError> {
    let words = from.count(8)?;
    let words = from.take(words * 8)?.as_chunks().0.iter().map(|w| u64::from_le_bytes(*w)).collect();
    Bitmap::from_words(words, len).ok_or_else(|| from.error("a set of rows has another size"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn packing_keeps_values(values in proptest::collection::vec(any::<i64>(), 0..50), shift in 0u32..63, scale in 1i64..5_000_000) {
            let values: Vec<i64> = values.iter().map(|v| (v >> shift).wrapping_mul(scale)).collect();
            let packed = Packed::pack(&values);
            prop_assert_eq!(packed.len(), values.len());
            prop_assert!((0..values.len()).all(|i| packed.get(i) == values[i]));
            let mut out = Vec::new();
            packed.encode(&mut out);
            prop_assert_eq!(Packed::decode(&mut Decoder::new(&out)), Ok(packed));
        }

        #[test]
        fn a_column_holds_the_values_of_its_rows(
            rows in proptest::collection::vec(proptest::collection::vec(-50i64..50, 0..4), 1..60), distinct in any::<bool>()
        ) {
            let mut entries: Vec<(u16, i64)> = Vec::new();
            for (row, values) in rows.iter().enumerate() {
                entries.extend(values.iter().map(|v| (row as u16, *v)));
            }
            let (entry_rows, entry_values): (Vec<u16>, Vec<i64>) = entries.iter().copied().unzip();
            let Some(column) = Column::build(rows.len(), &entry_rows, &entry_values, distinct) else {
                prop_assert!(entries.is_empty());
                return Ok(());
            };
            let mut out = Vec::new();
            column.encode(&mut out);
            prop_assert_eq!(&Column::decode(&mut Decoder::new(&out), rows.len()).unwrap(), &column);
            let (mut bits, present) = (Bitmap::none(rows.len()), column.present());
            column.matching(&mut bits, |v| v >= 0);
            for (row, values) in rows.iter().enumerate() {
                let mut expected = values.clone();
                expected.sort_unstable();
                if distinct { expected.dedup(); }
                prop_assert_eq!(column.of_row(row as u32), expected);
                prop_assert_eq!(column.has(row), !values.is_empty());
                prop_assert_eq!(present.get(row), !values.is_empty());
                prop_assert_eq!(bits.get(row), values.iter().any(|v| *v >= 0));
            }
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..80), rows in 0usize..20) {
            let _ = Column::decode(&mut Decoder::new(&bytes), rows);
        }
    }
}
