//! Plans as `EXPLAIN` writes them: which operators there are, what moved where, which columns are read.
#![allow(clippy::unwrap_used, missing_docs, reason = "for tests alone")]

mod sql_support;

use engine::sql::Planned;

const TABLES: &str = "CREATE TABLE t (
  ts TIMESTAMP(3), k STRING, v INT, unused STRING, twice AS v * 2, WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem');
CREATE TABLE keyed (k STRING, n BIGINT, PRIMARY KEY (k) NOT ENFORCED) WITH ('connector' = 'print');
";

const TUMBLE: &str = "TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' HOUR))";

/// Checks the plan of a statement; `TUMBLE` in it stands for hourly windows over `t`, `SCAN` in the plan for the
/// table's options and watermark.
fn check(statement: &str, expected: &str) {
    let statement = statement.replace("TUMBLE", TUMBLE);
    let planned = sql_support::plan(&format!("{TABLES}EXPLAIN {statement}")).unwrap();
    let text = planned.into_iter().find_map(|p| if let Planned::Explain(text) = p { Some(text) } else { None });
    let expected: Vec<&str> = expected.trim().lines().map(|l| l.strip_prefix("        ").unwrap_or(l)).collect();
    let text =
        text.unwrap().replace("connector=[filesystem], ", "").replace(", watermark=[(ts - INTERVAL '5' SECOND)]", "");
    assert_eq!(text.trim().lines().collect::<Vec<_>>(), expected, "{statement}\n{text}");
}

#[test]
fn only_columns_that_are_used_are_read() {
    check(
        "SELECT k, twice FROM t WHERE v > 1 + 1 AND TRUE",
        "Sink(table=[collect], columns=[k, twice])
          Project(select=[k, twice])
            Filter(condition=[v > 2])
              Scan(table=[t], columns=[k, v, twice])",
    );
}

#[test]
fn a_filter_goes_below_projections_windows_and_aggregates() {
    check(
        "SELECT k FROM (SELECT k, v + 1 AS w FROM t) WHERE w > 3",
        "Sink(table=[collect], columns=[k])
          Project(select=[k])
            Filter(condition=[(v + 1) > 3])
              Scan(table=[t], columns=[k, v])",
    );
    check(
        "SELECT k, COUNT(*) FROM TUMBLE WHERE v > 1 GROUP BY window_start, window_end, k HAVING k = 'a' AND COUNT(*) > 1",
        "Sink(table=[collect], columns=[k, EXPR$1], key=[$key.window_start, $key.window_end, k])
          Project(select=[k, $agg0 AS EXPR$1, window_start AS $key.window_start, window_end AS $key.window_end])
            Filter(condition=[$agg0 > 1])
              WindowAggregate(window=[TUMBLE ts, size 1 h], keys=[k], aggregates=[COUNT(*)], exchange=[hash(window, k)])
                Project(select=[k, ts])
                  Filter(condition=[k = 'a'])
                    Filter(condition=[v > 1])
                      Scan(table=[t], columns=[ts, k, v])",
    );
}

#[test]
fn windows_that_are_asked_about_are_assigned_before_they_are_aggregated() {
    check(
        "SELECT window_end, SUM(v) FILTER (WHERE k = 'a') FROM TUMBLE
         WHERE window_start > TIMESTAMP '2016-01-01 00:00:00' GROUP BY window_start, window_end",
        "Sink(table=[collect], columns=[window_end, EXPR$1], key=[$key.window_start, window_end])
          Project(select=[window_end, $agg0 AS EXPR$1, window_start AS $key.window_start])
            WindowAggregate(window=[attached window_start to window_end], keys=[], aggregates=[SUM(v) FILTER ($filter0)], exchange=[hash(window)])
              Project(select=[v, k = 'a' AS $filter0, window_start, window_end])
                Filter(condition=[window_start > TIMESTAMP '2016-01-01 00:00:00.000'])
                  WindowAssign(window=[TUMBLE ts, size 1 h])
                    Scan(table=[t], columns=[ts, k, v])",
    );
    check(
        "SELECT window_start, k FROM TABLE(HOP(TABLE t, DESCRIPTOR(ts), INTERVAL '5' MINUTE, INTERVAL '1' HOUR)) WHERE v > 1",
        "Sink(table=[collect], columns=[window_start, k])
          Project(select=[window_start, k])
            WindowAssign(window=[HOP ts, size 1 h, slide 5 min])
              Filter(condition=[v > 1])
                Scan(table=[t], columns=[ts, k, v])",
    );
}

#[test]
fn an_aggregate_of_an_aggregate_takes_its_windows() {
    check(
        "SELECT window_end, MAX(n) FROM (
           SELECT window_start, window_end, k, COUNT(*) AS n FROM TUMBLE GROUP BY window_start, window_end, k
         ) GROUP BY window_start, window_end",
        "Sink(table=[collect], columns=[window_end, EXPR$1], key=[$key.window_start, window_end])
          Project(select=[window_end, $agg0 AS EXPR$1, window_start AS $key.window_start])
            WindowAggregate(window=[attached window_start to window_end], keys=[], aggregates=[MAX(n)], exchange=[hash(window)])
              Project(select=[$agg0 AS n, window_start, window_end])
                WindowAggregate(window=[TUMBLE ts, size 1 h], keys=[k], aggregates=[COUNT(*)], exchange=[hash(window, k)])
                  Project(select=[k, ts])
                    Scan(table=[t], columns=[ts, k])",
    );
}

#[test]
fn a_table_that_is_read_twice_is_scanned_once() {
    check(
        "INSERT INTO keyed SELECT k, 1 FROM t UNION ALL SELECT 'x', CAST(v AS BIGINT) FROM t",
        "Sink(table=[keyed], columns=[k, n], key=[k])
          Project(select=[k, EXPR$1 AS n])
            Union
              Project(select=[k, 1 AS EXPR$1])
                Scan #0(table=[t], columns=[k, v])
              Project(select=['x' AS k, CAST(v AS BIGINT) AS EXPR$1])
                Scan #0 (see above)",
    );
}
