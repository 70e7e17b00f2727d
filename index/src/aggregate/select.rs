//! Which buckets a request wants, by their values.

use super::finish::shown_key;
use super::partial::{PartialBucket, PartialKey, Shape};
use super::pattern::Pattern;
use super::request::{Selection, ValueSource};
use super::result::BucketKey;
use crate::error::QueryError;
use crate::mapping::FieldKind;
use crate::search::Literal;

/// Keeps the buckets that the request selects. Instants are selected elsewhere, where intervals are known.
///
/// # Errors
/// When a pattern is malformed or takes too long.
pub(super) fn select(buckets: &mut Vec<PartialBucket>, shape: &Shape, source: &ValueSource) -> Result<(), QueryError> {
    for (selection, wanted) in [(&source.include, true), (&source.exclude, false)] {
        match selection {
            None | Some(Selection::Instants(_)) => {}
            Some(Selection::Values(values)) => {
                buckets.retain(|bucket| is_among(values, &text(shape, &bucket.key), shape) == wanted);
            }
            Some(Selection::Pattern(pattern)) => {
                let pattern = Pattern::new(pattern).map_err(QueryError::Argument)?;
                let mut too_long = false;
                buckets.retain(|bucket| {
                    let found = pattern.matches(&text(shape, &bucket.key));
                    too_long |= found.is_none();
                    found == Some(wanted)
                });
                if too_long {
                    return Err(QueryError::Argument("the pattern of values takes too long to match".to_owned()));
                }
            }
        }
    }
    Ok(())
}

fn text(shape: &Shape, key: &PartialKey) -> String {
    match shown_key(shape, key) {
        (_, Some(text)) | (BucketKey::Text(text), None) => text,
        (BucketKey::Whole(value), None) => value.to_string(),
        (BucketKey::Fraction(value), None) => format!("{value:?}"),
        (BucketKey::None, None) => String::new(),
    }
}

fn is_among(values: &[Literal], text: &str, shape: &Shape) -> bool {
    let number: Option<f64> = text.parse().ok().filter(|_| shape.kind != Some(FieldKind::Keyword));
    let same = |v: &Literal| v.as_text() == text || (number.is_some() && v.as_text().parse().ok() == number);
    values.iter().any(same)
}
