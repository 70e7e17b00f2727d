//! Scripts that are refused: where, what, and the hint.
#![allow(clippy::unwrap_used, missing_docs, reason = "for tests alone")]

mod sql_support;

use sql_support::plan;

/// Two tables that the scripts read and write; five lines.
const TABLES: &str = "CREATE TABLE t (
  ts TIMESTAMP(3), k STRING, v INT, d DOUBLE, WATERMARK FOR ts AS ts - INTERVAL '1' SECOND
) WITH ('connector' = 'filesystem');
CREATE TABLE out_ (k STRING, v INT) WITH ('connector' = 'filesystem');
CREATE VIEW late AS SELECT ts + INTERVAL '1' HOUR AS ts, k FROM t;
";

/// Checks that `script`, from line 6 on, is refused with exactly `message`.
fn check(script: &str, message: &str) {
    let error =
        plan(&format!("{TABLES}{script}")).map(|_| "it is planned".to_owned()).unwrap_or_else(|e| e.to_string());
    assert_eq!(error, message, "{script}");
}

#[test]
fn names_that_are_unknown() {
    check("SELECT k, w FROM t", "line 6, column 11: unknown column \"w\"; did you mean \"k\"?");
    check("SELECT fare FROM t", "line 6, column 8: unknown column \"fare\"; there are ts, k, v, d");
    check("SELECT K FROM t", "line 6, column 8: unknown column \"K\"; did you mean \"k\"?");
    check("SELECT k FROM T", "line 6, column 15: unknown table \"T\"; did you mean \"t\"?");
    check("SELECT x.k FROM t", "line 6, column 8: unknown table \"x\"; the table here is called \"t\"");
    check("SELECT UPER(k) FROM t", "line 6, column 8: unknown function UPER; did you mean \"UPPER\"?");
    check("INSERT INTO out SELECT k, v FROM t", "line 6, column 13: out is a reserved word; write `out`");
    check("INSERT INTO out2 SELECT k, v FROM t", "line 6, column 13: unknown table \"out2\"; did you mean \"out_\"?");
    check("SELECT v AS value FROM t", "line 6, column 13: value is a reserved word; write `value`");
    check("SELECT hour FROM t", "line 6, column 8: hour is a reserved word; write `hour`");
}

#[test]
fn grammar() {
    check("SELEC k FROM t", "line 6, column 1: expected a statement, found SELEC; did you mean \"SELECT\"?");
    check(
        "SELECT k v w FROM t",
        "line 6, column 12: expected the end of the statement, found w; statements are separated by semicolons",
    );
    check("SELECT (k FROM t", "line 6, column 11: expected ), found FROM");
    check("SELECT k FROM t WHERE", "line 6, column 22: expected an expression, found the end of the script");
    check("SELECT k, FROM t", "line 6, column 11: expected an expression, found FROM");
    check("SELECT v FROM t WHERE v != 1", "line 6, column 25: != is no operator in Flink; write <>");
    check("SELECT \"k\" FROM t", "line 6, column 8: \"k\" is no text; write 'k' for a text, `k` for a name");
    check("SELECT 'open FROM t", "line 6, column 8: unterminated string literal");
    check("CREATE TABLE x (a INT b INT)", "line 6, column 23: expected a comma or a closing parenthesis, found b");
    check("CREATE TABLE x (a NUMBER)", "line 6, column 19: expected a data type, found NUMBER");
    check("CREATE TABLE x (a DECIMAL(50))", "line 6, column 27: 50 is out of bounds: 1 to 38 are possible here");
    check("SET key = 'v'", "line 6, column 5: expected a text in single quotes, found key");
    check(
        "EXECUTE STATEMENT SET BEGIN SELECT 1; END",
        "line 6, column 29: expected INSERT or END, found SELECT; a statement set holds INSERT statements alone",
    );
}

