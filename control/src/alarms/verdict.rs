//! What an alarm says about a sample: the same for what runs live and for what is tried on recorded numbers.

use super::judge::{Judgement, judge};
use super::reasons;
use super::sample::Sample;
use super::spec::{State, Watch};

/// What an alarm says.
pub(super) struct Verdict {
    sample: Sample,
    judgement: Judgement,
    /// The state that it comes to, or stays in.
    pub(super) state: State,
}

impl Verdict {
    /// What a watch that was in the state `before` says about a sample.
    pub(super) fn of(watch: &Watch, sample: Sample, before: State) -> Self {
        let values: Vec<Option<f64>> = sample.points.iter().map(|(_, value)| *value).collect();
        let judgement = judge(&watch.rule(), &values);
        let state = judgement.state.filter(|_| !sample.too_few).unwrap_or(before);
        Self { sample, judgement, state }
    }

    /// The newest value that counts; `None` where nothing was there.
    pub(super) fn newest(&self) -> Option<f64> {
        self.judgement.counted.first().and_then(|place| self.sample.points[*place].1)
    }

    /// Whether the latest period has a value.
    pub(super) fn is_measured(&self) -> bool {
        self.sample.points.last().is_some_and(|(_, value)| value.is_some())
    }

    /// Why, for people.
    pub(super) fn words(&self, watch: &Watch) -> String {
        reasons::words(watch, &self.sample, &self.judgement, self.state)
    }

    /// Why, for programs.
    pub(super) fn data(&self, watch: &Watch, now_ms: u64) -> String {
        reasons::data(watch, &self.sample, &self.judgement, now_ms).to_string()
    }
}
