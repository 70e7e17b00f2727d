//! The search door alone, for client tests: `search_door DIR [ADDRESS]`. It prints its address and runs until it is killed
//! or its standard input ends.
#![allow(clippy::print_stdout)]

use index::{Index, IndexConfig};
use model::Env;
use std::error::Error;
use std::io::Read;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let dir = arguments.next().ok_or("usage: search_door DIR [ADDRESS]")?;
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:0".to_owned());
    let index = Index::open(IndexConfig::new(dir, Env::system()))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let listener = runtime.block_on(tokio::net::TcpListener::bind(address))?;
    println!("http://{}", listener.local_addr()?);
    let router = index::elastic::router(index.clone());
    runtime.spawn(async move { axum::serve(listener, router).await });
    std::io::stdin().read_to_end(&mut Vec::new())?;
    index.shutdown()?;
    Ok(())
}
