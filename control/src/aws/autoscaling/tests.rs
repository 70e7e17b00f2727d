//! The service by its calls, on a subject whose steps are noted.

use super::*;
use crate::scaling::{ApplicationSeen, Observation, Seen, Step, Steps, Subject};
use crate::timeline::Timeline;
use parking_lot::Mutex;
use serde_json::json;

#[derive(Default)]
struct Noted(Mutex<Vec<Step>>);

impl Steps for Noted {
    fn take(&self, _: &Subject, _: Option<&str>, step: &Step, _reason: &str) -> Result<(), String> {
        self.0.lock().push(step.clone());
        Ok(())
    }
}

struct World {
    service: AutoScaling,
    policies: Arc<Policies>,
    noted: Arc<Noted>,
    clock: Arc<model::ManualClock>,
    scaler: Arc<Autoscaler>,
    database: Arc<Database>,
    _dir: tempfile::TempDir,
}

fn world() -> World {
    let dir = tempfile::tempdir().unwrap();
    let (env, clock) = Env::manual(1_000_000, 1);
    let database = Arc::new(Database::open(&dir.path().join("control.db")).unwrap());
    let timeline = Timeline::open(database.clone()).unwrap();
    let noted = Arc::new(Noted::default());
    let scaler = Autoscaler::open(database.clone(), timeline, env.clone(), noted.clone()).unwrap();
    let policies = Arc::new(Policies::new(scaler.clone(), env.clone()));
    let service = AutoScaling::open(database.clone(), scaler.clone(), policies.clone(), env).unwrap();
    World { service, policies, noted, clock, scaler, database, _dir: dir }
}

impl World {
    fn call(&self, operation: &str, more: Value) -> Result<Value, ServiceError> {
        let mut input = json!({
            "ServiceNamespace": NAMESPACE, "ResourceId": "application/taxi", "ScalableDimension": DIMENSION,
        });
        input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.service.call(operation, &input)
    }

    fn see(&self, parallelism: u32, age_ms: f64) {
        let application = ApplicationSeen { parallelism, per_kpu: 1, age_ms, ..ApplicationSeen::default() };
        let now_ms = self.clock_ms();
        let observation = Observation { now_ms, application: Some(application), stream: None };
        let subject = Subject::read("application/taxi").unwrap();
        self.scaler.look(vec![Seen { subject, stream: None, observation, by_default: false }]).unwrap();
    }

    fn clock_ms(&self) -> u64 {
        model::Clock::now_ms(self.clock.as_ref())
    }

    /// The steps that were taken, once so many are.
    fn steps(&self, count: usize) -> Vec<Step> {
        for _ in 0..200 {
            if self.noted.0.lock().len() >= count {
                break;
            }
            std::thread::yield_now();
            std::thread::park_timeout(std::time::Duration::from_millis(10));
        }
        self.noted.0.lock().clone()
    }
}

fn code(result: Result<Value, ServiceError>) -> (String, String) {
    let error = result.unwrap_err();
    (error.code.into_owned(), error.message)
}

#[test]
fn a_target_is_registered_changed_described_and_gone_with_its_policies() {
    let world = world();
    assert_eq!(code(world.call("RegisterScalableTarget", json!({ "MinCapacity": 1 }))).0, "ValidationException");
    let registered = world.call("RegisterScalableTarget", json!({ "MinCapacity": 1, "MaxCapacity": 8 })).unwrap();
    world
        .call(
            "RegisterScalableTarget",
            json!({ "MaxCapacity": 16, "SuspendedState": { "ScheduledScalingSuspended": true } }),
        )
        .unwrap();
    let targets = world.call("DescribeScalableTargets", json!({})).unwrap();
    let target = &targets["ScalableTargets"][0];
    assert_eq!((&target["MinCapacity"], &target["MaxCapacity"]), (&json!(1), &json!(16)));
    assert_eq!(target["ScalableTargetARN"], registered["ScalableTargetARN"]);
    assert_eq!(target["SuspendedState"]["ScheduledScalingSuspended"], true);
    let tracking =
        json!({ "TargetValue": 60_000.0, "CustomizedMetricSpecification": { "MetricName": "millisBehindLatest" } });
    let policy = json!({ "PolicyName": "lag", "PolicyType": "TargetTrackingScaling", TRACKED: tracking });
    world.call("PutScalingPolicy", policy).unwrap();
    assert_eq!(world.scaler.policies().len(), 1);
    world.call("DeregisterScalableTarget", json!({})).unwrap();
    assert_eq!(world.scaler.policies().len(), 0);
    assert_eq!(world.call("DescribeScalingPolicies", json!({})).unwrap()["ScalingPolicies"], json!([]));
    assert_eq!(code(world.call("DeregisterScalableTarget", json!({}))).0, "ObjectNotFoundException");
}

