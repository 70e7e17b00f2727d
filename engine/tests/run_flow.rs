//! Results do not depend on parallelism, threads or the size of batches; queues stay bounded; failures surface.
#![allow(clippy::unwrap_used, missing_docs, reason = "for tests alone")]

mod run_support;

use engine::run::{JobError, JobOptions, JobState};
use model::{Classified, Kind};
use proptest::prelude::*;
use run_support::{EVENTS, Hands, Index, Memory, counts, event, expected_counts, pause, until};
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn results_are_the_same_however_the_work_is_cut(
        rows in prop::collection::vec((0i64..900, "[a-d]{0,2}|.*", any::<i32>()), 0..400),
        splits in 1usize..6, parallelism in prop::sample::select(vec![1u32, 2, 3, 5, 8, 17, 64]), per_kpu in 1u32..9, read_bytes in 1usize..4_000,
        slide in prop::sample::select(vec![5i64, 10, 20]), pre_aggregate_bytes_max in 1usize..20_000,
    ) {
        // Rows a tenth of a second apart with disorder below the bound.
        let all: Vec<(i64, String, i64)> = rows.into_iter().enumerate()
            .map(|(i, (jitter, key, v))| (i as i64 * 100 + jitter, key, i64::from(v))).collect();
        let mut parts: Vec<Vec<String>> = vec![Vec::new(); splits];
        for (i, (ms, key, v)) in all.iter().enumerate() {
            let text = event(*ms, "@", *v).replace("\"@\"", &serde_json::to_string(key).unwrap());
            parts[(i * 31) % splits].push(text);
        }
        let memory = Memory::bounded(parts);
        let (index, hops) = (Index::default(), Index::default());
        let hands = Hands::default().source("events", &memory).index("counts", &index).index("hops", &hops);
        let one = counts();
        let (tables, insert) = one.split_at(one.find("INSERT").unwrap());
        let script = format!(
            "{tables}CREATE TABLE hops (k STRING, n BIGINT, lo BIGINT, hi BIGINT, we TIMESTAMP(3)) \
             WITH ('connector'='index');\nEXECUTE STATEMENT SET BEGIN\n{insert}\n\
             INSERT INTO hops SELECT k, COUNT(*), MIN(v), MAX(v), window_end FROM TABLE(HOP(TABLE events, \
             DESCRIPTOR(ts), INTERVAL '{slide}' SECOND, INTERVAL '20' SECOND)) GROUP BY window_start, window_end, k;\nEND;"
        );
        let options = JobOptions {
            parallelism: Some(parallelism),
            parallelism_per_kpu: per_kpu,
            read_bytes,
            pre_aggregate_bytes_max,
            channel_bytes: 64 * 1024,
            ..hands.options()
        };
        let job = hands.try_start(&script, options).unwrap();
        job.wait().unwrap();
        prop_assert_eq!((job.metrics().late, job.metrics().bad), (0, 0));
        prop_assert_eq!(parse(&index.rows()), parse(&expected(&all)));
        prop_assert_eq!(parse(&hops.rows()), expected_hops(&all, slide * 1_000));
    }
}

/// The expected counts, whatever the keys are.
fn expected(all: &[(i64, String, i64)]) -> Vec<String> {
    let hex = |key: &str| key.bytes().map(|b| format!("{b:02x}")).collect::<String>();
    let names: BTreeMap<String, &str> = all.iter().map(|(_, key, _)| (hex(key), key.as_str())).collect();
    let coded: Vec<(i64, String, i64)> = all.iter().map(|(ms, key, v)| (*ms, hex(key), *v)).collect();
    let named = |row: &String| {
        let mut row: serde_json::Value = serde_json::from_str(row).unwrap();
        row["k"] = names[row["k"].as_str().unwrap()].into();
        row.to_string()
    };
    expected_counts(coded.iter()).iter().map(named).collect()
}

fn parse(rows: &[String]) -> Vec<String> {
    let mut parsed: Vec<String> =
        rows.iter().map(|r| serde_json::from_str::<serde_json::Value>(r).unwrap().to_string()).collect();
    parsed.sort();
    parsed
}

