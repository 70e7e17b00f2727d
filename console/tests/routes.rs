//! The routes over a real socket: the page, the API, live updates, controls, metrics, and what keeps other pages out.
#![allow(clippy::unwrap_used, reason = "a test ends with what goes wrong")]

use console::views::{
    AirportHour, AirportLine, AlarmChange, AlarmLine, AlarmState, AlarmView, Application, ApplicationLine,
    ApplicationLog, ApplicationState, ApplicationView, Cell, CellsRequest, Checkpoints, Correction, CorrectionWork,
    Decision, Happening, HourCount, Operator, OperatorUse, Outcome, Pipeline, Scaling, ScalingMode, ScalingPoint,
    Severity, ShardChange, Snapshot, StackRequest, StackStep, StreamHistory, StreamLine, StreamStatus, TimeRange,
    Totals,
};
use console::{Failure, Options, Platform, router};
use model::{Env, Kind, Sample};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// Answers with what it was asked, and writes down every order.
#[derive(Default)]
struct Recording {
    orders: Mutex<Vec<String>>,
    asked: Mutex<Vec<String>>,
}

impl Recording {
    fn order(&self, order: String) -> Result<(), Failure> {
        self.orders.lock().unwrap().push(order);
        Ok(())
    }
}

impl Platform for Recording {
    fn pipeline(&self) -> Pipeline {
        let mut pipeline = Pipeline::default();
        pipeline.index.documents = 42;
        pipeline.application = Some(application());
        pipeline
    }
    fn time_range(&self) -> Result<Option<TimeRange>, Failure> {
        Ok(Some(TimeRange { from_ms: 0, to_ms: 7_200_000 }))
    }
    fn cells(&self, request: &CellsRequest) -> Result<Vec<Cell>, Failure> {
        self.asked.lock().unwrap().push(format!("{request:?}"));
        Ok(vec![Cell { geohash: "dr5ru6".into(), count: 7 }])
    }
    fn airport_lines(&self, _: TimeRange) -> Result<Vec<AirportLine>, Failure> {
        let point = AirportHour { t: 3_600_000, avg: 42.5, trips: 8 };
        Ok(vec![AirportLine { airport: "JFK".into(), points: vec![point] }])
    }
    fn totals(&self, range: TimeRange) -> Result<Totals, Failure> {
        if range.to_ms == 13 {
            return Err(Failure::new(Kind::Unavailable, "the index is closed"));
        }
        if range.to_ms == 14 {
            panic!("a fault of the platform");
        }
        Ok(Totals { pickups: 100, areas: 6, airport_trips: 8, hours: 2 })
    }
    fn top_cells(&self, _: TimeRange, n: usize) -> Result<Vec<Cell>, Failure> {
        Ok(vec![Cell { geohash: "dr5ru6j".into(), count: n as u64 }])
    }
    fn pickups_by_hour(&self, _: TimeRange, geohash: Option<&str>) -> Result<Vec<HourCount>, Failure> {
        Ok(vec![HourCount { t: 3_600_000, count: geohash.map_or(0, str::len) as u64 }])
    }
    fn start_replay(&self) -> Result<(), Failure> {
        self.order("start".into())
    }
    fn stop_replay(&self) -> Result<(), Failure> {
        self.order("stop".into())
    }
    fn set_speedup(&self, speedup: Option<f64>) -> Result<(), Failure> {
        self.order(format!("speed {speedup:?}"))
    }
    fn set_shard_count(&self, count: u32) -> Result<(), Failure> {
        if count > 100 {
            return Err(Failure::new(Kind::Conflict, "the stream is UPDATING"));
        }
        self.order(format!("shards {count}"))
    }
    fn set_parallelism(&self, application: Option<&str>, parallelism: u32) -> Result<(), Failure> {
        if parallelism > 100 {
            return Err(Failure::new(Kind::Conflict, "the application is UPDATING"));
        }
        self.order(format!("{}parallelism {parallelism}", of(application)))
    }
    fn application(&self, application: Option<&str>) -> Result<ApplicationLine, Failure> {
        Ok(ApplicationLine {
            name: application.unwrap_or("shown").into(),
            state: ApplicationState::Starting,
            parallelism: 2,
            kpus: 1,
            restarts: 3,
            last_error: Some("x".repeat(5_000)),
        })
    }
    fn applications(&self) -> Vec<ApplicationLine> {
        ["a", "b"].iter().filter_map(|name| self.application(Some(name)).ok()).collect()
    }
    fn application_view(&self, name: &str) -> Result<ApplicationView, Failure> {
        let operator = OperatorUse {
            name: "o".repeat(5_000),
            inputs: vec![0, 100_000],
            subtasks: 2,
            records_in_per_s: f64::NAN,
            records_out_per_s: 1.0,
            busy: f64::INFINITY,
            busy_most: 1.0,
            backpressured: 0.5,
            watermark_ms: Some(7),
            hold: None,
            behind_ms: Some(5),
            read_bytes_per_s: Some(f64::NAN),
            write_ms: None,
            refused_per_s: Some(f64::INFINITY),
        };
        Ok(ApplicationView {
            line: self.application(Some(name))?,
            runner: "flink".into(),
            page: Some("javascript:alert(1)".into()),
            parallelism_per_kpu: 1,
            records_in_per_s: f64::NAN,
            records_out_per_s: 2.0,
            watermark_ms: None,
            millis_behind_latest: Some(5),
            state_bytes: 1,
            state_budget_bytes: Some(4),
            spilled_bytes: 0,
            rescale_pause_ms: None,
            checkpoints: Checkpoints::default(),
            operators: vec![operator; 300],
        })
    }
    fn alarms(&self) -> Result<Vec<AlarmLine>, Failure> {
        Ok((0..600).map(|n| alarm(&format!("alarm-{n}"))).collect())
    }
    fn alarm_view(&self, name: &str, seconds: u64) -> Result<AlarmView, Failure> {
        let change = AlarmChange { at_ms: seconds, text: "t".repeat(5_000) };
        let points = (0..2_000).map(|at| (at, if at == 1_999 { f64::NAN } else { 1.0 })).collect();
        let (threshold, period_s) = (Some(f64::INFINITY), 60);
        Ok(AlarmView { line: alarm(name), threshold, period_s, points, changes: vec![change; 300] })
    }
    fn set_alarm_actions(&self, name: &str, enabled: bool) -> Result<(), Failure> {
        self.order(format!("actions of {name} {enabled}"))
    }
    fn scaling(&self, seconds: u64) -> Result<Scaling, Failure> {
        let point = ScalingPoint {
            at_ms: 1,
            accepted_per_s: f64::NAN,
            throttled_per_s: 2.0,
            read_per_s: 3.0,
            lag_ms: Some(f64::INFINITY),
            shards: Some(4.0),
            kpus: None,
        };
        let text = || "x".repeat(5_000);
        let decision = Decision {
            at_ms: 1,
            subject: text(),
            policy: text(),
            what: text(),
            reason: text(),
            formula: text(),
            inputs: vec![(text(), text()); 200],
            price_per_hour: Some(f64::NAN),
            outcome: Outcome::DryRun,
            outcome_text: text(),
        };
        let decisions = vec![decision; 300];
        Ok(Scaling { period_s: seconds, points: vec![point; 2_000], decisions, policies: vec![] })
    }
    fn set_scaling_mode(&self, subject: &str, mode: ScalingMode) -> Result<(), Failure> {
        self.order(format!("{subject} {mode:?}"))
    }
    fn timeline(&self, from_ms: u64, to_ms: u64, limit: usize) -> Result<Vec<Happening>, Failure> {
        let event = |at_ms| Happening {
            at_ms,
            severity: Severity::Fault,
            kind: "restart".into(),
            subject: "s".repeat(5_000),
            text: format!("{to_ms} {limit}"),
            first_cause: true,
        };
        Ok((from_ms..to_ms).map(event).collect())
    }
    fn application_lines(&self, _: Option<&str>, after: u64, limit: u32) -> Result<Vec<ApplicationLog>, Failure> {
        let line = |number| ApplicationLog { number, at_ms: 1, level: "WARN".into(), text: "t".repeat(5_000) };
        Ok((after..after + u64::from(limit)).map(line).collect())
    }
    fn plan_stack(&self, stack: &StackRequest) -> Result<Vec<StackStep>, Failure> {
        let step = StackStep { subject: stack.stack.clone(), change: "keep".into(), words: "w".repeat(5_000) };
        Ok(vec![step])
    }
    fn start_application(&self, application: Option<&str>) -> Result<(), Failure> {
        self.order(format!("{}run", of(application)))
    }
    fn stop_application(&self, application: Option<&str>, force: bool) -> Result<Option<Snapshot>, Failure> {
        self.order(format!("{}end {force}", of(application)))?;
        Ok((!force).then(|| Snapshot { name: "stop-1".into(), created_ms: 1, bytes: 2 }))
    }
    fn correct(&self, application: Option<&str>, only_plan: bool) -> Result<Correction, Failure> {
        self.order(format!("{}correct {only_plan}", of(application)))?;
        let work = (!only_plan).then_some(CorrectionWork { records_in: 9, records_out: 3 });
        Ok(Correction { late_rows: 7, work, ..Correction::default() })
    }
    fn snapshots(&self, application: Option<&str>) -> Result<Vec<Snapshot>, Failure> {
        Ok(vec![Snapshot { name: format!("{}kept", of(application)), created_ms: 1, bytes: 2 }])
    }
    fn take_snapshot(&self, application: Option<&str>, name: &str) -> Result<(), Failure> {
        self.order(format!("{}take {name}", of(application)))
    }
    fn restore_snapshot(&self, application: Option<&str>, name: &str, at: Option<u32>) -> Result<(), Failure> {
        self.order(format!("{}back to {name} {at:?}", of(application)))
    }
    fn remove_snapshot(&self, application: Option<&str>, name: &str) -> Result<(), Failure> {
        self.order(format!("{}remove {name}", of(application)))
    }
    fn streams(&self) -> Vec<StreamLine> {
        vec![line("trips")]
    }
    fn stream_history(&self, name: &str, seconds: u64) -> Result<StreamHistory, Failure> {
        self.asked.lock().unwrap().push(format!("{name} {seconds}"));
        Ok(StreamHistory { period_s: 60, points: vec![] })
    }
    fn change_shards(&self, stream: &str, change: ShardChange) -> Result<(), Failure> {
        self.order(format!("{stream} {change:?}"))
    }
    fn samples(&self) -> Vec<Sample> {
        let watermark = Sample::new("application_current_output_watermark_ms", 7.0);
        vec![watermark.with("application", "taxi").with("operator", "join 5"), Sample::new("index_documents", 42.0)]
    }
    fn health(&self) -> Result<(), Failure> {
        Ok(())
    }
}

