//! What users complain about, each a test, and the bounds of every decision.

use crate::scaling::simulate::{PlantOptions, SLOTS_FOR_NOTHING, Trace, contenders, run};
use crate::scaling::{
    ApplicationSeen, Bounds, Cause, JointRule, Memory, Observation, Policy, Rule, ShardSeen, Step, StreamSeen, Usl,
    Verdict, decide,
};

fn policy(bounds: Bounds) -> Policy {
    let law = Usl { c: 2_000.0, sigma: 0.0, kappa: 0.0 };
    Policy { rule: Rule::Joint(JointRule { capacity: Some(law), ..JointRule::default() }), bounds, ..Policy::default() }
}

fn application(parallelism: u32, records_in: f64, backlog: f64) -> ApplicationSeen {
    let busy = (records_in / (2_000.0 * f64::from(parallelism))).min(1.0);
    ApplicationSeen { parallelism, per_kpu: 1, records_in, backlog, busy, cpu: busy, ..ApplicationSeen::default() }
}

fn stream(shards: &[(f64, f64)]) -> StreamSeen {
    let shard = |(number, (records, throttled)): (usize, &(f64, f64))| ShardSeen {
        number: number as u32,
        records: *records,
        bytes: records * 460.0,
        throttled: *throttled,
        ..ShardSeen::default()
    };
    StreamSeen { shards: shards.iter().enumerate().map(shard).collect(), ..StreamSeen::default() }
}

/// Lets the same second pass so often, and gives back the first verdict that does or refuses something.
fn first(policy: &Policy, seconds: u64, seen: impl Fn(u64) -> Observation) -> Option<(u64, Verdict)> {
    let mut memory = Memory::default();
    for second in 0..seconds {
        let (verdict, next) = decide(&Observation { now_ms: second * 1_000, ..seen(second) }, policy, memory);
        memory = next;
        if verdict.account.is_some() {
            return Some((second, verdict));
        }
    }
    None
}

fn of_application(seen: ApplicationSeen) -> Observation {
    Observation { application: Some(seen), ..Observation::default() }
}

fn of_stream(seen: StreamSeen) -> Observation {
    Observation { stream: Some(seen), ..Observation::default() }
}

#[test]
fn one_step_is_enough_where_one_was_needed_however_long_the_change_takes() {
    for reshard_s in [2.0, 30.0, 120.0] {
        let options = PlantOptions { reshard_s, seconds: 7_200, ..PlantOptions::default() };
        let report = run(Trace::Doubling, &contenders(&options)[0], &options);
        assert_eq!((report.largest.1, report.settled_steps.is_some_and(|steps| steps <= 2)), (16, true), "{report:?}");
    }
}

#[test]
fn a_step_that_is_only_told_is_not_missed_afterwards() {
    // Somebody takes another, smaller step by hand, which gains less than the one that was told would have.
    let refused = |dry_run: bool| {
        let policy = Policy { dry_run, ..policy(Bounds::default()) };
        let (mut memory, mut refused) = (Memory::default(), 0);
        for second in 0..120_u64 {
            let (parallelism, rate) = if second < 30 { (1, 2_000.0) } else { (2, 2_100.0) };
            let seen = of_application(application(parallelism, rate, 1_000.0 * second as f64));
            let (verdict, next) = decide(&Observation { now_ms: second * 1_000, ..seen }, &policy, memory);
            memory = next;
            refused += u32::from(verdict.refusal.is_some_and(|refusal| refusal.text.contains("gained less than")));
        }
        refused
    };
    assert_eq!(refused(true), 0);
    assert!(refused(false) > 0);
}

#[test]
fn there_are_not_a_hundred_shards_after_twenty_minutes_of_producers_that_send_again() {
    let options = PlantOptions { reshard_s: 60.0, seconds: 3_000, ..PlantOptions::default() };
    let report = run(Trace::Doubling, &contenders(&options)[0], &options);
    assert!(report.largest.1 <= 32, "{report:?}");
}

#[test]
fn a_day_has_less_than_twenty_changes_where_each_costs_twenty_seconds() {
    let options = PlantOptions { pause_s: 20.0, ..PlantOptions::default() };
    let report = run(Trace::TaxiDay, &contenders(&options)[0], &options);
    assert!(report.steps <= 24, "{report:?}");
    let quiet = run(Trace::Steady, &contenders(&options)[0], &options);
    assert!(quiet.steps <= 1, "{quiet:?}");
}

