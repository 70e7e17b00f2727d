//! Tests of alarms as a whole: evaluated, kept, acted upon, told.

use super::*;
use crate::Database;
use crate::metrics::{Asked, Datum, Entry, MetricStore, Question, SeriesKey, StatisticSet, Unit, Wanted, What};
use crate::timeline::Timeline;
use model::{Env, ManualClock};
use parking_lot::Mutex;
use std::sync::Arc;

const START_MS: u64 = 1_700_000_040_000;

/// Takes `hook:…`, again and again `scale:…`, and performs what does not hold `never`.
#[derive(Default)]
struct Recorder {
    performed: Mutex<Vec<(String, State, State)>>,
    occurrences: Mutex<Vec<Occurrence>>,
}

impl Actions for Recorder {
    fn check(&self, action: &str) -> Result<(), String> {
        let known = action.starts_with("hook:") || action.starts_with("scale:");
        if known { Ok(()) } else { Err(format!("the action {action} is none")) }
    }

    fn repeats(&self, action: &str) -> bool {
        action.starts_with("scale:")
    }

    fn perform(&self, action: &str, occurrence: &Occurrence) -> Result<String, NotPerformed> {
        self.performed.lock().push((action.to_owned(), occurrence.before, occurrence.state));
        self.occurrences.lock().push(occurrence.clone());
        if action.contains("never") {
            return Err(NotPerformed { retriable: action.contains("soon"), reason: "nobody is there".into() });
        }
        Ok("done".into())
    }
}

struct Bench {
    dir: tempfile::TempDir,
    env: Env,
    clock: Arc<ManualClock>,
    metrics: Arc<MetricStore>,
    database: Arc<Database>,
    recorder: Arc<Recorder>,
    alarms: Option<Alarms>,
}

impl Bench {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (env, clock) = Env::manual(START_MS, 1);
        let metrics = Arc::new(MetricStore::open(&dir.path().join("metrics"), env.clone()).unwrap());
        let database = Arc::new(Database::open(&dir.path().join("control.db")).unwrap());
        let mut bench = Self { dir, env, clock, metrics, database, recorder: Arc::default(), alarms: None };
        bench.reopen();
        bench
    }

    fn reopen(&mut self) {
        self.alarms = None;
        let (metrics, actions) = (self.metrics.clone(), self.recorder.clone());
        self.alarms = Some(Alarms::open(self.env.clone(), self.database.clone(), metrics, actions).unwrap());
    }

    fn alarms(&self) -> &Alarms {
        self.alarms.as_ref().unwrap()
    }

    /// Lets time pass second by second with a value each, or none.
    fn pass(&self, seconds: u64, value: Option<f64>) {
        for _ in 0..seconds {
            let datum = value.map(|value| Datum { key: Arc::new(key("lag")), set: StatisticSet::of(value) });
            self.metrics.record(datum.as_slice()).unwrap();
            self.clock.advance_ms(1_000);
            self.alarms().tick().unwrap();
        }
    }

    fn state(&self, name: &str) -> State {
        self.alarms().get(name).unwrap().status.state
    }

    fn history(&self, kind: HistoryKind) -> Vec<String> {
        let filter = HistoryFilter { kind: Some(kind), oldest_first: true, limit: 100, ..HistoryFilter::default() };
        self.alarms().history(&filter).unwrap().into_iter().map(|item| item.summary).collect()
    }
}

fn key(name: &str) -> SeriesKey {
    SeriesKey::new("Test", name, [("of", "x")]).unwrap()
}

fn question(name: &str, statistic: &str, period_s: u64) -> Question {
    let wanted = Wanted { key: key(name), asked: Asked::parse(statistic).unwrap(), period_s, unit: None };
    Question { id: "m1".into(), what: What::Series(wanted), label: None, returned: true }
}

fn watch(statistic: &str, period_s: u64, missing: Missing) -> Watch {
    Watch {
        questions: vec![question("lag", statistic, period_s)],
        single: true,
        evaluation_periods: 1,
        datapoints: None,
        threshold: 100.0,
        comparison: Comparison::Greater,
        missing: Some(missing),
        low_samples: None,
    }
}

fn alarm(name: &str, watches: Watches) -> Alarm {
    Alarm {
        name: name.into(),
        description: None,
        actions_enabled: true,
        ok_actions: vec![],
        alarm_actions: vec![],
        insufficient_data_actions: vec![],
        watches,
    }
}

