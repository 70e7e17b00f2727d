//! Operators that keep rows by key end with the same documents however the work is cut, killed, stopped or rescaled.
#![allow(clippy::unwrap_used, missing_docs, reason = "for tests alone")]

mod run_support;

use engine::run::{JobOptions, JobState};
use proptest::prelude::*;
use run_support::blows::{Blow, blows, deal};
use run_support::{EVENTS, Hands, Index, Kept, Memory, event};
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

/// Name, columns and key of a sink, and its query.
const SINKS: [(&str, &str, &str, &str); 12] = [
    (
        "by_key",
        "k STRING, n BIGINT, s BIGINT, mx BIGINT, d BIGINT",
        "k",
        "SELECT k, COUNT(*), SUM(v), MAX(v), COUNT(DISTINCT MOD(v, 7)) FROM events GROUP BY k",
    ),
    (
        "counts_of_counts",
        "n BIGINT, keys BIGINT, mx STRING",
        "n",
        "SELECT n, COUNT(*), MAX(k) FROM (SELECT k, MOD(v, 13) AS m, COUNT(*) AS n FROM events GROUP BY k, MOD(v, 13)) \
         GROUP BY n",
    ),
    (
        "top_three",
        "k STRING, rn BIGINT, v BIGINT",
        "k, rn",
        "SELECT k, rn, v FROM (SELECT k, v, ROW_NUMBER() OVER (PARTITION BY k ORDER BY MOD(v * 7919, 1009) DESC, v) AS rn \
         FROM events) WHERE rn <= 3",
    ),
    (
        "top_rows",
        "k STRING, v BIGINT",
        "v",
        "SELECT k, v FROM (SELECT k, v, ROW_NUMBER() OVER (PARTITION BY k ORDER BY MOD(v * 7919, 1009) DESC, v) AS rn \
         FROM events) WHERE rn <= 3",
    ),
    (
        "top_groups",
        "rn BIGINT, m BIGINT, n BIGINT",
        "rn",
        "SELECT rn, m, n FROM (SELECT m, n, ROW_NUMBER() OVER (ORDER BY n DESC, m) AS rn FROM \
         (SELECT MOD(v * v, 37) AS m, COUNT(*) AS n FROM events GROUP BY MOD(v * v, 37))) WHERE rn <= 4",
    ),
    (
        "big_groups",
        "m BIGINT, n BIGINT",
        "m",
        "SELECT MOD(v, 11), COUNT(*) FROM events GROUP BY MOD(v, 11) HAVING MOD(COUNT(*), 2) = 0",
    ),
    (
        "newest",
        "k STRING, v BIGINT",
        "k",
        "SELECT k, v FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY k ORDER BY ts DESC, v DESC) AS rn FROM events) WHERE rn = 1",
    ),
    (
        "window_top",
        "we TIMESTAMP(3), rn BIGINT, v BIGINT",
        "we, rn",
        "SELECT window_end, rn, v FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY window_start, window_end ORDER BY v DESC) \
         AS rn FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(ts), INTERVAL '10' SECOND))) WHERE rn <= 2",
    ),
    (
        "sessions",
        "ws TIMESTAMP(3), we TIMESTAMP(3), m BIGINT, n BIGINT, s BIGINT",
        "ws, m",
        "SELECT window_start, window_end, m, COUNT(*), SUM(v) FROM TABLE(SESSION(TABLE marked PARTITION BY m, \
         DESCRIPTOR(ts), INTERVAL '1.5' SECOND)) GROUP BY window_start, window_end, m",
    ),
    (
        "overs",
        "v BIGINT, n BIGINT, s BIGINT, mx BIGINT",
        "v",
        "SELECT v, COUNT(*) OVER w, SUM(v) OVER w, MIN(v) OVER w FROM events \
         WINDOW w AS (PARTITION BY k ORDER BY ts RANGE BETWEEN INTERVAL '5' SECOND PRECEDING AND CURRENT ROW)",
    ),
    (
        "paired",
        "v BIGINT, w BIGINT",
        "v, w",
        "SELECT a.v, COALESCE(b.v, -1) FROM events AS a LEFT JOIN events AS b ON a.k = b.k AND MOD(b.v, 3) = 0 AND \
         b.ts BETWEEN a.ts - INTERVAL '1' SECOND AND a.ts + INTERVAL '2' SECOND",
    ),
    (
        "matched",
        "k STRING, m BIGINT, n BIGINT",
        "k, m",
        "SELECT a.k, COALESCE(b.m, -1), COALESCE(b.n, 0) FROM (SELECT DISTINCT k FROM events) AS a LEFT JOIN \
         (SELECT k, MOD(v, 5) AS m, COUNT(*) AS n FROM events WHERE MOD(v, 4) = 1 GROUP BY k, MOD(v, 5)) AS b ON a.k = b.k",
    ),
];

fn script() -> String {
    let table = |(name, columns, key, _): &(&str, &str, &str, &str)| {
        format!("CREATE TABLE {name} ({columns}, PRIMARY KEY ({key}) NOT ENFORCED) WITH ('connector'='index');\n")
    };
    let insert = |(name, _, _, query): &(&str, &str, &str, &str)| format!("INSERT INTO {name} {query};\n");
    let tables: String = SINKS.iter().map(table).collect();
    let inserts: String = SINKS.iter().map(insert).collect();
    let view = "CREATE VIEW marked AS SELECT ts, v, MOD(v * v, 23) AS m FROM events;\n";
    format!("{EVENTS}{view}{tables}EXECUTE STATEMENT SET BEGIN\n{inserts}END;")
}