#[test]
fn the_lag_of_a_stream_is_that_of_its_slowest_shard() {
    let mut seen = stream(&[(10.0, 0.0), (10.0, 0.0), (10.0, 0.0)]);
    for (shard, age_ms) in seen.shards.iter_mut().zip([400.0, 700.0, 500.0]) {
        shard.age_ms = age_ms;
    }
    assert_eq!(seen.age_ms(), 700.0);
}

#[test]
fn it_never_goes_down_while_it_catches_up() {
    // What comes would do with one slot of eight, and a backlog is being worked off for half an hour.
    let backlog = |second: u64| 30e6 - 14_000.0 * second as f64;
    let seen = |second| of_application(application(8, 16_000.0, backlog(second)));
    let found = first(&policy(Bounds { parallelism_max: 8, ..Bounds::default() }), 1_800, seen);
    assert!(found.is_none(), "{found:?}");
}

#[test]
fn it_goes_down_once_nothing_waited_for_long_enough() {
    let found = first(&policy(Bounds::default()), 600, |_| of_application(application(8, 2_500.0, 0.0)));
    let (second, verdict) = found.unwrap();
    assert!(second >= 60, "{second}");
    assert_eq!(verdict.steps, [Step::Scale { parallelism: 2, per_kpu: 1 }]);
}

#[test]
fn bytes_that_fill_a_shard_count_as_much_as_records() {
    let mut seen = stream(&[(400.0, 100.0); 4]);
    seen.shards.iter_mut().for_each(|shard| shard.bytes = 1_048_000.0);
    let (_, verdict) = first(&policy(Bounds::default()), 10, |_| of_stream(seen.clone())).unwrap();
    // 4 · 1.31 MB are offered, refused records included.
    assert_eq!(verdict.steps, [Step::Shards(7)]);
}

#[test]
fn only_hot_ranges_are_split_where_the_stream_has_room() {
    let seen = stream(&[(200.0, 0.0), (1_000.0, 300.0), (200.0, 0.0), (200.0, 0.0), (100.0, 0.0)]);
    let (_, verdict) = first(&policy(Bounds::default()), 10, |_| of_stream(seen.clone())).unwrap();
    assert_eq!(verdict.steps, [Step::Split(vec![1])]);
}

#[test]
fn a_key_that_fills_a_shard_is_not_split() {
    let mut seen = stream(&[(1_000.0, 900.0), (200.0, 0.0), (200.0, 0.0)]);
    seen.shards[0].hot_key_share = Some(0.9);
    let (_, verdict) = first(&policy(Bounds::default()), 10, |_| of_stream(seen.clone())).unwrap();
    assert_eq!((verdict.steps.len(), verdict.refusal.map(|refusal| refusal.cause)), (0, Some(Cause::HotShard)));
}

#[test]
fn changes_that_are_counted_are_not_spent_on_single_shards() {
    let mut seen = stream(&[(990.0, 20.0); 20]);
    seen.resizes_left = Some(9);
    let (_, verdict) = first(&policy(Bounds::default()), 10, |_| of_stream(seen.clone())).unwrap();
    assert!(matches!(verdict.steps[..], [Step::Shards(shards)] if shards >= 25), "{verdict:?}");
    seen.resizes_left = Some(0);
    let (_, verdict) = first(&policy(Bounds::default()), 10, |_| of_stream(seen.clone())).unwrap();
    assert!(matches!(&verdict.steps[..], [Step::Split(shards)] if !shards.is_empty()), "{verdict:?}");
    assert!(verdict.account.unwrap().bounded[0].contains("used up"));
    // Nor are the last ones spent on fewer shards.
    let mut idle = stream(&[(10.0, 0.0); 20]);
    idle.resizes_left = Some(3);
    assert_eq!(first(&policy(Bounds::default()), 8_000, |_| of_stream(idle.clone())), None);
}

#[test]
fn slots_and_shards_go_up_together() {
    let seen = |_| Observation {
        stream: Some(stream(&[(1_000.0, 700.0); 4])),
        application: Some(application(2, 3_900.0, 500.0)),
        ..Observation::default()
    };
    // What comes is more than the application can do: it goes up at once; the shards once the second full second is seen.
    let mut memory = Memory::default();
    let mut steps = Vec::new();
    for second in 0..3 {
        let (verdict, next) =
            decide(&Observation { now_ms: second * 1_000, ..seen(second) }, &policy(Bounds::default()), memory);
        memory = next;
        steps.extend(verdict.steps);
    }
    assert!(steps.contains(&Step::Shards(8)), "{steps:?}");
    assert!(steps.iter().any(|step| matches!(step, Step::Scale { parallelism, .. } if *parallelism >= 3)), "{steps:?}");
}

