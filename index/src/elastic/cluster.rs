//! What is said about the cluster, which is one node and always well.

use super::call::{Answer, Call};
use super::failure::Failure;
use crate::json::Value;

/// The name of the cluster.
pub(super) const NAME: &str = "hailstream";

/// The root: which version is spoken.
pub(super) fn root(call: &Call) -> Result<Answer, Failure> {
    call.no_others()?;
    let version = Value::object([
        ("number", Value::from("7.10.2")),
        ("build_flavor", "default".into()),
        ("build_type", "tar".into()),
        ("build_hash", "747e1cc71def077253878a59143c1f785afa92b9".into()),
        ("build_date", "2021-01-13T00:42:12.435326Z".into()),
        ("build_snapshot", false.into()),
        ("lucene_version", "8.7.0".into()),
        ("minimum_wire_compatibility_version", "6.8.0".into()),
        ("minimum_index_compatibility_version", "6.0.0-beta1".into()),
    ]);
    Ok(Answer::json(Value::object([
        ("name", Value::from(NAME)),
        ("cluster_name", NAME.into()),
        ("cluster_uuid", call.index.cluster_uuid().into()),
        ("version", version),
        ("tagline", "You Know, for Search".into()),
    ])))
}

/// `_cluster/health`. Waiting for a state is over at once: it is always the best one.
pub(super) fn health(call: &Call) -> Result<Answer, Failure> {
    call.hints(&[
        "timeout",
        "master_timeout",
        "wait_for_status",
        "wait_for_nodes",
        "wait_for_active_shards",
        "level",
        "local",
        "wait_for_no_relocating_shards",
        "wait_for_no_initializing_shards",
        "wait_for_events",
    ]);
    if let Some(level) = call.parameter("level").filter(|l| *l != "cluster") {
        return Err(Failure::argument(format!("level [{level}] is not supported by this index")));
    }
    let found = call.indices();
    call.no_others()?;
    let (status, word, count) = match &found {
        Ok(names) => (200, "green", names.len()),
        Err(_) => (408, "red", 0),
    };
    let zero = || Value::from(0u32);
    Ok(Answer::status(
        status,
        Value::object([
            ("cluster_name", Value::from(NAME)),
            ("status", word.into()),
            ("timed_out", (status != 200).into()),
            ("number_of_nodes", 1u32.into()),
            ("number_of_data_nodes", 1u32.into()),
            ("active_primary_shards", count.into()),
            ("active_shards", count.into()),
            ("relocating_shards", zero()),
            ("initializing_shards", zero()),
            ("unassigned_shards", zero()),
            ("delayed_unassigned_shards", zero()),
            ("number_of_pending_tasks", zero()),
            ("number_of_in_flight_fetch", zero()),
            ("task_max_waiting_in_queue_millis", zero()),
            ("active_shards_percent_as_number", 100.0f64.into()),
        ]),
    ))
}
