//! What a job cannot use is kept whole, and durable before a checkpoint passes.
#![allow(clippy::unwrap_used, missing_docs, reason = "for tests alone")]

mod run_support;

use engine::port::{DeadLetter, DeadLetters, PortError};
use engine::run::{JobOptions, JobState};
use model::Kind;
use run_support::{Hands, Index, Kept, Memory, counts, event, until};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

#[derive(Clone, Default)]
struct Letters {
    waiting: Arc<Mutex<Vec<DeadLetter>>>,
    durable: Arc<Mutex<Vec<DeadLetter>>>,
    broken: Arc<AtomicBool>,
}

impl DeadLetters for Letters {
    fn keep(&self, letter: DeadLetter) -> Result<(), PortError> {
        self.waiting.lock().unwrap().push(letter);
        Ok(())
    }

    fn flush(&self) -> Result<(), PortError> {
        if self.broken.load(Ordering::SeqCst) {
            return Err(PortError::new(Kind::Unavailable, "the letters' disk is full"));
        }
        self.durable.lock().unwrap().append(&mut self.waiting.lock().unwrap());
        Ok(())
    }
}

fn options(hands: &Hands, letters: &Letters, kept: &Kept, parallelism: u32) -> JobOptions {
    JobOptions {
        parallelism: Some(parallelism),
        dead_letters: Some(Arc::new(letters.clone())),
        checkpointing: kept.every(5),
        ..hands.options()
    }
}

#[test]
fn bad_records_and_late_rows_are_kept_whole() {
    for parallelism in [1, 3] {
        let (memory, index, letters, kept) =
            (Memory::unbounded(1), Index::default(), Letters::default(), Kept::default());
        let hands = Hands::default().source("events", &memory).index("counts", &index);
        let job = hands.try_start(&counts(), options(&hands, &letters, &kept, parallelism)).unwrap();
        let long = format!("{{\"ts\":\"{}", "x".repeat(100_000));
        memory.push(0, [event(1_000, "a", 1), long.clone(), event(60_000, "a", 2)]);
        until("the first window", || !index.rows().is_empty());
        memory.push(0, [event(2_000, "b", 3), event(12_000, "b", 4), event(61_000, "a", 5)]);
        until("all letters", || letters.durable.lock().unwrap().len() == 3);
        let found = letters.durable.lock().unwrap().clone();
        let bad = found.iter().find(|l| l.late.is_none()).unwrap();
        assert_eq!((bad.place.as_str(), bad.split.as_str(), bad.position), ("events", "split-0", 1));
        assert_eq!(bad.payload, long.into_bytes(), "the record is whole");
        let mut late: Vec<_> =
            found.iter().filter_map(|l| Some((l.late?, String::from_utf8_lossy(&l.payload)))).collect();
        late.sort();
        assert_eq!(late.iter().map(|l| l.0).collect::<Vec<_>>(), [Some(10_000), Some(20_000)]);
        assert!(late[0].1.contains("\"k\":\"b\"") && late[0].1.contains("\"v\":3"), "{}", late[0].1);
        assert_eq!(job.metrics().late_windows, [(10_000, 1), (20_000, 1)]);
        assert_eq!((job.metrics().late, job.metrics().bad), (2, 1));
        job.stop();
        job.wait().unwrap();
    }
}

#[test]
fn no_checkpoint_passes_what_is_not_kept() {
    let (memory, index, letters, kept) = (Memory::unbounded(1), Index::default(), Letters::default(), Kept::default());
    let hands = Hands::default().source("events", &memory).index("counts", &index);
    let job = hands.try_start(&counts(), options(&hands, &letters, &kept, 1)).unwrap();
    memory.push(0, [event(1_000, "a", 1)]);
    until("a checkpoint", || job.metrics().records_in == 1 && job.checkpoints().completed > 2);
    letters.broken.store(true, Ordering::SeqCst);
    memory.push(0, ["{".to_owned()]);
    until("the failure", || matches!(job.state(), JobState::Failed(_)));
    let JobState::Failed(error) = job.state() else { panic!("it runs") };
    assert!(error.to_string().contains("the letters' disk is full"), "{error}");
    drop(job);
    letters.broken.store(false, Ordering::SeqCst);
    letters.waiting.lock().unwrap().clear();
    let job = hands.try_start(&counts(), options(&hands, &letters, &kept, 1)).unwrap();
    until("the letter, once more", || letters.durable.lock().unwrap().len() == 1);
    job.stop();
    job.wait().unwrap();
}
