//! The commands, one file each, and what they share: the runtime, the log, and how an error reaches a person.

mod alarm;
mod app;
mod apply;
mod audit;
mod calibrate;
mod client;
mod console;
mod credentials;
mod demo;
mod doctor;
mod replay;
mod scaling;
mod serve;
mod sql;
mod stream;

use crate::cli::{Cli, Command};
use clap::Parser;
use model::{Classified, Kind};
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;
use store::kinesis::client::ClientError;

use tracing_subscriber::EnvFilter;

pub(crate) use alarm::AlarmArgs;
pub(crate) use app::args::{AppArgs, ConsoleArgs, ConsolePlace};
pub(crate) use calibrate::args::CalibrateArgs;
pub(crate) use doctor::DoctorArgs;
pub(crate) use scaling::args::ScalingArgs;
pub(crate) use stream::args::StreamArgs;

/// Threads that answer requests; computation and disks have threads of their own.
const REQUEST_THREADS: usize = 2;

/// What a command says when it cannot do what was asked: one line, printed by [`run`].
type Failure = Box<dyn std::error::Error>;

/// Runs the command line. The exit code is 0 when all went well, 1 when it did not, 2 when the command line is wrong, 3 when
/// something that was named is not there, 4 when the service refuses for the moment (a limit, or a change under way).
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    start_log();
    match dispatch(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say_error(&format!("hailstream: {error}"));
            exit_code(error.as_ref())
        }
    }
}

fn exit_code(error: &(dyn std::error::Error + 'static)) -> ExitCode {
    let at_the_aws_door = error.downcast_ref::<ClientError>().map(Classified::kind);
    let at_the_console = || error.downcast_ref::<console::ConsoleError>().map(Classified::kind);
    match at_the_aws_door.or_else(at_the_console) {
        Some(Kind::NotFound) => ExitCode::from(3),
        Some(Kind::Throttled | Kind::Conflict) => ExitCode::from(4),
        _ => ExitCode::FAILURE,
    }
}

fn dispatch(cli: Cli) -> Result<(), Failure> {
    match cli.command {
        Command::Alarm(args) => runtime()?.block_on(alarm::run(&args)),
        Command::App(args) => app::run(&args),
        Command::Apply(args) => runtime()?.block_on(apply::run(&args)),
        Command::Audit(args) => audit::run(args),
        Command::Credentials(args) => credentials::run(args, &model::Env::system()),
        Command::Calibrate(args) => calibrate::run(args),
        Command::Doctor(args) => runtime()?.block_on(doctor::run(&args)),
        Command::Scaling(args) => scaling::run(args),
        Command::Sql(args) => sql::run(&args),
        Command::Demo(args) => on_platform_runtime(demo::run(args)),
        Command::Serve(args) => on_platform_runtime(serve::run(&args)),
        Command::Stream(args) => runtime()?.block_on(stream::run(&args)),
        Command::Replay(args) => replay::run(&args, &runtime()?),
    }
}

/// Files that a platform may have open: each shard that takes records keeps one, and a stream has up to 10,000 of them.
const OPEN_FILES: u64 = 65_536;

fn platform_runtime() -> io::Result<tokio::runtime::Runtime> {
    // Few systems allow so many at first; most allow a program to ask for them.
    match rlimit::increase_nofile_limit(OPEN_FILES) {
        Ok(allowed) if allowed < OPEN_FILES => tracing::info!(allowed, "fewer open files are allowed than asked for"),
        Ok(_) => {}
        Err(error) => tracing::warn!(%error, "the number of open files could not be raised"),
    }
    runtime()
}

/// How long a platform that has ended waits for what was begun and nobody needs any more, such as reading ahead in a bucket
/// that does not answer.
const LEFT_BEHIND_WAIT: Duration = Duration::from_secs(5);

fn on_platform_runtime(platform: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let runtime = platform_runtime()?;
    let ended = runtime.block_on(platform);
    runtime.shutdown_timeout(LEFT_BEHIND_WAIT);
    ended
}

fn runtime() -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(REQUEST_THREADS).enable_all().build()
}

/// Warnings and errors go to standard error; `HAILSTREAM_LOG` asks for more (`info`, `store=debug`).
fn start_log() {
    let filter = EnvFilter::try_from_env("HAILSTREAM_LOG").unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .with_target(false)
        .init();
}

/// Writes a line to standard output. A reader that is gone ends the program's use of it, not the program.
fn say(line: &str) {
    let mut out = io::stdout().lock();
    if writeln!(out, "{line}").and_then(|()| out.flush()).is_err() {
        tracing::debug!("nobody reads the standard output any more");
    }
}

/// Writes a line to standard error.
fn say_error(line: &str) {
    if writeln!(io::stderr().lock(), "{line}").is_err() {
        tracing::debug!("nobody reads the standard error any more");
    }
}

/// Returns when the operator or the system asks the program to end.
async fn asked_to_end() -> io::Result<()> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminate = signal(SignalKind::terminate())?;
        tokio::select! {
            interrupted = tokio::signal::ctrl_c() => interrupted,
            _ = terminate.recv() => Ok(()),
        }
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await
}
