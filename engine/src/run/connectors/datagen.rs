//! `datagen`: made-up rows, with Flink's options.

use super::invalid;
use crate::plan::TableDef;
use crate::port::{Cursor, PortError, Source, SplitId, SplitInfo, SplitRead, SplitReader, Waker};
use crate::types::{DataType, Schema};
use arrow_array::builder::{BooleanBuilder, PrimitiveBuilder, StringBuilder};
use arrow_array::types::{
    ArrowPrimitiveType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
};
use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_schema::{ArrowError, SchemaRef};
use model::{Env, Kind, Position};
use std::str::FromStr;
use std::sync::Arc;

/// Most rows of one batch.
const ROWS_MAX: u64 = 8_192;
/// The rate where none is given, as in Flink.
const ROWS_PER_S: u64 = 10_000;
/// How long a text is where no length is given, as in Flink.
const TEXT_LENGTH: usize = 100;

/// A source of one split. A row is a function of its position (and of the seed drawn at the start).
#[derive(Clone)]
pub(super) struct Generator {
    schema: SchemaRef,
    fields: Vec<FieldPlan>,
    rows_per_s: u64,
    rows: Option<u64>,
    seed: u64,
    start_ms: u64,
    start_ns: u64,
    env: Env,
}

#[derive(Clone)]
struct FieldPlan {
    data_type: DataType,
    kind: FieldKind,
    null_rate: f64,
}

#[derive(Clone)]
enum FieldKind {
    Sequence { start: i64 },
    Whole { min: i64, max: i64 },
    Real { min: f64, max: f64 },
    Truth,
    Text { length: usize },
    Moment { max_past_ms: i64 },
}

impl Generator {
    /// Reads the table's options.
    pub(super) fn new(table: &TableDef, env: &Env) -> Result<Self, PortError> {
        let physical = table.schema.fields.iter().zip(&table.computed).filter(|(_, c)| c.is_none());
        let fields: Vec<_> = physical.map(|(f, _)| crate::run::nullable_field(f)).collect();
        check_keys(table, &fields.iter().map(|f| f.name.as_str()).collect::<Vec<_>>())?;
        let mut rows = option::<u64>(table, "number-of-rows")?;
        let mut plans = Vec::new();
        for field in &fields {
            let (plan, length) = field_plan(table, &field.name, field.data_type)?;
            rows = rows.into_iter().chain(length).min();
            plans.push(plan);
        }
        let rows_per_s = option(table, "rows-per-second")?.unwrap_or(ROWS_PER_S);
        if rows_per_s == 0 {
            return Err(invalid(table, "'rows-per-second' is at least 1".into()));
        }
        let (seed, start_ms, start_ns) = (env.random_u64(), env.now_ms(), env.monotonic_ns());
        let schema = Schema { fields }.arrow();
        Ok(Self { schema, fields: plans, rows_per_s, rows, seed, start_ms, start_ns, env: env.clone() })
    }

    /// A number that depends on seed, row and column alone.
    fn random(&self, row: u64, column: usize) -> u64 {
        let mut z =
            self.seed ^ row.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ (column as u64).wrapping_mul(0xD6E8_FEB8_6659_FD93);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// How many rows exist by now.
    fn due(&self) -> u64 {
        let elapsed = u128::from(self.env.monotonic_ns().saturating_sub(self.start_ns));
        let due = (elapsed * u128::from(self.rows_per_s) / 1_000_000_000) as u64 + 1;
        due.min(self.rows.unwrap_or(u64::MAX))
    }

    fn batch(&self, from: u64, to: u64) -> Result<RecordBatch, ArrowError> {
        let columns = (0..self.fields.len()).map(|c| self.column(c, from, to)).collect::<Result<Vec<_>, _>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some((to - from) as usize));
        RecordBatch::try_new_with_options(self.schema.clone(), columns, &options)
    }

