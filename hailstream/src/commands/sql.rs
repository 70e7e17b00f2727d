//! `hailstream sql`: a script over bounded input, to its end.

use super::{Failure, say, say_error};
use crate::cli::SqlArgs;
use crate::settings::bucket_settings_of_environment;
use crate::status::{StatusLine, count, duration};
use crate::wiring::{OutsideIndices, OutsideStreams, REST_LOOKUP, RestLookups, with_buckets, with_kafka};
use arrow_array::RecordBatch;
use connect::BucketFiles;
use engine::plan::JobPlan;
use engine::port::Connectors;
use engine::run::connectors::BuiltinConnectors;
use engine::run::decode::{JsonOptions, TimestampFormat};
use engine::run::encode::JsonEncoder;
use engine::run::{Job, JobHandle, JobMetrics, JobOptions, JobState, LookupMetrics};
use engine::sql::{Planned, Script, Session};
use model::Env;
use serde_json::json;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// How often progress is shown and collected rows are looked for.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What a script is run with.
struct Runner<'a> {
    args: &'a SqlArgs,
    env: Env,
    connectors: Arc<dyn Connectors>,
}

pub(super) fn run(args: &SqlArgs) -> Result<(), Failure> {
    let text = match (&args.file, &args.execute) {
        (Some(path), _) => std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?,
        (None, statement) => statement.clone().unwrap_or_default(),
    };
    let env = Env::system();
    // Lookups and sinks over the network run beside the job's own threads.
    let runtime = super::runtime()?;
    let lookups = Arc::new(RestLookups::new(runtime.handle().clone()));
    let outside = Arc::new(OutsideIndices::new(runtime.handle().clone(), env.clone()));
    let builtin = BuiltinConnectors::new(Path::new("."), env.clone()).with(REST_LOOKUP, lookups);
    let files = BucketFiles::new(bucket_settings_of_environment(), runtime.handle().clone());
    let mut known = with_buckets(with_kafka(builtin, &env), files);
    for name in OutsideIndices::CONNECTORS {
        known = known.with(name, outside.clone());
    }
    let streams = Arc::new(OutsideStreams::new(runtime.handle().clone(), env.clone()));
    known = known.with(OutsideStreams::CONNECTOR, streams);
    let connectors: Arc<dyn Connectors> = Arc::new(known);
    let script = Script::parse(&text)?;
    let planned = Session::new().plan(&script, connectors.as_ref())?;
    let runner = Runner { args, env, connectors };
    planned.into_iter().try_for_each(|step| runner.take(step))
}

impl Runner<'_> {
    fn take(&self, step: Planned) -> Result<(), Failure> {
        match step {
            Planned::Job { plan, description } => self.job(plan, &description),
            Planned::Explain(text) | Planned::Message(text) => {
                say(&text);
                Ok(())
            }
            Planned::Rows { columns, rows } => {
                say(&columns.join("\t"));
                rows.iter().for_each(|row| say(&row.join("\t")));
                Ok(())
            }
        }
    }

    fn job(&self, plan: JobPlan, name: &str) -> Result<(), Failure> {
        let started_ns = self.env.monotonic_ns();
        let options = JobOptions {
            parallelism: self.args.parallelism,
            ..JobOptions::new(name, self.env.clone(), self.connectors.clone())
        };
        let job = Job::start(plan, options)?;
        self.watch(&job)?;
        let state = job.wait()?;
        let seconds = (self.env.monotonic_ns() - started_ns) as f64 / 1e9;
        self.finish(name, &state, &job, seconds);
        Ok(())
    }

    /// Prints collected rows as they come, and shows progress, until the job has ended.
    fn watch(&self, job: &JobHandle) -> Result<(), Failure> {
        let terminal = io::IsTerminal::is_terminal(&io::stderr());
        let line = (terminal && job.collected().is_none()).then(StatusLine::new);
        let mut out = BufWriter::new(io::stdout().lock());
        let encoder = job.collected().map(|(schema, _)| {
            let timestamp_format = TimestampFormat::Iso8601;
            JsonEncoder::new(schema, JsonOptions { timestamp_format, ..JsonOptions::default() })
        });
        while !job.wait_for(if encoder.is_some() { Duration::ZERO } else { LOOK_EVERY }) {
            if let (Some(encoder), Some((_, rows))) = (&encoder, job.collected()) {
                // The channel ends with the job; a pause shorter than a glance lets failures be seen.
                match rows.recv_timeout(LOOK_EVERY) {
                    Ok(batch) => print(encoder, &batch, &mut out)?,
                    // What has come of an input without an end is seen before the next row comes.
                    Err(_) => out.flush()?,
                }
            }
            if let Some(line) = &line {
                line.show(&told(&job.metrics()));
            }
        }
        if let (Some(encoder), Some((_, rows))) = (&encoder, job.collected()) {
            for batch in rows.try_iter() {
                print(encoder, &batch, &mut out)?;
            }
        }
        Ok(out.flush()?)
    }

    fn finish(&self, name: &str, state: &JobState, job: &JobHandle, seconds: f64) {
        let metrics = job.metrics();
        for bad in job.bad_samples() {
            say_error(&format!("skipped {}, {}, position {}: {}", bad.place, bad.split, bad.position, bad.reason));
        }
        if self.args.json {
            let line = json!({
                "job": name, "state": format!("{state:?}").to_lowercase(), "seconds": seconds,
                "records_in": metrics.records_in, "records_out": metrics.records_out,
                "late": metrics.late, "bad": metrics.bad,
                "lookups": metrics.lookups.iter().map(lookup_json).collect::<Vec<_>>(),
            });
            say_error(&line.to_string());
        } else {
            say_error(&format!("{name}: {} in {}", told(&metrics), duration((seconds * 1_000.0) as u64)));
            metrics.lookups.iter().for_each(|lookup| say_error(&lookup_told(lookup)));
        }
    }
}

fn print(encoder: &JsonEncoder, batch: &RecordBatch, out: &mut impl Write) -> Result<(), Failure> {
    let rows = encoder.bind(batch)?;
    let mut text = Vec::new();
    for row in 0..batch.num_rows() {
        rows.write(row, &mut text);
        text.push(b'\n');
    }
    Ok(out.write_all(&text)?)
}

fn lookup_json(lookup: &LookupMetrics) -> serde_json::Value {
    json!({
        "table": lookup.table, "requests": lookup.requests, "retries": lookup.retries,
        "cache_hits": lookup.cache_hits, "dead": lookup.dead, "latency_ms": lookup.latency_ms,
        "latency_p99_ms": lookup.latency_p99_ms,
        "in_flight": lookup.in_flight, "circuit_opened": lookup.circuit_opened,
    })
}

fn lookup_told(lookup: &LookupMetrics) -> String {
    format!(
        "lookups of {}: {} requests, {} retries, {} from the cache, {} dead letters, {:.1} ms each (p99 {:.1} ms)",
        lookup.table,
        count(lookup.requests as f64),
        count(lookup.retries as f64),
        count(lookup.cache_hits as f64),
        count(lookup.dead as f64),
        lookup.latency_ms,
        lookup.latency_p99_ms,
    )
}

fn told(metrics: &JobMetrics) -> String {
    format!(
        "{} records in, {} rows out, {} late, {} bad",
        count(metrics.records_in as f64),
        count(metrics.records_out as f64),
        count(metrics.late as f64),
        count(metrics.bad as f64),
    )
}
