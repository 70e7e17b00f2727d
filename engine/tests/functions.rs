//! Functions of the program that links the engine: the example, planning errors with their place, failures and panics,
//! joins by table functions, and both halves of an aggregation.
#![allow(missing_docs, clippy::unwrap_used, reason = "for tests alone")]

#[path = "../examples/functions.rs"]
mod example;
mod run_support;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef, Int64Array};
use engine::functions::{
    Aggregate, FunctionError, Functions, Grouped, Scalar, Signature, Table, TableRows, TableSignature,
};
use engine::plan::JobPlan;
use engine::run::{Job, JobError, JobOptions};
use engine::sql::{Planned, Script, Session, SqlError};
use engine::types::{DataType, Field};
use parking_lot::Mutex;
use run_support::{EVENTS, Hands, Index, Memory, event};
use std::sync::Arc;

const OUT: &str = "CREATE TABLE results (a STRING, b BIGINT) WITH ('connector'='index');\n";

/// Does with a number what the number says: 13 panics, 14 fails, 15 gives too few rows, 16 another type.
struct Moody;

impl Scalar for Moody {
    fn signature(&self, args: &[DataType]) -> Result<Signature, FunctionError> {
        match args.len() {
            1 => Ok(Signature { args: vec![DataType::BigInt], returns: DataType::BigInt, nullable: false }),
            13 => panic!("no signature"),
            _ => Err(FunctionError::new("MOODY takes one whole number")),
        }
    }

    fn call(&self, args: &[ArrayRef], _: usize) -> Result<ArrayRef, FunctionError> {
        let numbers = args[0].as_primitive::<Int64Type>();
        let has = |n: i64| numbers.iter().any(|v| v == Some(n));
        assert!(!has(13), "thirteen");
        if has(14) {
            return Err(FunctionError::new("fourteen"));
        }
        Ok(match (has(15), has(16)) {
            (true, _) => Arc::new(Int64Array::from(vec![1; args[0].len() - 1])),
            (_, true) => Arc::new(numbers.unary::<_, arrow_array::types::Int32Type>(|v| v as i32)),
            _ => Arc::new(numbers.unary::<_, Int64Type>(|v| v * 2)),
        })
    }
}

/// The sum of squares; fails and panics like [`Moody`], and panics in `merge` when 17 was seen.
struct Squares;

impl Aggregate for Squares {
    type State = (i64, bool);

    fn signature(&self, args: &[DataType]) -> Result<Signature, FunctionError> {
        match args {
            [_] => Ok(Signature { args: vec![DataType::BigInt], returns: DataType::BigInt, nullable: false }),
            _ => Err(FunctionError::new("SQUARES takes one whole number")),
        }
    }

    fn update(&self, states: &mut [Self::State], rows: Grouped<'_>) -> Result<(), FunctionError> {
        let numbers = rows.argument().unwrap().as_primitive::<Int64Type>();
        for (group, row) in rows.pairs().filter(|(_, row)| numbers.is_valid(*row)) {
            let value = numbers.value(row);
            assert!(value != 13, "thirteen");
            if value == 14 {
                return Err(FunctionError::new("fourteen"));
            }
            states[group].0 += value * value;
            states[group].1 |= value == 17;
        }
        Ok(())
    }

    fn merge(&self, state: &mut Self::State, other: &Self::State) {
        assert!(!other.1, "seventeen");
        state.0 += other.0;
    }

    fn finish(&self, states: &[Self::State]) -> Result<ArrayRef, FunctionError> {
        Ok(Arc::new(states.iter().map(|s| Some(s.0)).collect::<Int64Array>()))
    }
}

/// The numbers below a number; fails and panics like [`Moody`]; 15 gives a wrong origin.
struct Below;

impl Table for Below {
    fn signature(&self, args: &[DataType]) -> Result<TableSignature, FunctionError> {
        let column = Field { name: "n".into(), data_type: DataType::BigInt, nullable: false };
        match args {
            [_] => Ok(TableSignature { args: vec![DataType::BigInt], columns: vec![column] }),
            _ => Err(FunctionError::new("BELOW takes one whole number")),
        }
    }

    fn call(&self, args: &[ArrayRef], rows: usize) -> Result<TableRows, FunctionError> {
        let numbers = args[0].as_primitive::<Int64Type>();
        let (mut origin, mut found) = (Vec::new(), Vec::new());
        for row in (0..rows).filter(|row| numbers.is_valid(*row)) {
            let value = numbers.value(row);
            assert!(value != 13, "thirteen");
            if value == 14 {
                return Err(FunctionError::new("fourteen"));
            }
            for n in 0..value {
                origin.push(if value == 15 { rows as u32 } else { row as u32 });
                found.push(n);
            }
        }
        Ok(TableRows { origin, columns: vec![Arc::new(Int64Array::from(found))] })
    }
}

fn functions() -> Functions {
    let mut functions = Functions::new();
    functions.scalar("moody", Moody).unwrap().aggregate("squares", Squares).unwrap().table("below", Below).unwrap();
    functions
}

fn plan(hands: &Hands, query: &str) -> Result<JobPlan, SqlError> {
    let script = Script::parse(&format!("{EVENTS}{OUT}INSERT INTO results\n{query}"))?;
    let planned = Session::with_functions(functions()).plan(&script, hands)?;
    let plan = planned.into_iter().find_map(|p| match p {
        Planned::Job { plan, .. } => Some(plan),
        _ => None,
    });
    Ok(plan.unwrap())
}

