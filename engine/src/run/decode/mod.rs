//! JSON payloads to Arrow columns: only what a query needs is read, straight from the bytes of the log.
//!
//! *Invariant:* a payload that is no well-formed JSON object, or holds a value that its column cannot take, never
//! becomes a row in silence: it is handed to the caller with the reason.

mod answer;
mod columns;
mod moment;
mod scan;
mod text;

pub use answer::decode_answer;
pub use moment::TimestampFormat;

use crate::port::{PayloadBlock, PortError};
use crate::types::{Field, Schema};
use arrow_array::{RecordBatch, RecordBatchOptions};
use arrow_schema::{ArrowError, SchemaRef};
use columns::{Column, Context};
use model::Kind;
use scan::{Scanner, Shape};
use std::collections::BTreeMap;
use std::ops::Range;

/// What to do with a record or value that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnParseError {
    /// `json.ignore-parse-errors` is not given: the record is counted, sampled and passed over.
    #[default]
    Count,
    /// `'json.ignore-parse-errors' = 'true'`: a value that its column cannot take becomes null; a record that is no
    /// JSON is counted, sampled and passed over.
    NullFields,
    /// `'json.ignore-parse-errors' = 'false'`: the job fails, as in Flink.
    Fail,
}

/// The options of the `json` format, reading and writing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct JsonOptions {
    /// `json.timestamp-format.standard`
    pub timestamp_format: TimestampFormat,
    /// `json.ignore-parse-errors`
    pub on_parse_error: OnParseError,
    /// `json.fail-on-missing-field`: a record without one of the columns counts as unreadable.
    pub fail_on_missing_field: bool,
    /// `json.encode.ignore-null-fields`: nulls are left out instead of written.
    pub ignore_null_fields: bool,
}

impl JsonOptions {
    /// The keys that [`JsonOptions::parse`] understands.
    pub const KEYS: [&'static str; 9] = [
        "format",
        "json.timestamp-format.standard",
        "json.ignore-parse-errors",
        "json.fail-on-missing-field",
        "json.encode.ignore-null-fields",
        "json.encode.decimal-as-plain-number",
        "json.map-null-key.mode",
        "json.map-null-key.literal",
        "json.decode.json-parser.enabled",
    ];

    /// Whether the table names a format.
    pub fn is_given(options: &BTreeMap<String, String>) -> bool {
        given(options, "format").is_some()
    }

    /// Reads the options of a table whose `format` is `json`. Options of other things are not looked at. Where a record has
    /// a key beside its value, as in a topic, they may stand under `value.`.
    ///
    /// # Errors
    /// `Invalid` for another format, or a value that an option does not take.
    pub fn parse(options: &BTreeMap<String, String>) -> Result<Self, PortError> {
        let invalid = |message: String| PortError::new(Kind::Invalid, message);
        match given(options, "format") {
            Some("json") => {}
            Some(other) => return Err(invalid(format!("format '{other}' is not supported; supported: json"))),
            None => return Err(invalid("the table needs a 'format' option; supported: json".into())),
        }
        let flag = |key: &str| match given(options, key).map(str::to_ascii_lowercase) {
            None => Ok(None),
            Some(v) if v == "true" => Ok(Some(true)),
            Some(v) if v == "false" => Ok(Some(false)),
            Some(v) => Err(invalid(format!("'{key}' is true or false, not '{v}'"))),
        };
        let standard = given(options, "json.timestamp-format.standard").map(str::to_ascii_uppercase);
        let timestamp_format = match standard.as_deref() {
            None | Some("SQL") => TimestampFormat::Sql,
            Some("ISO-8601") => TimestampFormat::Iso8601,
            Some(v) => {
                return Err(invalid(format!("'json.timestamp-format.standard' is SQL or ISO-8601, not '{v}'")));
            }
        };
        let fail_on_missing_field = flag("json.fail-on-missing-field")?.unwrap_or(false);
        let on_parse_error = match flag("json.ignore-parse-errors")? {
            None => OnParseError::Count,
            Some(true) if fail_on_missing_field => {
                return Err(invalid(
                    "'json.fail-on-missing-field' and 'json.ignore-parse-errors' cannot both be true".into(),
                ));
            }
            Some(true) => OnParseError::NullFields,
            Some(false) => OnParseError::Fail,
        };
        let ignore_null_fields = flag("json.encode.ignore-null-fields")?.unwrap_or(false);
        Ok(Self { timestamp_format, on_parse_error, fail_on_missing_field, ignore_null_fields })
    }
}