const TRACKED: &str = "TargetTrackingScalingPolicyConfiguration";
const STEPPED: &str = "StepScalingPolicyConfiguration";

#[test]
fn what_is_wrong_is_told_in_the_services_words() {
    let world = world();
    world.call("RegisterScalableTarget", json!({ "MinCapacity": 1, "MaxCapacity": 8 })).unwrap();
    let step = |steps: Value| json!({ "PolicyName": "p", STEPPED: { "AdjustmentType": "ChangeInCapacity", "StepAdjustments": steps } });
    for (operation, input, expected, part) in [
        (
            "RegisterScalableTarget",
            json!({ "MinCapacity": 9 }),
            "ValidationException",
            "Maximum capacity cannot be less",
        ),
        ("RegisterScalableTarget", json!({ "MaxCapacity": 300 }), "ValidationException", "must be 1 to 256"),
        (
            "RegisterScalableTarget",
            json!({ "ServiceNamespace": "kinesis" }),
            "ValidationException",
            "satisfy enum value set: [ecs,",
        ),
        (
            "RegisterScalableTarget",
            json!({ "ServiceNamespace": "ecs" }),
            "ValidationException",
            "Unsupported service namespace",
        ),
        ("RegisterScalableTarget", json!({ "ResourceId": "table/x" }), "ValidationException", "application/NAME"),
        ("PutScalingPolicy", json!({}), "ValidationException", "Value null at 'policyName'"),
        ("PutScalingPolicy", step(json!([])), "ValidationException", "1 to 20 members"),
        (
            "PutScalingPolicy",
            step(json!([{ "MetricIntervalLowerBound": 0.0, "MetricIntervalUpperBound": 5.0, "ScalingAdjustment": 1 },
            { "MetricIntervalLowerBound": 6.0, "ScalingAdjustment": 2 }])),
            "ValidationException",
            "gaps or overlap",
        ),
        (
            "PutScalingPolicy",
            json!({ "PolicyName": "p", "PolicyType": "TargetTrackingScaling", TRACKED: { "TargetValue": 5.0,
            "CustomizedMetricSpecification": { "MetricName": "heat" } } }),
            "ValidationException",
            "\"heat\" cannot be tracked",
        ),
        (
            "PutScheduledAction",
            json!({ "ScheduledActionName": "s", "Schedule": "soon" }),
            "ValidationException",
            "Unable to parse",
        ),
        ("DeleteScalingPolicy", json!({ "PolicyName": "none" }), "ObjectNotFoundException", "No scaling policy found"),
        ("DescribeScalableTargets", json!({ "MaxResults": 51 }), "ValidationException", "between 1 and 50"),
        (
            "TagResource",
            json!({ "ResourceARN": "arn:aws:x", "Tags": {} }),
            "ResourceNotFoundException",
            "doesn't exist",
        ),
        ("Shout", json!({}), "UnknownOperationException", "Shout"),
    ] {
        let (code, message) = code(world.call(operation, input));
        assert!(code == expected && message.contains(part), "{operation}: {code} {message}");
    }
}

#[test]
fn an_alarm_fires_a_step_policy_within_the_targets_bounds() {
    let world = world();
    world.call("RegisterScalableTarget", json!({ "MinCapacity": 1, "MaxCapacity": 5 })).unwrap();
    let steps = json!([{ "MetricIntervalLowerBound": 0.0, "MetricIntervalUpperBound": 60_000.0, "ScalingAdjustment": 1 },
        { "MetricIntervalLowerBound": 60_000.0, "ScalingAdjustment": 100 }]);
    let configuration =
        json!({ "AdjustmentType": "PercentChangeInCapacity", "StepAdjustments": steps, "Cooldown": 60 });
    let put = world.call("PutScalingPolicy", json!({ "PolicyName": "up", STEPPED: configuration })).unwrap();
    let arn = put["PolicyARN"].as_str().unwrap();
    assert!(world.policies.fire(arn, 130_000.0, 60_000.0).unwrap_err().to_string().contains("has no size now"));
    world.see(4, 130_000.0);
    assert!(world.policies.fire(arn, 130_000.0, 60_000.0).unwrap().is_some());
    assert_eq!(world.steps(1), [Step::Scale { parallelism: 5, per_kpu: 1 }], "twice as many, and five at most");
    assert_eq!(
        world.policies.fire("arn:none", 1.0, 0.0).unwrap_err().to_string(),
        "there is no scaling policy arn:none"
    );
    let activities = world.call("DescribeScalingActivities", json!({})).unwrap();
    let activity = &activities["ScalingActivities"][0];
    assert_eq!(activity["Description"], "Setting parallelism to 5.");
    assert!(activity["Cause"].as_str().unwrap().contains("an alarm fired its policy"), "{activity}");
}

