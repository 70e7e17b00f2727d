//! Where metrics are sent, checked before anything opens: what the options, the file and the variables of OpenTelemetry say.

use hyper::Uri;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use std::fmt;
use std::time::Duration;

/// How often metrics are sent where nothing else is said, in seconds.
pub(crate) const INTERVAL_S_DEFAULT: u32 = 10;
/// The longest pause between two messages, in seconds.
pub(crate) const INTERVAL_S_MAX: u32 = 3_600;
/// Headers that go along, at most.
const HEADERS_MAX: usize = 64;
/// What is behind the address of a collector.
const METRICS_PATH: &str = "/v1/metrics";
/// The protocol that is spoken, as OpenTelemetry calls it.
const PROTOCOL: &str = "http/protobuf";

/// A collector, and what it is told beside metrics.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct OtlpSettings {
    /// Where messages are posted.
    pub(crate) address: Uri,
    /// What goes along with each; values may be secret.
    pub(crate) headers: HeaderMap,
    /// From one message to the next.
    pub(crate) interval: Duration,
    /// The name of the service.
    pub(crate) service: String,
}

impl fmt::Debug for OtlpSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Secrets stay out of logs and of failed assertions.
        f.debug_struct("OtlpSettings").field("address", &self.address).finish_non_exhaustive()
    }
}

/// Why metrics cannot be sent as the settings say.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum OtlpError {
    #[error("{0:?} is no address of a collector: write it as http://host:4318 or https://host")]
    Address(String),
    #[error(
        "the address of the collector holds a name or a secret: send those as headers, by OTEL_EXPORTER_OTLP_HEADERS"
    )]
    Secret,
    #[error("otlp-interval-s is {0}, which is not within 1 to {INTERVAL_S_MAX}")]
    Interval(u32),
    #[error("OTEL_EXPORTER_OTLP_HEADERS: the pair {number} {problem}; write them as name=value,name=value")]
    Headers { number: usize, problem: &'static str },
    #[error(
        "OTEL_EXPORTER_OTLP_PROTOCOL is {0:?}, and metrics are sent as {PROTOCOL}: leave it out, and name the \
         collector's port for HTTP, which is 4318 where nothing else is said"
    )]
    Protocol(String),
}

