//! Tests of the log as a whole: what was acknowledged is there after any crash, damage is told, nothing panics.

use super::memory::{Faults, MemoryFiles};
use super::*;
use model::Env;
use proptest::prelude::*;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const FOLDER: &str = "/log";

fn options(env: &Env, segment_bytes: u64) -> LogOptions {
    LogOptions { env: env.clone(), segment_bytes, segment_age_ms: u64::MAX, relaxed: false, tail: TailCache::new(0) }
}

struct Case {
    files: MemoryFiles,
    env: Env,
    clock: Arc<model::ManualClock>,
    segment_bytes: u64,
}

impl Case {
    fn new(segment_bytes: u64) -> Self {
        let (env, clock) = Env::manual(1_000_000, 1);
        Self { files: MemoryFiles::default(), env, clock, segment_bytes }
    }

    fn create(&self) -> Log {
        let files = Arc::new(self.files.clone());
        Log::create(files, Path::new(FOLDER), 42, options(&self.env, self.segment_bytes)).unwrap()
    }

    fn open(&self) -> (Log, LogRecovery) {
        open(&self.files, &self.env, self.segment_bytes)
    }
}

fn open(files: &MemoryFiles, env: &Env, segment_bytes: u64) -> (Log, LogRecovery) {
    Log::open(Arc::new(files.clone()), Path::new(FOLDER), 42, options(env, segment_bytes), None).unwrap()
}

fn append(log: &mut Log, now_ms: u64, texts: &[String]) -> Result<Position, AppendError> {
    let records = texts.iter().map(|text| NewRecord { arrival_ms: now_ms, key: "key", data: text.as_bytes() });
    log.append(records).map(|done| done.first)
}

fn texts(from: u64, count: u64) -> Vec<String> {
    (from..from + count).map(|i| format!("record {i}")).collect()
}

/// All payloads that can be read from `from` on, and the error that ended it, if one did.
fn read_all(log: &Log, from: u64, max_bytes: usize) -> (Vec<String>, Option<LogReadError>) {
    let mut reader = LogReader::new(log.view(), Position(from));
    let mut all = Vec::new();
    loop {
        match reader.read(max_bytes) {
            Ok(LogRead::Rows { data, rows }) => {
                for row in rows {
                    assert_eq!(row.position.0, from + all.len() as u64);
                    all.push(String::from_utf8(data[row.data_start as usize..row.data_end as usize].to_vec()).unwrap());
                }
            }
            Ok(LogRead::Tip) => return (all, None),
            Ok(LogRead::Trimmed(first)) => panic!("trimmed to {first}"),
            Err(error) => return (all, Some(error)),
        }
    }
}

fn assert_holds(log: &Log, from: u64, count: u64) {
    for max_bytes in [1, 300, 1 << 20] {
        let (all, error) = read_all(log, from, max_bytes);
        assert!(error.is_none(), "{error:?}");
        assert_eq!(all, texts(from, count));
    }
}

#[test]
fn what_was_appended_is_read_back_over_segments_and_reopening() {
    let case = Case::new(500);
    let mut log = case.create();
    for i in 0..20 {
        assert_eq!(append(&mut log, 1, &texts(i * 5, 5)).unwrap(), Position(i * 5));
    }
    assert!(case.files.paths().len() > 3, "several segments");
    assert_holds(&log, 0, 100);
    assert_holds(&log, 37, 63);
    drop(log);
    let (mut log, recovery) = case.open();
    assert!(recovery.torn.is_none() && recovery.damage.is_empty());
    assert_holds(&log, 0, 100);
    assert_eq!(append(&mut log, 1, &texts(100, 1)).unwrap(), Position(100));
    assert_holds(&log, 12, 89);
}

#[test]
fn one_commit_is_one_sync() {
    let case = Case::new(1 << 20);
    let mut log = case.create();
    let before = case.files.syncs();
    append(&mut log, 1, &texts(0, 500)).unwrap();
    assert_eq!(case.files.syncs() - before, 1);
}

