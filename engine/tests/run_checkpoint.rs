//! Going on: whenever a job is cut down, rescaled or stopped, what it leaves at the end is what an undisturbed one would
//! have left.
#![allow(clippy::unwrap_used, missing_docs, reason = "for tests alone")]

mod run_support;

use engine::run::{Fate, JobOptions, JobState, Restore, compare};
use proptest::prelude::*;
use run_support::blows::{Blow, blows, deal};
use run_support::{EVENTS, Hands, Index, Kept, Memory, counts, event, expected_counts, pause, until};
use std::sync::atomic::Ordering;

/// A sink of overlapping windows beside the plain one.
fn both() -> String {
    let one = counts();
    let (tables, insert) = one.split_at(one.find("INSERT").unwrap());
    format!(
        "{tables}CREATE TABLE hops (n BIGINT, d BIGINT, s BIGINT, ws TIMESTAMP(3), we TIMESTAMP(3)) \
         WITH ('connector'='index');\nEXECUTE STATEMENT SET BEGIN\n{insert}\n\
         INSERT INTO hops SELECT COUNT(*), COUNT(DISTINCT k), SUM(v), window_start, window_end FROM \
         TABLE(HOP(TABLE events, DESCRIPTOR(ts), INTERVAL '5' SECOND, INTERVAL '20' SECOND)) \
         GROUP BY window_start, window_end;\nEND;"
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

/// Runs over the same splits until the end is reached, with blows after so many milliseconds. Gives the two indices and
/// how often a run began past the start.
fn run(all: &[(i64, String, i64)], splits: i64, parallelism: u32, blows: &[(u64, Blow)]) -> (Index, Index, usize) {
    run_in(all, splits, parallelism, None, blows)
}

/// The same with so much memory for state.
fn run_in(
    all: &[(i64, String, i64)],
    splits: i64,
    parallelism: u32,
    bytes_per_kpu: Option<u64>,
    blows: &[(u64, Blow)],
) -> (Index, Index, usize) {
    let (index, hops, kept) = (Index::default(), Index::default(), Kept::default());
    let (mut skipped, mut parallelism, mut blows) = (0, parallelism, blows.iter());
    loop {
        let memory = Memory::bounded(split(all, splits));
        let hands = Hands::default().source("events", &memory).index("counts", &index).index("hops", &hops);
        // While there are blows to come, slow writes keep runs from ending first.
        index.slow_ms.store(u64::from(blows.len() > 0), Ordering::SeqCst);
        let options = JobOptions {
            parallelism: Some(parallelism),
            read_bytes: 600,
            channel_bytes: 64 * 1024,
            checkpointing: kept.every(2),
            ..hands.with_memory(bytes_per_kpu)
        };
        let job = hands.try_start(&both(), options).unwrap();
        let next = deal(&job, &mut blows);
        if next.is_none() {
            index.slow_ms.store(0, Ordering::SeqCst);
            job.wait().unwrap();
            assert!(matches!(job.state(), JobState::Finished));
            assert_eq!(job.metrics().late, 0);
        }
        drop(job);
        skipped += usize::from(memory.opened.lock().unwrap().values().any(|at| *at > 0));
        let Some(to) = next else { return (index, hops, skipped) };
        parallelism = to;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn a_run_disturbed_anywhere_ends_with_the_same_documents(
        blows in blows(1u32..9, 1u64..50, 1..6), splits in 1i64..5, parallelism in 1u32..5,
        memory in prop::sample::select(vec![None, Some(20_000), Some(100_000)]),
    ) {
        let all = rows(3_000, 100);
        let (index, hops, _) = run_in(&all, splits, parallelism, memory, &blows);
        let (_, undisturbed, _) = run(&all, splits, 1, &[]);
        prop_assert_eq!(index.rows(), expected_counts(all.iter()));
        prop_assert_eq!(hops.rows(), undisturbed.rows());
    }
}

#[test]
fn a_run_goes_on_where_it_was_and_not_at_the_start() {
    let all = rows(20_000, 100);
    let kill = (150, Blow::Kill(2));
    let (index, _, skipped) = run(&all, 3, 2, &[kill, kill, kill]);
    assert_eq!(index.rows(), expected_counts(all.iter()));
    assert!(skipped > 0, "no run began past the start");
}

/// One job over two splits that are fed by hand.
struct Fed {
    memory: Memory,
    index: Index,
    kept: Kept,
    hands: Hands,
}

impl Fed {
    fn new() -> Self {
        let (memory, index, kept) = (Memory::unbounded(2), Index::default(), Kept::default());
        let hands = Hands::default().source("events", &memory).index("counts", &index);
        Self { memory, index, kept, hands }
    }

    fn options(&self, parallelism: u32) -> JobOptions {
        JobOptions { parallelism: Some(parallelism), checkpointing: self.kept.every(10), ..self.hands.options() }
    }

    fn feed(&self, all: &[(i64, String, i64)]) {
        let lines = split(all, 2);
        lines.into_iter().enumerate().for_each(|(i, lines)| self.memory.push(i as u32, lines));
    }

    fn end(&self) {
        (0..2).for_each(|i| self.memory.push(i, [event(10_000_000, "end", 0)]));
    }
}

#[test]
fn a_stop_keeps_the_state_of_open_windows_and_nothing_is_read_again() {
    let (fed, all) = (Fed::new(), rows(2_000, 100));
    fed.feed(&all[..1_000]);
    let job = fed.hands.try_start(&counts(), fed.options(2)).unwrap();
    until("all is read", || job.metrics().records_in == 1_000);
    job.stop();
    assert!(matches!(job.wait().unwrap(), JobState::Stopped));
    drop(job);
    fed.feed(&all[1_000..]);
    fed.end();
    let job = fed.hands.try_start(&counts(), fed.options(3)).unwrap();
    let expected = expected_counts(all.iter());
    until("the rest", || fed.index.rows().len() >= expected.len());
    assert_eq!(fed.index.rows(), expected);
    assert_eq!((job.metrics().records_in, job.metrics().late), (1_002, 0));
    job.stop();
    job.wait().unwrap();
}

#[test]
fn a_rescale_moves_groups_and_reads_nothing_twice() {
    let (fed, all) = (Fed::new(), rows(4_000, 100));
    let job = fed.hands.try_start(&counts(), fed.options(1)).unwrap();
    for (quarter, parallelism) in all.chunks(1_000).zip([4, 3, 64, 1]) {
        fed.feed(quarter);
        let done = job.rescale(parallelism).unwrap();
        assert_eq!((done.to, job.parallelism()), (parallelism, parallelism));
        assert_eq!(job.rescaled(), Some(done));
    }
    fed.end();
    let expected = expected_counts(all.iter());
    until("everything", || fed.index.rows().len() >= expected.len());
    assert_eq!(fed.index.rows(), expected);
    assert_eq!((job.metrics().records_in, job.metrics().late), (4_002, 0));
    assert!(job.rescale(0).is_err() && job.rescale(257).is_err());
    job.stop();
    job.wait().unwrap();
    assert!(job.rescale(2).unwrap_err().to_string().contains("running"));
}

#[test]
fn a_damaged_checkpoint_is_passed_over_for_the_one_before_it() {
    let (fed, all) = (Fed::new(), rows(2_000, 100));
    fed.feed(&all[..1_000]);
    let job = fed.hands.try_start(&counts(), fed.options(2)).unwrap();
    until("all is read", || job.metrics().records_in == 1_000);
    let completed = job.checkpoints().completed;
    until("checkpoints after it", || job.checkpoints().completed > completed + 4);
    job.cancel();
    let _ended = job.wait();
    drop(job);
    let manifests = fed.kept.names(".manifest");
    assert_eq!(manifests.len(), 3, "three are kept: {manifests:?}");
    let whole = fed.kept.objects.lock().unwrap().clone();
    // Whatever bit of the newest manifest is flipped, or wherever it is cut.
    for at in (0..whole[&manifests[2]].len()).step_by(37) {
        let mut damaged = whole.clone();
        damaged.get_mut(&manifests[2]).unwrap()[at] ^= 1 << (at % 8);
        *fed.kept.objects.lock().unwrap() = damaged;
        assert!(compare(&fed.kept, &Restore::Latest, &fed.hands.plan(&counts())).unwrap().is_some());
    }
    let mut damaged = whole.clone();
    damaged.get_mut(&manifests[2]).unwrap().truncate(50);
    damaged.get_mut(&manifests[1]).unwrap()[30] ^= 1;
    *fed.kept.objects.lock().unwrap() = damaged.clone();
    fed.feed(&all[1_000..]);
    fed.end();
    let job = fed.hands.try_start(&counts(), fed.options(2)).unwrap();
    let expected = expected_counts(all.iter());
    until("the rest", || fed.index.rows().len() >= expected.len());
    assert_eq!(fed.index.rows(), expected);
    drop(job);
    // When none can be read the job says so instead of beginning anew.
    damaged.get_mut(&manifests[0]).unwrap()[30] ^= 1;
    *fed.kept.objects.lock().unwrap() = damaged;
    let refused = fed.hands.try_start(&counts(), fed.options(2)).err().unwrap().to_string();
    assert!(manifests.iter().all(|m| refused.contains(m.as_str())), "{refused}");
    let anew = JobOptions { restore: Restore::Nothing, ..fed.options(2) };
    fed.hands.try_start(&counts(), anew).unwrap().cancel();
}

#[test]
fn every_flipped_bit_of_the_state_is_noticed() {
    let (fed, all) = (Fed::new(), rows(60, 100));
    fed.feed(&all);
    let job = fed.hands.try_start(&counts(), fed.options(1)).unwrap();
    until("all is read", || job.metrics().records_in == 60);
    job.stop();
    job.wait().unwrap();
    drop(job);
    let whole = fed.kept.objects.lock().unwrap().clone();
    let newest = fed.kept.names(".state").pop().unwrap();
    for bit in (0..whole[&newest].len() * 8).step_by(5) {
        let mut damaged = whole.clone();
        damaged.get_mut(&newest).unwrap()[bit / 8] ^= 1 << (bit % 8);
        *fed.kept.objects.lock().unwrap() = damaged;
        match fed.hands.try_start(&counts(), fed.options(1)) {
            // An earlier checkpoint was used that names only what is whole.
            Ok(job) => job.cancel(),
            Err(error) => assert!(error.to_string().contains(&newest), "{error}"),
        }
        *fed.kept.objects.lock().unwrap() = whole.clone();
    }
}

#[test]
fn what_cannot_be_written_down_holds_nothing_up() {
    let (fed, all) = (Fed::new(), rows(1_000, 100));
    let job = fed.hands.try_start(&counts(), fed.options(2)).unwrap();
    until("a checkpoint", || job.checkpoints().completed > 0);
    fed.kept.broken.store(true, Ordering::SeqCst);
    fed.feed(&all);
    fed.end();
    let expected = expected_counts(all.iter());
    until("all results", || fed.index.rows().len() >= expected.len());
    until("failures are counted", || job.checkpoints().failed > 2);
    assert!(job.checkpoints().last_failure.unwrap().contains("the disk is full"));
    assert!(job.snapshot("now").unwrap_err().to_string().contains("the disk is full"));
    fed.kept.broken.store(false, Ordering::SeqCst);
    let completed = job.checkpoints().completed;
    until("checkpoints again", || job.checkpoints().completed > completed);
    job.stop();
    job.wait().unwrap();
}

#[test]
fn a_source_is_told_how_far_durable_checkpoints_have_come_and_of_no_other() {
    let (fed, all) = (Fed::new(), rows(1_000, 100));
    let told = || fed.memory.told.lock().unwrap().clone();
    let newest = || told().last().cloned().unwrap_or_default().into_values().collect::<Vec<u64>>();
    let job = fed.hands.try_start(&counts(), fed.options(2)).unwrap();
    fed.feed(&all[..600]);
    until("what was read is told", || newest() == [300, 300]);
    fed.kept.broken.store(true, Ordering::SeqCst);
    let failed = job.checkpoints().failed;
    until("a checkpoint fails", || job.checkpoints().failed > failed + 1);
    let before = told().len();
    fed.feed(&all[600..]);
    until("all is read", || job.metrics().records_in == 1_000);
    let failed = job.checkpoints().failed;
    until("checkpoints fail", || job.checkpoints().failed > failed + 2);
    assert_eq!((newest(), told().len()), (vec![300, 300], before), "no checkpoint was durable");
    fed.kept.broken.store(false, Ordering::SeqCst);
    // A run that is taken over writes nothing down; the last checkpoint of a stop does.
    job.rescale(3).unwrap();
    job.stop();
    job.wait().unwrap();
    assert_eq!(newest(), [500, 500]);
    let grows = |pair: &[std::collections::BTreeMap<u32, u64>]| pair[0].iter().all(|(split, at)| pair[1][split] >= *at);
    assert!(told().windows(2).all(grows), "{:?}", told());
    assert_eq!(told().len() as u64, job.checkpoints().completed);
    // Where nothing is kept, nothing is told.
    let other = Fed::new();
    other.feed(&all);
    let options = JobOptions { parallelism: Some(2), ..other.hands.options() };
    let job = other.hands.try_start(&counts(), options).unwrap();
    until("all is read", || job.metrics().records_in == 1_000);
    job.stop();
    job.wait().unwrap();
    assert!(other.memory.told.lock().unwrap().is_empty());
}

#[test]
fn what_has_not_changed_is_not_written_again() {
    let (fed, all) = (Fed::new(), rows(50_000, 10));
    let keys: Vec<(i64, String, i64)> = all.into_iter().map(|(ms, _, v)| (ms, format!("key-{v}"), v)).collect();
    fed.feed(&keys);
    let job = fed.hands.try_start(&counts(), fed.options(2)).unwrap();
    until("all is read", || job.metrics().records_in == 50_000);
    let completed = job.checkpoints().completed;
    until("two more", || job.checkpoints().completed > completed + 2);
    let written = fed.kept.bytes_written.load(Ordering::SeqCst);
    fed.memory.push(0, [event(500_500, "one", 1)]);
    let completed = job.checkpoints().completed;
    until("three more", || job.checkpoints().completed > completed + 3);
    let last = job.checkpoints().last.unwrap();
    assert!(last.groups > 500 && last.bytes > 10_000, "{last:?}");
    assert_eq!(last.written, 0, "{last:?}");
    let more = fed.kept.bytes_written.load(Ordering::SeqCst) - written;
    let whole: usize = fed.kept.objects.lock().unwrap().values().map(Vec::len).sum();
    assert!(more < whole as u64 * 8, "{more} bytes for some checkpoints of {whole}");
    assert!(fed.kept.names(".state").len() <= 8, "{:?}", fed.kept.names(".state"));
    job.cancel();
}

#[test]
fn snapshots_stay_and_another_parallelism_begins_with_one() {
    let (fed, all) = (Fed::new(), rows(2_000, 100));
    fed.feed(&all[..1_000]);
    let job = fed.hands.try_start(&counts(), fed.options(2)).unwrap();
    until("all is read", || job.metrics().records_in == 1_000);
    let summary = job.snapshot("before").unwrap();
    assert!(summary.groups > 0 && summary.bytes == summary.written);
    assert!(job.snapshot("a/b").unwrap_err().to_string().contains("a/b"));
    fed.feed(&all[1_000..]);
    fed.end();
    let expected = expected_counts(all.iter());
    until("everything", || fed.index.rows().len() >= expected.len());
    job.stop();
    job.wait().unwrap();
    drop(job);
    assert_eq!(engine::run::snapshots(&fed.kept).unwrap(), ["before"]);
    fed.index.documents.lock().unwrap().clear();
    let options = JobOptions { restore: Restore::Snapshot("before".into()), ..fed.options(5) };
    let job = fed.hands.try_start(&counts(), options).unwrap();
    // Windows that had closed before the snapshot are not computed again, all others are whole.
    until("the windows after it", || fed.index.rows().len() >= expected.len() - 45);
    until("its end", || job.metrics().records_in == 1_002);
    pause(50);
    assert!(fed.index.rows().iter().all(|row| expected.contains(row)));
    job.cancel();
    drop(job);
    // Who comes next goes on from there too, even when nothing was kept in between and the snapshot is gone.
    fed.index.documents.lock().unwrap().clear();
    fed.kept.broken.store(false, Ordering::SeqCst);
    let options = JobOptions { restore: Restore::Snapshot("before".into()), ..fed.options(5) };
    let options = JobOptions { checkpointing: fed.kept.every(3_600_000), ..options };
    fed.hands.try_start(&counts(), options).unwrap().cancel();
    engine::run::remove_snapshot(&fed.kept, "before").unwrap();
    let job = fed.hands.try_start(&counts(), fed.options(3)).unwrap();
    until("the windows after it, once more", || fed.index.rows().len() >= expected.len() - 45);
    until("its end, once more", || job.metrics().records_in == 1_002);
    let completed = job.checkpoints().completed;
    until("checkpoints of its own", || job.checkpoints().completed > completed + 4);
    job.cancel();
    drop(job);
    let left: Vec<String> = fed.kept.names(".state").into_iter().filter(|n| n.starts_with("snapshot")).collect();
    assert!(left.is_empty(), "what nothing needs is removed: {left:?}");
    let gone = JobOptions { restore: Restore::Snapshot("before".into()), ..fed.options(5) };
    assert!(fed.hands.try_start(&counts(), gone).err().unwrap().to_string().contains("before"));
}

#[test]
fn a_changed_script_keeps_drops_or_refuses_state_and_says_why() {
    let (fed, all) = (Fed::new(), rows(100, 100));
    fed.feed(&all);
    let job = fed.hands.try_start(&counts(), fed.options(2)).unwrap();
    until("all is read", || job.metrics().records_in == 100);
    job.stop();
    job.wait().unwrap();
    drop(job);
    let fate = |script: &str| {
        let report = compare(&fed.kept, &Restore::Latest, &fed.hands.plan(script)).unwrap().unwrap();
        (report.operators["counts"].clone(), report)
    };
    assert_eq!(fate(&counts()).0, Fate::Kept);
    let filtered = counts().replace("GROUP BY", "WHERE v > 7 GROUP BY");
    assert!(matches!(fate(&filtered).0, Fate::KeptThough(why) if why.contains("events.v > 7")));
    for (from, to, word) in [
        ("SUM(v)", "MAX(v)", "aggregates were"),
        ("SUM(v)", "SUM(v + 1)", "(events.v + 1)"),
        ("'10' SECOND", "'20' SECOND", "windows were"),
        ("GROUP BY window_start, window_end, k", "GROUP BY window_start, window_end, k, v", "grouping columns were"),
    ] {
        let script = counts().replace(from, to);
        let (fate, report) = fate(&script);
        assert!(matches!(&fate, Fate::Refused(why) if why.contains(word)), "{fate}");
        assert_eq!(report.objections(false).len(), 1);
        let refused = fed.hands.try_start(&script, fed.options(1)).err().unwrap().to_string();
        assert!(refused.contains(word), "{refused}");
    }
    let other = counts().replace("SUM(v)", "MAX(v)");
    let allowed = JobOptions { allow_dropped_state: true, ..fed.options(1) };
    let job = fed.hands.try_start(&other, allowed).unwrap();
    until("it runs", || job.checkpoints().completed > 0);
    job.cancel();
}

#[test]
fn a_projection_goes_on_where_it_has_flushed() {
    let (memory, index, kept) = (Memory::bounded(split(&rows(500, 100), 1)), Index::default(), Kept::default());
    let hands = Hands::default().source("events", &memory).index("copies", &index);
    let script = format!(
        "{EVENTS}CREATE TABLE copies (k STRING, v BIGINT, PRIMARY KEY (v) NOT ENFORCED) WITH ('connector'='index');\n\
         INSERT INTO copies SELECT k, v FROM events WHERE v >= 0;"
    );
    for (run, read) in [(0, 500), (1, 0)] {
        let options = JobOptions { checkpointing: kept.every(5), ..hands.options() };
        let job = hands.try_start(&script, options).unwrap();
        job.wait().unwrap();
        assert_eq!(job.metrics().records_in, read, "in run {run}");
        assert_eq!(index.rows().len(), 500);
    }
    let ids: Vec<String> = index.documents.lock().unwrap().keys().take(2).cloned().collect();
    assert_eq!(ids, ["0", "1"], "the primary key names the documents");
}
