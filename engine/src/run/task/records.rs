//! Records whose key says something beside their value: both are decoded, and a row is made of what they hold.

use crate::port::{KeyFormat, KeyedRecord, PayloadBlock, RecordBlock, RecordLayout, RowKind};
use crate::run::decode::{JsonDecoder, JsonOptions};
use crate::types::Field;
use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions, StringArray, UInt32Array};
use arrow_schema::{ArrowError, SchemaRef};
use arrow_select::interleave::interleave;
use arrow_select::take::take;
use bytes::Bytes;
use model::Position;
use std::ops::Range;
use std::sync::Arc;

/// Takes a record that cannot be read: its place in the block, and why.
pub(crate) type Refuse<'a> = dyn FnMut(usize, String) + 'a;

/// Decodes keys and values into rows of some physical columns of a table.
pub(crate) struct RecordDecoder {
    key: KeyDecoder,
    value: JsonDecoder,
    /// For each column of a row its place among those of the key and of the value.
    origins: Vec<(Option<usize>, Option<usize>)>,
    /// A record without a value takes a row away; else it is none.
    upserts: bool,
    schema: SchemaRef,
}

enum KeyDecoder {
    Json(JsonDecoder),
    /// The key's text is its one column, if anybody reads that.
    Raw,
}

/// Parts of records that were decoded: a row for each of these places in the block, ascending.
struct Decoded {
    columns: Vec<ArrayRef>,
    places: Vec<usize>,
}

/// A row to be: its places among the keys and, unless it goes away, among the values that were decoded.
type Pair = (usize, Option<usize>);

impl RecordDecoder {
    /// A decoder of rows of `schema`, whose columns are the `physical` ones of the table with these fields.
    pub(crate) fn new(
        layout: &RecordLayout,
        value: JsonOptions,
        (physical, fields): (&[usize], &[Field]),
        upserts: bool,
        schema: SchemaRef,
    ) -> Self {
        let keyed =
            layout.key.iter().filter_map(|(column, name)| Some((physical.iter().position(|p| p == column)?, name)));
        let keyed: Vec<(usize, &String)> = keyed.collect();
        let valued: Vec<usize> = (0..physical.len()).filter(|at| layout.value.contains(&physical[*at])).collect();
        let key_fields: Vec<Field> =
            keyed.iter().map(|(at, name)| Field { name: (*name).clone(), ..fields[*at].clone() }).collect();
        let value_fields: Vec<Field> = valued.iter().map(|at| fields[*at].clone()).collect();
        let origin = |at: usize| (keyed.iter().position(|(k, _)| *k == at), valued.iter().position(|v| *v == at));
        Self {
            key: match layout.key_format {
                KeyFormat::Json(options) => KeyDecoder::Json(JsonDecoder::new(&key_fields, options)),
                KeyFormat::Raw => KeyDecoder::Raw,
            },
            value: JsonDecoder::new(&value_fields, value),
            origins: (0..physical.len()).map(origin).collect(),
            upserts,
            schema,
        }
    }

    /// Decodes the records `rows` of a block into a batch, and says what happens to each row. Each record that cannot be read
    /// is left out and handed to `bad`.
    ///
    /// # Errors
    /// When Arrow refuses a column, which means a fault of ours.
    pub(crate) fn decode(
        &mut self,
        block: &RecordBlock,
        rows: Range<usize>,
        bad: &mut Refuse<'_>,
    ) -> Result<(RecordBatch, Vec<RowKind>), ArrowError> {
        let keys = self.key.decode(block, rows, bad)?;
        let with_value = keys.places.iter().filter_map(|at| Some((*at, block.rows[*at].value.clone()?)));
        let values = decoded(&mut self.value, &block.data, with_value.collect(), bad)?;
        let pairs = self.pairs(&block.rows, &keys.places, &values.places);
        let columns: Result<Vec<ArrayRef>, ArrowError> =
            self.origins.iter().map(|origin| column(*origin, &keys.columns, &values.columns, &pairs)).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(pairs.len()));
        let batch = RecordBatch::try_new_with_options(self.schema.clone(), columns?, &options)?;
        let kind = |(_, value): &Pair| if value.is_some() { RowKind::UpdateAfter } else { RowKind::Delete };
        Ok((batch, pairs.iter().map(kind).collect()))
    }

    /// The records of which a row comes.
    fn pairs(&self, rows: &[KeyedRecord], keys: &[usize], values: &[usize]) -> Vec<Pair> {
        let (mut pairs, mut values) = (Vec::with_capacity(keys.len()), values.iter().enumerate().peekable());
        for (key, at) in keys.iter().enumerate() {
            if rows[*at].value.is_none() {
                pairs.extend(self.upserts.then_some((key, None)));
            } else if let Some((value, _)) = values.next_if(|(_, place)| *place == at) {
                pairs.push((key, Some(value)));
            }
        }
        pairs
    }
}

