//! The options of `hailstream app`, one type for each of its commands.

use crate::commands::Failure;
use crate::commands::console::ConsoleClient;
use clap::builder::RangedI64ValueParser;
use clap::{Args, Subcommand};
use model::limits::{PARALLELISM_MAX, PARALLELISM_PER_KPU_MAX};
use std::path::PathBuf;

fn parallelism() -> RangedI64ValueParser<u32> {
    clap::value_parser!(u32).range(1..=i64::from(PARALLELISM_MAX))
}

fn per_kpu() -> RangedI64ValueParser<u32> {
    clap::value_parser!(u32).range(1..=i64::from(PARALLELISM_PER_KPU_MAX))
}

/// Options of `app`.
#[derive(Debug, Args)]
pub(crate) struct AppArgs {
    /// What to do.
    #[command(subcommand)]
    pub(crate) action: AppAction,
}

/// The data directory whose applications are looked at. A platform may have it open meanwhile.
#[derive(Debug, Args)]
pub(crate) struct AppPlace {
    /// Data directory of the platform
    #[arg(long, env = "HAILSTREAM_DATA_DIR", value_name = "DIR", default_value = crate::settings::DATA_DIR_DEFAULT)]
    pub(crate) data_dir: PathBuf,
    /// Where the platform's applications keep checkpoints and snapshots, if not there: a folder, or s3://bucket/prefix
    #[arg(long, env = "HAILSTREAM_CHECKPOINT_DIR", value_name = "PLACE")]
    pub(crate) checkpoint_dir: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Which state of an application.
#[derive(Debug, Args)]
pub(crate) struct AppState {
    /// The application
    pub(crate) name: String,
    /// A snapshot in place of the newest checkpoint
    #[arg(long, value_name = "NAME")]
    pub(crate) snapshot: Option<String>,
    #[command(flatten)]
    pub(crate) place: AppPlace,
}

/// What can be done with applications.
#[derive(Debug, Subcommand)]
pub(crate) enum AppAction {
    /// The applications
    List(AppPlace),
    /// What an application keeps: positions, watermarks, open windows and their groups
    State {
        #[command(flatten)]
        of: AppState,
        /// Show the groups of this operator
        #[arg(long, value_name = "OPERATOR")]
        groups: Option<String>,
        /// Most groups that are shown
        #[arg(long, value_name = "COUNT", default_value_t = 100, requires = "groups")]
        limit: usize,
    },
    /// What becomes of that state when the application goes on with another script
    Check {
        #[command(flatten)]
        of: AppState,
        /// The script
        #[arg(long, value_name = "FILE")]
        script: PathBuf,
    },
    /// The snapshots of an application
    Snapshots {
        /// The application
        name: String,
        #[command(flatten)]
        place: AppPlace,
    },
    #[command(flatten)]
    Order(Order),
}

/// Which console is asked, and who asks.
#[derive(Debug, Clone, Args)]
pub(crate) struct ConsolePlace {
    /// Address of the platform's console
    #[arg(long, env = "HAILSTREAM_CONSOLE", value_name = "URL", default_value = "http://127.0.0.1:8080")]
    console: String,
    /// Certificate of an https console, or of whoever signed it (PEM)
    #[arg(long, env = "HAILSTREAM_CONSOLE_CERT", value_name = "FILE")]
    console_cert: Option<PathBuf>,
    /// Profile of the key that a console which asks for one is shown; else the AWS_… variables, else the default profile
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
}

impl ConsolePlace {
    /// A client of that console.
    pub(crate) fn open(&self) -> Result<ConsoleClient, Failure> {
        Ok(ConsoleClient::new(&self.console, self.console_cert.as_deref(), self.profile.as_deref())?)
    }
}

/// Which console is asked, who asks, and for whom the answer is printed.
#[derive(Debug, Clone, Args)]
pub(crate) struct ConsoleArgs {
    #[command(flatten)]
    pub(crate) place: ConsolePlace,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// The application that an order is about.
#[derive(Debug, Args)]
pub(crate) struct Target {
    /// The application
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) console: ConsoleArgs,
}

/// An order to a running platform, given through its console.
#[derive(Debug, Subcommand)]
pub(crate) enum Order {
    /// Let an application run, from what it has kept
    #[command(after_help = "Example: hailstream app start taxi")]
    Start(Target),
    /// Stop an application; what it has come to is kept as a snapshot first
    #[command(after_help = "Example: hailstream app stop taxi")]
    Stop {
        #[command(flatten)]
        target: Target,
        /// Take no snapshot
        #[arg(long)]
        force: bool,
    },
    /// Give a running application another parallelism
    #[command(after_help = "Example: hailstream app scale taxi --parallelism 4")]
    Scale {
        #[command(flatten)]
        target: Target,
        /// Subtasks of each operator
        #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=i64::from(PARALLELISM_MAX)))]
        parallelism: u32,
    },
    /// Keep what a running application has come to under a name
    #[command(after_help = "Example: hailstream app snapshot taxi --as before-the-change")]
    Snapshot {
        #[command(flatten)]
        target: Target,
        /// Name of the snapshot [default: taken- and the time]
        #[arg(long = "as", value_name = "SNAPSHOT")]
        snapshot: Option<String>,
    },
    /// Let an application go on from a snapshot, whatever came after it
    #[command(after_help = "Example: hailstream app restore taxi --snapshot before-the-change --parallelism 2")]
    Restore {
        #[command(flatten)]
        target: Target,
        /// The snapshot
        #[arg(long, value_name = "SNAPSHOT")]
        snapshot: String,
        /// Subtasks of each operator [default: as before]
        #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=i64::from(PARALLELISM_MAX)))]
        parallelism: Option<u32>,
    },
    /// Compute windows anew that have closed before all of their rows had come, from what the streams still hold
    #[command(after_help = "Example: hailstream app correct taxi --plan")]
    Correct {
        #[command(flatten)]
        target: Target,
        /// Tell what would be done, and do nothing
        #[arg(long)]
        plan: bool,
    },
    /// Have another runner go on with a running application: a Flink cluster, or this platform's own engine
    #[command(after_help = "Example: hailstream app move taxi --runner flink --plan")]
    Move {
        #[command(flatten)]
        target: Target,
        /// Where it is to go on: flink or embedded
        #[arg(long, value_name = "RUNNER")]
        runner: String,
        /// Tell what would be done, and do nothing
        #[arg(long)]
        plan: bool,
    },
    /// Make an application of an SQL script, or of a program for a Flink cluster
    #[command(after_help = "Example: hailstream app create taxi --script taxi.sql --parallelism 4 --start\n         \
        hailstream app create counter --jar counter.jar --property input.stream=trips")]
    Create {
        #[command(flatten)]
        target: Target,
        /// The script
        #[arg(long, value_name = "FILE", required_unless_present = "jar", conflicts_with = "jar")]
        script: Option<PathBuf>,
        /// The jar of a program, which runs on the Flink cluster that the platform knows
        #[arg(long, value_name = "FILE")]
        jar: Option<PathBuf>,
        /// Subtasks of each operator
        #[arg(long, value_name = "COUNT", default_value_t = 1, value_parser = parallelism())]
        parallelism: u32,
        /// Subtasks that share one KPU, that is, one thread
        #[arg(long, value_name = "COUNT", default_value_t = 1, value_parser = per_kpu())]
        parallelism_per_kpu: u32,
        /// A property for places ${name} of the script, or for the program: group.name=value, or name=value; may be given again
        #[arg(long = "property", value_name = "NAME=VALUE")]
        properties: Vec<String>,
        /// Let it run, too
        #[arg(long)]
        start: bool,
    },
    /// Change an application: its script, its size, its properties; a running one goes on from what it has come to
    #[command(after_help = "Example: hailstream app update taxi --script taxi.sql\n         \
        hailstream app update taxi --parallelism 6 --parallelism-per-kpu 2")]
    Update {
        #[command(flatten)]
        target: Target,
        /// The new script
        #[arg(long, value_name = "FILE", conflicts_with = "jar")]
        script: Option<PathBuf>,
        /// The jar of the new program
        #[arg(long, value_name = "FILE")]
        jar: Option<PathBuf>,
        /// Subtasks of each operator
        #[arg(long, value_name = "COUNT", value_parser = parallelism())]
        parallelism: Option<u32>,
        /// Subtasks that share one KPU, that is, one thread
        #[arg(long, value_name = "COUNT", value_parser = per_kpu())]
        parallelism_per_kpu: Option<u32>,
        /// All properties that it is to have: group.name=value, or name=value; may be given again
        #[arg(long = "property", value_name = "NAME=VALUE")]
        properties: Vec<String>,
        /// Whether a version that does not come up is taken back by itself
        #[arg(long, value_name = "BOOL")]
        rollback: Option<bool>,
        /// Drop state that the new script has no use for
        #[arg(long)]
        allow_dropped_state: bool,
        /// Begin without the state that is kept
        #[arg(long)]
        anew: bool,
    },
    /// Let the version before the present one take its place again
    #[command(after_help = "Example: hailstream app rollback taxi")]
    Rollback(Target),
    /// Remove an application that does not run, with all that it keeps
    #[command(after_help = "Example: hailstream app delete taxi")]
    Delete(Target),
    /// All that is to be known of an application
    #[command(after_help = "Example: hailstream app describe taxi --json")]
    Describe(Target),
    /// The operators that an application consists of
    #[command(after_help = "Example: hailstream app explain taxi")]
    Explain(Target),
    /// What was done with an application, the newest last
    #[command(after_help = "Example: hailstream app operations taxi")]
    Operations(Target),
    /// What was told of an application: starts, stops, failures with their first cause, updates
    #[command(after_help = "Example: hailstream app logs taxi --follow")]
    Logs {
        #[command(flatten)]
        target: Target,
        /// Lines of the past
        #[arg(long, value_name = "COUNT", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1_000))]
        lines: u32,
        /// Go on with what is told from now on
        #[arg(long)]
        follow: bool,
    },
    /// Remove a snapshot
    #[command(after_help = "Example: hailstream app delete-snapshot taxi before-the-change")]
    DeleteSnapshot {
        #[command(flatten)]
        target: Target,
        /// The snapshot
        snapshot: String,
    },
}

impl Order {
    /// What it is about.
    pub(crate) fn target(&self) -> &Target {
        match self {
            Self::Start(target)
            | Self::Stop { target, .. }
            | Self::Scale { target, .. }
            | Self::Snapshot { target, .. }
            | Self::Restore { target, .. }
            | Self::Correct { target, .. }
            | Self::Move { target, .. }
            | Self::Create { target, .. }
            | Self::Update { target, .. }
            | Self::Rollback(target)
            | Self::Delete(target)
            | Self::Describe(target)
            | Self::Explain(target)
            | Self::Operations(target)
            | Self::Logs { target, .. }
            | Self::DeleteSnapshot { target, .. } => target,
        }
    }
}
