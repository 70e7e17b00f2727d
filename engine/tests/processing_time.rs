//! Windows over processing time: rows belong to the window of the moment when they come, and the clock closes it. The clock
//! stands still until a test moves it.
#![allow(missing_docs, clippy::unwrap_used, reason = "for tests alone")]

mod run_support;

use engine::run::{JobHandle, JobOptions, Restore};
use model::{Env, ManualClock};
use run_support::{Hands, Index, Kept, Memory, event, pause, until};
use std::sync::Arc;

/// When each test begins, in milliseconds since the epoch.
const BEGIN_MS: u64 = 1_000_000;

const TABLES: &str = "SET 'table.exec.source.idle-timeout' = '0 s';\n\
    CREATE TABLE events (pt AS PROCTIME(), ts TIMESTAMP_LTZ(3), k STRING, v BIGINT, \
    WATERMARK FOR ts AS ts - INTERVAL '1' SECOND) \
    WITH ('connector'='memory','format'='json','json.timestamp-format.standard'='ISO-8601');\n\
    CREATE TABLE results (k STRING, n BIGINT, s BIGINT, ws TIMESTAMP(3), we TIMESTAMP(3)) WITH ('connector'='index');\n";

/// A script that counts and sums by key and window.
fn windows(function: &str) -> String {
    format!(
        "{TABLES}INSERT INTO results SELECT k, COUNT(*), SUM(v), window_start, window_end FROM TABLE({function}) \
         GROUP BY k, window_start, window_end;"
    )
}

/// The same in the older form.
fn legacy(name: &str, args: &str) -> String {
    format!(
        "{TABLES}INSERT INTO results SELECT k, COUNT(*), SUM(v), {name}_START({args}), {name}_END({args}) FROM events \
         GROUP BY k, {name}({args});"
    )
}

const TUMBLE: &str = "TUMBLE(TABLE events, DESCRIPTOR(pt), INTERVAL '10' SECOND)";

/// A job under a clock of its own.
struct Run {
    memory: Memory,
    index: Index,
    clock: Arc<ManualClock>,
    options: JobOptions,
    hands: Hands,
    job: JobHandle,
    rows: i64,
}

impl Run {
    fn start(script: &str, parallelism: u32) -> Self {
        Self::with(script, parallelism, |options| options)
    }

    fn with(script: &str, parallelism: u32, change: impl FnOnce(JobOptions) -> JobOptions) -> Self {
        let (memory, index) = (Memory::unbounded(2), Index::default());
        let hands = Hands::default().source("events", &memory).index("results", &index);
        let (env, clock) = Env::manual(BEGIN_MS, 1);
        let options = JobOptions { env, parallelism: Some(parallelism), ..hands.options() };
        let options = change(options);
        let job = hands.try_start(script, options.clone()).unwrap();
        Self { memory, index, clock, options, hands, job, rows: 0 }
    }

    /// Puts rows of these keys, each with the value 1, and waits until the operator with this name has them. Their event
    /// times are years apart, which means nothing here.
    fn put(&mut self, keys: &[&str], operator: &str) {
        for key in keys {
            for split in 0..2 {
                // Both splits carry the watermark; the rows of one are left out.
                let row = if split == 0 { event(self.at(), key, 1) } else { event(self.at(), "none", 0) };
                self.memory.push(split, [row]);
            }
            self.rows += 1;
        }
        let watermark = self.at() - 31_536_000_000 - 1_000;
        until("the rows have come", || {
            let all = self.job.operators();
            all.iter().find(|o| o.operator.starts_with(operator)).is_some_and(|o| o.input == Some(watermark))
        });
    }

    fn at(&self) -> i64 {
        (1 + self.rows) * 31_536_000_000
    }

    /// Moves the clock to so many milliseconds after the beginning.
    fn clock_to(&self, ms: u64) {
        let now = self.options.env.now_ms();
        self.clock.advance_ms(BEGIN_MS + ms - now);
    }

    /// The rows of the index but those of the key that stands for none.
    fn rows(&self) -> Vec<String> {
        self.index.rows().into_iter().filter(|row| !row.contains("\"none\"")).collect()
    }

    /// Waits for these rows. The clock moves no further than it takes the sink to show what it has.
    fn expect(&self, what: &str, wanted: &[String]) {
        let mut wanted = wanted.to_vec();
        wanted.sort();
        for round in 0..1_000 {
            if self.rows() == wanted {
                return;
            }
            self.clock.advance_ms(u64::from(round < 200 && round % 10 == 0));
            pause(5);
        }
        panic!("{what}: {:#?}, not {wanted:#?}", self.rows());
    }

