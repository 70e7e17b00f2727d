//! From a document's JSON text to the values of its fields, by a mapping.

use crate::flat::Shape;
use crate::geo::{Point, PointError};
use crate::json::{Event, JsonError, Parser};
use crate::mapping::{Dynamic, Field, FieldKind, Mapping, MappingError};
use crate::time::{DateFormat, Edge, Zone};
use crate::value::{from_f64, parse_fraction, parse_whole};
use std::borrow::Cow;
use std::ops::Range;

/// Longest keyword that can be indexed, in bytes.
const KEYWORD_BYTES_MAX: usize = 32_766;
/// Longest keyword of a guessed text, in UTF-16 units.
const GUESSED_IGNORE_ABOVE: u32 = 256;

/// Why a document is refused.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum DocumentError {
    /// It is no JSON.
    #[error("failed to parse: {0}")]
    Json(#[from] JsonError),
    /// It is JSON, but no object.
    #[error("failed to parse: a document is a JSON object")]
    NotAnObject,
    /// A value does not fit its field.
    #[error("failed to parse field [{field}] of type [{}]. Preview of field's value: '{preview}': {fault}", kind.name())]
    Value {
        /// The field.
        field: String,
        /// What the field holds.
        kind: FieldKind,
        /// The value, cut if it is long.
        preview: String,
        /// Why it does not fit.
        fault: ValueFault,
    },
    /// A plain value stands where an object belongs.
    #[error("object mapping for [{0}] tried to parse field [{0}] as object, but found a concrete value")]
    ObjectExpected(String),
    /// A new field where none may be added.
    #[error("mapping set to strict, dynamic introduction of [{field}] within [{within}] is not allowed")]
    Strict {
        /// The name of the field.
        field: String,
        /// The object it stands in; `_doc` is the document.
        within: String,
    },
    /// The fields that it brings contradict the mapping or each other.
    #[error(transparent)]
    Mapping(#[from] MappingError),
    /// A member without a name.
    #[error("field name cannot be an empty string")]
    EmptyName,
}

/// Why a value does not fit its field.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ValueFault {
    /// The text is no number.
    #[error("For input string: \"{0}\"")]
    NotANumber(String),
    /// Only numbers fit.
    #[error("a number is needed")]
    NotNumeric,
    /// The number is too large or too small.
    #[error("the number is out of range")]
    OutOfRange,
    /// Infinite, or no number at all.
    #[error("only finite values are supported, but got [{0}]")]
    NotFinite(String),
    /// Neither true nor false.
    #[error("Failed to parse value [{0}] as only [true] or [false] are allowed.")]
    NotBoolean(String),
    /// Not a date of the field's format.
    #[error("failed to parse date field [{text}] with format [{format}]")]
    NotADate {
        /// The text.
        text: String,
        /// The format.
        format: String,
    },
    /// An empty text where a date belongs.
    #[error("cannot parse empty date")]
    EmptyDate,
    /// Not a point.
    #[error(transparent)]
    NotAPoint(#[from] PointError),
    /// An object where a single value belongs.
    #[error("a single value is needed, an object was found")]
    Structure,
    /// A keyword longer than can be indexed.
    #[error("the value is longer than {KEYWORD_BYTES_MAX} bytes, give the field an `ignore_above`")]
    TooLong,
}

/// One value for one field.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Scalar {
    /// A column value.
    Whole(i64),
    /// A keyword: its place in [`Parsed::texts`].
    Text(usize, usize),
    /// A value that is not held, only that there is one.
    Present,
}

/// The values of one document or of several, one behind the other.
#[derive(Debug, Default)]
pub(crate) struct Parsed {
    pub(crate) values: Vec<(usize, Scalar)>,
    pub(crate) texts: String,
    /// Fields that the mapping does not have yet. Their values are not among `values`.
    pub(crate) found: Mapping,
}

