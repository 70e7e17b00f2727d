//! The Kinesis door alone on a port: `kinesis_door DIR [PORT] [--limits]`. Prints its address and serves until killed.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for the terminal and for tests")]

use model::Env;
use std::process::ExitCode;
use store::{Limits, Store, StoreConfig, kinesis};

#[tokio::main]
async fn main() -> ExitCode {
    let mut args: Vec<String> = std::env::args().skip(1).collect();
    let limits = if args.iter().any(|arg| arg == "--limits") { Limits::Enforced } else { Limits::Unlimited };
    args.retain(|arg| arg != "--limits");
    let Some(dir) = args.first() else {
        eprintln!("usage: kinesis_door DIR [PORT] [--limits]");
        return ExitCode::from(2);
    };
    match serve(dir, args.get(1).map_or("0", String::as_str), limits).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(dir: &str, port: &str, limits: Limits) -> Result<(), Box<dyn std::error::Error>> {
    let config = StoreConfig { limits, status_delay_ms: 0, ..StoreConfig::new(dir, Env::system()) };
    let store = Store::open(config)?;
    let listener = tokio::net::TcpListener::bind(format!("127.0.0.1:{port}")).await?;
    println!("http://{}", listener.local_addr()?);
    let interrupted = async { drop(tokio::signal::ctrl_c().await) };
    axum::serve(listener, kinesis::router(store.clone())).with_graceful_shutdown(interrupted).await?;
    store.shutdown().await;
    Ok(())
}