fn expected_hops(all: &[(i64, String, i64)], slide: i64) -> Vec<String> {
    let mut groups: BTreeMap<(i64, &str), Vec<i64>> = BTreeMap::new();
    for (ms, key, v) in all {
        let mut start = ms.div_euclid(slide) * slide;
        while start + 20_000 > *ms {
            groups.entry((start + 20_000, key)).or_default().push(*v);
            start -= slide;
        }
    }
    let shown = |((end, key), values): (&(i64, &str), &Vec<i64>)| {
        let we = chrono::DateTime::from_timestamp_millis(*end).unwrap().format("%Y-%m-%d %H:%M:%S").to_string();
        let (lo, hi) = (values.iter().min().unwrap(), values.iter().max().unwrap());
        serde_json::json!({"k": key, "n": values.len(), "lo": lo, "hi": hi, "we": we}).to_string()
    };
    let mut rows: Vec<String> = groups.iter().map(shown).collect();
    rows.sort();
    rows
}

fn copies() -> String {
    format!(
        "{EVENTS}CREATE TABLE copies (k STRING, v BIGINT, ts TIMESTAMP_LTZ(3)) WITH ('connector'='index');\n\
         INSERT INTO copies SELECT k, v, ts FROM events;"
    )
}

#[test]
fn a_slow_sink_holds_the_source_back() {
    let lines: Vec<String> = (0..60_000).map(|i| event(i * 10, "key", i)).collect();
    let total: u64 = lines.iter().map(|l| l.len() as u64).sum();
    let memory = Memory::bounded(vec![lines]);
    let index = Index::default();
    index.slow_ms.store(20, Ordering::SeqCst);
    let hands = Hands::default().source("events", &memory).index("copies", &index);
    let options = JobOptions {
        read_bytes: 16 * 1024,
        channel_bytes: 64 * 1024,
        checkpointing: <_>::default(),
        ..hands.options()
    };
    let job = hands.try_start(&copies(), options).unwrap();
    let mut ahead = 0;
    while !job.wait_for(std::time::Duration::from_millis(3)) {
        let written = index.writes.load(Ordering::SeqCst) * total / 60_000;
        ahead = ahead.max(memory.bytes_read.load(Ordering::SeqCst).saturating_sub(written));
        if index.writes.load(Ordering::SeqCst) > 20_000 {
            index.slow_ms.store(0, Ordering::SeqCst);
        }
    }
    assert_eq!(index.rows().len(), 60_000);
    assert!(ahead < 600 * 1024, "{ahead} bytes were read ahead of a sink that did not take them");
    let subtask = job.operators()[0].subtasks[0];
    assert!(subtask.backpressured_ms > 0, "{subtask:?}");
    assert_eq!(subtask.reads.bytes, memory.bytes_read.load(Ordering::SeqCst));
    assert_eq!(subtask.reads.requested_bytes, subtask.reads.reads * 16 * 1024);
    let (nothing, sink) = (subtask.sink, job.operators().pop().unwrap().subtasks[0]);
    assert_eq!((nothing.write_us, sink.reads.reads), (0, 0), "each tells its own");
    // Each of the writes of the first third waited for 20 ms, and none of that is told as a flush.
    assert!(sink.sink.write_us > 40_000 && sink.sink.write_us <= sink.busy_us + 1_000, "{sink:?}");
    assert!(sink.sink.flushes > 0 && sink.sink.flush_us < sink.sink.write_us, "{sink:?}");
}

#[test]
fn rows_that_a_sink_did_not_take_at_once_are_counted_while_it_runs() {
    let memory = Memory::bounded(vec![(0..10).map(|i| event(i * 10, "key", i)).collect()]);
    let index = Index::default();
    index.refusals.refused(5);
    index.refusals.retried(3);
    let hands = Hands::default().source("events", &memory).index("copies", &index);
    let job = hands.start(&copies(), 1);
    index.refusals.refused(2);
    let sink = job.operators().pop().unwrap().subtasks[0].sink;
    assert_eq!((sink.refused, sink.retried), (7, 3));
    job.wait().unwrap();
}

