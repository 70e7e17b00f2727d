//! A query after it was checked against the mapping: conditions on columns, evaluated a chunk at a time.

use crate::bitmap::Bitmap;
use crate::geo::{Point, StepBox};
use crate::table::View;
use rustc_hash::FxHashSet;

/// A condition on one column value.
#[derive(Debug, Clone)]
pub(crate) enum Test {
    /// Between these, both included.
    Between(i64, i64),
    /// One of these.
    OneOf(FxHashSet<i64>),
    /// A keyword whose number is set.
    Numbers(Bitmap),
    /// A point in a box; `true`: the box crosses the antimeridian.
    Box(StepBox, bool),
}

/// A query that can be evaluated.
#[derive(Debug, Clone)]
pub(crate) enum Matcher {
    All { score: f32 },
    None,
    Column { field: usize, test: Test, score: f32 },
    Exists { fields: Vec<usize>, score: f32 },
    Ids { ids: FxHashSet<Vec<u8>>, score: f32 },
    Bool(Box<BoolMatcher>),
}

/// Conditions together.
#[derive(Debug, Clone)]
pub(crate) struct BoolMatcher {
    pub(crate) must: Vec<Matcher>,
    pub(crate) filter: Vec<Matcher>,
    pub(crate) should: Vec<Matcher>,
    pub(crate) must_not: Vec<Matcher>,
    pub(crate) minimum_should_match: usize,
    pub(crate) boost: f32,
    /// Replaces the sum of the scores.
    pub(crate) constant: Option<f32>,
}

/// The scores of rows that match.
#[derive(Debug, Clone)]
pub(crate) enum Scores {
    /// All the same.
    Same(f32),
    /// By row.
    Rows(Vec<f32>),
}

impl Scores {
    pub(crate) fn get(&self, row: u32) -> f32 {
        match self {
            Self::Same(score) => *score,
            Self::Rows(scores) => scores[row as usize],
        }
    }
}

impl Matcher {
    /// The score, where every match has the same one.
    pub(crate) fn constant_score(&self) -> Option<f32> {
        match self {
            Self::All { score } | Self::Column { score, .. } | Self::Exists { score, .. } | Self::Ids { score, .. } => {
                Some(*score)
            }
            Self::None => Some(0.0),
            Self::Bool(b) => match (b.constant, b.should.is_empty() || b.minimum_should_match == b.should.len()) {
                (Some(score), _) => Some(score),
                (None, false) => None,
                (None, true) => {
                    let parts: Option<Vec<f32>> = b.must.iter().chain(&b.should).map(Self::constant_score).collect();
                    parts.map(|p| (p.iter().map(|s| f64::from(*s)).sum::<f64>() as f32) * b.boost)
                }
            },
        }
    }

    /// The rows of a chunk that match, those that do not count any more included.
    pub(crate) fn rows(&self, view: &View) -> Bitmap {
        let rows = view.chunk.rows();
        match self {
            Self::All { .. } => Bitmap::all(rows),
            Self::None => Bitmap::none(rows),
            Self::Column { field, test, .. } => column_rows(view, *field, test),
            Self::Exists { fields, .. } => {
                let mut bits = Bitmap::none(rows);
                fields.iter().filter_map(|f| view.chunk.column(*f)).for_each(|c| bits.or(&c.present()));
                bits
            }
            Self::Ids { ids, .. } => {
                let mut bits = Bitmap::none(rows);
                (0..rows).filter(|row| ids.contains(view.chunk.ids.get(*row))).for_each(|row| bits.set(row));
                bits
            }
            Self::Bool(b) => b.rows(view),
        }
    }

    /// The scores of the rows that match.
    pub(crate) fn scores(&self, view: &View) -> Scores {
        if let Some(score) = self.constant_score() {
            return Scores::Same(score);
        }
        match self {
            Self::Bool(b) => b.scores(view),
            _ => Scores::Same(0.0),
        }
    }
}

fn column_rows(view: &View, field: usize, test: &Test) -> Bitmap {
    let mut bits = Bitmap::none(view.chunk.rows());
    let Some(column) = view.chunk.column(field) else { return bits };
    let (least, greatest) = column.range();
    match test {
        Test::Between(from, to) if *from > greatest || *to < least => {}
        Test::Between(from, to) if *from <= least && greatest <= *to => return column.present(),
        Test::Between(from, to) => column.matching(&mut bits, |v| *from <= v && v <= *to),
        Test::OneOf(values) => column.matching(&mut bits, |v| values.contains(&v)),
        Test::Numbers(numbers) => {
            column.matching(&mut bits, |v| (v as usize) < numbers.len() && numbers.get(v as usize));
        }
        Test::Box(steps, crosses) => {
            column.matching(&mut bits, |v| steps.contains(Point::from_column(v), *crosses));
        }
    }
    bits
}

impl BoolMatcher {
    fn rows(&self, view: &View) -> Bitmap {
        let mut bits = Bitmap::all(view.chunk.rows());
        for part in self.must.iter().chain(&self.filter) {
            bits.and(&part.rows(view));
            if bits.is_none() {
                return bits;
            }
        }
        for part in &self.must_not {
            bits.and_not(&part.rows(view));
        }
        match self.minimum_should_match {
            0 => {}
            1 => {
                let mut any = Bitmap::none(bits.len());
                self.should.iter().for_each(|part| any.or(&part.rows(view)));
                bits.and(&any);
            }
            least => {
                let mut counts = vec![0u32; bits.len()];
                for part in &self.should {
                    part.rows(view).ones().for_each(|row| counts[row as usize] += 1);
                }
                (0..bits.len()).filter(|row| (counts[*row] as usize) < least).for_each(|row| bits.clear(row));
            }
        }
        bits
    }

    fn scores(&self, view: &View) -> Scores {
        let mut sums = vec![0f64; view.chunk.rows()];
        for part in &self.must {
            let scores = part.scores(view);
            sums.iter_mut().enumerate().for_each(|(row, sum)| *sum += f64::from(scores.get(row as u32)));
        }
        for part in &self.should {
            let scores = part.scores(view);
            part.rows(view).ones().for_each(|row| sums[row as usize] += f64::from(scores.get(row)));
        }
        Scores::Rows(sums.iter().map(|sum| *sum as f32 * self.boost).collect())
    }
}
