//! State that is larger than its memory: results are the same, memory stays within its bound, and disks that take nothing
//! are told.
#![allow(clippy::unwrap_used, missing_docs, reason = "for tests alone")]

mod run_support;

use engine::run::{JobOptions, JobState, StateMemory};
use run_support::{EVENTS, Hands, Index, Kept, Memory, event, pause, until};

const KEYS: i64 = 20_000;
const BYTES: u64 = 256 << 10;

/// A window in which each key comes twice, far apart, and one row behind it that closes the window.
fn rows() -> Vec<String> {
    let both = (0..2 * KEYS).map(|i| event(i / 7, &format!("key-{}", (i * 7_919) % KEYS), i));
    both.chain([event(3_600_000, "end", 0)]).collect()
}

fn expected(of: impl Fn(i64, i64) -> String) -> Vec<String> {
    let mut sums = vec![0; KEYS as usize];
    (0..2 * KEYS).for_each(|i| sums[((i * 7_919) % KEYS) as usize] += i);
    let mut rows: Vec<String> = (0..KEYS).map(|k| of(k, sums[k as usize])).collect();
    rows.sort();
    rows
}

fn sink(columns: &str, key: &str, query: &str) -> String {
    format!(
        "{EVENTS}CREATE TABLE sums ({columns}, PRIMARY KEY ({key}) NOT ENFORCED) WITH ('connector'='index');\n\
         INSERT INTO sums {query};"
    )
}

/// Runs a query over the rows; gives what it wrote and the greatest bytes in memory and on disk that were seen.
fn run(script: &str, parallelism: u32, memory: Option<u64>) -> (Vec<String>, u64, u64) {
    let (index, all) = (Index::default(), rows());
    let input = Memory::bounded(vec![all]);
    let hands = Hands::default().source("events", &input).index("sums", &index);
    let options = JobOptions { parallelism: Some(parallelism), ..hands.with_memory(memory) };
    let job = hands.try_start(script, options).unwrap();
    let (mut held, mut spilled) = (0, 0);
    while matches!(job.state(), JobState::Running) {
        let metrics = job.metrics();
        (held, spilled) = (held.max(metrics.state_bytes), spilled.max(metrics.spilled_bytes));
        pause(1);
    }
    job.wait().unwrap();
    let rows = index.rows().into_iter().filter(|row| !row.contains("\"end\"")).collect();
    (rows, held, spilled)
}

#[test]
fn windows_larger_than_memory_give_the_same_results() {
    let windows = "TABLE(TUMBLE(TABLE events, DESCRIPTOR(ts), INTERVAL '1' MINUTE))";
    let query = format!("SELECT k, COUNT(*), SUM(v) FROM {windows} GROUP BY window_start, window_end, k");
    let script = sink("k STRING, n BIGINT, s BIGINT", "k", &query);
    let wanted = expected(|k, sum| format!("{{\"k\":\"key-{k}\",\"n\":2,\"s\":{sum}}}"));
    for parallelism in [1, 3] {
        let (free, held, spilled) = run(&script, parallelism, None);
        assert_eq!((&free, spilled), (&wanted, 0));
        assert!(held > 3 * BYTES, "the test is too small: {held}");
        let (bound, held, spilled) = run(&script, parallelism, Some(BYTES));
        assert!(bound == wanted, "{} rows", bound.len());
        // What has room in the memory of all KPUs need not go to disk.
        assert!(if parallelism == 1 { spilled > BYTES } else { spilled > 0 }, "{spilled}");
        // First halves hold up to 16 MiB of what they hand on, which is on its way and not kept.
        assert!(parallelism > 1 || held < 2 * BYTES, "{held}");
    }
}

