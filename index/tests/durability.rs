//! What was answered survives: crashes at any moment, torn and damaged files, checkpoints that end half way.
#![allow(clippy::unwrap_used, missing_docs)]

use index::{
    Action, Aggregation, AggregationKind, AggregationResult, Index, IndexConfig, IndexError, IndexSettings, Mapping,
    OpenError, Operation, Outcome, Query, Refresh, SearchRequest, ValueSource,
};
use model::Env;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

const NAME: &str = "docs";

fn config(dir: &Path) -> IndexConfig {
    // Refreshes and checkpoints happen where the tests ask for them.
    IndexConfig { refresh_interval_ms: 3_600_000, ..IndexConfig::new(dir, Env::system()) }
}

fn open(dir: &Path) -> Index {
    Index::open(config(dir)).unwrap()
}

/// The data directory as a process that is killed now would leave it.
fn crash_copy(from: &Path) -> tempfile::TempDir {
    let to = tempfile::tempdir().unwrap();
    copy(from, to.path());
    to
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to.join(entry.file_name()));
        } else {
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

fn put(id: impl Into<String>, n: i64) -> Operation {
    let source = format!(r#"{{"n":{n},"k":"word{}","tags":["a","b{n}"]}}"#, n % 5).into_bytes().into();
    Operation { index: NAME.into(), id: Some(id.into()), action: Action::Index { source } }
}

fn delete(id: impl Into<String>) -> Operation {
    Operation { index: NAME.into(), id: Some(id.into()), action: Action::Delete }
}

fn sum(field: &str) -> Vec<(String, Aggregation)> {
    let kind = AggregationKind::Sum(ValueSource::field(field));
    vec![("sum".into(), Aggregation { kind, inner: Vec::new() })]
}

/// Whether an index holds exactly these documents, by get, by search and by aggregation.
fn check(index: &Index, expected: &BTreeMap<String, i64>) {
    if expected.is_empty() && index.info(NAME).is_err() {
        return;
    }
    index.refresh(NAME).unwrap();
    for (id, n) in expected {
        let document = index.get(NAME, id).unwrap().unwrap_or_else(|| panic!("{id} is missing"));
        assert!(String::from_utf8(document.source).unwrap().contains(&format!("\"n\":{n},")), "{id}");
    }
    let request = SearchRequest { size: 1_000, aggregations: sum("n"), ..SearchRequest::default() };
    let response = index.search(&[NAME], &request).unwrap();
    let mut found: Vec<String> = response.hits.iter().map(|h| h.id.clone()).collect();
    found.sort();
    assert_eq!(found, expected.keys().cloned().collect::<Vec<_>>());
    let AggregationResult::Number(total) = &response.aggregations[0].1 else { panic!("no sum") };
    assert_eq!(total.value, Some(expected.values().sum::<i64>() as f64));
    assert_eq!(index.count(&[NAME], &Query::ALL).unwrap(), expected.len() as u64);
}

#[derive(Debug, Clone)]
enum Step {
    Put(u8, i64),
    Delete(u8),
    Bulk(u8, i64),
    Refresh,
    Checkpoint,
    Restart,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (0u8..40, -100i64..100).prop_map(|(id, n)| Step::Put(id, n)),
        2 => (0u8..40).prop_map(Step::Delete),
        2 => (0u8..40, -100i64..100).prop_map(|(id, n)| Step::Bulk(id, n)),
        1 => Just(Step::Refresh),
        2 => Just(Step::Checkpoint),
        1 => Just(Step::Restart),
    ];
    proptest::collection::vec(step, 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_crash_at_any_moment_loses_nothing_that_was_answered(steps in steps()) {
        let dir = tempfile::tempdir().unwrap();
        let mut index = open(dir.path());
        let mut model: BTreeMap<String, i64> = BTreeMap::new();
        let mut versions: BTreeMap<String, u64> = BTreeMap::new();
        for step in steps {
            let operations: Vec<Operation> = match step {
                Step::Put(id, n) => vec![put(id.to_string(), n)],
                Step::Delete(id) => vec![delete(id.to_string())],
                Step::Bulk(id, n) => (0..5).map(|i| put((id + i).to_string(), n + i64::from(i))).collect(),
                Step::Refresh => { if !model.is_empty() { index.refresh(NAME).unwrap(); } continue }
                Step::Checkpoint => { index.checkpoint().unwrap(); continue }
                Step::Restart => {
                    let copied = crash_copy(dir.path());
                    drop(open(copied.path()));
                    check(&open(copied.path()), &model);
                    drop(index);
                    index = open(dir.path());
                    continue
                }
            };
            for (operation, answer) in operations.iter().zip(index.bulk(&operations, Refresh::Later)) {
                let (written, id) = (answer.unwrap(), operation.id.clone().unwrap());
                match &operation.action {
                    Action::Index { source } => {
                        let text = String::from_utf8(source.to_vec()).unwrap();
                        let n = text[5..text.find(',').unwrap()].parse().unwrap();
                        prop_assert_eq!(written.outcome == Outcome::Updated, model.insert(id.clone(), n).is_some());
                    }
                    _ => prop_assert_eq!(written.outcome == Outcome::Deleted, model.remove(&id).is_some()),
                }
                let version = versions.entry(id).or_default();
                prop_assert!(written.version > 0);
                *version = written.version;
            }
        }
        check(&index, &model);
        let copied = crash_copy(dir.path());
        check(&open(copied.path()), &model);
        index.shutdown().unwrap();
        drop(index);
        check(&open(dir.path()), &model);
    }
}

fn newest_log(dir: &Path) -> PathBuf {
    let mut logs: Vec<PathBuf> = fs::read_dir(dir.join("log")).unwrap().map(|e| e.unwrap().path()).collect();
    logs.sort();
    logs.pop().unwrap()
}

#[test]
fn a_log_torn_at_any_byte_keeps_all_writes_before() {
    let dir = tempfile::tempdir().unwrap();
    let index = open(dir.path());
    let mut ends = vec![fs::metadata(newest_log(dir.path())).unwrap().len()];
    for n in 0..4 {
        assert!(
            index.bulk(&[put(format!("{n}"), n), put(format!("{n}b"), n)], Refresh::Later).iter().all(Result::is_ok)
        );
        ends.push(fs::metadata(newest_log(dir.path())).unwrap().len());
    }
    let whole = *ends.last().unwrap();
    for end in (0..=whole).rev() {
        let copied = crash_copy(dir.path());
        let log = fs::File::options().write(true).open(newest_log(copied.path())).unwrap();
        log.set_len(end).unwrap();
        drop(log);
        // The first bulk made the index and its mapping, and each one is a block of its own.
        let bulks = ends.iter().filter(|e| **e <= end).count().saturating_sub(1) as i64;
        let expected = (0..bulks).flat_map(|n| [(format!("{n}"), n), (format!("{n}b"), n)]).collect::<BTreeMap<_, _>>();
        let opened = open(copied.path());
        if opened.info(NAME).is_ok() || !expected.is_empty() {
            check(&opened, &expected);
        }
    }
}

#[test]
fn a_checkpoint_that_ended_half_way_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let index = open(dir.path());
    let model: BTreeMap<String, i64> = (0..300).map(|n| (format!("id{n}"), n)).collect();
    let operations: Vec<Operation> = model.iter().map(|(id, n)| put(id.clone(), *n)).collect();
    assert!(index.bulk(&operations, Refresh::Later).iter().all(Result::is_ok));
    let before = crash_copy(dir.path());
    index.checkpoint().unwrap();
    let after = crash_copy(dir.path());

    // Killed after the chunk file, before the checkpoint: the file is not counted, and removed.
    let half = crash_copy(before.path());
    copy(&after.path().join("chunks"), &half.path().join("chunks"));
    fs::write(half.path().join("chunks/0000000000000009.next"), b"half a file").unwrap();
    check(&open(half.path()), &model);
    assert_eq!(fs::read_dir(half.path().join("chunks")).unwrap().count(), 0);

    // Killed after the checkpoint, before the log was cleared: its records are known to be in the chunks.
    let half = crash_copy(after.path());
    copy(&before.path().join("log"), &half.path().join("log"));
    let opened = open(half.path());
    check(&opened, &model);
    assert_eq!(opened.get(NAME, "id7").unwrap().unwrap().version, 1);
}

#[test]
fn damaged_files_are_told_and_never_read_as_data() {
    let dir = tempfile::tempdir().unwrap();
    let index = open(dir.path());
    let operations: Vec<Operation> = (0..50).map(|n| put(format!("{n}"), n)).collect();
    assert!(index.bulk(&operations, Refresh::Later).iter().all(Result::is_ok));
    index.checkpoint().unwrap();
    for n in 50..53 {
        assert!(index.bulk(&[put(format!("{n}"), n)], Refresh::Later).iter().all(Result::is_ok));
    }
    let chunk = fs::read_dir(dir.path().join("chunks")).unwrap().next().unwrap().unwrap().path();
    let files = [dir.path().join("CHECKPOINT"), chunk, newest_log(dir.path())];
    for file in files {
        let name = file.strip_prefix(dir.path()).unwrap();
        let len = fs::metadata(&file).unwrap().len() as usize;
        for at in (0..len).step_by(len / 40 + 1) {
            let copied = crash_copy(dir.path());
            let mut bytes = fs::read(copied.path().join(name)).unwrap();
            bytes[at] ^= 0x10;
            fs::write(copied.path().join(name), bytes).unwrap();
            match Index::open(config(copied.path())) {
                Err(OpenError::Corrupt(_)) => {}
                Err(error) => panic!("{name:?} at {at}: {error}"),
                // What is damaged is found at the latest when it is read; of the log's last block alone it cannot be known
                // whether it had been on disk.
                Ok(opened) => {
                    let found: Vec<_> = (0..53).map(|n| opened.get(NAME, &n.to_string())).collect();
                    let told = found.iter().any(|d| matches!(d, Err(IndexError::Corrupt(_))));
                    let missing: Vec<usize> = (0..53).filter(|n| matches!(found[*n], Ok(None))).collect();
                    let last_alone = missing == [52] && name.starts_with("log");
                    assert!(told || last_alone, "{name:?} at {at}: {missing:?}");
                }
            }
        }
    }
}

#[test]
fn one_process_has_it_open() {
    let dir = tempfile::tempdir().unwrap();
    let index = open(dir.path());
    assert!(matches!(Index::open(config(dir.path())), Err(OpenError::Locked(_))));
    drop(index);
    open(dir.path());
}

#[test]
fn a_checkpoint_that_cannot_be_written_harms_no_write() {
    let dir = tempfile::tempdir().unwrap();
    let index = open(dir.path());
    assert!(index.bulk(&[put("1", 1)], Refresh::Later)[0].is_ok());
    fs::remove_dir(dir.path().join("chunks")).unwrap();
    fs::write(dir.path().join("chunks"), b"in the way").unwrap();
    assert!(matches!(index.checkpoint(), Err(IndexError::Unavailable(_))));
    assert!(index.bulk(&[put("2", 2)], Refresh::Later)[0].is_ok());
    fs::remove_file(dir.path().join("chunks")).unwrap();
    fs::create_dir(dir.path().join("chunks")).unwrap();
    index.checkpoint().unwrap();
    drop(index);
    check(&open(dir.path()), &BTreeMap::from([("1".into(), 1), ("2".into(), 2)]));
}

#[test]
fn after_shutdown_no_write_is_taken_and_searches_go_on() {
    let dir = tempfile::tempdir().unwrap();
    let index = open(dir.path());
    assert!(index.bulk(&[put("1", 1)], Refresh::Now)[0].is_ok());
    index.shutdown().unwrap();
    assert!(matches!(index.bulk(&[put("2", 2)], Refresh::Later)[0], Err(IndexError::Unavailable(_))));
    assert_eq!(index.count(&[NAME], &Query::ALL).unwrap(), 1);
}

#[test]
fn deleted_indices_stay_deleted_and_names_can_be_given_again() {
    let dir = tempfile::tempdir().unwrap();
    let index = open(dir.path());
    for round in 0..3 {
        index.create_index(NAME, IndexSettings::default(), Mapping::default()).unwrap();
        assert!(index.bulk(&[put(format!("{round}"), round)], Refresh::Later)[0].is_ok());
        if round == 1 {
            index.checkpoint().unwrap();
        }
        let copied = crash_copy(dir.path());
        check(&open(copied.path()), &BTreeMap::from([(format!("{round}"), round)]));
        index.delete_index(NAME).unwrap();
        assert!(open(crash_copy(dir.path()).path()).names().is_empty());
    }
}

#[test]
fn a_write_is_visible_within_the_refresh_interval() {
    let dir = tempfile::tempdir().unwrap();
    let index = Index::open(IndexConfig::new(dir.path(), Env::system())).unwrap();
    let env = Env::system();
    let mut slowest_ms = 0;
    for n in 1..=10 {
        assert!(index.bulk(&[put(format!("{n}"), n)], Refresh::Later)[0].is_ok());
        let answered = env.monotonic_ns();
        while index.count(&[NAME], &Query::ALL).unwrap() < n as u64 {
            std::thread::yield_now();
        }
        slowest_ms = slowest_ms.max((env.monotonic_ns() - answered) / 1_000_000);
    }
    // 50 ms and the refresh itself; the bound leaves room for a busy machine.
    assert!(slowest_ms < 1_000, "{slowest_ms} ms");
    assert!(index.bulk(&[put("11", 11)], Refresh::Wait)[0].is_ok());
    assert_eq!(index.count(&[NAME], &Query::ALL).unwrap(), 11);
}

#[test]
fn the_revision_changes_with_what_searches_see_and_with_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let config = IndexConfig { refresh_interval_ms: 600_000, ..IndexConfig::new(dir.path(), Env::system()) };
    let index = Index::open(config).unwrap();
    let mut last = index.revision();
    let mut check = |what: &str, changes: bool| {
        let now = index.revision();
        assert_eq!(now != last, changes, "{what}");
        last = now;
    };
    index.create_index(NAME, IndexSettings::default(), Mapping::default()).unwrap();
    check("an index is created", true);
    assert!(index.bulk(&[put("1", 1)], Refresh::Later)[0].is_ok());
    check("a write is not visible yet", false);
    index.refresh(NAME).unwrap();
    check("it is visible", true);
    index.refresh(NAME).unwrap();
    check("nothing new is there to be seen", false);
    assert!(index.bulk(&[put("1", 2)], Refresh::Now)[0].is_ok());
    check("a document is replaced", true);
    index.delete_index(NAME).unwrap();
    check("an index is deleted", true);
    assert_eq!(index.written(), 2);
}