#[test]
fn a_write_torn_at_any_byte_loses_no_acknowledged_record() {
    let case = Case::new(1 << 20);
    let mut log = case.create();
    append(&mut log, 1, &texts(0, 3)).unwrap();
    append(&mut log, 1, &texts(3, 2)).unwrap();
    let path = PathBuf::from(FOLDER).join(segment_name(Position(0)));
    let acknowledged = case.files.bytes(&path).len();
    // The next block is written whole but its sync does not come back.
    case.files.set_faults(Faults::default());
    append(&mut log, 1, &texts(5, 4)).unwrap();
    let whole = case.files.bytes(&path);
    for kept in 0..=whole.len() - acknowledged {
        let files = case.files.fork();
        files.put(&path, whole[..acknowledged + kept].to_vec());
        let (mut log, recovery) = open(&files, &case.env, 1 << 20);
        let complete = acknowledged + kept == whole.len();
        assert_eq!(recovery.torn.is_some(), kept > 0 && !complete, "{kept} bytes kept");
        assert!(recovery.damage.is_empty());
        let count = if complete { 9 } else { 5 };
        assert_holds(&log, 0, count);
        append(&mut log, 1, &texts(count, 1)).unwrap();
        drop(log);
        let (log, recovery) = open(&files, &case.env, 1 << 20);
        assert!(recovery.torn.is_none(), "the tail was cut for good");
        assert_holds(&log, 0, count + 1);
    }
}

#[test]
fn a_crash_while_a_segment_is_made_loses_nothing() {
    let case = Case::new(100);
    let mut log = case.create();
    append(&mut log, 5, &texts(0, 10)).unwrap();
    let second = PathBuf::from(FOLDER).join(segment_name(Position(10)));
    for len in 0..SEGMENT_HEADER_BYTES {
        let files = case.files.fork();
        files.put(&second, vec![0; len]);
        let (mut log, recovery) = open(&files, &case.env, 100);
        assert_eq!(recovery.torn.as_ref().map(|torn| torn.bytes), Some(len as u64));
        append(&mut log, 5, &texts(10, 1)).unwrap();
        assert_holds(&log, 0, 11);
        assert_eq!(log.view().before_time(6).unwrap(), Position(11));
    }
}

#[test]
fn unsynced_names_and_bytes_may_vanish() {
    for kept in [0, 1, 64, 100, 1_000] {
        let case = Case::new(200);
        let mut log = case.create();
        for i in 0..12 {
            append(&mut log, 1, &texts(i, 1)).unwrap();
        }
        case.files.set_faults(Faults { sync: Some(std::io::ErrorKind::Other), ..Faults::default() });
        append(&mut log, 1, &texts(12, 1)).unwrap_err();
        case.files.set_faults(Faults::default());
        case.files.crash(kept);
        assert_holds(&case.open().0, 0, 12);
    }
}

#[test]
fn after_a_failed_sync_a_new_file_is_begun_and_positions_go_on() {
    let case = Case::new(1 << 20);
    let mut log = case.create();
    append(&mut log, 1, &texts(0, 3)).unwrap();
    for fault in [
        Faults { sync: Some(std::io::ErrorKind::Other), ..Faults::default() },
        Faults { write: Some(std::io::ErrorKind::StorageFull), written_before_error: 30, ..Faults::default() },
    ] {
        let next = log.view().next().0;
        case.files.set_faults(fault);
        for _ in 0..3 {
            let error = append(&mut log, 1, &texts(900, 2)).unwrap_err();
            assert_eq!(error.is_full(), fault.write.is_some());
        }
        assert_holds(&log, 0, next);
        case.files.set_faults(Faults::default());
        assert_eq!(append(&mut log, 1, &texts(next, 2)).unwrap(), Position(next));
        assert_holds(&log, 0, next + 2);
        assert_holds(&case.open().0, 0, next + 2);
    }
    assert!(case.files.paths().len() >= 3);
}