/// The option `key`, or the one of the value alone.
fn given<'a>(options: &'a BTreeMap<String, String>, key: &str) -> Option<&'a str> {
    options.get(key).or_else(|| options.get(&format!("value.{key}"))).map(String::as_str)
}

/// Decodes payloads into batches of a fixed set of columns.
pub struct JsonDecoder {
    schema: SchemaRef,
    names: Vec<String>,
    options: JsonOptions,
    scanner: Scanner,
    columns: Vec<Column>,
    context: Context,
}

impl JsonDecoder {
    /// A decoder that gives `fields`, each read from the JSON member of the same name.
    pub fn new(fields: &[Field], options: JsonOptions) -> Self {
        let context =
            Context { format: options.timestamp_format, moments: moment::MomentReader::default(), scratch: Vec::new() };
        // A record may always lack a member, whatever the column's declaration says of nulls.
        let nullable = fields.iter().map(|f| Field { nullable: true, ..f.clone() }).collect();
        Self {
            schema: Schema { fields: nullable }.arrow(),
            names: fields.iter().map(|f| f.name.clone()).collect(),
            options,
            scanner: Scanner::new(fields.iter().map(|f| f.name.as_str())),
            columns: fields.iter().map(|f| Column::new(f.data_type)).collect(),
            context,
        }
    }