/// Reads a document.
///
/// # Errors
/// When it is no JSON object or a value does not fit its field.
pub(crate) fn parse_document(source: &[u8], mapping: &Mapping) -> Result<Parsed, DocumentError> {
    let mut reader = Reader { learns: false, ..Reader::new(mapping) };
    reader.document(source)?;
    Ok(reader.parsed)
}

/// Reads documents one after the other into one [`Parsed`], so that none needs memory of its own.
pub(crate) struct Reader<'a> {
    parser: Parser<'a>,
    source: &'a [u8],
    mapping: &'a Mapping,
    path: String,
    parsed: Parsed,
    /// The shape of the first document, against which the later ones are held.
    shape: Shape,
    learns: bool,
}

impl<'a> Reader<'a> {
    /// A reader by this mapping.
    pub(crate) fn new(mapping: &'a Mapping) -> Self {
        Self {
            parser: Parser::new(&[]),
            source: &[],
            mapping,
            path: String::new(),
            parsed: Parsed::default(),
            shape: Shape::begun(),
            learns: true,
        }
    }

    /// Reads one more document. Tells where its values stand among all, and which fields it brings that the mapping
    /// does not have, if any.
    ///
    /// # Errors
    /// When it is no JSON object or a value does not fit its field.
    pub(crate) fn read(&mut self, source: &'a [u8]) -> Result<(Range<usize>, Option<Mapping>), DocumentError> {
        let from = self.parsed.values.len();
        if self.read_flat(source).is_some() {
            return Ok((from..self.parsed.values.len(), None));
        }
        // What a document of another shape gave before that was seen.
        self.parsed.values.truncate(from);
        let read = self.document(source);
        if std::mem::take(&mut self.learns) && read.is_err() {
            self.shape = Shape::default();
        }
        let found = &self.parsed.found;
        let brings = !found.fields().is_empty() || !found.objects().is_subset(self.mapping.objects());
        let found = brings.then(|| std::mem::take(&mut self.parsed.found));
        if let Err(error) = read {
            self.parsed.values.truncate(from);
            return Err(error);
        }
        Ok((from..self.parsed.values.len(), found))
    }

    /// All values that were read.
    pub(crate) fn finish(self) -> Parsed {
        self.parsed
    }

    /// Reads a document of the shape of the first one; `None` when it is of another one, or refused.
    fn read_flat(&mut self, source: &'a [u8]) -> Option<()> {
        if self.learns {
            return None;
        }
        let shape = std::mem::take(&mut self.shape);
        let read = shape.each(source, |field, event| self.put_all(field, 0, &event).ok());
        self.shape = shape;
        read
    }

    fn document(&mut self, source: &'a [u8]) -> Result<(), DocumentError> {
        self.parser.reset(source);
        self.source = source;
        self.path.clear();
        if self.parser.next()? != Event::ObjectStart {
            return Err(DocumentError::NotAnObject);
        }
        self.members()?;
        self.parser.next()?;
        Ok(())
    }

    fn members(&mut self) -> Result<(), DocumentError> {
        let outer = self.path.len();
        while let Event::Key(key) = self.parser.next()? {
            if key.is_empty() {
                return Err(DocumentError::EmptyName);
            }
            if outer > 0 {
                self.path.push('.');
            }
            self.path.push_str(&key);
            if self.learns && outer == 0 {
                self.shape.add(&key, self.mapping.position(&self.path));
            }
            let event = self.parser.next()?;
            self.value(event, outer)?;
            self.path.truncate(outer);
        }
        Ok(())
    }

    fn value(&mut self, event: Event<'a>, outer: usize) -> Result<(), DocumentError> {
        if let Some(at) = self.mapping.position(&self.path) {
            return self.field_value(at, event);
        }
        match event {
            Event::Null => Ok(()),
            Event::ArrayStart => loop {
                match self.parser.next()? {
                    Event::ArrayEnd => return Ok(()),
                    item => self.value(item, outer)?,
                }
            },
            Event::ObjectStart if self.mapping.objects().contains(&self.path) => self.members(),
            other => self.unknown(other, outer),
        }
    }

