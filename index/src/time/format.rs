//! Date formats: which texts are dates, and how dates are written.

use super::calendar::{Civil, DAY_MS, days_in_month};
use super::zone::parse_offset;
use super::{Edge, Zone};

/// The format of dates that were given none.
const DEFAULT: &str = "strict_date_optional_time||epoch_millis";
/// The zone offset forms that may end a time of day.
const YEAR_DIGITS_MAX: usize = 9;

/// One or more forms, tried in order; the first one writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DateFormat {
    text: String,
    forms: Vec<Form>,
}

/// A format that is not known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("Invalid format: [{format}]: {what}")]
pub struct FormatError {
    /// The whole format.
    pub format: String,
    /// What is wrong with it.
    pub what: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Form {
    /// Year down to fractions of a second, each smaller part optional.
    OptionalTime,
    EpochMillis,
    EpochSecond,
    Pattern(Vec<Part>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Literal(char),
    Year(usize),
    Month(usize),
    Day(usize),
    Hour(usize),
    Minute(usize),
    Second(usize),
    Fraction(usize),
    Offset,
}

/// What a text said; `None` for parts that it left out.
#[derive(Debug, Default, Clone, Copy)]
struct Found {
    year: Option<i64>,
    month: Option<u32>,
    day: Option<u32>,
    hour: Option<i64>,
    minute: Option<i64>,
    second: Option<i64>,
    ms: Option<i64>,
    offset_ms: Option<i64>,
}

impl Default for DateFormat {
    fn default() -> Self {
        Self { text: DEFAULT.to_owned(), forms: vec![Form::OptionalTime, Form::EpochMillis] }
    }
}

impl DateFormat {
    /// Reads a format: names and patterns (`yyyy-MM-dd HH:mm`), separated by `||`.
    ///
    /// # Errors
    /// When a part of it is not known.
    pub fn new(text: &str) -> Result<Self, FormatError> {
        let wrong = |what: String| FormatError { format: text.to_owned(), what };
        let forms = text.split("||").map(form).collect::<Result<Vec<_>, _>>().map_err(wrong)?;
        Ok(Self { text: text.to_owned(), forms })
    }

    /// The format as it was given.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Milliseconds since 1970 of a text. Parts that it leaves out are taken from `edge`; a text without an offset
    /// is in `zone`. `None` when it is no date of this format.
    pub fn parse(&self, text: &str, edge: Edge, zone: Zone) -> Option<i64> {
        self.forms.iter().find_map(|form| form.parse(text, edge, zone))
    }

    /// Writes a time in the first form.
    pub fn print(&self, utc_ms: i64, zone: Zone) -> String {
        self.forms.first().map_or_else(String::new, |form| form.print(utc_ms, zone))
    }
}

fn form(name: &str) -> Result<Form, String> {
    let pattern = match name {
        "strict_date_optional_time" | "date_optional_time" | "iso8601" => return Ok(Form::OptionalTime),
        "epoch_millis" => return Ok(Form::EpochMillis),
        "epoch_second" => return Ok(Form::EpochSecond),
        "strict_date" | "date" => "yyyy-MM-dd",
        "strict_date_time" | "date_time" => "yyyy-MM-dd'T'HH:mm:ss.SSSXXX",
        "strict_date_time_no_millis" | "date_time_no_millis" => "yyyy-MM-dd'T'HH:mm:ssXXX",
        "strict_date_hour_minute_second" | "date_hour_minute_second" => "yyyy-MM-dd'T'HH:mm:ss",
        "strict_date_hour_minute" | "date_hour_minute" => "yyyy-MM-dd'T'HH:mm",
        "strict_date_hour" | "date_hour" => "yyyy-MM-dd'T'HH",
        "strict_year_month" | "year_month" => "yyyy-MM",
        "strict_year" | "year" => "yyyy",
        "basic_date" => "yyyyMMdd",
        "basic_date_time_no_millis" => "yyyyMMdd'T'HHmmssXXX",
        other => other,
    };
    compile(pattern)
}

fn compile(pattern: &str) -> Result<Form, String> {
    let chars: Vec<char> = pattern.chars().collect();
    let (mut parts, mut at) = (Vec::new(), 0);
    while at < chars.len() {
        let letter = chars[at];
        let run = chars[at..].iter().take_while(|c| **c == letter).count();
        at += run;
        let part = match (letter, run) {
            ('\'', _) => {
                at -= run - 1;
                while let Some(&c) = chars.get(at).filter(|c| **c != '\'') {
                    parts.push(Part::Literal(c));
                    at += 1;
                }
                at += 1;
                continue;
            }
            ('y' | 'u', 2 | 4) => Part::Year(run),
            ('M', 1 | 2) => Part::Month(run),
            ('d', 1 | 2) => Part::Day(run),
            ('H', 1 | 2) => Part::Hour(run),
            ('m', 1 | 2) => Part::Minute(run),
            ('s', 1 | 2) => Part::Second(run),
            ('S', 1..=9) => Part::Fraction(run),
            ('X' | 'x' | 'Z', 1..=5) => Part::Offset,
            (c, _) if c.is_ascii_alphabetic() => return Err(format!("unknown pattern letters: {c}")),
            (c, _) => {
                parts.extend(std::iter::repeat_n(Part::Literal(c), run));
                continue;
            }
        };
        parts.push(part);
    }
    if parts.is_empty() { Err("empty".to_owned()) } else { Ok(Form::Pattern(parts)) }
}

/// A place in a text that is being read.
struct Cursor<'a> {
    rest: &'a [u8],
}

impl Cursor<'_> {
    fn eat(&mut self, byte: u8) -> Option<()> {
        (self.rest.first() == Some(&byte)).then(|| self.rest = &self.rest[1..])
    }

