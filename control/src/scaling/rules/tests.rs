//! The rules of others, each beside what its own documentation says.

use super::{
    Adjustment, AdjustmentKind, Aggregation, Figure, ManagedRule, OperatorRule, StepRule, TrackingRule, adjusted,
};
use crate::scaling::{ApplicationSeen, Memory, Observation, Policy, Rule, ShardSeen, Step, StreamSeen, decide};

/// The minutes at which the parallelism changes, and to what; each change is made at once.
fn course(rule: Rule, minutes: u64, mut seen: impl FnMut(u64, u32) -> ApplicationSeen) -> Vec<(u64, u32)> {
    let policy = Policy { rule, ..Policy::default() };
    let (mut memory, mut parallelism, mut changes) = (Memory::default(), 4, Vec::new());
    for second in 0..minutes * 60 {
        let application = ApplicationSeen { parallelism, per_kpu: 1, ..seen(second / 60, parallelism) };
        let observation = Observation { now_ms: second * 1_000, application: Some(application), stream: None };
        let (verdict, next) = decide(&observation, &policy, memory);
        memory = next;
        for step in verdict.steps {
            if let Step::Scale { parallelism: next, .. } = step {
                parallelism = next;
                changes.push((second / 60, next));
            }
        }
    }
    changes
}

fn cpu(part: f64) -> ApplicationSeen {
    ApplicationSeen { cpu: part, ..ApplicationSeen::default() }
}

#[test]
fn the_managed_rule_doubles_after_fifteen_minutes_and_halves_after_six_hours() {
    let managed = || Rule::Managed(ManagedRule { configured_parallelism: 2 });
    assert_eq!(course(managed(), 31, |_, _| cpu(0.76)), [(15, 8), (30, 16)]);
    assert_eq!(course(managed(), 40, |minute, _| cpu(if minute % 15 == 7 { 0.7 } else { 0.9 })), []);
    assert_eq!(course(managed(), 800, |_, _| cpu(0.05)), [(360, 2)], "never below what was configured");
    assert_eq!(course(managed(), 800, |_, _| cpu(0.5)), []);
}

#[test]
fn the_operators_formula_takes_backlog_restart_and_use_into_account() {
    let rule = OperatorRule {
        catch_up_s: 60.0,
        restart_s: 30.0,
        window_s: 60,
        stabilization_s: 60,
        ..OperatorRule::default()
    };
    let busy = |_: u64, _: u32| ApplicationSeen { records_in: 4_000.0, busy: 1.0, ..ApplicationSeen::default() };
    // ceil(4 · (4000 · 30/60 + 4000/0.7) / 4000) = ceil(7.71)
    assert_eq!(course(Rule::Operator(rule.clone()), 1, busy), [(0, 8)]);
    let idle = |_: u64, _: u32| ApplicationSeen { records_in: 400.0, busy: 0.1, ..ApplicationSeen::default() };
    // ceil(4 · (200 + 571) / 4000) = 1, but one step leaves two fifths.
    let down = course(Rule::Operator(OperatorRule { down_after_s: 0, ..rule.clone() }), 2, idle);
    assert_eq!(down.first(), Some(&(0, 2)));
    let fits = |_: u64, _: u32| ApplicationSeen { records_in: 2_800.0, busy: 0.7, ..ApplicationSeen::default() };
    assert_eq!(course(Rule::Operator(OperatorRule { catch_up_s: 0.0, ..rule }), 30, fits), []);
}

fn tracking(disable_in: bool) -> Rule {
    let figure = Figure::BehindLatest;
    Rule::Tracking(TrackingRule { figure, target: 60_000.0, out_cooldown_s: 300, in_cooldown_s: 300, disable_in })
}

#[test]
fn tracking_goes_out_after_three_minutes_and_in_after_fifteen() {
    let lag = |age_ms: f64| move |_: u64, _: u32| ApplicationSeen { age_ms, ..ApplicationSeen::default() };
    assert_eq!(course(tracking(false), 9, lag(90_000.0)), [(3, 6), (8, 9)], "five minutes of cooldown");
    assert_eq!(course(tracking(false), 20, lag(30_000.0)), [(15, 2)]);
    assert_eq!(course(tracking(true), 60, lag(30_000.0)), [], "never in");
    assert_eq!(course(tracking(false), 60, lag(57_000.0)), [], "between nine tenths of the target and the target");
}

