//! Refuses to build without the web assets, and says how to make them.

use std::env;
use std::path::PathBuf;

const HELP: &str = "the console's web assets are not built: run `npm ci && npm run build` in web/, then build again";

#[allow(clippy::print_stdout, reason = "a build script speaks to cargo on its standard output")]
fn main() {
    let dist = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default()).join("../web/dist");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=../web/dist");
    if !dist.join("index.html").is_file() {
        println!("cargo::error={HELP}");
    }
}
