//! The laws of lookups in flight: nothing lost or doubled, nothing overtaken, and every bound kept.
#![allow(clippy::unwrap_used, reason = "for tests alone")]

use super::super::guard::{FAILURES_MAX, PAUSE_NS};
use super::*;
use crate::plan::{LookupCache, LookupRetry};
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{ArrayRef, Int64Array};
use arrow_schema::{DataType, Field, Schema};
use proptest::prelude::*;

const MS: u64 = 1_000_000;

fn rows(values: &[i64]) -> RecordBatch {
    let schema = Schema::new(vec![Field::new("v", DataType::Int64, true)]);
    let column: ArrayRef = Arc::new(Int64Array::from(values.to_vec()));
    RecordBatch::try_new(Arc::new(schema), vec![column]).unwrap()
}

fn flight(options: LookupOptions) -> (Flight, Arc<LookupMeter>) {
    let meter = Arc::new(LookupMeter::default());
    (Flight::new(options, meter.clone()), meter)
}

fn unordered() -> LookupOptions {
    LookupOptions { ordered: false, capacity: 4, timeout_ms: 100, ..LookupOptions::default() }
}

fn retrying(attempts: u32) -> LookupOptions {
    LookupOptions { retry: Some(LookupRetry { delay_ms: 10, attempts }), ..unordered() }
}

fn left(row: u32) -> Left {
    Left { batch: Arc::new(rows(&[])), row }
}

/// Lets row `row` with the key `key` in.
fn enter(flight: &mut Flight, row: u32, key: i64, now_ns: u64) -> bool {
    flight.row(left(row), Some(Arc::new([Scalar::Integer(key)])), &rows(&[]), now_ns)
}

fn unavailable() -> PortError {
    PortError::new(Kind::Unavailable, "away")
}

/// What leaves, as text: `row=values`, `row!` for a dead letter, and marks.
fn leaves(flight: &mut Flight) -> Vec<String> {
    let mut all = Vec::new();
    loop {
        let (rows, marker) = flight.take();
        let nothing = rows.is_empty() && marker.is_none();
        all.extend(rows.iter().map(|(left, outcome)| match outcome {
            Outcome::Found(found) => {
                format!("{}={:?}", left.row, found.column(0).as_primitive::<Int64Type>().values().as_ref())
            }
            Outcome::Dead(_) => format!("{}!", left.row),
        }));
        all.extend(marker.map(|m| format!("{m:?}")));
        if nothing {
            return all;
        }
    }
}

fn called(flight: &mut Flight) -> Vec<u64> {
    flight.calls().into_iter().map(|(id, _)| id).collect()
}

#[test]
fn order_is_kept_or_not_and_marks_are_never_overtaken() {
    for (ordered, expected) in [(false, ["1=[1]", "0=[0]"]), (true, ["0=[0]", "1=[1]"])] {
        let (mut flight, _) = flight(LookupOptions { ordered, ..unordered() });
        enter(&mut flight, 0, 0, 0);
        enter(&mut flight, 1, 1, 0);
        flight.marker(Marker::Watermark(Watermark(5)));
        flight.marker(Marker::Watermark(Watermark(7)));
        flight.marker(Marker::Barrier(Epoch(1)));
        enter(&mut flight, 2, 2, 0);
        let calls = called(&mut flight);
        flight.answer(calls[2], Ok(rows(&[2])), MS);
        flight.answer(calls[1], Ok(rows(&[1])), MS);
        let mut left = leaves(&mut flight);
        assert!(left.iter().all(|l| l == "1=[1]"), "{left:?}");
        flight.answer(calls[0], Ok(rows(&[0])), MS);
        left.extend(leaves(&mut flight));
        assert_eq!(left[..2], expected);
        assert_eq!(left[2..], ["Watermark(Watermark(7))", "Barrier(Epoch(1))", "2=[2]"]);
    }
}

