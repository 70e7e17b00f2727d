//! Mappings: which fields an index has, of which kind, and what happens to fields that no one announced.

use crate::codec::{DecodeError, Decoder, put_bytes, put_varint};
use crate::time::DateFormat;
use rustc_hash::FxHashMap;
use std::collections::BTreeSet;

/// Most fields of one index, multi-fields counted; a document that would bring more is refused.
pub const FIELDS_MAX: usize = 1_000;

/// What values a field holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldKind {
    /// A text that matches as a whole.
    Keyword,
    /// A text to be searched by words. Only whether it has a value is held: queries on it are refused.
    Text,
    /// A whole number of 64 bits.
    Long,
    /// A whole number of 32 bits.
    Integer,
    /// A whole number of 16 bits.
    Short,
    /// A whole number of 8 bits.
    Byte,
    /// A binary floating point number of 64 bits.
    Double,
    /// A binary floating point number of 32 bits.
    Float,
    /// True or false.
    Boolean,
    /// An instant, in milliseconds.
    Date,
    /// A point on the earth.
    GeoPoint,
}

impl FieldKind {
    const ALL: [(Self, &'static str); 11] = [
        (Self::Keyword, "keyword"),
        (Self::Text, "text"),
        (Self::Long, "long"),
        (Self::Integer, "integer"),
        (Self::Short, "short"),
        (Self::Byte, "byte"),
        (Self::Double, "double"),
        (Self::Float, "float"),
        (Self::Boolean, "boolean"),
        (Self::Date, "date"),
        (Self::GeoPoint, "geo_point"),
    ];

    /// The name that mappings use.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(kind, _)| *kind == self).map_or("", |(_, name)| name)
    }

    /// The kind of this name.
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, n)| *n == name).map(|(kind, _)| *kind)
    }

    /// Whether it holds numbers without a fraction.
    pub fn is_whole(self) -> bool {
        matches!(self, Self::Long | Self::Integer | Self::Short | Self::Byte)
    }

    /// Whether it holds numbers with a fraction.
    pub fn is_fractional(self) -> bool {
        matches!(self, Self::Double | Self::Float)
    }

    /// Least and greatest value of the whole numbers.
    pub(crate) fn whole_range(self) -> (i64, i64) {
        match self {
            Self::Integer => (i32::MIN.into(), i32::MAX.into()),
            Self::Short => (i16::MIN.into(), i16::MAX.into()),
            Self::Byte => (i8::MIN.into(), i8::MAX.into()),
            _ => (i64::MIN, i64::MAX),
        }
    }
}

/// One field.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    /// Its full path, inner names separated by dots.
    pub path: String,
    /// What it holds.
    pub kind: FieldKind,
    /// The field whose values it takes in addition (a multi-field), as an index into [`Mapping::fields`].
    pub parent: Option<usize>,
    /// Keywords longer than this (in UTF-16 units) have no value.
    pub ignore_above: Option<u32>,
    /// How dates are read and written; `None` stands for the default format.
    pub format: Option<DateFormat>,
    /// Whether values that do not fit leave the field without a value in place of refusing the document.
    pub ignore_malformed: bool,
    /// Whether queries may ask for it.
    pub searchable: bool,
    /// Whether sorts and aggregations may use it.
    pub columnar: bool,
    /// What stands for `null`.
    pub null_value: Option<String>,
}

impl Field {
    /// A field of this kind with nothing else said.
    pub fn new(path: impl Into<String>, kind: FieldKind) -> Self {
        Self {
            path: path.into(),
            kind,
            parent: None,
            ignore_above: None,
            format: None,
            ignore_malformed: false,
            searchable: true,
            columnar: true,
            null_value: None,
        }
    }

    /// The format of its dates.
    pub fn date_format(&self) -> DateFormat {
        self.format.clone().unwrap_or_default()
    }
}

/// Why a field cannot be sorted by or aggregated.
pub(crate) fn unloadable(field: &Field) -> String {
    let (path, kind) = (&field.path, field.kind.name());
    format!(
        "Can't load fielddata on [{path}] because fielddata is unsupported on fields of type [{kind}]. Use doc values instead."
    )
}

/// What happens to fields that the mapping does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Dynamic {
    /// They are added, their kind guessed from the value.
    #[default]
    Add,
    /// They stay in the document and are not indexed.
    Ignore,
    /// The document is refused.
    Refuse,
}

