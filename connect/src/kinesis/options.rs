//! What a table's options say, under the names that both generations of Flink's connector give them.

use super::place::Place;
use chrono::DateTime;
use engine::plan::TableDef;
use engine::port::PortError;
use engine::run::decode::JsonOptions;
use engine::run::duration_ms;
use model::Kind;
use reqwest::Url;
use std::fmt;
use std::time::Duration;
use wire::signature::ClientKey;

const STREAM: &str = "stream";
const ARN: &str = "stream.arn";
const REGION: &str = "aws.region";
const ENDPOINT: &str = "aws.endpoint";
const PROVIDER: &str = "aws.credentials.provider";
const KEY_ID: &str = "aws.credentials.basic.accesskeyid";
const SECRET: &str = "aws.credentials.basic.secretkey";
const TOKEN: &str = "aws.credentials.basic.sessiontoken";
const TRUST_ALL: &str = "aws.trust.all.certificates";
const CONSUMER_ARN: &str = "scan.stream.efo.consumerarn";

/// An option under its older and its newer name.
type Names = (&'static str, &'static str);

const START: Names = ("scan.stream.initpos", "source.init.position");
const START_TIME: Names = ("scan.stream.initpos-timestamp", "source.init.timestamp");
const RECORDS: Names = ("scan.shard.getrecords.maxrecordcount", "source.shard.get-records.max-record-count");
const INTERVAL: Names = ("scan.shard.getrecords.intervalmillis", "source.shard.get-records.interval");
const DISCOVERY: Names = ("scan.shard.discovery.intervalmillis", "source.shard.discovery.interval");
const READER: Names = ("scan.stream.recordpublisher", "source.reader.type");
const CONSUMER: Names = ("scan.stream.efo.consumername", "source.efo.consumer.name");
const REGISTRATION: Names = ("scan.stream.efo.registration", "source.efo.lifecycle");

/// All of them. The one that says which subtask of Flink reads which shard has nothing to say here.
pub(super) const KNOWN: [&str; 29] = [
    "connector",
    STREAM,
    ARN,
    REGION,
    ENDPOINT,
    PROVIDER,
    KEY_ID,
    SECRET,
    TOKEN,
    TRUST_ALL,
    START.0,
    START.1,
    START_TIME.0,
    START_TIME.1,
    RECORDS.0,
    RECORDS.1,
    INTERVAL.0,
    INTERVAL.1,
    DISCOVERY.0,
    DISCOVERY.1,
    READER.0,
    READER.1,
    CONSUMER.0,
    CONSUMER.1,
    REGISTRATION.0,
    REGISTRATION.1,
    CONSUMER_ARN,
    "scan.shard-assigner",
    "source.shard-assigner",
];

/// The region of an endpoint that tells none.
const REGION_DEFAULT: &str = "us-east-1";
/// Flink's, and the most that the service gives at once.
const RECORDS_MAX: u64 = 10_000;
/// As often as the service admits: five times a second for each shard.
const INTERVAL_DEFAULT: Duration = Duration::from_millis(200);
const DISCOVERY_DEFAULT: Duration = Duration::from_secs(10);
/// The longest that can be asked for.
const INTERVAL_MAX: Duration = Duration::from_secs(3_600);

/// Where a stream is and who asks for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) endpoint: Url,
    pub(super) region: String,
    /// Whoever answers over TLS is believed.
    pub(super) is_insecure: bool,
    pub(super) keys: Keys,
}

/// Where the key is that calls are signed with.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Keys {
    /// It stands in the table.
    Given(ClientKey),
    /// In the environment.
    Environment,
    /// In the environment, else in the file of profiles.
    Anywhere,
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Given(_) => "Given",
            Self::Environment => "Environment",
            Self::Anywhere => "Anywhere",
        })
    }
}

/// A stream, as calls name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct StreamName {
    pub(super) name: String,
    pub(super) arn: Option<String>,
}

/// Where a first read begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Start {
    /// What comes from now on.
    Latest,
    /// Anything else.
    At(u64),
    Oldest,
}

