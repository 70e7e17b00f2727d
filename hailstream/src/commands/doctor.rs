//! `hailstream doctor`: whether a Flink cluster can run applications of the platform.

use super::{Failure, say};
use crate::flink_settings::FlinkArgs;
use clap::Args;
use flink::{Finding, Health, examine};
use model::Env;
use serde_json::json;
use tokio::runtime::Handle;

/// Which cluster is looked at.
#[derive(Debug, Clone, Args)]
pub(crate) struct DoctorArgs {
    #[command(flatten)]
    flink: FlinkArgs,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: &DoctorArgs) -> Result<(), Failure> {
    let Some(options) = args.flink.options(None)? else {
        return Err("name the cluster that is to be looked at with --flink and --flink-gateway".into());
    };
    let runtime = Handle::current();
    let look = move || examine(&options, &Env::system(), runtime);
    let found = tokio::task::spawn_blocking(look).await??;
    found.iter().for_each(|finding| say(&line(finding, args.json)));
    match found.iter().filter(|finding| finding.health == Health::Bad).count() {
        0 => Ok(()),
        1 => Err("one thing has to be mended before applications run there".into()),
        count => Err(format!("{count} things have to be mended before applications run there").into()),
    }
}

fn line(finding: &Finding, is_json: bool) -> String {
    let health = match finding.health {
        Health::Good => "good",
        Health::Doubtful => "doubtful",
        Health::Bad => "bad",
    };
    if is_json {
        return json!({ "what": finding.what, "health": health, "words": finding.words }).to_string();
    }
    format!("{health:<8}  {:<11}  {}", finding.what, finding.words)
}
