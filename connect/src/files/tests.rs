//! Files in a bucket in memory: what a path names, how it is read, and how parts come to be seen.

use super::reading::ObjectRead;
use super::storage::BucketStorage;
use super::*;
use arrow_array::{Int64Array, RecordBatch};
use engine::plan::TableDef;
use engine::port::{Connectors, Cursor, SinkBatch, SinkSpec, SplitId, SplitRead};
use engine::run::connectors::BuiltinConnectors;
use engine::types::{DataType, Field, Schema};
use model::{Env, Position};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use proptest::prelude::*;
use std::io::Read;
use std::sync::mpsc::channel;
use std::time::Duration;
use tokio::runtime::Runtime;

fn runtime() -> Runtime {
    Runtime::new().unwrap()
}

fn put(bucket: &Bucket, key: &str, text: &str) {
    bucket.runtime().block_on(bucket.store().put(&Path::from(key), text.to_owned().into())).unwrap();
}

fn names(bucket: &Bucket) -> Vec<String> {
    use futures_util::TryStreamExt;
    let listed = bucket.store().list(None).map_ok(|meta| meta.location.to_string()).try_collect();
    let mut names: Vec<String> = bucket.runtime().block_on(listed).unwrap();
    names.sort();
    names
}

fn storage(bucket: &Bucket) -> BucketStorage {
    BucketStorage::new(bucket.clone(), Arc::new(Semaphore::new(1)))
}

fn files(bucket: &Bucket) -> Result<Vec<String>, PortError> {
    Ok(storage(bucket).files()?.into_iter().map(|file| file.name).collect())
}

#[test]
fn a_path_names_an_object_or_all_below_it_that_are_not_hidden() {
    let runtime = runtime();
    let bucket = Bucket::in_memory(&runtime);
    for key in ["kept/b/2.ndjson", "kept/b/1.ndjson", "kept/a.gz", "kept/.x", "kept/_SUCCESS", "kept/.d/y", "keptother"]
    {
        put(&bucket, key, "{}");
    }
    put(&bucket, "kept/b", "");
    let all = ["s3://memory/kept/a.gz", "s3://memory/kept/b/1.ndjson", "s3://memory/kept/b/2.ndjson"];
    assert_eq!(files(&bucket).unwrap(), all);
    assert_eq!(files(&bucket.at("kept/b")).unwrap(), all[1..], "an empty object marks a folder");
    assert_eq!(files(&bucket.at("kept/a.gz")).unwrap(), all[..1]);
    assert_eq!(files(&bucket.at("kept/.x")).unwrap(), ["s3://memory/kept/.x"], "who names it means it");
    let error = files(&bucket.at("kep")).unwrap_err();
    assert!(
        error.kind == Kind::NotFound && error.message.starts_with("s3://memory/kep: there is no object"),
        "{error}"
    );
}

#[test]
fn addresses_of_flinks_clients_mean_the_same_and_wrong_settings_are_told_to_who_needs_them() {
    let runtime = runtime();
    let places = BucketFiles::new(Ok(BucketSettings::default()), runtime.handle().clone());
    for scheme in BucketFiles::SCHEMES {
        places.open(&format!("{scheme}://bucket/folder")).unwrap();
        assert!(places.open(&format!("{scheme}://")).err().unwrap().message.contains("names no bucket"));
    }
    let places = BucketFiles::new(Err("the key has no secret".into()), runtime.handle().clone());
    assert_eq!(places.open("s3://bucket/x").err().unwrap().message, "the key has no secret");
}

fn reader(bucket: &Bucket, text: &str, window_bytes: u64, offset: u64) -> ObjectRead {
    put(bucket, "kept/x", text);
    let meta = bucket.runtime().block_on(bucket.store().head(&Path::from("kept/x"))).unwrap();
    ObjectRead {
        store: bucket.store().clone(),
        runtime: bucket.runtime().clone(),
        path: meta.location,
        shown: "s3://memory/kept/x".into(),
        version: meta.e_tag.as_deref().map(Into::into),
        bytes: meta.size,
        offset,
        window_bytes,
        window: <_>::default(),
    }
}

proptest! {
    #[test]
    fn windows_of_any_size_give_the_whole(text in "[a-z\n]{0,300}", window in 1u64..100, from in 0usize..100) {
        let runtime = runtime();
        let bucket = Bucket::in_memory(&runtime);
        let from = from.min(text.len());
        let mut read = String::new();
        reader(&bucket, &text, window, from as u64).read_to_string(&mut read).unwrap();
        prop_assert_eq!(&text[from..], read);
    }
}

#[test]
fn an_object_that_is_replaced_or_gone_while_it_is_read_fails() {
    let runtime = runtime();
    let bucket = Bucket::in_memory(&runtime);
    let mut reader = reader(&bucket, "0123456789", 4, 0);
    let mut four = [0; 4];
    reader.read_exact(&mut four).unwrap();
    put(&bucket, "kept/x", "0123456789 and more");
    let told = |error: std::io::Error| error.get_ref().and_then(|e| e.downcast_ref::<PortError>()).cloned().unwrap();
    let error = told(reader.read_exact(&mut four).unwrap_err());
    assert!(error.kind == Kind::Conflict && error.message.contains("x: it was replaced while it was read"), "{error}");
    runtime.block_on(bucket.store().delete(&Path::from("kept/x"))).unwrap();
    assert_eq!(told(reader.read_exact(&mut four).unwrap_err()).kind, Kind::NotFound);
}