    fn unknown(&mut self, event: Event<'a>, outer: usize) -> Result<(), DocumentError> {
        if self.mapping.objects().contains(&self.path) {
            return Err(DocumentError::ObjectExpected(self.path.clone()));
        }
        match self.mapping.dynamic() {
            Dynamic::Ignore => Ok(self.parser.skip(&event)?),
            Dynamic::Refuse => Err(DocumentError::Strict {
                field: self.path[outer..].trim_start_matches('.').to_owned(),
                within: if outer == 0 { "_doc".to_owned() } else { self.path[..outer].to_owned() },
            }),
            Dynamic::Add if event == Event::ObjectStart => {
                self.parsed.found.add_object(&self.path)?;
                self.members()
            }
            Dynamic::Add => self.guess(&event),
        }
    }

    fn guess(&mut self, event: &Event<'a>) -> Result<(), DocumentError> {
        let found = &mut self.parsed.found;
        let field = |kind| Field::new(self.path.as_str(), kind);
        match event {
            Event::Number(number) if number.parse::<i64>().is_ok() => found.add(field(FieldKind::Long))?,
            Event::Number(_) => found.add(field(FieldKind::Float))?,
            Event::Bool(_) => found.add(field(FieldKind::Boolean))?,
            Event::Text(text) => match guess_date(text) {
                Some(format) => found.add(Field { format, ..field(FieldKind::Date) })?,
                None => {
                    let parent = Some(found.add(field(FieldKind::Text))?);
                    let keyword = Field::new(format!("{}.keyword", self.path), FieldKind::Keyword);
                    found.add(Field { parent, ignore_above: Some(GUESSED_IGNORE_ABOVE), ..keyword })?
                }
            },
            _ => return Ok(()),
        };
        Ok(())
    }

    fn field_value(&mut self, at: usize, event: Event<'a>) -> Result<(), DocumentError> {
        let field = &self.mapping.fields()[at];
        let kind = field.kind;
        match event {
            Event::Null => match &field.null_value {
                Some(value) => self.put(at, self.parser.token_at(), &Event::Text(Cow::Owned(value.clone()))),
                None => Ok(()),
            },
            Event::ArrayStart if kind == FieldKind::GeoPoint => self.points(at),
            Event::ArrayStart => loop {
                match self.parser.next()? {
                    Event::ArrayEnd => return Ok(()),
                    item => self.field_value(at, item)?,
                }
            },
            single => self.single(at, single),
        }
    }

    fn single(&mut self, at: usize, event: Event<'a>) -> Result<(), DocumentError> {
        let from = self.parser.token_at();
        if event == Event::ObjectStart && self.mapping.fields()[at].kind == FieldKind::GeoPoint {
            let point = self.point_object()?;
            return self.put_point(at, from, point);
        }
        if event == Event::ObjectStart {
            self.parser.skip(&event)?;
            return self.refuse(at, from, ValueFault::Structure);
        }
        self.put_all(at, from, &event)
    }

    /// Puts a value into its field and into the field's multi-fields.
    fn put_all(&mut self, at: usize, from: usize, event: &Event<'_>) -> Result<(), DocumentError> {
        self.put(at, from, event)?;
        for child in self.mapping.children(at) {
            self.put(*child, from, event)?;
        }
        Ok(())
    }

    /// `[lon, lat]`, or an array of points.
    fn points(&mut self, at: usize) -> Result<(), DocumentError> {
        let from = self.parser.token_at();
        let mut numbers = Vec::new();
        loop {
            match self.parser.next()? {
                Event::ArrayEnd => break,
                Event::Number(number) => numbers.push(number.parse().unwrap_or(f64::NAN)),
                item => self.field_value(at, item)?,
            }
        }
        match numbers[..] {
            [] => Ok(()),
            [lon, lat] | [lon, lat, _] => self.put_point(at, from, Point::new(lat, lon)),
            _ => {
                let wrong = PointError::Malformed("[geo_point] field type does not accept > 3 dimensions".to_owned());
                self.refuse(at, from, wrong.into())
            }
        }
    }