    fn count_digits(&self) -> usize {
        self.rest.iter().take_while(|b| b.is_ascii_digit()).count()
    }

    /// Exactly `digits` digits.
    fn number(&mut self, digits: usize) -> Option<i64> {
        let (head, rest) = self.rest.split_at_checked(digits)?;
        let number = std::str::from_utf8(head).ok().filter(|h| h.bytes().all(|b| b.is_ascii_digit()))?.parse().ok()?;
        self.rest = rest;
        Some(number)
    }

    /// A fraction of a second of 1..=9 digits, cut to milliseconds.
    fn fraction(&mut self, digits: usize) -> Option<i64> {
        if !(1..=9).contains(&digits) {
            return None;
        }
        let number = self.number(digits)?;
        Some(if digits <= 3 { number * 10i64.pow(3 - digits as u32) } else { number / 10i64.pow(digits as u32 - 3) })
    }

    /// The rest as a zone offset.
    fn offset(&mut self) -> Option<i64> {
        let text = std::str::from_utf8(std::mem::take(&mut self.rest)).ok()?;
        if text == "Z" { Some(0) } else { parse_offset(text).filter(|_| text.len() >= 3) }
    }
}

fn optional_time(text: &str) -> Option<Found> {
    let mut c = Cursor { rest: text.as_bytes() };
    let mut found = Found::default();
    let negative = c.eat(b'-').is_some();
    let signed = negative || c.eat(b'+').is_some();
    let digits = c.count_digits();
    if !(digits == 4 || (signed && (5..=YEAR_DIGITS_MAX).contains(&digits))) {
        return None;
    }
    found.year = Some(c.number(digits)? * if negative { -1 } else { 1 });
    if c.eat(b'-').is_some() {
        found.month = Some(c.number(2)? as u32);
        if c.eat(b'-').is_some() {
            found.day = Some(c.number(2)? as u32);
        }
    }
    if c.rest.is_empty() {
        return Some(found);
    }
    c.eat(b'T')?;
    found.day?;
    if c.rest.is_empty() {
        return Some(found);
    }
    found.hour = Some(c.number(2)?);
    if c.eat(b':').is_some() {
        found.minute = Some(c.number(2)?);
        if c.eat(b':').is_some() {
            found.second = Some(c.number(2)?);
            if c.eat(b'.').or_else(|| c.eat(b',')).is_some() {
                found.ms = Some(c.fraction(c.count_digits())?);
            }
        }
    }
    if !c.rest.is_empty() {
        found.offset_ms = Some(c.offset()?);
    }
    Some(found)
}