#[test]
fn capacity_bounds_requests_and_rows_of_one_key_share_one() {
    let (mut flight, meter) = flight(unordered());
    for row in 0..4 {
        assert!(enter(&mut flight, row, i64::from(row), 0));
    }
    assert!(!enter(&mut flight, 4, 4, 0), "four are in flight");
    assert!(enter(&mut flight, 4, 3, 0), "its key is asked for already");
    let calls = called(&mut flight);
    assert_eq!((calls.len(), meter.in_flight.get()), (4, 4));
    flight.answer(calls[3], Ok(rows(&[7, 8])), MS);
    assert_eq!(leaves(&mut flight), ["3=[7, 8]", "4=[7, 8]"]);
    assert!(enter(&mut flight, 5, 5, MS));
    assert!(flight.row(left(6), None, &rows(&[]), MS), "null is not asked for");
    assert_eq!(leaves(&mut flight), ["6=[]"]);
    let (ordered, answered) = (LookupOptions { ordered: true, capacity: 1, ..unordered() }, rows(&[]));
    let (mut flight, _) = self::flight(ordered);
    enter(&mut flight, 0, 0, 0);
    let more = (1..10_000).take_while(|row| flight.row(left(*row), None, &answered, 0)).count();
    assert_eq!(more, ROWS_BEHIND_MAX, "rows behind the first one are bounded");
}

#[test]
fn misses_and_failures_are_tried_again_and_the_timeout_counts_from_the_first_call() {
    let (mut flight, meter) = flight(retrying(2));
    enter(&mut flight, 0, 0, 0);
    let id = called(&mut flight)[0];
    flight.answer(id, Ok(rows(&[])), 5 * MS);
    flight.tick(14 * MS);
    assert!(called(&mut flight).is_empty(), "the delay has not passed");
    assert_eq!(flight.next_due(false, 14 * MS), Some(15 * MS));
    flight.tick(15 * MS);
    assert_eq!(called(&mut flight), [id]);
    flight.answer(id, Err(unavailable()), 20 * MS);
    flight.tick(30 * MS);
    assert_eq!(called(&mut flight), [id]);
    flight.answer(id, Ok(rows(&[3])), 40 * MS);
    assert_eq!(leaves(&mut flight), ["0=[3]"]);
    assert_eq!((meter.requests.get(), meter.retries.get(), meter.answers.get()), (3, 2, 3));

    // Retries are used up: an answer without rows is the result, a failure leaves dead letters.
    for (answer, expected) in [(Ok(rows(&[])), "1=[]"), (Err(unavailable()), "1!")] {
        let (mut flight, _) = self::flight(retrying(1));
        enter(&mut flight, 1, 1, 0);
        let id = called(&mut flight)[0];
        flight.answer(id, answer.clone(), MS);
        flight.tick(11 * MS);
        flight.answer(id, answer, 12 * MS);
        assert_eq!(leaves(&mut flight), [expected]);
    }
    let (mut flight, meter) = self::flight(retrying(5));
    enter(&mut flight, 2, 2, 0);
    let id = called(&mut flight)[0];
    flight.answer(id, Err(PortError::new(Kind::Invalid, "no such place")), MS);
    assert_eq!((leaves(&mut flight), meter.dead.get()), (vec!["2!".to_owned()], 1), "another try cannot mend it");
}

#[test]
fn a_result_is_not_lost_when_the_timeout_races_a_retry() {
    let start = |options| {
        let (mut flight, _) = flight(options);
        enter(&mut flight, 0, 0, 0);
        let id = called(&mut flight)[0];
        (flight, id)
    };
    // An answer that came is taken before the clock is looked at.
    let (mut flight, id) = start(unordered());
    flight.answer(id, Ok(rows(&[1])), 100 * MS);
    flight.tick(100 * MS);
    assert_eq!(leaves(&mut flight), ["0=[1]"]);
    // Time is up while a retry is out: the answer before it holds, and a later one changes nothing.
    let (mut flight, id) = start(retrying(9));
    flight.answer(id, Ok(rows(&[])), 50 * MS);
    flight.tick(60 * MS);
    assert_eq!(called(&mut flight), [id]);
    flight.tick(100 * MS);
    flight.answer(id, Ok(rows(&[1])), 101 * MS);
    assert_eq!(leaves(&mut flight), ["0=[]"]);
    assert_eq!(flight.next_due(false, 0), None);
    // A retry that could not come in time is not waited for.
    let (mut flight, id) = start(retrying(9));
    flight.answer(id, Ok(rows(&[])), 95 * MS);
    assert_eq!(leaves(&mut flight), ["0=[]"]);
    // Nothing ever came.
    let (mut flight, id) = start(retrying(9));
    flight.tick(99 * MS);
    assert!(leaves(&mut flight).is_empty());
    flight.tick(100 * MS);
    flight.answer(id, Ok(rows(&[1])), 101 * MS);
    assert_eq!(leaves(&mut flight), ["0!"]);
}