    fn point_object(&mut self) -> Result<Result<Point, PointError>, DocumentError> {
        let (mut lat, mut lon, mut geohash) = (None, None, None);
        let mut wrong = None;
        while let Event::Key(key) = self.parser.next()? {
            let event = self.parser.next()?;
            let number = match &event {
                Event::Number(text) => text.parse().ok(),
                Event::Text(text) => text.parse().ok(),
                _ => None,
            };
            match (&*key, number) {
                ("lat", Some(n)) => lat = Some(n),
                ("lon", Some(n)) => lon = Some(n),
                ("lat", None) => wrong = Some("latitude must be a number"),
                ("lon", None) => wrong = Some("longitude must be a number"),
                ("geohash", _) => match &event {
                    Event::Text(text) => geohash = Some(text.to_string()),
                    _ => wrong = Some("geohash must be a string"),
                },
                _ => wrong = Some("field must be either [lat], [lon] or [geohash]"),
            }
            self.parser.skip(&event)?;
        }
        Ok(match (wrong, lat, lon, geohash) {
            (Some(what), ..) => Err(PointError::Malformed(what.to_owned())),
            (None, Some(lat), Some(lon), None) => Point::new(lat, lon),
            (None, None, None, Some(geohash)) => Point::from_geohash(&geohash),
            (None, None, _, None) => Err(PointError::Malformed("field [lat] missing".to_owned())),
            (None, Some(_), None, None) => Err(PointError::Malformed("field [lon] missing".to_owned())),
            _ => Err(PointError::Malformed("field must be either lat/lon or geohash".to_owned())),
        })
    }

    fn put_point(&mut self, at: usize, from: usize, point: Result<Point, PointError>) -> Result<(), DocumentError> {
        match point {
            Ok(point) => {
                self.parsed.values.push((at, Scalar::Whole(point.to_column())));
                Ok(())
            }
            Err(fault) => self.refuse(at, from, fault.into()),
        }
    }

    fn put(&mut self, at: usize, from: usize, event: &Event<'_>) -> Result<(), DocumentError> {
        match self.scalar(&self.mapping.fields()[at], event) {
            Ok(Some(scalar)) => {
                let scalar = match (scalar, event_text(event)) {
                    (Scalar::Text(..), Some(text)) => {
                        let from = self.parsed.texts.len();
                        self.parsed.texts.push_str(text);
                        Scalar::Text(from, self.parsed.texts.len())
                    }
                    (scalar, _) => scalar,
                };
                self.parsed.values.push((at, scalar));
                Ok(())
            }
            Ok(None) => Ok(()),
            Err(fault) => self.refuse(at, from, fault),
        }
    }

    fn scalar(&self, field: &Field, event: &Event<'_>) -> Result<Option<Scalar>, ValueFault> {
        let Some(text) = event_text(event) else { return Err(ValueFault::Structure) };
        let is_text = matches!(event, Event::Text(_));
        let numeric = is_text || matches!(event, Event::Number(_));
        match field.kind {
            FieldKind::Keyword => {
                let limit = field.ignore_above.map_or(usize::MAX, |n| n as usize);
                if text.len() > limit && text.encode_utf16().count() > limit {
                    return Ok(None);
                }
                if text.len() > KEYWORD_BYTES_MAX {
                    return Err(ValueFault::TooLong);
                }
                Ok(Some(Scalar::Text(0, 0)))
            }
            FieldKind::Text => Ok(Some(Scalar::Present)),
            FieldKind::Boolean => boolean(text).map(|b| Some(Scalar::Whole(b.into()))),
            FieldKind::Date => date(field, text).map(|ms| Some(Scalar::Whole(ms))),
            FieldKind::GeoPoint if is_text => Ok(Some(Scalar::Whole(Point::from_text(text)?.to_column()))),
            FieldKind::GeoPoint => Err(PointError::Malformed("geo_point expected".to_owned()).into()),
            _ if !numeric => Err(ValueFault::NotNumeric),
            _ if is_text && text.is_empty() => Ok(None),
            kind if kind.is_fractional() => fraction(kind, text).map(|v| Some(Scalar::Whole(from_f64(v)))),
            kind => whole(kind, text).map(|v| Some(Scalar::Whole(v))),
        }
    }

