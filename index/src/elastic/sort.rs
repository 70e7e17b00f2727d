//! Sorts, from JSON and from the URL.

use super::body::{Body, literal, token};
use super::failure::Failure;
use crate::json::{Member, Node, Value};
use crate::search::{Literal, SortField, SortKey, SortMissing, SortMode, SortOrder};

/// `field` or `field:direction`; a direction that is none counts as part of the name, as the real one has it.
pub(super) fn sort_of_text(text: &str) -> SortKey {
    match text.rsplit_once(':') {
        Some((field, "asc")) => sort_key(field, Some(SortOrder::Ascending)),
        Some((field, "desc")) => sort_key(field, Some(SortOrder::Descending)),
        // The real one drops a sort whose direction it does not know.
        Some(_) => SortKey::Score(SortOrder::Descending),
        None => sort_key(text, None),
    }
}

fn sort_key(field: &str, order: Option<SortOrder>) -> SortKey {
    match field {
        "_score" => SortKey::Score(order.unwrap_or(SortOrder::Descending)),
        "_doc" => SortKey::Document(order.unwrap_or(SortOrder::Ascending)),
        _ => SortKey::Field(SortField {
            field: field.to_owned(),
            order: order.unwrap_or(SortOrder::Ascending),
            missing: SortMissing::Last,
            mode: None,
            unmapped: false,
        }),
    }
}

impl Body {
    /// The sort of a search.
    pub(super) fn sort(&self, node: &Node) -> Result<Vec<SortKey>, Failure> {
        let mut keys = Vec::new();
        match &node.value {
            Value::Array(items) => {
                for item in items {
                    match &item.value {
                        Value::Object(members) => self.sort_object(members, &mut keys)?,
                        Value::Text(field) => keys.push(sort_key(field, None)),
                        other => {
                            let reason = format!(
                                "malformed sort format, within the sort array, an object, or an actual string are allowed, \
                                 but found [{}]",
                                token(other)
                            );
                            return Err(Failure::argument(reason));
                        }
                    }
                }
            }
            Value::Object(members) => self.sort_object(members, &mut keys)?,
            Value::Text(field) | Value::Number(field) => keys.push(sort_key(field, None)),
            _ => {}
        }
        if keys == [SortKey::Score(SortOrder::Descending)] {
            keys.clear();
        }
        Ok(keys)
    }

    fn sort_object(&self, members: &[Member], keys: &mut Vec<SortKey>) -> Result<(), Failure> {
        for member in members {
            match &member.node.value {
                Value::Text(order) => keys.push(sort_key(&member.key, Some(order_of(order)?))),
                Value::Object(inner) => keys.push(self.sort_field(&member.key, inner)?),
                other => {
                    let reason =
                        format!("a sort of [{}] must be an order or an object, found [{}]", member.key, token(other));
                    return Err(self.parsing(member.node.at, reason));
                }
            }
        }
        Ok(())
    }

    fn sort_field(&self, field: &str, members: &[Member]) -> Result<SortKey, Failure> {
        const WHAT: &str = "field_sort";
        if field == "_geo_distance" || field == "_script" {
            return Err(Failure::argument(format!("a sort by [{field}] is not supported by this index")));
        }
        let (mut order, mut missing, mut mode, mut unmapped) = (None, SortMissing::Last, None, false);
        for member in members {
            match member.key.as_str() {
                "order" => order = Some(order_of(&self.text(WHAT, member)?)?),
                "missing" => {
                    missing = match literal(&member.node.value).ok_or_else(|| self.wrong_kind(WHAT, member))? {
                        Literal::Text(text) if text == "_last" => SortMissing::Last,
                        Literal::Text(text) if text == "_first" => SortMissing::First,
                        value => SortMissing::Value(value),
                    }
                }
                "mode" => {
                    let text = self.text(WHAT, member)?;
                    let cause = || Failure::argument(format!("Unknown SortMode [{text}]"));
                    mode = Some(mode_of(&text).ok_or_else(|| self.failed(WHAT, member, cause()))?);
                }
                "unmapped_type" => unmapped = true,
                "numeric_type" | "nested" | "nested_path" | "nested_filter" | "format" => {
                    let cause = Failure::argument(format!("[{}] is not supported by this index", member.key));
                    return Err(self.failed(WHAT, member, cause));
                }
                _ => return Err(self.unknown(WHAT, member)),
            }
        }
        Ok(match sort_key(field, order) {
            SortKey::Field(sort) => SortKey::Field(SortField { missing, mode, unmapped, ..sort }),
            special => special,
        })
    }
}

fn order_of(text: &str) -> Result<SortOrder, Failure> {
    match text.to_ascii_lowercase().as_str() {
        "asc" => Ok(SortOrder::Ascending),
        "desc" => Ok(SortOrder::Descending),
        _ => Err(Failure::argument(format!("No enum constant SortOrder.{}", text.to_uppercase()))),
    }
}

fn mode_of(text: &str) -> Option<SortMode> {
    Some(match text.to_ascii_lowercase().as_str() {
        "min" => SortMode::Min,
        "max" => SortMode::Max,
        "sum" => SortMode::Sum,
        "avg" => SortMode::Avg,
        "median" => SortMode::Median,
        _ => return None,
    })
}
