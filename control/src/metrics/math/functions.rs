//! The functions of metric math.

use super::lines::across;
use super::parse::Expr;
use super::run::{evaluate, list, taken};
use super::{Line, MathError, Source, Worth};

type Result<T> = std::result::Result<T, MathError>;

/// The names of all functions, for the message about one that there is not.
const NAMES: &str = "ABS, AVG, CEIL, DATAPOINT_COUNT, DIFF, DIFF_TIME, FILL, FIRST, FLOOR, IF, LAST, LOG, LOG10, MAX, METRICS, \
                     METRIC_COUNT, MIN, PERIOD, RATE, REMOVE_EMPTY, RUNNING_SUM, SEARCH, STDDEV, SUM, TIME_SERIES";

/// A function called with what it is given.
pub(super) fn call(name: &str, given: &[Expr], source: &dyn Source) -> Result<Worth> {
    match name {
        "SUM" => reduced(name, given, source, |values| values.iter().sum()),
        "AVG" => reduced(name, given, source, |values| values.iter().sum::<f64>() / values.len() as f64),
        "MIN" => reduced(name, given, source, |values| values.iter().copied().fold(f64::INFINITY, f64::min)),
        "MAX" => reduced(name, given, source, |values| values.iter().copied().fold(f64::NEG_INFINITY, f64::max)),
        "STDDEV" => reduced(name, given, source, deviation),
        "ABS" => Ok(one(name, given, source)?.each(f64::abs)),
        "CEIL" => Ok(one(name, given, source)?.each(f64::ceil)),
        "FLOOR" => Ok(one(name, given, source)?.each(f64::floor)),
        "LOG" => Ok(one(name, given, source)?.each(f64::ln)),
        "LOG10" => Ok(one(name, given, source)?.each(f64::log10)),
        "RATE" => one(name, given, source)?.each_line(name, |line| Ok(stepped(line, |step_s, by| by / step_s))),
        "DIFF" => one(name, given, source)?.each_line(name, |line| Ok(stepped(line, |_, by| by))),
        "DIFF_TIME" => one(name, given, source)?.each_line(name, |line| Ok(stepped(line, |step_s, _| step_s))),
        "RUNNING_SUM" => one(name, given, source)?.each_line(name, |line| Ok(running(line))),
        "DATAPOINT_COUNT" | "FIRST" | "LAST" | "PERIOD" => told(name, given, source),
        "METRIC_COUNT" => Ok(Worth::Number(listed(name, given, source)?.len() as f64)),
        "REMOVE_EMPTY" => {
            let lines = listed(name, given, source)?;
            Ok(Worth::Lines(lines.into_iter().filter(|line| !line.points.is_empty()).collect()))
        }
        "TIME_SERIES" => match one(name, given, source)? {
            Worth::Number(number) => {
                let empty = Line { label: name.to_owned(), period_s: source.period_s(), points: Vec::new() };
                empty.filled(name, (&source.range(), source.budget()), |_| Some(number)).map(Worth::Line)
            }
            _ => Err(MathError::new("TIME_SERIES takes a number")),
        },
        "FILL" => fill(given, source),
        "IF" => choose(given, source),
        "METRICS" => match given {
            [] => taken(source.metrics("").map(Worth::Lines), source),
            [Expr::Text(part)] => taken(source.metrics(part).map(Worth::Lines), source),
            _ => Err(MathError::new("METRICS takes nothing, or a text that is a part of names")),
        },
        "SEARCH" => search(given, source),
        other => Err(MathError::new(format!("there is no function {other}; there are {NAMES}"))),
    }
}

fn one(name: &str, given: &[Expr], source: &dyn Source) -> Result<Worth> {
    match given {
        [inner] => evaluate(inner, source),
        _ => Err(MathError::new(format!("{name} takes one argument, and was given {}", given.len()))),
    }
}

fn listed(name: &str, given: &[Expr], source: &dyn Source) -> Result<Vec<Line>> {
    let lines = one(name, given, source)?.lines();
    lines.ok_or_else(|| MathError::new(format!("{name} takes series, not a number")))
}

/// One number of all of a series, or at each time of all series of a list; several arguments are a list.
fn reduced(name: &str, given: &[Expr], source: &dyn Source, of: impl Fn(&[f64]) -> f64) -> Result<Worth> {
    let worth = match given {
        [] => return Err(MathError::new(format!("{name} takes a series or a list of series"))),
        [inner] => evaluate(inner, source)?,
        many => list(many, source)?,
    };
    match worth {
        Worth::Number(number) => Ok(Worth::Number(number)),
        Worth::Lines(lines) => Ok(Worth::Line(across(&lines, name, of))),
        Worth::Line(line) if line.points.is_empty() => Ok(Worth::Line(line)),
        Worth::Line(line) => Ok(Worth::Number(of(&line.values()))),
    }
}

fn deviation(values: &[f64]) -> f64 {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / values.len() as f64).sqrt()
}

