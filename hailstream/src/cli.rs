//! The command line: one definition per command and option, from which help and checks come.

use crate::commands::{AlarmArgs, AppArgs, CalibrateArgs, ConsoleArgs, DoctorArgs, ScalingArgs, StreamArgs};
use crate::speed::SpeedArg;
use clap::{Args, Parser, Subcommand};
use std::net::IpAddr;
use std::path::PathBuf;

/// Real-time streaming analytics in one binary.
#[derive(Debug, Parser)]
#[command(name = "hailstream", version, max_term_width = 100)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the taxi example: a replay, a stream, an application, an index, and the console to watch them
    #[command(after_help = "Example: hailstream demo --shards 16 --speedup 3600")]
    Demo(DemoArgs),
    /// Run the platform on a data directory
    #[command(after_help = "Example: hailstream serve --data-dir /var/lib/hailstream")]
    Serve(ServeArgs),
    /// Make what a stack file declares: streams, indices, applications; what is there already is changed only where it differs
    #[command(after_help = "Example: hailstream apply examples/taxi/stack.yaml --plan")]
    Apply(ApplyArgs),
    /// Replay history into a stream of a running platform, through its AWS door
    #[command(after_help = "Example: hailstream replay trips.ndjson.zst --stream trips --speedup 3600")]
    Replay(ReplayArgs),
    /// Look at alarms, try them on recorded numbers, and put them into a state
    #[command(
        after_help = "Example: hailstream alarm list\n         hailstream alarm test taxi-millis-behind-latest --hours 24"
    )]
    Alarm(AlarmArgs),
    /// Look at the audit log of a platform, and check that it is what was written
    #[command(after_help = "Example: hailstream audit verify --data-dir hailstream-data")]
    Audit(AuditArgs),
    /// Look at applications and at what they keep; start, stop and rescale them, take snapshots and go back to them
    #[command(after_help = "Example: hailstream app state taxi\n         hailstream app snapshot taxi")]
    App(AppArgs),
    /// Make, list and check the keys that the doors take
    #[command(after_help = "Example: hailstream credentials new --credentials keys.toml --role producer")]
    Credentials(CredentialsArgs),
    /// Find the size that a script needs for a rate: shards, parallelism, KPUs, memory, and the price here and on AWS
    #[command(
        after_help = "Example: hailstream calibrate app.sql --sample trips.ndjson.zst --rate 13000\n         hailstream calibrate verify app.sql --sample trips.ndjson.zst --rate 13000"
    )]
    Calibrate(CalibrateArgs),
    /// Look whether a Flink cluster can run applications of the platform, and what it lacks
    #[command(
        after_help = "Example: hailstream doctor --flink http://10.0.0.5:8081 --flink-gateway http://10.0.0.5:8083 \\\n           \
        --flink-stream-door http://10.0.0.1:4566 --flink-search-door http://10.0.0.1:9200"
    )]
    Doctor(DoctorArgs),
    /// Compare scaling policies on seeded days; see what a running platform has decided, and by which policies
    #[command(
        after_help = "Example: hailstream scaling simulate --trace flash --policy joint\n         hailstream scaling decisions"
    )]
    Scaling(ScalingArgs),
    /// Run a SQL script over bounded input to its end
    #[command(after_help = "Example: hailstream sql script.sql\n         hailstream sql -e \"SELECT UPPER('a')\"")]
    Sql(SqlArgs),
    /// Make, fill, read, scale and inspect streams of a running platform
    #[command(after_help = "Example: hailstream stream tail trips --follow")]
    Stream(StreamArgs),
}

