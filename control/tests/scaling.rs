//! The autoscaler at work: what is decided is kept before it is done, and what became of it afterwards.
#![allow(clippy::unwrap_used, reason = "a test fails loudly")]

use control::scaling::{
    ApplicationSeen, Autoscaler, Bounds, DecisionState, KeptPolicy, Observation, Policy, Seen, Step, Steps, Subject,
};
use control::timeline::Timeline;
use control::{Database, DatabaseError};
use model::{Env, ManualClock};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

/// Takes steps, or refuses them, once it is let.
#[derive(Default)]
struct Hand {
    open: Mutex<bool>,
    changed: Condvar,
    refusal: Option<String>,
    /// Breaks off instead.
    panics: bool,
}

impl Hand {
    fn let_go(&self) {
        *self.open.lock().unwrap() = true;
        self.changed.notify_all();
    }
}

impl Steps for Hand {
    fn take(&self, _: &Subject, _: Option<&str>, _: &Step, _: &str) -> Result<(), String> {
        let open = self.open.lock().unwrap();
        drop(self.changed.wait_while(open, |open| !*open).unwrap());
        assert!(!self.panics, "a step breaks off");
        self.refusal.clone().map_or(Ok(()), Err)
    }
}

struct World {
    scaler: Arc<Autoscaler>,
    timeline: Timeline,
    hand: Arc<Hand>,
    clock: Arc<ManualClock>,
    database: Arc<Database>,
}

fn open(dir: &Path, refusal: Option<&str>) -> World {
    open_with(dir, Hand { refusal: refusal.map(str::to_owned), ..Hand::default() })
}

fn open_with(dir: &Path, hand: Hand) -> World {
    let (env, clock) = Env::manual(1_000_000, 1);
    let database = Arc::new(Database::open(&dir.join("control.db")).unwrap());
    let timeline = Timeline::open(database.clone()).unwrap();
    let hand = Arc::new(hand);
    let scaler = Autoscaler::open(database.clone(), timeline.clone(), env, hand.clone()).unwrap();
    World { scaler, timeline, hand, clock, database }
}

impl World {
    /// One second of an application that is below the least parallelism of its policy.
    fn look(&self, parallelism: u32) {
        self.try_look(parallelism).unwrap();
    }

    fn try_look(&self, parallelism: u32) -> Result<(), DatabaseError> {
        self.clock.advance_ms(1_000);
        let application = ApplicationSeen { parallelism, per_kpu: 1, ..ApplicationSeen::default() };
        let now_ms = model::Clock::now_ms(self.clock.as_ref());
        let observation = Observation { now_ms, stream: None, application: Some(application) };
        self.scaler.look(vec![Seen { subject: taxi(), stream: None, observation, by_default: false }])
    }

    /// Whether the disk takes changes.
    fn disk_takes(&self, changes: bool) {
        let set = format!("PRAGMA query_only = {}", u8::from(!changes));
        self.database.read(|sql| sql.execute_batch(&set)).unwrap();
    }

    fn policy(&self, dry_run: bool) {
        let bounds = Bounds { parallelism_min: 3, ..Bounds::default() };
        let policy = Policy { bounds, dry_run, ..Policy::default() };
        self.scaler.put_policy(KeptPolicy { id: taxi().to_string(), subject: taxi(), policy }).unwrap();
    }

    fn states(&self) -> Vec<DecisionState> {
        self.scaler.decisions(None, 10).unwrap().iter().map(|decision| decision.state).collect()
    }

    fn wait_for(&self, state: DecisionState) {
        for _ in 0..500 {
            if self.states().first() == Some(&state) {
                return;
            }
            std::thread::park_timeout(Duration::from_millis(10));
        }
        panic!("{:?} never became {state:?}", self.states());
    }
}

fn taxi() -> Subject {
    Subject::Application("taxi".to_owned())
}

#[test]
fn a_decision_is_kept_before_it_is_done_and_no_second_one_is_made_meanwhile() {
    let dir = tempfile::tempdir().unwrap();
    let world = open(dir.path(), None);
    world.policy(false);
    (0..3).for_each(|_| world.look(1));
    assert_eq!(world.states(), [DecisionState::Acting], "kept, and not done yet");
    world.hand.let_go();
    world.wait_for(DecisionState::Done);
    world.clock.advance_ms(40_000);
    world.look(3);
    let decision = world.scaler.decisions(Some(&taxi()), 1).unwrap().remove(0);
    assert_eq!(decision.steps, [Step::Scale { parallelism: 3, per_kpu: 1 }]);
    assert_eq!(decision.outcome.unwrap()["application"]["parallelism"], 3, "measured afterwards");
    let told = world.timeline.between(0, u64::MAX, 10).unwrap();
    assert!(told[0].kind == "scaling" && told[0].text.starts_with("scaled to parallelism 3"), "{told:?}");
}

