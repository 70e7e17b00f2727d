//! `hailstream replay`: history into a stream of a running platform, or onto standard output.

use super::{Failure, say};
use crate::cli::ReplayArgs;
use crate::status::{StatusLine, count, duration};
use crate::wiring::{Aggregating, HttpTarget};
use model::{Env, EventTime};
use replay::{FileSource, Generator, PutTarget, ReadOptions, Replay, ReplayConfig, ReplayHandle, Source, State, Stats};
use serde_json::json;
use std::io::{self, BufWriter, Write};
use store::kinesis::admin::Admin;
use store::kinesis::client::KinesisClient;
use tokio::runtime::Runtime;

/// How often progress is shown on a terminal, in milliseconds.
const SHOW_MS: u64 = 500;
/// Wednesday 6 January 2016, in milliseconds since the Unix epoch: the day that generated trips begin on.
const GENERATED_DAY_MS: i64 = 1_452_038_400_000;

pub(super) fn run(args: &ReplayArgs, runtime: &Runtime) -> Result<(), Failure> {
    let source = source(args)?;
    if args.print {
        return print(source);
    }
    let client = super::client::open(&args.endpoint, &Env::system())?;
    runtime.block_on(client.describe_stream_summary(&args.stream))?;
    let target = target(args, client, runtime);
    let seek = args.seek.as_deref().map(parse_time).transpose()?;
    let defaults = ReplayConfig::default();
    let limits = if args.aggregate { Aggregating::limits() } else { defaults.limits };
    let config = ReplayConfig { speed: args.speedup.0, seek, limits, ..defaults };
    let handle = Replay::start(config, source, target, Env::system())?;
    let watched = runtime.block_on(async {
        tokio::select! {
            asked = super::asked_to_end() => asked.map(|()| handle.request_stop()),
            shown = watch(&handle, args) => shown,
        }
    });
    watched?;
    finish(&handle.stop(), args)
}

fn target(args: &ReplayArgs, client: KinesisClient, runtime: &Runtime) -> Box<dyn PutTarget> {
    let target = HttpTarget::new(client.clone(), &*args.stream, runtime.handle().clone());
    if !args.aggregate {
        return Box::new(target);
    }
    let env = Env::system();
    Box::new(Aggregating::new(target, Admin::new(client), runtime.handle().clone(), env))
}

fn source(args: &ReplayArgs) -> Result<Box<dyn Source>, Failure> {
    if args.paths.is_empty() {
        return Ok(Box::new(Generator::new(args.seed, args.count, GENERATED_DAY_MS)));
    }
    let options = ReadOptions {
        time_attribute: args.timestamp_attribute.clone(),
        key_attribute: args.key_attribute.clone(),
        buffer_rows: args.reader_buffer,
        ..ReadOptions::default()
    };
    Ok(Box::new(FileSource::open(&args.paths, options)?))
}

fn parse_time(text: &str) -> Result<EventTime, String> {
    replay::parse_time(text).ok_or_else(|| format!("--seek {text:?} is no ISO-8601 time such as 2016-01-06T07:00:00Z"))
}

fn print(mut source: Box<dyn Source>) -> Result<(), Failure> {
    let mut out = BufWriter::with_capacity(1 << 20, io::stdout().lock());
    while let Some(row) = source.next_row()? {
        out.write_all(&row.data)?;
        out.write_all(b"\n")?;
    }
    Ok(out.flush()?)
}

/// Shows progress until the replay has ended: a line that is drawn over on a terminal, plain lines elsewhere.
async fn watch(handle: &ReplayHandle, args: &ReplayArgs) -> io::Result<()> {
    let terminal = io::IsTerminal::is_terminal(&io::stderr());
    let line = terminal.then(StatusLine::new);
    let every_ms = if terminal { SHOW_MS } else { args.statistics_interval * 1_000 };
    let mut shown_ms = 0;
    loop {
        let stats = handle.stats();
        if stats.state.is_ended() {
            return Ok(());
        }
        match &line {
            Some(line) => line.show(&told(&stats)),
            None if shown_ms >= every_ms => {
                super::say_error(&told(&stats));
                shown_ms = 0;
            }
            None => {}
        }
        tokio::time::sleep(std::time::Duration::from_millis(SHOW_MS)).await;
        shown_ms += SHOW_MS;
    }
}

fn told(stats: &Stats) -> String {
    let part = stats.fraction.map(|f| format!(" ({:.0} %)", f * 100.0)).unwrap_or_default();
    format!(
        "sent {}{part}, {}/s, replay lag {}, refused {}, sent again {}, unparsable {}",
        count(stats.sent as f64),
        count(stats.events_per_s),
        duration(stats.replay_lag_ms),
        count(stats.refused as f64),
        count(stats.retries as f64),
        count(stats.unparsable as f64),
    )
}

fn finish(stats: &Stats, args: &ReplayArgs) -> Result<(), Failure> {
    if args.json {
        let line = json!({
            "state": stats.state.word(), "sent": stats.sent, "bytes": stats.sent_bytes, "refused": stats.refused,
            "retries": stats.retries, "unparsable": stats.unparsable, "replay_lag_ms": stats.replay_lag_ms,
            "position": stats.position,
        });
        say(&line.to_string());
    } else {
        say(&format!("{}: {}", stats.state.word(), told(stats)));
        for bad in &stats.bad_rows {
            say(&format!("skipped {}: {}", bad.place, bad.reason));
        }
    }
    match &stats.state {
        State::Failed { reason } => Err(reason.clone().into()),
        _ => Ok(()),
    }
}
