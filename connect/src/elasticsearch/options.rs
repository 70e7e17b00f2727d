//! What a table's options say: where the cluster is, how documents are sent, and how patiently.

use super::index_name::IndexName;
use super::wrong;
use engine::plan::TableDef;
use engine::port::PortError;
use engine::run::decode::JsonOptions;
use engine::run::{duration_ms, memory_bytes};
use reqwest::Url;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// The options that are known, beside those of the format. Those from `failure-handler` on ask for less or for what is so
/// anyway.
pub(super) const KNOWN: [&str; 21] = [
    "connector",
    HOSTS,
    INDEX,
    DELIMITER,
    USERNAME,
    PASSWORD,
    INSECURE,
    PREFIX,
    ACTIONS,
    SIZE,
    INTERVAL,
    STRATEGY,
    RETRIES,
    DELAY,
    CONNECT_TIMEOUT,
    REQUEST_TIMEOUT,
    SOCKET_TIMEOUT,
    HANDLER,
    ON_CHECKPOINT,
    GUARANTEE,
    RETRY_TIMEOUT,
];

const HOSTS: &str = "hosts";
const INDEX: &str = "index";
/// Read by the engine, which makes the ids.
const DELIMITER: &str = "document-id.key-delimiter";
const USERNAME: &str = "username";
const PASSWORD: &str = "password";
const INSECURE: &str = "allow-insecure";
const PREFIX: &str = "connection.path-prefix";
const ACTIONS: &str = "sink.bulk-flush.max-actions";
const SIZE: &str = "sink.bulk-flush.max-size";
const INTERVAL: &str = "sink.bulk-flush.interval";
const STRATEGY: &str = "sink.bulk-flush.backoff.strategy";
const RETRIES: &str = "sink.bulk-flush.backoff.max-retries";
const DELAY: &str = "sink.bulk-flush.backoff.delay";
const CONNECT_TIMEOUT: &str = "connection.timeout";
/// How long a client's pool may take to give a connection: this one waits for none.
const REQUEST_TIMEOUT: &str = "connection.request-timeout";
const SOCKET_TIMEOUT: &str = "socket.timeout";
const HANDLER: &str = "failure-handler";
const ON_CHECKPOINT: &str = "sink.flush-on-checkpoint";
const GUARANTEE: &str = "sink.delivery-guarantee";
const RETRY_TIMEOUT: &str = "connection.max-retry-timeout";

/// How times are written, and how a field of dates reads them.
const TIMESTAMPS: &str = "json.timestamp-format.standard";

/// Flink's bounds of a bulk.
const ACTIONS_DEFAULT: usize = 1_000;
const BYTES_DEFAULT: usize = 2 * 1024 * 1024;
const INTERVAL_DEFAULT: Duration = Duration::from_secs(1);
/// The bounds of a bulk whatever the options say: clusters take 100 MiB at once by default, some services 10.
const ACTIONS_MAX: usize = 100_000;
const BYTES_MAX: usize = 64 * 1024 * 1024;
/// Flink's patience where a strategy is given without it.
const RETRIES_DEFAULT: u32 = 8;
const DELAY_DEFAULT: Duration = Duration::from_millis(50);
/// The most that can be asked for.
const RETRIES_MAX: u32 = 10_000;
const DELAY_MAX: Duration = Duration::from_secs(60);
const TIMEOUT_MAX: Duration = Duration::from_secs(3_600);
/// How long bulks are tried where no strategy is given: longer than a node takes to start again.
const PATIENCE: Duration = Duration::from_secs(120);
/// Longest pause between two tries, where it grows.
const PAUSE_MAX: Duration = Duration::from_secs(5);
const CONNECT_TIMEOUT_DEFAULT: Duration = Duration::from_secs(5);
/// A cluster waits for a minute for its shards before it says that they are not there.
const SOCKET_TIMEOUT_DEFAULT: Duration = Duration::from_secs(90);
/// Most hosts of one table.
const HOSTS_MAX: usize = 64;

/// What the options of a table come to.
#[derive(Debug)]
pub(super) struct Options {
    /// Where bulks may be sent, with the path's prefix and without a slash at the end.
    pub(super) hosts: Vec<String>,
    pub(super) login: Option<Login>,
    /// Whoever answers over TLS is believed.
    pub(super) is_insecure: bool,
    pub(super) index: IndexName,
    pub(super) json: JsonOptions,
    pub(super) actions_max: usize,
    pub(super) bytes_max: usize,
    /// How long a row may wait for others; `None` as long as it takes.
    pub(super) interval: Option<Duration>,
    pub(super) patience: Patience,
    pub(super) on_refused: OnRefused,
    pub(super) connect_timeout: Duration,
    pub(super) socket_timeout: Duration,
}

