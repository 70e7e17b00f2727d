//! How much of memory expressions may take: what they make is bounded by what is asked, not by what a machine holds.

use super::{Line, MathError, Worth};
use std::cell::Cell;

/// Most points of a series that an expression makes: as many as an answer has on one page.
pub(super) const LINE_POINTS_MAX: u64 = 100_800;
/// Most points that one expression makes on its way, and most that all expressions of a request are worth together.
const POINTS_MAX: usize = 1_000_000;
/// Bytes of one point.
const POINT_BYTES: usize = size_of::<(u64, f64)>();

/// Points that may be made yet.
#[derive(Debug)]
pub struct Budget {
    whose: &'static str,
    left: Cell<usize>,
}

impl Budget {
    /// What one expression may make on its way: 1,000,000 points.
    pub fn of_expression() -> Self {
        Self { whose: "the expression makes", left: Cell::new(POINTS_MAX) }
    }

    /// What all expressions of a request may be worth together: 1,000,000 points.
    pub fn of_request() -> Self {
        Self { whose: "the expressions of this request are together worth", left: Cell::new(POINTS_MAX) }
    }

    /// Takes what something weighs.
    ///
    /// # Errors
    /// When not so much is left.
    pub fn take(&self, points: usize) -> Result<(), MathError> {
        let left = self.left.get().checked_sub(points).ok_or_else(|| {
            MathError::new(format!(
                "{} more than {POINTS_MAX} points: ask for fewer series, less time or a longer period",
                self.whose
            ))
        })?;
        self.left.set(left);
        Ok(())
    }
}

impl Line {
    /// What it takes of memory, in points: a list of very many series without a point is large too.
    fn weight(&self) -> usize {
        self.points.len() + (size_of::<Self>() + self.label.len()).div_ceil(POINT_BYTES)
    }
}

impl Worth {
    /// What it takes of memory, in points.
    pub fn weight(&self) -> usize {
        match self {
            Self::Number(_) => 0,
            Self::Line(line) => line.weight(),
            Self::Lines(lines) => lines.iter().map(Line::weight).sum(),
        }
    }
}
