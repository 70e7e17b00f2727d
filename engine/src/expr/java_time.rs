//! Java's patterns for dates and times (`yyyy-MM-dd HH:mm`), of both its families: the newer one is strict about widths,
//! the older one reads any number of digits, carries what is too great, and ignores what follows.

use super::calendar::{Civil, DAY_MS, Moment, day_of_week, push, smart_date};
use std::iter::Peekable;
use std::str::Chars;

/// Which of Java's two families a pattern is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    /// `DateTimeFormatter`
    Strict,
    /// `SimpleDateFormat`
    Lenient,
}

/// A pattern ready for use.
#[derive(Debug, Clone)]
pub(super) struct Pattern {
    items: Vec<Item>,
    family: Family,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Item {
    Literal(String),
    /// A letter and how often it stands there.
    Field(char, usize),
}

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

impl Pattern {
    /// Reads a pattern; the error says what cannot be used in it.
    pub(super) fn new(text: &str, family: Family) -> Result<Self, String> {
        let mut items = Vec::new();
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            match c {
                '\'' => push_literal(&mut items, &quoted(&mut chars).ok_or("a quote is not closed in the pattern")?),
                'a'..='z' | 'A'..='Z' => {
                    let mut count = 1;
                    while chars.next_if_eq(&c).is_some() {
                        count += 1;
                    }
                    if !is_known(c, family) {
                        return Err(format!("the letter {c} of the pattern '{text}' is not supported"));
                    }
                    if family == Family::Strict && count > longest(c) {
                        return Err(format!("the pattern '{text}' has too many letters {c}"));
                    }
                    items.push(Item::Field(c, count));
                }
                '[' | ']' | '{' | '}' | '#' if family == Family::Strict => {
                    return Err(format!("the character {c} of the pattern '{text}' is not supported"));
                }
                _ => push_literal(&mut items, c.encode_utf8(&mut [0; 4])),
            }
        }
        Ok(Self { items, family })
    }

    /// Writes a moment.
    pub(super) fn write(&self, out: &mut String, at: Moment) {
        let parts = Parts::of(at);
        for item in &self.items {
            match item {
                Item::Literal(text) => out.push_str(text),
                Item::Field(letter, count) => parts.write(out, *letter, *count, self.family),
            }
        }
    }

    /// Reads a moment; what the pattern lacks is that of 1970-01-01 00:00:00. `None` when the text does not fit.
    pub(super) fn read(&self, text: &str) -> Option<Moment> {
        let mut found = Found::default();
        let mut rest = text;
        for (i, item) in self.items.iter().enumerate() {
            rest = match item {
                Item::Literal(literal) => rest.strip_prefix(literal.as_str())?,
                Item::Field(letter, count) => {
                    let adjacent = matches!(self.items.get(i + 1), Some(Item::Field(next, n)) if is_number(*next, *n));
                    self.read_field(rest, *letter, *count, adjacent, &mut found)?
                }
            };
        }
        if self.family == Family::Strict && !rest.is_empty() {
            return None;
        }
        found.moment(self.family)
    }

    /// Reads one field and gives what is left of the text.
    fn read_field<'t>(
        &self,
        text: &'t str,
        letter: char,
        count: usize,
        adjacent: bool,
        found: &mut Found,
    ) -> Option<&'t str> {
        if !is_number(letter, count) {
            return read_word(text, letter, count, found);
        }
        let present = text.bytes().take_while(u8::is_ascii_digit).count();
        let lenient = self.family == Family::Lenient;
        let width = match letter {
            _ if adjacent => count,
            'S' if !lenient => count,
            _ if lenient || count == 1 => present.min(10),
            'y' | 'u' if count != 2 => present.min(10),
            _ => count,
        };
        let minimum = if lenient && !adjacent { 1 } else { count.min(width.max(1)) };
        if present < width.max(1) || width < minimum {
            return None;
        }
        let value: i64 = text[..width].parse().ok()?;
        found.put(letter, count, width, value, self.family)?;
        Some(&text[width..])
    }
}

fn is_known(letter: char, family: Family) -> bool {
    match family {
        Family::Strict => "GyuYMLdDHhkKmsSEecawWFQqAnN".contains(letter),
        Family::Lenient => "GyYMLdDHhkKmsSEuawWF".contains(letter),
    }
}

