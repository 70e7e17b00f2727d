//! What a hit shows: its document or parts of it, and values of its columns.

use super::SourceFilter;
use super::request::ColumnField;
use super::source_filter::matches_pattern;
use crate::error::{IndexError, QueryError};
use crate::geo::Point;
use crate::json::{self, Node, Value};
use crate::mapping::{Field, FieldKind};
use crate::table::{Snapshot, View};
use crate::time::{DateFormat, Edge, Zone};
use crate::value::{parse_whole, to_f64};

/// The document of a row, or what the filter leaves of it.
///
/// # Errors
/// When it cannot be read.
pub(crate) fn source(view: &View, row: u32, filter: &SourceFilter) -> Result<Option<Vec<u8>>, IndexError> {
    if !filter.enabled {
        return Ok(None);
    }
    let document = document(view, row)?;
    filter.apply(document).map_err(|e| IndexError::Corrupt(e.to_string()))
}

fn document(view: &View, row: u32) -> Result<Vec<u8>, IndexError> {
    view.chunk.sources.document(row).map_err(|e| IndexError::Corrupt(e.to_string()))
}

fn format_of(asked: &ColumnField, field: &Field) -> Result<DateFormat, QueryError> {
    match &asked.format {
        Some(text) => DateFormat::new(text).map_err(|e| QueryError::Argument(e.to_string())),
        None => Ok(field.date_format()),
    }
}

/// The column values of a row for the fields that are asked for.
///
/// # Errors
/// When a text field is asked for, or a format is not known.
pub(crate) fn column_fields(
    snapshot: &Snapshot,
    view: &View,
    row: u32,
    asked: &[ColumnField],
) -> Result<Vec<(String, Vec<Value>)>, QueryError> {
    let mut shown = Vec::new();
    for wanted in asked {
        for (at, field) in snapshot.mapping.fields().iter().enumerate() {
            if !matches_pattern(&wanted.field, &field.path) {
                continue;
            }
            if field.kind == FieldKind::Text {
                if wanted.field.contains('*') {
                    continue;
                }
                return Err(QueryError::Argument(super::sort::text_refusal(&field.path)));
            }
            let values = view.chunk.column(at).map_or_else(Vec::new, |c| c.of_row(row));
            if values.is_empty() {
                continue;
            }
            let format = format_of(wanted, field)?;
            let mut texts: Vec<Value> = values.iter().map(|v| column_value(snapshot, at, field, *v, &format)).collect();
            if field.kind == FieldKind::Keyword {
                texts.sort_by(|a, b| text(a).cmp(text(b)));
            }
            shown.push((field.path.clone(), texts));
        }
    }
    Ok(shown)
}

fn text(value: &Value) -> &str {
    match value {
        Value::Text(text) => text,
        _ => "",
    }
}

fn column_value(snapshot: &Snapshot, at: usize, field: &Field, value: i64, format: &DateFormat) -> Value {
    match field.kind {
        FieldKind::Keyword => snapshot.dictionary(at).map_or(Value::Null, |d| d.word(value).into()),
        FieldKind::Boolean => Value::Bool(value != 0),
        FieldKind::Date => format.print(value, Zone::UTC).into(),
        FieldKind::GeoPoint => {
            let point = Point::from_column(value);
            format!("{:?}, {:?}", point.latitude(), point.longitude()).into()
        }
        kind if kind.is_fractional() => to_f64(value).into(),
        _ => value.into(),
    }
}

/// Values of the document itself, each as its field's kind.
///
/// # Errors
/// When the document cannot be read, or points are asked for.
pub(crate) fn document_fields(
    snapshot: &Snapshot,
    view: &View,
    row: u32,
    asked: &[ColumnField],
) -> Result<Vec<(String, Vec<Value>)>, IndexError> {
    if asked.is_empty() {
        return Ok(Vec::new());
    }
    let document = json::parse(&document(view, row)?).map_err(|e| IndexError::Corrupt(e.to_string()))?;
    let mut shown = Vec::new();
    for wanted in asked {
        for field in snapshot.mapping.fields().iter().filter(|f| matches_pattern(&wanted.field, &f.path)) {
            if field.kind == FieldKind::GeoPoint {
                let message = format!("[fields] does not show points; ask for [{}] in docvalue_fields", field.path);
                return Err(QueryError::Argument(message).into());
            }
            let path = field.parent.map_or(&field.path, |p| &snapshot.mapping.fields()[p].path);
            let mut found = Vec::new();
            values_at(&document, path, &mut found);
            let format = format_of(wanted, field)?;
            let values: Vec<Value> = found.iter().filter_map(|v| document_value(field, v, &format)).collect();
            if !values.is_empty() {
                shown.push((field.path.clone(), values));
            }
        }
    }
    Ok(shown)
}

fn values_at<'n>(node: &'n Node, path: &str, found: &mut Vec<&'n Value>) {
    match &node.value {
        Value::Array(items) => items.iter().for_each(|item| values_at(item, path, found)),
        value if path.is_empty() => found.push(value),
        Value::Object(members) => {
            for member in members {
                match path.strip_prefix(member.key.as_str()) {
                    Some("") => values_at(&member.node, "", found),
                    Some(rest) if rest.starts_with('.') => values_at(&member.node, &rest[1..], found),
                    _ => {}
                }
            }
        }
        _ => {}
    }
}

fn document_value(field: &Field, value: &Value, format: &DateFormat) -> Option<Value> {
    let text = match value {
        Value::Text(text) | Value::Number(text) => text.as_str(),
        Value::Bool(true) => "true",
        Value::Bool(false) => "false",
        _ => return None,
    };
    Some(match field.kind {
        FieldKind::Keyword | FieldKind::Text => text.into(),
        FieldKind::Boolean => Value::Bool(text == "true"),
        FieldKind::Date => format.print(field.date_format().parse(text, Edge::Start, Zone::UTC)?, Zone::UTC).into(),
        FieldKind::Float => text.parse::<f32>().ok()?.into(),
        FieldKind::Double => text.parse::<f64>().ok()?.into(),
        _ => parse_whole(text)??.into(),
    })
}
