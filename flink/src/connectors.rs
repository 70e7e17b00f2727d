//! Options of tables, from what a script for this platform says to what the connectors of a cluster ask for. All that differs
//! stands here.

use crate::handover::begin_at;
use crate::script::{Statement, StatementKind};
use control::{RunnerError, StartAt};
use model::Kind;
use std::collections::BTreeMap;

/// The platform's doors, as a cluster reaches them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Doors {
    /// The stream door, such as `http://10.0.0.1:4566`; `None`: tables read the streams that they name themselves.
    pub streams: Option<String>,
    /// The search door, likewise.
    pub search: Option<String>,
    /// The key that these doors are shown, and its secret; doors that ask for none take any.
    pub key: Option<(String, String)>,
}

const STREAMS: &str = "kinesis";
/// What the connector of [`STREAMS`] is called on clusters whose `kinesis` is its successor, which has other options.
const STREAMS_FORMER: &str = "kinesis-legacy";
const ENDPOINT: &str = "aws.endpoint";
const SEARCH: &str = "elasticsearch-7";
const HOSTS: &str = "hosts";
/// The platform's own option that says whose index a table is, `own` or `outside`, where its hosts do not; no cluster knows it.
const PLACE: &str = "hailstream.index";
/// The same of streams.
const STREAM_PLACE: &str = "hailstream.stream";

