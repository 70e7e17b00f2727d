//! What values say about a threshold: pure, so that it runs live, on recorded numbers and in tests alike.
//!
//! More periods are looked at than count (the evaluation range), so that late values and gaps decide as little as possible:
//! the latest values that are there count, and only what is still wanting to the number of periods is filled as the alarm
//! says.

use super::spec::{Comparison, Missing, State};

/// How many more periods are looked at than count.
const RANGE_BEYOND: usize = 2;

/// How values are judged.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rule {
    /// How many of the latest periods count, at least 1.
    pub evaluation_periods: usize,
    /// How many of them must be beyond the threshold, at least 1.
    pub datapoints: usize,
    /// The threshold.
    pub threshold: f64,
    /// Which side of it is a trouble.
    pub comparison: Comparison,
    /// What a period without a value means.
    pub missing: Missing,
}

/// What values say.
#[derive(Debug, Clone, PartialEq)]
pub struct Judgement {
    /// The state; `None`: it stays as it is.
    pub state: Option<State>,
    /// The places of the values that count, latest first.
    pub counted: Vec<usize>,
    /// How many of them are beyond the threshold.
    pub breaching: usize,
    /// How many periods had to be filled.
    pub filled: usize,
}

impl Rule {
    /// How many periods are looked at.
    pub fn range(&self) -> usize {
        self.evaluation_periods + RANGE_BEYOND
    }
}