fn application() -> Application {
    let operator = |name: &str, came: Option<i64>, left: Option<i64>, hold: Option<&str>| Operator {
        name: name.into(),
        input_watermark_ms: came,
        watermark_ms: left,
        hold: hold.map(str::to_owned),
    };
    Application {
        name: "taxi".into(),
        state: ApplicationState::Running,
        parallelism: 1,
        kpus: 1,
        records_per_s: 0.0,
        watermark_ms: Some(7),
        watermark_hold: None,
        operators: vec![
            operator("source trips", None, None, None),
            operator("join 5", Some(9), Some(7), Some("trips, shard 2: it has not been read yet")),
        ],
        millis_behind_latest: None,
        late: 0,
        late_windows: vec![],
        bad: 0,
        bad_samples: vec![],
        restarts: 0,
        last_error: None,
    }
}

fn alarm(name: &str) -> AlarmLine {
    AlarmLine {
        name: name.into(),
        state: AlarmState::InsufficientData,
        since_ms: 5,
        reason: "r".repeat(5_000),
        watches: "w".repeat(5_000),
        description: String::new(),
        actions_enabled: true,
        actions: vec!["a".repeat(5_000)],
    }
}

fn of(application: Option<&str>) -> String {
    application.map(|name| format!("{name}: ")).unwrap_or_default()
}

