//! The largest value of a moving window.

use std::collections::VecDeque;

/// Values that may still become the largest: each is larger than all later ones. One a second, so as many as the longest
/// window has seconds at most.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Highest(VecDeque<(u64, u32)>);

impl Highest {
    /// Adds a value.
    pub(super) fn note(&mut self, now_ms: u64, value: u32, longest_ms: u64) {
        while self.0.back().is_some_and(|(_, last)| *last <= value) {
            self.0.pop_back();
        }
        self.0.push_back((now_ms, value));
        while self.0.front().is_some_and(|(at_ms, _)| at_ms + longest_ms < now_ms) {
            self.0.pop_front();
        }
    }

    /// The largest value since `from_ms`.
    pub(super) fn since(&self, from_ms: u64) -> Option<u32> {
        self.0.iter().find(|(at_ms, _)| *at_ms >= from_ms).map(|(_, value)| *value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_is_the_largest_of_the_window(values in prop::collection::vec(0..50_u32, 1..60), window in 1..40_u64) {
            let mut highest = Highest::default();
            for (at, value) in values.iter().enumerate() {
                highest.note(at as u64, *value, 40);
            }
            let from = (values.len() as u64).saturating_sub(window);
            prop_assert_eq!(highest.since(from), values[from as usize..].iter().max().copied());
        }
    }
}
