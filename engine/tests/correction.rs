//! Windows computed anew are those of the same rows in order, and nothing else is written.
#![allow(clippy::unwrap_used, missing_docs, reason = "for tests alone")]

mod run_support;

use engine::run::{CorrectedWindow, Correction, Job, JobOptions, JobState, Restore, earlier_than};
use proptest::prelude::*;
use run_support::{EVENTS, Hands, Index, Memory, counts, event, expected_counts};
use std::collections::{BTreeMap, BTreeSet};

fn late(operator: &str, ends: &[i64]) -> BTreeMap<String, BTreeSet<i64>> {
    BTreeMap::from([(operator.to_owned(), ends.iter().copied().collect())])
}

/// The name of the only aggregation of windows of a script.
fn operator(hands: &Hands, script: &str) -> String {
    let all: BTreeMap<_, _> = (0..20).map(|id| (format!("window aggregate {id}"), BTreeSet::from([10_000]))).collect();
    let found = Correction::of(&hands.plan(script), hands, &all);
    assert_eq!(found.operators.len(), 1, "{:?}", found.refused);
    found.operators[0].operator.clone()
}

fn windows(script: &str, end: i64) -> Vec<(i64, i64)> {
    let hands = Hands::default().source("events", &Memory::unbounded(1)).index("counts", &Index::default());
    let found = Correction::of(&hands.plan(script), &hands, &late(&operator(&hands, script), &[end]));
    found.operators[0].windows.iter().map(|w: &CorrectedWindow| (w.start_ms, w.end_ms)).collect()
}

#[test]
fn all_windows_of_a_late_row_are_computed_anew() {
    let of = |table: &str| counts().replace("TUMBLE(TABLE events, DESCRIPTOR(ts), INTERVAL '10' SECOND)", table);
    assert_eq!(windows(&counts(), 20_000), [(10_000, 20_000)]);
    let hop = of("HOP(TABLE events, DESCRIPTOR(ts), INTERVAL '5' SECOND, INTERVAL '15' SECOND)");
    assert_eq!(windows(&hop, 30_000), [(5_000, 20_000), (10_000, 25_000), (15_000, 30_000)]);
    let cumulate = of("CUMULATE(TABLE events, DESCRIPTOR(ts), INTERVAL '5' SECOND, INTERVAL '10' SECOND)");
    assert_eq!(windows(&cumulate, 20_000), [(10_000, 15_000), (10_000, 20_000)]);
}

#[test]
fn what_cannot_be_replaced_by_itself_is_refused_with_the_reason() {
    let hands = Hands::default().source("events", &Memory::unbounded(1)).index("counts", &Index::default());
    let refused = |script: &str| {
        let all: BTreeMap<_, _> = (0..20).map(|id| (format!("window aggregate {id}"), BTreeSet::from([0]))).collect();
        let found = Correction::of(&hands.plan(script), &hands, &all);
        assert!(found.operators.is_empty(), "{:?}", found.operators);
        found.refused.into_values().collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>().join("; ")
    };
    let small = counts().replace("window_end, k;", "window_end, k HAVING COUNT(*) < 3;");
    assert!(refused(&small).contains("need not replace old ones"), "{}", refused(&small));
    let over = "CREATE VIEW sums AS SELECT ts, k, SUM(v) OVER (PARTITION BY k ORDER BY ts) AS v FROM events;\nINSERT";
    let through = counts().replace("TABLE events,", "TABLE sums,").replacen("INSERT", over, 1);
    assert!(refused(&through).contains("keeps rows of its own"), "{}", refused(&through));
    let plan = hands.plan(&counts());
    let other = Correction::of(&plan, &hands, &late("session 3", &[0]));
    assert!(other.refused["session 3"].contains("no such aggregation"));
}

#[test]
fn what_is_gone_was_earlier_than_what_is_left_allows() {
    let memory = Memory::bounded(vec![vec![event(50_000, "a", 1), event(49_500, "a", 2)], vec![event(7_000, "b", 3)]]);
    let hands = Hands::default().source("events", &memory).index("counts", &Index::default());
    let correction = Correction::of(&hands.plan(&counts()), &hands, &late(&operator(&hands, &counts()), &[10_000]));
    let sources = correction.sources();
    assert_eq!(sources.len(), 1);
    let options = JobOptions { restore: Restore::Nothing, ..hands.options() };
    assert_eq!(earlier_than(&sources[0], options).unwrap(), Some(51_001));
    assert!(EVENTS.contains("INTERVAL '1' SECOND"));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn results_are_those_of_rows_in_order(
        rows in prop::collection::vec((0i64..60_000, 0u8..4, 0i64..100), 1..200),
        chosen in prop::collection::btree_set(1i64..8, 1..4),
        parallelism in 1u32..4,
    ) {
        let rows: Vec<(i64, String, i64)> = rows.into_iter().map(|(ms, k, v)| (ms, format!("k{k}"), v)).collect();
        let mut splits = vec![Vec::new(); 3];
        rows.iter().enumerate().for_each(|(i, (ms, k, v))| splits[i % 3].push(event(*ms, k, *v)));
        let index = Index::default();
        let hands = Hands::default().source("events", &Memory::bounded(splits)).index("counts", &index);
        let ends: Vec<i64> = chosen.iter().map(|end| end * 10_000).collect();
        let correction = Correction::of(&hands.plan(&counts()), &hands, &late(&operator(&hands, &counts()), &ends));
        let options = JobOptions { parallelism: Some(parallelism), restore: Restore::Nothing, ..hands.options() };
        let job = Job::start(correction.plan(), options).unwrap();
        prop_assert!(matches!(job.wait().unwrap(), JobState::Finished));
        let of_chosen = rows.iter().filter(|(ms, ..)| ends.contains(&(ms.div_euclid(10_000) * 10_000 + 10_000)));
        prop_assert_eq!(index.rows(), expected_counts(of_chosen));
        prop_assert_eq!(job.metrics().late, 0);
    }
}