    fn column(&self, index: usize, from: u64, to: u64) -> Result<ArrayRef, ArrowError> {
        let field = &self.fields[index];
        let null =
            |row: u64| field.null_rate > 0.0 && unit(self.random(row, index + self.fields.len())) < field.null_rate;
        let rows = || (from..to).map(|row| (!null(row)).then(|| self.random(row, index)).map(|r| (row, r)));
        let whole = |value: Option<(u64, u64)>| value.map(|(row, random)| self.whole(&field.kind, row, random));
        let real = |value: Option<(u64, u64)>| {
            value.map(|(row, random)| match field.kind {
                FieldKind::Real { min, max } => min + unit(random) * (max - min),
                _ => self.whole(&field.kind, row, random) as f64,
            })
        };
        match field.data_type {
            DataType::Boolean => {
                let mut builder = BooleanBuilder::new();
                rows().for_each(|v| builder.append_option(v.map(|(_, r)| r & 1 == 1)));
                Ok(Arc::new(builder.finish()))
            }
            DataType::Char(_) | DataType::Varchar(_) => {
                let mut builder = StringBuilder::new();
                rows().for_each(|v| builder.append_option(v.map(|(row, r)| self.text(&field.kind, row, r))));
                Ok(Arc::new(builder.finish()))
            }
            DataType::TinyInt => numbers::<Int8Type>(field.data_type, rows().map(whole).map(|v| v.map(|v| v as i8))),
            DataType::SmallInt => numbers::<Int16Type>(field.data_type, rows().map(whole).map(|v| v.map(|v| v as i16))),
            DataType::Int | DataType::Time(_) => {
                numbers::<Int32Type>(field.data_type, rows().map(whole).map(|v| v.map(|v| v as i32)))
            }
            DataType::Date => {
                numbers::<Date32Type>(field.data_type, rows().map(whole).map(|v| v.map(|v| (v / 86_400_000) as i32)))
            }
            DataType::Float => numbers::<Float32Type>(field.data_type, rows().map(real).map(|v| v.map(|v| v as f32))),
            DataType::Double => numbers::<Float64Type>(field.data_type, rows().map(real)),
            DataType::Decimal(precision, scale) => {
                let factor = 10_f64.powi(i32::from(scale));
                let bound = 10_i128.pow(u32::from(precision)) - 1;
                let fit = |v: Option<f64>| v.map(|v| ((v * factor) as i128).clamp(-bound, bound));
                numbers::<Decimal128Type>(field.data_type, rows().map(real).map(fit))
            }
            DataType::Timestamp(p) | DataType::TimestampLtz(p) => {
                let scale = match p {
                    0..=3 => 1,
                    4..=6 => 1_000,
                    _ => 1_000_000,
                };
                numbers::<Int64Type>(field.data_type, rows().map(whole).map(|v| v.map(|v| v * scale)))
            }
            _ => numbers::<Int64Type>(field.data_type, rows().map(whole)),
        }
    }

    fn whole(&self, kind: &FieldKind, row: u64, random: u64) -> i64 {
        match kind {
            FieldKind::Sequence { start } => start.wrapping_add(row as i64),
            FieldKind::Whole { min, max } => {
                let width = (i128::from(*max) - i128::from(*min) + 1) as u128;
                (i128::from(*min) + ((u128::from(random) * width) >> 64) as i128) as i64
            }
            FieldKind::Moment { max_past_ms } => {
                let now = self.start_ms as i64 + (u128::from(row) * 1_000 / u128::from(self.rows_per_s)) as i64;
                now - if *max_past_ms > 0 { (random % (*max_past_ms as u64 + 1)) as i64 } else { 0 }
            }
            FieldKind::Real { .. } | FieldKind::Truth | FieldKind::Text { .. } => random as i64,
        }
    }

    fn text(&self, kind: &FieldKind, row: u64, random: u64) -> String {
        let FieldKind::Text { length } = kind else { return self.whole(kind, row, random).to_string() };
        let mut text = String::with_capacity(length + 16);
        let mut state = random;
        while text.len() < *length {
            text.push_str(&format!("{state:016x}"));
            state = self.random(state, *length);
        }
        text.truncate(*length);
        text
    }
}

/// A number in 0..1.
fn unit(random: u64) -> f64 {
    (random >> 11) as f64 / (1_u64 << 53) as f64
}

fn numbers<T: ArrowPrimitiveType>(
    data_type: DataType,
    values: impl Iterator<Item = Option<T::Native>>,
) -> Result<ArrayRef, ArrowError> {
    let mut builder = PrimitiveBuilder::<T>::new();
    values.for_each(|v| builder.append_option(v));
    crate::run::aggregate::retype(builder, data_type)
}

fn option<T: FromStr>(table: &TableDef, key: &str) -> Result<Option<T>, PortError> {
    let wrong = |text: &String| invalid(table, format!("'{key}' = '{text}' is not a value of that option"));
    table.options.get(key).map(|text| text.trim().parse().map_err(|_| wrong(text))).transpose()
}

