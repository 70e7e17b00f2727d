//! A program with functions of its own in SQL: one scalar, one aggregate and one table function, over trips.
//!
//! `cargo run -p engine --example functions` prints what `tags` and `fares` below come to.

use arrow_array::builder::StringBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_array::{Array, ArrayRef, Float64Array};
use engine::functions::{
    Aggregate, FunctionError, Functions, Grouped, RegisterError, Scalar, Signature, Table, TableRows, TableSignature,
};
use engine::run::connectors::{BuiltinConnectors, Output};
use engine::run::{JobOptions, run_script};
use engine::types::{DataType, Field};
use model::Env;
use parking_lot::Mutex;
use std::ops::ControlFlow;
use std::sync::Arc;

/// `MILES(km)`: a distance in miles. A scalar function makes a column of a column.
struct Miles;

impl Scalar for Miles {
    fn signature(&self, args: &[DataType]) -> Result<Signature, FunctionError> {
        match args {
            // Any number is converted to the DOUBLE that is asked for.
            [number] if number.is_numeric() => {
                Ok(Signature { args: vec![DataType::Double], returns: DataType::Double, nullable: false })
            }
            _ => Err(FunctionError::new("MILES takes one number, in kilometres")),
        }
    }

    fn call(&self, args: &[ArrayRef], _rows: usize) -> Result<ArrayRef, FunctionError> {
        // `unary` works on all values at once and leaves nulls null.
        let miles: Float64Array = args[0].as_primitive::<Float64Type>().unary(|km| km / 1.609_344);
        Ok(Arc::new(miles))
    }
}

/// `GEOMEAN(x)`: the geometric mean of positive numbers. An aggregate function keeps a state for each group.
struct GeometricMean;

impl Aggregate for GeometricMean {
    /// The sum of the logarithms, and of how many.
    type State = (f64, u64);

    fn signature(&self, args: &[DataType]) -> Result<Signature, FunctionError> {
        match args {
            [number] if number.is_numeric() => {
                Ok(Signature { args: vec![DataType::Double], returns: DataType::Double, nullable: true })
            }
            _ => Err(FunctionError::new("GEOMEAN takes one number")),
        }
    }

    fn update(&self, states: &mut [Self::State], rows: Grouped<'_>) -> Result<(), FunctionError> {
        let Some(column) = rows.argument() else { return Ok(()) };
        let column = column.as_primitive::<Float64Type>();
        for (group, row) in rows.pairs() {
            if column.is_valid(row) {
                let value = column.value(row);
                if value <= 0.0 {
                    return Err(FunctionError::new(format!("{value} is not greater than 0")));
                }
                states[group].0 += value.ln();
                states[group].1 += 1;
            }
        }
        Ok(())
    }

    // Subtasks aggregate apart from each other; their states meet here.
    fn merge(&self, state: &mut Self::State, other: &Self::State) {
        state.0 += other.0;
        state.1 += other.1;
    }

    fn finish(&self, states: &[Self::State]) -> Result<ArrayRef, FunctionError> {
        let mean = |&(sum, count): &Self::State| (count > 0).then(|| (sum / count as f64).exp());
        Ok(Arc::new(states.iter().map(mean).collect::<Float64Array>()))
    }
}

/// `WORDS(text)`: the words of a text, each a row. A table function gives any number of rows for each row.
struct Words;

impl Table for Words {
    fn signature(&self, args: &[DataType]) -> Result<TableSignature, FunctionError> {
        let column = Field { name: "word".into(), data_type: DataType::STRING, nullable: false };
        match args {
            [text] if text.is_text() => Ok(TableSignature { args: vec![DataType::STRING], columns: vec![column] }),
            _ => Err(FunctionError::new("WORDS takes one text")),
        }
    }

    fn call(&self, args: &[ArrayRef], rows: usize) -> Result<TableRows, FunctionError> {
        let texts = args[0].as_string::<i32>();
        let (mut origin, mut words) = (Vec::new(), StringBuilder::new());
        for row in (0..rows).filter(|row| texts.is_valid(*row)) {
            for word in texts.value(row).split_whitespace() {
                origin.push(row as u32);
                words.append_value(word);
            }
        }
        Ok(TableRows { origin, columns: vec![Arc::new(words.finish())] })
    }
}

/// The functions by the names that scripts call them by.
pub(crate) fn functions() -> Result<Functions, RegisterError> {
    let mut functions = Functions::new();
    functions.scalar("MILES", Miles)?.aggregate("GEOMEAN", GeometricMean)?.table("WORDS", Words)?;
    Ok(functions)
}

/// What the example runs.
pub(crate) const SCRIPT: &str = "
CREATE TABLE trips (note STRING, km DOUBLE, fare DOUBLE, ts TIMESTAMP(3), WATERMARK FOR ts AS ts)
WITH ('connector' = 'filesystem', 'path' = 'trips.ndjson', 'format' = 'json');
CREATE TABLE tags (word STRING, miles DOUBLE) WITH ('connector' = 'print', 'print-identifier' = 'tag');
CREATE TABLE fares (mean DOUBLE, closes TIMESTAMP(3)) WITH ('connector' = 'print', 'print-identifier' = 'fare');

INSERT INTO tags
SELECT T.word, ROUND(MILES(km), 1) FROM trips, LATERAL TABLE(WORDS(note)) AS T(word);

INSERT INTO fares
SELECT ROUND(GEOMEAN(fare), 2), window_end
FROM TABLE(TUMBLE(TABLE trips, DESCRIPTOR(ts), INTERVAL '1' HOUR)) GROUP BY window_start, window_end;
";

/// The trips that it reads, in Flink's `SQL` form of times.
pub(crate) const TRIPS: &str = r#"{"note": "airport night", "km": 16.09344, "fare": 4.0, "ts": "2016-01-06 07:00:00"}
{"note": "night", "km": 3.2, "fare": 9.0, "ts": "2016-01-06 07:30:00"}
{"note": "", "km": 1.0, "fare": 7.5, "ts": "2016-01-06 08:00:00"}
"#;

/// Runs the script over the trips in `folder`; `print` writes to `output`.
pub(crate) fn run(folder: &std::path::Path, output: Output) -> Result<(), Box<dyn std::error::Error>> {
    std::fs::write(folder.join("trips.ndjson"), TRIPS)?;
    let connectors = BuiltinConnectors::new(folder, Env::system()).with_output(output);
    let mut options = JobOptions::new("functions", Env::system(), Arc::new(connectors));
    options.functions = functions()?;
    run_script(SCRIPT, &options, &mut |_| ControlFlow::Continue(()))?;
    Ok(())
}

/// Runs the example in a folder of its own.
#[allow(dead_code, reason = "the tests run the example without it")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::temp_dir().join(format!("functions-{:016x}", Env::system().random_u64()));
    std::fs::create_dir_all(&folder)?;
    let outcome = run(&folder, Arc::new(Mutex::new(std::io::stdout())));
    std::fs::remove_dir_all(&folder)?;
    outcome
}