#[test]
fn answers_are_kept_for_a_while_and_a_bounded_number_of_them() {
    let cache = |misses| LookupOptions {
        cache: Some(LookupCache { keys_max: 2, ttl_ms: 50, misses }),
        ..LookupOptions::default()
    };
    let (mut flight, meter) = flight(cache(true));
    let mut ask = |key: i64, answer: &[i64], now_ns: u64| {
        let before = meter.hits.get();
        enter(&mut flight, 0, key, now_ns);
        for (id, _) in flight.calls() {
            flight.answer(id, Ok(rows(answer)), now_ns);
        }
        (leaves(&mut flight).pop().unwrap(), meter.hits.get() > before)
    };
    assert_eq!(ask(1, &[1], 0), ("0=[1]".into(), false));
    assert_eq!(ask(1, &[2], 49 * MS), ("0=[1]".into(), true));
    assert_eq!(ask(1, &[2], 50 * MS), ("0=[2]".into(), false), "it has expired");
    assert_eq!(ask(2, &[], 51 * MS), ("0=[]".into(), false));
    assert_eq!(ask(2, &[9], 52 * MS), ("0=[]".into(), true), "that there is nothing is known too");
    assert_eq!(ask(3, &[3], 53 * MS), ("0=[3]".into(), false));
    assert!(!ask(1, &[4], 54 * MS).1, "two keys are kept");
    let (mut flight, meter) = self::flight(cache(false));
    for _ in 0..2 {
        enter(&mut flight, 0, 1, 0);
        for (id, _) in flight.calls() {
            flight.answer(id, Ok(rows(&[])), 0);
        }
    }
    assert_eq!((meter.hits.get(), meter.requests.get()), (0, 2));
}

#[test]
fn failures_lower_the_limit_and_open_the_circuit() {
    let options = LookupOptions { capacity: 100, timeout_ms: 1_000_000, ordered: false, ..unordered() };
    let (mut flight, meter) = flight(options);
    let mut key = 0;
    let mut fill = |flight: &mut Flight, now_ns: u64| {
        while enter(flight, 0, key, now_ns) {
            key += 1;
        }
        called(flight)
    };
    let out = fill(&mut flight, 0);
    assert_eq!(out.len(), 100);
    flight.answer(out[0], Err(unavailable()), MS);
    for id in &out[1..] {
        flight.answer(*id, Ok(rows(&[1])), MS);
    }
    let again = fill(&mut flight, 2 * MS);
    assert!((50..55).contains(&again.len()), "halved, and a little more by each answer: {}", again.len());
    for id in &again {
        flight.answer(*id, Err(unavailable()), 3 * MS);
    }
    assert!(again.len() >= FAILURES_MAX as usize);
    assert_eq!((meter.opened.get(), fill(&mut flight, 4 * MS).len()), (1, 0), "the circuit is open");
    let until = flight.next_due(true, 4 * MS).unwrap();
    assert_eq!(until, 3 * MS + PAUSE_NS);
    let probe = fill(&mut flight, until);
    assert_eq!(probe.len(), 1, "one goes ahead");
    flight.answer(probe[0], Err(unavailable()), until + MS);
    assert_eq!((meter.opened.get(), fill(&mut flight, until + 2 * MS).len()), (2, 0), "it has failed too");
    let until = flight.next_due(true, until + 2 * MS).unwrap();
    let probe = fill(&mut flight, until);
    flight.answer(probe[0], Ok(rows(&[1])), until + MS);
    assert!(!fill(&mut flight, until + 2 * MS).is_empty(), "the circuit is closed");
}

#[test]
fn refusals_of_single_requests_open_no_circuit() {
    let (mut flight, meter) = flight(LookupOptions { capacity: 100, ..unordered() });
    for row in 0..FAILURES_MAX * 2 {
        assert!(enter(&mut flight, row, i64::from(row), 0));
    }
    for id in called(&mut flight) {
        flight.answer(id, Err(PortError::new(Kind::Invalid, "no such place")), MS);
    }
    assert_eq!(leaves(&mut flight).len(), FAILURES_MAX as usize * 2);
    assert_eq!((meter.opened.get(), meter.dead.get()), (0, u64::from(FAILURES_MAX) * 2));
    assert!(enter(&mut flight, 200, 200, 2 * MS));
}

