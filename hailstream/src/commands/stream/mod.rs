//! `hailstream stream`: streams of a running platform, or of any other service that speaks the same, from the command line.

pub(crate) mod args;
mod autoscale;
mod hot_keys;
mod life;
mod payload;
mod put;
mod report;
mod scale;
mod tail;

use super::{Failure, say};
use args::{StreamArgs, StreamCommand};
use model::Env;
use serde_json::Value;
use store::kinesis::admin::Admin;

/// What the commands share.
struct Session {
    admin: Admin,
    json: bool,
}

impl Session {
    /// Prints `value` for a program, or else what `text` makes of it for a person.
    fn tell(&self, value: &Value, text: impl FnOnce() -> String) {
        if self.json { say(&value.to_string()) } else { say(&text()) }
    }
}

pub(super) async fn run(args: &StreamArgs) -> Result<(), Failure> {
    let client = super::client::open(&args.endpoint, &Env::system())?;
    let session = Session { admin: Admin::new(client), json: args.json };
    let work = async {
        match &args.command {
            StreamCommand::Create(args) => life::create(&session, args).await,
            StreamCommand::List => life::list(&session).await,
            StreamCommand::Describe(args) => life::describe(&session, &args.stream).await,
            StreamCommand::Put(args) => put::put(&session, args).await,
            StreamCommand::Tail(args) => tail::tail(&session, args).await,
            StreamCommand::Scale(args) => scale::scale(&session, args).await,
            StreamCommand::Split(args) => scale::split(&session, args).await,
            StreamCommand::Merge(args) => scale::merge(&session, args).await,
            StreamCommand::Report(args) => report::report(&session, &args.stream).await,
            StreamCommand::HotKeys(args) => hot_keys::hot_keys(&session, args).await,
            StreamCommand::Retention(args) => life::retention(&session, args).await,
            StreamCommand::Autoscale(args) => autoscale::autoscale(&session, args).await,
            StreamCommand::Delete(args) => life::delete(&session, args).await,
        }
    };
    tokio::select! {
        done = work => done,
        asked = super::asked_to_end() => Ok(asked?),
    }
}
