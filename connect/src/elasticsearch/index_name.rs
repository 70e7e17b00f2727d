//! The name of the index that a row is written to: the same for all, or made of a row's values.

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Int8Type, Int16Type, Int32Type, Int64Type, TimestampMicrosecondType, TimestampMillisecondType,
    TimestampNanosecondType,
};
use arrow_array::{Array, RecordBatch};
use chrono::{DateTime, Datelike, NaiveDateTime, Timelike};
use engine::types::{DataType, Schema};
use std::fmt::Write as _;

/// Longest name of an index, in bytes.
const NAME_BYTES_MAX: usize = 255;
/// What no name of an index may have in it.
const FORBIDDEN: [char; 12] = ['\\', '/', '*', '?', '"', '<', '>', '|', ' ', ',', '#', ':'];

/// How the name of a row's index is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct IndexName {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    /// The value of a column.
    Value(usize, DataType),
    /// The time or date of a column in a format.
    Time(usize, DataType, Vec<Piece>),
}

/// A part of a time, with the digits that it has at least.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Year,
    /// The last two digits.
    YearOfCentury,
    Month(usize),
    Day(usize),
    Hour(usize),
    Minute(usize),
    Second(usize),
}

impl IndexName {
    /// Reads a name such as `trips`, `trips-{city}` or `trips-{pickup_time|yyyy-MM-dd}`.
    pub(super) fn parse(text: &str, schema: &Schema) -> Result<Self, String> {
        let (mut parts, mut rest) = (Vec::new(), text);
        while let Some((before, after)) = rest.split_once('{') {
            let (inside, after) = after.split_once('}').ok_or("it has a { without a }")?;
            if !before.is_empty() {
                parts.push(Part::Text(before.to_owned()));
            }
            parts.push(part(inside, schema)?);
            rest = after;
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        let found = Self { parts };
        found.check()?;
        Ok(found)
    }

    fn check(&self) -> Result<(), String> {
        for part in &self.parts {
            if let Part::Text(text) = part {
                check_text(text)?;
            }
            if let Part::Time(_, _, pieces) = part {
                let texts = pieces.iter().filter_map(|p| if let Piece::Text(text) = p { Some(text) } else { None });
                texts.into_iter().try_for_each(|text| check_text(text))?;
            }
        }
        match self.parts.first() {
            Some(Part::Text(first)) if first.starts_with(['-', '_', '+']) => {
                Err("an index does not begin with -, _ or +".to_owned())
            }
            Some(Part::Text(name)) if self.parts.len() == 1 && (name == "." || name == "..") => {
                Err("it is no name".to_owned())
            }
            _ => Ok(()),
        }
    }

    /// Appends the name of a row's index.
    ///
    /// # Errors
    /// Where a value is missing or makes no name.
    pub(super) fn write(&self, rows: &RecordBatch, row: usize, out: &mut String) -> Result<(), String> {
        let from = out.len();
        for part in &self.parts {
            match part {
                Part::Text(text) => out.push_str(text),
                Part::Value(column, data_type) => write_value(present(rows, *column, row)?, *data_type, row, out)?,
                Part::Time(column, data_type, pieces) => {
                    let at = moment(present(rows, *column, row)?, *data_type, row)?;
                    write_time(at, pieces, out)?;
                }
            }
        }
        match out.len() - from {
            1..=NAME_BYTES_MAX => Ok(()),
            bytes => Err(format!("the name of an index has 1 to {NAME_BYTES_MAX} bytes, not {bytes}")),
        }
    }
}

/// What stands in braces: a column, or a column and a format.
fn part(inside: &str, schema: &Schema) -> Result<Part, String> {
    let (name, format) = inside.split_once('|').map_or((inside, None), |(name, format)| (name.trim(), Some(format)));
    let name = name.trim();
    if matches!(name.to_ascii_lowercase().as_str(), "now()" | "current_timestamp") {
        return Err(format!(
            "{{{inside}}} is the time of writing, under which a row written again would have another name; name a column"
        ));
    }
    let column = schema.index_of(name).ok_or_else(|| format!("{{{name}}} names no column"))?;
    let data_type = schema.fields[column].data_type;
    let is_time = matches!(data_type, DataType::Timestamp(_) | DataType::TimestampLtz(_) | DataType::Date);
    match format {
        Some(format) if is_time => {
            let pieces = pieces(format.trim())?;
            let of_day = |p: &Piece| matches!(p, Piece::Hour(_) | Piece::Minute(_) | Piece::Second(_));
            if data_type == DataType::Date && pieces.iter().any(of_day) {
                return Err(format!("{{{inside}}}: a DATE has no time of day"));
            }
            Ok(Part::Time(column, data_type, pieces))
        }
        Some(_) => {
            Err(format!("{{{inside}}}: {name} is {data_type}; only a TIMESTAMP, TIMESTAMP_LTZ or DATE has a format"))
        }
        None if is_time => Err(format!("{{{inside}}}: {name} is {data_type}; write {{{name}|yyyy-MM-dd}}")),
        None if data_type.is_text() || data_type.is_integer() => Ok(Part::Value(column, data_type)),
        None => {
            Err(format!("{{{inside}}}: {name} is {data_type}; a column is text, an integer, or a time with a format"))
        }
    }
}

/// Reads the letters of Java's `DateTimeFormatter` that can stand in a name.
fn pieces(format: &str) -> Result<Vec<Piece>, String> {
    let (mut found, mut chars) = (Vec::new(), format.chars().peekable());
    while let Some(letter) = chars.next() {
        if letter == '\'' {
            let quoted: String = chars.by_ref().take_while(|c| *c != '\'').collect();
            found.push(Piece::Text(if quoted.is_empty() { "'".to_owned() } else { quoted }));
            continue;
        }
        if !letter.is_ascii_alphabetic() {
            found.push(Piece::Text(letter.to_string()));
            continue;
        }
        let mut width = 1;
        while chars.next_if_eq(&letter).is_some() {
            width += 1;
        }
        found.push(match (letter, width) {
            ('y' | 'u', 1 | 4) => Piece::Year,
            ('y' | 'u', 2) => Piece::YearOfCentury,
            ('M', 1 | 2) => Piece::Month(width),
            ('d', 1 | 2) => Piece::Day(width),
            ('H', 1 | 2) => Piece::Hour(width),
            ('m', 1 | 2) => Piece::Minute(width),
            ('s', 1 | 2) => Piece::Second(width),
            _ => {
                let told = letter.to_string().repeat(width);
                return Err(format!(
                    "{told:?} in the format is not supported; it takes yyyy, yy, MM, dd, HH, mm, ss and text in '…'"
                ));
            }
        });
    }
    match found.is_empty() {
        true => Err("a format is missing after |".to_owned()),
        false => Ok(found),
    }
}

fn check_text(text: &str) -> Result<(), String> {
    match text.chars().find(|c| c.is_uppercase() || c.is_control() || FORBIDDEN.contains(c)) {
        Some(wrong) => Err(format!("an index has no {wrong:?} in its name")),
        None if text.len() > NAME_BYTES_MAX => Err(format!("it is longer than {NAME_BYTES_MAX} bytes")),
        None => Ok(()),
    }
}

fn present(rows: &RecordBatch, column: usize, row: usize) -> Result<&dyn Array, String> {
    let array = rows.column(column);
    match array.is_null(row) {
        true => Err(format!("{} is NULL, which gives no name of an index", rows.schema().field(column).name())),
        false => Ok(array.as_ref()),
    }
}

fn write_value(array: &dyn Array, data_type: DataType, row: usize, out: &mut String) -> Result<(), String> {
    let number = |number: Option<i64>| number.map(|number| number.to_string());
    let text = match data_type {
        DataType::TinyInt => number(array.as_primitive_opt::<Int8Type>().map(|a| a.value(row).into())),
        DataType::SmallInt => number(array.as_primitive_opt::<Int16Type>().map(|a| a.value(row).into())),
        DataType::Int => number(array.as_primitive_opt::<Int32Type>().map(|a| a.value(row).into())),
        DataType::BigInt => number(array.as_primitive_opt::<Int64Type>().map(|a| a.value(row))),
        _ => array.as_string_opt::<i32>().map(|a| a.value(row).to_owned()),
    };
    out.push_str(&text.ok_or_else(|| unlike(array, data_type))?);
    Ok(())
}

fn unlike(array: &dyn Array, data_type: DataType) -> String {
    format!("a column came as {} where {data_type} was expected", array.data_type())
}

fn moment(array: &dyn Array, data_type: DataType, row: usize) -> Result<NaiveDateTime, String> {
    let at = match data_type {
        DataType::Date => array
            .as_primitive_opt::<Date32Type>()
            .map(|a| DateTime::from_timestamp(i64::from(a.value(row)) * 86_400, 0)),
        _ => {
            let millis = array.as_primitive_opt::<TimestampMillisecondType>().map(|a| a.value(row));
            let micros = array.as_primitive_opt::<TimestampMicrosecondType>().map(|a| a.value(row));
            let nanos = array.as_primitive_opt::<TimestampNanosecondType>().map(|a| a.value(row));
            let millis = millis.map(DateTime::from_timestamp_millis);
            let micros = micros.map(DateTime::from_timestamp_micros);
            millis.or(micros).or_else(|| nanos.map(|nanos| Some(DateTime::from_timestamp_nanos(nanos))))
        }
    };
    let at = at.ok_or_else(|| unlike(array, data_type))?;
    at.map(|at| at.naive_utc()).ok_or_else(|| "a time is past the calendar and gives no name of an index".to_owned())
}

fn write_time(at: NaiveDateTime, pieces: &[Piece], out: &mut String) -> Result<(), String> {
    if !(0..=9_999).contains(&at.year()) {
        return Err(format!("the year {} gives no name of an index", at.year()));
    }
    for piece in pieces {
        let _ = match piece {
            Piece::Text(text) => out.write_str(text),
            Piece::Year => write!(out, "{:04}", at.year()),
            Piece::YearOfCentury => write!(out, "{:02}", at.year() % 100),
            Piece::Month(width) => write!(out, "{:0width$}", at.month()),
            Piece::Day(width) => write!(out, "{:0width$}", at.day()),
            Piece::Hour(width) => write!(out, "{:0width$}", at.hour()),
            Piece::Minute(width) => write!(out, "{:0width$}", at.minute()),
            Piece::Second(width) => write!(out, "{:0width$}", at.second()),
        };
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::{
        ArrayRef, Date32Array, Int32Array, StringArray, TimestampMillisecondArray, TimestampNanosecondArray,
    };
    use engine::types::Field;
    use std::sync::Arc;

    /// 2016-01-06T09:05:07Z, and nothing.
    fn rows() -> (Schema, RecordBatch) {
        let columns: Vec<(&str, DataType, ArrayRef)> = vec![
            (
                "at",
                DataType::TimestampLtz(3),
                Arc::new(TimestampMillisecondArray::from(vec![Some(1_452_071_107_000), None]).with_timezone("UTC")),
            ),
            (
                "fine",
                DataType::Timestamp(9),
                Arc::new(TimestampNanosecondArray::from(vec![1_452_071_107_000_000_001, i64::MAX])),
            ),
            ("day", DataType::Date, Arc::new(Date32Array::from(vec![16_806, -1]))),
            ("city", DataType::STRING, Arc::new(StringArray::from(vec!["nyc", ""]))),
            ("zone", DataType::Int, Arc::new(Int32Array::from(vec![-7, 0]))),
            ("rate", DataType::Double, Arc::new(arrow_array::Float64Array::from(vec![1.5, 0.0]))),
        ];
        let field = |(name, data_type, _): &(&str, DataType, ArrayRef)| Field {
            name: (*name).to_owned(),
            data_type: *data_type,
            nullable: true,
        };
        let schema = Schema { fields: columns.iter().map(field).collect() };
        let arrays = columns.into_iter().map(|column| column.2).collect();
        let batch = RecordBatch::try_new(schema.arrow(), arrays).unwrap();
        (schema, batch)
    }

    fn named(text: &str, row: usize) -> Result<String, String> {
        let (schema, rows) = rows();
        let mut name = String::new();
        IndexName::parse(text, &schema)?.write(&rows, row, &mut name)?;
        Ok(name)
    }

    #[test]
    fn names_are_made_of_values_as_flink_makes_them() {
        for (text, name) in [
            ("trips", "trips"),
            ("trips-{at|yyyy-MM-dd}", "trips-2016-01-06"),
            ("{city}_{zone}", "nyc_-7"),
            ("t-{fine|uuuu.MM.dd't'HHmmss}", "t-2016.01.06t090507"),
            ("t-{ day | yy/M-d }", ""),
            ("t-{day|yyMd}-x", "t-1616-x"),
        ] {
            match named(text, 0) {
                Ok(found) => assert_eq!(found, name, "{text}"),
                Err(error) => assert!(name.is_empty() && error.contains("no '/'"), "{text}: {error}"),
            }
        }
    }

    #[test]
    fn what_names_no_index_is_told() {
        for (text, what) in [
            ("Trips", "no 'T' in its name"),
            ("a b", "no ' '"),
            ("-a", "does not begin with"),
            ("..", "no name"),
            ("t-{at", "a { without a }"),
            ("t-{town}", "{town} names no column"),
            ("t-{at}", "write {at|yyyy-MM-dd}"),
            ("t-{at|}", "a format is missing"),
            ("t-{at|yyyy-ww}", "\"ww\" in the format is not supported"),
            ("t-{at|YYYY}", "\"YYYY\" in the format"),
            ("t-{at|'Day'dd}", "no 'D' in its name"),
            ("t-{day|HH}", "no time of day"),
            ("t-{city|yyyy}", "only a TIMESTAMP"),
            ("t-{rate}", "rate is DOUBLE"),
            ("t-{now()|yyyy}", "the time of writing"),
        ] {
            let error = named(text, 0).unwrap_err();
            assert!(error.contains(what), "{text}: {error}");
        }
        assert!(named("t-{at|yyyy}", 1).unwrap_err().contains("at is NULL"));
        assert!(named("{city}", 1).unwrap_err().contains("1 to 255 bytes"));
    }
}