#[test]
fn an_unacknowledged_block_before_a_new_segment_is_never_read() {
    let case = Case::new(1 << 20);
    let mut log = case.create();
    append(&mut log, 1, &texts(0, 3)).unwrap();
    let path = PathBuf::from(FOLDER).join(segment_name(Position(0)));
    let acknowledged = case.files.bytes(&path);
    append(&mut log, 1, &["not acknowledged".to_owned()]).unwrap();
    let with_more = case.files.bytes(&path);
    case.files.put(&path, acknowledged);
    let (mut log, _) = case.open();
    log.seal().unwrap();
    append(&mut log, 1, &texts(3, 2)).unwrap();
    case.files.put(&path, with_more);
    assert_holds(&case.open().0, 0, 5);
}

#[test]
fn damage_in_the_middle_is_told_and_never_skipped() {
    for sealed in [false, true] {
        let case = Case::new(1 << 20);
        let mut log = case.create();
        for i in 0..10 {
            append(&mut log, 1, &texts(i * 2, 2)).unwrap();
        }
        if sealed {
            log.seal().unwrap();
            append(&mut log, 1, &texts(20, 2)).unwrap();
        }
        let path = PathBuf::from(FOLDER).join(segment_name(Position(0)));
        let clean = case.files.bytes(&path);
        for at in SEGMENT_HEADER_BYTES..clean.len() {
            let mut bytes = clean.clone();
            bytes[at] ^= 0x10;
            let files = case.files.fork();
            files.put(&path, bytes);
            let (mut log, recovery) = open(&files, &case.env, 1 << 20);
            let (all, error) = read_all(&log, 0, 1 << 20);
            assert!(all.len() < 22 && all == texts(0, all.len() as u64), "byte {at}");
            let cut = recovery.torn.is_some();
            assert!(cut || error.is_some(), "byte {at}: neither cut nor told");
            assert!(!cut || (!sealed && all.len() == 18), "byte {at}: only the last block may count as torn");
            let next = log.view().next().0;
            append(&mut log, 1, &texts(next, 1)).unwrap();
            assert_eq!(read_all(&log, next, 1 << 20).0, texts(next, 1), "byte {at}");
        }
    }
}

#[test]
fn a_reader_can_go_on_behind_damage() {
    let case = Case::new(1 << 20);
    let mut log = case.create();
    for i in 0..10 {
        append(&mut log, 1, &texts(i * 2, 2)).unwrap();
    }
    let path = PathBuf::from(FOLDER).join(segment_name(Position(0)));
    let mut bytes = case.files.bytes(&path);
    let block = (bytes.len() - SEGMENT_HEADER_BYTES) / 10;
    bytes[SEGMENT_HEADER_BYTES + 4 * block + 5] ^= 1;
    case.files.put(&path, bytes);
    let (log, recovery) = case.open();
    let lost: Vec<_> = recovery.damage.iter().map(|damage| damage.lost).collect();
    assert_eq!(lost.len(), 1);
    let (Position(from), Position(to)) = lost[0];
    assert_eq!((from..to).count(), 2);
    assert_eq!(read_all(&log, 0, 1 << 20).0, texts(0, from));
    assert_eq!(read_all(&log, to, 1 << 20).0, texts(to, 20 - to));
}

#[test]
fn retention_deletes_whole_segments_and_readers_are_told() {
    let case = Case::new(200);
    let mut log = case.create();
    for i in 0..20 {
        let now = case.env.now_ms();
        append(&mut log, now, &texts(i * 2, 2)).unwrap();
        case.clock.advance_ms(1_000);
    }
    assert_eq!(log.retain(1_000_000, true).unwrap().segments, 0);
    let before = log.view().bytes();
    let deleted = log.retain(1_010_000, true).unwrap();
    assert!(deleted.segments > 0);
    assert_eq!(log.view().bytes() + deleted.bytes, before);
    let first = log.view().first();
    assert!(first.0 > 0 && first.0 <= 20);
    let mut reader = LogReader::new(log.view(), Position(0));
    assert!(matches!(reader.read(100).unwrap(), LogRead::Trimmed(p) if p == first));
    assert_holds(&log, first.0, 40 - first.0);
    // Everything is old: even the segment that is being written goes, and positions stay.
    log.retain(u64::MAX, true).unwrap();
    assert_eq!((log.view().first(), log.view().next()), (Position(40), Position(40)));
    let (mut log, _) = case.open();
    assert_eq!(append(&mut log, 1, &texts(40, 1)).unwrap(), Position(40));
}

