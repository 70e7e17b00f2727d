//! What a series is a series of: a namespace, a name, and dimensions in the order of their names.

use super::bytes::{Reader, put_text, put_varint};
use serde::{Deserialize, Serialize};

/// Most dimensions of a series, as many as the metric service that people know allows.
const DIMENSIONS_MAX: usize = 30;
/// Longest namespace, name of a metric, or name of a dimension, in bytes.
const NAME_BYTES_MAX: usize = 255;
/// Longest value of a dimension, in bytes.
const VALUE_BYTES_MAX: usize = 1_024;

/// The identity of a series.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "Form", try_from = "Form")]
pub struct SeriesKey {
    namespace: String,
    name: String,
    dimensions: Vec<(String, String)>,
}

/// The key as it stands in documents.
#[derive(Serialize, Deserialize)]
struct Form {
    namespace: String,
    name: String,
    dimensions: Vec<(String, String)>,
}

impl From<SeriesKey> for Form {
    fn from(SeriesKey { namespace, name, dimensions }: SeriesKey) -> Self {
        Self { namespace, name, dimensions }
    }
}

impl TryFrom<Form> for SeriesKey {
    type Error = KeyError;

    fn try_from(form: Form) -> Result<Self, KeyError> {
        let dimensions = form.dimensions.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        Self::new(&form.namespace, &form.name, dimensions)
    }
}

/// Why something is no identity of a series.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// A name is empty or too long.
    #[error("{what} is {bytes} bytes long; it must have 1 to {max}")]
    Length {
        /// What is named.
        what: &'static str,
        /// Its length.
        bytes: usize,
        /// The longest allowed.
        max: usize,
    },
    /// Too many dimensions.
    #[error("a series has {0} dimensions; it may have at most {DIMENSIONS_MAX}")]
    Dimensions(usize),
    /// A dimension is there twice.
    #[error("dimension {0} is there twice; each may have one value")]
    Twice(String),
}

fn check(what: &'static str, text: &str, max: usize) -> Result<(), KeyError> {
    let bytes = text.len();
    if (1..=max).contains(&bytes) { Ok(()) } else { Err(KeyError::Length { what, bytes, max }) }
}

impl SeriesKey {
    /// The series of the metric `name` in `namespace` with these dimensions, in any order.
    ///
    /// # Errors
    /// When a name is empty or too long, or the dimensions are too many or one of them is there twice.
    pub fn new<'a>(
        namespace: &str,
        name: &str,
        dimensions: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, KeyError> {
        check("a namespace", namespace, NAME_BYTES_MAX)?;
        check("the name of a metric", name, NAME_BYTES_MAX)?;
        let mut owned = Vec::new();
        for (dimension, value) in dimensions {
            check("the name of a dimension", dimension, NAME_BYTES_MAX)?;
            check("the value of a dimension", value, VALUE_BYTES_MAX)?;
            owned.push((dimension.to_owned(), value.to_owned()));
        }
        if owned.len() > DIMENSIONS_MAX {
            return Err(KeyError::Dimensions(owned.len()));
        }
        owned.sort_unstable();
        if let Some(pair) = owned.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            return Err(KeyError::Twice(pair[0].0.clone()));
        }
        Ok(Self { namespace: namespace.to_owned(), name: name.to_owned(), dimensions: owned })
    }

    /// The namespace.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The name of the metric.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The dimensions in the order of their names.
    pub fn dimensions(&self) -> &[(String, String)] {
        &self.dimensions
    }

    /// The key as it stands in files.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(64);
        put_text(&mut out, &self.namespace);
        put_text(&mut out, &self.name);
        put_varint(&mut out, self.dimensions.len() as u64);
        for (dimension, value) in &self.dimensions {
            put_text(&mut out, dimension);
            put_text(&mut out, value);
        }
        out
    }

    /// The key that these bytes are; `None` when they are not one.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader(bytes);
        let (namespace, name) = (reader.text()?, reader.text()?);
        let count = usize::try_from(reader.varint()?).ok().filter(|count| *count <= DIMENSIONS_MAX)?;
        let dimensions: Option<Vec<_>> = (0..count).map(|_| Some((reader.text()?, reader.text()?))).collect();
        if !reader.0.is_empty() {
            return None;
        }
        Self::new(namespace, name, dimensions?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dimensions_have_one_order_and_one_value_each() {
        let one = SeriesKey::new("N", "m", [("b", "2"), ("a", "1")]).unwrap();
        assert_eq!(one, SeriesKey::new("N", "m", [("a", "1"), ("b", "2")]).unwrap());
        assert_eq!(one.dimensions()[0], ("a".to_owned(), "1".to_owned()));
        assert_eq!(SeriesKey::decode(&one.encode()), Some(one.clone()));
        assert_eq!(SeriesKey::new("N", "m", [("a", "1"), ("a", "2")]), Err(KeyError::Twice("a".into())));
    }

    #[test]
    fn what_is_too_long_is_refused_by_its_place() {
        let long = "x".repeat(256);
        for (namespace, name, dimension) in [("", "m", "d"), (long.as_str(), "m", "d"), ("n", "", "d"), ("n", "m", "")]
        {
            assert!(matches!(SeriesKey::new(namespace, name, [(dimension, "v")]), Err(KeyError::Length { .. })));
        }
        let names: Vec<String> = (0..31).map(|i| i.to_string()).collect();
        let many = names.iter().map(|name| (name.as_str(), "v"));
        assert_eq!(SeriesKey::new("n", "m", many), Err(KeyError::Dimensions(31)));
    }

    #[test]
    fn cut_bytes_are_no_key() {
        let bytes = SeriesKey::new("N", "m", [("a", "1")]).unwrap().encode();
        for length in 0..bytes.len() {
            assert_eq!(SeriesKey::decode(&bytes[..length]), None, "{length}");
        }
    }
}
