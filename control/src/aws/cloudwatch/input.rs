//! Reading the input of a call: members by name, with the messages of the real service about what is wrong. Numbers, truths
//! and times may stand in texts, as they do in forms.

use super::super::service::ServiceError;
use super::invalid;
use crate::metrics::{SeriesKey, Unit};
use chrono::{DateTime, NaiveDateTime};
use serde_json::Value;

/// A document and where it stands in the call.
#[derive(Debug, Clone)]
pub(super) struct Input<'a> {
    value: &'a Value,
    path: String,
}

type Result<T> = std::result::Result<T, ServiceError>;

/// Times beyond this are in milliseconds.
const SECONDS_MAX: f64 = 1e11;

pub(super) fn required(path: &str) -> ServiceError {
    ServiceError::new("MissingRequiredParameterException", format!("The parameter {path} is required."))
}

impl<'a> Input<'a> {
    /// The whole input of a call.
    pub(super) fn of(value: &'a Value) -> Self {
        Self { value, path: String::new() }
    }

    /// Where a member stands.
    pub(super) fn path(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    fn member(&self, name: &str) -> Option<&'a Value> {
        self.value.get(name).filter(|value| !value.is_null())
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.member(name).is_some()
    }

    fn wrong(&self, name: &str, expected: &str) -> ServiceError {
        invalid(format!("The parameter {} must be {expected}.", self.path(name)))
    }