impl Start {
    /// The place that it is at `now_ms`.
    pub(super) fn place(self, now_ms: u64) -> Place {
        match self {
            Self::Latest => Place::Time(now_ms),
            Self::At(ms) => Place::Time(ms),
            Self::Oldest => Place::Oldest,
        }
    }
}

/// How records come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reading {
    /// They are asked for.
    Polling {
        /// At most so many at once.
        records_max: u64,
        /// A shard is asked so often.
        interval: Duration,
    },
    /// They are pushed to a consumer that is registered.
    FanOut(Consumer),
}

/// The consumer that records are pushed to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Consumer {
    /// By its name; registered where it is not.
    Registered(String),
    /// By its name; somebody else registers it.
    There(String),
    /// By its ARN.
    Arn(String),
}

/// What a table that is read says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SourceOptions {
    pub(super) address: Address,
    pub(super) stream: StreamName,
    pub(super) start: Start,
    pub(super) reading: Reading,
    /// How often shards are listed anew.
    pub(super) discovery: Duration,
}

impl SourceOptions {
    /// # Errors
    /// `Invalid`, with the option's name.
    pub(super) fn parse(table: &TableDef) -> Result<Self, PortError> {
        let given = Given(table);
        given.check_names()?;
        JsonOptions::parse(&table.options).map_err(|e| wrong(table, &e.message))?;
        let stream = given.stream()?;
        Ok(Self {
            address: given.address(&stream)?,
            stream,
            start: given.start()?,
            reading: given.reading()?,
            discovery: given.interval(DISCOVERY)?.unwrap_or(DISCOVERY_DEFAULT).max(Duration::from_secs(1)),
        })
    }
}

/// An error about a table.
pub(super) fn wrong(table: &TableDef, message: &str) -> PortError {
    PortError::new(Kind::Invalid, format!("table {}: {message}", table.name))
}

struct Given<'a>(&'a TableDef);