#[test]
fn types_that_do_not_fit() {
    check("SELECT v = 'a' FROM t", "line 6, column 8: INT and CHAR(1) cannot be compared; CAST one of them");
    check("SELECT k + 1 FROM t", "line 6, column 8: STRING + INT is not possible; CAST the sides to numbers");
    check("SELECT k FROM t WHERE v", "line 6, column 23: a condition is wanted here, found INT");
    check("SELECT ABS(k) FROM t", "line 6, column 8: a number is wanted, found (STRING)");
    check(
        "SELECT SUBSTRING(k) FROM t",
        "line 6, column 18: SUBSTRING takes (text, integer, [integer]), found (STRING)",
    );
    check(
        "SELECT CASE WHEN v > 1 THEN 1 ELSE 'a' END FROM t",
        "line 6, column 8: the results are of different types: INT and CHAR(1); CAST them to one type",
    );
    check(
        "SELECT CAST(ts AS INT) FROM t",
        "line 6, column 13: TIMESTAMP(3) cannot be cast to INT; use UNIX_TIMESTAMP(CAST(… AS STRING))",
    );
    check("SELECT v AND TRUE FROM t", "line 6, column 8: a condition is wanted here, found INT");
    check("SELECT v + NULL FROM t", "line 6, column 12: a bare NULL has no type here; write CAST(NULL AS …)");
    check("SELECT DATE '2016-02-30'", "line 6, column 13: '2016-02-30' is no DATE; write it like '2016-01-31'");
    check(
        "SELECT INTERVAL '100' DAY",
        "line 6, column 17: '100' has more than 2 digits of DAY; write INTERVAL '100' DAY(3)",
    );
    check(
        "SELECT DATE_FORMAT(ts, 'yyyy Z') FROM t",
        "line 6, column 8: the letter Z of the pattern 'yyyy Z' is not supported",
    );
    check(
        "SELECT REGEXP(k, '(?=x)') FROM t",
        "line 6, column 8: the pattern '(?=x)' cannot be used: look-around, including look-ahead and look-behind, is not supported",
    );
}

#[test]
fn windows_and_groups() {
    let hour = "DESCRIPTOR(ts), INTERVAL '1' HOUR))";
    let group = "GROUP BY window_start, window_end";
    check(
        &format!("SELECT k, COUNT(*) FROM TABLE(TUMBLE(TABLE t, {hour} {group}"),
        "line 6, column 8: column \"k\" is neither grouped nor aggregated; add it to GROUP BY or aggregate it",
    );
    check(
        &format!("SELECT COUNT(*) FROM TABLE(TUMBLE(TABLE late, {hour} {group}"),
        "line 6, column 58: windows need a time attribute, \"ts\" is a plain TIMESTAMP(3); declare WATERMARK FOR it or a column AS PROCTIME(), and take it over as it is in views and subqueries",
    );
    check(
        &format!("SELECT COUNT(*) FROM TABLE(TUMBLE(t, {hour} {group}"),
        "line 6, column 35: a table is wanted here; write TABLE t",
    );
    check(
        &format!("SELECT COUNT(*) FROM TUMBLE(TABLE t, {} {group}", &hour[..hour.len() - 1]),
        "line 6, column 22: a table function stands in TABLE(…); write TABLE(TUMBLE(…))",
    );
    check(
        &format!("SELECT COUNT(*) FROM TABLE(TUMBEL(TABLE t, {hour} {group}"),
        "line 6, column 28: unknown table function TUMBEL; did you mean \"TUMBLE\"?",
    );
    check(
        &format!("SELECT COUNT(*) FROM TABLE(SESSION(TABLE t, DESCRIPTOR(ts))) {group}"),
        "line 6, column 28: SESSION lacks the argument GAP; DATA, TIMECOL, GAP",
    );
    check(
        &format!("SELECT COUNT(*) FROM TABLE(TUMBLE(TABLE t PARTITION BY k, {hour} {group}"),
        "line 6, column 41: TUMBLE takes no PARTITION BY; GROUP BY the columns",
    );
    check(
        &format!("SELECT COUNT(*) FROM TABLE(SESSION(TABLE t PARTITION BY (k, q), {hour} {group}"),
        "line 6, column 61: unknown column \"q\"; did you mean \"k\"?",
    );
    check(
        &format!("SELECT COUNT(*) FROM TABLE(CUMULATE(TABLE t, {hour} {group}"),
        "line 6, column 28: CUMULATE lacks the argument SIZE; DATA, TIMECOL, STEP, SIZE, OFFSET",
    );
    check(
        &format!(
            "SELECT COUNT(*) FROM TABLE(CUMULATE(TABLE t, DESCRIPTOR(ts), INTERVAL '25' MINUTE, INTERVAL '1' HOUR)) {group}"
        ),
        "line 6, column 28: the size of CUMULATE (3600000 ms) must be a multiple of its step (1500000 ms)",
    );
    check(
        "SELECT COUNT(*) FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts)))",
        "line 6, column 28: TUMBLE lacks the argument SIZE; DATA, TIMECOL, SIZE, OFFSET",
    );
    check(
        "SELECT COUNT(*) FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MONTH))",
        "line 6, column 69: windows of months are not possible; use days",
    );
    check(
        &format!(
            "SELECT COUNT(*) FROM TABLE(HOP(TABLE t, DESCRIPTOR(ts), INTERVAL '25' MINUTE, INTERVAL '1' HOUR)) {group}"
        ),
        "line 6, column 108: the size of a HOP (3600000 ms) must be a multiple of its slide (1500000 ms)",
    );
    check(
        "SELECT k FROM t WHERE COUNT(*) > 1",
        "line 6, column 23: COUNT is an aggregate function and may not stand in WHERE; use HAVING",
    );
    check(
        "SELECT MAX(COUNT(*)) FROM t",
        "line 6, column 12: COUNT is an aggregate function and may not stand in the argument of an aggregate function; aggregate in a subquery",
    );
}

