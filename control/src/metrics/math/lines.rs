//! What series have of their own: combining, mapping, filling gaps.

use super::budget::LINE_POINTS_MAX;
use super::{Budget, Line, MathError, Worth};
use std::collections::BTreeMap;
use std::ops::Range;

impl Line {
    /// The same periods with other numbers; a number that is none leaves a gap.
    pub(super) fn mapped(&self, of: impl Fn(u64, f64) -> f64) -> Self {
        let points = self.points.iter().map(|(at_ms, value)| (*at_ms, of(*at_ms, *value)));
        Self { points: points.filter(|(_, value)| value.is_finite()).collect(), ..self.clone() }
    }

    /// The number at a time.
    pub(super) fn at(&self, at_ms: u64) -> Option<f64> {
        self.points.binary_search_by_key(&at_ms, |(at, _)| *at).ok().map(|place| self.points[place].1)
    }

    /// Both where both have a point.
    pub(super) fn with(&self, other: &Self, of: impl Fn(f64, f64) -> f64) -> Self {
        let both = |(at_ms, value): &(u64, f64)| Some((*at_ms, of(*value, other.at(*at_ms)?)));
        let points = self.points.iter().filter_map(both).filter(|(_, value)| value.is_finite()).collect();
        Self { points, ..self.clone() }
    }

    /// Numbers alone.
    pub(super) fn values(&self) -> Vec<f64> {
        self.points.iter().map(|(_, value)| *value).collect()
    }

    /// All times within a range at which there could be a point, in the name of a function where they are too many.
    fn times(&self, function: &str, range: &Range<u64>) -> Result<impl Iterator<Item = u64>, MathError> {
        // A search may ask for periods of any length: one that ends after all time has no second.
        let step_ms = self.period_s.max(1).saturating_mul(1_000);
        // Where there are points they tell where periods begin.
        let phase_ms = self.points.first().map_or(0, |(at_ms, _)| at_ms % step_ms);
        let steps = range.start.saturating_sub(phase_ms).div_ceil(step_ms);
        let first = steps.saturating_mul(step_ms).saturating_add(phase_ms);
        let from = self.points.first().map_or(first, |(at_ms, _)| first.min(*at_ms));
        let count = range.end.saturating_sub(from).div_ceil(step_ms);
        if count > LINE_POINTS_MAX {
            let period_s = self.period_s;
            return Err(MathError::new(format!(
                "{function} would make a series of {count} points, one every {period_s} s, and may make one of \
                 {LINE_POINTS_MAX}: ask for less time or a longer period"
            )));
        }
        Ok((from..range.end).step_by(step_ms as usize))
    }

    /// The series with its gaps filled by `fill`, which is told the time, in the name of a function.
    pub(super) fn filled(
        &self,
        function: &str,
        (range, budget): (&Range<u64>, &Budget),
        fill: impl Fn(u64) -> Option<f64>,
    ) -> Result<Self, MathError> {
        let point = |at_ms: u64| Some((at_ms, self.at(at_ms).or_else(|| fill(at_ms))?));
        let points: Vec<_> = self.times(function, range)?.filter_map(point).collect();
        budget.take(points.len())?;
        Ok(Self { label: self.label.clone(), period_s: self.period_s, points })
    }

    /// The last number before a time.
    pub(super) fn before(&self, at_ms: u64) -> Option<(u64, f64)> {
        let place = self.points.partition_point(|(at, _)| *at < at_ms);
        place.checked_sub(1).map(|place| self.points[place])
    }

    /// The first number after a time.
    pub(super) fn after(&self, at_ms: u64) -> Option<(u64, f64)> {
        self.points.get(self.points.partition_point(|(at, _)| *at <= at_ms)).copied()
    }
}

/// At each time one number of those of all series that have a point there.
pub(super) fn across(lines: &[Line], label: &str, of: impl Fn(&[f64]) -> f64) -> Line {
    let mut times: BTreeMap<u64, Vec<f64>> = BTreeMap::new();
    for (at_ms, value) in lines.iter().flat_map(|line| &line.points) {
        times.entry(*at_ms).or_default().push(*value);
    }
    let points = times.into_iter().map(|(at_ms, values)| (at_ms, of(&values))).collect();
    Line { label: label.to_owned(), period_s: lines.first().map_or(0, |line| line.period_s), points }
}

impl Worth {
    /// Its series, of which a number is none.
    pub fn lines(self) -> Option<Vec<Line>> {
        match self {
            Self::Number(_) => None,
            Self::Line(line) => Some(vec![line]),
            Self::Lines(lines) => Some(lines),
        }
    }

    /// Each number, be it alone or in series, made another one.
    pub(super) fn each(self, of: impl Fn(f64) -> f64) -> Self {
        match self {
            Self::Number(number) => Self::Number(of(number)),
            Self::Line(line) => Self::Line(line.mapped(|_, value| of(value))),
            Self::Lines(lines) => Self::Lines(lines.iter().map(|line| line.mapped(|_, value| of(value))).collect()),
        }
    }

    /// Each series made another one; a number is refused in the name of a function.
    pub(super) fn each_line(
        self,
        function: &str,
        of: impl Fn(&Line) -> Result<Line, MathError>,
    ) -> Result<Self, MathError> {
        match self {
            Self::Number(_) => {
                Err(MathError::new(format!("{function} takes a series or a list of series, not a number")))
            }
            Self::Line(line) => of(&line).map(Self::Line),
            Self::Lines(lines) => lines.iter().map(of).collect::<Result<_, _>>().map(Self::Lines),
        }
    }

    /// Both sides together, as [`super`] says.
    pub(super) fn with(self, other: Self, of: &dyn Fn(f64, f64) -> f64) -> Result<Self, MathError> {
        let each = |lines: Vec<Line>, work: &dyn Fn(&Line) -> Line| Self::Lines(lines.iter().map(work).collect());
        Ok(match (self, other) {
            (Self::Number(a), Self::Number(b)) => Self::Number(of(a, b)),
            (Self::Line(a), Self::Number(b)) => Self::Line(a.mapped(|_, value| of(value, b))),
            (Self::Number(a), Self::Line(b)) => Self::Line(b.mapped(|_, value| of(a, value))),
            (Self::Line(a), Self::Line(b)) => Self::Line(a.with(&b, of)),
            (Self::Lines(a), Self::Number(b)) => each(a, &|line| line.mapped(|_, value| of(value, b))),
            (Self::Number(a), Self::Lines(b)) => each(b, &|line| line.mapped(|_, value| of(a, value))),
            (Self::Lines(a), Self::Line(b)) => each(a, &|line| line.with(&b, of)),
            (Self::Line(a), Self::Lines(b)) => {
                each(b, &|line| Line { points: a.with(line, of).points, ..line.clone() })
            }
            (Self::Lines(_), Self::Lines(_)) => {
                return Err(MathError::new("two lists of series cannot be combined; make one series of each first"));
            }
        })
    }
}