impl Given<'_> {
    fn wrong(&self, message: &str) -> PortError {
        wrong(self.0, message)
    }

    fn check_names(&self) -> Result<(), PortError> {
        let is_known = |key: &str| {
            KNOWN.contains(&key) || JsonOptions::KEYS.contains(&key) || key.starts_with(&format!("{CONSUMER_ARN}."))
        };
        match self.0.options.keys().find(|key| !is_known(key)) {
            None => Ok(()),
            Some(unknown) => {
                let known = KNOWN.iter().chain(&JsonOptions::KEYS).map(|key| format!("'{key}'")).collect::<Vec<_>>();
                Err(self.wrong(&format!("unknown option '{unknown}'; known are {}", known.join(", "))))
            }
        }
    }

    fn get(&self, option: &str) -> Option<&str> {
        self.0.options.get(option).map(|value| value.trim()).filter(|value| !value.is_empty())
    }

    /// The value under either name, and the name under which it stands.
    fn either(&self, (older, newer): Names) -> Result<Option<(&'static str, &str)>, PortError> {
        match (self.get(older), self.get(newer)) {
            (Some(_), Some(_)) => Err(self.wrong(&format!("'{older}' and '{newer}' say the same: give one of them"))),
            (Some(value), None) => Ok(Some((older, value))),
            (None, value) => Ok(value.map(|value| (newer, value))),
        }
    }

    fn stream(&self) -> Result<StreamName, PortError> {
        let (name, arn) = (self.get(STREAM), self.get(ARN));
        let of_arn = arn.map(|arn| {
            let parts = arn_parts(arn);
            parts.ok_or_else(|| {
                self.wrong(&format!(
                    "'{ARN}' is {arn:?}; it is written as arn:aws:kinesis:us-east-1:123456789012:stream/name"
                ))
            })
        });
        match (name, of_arn.transpose()?) {
            (None, None) => Err(self.wrong(&format!("the option '{STREAM}' is missing"))),
            (Some(name), Some((_, of_arn))) if name != of_arn => {
                Err(self.wrong(&format!("'{STREAM}' is {name:?}, and '{ARN}' names {of_arn:?}")))
            }
            (_, Some((_, of_arn))) => Ok(StreamName { name: of_arn.to_owned(), arn: arn.map(str::to_owned) }),
            (Some(name), None) => Ok(StreamName { name: name.to_owned(), arn: None }),
        }
    }

    fn address(&self, stream: &StreamName) -> Result<Address, PortError> {
        let of_arn = stream.arn.as_deref().and_then(arn_parts).map(|(region, _)| region);
        let told = self.get(REGION).or(of_arn);
        let (endpoint, region) = match self.get(ENDPOINT) {
            Some(text) => {
                let endpoint = self.endpoint(text)?;
                let region = told.or_else(|| region_of(&endpoint)).unwrap_or(REGION_DEFAULT).to_owned();
                (endpoint, region)
            }
            None => {
                let region = told.ok_or_else(|| {
                    self.wrong(&format!("where is the stream? Give '{REGION}', '{ENDPOINT}' or '{ARN}'"))
                })?;
                let end = if region.starts_with("cn-") { ".cn" } else { "" };
                (self.endpoint(&format!("https://kinesis.{region}.amazonaws.com{end}"))?, region.to_owned())
            }
        };
        let is_insecure = match self.get(TRUST_ALL) {
            None | Some("false") => false,
            Some("true") => true,
            Some(other) => return Err(self.wrong(&format!("'{TRUST_ALL}' is true or false, not {other:?}"))),
        };
        Ok(Address { endpoint, region, is_insecure, keys: self.keys()? })
    }

    fn endpoint(&self, text: &str) -> Result<Url, PortError> {
        let fits = |url: &Url| {
            matches!(url.scheme(), "http" | "https")
                && url.host_str().is_some()
                && url.path() == "/"
                && url.query().is_none()
                && url.username().is_empty()
        };
        let parsed = Url::parse(text).ok().filter(fits);
        parsed.ok_or_else(|| self.wrong(&format!("'{ENDPOINT}' is {text:?}; it is written as https://host:port")))
    }

    fn keys(&self) -> Result<Keys, PortError> {
        let (id, secret) = (self.get(KEY_ID), self.get(SECRET));
        let provider = self.get(PROVIDER).unwrap_or(if id.is_some() || secret.is_some() { "BASIC" } else { "AUTO" });
        match (provider, id, secret) {
            ("BASIC", Some(id), Some(secret)) => {
                let session_token = self.get(TOKEN).map(str::to_owned);
                Ok(Keys::Given(ClientKey { id: id.to_owned(), secret: secret.to_owned(), session_token }))
            }
            ("BASIC", ..) => {
                Err(self.wrong(&format!("credentials of the provider BASIC are '{KEY_ID}' and '{SECRET}'")))
            }
            ("ENV_VAR", ..) => Ok(Keys::Environment),
            ("AUTO", ..) => Ok(Keys::Anywhere),
            (other, ..) => Err(self.wrong(&format!(
                "'{PROVIDER}' is {other:?}; supported are BASIC, ENV_VAR and AUTO (the environment, then the file of \
                 profiles)"
            ))),
        }
    }

    fn start(&self) -> Result<Start, PortError> {
        let (name, word) = self.either(START)?.unwrap_or((START.0, "LATEST"));
        match word {
            "LATEST" => Ok(Start::Latest),
            "TRIM_HORIZON" => Ok(Start::Oldest),
            "AT_TIMESTAMP" => {
                let time = self.either(START_TIME)?;
                let (name, text) = time.ok_or_else(|| self.wrong(&format!("AT_TIMESTAMP needs '{}'", START_TIME.0)))?;
                let what = || format!("'{name}' is {text:?}; it is a time such as 2016-01-06T07:00:00Z, or seconds");
                moment_ms(text).map(Start::At).ok_or_else(|| self.wrong(&what()))
            }
            other => Err(self.wrong(&format!("'{name}' is {other:?}; it is LATEST, TRIM_HORIZON or AT_TIMESTAMP"))),
        }
    }

    fn reading(&self) -> Result<Reading, PortError> {
        let records_max = match self.either(RECORDS)? {
            None => RECORDS_MAX,
            Some((name, text)) => {
                let number = text.parse().ok().filter(|n| (1..=RECORDS_MAX).contains(n));
                number.ok_or_else(|| self.wrong(&format!("'{name}' is {text:?}; it is 1 to {RECORDS_MAX}")))?
            }
        };
        let interval = self.interval(INTERVAL)?.unwrap_or(INTERVAL_DEFAULT).max(Duration::from_millis(1));
        match self.either(READER)?.unwrap_or((READER.0, "POLLING")) {
            (_, "POLLING") => Ok(Reading::Polling { records_max, interval }),
            (_, "EFO") => self.consumer().map(Reading::FanOut),
            (name, other) => Err(self.wrong(&format!("'{name}' is {other:?}; it is POLLING or EFO"))),
        }
    }

    fn consumer(&self) -> Result<Consumer, PortError> {
        let arns =
            self.0.options.iter().filter(|(key, _)| key.starts_with(CONSUMER_ARN)).map(|(_, value)| value.trim());
        let arn = arns.into_iter().find(|arn| !arn.is_empty());
        let (key, how) = self.either(REGISTRATION)?.unwrap_or((REGISTRATION.0, "LAZY"));
        let registers = match how {
            "LAZY" | "EAGER" | "JOB_MANAGED" => true,
            "NONE" | "SELF_MANAGED" => false,
            other => {
                let words = "LAZY, EAGER or NONE (JOB_MANAGED or SELF_MANAGED)";
                return Err(self.wrong(&format!("'{key}' is {other:?}; it is {words}")));
            }
        };
        let name = self.either(CONSUMER)?.map(|(_, name)| name.to_owned());
        match (name, arn, registers) {
            (_, Some(arn), false) => Ok(Consumer::Arn(arn.to_owned())),
            (Some(name), _, true) => Ok(Consumer::Registered(name)),
            (Some(name), None, false) => Ok(Consumer::There(name)),
            (None, ..) => Err(self.wrong(&format!("EFO needs the name of a consumer: '{}'", CONSUMER.0))),
        }
    }

    fn interval(&self, names: Names) -> Result<Option<Duration>, PortError> {
        let Some((name, text)) = self.either(names)? else { return Ok(None) };
        let given = duration_ms(text).map(Duration::from_millis).filter(|d| *d <= INTERVAL_MAX);
        let what = || format!("'{name}' is {text:?}; it is a time of {} s at most", INTERVAL_MAX.as_secs());
        given.map(Some).ok_or_else(|| self.wrong(&what()))
    }
}