#[test]
fn a_sink_says_how_long_its_rows_may_wait() {
    let memory = Memory::unbounded(1);
    let patient = Index { flush_interval: Some(std::time::Duration::MAX), ..Index::default() };
    let (usual, hands) = (Index::default(), Hands::default().source("events", &memory));
    let hands = hands.index("copies", &usual).index("others", &patient);
    let (tables, insert) = copies().split_once("INSERT").map(|(t, i)| (t.to_owned(), i.to_owned())).unwrap();
    let others = tables.rsplit_once("CREATE").unwrap().1.replace("copies", "others");
    let script = format!(
        "{tables}CREATE{others}EXECUTE STATEMENT SET BEGIN INSERT{insert} INSERT{} END;",
        insert.replace("copies", "others")
    );
    let job = hands.start(&script, 1);
    memory.push(0, (0..10).map(|i| event(i * 10, "key", i)));
    until("both were written", || patient.writes.load(Ordering::SeqCst) == 10 && usual.rows().len() == 10);
    assert_eq!(patient.rows().len(), 0, "nobody has flushed");
    job.stop();
    job.wait().unwrap();
    assert_eq!(patient.rows().len(), 10);
}

#[test]
fn failures_surface_with_their_first_cause() {
    for parallelism in [1, 3] {
        let memory = Memory::bounded(vec![(0..2_000).map(|i| event(i * 100, "k", i)).collect()]);
        let index = Index::default();
        let hands = Hands::default().source("events", &memory).index("counts", &index);
        index.broken.store(true, Ordering::SeqCst);
        let job = hands.start(&counts(), parallelism);
        let error = job.wait().unwrap_err();
        assert_eq!((error.to_string().as_str(), error.kind()), ("counts: the index is on fire", Kind::Unavailable));
        assert!(matches!(job.state(), JobState::Failed(_)));
        index.broken.store(false, Ordering::SeqCst);
        index.panics.store(true, Ordering::SeqCst);
        let error = hands.start(&counts(), parallelism).wait().unwrap_err();
        assert!(error.to_string().contains("panics as it was told"), "{error}");
        assert_eq!(error.kind(), Kind::Internal);
    }
}