fn numbers(name: &str) -> Alarm {
    alarm(name, Watches::Numbers(watch("Maximum", 60, Missing::Breaching)))
}

#[test]
fn an_alarm_goes_with_what_it_watches_and_everyone_is_told() {
    let bench = Bench::new();
    let wanted =
        Alarm { alarm_actions: vec!["hook:page".into()], ok_actions: vec!["hook:calm".into()], ..numbers("lag") };
    bench.alarms().put(wanted).unwrap();
    assert_eq!(bench.state("lag"), State::InsufficientData);
    bench.pass(61, Some(5.0));
    assert_eq!(bench.state("lag"), State::Ok);
    bench.pass(60, Some(500.0));
    assert_eq!(bench.state("lag"), State::Alarm);
    let reason = bench.alarms().get("lag").unwrap().status.reason;
    assert!(reason.contains("1 out of the last 1 datapoints [500.0 ("), "{reason}");
    assert!(reason.contains("was greater than the threshold (100.0)"), "{reason}");
    bench.pass(120, Some(1.0));
    assert_eq!(bench.state("lag"), State::Ok);
    let database = bench.database.clone();
    let recorder = bench.recorder.clone();
    drop(bench.alarms);
    let performed: Vec<_> = recorder.performed.lock().iter().map(|(action, ..)| action.clone()).collect();
    assert_eq!(performed, ["hook:calm", "hook:page", "hook:calm"]);
    let told = Timeline::open(database.clone()).unwrap().between(0, u64::MAX, 10).unwrap();
    assert!(told.iter().any(|event| event.text.starts_with("alarm lag went from OK to ALARM")), "{told:?}");
    let filter = HistoryFilter { kind: Some(HistoryKind::Action), limit: 10, ..HistoryFilter::default() };
    assert_eq!(super::records::history(&database, &filter).unwrap().len(), 3);
}

#[test]
fn a_restart_keeps_alarms_states_and_history() {
    let mut bench = Bench::new();
    bench.alarms().put(numbers("lag")).unwrap();
    bench.pass(61, Some(500.0));
    let before = (bench.alarms().get("lag").unwrap().status, bench.history(HistoryKind::StateUpdate));
    bench.reopen();
    assert_eq!((bench.alarms().get("lag").unwrap().status, bench.history(HistoryKind::StateUpdate)), before);
    bench.alarms().remove(&["lag".into()]).unwrap();
    bench.reopen();
    assert!(bench.alarms().get("lag").is_err());
    let told = bench.history(HistoryKind::ConfigurationUpdate);
    assert_eq!(told, ["Alarm \"lag\" created", "Alarm \"lag\" deleted"]);
    assert!(bench.dir.path().join("control.db").exists());
}

#[test]
fn missing_values_are_what_the_alarm_says() {
    let bench = Bench::new();
    for missing in [Missing::Missing, Missing::Ignore, Missing::Breaching, Missing::NotBreaching] {
        bench.alarms().put(alarm(missing.name(), Watches::Numbers(watch("Maximum", 10, missing)))).unwrap();
    }
    bench.pass(60, None);
    let states = ["missing", "ignore", "breaching", "notBreaching"].map(|name| bench.state(name));
    assert_eq!(states, [State::InsufficientData, State::InsufficientData, State::Alarm, State::Ok]);
    bench.pass(12, Some(500.0));
    bench.pass(60, None);
    let states = ["missing", "ignore", "breaching", "notBreaching"].map(|name| bench.state(name));
    assert_eq!(states, [State::InsufficientData, State::Alarm, State::Alarm, State::Ok]);
}

#[test]
fn actions_are_tried_again_where_that_may_help_and_repeated_where_they_are_steps() {
    let mut bench = Bench::new();
    let actions = vec!["hook:never".into(), "hook:never-soon".into(), "scale:up".into()];
    bench.alarms().put(Alarm { alarm_actions: actions, ..numbers("lag") }).unwrap();
    bench.pass(121, Some(500.0));
    bench.alarms().enable_actions(&["lag".into()], false).unwrap();
    bench.pass(60, Some(500.0));
    bench.reopen();
    let performed = bench.recorder.performed.lock().clone();
    let count = |action: &str| performed.iter().filter(|(done, ..)| done == action).count();
    assert_eq!((count("hook:never"), count("hook:never-soon")), (1, 3));
    assert!((2..=3).contains(&count("scale:up")), "{performed:?}");
    let told = bench.history(HistoryKind::Action);
    assert!(told.contains(&"Failed to execute action hook:never".to_owned()), "{told:?}");
    assert!(told.contains(&"Successfully executed action scale:up".to_owned()), "{told:?}");
    let refused = bench.alarms().put(Alarm { ok_actions: vec!["mail".into()], ..numbers("x") }).unwrap_err();
    assert_eq!(refused.to_string(), "alarm x: the action mail is none");
}