#[test]
fn a_scheduled_action_sets_bounds_and_brings_the_size_within_them() {
    let world = world();
    world.call("RegisterScalableTarget", json!({ "MinCapacity": 1, "MaxCapacity": 8 })).unwrap();
    let action = json!({ "ScheduledActionName": "morning", "Schedule": "rate(5 minutes)", "ScalableTargetAction": { "MinCapacity": 3 } });
    world.call("PutScheduledAction", action).unwrap();
    world.see(2, 0.0);
    let before = world.clock_ms();
    world.service.do_scheduled(before).unwrap();
    assert_eq!(world.steps(0), []);
    world.clock.advance_ms(300_000);
    world.service.do_scheduled(before).unwrap();
    assert_eq!(world.steps(1), [Step::Scale { parallelism: 3, per_kpu: 1 }]);
    assert_eq!(world.call("DescribeScalableTargets", json!({})).unwrap()["ScalableTargets"][0]["MinCapacity"], 3);
    world.call("DeleteScheduledAction", json!({ "ScheduledActionName": "morning" })).unwrap();
    assert_eq!(world.call("DescribeScheduledActions", json!({})).unwrap()["ScheduledActions"], json!([]));
}

/// The names of scheduled actions that are left.
fn scheduled(world: &World) -> usize {
    world.call("DescribeScheduledActions", json!({})).unwrap()["ScheduledActions"].as_array().unwrap().len()
}

#[test]
fn an_action_that_is_due_once_stays_until_it_was_done_or_is_too_late() {
    let refuse = "CREATE TRIGGER refuse BEFORE INSERT ON autoscaling_documents WHEN new.kind = 'target'
        BEGIN SELECT RAISE(ABORT, 'no room'); END";
    for (minutes_of_refusal, steps) in [(3, vec![Step::Scale { parallelism: 3, per_kpu: 1 }]), (11, vec![])] {
        let world = world();
        world.call("RegisterScalableTarget", json!({ "MinCapacity": 1, "MaxCapacity": 8 })).unwrap();
        let action = json!({ "ScheduledActionName": "once", "Schedule": "at(1970-01-01T00:20:00)", "ScalableTargetAction": { "MinCapacity": 3 } });
        world.call("PutScheduledAction", action).unwrap();
        world.see(2, 0.0);
        world.database.write(|sql| sql.execute_batch(refuse)).unwrap();
        let pass = |ms: u64| {
            let before = world.clock_ms();
            world.clock.advance_ms(ms);
            world.service.do_scheduled(before).unwrap();
        };
        pass(1_200_000 - world.clock_ms());
        assert_eq!((world.steps(0), scheduled(&world)), (vec![], 1), "it was due, and could not be done");
        (0..minutes_of_refusal).for_each(|_| pass(60_000));
        world.database.write(|sql| sql.execute_batch("DROP TRIGGER refuse")).unwrap();
        pass(60_000);
        assert_eq!(world.steps(steps.len()), steps);
        assert_eq!(scheduled(&world), 0);
    }
}

#[test]
fn tags_come_and_go_and_pages_follow_each_other() {
    let world = world();
    for name in ["a", "b", "c"] {
        let input = json!({ "ResourceId": format!("stream/{name}"), "MinCapacity": 1, "MaxCapacity": 8, "Tags": { "team": name } });
        world.call("RegisterScalableTarget", input).unwrap();
    }
    let first = world
        .service
        .call("DescribeScalableTargets", &json!({ "ServiceNamespace": NAMESPACE, "MaxResults": 2 }))
        .unwrap();
    let next = json!({ "ServiceNamespace": NAMESPACE, "MaxResults": 2, "NextToken": first["NextToken"] });
    let second = world.service.call("DescribeScalableTargets", &next).unwrap();
    assert_eq!(second["ScalableTargets"][0]["ResourceId"], "stream/c");
    assert!(second.get("NextToken").is_none());
    let arn = &second["ScalableTargets"][0]["ScalableTargetARN"];
    world.call("TagResource", json!({ "ResourceARN": arn, "Tags": { "cost": "7" } })).unwrap();
    world.call("UntagResource", json!({ "ResourceARN": arn, "TagKeys": ["team"] })).unwrap();
    let tags = world.call("ListTagsForResource", json!({ "ResourceARN": arn })).unwrap();
    assert_eq!(tags["Tags"], json!({ "cost": "7" }));
}