/// The region and the stream of an ARN.
fn arn_parts(arn: &str) -> Option<(&str, &str)> {
    let mut parts = arn.splitn(6, ':');
    let (head, _partition, service) = (parts.next()?, parts.next()?, parts.next()?);
    let (region, _account, resource) = (parts.next()?, parts.next()?, parts.next()?);
    let name = resource.strip_prefix("stream/")?;
    let fits = head == "arn" && service == "kinesis" && !region.is_empty() && !name.is_empty() && !name.contains('/');
    fits.then_some((region, name))
}

/// The region that an endpoint of the real service is in.
fn region_of(endpoint: &Url) -> Option<&str> {
    let mut parts = endpoint.host_str()?.split('.');
    let service = parts.next()?;
    let region = parts.next()?;
    let is_real = parts.next() == Some("amazonaws") && service.starts_with("kinesis");
    is_real.then_some(region)
}

/// Milliseconds since the epoch of a time in ISO 8601, or of seconds since then.
fn moment_ms(text: &str) -> Option<u64> {
    let written = DateTime::parse_from_rfc3339(text).ok().and_then(|time| u64::try_from(time.timestamp_millis()).ok());
    let seconds = || text.parse::<f64>().ok().filter(|s| (0.0..1e12).contains(s)).map(|s| (s * 1e3).round() as u64);
    written.or_else(seconds)
}

#[cfg(test)]
#[path = "options_tests.rs"]
mod tests;
