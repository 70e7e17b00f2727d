//! Checks a request's members and collects every violation, in the words of the real service.

use super::error::{ApiError, Code};
use std::collections::BTreeMap;
use std::fmt::Display;

/// Violations found so far.
#[derive(Debug, Default)]
pub(super) struct Check {
    violations: Vec<String>,
}

/// What a name of a stream or shard is made of.
pub(super) const NAME_PATTERN: &str = "[a-zA-Z0-9_.-]+";
const HASH_KEY_PATTERN: &str = "0|([1-9]\\d{0,38})";
const SEQUENCE_PATTERN: &str = "0|([1-9]\\d{0,128})";
const ARN_PATTERN: &str = "arn:aws.*:kinesis:.*:\\d{12}:stream/\\S+";
const RESOURCE_PATTERN: &str = "arn:aws.*:kinesis:.*:\\d{12}:.*(stream|channel)/\\S+";
const CONSUMER_PATTERN: &str =
    "^(arn):aws.*:kinesis:.*:\\d{12}:.*stream\\/[a-zA-Z0-9_.-]+\\/consumer\\/[a-zA-Z0-9_.-]+:[0-9]+";
const STREAM_ID_PATTERN: &str = "[a-z0-9]{20}-[a-z0-9]{3}";

impl Check {
    fn violated(&mut self, value: impl Display, path: impl Display, constraint: impl Display) {
        self.violations
            .push(format!("Value '{value}' at '{path}' failed to satisfy constraint: Member must {constraint}"));
    }

    /// The member must be there.
    pub(super) fn present<T>(&mut self, path: impl Display, value: Option<&T>) {
        if value.is_none() {
            let text = format!("Value null at '{path}' failed to satisfy constraint: Member must not be null");
            self.violations.push(text);
        }
    }

    /// The text must have so many characters.
    pub(super) fn length(&mut self, path: impl Display, value: &str, min: usize, max: usize) {
        let chars = value.chars().count();
        if chars < min {
            self.violated(value, path, format_args!("have length greater than or equal to {min}"));
        } else if chars > max {
            self.violated(value, path, format_args!("have length less than or equal to {max}"));
        }
    }

    /// The list must have so many members.
    pub(super) fn count(&mut self, path: impl Display, len: usize, min: usize, max: usize) {
        if len < min {
            self.violated("[]", path, format_args!("have length greater than or equal to {min}"));
        } else if len > max {
            let value = format_args!("[{len} members]").to_string();
            self.violated(value, path, format_args!("have length less than or equal to {max}"));
        }
    }

    /// The payload must not be larger.
    pub(super) fn payload(&mut self, path: impl Display, len: usize, max: usize) {
        if len > max {
            let value = format!("java.nio.HeapByteBuffer[pos=0 lim={len} cap={len}]");
            self.violated(value, path, format_args!("have length less than or equal to {max}"));
        }
    }

    /// The number must lie within these bounds.
    pub(super) fn range(&mut self, path: impl Display, value: Option<i64>, min: i64, max: i64) {
        match value {
            Some(value) if value < min => {
                self.violated(value, path, format_args!("have value greater than or equal to {min}"));
            }
            Some(value) if value > max => {
                self.violated(value, path, format_args!("have value less than or equal to {max}"));
            }
            _ => {}
        }
    }

    /// The text must be one of these.
    pub(super) fn one_of(&mut self, path: impl Display, value: Option<&str>, words: &[&str]) {
        if let Some(value) = value.filter(|value| !words.contains(value)) {
            self.violated(value, path, format_args!("satisfy enum value set: [{}]", words.join(", ")));
        }
    }

    fn pattern(&mut self, path: impl Display, value: &str, pattern: &str, fits: bool) {
        if !fits {
            self.violated(value, path, format_args!("satisfy regular expression pattern: {pattern}"));
        }
    }

    /// The name of a stream or shard, where given.
    pub(super) fn name(&mut self, path: impl Display + Copy, value: Option<&str>) {
        let Some(value) = value else { return };
        let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
        self.pattern(path, value, NAME_PATTERN, !value.is_empty() && value.bytes().all(fits));
        self.length(path, value, 1, 128);
    }

    /// The ARN of a stream, where given.
    pub(super) fn arn(&mut self, path: impl Display + Copy, value: Option<&str>) {
        let Some(value) = value else { return };
        self.pattern(path, value, ARN_PATTERN, arn_stream(value).is_some());
        self.length(path, value, 1, 2_048);
    }

    /// The ARN of a stream or consumer, where given.
    pub(super) fn resource_arn(&mut self, path: impl Display + Copy, value: Option<&str>) {
        let Some(value) = value else { return };
        let fits = arn_consumer(value).is_some() || arn_stream(value).is_some();
        self.pattern(path, value, RESOURCE_PATTERN, fits);
        self.length(path, value, 1, 2_048);
    }

    /// The ARN of a consumer, where given.
    pub(super) fn consumer_arn(&mut self, path: impl Display + Copy, value: Option<&str>) {
        let Some(value) = value else { return };
        self.pattern(path, value, CONSUMER_PATTERN, arn_consumer(value).is_some());
        self.length(path, value, 1, 2_048);
    }

    /// The second name that newer clients may give a stream, where given. The real service reserves it and looks at its
    /// form only.
    pub(super) fn stream_id(&mut self, value: Option<&str>) {
        let Some(value) = value else { return };
        let small = |text: &str| text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        let fits = value.split_once('-').is_some_and(|(a, b)| a.len() == 20 && b.len() == 3 && small(a) && small(b));
        self.pattern("streamId", value, STREAM_ID_PATTERN, fits);
        self.length("streamId", value, 1, 24);
    }