#[test]
fn rows_wait_for_an_open_circuit_no_longer_than_for_an_answer() {
    let options = LookupOptions { capacity: 100, timeout_ms: 15_000, ..unordered() };
    let (mut flight, meter) = flight(options);
    for row in 0..FAILURES_MAX {
        assert!(enter(&mut flight, row, i64::from(row), 0));
    }
    for id in called(&mut flight) {
        flight.answer(id, Err(unavailable()), 0);
    }
    leaves(&mut flight);
    assert!(!enter(&mut flight, 100, 100, MS), "the circuit is open");
    assert!(enter(&mut flight, 101, 101, PAUSE_NS), "one goes ahead");
    let probe = called(&mut flight)[0];
    flight.answer(probe, Err(unavailable()), PAUSE_NS + MS);
    assert_eq!(leaves(&mut flight), ["101!"]);
    let until = 15_000 * MS;
    assert!(!enter(&mut flight, 102, 102, until - MS));
    assert_eq!(flight.next_due(true, until - MS), Some(until));
    assert!(enter(&mut flight, 102, 102, until) && enter(&mut flight, 103, 103, until));
    assert_eq!(leaves(&mut flight), ["102!", "103!"], "nothing was answered for too long");
    assert_eq!(meter.dead.get(), u64::from(FAILURES_MAX) + 3);
    assert!(enter(&mut flight, 104, 104, until + PAUSE_NS));
    let probe = called(&mut flight)[0];
    flight.answer(probe, Ok(rows(&[1])), until + PAUSE_NS);
    assert!(enter(&mut flight, 105, 105, until + PAUSE_NS), "the circuit is closed");
    assert_eq!(leaves(&mut flight), ["104=[1]"]);
}

#[derive(Debug, Clone)]
enum Act {
    Row(i64),
    Mark,
    Answer(usize, u8),
    Wait(u64),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => (0_i64..6).prop_map(Act::Row),
        1 => Just(Act::Mark),
        4 => (0_usize..8, 0_u8..3).prop_map(|(which, what)| Act::Answer(which, what)),
        2 => (1_u64..40).prop_map(Act::Wait),
    ]
}

proptest! {
    /// Whatever comes in whatever order: each row leaves once, marks stay where they are among rows, bounds hold, and in
    /// the end nothing is left.
    #[test]
    fn every_row_leaves_once_and_on_its_side_of_the_marks(
        acts in prop::collection::vec(act(), 0..120), ordered in any::<bool>(), attempts in 0_u32..3
    ) {
        let options = LookupOptions { ordered, ..retrying(attempts) };
        let (mut flight, meter) = flight(options);
        let (mut now, mut row, mut marks) = (0_u64, 0_u32, 0_u64);
        let (mut out, mut left, mut expected): (Vec<u64>, Vec<String>, Vec<Vec<u32>>) = (vec![], vec![], vec![vec![]]);
        let settle = |flight: &mut Flight, out: &mut Vec<u64>| {
            out.extend(called(flight));
            leaves(flight)
        };
        for act in acts {
            match act {
                Act::Row(key) => if enter(&mut flight, row, key, now) {
                    expected.last_mut().unwrap().push(row);
                    row += 1;
                },
                Act::Mark => {
                    marks += 1;
                    flight.marker(Marker::Barrier(Epoch(marks)));
                    expected.push(vec![]);
                }
                Act::Answer(which, what) => if !out.is_empty() {
                    let id = out.remove(which % out.len());
                    let answer = match what { 0 => Ok(rows(&[1])), 1 => Ok(rows(&[])), _ => Err(unavailable()) };
                    flight.answer(id, answer, now);
                },
                Act::Wait(ms) => {
                    now += ms * MS;
                    flight.tick(now);
                }
            }
            left.extend(settle(&mut flight, &mut out));
            prop_assert!(meter.in_flight.get() <= 4);
        }
        for _ in 0..20 {
            now += PAUSE_NS;
            flight.tick(now);
            left.extend(settle(&mut flight, &mut out));
        }
        let text = left.join(" ");
        let mut sides: Vec<Vec<u32>> = vec![vec![]];
        for item in &left {
            match item.split(['=', '!']).next().unwrap().parse::<u32>() {
                Ok(row) => sides.last_mut().unwrap().push(row),
                Err(_) => sides.push(vec![]),
            }
        }
        if !ordered {
            sides.iter_mut().for_each(|s| s.sort_unstable());
        }
        prop_assert_eq!(sides, expected, "{}", text);
        prop_assert_eq!(flight.next_due(true, 0).filter(|_| flight.rows > 0), None);
    }
}