    fn stop(self) {
        self.job.stop();
        self.job.wait().unwrap();
        assert_eq!((self.job.metrics().late, self.job.metrics().bad, self.job.metrics().early), (0, 0, 0));
    }
}

/// A result whose window is told in seconds after the beginning.
fn row(key: &str, count: u64, from_s: i64, to_s: i64) -> String {
    let text = |s: i64| {
        let at = chrono::DateTime::from_timestamp(BEGIN_MS as i64 / 1_000 + s, 0).unwrap();
        at.format("%Y-%m-%d %H:%M:%S").to_string()
    };
    format!("{{\"k\":\"{key}\",\"n\":{count},\"s\":{count},\"ws\":\"{}\",\"we\":\"{}\"}}", text(from_s), text(to_s))
}

/// Rows come at 0 s (a, b), 4 s (a) and 12 s (a); what each kind of window makes of them by 13 s, and in the end.
struct Case {
    script: String,
    operator: &'static str,
    soon: Vec<String>,
    rest: Vec<String>,
}

fn cases() -> Vec<Case> {
    let case = |script: String, soon: &[(&str, u64, i64, i64)], rest: &[(&str, u64, i64, i64)]| {
        let rows = |all: &[(&str, u64, i64, i64)]| all.iter().map(|(k, n, from, to)| row(k, *n, *from, *to)).collect();
        let operator = if script.contains("SESSION") { "session" } else { "window aggregate" };
        Case { script, operator, soon: rows(soon), rest: rows(rest) }
    };
    let tumbling: (&[_], &[_]) = (&[("a", 2, 0, 10), ("b", 1, 0, 10)], &[("a", 1, 10, 20)]);
    let hopping: (&[_], &[_]) =
        (&[("a", 2, -5, 5), ("b", 1, -5, 5), ("a", 2, 0, 10), ("b", 1, 0, 10)], &[("a", 1, 5, 15), ("a", 1, 10, 20)]);
    let cumulating: (&[_], &[_]) =
        (&[("a", 2, 0, 5), ("b", 1, 0, 5), ("a", 2, 0, 10), ("b", 1, 0, 10)], &[("a", 1, 10, 15), ("a", 1, 10, 20)]);
    let sessions: (&[_], &[_]) = (&[("a", 2, 0, 9), ("b", 1, 0, 5)], &[("a", 1, 12, 17)]);
    let shifted: (&[_], &[_]) = (&[("a", 1, -7, 3), ("b", 1, -7, 3), ("a", 2, 3, 13)], &[]);
    let (hop, cumulate) = ("INTERVAL '5' SECOND, INTERVAL '10' SECOND", "INTERVAL '5' SECOND, INTERVAL '10' SECOND");
    vec![
        case(windows(TUMBLE), tumbling.0, tumbling.1),
        case(windows(&format!("HOP(TABLE events, DESCRIPTOR(pt), {hop})")), hopping.0, hopping.1),
        case(windows(&format!("CUMULATE(TABLE events, DESCRIPTOR(pt), {cumulate})")), cumulating.0, cumulating.1),
        case(
            windows("SESSION(TABLE events PARTITION BY k, DESCRIPTOR(pt), INTERVAL '5' SECOND)"),
            sessions.0,
            sessions.1,
        ),
        case(legacy("TUMBLE", "pt, INTERVAL '10' SECOND"), tumbling.0, tumbling.1),
        case(legacy("HOP", &format!("pt, {hop}")), hopping.0, hopping.1),
        case(legacy("SESSION", "pt, INTERVAL '5' SECOND"), sessions.0, sessions.1),
        case(
            windows("TUMBLE(TABLE events, DESCRIPTOR(pt), INTERVAL '10' SECOND, INTERVAL '3' SECOND)"),
            shifted.0,
            shifted.1,
        ),
    ]
}

#[test]
fn rows_belong_to_the_moment_and_the_clock_closes_their_windows() {
    for case in cases() {
        for parallelism in [1, 3] {
            let what = format!("at parallelism {parallelism}: {}", case.script);
            let mut run = Run::start(&case.script, parallelism);
            run.put(&["a", "b"], case.operator);
            run.clock_to(4_000);
            run.put(&["a"], case.operator);
            run.clock_to(12_000);
            run.put(&["a"], case.operator);
            run.clock_to(13_000);
            run.expect(&what, &case.soon);
            run.clock_to(60_000);
            run.expect(&what, &[case.soon.clone(), case.rest.clone()].concat());
            run.stop();
        }
    }
}

