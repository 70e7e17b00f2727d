//! Something that fails every second, told when it begins and when it is over: a full disk is not filled further by its log.

use std::fmt::Display;

/// Failures of one trouble that are told.
const TOLD_MAX: usize = 8;

/// What fails, and whether that was told.
pub(crate) struct Trouble {
    what: &'static str,
    /// What was told since it began, [`TOLD_MAX`] at most: what fails may say now this and now that.
    told: Vec<String>,
}

impl Trouble {
    /// Of something that goes well so far; `what` is the sentence to tell.
    pub(crate) fn of(what: &'static str) -> Self {
        Self { what, told: Vec::new() }
    }

    /// Notes how it went this time. Each failure is told once until it is over.
    pub(crate) fn note<E: Display>(&mut self, went: Result<(), E>) {
        match went {
            Ok(()) if self.told.is_empty() => {}
            Ok(()) => {
                tracing::warn!("this is over: {}", self.what);
                self.told.clear();
            }
            Err(error) => {
                let error = error.to_string();
                if self.told.len() < TOLD_MAX && !self.told.contains(&error) {
                    tracing::error!(%error, "{}; this is told once until it is over", self.what);
                    self.told.push(error);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_remembered_until_it_is_over() {
        let mut trouble = Trouble::of("it failed");
        for (went, told) in [
            (Ok(()), 0),
            (Err("full"), 1),
            (Err("full"), 1),
            (Err("gone"), 2),
            (Err("full"), 2),
            (Ok(()), 0),
            (Err("full"), 1),
        ] {
            trouble.note(went);
            assert_eq!(trouble.told.len(), told);
        }
        (0..100).for_each(|number| trouble.note(Err(number)));
        assert_eq!(trouble.told.len(), TOLD_MAX);
    }
}
