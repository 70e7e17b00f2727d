//! Events per second through a lookup that takes 20 ms, with parallelism 5 and capacity 10: 50 in flight, so that 2,500
//! a second is the most.
//!
//! Prints one JSON line for each output mode. `--quick` runs small.
#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs, reason = "a program that prints its figures")]

use arrow_array::{ArrayRef, Int64Array, RecordBatch};
use engine::expr::Scalar;
use engine::plan::TableDef;
use engine::port::{Answer, Connectors, Lookup, LookupKey, LookupSpec, PortError, Role, Sink, SinkSpec, Source};
use engine::run::connectors::BuiltinConnectors;
use engine::run::{Job, JobOptions};
use engine::sql::{Planned, Script, Session};
use engine::types::Schema;
use model::Env;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

/// How long an answer takes.
const LATENCY_NS: u64 = 20_000_000;

/// A lookup whose answers come after [`LATENCY_NS`], from one thread.
struct Slow {
    env: Env,
    calls: Sender<(u64, LookupKey, Answer)>,
}

impl Slow {
    fn new(env: &Env, schema: &Schema) -> Self {
        let (calls, waiting): (Sender<(u64, LookupKey, Answer)>, Receiver<_>) = channel();
        let (clock, schema) = (env.clone(), schema.arrow());
        std::thread::spawn(move || {
            let (_keep, never) = channel::<()>();
            for (due, key, answer) in waiting {
                let rest = due.saturating_sub(clock.monotonic_ns());
                if rest > 0 {
                    let _ = never.recv_timeout(Duration::from_nanos(rest));
                }
                let Scalar::Integer(id) = key.values[0] else { continue };
                let columns: Vec<ArrayRef> =
                    vec![Arc::new(Int64Array::from(vec![id])), Arc::new(Int64Array::from(vec![id * 2]))];
                answer(Ok(RecordBatch::try_new(schema.clone(), columns).unwrap()));
            }
        });
        Self { env: env.clone(), calls }
    }
}

impl Lookup for Slow {
    fn start(&self, key: LookupKey, answer: Answer) {
        self.calls.send((self.env.monotonic_ns() + LATENCY_NS, key, answer)).unwrap();
    }
}

struct SlowTables(Env);

impl Connectors for SlowTables {
    fn check(&self, _: &TableDef, _: Role) -> Result<(), PortError> {
        Ok(())
    }

    fn source(&self, table: &TableDef) -> Result<Arc<dyn Source>, PortError> {
        Err(PortError::new(model::Kind::Invalid, format!("{} is only looked up", table.name)))
    }

    fn sink(&self, spec: &SinkSpec) -> Result<Box<dyn Sink>, PortError> {
        Err(PortError::new(model::Kind::Invalid, format!("{} is only looked up", spec.table.name)))
    }

    fn lookup(&self, spec: &LookupSpec) -> Result<Arc<dyn Lookup>, PortError> {
        Ok(Arc::new(Slow::new(&self.0, &spec.table.schema)))
    }
}

fn main() {
    let quick = std::env::args().any(|a| a == "--quick" || a == "--test");
    let events: usize = if quick { 500 } else { 25_000 };
    let folder = std::env::temp_dir().join(format!("lookup-{:016x}", Env::system().random_u64()));
    std::fs::create_dir_all(&folder).unwrap();
    for split in 0..5 {
        let lines: String = (0..events / 5).map(|i| format!("{{\"id\":{}}}\n", i * 5 + split)).collect();
        std::fs::write(folder.join(format!("{split}.ndjson")), lines).unwrap();
    }
    for mode in ["ordered", "allow_unordered"] {
        run(&folder, mode, events);
    }
    std::fs::remove_dir_all(&folder).unwrap();
}

fn run(folder: &std::path::Path, mode: &str, events: usize) {
    let env = Env::system();
    let script = format!(
        "CREATE TABLE events (id BIGINT, p AS PROCTIME()) WITH ('connector'='filesystem','path'='.','format'='json');
         CREATE TABLE slow (id BIGINT, twice BIGINT) WITH ('connector'='slow');
         CREATE TABLE sunk (id BIGINT, twice BIGINT) WITH ('connector'='blackhole');
         INSERT INTO sunk SELECT /*+ LOOKUP('table'='slow','output-mode'='{mode}','capacity'='10') */ e.id, s.twice
         FROM events AS e JOIN slow FOR SYSTEM_TIME AS OF e.p AS s ON s.id = e.id"
    );
    let connectors = BuiltinConnectors::new(folder, env.clone()).with("slow", Arc::new(SlowTables(env.clone())));
    let connectors: Arc<dyn Connectors> = Arc::new(connectors);
    let planned = Session::new().plan(&Script::parse(&script).unwrap(), connectors.as_ref()).unwrap();
    let Some(Planned::Job { plan, .. }) = planned.into_iter().next() else { return };
    let options = JobOptions { parallelism: Some(5), ..JobOptions::new("lookup", env.clone(), connectors) };
    let start = env.monotonic_ns();
    let job = Job::start(plan, options).unwrap();
    job.wait().unwrap();
    let seconds = (env.monotonic_ns() - start) as f64 / 1e9;
    let metrics = job.metrics();
    assert_eq!(metrics.records_out, events as u64);
    let (rate, latency) = (events as f64 / seconds, metrics.lookups[0].latency_ms);
    println!(
        "{{\"bench\":\"engine_lookup\",\"mode\":\"{mode}\",\"events\":{events},\"events_per_s\":{rate:.0},\"of_2500\":{:.3},\"latency_ms\":{latency:.2}}}",
        rate / 2_500.0
    );
}