/// Where the platform keeps its data and where its doors are.
#[derive(Debug, Clone, Args, Default)]
pub(crate) struct PlatformArgs {
    /// Configuration file (TOML); the environment and the options below override it
    #[arg(long, env = "HAILSTREAM_CONFIG", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Data directory; made where there is none
    #[arg(long, env = "HAILSTREAM_DATA_DIR", value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Where applications keep checkpoints and snapshots: a folder, or s3://bucket/prefix [default: in the data directory]
    #[arg(long, env = "HAILSTREAM_CHECKPOINT_DIR", value_name = "PLACE")]
    pub(crate) checkpoint_dir: Option<String>,
    /// Where the buckets are that programs of applications come from: a folder with a folder for each, or s3:// for the object
    /// store that the AWS_… variables name
    #[arg(long, env = "HAILSTREAM_CODE_BUCKETS", value_name = "PLACE")]
    pub(crate) code_buckets: Option<String>,
    /// Address that the doors listen on; one that is not loopback needs credentials [default: 127.0.0.1]
    #[arg(long, env = "HAILSTREAM_BIND", value_name = "ADDRESS")]
    pub(crate) bind: Option<IpAddr>,
    /// Port of the AWS door; 0 takes any free one [default: 4566]
    #[arg(long, env = "HAILSTREAM_AWS_PORT", value_name = "PORT")]
    pub(crate) aws_port: Option<u16>,
    /// Port of the search door; 0 takes any free one [default: 9200]
    #[arg(long, env = "HAILSTREAM_SEARCH_PORT", value_name = "PORT")]
    pub(crate) search_port: Option<u16>,
    /// Port of the console; 0 takes any free one [default: 8080]
    #[arg(long, env = "HAILSTREAM_CONSOLE_PORT", value_name = "PORT")]
    pub(crate) console_port: Option<u16>,
    /// Name under which browsers reach the console, beside localhost and addresses; may be given again
    #[arg(long = "console-host", value_name = "NAME")]
    pub(crate) console_hosts: Vec<String>,
    /// Take whatever comes: no throttles on shards
    #[arg(long, env = "HAILSTREAM_UNLIMITED")]
    pub(crate) unlimited: bool,
    /// How much faster than the machine's clock the one of the limits runs: with 60, what holds for an hour holds for a
    /// minute [default: 1]
    #[arg(long, env = "HAILSTREAM_LIMITS_SPEEDUP", value_name = "FACTOR",
        value_parser = clap::value_parser!(u32).range(1..=86_400))]
    pub(crate) limits_speedup: Option<u32>,
    /// KPUs that one application may have: a KPU is one thread [default: 32]
    #[arg(long, env = "HAILSTREAM_KPUS_MAX", value_name = "COUNT",
        value_parser = clap::value_parser!(u32).range(1..=256))]
    pub(crate) kpus_max: Option<u32>,
    /// When a put is acknowledged: once it is on disk, or once the operating system has taken it, which a power failure undoes
    /// for the last seconds [default: fsync]
    #[arg(long, env = "HAILSTREAM_DURABILITY", value_enum, value_name = "WHEN")]
    pub(crate) durability: Option<crate::settings::DurabilityArg>,
    /// Memory for the state of an application, for each of its KPUs, in MiB; what has no room in it goes to disk, which is
    /// slower [default: 4096]
    #[arg(long, env = "HAILSTREAM_KPU_MEMORY_MIB", value_name = "MIB",
        value_parser = clap::value_parser!(u32).range(1..=i64::from(crate::settings::KPU_MEMORY_MIB_MAX)))]
    pub(crate) kpu_memory_mib: Option<u32>,
    /// Records that a KPU reads in a second at most, so that applications take as many KPUs as on a slower engine; 0 for as
    /// many as it can [default: 0; 10000 in `demo` where limits hold]
    #[arg(long, env = "HAILSTREAM_KPU_RECORDS_PER_S", value_name = "RECORDS",
        value_parser = clap::value_parser!(u64).range(0..=crate::settings::KPU_RECORDS_PER_S_MAX))]
    pub(crate) kpu_records_per_s: Option<u64>,
    /// File of keys, secrets and roles (TOML, mode 600); with it every door asks who comes
    #[arg(long, env = "HAILSTREAM_CREDENTIALS", value_name = "FILE")]
    pub(crate) credentials: Option<PathBuf>,
    /// Whether the doors speak TLS beside plain text on the same port [default: optional]
    #[arg(long, env = "HAILSTREAM_TLS", value_enum, value_name = "MODE")]
    pub(crate) tls: Option<crate::doors::TlsMode>,
    /// Certificate chain of the doors (PEM), read again when it changes; without it a self-signed one is made
    #[arg(long, env = "HAILSTREAM_TLS_CERT", value_name = "FILE")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// Key of that certificate (PEM)
    #[arg(long, env = "HAILSTREAM_TLS_KEY", value_name = "FILE")]
    pub(crate) tls_key: Option<PathBuf>,
    /// From where a door is reached, by networks or addresses; without a list from everywhere. Reads and writes (:read, :write)
    /// may have lists of their own; may be given again
    #[arg(long, env = "HAILSTREAM_ALLOW", value_name = "DOOR[:read|:write]=NETWORK,…", value_delimiter = ' ')]
    pub(crate) allow: Vec<String>,
    /// Proxy, or network of proxies, whose X-Forwarded-For or Forwarded says for whom it asks; may be given again
    #[arg(long = "trusted-proxy", env = "HAILSTREAM_TRUSTED_PROXIES", value_name = "NETWORK", value_delimiter = ',')]
    pub(crate) trusted_proxies: Vec<String>,
    /// Collector to which the readings of /metrics are sent by OpenTelemetry (OTLP over HTTP), such as http://127.0.0.1:4318;
    /// also from OTEL_EXPORTER_OTLP_ENDPOINT, with headers from OTEL_EXPORTER_OTLP_HEADERS
    #[arg(long, env = "HAILSTREAM_OTLP_ENDPOINT", value_name = "URL")]
    pub(crate) otlp_endpoint: Option<String>,
    /// Seconds between two such messages; more of them make a collector's curves finer and its bill larger [default: 10]
    #[arg(long, env = "HAILSTREAM_OTLP_INTERVAL_S", value_name = "SECONDS",
        value_parser = clap::value_parser!(u32).range(1..=i64::from(crate::telemetry::INTERVAL_S_MAX)))]
    pub(crate) otlp_interval_s: Option<u32>,
    #[command(flatten)]
    pub(crate) flink: crate::flink_settings::FlinkArgs,
    /// File to which the addresses of the doors are written as JSON once they answer
    #[arg(long, value_name = "FILE")]
    pub(crate) addresses_file: Option<PathBuf>,
}