/// Refuses options that no generator has.
fn check_keys(table: &TableDef, fields: &[&str]) -> Result<(), PortError> {
    const OF_FIELDS: [&str; 8] = ["kind", "min", "max", "length", "start", "end", "null-rate", "max-past"];
    for key in table.options.keys() {
        let of_field = key.strip_prefix("fields.").and_then(|rest| rest.rsplit_once('.'));
        let known = match of_field {
            Some((field, option)) => fields.contains(&field) && OF_FIELDS.contains(&option),
            None => matches!(key.as_str(), "connector" | "rows-per-second" | "number-of-rows"),
        };
        if !known {
            let known = "rows-per-second, number-of-rows, fields.<column>.{kind, min, max, length, start, end, null-rate, max-past}";
            return Err(invalid(table, format!("connector 'datagen' has no option '{key}'; it takes: {known}")));
        }
    }
    Ok(())
}

/// How a field is made, and how many rows its sequence has.
fn field_plan(table: &TableDef, name: &str, data_type: DataType) -> Result<(FieldPlan, Option<u64>), PortError> {
    let key = |option: &str| format!("fields.{name}.{option}");
    let null_rate = option(table, &key("null-rate"))?.unwrap_or(0.0);
    let (kind, length) = match table.options.get(&key("kind")).map_or("random", String::as_str) {
        "sequence" => {
            let missing = |o: &str| invalid(table, format!("a sequence needs '{}'", key(o)));
            let start: i64 = option(table, &key("start"))?.ok_or_else(|| missing("start"))?;
            let end: i64 = option(table, &key("end"))?.ok_or_else(|| missing("end"))?;
            let count = (i128::from(end) - i128::from(start) + 1).max(0);
            (FieldKind::Sequence { start }, Some(u64::try_from(count).unwrap_or(u64::MAX)))
        }
        "random" => (random_kind(table, name, data_type)?, None),
        other => return Err(invalid(table, format!("'{}' is random or sequence, not '{other}'", key("kind")))),
    };
    Ok((FieldPlan { data_type, kind, null_rate }, length))
}

fn random_kind(table: &TableDef, name: &str, data_type: DataType) -> Result<FieldKind, PortError> {
    let key = |option: &str| format!("fields.{name}.{option}");
    let whole = |min: i64, max: i64| -> Result<FieldKind, PortError> {
        let low = option(table, &key("min"))?.unwrap_or(min);
        let high = option(table, &key("max"))?.unwrap_or(max);
        if low > high {
            return Err(invalid(table, format!("'{}' is greater than '{}'", key("min"), key("max"))));
        }
        Ok(FieldKind::Whole { min: low, max: high })
    };
    match data_type {
        DataType::Boolean => Ok(FieldKind::Truth),
        DataType::TinyInt => whole(i8::MIN.into(), i8::MAX.into()),
        DataType::SmallInt => whole(i16::MIN.into(), i16::MAX.into()),
        DataType::Int | DataType::IntervalYearMonth => whole(i32::MIN.into(), i32::MAX.into()),
        DataType::BigInt | DataType::IntervalDayTime => whole(i64::MIN, i64::MAX),
        DataType::Time(_) => whole(0, 86_399_999),
        DataType::Float | DataType::Double | DataType::Decimal(..) => {
            let bound = match data_type {
                DataType::Decimal(p, s) => 10_f64.powi(i32::from(p) - i32::from(s)),
                DataType::Float => f64::from(f32::MAX),
                _ => f64::MAX / 2.0,
            };
            let min = option(table, &key("min"))?.unwrap_or(-bound);
            Ok(FieldKind::Real { min, max: option(table, &key("max"))?.unwrap_or(bound) })
        }
        DataType::Char(n) => Ok(FieldKind::Text { length: option(table, &key("length"))?.unwrap_or(n as usize) }),
        DataType::Varchar(n) => {
            let length = option(table, &key("length"))?.unwrap_or(TEXT_LENGTH);
            Ok(FieldKind::Text { length: length.min(n as usize) })
        }
        DataType::Date | DataType::Timestamp(_) | DataType::TimestampLtz(_) => {
            let past = table.options.get(&key("max-past"));
            let wrong = || invalid(table, format!("'{}' is a duration such as '5 s'", key("max-past")));
            let max_past_ms = past.map(|t| crate::run::job::duration_ms(t).ok_or_else(wrong)).transpose()?.unwrap_or(0);
            Ok(FieldKind::Moment { max_past_ms: max_past_ms as i64 })
        }
        DataType::Null | DataType::Bytes => {
            Err(invalid(table, format!("connector 'datagen' cannot make the {data_type} column '{name}'")))
        }
    }
}