#[test]
fn sinks() {
    check(
        "INSERT INTO out_ SELECT k FROM t",
        "line 6, column 13: the query gives 1 columns, the table \"out_\" has 2; query: k STRING; table: k STRING, v INT",
    );
    check(
        "INSERT INTO out_ SELECT k, d FROM t",
        "line 6, column 28: column \"v\" of \"out_\" is INT, the query gives DOUBLE at position 2; write CAST(d AS INT)",
    );
    check(
        "INSERT INTO out_ (k, w) SELECT k, v FROM t",
        "line 6, column 22: the table \"out_\" has no column \"w\" that can be written; did you mean \"k\"?",
    );
    check(
        "INSERT INTO late SELECT ts, k FROM t",
        "line 6, column 13: \"late\" is a view: nothing can be written into it",
    );
    check(
        "INSERT INTO out_ SELECT 'x', 1; INSERT INTO out_ SELECT 'x'",
        "line 6, column 45: the query gives 1 columns, the table \"out_\" has 2; query: EXPR$0 CHAR(1); table: k STRING, v INT",
    );
}

#[test]
fn tables_and_settings() {
    check(
        "CREATE TABLE t (a INT) WITH ('connector' = 'print')",
        "line 6, column 14: \"t\" exists already; DROP it first, or write IF NOT EXISTS",
    );
    check("CREATE TABLE x (a INT, a STRING)", "line 6, column 17: column \"a\" is declared twice");
    check(
        "CREATE TABLE x (a INT, WATERMARK FOR a AS a)",
        "line 6, column 38: a time attribute is TIMESTAMP(3) or TIMESTAMP_LTZ(3), \"a\" is INT",
    );
    check(
        "CREATE TABLE x (a TIMESTAMP(6), WATERMARK FOR a AS a)",
        "line 6, column 47: a time attribute is TIMESTAMP(3) or TIMESTAMP_LTZ(3), \"a\" is TIMESTAMP(6)",
    );
    check(
        "CREATE TABLE x (a INT, PRIMARY KEY (a))",
        "line 6, column 39: a primary key is not checked; write NOT ENFORCED behind it",
    );
    check("CREATE TABLE x (a INT METADATA FROM 'key')", "line 6, column 23: a METADATA column is not supported yet");
    check("CREATE TABLE x (a INT) PARTITIONED BY (a)", "line 6, column 24: PARTITIONED BY is not supported yet");
    check("CREATE TABLE x (a ARRAY<INT>)", "line 6, column 19: the type ARRAY is not supported yet");
    check("CREATE FUNCTION f AS 'x'", "line 6, column 8: CREATE FUNCTION is not supported yet");
    check("DROP VIEW t", "line 6, column 11: \"t\" is no view");
    check(
        "SET 'table.local-time-zone' = 'Mars/Phobos'",
        "line 6, column 31: 'Mars/Phobos' is no time zone; write it like 'America/New_York' or 'UTC'",
    );
    check("SET 'parallelism.default' = '0'", "line 6, column 29: the parallelism is 1 to 256, not '0'");
    check(
        "SET 'execution.runtime-mode' = 'batsch'",
        "line 6, column 32: 'batsch' is no value of 'execution.runtime-mode'; did you mean \"batch\"?",
    );
    check(
        "CREATE TABLE x (a INT) WITH ('connector' = 'kafak');\nSELECT a FROM x",
        "line 6, column 14: table \"x\": unknown connector 'kafak'",
    );
    check("SELECT k FROM t /*+ STATE_TTL('t' = '1d') */", "line 6, column 17: the hint STATE_TTL is not supported yet");
}

