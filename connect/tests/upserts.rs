//! What a real Apache Flink made of topics that it read by key, replayed: `conformance/kafka/upserts.py` recorded it. The topics stand in
//! the cluster in one process that the client library brings for tests.
#![allow(clippy::unwrap_used, reason = "a test fails loudly")]

use connect::{KafkaKind, KafkaTables};
use engine::run::connectors::BuiltinConnectors;
use engine::run::{Job, JobOptions};
use engine::sql::{Planned, Script, Session};
use model::Env;
use parking_lot::Mutex;
use rdkafka::config::ClientConfig;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Of these only what is left at the end is the same: groups tell once for a batch what has become of them, and a rank of one row
/// that takes the place of another as an update.
const BY_THEIR_END: [&str; 4] = ["counted", "grouped", "joined", "ranked"];

fn cases() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../conformance/kafka/upserts");
    let mut cases: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    cases
}

/// A topic of one partition with these records.
fn put(cluster: &MockCluster<'_, impl rdkafka::producer::ProducerContext>, topic: &str, records: &str) {
    cluster.create_topic(topic, 1, 1).unwrap();
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", cluster.bootstrap_servers()).set("linger.ms", "0");
    let producer: BaseProducer = config.create().unwrap();
    for line in records.lines() {
        let (key, payload): (Option<String>, Option<String>) = serde_json::from_str(line).unwrap();
        let record =
            BaseRecord::<str, str> { key: key.as_deref(), payload: payload.as_deref(), ..BaseRecord::to(topic) };
        producer.send(record.partition(0)).map_err(|(error, _)| error).unwrap();
    }
    producer.flush(Duration::from_secs(30)).unwrap();
}

/// What is printed of a case. Several subtasks would give the changes of different keys in another order.
fn printed(script: &str) -> Vec<String> {
    let output = Arc::new(Mutex::new(Vec::<u8>::new()));
    let (env, output_of) = (Env::system(), output.clone());
    let connectors = KafkaKind::ALL
        .into_iter()
        .fold(BuiltinConnectors::new(".", env.clone()).with_output(output_of), |builtin, kind| {
            builtin.with(kind.name(), Arc::new(KafkaTables::new(kind, env.clone())))
        });
    let script = Script::parse(script).unwrap_or_else(|e| panic!("{e}"));
    let planned = Session::new().plan(&script, &connectors).unwrap_or_else(|e| panic!("{e}"));
    let plan = planned.into_iter().find_map(|p| if let Planned::Job { plan, .. } = p { Some(plan) } else { None });
    let options = JobOptions { parallelism: Some(1), ..JobOptions::new("case", env, Arc::new(connectors)) };
    Job::start(plan.unwrap(), options).unwrap().wait().unwrap();
    let text = String::from_utf8(output.lock().clone()).unwrap();
    let row = |line: &str| line.split_once("> ").unwrap().1.to_owned();
    text.lines().map(row).collect()
}

/// The rows that are there when all changes have been made, each with how often it is.
fn left(changes: &[String]) -> BTreeMap<&str, i64> {
    let mut rows = BTreeMap::new();
    for change in changes {
        let (sign, row) = change.split_at(2);
        *rows.entry(row).or_default() += if sign == "+I" || sign == "+U" { 1 } else { -1 };
    }
    rows.retain(|_, count| *count != 0);
    assert!(!rows.is_empty(), "{changes:?}");
    rows
}

#[test]
fn every_case_gives_the_changes_that_flink_gave() {
    let cluster = MockCluster::new(1).unwrap();
    let (mut wrong, mut compared) = (Vec::new(), 0);
    for case in cases() {
        let name = case.file_name().unwrap().to_str().unwrap().to_owned();
        let of = |file: &str| std::fs::read_to_string(case.join(file)).unwrap_or_else(|e| panic!("{name}/{file}: {e}"));
        put(&cluster, &name, &of("records.ndjson"));
        let script = of("case.sql").replace("{servers}", &cluster.bootstrap_servers());
        let script = script.replace("{topic}", &name).replace("{name}", &name);
        let recorded: Vec<String> = of("changes.txt").lines().map(str::to_owned).collect();
        let found = printed(&script);
        let same =
            if BY_THEIR_END.contains(&name.as_str()) { left(&found) == left(&recorded) } else { found == recorded };
        if !same {
            wrong.push(format!("{name}:\n  found    {found:?}\n  expected {recorded:?}"));
        }
        compared += 1;
    }
    assert!(compared >= 14, "{compared} cases are there");
    assert!(wrong.is_empty(), "{} differ\n{}", wrong.len(), wrong.join("\n"));
}