/// Who asks. The password is shown nowhere.
#[derive(Clone)]
pub(super) struct Login {
    pub(super) name: String,
    pub(super) password: String,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login").field("name", &self.name).finish_non_exhaustive()
    }
}

/// How often, how long, and after which pauses a bulk is sent again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Patience {
    pub(super) retries: u32,
    /// After so long no try is begun any more, whatever `retries` says.
    pub(super) time: Option<Duration>,
    pub(super) delay: Duration,
    pub(super) grows: bool,
    /// Documents that a cluster has no room for are offered again even where nothing else is.
    pub(super) for_rejected: bool,
}

impl Patience {
    /// Where nothing is said: until a node has had the time to start again.
    fn usual() -> Self {
        Self { retries: u32::MAX, time: Some(PATIENCE), delay: DELAY_DEFAULT, grows: true, for_rejected: true }
    }

    /// The pause before try `number`, counted from 0.
    pub(super) fn pause(&self, number: u32) -> Duration {
        match self.grows {
            true => {
                self.delay.saturating_mul(1_u32.checked_shl(number).unwrap_or(u32::MAX)).min(PAUSE_MAX.max(self.delay))
            }
            false => self.delay,
        }
    }
}

/// What becomes of a document that a cluster does not want.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OnRefused {
    /// The job fails.
    Fail,
    /// It is counted, told, and left out.
    Ignore,
}

impl Options {
    /// Reads the options of a table.
    ///
    /// # Errors
    /// `Invalid` for an option that is unknown, missing, or has a value that it does not take.
    pub(super) fn parse(table: &TableDef) -> Result<Self, PortError> {
        let given = Given(&table.options);
        given.read(table).map_err(|message| wrong(table, &message))
    }
}

struct Given<'a>(&'a BTreeMap<String, String>);

