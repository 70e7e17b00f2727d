//! What the platform is told before it opens: configuration file, then environment, then options; all of it checked.

use crate::cli::PlatformArgs;
use crate::doors::{DoorName, Networks, Reach, TlsMode, network};
use crate::flink_settings::{ClusterError, FlinkArgs};
use crate::telemetry::{INTERVAL_S_DEFAULT, OtlpError, OtlpSettings};
use crate::wiring::is_web_address;
use connect::{Bucket, BucketKey, BucketSettings};
use ipnet::IpNet;
use model::limits::{KPUS_MAX, PARALLELISM_MAX};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use wire::signature::{ClientKey, ClientKeyError};

/// The data directory where none is named.
pub(crate) const DATA_DIR_DEFAULT: &str = "hailstream-data";

/// Memory of one KPU where nothing else is said, in MiB: that of the managed service.
const KPU_MEMORY_MIB_DEFAULT: u32 = 4_096;
/// Most memory of one KPU, in MiB: a tebibyte.
pub(crate) const KPU_MEMORY_MIB_MAX: u32 = 1_048_576;

/// Most records of a KPU in a second that can be asked for.
pub(crate) const KPU_RECORDS_PER_S_MAX: u64 = 1_000_000_000;

/// When a put is acknowledged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum DurabilityArg {
    /// Once it is on disk
    #[default]
    Fsync,
    /// Once the operating system has taken it
    Os,
}

/// What alarms can do by name.
pub(crate) type AlarmActions = BTreeMap<String, AlarmAction>;

/// Something that alarms can do.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub(crate) enum AlarmAction {
    /// Posts what has happened as JSON to an address (http or https).
    Webhook(String),
    /// Runs a program with arguments; what has happened stands in its input as JSON, and in ALARM_… variables.
    Command(Vec<String>),
}

/// The platform's settings, complete and checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Settings {
    pub(crate) data_dir: PathBuf,
    /// Where applications keep their state.
    pub(crate) state: StateSettings,
    /// Where the buckets are that code comes from.
    pub(crate) code: Option<CodeSettings>,
    /// How buckets are reached that tables name, or why that cannot be told: who names none needs none.
    pub(crate) files: Result<BucketSettings, String>,
    pub(crate) bind: IpAddr,
    pub(crate) aws_port: u16,
    pub(crate) search_port: u16,
    pub(crate) console_port: u16,
    /// Names of this machine under which the console answers.
    pub(crate) console_hosts: Vec<String>,
    pub(crate) unlimited: bool,
    pub(crate) limits_speedup: u32,
    /// KPUs of one application, at most.
    pub(crate) kpus_max: u32,
    pub(crate) durability: DurabilityArg,
    /// Memory for the state of an application, for each of its KPUs, in MiB.
    pub(crate) kpu_memory_mib: u32,
    /// Records that a KPU reads in a second at most; 0 for as many as it can, `None` where nobody said anything.
    pub(crate) kpu_records_per_s: Option<u64>,
    pub(crate) credentials: Option<PathBuf>,
    pub(crate) tls: TlsMode,
    /// Certificate chain and key; none: a self-signed pair in the data directory.
    pub(crate) tls_pair: Option<(PathBuf, PathBuf)>,
    pub(crate) addresses_file: Option<PathBuf>,
    /// What alarms can do by name.
    pub(crate) alarm_actions: AlarmActions,
    /// From where the doors are reached.
    pub(crate) reach: Reach,
    /// Where metrics are sent.
    pub(crate) otlp: Option<OtlpSettings>,
    /// The Flink cluster that applications may run on.
    pub(crate) flink: FlinkArgs,
}

/// Where applications keep their state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum StateSettings {
    /// In folders of this one.
    Folder(PathBuf),
    /// In a bucket: its address, and how it is reached.
    Bucket(String, BucketSettings),
}

/// Where the buckets are that code of applications comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum CodeSettings {
    /// In folders of this one.
    Folder(PathBuf),
    /// In an object store that is reached like this.
    Store(BucketSettings),
}

/// What names an object store where a folder could be named.
const OBJECT_STORE: &str = "s3://";

/// How the object store is reached that `checkpoint-dir`, `code-buckets` or a table names; the `AWS_…` variables say what is left out.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct S3 {
    endpoint: Option<String>,
    region: Option<String>,
    /// Of the shared credentials file; no secret stands in the configuration.
    profile: Option<String>,
}

