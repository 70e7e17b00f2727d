//! Tables whose rows replace each other by key and go away by it: what changes of them, and that whoever reads the changes ends
//! with the same rows however the work is cut.
#![allow(clippy::unwrap_used, missing_docs, reason = "for tests alone")]

mod run_support;

use arrow_array::cast::AsArray;
use bytes::Bytes;
use engine::plan::TableDef;
use engine::port::{
    Changelog, Connectors, Cursor, DeadLetter, DeadLetters, KeyFormat, KeyedRecord, PortError, RecordBlock,
    RecordLayout, Role, Sink, SinkSpec, Source, SplitId, SplitInfo, SplitRead, SplitReader, Waker,
};
use engine::run::decode::{JsonOptions, OnParseError};
use engine::run::encode::JsonEncoder;
use engine::run::{Job, JobError, JobOptions};
use engine::sql::{Planned, Script, Session};
use model::{Env, Position};
use proptest::prelude::*;
use run_support::blows::{Blow, blows, deal};
use run_support::{Hands, Index, Kept};
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

/// A record: key and value.
type Record = (Option<String>, Option<String>);

fn record(key: &str, value: Option<&str>) -> Record {
    (Some(key.to_owned()), value.map(str::to_owned))
}

/// Splits of records that end.
#[derive(Clone)]
struct Topic {
    splits: Arc<Vec<Vec<Record>>>,
    layout: Option<RecordLayout>,
}

impl Source for Topic {
    fn splits(&self) -> Result<Vec<SplitInfo>, PortError> {
        let info = |split: usize| SplitInfo {
            id: SplitId(split as u32),
            name: format!("split-{split}"),
            parents: Vec::new(),
            start: Position::ZERO.into(),
        };
        Ok((0..self.splits.len()).map(info).collect())
    }

    fn open(&self, split: SplitId, from: Cursor) -> Result<Box<dyn SplitReader>, PortError> {
        let splits = self.splits.clone();
        Ok(Box::new(TopicReader { splits, split: split.0 as usize, next: from.position.0 as usize }))
    }

    fn layout(&self) -> Option<RecordLayout> {
        self.layout.clone()
    }

    fn is_bounded(&self) -> bool {
        true
    }

    fn subscribe(&self, _: Waker) -> Box<dyn Send> {
        Box::new(())
    }
}

struct TopicReader {
    splits: Arc<Vec<Vec<Record>>>,
    split: usize,
    next: usize,
}

impl SplitReader for TopicReader {
    fn read(&mut self, bytes_max: usize) -> Result<SplitRead, PortError> {
        let (mut data, mut rows) = (Vec::new(), Vec::new());
        let add = |part: &Option<String>, data: &mut Vec<u8>| {
            let start = data.len() as u32;
            data.extend_from_slice(part.as_ref()?.as_bytes());
            Some(start..data.len() as u32)
        };
        while let Some((key, value)) = self.splits[self.split].get(self.next) {
            if !rows.is_empty() && data.len() >= bytes_max {
                break;
            }
            let (key, value) = (add(key, &mut data), add(value, &mut data));
            rows.push(KeyedRecord { key, value, position: Position(self.next as u64) });
            self.next += 1;
        }
        let next = Position(self.next as u64).into();
        let block = RecordBlock { data: Bytes::from(data), rows, next };
        Ok(if block.rows.is_empty() { SplitRead::End } else { SplitRead::Records(block) })
    }

    fn millis_behind_latest(&self) -> Option<u64> {
        None
    }
}

/// The table `upserts` is the topic, `added` the same one where rows are only added; the others are indices.
#[derive(Clone)]
struct World {
    topic: Topic,
    hands: Hands,
}

impl World {
    fn new(splits: Vec<Vec<Record>>, layout: RecordLayout) -> Self {
        Self { topic: Topic { splits: Arc::new(splits), layout: Some(layout) }, hands: Hands::default() }
    }

    fn planned(&self, script: &str) -> Result<Vec<Planned>, String> {
        Session::new().plan(&Script::parse(script).unwrap(), self).map_err(|e| e.to_string())
    }