#[test]
fn bounds_hold_whatever_is_wanted() {
    let flood = |_| Observation {
        stream: Some(stream(&[(1_000.0, 9_000.0); 4])),
        application: Some(application(4, 8_000.0, 90_000.0)),
        ..Observation::default()
    };
    let steps = |bounds: Bounds| {
        let mut memory = Memory::default();
        let mut steps = Vec::new();
        for second in 0..5 {
            let seen = Observation { now_ms: second * 1_000, ..flood(second) };
            let (verdict, next) = decide(&seen, &policy(bounds.clone()), memory);
            memory = next;
            steps.extend(verdict.steps);
        }
        steps
    };
    let wide = steps(Bounds::default());
    assert!(wide.contains(&Step::Shards(8)), "at most twice as many: {wide:?}");
    let narrow = steps(Bounds { shards_max: 5, kpus_max: 6, ..Bounds::default() });
    assert!(
        narrow.contains(&Step::Shards(5)) && narrow.contains(&Step::Scale { parallelism: 6, per_kpu: 1 }),
        "{narrow:?}"
    );
    // 4 shards and 4 + 1 KPUs cost 0.61 USD; one more KPU is within the cap, a second one is not.
    let capped = steps(Bounds { cost_per_hour_max: Some(0.75), ..Bounds::default() });
    assert!(
        capped.iter().all(|step| matches!(step, Step::Scale { parallelism: 5, .. } | Step::Shards(_))),
        "{capped:?}"
    );
    assert_eq!(steps(Bounds { cost_per_hour_max: Some(0.61), ..Bounds::default() }), []);
}

#[test]
fn a_size_outside_the_bounds_is_brought_within_them() {
    let bounds = Bounds { parallelism_min: 3, parallelism_max: 6, shards_min: 4, ..Bounds::default() };
    let seen = |parallelism| Observation {
        stream: Some(stream(&[(10.0, 0.0); 3])),
        application: Some(application(parallelism, 10.0, 0.0)),
        ..Observation::default()
    };
    for (parallelism, wanted) in [(1, 3), (9, 6)] {
        let (_, verdict) = first(&policy(bounds.clone()), 1, |_| seen(parallelism)).unwrap();
        assert_eq!(verdict.steps, [Step::Shards(4), Step::Scale { parallelism: wanted, per_kpu: 1 }]);
    }
    let (verdict, _) = decide(&of_application(application(5, 10.0, 0.0)), &policy(bounds), Memory::default());
    assert_eq!(verdict.steps, []);
}

#[test]
fn memory_is_a_need_of_its_own() {
    let heavy = ApplicationSeen { state_bytes: 9.0e9, ..application(1, 100.0, 0.0) };
    let (_, verdict) = first(&policy(Bounds::default()), 10, |_| of_application(heavy.clone())).unwrap();
    assert_eq!(verdict.steps, [Step::Scale { parallelism: 3, per_kpu: 1 }]);
}

#[test]
fn a_decision_tells_its_inputs_its_formula_its_price_and_what_would_have_happened_otherwise() {
    let (_, verdict) =
        first(&policy(Bounds::default()), 10, |_| of_application(application(2, 4_000.0, 9_000.0))).unwrap();
    let account = verdict.account.unwrap();
    assert!(account.reason.contains("of what parallelism 2 works off"), "{account:?}");
    assert!(account.formula.starts_with("D = ") && account.formula.contains("p* = min p: X⁻(p) ≥ D"), "{account:?}");
    assert!(
        account.inputs["application"]["backlog"].is_number() && account.inputs["application"]["law"]["c"].is_number()
    );
    assert!(account.price_per_hour.1 > account.price_per_hour.0 && !account.otherwise.is_empty(), "{account:?}");
    assert!(account.expected_rate.is_some_and(|rate| rate > 4_000.0));
}

#[test]
fn a_refusal_is_told_once() {
    let options = PlantOptions { seconds: 3_600, ..PlantOptions::default() };
    let contender = contenders(&options).remove(0);
    let trace = Trace::ALL.into_iter().find(|trace| trace.name() == "slow-sink").unwrap();
    let report = run(trace, &contender, &options);
    assert_eq!((report.refused, report.largest.0), (vec![Cause::SlowSink], SLOTS_FOR_NOTHING));
}
