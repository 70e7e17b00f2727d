//! Reading documents before their index is locked: their values as the columns hold them.

use crate::dictionary::{Dictionary, Interner};
use crate::document::{DocumentError, Parsed, Reader, Scalar};
use crate::mapping::Mapping;
use crate::operation::Wanted;
use std::ops::Range;
use std::sync::Arc;

/// One value for a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cell {
    pub(crate) field: usize,
    pub(crate) value: i64,
    /// Whether equal values of a row count once.
    pub(crate) distinct: bool,
}

/// Values as the columns hold them: keywords by their numbers.
pub(crate) fn cells(parsed: &Parsed, dictionaries: &[Option<Arc<Dictionary>>]) -> Vec<Cell> {
    let mut words = Interner::new(dictionaries);
    let mut cell = |(field, scalar): &(usize, Scalar)| {
        let (value, distinct) = match scalar {
            Scalar::Whole(value) => (*value, false),
            Scalar::Text(from, to) => (words.number(*field, &parsed.texts[*from..*to]).map_or(0, i64::from), true),
            Scalar::Present => (0, true),
        };
        Cell { field: *field, value, distinct }
    };
    parsed.values.iter().map(&mut cell).collect()
}

/// Documents that were read by a mapping.
#[derive(Debug)]
pub(crate) struct Prepared {
    mapping: Arc<Mapping>,
    cells: Vec<Cell>,
    readings: Vec<Reading>,
}

/// What became of one document.
#[derive(Debug)]
enum Reading {
    /// Where its values stand.
    Whole(Range<usize>),
    /// It brings fields, or is to be merged with what is there: it can only be read with the index locked.
    Later,
    Refused(DocumentError),
}

impl Prepared {
    /// Reads the documents of those that bring a whole one. The dictionaries are those of the mapping's fields.
    pub(crate) fn read<'a>(
        wanted: impl Iterator<Item = Wanted<'a>>,
        mapping: &Arc<Mapping>,
        dictionaries: &[Option<Arc<Dictionary>>],
    ) -> Self {
        let mut reader = Reader::new(mapping);
        let reading = |wanted| match wanted {
            Wanted::Index(source) | Wanted::Create(source) => match reader.read(source) {
                Ok((values, None)) => Reading::Whole(values),
                Ok((_, Some(_))) => Reading::Later,
                Err(error) => Reading::Refused(error),
            },
            Wanted::Update { .. } | Wanted::Delete => Reading::Later,
        };
        let readings = wanted.map(reading).collect();
        Self { mapping: mapping.clone(), cells: cells(&reader.finish(), dictionaries), readings }
    }

    /// The values of document `at`; `None` when it must be read by `mapping`, which is the index's own now.
    pub(crate) fn get(&self, at: usize, mapping: &Arc<Mapping>) -> Option<Result<&[Cell], DocumentError>> {
        // Another write may have changed the mapping since.
        if !Arc::ptr_eq(&self.mapping, mapping) {
            return None;
        }
        match self.readings.get(at)? {
            Reading::Whole(values) => Some(Ok(&self.cells[values.clone()])),
            Reading::Later => None,
            Reading::Refused(error) => Some(Err(error.clone())),
        }
    }
}