/// The configuration file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct File {
    data_dir: Option<PathBuf>,
    checkpoint_dir: Option<String>,
    code_buckets: Option<String>,
    #[serde(default)]
    s3: S3,
    bind: Option<IpAddr>,
    aws_port: Option<u16>,
    search_port: Option<u16>,
    console_port: Option<u16>,
    #[serde(default)]
    console_hosts: Vec<String>,
    unlimited: Option<bool>,
    limits_speedup: Option<u32>,
    kpus_max: Option<u32>,
    durability: Option<DurabilityArg>,
    kpu_memory_mib: Option<u32>,
    kpu_records_per_s: Option<u64>,
    credentials: Option<PathBuf>,
    tls: Option<TlsMode>,
    tls_cert: Option<PathBuf>,
    tls_key: Option<PathBuf>,
    #[serde(default)]
    alarm_actions: AlarmActions,
    otlp_endpoint: Option<String>,
    otlp_interval_s: Option<u32>,
    #[serde(default)]
    flink: FlinkArgs,
    #[serde(default)]
    allow: Allowed,
    #[serde(default)]
    trusted_proxies: Vec<String>,
}

/// The lists of networks in the configuration file, one for each door.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Allowed {
    #[serde(default)]
    aws: AllowedAt,
    #[serde(default)]
    search: AllowedAt,
    #[serde(default)]
    console: AllowedAt,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct AllowedAt {
    read: Option<Vec<String>>,
    write: Option<Vec<String>>,
}

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SettingsError {
    #[error("the configuration file {path} cannot be read: {source}")]
    Read { path: PathBuf, source: std::io::Error },
    #[error("the configuration file {path} is wrong: {message}")]
    Parse { path: PathBuf, message: String },
    #[error("the {first} and the {second} cannot both use port {port}; give one of them another")]
    SamePort { first: &'static str, second: &'static str, port: u16 },
    #[error("--bind {0} opens the doors to other machines: give --credentials FILE too, or bind a loopback address")]
    OpenToAll(IpAddr),
    #[error("--bind {0} takes secrets from other machines over TLS only: do not turn it off with --tls off")]
    InTheClear(IpAddr),
    #[error("--kpus-max {0} is not within 1 to {PARALLELISM_MAX}: an application has no more subtasks than that")]
    Kpus(u32),
    #[error("a certificate and its key go together; give both --tls-cert and --tls-key, or neither")]
    HalfPair,
    #[error("kpu-records-per-s is {0}, which is more than {KPU_RECORDS_PER_S_MAX}")]
    KpuRecords(u64),
    #[error("kpu-memory-mib is {0}, which is not within 1 to {KPU_MEMORY_MIB_MAX}")]
    KpuMemory(u32),
    #[error("alarm-actions.{name}: {reason}")]
    AlarmAction { name: String, reason: &'static str },
    #[error("{whose}: {problem}")]
    Network { whose: String, problem: String },
    #[error(transparent)]
    Otlp(#[from] OtlpError),
    #[error(transparent)]
    Flink(#[from] ClusterError),
    #[error(transparent)]
    Key(#[from] ClientKeyError),
    #[error("{0:?} is no address of an object store: write it as https://host or http://host:port")]
    Endpoint(String),
    #[error("code-buckets is {0:?}: name a folder, or {OBJECT_STORE} alone, since each application names its bucket")]
    CodeBuckets(String),
    #[error("the data directory {path} cannot be used: {source}; name another with --data-dir")]
    DataDir { path: PathBuf, source: std::io::Error },
}

impl Settings {
    /// Brings file, environment and options together.
    pub(crate) fn new(args: &PlatformArgs) -> Result<Self, SettingsError> {
        let file = args.config.as_deref().map(read).transpose()?.unwrap_or_default();
        let data_dir = args.data_dir.clone().or(file.data_dir).unwrap_or_else(|| DATA_DIR_DEFAULT.into());
        let otlp = OtlpSettings::new(
            (args.otlp_endpoint.as_deref(), file.otlp_endpoint.as_deref()),
            args.otlp_interval_s.or(file.otlp_interval_s).unwrap_or(INTERVAL_S_DEFAULT),
            |name| std::env::var(name).ok(),
        )?;
        let checkpoint_dir = args.checkpoint_dir.as_deref().or(file.checkpoint_dir.as_deref());
        let settings = Self {
            code: CodeSettings::new(args.code_buckets.as_deref().or(file.code_buckets.as_deref()), &file.s3)?,
            files: bucket_settings(&file.s3, |name| std::env::var(name).ok()).map_err(|error| error.to_string()),
            state: StateSettings::new(checkpoint_dir, &data_dir, &file.s3, |name| std::env::var(name).ok())?,
            data_dir,
            bind: args.bind.or(file.bind).unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            aws_port: args.aws_port.or(file.aws_port).unwrap_or(4566),
            search_port: args.search_port.or(file.search_port).unwrap_or(9200),
            console_port: args.console_port.or(file.console_port).unwrap_or(8080),
            console_hosts: [&file.console_hosts[..], &args.console_hosts].concat(),
            unlimited: args.unlimited || file.unlimited.unwrap_or(false),
            limits_speedup: args.limits_speedup.or(file.limits_speedup).unwrap_or(1),
            kpus_max: args.kpus_max.or(file.kpus_max).unwrap_or(KPUS_MAX),
            durability: args.durability.or(file.durability).unwrap_or_default(),
            kpu_records_per_s: args.kpu_records_per_s.or(file.kpu_records_per_s),
            kpu_memory_mib: args.kpu_memory_mib.or(file.kpu_memory_mib).unwrap_or(KPU_MEMORY_MIB_DEFAULT),
            credentials: args.credentials.clone().or(file.credentials),
            tls: args.tls.or(file.tls).unwrap_or_default(),
            tls_pair: pair(args.tls_cert.clone().or(file.tls_cert), args.tls_key.clone().or(file.tls_key))?,
            addresses_file: args.addresses_file.clone(),
            alarm_actions: file.alarm_actions,
            reach: reach(args, &file.allow, &file.trusted_proxies)?,
            otlp,
            flink: args.flink.clone().or(file.flink),
        };
        settings.flink.addresses()?;
        settings.check_alarm_actions()?;
        if !(1..=KPU_MEMORY_MIB_MAX).contains(&settings.kpu_memory_mib) {
            return Err(SettingsError::KpuMemory(settings.kpu_memory_mib));
        }
        if let Some(records) = settings.kpu_records_per_s.filter(|records| *records > KPU_RECORDS_PER_S_MAX) {
            return Err(SettingsError::KpuRecords(records));
        }
        settings.check_ports()?;
        settings.check_bind()?;
        settings.check_kpus()?;
        Ok(settings)
    }

    /// Makes the data directory and shows that it can be written.
    pub(crate) fn prepare_data_dir(&self) -> Result<(), SettingsError> {
        let failed = |source| SettingsError::DataDir { path: self.data_dir.clone(), source };
        fs::create_dir_all(&self.data_dir).map_err(failed)?;
        let probe = self.data_dir.join(".writable");
        fs::write(&probe, b"").and_then(|()| fs::remove_file(&probe)).map_err(failed)
    }

    /// Other machines reach a door only where it asks who comes, and where no secret is sent in the clear.
    fn check_bind(&self) -> Result<(), SettingsError> {
        match (self.bind.is_loopback(), &self.credentials, self.tls) {
            (true, ..) => Ok(()),
            (false, None, _) => Err(SettingsError::OpenToAll(self.bind)),
            (false, Some(_), TlsMode::Off) => Err(SettingsError::InTheClear(self.bind)),
            (false, Some(_), _) => Ok(()),
        }
    }

    fn check_alarm_actions(&self) -> Result<(), SettingsError> {
        for (name, action) in &self.alarm_actions {
            let reason = match action {
                AlarmAction::Webhook(url) if !is_web_address(url) => {
                    "a webhook is an address that begins with http:// or https://"
                }
                AlarmAction::Command(words) if words.is_empty() => "a command is a list: a program and its arguments",
                _ => continue,
            };
            return Err(SettingsError::AlarmAction { name: name.clone(), reason });
        }
        Ok(())
    }

    fn check_kpus(&self) -> Result<(), SettingsError> {
        if (1..=PARALLELISM_MAX).contains(&self.kpus_max) { Ok(()) } else { Err(SettingsError::Kpus(self.kpus_max)) }
    }

    fn check_ports(&self) -> Result<(), SettingsError> {
        let doors = [("AWS door", self.aws_port), ("search door", self.search_port), ("console", self.console_port)];
        for (i, (first, port)) in doors.iter().enumerate() {
            // Port 0 asks for any free one, so two of them never meet.
            if let Some((second, _)) = doors[i + 1..].iter().find(|(_, other)| *port != 0 && other == port) {
                return Err(SettingsError::SamePort { first, second, port: *port });
            }
        }
        Ok(())
    }
}

impl StateSettings {
    /// The place that `checkpoint_dir` names, or the one in the data directory; `variable` gives the value of an
    /// environment variable.
    pub(crate) fn new(
        checkpoint_dir: Option<&str>,
        data_dir: &Path,
        s3: &S3,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, SettingsError> {
        let address = match checkpoint_dir {
            None => return Ok(Self::Folder(data_dir.join("state"))),
            Some(place) if !Bucket::is_named_by(place) => return Ok(Self::Folder(place.into())),
            Some(address) => address.to_owned(),
        };
        Ok(Self::Bucket(address, bucket_settings(s3, variable)?))
    }
}

impl CodeSettings {
    /// The place that `code_buckets` names; `None` where it names none.
    fn new(code_buckets: Option<&str>, s3: &S3) -> Result<Option<Self>, SettingsError> {
        match code_buckets {
            None => Ok(None),
            Some(OBJECT_STORE) => Ok(Some(Self::Store(bucket_settings(s3, |name| std::env::var(name).ok())?))),
            Some(place) if Bucket::is_named_by(place) || place.is_empty() => {
                Err(SettingsError::CodeBuckets(place.to_owned()))
            }
            Some(folder) => Ok(Some(Self::Folder(folder.into()))),
        }
    }
}

/// How buckets are reached that tables name, by the environment alone; or why that cannot be told.
pub(crate) fn bucket_settings_of_environment() -> Result<BucketSettings, String> {
    bucket_settings(&S3::default(), |name| std::env::var(name).ok()).map_err(|error| error.to_string())
}

/// How an object store is reached: as the file says, else as the environment does.
fn bucket_settings(s3: &S3, variable: impl Fn(&str) -> Option<String>) -> Result<BucketSettings, SettingsError> {
    let first = |given: &Option<String>, names: [&str; 2]| {
        let filled = |value: &String| !value.is_empty();
        given.clone().or_else(|| names.iter().find_map(|name| variable(name).filter(filled)))
    };
    let endpoint = first(&s3.endpoint, ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"]);
    if let Some(wrong) = endpoint.as_ref().filter(|e| !(e.starts_with("http://") || e.starts_with("https://"))) {
        return Err(SettingsError::Endpoint(wrong.clone()));
    }
    let region = first(&s3.region, ["AWS_REGION", "AWS_DEFAULT_REGION"]);
    let key = ClientKey::find(s3.profile.as_deref(), &variable)?;
    let key = key.map(|key| BucketKey { id: key.id, secret: key.secret, session_token: key.session_token });
    Ok(BucketSettings { endpoint, region, key })
}

/// From where the doors are reached: of each list what the options say, else what the file says.
fn reach(args: &PlatformArgs, file: &Allowed, proxies: &[String]) -> Result<Reach, SettingsError> {
    let mut reach = Reach {
        aws: at_door(DoorName::Aws, &file.aws)?,
        search: at_door(DoorName::Search, &file.search)?,
        console: at_door(DoorName::Console, &file.console)?,
        proxies: Vec::new(),
    };
    let proxies = if args.trusted_proxies.is_empty() { proxies } else { &args.trusted_proxies };
    for proxy in proxies {
        reach.proxies.push(network(proxy).map_err(|problem| wrong_network("a trusted proxy", problem))?);
    }
    let mut said: Vec<(DoorName, Kind)> = Vec::new();
    for text in &args.allow {
        let whose = format!("--allow {text}");
        let (door, kinds, all) = allowed(text).map_err(|problem| wrong_network(&whose, problem))?;
        for kind in kinds {
            let list = kind.of(reach.of_mut(door));
            // What options say takes the place of what the file says, and what several of them say is one list.
            if !said.contains(&(door, kind)) {
                said.push((door, kind));
                *list = None;
            }
            list.get_or_insert_default().extend(&all);
        }
    }
    Ok(reach)
}

fn at_door(door: DoorName, file: &AllowedAt) -> Result<Networks, SettingsError> {
    let list = |list: &Option<Vec<String>>, kind: &str| {
        let whose = format!("allow.{}.{kind}", door.key());
        let all = list.as_ref().map(|all| networks(all.iter().map(String::as_str))).transpose();
        all.map_err(|problem| wrong_network(&whose, problem))
    };
    Ok(Networks { read: list(&file.read, "read")?, write: list(&file.write, "write")? })
}

/// One of the two lists of a door.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Read,
    Write,
}

impl Kind {
    fn of(self, networks: &mut Networks) -> &mut Option<Vec<IpNet>> {
        match self {
            Self::Read => &mut networks.read,
            Self::Write => &mut networks.write,
        }
    }
}

/// What `DOOR[:read|:write]=NETWORK[,NETWORK…]` says; without a kind it is both.
fn allowed(text: &str) -> Result<(DoorName, Vec<Kind>, Vec<IpNet>), String> {
    let form =
        || "write it as DOOR=NETWORK, DOOR:read=NETWORK or DOOR:write=NETWORK, more networks after commas".to_owned();
    let (place, list) = text.split_once('=').ok_or_else(form)?;
    let (door, kind) = place.split_once(':').map_or((place, None), |(door, kind)| (door, Some(kind)));
    let doors = [DoorName::Aws, DoorName::Search, DoorName::Console];
    let door = doors.into_iter().find(|known| known.key() == door);
    let door = door.ok_or_else(|| "the doors are aws, search and console".to_owned())?;
    let kinds = match kind {
        None => vec![Kind::Read, Kind::Write],
        Some("read") => vec![Kind::Read],
        Some("write") => vec![Kind::Write],
        Some(_) => return Err(form()),
    };
    Ok((door, kinds, networks(list.split(','))?))
}

fn networks<'a>(texts: impl Iterator<Item = &'a str>) -> Result<Vec<IpNet>, String> {
    let all: Vec<IpNet> = texts.map(|text| network(text.trim())).collect::<Result<_, _>>()?;
    if all.is_empty() {
        return Err("an empty list would let nobody in: leave it out, or name 127.0.0.1".to_owned());
    }
    Ok(all)
}

fn wrong_network(whose: &str, problem: String) -> SettingsError {
    SettingsError::Network { whose: whose.to_owned(), problem }
}

fn pair(cert: Option<PathBuf>, key: Option<PathBuf>) -> Result<Option<(PathBuf, PathBuf)>, SettingsError> {
    match (cert, key) {
        (Some(cert), Some(key)) => Ok(Some((cert, key))),
        (None, None) => Ok(None),
        _ => Err(SettingsError::HalfPair),
    }
}

fn read(path: &Path) -> Result<File, SettingsError> {
    let text = fs::read_to_string(path).map_err(|source| SettingsError::Read { path: path.to_owned(), source })?;
    toml::from_str(&text).map_err(|e| SettingsError::Parse { path: path.to_owned(), message: e.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(config: &str) -> (tempfile::TempDir, PlatformArgs) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("hailstream.toml");
        fs::write(&path, config).unwrap();
        (dir, PlatformArgs { config: Some(path), ..PlatformArgs::default() })
    }

    #[test]
    fn options_override_the_file_and_the_file_the_defaults() {
        let (_dir, mut args) = args("aws-port = 1\nsearch-port = 2\nunlimited = true\ndurability = 'os'");
        args.search_port = Some(3);
        let settings = Settings::new(&args).unwrap();
        assert_eq!((settings.aws_port, settings.search_port, settings.console_port), (1, 3, 8080));
        assert!(settings.unlimited);
        assert_eq!(settings.durability, DurabilityArg::Os);
        assert_eq!(settings.kpu_memory_mib, 4_096);
        assert_eq!(settings.data_dir, Path::new(DATA_DIR_DEFAULT));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let settings = |config: &str| {
            let (_dir, args) = args(config);
            Settings::new(&args).map_err(|e| e.to_string())
        };
        assert!(settings("aws-prot = 1").unwrap_err().contains("aws-prot"));
        assert!(settings("aws-port = 70000").unwrap_err().contains("aws-port"));
        assert!(settings("aws-port = 9200").unwrap_err().contains("AWS door and the search door"));
        assert!(settings("tls-cert = 'a.pem'").unwrap_err().contains("--tls-key"));
        assert!(settings("durability = 'never'").unwrap_err().contains("never"));
        assert!(settings("kpu-records-per-s = 1000000001").unwrap_err().contains("kpu-records-per-s is 1000000001"));
        assert!(settings("kpu-memory-mib = 0").unwrap_err().contains("kpu-memory-mib is 0"));
        assert!(settings("[alarm-actions]\nmail = { command = [] }").unwrap_err().contains("alarm-actions.mail"));
        assert!(settings("[alarm-actions]\nmail = { post = 'x' }").unwrap_err().contains("post"));
        assert!(settings("[alarm-actions]\nmail = { command = ['mail', 'a@b'] }").is_ok());
        assert!(settings("otlp-endpoint = 'a:4318'").unwrap_err().contains("is no address of a collector"));
        assert!(
            settings("otlp-endpoint = 'http://a'\notlp-interval-s = 0").unwrap_err().contains("otlp-interval-s is 0")
        );
        assert!(settings("tls = 'maybe'").unwrap_err().contains("maybe"));
        assert!(settings("aws-port = 0\nsearch-port = 0").is_ok(), "any free port is never the same one");
        let missing = PlatformArgs { config: Some("no-such-file.toml".into()), ..PlatformArgs::default() };
        assert!(Settings::new(&missing).unwrap_err().to_string().contains("no-such-file.toml cannot be read"));
    }

    #[test]
    fn checkpoints_go_where_they_are_told_to() {
        let of = |place: Option<&str>, s3: &S3, variables: &[(&str, &str)]| {
            let variable = |name: &str| variables.iter().find(|v| v.0 == name).map(|v| v.1.to_owned());
            StateSettings::new(place, Path::new("data"), s3, variable).map_err(|error| error.to_string())
        };
        let none = S3::default();
        assert_eq!(of(None, &none, &[]).unwrap(), StateSettings::Folder("data/state".into()));
        assert_eq!(of(Some("kept"), &none, &[]).unwrap(), StateSettings::Folder("kept".into()));
        let pair = [("AWS_ACCESS_KEY_ID", "id"), ("AWS_SECRET_ACCESS_KEY", "secret")];
        let variables = [&pair[..], &[("AWS_ENDPOINT_URL", "http://a"), ("AWS_REGION", "")]].concat();
        let StateSettings::Bucket(address, settings) = of(Some("s3://b/p"), &none, &variables).unwrap() else {
            panic!()
        };
        let key = BucketKey { id: "id".into(), secret: "secret".into(), session_token: None };
        let expected = BucketSettings { endpoint: Some("http://a".into()), region: None, key: Some(key) };
        assert_eq!((address.as_str(), settings), ("s3://b/p", expected));
        let said = S3 { endpoint: Some("https://b".into()), region: Some("eu-west-1".into()), profile: None };
        let more = [&variables[..], &[("AWS_ENDPOINT_URL_S3", "http://c"), ("AWS_DEFAULT_REGION", "x")]].concat();
        let of_s3 = |s3: &S3| match of(Some("s3://b"), s3, &more).unwrap() {
            StateSettings::Bucket(_, settings) => (settings.endpoint.unwrap(), settings.region.unwrap()),
            StateSettings::Folder(path) => panic!("{}", path.display()),
        };
        assert_eq!(of_s3(&said), ("https://b".into(), "eu-west-1".into()));
        assert_eq!(of_s3(&none), ("http://c".into(), "x".into()), "that of the service before that of all services");
        assert!(of(Some("s3://b"), &none, &pair[..1]).unwrap_err().contains("AWS_SECRET_ACCESS_KEY"));
        let wrong = [&pair[..], &[("AWS_ENDPOINT_URL", "localhost:9000")]].concat();
        assert!(of(Some("s3://b"), &none, &wrong).unwrap_err().contains("localhost:9000"));
    }

    #[test]
    fn code_comes_from_a_folder_or_from_an_object_store() {
        let of = |place: Option<&str>| CodeSettings::new(place, &S3::default());
        assert_eq!(of(None).unwrap(), None);
        assert_eq!(of(Some("code")).unwrap(), Some(CodeSettings::Folder("code".into())));
        assert!(matches!(of(Some("s3://")).unwrap(), Some(CodeSettings::Store(_))));
        assert!(of(Some("s3://bucket")).unwrap_err().to_string().contains("each application names its bucket"));
        let (_dir, args) = args("code-buckets = 'code'");
        assert_eq!(Settings::new(&args).unwrap().code, Some(CodeSettings::Folder("code".into())));
    }

    #[test]
    fn other_machines_are_let_in_with_credentials_and_tls_alone() {
        let settings = |config: &str| {
            let (_dir, args) = args(config);
            Settings::new(&args).map(|settings| settings.bind.to_string()).map_err(|error| error.to_string())
        };
        assert_eq!(settings("").unwrap(), "127.0.0.1");
        assert_eq!(settings("bind = '::1'").unwrap(), "::1");
        for bind in ["0.0.0.0", "10.0.0.7", "::"] {
            let open = settings(&format!("bind = '{bind}'")).unwrap_err();
            assert!(open.contains(&format!("--bind {bind}")) && open.contains("--credentials"), "{open}");
            let guarded = format!("bind = '{bind}'\ncredentials = 'keys.toml'\n");
            assert_eq!(settings(&guarded).unwrap(), bind);
            assert!(settings(&format!("{guarded}tls = 'off'")).unwrap_err().contains("--tls off"));
        }
        assert!(settings("bind = 'localhost'").unwrap_err().contains("bind"));
    }

    #[test]
    fn networks_are_read_from_options_and_file_and_refused_where_they_are_wrong() {
        let settings = |config: &str, allow: &[&str], proxies: &[&str]| {
            let (_dir, mut args) = args(config);
            args.allow = allow.iter().map(|text| (*text).to_owned()).collect();
            args.trusted_proxies = proxies.iter().map(|text| (*text).to_owned()).collect();
            Settings::new(&args).map(|settings| settings.reach).map_err(|error| error.to_string())
        };
        assert_eq!(settings("", &[], &[]).unwrap(), Reach::default());
        let net = |texts: &[&str]| Some(texts.iter().map(|text| network(text).unwrap()).collect::<Vec<_>>());
        let file =
            "trusted-proxies = ['10.0.0.5']\n[allow.console]\nread = ['10.0.0.0/8', '::1']\nwrite = ['10.1.0.0/16']\n";
        let of_file = settings(file, &[], &[]).unwrap();
        assert_eq!((of_file.console.read, of_file.console.write), (net(&["10.0.0.0/8", "::1"]), net(&["10.1.0.0/16"])));
        assert_eq!(of_file.proxies, net(&["10.0.0.5"]).unwrap());
        let options = ["console:read=192.0.2.0/24", "console:read=192.0.2.7, ::1", "aws=10.0.0.1"];
        let both = settings(file, &options, &["10.0.0.6"]).unwrap();
        assert_eq!(both.console.read, net(&["192.0.2.0/24", "192.0.2.7", "::1"]));
        assert_eq!(both.console.write, net(&["10.1.0.0/16"]), "what no option says stays");
        assert_eq!((both.aws.read, both.aws.write), (net(&["10.0.0.1"]), net(&["10.0.0.1"])));
        assert_eq!((both.search, both.proxies), (Networks::default(), net(&["10.0.0.6"]).unwrap()));
        for (config, told) in [
            ("[allow.console]\nread = ['10.0.0.1/8']", "allow.console.read: 10.0.0.1/8 has bits beyond its prefix"),
            ("[allow.aws]\nwrite = []", "allow.aws.write: an empty list would let nobody in"),
            ("[allow.web]\nread = ['::1']", "web"),
            ("[allow.aws]\nboth = ['::1']", "both"),
            ("trusted-proxies = ['proxy.example']", "a trusted proxy: \"proxy.example\" is no network"),
        ] {
            let error = settings(config, &[], &[]).unwrap_err();
            assert!(error.contains(told), "{error}");
        }
        for (option, told) in [
            ("console", "write it as DOOR=NETWORK"),
            ("console:look=::1", "write it as DOOR=NETWORK"),
            ("web=::1", "the doors are aws, search and console"),
            ("console=", "is no network"),
            ("console=10.0.0.0/40", "is no network"),
        ] {
            let error = settings("", &[option], &[]).unwrap_err();
            assert!(error.starts_with(&format!("--allow {option}: ")) && error.contains(told), "{error}");
        }
    }

    #[test]
    fn a_data_directory_that_cannot_be_made_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, b"").unwrap();
        let args = PlatformArgs { data_dir: Some(file.join("data")), ..PlatformArgs::default() };
        let error = Settings::new(&args).unwrap().prepare_data_dir().unwrap_err().to_string();
        assert!(error.contains("file/data") && error.contains("--data-dir"), "{error}");
    }
}