fn line(name: &str) -> StreamLine {
    StreamLine {
        name: name.into(),
        status: StreamStatus::Active,
        open_shards: 8,
        records_per_s: 1_000.0,
        bytes_per_s: f64::NAN,
        throttled_per_s: 0.0,
        read_bytes_per_s: 0.0,
        throttled_reads_per_s: 0.0,
        read_age_ms: None,
    }
}

/// A console on a free port.
struct Served {
    platform: Arc<Recording>,
    host: String,
}

struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

impl Served {
    async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let platform = Arc::new(Recording::default());
        let options = Options { tick: Duration::from_millis(20), ..Options::new(Env::manual(1_700, 1).0) };
        let router = router(platform.clone(), options);
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { platform, host }
    }

    async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut stream = TcpStream::connect(&self.host).await.unwrap();
        let mut request =
            format!("{method} {path} HTTP/1.1\r\nconnection: close\r\ncontent-length: {}\r\n", body.len());
        for (name, value) in headers {
            request += &format!("{name}: {value}\r\n");
        }
        if !headers.iter().any(|(name, _)| *name == "host") {
            request += &format!("host: {}\r\n", self.host);
        }
        stream.write_all(format!("{request}\r\n{body}").as_bytes()).await.unwrap();
        let mut bytes = vec![];
        stream.read_to_end(&mut bytes).await.unwrap();
        let text = String::from_utf8_lossy(&bytes);
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, head: head.into(), body: body.into() }
    }

    async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], "").await
    }

    /// A control as the page sends it.
    async fn post(&self, path: &str, body: &str) -> Answer {
        let origin = format!("http://{}", self.host);
        self.send("POST", path, &[("origin", &origin), ("content-type", "application/json")], body).await
    }

    fn orders(&self) -> Vec<String> {
        self.platform.orders.lock().unwrap().clone()
    }
}