    fn job(&self, script: &str, options: JobOptions) -> Result<engine::run::JobHandle, JobError> {
        let planned = self.planned(script).unwrap_or_else(|e| panic!("{e}"));
        let plan = planned.into_iter().find_map(|p| if let Planned::Job { plan, .. } = p { Some(plan) } else { None });
        Job::start(plan.unwrap(), JobOptions { connectors: Arc::new(self.clone()), ..options })
    }

    /// The changes that a query gives, as Flink writes them.
    fn changes(&self, script: &str, letters: &Letters) -> Result<Vec<String>, JobError> {
        let options = JobOptions {
            parallelism: Some(1),
            read_bytes: 40,
            dead_letters: Some(Arc::new(letters.clone())),
            ..JobOptions::new("app", Env::system(), Arc::new(self.clone()))
        };
        let job = self.job(script, options)?;
        let (schema, rows) = job.collected().unwrap();
        let encoder = JsonEncoder::new(schema, JsonOptions::default());
        let mut all = Vec::new();
        for batch in rows {
            let bound = encoder.bind(&batch).unwrap();
            for row in 0..batch.num_rows() {
                let mut line = Vec::new();
                bound.write(row, &mut line);
                let op = batch.column_by_name("op").map_or("+I", |ops| ops.as_string::<i32>().value(row));
                let line = String::from_utf8(line).unwrap();
                all.push(format!("{op} {}", line.replace(&format!("\"op\":\"{op}\","), "")));
            }
        }
        job.wait()?;
        Ok(all)
    }
}

impl Connectors for World {
    fn check(&self, _: &TableDef, _: Role) -> Result<(), PortError> {
        Ok(())
    }

    fn changelog(&self, table: &TableDef) -> Changelog {
        self.hands.changelog(table)
    }

    fn gives(&self, table: &TableDef) -> Changelog {
        if table.name.starts_with("upserts") { Changelog::Upsert } else { Changelog::Append }
    }

    fn source(&self, _: &TableDef) -> Result<Arc<dyn Source>, PortError> {
        Ok(Arc::new(self.topic.clone()))
    }

    fn sink(&self, spec: &SinkSpec) -> Result<Box<dyn Sink>, PortError> {
        self.hands.sink(spec)
    }
}

#[derive(Clone, Default)]
struct Letters(Arc<Mutex<Vec<DeadLetter>>>);

impl DeadLetters for Letters {
    fn keep(&self, letter: DeadLetter) -> Result<(), PortError> {
        self.0.lock().unwrap().push(letter);
        Ok(())
    }

    fn flush(&self) -> Result<(), PortError> {
        Ok(())
    }
}

/// `key` and `value` are the columns that stand there, with their names in the key.
fn layout(key_format: KeyFormat, key: &[(usize, &str)], value: &[usize]) -> RecordLayout {
    RecordLayout { key_format, key: key.iter().map(|(c, n)| (*c, (*n).to_owned())).collect(), value: value.to_vec() }
}

fn json() -> KeyFormat {
    KeyFormat::Json(JsonOptions::default())
}