#[test]
fn searches_see_one_moment_while_writes_go_on() {
    let dir = tempfile::tempdir().unwrap();
    let index =
        Index::open(IndexConfig { refresh_interval_ms: 1, ..IndexConfig::new(dir.path(), Env::system()) }).unwrap();
    let pair = |n| [put("left", n), put("right", n)];
    assert!(index.bulk(&pair(0), Refresh::Now).iter().all(Result::is_ok));
    let request = SearchRequest { size: 2, aggregations: sum("n"), ..SearchRequest::default() };
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut n = 0;
            while !stop.load(Ordering::Relaxed) {
                n += 1;
                assert!(index.bulk(&pair(n), Refresh::Later).iter().all(Result::is_ok));
            }
        });
        for _ in 0..300 {
            let response = index.search(&[NAME], &request).unwrap();
            let of = |id: &str| {
                let hit = response.hits.iter().find(|h| h.id == id).unwrap();
                String::from_utf8(hit.source.clone().unwrap()).unwrap()
            };
            assert_eq!(response.hits.len(), 2);
            assert_eq!(of("left"), of("right"));
            let AggregationResult::Number(total) = &response.aggregations[0].1 else { panic!("no sum") };
            assert_eq!(total.value.unwrap() as i64 % 2, 0);
        }
        stop.store(true, Ordering::Relaxed);
    });
}