#[tokio::test]
async fn the_page_is_served_under_a_strict_policy() {
    let served = Served::new().await;
    for path in ["/", "/api/pipeline", "/metrics", "/nothing", "/api/nothing"] {
        let answer = served.get(path).await;
        let policy = answer.header("content-security-policy").unwrap_or_else(|| panic!("{path} has no policy"));
        assert!(policy.starts_with("default-src 'none'; script-src 'self';"), "{path}: {policy}");
        for forbidden in ["unsafe", "http:", "https:", "*"] {
            assert!(!policy.contains(forbidden), "{path}: {policy}");
        }
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
        assert_eq!(answer.header("x-frame-options"), Some("DENY"), "{path}");
        assert_eq!(answer.header("access-control-allow-origin"), None, "{path}");
        assert_eq!(answer.header("set-cookie"), None, "{path}");
    }
    assert_eq!(served.get("/").await.status, 200);
    assert_eq!(served.get("/nothing").await.status, 404);
    let nothing = served.get("/api/nothing").await;
    assert_eq!((nothing.status, nothing.json()["error"]["kind"].clone()), (404, json!("NotFound")));
}

#[tokio::test]
async fn where_nobody_is_asked_everybody_may_do_everything() {
    let served = Served::new().await;
    let session = served.get("/api/session").await.json();
    assert_eq!((&session["asked"], &session["key"], &session["csrf"]), (&json!(false), &json!(null), &json!(null)));
    assert_eq!(session["rights"], json!(["look", "read", "register", "write", "control", "govern"]));
    for (query, status) in [("", 404), ("?n=200&before=7", 404), ("?n=0", 400), ("?n=201", 400), ("?m=1", 400)] {
        assert_eq!(served.get(&format!("/api/audit{query}")).await.status, status, "{query}");
    }
    assert_eq!(served.get("/login.html").await.status, 404, "the page of the login is served filled, or not at all");
    assert_eq!(served.get("/").await.header("referrer-policy"), Some("same-origin"));
}

#[tokio::test]
async fn bodies_are_bounded_in_length_and_depth() {
    let served = Served::new().await;
    let speed = |value: &str| format!("{{\"speedup\":{value}}}");
    for (body, status, words) in [
        (speed(&"[".repeat(64)), 400, "nested deeper than 64"),
        (speed(&format!("{}{}", "[".repeat(60), "]".repeat(60))), 422, "invalid type"),
        (speed(&format!("\"{}\"", "[".repeat(1_000))), 422, "invalid type"),
        (speed(&" ".repeat(5_000)), 413, "length limit"),
        (" ".repeat(20_000), 413, "larger than 16384 bytes"),
    ] {
        let answer = served.post("/api/replay/speed", &body).await;
        assert_eq!(answer.status, status, "{}", answer.body);
        assert!(answer.body.contains(words), "{}", answer.body);
    }
    assert_eq!(served.orders(), [""; 0]);
}

#[tokio::test]
async fn results_are_asked_for_as_the_page_asks() {
    let served = Served::new().await;
    assert_eq!(served.get("/api/results/range").await.json(), json!({"range": {"from_ms": 0, "to_ms": 7_200_000}}));
    let cells =
        served.get("/api/results/cells?west=-74&south=40.5&east=-73.7&north=40.9&precision=6&from=0&to=3600000").await;
    assert_eq!(cells.json(), json!({"cells": [{"geohash": "dr5ru6", "count": 7}], "truncated": false}));
    assert_eq!(cells.header("cache-control"), Some("no-store"));
    assert_eq!(
        *served.platform.asked.lock().unwrap(),
        ["CellsRequest { bbox: Bbox { west: -74.0, south: 40.5, east: -73.7, north: 40.9 }, precision: 6, \
          range: TimeRange { from_ms: 0, to_ms: 3600000 }, cells_max: 16384 }"]
    );
    let summary = served.get("/api/results/summary?from=0&to=7200000&top=3").await.json();
    assert_eq!(summary["totals"], json!({"pickups": 100, "areas": 6, "airport_trips": 8, "hours": 2}));
    assert_eq!(
        summary["airports"][0],
        json!({"airport": "JFK", "points": [{"t": 3_600_000, "avg": 42.5, "trips": 8}]})
    );
    assert_eq!(summary["top"], json!([{"geohash": "dr5ru6j", "count": 3}]));
    assert_eq!(summary["hours"], json!([{"t": 3_600_000, "count": 0}]));
    let history = served.get("/api/results/history?from=0&to=7200000&cell=dr5ru6j").await.json();
    assert_eq!(history, json!({"hours": [{"t": 3_600_000, "count": 7}]}));
}