/// How often a letter may stand together.
fn longest(letter: char) -> usize {
    match letter {
        'd' | 'F' | 'h' | 'H' | 'k' | 'K' | 'm' | 's' | 'w' => 2,
        'a' | 'W' => 1,
        'D' => 3,
        'G' | 'M' | 'L' | 'Q' | 'q' | 'E' | 'e' | 'c' => 5,
        'S' => 9,
        _ => 19,
    }
}

/// Whether a field is written in digits.
fn is_number(letter: char, count: usize) -> bool {
    match letter {
        'M' | 'L' | 'Q' | 'q' => count < 3,
        'E' | 'a' | 'G' => false,
        'e' | 'c' => count < 3,
        _ => true,
    }
}

fn push_literal(items: &mut Vec<Item>, text: &str) {
    match items.last_mut() {
        Some(Item::Literal(before)) => before.push_str(text),
        _ => items.push(Item::Literal(text.to_owned())),
    }
}

/// Text up to the closing quote; two quotes stand for one.
fn quoted(chars: &mut Peekable<Chars<'_>>) -> Option<String> {
    if chars.next_if_eq(&'\'').is_some() {
        return Some("'".to_owned());
    }
    let mut text = String::new();
    loop {
        match chars.next()? {
            '\'' if chars.next_if_eq(&'\'').is_some() => text.push('\''),
            '\'' => return Some(text),
            c => text.push(c),
        }
    }
}

/// A moment taken apart.
struct Parts {
    at: Moment,
    civil: Civil,
}

impl Parts {
    fn of(at: Moment) -> Self {
        Self { at, civil: Civil::from_days(at.day()) }
    }

    fn write(&self, out: &mut String, letter: char, count: usize, family: Family) {
        let month = MONTHS[self.civil.month as usize - 1];
        let day = DAYS[day_of_week(self.at.day()) as usize];
        match letter {
            'M' | 'L' if count >= 3 => write_name(out, month, count),
            'E' => write_name(out, day, count),
            'e' | 'c' if count >= 3 => write_name(out, day, count),
            'G' if count == 4 => out.push_str(if self.civil.year > 0 { "Anno Domini" } else { "Before Christ" }),
            'G' => out.push_str(if self.civil.year > 0 { "AD" } else { "BC" }),
            'Q' | 'q' if count == 4 => {
                out.push_str(["1st", "2nd", "3rd", "4th"][(self.civil.month as usize - 1) / 3]);
                out.push_str(" quarter");
            }
            'Q' | 'q' if count == 3 => push(out, format_args!("Q{}", self.civil.month.div_ceil(3))),
            'a' => out.push_str(if self.at.ms_of_day() < DAY_MS / 2 { "AM" } else { "PM" }),
            'S' if family == Family::Strict => {
                let digits = format!("{:03}{:06}", self.at.ms.rem_euclid(1_000), self.at.nanos);
                out.push_str(&digits[..count.min(9)]);
            }
            'y' | 'Y' if count == 2 => push(out, format_args!("{:02}", self.number(letter, family).rem_euclid(100))),
            'u' if count == 2 && family == Family::Strict => {
                push(out, format_args!("{:02}", self.number(letter, family).rem_euclid(100)));
            }
            _ => push(out, format_args!("{:0count$}", self.number(letter, family))),
        }
    }

    fn number(&self, letter: char, family: Family) -> i64 {
        let ms = self.at.ms_of_day();
        let (hour, days) = (ms / 3_600_000, self.at.day());
        match letter {
            'u' if family == Family::Lenient => (day_of_week(days) + 6) % 7 + 1,
            'y' | 'u' => self.civil.year,
            'Y' => us_week(days).0,
            'w' => us_week(days).1,
            'W' => (i64::from(self.civil.day) + 5 - day_of_week(days)) / 7 + 1,
            'M' | 'L' => i64::from(self.civil.month),
            'Q' | 'q' => i64::from(self.civil.month.div_ceil(3)),
            'd' => i64::from(self.civil.day),
            'D' => self.civil.day_of_year(),
            'e' | 'c' => day_of_week(days) + 1,
            'F' if family == Family::Strict => (i64::from(self.civil.day) - 1) % 7 + 1,
            'F' => (i64::from(self.civil.day) - 1) / 7 + 1,
            'N' => ms * 1_000_000 + i64::from(self.at.nanos),
            'H' => hour,
            'k' => (hour + 23) % 24 + 1,
            'K' => hour % 12,
            'h' => (hour + 11) % 12 + 1,
            'm' => ms / 60_000 % 60,
            's' => ms / 1_000 % 60,
            'A' => ms,
            'n' => ms % 1_000 * 1_000_000 + i64::from(self.at.nanos),
            _ => ms % 1_000,
        }
    }
}

