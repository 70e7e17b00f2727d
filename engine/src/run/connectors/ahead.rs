//! Reading ahead, away from the engine's threads: of each split the next block is read while the last one is worked on.

use super::storage::Away;
use crate::port::{PortError, SplitRead, SplitReader, Wakers};
use crossbeam_channel::{Receiver, TryRecvError, bounded};
use model::Kind;
use std::sync::Arc;

/// What readers of one source share.
#[derive(Clone)]
pub(super) struct Ahead {
    pub(super) away: Away,
    pub(super) wakers: Arc<Wakers>,
}

type Answer = (Box<dyn SplitReader>, Result<SplitRead, PortError>);

/// A reader whose reads happen elsewhere. One block is held, and none is asked for before the first read.
pub(super) struct AheadReader {
    ahead: Ahead,
    state: State,
}

enum State {
    /// Nothing is asked for.
    Rests(Box<dyn SplitReader>),
    /// A read is under way, or done and not taken.
    Reads(Receiver<Answer>),
    /// Nothing comes any more.
    Ended,
}

impl AheadReader {
    /// Reads of `reader`, which is one that waits.
    pub(super) fn new(reader: Box<dyn SplitReader>, ahead: Ahead) -> Self {
        Self { ahead, state: State::Rests(reader) }
    }

    fn begin(&mut self, mut reader: Box<dyn SplitReader>, bytes_max: usize) -> State {
        let (sender, receiver) = bounded(1);
        let wakers = self.ahead.wakers.clone();
        (self.ahead.away)(Box::new(move || {
            let read = reader.read(bytes_max);
            // Nobody takes it where the job has ended meanwhile.
            let _ = sender.send((reader, read));
            wakers.wake();
        }));
        State::Reads(receiver)
    }
}

impl SplitReader for AheadReader {
    fn read(&mut self, bytes_max: usize) -> Result<SplitRead, PortError> {
        let receiver = match std::mem::replace(&mut self.state, State::Ended) {
            State::Rests(reader) => {
                self.state = self.begin(reader, bytes_max);
                return Ok(SplitRead::Later);
            }
            State::Reads(receiver) => receiver,
            State::Ended => return Ok(SplitRead::End),
        };
        match receiver.try_recv() {
            Ok((reader, Ok(read))) => {
                if !matches!(read, SplitRead::End) {
                    self.state = self.begin(reader, bytes_max);
                }
                Ok(read)
            }
            Ok((reader, Err(error))) => {
                self.state = State::Rests(reader);
                Err(error)
            }
            Err(TryRecvError::Empty) => {
                self.state = State::Reads(receiver);
                Ok(SplitRead::Later)
            }
            Err(TryRecvError::Disconnected) => {
                Err(PortError::new(Kind::Internal, "a read ahead has ended without an answer"))
            }
        }
    }

    fn millis_behind_latest(&self) -> Option<u64> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::port::PayloadBlock;
    use bytes::Bytes;
    use model::Position;
    use parking_lot::Mutex;
    use std::sync::atomic::{AtomicU64, Ordering};

    /// Gives so many blocks, then fails or ends.
    struct Blocks(u64, bool);

    impl SplitReader for Blocks {
        fn read(&mut self, bytes_max: usize) -> Result<SplitRead, PortError> {
            if self.0 == 0 {
                return if self.1 { Err(PortError::new(Kind::Unavailable, "gone")) } else { Ok(SplitRead::End) };
            }
            self.0 -= 1;
            let (data, next) = (Bytes::from(vec![0; bytes_max]), Position(self.0).into());
            Ok(SplitRead::Payloads(PayloadBlock { data, rows: Vec::new(), first: Position(self.0), next }))
        }

        fn millis_behind_latest(&self) -> Option<u64> {
            None
        }
    }

    type Jobs = Arc<Mutex<Vec<Box<dyn FnOnce() + Send>>>>;

    fn reader(blocks: Blocks) -> (AheadReader, Jobs, Arc<AtomicU64>, Box<dyn Send>) {
        let (jobs, woken, wakers): (Jobs, Arc<AtomicU64>, Arc<Wakers>) = <_>::default();
        let (kept, count) = (jobs.clone(), woken.clone());
        let subscription = wakers.add(Arc::new(move || {
            count.fetch_add(1, Ordering::Relaxed);
        }));
        let away: Away = Arc::new(move |job| kept.lock().push(job));
        (AheadReader::new(Box::new(blocks), Ahead { away, wakers }), jobs, woken, Box::new(subscription))
    }

    fn work(jobs: &Jobs) -> usize {
        let taken = std::mem::take(&mut *jobs.lock());
        let count = taken.len();
        taken.into_iter().for_each(|job| job());
        count
    }

    #[test]
    fn one_block_is_read_ahead_and_its_reader_is_woken() {
        let (mut ahead, jobs, woken, _subscription) = reader(Blocks(2, false));
        assert_eq!(jobs.lock().len(), 0, "nothing is read before it is asked for");
        assert!(matches!(ahead.read(8).unwrap(), SplitRead::Later));
        assert!(matches!(ahead.read(8).unwrap(), SplitRead::Later), "one read at a time");
        assert_eq!((work(&jobs), woken.load(Ordering::Relaxed)), (1, 1));
        assert!(matches!(ahead.read(8).unwrap(), SplitRead::Payloads(block) if block.first == Position(1)));
        assert_eq!(work(&jobs), 1, "the next one is under way");
        assert!(matches!(ahead.read(8).unwrap(), SplitRead::Payloads(block) if block.first == Position(0)));
        assert!(matches!(ahead.read(8).unwrap(), SplitRead::Later));
        assert_eq!(work(&jobs), 1);
        for _ in 0..2 {
            assert!(matches!(ahead.read(8).unwrap(), SplitRead::End));
        }
        assert!(jobs.lock().is_empty());
    }

    #[test]
    fn failures_are_told_and_a_job_that_never_answers_is_one() {
        let (mut ahead, jobs, _, _subscription) = reader(Blocks(0, true));
        assert!(matches!(ahead.read(8).unwrap(), SplitRead::Later));
        work(&jobs);
        assert_eq!(ahead.read(8).unwrap_err().kind, Kind::Unavailable);
        assert!(matches!(ahead.read(8).unwrap(), SplitRead::Later), "it may be tried again");
        jobs.lock().clear();
        assert_eq!(ahead.read(8).unwrap_err().kind, Kind::Internal);
    }
}