fn rows(count: i64) -> Vec<String> {
    // Some disorder, within the bound of the watermark.
    (0..count).map(|i| event(i * 100 + (i * 7_919) % 900, &format!("k{}", i % 5), i)).collect()
}

fn split(all: &[String], parts: usize) -> Vec<Vec<String>> {
    (0..parts).map(|part| all.iter().skip(part).step_by(parts).cloned().collect()).collect()
}

type Documents = BTreeMap<String, BTreeMap<String, String>>;

fn run(
    all: &[String],
    splits: usize,
    (mut parallelism, read_bytes): (u32, usize),
    bytes_per_kpu: Option<u64>,
    blows: &[(u64, Blow)],
) -> Documents {
    let kept = Kept::default();
    let indices: Vec<(String, Index)> = SINKS.iter().map(|s| (s.0.to_owned(), Index::default())).collect();
    let mut blows = blows.iter();
    loop {
        let memory = Memory::bounded(split(all, splits));
        let hands = indices.iter().fold(Hands::default().source("events", &memory), |h, (n, i)| h.index(n, i));
        // While there are blows to come, slow writes keep runs from ending first.
        indices.iter().for_each(|(_, i)| i.slow_ms.store(u64::from(blows.len() > 0), Ordering::SeqCst));
        let options = JobOptions {
            parallelism: Some(parallelism),
            read_bytes,
            channel_bytes: 64 * 1024,
            checkpointing: kept.every(3),
            ..hands.with_memory(bytes_per_kpu)
        };
        let job = hands.try_start(&script(), options).unwrap();
        let Some(to) = deal(&job, &mut blows) else {
            indices.iter().for_each(|(_, i)| i.slow_ms.store(0, Ordering::SeqCst));
            job.wait().unwrap();
            assert!(matches!(job.state(), JobState::Finished));
            assert_eq!((job.metrics().late, job.metrics().bad), (0, 0));
            return indices.iter().map(|(n, i)| (n.clone(), i.documents.lock().unwrap().clone())).collect();
        };
        parallelism = to;
    }
}

fn differences(found: &Documents, expected: &Documents) -> Vec<String> {
    let mut all = Vec::new();
    for (name, expected) in expected {
        let found = &found[name];
        for id in found.keys().chain(expected.keys()).filter(|id| found.get(*id) != expected.get(*id)) {
            all.push(format!("{name} {id}: {:?} instead of {:?}", found.get(id), expected.get(id)));
        }
    }
    all
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]
    #[test]
    fn however_the_work_is_cut_the_documents_are_the_same(
        blows in blows(1_u32..7, 1_u64..60, 0..6), splits in 1_usize..4, parallelism in 1_u32..9, read_bytes in 100_usize..5_000,
        memory in prop::sample::select(vec![None, Some(300_000), Some(1_000_000)]),
    ) {
        let all = rows(1_200);
        let expected = run(&all, 1, (1, 1 << 20), None, &[]);
        let found = run(&all, splits, (parallelism, read_bytes), memory, &blows);
        let differ = differences(&found, &expected);
        prop_assert!(differ.is_empty(), "{} differ: {:#?}", differ.len(), &differ[..differ.len().min(12)]);
    }
}

/// The documents of an undisturbed run against what a few lines compute from the rows.
#[test]
fn documents_are_those_that_the_rows_tell() {
    let documents = run(&rows(1_200), 1, (2, 700), None, &[]);
    let sum = |k: i64| (0..1_200).filter(|i| i % 5 == k).sum::<i64>();
    let group = |k: i64| format!("{{\"k\":\"k{k}\",\"n\":240,\"s\":{},\"mx\":{},\"d\":7}}", sum(k), 1_195 + k);
    for k in 0..5 {
        assert_eq!(documents["by_key"][&format!("k{k}")], group(k));
        assert_eq!(documents["newest"].len(), 5);
    }
    let mut sizes: BTreeMap<(i64, i64), i64> = BTreeMap::new();
    (0..1_200).for_each(|i| *sizes.entry((i % 5, i % 13)).or_default() += 1);
    let mut counts: BTreeMap<i64, i64> = BTreeMap::new();
    sizes.values().for_each(|n| *counts.entry(*n).or_default() += 1);
    assert_eq!(documents["counts_of_counts"].len(), counts.len());
    for (n, keys) in counts {
        assert!(documents["counts_of_counts"][&n.to_string()].contains(&format!("\"keys\":{keys},")), "{n}");
    }
    let mut even: BTreeMap<i64, i64> = BTreeMap::new();
    (0..1_200).for_each(|i| *even.entry(i % 11).or_default() += 1);
    even.retain(|_, n| *n % 2 == 0);
    assert_eq!(documents["big_groups"].len(), even.len());
    assert_eq!((documents["top_three"].len(), documents["top_rows"].len(), documents["top_groups"].len()), (15, 15, 4));
    assert_eq!(documents["overs"].len(), 1_200);
}