#[test]
fn windows_follow_the_wall_clock_of_the_session() {
    // In Kolkata 00:16:40 UTC is 05:46:40: windows of an hour begin at 05:00 there, which is 23:30 UTC.
    let script = format!(
        "SET 'table.local-time-zone' = 'Asia/Kolkata';\n{}",
        windows("TUMBLE(TABLE events, DESCRIPTOR(pt), INTERVAL '1' HOUR)")
    );
    let mut run = Run::start(&script, 1);
    run.put(&["a"], "window aggregate");
    run.clock_to(13 * 60_000 + 19_999);
    pause(50);
    assert_eq!(run.rows(), Vec::<String>::new());
    run.clock_to(13 * 60_000 + 20_000);
    run.expect(
        "the hour is over",
        &[r#"{"k":"a","n":1,"s":1,"ws":"1970-01-01 05:00:00","we":"1970-01-01 06:00:00"}"#.to_owned()],
    );
    run.stop();
}

#[test]
fn a_clock_that_is_set_back_makes_nothing_late() {
    let mut run = Run::start(&windows(TUMBLE), 1);
    run.put(&["a"], "window aggregate");
    run.clock_to(11_000);
    run.expect("the first window", &[row("a", 1, 0, 10)]);
    run.clock.jump_to_ms(BEGIN_MS - 500_000);
    run.put(&["a", "a"], "window aggregate");
    run.clock.jump_to_ms(BEGIN_MS + 20_000);
    run.clock.advance_ms(1_000);
    run.expect("both windows", &[row("a", 1, 0, 10), row("a", 2, 10, 20)]);
    run.stop();
}

#[test]
fn what_is_open_at_the_end_of_the_input_is_not_given() {
    for case in cases() {
        let rows = vec![event(1_000, "a", 1), event(2_000, "a", 1)];
        let (memory, index) = (Memory::bounded(vec![rows]), Index::default());
        let hands = Hands::default().source("events", &memory).index("results", &index);
        let (env, _clock) = Env::manual(BEGIN_MS, 1);
        let job = hands.try_start(&case.script, JobOptions { env, ..hands.options() }).unwrap();
        job.wait().unwrap();
        assert_eq!((index.rows(), job.metrics().records_in), (Vec::new(), 2), "{}", case.script);
    }
}

#[test]
fn windows_of_windows_and_rows_with_their_windows() {
    // What the first windows give at 10 s comes to the second ones then.
    let nested = "CREATE VIEW counts AS SELECT k, COUNT(*) AS n, window_time AS wt FROM \
                  TABLE(TUMBLE(TABLE events, DESCRIPTOR(pt), INTERVAL '10' SECOND)) \
                  GROUP BY k, window_start, window_end, window_time;\n\
                  INSERT INTO results SELECT k, COUNT(*), SUM(n), window_start, window_end FROM \
                  TABLE(TUMBLE(TABLE counts, DESCRIPTOR(wt), INTERVAL '20' SECOND)) GROUP BY k, window_start, window_end;";
    let older = "INSERT INTO results SELECT k, COUNT(*), SUM(n), TUMBLE_START(p, INTERVAL '20' SECOND), \
                 TUMBLE_END(p, INTERVAL '20' SECOND) FROM (SELECT k, COUNT(*) AS n, \
                 TUMBLE_PROCTIME(pt, INTERVAL '10' SECOND) AS p FROM events GROUP BY k, TUMBLE(pt, INTERVAL '10' SECOND)) \
                 GROUP BY k, TUMBLE(p, INTERVAL '20' SECOND);";
    for script in [nested, older] {
        let mut run = Run::start(&format!("{TABLES}{script}"), 2);
        run.put(&["a", "a"], "window aggregate");
        run.clock_to(10_000);
        // Now the results of the first are at the second.
        until("the second has them", || run.job.metrics().state_bytes > 0 && run.job.operators().len() > 3);
        pause(50);
        run.clock_to(20_000);
        let wanted = r#"{"k":"a","n":1,"s":2,"ws":"1970-01-01 00:16:40","we":"1970-01-01 00:17:00"}"#;
        run.expect(script, &[wanted.to_owned()]);
        run.stop();
    }
    let rows = "INSERT INTO results SELECT k, v, v, window_start, window_end FROM \
                TABLE(HOP(TABLE events, DESCRIPTOR(pt), INTERVAL '5' SECOND, INTERVAL '10' SECOND)) WHERE v > 0;";
    let mut run = Run::start(&format!("{TABLES}{rows}"), 2);
    run.put(&["a"], "sink");
    run.expect("both windows at once", &[row("a", 1, -5, 5), row("a", 1, 0, 10)]);
    run.stop();
    let sessions = "INSERT INTO results SELECT k, v, v, window_start, window_end FROM \
                    TABLE(SESSION(TABLE events PARTITION BY k, DESCRIPTOR(pt), INTERVAL '5' SECOND));";
    let mut run = Run::start(&format!("{TABLES}{sessions}"), 2);
    run.put(&["a"], "session");
    run.clock_to(4_999);
    pause(50);
    assert_eq!(run.rows(), Vec::<String>::new());
    run.clock_to(5_000);
    run.expect("its session", &[row("a", 1, 0, 5)]);
    run.stop();
}

#[test]
fn nothing_but_the_clock_is_needed() {
    // No column of the table is read, and a row has no key.
    let tables = "SET 'table.exec.source.idle-timeout' = '0 s';\n\
        CREATE TABLE events (pt AS PROCTIME(), k STRING) WITH ('connector'='memory','format'='json');\n\
        CREATE TABLE results (n BIGINT) WITH ('connector'='index');\n";
    let session = "SESSION(TABLE events, DESCRIPTOR(pt), INTERVAL '10' SECOND)";
    for function in [TUMBLE, session] {
        for parallelism in [1, 2] {
            let insert = format!(
                "{tables}INSERT INTO results SELECT COUNT(*) FROM TABLE({function}) GROUP BY window_start, window_end;"
            );
            let (memory, index) = (Memory::unbounded(1), Index::default());
            let hands = Hands::default().source("events", &memory).index("results", &index);
            let (env, clock) = Env::manual(BEGIN_MS, 1);
            let options = JobOptions { env, parallelism: Some(parallelism), ..hands.options() };
            let job = hands.try_start(&insert, options).unwrap();
            memory.push(0, (0..3).map(|_| "{}".to_owned()));
            until("the rows are read", || job.metrics().records_in == 3);
            pause(50);
            clock.advance_ms(10_000);
            until("the count", || index.rows() == [r#"{"n":3}"#]);
            job.stop();
            job.wait().unwrap();
        }
    }
}

#[test]
fn the_watermark_of_such_an_operator_is_the_clock() {
    let mut run = Run::start(&windows(TUMBLE), 1);
    run.put(&["a"], "window aggregate");
    run.clock_to(12_345);
    run.expect("the window", &[row("a", 1, 0, 10)]);
    let told = run.job.operators();
    for operator in told.iter().filter(|o| !o.operator.starts_with("source")) {
        let by_the_clock = operator.watermark.is_some_and(|ms| (1_012_344..1_013_000).contains(&ms));
        assert!(by_the_clock && operator.why().is_none(), "{operator:?}");
    }
    run.stop();
}

#[test]
fn open_windows_outlive_a_change_of_parallelism() {
    for case in cases() {
        let mut run = Run::start(&case.script, 2);
        run.put(&["a", "b"], case.operator);
        run.clock_to(4_000);
        run.put(&["a"], case.operator);
        for parallelism in [3, 1, 4] {
            run.job.rescale(parallelism).unwrap();
        }
        run.clock_to(12_000);
        run.put(&["a"], case.operator);
        run.job.rescale(2).unwrap();
        run.clock_to(13_000);
        run.expect(&case.script, &case.soon);
        run.job.rescale(3).unwrap();
        run.clock_to(60_000);
        run.expect(&case.script, &[case.soon.clone(), case.rest.clone()].concat());
        run.stop();
    }
}

#[test]
fn open_windows_outlive_a_crash() {
    for case in cases() {
        let kept = Kept::default();
        let with = |options| JobOptions { checkpointing: kept.every(20), ..options };
        let mut run = Run::with(&case.script, 2, with);
        run.put(&["a", "b"], case.operator);
        run.clock_to(4_000);
        run.put(&["a"], case.operator);
        // Two checkpoints from now on have all of it, and nothing is over yet.
        let done = run.job.checkpoints().completed;
        until("checkpoints", || {
            run.clock.advance_ms(1);
            pause(1);
            run.job.checkpoints().completed >= done + 2
        });
        assert!(run.options.env.now_ms() < BEGIN_MS + 5_000 || case.script.contains("OFFSET"), "the test was too slow");
        run.job.cancel();
        let options = JobOptions { parallelism: Some(3), restore: Restore::Latest, ..run.options.clone() };
        run.job = run.hands.try_start(&case.script, options).unwrap();
        run.clock_to(12_000);
        run.put(&["a"], case.operator);
        run.clock_to(13_000);
        let shown = |run: &Run, what: &str, wanted: Vec<String>| {
            let mut wanted = wanted;
            wanted.sort();
            until(what, || {
                // Results are shown when a checkpoint has them.
                run.clock.advance_ms(1);
                run.rows() == wanted
            });
        };
        shown(&run, &case.script, case.soon.clone());
        run.clock_to(60_000);
        shown(&run, &case.script, [case.soon.clone(), case.rest.clone()].concat());
        run.stop();
    }
}