#[tokio::test]
async fn wrong_questions_are_refused_with_words() {
    let served = Served::new().await;
    let box_of = |west: &str, north: &str, precision: &str, to: &str| {
        format!("cells?west={west}&south=40&east=-73&north={north}&precision={precision}&from=0&to={to}")
    };
    let cases = [
        ("cells".to_string(), "missing field"),
        (box_of("-72", "41", "6", "1"), "not a part of the map"),
        (box_of("NaN", "41", "6", "1"), "not a part of the map"),
        (box_of("-74", "inf", "6", "1"), "not a part of the map"),
        (box_of("-74", "41", "0", "1"), "precision 0 is not within"),
        (box_of("-74", "41", "8", "1"), "precision 8 is not within"),
        (box_of("-74", "41", "6", "0"), "from must be before to"),
        ("summary?from=5&to=4".into(), "from must be before to"),
        ("summary?from=0&to=4&top=51".into(), "top 51 is not within"),
        ("summary?from=x&to=4".into(), "invalid digit"),
        ("history?from=0&to=4&cell=".into(), "not a geohash"),
        ("history?from=0&to=4&cell=DR5RU".into(), "not a geohash"),
        ("history?from=0&to=4&cell=dr5ru6j0".into(), "not a geohash"),
        ("history?from=0&to=4&cell=%3Cimg%3E".into(), "not a geohash"),
    ];
    for (path, words) in cases {
        let answer = served.get(&format!("/api/results/{path}")).await;
        let error = answer.json()["error"].clone();
        assert_eq!((answer.status, error["kind"].as_str()), (400, Some("Invalid")), "{path}");
        assert!(error["message"].as_str().unwrap().contains(words), "{path}: {error}");
    }
}

#[tokio::test]
async fn failures_of_the_platform_keep_their_kind_and_a_fault_stops_nothing() {
    let served = Served::new().await;
    let closed = served.get("/api/results/summary?from=0&to=13").await;
    assert_eq!(closed.status, 503);
    assert_eq!(closed.json()["error"], json!({"kind": "Unavailable", "message": "the index is closed"}));
    let fault = served.get("/api/results/summary?from=0&to=14").await;
    assert_eq!((fault.status, fault.json()["error"]["kind"].clone()), (500, json!("Internal")));
    for _ in 0..40 {
        served.get("/api/results/summary?from=0&to=14").await;
    }
    assert_eq!(served.get("/api/results/summary?from=0&to=15").await.status, 200, "places for questions were lost");
}