/// What the values of the latest periods say, the oldest first; `None` stands for a period without one.
pub fn judge(rule: &Rule, values: &[Option<f64>]) -> Judgement {
    let breaches = |place: &usize| values[*place].is_some_and(|value| rule.comparison.breaches(value, rule.threshold));
    let there = (0..values.len()).rev().filter(|place| values[*place].is_some());
    let counted: Vec<usize> = there.take(rule.evaluation_periods).collect();
    let breaching = counted.iter().filter(|place| breaches(place)).count();
    let filled = rule.evaluation_periods - counted.len();
    let all = breaching == counted.len();
    let of = |is: bool| Some(if is { State::Alarm } else { State::Ok });
    let state = match rule.missing {
        _ if filled == 0 => of(breaching >= rule.datapoints),
        Missing::Breaching => of(breaching + filled >= rule.datapoints),
        Missing::NotBreaching => of(breaching >= rule.datapoints),
        Missing::Ignore if counted.is_empty() => None,
        Missing::Missing if counted.is_empty() => Some(State::InsufficientData),
        _ if breaching >= rule.datapoints => Some(State::Alarm),
        Missing::Ignore if all => None,
        // One value beyond the threshold is no alarm yet where the next may be within it; it is one once nothing has come
        // for as long as it takes.
        Missing::Missing if all => of(counted.last().is_some_and(|oldest| values.len() - oldest >= rule.datapoints)),
        _ => Some(State::Ok),
    };
    Judgement { state, counted, breaching, filled }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const KINDS: [Missing; 4] = [Missing::Missing, Missing::Ignore, Missing::Breaching, Missing::NotBreaching];

    fn rule(datapoints: usize, evaluation_periods: usize, missing: Missing) -> Rule {
        Rule { evaluation_periods, datapoints, threshold: 1.0, comparison: Comparison::Greater, missing }
    }

    /// `X` is beyond the threshold, `0` within, `-` missing.
    fn values(text: &str) -> Vec<Option<f64>> {
        let value = |c| match c {
            'X' => Some(2.0),
            '0' => Some(0.0),
            _ => None,
        };
        text.chars().filter(|c| *c != ' ').map(value).collect()
    }

    fn told(rule: &Rule, text: &str) -> &'static str {
        judge(rule, &values(text)).state.map_or("stays", State::name)
    }

    #[test]
    fn gaps_are_treated_as_the_service_documents_it() {
        const NONE: &str = "INSUFFICIENT_DATA";
        // Of how many of three periods, the values, what had to be filled, and the state with missing data as missing,
        // ignored, breaching, not breaching.
        for (datapoints, text, filled, expected) in [
            (3, "0 - X - X", 0, ["OK", "OK", "OK", "OK"]),
            (3, "- - - - 0", 2, ["OK", "OK", "OK", "OK"]),
            (3, "- - - - -", 3, [NONE, "stays", "ALARM", "OK"]),
            (3, "0 X X - X", 0, ["ALARM", "ALARM", "ALARM", "ALARM"]),
            (3, "- - X - -", 2, ["ALARM", "stays", "ALARM", "OK"]),
            (2, "0 - X - X", 0, ["ALARM", "ALARM", "ALARM", "ALARM"]),
            (2, "0 0 X 0 X", 0, ["ALARM", "ALARM", "ALARM", "ALARM"]),
            (2, "0 - X - -", 1, ["OK", "OK", "ALARM", "OK"]),
            (2, "- - - - 0", 2, ["OK", "OK", "ALARM", "OK"]),
            (2, "- - - X -", 2, ["ALARM", "stays", "ALARM", "OK"]),
            // Too early to tell: the next value may be within the threshold.
            (3, "- - - - X", 2, ["OK", "stays", "ALARM", "OK"]),
            (3, "- - - X -", 2, ["OK", "stays", "ALARM", "OK"]),
            (3, "- - - X 0", 1, ["OK", "OK", "OK", "OK"]),
            (2, "- - X - X", 1, ["ALARM", "ALARM", "ALARM", "ALARM"]),
        ] {
            for (missing, expected) in KINDS.into_iter().zip(expected) {
                let rule = rule(datapoints, 3, missing);
                assert_eq!(told(&rule, text), expected, "{datapoints} of 3, {text}, {missing:?}");
                assert_eq!(judge(&rule, &values(text)).filled, filled, "{text}");
            }
        }
    }

    #[test]
    fn each_comparison_has_its_side() {
        for (comparison, expected) in [
            (Comparison::Greater, [false, false, true]),
            (Comparison::GreaterOrEqual, [false, true, true]),
            (Comparison::Less, [true, false, false]),
            (Comparison::LessOrEqual, [true, true, false]),
        ] {
            assert_eq!([0.0, 1.0, 2.0].map(|value| comparison.breaches(value, 1.0)), expected, "{comparison:?}");
            assert_eq!(Comparison::named(comparison.name()), Some(comparison));
        }
    }

    fn series() -> impl Strategy<Value = Vec<Option<f64>>> {
        proptest::collection::vec(proptest::option::of(prop_oneof![Just(0.0), Just(2.0)]), 7)
    }

    proptest! {
        #[test]
        fn whoever_wants_more_to_be_wrong_never_alarms_earlier(values in series(), datapoints in 1_usize..5, kind in 0_usize..4) {
            let is = |datapoints| judge(&rule(datapoints, 5, KINDS[kind]), &values).state == Some(State::Alarm);
            prop_assert!(is(datapoints) || !is(datapoints + 1));
        }

        #[test]
        fn a_gap_that_is_a_trouble_never_alarms_later_than_one_that_is_none(values in series(), datapoints in 1_usize..5) {
            let is = |missing| judge(&rule(datapoints, 5, missing), &values).state == Some(State::Alarm);
            prop_assert!(is(Missing::Breaching) || !is(Missing::Missing));
            prop_assert!(is(Missing::Missing) || !is(Missing::NotBreaching));
        }

        #[test]
        fn without_gaps_all_kinds_agree(values in proptest::collection::vec(prop_oneof![Just(0.0), Just(2.0)], 7), m in 1_usize..6) {
            let values: Vec<_> = values.into_iter().map(Some).collect();
            let states = KINDS.map(|missing| judge(&rule(m, 5, missing), &values).state);
            prop_assert!(states.iter().all(|state| *state == states[0] && state.is_some()));
        }
    }
}