impl Given<'_> {
    fn read(&self, table: &TableDef) -> Result<Options, String> {
        self.check_names()?;
        self.check_promises()?;
        let (hosts, index) = (self.required(HOSTS)?, self.required(INDEX)?);
        Ok(Options {
            hosts: self.addresses(hosts)?,
            login: self.login()?,
            is_insecure: self.flag(INSECURE)?.unwrap_or(false),
            index: IndexName::parse(index, &table.schema).map_err(|e| format!("'{INDEX}' is {index:?}: {e}"))?,
            json: self.json()?,
            actions_max: self.actions()?,
            bytes_max: self.bytes()?,
            interval: Some(self.duration(INTERVAL, TIMEOUT_MAX)?.unwrap_or(INTERVAL_DEFAULT)).filter(|i| !i.is_zero()),
            patience: self.patience()?,
            on_refused: self.on_refused()?,
            connect_timeout: self.timeout(CONNECT_TIMEOUT)?.unwrap_or(CONNECT_TIMEOUT_DEFAULT),
            socket_timeout: self.timeout(SOCKET_TIMEOUT)?.unwrap_or(SOCKET_TIMEOUT_DEFAULT),
        })
    }

    fn get(&self, option: &str) -> Option<&str> {
        self.0.get(option).map(|value| value.trim())
    }

    fn required(&self, option: &str) -> Result<&str, String> {
        let given = self.get(option).filter(|value| !value.is_empty());
        given.ok_or_else(|| format!("the option '{option}' is missing"))
    }

    fn check_names(&self) -> Result<(), String> {
        let is_known = |key: &&String| KNOWN.contains(&key.as_str()) || JsonOptions::KEYS.contains(&key.as_str());
        match self.0.keys().find(|key| !is_known(key)) {
            None => Ok(()),
            Some(unknown) => {
                let known: Vec<String> = KNOWN.iter().chain(&JsonOptions::KEYS).map(|k| format!("'{k}'")).collect();
                Err(format!("unknown option '{unknown}'; known are {}", known.join(", ")))
            }
        }
    }

    /// What is promised in any case, or cannot be.
    fn check_promises(&self) -> Result<(), String> {
        self.flag(ON_CHECKPOINT)?;
        for option in [REQUEST_TIMEOUT, RETRY_TIMEOUT] {
            self.duration(option, TIMEOUT_MAX)?;
        }
        match self.get(GUARANTEE).map(str::to_ascii_lowercase).as_deref() {
            None | Some("none" | "at-least-once") => Ok(()),
            Some("exactly-once") => Err(format!(
                "'{GUARANTEE}' is 'exactly-once', which a cluster cannot give; with a primary key, writing a row again \
                 changes nothing: leave the option out"
            )),
            Some(other) => Err(format!("'{GUARANTEE}' is '{other}'; it is 'at-least-once' or 'none'")),
        }
    }

    fn flag(&self, option: &str) -> Result<Option<bool>, String> {
        match self.get(option).map(str::to_ascii_lowercase).as_deref() {
            None => Ok(None),
            Some("true") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
            Some(other) => Err(format!("'{option}' is '{other}'; it is true or false")),
        }
    }

    fn duration(&self, option: &str, most: Duration) -> Result<Option<Duration>, String> {
        let Some(text) = self.get(option) else { return Ok(None) };
        let given = duration_ms(text).map(Duration::from_millis).filter(|given| *given <= most);
        let told = || format!("'{option}' is {text:?}; it is a duration such as '1s', of {} s at most", most.as_secs());
        given.map(Some).ok_or_else(told)
    }

    fn timeout(&self, option: &str) -> Result<Option<Duration>, String> {
        match self.duration(option, TIMEOUT_MAX)? {
            Some(Duration::ZERO) => Err(format!("'{option}' is 0, within which nobody answers")),
            given => Ok(given),
        }
    }

    fn json(&self) -> Result<JsonOptions, String> {
        let mut options = self.0.clone();
        options.entry("format".to_owned()).or_insert_with(|| "json".to_owned());
        options.entry(TIMESTAMPS.to_owned()).or_insert_with(|| "ISO-8601".to_owned());
        JsonOptions::parse(&options).map_err(|error| error.message)
    }

    fn addresses(&self, hosts: &str) -> Result<Vec<String>, String> {
        let prefix = self.get(PREFIX).unwrap_or_default().trim_matches('/');
        if prefix.contains(['?', '#', ' ']) {
            return Err(format!("'{PREFIX}' is {prefix:?}; it is a path such as '/v1'"));
        }
        let hosts: Vec<&str> = hosts.split(';').map(str::trim).filter(|host| !host.is_empty()).collect();
        if hosts.is_empty() || hosts.len() > HOSTS_MAX {
            return Err(format!("'{HOSTS}' names {} hosts; it names 1 to {HOSTS_MAX}", hosts.len()));
        }
        let whole = |host: &str| if prefix.is_empty() { host.to_owned() } else { format!("{host}/{prefix}") };
        hosts.into_iter().map(|host| address(host).map(|host| whole(&host))).collect()
    }

    fn login(&self) -> Result<Option<Login>, String> {
        let part = |option| self.0.get(option).filter(|value| !value.is_empty()).cloned();
        match (part(USERNAME), part(PASSWORD)) {
            (None, None) => Ok(None),
            (Some(name), Some(password)) if !name.contains(':') => Ok(Some(Login { name, password })),
            (Some(_), Some(_)) => Err(format!("'{USERNAME}' has a colon, which cannot be sent")),
            _ => Err(format!("'{USERNAME}' and '{PASSWORD}' are given both or not at all")),
        }
    }

    fn actions(&self) -> Result<usize, String> {
        match self.get(ACTIONS).map(str::parse::<i64>) {
            None => Ok(ACTIONS_DEFAULT),
            // Flink's way to say that rows are not counted.
            Some(Ok(0 | -1)) => Ok(ACTIONS_MAX),
            Some(Ok(number)) if (1..=ACTIONS_MAX as i64).contains(&number) => Ok(number as usize),
            _ => Err(format!("'{ACTIONS}' is 1 to {ACTIONS_MAX}, or 0 for no bound but that")),
        }
    }

    fn bytes(&self) -> Result<usize, String> {
        let Some(text) = self.get(SIZE) else { return Ok(BYTES_DEFAULT) };
        match memory_bytes(text).and_then(|bytes| usize::try_from(bytes).ok()) {
            Some(0) => Ok(BYTES_MAX),
            Some(bytes) if bytes <= BYTES_MAX => Ok(bytes),
            _ => Err(format!(
                "'{SIZE}' is {text:?}; it is a size such as '2mb', of 64mb at most, or 0 for no bound but that"
            )),
        }
    }

    fn patience(&self) -> Result<Patience, String> {
        let retries = self.get(RETRIES).map(|text| {
            let number = text.parse::<u32>().ok().filter(|number| *number <= RETRIES_MAX);
            number.ok_or_else(|| format!("'{RETRIES}' is {text:?}; it is 0 to {RETRIES_MAX}"))
        });
        let retries = retries.transpose()?;
        let delay = self.duration(DELAY, DELAY_MAX)?;
        let for_rejected = self.get(HANDLER).is_some_and(is_retry_rejected);
        let given = |grows| Patience {
            retries: retries.unwrap_or(RETRIES_DEFAULT),
            time: None,
            delay: delay.unwrap_or(DELAY_DEFAULT),
            grows,
            for_rejected: true,
        };
        match self.get(STRATEGY).map(str::to_ascii_uppercase).as_deref() {
            None if retries.is_none() && delay.is_none() => Ok(Patience::usual()),
            None | Some("EXPONENTIAL") => Ok(given(true)),
            Some("CONSTANT") => Ok(given(false)),
            Some("DISABLED" | "NONE") if for_rejected => Ok(Patience { retries: 0, ..Patience::usual() }),
            Some("DISABLED" | "NONE") => Ok(Patience { retries: 0, for_rejected: false, ..Patience::usual() }),
            Some(other) => Err(format!("'{STRATEGY}' is '{other}'; it is DISABLED, CONSTANT or EXPONENTIAL")),
        }
    }

    fn on_refused(&self) -> Result<OnRefused, String> {
        match self.get(HANDLER) {
            None | Some("fail") => Ok(OnRefused::Fail),
            Some("ignore") => Ok(OnRefused::Ignore),
            Some(name) if is_retry_rejected(name) => Ok(OnRefused::Fail),
            Some(other) => {
                Err(format!("'{HANDLER}' is '{other}'; it is fail, ignore or retry-rejected, and no class of Java"))
            }
        }
    }
}

