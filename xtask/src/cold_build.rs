//! How long does a release build take from nothing?

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

/// Builds the binary into an empty folder and returns the time as one line of JSON.
pub(crate) fn run() -> Result<String, String> {
    let folder = std::env::temp_dir().join(format!("hailstream-cold-build-{}", std::process::id()));
    let result = build_in(&folder);
    // What could not be made cannot be removed; the build's own error is the one to tell.
    let removed = std::fs::remove_dir_all(&folder);
    let seconds = result?;
    removed.map_err(|error| format!("{} cannot be removed: {error}", folder.display()))?;
    Ok(format!(r#"{{"figure":"cold_build","value":{seconds:.1},"unit":"s","better":"lower","runs":[{seconds:.1}]}}"#))
}

#[allow(clippy::disallowed_methods, reason = "a chore of the workspace, which no simulation drives")]
fn build_in(folder: &PathBuf) -> Result<f64, String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let arguments = ["build", "--quiet", "--release", "--locked", "--package", "hailstream", "--target-dir"];
    let start = Instant::now();
    let status = Command::new(cargo).args(arguments).arg(folder).status();
    match status {
        Ok(status) if status.success() => Ok(start.elapsed().as_secs_f64()),
        Ok(status) => Err(format!("the build failed: {status}")),
        Err(error) => Err(format!("cargo cannot be started: {error}")),
    }
}
