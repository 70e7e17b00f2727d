//! Event time over several splits: nothing is late because another split was faster, idle splits are set aside, early
//! results are replaced by final ones, reshards lose nothing.
#![allow(clippy::unwrap_used, missing_docs, reason = "for tests alone")]

mod run_support;

use engine::run::JobOptions;
use run_support::{EVENTS, Hands, Index, Memory, counts, event, expected_counts, until};

/// Rows in order of time, one each `step_ms`, over three keys.
fn rows(from_ms: i64, count: i64, step_ms: i64) -> Vec<(i64, String, i64)> {
    (0..count).map(|i| (from_ms + i * step_ms, format!("k{}", i % 3), i)).collect()
}

fn lines(rows: &[(i64, String, i64)]) -> Vec<String> {
    rows.iter().map(|(ms, k, v)| event(*ms, k, *v)).collect()
}

#[test]
fn an_uneven_backlog_loses_nothing() {
    // Eight splits over the same day; some hold a hundred times as many rows as others, so that one read of one brings
    // minutes and of another hours.
    let splits: Vec<Vec<(i64, String, i64)>> = [20_000, 200, 5_000, 200, 10_000, 40, 3_000, 900]
        .into_iter()
        .map(|count| rows(1_000, count, 86_400_000 / count))
        .collect();
    let expected = expected_counts(splits.iter().flatten());
    for (parallelism, per_kpu) in [(1, 1), (2, 1), (3, 8), (5, 2), (8, 4)] {
        let memory = Memory::bounded(splits.iter().map(|s| lines(s)).collect());
        let index = Index::default();
        let hands = Hands::default().source("events", &memory).index("counts", &index);
        let options = JobOptions {
            parallelism: Some(parallelism),
            parallelism_per_kpu: per_kpu,
            read_bytes: 8 * 1024,
            ..hands.options()
        };
        let job = hands.try_start(&counts(), options).unwrap();
        job.wait().unwrap();
        let metrics = job.metrics();
        assert_eq!((metrics.late, metrics.bad), (0, 0), "at parallelism {parallelism}");
        assert_eq!(index.rows(), expected, "at parallelism {parallelism}");
        assert_eq!(metrics.watermark, Some(i64::MAX));
        assert!(metrics.splits.iter().all(|s| s.ended), "{:?}", metrics.splits);
        assert_eq!(index.closed.load(std::sync::atomic::Ordering::SeqCst), u64::from(parallelism.div_ceil(per_kpu)));
    }
}

#[test]
fn a_split_without_rows_holds_windows_open_until_it_is_idle() {
    let memory = Memory::unbounded(3);
    let index = Index::default();
    let hands = Hands::default().source("events", &memory).index("counts", &index);
    let script = format!("SET 'table.exec.source.idle-timeout' = '300 ms';\n{}", counts());
    let job = hands.start(&script, 2);
    let all = rows(0, 100, 1_000);
    memory.push(0, lines(&all));
    memory.push(1, lines(&all[..50]));
    // The last event is at 99 s: the window that ends at 90 s closes by the one split that is ahead, once the others
    // are set aside.
    let twice: Vec<_> = all.iter().chain(&all[..50]).cloned().collect();
    let final_rows = expected_counts(twice.iter().filter(|r| r.0 < 90_000));
    until("the split without rows is set aside", || {
        let found = index.rows();
        final_rows.iter().all(|r| found.contains(r))
    });
    let metrics = job.metrics();
    assert!(metrics.splits[2].idle && metrics.late == 0, "{metrics:?}");
    job.stop();
    job.wait().unwrap();
}

#[test]
fn early_results_are_replaced_by_final_ones() {
    for parallelism in [1, 3] {
        let memory = Memory::unbounded(2);
        let index = Index::default();
        let hands = Hands::default().source("events", &memory).index("counts", &index);
        let script = format!("SET 'table.exec.source.idle-timeout' = '200 ms';\n{}", counts());
        let job = hands.start(&script, parallelism);
        let all = rows(0, 60, 500);
        let (left, right): (Vec<_>, Vec<_>) = all.iter().cloned().partition(|r| r.2 % 2 == 0);
        memory.push(0, lines(&left[..23]));
        memory.push(1, lines(&right[..20]));
        let first: Vec<_> = left[..23].iter().chain(&right[..20]).cloned().collect();
        until("everything read is shown while the source rests", || index.rows() == expected_counts(first.iter()));
        assert!(job.metrics().early > 0);
        // The replay continues, one split long before the other: nothing has become late meanwhile.
        memory.push(0, lines(&left[23..]));
        run_support::pause(50);
        memory.push(1, lines(&right[20..]));
        until("everything is shown", || index.rows() == expected_counts(all.iter()));
        assert_eq!(job.metrics().late, 0);
        job.stop();
        job.wait().unwrap();
        assert_eq!(index.rows(), expected_counts(all.iter()));
    }
}