#[test]
fn a_step_that_is_not_taken_is_told_and_not_tried_again_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let world = open(dir.path(), Some("the runner refuses"));
    world.policy(false);
    world.hand.let_go();
    world.look(1);
    world.wait_for(DecisionState::Failed);
    (0..20).for_each(|_| world.look(1));
    let decisions = world.scaler.decisions(None, 10).unwrap();
    assert_eq!((decisions.len(), decisions[0].error.as_deref()), (1, Some("the runner refuses")));
    (0..15).for_each(|_| world.look(1));
    assert_eq!(world.states().len(), 2, "half a minute later it is");
}

#[test]
fn whoever_asks_at_the_same_time_only_one_takes_steps() {
    for _ in 0..5 {
        let dir = tempfile::tempdir().unwrap();
        let world = open(dir.path(), None);
        world.policy(true);
        world.look(3);
        world.policy(false);
        let kept = world.scaler.policies().remove(0);
        let together = std::sync::Barrier::new(5);
        let orders: Vec<_> = std::thread::scope(|scope| {
            let order = || {
                together.wait();
                world.scaler.order(&kept, 5, "somebody wants more").map_err(|error| error.to_string())
            };
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(order)).collect();
            together.wait();
            world.look(1);
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(world.states(), [DecisionState::Acting], "{orders:?}");
        let refused = orders.iter().filter_map(|order| order.as_ref().err());
        refused.for_each(|error| assert!(error.contains("application/taxi is being changed"), "{error}"));
        world.hand.let_go();
        world.wait_for(DecisionState::Done);
    }
}

#[test]
fn a_step_that_breaks_off_is_told_and_holds_nobody_up_for_good() {
    let dir = tempfile::tempdir().unwrap();
    let world = open_with(dir.path(), Hand { panics: true, ..Hand::default() });
    world.policy(false);
    world.hand.let_go();
    world.look(1);
    world.wait_for(DecisionState::Failed);
    let decision = world.scaler.decisions(None, 1).unwrap().remove(0);
    assert!(decision.error.as_ref().is_some_and(|error| error.contains("broke off")), "{decision:?}");
    (0..35).for_each(|_| world.look(1));
    assert_eq!(world.states().len(), 2, "half a minute later it is tried again");
}

#[test]
fn a_dry_run_tells_once_and_does_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let world = open(dir.path(), Some("nothing may be done"));
    world.policy(true);
    world.hand.let_go();
    (0..5).for_each(|_| world.look(1));
    assert_eq!(world.states(), [DecisionState::DryRun]);
    world.look(2);
    assert_eq!(world.states().len(), 1, "it is the same size that is wanted");
}

#[test]
fn decisions_and_policies_stay() {
    let dir = tempfile::tempdir().unwrap();
    {
        let world = open(dir.path(), None);
        world.policy(true);
        world.look(1);
        assert_eq!(world.states().len(), 1);
    }
    let again = open(dir.path(), None);
    assert_eq!((again.states().len(), again.scaler.policies().len()), (1, 1));
    assert!(again.scaler.remove_policy("application/none").unwrap_err().to_string().contains("no scaling policy"));
}

#[test]
fn what_a_full_disk_does_not_take_is_not_done_and_decided_once_there_is_room() {
    for dry_run in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let world = open(dir.path(), None);
        world.policy(dry_run);
        world.hand.let_go();
        world.disk_takes(false);
        for _ in 0..3 {
            assert!(world.try_look(1).is_err());
        }
        assert_eq!(world.states(), []);
        world.disk_takes(true);
        world.look(1);
        let expected = if dry_run { DecisionState::DryRun } else { DecisionState::Done };
        world.wait_for(expected);
        assert_eq!(world.states(), [expected], "once");
    }
}

#[test]
fn the_end_and_the_outcome_of_a_decision_wait_for_room_on_the_disk() {
    let dir = tempfile::tempdir().unwrap();
    let world = open(dir.path(), None);
    world.policy(false);
    world.look(1);
    assert_eq!(world.states(), [DecisionState::Acting]);
    world.disk_takes(false);
    world.hand.let_go();
    // The end has come when the disk is asked for it again.
    let refused = (0..500).any(|_| {
        std::thread::park_timeout(Duration::from_millis(10));
        world.try_look(3).is_err()
    });
    assert!(refused && world.states() == [DecisionState::Acting]);
    world.disk_takes(true);
    world.look(3);
    assert_eq!(world.states(), [DecisionState::Done]);
    world.clock.advance_ms(40_000);
    world.disk_takes(false);
    assert!(world.try_look(3).is_err(), "the outcome is not kept");
    world.disk_takes(true);
    world.look(3);
    let decision = world.scaler.decisions(None, 1).unwrap().remove(0);
    assert_eq!(decision.outcome.unwrap()["application"]["parallelism"], 3, "and was not forgotten");
}