#[test]
fn steps_are_chosen_and_rounded_as_documented() {
    use AdjustmentKind::{ChangeInCapacity, ExactCapacity, PercentChangeInCapacity};
    let step = |lower: Option<f64>, upper: Option<f64>, amount| Adjustment { lower, upper, amount };
    let up = [step(Some(0.0), Some(10.0), 0), step(Some(10.0), Some(20.0), 10), step(Some(20.0), None, 30)];
    let down = [step(Some(-10.0), Some(0.0), 0), step(Some(-20.0), Some(-10.0), -10), step(None, Some(-20.0), -30)];
    let percent = |capacity, beyond, steps: &[Adjustment], least| {
        adjusted(capacity, beyond, PercentChangeInCapacity, steps, least)
    };
    for (capacity, beyond, expected) in
        [(10, 10.0, 11), (11, 19.9, 12), (10, 20.0, 13), (10, 9.9, 10), (15, 15.0, 16), (100, 25.0, 130)]
    {
        assert_eq!(percent(capacity, beyond, &up, None), Some(expected), "{capacity} {beyond}");
    }
    for (capacity, beyond, expected) in
        [(13, -20.0, 10), (10, -10.0, 9), (10, -9.9, 10), (22, -30.0, 16), (2, -30.0, 1)]
    {
        assert_eq!(percent(capacity, beyond, &down, None), Some(expected), "{capacity} {beyond}");
    }
    assert_eq!(percent(10, 15.0, &up, Some(5)), Some(15), "at least five");
    assert_eq!(adjusted(10, 15.0, ChangeInCapacity, &up, None), Some(20));
    assert_eq!(adjusted(10, 15.0, ExactCapacity, &up, None), Some(10));
    assert_eq!(adjusted(10, -1.0, ChangeInCapacity, &up, None), None, "no step holds");
    assert_eq!(adjusted(2, -25.0, ChangeInCapacity, &down, None), Some(0), "never below nothing");
}

#[test]
fn a_larger_step_during_the_cooldown_takes_what_it_has_more() {
    let rule = Rule::Steps(StepRule {
        figure: Figure::BehindLatest,
        threshold: 60_000.0,
        above: true,
        period_s: 60,
        periods: 1,
        aggregation: Aggregation::Maximum,
        kind: AdjustmentKind::ChangeInCapacity,
        steps: vec![
            Adjustment { lower: Some(0.0), upper: Some(60_000.0), amount: 1 },
            Adjustment { lower: Some(60_000.0), upper: None, amount: 4 },
        ],
        magnitude_min: None,
        cooldown_s: 600,
    });
    let lag = |minute: u64, _: u32| {
        let age_ms = if minute < 2 { 70_000.0 } else { 200_000.0 };
        ApplicationSeen { age_ms, ..ApplicationSeen::default() }
    };
    assert_eq!(course(rule, 6, lag)[..2], [(1, 5), (3, 8)]);
}

#[test]
fn the_utility_looks_as_often_as_it_says_and_takes_the_mean_since() {
    let text = r#"{"streamName": "s", "scaleOnOperation": "PUT", "checkInterval": 60,
        "scaleUp": {"scaleThresholdPct": 75, "scaleAfterMins": 0, "scalePct": 100, "coolOffMins": 0}}"#;
    let policy = crate::scaling::utility::Policy::read(text).unwrap().remove(0);
    let policy = Policy { rule: Rule::Utility(policy), ..Policy::default() };
    let (mut memory, mut changes) = (Memory::default(), Vec::new());
    for second in 0..130_u64 {
        // Every other second is full: 50 % in the mean, until it is always so.
        let records = if second % 2 == 0 || second > 60 { 1_000.0 } else { 0.0 };
        let shard = ShardSeen { records: if second == 0 { 0.0 } else { records }, ..ShardSeen::default() };
        let stream = StreamSeen { shards: vec![shard; 2], ..StreamSeen::default() };
        let seen = Observation { now_ms: second * 1_000, stream: Some(stream), application: None };
        let (verdict, next) = decide(&seen, &policy, memory);
        memory = next;
        changes.extend(verdict.steps.into_iter().map(|step| (second, step)));
    }
    assert_eq!(changes, [(120, Step::Shards(4))]);
}