fn by_pattern(parts: &[Part], text: &str) -> Option<Found> {
    let mut c = Cursor { rest: text.as_bytes() };
    let mut found = Found::default();
    let width = |c: &Cursor<'_>, width: usize| if width == 1 { c.count_digits().clamp(1, 2) } else { width };
    for part in parts {
        match part {
            Part::Literal(literal) => {
                let mut buffer = [0; 4];
                literal.encode_utf8(&mut buffer).bytes().try_for_each(|b| c.eat(b))?;
            }
            Part::Year(2) => found.year = Some(2_000 + c.number(2)?),
            Part::Year(digits) => found.year = Some(c.number(*digits)?),
            Part::Month(w) => found.month = Some(c.number(width(&c, *w))? as u32),
            Part::Day(w) => found.day = Some(c.number(width(&c, *w))? as u32),
            Part::Hour(w) => found.hour = Some(c.number(width(&c, *w))?),
            Part::Minute(w) => found.minute = Some(c.number(width(&c, *w))?),
            Part::Second(w) => found.second = Some(c.number(width(&c, *w))?),
            Part::Fraction(digits) => found.ms = Some(c.fraction(*digits)?),
            Part::Offset => found.offset_ms = Some(c.offset()?),
        }
    }
    c.rest.is_empty().then_some(found)
}

impl Found {
    fn resolve(self, edge: Edge, zone: Zone) -> Option<i64> {
        let end = edge == Edge::End;
        let pick = |given: Option<i64>, last: i64| given.unwrap_or(if end { last } else { 0 });
        let year = self.year.unwrap_or(1970);
        // The end of a year or a month given alone is that of its first day, as the real one has it.
        let month = self.month.unwrap_or(1);
        if !(1..=12).contains(&month) {
            return None;
        }
        let days = days_in_month(year, month);
        let day = self.day.unwrap_or(1);
        let (hour, minute, second) = (pick(self.hour, 23), pick(self.minute, 59), pick(self.second, 59));
        if !(1..=days).contains(&day) || hour > 23 || minute > 59 || second > 59 {
            return None;
        }
        let ms_of_day = ((hour * 60 + minute) * 60 + second) * 1_000 + pick(self.ms, 999);
        let local = Civil { year, month, day, ms_of_day }.to_ms();
        Some(match self.offset_ms {
            Some(offset) => local - offset,
            None => zone.first_instant(local),
        })
    }
}

/// A whole number with an optional fraction, times `scale`; below zero it is refused, as the real one does.
fn epoch(text: &str, scale: i64) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let plain = |t: &str| !t.is_empty() && t.len() <= 16 && t.bytes().all(|b| b.is_ascii_digit());
    if !plain(whole) || !plain(fraction) {
        return None;
    }
    let part = if scale == 1 { 0 } else { format!("{fraction:0<3}")[..3].parse::<i64>().ok()? };
    whole.parse::<i64>().ok()?.checked_mul(scale)?.checked_add(part)
}

impl Form {
    fn parse(&self, text: &str, edge: Edge, zone: Zone) -> Option<i64> {
        match self {
            Self::OptionalTime => optional_time(text)?.resolve(edge, zone),
            Self::EpochMillis => epoch(text, 1),
            Self::EpochSecond => epoch(text, 1_000),
            Self::Pattern(parts) => by_pattern(parts, text)?.resolve(edge, zone),
        }
    }

    fn print(&self, utc_ms: i64, zone: Zone) -> String {
        let local = Civil::from_ms(zone.to_local(utc_ms));
        match self {
            Self::OptionalTime => {
                let time = local.ms_of_day;
                let (h, m, s) = (time / 3_600_000, time / 60_000 % 60, time / 1_000 % 60);
                let (date, ms) = (print_date(&local), time % 1_000);
                format!("{date}T{h:02}:{m:02}:{s:02}.{ms:03}{}", zone.suffix(utc_ms))
            }
            Self::EpochMillis => utc_ms.to_string(),
            Self::EpochSecond if utc_ms % 1_000 == 0 => (utc_ms / 1_000).to_string(),
            Self::EpochSecond => format!("{:.3}", utc_ms as f64 / 1_000.0),
            Self::Pattern(parts) => parts.iter().map(|part| print_part(part, &local, utc_ms, zone)).collect(),
        }
    }
}

fn print_date(local: &Civil) -> String {
    let sign = if local.year > 9_999 { "+" } else { "" };
    let width = if local.year < 0 { 5 } else { 4 };
    format!("{sign}{:0width$}-{:02}-{:02}", local.year, local.month, local.day)
}