#[test]
fn a_part_is_hidden_until_it_is_shown_and_what_nobody_names_is_cleared() {
    let runtime = runtime();
    let bucket = Bucket::in_memory(&runtime);
    let storage = storage(&bucket);
    storage.ready().unwrap();
    let write = |name: &str, bytes: &[u8]| {
        let mut part = storage.begin(name).unwrap();
        part.write(bytes).unwrap();
        part.write(b"\n").unwrap();
        part.finish().unwrap();
    };
    write("part-a-1", b"one");
    write("part-a-2", b"two");
    write("part-b-1", b"other");
    drop(storage.begin("part-a-3").unwrap());
    assert!(storage.files().is_err(), "nothing is seen yet");
    storage.show("part-a-1").unwrap();
    storage.show("part-a-1").unwrap();
    assert_eq!(files(&bucket).unwrap(), ["s3://memory/kept/part-a-1"]);
    storage.clear("part-a-").unwrap();
    assert_eq!(names(&bucket), ["kept/.part-b-1.inprogress", "kept/part-a-1"]);
    storage.show("part-a-2").unwrap();
    assert_eq!(names(&bucket).len(), 2, "what is gone stays gone");
}

#[test]
fn a_large_part_is_sent_in_pieces_and_is_whole() {
    let runtime = runtime();
    let bucket = Bucket::in_memory(&runtime);
    let storage = storage(&bucket);
    let mut part = storage.begin("part-a-1").unwrap();
    let piece: Vec<u8> = (0..1_000_003_u32).map(|i| (i % 251) as u8).collect();
    for _ in 0..21 {
        part.write(&piece).unwrap();
    }
    part.finish().unwrap();
    storage.show("part-a-1").unwrap();
    let read =
        runtime.block_on(async { bucket.store().get(&Path::from("kept/part-a-1")).await.unwrap().bytes().await });
    assert!(read.unwrap() == piece.repeat(21));
}

/// Buckets in memory.
struct InMemory(Bucket);

impl FileStorages for InMemory {
    fn open(&self, address: &str) -> Result<Arc<dyn FileStorage>, PortError> {
        Ok(Arc::new(storage(&self.0.at(address.strip_prefix("s3://memory/").unwrap()))))
    }
}

fn table() -> TableDef {
    let options = [("connector", "filesystem"), ("path", "s3://memory/out"), ("format", "json")];
    let fields = vec![Field { name: "a".into(), data_type: DataType::BigInt, nullable: true }];
    TableDef {
        name: "t".into(),
        schema: Schema { fields },
        computed: vec![None],
        watermark: None,
        primary_key: Vec::new(),
        options: options.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
    }
}

#[test]
fn what_the_connector_writes_it_reads_without_keeping_anybody_waiting() {
    let runtime = runtime();
    let connectors = BuiltinConnectors::new(".", Env::system());
    let connectors = connectors.with_files("s3", Arc::new(InMemory(Bucket::in_memory(&runtime))));
    let (table, schema) = (Arc::new(table()), table().schema);
    let spec = SinkSpec {
        application: "app".into(),
        table: table.clone(),
        schema: schema.clone(),
        subtask: 0,
        parallelism: 1,
        prepared: Some(Vec::new()),
        ending: <_>::default(),
    };
    let mut sink = connectors.sink(&spec).unwrap();
    for from in [0, 1_000] {
        let column = Int64Array::from_iter_values(from..from + 1_000);
        let rows = RecordBatch::try_new(schema.arrow(), vec![Arc::new(column)]).unwrap();
        sink.write(&SinkBatch { rows, ids: None, kinds: None }).unwrap();
        let transaction = sink.prepare().unwrap().unwrap();
        sink.commit(&transaction).unwrap();
    }
    let source = connectors.source(&table).unwrap();
    let (wake, woken) = channel();
    let _subscription = source.subscribe(Arc::new(move || wake.send(()).unwrap_or_default()));
    let mut rows = Vec::new();
    for split in source.splits().unwrap() {
        // Every block is read by a reader of its own, from where the one before it has ended.
        let mut from: Cursor = Position::ZERO.into();
        loop {
            let Some((texts, next)) = block(source.open(split.id, from).unwrap().as_mut(), &woken) else { break };
            rows.extend(texts);
            from = next;
        }
    }
    rows.sort_by_key(|row| row.len());
    assert_eq!((rows.len(), rows[0].as_str(), rows[1_999].len()), (2_000, "{\"a\":0}", "{\"a\":1999}".len()));
    assert!(source.open(SplitId(7), Position::ZERO.into()).is_err());
}

/// The next rows, and where reading goes on; `None` at the end.
fn block(
    reader: &mut dyn engine::port::SplitReader,
    woken: &std::sync::mpsc::Receiver<()>,
) -> Option<(Vec<String>, Cursor)> {
    loop {
        match reader.read(5_000).unwrap() {
            SplitRead::Payloads(block) => {
                let text = |row: &std::ops::Range<u32>| {
                    String::from_utf8(block.data[row.start as usize..row.end as usize].to_vec()).unwrap()
                };
                return Some((block.rows.iter().map(text).collect(), block.next.clone()));
            }
            SplitRead::Later => woken.recv_timeout(Duration::from_secs(30)).unwrap(),
            _ => return None,
        }
    }
}