#[test]
fn records_are_found_by_time_of_arrival_although_the_clock_jumps_back() {
    let case = Case::new(400);
    let mut log = case.create();
    let arrivals = [100, 200, 300, 250, 240, 400, 500, 450, 600];
    for (i, arrival) in arrivals.iter().enumerate() {
        append(&mut log, *arrival, &texts(i as u64, 1)).unwrap();
    }
    for reopened in [false, true] {
        if reopened {
            log = case.open().0;
        }
        for time in [0, 100, 101, 299, 300, 301, 420, 500, 501, 600, 601] {
            let from = log.view().before_time(time).unwrap();
            assert!(arrivals[..from.0 as usize].iter().all(|&a| a < time), "all before {from} arrived before {time}");
        }
        assert_eq!(log.view().before_time(601).unwrap(), Position(9));
    }
}

#[test]
fn a_segment_of_another_log_is_refused() {
    let case = Case::new(400);
    append(&mut case.create(), 1, &texts(0, 1)).unwrap();
    let files = Arc::new(case.files.clone());
    let result = Log::open(files, Path::new(FOLDER), 43, options(&case.env, 400), None);
    assert!(matches!(result, Err(LogOpenError::Foreign { .. })));
    let empty = Arc::new(MemoryFiles::default());
    let result = Log::open(empty, Path::new(FOLDER), 42, options(&case.env, 400), None);
    assert!(matches!(result, Err(LogOpenError::Missing { .. })));
}

#[test]
fn the_missing_end_of_a_sealed_log_is_told() {
    let case = Case::new(400);
    append(&mut case.create(), 1, &texts(0, 1)).unwrap();
    let files = Arc::new(case.files.clone());
    let ended = Some(Position(3));
    let (log, recovery) = Log::open(files, Path::new(FOLDER), 42, options(&case.env, 400), ended).unwrap();
    assert_eq!(recovery.damage[0].lost, (Position(1), Position(3)));
    assert!(read_all(&log, 1, 100).1.is_some());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Any bytes in a segment's place: opening and reading never panic, and what is read is what was written.
    #[test]
    fn the_reader_is_total(
        cuts in proptest::collection::vec((any::<u16>(), any::<u8>()), 0..6),
        truncate in proptest::option::of(any::<u16>()),
        noise in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        let case = Case::new(300);
        let mut log = case.create();
        for i in 0..12 {
            append(&mut log, 1, &texts(i * 2, 2)).unwrap();
        }
        let paths = case.files.paths();
        for (i, (at, flip)) in cuts.iter().enumerate() {
            let path = &paths[i % paths.len()];
            let mut bytes = case.files.bytes(path);
            let at = usize::from(*at) % bytes.len();
            bytes[at] ^= flip;
            case.files.put(path, bytes);
        }
        let last = &paths[paths.len() - 1];
        let mut bytes = case.files.bytes(last);
        if let Some(at) = truncate {
            bytes.truncate(usize::from(at) % bytes.len());
        }
        bytes.extend_from_slice(&noise);
        case.files.put(last, bytes);
        let files = Arc::new(case.files.clone());
        if let Ok((log, _)) = Log::open(files, Path::new(FOLDER), 42, options(&case.env, 300), None) {
            for from in 0..24 {
                let (all, _) = read_all(&log, from, 200);
                prop_assert_eq!(&all, &texts(from, all.len() as u64));
            }
        }
    }
}