#[test]
fn results_that_could_be_untrue_later_are_not_given_early() {
    let memory = Memory::unbounded(1);
    let (few, many) = (Index::default(), Index::default());
    let hands = Hands::default().source("events", &memory).index("few", &few).index("many", &many);
    let sink = |name: &str, having: &str| {
        format!(
            "INSERT INTO {name} SELECT k, COUNT(*), window_end FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(ts), \
             INTERVAL '10' SECOND)) GROUP BY window_start, window_end, k HAVING {having};\n"
        )
    };
    let table =
        |name: &str| format!("CREATE TABLE {name} (k STRING, n BIGINT, we TIMESTAMP(3)) WITH ('connector'='index');\n");
    let script = format!(
        "SET 'table.exec.source.idle-timeout' = '100 ms';\n{EVENTS}{}{}EXECUTE STATEMENT SET BEGIN\n{}{}END;",
        table("few"),
        table("many"),
        sink("few", "COUNT(*) < 3"),
        sink("many", "COUNT(*) > 1"),
    );
    let job = hands.start(&script, 1);
    memory.push(0, lines(&rows(0, 6, 100)));
    until("two of each key are more than one", || many.rows().len() == 3);
    assert_eq!(few.rows(), Vec::<String>::new(), "there may be more of them yet");
    memory.push(0, lines(&rows(700, 6, 100)));
    memory.push(0, [event(30_000, "end", 0)]);
    until("four of each key", || many.rows().iter().filter(|r| r.contains("\"n\":4")).count() == 3);
    assert_eq!(few.rows(), Vec::<String>::new());
    job.stop();
    job.wait().unwrap();
}

#[test]
fn a_reshard_loses_nothing() {
    for parallelism in [1, 2, 4] {
        let memory = Memory::unbounded(2);
        let index = Index::default();
        let hands = Hands::default().source("events", &memory).index("counts", &index);
        let job = hands.start(&counts(), parallelism);
        let all = rows(0, 4_000, 100);
        let part = |from: usize, to: usize, modulo: i64, rest: i64| -> Vec<String> {
            lines(&all[from..to].iter().filter(|r| r.2 % modulo == rest).cloned().collect::<Vec<_>>())
        };
        memory.push(0, part(0, 1_000, 2, 0));
        memory.push(1, part(0, 1_000, 2, 1));
        // Split 0 becomes 2 and 3; their rows are there before anyone has read the parent to its end.
        let (two, three) = (memory.add(&[0]), memory.add(&[0]));
        memory.push(two, part(1_000, 2_500, 4, 0));
        memory.push(three, part(1_000, 2_500, 4, 2));
        memory.end(0);
        memory.push(1, part(1_000, 2_500, 2, 1));
        // 1 and 3 are merged into 4. As in a stream, the child is there no later than its parents' ends.
        let four = memory.add(&[1, three]);
        memory.end(1);
        memory.end(three);
        memory.push(two, part(2_500, 4_000, 4, 0));
        let merged: Vec<_> = all[2_500..].iter().filter(|r| r.2 % 4 != 0).cloned().collect();
        memory.push(four, lines(&merged));
        memory.push(two, [event(10_000_000, "end", 0)]);
        memory.push(four, [event(10_000_000, "end", 0)]);
        let expected = expected_counts(all.iter());
        until("all windows before the end", || index.rows().len() >= expected.len());
        assert_eq!(index.rows(), expected, "at parallelism {parallelism}");
        assert_eq!(job.metrics().late, 0);
        job.stop();
        job.wait().unwrap();
    }
}

#[test]
fn late_rows_are_counted_and_shown() {
    let all = [event(1_000, "a", 1), event(25_000, "a", 2), event(2_000, "a", 3), event(26_000, "a", 4)];
    let memory = Memory::bounded(vec![all.to_vec()]);
    let index = Index::default();
    let hands = Hands::default().source("events", &memory).index("counts", &index);
    let job = hands.start(&counts(), 2);
    job.wait().unwrap();
    assert_eq!(job.metrics().late, 1);
    let late = job.late_samples();
    assert!(late[0].text.contains(":3,"), "{late:?}");
    assert_eq!(index.rows().len(), 2);
}
