//! Reading files: every compression, folders, bad rows, damage, order; and real trips where they are at hand.
#![allow(clippy::unwrap_used, missing_docs)]

use proptest::prelude::*;
use replay::{FileSource, ReadOptions, Row, Source, SourceError};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

fn row(id: u64, second: u64) -> String {
    format!(
        r#"{{"trip_id":{id},"dropoff_datetime":"2016-01-06T00:{:02}:{:02}.000Z","x":[1]}}"#,
        second / 60,
        second % 60
    )
}

fn text(rows: u64) -> String {
    (0..rows).map(|id| row(id, id) + "\n").collect()
}

fn packed(extension: &str, text: &str) -> Vec<u8> {
    let text = text.as_bytes();
    match extension {
        "gz" => {
            let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            packer.write_all(text).unwrap();
            packer.finish().unwrap()
        }
        "lz4" => {
            let mut packer = lz4_flex::frame::FrameEncoder::new(Vec::new());
            packer.write_all(text).unwrap();
            packer.finish().unwrap()
        }
        "zst" => zstd::encode_all(text, 1).unwrap(),
        _ => text.to_vec(),
    }
}

fn open(path: &Path) -> Result<FileSource, SourceError> {
    FileSource::open(&[path.to_owned()], ReadOptions::default())
}

fn drain(source: &mut FileSource) -> Result<Vec<Row>, SourceError> {
    let mut rows = Vec::new();
    while let Some(row) = source.next_row()? {
        rows.push(row);
    }
    Ok(rows)
}

#[test]
fn every_compression_gives_the_same_rows() {
    let home = tempfile::tempdir().unwrap();
    let check = |extension: &str, bytes: Vec<u8>, rows: u64| {
        let path = home.path().join("t.ndjson").with_extension(extension);
        fs::write(&path, bytes).unwrap();
        let mut source = open(&path).unwrap();
        let read = drain(&mut source).unwrap();
        assert_eq!(read.len() as u64, rows, "{extension}");
        for (id, read) in read.iter().enumerate() {
            assert_eq!((read.key.as_str(), &read.data[..]), (&*id.to_string(), row(id as u64, id as u64).as_bytes()));
        }
        assert_eq!(source.findings().unparsable, 0);
        let progress = source.progress();
        assert_eq!(Some(progress.bytes_read), progress.bytes_total, "{extension}");
    };
    for extension in ["ndjson", "gz", "lz4", "zst"] {
        check(extension, packed(extension, &text(3_000)), 3_000);
        check(extension, packed(extension, text(10).trim_end()), 10);
        // Files are often made by joining others.
        let (head, tail) = (text(10), text(20).lines().skip(10).map(|line| line.to_owned() + "\n").collect::<String>());
        check(extension, [packed(extension, &head), packed(extension, &tail)].concat(), 20);
    }
}

#[test]
fn a_damaged_file_says_where_and_never_passes_for_a_whole_one() {
    let home = tempfile::tempdir().unwrap();
    for extension in ["gz", "lz4", "zst"] {
        let path = home.path().join("t.ndjson").with_extension(extension);
        let bytes = packed(extension, &text(3_000));
        fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
        let error = drain(&mut open(&path).unwrap()).unwrap_err();
        assert!(matches!(error, SourceError::Damaged { .. }), "{extension}: {error}");
        assert!(error.to_string().contains(&format!("t.{extension}:")), "{error}");
    }
}

#[test]
fn a_name_that_lies_is_found_before_anything_is_read() {
    let home = tempfile::tempdir().unwrap();
    let check = |name: &str, bytes: Vec<u8>, message: &str| {
        let path = home.path().join(name);
        fs::write(&path, bytes).unwrap();
        let error = open(&path).unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
    };
    check("a.ndjson", packed("zst", &text(3)), "is named as plain but begins as zstd");
    check("b.gz", packed("", &text(3)), "is named as gzip but begins as plain");
    check("c.lz4", packed("gz", &text(3)), "is named as lz4 but begins as gzip");
    check("d.zst", vec![], "is named as zstd but begins as plain");
}

#[test]
fn bad_rows_are_told_counted_and_skipped() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("t.ndjson");
    let good = row(1, 1);
    let cut = &good[..good.len() - 4];
    let lines =
        [&good, "", "not json", r#"{"trip_id":2}"#, r#"{"dropoff_datetime":"yesterday"}"#, cut, "   ", &row(3, 3)];
    fs::write(&path, lines.join("\n")).unwrap();
    let mut source = open(&path).unwrap();
    let keys: Vec<String> = drain(&mut source).unwrap().into_iter().map(|row| row.key).collect();
    assert_eq!(keys, ["1", "3"]);
    let findings = source.findings();
    assert_eq!(findings.unparsable, 4);
    let told: Vec<String> = findings
        .bad_rows
        .iter()
        .map(|bad| format!("{} {}", bad.place.rsplit('/').next().unwrap(), bad.reason))
        .collect();
    assert_eq!(
        told,
        [
            "t.ndjson:3 not a JSON object",
            "t.ndjson:4 the attribute of the event time is missing",
            "t.ndjson:5 the event time is neither ISO-8601 nor milliseconds since 1970",
            "t.ndjson:6 a value is missing",
        ]
    );
}