#[test]
fn overlapping_windows_larger_than_memory_give_the_same_results() {
    let windows = "TABLE(HOP(TABLE events, DESCRIPTOR(ts), INTERVAL '2' SECOND, INTERVAL '4' SECOND))";
    let query = format!("SELECT window_end, k, COUNT(*), SUM(v) FROM {windows} GROUP BY window_start, window_end, k");
    let script = sink("we TIMESTAMP(3), k STRING, n BIGINT, s BIGINT", "we, k", &query);
    let (free, ..) = run(&script, 1, None);
    assert!(free.len() > KEYS as usize);
    for parallelism in [1, 2] {
        let (bound, _, spilled) = run(&script, parallelism, Some(BYTES / 2));
        assert!(bound == free && spilled > 0, "{} rows, {spilled} bytes", bound.len());
    }
}

#[test]
fn rows_by_key_larger_than_memory_give_the_same_results() {
    let script = sink("k STRING, n BIGINT, s BIGINT", "k", "SELECT k, COUNT(*), SUM(v) FROM events GROUP BY k");
    let wanted = expected(|k, sum| format!("{{\"k\":\"key-{k}\",\"n\":2,\"s\":{sum}}}"));
    for parallelism in [1, 3] {
        let (bound, held, spilled) = run(&script, parallelism, Some(BYTES));
        assert!(bound == wanted, "{} rows", bound.len());
        assert!(spilled > 0 && held < 2 * BYTES * u64::from(parallelism), "{held} in memory, {spilled} on disk");
    }
}

/// A job whose state is on disk goes on from its checkpoint with as little memory, and is rescaled.
#[test]
fn state_on_disk_is_restored_and_rescaled() {
    let windows = "TABLE(TUMBLE(TABLE events, DESCRIPTOR(ts), INTERVAL '1' MINUTE))";
    let query = format!(
        "SELECT k, SUM(n), SUM(s) FROM (SELECT k, COUNT(*) AS n, SUM(v) AS s FROM {windows} \
         GROUP BY window_start, window_end, k) GROUP BY k"
    );
    let script = sink("k STRING, n BIGINT, s BIGINT", "k", &query);
    let wanted = expected(|k, sum| format!("{{\"k\":\"key-{k}\",\"n\":2,\"s\":{sum}}}"));
    let (index, kept, all) = (Index::default(), Kept::default(), rows());
    let most = all.len() as u64 - 10;
    for (round, parallelism) in [(0, 2), (1, 3)] {
        let input = if round == 0 { Memory::unbounded(1) } else { Memory::bounded(vec![all.clone()]) };
        if round == 0 {
            input.push(0, all[..all.len() - 10].to_vec());
        }
        let hands = Hands::default().source("events", &input).index("sums", &index);
        let options = JobOptions {
            parallelism: Some(parallelism),
            checkpointing: kept.every(20),
            ..hands.with_memory(Some(BYTES / 2))
        };
        let job = hands.try_start(&script, options).unwrap();
        if round == 0 {
            until("all rows are in the state", || job.metrics().records_in >= most);
            assert!(job.metrics().spilled_bytes > BYTES);
            job.rescale(4).unwrap();
            assert!(job.metrics().spilled_bytes > BYTES);
            let before = job.metrics().records_in;
            assert_eq!(before, most, "nothing is read again");
            job.stop();
        }
        job.wait().unwrap();
    }
    let found: Vec<String> = index.rows().into_iter().filter(|row| !row.contains("\"end\"")).collect();
    assert!(found == wanted, "{} rows", found.len());
}

#[test]
fn a_folder_that_takes_nothing_ends_the_job_and_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, b"").unwrap();
    let script = sink("k STRING, n BIGINT", "k", "SELECT k, COUNT(*) FROM events GROUP BY k");
    let (index, input) = (Index::default(), Memory::bounded(vec![rows()]));
    let hands = Hands::default().source("events", &input).index("sums", &index);
    let memory = StateMemory { bytes_per_kpu: BYTES, spill_dir: file.join("spill") };
    let job = hands.try_start(&script, JobOptions { state_memory: Some(memory), ..hands.options() }).unwrap();
    let error = job.wait().unwrap_err().to_string();
    assert!(error.contains("file/spill") && error.contains("group"), "{error}");
}
