//! `hailstream demo`: the taxi example, from the replay to the page.

use super::{Failure, asked_to_end, say};
use crate::cli::DemoArgs;
use crate::platform::{Platform, Work};
use crate::replaying::History;
use crate::settings::Settings;
use crate::stack::StackFiles;
use crate::status::{StatusLine, summary};
use model::Env;
use std::time::Duration;

/// Records that a KPU of the demo reads in a second where nobody says otherwise: of the order of what one takes elsewhere.
const KPU_RECORDS_PER_S: u64 = 10_000;

pub(super) async fn run(args: DemoArgs) -> Result<(), Failure> {
    let mut settings = Settings::new(&args.platform)?;
    if !settings.unlimited {
        // The story needs an application that can fall behind, as those of the managed service do.
        settings.kpu_records_per_s.get_or_insert(KPU_RECORDS_PER_S);
    }
    let history = match &args.trips {
        Some(path) => History::Files(path.clone()),
        None => History::Generated { seed: args.seed, count: args.count },
    };
    // Opened once before anything else, so that a wrong path is told before a directory is made.
    drop(history.open()?);
    let mut files = StackFiles::taxi()?;
    for stream in &mut files.stack.streams {
        stream.shards = args.shards.unwrap_or(stream.shards);
    }
    for application in &mut files.stack.applications {
        application.parallelism = args.parallelism.unwrap_or(application.parallelism);
    }
    let work = Work { files, history, speed: args.speedup.0 };
    let platform = Platform::open(&settings, Env::system(), Some(work)).await?;
    say(&format!("open   {}   to watch", platform.addresses.console));
    say(&format!("       {}   speaks Kinesis", platform.addresses.aws));
    say(&format!("       {}   speaks Elasticsearch", platform.addresses.search));
    if let Some(records) = settings.kpu_records_per_s.filter(|records| *records > 0) {
        say(&format!(
            "KPUs   read at most {records} records/s each, so that they can be too few (--kpu-records-per-s 0: no bound)"
        ));
    }
    say(&format!("data   {}   (the next start goes on from there; Ctrl-C ends)", settings.data_dir.display()));
    watch(&platform, args.headless).await?;
    Ok(platform.close().await?)
}

/// Shows the status line until someone ends the demo.
async fn watch(platform: &Platform, headless: bool) -> Result<(), Failure> {
    let mut ended = std::pin::pin!(asked_to_end());
    let line = (!headless).then(StatusLine::new);
    let mut tick = tokio::time::interval(Duration::from_secs(1));
    loop {
        tokio::select! {
            asked = &mut ended => return Ok(asked?),
            _ = tick.tick() => if let Some(line) = &line {
                let parts = platform.parts().clone();
                line.show(&summary(&tokio::task::spawn_blocking(move || parts.pipeline()).await?));
            },
        }
    }
}