    /// The schema of the batches.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Decodes the payloads `rows` of `block`. Each one that cannot be read is left out and handed to `bad` with its
    /// index in the block and the reason.
    ///
    /// # Errors
    /// When Arrow refuses a column, which means a fault of ours.
    pub fn decode(
        &mut self,
        block: &PayloadBlock,
        rows: Range<usize>,
        bad: &mut dyn FnMut(usize, String),
    ) -> Result<RecordBatch, ArrowError> {
        let mut count = 0;
        for index in rows {
            let range = &block.rows[index];
            let payload = block.data.get(range.start as usize..range.end as usize).unwrap_or_default();
            match self.decode_one(payload) {
                Ok(()) => count += 1,
                Err(reason) => {
                    self.columns.iter_mut().for_each(|c| c.truncate(count));
                    bad(index, reason);
                }
            }
        }
        let columns = self.columns.iter_mut().map(Column::finish).collect::<Result<Vec<_>, _>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(count));
        RecordBatch::try_new_with_options(self.schema.clone(), columns, &options)
    }

    #[inline]
    fn decode_one(&mut self, payload: &[u8]) -> Result<(), String> {
        // Nearly all payloads are ASCII, which is told at several times the speed.
        if !payload.is_ascii() && std::str::from_utf8(payload).is_err() {
            return Err("not UTF-8".into());
        }
        self.scanner.scan(payload).map_err(|m| format!("{} at byte {}", m.reason, m.at))?;
        for (index, value) in self.scanner.values().iter().enumerate() {
            if self.options.fail_on_missing_field && value.shape == Shape::Missing {
                return Err(format!("column {}: the record has no such member", self.names[index]));
            }
            let column = &mut self.columns[index];
            if let Err(reason) = column.push(value, payload, &mut self.context) {
                if self.options.on_parse_error != OnParseError::NullFields {
                    return Err(format!("column {}: {reason}", self.names[index]));
                }
                column.push_null()?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::DataType;
    use arrow_array::cast::AsArray;
    use arrow_array::types::{Float64Type, Int64Type};
    use bytes::Bytes;
    use model::Position;

    fn block(lines: &[&[u8]]) -> PayloadBlock {
        let mut data = Vec::new();
        let mut rows = Vec::new();
        for line in lines {
            let start = data.len() as u32;
            data.extend_from_slice(line);
            rows.push(start..data.len() as u32);
        }
        let next = Position(rows.len() as u64);
        PayloadBlock { data: Bytes::from(data), rows, first: Position::ZERO, next: next.into() }
    }

    fn decode(fields: &[(&str, DataType)], options: JsonOptions, lines: &[&str]) -> (Vec<String>, Vec<String>) {
        let fields: Vec<Field> =
            fields.iter().map(|(n, t)| Field { name: (*n).into(), data_type: *t, nullable: true }).collect();
        let mut decoder = JsonDecoder::new(&fields, options);
        let lines: Vec<&[u8]> = lines.iter().map(|l| l.as_bytes()).collect();
        let mut bad = Vec::new();
        let rows = decoder.decode(&block(&lines), 0..lines.len(), &mut |i, r| bad.push(format!("{i}: {r}"))).unwrap();
        let encoder = crate::run::encode::JsonEncoder::new(&Schema { fields }, options);
        let mut out = Vec::new();
        let bound = encoder.bind(&rows).unwrap();
        for row in 0..rows.num_rows() {
            bound.write(row, &mut out);
            out.push(b'\n');
        }
        (String::from_utf8(out).unwrap().lines().map(str::to_owned).collect(), bad)
    }

    fn check(data_type: DataType, json: &str, expected: Option<&str>) {
        let (rows, bad) = decode(&[("a", data_type)], JsonOptions::default(), &[&format!("{{\"a\":{json}}}")]);
        match expected {
            Some(value) => assert_eq!(rows, [format!("{{\"a\":{value}}}")], "{data_type} of {json}: {bad:?}"),
            None => assert_eq!((rows.len(), bad.len()), (0, 1), "{data_type} of {json}: {rows:?}"),
        }
    }

    #[test]
    fn the_options_of_a_value_stand_beside_those_of_a_key() {
        let options = |given: &[(&str, &str)]| given.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let value =
            options(&[("value.format", "json"), ("value.json.ignore-parse-errors", "true"), ("key.format", "raw")]);
        assert!(JsonOptions::is_given(&value));
        assert_eq!(JsonOptions::parse(&value).unwrap().on_parse_error, OnParseError::NullFields);
        let key = options(&[("key.format", "json"), ("key.json.ignore-parse-errors", "true")]);
        assert!(!JsonOptions::is_given(&key));
        assert_eq!(JsonOptions::parse(&key).unwrap_err().kind, Kind::Invalid);
    }

    #[test]
    fn values_are_converted_as_flink_converts_them() {
        use DataType::{BigInt, Boolean, Bytes, Date, Decimal, Double, Float, Int, SmallInt, Time, Timestamp, TinyInt};
        let string = DataType::STRING;
        for (data_type, json, expected) in [
            (Boolean, "true", Some("true")),
            (Boolean, "\"TRUE\"", Some("true")),
            (Boolean, "\"yes\"", Some("false")),
            (Boolean, "1", Some("false")),
            (TinyInt, "127", Some("127")),
            (TinyInt, "128", None),
            (TinyInt, "1.0", None),
            (SmallInt, "\" 7 \"", Some("7")),
            (Int, "2147483648", None),
            (Int, "1.9", Some("1")),
            (Int, "-1.9e0", Some("-1")),
            (Int, "\"12\"", Some("12")),
            (Int, "\"1.5\"", None),
            (Int, "true", None),
            (Int, "{}", None),
            (BigInt, "-9223372036854775808", Some("-9223372036854775808")),
            (BigInt, "9223372036854775808", None),
            (BigInt, "1e19", None),
            (Double, "\"-1.5\"", Some("-1.5")),
            (Double, "12345678901234567890", Some("1.2345678901234567E19")),
            (Double, "\"x\"", None),
            (Float, "0.1", Some("0.1")),
            (string, "12.50", Some("\"12.50\"")),
            (string, "true", Some("\"true\"")),
            (string, "{\"b\": [1, 2]}", Some("\"{\\\"b\\\":[1,2]}\"")),
            (string, "\"\\u00e9\"", Some("\"é\"")),
            (string, "null", Some("null")),
            (Decimal(6, 2), "1.005", Some("1.01")),
            (Decimal(6, 2), "\"99999\"", Some("null")),
            (Date, "\"2016-02-29\"", Some("\"2016-02-29\"")),
            (Date, "\"2016-02-30\"", None),
            (Date, "1", None),
            (Time(0), "\"05:06:07\"", Some("\"05:06:07\"")),
            (Timestamp(3), "\"2016-01-01 00:00:00.5\"", Some("\"2016-01-01 00:00:00.5\"")),
            (Timestamp(9), "\"2016-01-01 00:00:00.123456789\"", Some("\"2016-01-01 00:00:00.123456789\"")),
            (Timestamp(3), "1451606400000", None),
            (Bytes, "\"Zm9v\"", Some("\"Zm9v\"")),
        ] {
            check(data_type, json, expected);
        }
    }

    #[test]
    fn bad_records_leave_the_others_whole() {
        let fields = [("a", DataType::STRING), ("b", DataType::BigInt)];
        let lines = [r#"{"a":"x","b":1}"#, "garbage", r#"{"a":"y","b":"no"}"#, "", r#"{"b":2,"a":"z"}"#, "{}"];
        let (rows, bad) = decode(&fields, JsonOptions::default(), &lines);
        assert_eq!(rows, [r#"{"a":"x","b":1}"#, r#"{"a":"z","b":2}"#, r#"{"a":null,"b":null}"#]);
        assert_eq!(bad.len(), 3, "{bad:?}");
        assert!(bad[1].starts_with("2: column b: "), "{bad:?}");
    }

    #[test]
    fn ignoring_errors_nulls_fields_and_a_missing_one_may_be_an_error() {
        let fields = [("a", DataType::Int), ("b", DataType::Int)];
        let lines = [r#"{"a":"x","b":1}"#, "garbage", r#"{"b":2}"#];
        let ignoring = JsonOptions { on_parse_error: OnParseError::NullFields, ..JsonOptions::default() };
        let (rows, bad) = decode(&fields, ignoring, &lines);
        assert_eq!(rows, [r#"{"a":null,"b":1}"#, r#"{"a":null,"b":2}"#]);
        assert_eq!(bad.len(), 1);
        let strict = JsonOptions { fail_on_missing_field: true, ..JsonOptions::default() };
        assert_eq!(decode(&fields, strict, &lines).1.len(), 3);
    }

    #[test]
    fn invalid_utf8_is_bad_wherever_it_stands() {
        let fields = [Field { name: "a".into(), data_type: DataType::BigInt, nullable: true }];
        let mut decoder = JsonDecoder::new(&fields, JsonOptions::default());
        let mut bad = 0;
        let rows = decoder.decode(&block(&[b"{\"a\":1,\"b\":\"\xff\"}"]), 0..1, &mut |_, _| bad += 1).unwrap();
        assert_eq!((rows.num_rows(), bad), (0, 1));
    }

    #[test]
    fn the_order_of_keys_may_change_at_any_time() {
        let fields = [("a", DataType::BigInt), ("b", DataType::Double)];
        let of = |i: usize| match i % 4 {
            0 => format!("{{\"a\":{i},\"x\":0,\"b\":{i}.5}}"),
            1 => format!("{{\"b\":{i}.5,\"a\":{i}}}"),
            2 => format!("{{\"x\":{{\"a\":7}},\"a\" : {i},\"b\":{i}.5}}"),
            _ => format!("{{\"a\":{i},\"b\":{i}.5,\"c\":[\"a\"]}}"),
        };
        let lines: Vec<String> = (0..40).map(of).collect();
        let lines: Vec<&[u8]> = lines.iter().map(|l| l.as_bytes()).collect();
        let fields: Vec<Field> =
            fields.iter().map(|(n, t)| Field { name: (*n).into(), data_type: *t, nullable: true }).collect();
        let mut decoder = JsonDecoder::new(&fields, JsonOptions::default());
        let rows = decoder.decode(&block(&lines), 0..40, &mut |i, r| panic!("{i}: {r}")).unwrap();
        for i in 0..40 {
            assert_eq!(rows.column(0).as_primitive::<Int64Type>().value(i), i as i64);
            assert_eq!(rows.column(1).as_primitive::<Float64Type>().value(i), i as f64 + 0.5);
        }
    }
}
