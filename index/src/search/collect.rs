//! Keeping the best hits of a search.

use super::matcher::Scores;
use super::sort::SortPlan;
use crate::table::View;

/// A hit that may be among the best.
#[derive(Debug, Clone)]
pub(crate) struct Candidate {
    /// One number per sort key, the least first.
    pub(crate) keys: Vec<i64>,
    /// The view that holds it, and its row there: also the order of hits with equal keys.
    pub(crate) view: u32,
    pub(crate) row: u32,
    pub(crate) score: f32,
}

impl Candidate {
    fn order(&self) -> (&[i64], u32, u32) {
        (&self.keys, self.view, self.row)
    }
}

/// The best `limit` hits so far.
pub(crate) struct Best {
    limit: usize,
    kept: Vec<Candidate>,
    /// When there are more than enough: the last that is still good enough.
    bar: Option<Candidate>,
}

impl Best {
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, kept: Vec::new(), bar: None }
    }

    /// Offers the rows of a view. `after`: only those behind these keys.
    pub(crate) fn offer(
        &mut self,
        plan: &SortPlan,
        at: u32,
        view: &View,
        rows: &[u32],
        scores: &Scores,
        after: Option<&[i64]>,
    ) {
        if self.limit == 0 {
            return;
        }
        let mut columns: Vec<Vec<i64>> = vec![Vec::new(); plan.len()];
        for (key, column) in columns.iter_mut().enumerate() {
            plan.keys(key, view, rows, |row| scores.get(row), column);
        }
        for (i, row) in rows.iter().enumerate() {
            let keys = || columns.iter().map(|c| c[i]);
            if after.is_some_and(|after| keys().le(after.iter().copied())) {
                continue;
            }
            if let Some(bar) = &self.bar
                && keys().gt(bar.keys.iter().copied())
            {
                continue;
            }
            self.kept.push(Candidate { keys: keys().collect(), view: at, row: *row, score: scores.get(*row) });
            if self.kept.len() >= self.limit.saturating_mul(2).max(1_024) {
                self.shrink();
            }
        }
    }

    fn shrink(&mut self) {
        if self.kept.len() <= self.limit {
            return;
        }
        self.kept.select_nth_unstable_by(self.limit - 1, |a, b| a.order().cmp(&b.order()));
        self.kept.truncate(self.limit);
        self.bar = self.kept.get(self.limit - 1).cloned();
    }

    /// Adds what another thread has kept.
    pub(crate) fn merge(&mut self, other: Self) {
        self.kept.extend(other.kept);
        self.shrink();
    }

    /// The best, in order.
    pub(crate) fn finish(mut self) -> Vec<Candidate> {
        self.shrink();
        self.kept.sort_unstable_by(|a, b| a.order().cmp(&b.order()));
        self.kept
    }
}
