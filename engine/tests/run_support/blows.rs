//! What is done to a job on its way: kills, stops, and changes of its parallelism.

use super::pause;
use engine::run::{JobHandle, JobState};
use proptest::prelude::*;
use std::ops::Range;
use std::slice::Iter;

/// Something that is done to a job, each with the parallelism that is wanted then.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Blow {
    /// It ends as a crash would end it, and another one goes on from the newest checkpoint.
    Kill(u32),
    /// Its parallelism changes while it runs.
    Rescale(u32),
    /// It is stopped, and another one goes on.
    Stop(u32),
}

/// Deals `blows`, each after so many milliseconds, until one ends the job: then gives the parallelism of the next one. `None` when
/// there are no more, and the job runs on.
pub(crate) fn deal(job: &JobHandle, blows: &mut Iter<'_, (u64, Blow)>) -> Option<u32> {
    for (after_ms, blow) in blows {
        pause(*after_ms);
        match *blow {
            Blow::Rescale(to) => match job.rescale(to) {
                Ok(rescaled) => assert_eq!(rescaled.to, to),
                Err(error) => assert!(matches!(job.state(), JobState::Finished), "{error}"),
            },
            Blow::Kill(to) => {
                job.cancel();
                return Some(to);
            }
            Blow::Stop(to) => {
                job.stop();
                job.wait().unwrap();
                return Some(to);
            }
        }
    }
    None
}

/// So many blows of every kind, each after some milliseconds.
pub(crate) fn blows(
    parallelism: Range<u32>,
    after_ms: Range<u64>,
    count: Range<usize>,
) -> impl Strategy<Value = Vec<(u64, Blow)>> {
    let blow = (0..3, parallelism).prop_map(|(kind, to)| match kind {
        0 => Blow::Kill(to),
        1 => Blow::Rescale(to),
        _ => Blow::Stop(to),
    });
    prop::collection::vec((after_ms, blow), count)
}
