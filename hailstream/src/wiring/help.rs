//! What each reading on `/metrics` says, in one line.

/// Readings and their words, in the order of their names.
const HELP: [(&str, &str); 82] = [
    ("application_bad_records_total", "Records that could not be read."),
    ("application_behind_latest_ms", "Age of the next record to read, the largest over all shards, in milliseconds."),
    ("application_checkpoints_completed_total", "Checkpoints that are durable, since the run began."),
    ("application_checkpoints_failed_total", "Checkpoints that failed, since the run began."),
    (
        "application_current_output_watermark_ms",
        "Watermark that an operator has handed on, in milliseconds since the Unix epoch.",
    ),
    ("application_kpus", "KPUs that the application runs on."),
    ("application_last_checkpoint_duration_ms", "How long the last durable checkpoint took, in milliseconds."),
    ("application_last_checkpoint_size_bytes", "State in the last durable checkpoint, in bytes."),
    ("application_late_records_total", "Records that came too late for their windows."),
    ("application_lookup_cache_hits_total", "Rows of a lookup answered from its cache."),
    ("application_lookup_dead_letters_total", "Rows given up because their lookup failed for good."),
    ("application_lookup_in_flight", "Lookups that wait for an answer."),
    ("application_lookup_latency_ms", "How long an answer to a lookup took on average, in milliseconds."),
    ("application_lookup_requests_total", "Calls made for lookups, retries included."),
    ("application_lookup_retries_total", "Calls for lookups after the first one of a request."),
    (
        "application_operator_backpressured_ms_total",
        "How long the subtasks of an operator waited for room downstream, in milliseconds.",
    ),
    ("application_operator_busy_ms_total", "How long the subtasks of an operator computed, in milliseconds."),
    ("application_operator_idle_ms_total", "How long the subtasks of an operator waited for input, in milliseconds."),
    ("application_operator_records_in_total", "Rows that an operator took."),
    ("application_operator_records_out_total", "Rows that an operator gave."),
    ("application_parallelism", "Parallel subtasks of each operator."),
    ("application_records_in_total", "Records read."),
    ("application_records_out_total", "Results written."),
    (
        "application_rescale_pause_ms",
        "How long no record was read during the last change of parallelism, in milliseconds.",
    ),
    ("application_restarts_total", "Restarts after a failure."),
    ("application_spilled_bytes", "State on disk, for which memory has no room, in bytes."),
    ("application_state_budget_bytes", "State that memory has room for, in bytes."),
    ("application_state_bytes", "State in memory, in bytes."),
    ("application_watermark_ms", "Smallest watermark over all sources, in milliseconds since the Unix epoch."),
    ("disk_bytes", "Size of the disk that holds the data directory, in bytes."),
    ("disk_free_bytes", "What is free of it, in bytes."),
    ("index_checkpoint_failures_total", "Checkpoints that failed."),
    ("index_checkpoints_total", "Checkpoints taken."),
    ("index_deleted_rows", "Rows that are deleted and not yet removed."),
    ("index_documents", "Documents of an index."),
    ("index_log_bytes_total", "Bytes written to the write-ahead log."),
    ("index_log_syncs_total", "Syncs of the write-ahead log."),
    ("index_memory_bytes", "Memory of an index, in bytes."),
    ("index_open_scrolls", "Scrolls that are open."),
    ("index_refused_documents_total", "Documents refused."),
    ("index_search_seconds_total", "Time taken by searches, in seconds."),
    ("index_searches_total", "Searches answered."),
    ("index_writable", "1 while documents are taken, 0 once the disk has failed."),
    ("index_written_documents_total", "Documents written."),
    ("metrics_damaged_files_total", "Files of metrics that could not be read."),
    ("metrics_files", "Files of metrics on disk."),
    ("metrics_lost_chunks_total", "Spans of metrics given up because the disk did not take them."),
    ("metrics_refused_total", "Values not recorded: too many series, no number, or a clock set back."),
    ("metrics_series", "Series in memory."),
    ("process_cpu_seconds_total", "Time of processors that the platform has taken, in seconds."),
    ("process_memory_bytes", "Memory that the platform takes, in bytes."),
    ("replay_event_time_ms", "Event time of the last record sent, in milliseconds since the Unix epoch."),
    ("replay_lag_ms", "How far the replay is behind its schedule, in milliseconds."),
    ("replay_out_of_order_total", "Rows that came out of order."),
    ("replay_position_rows", "Rows of the source that were worked off."),
    ("replay_put_errors_total", "Puts that failed as a whole."),
    ("replay_puts_total", "Puts sent."),
    ("replay_records_per_s", "Records accepted per second."),
    ("replay_refused_total", "Records that the stream refused."),
    ("replay_retries_total", "Records sent again."),
    ("replay_running", "1 while the replay sends."),
    ("replay_sent_bytes_total", "Bytes accepted."),
    ("replay_sent_records_total", "Records accepted."),
    ("replay_speedup", "How many times faster than the events happened the replay runs."),
    ("replay_unparsable_total", "Rows that could not be read."),
    ("store_commit_seconds_max", "Longest group commit, in seconds."),
    ("store_commit_seconds_total", "Time taken by group commits, in seconds."),
    ("store_commits_total", "Group commits."),
    ("store_disk_bytes", "Disk taken by a shard, in bytes."),
    ("store_disk_written_bytes_total", "Bytes written by group commits, with headers."),
    ("store_failed_records_total", "Records refused because the disk failed or is full."),
    ("store_incoming_bytes_total", "Bytes accepted: payloads and partition keys."),
    ("store_incoming_records_total", "Records accepted."),
    ("store_open_shards", "Shards of a stream that take records."),
    ("store_outgoing_bytes_total", "Bytes handed to readers: payloads and partition keys."),
    ("store_outgoing_records_total", "Records handed to readers."),
    ("store_streams", "Streams."),
    ("store_throttled_reads_total", "Reads refused because a limit was reached."),
    ("store_throttled_records_total", "Records refused because a limit was reached."),
    ("telemetry_failed_messages_total", "Messages of metrics that the collector did not take."),
    ("telemetry_rejected_points_total", "Values that the collector rejected in messages it took."),
    ("telemetry_sent_messages_total", "Messages of metrics that the collector took."),
];

/// The words of a reading, where it has some.
pub(crate) fn help(name: &str) -> Option<&'static str> {
    HELP.binary_search_by_key(&name, |(known, _)| known).ok().map(|place| HELP[place].1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_in_order_and_each_is_found() {
        assert!(HELP.windows(2).all(|pair| pair[0].0 < pair[1].0));
        assert!(HELP.iter().all(|(name, words)| help(name) == Some(*words)));
        assert_eq!(help("other"), None);
    }
}
