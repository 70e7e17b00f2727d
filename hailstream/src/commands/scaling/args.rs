//! The options of `hailstream scaling`.

use crate::commands::ConsolePlace;
use clap::{Args, Subcommand};
use std::path::PathBuf;

/// Options of `scaling`.
#[derive(Debug, Args)]
pub(crate) struct ScalingArgs {
    /// What to do.
    #[command(subcommand)]
    pub(crate) action: ScalingAction,
}

/// What can be done.
#[derive(Debug, Subcommand)]
pub(crate) enum ScalingAction {
    /// Compare policies on seeded days: how often the SLO is broken, what it costs beside someone who knew the day, and how
    /// many steps are taken
    Simulate(SimulateArgs),
    /// The latest decisions of a running platform, each with its figures and its reason
    Decisions {
        #[command(flatten)]
        place: ConsolePlace,
        /// Most decisions
        #[arg(long, value_name = "COUNT", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=100))]
        limit: u32,
        /// Print JSON, one decision a line
        #[arg(long)]
        json: bool,
    },
    /// The policies of a running platform; or give one to a subject, or take it away
    Policy {
        #[command(flatten)]
        place: ConsolePlace,
        /// application/NAME or stream/NAME; without --set it gets the default policy
        subject: Option<String>,
        /// Policy in JSON; what is missing has its default
        #[arg(long, value_name = "FILE", conflicts_with = "remove")]
        set: Option<PathBuf>,
        /// Take its policy away
        #[arg(long)]
        remove: bool,
    },
}

/// Options of `scaling simulate`.
#[derive(Debug, Args)]
pub(crate) struct SimulateArgs {
    /// A trace, or several; all where none is named
    #[arg(long = "trace", value_name = "NAME")]
    pub(crate) traces: Vec<String>,
    /// A policy, or several; all where none is named
    #[arg(long = "policy", value_name = "NAME")]
    pub(crate) policies: Vec<String>,
    /// How long a change of parallelism stops an application, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 0.1, value_parser = seconds)]
    pub(crate) pause: f64,
    /// How long a change of shards takes, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 2.0, value_parser = seconds)]
    pub(crate) reshard: f64,
    /// The age that no record shall reach, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 5_000, value_parser = clap::value_parser!(u64).range(1_000..=3_600_000))]
    pub(crate) slo: u64,
    /// How long the traces are
    #[arg(long, value_name = "HOURS", default_value_t = 24.0, value_parser = hours)]
    pub(crate) hours: f64,
    /// Changes of the number of shards are counted: ten a day
    #[arg(long)]
    pub(crate) limits: bool,
    /// Seed of the traces
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

fn bounded(text: &str, least: f64, most: f64) -> Result<f64, String> {
    let value: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if (least..=most).contains(&value) { Ok(value) } else { Err(format!("must be {least} to {most}")) }
}

fn seconds(text: &str) -> Result<f64, String> {
    bounded(text, 0.0, 3_600.0)
}

fn hours(text: &str) -> Result<f64, String> {
    bounded(text, 0.1, 168.0)
}
