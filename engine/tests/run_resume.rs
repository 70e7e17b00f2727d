//! Beginning again: whenever a job is cut down, a new one from the last resume point leaves what an undisturbed one would
//! have left.
#![allow(clippy::unwrap_used, missing_docs, reason = "for tests alone")]

mod run_support;

use engine::run::{JobOptions, JobState, ResumePoint};
use proptest::prelude::*;
use run_support::{EVENTS, Hands, Index, Memory, counts, event, expected_counts, pause, until};
use std::sync::atomic::Ordering;

/// A sink of overlapping windows beside the plain one.
fn both() -> String {
    let one = counts();
    let (tables, insert) = one.split_at(one.find("INSERT").unwrap());
    format!(
        "{tables}CREATE TABLE hops (n BIGINT, s BIGINT, ws TIMESTAMP(3), we TIMESTAMP(3)) WITH ('connector'='index');\n\
         EXECUTE STATEMENT SET BEGIN\n{insert}\n\
         INSERT INTO hops SELECT COUNT(*), SUM(v), window_start, window_end FROM TABLE(HOP(TABLE events, \
         DESCRIPTOR(ts), INTERVAL '5' SECOND, INTERVAL '20' SECOND)) GROUP BY window_start, window_end;\nEND;"
    )
}

fn rows(count: i64, step_ms: i64) -> Vec<(i64, String, i64)> {
    // Some disorder, within the bound of the watermark.
    (0..count).map(|i| (i * step_ms + (i * 7_919) % 900, format!("k{}", i % 5), i)).collect()
}

fn split(all: &[(i64, String, i64)], parts: i64) -> Vec<Vec<String>> {
    let of = |part| all.iter().filter(|r| r.2 % parts == part).map(|(ms, k, v)| event(*ms, k, *v)).collect();
    (0..parts).map(of).collect()
}

/// Runs over the same splits until the end is reached, cut down after each of the given times. Gives the two indices and
/// how often a run began past the start.
fn run_with_kills(all: &[(i64, String, i64)], splits: i64, parallelism: u32, kills: &[u64]) -> (Index, Index, usize) {
    let (index, hops) = (Index::default(), Index::default());
    let mut point = ResumePoint::default();
    let mut skipped = 0;
    for kill in kills.iter().copied().chain([u64::MAX]) {
        let memory = Memory::bounded(split(all, splits));
        let hands = Hands::default().source("events", &memory).index("counts", &index).index("hops", &hops);
        // While runs are cut down, slow writes keep them from ending first.
        index.slow_ms.store(u64::from(kill != u64::MAX), Ordering::SeqCst);
        let options = JobOptions {
            parallelism: Some(parallelism),
            read_bytes: 600,
            resume_interval_ms: 2,
            channel_bytes: 64 * 1024,
            resume: Some(point.clone()),
            ..hands.options()
        };
        // A point survives being written down.
        let text = serde_json::to_string(&point).unwrap();
        assert_eq!(serde_json::from_str::<ResumePoint>(&text).unwrap(), point);
        let job = hands.try_start(&both(), options).unwrap();
        if kill == u64::MAX {
            job.wait().unwrap();
            assert!(matches!(job.state(), JobState::Finished));
        } else {
            pause(kill);
            job.cancel();
        }
        point = job.resume_point();
        drop(job);
        skipped += usize::from(memory.opened.lock().unwrap().values().any(|at| *at > 0));
    }
    (index, hops, skipped)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, ..ProptestConfig::default() })]
    #[test]
    fn a_run_cut_down_anywhere_ends_with_the_same_documents(
        kills in prop::collection::vec(1u64..60, 1..5), splits in 1i64..5, parallelism in 1u32..4
    ) {
        let all = rows(3_000, 100);
        let (index, hops, _) = run_with_kills(&all, splits, parallelism, &kills);
        let (_, undisturbed, _) = run_with_kills(&all, splits, 1, &[]);
        prop_assert_eq!(index.rows(), expected_counts(all.iter()));
        prop_assert_eq!(hops.rows(), undisturbed.rows());
    }
}

#[test]
fn a_run_begins_again_where_it_was_and_not_at_the_start() {
    let all = rows(20_000, 100);
    let (index, _, skipped) = run_with_kills(&all, 3, 2, &[150, 150, 150]);
    assert_eq!(index.rows(), expected_counts(all.iter()));
    assert!(skipped > 0, "no run began past the start");
}

#[test]
fn a_stop_flushes_and_the_next_run_counts_nothing_twice() {
    let all = rows(2_000, 100);
    let memory = Memory::unbounded(2);
    let index = Index::default();
    let hands = Hands::default().source("events", &memory).index("counts", &index);
    let parts = split(&all, 2);
    let half = parts[0].len() / 2;
    memory.push(0, parts[0][..half].iter().cloned());
    memory.push(1, parts[1][..half].iter().cloned());
    let job = hands.start(&counts(), 2);
    until("some windows have closed", || !index.rows().is_empty());
    job.stop();
    assert!(matches!(job.wait().unwrap(), JobState::Stopped));
    let point = job.resume_point();
    let source = &point.sources["events"];
    assert!(source.watermark > 0 && source.splits.values().all(|at| *at > 0), "{point:?}");
    drop(job);
    let shown = index.rows();
    memory.push(0, parts[0][half..].iter().cloned());
    memory.push(1, parts[1][half..].iter().cloned());
    memory.push(0, [event(10_000_000, "end", 0)]);
    memory.push(1, [event(10_000_000, "end", 0)]);
    let job = hands.try_start(&counts(), JobOptions { resume: Some(point), ..hands.options() }).unwrap();
    let expected = expected_counts(all.iter());
    until("the rest", || index.rows().len() >= expected.len());
    assert_eq!(index.rows(), expected);
    assert!(shown.iter().all(|row| expected.contains(row)));
    assert_eq!(job.metrics().late, 0, "rows of finished windows are counted as replayed");
    job.stop();
    job.wait().unwrap();
}

#[test]
fn a_projection_begins_again_where_it_has_flushed() {
    let memory = Memory::bounded(split(&rows(500, 100), 1));
    let index = Index::default();
    let hands = Hands::default().source("events", &memory).index("copies", &index);
    let script = format!(
        "{EVENTS}CREATE TABLE copies (k STRING, v BIGINT, PRIMARY KEY (v) NOT ENFORCED) WITH ('connector'='index');\n\
         INSERT INTO copies SELECT k, v FROM events WHERE v >= 0;"
    );
    let job = hands.start(&script, 1);
    job.wait().unwrap();
    assert_eq!(job.resume_point().sources["events"].splits[&0], 500);
    assert_eq!(index.rows().len(), 500);
    let ids: Vec<String> = index.documents.lock().unwrap().keys().take(2).cloned().collect();
    assert_eq!(ids, ["0", "1"], "the primary key names the documents");
}