/// Records of `id`, in both parts, and `v`, of which some change nothing.
fn plain() -> Vec<Record> {
    vec![
        record(r#"{"id":1}"#, Some(r#"{"id":1,"v":"a"}"#)),
        record(r#"{"id":2}"#, Some(r#"{"id":2,"v":"b"}"#)),
        record(r#"{"id":1}"#, Some(r#"{"id":1,"v":"a"}"#)),
        record(r#"{"id":1}"#, Some(r#"{"id":1,"v":"c"}"#)),
        record(r#"{"id":3}"#, None),
        record(r#"{"id":2}"#, None),
        record(r#"{"id":2}"#, None),
        record(r#"{"id":2}"#, Some(r#"{"id":2,"v":null}"#)),
        record(r#"{"id":2}"#, Some(r#"{"v":null,"id":2}"#)),
    ]
}

const TABLE: &str = "CREATE TABLE upserts (id BIGINT, v STRING, PRIMARY KEY (id) NOT ENFORCED) \
    WITH ('connector'='topic','value.format'='json');\n";

#[test]
fn rows_that_replace_each_other_become_changes_of_those_that_are_there() {
    let both = layout(json(), &[(0, "id")], &[0, 1]);
    let world = World::new(vec![plain()], both.clone());
    let found = world.changes(&format!("{TABLE}SELECT * FROM upserts;"), &Letters::default()).unwrap();
    let expected = [
        r#"+I {"id":1,"v":"a"}"#,
        r#"+I {"id":2,"v":"b"}"#,
        r#"-U {"id":1,"v":"a"}"#,
        r#"+U {"id":1,"v":"c"}"#,
        r#"-D {"id":2,"v":"b"}"#,
        r#"+I {"id":2,"v":null}"#,
    ];
    assert_eq!(found, expected);
    // What nobody reads changes nothing.
    let found = world.changes(&format!("{TABLE}SELECT id FROM upserts;"), &Letters::default()).unwrap();
    assert_eq!(found, [r#"+I {"id":1}"#, r#"+I {"id":2}"#, r#"-D {"id":2}"#, r#"+I {"id":2}"#]);
    let counted = format!("{TABLE}SELECT COUNT(*) + 0 AS n, COUNT(v) + 0 AS v FROM upserts;");
    let found = world.changes(&counted, &Letters::default()).unwrap();
    assert_eq!(found.last().unwrap(), r#"+U {"n":2,"v":1}"#);
    // At the end of batch mode only what is there is given, to tables that are only added to as well.
    let index = Index::default();
    let world = World { hands: Hands::default().index("counted", &index), ..world };
    let script = format!(
        "SET 'execution.runtime-mode' = 'batch';{TABLE}CREATE TABLE counted (id BIGINT, v STRING, PRIMARY KEY (id) NOT ENFORCED) \
         WITH ('connector'='index');\nINSERT INTO counted SELECT id, v FROM upserts;"
    );
    world.job(&script, world.hands.options()).unwrap().wait().unwrap();
    assert_eq!(index.rows(), [r#"{"id":1,"v":"c"}"#, r#"{"id":2,"v":null}"#]);
}

#[test]
fn columns_come_from_the_key_where_the_value_leaves_them_out() {
    let table = "CREATE TABLE upserts (k_a STRING, n INT, k_b BIGINT, twice AS n * 2, PRIMARY KEY (k_b, k_a) NOT ENFORCED) \
                 WITH ('connector'='topic','value.format'='json');\n";
    let records = vec![
        record(r#"{"a":"x","b":7}"#, Some(r#"{"n":1,"a":"not this"}"#)),
        record(r#"{"b":7,"a":"x"}"#, Some(r#"{"n":2}"#)),
        record(r#"{"a":"x"}"#, Some(r#"{"n":3}"#)),
        record(r#"{"b":7,"a":"x"}"#, None),
    ];
    let except = layout(json(), &[(2, "b"), (0, "a")], &[1]);
    let found = World::new(vec![records.clone()], except.clone())
        .changes(&format!("{table}SELECT * FROM upserts;"), &Letters::default())
        .unwrap();
    let expected = [
        r#"+I {"k_a":"x","n":1,"k_b":7,"twice":2}"#,
        r#"-U {"k_a":"x","n":1,"k_b":7,"twice":2}"#,
        r#"+U {"k_a":"x","n":2,"k_b":7,"twice":4}"#,
        r#"+I {"k_a":"x","n":3,"k_b":null,"twice":6}"#,
        r#"-D {"k_a":"x","n":2,"k_b":7,"twice":4}"#,
    ];
    assert_eq!(found, expected);
    // A table that is only added to has no row for a record without a value.
    let added = table.replace("upserts", "added");
    let found = World::new(vec![records], except)
        .changes(&format!("{added}SELECT k_a, n FROM added;"), &Letters::default())
        .unwrap();
    assert_eq!(found, [1, 2, 3].map(|n| format!(r#"+I {{"k_a":"x","n":{n}}}"#)));
    let raw = World::new(
        vec![vec![record("ä b", Some(r#"{"v":1}"#)), record("", Some(r#"{"v":2}"#)), record("ä b", None)]],
        layout(KeyFormat::Raw, &[(0, "name")], &[1]),
    );
    let table = "CREATE TABLE upserts (name STRING, v INT, PRIMARY KEY (name) NOT ENFORCED) \
                 WITH ('connector'='topic','value.format'='json');\n";
    let found = raw.changes(&format!("{table}SELECT * FROM upserts;"), &Letters::default()).unwrap();
    assert_eq!(found, [r#"+I {"name":"ä b","v":1}"#, r#"+I {"name":"","v":2}"#, r#"-D {"name":"ä b","v":1}"#]);
}

#[test]
fn the_key_of_a_record_without_a_value_says_which_row_goes_away() {
    // The value says otherwise, and counts where there is one.
    let records = vec![
        record(r#"{"id":1}"#, Some(r#"{"id":9,"v":"a"}"#)),
        record(r#"{"id":1}"#, None),
        record(r#"{"id":9}"#, None),
    ];
    let world = World::new(vec![records], layout(json(), &[(0, "id")], &[0, 1]));
    let found = world.changes(&format!("{TABLE}SELECT * FROM upserts;"), &Letters::default()).unwrap();
    assert_eq!(found, [r#"+I {"id":9,"v":"a"}"#, r#"-D {"id":9,"v":"a"}"#]);
}

#[test]
fn records_that_cannot_be_read_are_kept_with_their_key() {
    let records = vec![
        record(r#"{"id":1}"#, Some(r#"{"id":1,"v":"a"}"#)),
        (None, Some(r#"{"id":5,"v":"a"}"#.to_owned())),
        record("nonsense", Some(r#"{"id":6,"v":"a"}"#)),
        record(r#"{"id":7}"#, Some("nonsense")),
        record(r#"{"id":"x"}"#, None),
        record(r#"{"id":1}"#, Some(r#"{"id":1,"v":"b"}"#)),
    ];
    let script = format!("{TABLE}SELECT * FROM upserts;");
    let (letters, keyed) = (Letters::default(), layout(json(), &[(0, "id")], &[0, 1]));
    let found = World::new(vec![records.clone()], keyed.clone()).changes(&script, &letters).unwrap();
    assert_eq!(found, [r#"+I {"id":1,"v":"a"}"#, r#"-U {"id":1,"v":"a"}"#, r#"+U {"id":1,"v":"b"}"#]);
    let mut kept = letters.0.lock().unwrap().clone();
    kept.sort_by_key(|letter| letter.position);
    let shown: Vec<(u64, &str, String)> = kept
        .iter()
        .map(|l| (l.position, l.reason.as_str(), String::from_utf8_lossy(&l.payload).into_owned()))
        .collect();
    assert_eq!(shown.len(), 4, "{shown:?}");
    for ((position, reason, payload), (at, words, value)) in shown.iter().zip([
        (1, "the record has no key", r#"{"id":5,"v":"a"}"#),
        (2, "its key: ", r#"{"id":6,"v":"a"}"#),
        (3, r#"(key: {"id":7})"#, "nonsense"),
        (4, "its key: column id", ""),
    ]) {
        assert_eq!((*position, payload.as_str()), (at, value));
        assert!(reason.contains(words), "{reason}");
    }
    assert!(shown[1].1.ends_with("(key: nonsense)"), "{}", shown[1].1);
    // Where keys must be readable, the job fails by one that is not.
    let strict = JsonOptions { on_parse_error: OnParseError::Fail, ..JsonOptions::default() };
    let keyed = RecordLayout { key_format: KeyFormat::Json(strict), ..keyed };
    let error = World::new(vec![records], keyed).changes(&script, &Letters::default()).unwrap_err();
    assert!(matches!(&error, JobError::BadRecord { table, position: 1, .. } if table == "upserts"), "{error}");
}

#[test]
fn the_plan_names_what_keeps_the_rows_and_refuses_what_cannot_take_changes() {
    let world = World::new(vec![], layout(json(), &[(0, "id")], &[0, 1]));
    let timed = "CREATE TABLE upserts (id BIGINT, v STRING, ts TIMESTAMP(3), PRIMARY KEY (id) NOT ENFORCED, \
                 WATERMARK FOR ts AS ts) WITH ('connector'='topic','value.format'='json');\n";
    let explained = world.planned(&format!("{timed}EXPLAIN SELECT v, COUNT(*) FROM upserts GROUP BY v;")).unwrap();
    let text =
        explained.into_iter().find_map(|p| if let Planned::Explain(text) = p { Some(text) } else { None }).unwrap();
    for line in [
        "GroupAggregate(keys=[v], aggregates=[COUNT(*)], exchange=[hash], changelog=[all])",
        "ChangelogNormalize(keys=[id], exchange=[hash], changelog=[all])",
        "Scan(table=[upserts], connector=[topic], columns=[id, v], watermark=[ts], changelog=[upsert])",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
    let refused = |query: &str| world.planned(&format!("{timed}{query}")).unwrap_err();
    let window = "TABLE(TUMBLE(TABLE upserts, DESCRIPTOR(ts), INTERVAL '1' HOUR))";
    let error = refused(&format!("SELECT COUNT(*) FROM {window} GROUP BY window_start, window_end;"));
    assert!(error.contains("takes new rows only, but the query below it changes rows"), "{error}");
    let error = refused("SELECT SUM(id) OVER (PARTITION BY v ORDER BY ts) FROM upserts;");
    assert!(error.contains("OVER takes new rows only"), "{error}");
    let keyless = TABLE.replace(", PRIMARY KEY (id) NOT ENFORCED", "");
    let error = world.planned(&format!("{keyless}SELECT * FROM upserts;")).unwrap_err();
    assert!(error.contains("replace each other") && error.contains("PRIMARY KEY"), "{error}");
}

const SINKS: &str = "CREATE TABLE rows_there (id BIGINT, v BIGINT, PRIMARY KEY (id) NOT ENFORCED) WITH ('connector'='index');
CREATE TABLE groups_there (g BIGINT, n BIGINT, s BIGINT, mx BIGINT, PRIMARY KEY (g) NOT ENFORCED) WITH ('connector'='index');
CREATE TABLE greatest (g BIGINT, id BIGINT, PRIMARY KEY (g) NOT ENFORCED) WITH ('connector'='index');
CREATE TABLE matched (id BIGINT, n BIGINT, PRIMARY KEY (id) NOT ENFORCED) WITH ('connector'='index');
CREATE VIEW grouped AS SELECT MOD(v, 7) AS g, COUNT(*) AS n, SUM(v) AS s, MAX(v) AS mx FROM upserts GROUP BY MOD(v, 7);
EXECUTE STATEMENT SET BEGIN
INSERT INTO rows_there SELECT id, v FROM upserts;
INSERT INTO groups_there SELECT * FROM grouped;
INSERT INTO greatest SELECT g, id FROM (SELECT MOD(v, 5) AS g, id,
  ROW_NUMBER() OVER (PARTITION BY MOD(v, 5) ORDER BY v DESC, id) AS rn FROM upserts) WHERE rn = 1;
INSERT INTO matched SELECT a.id, b.n FROM upserts AS a JOIN grouped AS b ON MOD(a.v, 7) = b.g;
END;";

/// The records of a history and the rows that are there at its end. A key stands in one split.
fn history(count: i64, splits: usize) -> (Vec<Vec<Record>>, BTreeMap<i64, i64>) {
    let (mut records, mut rows) = (vec![Vec::new(); splits], BTreeMap::new());
    for i in 0..count {
        let (id, v) = ((i * 7_919) % 61, (i * i) % 101);
        let value = (i % 4 != 3).then(|| format!(r#"{{"v":{v}}}"#));
        match &value {
            Some(_) => rows.insert(id, v),
            None => rows.remove(&id),
        };
        records[id as usize % splits].push((Some(format!(r#"{{"id":{id}}}"#)), value));
    }
    (records, rows)
}

fn expected(rows: &BTreeMap<i64, i64>) -> BTreeMap<&'static str, Vec<String>> {
    let mut groups: BTreeMap<i64, Vec<i64>> = BTreeMap::new();
    rows.values().for_each(|v| groups.entry(v % 7).or_default().push(*v));
    let mut greatest: BTreeMap<i64, (i64, i64)> = BTreeMap::new();
    for (id, v) in rows {
        let best = greatest.entry(v % 5).or_insert((*v, *id));
        *best = if (*v, -*id) > (best.0, -best.1) { (*v, *id) } else { *best };
    }
    let group = |(g, all): (&i64, &Vec<i64>)| {
        let (n, s, mx) = (all.len(), all.iter().sum::<i64>(), all.iter().max().unwrap());
        format!(r#"{{"g":{g},"n":{n},"s":{s},"mx":{mx}}}"#)
    };
    let sorted = |mut lines: Vec<String>| {
        lines.sort();
        lines
    };
    BTreeMap::from([
        ("rows_there", sorted(rows.iter().map(|(id, v)| format!(r#"{{"id":{id},"v":{v}}}"#)).collect())),
        ("groups_there", sorted(groups.iter().map(group).collect())),
        ("greatest", sorted(greatest.iter().map(|(g, (_, id))| format!(r#"{{"g":{g},"id":{id}}}"#)).collect())),
        (
            "matched",
            sorted(rows.iter().map(|(id, v)| format!(r#"{{"id":{id},"n":{}}}"#, groups[&(v % 7)].len())).collect()),
        ),
    ])
}

/// Runs to the end of the records, with blows on the way; gives the documents of each sink.
fn run(
    splits: Vec<Vec<Record>>,
    mut parallelism: u32,
    memory: Option<u64>,
    blows: &[(u64, Blow)],
) -> BTreeMap<&'static str, Vec<String>> {
    let (kept, mut blows) = (Kept::default(), blows.iter());
    let names = ["rows_there", "groups_there", "greatest", "matched"];
    let indices: Vec<(&str, Index)> = names.map(|name| (name, Index::default())).to_vec();
    let script = format!("{}{SINKS}", TABLE.replace("v STRING", "v BIGINT"));
    let mut world = World::new(splits, layout(json(), &[(0, "id")], &[1]));
    world.hands = indices.iter().fold(Hands::default(), |hands, (name, index)| hands.index(name, index));
    loop {
        indices.iter().for_each(|(_, i)| i.slow_ms.store(u64::from(blows.len() > 0), Ordering::SeqCst));
        let options = JobOptions {
            parallelism: Some(parallelism),
            read_bytes: 200,
            channel_bytes: 64 * 1024,
            checkpointing: kept.every(3),
            ..world.hands.with_memory(memory)
        };
        let job = world.job(&script, options).unwrap();
        let Some(to) = deal(&job, &mut blows) else {
            indices.iter().for_each(|(_, i)| i.slow_ms.store(0, Ordering::SeqCst));
            job.wait().unwrap();
            assert_eq!((job.metrics().late, job.metrics().bad), (0, 0));
            return indices.iter().map(|(name, index)| (*name, index.rows())).collect();
        };
        parallelism = to;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]
    #[test]
    fn however_the_work_is_cut_the_rows_are_those_that_the_records_tell(
        blows in blows(1_u32..7, 1_u64..60, 0..5), splits in 1_usize..4, parallelism in 1_u32..7,
        memory in prop::sample::select(vec![None, Some(50_000), Some(1_000_000)]),
    ) {
        let (records, rows) = history(3_000, splits);
        prop_assert_eq!(run(records, parallelism, memory, &blows), expected(&rows));
    }
}
