//! The reference application's plan: what its branches share, and what names a row of each sink.
#![allow(clippy::unwrap_used, missing_docs, reason = "for tests alone")]

mod sql_support;

use engine::plan::{JobPlan, NodeKind, SinkTarget, WindowSource};
use engine::sql::{Planned, Script, Session};

/// The reference application's text.
const TAXI: &str = include_str!("sql_taxi.sql");

fn job(script: &str) -> (JobPlan, String) {
    let found = sql_support::plan(script).unwrap().into_iter().find_map(|p| match p {
        Planned::Job { plan, description } => Some((plan, description)),
        _ => None,
    });
    found.unwrap()
}

#[test]
fn the_reference_script_reads_and_filters_trips_once() {
    let (plan, description) = job(TAXI);
    assert_eq!(description, "insert into pickup_count, trip_duration");
    let scans: Vec<usize> =
        (0..plan.nodes.len()).filter(|&i| matches!(plan.nodes[i].kind, NodeKind::Scan { .. })).collect();
    let [scan] = scans[..] else { panic!("{} scans", scans.len()) };
    let columns: Vec<&str> = plan.nodes[scan].schema.fields.iter().map(|f| f.name.as_str()).collect();
    let used = [
        "type",
        "pickup_datetime",
        "dropoff_datetime",
        "pickup_latitude",
        "pickup_longitude",
        "dropoff_latitude",
        "dropoff_longitude",
    ];
    assert_eq!(columns, used);
    let readers = |id: usize| plan.nodes.iter().filter(|n| n.inputs.contains(&id)).count();
    assert_eq!(readers(scan), 1, "one filter keeps the trips of New York");
    let nyc = plan.nodes.iter().position(|n| n.inputs == [scan]).unwrap();
    assert!(matches!(plan.nodes[nyc].kind, NodeKind::Filter { .. }));
    assert_eq!(readers(nyc), 2, "both branches read it");
}

#[test]
fn window_and_grouping_key_name_the_rows_of_the_reference_script() {
    let (plan, _) = job(TAXI);
    let mut keys = Vec::new();
    for node in &plan.nodes {
        if let NodeKind::Sink { target: SinkTarget::Table(table), key, .. } = &node.kind {
            let names = key.iter().map(|&k| plan.nodes[node.inputs[0]].schema.fields[k].name.clone());
            keys.push((table.name.clone(), names.collect::<Vec<_>>()));
        }
    }
    let window = ["$key.window_start", "$key.window_end"];
    let of = |rest: &[&str]| window.iter().chain(rest).map(|s| (*s).to_owned()).collect::<Vec<_>>();
    assert_eq!(keys[0], ("pickup_count".to_owned(), of(&["location"])));
    // The sink's column is a cast of the group's, which is CHAR(3): the key is what was grouped by.
    assert_eq!(keys[1], ("trip_duration".to_owned(), of(&["location", "$key.airport_code"])));
}

#[test]
fn windows_of_points_in_time_follow_the_clock_of_the_session() {
    for (zone, shown) in [("UTC", "UTC"), ("America/New_York", "America/New_York")] {
        let (plan, _) =
            job(&TAXI.replace("'table.local-time-zone' = 'UTC'", &format!("'table.local-time-zone' = '{zone}'")));
        let zones: Vec<String> = plan
            .nodes
            .iter()
            .filter_map(|n| match &n.kind {
                NodeKind::WindowAggregate { window: WindowSource::Assigned(spec), .. } => Some(spec.zone.to_string()),
                _ => None,
            })
            .collect();
        assert_eq!(zones, [shown, shown]);
    }
}

#[test]
fn statements_that_run_nothing_answer_at_once() {
    let script = "CREATE TABLE t (a INT NOT NULL, b AS a + 1, ts TIMESTAMP(3), WATERMARK FOR ts AS ts, PRIMARY KEY (a) NOT ENFORCED)
        WITH ('connector' = 'print');
        CREATE VIEW v AS SELECT a FROM t;
        SET 'pipeline.name' = 'mine';
        SHOW TABLES; SHOW VIEWS; SET; DESCRIBE t; RESET; SET;
        DROP VIEW v; SHOW VIEWS; DROP VIEW IF EXISTS v";
    let mut session = Session::new();
    let planned = session.plan(&Script::parse(script).unwrap(), &sql_support::Checked).unwrap();
    let rows: Vec<Vec<Vec<String>>> =
        planned.into_iter().map(|p| if let Planned::Rows { rows, .. } = p { rows } else { panic!("{p:?}") }).collect();
    assert_eq!(rows[0], [["t"], ["v"]]);
    assert_eq!(rows[1], [["v"]]);
    assert_eq!(rows[2], [["pipeline.name", "mine"]]);
    assert_eq!(
        rows[3],
        [
            ["a", "INT", "FALSE", "PRI(a)", "", ""],
            ["b", "INT", "FALSE", "", "AS (a + 1)", ""],
            ["ts", "TIMESTAMP(3) *ROWTIME*", "TRUE", "", "", "ts"],
        ]
    );
    assert!(rows[4].is_empty() && rows[5].is_empty());
}
