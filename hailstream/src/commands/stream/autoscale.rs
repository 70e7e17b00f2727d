//! `stream autoscale`: scales streams by a Kinesis Scaling Utility configuration; each decision is a line with its reason.

use super::args::AutoscaleArgs;
use super::{Failure, Session};
use crate::commands::say_error;
use bytes::Bytes;
use control::scaling::utility::{Memory, Observation, Policy, decide};
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use model::{Env, limits};
use serde_json::json;
use std::collections::BTreeMap;
use std::time::Duration;

/// Largest page of metrics that is read.
const METRICS_BYTES_MAX: usize = 64 * 1024 * 1024;
const METRICS_TIMEOUT: Duration = Duration::from_secs(10);

/// What a stream had taken and given when it was looked at last.
#[derive(Debug, Clone, Copy, Default)]
struct Totals {
    at_ms: u64,
    records_in: f64,
    bytes_in: f64,
    refused: f64,
    bytes_out: f64,
}

/// One stream of the configuration.
struct Scaled {
    policy: Policy,
    memory: Memory,
    before: Option<Totals>,
    due_ms: u64,
}

pub(super) async fn autoscale(session: &Session, args: &AutoscaleArgs) -> Result<(), Failure> {
    let shown = args.config.display();
    let text = std::fs::read_to_string(&args.config).map_err(|error| format!("{shown} cannot be read: {error}"))?;
    let policies = Policy::read(&text).map_err(|error| format!("{shown}: {error}"))?;
    let env = Env::system();
    let new = |policy| Scaled { policy, memory: Memory::default(), before: None, due_ms: 0 };
    let mut streams: Vec<Scaled> = policies.into_iter().map(new).collect();
    let mut rounds = args.rounds.unwrap_or(u64::MAX);
    while rounds > 0 {
        let now_ms = env.monotonic_ns() / 1_000_000;
        for stream in streams.iter_mut().filter(|stream| stream.due_ms <= now_ms) {
            stream.due_ms = now_ms + stream.policy.check_interval * 1_000;
            // A platform that is away for a moment is looked at again with the next round.
            if let Err(error) = look(session, args, stream, now_ms).await {
                say_error(&format!("{}: {error}", stream.policy.stream_name));
            }
        }
        rounds -= 1;
        let due_ms = streams.iter().map(|stream| stream.due_ms).min().unwrap_or(now_ms);
        let wait_ms = due_ms.saturating_sub(env.monotonic_ns() / 1_000_000).max(1);
        if rounds > 0 {
            tokio::time::sleep(Duration::from_millis(wait_ms)).await;
        }
    }
    Ok(())
}

async fn look(session: &Session, args: &AutoscaleArgs, scaled: &mut Scaled, now_ms: u64) -> Result<(), Failure> {
    let name = scaled.policy.stream_name.clone();
    let summary = session.admin.stream(&name).await?;
    let totals = totals(&metrics(&args.console).await?, &name, now_ms);
    let Some(before) = scaled.before.replace(totals) else { return Ok(()) };
    let (put_pct, get_pct) = used(before, totals, summary.open_shards);
    let changing = !summary.is_active();
    let seen = Observation { now_ms, open_shards: summary.open_shards, changing, put_pct, get_pct };
    let decision = decide(&scaled.policy, seen, scaled.memory, limits::SHARDS_PER_STREAM_MAX);
    scaled.memory = decision.memory;
    let line = json!({
        "stream": name,
        "open_shards": seen.open_shards,
        "put_pct": put_pct,
        "get_pct": get_pct,
        "target": decision.target,
        "dry_run": args.dry_run,
        "reason": decision.reason,
    });
    session.tell(&line, || match decision.target {
        Some(target) => format!("{name}: {} → {target} shards: {}", seen.open_shards, decision.reason),
        None => format!("{name}: {} shards stay: {}", seen.open_shards, decision.reason),
    });
    if let Some(target) = decision.target.filter(|_| !args.dry_run) {
        session.admin.resize(&name, target).await?;
    }
    Ok(())
}

