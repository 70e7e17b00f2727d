//! Alarms that could never say what they are meant to say: another unit than the series has, a sum of what cannot be
//! summed, a threshold that no value reaches, a sum over other time than the threshold is meant for.

use super::spec::{Alarm, Comparison, Watch, Watches};
use crate::metrics::{Statistic, Unit, Wanted};

/// Lengths of time under the names that people have for them, in seconds.
const TIMES: [(&str, u64); 5] = [("second", 1), ("minute", 60), ("hour", 3_600), ("day", 86_400), ("min", 60)];

/// Why an alarm cannot say what it is meant to; `None` where nothing speaks against it. `unit` tells in which unit a series
/// is kept.
pub fn doubt(alarm: &Alarm, unit: &dyn Fn(&Wanted) -> Option<Unit>) -> Option<String> {
    let Watches::Numbers(watch) = &alarm.watches else { return None };
    let units = watch.all_series().find_map(|wanted| other_unit(wanted, unit(wanted)?));
    let single = watch.series().and_then(|wanted| {
        let held = unit(wanted).or(wanted.unit).unwrap_or_default();
        sum_of_rates(wanted, held)
            .or_else(|| out_of_reach(watch, wanted, held))
            .or_else(|| other_time(wanted, alarm.description.as_deref().unwrap_or_default()))
    });
    units.or(single)
}

fn other_unit(wanted: &Wanted, held: Unit) -> Option<String> {
    let asked = wanted.unit.filter(|asked| *asked != held)?;
    let (name, held_name, asked_name) = (wanted.key.name(), held.name(), asked.name());
    let hint =
        asked.factor_to(held).map_or_else(String::new, |factor| format!(", where it is {factor} times as large"));
    Some(format!(
        "{name} is kept in {held_name}, and the alarm asks for {asked_name}; give the threshold in {held_name}{hint}"
    ))
}

fn is_sum(wanted: &Wanted) -> bool {
    wanted.asked.statistic() == Some(Statistic::Sum)
}

fn sum_of_rates(wanted: &Wanted, held: Unit) -> Option<String> {
    (is_sum(wanted) && held.is_rate()).then(|| {
        let (name, period_s) = (wanted.key.name(), wanted.period_s);
        format!("the Sum of {name} over {period_s} s adds up readings in {}; use Average or Maximum", held.name())
    })
}

fn out_of_reach(watch: &Watch, wanted: &Wanted, held: Unit) -> Option<String> {
    let counts_values = wanted.asked.statistic() == Some(Statistic::SampleCount);
    if held != Unit::Percent || is_sum(wanted) || counts_values {
        return None;
    }
    let never = match watch.comparison {
        Comparison::Greater => watch.threshold >= 100.0,
        Comparison::GreaterOrEqual => watch.threshold > 100.0,
        Comparison::Less => watch.threshold <= 0.0,
        Comparison::LessOrEqual => watch.threshold < 0.0,
    };
    never.then(|| {
        let (words, threshold) = (watch.comparison.words(), watch.threshold);
        format!("a Percent is within 0 and 100, and is never {words} {threshold}; give the threshold in hundredths")
    })
}

/// A description that says `per minute` of a sum over five: the threshold is meant for another time than it is held
/// against.
fn other_time(wanted: &Wanted, description: &str) -> Option<String> {
    if !is_sum(wanted) {
        return None;
    }
    let said = description.to_lowercase();
    let says = |name: &str| said.contains(&format!("per {name}")) || said.contains(&format!("/{name}"));
    let (name, seconds) = TIMES.into_iter().find(|(name, _)| says(name))?;
    (seconds != wanted.period_s).then(|| {
        let period_s = wanted.period_s;
        let times = period_s as f64 / seconds as f64;
        format!(
            "its description speaks of a figure per {name}, and the Sum over {period_s} s is {times} times as large; \
             use a period of {seconds} s, or multiply the threshold by {times} and say so"
        )
    })
}