/// Why a mapping is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MappingError {
    /// No such kind of field.
    #[error("No handler for type [{kind}] declared on field [{field}]")]
    UnknownKind {
        /// The field.
        field: String,
        /// The name of the kind.
        kind: String,
    },
    /// A field without a kind.
    #[error("No type specified for field [{0}]")]
    NoKind(String),
    /// A parameter that such a field does not have.
    #[error("unknown parameter [{parameter}] on mapper [{field}] of type [{kind}]")]
    UnknownParameter {
        /// The field.
        field: String,
        /// The parameter.
        parameter: String,
        /// The kind of the field.
        kind: String,
    },
    /// A parameter, or a value of one, that exists elsewhere but not here.
    #[error("[{what}] on field [{field}] is not supported by this index")]
    Unsupported {
        /// The field.
        field: String,
        /// What is not supported.
        what: String,
    },
    /// Something at the top of the mapping that is not known.
    #[error("Root mapping definition has unsupported parameters:  [{0}]")]
    UnknownRoot(String),
    /// A value that does not fit its parameter.
    #[error("{0}")]
    Malformed(String),
    /// A field cannot become one of another kind.
    #[error("mapper [{field}] cannot be changed from type [{from}] to [{to}]")]
    Changed {
        /// The field.
        field: String,
        /// What it is.
        from: String,
        /// What it should become.
        to: String,
    },
    /// More than [`FIELDS_MAX`] fields.
    #[error("Limit of total fields [{FIELDS_MAX}] has been exceeded")]
    TooManyFields,
}

/// The fields of an index.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Mapping {
    /// What happens to unknown fields; `None` where nothing was said, which is as [`Dynamic::Add`].
    pub dynamic: Option<Dynamic>,
    fields: Vec<Field>,
    by_path: FxHashMap<String, usize>,
    objects: BTreeSet<String>,
    children: Vec<Vec<usize>>,
}

impl Mapping {
    /// All fields. A field's place never changes.
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// The paths of the objects that hold other fields.
    pub fn objects(&self) -> &BTreeSet<String> {
        &self.objects
    }

    /// The place of the field of this path.
    pub fn position(&self, path: &str) -> Option<usize> {
        self.by_path.get(path).copied()
    }

    /// The field of this path.
    pub fn field(&self, path: &str) -> Option<&Field> {
        self.position(path).map(|at| &self.fields[at])
    }

    /// The multi-fields of a field.
    pub(crate) fn children(&self, at: usize) -> &[usize] {
        &self.children[at]
    }

    /// What happens to unknown fields.
    pub fn dynamic(&self) -> Dynamic {
        self.dynamic.unwrap_or_default()
    }

    /// Adds an object, and the objects around it.
    ///
    /// # Errors
    /// When one of them is a field.
    pub fn add_object(&mut self, path: &str) -> Result<(), MappingError> {
        let changed = |field: &Field, to: &str| MappingError::Changed {
            field: field.path.clone(),
            from: field.kind.name().to_owned(),
            to: to.to_owned(),
        };
        for (at, _) in path.match_indices('.').chain([(path.len(), "")]) {
            if let Some(field) = self.field(&path[..at]) {
                return Err(changed(field, "object"));
            }
            self.objects.insert(path[..at].to_owned());
        }
        Ok(())
    }

    /// Adds a field, or changes what may be changed of the one that is there. Returns its place.
    ///
    /// # Errors
    /// When a field of this path is of another kind, an object is there, or there are too many fields.
    pub fn add(&mut self, field: Field) -> Result<usize, MappingError> {
        if self.objects.contains(&field.path) {
            let (from, to) = ("object".to_owned(), field.kind.name().to_owned());
            return Err(MappingError::Changed { field: field.path, from, to });
        }
        if let Some(&at) = self.by_path.get(&field.path) {
            let old = &mut self.fields[at];
            if old.kind != field.kind {
                let (from, to) = (old.kind.name().to_owned(), field.kind.name().to_owned());
                return Err(MappingError::Changed { field: field.path, from, to });
            }
            if old.format != field.format {
                let (from, to) = (old.date_format(), field.date_format());
                let message = format!(
                    "Mapper for [{}] conflicts with existing mapper: Cannot update parameter [format] from [{}] to [{}]",
                    field.path,
                    from.text(),
                    to.text()
                );
                return Err(MappingError::Malformed(message));
            }
            let fixed = |f: &Field| (f.searchable, f.columnar, f.null_value.clone());
            if fixed(old) != fixed(&field) {
                return Err(MappingError::Malformed(format!(
                    "Mapper for [{}] conflicts with existing mapper: Cannot update parameter [index], [doc_values] or [null_value]",
                    field.path
                )));
            }
            old.ignore_above = field.ignore_above;
            old.ignore_malformed = field.ignore_malformed;
            return Ok(at);
        }
        if self.fields.len() + self.objects.len() >= FIELDS_MAX {
            return Err(MappingError::TooManyFields);
        }
        if let (None, Some((object, _))) = (field.parent, field.path.rsplit_once('.')) {
            let object = object.to_owned();
            self.add_object(&object)?;
        }
        let at = self.fields.len();
        if let Some(parent) = field.parent {
            self.children[parent].push(at);
        }
        self.by_path.insert(field.path.clone(), at);
        self.fields.push(field);
        self.children.push(Vec::new());
        Ok(at)
    }