/// Flink writes it in both ways.
fn is_retry_rejected(name: &str) -> bool {
    matches!(name, "retry-rejected" | "retry_rejected")
}

/// One host as it is called: scheme, name and port.
fn address(host: &str) -> Result<String, String> {
    let told = |what: &str| {
        // Whatever stands before an @ may be a password.
        let shown = host.rsplit_once('@').map_or_else(|| host.to_owned(), |(_, rest)| format!("…@{rest}"));
        format!("'{HOSTS}' names {shown:?}: {what}")
    };
    let form = "write it as http://host:9200 or https://host:9200";
    let plain = host.trim_end_matches('/');
    let rest = plain.strip_prefix("http://").or_else(|| plain.strip_prefix("https://")).ok_or_else(|| told(form))?;
    if rest.contains('@') {
        return Err(told("a name and password are given by 'username' and 'password'"));
    }
    if rest.contains(['/', '?', '#']) {
        return Err(told("a path is given by 'connection.path-prefix'"));
    }
    let port = rest.rsplit_once(':').and_then(|(name, port)| port.parse::<u16>().ok().filter(|_| !name.is_empty()));
    if port.is_none_or(|port| port == 0) {
        return Err(told(&format!("it has no port; {form}")));
    }
    Url::parse(plain).map_err(|error| told(&format!("{error}; {form}")))?;
    Ok(plain.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::types::Schema;

    fn options(given: &[(&str, &str)]) -> Result<Options, PortError> {
        let mut options = BTreeMap::from([("hosts".to_owned(), "http://h:9200".to_owned())]);
        options.insert("index".to_owned(), "docs".to_owned());
        options.extend(given.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())));
        let schema = Schema { fields: vec![] };
        let (name, primary_key) = ("t".to_owned(), vec![]);
        Options::parse(&TableDef { name, schema, computed: vec![], watermark: None, primary_key, options })
    }

    #[test]
    fn what_is_not_said_is_as_flink_has_it() {
        let found = options(&[]).unwrap();
        assert_eq!((found.actions_max, found.bytes_max), (1_000, 2 << 20));
        assert_eq!(found.interval, Some(Duration::from_secs(1)));
        assert_eq!(found.on_refused, OnRefused::Fail);
        assert!(found.login.is_none() && !found.is_insecure);
        let patience = options(&[(STRATEGY, "constant")]).unwrap().patience;
        assert_eq!((patience.retries, patience.delay, patience.time), (8, Duration::from_millis(50), None));
        assert_eq!((patience.pause(0), patience.pause(7)), (patience.delay, patience.delay));
        let patience = options(&[]).unwrap().patience;
        assert_eq!(patience.time, Some(PATIENCE));
        assert_eq!([0, 1, 40].map(|n| patience.pause(n).as_millis()), [50, 100, 5_000]);
    }

    #[test]
    fn options_are_read_as_flink_reads_them() {
        let found = options(&[
            (HOSTS, "https://a:9200; http://[::1]:9201/"),
            (PREFIX, "/v1/"),
            (USERNAME, "u"),
            (PASSWORD, "hush"),
            (ACTIONS, "0"),
            (SIZE, "4 mb"),
            (INTERVAL, "0"),
            (STRATEGY, "EXPONENTIAL"),
            (RETRIES, "3"),
            (DELAY, "2 s"),
            (HANDLER, "ignore"),
            (SOCKET_TIMEOUT, "1 min"),
            (ON_CHECKPOINT, "false"),
            (GUARANTEE, "at-least-once"),
        ]);
        let found = found.unwrap();
        assert_eq!(found.hosts, ["https://a:9200/v1", "http://[::1]:9201/v1"]);
        assert_eq!((found.actions_max, found.bytes_max, found.interval), (ACTIONS_MAX, 4 << 20, None));
        assert_eq!((found.patience.retries, found.patience.pause(1)), (3, Duration::from_secs(4)));
        assert_eq!((found.on_refused, found.socket_timeout), (OnRefused::Ignore, Duration::from_secs(60)));
        assert!(!format!("{found:?}").contains("hush"));
        let patience = |given: &[(&str, &str)]| options(given).unwrap().patience;
        let disabled = patience(&[(STRATEGY, "DISABLED")]);
        assert_eq!((disabled.retries, disabled.for_rejected), (0, false));
        let rejected = patience(&[(STRATEGY, "DISABLED"), (HANDLER, "retry-rejected")]);
        assert_eq!((rejected.retries, rejected.for_rejected), (0, true));
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        for (given, what) in [
            (("hots", "x"), "unknown option 'hots'; known are 'connector', 'hosts'"),
            ((HOSTS, ""), "'hosts' is missing"),
            ((HOSTS, " ; "), "names 0 hosts"),
            ((HOSTS, "h:9200"), "write it as http://host:9200"),
            ((HOSTS, "http://h"), "no port"),
            ((HOSTS, "http://:9200"), "no port"),
            ((HOSTS, "http://h h:1"), "invalid"),
            ((HOSTS, "http://u:hush@h:1"), "given by 'username'"),
            ((HOSTS, "http://h:1/v1"), "given by 'connection.path-prefix'"),
            ((INDEX, ""), "'index' is missing"),
            ((INDEX, "Docs"), "'index' is \"Docs\": "),
            ((PREFIX, "/a?b"), "a path such as"),
            ((USERNAME, "u"), "both or not at all"),
            ((PASSWORD, "hush"), "both or not at all"),
            ((ACTIONS, "-2"), "1 to 100000"),
            ((SIZE, "65mb"), "64mb at most"),
            ((SIZE, "two"), "a size such as '2mb'"),
            ((INTERVAL, "soon"), "a duration such as '1s'"),
            ((STRATEGY, "LINEAR"), "DISABLED, CONSTANT or EXPONENTIAL"),
            ((RETRIES, "many"), "0 to 10000"),
            ((DELAY, "2 min"), "60 s at most"),
            ((SOCKET_TIMEOUT, "0"), "nobody answers"),
            ((HANDLER, "org.example.Mine"), "fail, ignore or retry-rejected"),
            ((ON_CHECKPOINT, "yes"), "true or false"),
            ((GUARANTEE, "exactly-once"), "changes nothing"),
            (("format", "avro"), "format 'avro' is not supported"),
        ] {
            let error = options(&[given]).unwrap_err();
            assert!(error.message.starts_with("table t: ") && error.message.contains(what), "{given:?}: {error}");
            assert!(!error.message.contains("hush"), "{error}");
        }
    }
}