#[test]
fn samples_of_bad_rows_are_bounded() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("t.ndjson");
    fs::write(&path, "bad\n".repeat(1_000)).unwrap();
    let mut source = open(&path).unwrap();
    assert_eq!(drain(&mut source).unwrap(), []);
    assert_eq!((source.findings().unparsable, source.findings().bad_rows.len()), (1_000, 20));
}

#[test]
fn a_row_beyond_the_limit_is_bad_and_the_next_is_not() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("t.ndjson");
    let long = format!(r#"{{"dropoff_datetime":0,"x":"{}"}}"#, "y".repeat(300));
    fs::write(&path, format!("{}\n{long}\n{}\n", row(1, 1), row(2, 2))).unwrap();
    let options = ReadOptions { row_bytes_max: 200, ..ReadOptions::default() };
    let mut source = FileSource::open(&[path], options).unwrap();
    assert_eq!(drain(&mut source).unwrap().len(), 2);
    assert_eq!(source.findings().bad_rows[0].reason, "longer than a row may be");
}

#[test]
fn other_attributes_may_hold_time_and_key() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("t.jsonl");
    fs::write(&path, "{\"at\":2000,\"who\":\"b\"}\n{\"at\":1000,\"who\":\"a\"}\n{\"at\":3000,\"who\":null}\n").unwrap();
    let options = ReadOptions { time_attribute: "at".into(), key_attribute: "who".into(), ..ReadOptions::default() };
    let rows = drain(&mut FileSource::open(&[path], options).unwrap()).unwrap();
    let told: Vec<(i64, &str)> = rows.iter().map(|row| (row.event_time.0, row.key.as_str())).collect();
    assert_eq!(told, [(1_000, "a"), (2_000, "b"), (3_000, "2")]);
}

#[test]
fn a_folder_is_read_file_by_file_and_ordered_across_them() {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("1.ndjson"), [row(10, 10), row(12, 12)].join("\n")).unwrap();
    fs::write(home.path().join("2.ndjson.gz"), packed("gz", &[row(11, 11), row(13, 13)].join("\n"))).unwrap();
    fs::write(home.path().join("README.ndjson"), "no rows").unwrap();
    let mut source = open(home.path()).unwrap();
    let keys: Vec<String> = drain(&mut source).unwrap().into_iter().map(|row| row.key).collect();
    assert_eq!(keys, ["10", "11", "12", "13"]);
    assert!(source.findings().left_out[0].ends_with("README.ndjson: a README"));

    let options = ReadOptions { buffer_rows: 1, ..ReadOptions::default() };
    let mut source = FileSource::open(&[home.path().to_owned()], options).unwrap();
    let keys: Vec<String> = drain(&mut source).unwrap().into_iter().map(|row| row.key).collect();
    assert_eq!(keys, ["10", "12", "11", "13"], "a buffer of one row orders nothing");
    assert_eq!(source.findings().out_of_order, 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn no_bytes_whatever_break_the_reader(bytes in proptest::collection::vec(any::<u8>(), 0..400), extension in 0usize..4) {
        let home = tempfile::tempdir().unwrap();
        let (name, magic): (&str, &[u8]) = [
            ("t.ndjson", b"" as &[u8]), ("t.gz", &[0x1f, 0x8b]), ("t.lz4", &[4, 0x22, 0x4d, 0x18]), ("t.zst", &[0x28, 0xb5, 0x2f, 0xfd]),
        ][extension];
        let path = home.path().join(name);
        fs::write(&path, [magic, &bytes].concat()).unwrap();
        if let Ok(mut source) = open(&path) {
            let _ = drain(&mut source);
        }
    }
}

#[test]
fn real_trips_are_read_whole() {
    let data = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    if !data.exists() {
        eprintln!("LEFT OUT: real trips are not at hand ({} does not exist)", data.display());
        return;
    }
    for (file, rows) in
        [("taxi/trips.ndjson.zst", 119_632), ("taxi/trips.ndjson.lz4", 119_632), ("taxi-day/trips.ndjson.zst", 277_053)]
    {
        let mut source = open(&data.join(file)).unwrap();
        let (mut count, mut newest) = (0, i64::MIN);
        while let Some(row) = source.next_row().unwrap() {
            count += 1;
            assert_eq!(row.key, count.to_string());
            assert!(row.event_time.0 >= newest, "row {count} of {file} is out of order");
            newest = row.event_time.0;
        }
        assert_eq!((count, source.findings().unparsable, source.findings().out_of_order), (rows, 0, 0), "{file}");
    }
}