impl KeyDecoder {
    fn decode(&mut self, block: &RecordBlock, rows: Range<usize>, bad: &mut Refuse<'_>) -> Result<Decoded, ArrowError> {
        let mut keyed = Vec::with_capacity(rows.len());
        for at in rows {
            match &block.rows[at].key {
                Some(key) => keyed.push((at, key.clone())),
                None => bad(at, "the record has no key".to_owned()),
            }
        }
        let bad = &mut |at, reason| bad(at, format!("its key: {reason}"));
        match self {
            Self::Json(decoder) => decoded(decoder, &block.data, keyed, bad),
            Self::Raw => Ok(texts(&block.data, &keyed, bad)),
        }
    }
}

/// Decodes parts of records as payloads.
fn decoded(
    decoder: &mut JsonDecoder,
    data: &Bytes,
    parts: Vec<(usize, Range<u32>)>,
    bad: &mut Refuse<'_>,
) -> Result<Decoded, ArrowError> {
    let (mut places, rows): (Vec<usize>, Vec<Range<u32>>) = parts.into_iter().unzip();
    let count = rows.len();
    let block = PayloadBlock { data: data.clone(), rows, first: Position::ZERO, next: Position::ZERO.into() };
    let mut read = vec![true; count];
    let batch = decoder.decode(&block, 0..count, &mut |at, reason| {
        read[at] = false;
        bad(places[at], reason);
    })?;
    let mut read = read.into_iter();
    places.retain(|_| read.next() != Some(false));
    Ok(Decoded { columns: batch.columns().to_vec(), places })
}

/// Parts of records as texts.
fn texts(data: &Bytes, parts: &[(usize, Range<u32>)], bad: &mut Refuse<'_>) -> Decoded {
    let (mut texts, mut places) = (Vec::with_capacity(parts.len()), Vec::with_capacity(parts.len()));
    for (at, range) in parts {
        match std::str::from_utf8(data.get(range.start as usize..range.end as usize).unwrap_or_default()) {
            Ok(text) => {
                texts.push(text);
                places.push(*at);
            }
            Err(_) => bad(*at, "not UTF-8".to_owned()),
        }
    }
    Decoded { columns: vec![Arc::new(StringArray::from(texts))], places }
}

/// A column of the rows: of the value where it stands there and there is one, else of the key.
fn column(
    origin: (Option<usize>, Option<usize>),
    keys: &[ArrayRef],
    values: &[ArrayRef],
    pairs: &[Pair],
) -> Result<ArrayRef, ArrowError> {
    let place = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
    match origin {
        (Some(key), None) => {
            let places: UInt32Array = pairs.iter().map(|(key, _)| Some(place(*key))).collect();
            take(keys[key].as_ref(), &places, None)
        }
        (None, Some(value)) => {
            let places: UInt32Array = pairs.iter().map(|(_, value)| value.map(place)).collect();
            take(values[value].as_ref(), &places, None)
        }
        (Some(key), Some(value)) => {
            let places: Vec<(usize, usize)> =
                pairs.iter().map(|(key, value)| value.map_or((0, *key), |value| (1, value))).collect();
            interleave(&[keys[key].as_ref(), values[value].as_ref()], &places)
        }
        (None, None) => Err(ArrowError::InvalidArgumentError("a column stands neither in keys nor in values".into())),
    }
}