    /// Tags, where given.
    pub(super) fn tags(&mut self, tags: Option<&BTreeMap<String, String>>) {
        if let Some(tags) = tags.filter(|tags| !tags.is_empty()) {
            super::tags::check_tags(self, Some(tags));
        }
    }

    /// A key of the key space, where given.
    pub(super) fn hash_key(&mut self, path: impl Display + Copy, value: Option<&str>) {
        if let Some(value) = value {
            self.pattern(path, value, HASH_KEY_PATTERN, is_number(value, 39));
        }
    }

    /// A sequence number, where given.
    pub(super) fn sequence(&mut self, path: impl Display + Copy, value: Option<&str>) {
        if let Some(value) = value {
            self.pattern(path, value, SEQUENCE_PATTERN, is_number(value, 129));
        }
    }

    /// Nothing, or one error that tells all violations.
    pub(super) fn finish(self) -> Result<(), ApiError> {
        let count = self.violations.len();
        if count == 0 {
            return Ok(());
        }
        let errors = if count == 1 { "error" } else { "errors" };
        let message = format!("{count} validation {errors} detected: {}", self.violations.join("; "));
        Err(ApiError::new(Code::Validation, message))
    }
}

fn is_number(text: &str, digits_max: usize) -> bool {
    let digits = !text.is_empty() && text.len() <= digits_max && text.bytes().all(|b| b.is_ascii_digit());
    digits && (text == "0" || !text.starts_with('0'))
}

/// The stream and the name of the consumer that an ARN names, and when it was registered, in seconds since the Unix epoch.
pub(super) fn arn_consumer(arn: &str) -> Option<(&str, &str, u64)> {
    let (stream, consumer) = arn_stream(arn)?.split_once("/consumer/")?;
    let (name, created_s) = consumer.split_once(':')?;
    let is_name = |text: &str| {
        !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'))
    };
    let digits = created_s.bytes().all(|b| b.is_ascii_digit());
    (is_name(stream) && is_name(name) && digits).then(|| Some((stream, name, created_s.parse().ok()?)))?
}

/// The name of the stream that an ARN names.
pub(super) fn arn_stream(arn: &str) -> Option<&str> {
    let mut parts = arn.splitn(6, ':');
    let (head, partition, service) = (parts.next()?, parts.next()?, parts.next()?);
    let (_region, account, resource) = (parts.next()?, parts.next()?, parts.next()?);
    let name = resource.strip_prefix("stream/")?;
    let account_fits = account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit());
    let name_fits = !name.is_empty() && !name.contains(char::is_whitespace);
    (head == "arn" && partition.starts_with("aws") && service == "kinesis" && account_fits && name_fits).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(find: impl FnOnce(&mut Check), expected: &str) {
        let mut check = Check::default();
        find(&mut check);
        let message = check.finish().map_or_else(|error| error.message, |()| String::new());
        assert_eq!(message, expected);
    }

    #[test]
    fn violations_are_told_together() {
        check(|c| c.name("streamName", Some("trips-1.x_Y")), "");
        check(
            |c| c.present("streamName", None::<&String>),
            "1 validation error detected: Value null at 'streamName' failed to satisfy constraint: Member must not be null",
        );
        check(
            |c| {
                c.name("streamName", Some(""));
                c.range("limit", Some(0), 1, 10);
            },
            "3 validation errors detected: Value '' at 'streamName' failed to satisfy constraint: Member must satisfy \
             regular expression pattern: [a-zA-Z0-9_.-]+; Value '' at 'streamName' failed to satisfy constraint: Member \
             must have length greater than or equal to 1; Value '0' at 'limit' failed to satisfy constraint: Member must \
             have value greater than or equal to 1",
        );
        check(
            |c| c.one_of("scalingType", Some("X"), &["UNIFORM_SCALING"]),
            "1 validation error detected: Value 'X' at 'scalingType' failed to satisfy constraint: Member must satisfy \
             enum value set: [UNIFORM_SCALING]",
        );
    }

    #[test]
    fn an_arn_names_its_consumer() {
        let arn = "arn:aws:kinesis:us-east-1:000000000000:stream/trips/consumer/map-1:1700000000";
        assert_eq!(arn_consumer(arn), Some(("trips", "map-1", 1_700_000_000)));
        for bad in ["/consumer/map", "/consumer/:1", "/consumer/map:x", "/consumer/map:99999999999999999999999", ""] {
            let arn = format!("arn:aws:kinesis:us-east-1:000000000000:stream/trips{bad}");
            assert_eq!(arn_consumer(&arn), None, "{arn}");
        }
        check(
            |c| c.stream_id(Some("abc")),
            "1 validation error detected: Value 'abc' at 'streamId' failed to satisfy constraint: Member must satisfy \
             regular expression pattern: [a-z0-9]{20}-[a-z0-9]{3}",
        );
        check(|c| c.stream_id(Some("abcdefghij0123456789-a1b")), "");
    }

    #[test]
    fn an_arn_names_its_stream() {
        assert_eq!(arn_stream("arn:aws:kinesis:us-east-1:000000000000:stream/trips"), Some("trips"));
        assert_eq!(arn_stream("arn:aws-cn:kinesis:cn-north-1:123456789012:stream/a.b"), Some("a.b"));
        for bad in ["", "trips", "arn:aws:kinesis:us-east-1:1:stream/trips", "arn:aws:s3:::stream/trips"] {
            assert_eq!(arn_stream(bad), None, "{bad}");
        }
    }
}