impl OtlpSettings {
    /// What the option, else the environment, else the file says; `None` where no collector is named. `variable` gives the
    /// value of an environment variable.
    pub(crate) fn new(
        (option, file): (Option<&str>, Option<&str>),
        interval_s: u32,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Option<Self>, OtlpError> {
        let variable = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
        let named = option.map(str::to_owned).filter(|address| !address.is_empty());
        let named = named.or_else(|| variable("OTEL_EXPORTER_OTLP_ENDPOINT")).or_else(|| file.map(str::to_owned));
        let Some(named) = named else { return Ok(None) };
        if !(1..=INTERVAL_S_MAX).contains(&interval_s) {
            return Err(OtlpError::Interval(interval_s));
        }
        if let Some(other) = variable("OTEL_EXPORTER_OTLP_PROTOCOL").filter(|protocol| protocol != PROTOCOL) {
            return Err(OtlpError::Protocol(other));
        }
        Ok(Some(Self {
            address: address(&named)?,
            headers: headers(&variable("OTEL_EXPORTER_OTLP_HEADERS").unwrap_or_default())?,
            interval: Duration::from_secs(interval_s.into()),
            service: variable("OTEL_SERVICE_NAME").unwrap_or_else(|| "hailstream".to_owned()),
        }))
    }
}

/// The address to post to: that of the collector and the path of metrics.
fn address(named: &str) -> Result<Uri, OtlpError> {
    // What is wrong with a secret in it is not told.
    if named.contains('@') {
        return Err(OtlpError::Secret);
    }
    let wrong = || OtlpError::Address(named.to_owned());
    let base: Uri = named.trim().parse().map_err(|_| wrong())?;
    let spoken = matches!(base.scheme_str(), Some("http" | "https"));
    if !spoken || base.host().is_none_or(str::is_empty) || base.query().is_some() {
        return Err(wrong());
    }
    format!("{}{METRICS_PATH}", named.trim().trim_end_matches('/')).parse().map_err(|_| wrong())
}

/// Pairs `name=value`, separated by commas; values are percent-encoded.
fn headers(text: &str) -> Result<HeaderMap, OtlpError> {
    let mut all = HeaderMap::new();
    let pairs = text.split(',').map(str::trim).filter(|pair| !pair.is_empty());
    for (number, pair) in (1..).zip(pairs) {
        let wrong = |problem| OtlpError::Headers { number, problem };
        let (name, value) = pair.split_once('=').ok_or_else(|| wrong("has no ="))?;
        let name = HeaderName::from_bytes(name.trim().as_bytes()).map_err(|_| wrong("has no name of a header"))?;
        let value = decoded(value.trim()).ok_or_else(|| wrong("has a wrong %-sequence"))?;
        let mut value = HeaderValue::from_bytes(&value).map_err(|_| wrong("has a value that no header takes"))?;
        value.set_sensitive(true);
        if number > HEADERS_MAX {
            return Err(wrong("is one too many: 64 at most"));
        }
        all.insert(name, value);
    }
    Ok(all)
}

/// Text with its %-sequences replaced; a plus stays one.
fn decoded(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, behind)) = rest.split_first() {
        let (byte, behind) = match first {
            b'%' => {
                let digits = behind.get(..2).filter(|digits| digits.iter().all(u8::is_ascii_hexdigit))?;
                (u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?, &behind[2..])
            }
            other => (other, behind),
        };
        bytes.push(byte);
        rest = behind;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(
        given: (Option<&str>, Option<&str>),
        variables: &[(&str, &str)],
    ) -> Result<Option<OtlpSettings>, OtlpError> {
        let variable = |name: &str| variables.iter().find(|v| v.0 == name).map(|v| v.1.to_owned());
        OtlpSettings::new(given, INTERVAL_S_DEFAULT, variable)
    }

    #[test]
    fn the_option_stands_before_the_environment_and_that_before_the_file() {
        let of = |given, variables: &[_]| settings(given, variables).unwrap().map(|s| s.address.to_string());
        let variables = [("OTEL_EXPORTER_OTLP_ENDPOINT", "http://env:4318/")];
        assert_eq!(of((None, None), &[]), None);
        assert_eq!(of((None, None), &[("OTEL_EXPORTER_OTLP_ENDPOINT", "")]), None, "an empty variable is none");
        assert_eq!(of((None, Some("http://file")), &[]).unwrap(), "http://file/v1/metrics");
        assert_eq!(of((None, Some("http://file")), &variables).unwrap(), "http://env:4318/v1/metrics");
        let option = Some("https://option/api/otlp");
        assert_eq!(of((option, Some("http://file")), &variables).unwrap(), "https://option/api/otlp/v1/metrics");
    }

    #[test]
    fn headers_are_read_and_never_shown() {
        let variables = [("OTEL_EXPORTER_OTLP_HEADERS", "api-key=s%3Dcret%20x, Authorization=Basic%20abc+/=,")];
        let settings = settings((Some("http://a"), None), &variables).unwrap().unwrap();
        assert_eq!(settings.headers["api-key"], "s=cret x");
        assert_eq!(settings.headers["authorization"], "Basic abc+/=");
        assert!(!format!("{settings:?} {:?}", settings.headers).contains("cret"), "{settings:?}");
        assert_eq!((settings.interval, settings.service.as_str()), (Duration::from_secs(10), "hailstream"));
    }

    #[test]
    fn what_is_wrong_is_named_and_no_secret_with_it() {
        for wrong in ["localhost:4318", "grpc://a", "http://", "http://a/?x=1", "a b"] {
            let told = settings((Some(wrong), None), &[]).unwrap_err();
            assert_eq!(told, OtlpError::Address(wrong.to_owned()));
        }
        let told = settings((Some("https://me:secret@a"), None), &[]).unwrap_err();
        assert!(told == OtlpError::Secret && !told.to_string().contains("me:secret"), "{told}");
        for (headers, part) in [
            ("a=b,secret", "the pair 2 has no ="),
            ("a b=secret", "no name of a header"),
            ("a=secret%2", "a wrong %-sequence"),
            ("a=secret%0A", "no header takes"),
        ] {
            let variables = [("OTEL_EXPORTER_OTLP_HEADERS", headers)];
            let told = settings((Some("http://a"), None), &variables).unwrap_err().to_string();
            assert!(told.contains(part) && !told.contains("secret"), "{told}");
        }
        let grpc = settings((Some("http://a:4317"), None), &[("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")]).unwrap_err();
        assert!(grpc.to_string().contains("4318"), "{grpc}");
        assert_eq!(settings((None, None), &[("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")]), Ok(None));
        assert_eq!(OtlpSettings::new((Some("http://a"), None), 0, |_| None), Err(OtlpError::Interval(0)));
    }
}
