//! The options of `hailstream stream`, one type for each of its commands.

use crate::cli::EndpointArgs;
use clap::{Args, Subcommand};
use std::path::PathBuf;

/// Options of `stream`.
#[derive(Debug, Args)]
pub(crate) struct StreamArgs {
    #[command(flatten)]
    pub(crate) endpoint: EndpointArgs,
    /// Print JSON for programs
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// What to do
    #[command(subcommand)]
    pub(crate) command: StreamCommand,
}

/// What can be done with streams.
#[derive(Debug, Subcommand)]
pub(crate) enum StreamCommand {
    /// Make a stream and wait until it takes records
    #[command(after_help = "Example: hailstream stream create trips --shards 8")]
    Create(CreateArgs),
    /// List all streams
    #[command(after_help = "Example: hailstream stream list --json")]
    List,
    /// Tell all about a stream and its shards
    #[command(after_help = "Example: hailstream stream describe trips")]
    Describe(NameArgs),
    /// Put records: texts, or the lines of files
    #[command(after_help = "Example: hailstream stream put trips --key cab-7 '{\"fare\": 12}'\n         \
                            hailstream stream put trips --file trips.ndjson --key-field medallion")]
    Put(PutArgs),
    /// Print the records of a stream, de-aggregated and decoded
    #[command(after_help = "Example: hailstream stream tail trips --follow --filter type=pickup")]
    Tail(TailArgs),
    /// Change how many shards there are: all of them, or by splitting one
    #[command(after_help = "Example: hailstream stream scale trips --to 16\n         \
                            hailstream stream scale trips --percent -25 --min 4\n         \
                            hailstream stream scale trips --shard shardId-000000000003 --to 2")]
    Scale(ScaleArgs),
    /// Split one shard in two
    #[command(after_help = "Example: hailstream stream split trips shardId-000000000003")]
    Split(SplitArgs),
    /// Merge two shards whose keys touch
    #[command(after_help = "Example: hailstream stream merge trips shardId-000000000003 shardId-000000000004")]
    Merge(MergeArgs),
    /// Report how the key space is shared out among the shards
    #[command(after_help = "Example: hailstream stream report trips")]
    Report(NameArgs),
    /// Find the heaviest keys of a shard, and where a split would halve its load
    #[command(after_help = "Example: hailstream stream hot-keys trips --seconds 60")]
    HotKeys(HotKeysArgs),
    /// Change how long records are kept
    #[command(after_help = "Example: hailstream stream retention trips --hours 48")]
    Retention(RetentionArgs),
    /// Scale streams by themselves, by a Kinesis Scaling Utility configuration
    #[command(after_help = "Example: hailstream stream autoscale --config scaling.json --dry-run")]
    Autoscale(AutoscaleArgs),
    /// Delete a stream with all its records
    #[command(after_help = "Example: hailstream stream delete trips --yes")]
    Delete(DeleteArgs),
}

/// A stream.
#[derive(Debug, Args)]
pub(crate) struct NameArgs {
    /// The stream
    #[arg(value_name = "STREAM")]
    pub(crate) stream: String,
}

/// Options of `create`.
#[derive(Debug, Args)]
pub(crate) struct CreateArgs {
    /// The stream
    #[arg(value_name = "STREAM")]
    pub(crate) stream: String,
    /// How many shards; without it the platform counts them (on-demand mode)
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) shards: Option<u32>,
    /// A tag, as KEY=VALUE; may be given many times
    #[arg(long = "tag", value_name = "KEY=VALUE", value_parser = pair)]
    pub(crate) tags: Vec<(String, String)>,
    /// Largest record, in KiB
    #[arg(long, value_name = "KIB", value_parser = clap::value_parser!(u32).range(1_024..=10_240))]
    pub(crate) max_record_kib: Option<u32>,
}

/// Options of `put`.
#[derive(Debug, Args)]
pub(crate) struct PutArgs {
    /// The stream
    #[arg(value_name = "STREAM")]
    pub(crate) stream: String,
    /// The records; without any and without --file, the lines of the standard input
    #[arg(value_name = "TEXT", conflicts_with = "file")]
    pub(crate) texts: Vec<String>,
    /// A file of which each line is a record; "-" is the standard input
    #[arg(long, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// The partition key of all records [default: the record itself, hashed]
    #[arg(long, conflicts_with = "key_field")]
    pub(crate) key: Option<String>,
    /// The member of each record (JSON) that is its partition key
    #[arg(long, value_name = "MEMBER")]
    pub(crate) key_field: Option<String>,
    /// A place in the key space, in place of the key's own
    #[arg(long, value_name = "NUMBER")]
    pub(crate) explicit_hash_key: Option<u128>,
}

