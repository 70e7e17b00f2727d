//! The `hailstream` binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    hailstream::run()
}