/// Options of `demo`.
#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    #[command(flatten)]
    pub(crate) platform: PlatformArgs,
    /// Trips to replay (NDJSON file or folder; plain, gz, lz4 or zst) in place of generated ones
    #[arg(long, value_name = "PATH")]
    pub(crate) trips: Option<PathBuf>,
    /// How many trips to generate
    #[arg(long, value_name = "COUNT", default_value_t = 2_000_000, conflicts_with = "trips")]
    pub(crate) count: u64,
    /// Seed of the generated trips
    #[arg(long, default_value_t = 1, conflicts_with = "trips")]
    pub(crate) seed: u64,
    /// How many times faster than it happened, or "max"
    #[arg(long, value_name = "FACTOR", default_value = "6480")]
    pub(crate) speedup: SpeedArg,
    /// Shards of the stream, where it does not exist yet [default: 8]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) shards: Option<u32>,
    /// Subtasks of the application, where it does not exist yet [default: 1]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=256))]
    pub(crate) parallelism: Option<u32>,
    /// No status line, and end when the replay is worked off
    #[arg(long)]
    pub(crate) headless: bool,
}

/// Options of `serve`.
#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    #[command(flatten)]
    pub(crate) platform: PlatformArgs,
}

/// Options of `apply`.
#[derive(Debug, Args)]
pub(crate) struct ApplyArgs {
    /// The stack file (YAML); the files that it names stand in its folder or below
    #[arg(value_name = "FILE")]
    pub(crate) stack: PathBuf,
    /// Only tell what would be done
    #[arg(long)]
    pub(crate) plan: bool,
    #[command(flatten)]
    pub(crate) console: ConsoleArgs,
}

/// Which AWS door a client talks to, and who it is there.
#[derive(Debug, Clone, Args)]
pub(crate) struct EndpointArgs {
    /// Address of the AWS door
    #[arg(long, env = "AWS_ENDPOINT_URL", value_name = "URL", default_value = "http://127.0.0.1:4566", global = true)]
    pub(crate) endpoint: String,
    /// Profile to sign with, of the shared credentials file; else the AWS_… variables, else the default profile
    #[arg(long, value_name = "NAME", global = true)]
    pub(crate) profile: Option<String>,
    /// Region to sign for; also from AWS_DEFAULT_REGION [default: us-east-1]
    #[arg(long, env = "AWS_REGION", value_name = "REGION", global = true)]
    pub(crate) region: Option<String>,
}