#[test]
fn memory_is_bounded() {
    let dir = tempfile::tempdir().unwrap();
    let index = Index::open(IndexConfig { memory_bytes_max: 100_000, ..config(dir.path()) }).unwrap();
    let mut refused = None;
    for round in 0..200 {
        let operations: Vec<Operation> = (0..100).map(|n| put(format!("{round}-{n}"), n)).collect();
        let answers = index.bulk(&operations, Refresh::Now);
        refused = answers.into_iter().find_map(Result::err);
        if refused.is_some() {
            break;
        }
    }
    assert!(matches!(refused, Some(IndexError::Memory { .. })));
    index.delete_index(NAME).unwrap();
    assert!(index.bulk(&[put("1", 1)], Refresh::Now)[0].is_ok());
}

#[test]
fn replaced_rows_are_cleared_away() {
    let dir = tempfile::tempdir().unwrap();
    let index = open(dir.path());
    for round in 0..30 {
        let operations: Vec<Operation> = (0..200).map(|n| put(format!("{n}"), n * round)).collect();
        assert!(index.bulk(&operations, Refresh::Later).iter().all(Result::is_ok));
        index.checkpoint().unwrap();
    }
    check(&index, &(0..200).map(|n| (format!("{n}"), n * 29)).collect());
    let files = fs::read_dir(dir.path().join("chunks")).unwrap().count();
    assert!(files <= 9, "{files} chunk files for 200 documents");
    assert!(index.info(NAME).unwrap().deleted <= 400);
    drop(index);
    check(&open(dir.path()), &(0..200).map(|n| (format!("{n}"), n * 29)).collect());
}