/// From each point to the next: of how many seconds lie between and by how much it is more.
fn stepped(line: &Line, of: impl Fn(f64, f64) -> f64) -> Line {
    let step = |pair: &[(u64, f64)]| (pair[1].0, of((pair[1].0 - pair[0].0) as f64 / 1_000.0, pair[1].1 - pair[0].1));
    Line { points: line.points.windows(2).map(step).collect(), ..line.clone() }
}

fn running(line: &Line) -> Line {
    let mut sum = 0.0;
    let points = line.points.iter().map(|(at_ms, value)| {
        sum += value;
        (*at_ms, sum)
    });
    Line { points: points.collect(), ..line.clone() }
}

/// One number about a series.
fn told(name: &str, given: &[Expr], source: &dyn Source) -> Result<Worth> {
    let line = match one(name, given, source)? {
        Worth::Line(line) => line,
        Worth::Lines(lines) if matches!(name, "FIRST" | "LAST") => {
            let found = if name == "FIRST" { lines.into_iter().next() } else { lines.into_iter().next_back() };
            return Ok(Worth::Line(found.unwrap_or_default()));
        }
        _ => return Err(MathError::new(format!("{name} takes a series"))),
    };
    Ok(Worth::Number(match name {
        "PERIOD" => line.period_s as f64,
        "DATAPOINT_COUNT" => line.points.len() as f64,
        "FIRST" => line.points.first().map_or(f64::NAN, |(_, value)| *value),
        _ => line.points.last().map_or(f64::NAN, |(_, value)| *value),
    }))
}

fn fill(given: &[Expr], source: &dyn Source) -> Result<Worth> {
    let [series, with] = given else {
        return Err(MathError::new("FILL takes a series and what its gaps are filled with"));
    };
    let series = evaluate(series, source)?;
    let (range, name) = (source.range(), "FILL");
    let within = (&range, source.budget());
    let word = if let Expr::Name(word) = with { word.to_ascii_uppercase() } else { String::new() };
    match word.as_str() {
        "REPEAT" => {
            let last = |line: &Line, at_ms| line.before(at_ms).map(|(_, value)| value);
            series.each_line(name, |line| line.filled(name, within, |at_ms| last(line, at_ms)))
        }
        "LINEAR" => series.each_line(name, |line| {
            line.filled(name, within, |at_ms| {
                let ((from_ms, from), (to_ms, to)) = (line.before(at_ms)?, line.after(at_ms)?);
                Some(from + (to - from) * (at_ms - from_ms) as f64 / (to_ms - from_ms) as f64)
            })
        }),
        _ => match evaluate(with, source)? {
            Worth::Number(number) => series.each_line(name, |line| line.filled(name, within, |_| Some(number))),
            Worth::Line(other) => series.each_line(name, |line| line.filled(name, within, |at_ms| other.at(at_ms))),
            Worth::Lines(_) => Err(MathError::new("FILL fills gaps with a number, one series, REPEAT or LINEAR")),
        },
    }
}

/// `IF`: at each time the one or the other, or nothing where there is no other.
fn choose(given: &[Expr], source: &dyn Source) -> Result<Worth> {
    let (condition, then, other) = match given {
        [condition, then] => (condition, then, None),
        [condition, then, other] => (condition, then, Some(evaluate(other, source)?)),
        _ => return Err(MathError::new("IF takes a condition, a value, and a value for when it does not hold")),
    };
    let (condition, then) = (evaluate(condition, source)?, evaluate(then, source)?);
    let at = |worth: &Worth, at_ms: u64| match worth {
        Worth::Number(number) => Some(*number),
        Worth::Line(line) => line.at(at_ms),
        Worth::Lines(_) => None,
    };
    if [Some(&condition), Some(&then), other.as_ref()].into_iter().flatten().any(|w| matches!(w, Worth::Lines(_))) {
        return Err(MathError::new("IF takes numbers and series, not lists of series"));
    }
    let lines = [Some(&condition), Some(&then), other.as_ref()];
    let shape =
        lines.into_iter().flatten().find_map(|worth| if let Worth::Line(line) = worth { Some(line) } else { None });
    let Some(shape) = shape else {
        let holds = matches!(condition, Worth::Number(number) if number != 0.0);
        return Ok(if holds { then } else { other.unwrap_or(Worth::Number(f64::NAN)) });
    };
    let times = shape.points.iter().filter_map(|(at_ms, _)| {
        let chosen = if at(&condition, *at_ms)? != 0.0 { at(&then, *at_ms) } else { at(other.as_ref()?, *at_ms) };
        Some((*at_ms, chosen?))
    });
    Ok(Worth::Line(Line { points: times.collect(), ..shape.clone() }))
}

fn search(given: &[Expr], source: &dyn Source) -> Result<Worth> {
    let (search, statistic, period_s) = match given {
        [Expr::Text(search), Expr::Text(statistic)] => (search, statistic, None),
        [Expr::Text(search), Expr::Text(statistic), Expr::Number(period)] if *period >= 1.0 => {
            (search, statistic, Some(*period as u64))
        }
        _ => {
            return Err(MathError::new(
                "SEARCH takes what is looked for and a statistic, both in quotes, and a period",
            ));
        }
    };
    taken(source.search(search, statistic, period_s).map(Worth::Lines), source)
}