#[test]
fn a_step_that_is_repeated_goes_by_the_newest_value() {
    let mut bench = Bench::new();
    bench.alarms().put(Alarm { alarm_actions: vec!["scale:up".into()], ..numbers("lag") }).unwrap();
    bench.pass(61, Some(500.0));
    let entered = bench.alarms().get("lag").unwrap().status;
    bench.pass(60, Some(900.0));
    bench.pass(60, Some(950.0));
    assert_eq!(bench.alarms().get("lag").unwrap().status, entered, "the state is as old as it was");
    bench.alarms().set_state("lag", State::Ok, "", None).unwrap();
    bench.alarms().set_state("lag", State::Alarm, "", Some(r#"{"recentDatapoints":[3.0,4.0]}"#.to_owned())).unwrap();
    bench.alarms().set_state("lag", State::Ok, "", None).unwrap();
    bench.alarms().set_state("lag", State::Alarm, "", None).unwrap();
    bench.reopen();
    let told = bench.recorder.occurrences.lock().clone();
    let values: Vec<Option<f64>> = told.iter().map(|one| one.value).collect();
    assert_eq!(values, [Some(500.0), Some(900.0), Some(950.0), Some(4.0), None]);
    assert!(told.iter().all(|one| one.threshold == Some(100.0)), "{told:?}");
    assert!(told[1].reason.contains("[900.0 ("), "{told:?}");
}

#[test]
fn alarms_over_alarms_follow_and_watch_no_one_who_watches_them() {
    let bench = Bench::new();
    let rule = |text: &str| Watches::Alarms(Composite::parse(text).unwrap());
    let refused = bench.alarms().put(alarm("all", rule("ALARM(lag)"))).unwrap_err();
    assert!(refused.to_string().contains("names the alarm lag, which there is not"), "{refused}");
    bench.alarms().put(numbers("lag")).unwrap();
    bench.alarms().put(alarm("all", rule("ALARM(lag) AND NOT FALSE"))).unwrap();
    bench.alarms().put(alarm("outer", rule("ALARM(all) OR INSUFFICIENT_DATA(lag)"))).unwrap();
    bench.pass(61, Some(500.0));
    assert_eq!(["lag", "all", "outer"].map(|name| bench.state(name)), [State::Alarm; 3]);
    bench.pass(120, Some(1.0));
    assert_eq!(["lag", "all", "outer"].map(|name| bench.state(name)), [State::Ok; 3]);
    let refused = bench.alarms().put(alarm("all", rule("ALARM(outer)"))).unwrap_err();
    assert!(refused.to_string().contains("would watch itself"), "{refused}");
    let refused = bench.alarms().remove(&["lag".into()]).unwrap_err();
    assert!(refused.to_string().contains("is watched by the composite alarm all"), "{refused}");
    bench.alarms().remove(&["outer".into(), "all".into(), "lag".into()]).unwrap();
    assert!(bench.alarms().find(&Filter::default()).is_empty());
}

#[test]
fn a_state_that_somebody_set_lasts_until_the_next_evaluation() {
    let bench = Bench::new();
    bench.alarms().put(numbers("lag")).unwrap();
    bench.pass(61, Some(1.0));
    bench.alarms().set_state("lag", State::Alarm, "to see who comes", None).unwrap();
    bench.pass(2, Some(1.0));
    assert_eq!(
        (bench.state("lag"), bench.alarms().get("lag").unwrap().status.reason.as_str()),
        (State::Alarm, "to see who comes")
    );
    bench.pass(60, Some(1.0));
    assert_eq!(bench.state("lag"), State::Ok);
    assert!(matches!(bench.alarms().set_state("other", State::Ok, "", None), Err(AlarmError::Unknown(_))));
}

#[test]
fn a_state_that_somebody_set_outlasts_the_trouble_of_another_alarm() {
    let bench = Bench::new();
    bench.alarms().put(numbers("lag")).unwrap();
    bench.alarms().put(alarm("other", Watches::Numbers(watch("Maximum", 10, Missing::Breaching)))).unwrap();
    bench.pass(61, Some(1.0));
    bench.alarms().set_state("lag", State::Alarm, "to see who comes", None).unwrap();
    bench.metrics.record(&[Datum { key: Arc::new(key("lag")), set: StatisticSet::of(500.0) }]).unwrap();
    bench.database.write(|sql| sql.execute_batch("ALTER TABLE alarm_history RENAME TO away")).unwrap();
    assert!(bench.alarms().set_state("lag", State::Ok, "", None).is_err());
    bench.clock.advance_ms(10_000);
    assert!(bench.alarms().tick().is_err());
    bench.database.write(|sql| sql.execute_batch("ALTER TABLE away RENAME TO alarm_history")).unwrap();
    bench.alarms().tick().unwrap();
    assert_eq!((bench.state("lag"), bench.state("other")), (State::Alarm, State::Alarm));
    assert_eq!(bench.alarms().get("lag").unwrap().status.reason, "to see who comes");
}

#[test]
fn actions_are_enabled_for_all_or_for_none() {
    let bench = Bench::new();
    for name in ["a", "b", "c"] {
        bench.alarms().put(numbers(name)).unwrap();
    }
    let names = ["a", "c", "c", "nobody"].map(str::to_owned);
    let enabled = || ["a", "b", "c"].map(|name| bench.alarms().get(name).unwrap().alarm.actions_enabled);
    // The second of them cannot be kept.
    let stop = "CREATE TRIGGER stop BEFORE INSERT ON alarms WHEN NEW.name = 'c' BEGIN SELECT RAISE(ABORT, 'full'); END";
    bench.database.write(|sql| sql.execute_batch(stop)).unwrap();
    assert!(bench.alarms().enable_actions(&names, false).is_err());
    assert_eq!(enabled(), [true; 3]);
    bench.database.write(|sql| sql.execute_batch("DROP TRIGGER stop")).unwrap();
    bench.alarms().enable_actions(&names, false).unwrap();
    assert_eq!(enabled(), [false, true, false]);
    let told = bench.history(HistoryKind::ConfigurationUpdate);
    assert_eq!(told[3..], ["Alarm \"a\" updated", "Alarm \"c\" updated"]);
}

#[test]
fn expressions_are_watched_too() {
    let bench = Bench::new();
    let mut watch = watch("Average", 60, Missing::Missing);
    watch.questions[0].returned = false;
    let expression = What::Expression("m1 * 2".into(), None);
    watch.questions.push(Question { id: "e1".into(), what: expression, label: None, returned: true });
    bench.alarms().put(alarm("double", Watches::Numbers(watch))).unwrap();
    bench.pass(61, Some(51.0));
    assert_eq!(bench.state("double"), State::Alarm);
}

#[test]
fn a_percentile_of_few_values_leaves_the_state_where_the_alarm_asks_for_that() {
    let bench = Bench::new();
    for (name, low_samples) in [("heeds", LowSamples::Ignore), ("goes on", LowSamples::Evaluate)] {
        let watch = Watch { low_samples: Some(low_samples), ..watch("p99", 60, Missing::Missing) };
        bench.alarms().put(alarm(name, Watches::Numbers(watch))).unwrap();
    }
    bench.pass(61, Some(500.0));
    assert_eq!((bench.state("heeds"), bench.state("goes on")), (State::InsufficientData, State::Alarm));
}

#[test]
fn a_back_test_says_what_the_alarm_has_said() {
    let bench = Bench::new();
    let watch = Watch { evaluation_periods: 3, datapoints: Some(2), ..watch("Maximum", 60, Missing::NotBreaching) };
    bench.alarms().put(alarm("lag", Watches::Numbers(watch.clone()))).unwrap();
    for minute in 0..30 {
        let value = [Some(1.0), Some(500.0), None, Some(700.0), Some(2.0), Some(3.0)][minute % 6];
        bench.pass(60, value);
    }
    let lived = bench.history(HistoryKind::StateUpdate);
    let told = backtest(&bench.metrics, &watch, START_MS + 60_000, bench.env.now_ms()).unwrap();
    let mut before = State::InsufficientData;
    let changes: Vec<String> = told
        .changes
        .iter()
        .map(|change| {
            format!("Alarm updated from {} to {}", std::mem::replace(&mut before, change.state), change.state)
        })
        .collect();
    assert_eq!(changes, lived);
    assert!(told.alarms >= 4 && told.alarm_s >= 240, "{told:?}");
    assert!(backtest(&bench.metrics, &watch, 5, 5).unwrap_err().contains("not above 0"));
    assert!(backtest(&bench.metrics, &watch, 0, START_MS).unwrap_err().contains("at most 7 days"));
}

#[test]
fn alarms_that_cannot_say_what_they_are_meant_to_are_refused_with_the_reason() {
    let bench = Bench::new();
    for (name, unit) in [("lag", Unit::MILLISECONDS), ("use", Unit::Percent), ("trips", Unit::Count)] {
        let summary = StatisticSet::of(1.0).into();
        let entry = Entry { key: Arc::new(key(name)), at_ms: None, summary, unit };
        bench.metrics.record_entries(&[entry]).unwrap();
    }
    let of = |name: &str, statistic: &str, period_s: u64, unit: Option<Unit>, threshold: f64, description: &str| {
        let mut watch = Watch { threshold, ..watch(statistic, period_s, Missing::Missing) };
        watch.questions = vec![question(name, statistic, period_s)];
        if let What::Series(wanted) = &mut watch.questions[0].what {
            wanted.unit = unit;
        }
        let description = Some(description.to_owned());
        bench
            .alarms()
            .put(Alarm { description, ..alarm("a", Watches::Numbers(watch)) })
            .map_err(|error| error.to_string())
    };
    for (name, statistic, period_s, unit, threshold, description, part) in [
        ("lag", "Maximum", 60, Some(Unit::Time(2)), 60.0, "", "kept in Milliseconds, and the alarm asks for Seconds"),
        ("use", "Sum", 300, None, 80.0, "", "adds up readings in Percent"),
        ("use", "Maximum", 60, None, 100.0, "", "never greater than 100"),
        ("trips", "Sum", 300, None, 1_000.0, "more than 1000 per minute", "the Sum over 300 s is 5 times as large"),
    ] {
        let refused = of(name, statistic, period_s, unit, threshold, description).unwrap_err();
        assert!(refused.contains(part), "{refused}");
    }
    for (name, statistic, period_s, threshold, description) in [
        ("lag", "Maximum", 60, 60_000.0, ""),
        ("use", "Average", 300, 80.0, ""),
        ("trips", "Sum", 60, 1_000.0, "more than 1000 per minute"),
        ("trips", "Average", 300, 1_000.0, "more than 1000 per minute"),
    ] {
        of(name, statistic, period_s, None, threshold, description).unwrap();
    }
}

#[test]
fn what_is_out_of_bounds_is_named() {
    let refused = |change: &dyn Fn(&mut Watch)| {
        let mut watch = watch("Sum", 60, Missing::Missing);
        change(&mut watch);
        alarm("a", Watches::Numbers(watch)).check().unwrap_err().to_string()
    };
    assert!(refused(&|watch| watch.evaluation_periods = 0).contains("1 or more"));
    assert!(refused(&|watch| watch.datapoints = Some(2)).contains("2 of 1"));
    assert!(refused(&|watch| watch.questions[0] = question("lag", "Sum", 90)).contains("90 s is not"));
    assert!(refused(&|watch| watch.evaluation_periods = 1_441).contains("24 h"));
    assert!(refused(&|watch| watch.questions[0].returned = false).contains("0 of its metrics"));
    assert!(
        numbers("").check().is_err() && numbers("a\n").check().is_err() && numbers(&"x".repeat(256)).check().is_err()
    );
    assert!(numbers("what ever/it:is").check().is_ok());
}

#[test]
fn a_database_that_takes_nothing_costs_no_change_of_state() {
    let bench = Bench::new();
    bench.alarms().put(numbers("lag")).unwrap();
    bench.database.write(|sql| sql.execute_batch("ALTER TABLE alarm_history RENAME TO away")).unwrap();
    bench.metrics.record(&[Datum { key: Arc::new(key("lag")), set: StatisticSet::of(500.0) }]).unwrap();
    bench.clock.advance_ms(60_000);
    assert!(bench.alarms().tick().is_err());
    assert_eq!(bench.state("lag"), State::InsufficientData);
    bench.database.write(|sql| sql.execute_batch("ALTER TABLE away RENAME TO alarm_history")).unwrap();
    bench.alarms().tick().unwrap();
    assert_eq!(bench.state("lag"), State::Alarm);
}