#[test]
fn changing_rows_go_where_they_can() {
    check(
        "INSERT INTO out_ SELECT k, CAST(COUNT(*) AS INT) FROM t GROUP BY k",
        "line 6, column 13: the table \"out_\" takes new rows only, but the query changes rows that it has given; write into a table that replaces rows by PRIMARY KEY, aggregate by window, or SET 'execution.runtime-mode' = 'batch' where all sources end",
    );
    check(
        "SELECT k, COUNT(*) OVER (PARTITION BY k ORDER BY v) FROM t",
        "line 6, column 1: OVER windows of aggregates are ordered by one event-time column; write ORDER BY the column that the table has its WATERMARK on",
    );
    check(
        "SELECT k, SUM(v) OVER w, COUNT(*) OVER (ORDER BY ts) FROM t WINDOW w AS (PARTITION BY k ORDER BY ts)",
        "line 6, column 1: more than one OVER window in a SELECT is not supported yet; compute the second one in a query around this one",
    );
    check(
        "SELECT k, SUM(v) OVER u FROM t WINDOW w AS (PARTITION BY k ORDER BY ts)",
        "line 6, column 23: unknown window \"u\"; did you mean \"w\"?",
    );
    check(
        "SELECT k, SUM(v) OVER (ORDER BY ts ROWS BETWEEN CURRENT ROW AND 1 FOLLOWING) FROM t",
        "line 6, column 11: a frame that goes on behind the current row is not supported yet; end it AND CURRENT ROW",
    );
    check(
        "SELECT k FROM t WHERE ROW_NUMBER() OVER (ORDER BY ts) < 3",
        "line 6, column 23: ROW_NUMBER OVER may not stand in WHERE; compute it in a subquery, and name its column here",
    );
    check(
        "SELECT k, COUNT(*), ROW_NUMBER() OVER (ORDER BY k) FROM t GROUP BY k",
        "line 6, column 1: OVER in a query that aggregates is not supported yet; aggregate in a subquery, and write OVER in the query around it",
    );
}

#[test]
fn features_that_come_later_are_named() {
    for (script, feature) in [
        ("SELECT k FROM t ORDER BY ts", "ORDER BY"),
        ("SELECT k FROM t LIMIT 1", "LIMIT, OFFSET or FETCH"),
        ("SELECT ROW_NUMBER() OVER (PARTITION BY k ORDER BY ts) FROM t", "ROW_NUMBER() without a limit"),
        ("SELECT LAG(k) OVER (PARTITION BY k ORDER BY ts) FROM t", "LAG OVER"),
        ("SELECT k FROM t INTERSECT SELECT k FROM t", "INTERSECT"),
        ("SELECT t.k FROM t LEFT SEMI JOIN t AS u ON t.k = u.k", "this kind of join"),
        ("SELECT k FROM t WHERE v IN (SELECT v FROM t)", "a subquery inside an expression"),
        ("SELECT JSON_VALUE(k, '$.a' RETURNING INT) FROM t", "the function JSON_VALUE"),
        ("SELECT CURRENT_TIMESTAMP FROM t", "the function CURRENT_TIMESTAMP"),
        ("SELECT LISTAGG(k) FROM t", "the function LISTAGG"),
        ("SELECT k FROM t FOR SYSTEM_TIME AS OF ts", "FOR SYSTEM_TIME AS OF or TABLESAMPLE"),
        ("SELECT a.b.c FROM t AS a", "a nested column"),
    ] {
        let error = plan(&format!("{TABLES}{script}")).unwrap_err().to_string();
        assert!(error.contains(&format!("{feature} is not supported yet")), "{script}: {error}");
    }
}

#[test]
fn the_caret_points_at_the_place() {
    let error = plan("SELECT 1;\nSELECT\tx").unwrap_err();
    let expected = "line 2, column 8: unknown column \"x\"\n  |\n2 | SELECT\tx\n  |       \t^";
    assert_eq!(error.pointed(), expected);
}