    /// A text of 1 to `max` characters, where there is one.
    pub(super) fn text(&self, name: &str, max: usize) -> Result<Option<&'a str>> {
        self.text_from(name, 1, max)
    }

    /// A text of `min` to `max` characters, where there is one.
    pub(super) fn text_from(&self, name: &str, min: usize, max: usize) -> Result<Option<&'a str>> {
        let Some(value) = self.member(name) else { return Ok(None) };
        let text = value.as_str().ok_or_else(|| self.wrong(name, "a text"))?;
        let chars = text.chars().count();
        if (min..=max).contains(&chars) {
            return Ok(Some(text));
        }
        Err(self.wrong(name, &format!("{min} to {max} characters long, and has {chars}")))
    }

    pub(super) fn required_text(&self, name: &str, max: usize) -> Result<&'a str> {
        self.text(name, max)?.ok_or_else(|| required(&self.path(name)))
    }

    pub(super) fn number(&self, name: &str) -> Result<Option<f64>> {
        let Some(value) = self.member(name) else { return Ok(None) };
        self.number_of(name, value).map(Some)
    }

    fn number_of(&self, name: &str, value: &Value) -> Result<f64> {
        let number = value.as_f64().or_else(|| value.as_str()?.trim().parse().ok());
        number.filter(|number| number.is_finite()).ok_or_else(|| self.wrong(name, "a number"))
    }

    /// A whole number within bounds.
    pub(super) fn whole(&self, name: &str, min: u64, max: u64) -> Result<Option<u64>> {
        let Some(number) = self.number(name)? else { return Ok(None) };
        let fits = number.fract() == 0.0 && number >= min as f64 && number <= max as f64;
        if fits {
            Ok(Some(number as u64))
        } else {
            Err(self.wrong(name, &format!("a whole number from {min} to {max}")))
        }
    }

    pub(super) fn truth(&self, name: &str) -> Result<Option<bool>> {
        let Some(value) = self.member(name) else { return Ok(None) };
        match (value.as_bool(), value.as_str()) {
            (Some(is), _) => Ok(Some(is)),
            (None, Some("true" | "True")) => Ok(Some(true)),
            (None, Some("false" | "False")) => Ok(Some(false)),
            _ => Err(self.wrong(name, "true or false")),
        }
    }

    /// A time in milliseconds since the Unix epoch: seconds since then, or a text as ISO 8601 has it.
    pub(super) fn time_ms(&self, name: &str) -> Result<Option<u64>> {
        let Some(value) = self.member(name) else { return Ok(None) };
        let seconds = value
            .as_f64()
            .or_else(|| value.as_str()?.parse().ok())
            .map(|seconds: f64| if seconds.abs() > SECONDS_MAX { seconds } else { seconds * 1_000.0 });
        let ms = seconds.or_else(|| value.as_str().and_then(iso_ms));
        let ms = ms.filter(|ms| (0.0..1e16).contains(ms)).ok_or_else(|| self.wrong(name, "a time"))?;
        Ok(Some(ms.round() as u64))
    }

    pub(super) fn required_time_ms(&self, name: &str) -> Result<u64> {
        self.time_ms(name)?.ok_or_else(|| required(&self.path(name)))
    }

    /// The members of a list, none where there is no list.
    pub(super) fn list(&self, name: &str, max: usize) -> Result<Vec<Input<'a>>> {
        let members = match self.member(name) {
            None => return Ok(Vec::new()),
            Some(Value::Array(members)) => members,
            // An empty list in a form.
            Some(Value::String(text)) if text.is_empty() => return Ok(Vec::new()),
            Some(_) => return Err(self.wrong(name, "a list")),
        };
        if members.len() > max {
            return Err(self.wrong(name, &format!("a list of at most {max} members, and has {}", members.len())));
        }
        let path = |nth: usize| format!("{}.member.{}", self.path(name), nth + 1);
        Ok(members.iter().enumerate().map(|(nth, value)| Self { value, path: path(nth) }).collect())
    }

    pub(super) fn texts(&self, name: &str, max: usize, chars_max: usize) -> Result<Vec<String>> {
        let one = |member: Input<'a>| {
            let text = member.value.as_str().filter(|text| (1..=chars_max).contains(&text.chars().count()));
            let wrong =
                || invalid(format!("The parameter {} must be a text of 1 to {chars_max} characters.", member.path));
            text.map(str::to_owned).ok_or_else(wrong)
        };
        self.list(name, max)?.into_iter().map(one).collect()
    }

    pub(super) fn numbers(&self, name: &str, max: usize) -> Result<Vec<f64>> {
        self.list(name, max)?.iter().map(|member| self.number_of(&member.path, member.value)).collect()
    }

    /// A structure, where there is one.
    pub(super) fn inner(&self, name: &str) -> Option<Input<'a>> {
        self.member(name).map(|value| Self { value, path: self.path(name) })
    }

    pub(super) fn unit(&self, name: &str) -> Result<Option<Unit>> {
        let Some(text) = self.text(name, 255)? else { return Ok(None) };
        let known = || Unit::names().collect::<Vec<_>>().join(", ");
        Unit::named(text).map(Some).ok_or_else(|| self.wrong(name, &format!("one of {}", known())))
    }

    /// The series that `Namespace`, `MetricName` and `Dimensions` name.
    pub(super) fn series(&self) -> Result<SeriesKey> {
        let namespace = self.required_text("Namespace", 255)?;
        self.series_in(namespace)
    }

    /// The series that `MetricName` and `Dimensions` name in a namespace.
    pub(super) fn series_in(&self, namespace: &str) -> Result<SeriesKey> {
        if namespace.starts_with(':') {
            return Err(self.wrong("Namespace", "a name that does not begin with a colon"));
        }
        let name = self.required_text("MetricName", 255)?;
        let mut dimensions = Vec::new();
        for dimension in self.list("Dimensions", 30)? {
            dimensions.push((dimension.required_text("Name", 255)?, dimension.required_text("Value", 1_024)?));
        }
        SeriesKey::new(namespace, name, dimensions)
            .map_err(|error| invalid(format!("{}: {error}", self.path("Dimensions"))))
    }

    /// A period: one of those below a minute that there are, or whole minutes.
    pub(super) fn period_s(&self, name: &str) -> Result<Option<u64>> {
        let Some(period_s) = self.whole(name, 1, 86_400 * 365)? else { return Ok(None) };
        if matches!(period_s, 1 | 5 | 10 | 20 | 30) || period_s.is_multiple_of(60) {
            return Ok(Some(period_s));
        }
        Err(self.wrong(name, "1, 5, 10, 20, 30 or a multiple of 60"))
    }
}

fn iso_ms(text: &str) -> Option<f64> {
    let zoned = DateTime::parse_from_rfc3339(text).map(|time| time.timestamp_millis());
    let plain =
        || NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f").map(|time| time.and_utc().timestamp_millis());
    zoned.or_else(|_| plain()).ok().map(|ms| ms as f64)
}