#[tokio::test]
async fn applications_are_looked_at_and_controlled_by_name_or_as_the_one_that_is_shown() {
    let served = Served::new().await;
    let taken = json!({"taken": true});
    let kept = json!({"taken": true, "snapshot": {"name": "stop-1", "created_ms": 1, "bytes": 2}});
    for (path, body, answer, order) in [
        ("start", r#"{}"#, &taken, "run"),
        ("start", r#"{"application":"a"}"#, &taken, "a: run"),
        ("stop", r#"{"application":"a"}"#, &kept, "a: end false"),
        ("stop", r#"{"force":true}"#, &json!({"taken": true, "snapshot": null}), "end true"),
        ("parallelism", r#"{"application":"a","parallelism":3}"#, &taken, "a: parallelism 3"),
        ("snapshots/take", r#"{"application":"a","name":"s"}"#, &taken, "a: take s"),
        ("snapshots/restore", r#"{"application":"a","name":"s"}"#, &taken, "a: back to s None"),
        ("snapshots/restore", r#"{"name":"s","parallelism":2}"#, &taken, "back to s Some(2)"),
        ("snapshots/remove", r#"{"application":"a","name":"s"}"#, &taken, "a: remove s"),
    ] {
        let answered = served.post(&format!("/api/application/{path}"), body).await;
        assert_eq!((answered.status, &answered.json()), (200, answer), "{path} {body}");
        assert_eq!(served.orders().last().unwrap(), order);
    }
    let told = served.post("/api/application/correct", r#"{"application":"a","plan":true}"#).await.json();
    assert_eq!((&told["late_rows"], &told["work"]), (&json!(7), &Value::Null));
    let done = served.post("/api/application/correct", "{}").await.json();
    assert_eq!(done["work"], json!({"records_in": 9, "records_out": 3}));
    assert_eq!(served.orders()[9..], ["a: correct true", "correct false"]);
    let line = served.get("/api/application?application=a").await.json();
    assert_eq!((&line["name"], &line["state"], &line["restarts"]), (&json!("a"), &json!("starting"), &json!(3)));
    assert!(line["last_error"].as_str().unwrap().chars().count() <= 1_001);
    assert_eq!(served.get("/api/application").await.json()["name"], "shown");
    assert_eq!(served.get("/api/application/snapshots?application=a").await.json()["snapshots"][0]["name"], "a: kept");
    assert_eq!(served.get("/api/application?applicatoin=a").await.status, 400);
    assert_eq!(served.post("/api/application/stop", r#"{"forced":true}"#).await.status, 422);
}

#[tokio::test]
async fn all_applications_are_listed_and_one_is_told_with_its_operators() {
    let served = Served::new().await;
    let all = served.get("/api/applications").await.json();
    let names: Vec<_> = all["applications"].as_array().unwrap().iter().map(|line| line["name"].clone()).collect();
    assert_eq!(names, ["a", "b"]);
    let view = served.get("/api/applications/view?application=a").await.json();
    assert_eq!((&view["line"]["name"], &view["records_in_per_s"]), (&json!("a"), &json!(0.0)));
    assert_eq!((&view["runner"], &view["page"]), (&json!("flink"), &Value::Null), "a page elsewhere is a web page");
    let operators = view["operators"].as_array().unwrap();
    assert_eq!(operators.len(), 200);
    assert_eq!((&operators[0]["inputs"], &operators[0]["busy"]), (&json!([0]), &json!(0.0)));
    assert!(operators[0]["name"].as_str().unwrap().chars().count() <= 1_001);
    assert_eq!(served.get("/api/applications/view").await.status, 400);
}

#[tokio::test]
async fn alarms_and_scaling_are_told_in_bounds_and_steered() {
    let served = Served::new().await;
    let all = served.get("/api/alarms").await.json();
    assert_eq!((all["alarms"].as_array().unwrap().len(), &all["truncated"]), (500, &json!(true)));
    assert_eq!(all["alarms"][0]["state"], "insufficient_data");
    let view = served.get("/api/alarms/view?name=lag&seconds=3600").await.json();
    assert_eq!((&view["line"]["name"], &view["threshold"]), (&json!("lag"), &Value::Null));
    assert_eq!((view["points"].as_array().unwrap().len(), &view["points"][1_499]), (1_500, &json!([1_999, 0.0])));
    assert_eq!(view["changes"].as_array().unwrap().len(), 100);
    let told = served.get("/api/scaling?seconds=900").await.json();
    assert_eq!((told["points"].as_array().unwrap().len(), &told["points"][0]["lag_ms"]), (1_500, &Value::Null));
    let decision = &told["decisions"][199];
    assert_eq!((&decision["outcome"], &decision["price_per_hour"]), (&json!("dry_run"), &Value::Null));
    assert_eq!(decision["inputs"].as_array().unwrap().len(), 100);
    assert!(decision["formula"].as_str().unwrap().chars().count() <= 1_001);
    for path in ["alarms/view?name=lag", "alarms/view?name=lag&seconds=5", "scaling", "scaling?seconds=1"] {
        assert_eq!(served.get(&format!("/api/{path}")).await.status, 400, "{path}");
    }
    for (path, body, order) in [
        ("alarms/actions", r#"{"name":"lag","enabled":false}"#, "actions of lag false"),
        ("scaling/mode", r#"{"subject":"stream/trips","mode":"dry_run"}"#, "stream/trips DryRun"),
    ] {
        assert_eq!(served.post(&format!("/api/{path}"), body).await.status, 200, "{path}");
        assert_eq!(served.orders().last().unwrap(), order);
    }
    let wrong = r#"{"subject":"stream/trips","mode":"maybe"}"#;
    assert_eq!(served.post("/api/scaling/mode", wrong).await.status, 422);
}

#[tokio::test]
async fn alarms_that_there_are_not_and_questions_that_make_no_sense_are_refused() {
    let served = Served::new().await;
    for (path, status) in [
        ("alarms/describe?name=x", 404),
        ("alarms/describe", 400),
        ("alarms/history?limit=5", 200),
        ("alarms/history?limit=many", 400),
        ("metrics?namespace=N&name=m&dimensions=A%3D1", 404),
        ("metrics?namespace=N&name=m&dimensions=A", 400),
        ("metrics?namespace=N&name=m&seconds=0", 400),
        ("metrics?name=m", 400),
    ] {
        assert_eq!(served.get(&format!("/api/{path}")).await.status, status, "{path}");
    }
    for (path, body, status) in [
        ("alarms/state", r#"{"alarm":"x","state":"OK","reason":""}"#, 404),
        ("alarms/state", r#"{"alarm":"x"}"#, 422),
        ("alarms/backtest", r#"{"alarm":"x","seconds":60}"#, 404),
        ("alarms/backtest", r#"{"alarm":{},"hours":1}"#, 422),
    ] {
        assert_eq!(served.post(&format!("/api/{path}"), body).await.status, status, "{path} {body}");
    }
}

#[tokio::test]
async fn what_happened_is_told_by_range_and_in_bounds() {
    let served = Served::new().await;
    let told = served.get("/api/timeline?from=7&to=9").await.json();
    let events = told["events"].as_array().unwrap();
    let first = &events[0];
    assert_eq!((events.len(), &first["at_ms"], &first["severity"]), (2, &json!(7), &json!("fault")));
    assert_eq!((&first["text"], &first["first_cause"]), (&json!("9 500"), &json!(true)));
    assert!(first["subject"].as_str().unwrap().chars().count() <= 1_001);
    let many = served.get("/api/timeline?from=0&to=9000").await.json();
    assert_eq!(many["events"].as_array().unwrap().len(), 500);
    for wrong in ["?from=7", "?from=7&to=7", "?from=a&to=9", "?from=-1&to=9", "?from=1&to=9&of=x"] {
        assert_eq!(served.get(&format!("/api/timeline{wrong}")).await.status, 400, "{wrong}");
    }
}

#[tokio::test]
async fn lines_and_steps_travel_in_bounds() {
    let served = Served::new().await;
    let lines = served.get("/api/application/lines?application=a&after=7&limit=100000").await.json();
    assert_eq!((lines["lines"].as_array().unwrap().len(), &lines["lines"][0]["number"]), (1_000, &json!(7)));
    let steps = served.post("/api/stack/plan", &json!({ "stack": "s".repeat(5_000) }).to_string()).await.json();
    for text in [&lines["lines"][999]["text"], &steps["steps"][0]["subject"], &steps["steps"][0]["words"]] {
        assert_eq!(text.as_str().unwrap().chars().count(), 1_001);
    }
}

#[tokio::test]
async fn controls_reach_the_platform() {
    let served = Served::new().await;
    for (path, body) in [
        ("/api/replay/start", "{}"),
        ("/api/replay/stop", "{}"),
        ("/api/replay/speed", r#"{"speedup":3600}"#),
        ("/api/replay/speed", r#"{"speedup":null}"#),
        ("/api/stream/shards", r#"{"count":16}"#),
        ("/api/application/parallelism", r#"{"parallelism":8}"#),
    ] {
        let answer = served.post(path, body).await;
        assert_eq!((answer.status, answer.json()), (200, json!({"taken": true})), "{path} {body}");
    }
    assert_eq!(served.orders(), ["start", "stop", "speed Some(3600.0)", "speed None", "shards 16", "parallelism 8"]);
    let refused = served.post("/api/stream/shards", r#"{"count":101}"#).await;
    assert_eq!((refused.status, refused.json()["error"]["message"].clone()), (409, json!("the stream is UPDATING")));
}

#[tokio::test]
async fn wrong_controls_do_not_reach_the_platform() {
    let served = Served::new().await;
    let long = format!("{{\"count\":{}8}}", " ".repeat(10_000));
    for (path, body, status) in [
        ("/api/replay/start", "", 400),
        ("/api/replay/start", r#"{"now":true}"#, 422),
        ("/api/replay/speed", "{}", 422),
        ("/api/replay/speed", r#"{"speedup":0}"#, 400),
        ("/api/replay/speed", r#"{"speedup":-1}"#, 400),
        ("/api/replay/speed", r#"{"speedup":1e300}"#, 400),
        ("/api/replay/speed", r#"{"speedup":"fast"}"#, 422),
        ("/api/stream/shards", r#"{"count":0}"#, 400),
        ("/api/application/parallelism", r#"{"parallelism":0}"#, 400),
        ("/api/application/parallelism", r#"{"parallelism":257}"#, 400),
        ("/api/stream/shards", r#"{"count":10001}"#, 400),
        ("/api/stream/shards", r#"{"count":-1}"#, 422),
        ("/api/stream/shards", &long, 413),
    ] {
        let answer = served.post(path, body).await;
        assert_eq!(answer.status, status, "{path} {body}: {}", answer.body);
        assert!(answer.json()["error"]["message"].is_string(), "{path} {body}");
    }
    assert_eq!(served.get("/api/stream/shards").await.status, 405);
    let beyond = r#"{"stream":"t","shard":1,"at":"340282366920938463463374607431768211456"}"#;
    assert_eq!(served.post("/api/streams/split", beyond).await.status, 400, "no hash key is so great");
    assert_eq!(served.orders(), Vec::<String>::new());
}

#[tokio::test]
async fn other_origins_and_forms_do_not_control() {
    let served = Served::new().await;
    let own = format!("http://{}", served.host);
    let json = ("content-type", "application/json");
    let cases: [(&[(&str, &str)], u16); 7] = [
        (&[json], 400),
        (&[json, ("origin", "http://evil.example")], 400),
        (&[json, ("origin", "null")], 400),
        (&[json, ("origin", &own), ("sec-fetch-site", "cross-site")], 400),
        (&[json, ("origin", "http://evil.example"), ("host", "evil.example")], 400),
        (&[("origin", &own), ("content-type", "text/plain")], 415),
        (&[("origin", &own), ("content-type", "application/x-www-form-urlencoded")], 415),
    ];
    for (headers, status) in cases {
        let answer = served.send("POST", "/api/replay/start", headers, "{}").await;
        assert_eq!(answer.status, status, "{headers:?}: {}", answer.body);
    }
    assert_eq!(served.orders(), Vec::<String>::new());
    let rebound = served.send("GET", "/api/pipeline", &[("host", "evil.example:8080")], "").await;
    assert_eq!(rebound.status, 400, "a foreign name was resolved to this machine, and the console answered to it");
}

#[tokio::test]
async fn live_ticks_arrive_in_order() {
    let served = Served::new().await;
    let mut stream = TcpStream::connect(&served.host).await.unwrap();
    stream.write_all(format!("GET /api/live HTTP/1.1\r\nhost: {}\r\n\r\n", served.host).as_bytes()).await.unwrap();
    let mut lines = BufReader::new(stream).lines();
    let (mut head, mut ticks): (Vec<String>, Vec<Value>) = (vec![], vec![]);
    while ticks.len() < 3 {
        let line = lines.next_line().await.unwrap().unwrap();
        match line.strip_prefix("data: ") {
            Some(json) => ticks.push(serde_json::from_str(json).unwrap()),
            None => head.push(line),
        }
    }
    assert!(head.iter().any(|line| line == "content-type: text/event-stream"), "{head:?}");
    assert!(head.iter().any(|line| line == "event: tick"), "{head:?}");
    let sequences: Vec<u64> = ticks.iter().map(|tick| tick["sequence"].as_u64().unwrap()).collect();
    assert!(sequences.windows(2).all(|pair| pair[0] < pair[1]), "{sequences:?}");
    assert_eq!(ticks[0]["at_ms"], 1_700);
    assert_eq!(ticks[0]["pipeline"]["index"]["documents"], 42);
    assert_eq!(ticks[0]["pipeline"]["replay"], Value::Null);
}

#[tokio::test]
async fn metrics_and_health_answer() {
    let served = Served::new().await;
    let metrics = served.get("/metrics").await;
    assert_eq!(metrics.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    assert_eq!(
        metrics.body,
        "# TYPE hailstream_application_current_output_watermark_ms gauge\n\
         hailstream_application_current_output_watermark_ms{application=\"taxi\",operator=\"join 5\"} 7\n\
         # TYPE hailstream_index_documents gauge\nhailstream_index_documents 42\n"
    );
    assert_eq!(served.get("/health").await.json(), json!({"status": "ok"}));
    assert_eq!(served.send("HEAD", "/health", &[], "").await.status, 200);
}

#[tokio::test]
async fn the_watermark_of_each_operator_is_told() {
    let served = Served::new().await;
    let pipeline = served.get("/api/pipeline").await.json();
    assert_eq!(
        pipeline["application"]["operators"],
        json!([
            {"name": "source trips", "input_watermark_ms": null, "watermark_ms": null, "hold": null},
            {
                "name": "join 5", "input_watermark_ms": 9, "watermark_ms": 7,
                "hold": "trips, shard 2: it has not been read yet"
            },
        ])
    );
}

#[tokio::test]
async fn streams_are_told_and_changed_by_name() {
    let served = Served::new().await;
    let streams = served.get("/api/streams").await.json();
    assert_eq!((&streams["streams"][0]["name"], &streams["truncated"]), (&json!("trips"), &json!(false)));
    assert_eq!(streams["streams"][0]["bytes_per_s"], json!(0.0), "JSON cannot say what is no number");
    assert_eq!(served.get("/api/streams/history?name=trips&seconds=900").await.json()["period_s"], json!(60));
    assert_eq!(served.get("/api/streams/view?name=other").await.status, 404, "the port's own answer");
    for (path, body) in [
        ("/api/streams/count", r#"{"stream":"trips","count":4}"#),
        ("/api/streams/split", r#"{"stream":"trips","shard":3}"#),
        ("/api/streams/split", r#"{"stream":"trips","shard":3,"at":"340282366920938463463374607431768211455"}"#),
        ("/api/streams/merge", r#"{"stream":"trips","shard":4}"#),
    ] {
        assert_eq!(served.post(path, body).await.status, 200, "{path}");
    }
    assert_eq!(
        served.orders(),
        [
            "trips Count(4)",
            "trips Split(3, None)",
            "trips Split(3, Some(340282366920938463463374607431768211455))",
            "trips Merge(4)"
        ]
    );
}

#[tokio::test]
async fn wrong_questions_about_streams_do_not_reach_the_platform() {
    let served = Served::new().await;
    let long = "x".repeat(129);
    for path in [
        "/api/streams/view",
        "/api/streams/view?name=",
        &format!("/api/streams/view?name={long}"),
        "/api/streams/history?name=trips&seconds=901",
        "/api/streams/history?name=trips&seconds=-1",
        "/api/streams/keys?name=trips",
        "/api/streams/keys?name=trips&shard=x",
    ] {
        assert_eq!(served.get(path).await.status, 400, "{path}");
    }
    for (body, status) in [(r#"{"stream":"t","count":0}"#, 400), (r#"{"stream":"","count":1}"#, 400), ("{}", 422)] {
        assert_eq!(served.post("/api/streams/count", body).await.status, status, "{body}");
    }
    assert_eq!(served.orders(), Vec::<String>::new());
}
