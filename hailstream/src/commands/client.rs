//! How the commands that talk to a running platform reach its AWS door: they sign where they find a key.

use super::Failure;
use crate::cli::EndpointArgs;
use model::Env;
use std::sync::Arc;
use store::kinesis::DEFAULT_REGION;
use store::kinesis::client::KinesisClient;
use wire::signature::{ClientKey, Signer};

/// A client of the endpoint that the options name. Without a key its calls go unsigned, which an open door takes.
pub(super) fn open(args: &EndpointArgs, env: &Env) -> Result<KinesisClient, Failure> {
    let client = KinesisClient::new(&args.endpoint)?;
    let variable = |name: &str| std::env::var(name).ok();
    let Some(key) = ClientKey::find(args.profile.as_deref(), variable)? else { return Ok(client) };
    let region = args.region.clone().filter(|region| !region.is_empty());
    let region = region.or_else(|| variable("AWS_DEFAULT_REGION")).unwrap_or_else(|| DEFAULT_REGION.to_owned());
    Ok(client.authorized(Arc::new(Signer::new(key, region, env.clone()))))
}
