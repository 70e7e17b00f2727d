//! Chores of the workspace that are not worth a shell script: `cargo xtask CHORE`. Its rules are tests: `tests/tidy.rs`.

mod bench_compare;
mod cold_build;

use std::io::Write;
use std::process::ExitCode;

const USAGE: &str = "usage: cargo xtask CHORE
  bench-compare OLD NEW [--at-least RATIO]
      compares two files of benchmark results (one JSON object a line: figure, value, unit, better = \"higher\" or
      \"lower\", runs); with --at-least it fails when a figure is below RATIO times the old one (0.9: ten percent worse)
  cold-build
      builds the release binary from nothing, in a folder that is removed afterwards, and prints the time as a result";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let done = match args.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["bench-compare", rest @ ..] => bench_compare::run(rest),
        ["cold-build"] => cold_build::run(),
        ["--help" | "-h" | "help"] => Ok(USAGE.to_owned()),
        _ => Err(USAGE.to_owned()),
    };
    // A closed pipe or terminal leaves nobody to tell.
    let (code, _) = match done {
        Ok(text) => (ExitCode::SUCCESS, writeln!(std::io::stdout(), "{text}")),
        Err(text) => (ExitCode::FAILURE, writeln!(std::io::stderr(), "{text}")),
    };
    code
}