fn print_part(part: &Part, local: &Civil, utc_ms: i64, zone: Zone) -> String {
    let time = local.ms_of_day % DAY_MS;
    match part {
        Part::Literal(c) => c.to_string(),
        Part::Year(2) => format!("{:02}", local.year.rem_euclid(100)),
        Part::Year(_) => format!("{:04}", local.year),
        Part::Month(w) => format!("{:0w$}", local.month, w = *w),
        Part::Day(w) => format!("{:0w$}", local.day, w = *w),
        Part::Hour(w) => format!("{:0w$}", time / 3_600_000, w = *w),
        Part::Minute(w) => format!("{:0w$}", time / 60_000 % 60, w = *w),
        Part::Second(w) => format!("{:0w$}", time / 1_000 % 60, w = *w),
        Part::Fraction(w) => format!("{:03}000000", time % 1_000)[..*w].to_owned(),
        Part::Offset => zone.suffix(utc_ms),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(text: &str, edge: Edge, expected: Option<&str>) {
        let format = DateFormat::default();
        let got = format.parse(text, edge, Zone::UTC).map(|ms| format.print(ms, Zone::UTC));
        assert_eq!(got.as_deref(), expected, "{text} {edge:?}");
    }

    #[test]
    fn the_default_format() {
        for (text, start, end) in [
            ("2016", "2016-01-01T00:00:00.000Z", "2016-01-01T23:59:59.999Z"),
            ("2016-02", "2016-02-01T00:00:00.000Z", "2016-02-01T23:59:59.999Z"),
            ("2016-01-06T07", "2016-01-06T07:00:00.000Z", "2016-01-06T07:59:59.999Z"),
            ("2016-01-06T07:08:09,5Z", "2016-01-06T07:08:09.500Z", "2016-01-06T07:08:09.500Z"),
            ("2016-01-06T07:08:09.1239999Z", "2016-01-06T07:08:09.123Z", "2016-01-06T07:08:09.123Z"),
            ("2016-01-06T07:00:00+02:00", "2016-01-06T05:00:00.000Z", "2016-01-06T05:00:00.999Z"),
            ("1452056400000", "2016-01-06T05:00:00.000Z", "2016-01-06T05:00:00.000Z"),
        ] {
            check(text, Edge::Start, Some(start));
            check(text, Edge::End, Some(end));
        }
        for text in [
            "2016-1-6",
            "2016-01-06 07:00:00",
            "2016-01-06T07:00:00z",
            "2016-01-06T24:00:00",
            "-1",
            "",
            "2016-02-30",
            "2016-13",
            "yesterday",
            "2016-01-06T07:00:00.Z",
            "2016-01-06T07:00:00.1234567890Z",
            "2016-01-06x",
        ] {
            check(text, Edge::Start, None);
        }
    }

    #[test]
    fn patterns_read_and_write() {
        for (format, text, ms) in [
            ("dd/MM/yyyy", "06/01/2016", 1_452_038_400_000),
            ("yyyy-MM-dd HH:mm:ss", "2016-01-06 05:00:00", 1_452_056_400_000),
            ("yyyy-MM-dd'T'HH:mm:ss.SSSXXX", "2016-01-06T05:00:00.000Z", 1_452_056_400_000),
            ("epoch_second", "1452056400", 1_452_056_400_000),
            ("basic_date", "20160106", 1_452_038_400_000),
        ] {
            let format = DateFormat::new(format).unwrap();
            assert_eq!(format.parse(text, Edge::Start, Zone::UTC), Some(ms));
            assert_eq!(format.print(ms, Zone::UTC), text);
        }
        assert!(DateFormat::new("no_such_format").is_err());
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(ms in -62_000_000_000_000i64..253_000_000_000_000) {
            let format = DateFormat::default();
            prop_assert_eq!(format.parse(&format.print(ms, Zone::UTC), Edge::Start, Zone::UTC), Some(ms));
        }

        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,30}", pattern in "\\PC{0,12}") {
            let _ = DateFormat::default().parse(&text, Edge::End, Zone::UTC);
            if let Ok(format) = DateFormat::new(&pattern) {
                let _ = format.parse(&text, Edge::Start, Zone::UTC);
                let _ = format.print(0, Zone::UTC);
            }
        }
    }
}
