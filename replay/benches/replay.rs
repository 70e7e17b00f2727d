//! Rates of reading, generating and putting, each as one line of JSON: the median of several runs.
//!
//! `--quick` takes small amounts and one run, to show that the benchmark works; so do the tests, which run it too.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark fails loudly and its output is its purpose")]

use model::{Env, PutRecord};
use replay::{FileSource, Findings, Generator, Progress, PutError, PutTarget, PutVerdict};
use replay::{ReadOptions, Replay, ReplayConfig, Row, Source, SourceError, Speed, Step};
use std::io::Write;

struct Sizes {
    rows: u64,
    runs: usize,
}

fn main() {
    let given = |wanted: &str| std::env::args().any(|arg| arg == wanted);
    // `cargo bench` says `--bench`, `cargo test` does not.
    let quick = given("--quick") || !given("--bench");
    let sizes = if quick { Sizes { rows: 20_000, runs: 1 } } else { Sizes { rows: 500_000, runs: 5 } };
    let env = Env::system();

    figure(&env, "replay_generate", &sizes, || drain(&mut Generator::new(1, sizes.rows, 0)));

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("trips.ndjson.zst");
    write_zst(&path, sizes.rows);
    figure(&env, "replay_read_zst", &sizes, || {
        drain(&mut FileSource::open(std::slice::from_ref(&path), ReadOptions::default()).unwrap())
    });

    let rows = rows_of(&mut Generator::new(1, sizes.rows.min(50_000), 0));
    figure(&env, "replay_put_loop", &sizes, || {
        let source = Again { rows: rows.clone(), at: 0, left: sizes.rows, findings: Findings::default() };
        let config = ReplayConfig { speed: Speed::UNLIMITED, ..ReplayConfig::default() };
        let (mut replay, handle) = Replay::prepare(config, Box::new(source), Box::new(Null), env.clone()).unwrap();
        while replay.step() != Step::Ended {}
        assert_eq!(handle.stats().sent, sizes.rows);
        sizes.rows
    });
}

/// Runs `work`, which says how many rows it handled, and prints the median rate.
fn figure(env: &Env, name: &str, sizes: &Sizes, work: impl Fn() -> u64) {
    let mut rates: Vec<u64> = (0..sizes.runs)
        .map(|_| {
            let start_ns = env.monotonic_ns();
            let rows = work();
            (rows as f64 * 1e9 / (env.monotonic_ns() - start_ns) as f64) as u64
        })
        .collect();
    let runs = rates.clone();
    rates.sort_unstable();
    let value = rates[rates.len() / 2];
    println!(r#"{{"figure":"{name}","value":{value},"unit":"rows/s","better":"higher","runs":{runs:?}}}"#);
}

fn drain(source: &mut dyn Source) -> u64 {
    std::iter::from_fn(|| source.next_row().unwrap()).count() as u64
}

fn rows_of(source: &mut dyn Source) -> Vec<Row> {
    std::iter::from_fn(|| source.next_row().unwrap()).collect()
}

fn write_zst(path: &std::path::Path, rows: u64) {
    let mut file = zstd::Encoder::new(std::fs::File::create(path).unwrap(), 1).unwrap();
    let mut source = Generator::new(1, rows, 0);
    while let Some(row) = source.next_row().unwrap() {
        file.write_all(&row.data).unwrap();
        file.write_all(b"\n").unwrap();
    }
    file.finish().unwrap();
}

/// Prepared rows, over and over.
struct Again {
    rows: Vec<Row>,
    at: usize,
    left: u64,
    findings: Findings,
}

impl Source for Again {
    fn next_row(&mut self) -> Result<Option<Row>, SourceError> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        self.at = (self.at + 1) % self.rows.len();
        Ok(Some(self.rows[self.at].clone()))
    }

    fn progress(&self) -> Progress {
        Progress::default()
    }

    fn findings(&self) -> &Findings {
        &self.findings
    }
}

/// A target that takes everything and does nothing.
struct Null;

impl PutTarget for Null {
    fn put(&mut self, records: &[PutRecord]) -> Result<Vec<PutVerdict>, PutError> {
        Ok(vec![PutVerdict::Accepted; records.len()])
    }
}