fn write_name(out: &mut String, name: &str, count: usize) {
    out.push_str(match count {
        4 => name,
        5 => &name[..1],
        _ => &name[..3],
    });
}

/// The week as in the United States: it begins on Sunday, and the first one holds the first of January.
fn us_week(days: i64) -> (i64, i64) {
    let year = Civil::from_days(days).year;
    let start = |year: i64| {
        let first = Civil { year, month: 1, day: 1 }.to_days();
        first - day_of_week(first)
    };
    if days >= start(year + 1) {
        return (year + 1, 1);
    }
    (year, (days - start(year)) / 7 + 1)
}

/// The name of a month, a day, or a half of the day.
fn read_word<'t>(text: &'t str, letter: char, count: usize, found: &mut Found) -> Option<&'t str> {
    let named = |names: &[&str], whole: bool| {
        names.iter().enumerate().find_map(|(i, name)| {
            let name = if whole { name } else { &name[..3] };
            text.strip_prefix(name).map(|rest| (i, rest))
        })
    };
    match letter {
        'a' => {
            let (half, rest) = text.strip_prefix("AM").map(|r| (0, r)).or(text.strip_prefix("PM").map(|r| (1, r)))?;
            found.afternoon = Some(half == 1);
            Some(rest)
        }
        'E' | 'e' | 'c' => named(&DAYS, count == 4).map(|(_, rest)| rest),
        'G' => text.strip_prefix("AD"),
        _ => {
            let (month, rest) = named(&MONTHS, count == 4)?;
            found.month = month as i64 + 1;
            Some(rest)
        }
    }
}

/// What was read so far.
struct Found {
    year: i64,
    month: i64,
    day: i64,
    day_of_year: Option<i64>,
    hour: i64,
    half_day_hour: Option<i64>,
    afternoon: Option<bool>,
    minute: i64,
    second: i64,
    nanos: i64,
}

impl Default for Found {
    fn default() -> Self {
        Self {
            year: 1970,
            month: 1,
            day: 1,
            day_of_year: None,
            hour: 0,
            half_day_hour: None,
            afternoon: None,
            minute: 0,
            second: 0,
            nanos: 0,
        }
    }
}

impl Found {
    /// Takes a number; `None` when it cannot be what the letter stands for.
    fn put(&mut self, letter: char, count: usize, width: usize, value: i64, family: Family) -> Option<()> {
        let strict = family == Family::Strict;
        let within = |low: i64, high: i64| (!strict || (low..=high).contains(&value)).then_some(value);
        match letter {
            'y' | 'u' if count == 2 && width == 2 => self.year = 2000 + value,
            'y' => self.year = value,
            'u' if strict => self.year = value,
            'M' | 'L' => self.month = within(1, 12)?,
            'd' => self.day = within(1, 31)?,
            'D' => self.day_of_year = Some(within(1, 366)?),
            'H' => self.hour = within(0, 24)?,
            'k' => self.hour = within(1, 24)? % 24,
            'K' => self.half_day_hour = Some(within(0, 11)?),
            'h' => self.half_day_hour = Some(within(1, 12)? % 12),
            'm' => self.minute = within(0, 59)?,
            's' => self.second = within(0, 59)?,
            'S' if strict => self.nanos = value.checked_mul(10_i64.checked_pow(9_u32.checked_sub(width as u32)?)?)?,
            'S' => self.nanos = value.checked_mul(1_000_000)?,
            'n' => self.nanos = within(0, 999_999_999)?,
            // A week or a day of the week does not make a date by itself.
            _ => {}
        }
        Some(())
    }