#[test]
fn nothing_of_a_refused_script_stays() {
    let script = |text| engine::sql::Script::parse(text).unwrap();
    let mut session = engine::sql::Session::new();
    let refused = script("CREATE TABLE a (x INT) WITH ('connector' = 'print'); SET 'k' = 'v'; SELECT y FROM a");
    session.plan(&refused, &sql_support::Checked).unwrap_err();
    assert!(session.settings().is_empty());
    session.plan(&script("SELECT x FROM a"), &sql_support::Checked).unwrap_err();
    session.plan(&script("CREATE TABLE a (x INT) WITH ('connector' = 'print')"), &sql_support::Checked).unwrap();
    session.plan(&script("SELECT x FROM a"), &sql_support::Checked).unwrap();
}

#[test]
fn processing_time() {
    let tables = "CREATE TABLE p (k STRING, v INT, pt AS PROCTIME()) WITH ('connector' = 'filesystem'); ";
    let windowed = "TABLE(TUMBLE(TABLE p, DESCRIPTOR(pt), INTERVAL '1' HOUR))";
    let counted = format!(
        "(SELECT k, COUNT(*) AS n, window_start, window_end FROM {windowed} GROUP BY k, window_start, window_end)"
    );
    let refused = |script: &str, message: &str| {
        let planned = plan(&format!("{tables}\n{script}")).map(|_| "it is planned".to_owned());
        assert_eq!(planned.unwrap_or_else(|e| e.to_string()), message, "{script}");
    };
    let same = "a.k = b.k AND a.window_start = b.window_start AND a.window_end = b.window_end";
    for side in [format!("(SELECT * FROM {windowed})"), counted.clone()] {
        let script = format!("SELECT a.k FROM {side} a JOIN {side} b ON {same}");
        let column = script.find(same).unwrap() + 1;
        refused(
            &script,
            &format!(
                "line 2, column {column}: a join of windows of processing time is not supported yet; use windows over the \
                 columns that the tables have their WATERMARK on"
            ),
        );
    }
    refused(
        &format!(
            "SELECT k FROM (SELECT k, ROW_NUMBER() OVER (PARTITION BY window_start, window_end ORDER BY n DESC) AS r \
             FROM {counted}) WHERE r = 1"
        ),
        "line 2, column 16: a top-N or a deduplication within a window of processing time is not supported yet; use \
         windows over the column that the table has its WATERMARK on",
    );
    refused(
        "SELECT TUMBLE_ROWTIME(pt, INTERVAL '1' HOUR) FROM p GROUP BY TUMBLE(pt, INTERVAL '1' HOUR)",
        "line 2, column 8: a window over processing time has no event time; write TUMBLE_PROCTIME",
    );
    let value = "the value of a processing-time column is not supported yet; name it behind FOR SYSTEM_TIME AS OF or as \
                 the time of a window, and not in a SELECT list";
    refused(
        &format!("SELECT window_time FROM {windowed} GROUP BY window_start, window_end, window_time"),
        &format!("line 2, column 1: {value}"),
    );
    refused(
        "SELECT TUMBLE_PROCTIME(pt, INTERVAL '1' HOUR) FROM p GROUP BY TUMBLE(pt, INTERVAL '1' HOUR)",
        &format!("line 2, column 1: {value}"),
    );
    refused(
        &format!(
            "SET 'execution.runtime-mode' = 'batch'; SELECT COUNT(*) FROM {windowed} GROUP BY window_start, window_end"
        ),
        "line 2, column 41: a window over processing time in batch mode is not supported yet; SET \
         'execution.runtime-mode' = 'streaming', or use windows over event time",
    );
    refused(
        &format!(
            "SELECT COUNT(*) FROM (SELECT * FROM {windowed} WHERE window_start > TIMESTAMP '2000-01-01 00:00:00') \
             GROUP BY window_start, window_end"
        ),
        "line 2, column 1: a condition on a window of processing time below its GROUP BY is not supported yet; write it \
         in HAVING",
    );
    refused(
        "SELECT k, SUM(v) OVER (PARTITION BY k ORDER BY pt) FROM p",
        "line 2, column 1: OVER windows of aggregates are ordered by one event-time column; write ORDER BY the column \
         that the table has its WATERMARK on",
    );
}
