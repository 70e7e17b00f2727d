//! The answer of a service to a lookup: a JSON object, or an array of them, as rows of the table.

use super::{JsonDecoder, JsonOptions};
use crate::port::{LookupKey, LookupSpec, PayloadBlock, PortError};
use arrow_array::{ArrayRef, RecordBatch, UInt32Array};
use arrow_select::take::take;
use bytes::Bytes;
use model::{Kind, Position};
use serde_json::value::RawValue;

/// The rows in `body`: one for an object, one for each object of an array, none for `null` and for nothing at all. The
/// key's columns have the values that were asked for, whatever the answer says of them.
///
/// # Errors
/// `Invalid` when the body is something else, or a value is not what its column takes.
pub fn decode_answer(
    spec: &LookupSpec,
    options: JsonOptions,
    key: &LookupKey,
    body: &Bytes,
) -> Result<RecordBatch, PortError> {
    let wrong = |what: String| PortError::new(Kind::Invalid, format!("the answer {what}"));
    let text = std::str::from_utf8(body).map_err(|_| wrong("is not UTF-8".into()))?.trim();
    let objects: Vec<&RawValue> = match text.as_bytes().first() {
        None => Vec::new(),
        Some(b'[') => serde_json::from_str(text).map_err(|e| wrong(format!("is no JSON: {e}")))?,
        Some(_) if text == "null" => Vec::new(),
        Some(_) => vec![serde_json::from_str(text).map_err(|e| wrong(format!("is no JSON: {e}")))?],
    };
    let (mut data, mut rows) = (Vec::new(), Vec::with_capacity(objects.len()));
    for object in objects {
        let start = data.len() as u32;
        data.extend_from_slice(object.get().as_bytes());
        rows.push(start..data.len() as u32);
    }
    let count = rows.len();
    let next = Position(count as u64);
    let block = PayloadBlock { data: Bytes::from(data), rows, first: Position::ZERO, next: next.into() };
    let mut bad = None;
    let mut decoder = JsonDecoder::new(&spec.table.schema.fields, options);
    let decoded = decoder.decode(&block, 0..count, &mut |row, reason| {
        bad.get_or_insert_with(|| format!("cannot be read, row {}: {reason}", row + 1));
    });
    let internal = |e: arrow_schema::ArrowError| PortError::new(Kind::Internal, e.to_string());
    let decoded = decoded.map_err(internal)?;
    if let Some(bad) = bad {
        return Err(wrong(bad));
    }
    let mut columns: Vec<ArrayRef> = decoded.columns().to_vec();
    for (column, value) in spec.keys.iter().zip(key.values.iter()) {
        let one = value.to_array(spec.table.schema.fields[*column].data_type);
        columns[*column] = take(&one, &UInt32Array::from(vec![0; decoded.num_rows()]), None).map_err(internal)?;
    }
    RecordBatch::try_new(decoded.schema(), columns).map_err(internal)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expr::Scalar;
    use crate::plan::TableDef;
    use crate::run::encode::JsonEncoder;
    use crate::types::{DataType, Field, Schema};
    use std::collections::BTreeMap;
    use std::sync::Arc;

    #[test]
    fn answers_become_rows() {
        let field = |name: &str, data_type| Field { name: name.into(), data_type, nullable: true };
        let fields =
            vec![field("k", DataType::STRING), field("n", DataType::BigInt), field("d", DataType::Decimal(20, 2))];
        let schema = Schema { fields };
        let table = TableDef {
            name: "t".into(),
            computed: vec![None; 3],
            schema: schema.clone(),
            watermark: None,
            primary_key: vec![],
            options: BTreeMap::new(),
        };
        let spec = LookupSpec { table: Arc::new(table), keys: vec![0] };
        let key = LookupKey { values: Arc::new([Scalar::Text("x".into())]) };
        let decode = |body: &'static str| {
            let rows = decode_answer(&spec, JsonOptions::default(), &key, &Bytes::from(body)).map_err(|e| e.message)?;
            let encoder = JsonEncoder::new(&schema, JsonOptions::default());
            let bound = encoder.bind(&rows).unwrap();
            let mut out = Vec::new();
            (0..rows.num_rows()).for_each(|row| bound.write(row, &mut out));
            Ok::<String, String>(String::from_utf8(out).unwrap())
        };
        for (body, expected) in [
            ("", ""),
            (" null\n", ""),
            ("[]", ""),
            (r#"{"n":9007199254740993}"#, r#"{"k":"x","n":9007199254740993,"d":null}"#),
            (r#"{"k":"other","n":1,"more":{"a":[1]}}"#, r#"{"k":"x","n":1,"d":null}"#),
            (
                r#"[{"n":1},{"d":123456789012345678.25}]"#,
                r#"{"k":"x","n":1,"d":null}{"k":"x","n":null,"d":123456789012345678.25}"#,
            ),
        ] {
            assert_eq!(decode(body).as_deref(), Ok(expected), "{body}");
        }
        for (body, what) in [
            ("{", "is no JSON"),
            ("[1]", "cannot be read, row 1"),
            ("\"text\"", "cannot be read, row 1"),
            (r#"[{"n":1},{"n":"many"}]"#, "cannot be read, row 2: column n"),
        ] {
            let error = decode(body).unwrap_err();
            assert!(error.starts_with("the answer ") && error.contains(what), "{body}: {error}");
        }
    }
}