    /// A value that does not fit: no value where that is allowed, else the end of the document.
    fn refuse(&self, at: usize, from: usize, fault: ValueFault) -> Result<(), DocumentError> {
        let field = &self.mapping.fields()[at];
        if field.ignore_malformed {
            return Ok(());
        }
        let raw = String::from_utf8_lossy(&self.source[from..self.parser.at()]);
        let preview = raw.trim_matches('"').chars().take(50).collect();
        Err(DocumentError::Value { field: field.path.clone(), kind: field.kind, preview, fault })
    }
}

fn event_text<'e>(event: &'e Event<'_>) -> Option<&'e str> {
    match event {
        Event::Text(text) => Some(text),
        Event::Number(number) => Some(number),
        Event::Bool(true) => Some("true"),
        Event::Bool(false) => Some("false"),
        _ => None,
    }
}

/// The format of a text that looks like a date; a plain number never does.
fn guess_date(text: &str) -> Option<Option<DateFormat>> {
    const SLASHED: &str = "yyyy/MM/dd HH:mm:ss||yyyy/MM/dd||epoch_millis";
    if !text.as_bytes().first()?.is_ascii_digit() || text.parse::<f64>().is_ok() {
        return None;
    }
    if DateFormat::default().parse(text, Edge::Start, Zone::UTC).is_some() {
        return Some(None);
    }
    let slashed = DateFormat::new(SLASHED).ok()?;
    slashed.parse(text, Edge::Start, Zone::UTC).map(|_| Some(slashed))
}

pub(crate) fn boolean(text: &str) -> Result<bool, ValueFault> {
    match text {
        "true" => Ok(true),
        "false" | "" => Ok(false),
        other => Err(ValueFault::NotBoolean(other.to_owned())),
    }
}

fn date(field: &Field, text: &str) -> Result<i64, ValueFault> {
    if text.is_empty() {
        return Err(ValueFault::EmptyDate);
    }
    // The default format is not built anew for each value.
    thread_local!(static DEFAULT: DateFormat = DateFormat::default());
    let parse = |format: &DateFormat| {
        format
            .parse(text, Edge::Start, Zone::UTC)
            .ok_or_else(|| ValueFault::NotADate { text: text.to_owned(), format: format.text().to_owned() })
    };
    field.format.as_ref().map_or_else(|| DEFAULT.with(parse), parse)
}

fn fraction(kind: FieldKind, text: &str) -> Result<f64, ValueFault> {
    let not_a_number = || ValueFault::NotANumber(text.to_owned());
    let value = if kind == FieldKind::Float {
        parse_fraction(text).map(|v| f64::from(parse_short(text).unwrap_or(v as f32))).ok_or_else(not_a_number)?
    } else {
        parse_fraction(text).ok_or_else(not_a_number)?
    };
    if value.is_finite() { Ok(value) } else { Err(ValueFault::NotFinite(text.to_owned())) }
}

/// A decimal number read as one of 32 bits at once: by way of 64 bits it could be rounded twice.
fn parse_short(text: &str) -> Option<f32> {
    text.trim().parse().ok()
}

