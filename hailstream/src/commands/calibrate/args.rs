//! The options of `hailstream calibrate`.

use clap::{Args, Subcommand};
use std::path::PathBuf;

/// Options of `calibrate`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct CalibrateArgs {
    /// Run the recommended size at 100 % and 120 % of the rate, and tell whether it keeps up.
    #[command(subcommand)]
    pub(crate) action: Option<CalibrateAction>,
    #[command(flatten)]
    pub(crate) of: Option<CalibrateOf>,
}

/// What else can be done.
#[derive(Debug, Subcommand)]
pub(crate) enum CalibrateAction {
    /// Run the recommended size at 100 % and 120 % of the rate, and tell whether it keeps up
    Verify(CalibrateOf),
}

/// What is calibrated, and for what.
#[derive(Debug, Clone, Args)]
pub(crate) struct CalibrateOf {
    /// The script
    #[arg(value_name = "SCRIPT")]
    pub(crate) script: PathBuf,
    /// A sample of what the script reads: NDJSON (plain, gz, lz4 or zst), a file or folder; without it trips are generated
    #[arg(long, value_name = "PATH")]
    pub(crate) sample: Option<PathBuf>,
    /// Attribute of the sample that holds the event time
    #[arg(long, value_name = "NAME", default_value = "dropoff_datetime")]
    pub(crate) timestamp_attribute: String,
    /// Attribute of the sample whose value is the partition key
    #[arg(long, value_name = "NAME", default_value = "trip_id")]
    pub(crate) key_attribute: String,
    /// Rows of the sample that are used at most
    #[arg(long, value_name = "ROWS", default_value_t = 400_000, value_parser = clap::value_parser!(u64).range(1_000..=5_000_000))]
    pub(crate) rows: u64,
    /// The rates that a size is looked for, in records per second; may be given again [default: 1000 4000 13000 50000 200000]
    #[arg(long = "rate", value_name = "RECORDS", value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    pub(crate) rates: Vec<u64>,
    /// The longest time that a record may wait, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 5_000, value_parser = clap::value_parser!(u64).range(10..=3_600_000))]
    pub(crate) slo: u64,
    /// How long all of it may take, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 100, value_parser = clap::value_parser!(u64).range(5..=3_600))]
    pub(crate) time: u64,
    /// Stack file whose indices say the types of their fields; without it they are found from the documents
    #[arg(long, value_name = "FILE")]
    pub(crate) stack: Option<PathBuf>,
    /// Folder on whose disk results are written while measuring [default: the system's folder for temporary files]
    #[arg(long, value_name = "DIR")]
    pub(crate) scratch: Option<PathBuf>,
    /// Sheet of prices in USD (JSON; what is missing keeps its price)
    #[arg(long, value_name = "FILE")]
    pub(crate) prices: Option<PathBuf>,
    /// Write the report as a page of its own
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}
