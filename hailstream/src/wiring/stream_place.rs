//! Whose stream a table is: the platform's own, or one elsewhere.
//!
//! A table that names no endpoint, or one on the loopback interface, means the own stream, which is read without a door in
//! between: so the same script runs here and, with endpoint and key filled in, on Flink. Another endpoint, or an ARN of another
//! account than the platform's, means what it names. Where that is not what is meant, the option `hailstream.stream` says
//! so: `own` or `outside`.

use super::connectors::{KINESIS, wrong};
use super::index_place::is_loopback;
use connect::KinesisStreams;
use engine::plan::TableDef;
use engine::port::{Connectors, PortError, Role, Sink, SinkSpec, Source};
use model::Env;
use std::sync::Arc;
use store::kinesis::DEFAULT_ACCOUNT;
use tokio::runtime::Handle;

/// The option that says whose stream is meant.
pub(super) const PLACE: &str = "hailstream.stream";
/// The option that names a stream with its account.
pub(super) const ARN: &str = "stream.arn";
const ENDPOINT: &str = "aws.endpoint";

/// Whether a table's connector is the one whose tables are streams.
pub(super) fn is_stream(table: &TableDef) -> bool {
    table.options.get("connector").is_some_and(|name| name == KINESIS)
}

/// Whether a table that is a stream is one of the platform's own.
///
/// # Errors
/// When the option that says so says neither.
pub(super) fn is_own(table: &TableDef) -> Result<bool, PortError> {
    match table.options.get(PLACE).map(String::as_str) {
        Some("own") => return Ok(true),
        Some("outside") => return Ok(false),
        Some(other) => return Err(wrong(table, &format!("'{PLACE}' is {other:?}; it is own or outside"))),
        None => {}
    }
    Ok(match table.options.get(ENDPOINT) {
        Some(endpoint) => is_loopback(endpoint.trim()),
        None => table.options.get(ARN).is_none_or(|arn| account(arn) == Some(DEFAULT_ACCOUNT)),
    })
}

fn account(arn: &str) -> Option<&str> {
    arn.split(':').nth(4)
}

/// The name of the stream that an own table means.
///
/// # Errors
/// When it names none.
pub(super) fn name_of(table: &TableDef) -> Result<&str, PortError> {
    let given = |option: &str| table.options.get(option).map(|value| value.trim()).filter(|value| !value.is_empty());
    let of_arn = given(ARN).map(|arn| arn.split_once(":stream/").map(|(_, name)| name));
    match (given("stream"), of_arn) {
        (_, Some(None)) => Err(wrong(table, &format!("'{ARN}' names no stream: it ends with :stream/name"))),
        (Some(name), Some(Some(of_arn))) if name != of_arn => {
            Err(wrong(table, &format!("'stream' is {name:?}, and '{ARN}' names {of_arn:?}")))
        }
        (Some(name), _) | (None, Some(Some(name))) => Ok(name),
        (None, None) => Err(wrong(table, "the option 'stream' is missing")),
    }
}

/// A table as the connector of streams elsewhere knows it, without our own option.
fn elsewhere(table: &TableDef) -> TableDef {
    let mut table = table.clone();
    table.options.remove(PLACE);
    table
}

/// The streams elsewhere, and none of our own.
pub(crate) struct OutsideStreams {
    streams: KinesisStreams,
}

impl OutsideStreams {
    /// The value of the option `connector` that is meant.
    pub(crate) const CONNECTOR: &'static str = KinesisStreams::CONNECTOR;

    /// Sources that call their endpoints on `runtime`.
    pub(crate) fn new(runtime: Handle, env: Env) -> Self {
        Self { streams: KinesisStreams::new(runtime, env) }
    }
}

impl Connectors for OutsideStreams {
    fn check(&self, table: &TableDef, role: Role) -> Result<(), PortError> {
        if table.options.get(PLACE).is_some_and(|place| place != "outside") {
            let what = format!("'{PLACE}' is not outside, but a stream of its own has only a platform that runs");
            return Err(wrong(table, &what));
        }
        self.streams.check(&elsewhere(table), role)
    }

    fn source(&self, table: &TableDef) -> Result<Arc<dyn Source>, PortError> {
        self.streams.source(&elsewhere(table))
    }

    fn sink(&self, spec: &SinkSpec) -> Result<Box<dyn Sink>, PortError> {
        self.streams.sink(&SinkSpec { table: Arc::new(elsewhere(&spec.table)), ..spec.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::types::Schema;

    fn table(options: &[(&str, &str)]) -> TableDef {
        let options = options.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let (name, schema) = ("t".to_owned(), Schema::default());
        TableDef { name, schema, computed: vec![], watermark: None, primary_key: vec![], options }
    }

    const OURS: &str = "arn:aws:kinesis:us-east-1:000000000000:stream/trips";
    const OTHERS: &str = "arn:aws:kinesis:us-east-1:123456789012:stream/trips";

    #[test]
    fn endpoint_and_account_say_whose_stream_it_is_and_an_option_says_otherwise() {
        let of = |options: &[(&str, &str)]| is_own(&table(options));
        for own in [
            &[][..],
            &[("aws.region", "eu-west-1")],
            &[("aws.endpoint", "http://127.0.0.1:4566")],
            &[("aws.endpoint", "https://localhost:1/"), (ARN, OTHERS)],
            &[(ARN, OURS)],
            &[("aws.endpoint", "https://kinesis.eu-west-1.amazonaws.com"), (PLACE, "own")],
        ] {
            assert!(of(own).unwrap(), "{own:?}");
        }
        for outside in [
            &[("aws.endpoint", "https://kinesis.eu-west-1.amazonaws.com")][..],
            &[("aws.endpoint", "http://10.0.0.1:4566")],
            &[(ARN, OTHERS)],
            &[("aws.endpoint", "http://127.0.0.1:4566"), (PLACE, "outside")],
            &[("aws.region", "eu-west-1"), (PLACE, "outside")],
        ] {
            assert!(!of(outside).unwrap(), "{outside:?}");
        }
        assert!(of(&[(PLACE, "mine")]).unwrap_err().message.contains("own or outside"));
    }

    #[test]
    fn an_own_stream_is_named_by_itself_or_by_its_arn() {
        assert_eq!(name_of(&table(&[("stream", "trips")])).unwrap(), "trips");
        assert_eq!(name_of(&table(&[(ARN, OURS)])).unwrap(), "trips");
        for (options, what) in [
            (&[][..], "'stream' is missing"),
            (&[(ARN, "arn:x")], "ends with :stream/name"),
            (&[("stream", "a"), (ARN, OURS)], "names \"trips\""),
        ] {
            assert!(name_of(&table(options)).unwrap_err().message.contains(what), "{options:?}");
        }
    }

    #[test]
    fn without_a_platform_every_stream_is_outside() {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let outside = OutsideStreams::new(runtime.handle().clone(), Env::system());
        let check = |options: &[(&str, &str)]| {
            let all =
                [("connector", KINESIS), ("stream", "s"), ("aws.endpoint", "http://127.0.0.1:1"), ("format", "json")];
            outside.check(&table(&[&all, options].concat()), Role::Source)
        };
        check(&[]).unwrap();
        check(&[(PLACE, "outside")]).unwrap();
        assert!(check(&[(PLACE, "own")]).unwrap_err().message.contains("a platform that runs"));
        assert!(check(&[("straem", "s")]).unwrap_err().message.contains("unknown option 'straem'"));
    }
}