fn whole(kind: FieldKind, text: &str) -> Result<i64, ValueFault> {
    let value = parse_whole(text).ok_or_else(|| ValueFault::NotANumber(text.to_owned()))?;
    let (least, greatest) = kind.whole_range();
    value.filter(|v| (least..=greatest).contains(v)).ok_or(ValueFault::OutOfRange)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn mapping() -> Mapping {
        let mut mapping = Mapping::default();
        for (path, kind) in [
            ("k", FieldKind::Keyword),
            ("n", FieldKind::Long),
            ("i", FieldKind::Integer),
            ("x", FieldKind::Double),
            ("f", FieldKind::Float),
            ("b", FieldKind::Boolean),
            ("t", FieldKind::Date),
            ("p", FieldKind::GeoPoint),
            ("o.x", FieldKind::Long),
        ] {
            mapping.add(Field::new(path, kind)).unwrap();
        }
        mapping
    }

    fn values(source: &str) -> Result<Vec<(String, String)>, DocumentError> {
        let mapping = mapping();
        let parsed = parse_document(source.as_bytes(), &mapping)?;
        Ok(parsed
            .values
            .iter()
            .map(|(at, scalar)| {
                let field = &mapping.fields()[*at];
                let text = match scalar {
                    Scalar::Text(from, to) => parsed.texts[*from..*to].to_owned(),
                    Scalar::Whole(v) if field.kind.is_fractional() => format!("{:?}", crate::value::to_f64(*v)),
                    Scalar::Whole(v) if field.kind == FieldKind::GeoPoint => {
                        let p = Point::from_column(*v);
                        format!("{:.3},{:.3}", p.latitude(), p.longitude())
                    }
                    Scalar::Whole(v) => v.to_string(),
                    Scalar::Present => "present".to_owned(),
                };
                (field.path.clone(), text)
            })
            .collect())
    }

    fn check(source: &str, expected: &[(&str, &str)]) {
        let got = values(source).unwrap();
        let got: Vec<(&str, &str)> = got.iter().map(|(p, v)| (p.as_str(), v.as_str())).collect();
        assert_eq!(got, expected, "{source}");
    }

    #[test]
    fn values_become_column_values() {
        check(
            r#"{"n":1.9,"i":"7","x":1,"f":3.14}"#,
            &[("n", "1"), ("i", "7"), ("x", "1.0"), ("f", "3.140000104904175")],
        );
        check(r#"{"b":"true","k":7,"t":"2016"}"#, &[("b", "1"), ("k", "7"), ("t", "1451606400000")]);
        check(r#"{"k":["a","b","a"],"n":[],"x":null}"#, &[("k", "a"), ("k", "b"), ("k", "a")]);
        check(r#"{"p":"dr5ru63"}"#, &[("p", "40.750,-73.992")]);
        check(r#"{"p":[10,20]}"#, &[("p", "20.000,10.000")]);
        check(
            r#"{"p":[[10,20],{"lat":"1","lon":2},"POINT (3 4)"]}"#,
            &[("p", "20.000,10.000"), ("p", "1.000,2.000"), ("p", "4.000,3.000")],
        );
        check(r#"{"o":{"x":1},"o.x":2,"n":""}"#, &[("o.x", "1"), ("o.x", "2")]);
    }

    #[test]
    fn values_that_do_not_fit_are_refused() {
        for source in [
            r#"{"n":"ten"}"#,
            r#"{"n":true}"#,
            r#"{"n":9.3e18}"#,
            r#"{"n":{"a":1}}"#,
            r#"{"i":99999999999}"#,
            r#"{"t":"2016-1-6"}"#,
            r#"{"t":""}"#,
            r#"{"b":"yes"}"#,
            r#"{"p":"zz!"}"#,
            r#"{"p":{"lat":95,"lon":0}}"#,
            r#"{"p":{"lat":1}}"#,
            r#"{"k":{"a":1}}"#,
            r#"{"x":"NaN"}"#,
            r#"{"f":1e40}"#,
        ] {
            assert!(matches!(values(source), Err(DocumentError::Value { .. })), "{source}: {:?}", values(source));
        }
        assert!(matches!(values(r#"{"o":1}"#), Err(DocumentError::ObjectExpected(_))));
        assert!(matches!(values("[]"), Err(DocumentError::NotAnObject)));
        assert!(matches!(values(r#"{"n":1"#), Err(DocumentError::Json(_))));
    }

    #[test]
    fn unknown_fields_are_guessed() {
        let source = r#"{"a":1,"b":1.5,"c":"x","d":true,"e":"2016-01-06","g":"2016/01/06","h":"12","z":null,"y":[],"q":{"r":{"s":1}}}"#;
        let found = parse_document(source.as_bytes(), &Mapping::default()).unwrap().found;
        let kind = |path: &str| found.field(path).map(|f| f.kind);
        for (path, expected) in [
            ("a", Some(FieldKind::Long)),
            ("b", Some(FieldKind::Float)),
            ("c", Some(FieldKind::Text)),
            ("c.keyword", Some(FieldKind::Keyword)),
            ("d", Some(FieldKind::Boolean)),
            ("e", Some(FieldKind::Date)),
            ("g", Some(FieldKind::Date)),
            ("h", Some(FieldKind::Text)),
            ("z", None),
            ("y", None),
            ("q.r.s", Some(FieldKind::Long)),
        ] {
            assert_eq!(kind(path), expected, "{path}");
        }
        let twice = parse_document(br#"{"a":[1,2.5]}"#, &Mapping::default());
        assert!(matches!(twice, Err(DocumentError::Mapping(MappingError::Changed { .. }))));
    }

    proptest! {
        #[test]
        fn documents_of_one_shape_are_read_as_any(
            numbers in proptest::collection::vec("-?[0-9.e]{1,4}", 6),
            texts in proptest::collection::vec("(\\PC|\\\\n|\"){0,6}", 6),
            names in proptest::collection::vec("[nkx]", 6),
        ) {
            let document = |i: usize| format!(r#"{{"n":{},"{}":"{}","x":{}}}"#, numbers[i], names[i], texts[i], i);
            let sources: Vec<String> = std::iter::once(r#"{"n":1,"k":"a","x":2}"#.to_owned()).chain((0..6).map(document)).collect();
            let mapping = mapping();
            let mut reader = Reader::new(&mapping);
            let read: Vec<_> = sources.iter().map(|source| reader.read(source.as_bytes())).collect();
            let all = reader.finish();
            let shown = |parsed: &Parsed, values: &[(usize, Scalar)]| -> Vec<(usize, String)> {
                let text = |scalar: &Scalar| match scalar {
                    Scalar::Text(from, to) => parsed.texts[*from..*to].to_owned(),
                    other => format!("{other:?}"),
                };
                values.iter().map(|(at, scalar)| (*at, text(scalar))).collect()
            };
            for (source, read) in sources.iter().zip(read) {
                match (read, parse_document(source.as_bytes(), &mapping)) {
                    (Ok((range, None)), Ok(alone)) => {
                        prop_assert_eq!(shown(&all, &all.values[range]), shown(&alone, &alone.values), "{}", source);
                    }
                    (Err(error), Err(alone)) => prop_assert_eq!(error, alone),
                    (read, alone) => prop_assert!(false, "{}: {:?} {:?}", source, read, alone),
                }
            }
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..100), text in "\\PC{0,20}") {
            let _ = parse_document(&bytes, &mapping());
            for field in ["k", "n", "i", "x", "f", "b", "t", "p"] {
                let mut source = format!("{{\"{field}\":").into_bytes();
                crate::json::Value::from(text.as_str()).write(&mut source);
                source.push(b'}');
                let _ = parse_document(&source, &mapping());
            }
        }
    }
}