/// What a value comes from.
#[derive(Clone, Copy)]
enum Value {
    Text(&'static str),
    StreamDoor,
    SearchDoor,
    KeyId,
    Secret,
    /// The same key, where the platform's own index is meant and its door asks for one.
    SearchUser,
    SearchPassword,
}

/// Values that are added where a table has none, by connector and option. Where the value is a door, a table that names
/// this machine means it too.
const ADDED: [(&str, &str, Value); 11] = [
    (STREAMS, ENDPOINT, Value::StreamDoor),
    (STREAMS, "aws.region", Value::Text("us-east-1")),
    (STREAMS, "aws.credentials.provider", Value::Text("BASIC")),
    (STREAMS, "aws.credentials.basic.accesskeyid", Value::KeyId),
    (STREAMS, "aws.credentials.basic.secretkey", Value::Secret),
    // Shards of one stream go round the subtasks, whatever their hash keys are.
    (STREAMS, "scan.shard-assigner", Value::Text("uniform")),
    (SEARCH, HOSTS, Value::SearchDoor),
    (SEARCH, "username", Value::SearchUser),
    (SEARCH, "password", Value::SearchPassword),
    (SEARCH, "format", Value::Text("json")),
    // Fields of dates read no other form; a cluster would write SQL's.
    (SEARCH, "json.timestamp-format.standard", Value::Text("ISO-8601")),
];

/// What a cluster is given that lacks a connector.
const ARTIFACTS: [(&str, &str); 8] = [
    (STREAMS, "flink-sql-connector-kinesis"),
    (SEARCH, "flink-sql-connector-elasticsearch7"),
    ("elasticsearch-6", "flink-sql-connector-elasticsearch6"),
    ("opensearch", "flink-sql-connector-opensearch"),
    ("kafka", "flink-sql-connector-kafka"),
    ("upsert-kafka", "flink-sql-connector-kafka"),
    ("filesystem", "flink-connector-files, which is a part of Flink"),
    ("jdbc", "flink-connector-jdbc and the driver of the database"),
];

/// The statement as a cluster with these connectors takes it.
///
/// # Errors
/// When the cluster lacks the connector; says what to add.
pub(crate) fn translated(
    statement: &Statement,
    known: &[String],
    doors: &Doors,
    starts: &BTreeMap<String, StartAt>,
) -> Result<String, RunnerError> {
    let StatementKind::Table { name, options: Some(range), pairs } = &statement.kind else {
        return Ok(statement.text.clone());
    };
    let mut pairs = pairs.clone();
    let connector = pairs.iter().find(|(key, _)| key == "connector").map(|(_, value)| value.clone());
    let Some(connector) = connector else { return Ok(statement.text.clone()) };
    if let Some(start) = starts.get(name) {
        begin_at(&mut pairs, &connector, *start);
    }
    add(&mut pairs, &connector, doors);
    let has = |name: &str| known.iter().any(|known| known == name);
    if connector == STREAMS && has(STREAMS_FORMER) {
        pairs.iter_mut().filter(|(key, _)| key == "connector").for_each(|(_, value)| STREAMS_FORMER.clone_into(value));
    } else if !known.is_empty() && !has(&connector) {
        return Err(lacking(statement, &connector, known));
    }
    let quoted = |text: &str| format!("'{}'", text.replace('\'', "''"));
    let listed: Vec<String> = pairs.iter().map(|(key, value)| format!("{} = {}", quoted(key), quoted(value))).collect();
    Ok(format!("{}{}{}", &statement.text[..range.start], listed.join(", "), &statement.text[range.end..]))
}

fn add(pairs: &mut Vec<(String, String)>, connector: &str, doors: &Doors) {
    let option = if connector == STREAMS { STREAM_PLACE } else { PLACE };
    let place = pairs.iter().position(|(key, _)| key == option).map(|at| pairs.remove(at).1);
    // What is somebody else's is reached as its table says, with the key that its table names.
    let address = if connector == STREAMS { ENDPOINT } else { HOSTS };
    let address = pairs.iter().find(|(key, _)| key == address).map(|(_, address)| address);
    let is_ours = match place.as_deref() {
        Some("own") => true,
        Some("outside") => false,
        _ => address.is_none_or(|address| is_here(address)),
    };
    let search_key = doors.key.clone().filter(|_| is_ours && doors.search.is_some());
    if connector == STREAMS && (doors.streams.is_none() || !is_ours) {
        return;
    }
    for (_, option, value) in ADDED.into_iter().filter(|(of, ..)| *of == connector) {
        let (value, replaces) = match value {
            Value::Text(text) => (Some(text.to_owned()), false),
            Value::StreamDoor => (doors.streams.clone(), true),
            Value::SearchDoor => (doors.search.clone().filter(|_| place.as_deref() != Some("outside")), true),
            Value::KeyId => (Some(key(doors).0), false),
            Value::Secret => (Some(key(doors).1), false),
            Value::SearchUser => (search_key.clone().map(|key| key.0), false),
            Value::SearchPassword => (search_key.clone().map(|key| key.1), false),
        };
        let Some(value) = value else { continue };
        match pairs.iter_mut().find(|(key, _)| key == option) {
            Some((_, given)) if replaces && (is_here(given) || place.as_deref() == Some("own")) => *given = value,
            Some(_) => {}
            None => pairs.push((option.to_owned(), value)),
        }
    }
}

/// A door that asks for no key still wants a signature.
fn key(doors: &Doors) -> (String, String) {
    doors.key.clone().unwrap_or_else(|| ("hailstream".to_owned(), "hailstream".to_owned()))
}

/// Whether all of these addresses are of the platform's own machine: from a cluster's machine they would be that one's.
fn is_here(addresses: &str) -> bool {
    let here = |address: &str| {
        let rest = address.trim().trim_start_matches("http://").trim_start_matches("https://");
        ["127.0.0.1", "localhost", "[::1]"]
            .iter()
            .any(|host| rest.strip_prefix(host).is_some_and(|rest| rest.is_empty() || rest.starts_with([':', '/'])))
    };
    addresses.split(';').all(here)
}

fn lacking(statement: &Statement, connector: &str, known: &[String]) -> RunnerError {
    let (line, known, add) = (statement.line, known.join(", "), artifact(connector));
    let message = format!("line {line}: the Flink cluster has no connector '{connector}'; {add}. It has {known}");
    RunnerError::new(Kind::Invalid, message)
}

/// What to do for a cluster that lacks a connector.
pub(crate) fn artifact(connector: &str) -> String {
    let known = ARTIFACTS.iter().find(|(of, _)| *of == connector).map(|(_, artifact)| *artifact);
    format!("put {} into the cluster's lib folder", known.unwrap_or("the jar that has it"))
}

/// The connectors that a cluster names when it is asked for one that there is not.
pub(crate) fn named(answer: &str) -> Vec<String> {
    let Some((_, listed)) = answer.split_once("Available factory identifiers are:") else { return Vec::new() };
    let names = listed.lines().map(str::trim).skip_while(|line| line.is_empty());
    names.take_while(|line| !line.is_empty() && !line.contains(' ')).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::statements;

    fn known() -> Vec<String> {
        [STREAMS, SEARCH, "filesystem"].map(str::to_owned).to_vec()
    }

    fn doors() -> Doors {
        let door = |port: u16| Some(format!("http://10.0.0.1:{port}"));
        Doors { streams: door(4566), search: door(9200), key: Some(("AK".into(), "it's".into())) }
    }

    fn check(with: &str, known: &[String], doors: &Doors, expected: &str) {
        let statement = statements(&format!("CREATE TABLE t (a INT) WITH ({with})")).unwrap().remove(0);
        let translated = translated(&statement, known, doors, &BTreeMap::new()).unwrap();
        assert_eq!(translated, format!("CREATE TABLE t (a INT) WITH ({expected})"));
    }

    #[test]
    fn tables_of_the_platform_are_reached_through_its_doors() {
        let filled = "'connector' = 'kinesis', 'stream' = 'trips', 'aws.endpoint' = 'http://10.0.0.1:4566', 'aws.region' = 'us-east-1', \
                      'aws.credentials.provider' = 'BASIC', 'aws.credentials.basic.accesskeyid' = 'AK', \
                      'aws.credentials.basic.secretkey' = 'it''s', 'scan.shard-assigner' = 'uniform'";
        check("'connector'='kinesis','stream'='trips'", &known(), &doors(), filled);
        let former = [known(), vec![STREAMS_FORMER.into()]].concat();
        let named = filled.replace("'kinesis'", "'kinesis-legacy'");
        check("'connector'='kinesis','stream'='trips'", &former, &doors(), &named);
        let index = "'connector' = 'elasticsearch-7', 'hosts' = 'http://10.0.0.1:9200', 'index' = 'i', 'username' = 'AK', \
                     'password' = 'it''s', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601'";
        let with = "'connector'='elasticsearch-7','hosts'='http://localhost:9200;127.0.0.1','index'='i'";
        check(with, &known(), &doors(), index);
    }

    #[test]
    fn what_a_table_says_itself_stays() {
        let real = "'connector' = 'kinesis', 'stream' = 'trips', 'aws.region' = 'eu-west-1'";
        check(real, &known(), &Doors::default(), real);
        let real =
            "'connector' = 'kinesis', 'stream' = 'trips', 'aws.endpoint' = 'https://kinesis.eu-west-1.amazonaws.com'";
        check(real, &known(), &doors(), real);
        let elsewhere = "'connector' = 'elasticsearch-7', 'hosts' = 'https://search.example:9200', 'index' = 'i', \
                         'format' = 'json', 'json.timestamp-format.standard' = 'SQL'";
        check(elsewhere, &known(), &doors(), elsewhere);
        let index = |hosts: &str| {
            let format = "'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601'";
            format!("'connector' = 'elasticsearch-7', 'hosts' = '{hosts}', {format}")
        };
        let placed = |hosts: &str, place: &str| {
            format!("'connector' = 'elasticsearch-7', 'hosts' = '{hosts}', 'hailstream.index' = '{place}'")
        };
        check(&placed("http://localhost:9200", "outside"), &known(), &doors(), &index("http://localhost:9200"));
        let ours =
            index("http://10.0.0.1:9200").replace(" 'format'", " 'username' = 'AK', 'password' = 'it''s', 'format'");
        check(&placed("http://far:9200", "own"), &known(), &doors(), &ours);
        let stream = |endpoint: &str| format!("'connector' = 'kinesis', 'stream' = 's', 'aws.endpoint' = '{endpoint}'");
        let placed = |endpoint: &str, place: &str| format!("{}, 'hailstream.stream' = '{place}'", stream(endpoint));
        check(&placed("http://localhost:4567", "outside"), &known(), &doors(), &stream("http://localhost:4567"));
        let ours = "'connector' = 'kinesis', 'stream' = 's', 'aws.endpoint' = 'http://10.0.0.1:4566', 'aws.region' = 'us-east-1', \
                    'aws.credentials.provider' = 'BASIC', 'aws.credentials.basic.accesskeyid' = 'AK', \
                    'aws.credentials.basic.secretkey' = 'it''s', 'scan.shard-assigner' = 'uniform'";
        check(&placed("http://far:4566", "own"), &known(), &doors(), ours);
        let topic = "'connector' = 'upsert-kafka', 'topic' = 't', 'properties.bootstrap.servers' = 'localhost:9092', \
                     'key.format' = 'json', 'value.format' = 'json', 'value.fields-include' = 'EXCEPT_KEY'";
        check(topic, &["upsert-kafka".into()], &doors(), topic);
        let own = "'connector' = 'mine', 'k' = 'v'";
        check(own, &[], &doors(), own);
    }

    #[test]
    fn a_connector_that_is_missing_is_named_with_what_to_add() {
        let statement = statements("\nCREATE TABLE t (a INT) WITH ('connector'='kafka')").unwrap().remove(0);
        let told = translated(&statement, &known(), &doors(), &BTreeMap::new()).unwrap_err().message;
        assert!(
            told.starts_with("line 2: the Flink cluster has no connector 'kafka'; put flink-sql-connector-kafka"),
            "{told}"
        );
        assert!(told.ends_with("It has kinesis, elasticsearch-7, filesystem"), "{told}");
    }

    #[test]
    fn a_cluster_names_its_connectors() {
        let answer = "Could not find any factory for identifier 'x' in the classpath.\n\nAvailable factory identifiers are:\n\n\
                      blackhole\ndatagen\nkinesis\n\tat org.x";
        assert_eq!(named(answer)[..3], ["blackhole", "datagen", "kinesis"]);
        assert_eq!(named("no such thing"), Vec::<String>::new());
    }
}