    fn moment(&self, family: Family) -> Option<Moment> {
        let days = match (self.day_of_year, family) {
            (Some(day), _) => Civil { year: self.year, month: 1, day: 1 }.to_days() + day - 1,
            (None, Family::Strict) => smart_date(self.year, self.month as u32, self.day as u32)?,
            (None, Family::Lenient) => {
                let first = Civil { year: self.year, month: 1, day: 1 }.plus_months(self.month - 1);
                first.to_days() + self.day - 1
            }
        };
        let hour = match self.half_day_hour {
            Some(hour) => hour + if self.afternoon == Some(true) { 12 } else { 0 },
            None => self.hour,
        };
        // 24:00:00 is the next midnight, and nothing else is at that hour.
        if family == Family::Strict && hour == 24 && (self.minute, self.second, self.nanos) != (0, 0, 0) {
            return None;
        }
        let seconds = (hour * 60 + self.minute) * 60 + self.second;
        let ms = days.checked_mul(DAY_MS)?.checked_add(seconds * 1_000)?.checked_add(self.nanos / 1_000_000)?;
        Some(Moment { ms, nanos: (self.nanos % 1_000_000) as u32 })
    }
}

#[cfg(test)]
mod tests {
    use super::super::calendar::parse_timestamp;
    use super::*;

    fn written(pattern: &str, family: Family, at: &str) -> String {
        let mut out = String::new();
        Pattern::new(pattern, family).unwrap().write(&mut out, parse_timestamp(at).unwrap());
        out
    }

    #[test]
    fn what_is_written_is_what_java_writes() {
        for (pattern, at, expected) in [
            ("YYYY", "2015-12-31 23:05:09", "2016"),
            ("yyyy-'W'ww", "1969-07-20 12:34:56", "1969-W30"),
            ("hh a", "2016-01-06 00:00:00", "12 AM"),
            ("kk K", "2016-01-06 00:00:00", "24 0"),
            ("DDD E EEEE MMMMM", "2015-12-31 00:00:00", "365 Thu Thursday D"),
            ("SSSSSS", "2016-01-06 00:00:00.12", "120000"),
            ("yy QQQ ''", "2016-05-06 00:00:00", "16 Q2 '"),
            ("W", "2016-01-06 00:00:00", "2"),
        ] {
            assert_eq!(written(pattern, Family::Strict, at), expected, "{pattern}");
        }
        assert_eq!(written("u S", Family::Lenient, "2016-01-03 00:00:00.05"), "7 50");
    }

    #[test]
    fn what_is_read_is_what_java_reads() {
        let read = |pattern, family, text| Pattern::new(pattern, family).unwrap().read(text);
        let at = |text| Some(parse_timestamp(text).unwrap());
        use Family::{Lenient, Strict};
        assert_eq!(read("dd/MM/yyyy HH:mm", Strict, "06/01/2016 07:08"), at("2016-01-06 07:08:00"));
        assert_eq!(read("yyyyMMddHHmmss", Strict, "20160106070809"), at("2016-01-06 07:08:09"));
        assert_eq!(read("d MMM yyyy hh:mm a", Strict, "6 Jan 2016 07:08 PM"), at("2016-01-06 19:08:00"));
        assert_eq!(read("dd/MM/yyyy", Strict, "6/1/2016"), None);
        assert_eq!(read("dd/MM/yyyy", Strict, "06/13/2016"), None);
        assert_eq!(read("dd/MM/yyyy", Strict, "31/02/2016"), at("2016-02-29"));
        assert_eq!(read("yyyy-MM-dd", Strict, "2016-01-06 x"), None);
        assert_eq!(read("yyyy-MM-dd", Lenient, "2016-13-06 x"), at("2017-01-06"));
        assert_eq!(read("yyyy-MM-dd HH:mm:ss", Lenient, "2016-1-6 7:8:9.9"), at("2016-01-06 07:08:09"));
    }

    #[test]
    fn unknown_letters_are_refused() {
        assert!(Pattern::new("yyyy Z", Family::Strict).is_err());
        assert!(Pattern::new("'open", Family::Strict).is_err());
        assert!(Pattern::new("[yyyy]", Family::Strict).is_err());
    }
}
