//! The AWS SDK for Rust against a Kinesis door: one walk through what an application does with a stream, each answer held
//! to what the service promises. One line a step; the first difference ends the walk with exit code 1.
//!
//!     kinesis-client ENDPOINT [CERTIFICATE.pem] [--signed]
//!
//! Keys come from the environment, as with any SDK. With `--signed` the door must refuse keys that it does not know.

mod check;
mod consumers;
mod door;
mod errors;
mod put;
mod read;
mod reshard;
mod streams;

use aws_sdk_kinesis::Client;
use check::Outcome;
use put::Book;
use std::process::ExitCode;

/// The stream that is walked through.
pub const STREAM: &str = "rust";

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let (flags, places): (Vec<_>, Vec<_>) = std::env::args().skip(1).partition(|arg| arg.starts_with("--"));
    let signed = flags == ["--signed"];
    let ([endpoint] | [endpoint, _], true) = (&places[..], signed || flags.is_empty()) else {
        eprintln!("usage: kinesis-client ENDPOINT [CERTIFICATE.pem] [--signed]");
        return ExitCode::from(2);
    };
    match walk(endpoint, places.get(1).map(String::as_str), signed).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::FAILURE
        }
    }
}

async fn walk(endpoint: &str, certificate: Option<&str>, signed: bool) -> Outcome<()> {
    let kinesis = door::client(endpoint, certificate, None).await?;
    let mut book = Book::default();
    if signed {
        told("signatures", errors::signatures(endpoint, certificate).await)?;
    }
    told("CreateStream", streams::create(&kinesis).await)?;
    told("PutRecord", put::single(&kinesis, &mut book).await)?;
    told("PutRecords", put::many(&kinesis, &mut book, 500).await)?;
    told("ListShards", streams::list_shards(&kinesis).await)?;
    told("GetShardIterator", read::iterators(&kinesis, &book).await)?;
    told("GetRecords", read::everything(&kinesis, &book).await)?;
    push(&kinesis, &mut book).await?;
    told("tags", streams::tags(&kinesis).await)?;
    told("errors", errors::typed(&kinesis).await)?;
    told("UpdateShardCount", reshard::double(&kinesis, &mut book).await)?;
    told("SplitShard, MergeShards", reshard::single_steps(&kinesis, &mut book).await)?;
    told("SubscribeToShard of a closed shard", consumers::closed_shard(&kinesis).await)?;
    told("DeleteStream", streams::delete(&kinesis).await)
}

async fn push(kinesis: &Client, book: &mut Book) -> Outcome<()> {
    told("RegisterStreamConsumer", consumers::register(kinesis).await)?;
    told("SubscribeToShard", consumers::subscribe(kinesis, book).await)
}

fn told(step: &str, outcome: Outcome<String>) -> Outcome<()> {
    let seen = outcome.map_err(|failure| failure.within(step))?;
    println!("{step}: {seen}");
    Ok(())
}