impl Source for Generator {
    fn splits(&self) -> Result<Vec<SplitInfo>, PortError> {
        let (name, parents) = ("generator".into(), Vec::new());
        Ok(vec![SplitInfo { id: SplitId(0), name, parents, start: Position::ZERO.into() }])
    }

    fn open(&self, _split: SplitId, from: Cursor) -> Result<Box<dyn SplitReader>, PortError> {
        Ok(Box::new(Reader { generator: self.clone(), next: from.position.0 }))
    }

    fn is_bounded(&self) -> bool {
        self.rows.is_some()
    }

    fn subscribe(&self, _waker: Waker) -> Box<dyn Send> {
        Box::new(())
    }
}

struct Reader {
    generator: Generator,
    next: u64,
}

impl SplitReader for Reader {
    fn read(&mut self, bytes_max: usize) -> Result<SplitRead, PortError> {
        if self.generator.rows.is_some_and(|rows| self.next >= rows) {
            return Ok(SplitRead::End);
        }
        let rows_max = (bytes_max as u64 / (16 * self.generator.fields.len().max(1) as u64)).clamp(1, ROWS_MAX);
        let to = self.generator.due().min(self.next + rows_max);
        if to <= self.next {
            return Ok(SplitRead::Tip);
        }
        let batch = self.generator.batch(self.next, to);
        let batch = batch.map_err(|e| PortError::new(Kind::Internal, format!("rows could not be made: {e}")))?;
        self.next = to;
        Ok(SplitRead::Rows { batch, next: Position(to).into() })
    }

    fn millis_behind_latest(&self) -> Option<u64> {
        let behind = self.generator.due().saturating_sub(self.next);
        Some(behind.saturating_mul(1_000) / self.generator.rows_per_s)
    }

    fn next_read_in_ms(&self) -> Option<u64> {
        Some((1_000 / self.generator.rows_per_s).max(10))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::connectors::tests::table;
    use arrow_array::cast::AsArray;

    #[test]
    fn rows_come_at_their_rate_and_are_the_same_when_read_again() {
        let (env, clock) = Env::manual(1_000, 7);
        let options = [
            ("connector", "datagen"),
            ("rows-per-second", "100"),
            ("number-of-rows", "250"),
            ("fields.a.min", "-3"),
            ("fields.a.max", "3"),
        ];
        let generator = Generator::new(&table(&options), &env).unwrap();
        let mut reader = generator.open(SplitId(0), Position(0).into()).unwrap();
        assert!(matches!(reader.read(1 << 20).unwrap(), SplitRead::Rows { next, .. } if next.position == Position(1)));
        assert!(matches!(reader.read(1 << 20).unwrap(), SplitRead::Tip));
        clock.advance_ms(1_000);
        let SplitRead::Rows { batch, next } = reader.read(1 << 20).unwrap() else { panic!("rows were due") };
        assert_eq!((batch.num_rows(), next.position), (100, Position(101)));
        let values = batch.column(0).as_primitive::<Int64Type>().clone();
        assert!(values.values().iter().all(|v| (-3..=3).contains(v)));
        let mut again = generator.open(SplitId(0), Position(1).into()).unwrap();
        let SplitRead::Rows { batch: same, .. } = again.read(1 << 20).unwrap() else { panic!("rows were due") };
        assert_eq!(batch, same);
        clock.advance_ms(10_000);
        assert!(
            matches!(reader.read(1 << 20).unwrap(), SplitRead::Rows { next, .. } if next.position == Position(250))
        );
        assert!(matches!(reader.read(1 << 20).unwrap(), SplitRead::End));
    }

    #[test]
    fn a_sequence_ends() {
        let (env, clock) = Env::manual(0, 1);
        clock.advance_ms(1);
        let options =
            [("connector", "datagen"), ("fields.a.kind", "sequence"), ("fields.a.start", "5"), ("fields.a.end", "7")];
        let generator = Generator::new(&table(&options), &env).unwrap();
        assert!(generator.is_bounded());
        clock.advance_ms(1_000);
        let SplitRead::Rows { batch, .. } =
            generator.open(SplitId(0), Position(0).into()).unwrap().read(1 << 20).unwrap()
        else {
            panic!("rows were due")
        };
        assert_eq!(batch.column(0).as_primitive::<Int64Type>().values(), &[5, 6, 7]);
    }
}