/// What was put and read between two looks, of what so many shards take and give, in per cent. What was refused counts as
/// if it had been taken; of bytes and records the one that is used more.
fn used(before: Totals, now: Totals, shards: u32) -> (f64, f64) {
    let seconds = (now.at_ms.saturating_sub(before.at_ms)) as f64 / 1_000.0;
    // A counter that began anew with its platform tells nothing for once.
    let rate = |figure: fn(&Totals) -> f64| (figure(&now) - figure(&before)).max(0.0) / seconds.max(0.001);
    let (records, refused, bytes) = (rate(|t| t.records_in), rate(|t| t.refused), rate(|t| t.bytes_in));
    let asked = if records > 0.0 { 1.0 + refused / records } else { 1.0 };
    let part = |rate: f64, of_shard: u64| 100.0 * rate / (of_shard * u64::from(shards.max(1))) as f64;
    let by_records = part(records + refused, limits::SHARD_WRITE_RECORDS_PER_S);
    let by_bytes = part(bytes * asked, limits::SHARD_WRITE_BYTES_PER_S);
    (by_records.max(by_bytes), part(rate(|t| t.bytes_out), limits::SHARD_READ_BYTES_PER_S))
}

/// The counters of a stream on a page of metrics, over all its shards.
fn totals(page: &str, stream: &str, at_ms: u64) -> Totals {
    let label = format!("stream=\"{}\"", stream.replace('\\', "\\\\").replace('"', "\\\""));
    let mut sums: BTreeMap<&str, f64> = BTreeMap::new();
    for line in page.lines().filter(|line| !line.starts_with('#') && line.contains(&label)) {
        let Some((name, rest)) = line.split_once('{') else { continue };
        let value = rest.rsplit(' ').next().and_then(|value| value.parse::<f64>().ok()).unwrap_or(0.0);
        *sums.entry(name).or_default() += value;
    }
    let sum = |name: &str| sums.get(format!("hailstream_store_{name}_total").as_str()).copied().unwrap_or(0.0);
    Totals {
        at_ms,
        records_in: sum("incoming_records"),
        bytes_in: sum("incoming_bytes"),
        refused: sum("throttled_records"),
        bytes_out: sum("outgoing_bytes"),
    }
}

async fn metrics(console: &str) -> Result<String, Failure> {
    let address = format!("{}/metrics", console.trim_end_matches('/'));
    let away = |reason: String| format!("{address} does not tell what the stream takes: {reason}");
    let uri: hyper::Uri = address.parse().map_err(|error: hyper::http::uri::InvalidUri| away(error.to_string()))?;
    let fetch = async {
        let client: Client<_, Empty<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
        let answer = client.get(uri).await.map_err(|error| away(error.to_string()))?;
        if !answer.status().is_success() {
            return Err(away(answer.status().to_string()));
        }
        let body = Limited::new(answer.into_body(), METRICS_BYTES_MAX).collect().await;
        let bytes = body.map_err(|error| away(error.to_string()))?.to_bytes();
        String::from_utf8(bytes.to_vec()).map_err(|error| away(error.to_string()))
    };
    let answer = tokio::time::timeout(METRICS_TIMEOUT, fetch).await;
    Ok(answer.map_err(|_| away("no answer in time".to_owned()))??)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn use_is_read_from_counters() {
        let page = "# TYPE hailstream_store_incoming_records_total counter\n\
                    hailstream_store_incoming_records_total{shard=\"0\",stream=\"s\"} 1000\n\
                    hailstream_store_incoming_records_total{shard=\"1\",stream=\"s\"} 500\n\
                    hailstream_store_incoming_records_total{shard=\"0\",stream=\"t\"} 7\n\
                    hailstream_store_throttled_records_total{shard=\"0\",stream=\"s\"} 500\n\
                    hailstream_store_outgoing_bytes_total{shard=\"0\",stream=\"s\"} 2097152\n";
        let now = totals(page, "s", 2_000);
        assert_eq!((now.records_in, now.refused, now.bytes_out), (1_500.0, 500.0, 2_097_152.0));
        let (put, get) = used(Totals { at_ms: 1_000, ..Totals::default() }, now, 2);
        assert_eq!((put, get), (100.0, 50.0));
    }
}
