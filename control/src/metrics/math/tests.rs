//! Tests of metric math: a table of expressions, and laws.

use super::*;
use proptest::prelude::*;

struct Known {
    lines: Vec<(&'static str, Line)>,
    budget: Budget,
}

impl Source for Known {
    fn named(&self, name: &str) -> Result<Worth, MathError> {
        let found = self.lines.iter().find(|(known, _)| *known == name);
        found.map(|(_, line)| Worth::Line(line.clone())).ok_or_else(|| MathError::new(format!("no {name}")))
    }

    fn metrics(&self, part: &str) -> Result<Vec<Line>, MathError> {
        Ok(self.lines.iter().filter(|(name, _)| name.contains(part)).map(|(_, line)| line.clone()).collect())
    }

    fn search(&self, search: &str, statistic: &str, period_s: Option<u64>) -> Result<Vec<Line>, MathError> {
        Err(MathError::new(format!("{search} {statistic} {period_s:?}")))
    }

    fn range(&self) -> Range<u64> {
        0..240_000
    }

    fn period_s(&self) -> u64 {
        60
    }

    fn budget(&self) -> &Budget {
        &self.budget
    }
}

fn line(values: &[Option<f64>]) -> Line {
    let point = |(nth, value): (usize, &Option<f64>)| Some((nth as u64 * 60_000, (*value)?));
    Line { label: String::new(), period_s: 60, points: values.iter().enumerate().filter_map(point).collect() }
}

fn known() -> Known {
    Known {
        budget: Budget::of_expression(),
        lines: vec![
            ("m1", line(&[Some(1.0), Some(2.0), None, Some(4.0)])),
            ("m2", line(&[Some(10.0), None, Some(30.0), Some(40.0)])),
            ("e", line(&[])),
        ],
    }
}

/// The points of the worth, gaps as `-`; lists by `|`; or the error.
fn told(expression: &str) -> String {
    let text = |line: &Line| {
        let slot = |nth: u64| line.at(nth * 60_000).map_or_else(|| "-".to_owned(), |value| format!("{value}"));
        (0..4).map(slot).collect::<Vec<_>>().join(" ")
    };
    match parse(expression).and_then(|expression| evaluate(&expression, &known())) {
        Ok(Worth::Number(number)) => format!("={number}"),
        Ok(Worth::Line(line)) => text(&line),
        Ok(Worth::Lines(lines)) => lines.iter().map(text).collect::<Vec<_>>().join(" | "),
        Err(error) => format!("! {error}"),
    }
}

#[test]
fn expressions_are_worth_what_the_table_says() {
    for (expression, expected) in [
        ("m1 + 1", "2 3 - 5"),
        ("m1 + m2", "11 - - 44"),
        ("-m1 * 2 ^ 2", "-4 -8 - -16"),
        ("2 + 3 * 4 - 6 / 2", "=11"),
        ("(2 + 3) * 4", "=20"),
        ("m1 >= 2", "0 1 - 1"),
        ("m1 > 1 AND m1 < 4", "0 1 - 0"),
        ("m1 == 1 || m1 == 4", "1 0 - 1"),
        ("m1 / 0", "- - - -"),
        ("SUM(m1)", "=7"),
        ("SUM([m1, m2])", "11 2 30 44"),
        ("SUM(METRICS())", "11 2 30 44"),
        ("AVG(METRICS(\"m\"))", "5.5 2 30 22"),
        ("MIN([m1,m2])", "1 2 30 4"),
        ("MAX(m2)", "=40"),
        ("MAX(e)", "- - - -"),
        ("FLOOR(STDDEV(m2) * 1000)", "=12472"),
        ("m1 / SUM(m1) * 7", "1 2 - 4"),
        ("FILL(m1, 0)", "1 2 0 4"),
        ("FILL(m1, REPEAT)", "1 2 2 4"),
        ("FILL(m1, LINEAR)", "1 2 3 4"),
        ("FILL(m1, m2)", "1 2 30 4"),
        ("FILL(METRICS(), 0)", "1 2 0 4 | 10 0 30 40 | 0 0 0 0"),
        ("RATE(m1)", "- 0.016666666666666666 - 0.016666666666666666"),
        ("DIFF(m1)", "- 1 - 2"),
        ("DIFF_TIME(m1)", "- 60 - 120"),
        ("RUNNING_SUM(m1)", "1 3 - 7"),
        ("IF(m1 > 1, m1)", "- 2 - 4"),
        ("IF(m1 > 1, m1, 0)", "0 2 - 4"),
        ("IF(1, 5, 6)", "=5"),
        ("ABS(-m1)", "1 2 - 4"),
        ("PERIOD(m1)", "=60"),
        ("DATAPOINT_COUNT(m1)", "=3"),
        ("TIME_SERIES(3)", "3 3 3 3"),
        ("METRICS() * 2", "2 4 - 8 | 20 - 60 80 | - - - -"),
        ("1.5e2 + .5", "=150.5"),
    ] {
        assert_eq!(told(expression), expected, "{expression}");
    }
}

#[test]
fn as_many_sides_as_a_text_has_room_for_take_little_of_the_stack() {
    let thread = std::thread::Builder::new().stack_size(512 * 1024);
    let told = thread.spawn(|| (told(&format!("1{}", "+1".repeat(1_000))), told("10 - 4 - 3 * 2 / 2"))).unwrap();
    assert_eq!(told.join().unwrap(), ("=1001".to_owned(), "=3".to_owned()));
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    for (expression, part) in [
        ("", "character 1"),
        ("m1 +", "the end found"),
        ("m1 m2", "character 4: nothing more expected"),
        ("SUM(m1", "`,` or `)`"),
        ("nothing(m1)", "there is no function NOTHING"),
        ("m9", "no m9"),
        ("METRICS() + METRICS()", "two lists"),
        ("RATE(1)", "RATE takes a series"),
        ("ABS(1, 2)", "ABS takes one argument, and was given 2"),
        ("'open", "has no end"),
        ("SEARCH('x', 'Sum', 60)", "x Sum Some(60)"),
    ] {
        assert!(told(expression).contains(part), "{expression}: {}", told(expression));
    }
    assert!(told(&"(".repeat(200)).contains("nested deeper"));
    assert!(told(&"-".repeat(200)).contains("nested deeper"));
    assert!(told(&" ".repeat(3_000)).contains("at most 2048"));
}

proptest! {
    #[test]
    fn any_text_is_read_without_a_panic(text in ".{0,80}") {
        let _ = told(&text);
    }

    #[test]
    fn sums_of_lists_and_of_sides_agree(
        a in proptest::collection::vec(-1e6_f64..1e6, 4), b in proptest::collection::vec(-1e6_f64..1e6, 4),
    ) {
        let whole = |values: &[f64]| line(&values.iter().copied().map(Some).collect::<Vec<_>>());
        let source = Known { budget: Budget::of_expression(), lines: vec![("a", whole(&a)), ("b", whole(&b))] };
        let worth = |text: &str| evaluate(&parse(text).unwrap(), &source).unwrap();
        let points = |worth: Worth| worth.lines().unwrap().swap_remove(0).points;
        prop_assert_eq!(points(worth("SUM([a, b])")), points(worth("a + b")));
        prop_assert_eq!(points(worth("FILL(a, 0)")), points(worth("a")), "there is nothing to fill");
        prop_assert_eq!(points(worth("MAX([a, b])")), points(worth("IF(a > b, a, b)")));
        prop_assert_eq!(points(worth("-(a - b)")), points(worth("b - a")));
    }
}