    /// This mapping with the fields of `other` added.
    ///
    /// # Errors
    /// When they contradict each other; nothing is changed then.
    pub fn merged(&self, other: &Self) -> Result<Self, MappingError> {
        let mut merged = self.clone();
        for object in &other.objects {
            merged.add_object(object)?;
        }
        for field in &other.fields {
            let parent = field.parent.and_then(|p| merged.position(&other.fields[p].path));
            merged.add(Field { parent, ..field.clone() })?;
        }
        merged.dynamic = other.dynamic.or(merged.dynamic);
        Ok(merged)
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.push(match self.dynamic {
            None => 0,
            Some(Dynamic::Add) => 1,
            Some(Dynamic::Ignore) => 2,
            Some(Dynamic::Refuse) => 3,
        });
        put_varint(out, self.objects.len() as u64);
        self.objects.iter().for_each(|object| put_bytes(out, object.as_bytes()));
        put_varint(out, self.fields.len() as u64);
        for field in &self.fields {
            put_bytes(out, field.path.as_bytes());
            put_bytes(out, field.kind.name().as_bytes());
            put_varint(out, field.parent.map_or(0, |p| p as u64 + 1));
            put_varint(out, field.ignore_above.map_or(0, |n| u64::from(n) + 1));
            put_bytes(out, field.format.as_ref().map_or("", DateFormat::text).as_bytes());
            let flags = [field.ignore_malformed, !field.searchable, !field.columnar, field.null_value.is_some()];
            out.push(flags.iter().enumerate().map(|(at, flag)| u8::from(*flag) << at).sum());
            put_bytes(out, field.null_value.as_deref().unwrap_or_default().as_bytes());
        }
    }

    pub(crate) fn decode(from: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let dynamic = match from.u8()? {
            0 => None,
            1 => Some(Dynamic::Add),
            2 => Some(Dynamic::Ignore),
            3 => Some(Dynamic::Refuse),
            _ => return Err(from.error("an unknown rule for dynamic fields")),
        };
        let mut mapping = Self { dynamic, ..Self::default() };
        for _ in 0..from.count(1)? {
            let object = from.text()?.to_owned();
            mapping.add_object(&object).map_err(|_| from.error("an object where a field is"))?;
        }
        for _ in 0..from.count(7)? {
            let path = from.text()?;
            let kind = FieldKind::of(from.text()?).ok_or_else(|| from.error("an unknown kind of field"))?;
            let parent = (from.varint()? as usize).checked_sub(1);
            if parent.is_some_and(|p| p >= mapping.fields.len()) {
                return Err(from.error("a multi-field before its field"));
            }
            let ignore_above = from.u32()?.checked_sub(1);
            let format = match from.text()? {
                "" => None,
                text => Some(DateFormat::new(text).map_err(|_| from.error("an unknown date format"))?),
            };
            let flags = from.u8()?;
            let null_value = Some(from.text()?.to_owned()).filter(|_| flags & 8 != 0);
            let field = Field {
                path: path.to_owned(),
                kind,
                parent,
                ignore_above,
                format,
                ignore_malformed: flags & 1 != 0,
                searchable: flags & 2 == 0,
                columnar: flags & 4 == 0,
                null_value,
            };
            mapping.add(field).map_err(|_| from.error("contradicting fields"))?;
        }
        Ok(mapping)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Mapping {
        let mut mapping = Mapping { dynamic: Some(Dynamic::Refuse), ..Mapping::default() };
        mapping.add(Field::new("a.b", FieldKind::Long)).unwrap();
        let s = mapping.add(Field::new("s", FieldKind::Text)).unwrap();
        mapping
            .add(Field { parent: Some(s), ignore_above: Some(256), ..Field::new("s.keyword", FieldKind::Keyword) })
            .unwrap();
        let format = Some(DateFormat::new("dd/MM/yyyy").unwrap());
        mapping.add(Field { format, ..Field::new("t", FieldKind::Date) }).unwrap();
        mapping
    }

    #[test]
    fn what_was_written_is_read() {
        let mapping = sample();
        let mut out = Vec::new();
        mapping.encode(&mut out);
        assert_eq!(Mapping::decode(&mut Decoder::new(&out)), Ok(mapping));
        for cut in 0..out.len() {
            assert!(Mapping::decode(&mut Decoder::new(&out[..cut])).is_err(), "cut at {cut}");
        }
    }

    #[test]
    fn kinds_do_not_change() {
        let mut mapping = sample();
        assert_eq!(mapping.add(Field::new("a.b", FieldKind::Long)), Ok(0));
        for (path, kind) in [("a.b", FieldKind::Double), ("a", FieldKind::Long), ("a.b.c", FieldKind::Long)] {
            let error = mapping.add(Field::new(path, kind)).unwrap_err();
            assert!(matches!(error, MappingError::Changed { .. }), "{path}: {error}");
        }
        assert_eq!(mapping.objects().iter().collect::<Vec<_>>(), ["a"]);
        let mut other = Mapping::default();
        other.add(Field::new("new", FieldKind::Date)).unwrap();
        let merged = mapping.merged(&other).unwrap();
        assert_eq!(merged.position("new"), Some(4));
        assert_eq!(merged.children(1), [2]);
    }

    #[test]
    fn there_is_a_greatest_number_of_fields() {
        let mut mapping = Mapping::default();
        let added =
            (0..2_000).take_while(|i| mapping.add(Field::new(format!("f{i}"), FieldKind::Long)).is_ok()).count();
        assert_eq!(added, FIELDS_MAX);
    }
}