/// Options of `tail`.
#[derive(Debug, Args)]
pub(crate) struct TailArgs {
    /// The stream
    #[arg(value_name = "STREAM")]
    pub(crate) stream: String,
    /// Where to begin: trim-horizon, latest, or a time such as 2016-01-06T07:00:00Z
    #[arg(long, value_name = "WHERE", default_value = "trim-horizon")]
    pub(crate) from: String,
    /// Go on with what comes
    #[arg(short, long)]
    pub(crate) follow: bool,
    /// Only records with this text in them, or with this member (JSON), as MEMBER=VALUE
    #[arg(long, value_name = "FILTER")]
    pub(crate) filter: Option<String>,
    /// One shard only
    #[arg(long, value_name = "SHARD")]
    pub(crate) shard: Option<String>,
    /// End after so many records
    #[arg(short = 'n', long, value_name = "COUNT")]
    pub(crate) limit: Option<u64>,
}

/// How many shards there shall be: said in one of three ways.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Amount {
    /// To so many shards
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) to: Option<u32>,
    /// By so many shards more (or, negative, fewer)
    #[arg(long, value_name = "COUNT", allow_hyphen_values = true,
        value_parser = clap::value_parser!(i64).range(-10_000..=10_000))]
    pub(crate) by: Option<i64>,
    /// By so many per cent more (or, negative, fewer), rounded up
    #[arg(long, value_name = "PERCENT", allow_hyphen_values = true,
        value_parser = clap::value_parser!(i64).range(-99..=100_000))]
    pub(crate) percent: Option<i64>,
}

/// Options of `scale`.
#[derive(Debug, Args)]
pub(crate) struct ScaleArgs {
    /// The stream
    #[arg(value_name = "STREAM")]
    pub(crate) stream: String,
    #[command(flatten)]
    pub(crate) amount: Amount,
    /// Never fewer shards than this
    #[arg(long, value_name = "COUNT", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) min: u32,
    /// Never more shards than this
    #[arg(long, value_name = "COUNT", default_value_t = 10_000,
        value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) max: u32,
    /// Split this shard into so many, and leave the others as they are
    #[arg(long, value_name = "SHARD")]
    pub(crate) shard: Option<String>,
}

/// Options of `split`.
#[derive(Debug, Args)]
pub(crate) struct SplitArgs {
    /// The stream
    #[arg(value_name = "STREAM")]
    pub(crate) stream: String,
    /// The shard
    #[arg(value_name = "SHARD")]
    pub(crate) shard: String,
    /// The first key of the second part [default: the middle]
    #[arg(long, value_name = "NUMBER")]
    pub(crate) at: Option<u128>,
}

/// Options of `merge`.
#[derive(Debug, Args)]
pub(crate) struct MergeArgs {
    /// The stream
    #[arg(value_name = "STREAM")]
    pub(crate) stream: String,
    /// One shard
    #[arg(value_name = "SHARD")]
    pub(crate) shard: String,
    /// The other
    #[arg(value_name = "OTHER")]
    pub(crate) other: String,
}

/// Options of `hot-keys`.
#[derive(Debug, Args)]
pub(crate) struct HotKeysArgs {
    /// The stream
    #[arg(value_name = "STREAM")]
    pub(crate) stream: String,
    /// One shard; without it all that take records
    #[arg(long, value_name = "SHARD")]
    pub(crate) shard: Option<String>,
    /// What was put in the last seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub(crate) seconds: u64,
    /// Read so many records of a shard at most
    #[arg(long, value_name = "COUNT", default_value_t = 100_000)]
    pub(crate) records: u64,
    /// Show so many keys
    #[arg(long, value_name = "COUNT", default_value_t = 5)]
    pub(crate) top: usize,
}

/// Options of `retention`.
#[derive(Debug, Args)]
pub(crate) struct RetentionArgs {
    /// The stream
    #[arg(value_name = "STREAM")]
    pub(crate) stream: String,
    /// How many hours records are kept
    #[arg(long, value_parser = clap::value_parser!(u32).range(24..=8_760))]
    pub(crate) hours: u32,
}

/// Options of `autoscale`.
#[derive(Debug, Args)]
pub(crate) struct AutoscaleArgs {
    /// The configuration (JSON): one object for a stream, or a list of them
    #[arg(long, value_name = "FILE")]
    pub(crate) config: PathBuf,
    /// Address of the console, whose /metrics tell what the streams take and give
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8080")]
    pub(crate) console: String,
    /// Decide, and change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Decide so many times, and end
    #[arg(long, value_name = "COUNT")]
    pub(crate) rounds: Option<u64>,
}

/// Options of `delete`.
#[derive(Debug, Args)]
pub(crate) struct DeleteArgs {
    /// The stream
    #[arg(value_name = "STREAM")]
    pub(crate) stream: String,
    /// Do not ask
    #[arg(long)]
    pub(crate) yes: bool,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or_else(|| format!("{text:?} is not written as KEY=VALUE"))?;
    Ok((key.to_owned(), value.to_owned()))
}
