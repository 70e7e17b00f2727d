//! `hailstream serve`: the platform on a data directory, until someone ends it.

use super::{Failure, asked_to_end, say};
use crate::cli::ServeArgs;
use crate::platform::Platform;
use crate::settings::Settings;
use model::Env;

pub(super) async fn run(args: &ServeArgs) -> Result<(), Failure> {
    let settings = Settings::new(&args.platform)?;
    let platform = Platform::open(&settings, Env::system(), None).await?;
    say(&format!("AWS door     {}", platform.addresses.aws));
    say(&format!("search door  {}", platform.addresses.search));
    say(&format!("console      {}", platform.addresses.console));
    asked_to_end().await?;
    Ok(platform.close().await?)
}