#[test]
fn bad_records_are_counted_and_shown_and_may_fail_the_job() {
    let lines = || vec![event(1_000, "a", 1), "garbage".into(), event(2_000, "a", 2), r#"{"v":"x"}"#.into()];
    let index = Index::default();
    let hands = Hands::default().source("events", &Memory::bounded(vec![lines()])).index("counts", &index);
    let job = hands.start(&counts(), 1);
    job.wait().unwrap();
    assert_eq!((job.metrics().bad, index.rows().len()), (2, 1));
    let samples = job.bad_samples();
    assert_eq!((samples[0].place.as_str(), samples[0].split.as_str()), ("events", "split-0"));
    assert_eq!((samples[0].position, samples[0].text.as_str()), (1, "garbage"));
    assert!(samples[1].reason.starts_with("column v"), "{samples:?}");

    let strict = hands.try_start(&counts(), JobOptions { strict: true, ..hands.options() }).unwrap();
    let error = strict.wait().unwrap_err();
    assert!(matches!(error, JobError::BadRecord { position: 1, .. }), "{error}");
}

#[test]
fn a_select_gives_its_rows_and_ends_when_nobody_takes_them() {
    let memory = Memory::bounded(vec![(0..50_000).map(|i| event(i * 10, "k", i)).collect()]);
    let hands = Hands::default().source("events", &memory);
    let script = format!("{EVENTS}SELECT k, v FROM events WHERE MOD(v, 2) = 0;");
    let job = hands.start(&script, 2);
    let (schema, rows) = job.collected().unwrap();
    assert_eq!(schema.fields.len(), 2);
    let count: usize = rows.iter().map(|b| b.num_rows()).sum();
    assert_eq!(count, 25_000);
    job.wait().unwrap();
    let abandoned = hands.start(&script, 2);
    pause(20);
    drop(abandoned);
}

#[test]
fn aggregates_of_aggregates_and_unions_keep_their_windows() {
    let all: Vec<(i64, String, i64)> = (0..5_000).map(|i| (i * 37, format!("k{}", i % 7), i)).collect();
    for parallelism in [1, 2, 5] {
        let parts = |rest: i64| -> Vec<String> {
            all.iter().filter(|r| r.2 % 2 == rest).map(|(ms, k, v)| event(*ms, k, *v)).collect()
        };
        let (left, right) = (Memory::bounded(vec![parts(0)]), Memory::bounded(vec![parts(1)]));
        let index = Index::default();
        let hands = Hands::default().source("events", &left).source("others", &right).index("most", &index);
        let script = format!(
            "{EVENTS}{}CREATE TABLE most (n BIGINT, we TIMESTAMP(3)) WITH ('connector'='index');\n\
             CREATE TEMPORARY VIEW everything AS SELECT * FROM events UNION ALL SELECT * FROM others;\n\
             CREATE TEMPORARY VIEW per_key AS SELECT window_start AS ws, window_end AS we, k, COUNT(*) AS n \
             FROM TABLE(TUMBLE(TABLE everything, DESCRIPTOR(ts), INTERVAL '10' SECOND)) GROUP BY window_start, window_end, k;\n\
             INSERT INTO most SELECT MAX(n), we FROM per_key GROUP BY ws, we;",
            EVENTS.replace("TABLE events", "TABLE others"),
        );
        let job = hands.start(&script, parallelism);
        job.wait().unwrap();
        let mut windows: BTreeMap<i64, BTreeMap<&str, usize>> = BTreeMap::new();
        for (ms, key, _) in &all {
            *windows.entry(ms / 10_000).or_default().entry(key).or_default() += 1;
        }
        let mut expected: Vec<usize> = windows.values().map(|w| *w.values().max().unwrap()).collect();
        expected.sort_unstable();
        let of = |r: &String| serde_json::from_str::<serde_json::Value>(r).unwrap()["n"].as_u64().unwrap() as usize;
        let mut found: Vec<usize> = index.rows().iter().map(of).collect();
        found.sort_unstable();
        assert_eq!(found, expected, "at parallelism {parallelism}");
        assert_eq!(job.metrics().late, 0);
    }
}

#[test]
fn an_idle_job_does_not_spin() {
    let memory = Memory::unbounded(4);
    let hands = Hands::default().source("events", &memory).index("counts", &Index::default());
    let job = hands.try_start(&counts(), JobOptions { checkpointing: <_>::default(), ..hands.options() }).unwrap();
    pause(600);
    let busy: u64 = job.operators().iter().flat_map(|o| &o.subtasks).map(|s| s.busy_us / 1_000).sum();
    assert!(busy < 100, "{busy} ms busy in 600 ms without a row");
    memory.push(3, [event(1_000, "a", 1)]);
    until("the row is read", || job.metrics().records_in == 1);
    job.stop();
    job.wait().unwrap();
}

#[test]
fn a_job_keeps_to_the_pace_of_its_kpus_and_is_busy_meanwhile() {
    const PER_S: u64 = 2_000;
    for (parallelism, per_kpu, kpus) in [(1, 1, 1), (3, 2, 2)] {
        let copies: Vec<_> = (0..4).map(|s| (0..5_000).map(|i| event(i * 4 + s, "k", i)).collect()).collect();
        let (memory, index) = (Memory::bounded(copies), Index::default());
        let hands = Hands::default().source("events", &memory).index("counts", &index);
        let (env, clock) = model::Env::manual(0, 1);
        let options = JobOptions {
            env,
            parallelism: Some(parallelism),
            parallelism_per_kpu: per_kpu,
            records_per_kpu_s: Some(PER_S),
            read_bytes: 4 * 1024,
            ..hands.options()
        };
        let job = hands.try_start(&counts(), options).unwrap();
        let read = || job.metrics().records_in;
        // What one read brings may be too much by as much.
        let block = 200;
        until("the first reads", || read() >= kpus * PER_S / 10);
        pause(50);
        assert!(read() <= kpus * (PER_S / 10 + block), "{} at once on {kpus} KPUs", read());
        let (before, busy) = (read(), || job.operators()[0].subtasks.iter().map(|s| s.busy_us / 1_000).sum::<u64>());
        clock.advance_ms(100);
        until("the next reads", || read() > before);
        assert!(busy() >= 100, "{} ms", busy());
        for _ in 0..2_000 {
            clock.advance_ms(20);
            if job.wait_for(std::time::Duration::from_millis(2)) {
                break;
            }
        }
        assert_eq!(read(), 20_000);
    }
}