/// What `query` writes when `values` have been read, one event each.
fn run(query: &str, values: &[i64], parallelism: u32) -> Result<Vec<String>, JobError> {
    let split = |at: usize| values.iter().skip(at).step_by(2).map(|v| event(v * 10, "k", *v)).collect();
    let (memory, index) = (Memory::bounded(vec![split(0), split(1)]), Index::default());
    let hands = Hands::default().source("events", &memory).index("results", &index);
    let options = JobOptions { parallelism: Some(parallelism), ..hands.options() };
    Job::start(plan(&hands, query).unwrap(), options)?.wait()?;
    Ok(index.rows())
}

const SCALAR: &str = "SELECT k, MOODY(v) FROM events";
const AGGREGATE: &str = "SELECT k, squares(v) FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(ts), INTERVAL '1' HOUR)) \
    GROUP BY window_start, window_end, k";
const TABLE: &str = "SELECT k, e.v * 100 + T.m FROM events AS e, LATERAL TABLE(BELOW(v)) AS T(m)";

#[test]
fn the_example_gives_what_it_says() {
    let folder = tempfile::tempdir().unwrap();
    let output = Arc::new(Mutex::new(Vec::new()));
    example::run(folder.path(), output.clone()).unwrap();
    let text = String::from_utf8(output.lock().clone()).unwrap();
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    let expected = [
        "fare> +I[6.0, 2016-01-06T08:00]",
        "fare> +I[7.5, 2016-01-06T09:00]",
        "tag> +I[airport, 10.0]",
        "tag> +I[night, 10.0]",
        "tag> +I[night, 2.0]",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn a_function_gives_the_same_at_any_parallelism() {
    for parallelism in [1, 2] {
        let rows = |query, values: &[i64]| run(query, values, parallelism).unwrap();
        assert_eq!(rows(SCALAR, &[1, 2]), [r#"{"a":"k","b":2}"#, r#"{"a":"k","b":4}"#]);
        assert_eq!(rows(AGGREGATE, &[1, 2, 3, 4]), [r#"{"a":"k","b":30}"#]);
        assert_eq!(rows(TABLE, &[0, 2, 1]), [r#"{"a":"k","b":100}"#, r#"{"a":"k","b":200}"#, r#"{"a":"k","b":201}"#]);
        let left = "SELECT k, v * 100 + COALESCE(n, 99) FROM events LEFT JOIN LATERAL TABLE(BELOW(v)) ON TRUE";
        assert_eq!(rows(left, &[0, 1]), [r#"{"a":"k","b":100}"#, r#"{"a":"k","b":99}"#]);
        assert_eq!(rows(left, &[0]), [r#"{"a":"k","b":99}"#]);
        let inner = "SELECT e.k, T.n FROM events e JOIN LATERAL TABLE(BELOW(v)) T ON n > 1 WHERE v < 4 AND T.n < v";
        assert_eq!(rows(inner, &[2, 3, 4]), [r#"{"a":"k","b":2}"#]);
    }
}

#[test]
fn many_rows_go_through_a_table_function_in_pieces() {
    let values: Vec<i64> = (0..3_000).map(|i| i % 3).collect();
    assert_eq!(run(TABLE, &values, 1).unwrap().len(), 3_000);
}

#[test]
fn a_failure_or_a_panic_fails_the_job_and_names_the_function() {
    for (query, value, words) in [
        (SCALAR, 13, ["MOODY", "panicked: thirteen"]),
        (SCALAR, 14, ["MOODY", "fourteen"]),
        (SCALAR, 15, ["MOODY", "rows, it gave"]),
        (SCALAR, 16, ["MOODY", "it promised BIGINT"]),
        (AGGREGATE, 13, ["SQUARES", "panicked: thirteen"]),
        (AGGREGATE, 14, ["SQUARES", "fourteen"]),
        (TABLE, 13, ["BELOW", "panicked: thirteen"]),
        (TABLE, 14, ["BELOW", "fourteen"]),
        (TABLE, 15, ["BELOW", "its origins"]),
    ] {
        let error = run(query, &[1, value, 2], 1).unwrap_err();
        assert!(matches!(error, JobError::Evaluate { .. }), "{error}");
        words.iter().for_each(|word| assert!(error.to_string().contains(word), "{query}: {error}"));
    }
    let error = run(AGGREGATE, &[17, 17], 2).unwrap_err().to_string();
    assert!(error.contains("SQUARES") && error.contains("panicked: seventeen"), "{error}");
}

#[test]
fn wrong_calls_are_refused_with_their_place() {
    let hands = Hands::default().source("events", &Memory::unbounded(1)).index("results", &Index::default());
    for (query, column, what) in [
        ("SELECT k, MOODY(k) FROM events", 11, "MOODY takes BIGINT, found STRING"),
        ("SELECT k, MOODY() FROM events", 11, "MOODY takes one whole number"),
        ("SELECT k, MOODDY(v) FROM events", 11, "did you mean \"MOODY\"?"),
        ("SELECT k, MOODY(v,v,v,v,v,v,v,v,v,v,v,v,v) FROM events", 11, "panicked: no signature"),
        ("SELECT k, BELOW(v) FROM events", 11, "LATERAL TABLE(BELOW(…))"),
        ("SELECT k, v FROM events, LATERAL TABLE(BELO(v))", 40, "did you mean \"BELOW\"?"),
        ("SELECT k, v FROM events, LATERAL TABLE(BELOW(k))", 40, "BELOW takes BIGINT, found STRING"),
        ("SELECT k, v FROM events, LATERAL TABLE(BELOW(v)) AS T(a, b)", 55, "2 names are given for 1 columns"),
        ("SELECT k, x.n FROM events e, LATERAL TABLE(BELOW(v)) AS T(n)", 11, "the tables here are called e, T"),
    ] {
        let error = plan(&hands, query).unwrap_err();
        let text = error.to_string();
        assert!(text.contains(what) && (error.line, error.column) == (4, column), "{query}: {text}");
    }
}
