//! Expressions over constants: the type and the value that a real Flink gives them.
#![allow(clippy::unwrap_used, missing_docs, reason = "for tests alone")]

mod sql_support;

use arrow_array::cast::AsArray;
use arrow_array::{Array, RecordBatch, RecordBatchOptions};
use arrow_schema::Schema;
use engine::expr::{Expr, Program};
use engine::plan::NodeKind;
use engine::sql::Planned;
use proptest::prelude::*;
use std::sync::Arc;

/// The one expression that `SELECT text` computes.
fn bound(text: &str) -> Result<Expr, String> {
    let planned = sql_support::plan(&format!("SELECT {text} AS v")).map_err(|e| e.to_string())?;
    let Some(Planned::Job { plan, .. }) = planned.into_iter().next() else { panic!("{text} plans no job") };
    let exprs = plan.nodes.into_iter().find_map(|n| match n.kind {
        NodeKind::Project { exprs } => Some(exprs),
        _ => None,
    });
    Ok(exprs.unwrap().remove(0))
}

/// The value of a constant expression as text.
fn value(text: &str) -> Result<String, String> {
    let expr = bound(&format!("CAST({text} AS STRING)"))?;
    let program = Program::compile(&[expr]).map_err(|e| e.to_string())?;
    let options = RecordBatchOptions::new().with_row_count(Some(1));
    let batch = RecordBatch::try_new_with_options(Arc::new(Schema::empty()), vec![], &options).unwrap();
    let columns = program.evaluate(&batch).map_err(|e| e.to_string())?;
    let texts = columns[0].as_string::<i32>();
    Ok(if texts.is_null(0) { "NULL".to_owned() } else { texts.value(0).to_owned() })
}

#[test]
fn constants_have_the_types_and_values_of_the_real_one() {
    let table = include_str!("sql_expressions.txt");
    let mut wrong = Vec::new();
    for case in table.split("\n\n").map(str::trim).filter(|c| !c.is_empty() && !c.starts_with('#')) {
        let lines: Vec<&str> = case.lines().map(|l| l.strip_prefix("  ").unwrap_or(l)).collect();
        let [text, data_type, expected] = lines[..] else { panic!("not a case: {case}") };
        let expected = expected.trim_start_matches('=');
        let expected = expected.strip_prefix(' ').unwrap_or(expected);
        let found = bound(text).map(|e| e.data_type.to_string());
        // A number and the length of a constant text are written with other blanks there.
        let same = |a: &str, b: &str| a.replace(' ', "") == b.replace(' ', "");
        if !found.as_ref().is_ok_and(|f| same(f, data_type)) {
            wrong.push(format!("{text} has the type {data_type}, found {found:?}"));
        }
        let found = value(text);
        if found.as_deref() != Ok(expected) {
            wrong.push(format!("{text} is {expected}, found {found:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_has_no_value_fails_and_names_it() {
    for (text, message) in [
        ("CAST('abc' AS INT)", "cannot evaluate CAST('abc' AS INT): 'abc' cannot be read as INT"),
        ("CAST('99999' AS DECIMAL(5, 2))", "'99999' cannot be read as DECIMAL(5, 2)"),
        ("CAST('maybe' AS BOOLEAN)", "'maybe' cannot be read as BOOLEAN"),
        ("1 / 0", "cannot evaluate (1 / 0): division of 1 by zero"),
        ("MOD(1, 0)", "division of 1 by zero"),
        ("1.5 / 0", "division of a decimal by zero"),
        ("REPEAT('x', 2000000000)", "a text of 2000000000 bytes would be made"),
    ] {
        let error = value(text).unwrap_err();
        assert!(error.contains(message), "{text}: {error}");
    }
    // What is never reached cannot fail.
    for (text, expected) in [
        ("CASE WHEN 1 = 1 THEN 1 ELSE 1 / 0 END", "1"),
        ("COALESCE(1, 1 / 0)", "1"),
        ("1 = 2 AND 1 / 0 = 1", "FALSE"),
        ("1 = 1 OR CAST('x' AS INT) = 1", "TRUE"),
    ] {
        assert_eq!(value(text).as_deref(), Ok(expected), "{text}");
    }
}

proptest! {
    #[test]
    fn integers_survive_being_text(n in any::<i64>()) {
        prop_assert_eq!(value(&format!("CAST('{n}' AS BIGINT)")), Ok(n.to_string()));
    }

    #[test]
    fn doubles_survive_being_text(d in any::<f64>().prop_filter("finite", |d| d.is_finite())) {
        let text = value(&format!("CAST('{d:e}' AS DOUBLE)")).unwrap();
        prop_assert_eq!(text.parse::<f64>().unwrap(), d);
    }

    #[test]
    fn decimals_add_exactly(a in -10_i64.pow(12)..10_i64.pow(12), b in -10_i64.pow(12)..10_i64.pow(12)) {
        let hundredths = |n: i64| format!("{}{}.{:02}", if n < 0 { "-" } else { "" }, n.abs() / 100, n.abs() % 100);
        let sum = value(&format!("({}) + ({})", hundredths(a), hundredths(b)));
        prop_assert_eq!(sum, Ok(hundredths(a + b)));
    }

    #[test]
    fn any_text_is_a_constant(text in "\\PC{0,20}") {
        prop_assert_eq!(value(&format!("'{}'", text.replace('\'', "''"))), Ok(text));
    }

    #[test]
    fn no_script_makes_the_planner_panic(text in "[A-Za-z0-9_'`\"(),.;*+<>=%/|: \n-]{0,80}") {
        let _ = sql_support::plan(&text);
        let _ = sql_support::plan(&format!("SELECT {text} FROM (VALUES (1, 'a')) AS t(x, y)"));
    }
}