/// Options of `replay`.
#[derive(Debug, Args)]
pub(crate) struct ReplayArgs {
    /// NDJSON files or folders (plain, gz, lz4 or zst); without any, trips are generated
    #[arg(value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
    /// The stream
    #[arg(long, default_value = "trips")]
    pub(crate) stream: String,
    #[command(flatten)]
    pub(crate) endpoint: EndpointArgs,
    /// How many times faster than it happened, or "max"
    #[arg(long, value_name = "FACTOR", default_value = "6480")]
    pub(crate) speedup: SpeedArg,
    /// Put many rows as one aggregated record for each shard, as the Kinesis Producer Library does
    #[arg(long)]
    pub(crate) aggregate: bool,
    /// Attribute that holds the event time
    #[arg(long, value_name = "NAME", default_value = "dropoff_datetime")]
    pub(crate) timestamp_attribute: String,
    /// Attribute whose value is the partition key
    #[arg(long, value_name = "NAME", default_value = "trip_id")]
    pub(crate) key_attribute: String,
    /// Pass over everything before this time (ISO-8601)
    #[arg(long, value_name = "TIME")]
    pub(crate) seek: Option<String>,
    /// Rows held back to bring them into the order of their time
    #[arg(long, value_name = "ROWS", default_value_t = 100_000)]
    pub(crate) reader_buffer: usize,
    /// How many trips to generate where no path is given
    #[arg(long, value_name = "COUNT", default_value_t = 280_000, conflicts_with = "paths")]
    pub(crate) count: u64,
    /// Seed of the generated trips
    #[arg(long, default_value_t = 1, conflicts_with = "paths")]
    pub(crate) seed: u64,
    /// Seconds between lines of statistics where the output is no terminal
    #[arg(long, value_name = "SECONDS", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub(crate) statistics_interval: u64,
    /// Write the rows to standard output, in order and at once, in place of a stream
    #[arg(long)]
    pub(crate) print: bool,
    /// Print the final statistics as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Options of `credentials`.
#[derive(Debug, Args)]
pub(crate) struct CredentialsArgs {
    /// What to do with the keys.
    #[command(subcommand)]
    pub(crate) action: CredentialsAction,
}

/// The file that a command on keys works on.
#[derive(Debug, Args)]
pub(crate) struct CredentialsFile {
    /// File of keys, secrets and roles (TOML, mode 600)
    #[arg(long = "credentials", env = "HAILSTREAM_CREDENTIALS", value_name = "FILE")]
    pub(crate) path: PathBuf,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// What can be done with keys.
#[derive(Debug, Subcommand)]
pub(crate) enum CredentialsAction {
    /// Make a key, add it to the file, and print its secret: this once
    New {
        #[command(flatten)]
        file: CredentialsFile,
        /// What the key may do
        #[arg(long, value_enum)]
        role: crate::auth::Role,
        /// Its id, in place of one that is made up
        #[arg(long, value_name = "ID")]
        id: Option<String>,
        /// Whose key it is, in policies and refusals; several keys may be one user's [default: its id]
        #[arg(long, value_name = "NAME")]
        user: Option<String>,
        /// Hours until it ends; without it, it does not
        #[arg(long, value_name = "HOURS", value_parser = clap::value_parser!(u32).range(1..=876_000))]
        expires_in: Option<u32>,
    },
    /// List the keys, without their secrets
    List(CredentialsFile),
    /// Read the file as the platform does, and tell what is wrong with it
    Check(CredentialsFile),
}

/// Options of `audit`.
#[derive(Debug, Args)]
pub(crate) struct AuditArgs {
    /// What to do with the log.
    #[command(subcommand)]
    pub(crate) action: AuditAction,
}

/// The log that a command works on.
#[derive(Debug, Args)]
pub(crate) struct AuditPlace {
    /// Data directory of the platform, which may be running
    #[arg(long, env = "HAILSTREAM_DATA_DIR", value_name = "DIR", default_value = crate::settings::DATA_DIR_DEFAULT)]
    pub(crate) data_dir: PathBuf,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// What can be done with the audit log.
#[derive(Debug, Subcommand)]
pub(crate) enum AuditAction {
    /// Check the chain of all entries; tells the first line that is not what was written
    Verify {
        #[command(flatten)]
        place: AuditPlace,
        /// An entry and the hash after it, as verify has told before; then a log that was written anew is told from the old one
        #[arg(long, value_name = "NUMBER:HASH")]
        holds: Option<String>,
    },
    /// Show the newest entries, the oldest of them first
    Show {
        #[command(flatten)]
        place: AuditPlace,
        /// How many
        #[arg(short, long, value_name = "COUNT", default_value_t = 50)]
        number: usize,
    },
}

/// Options of `sql`.
#[derive(Debug, Args)]
pub(crate) struct SqlArgs {
    /// The script
    #[arg(value_name = "FILE", required_unless_present = "execute", conflicts_with = "execute")]
    pub(crate) file: Option<PathBuf>,
    /// A statement in place of a script
    #[arg(short, long, value_name = "STATEMENT")]
    pub(crate) execute: Option<String>,
    /// Subtasks of each operator, where the script does not set parallelism.default
    #[arg(short, long, value_parser = clap::value_parser!(u32).range(1..=256))]
    pub(crate) parallelism: Option<u32>,
    /// Print rows and the final statistics as JSON
    #[arg(long)]
    pub(crate) json: bool,
}
