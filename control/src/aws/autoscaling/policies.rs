//! Scaling policies: target tracking, which the autoscaler follows each second, and steps, which alarms fire.

use super::book::Kind;
use super::check::{Members, Resource, fits, listed, page};
use super::{ACCOUNT, AutoScaling, DIMENSION, NAMESPACE, REGION, broken, not_found, seconds, validation};
use crate::aws::service::ServiceError;
use crate::database::DatabaseError;
use crate::scaling::{
    Adjustment, AdjustmentKind, Armed, Bounds, Figure, KeptPolicy, Policy, Rule, StepRule, Subject, TrackingRule,
};
use serde_json::{Value, json};

const TYPES: [&str; 3] = ["StepScaling", "TargetTrackingScaling", "PredictiveScaling"];
const STEPS: &str = "StepScalingPolicyConfiguration";
const TRACKING: &str = "TargetTrackingScalingPolicyConfiguration";
/// Cooldown of steps, and of tracking where nothing is said, in seconds.
const COOLDOWN_S: u64 = 300;
/// Most steps of one policy.
const STEPS_MAX: usize = 20;

impl AutoScaling {
    pub(super) fn put_policy(&self, input: &Value) -> Result<Value, ServiceError> {
        let mut members = Members::new(input);
        let name = members.needed("PolicyName", (1, 256));
        let resource = members.resource();
        let given = members.text("PolicyType", (0, 64));
        members.one_of("PolicyType", given.unwrap_or_default(), &TYPES);
        members.done()?;
        let subject = resource.subject()?;
        let target = self.target(&resource.id)?;
        let key = policy_key(&resource, name);
        let known = self.book.get(Kind::Policy, &key).map_err(|error| broken(&error))?;
        let known_type = known.as_ref().and_then(|known| known["PolicyType"].as_str());
        let kind = given.or(known_type).unwrap_or("StepScaling");
        if known_type.is_some_and(|known| known != kind) {
            return Err(validation(format!(
                "Only a policy of type {} can be put under this name.",
                known_type.unwrap_or_default()
            )));
        }
        let arn = known.as_ref().and_then(|known| known["PolicyARN"].as_str()).map_or_else(
            || {
                let id = self.env.random_u64();
                format!(
                    "arn:aws:autoscaling:{REGION}:{ACCOUNT}:scalingPolicy:{id:016x}:resource/{NAMESPACE}/{}:policyName/{name}",
                    resource.id
                )
            },
            str::to_owned,
        );
        let created = known.as_ref().map_or(json!(seconds(self.env.now_ms())), |known| known["CreationTime"].clone());
        let mut document = json!({
            "PolicyARN": arn, "PolicyName": name, "ServiceNamespace": NAMESPACE, "ResourceId": resource.id,
            "ScalableDimension": DIMENSION, "PolicyType": kind, "Alarms": [], "CreationTime": created,
        });
        let member = match kind {
            "StepScaling" => STEPS,
            "TargetTrackingScaling" => TRACKING,
            _ => return Err(validation("Predictive scaling is not supported by this endpoint.")),
        };
        document[member] = match input.get(member).or_else(|| known.as_ref().and_then(|known| known.get(member))) {
            Some(configuration) if configuration.is_object() => configuration.clone(),
            _ => return Err(validation(format!("{member} must be specified for a policy of type {kind}."))),
        };
        let usable = usable(&document, &target, &subject)?;
        self.keep(Kind::Policy, &key, &document)?;
        self.use_policy(usable)?;
        Ok(json!({ "PolicyARN": arn, "Alarms": [] }))
    }

    fn use_policy(&self, usable: Usable) -> Result<(), ServiceError> {
        match usable {
            Usable::Steps(armed) => self.policies.arm(armed),
            Usable::Tracking(kept) => {
                self.scaler.put_policy(kept).map_err(|error| validation(error.to_string()))?;
            }
        }
        Ok(())
    }

    /// Puts all policies to use, as after a start.
    pub(super) fn arm_all(&self) -> Result<(), DatabaseError> {
        for (_, target) in self.book.all(Kind::Target)? {
            if let Some(resource) = target["ResourceId"].as_str()
                && let Err(error) = self.arm_resource(resource)
            {
                tracing::error!(%error, resource, "a scaling policy cannot be used");
            }
        }
        Ok(())
    }

    /// Puts the policies of a target to use, within its bounds.
    pub(super) fn arm_resource(&self, resource: &str) -> Result<(), ServiceError> {
        let (target, Some(subject)) = (self.target(resource)?, Subject::read(resource)) else { return Ok(()) };
        for (_, policy) in self.book.all(Kind::Policy).map_err(|error| broken(&error))? {
            if policy["ResourceId"] == resource {
                self.use_policy(usable(&policy, &target, &subject)?)?;
            }
        }
        Ok(())
    }

    /// Uses a policy no more.
    pub(super) fn disarm(&self, policy: &Value) {
        let Some(arn) = policy["PolicyARN"].as_str() else { return };
        self.policies.disarm(arn);
        if policy["PolicyType"] == "TargetTrackingScaling"
            && let Err(error) = self.scaler.remove_policy(arn)
        {
            tracing::error!(%error, arn, "a scaling policy could not be removed");
        }
    }

    pub(super) fn describe_policies(&self, input: &Value) -> Result<Value, ServiceError> {
        let mut members = Members::new(input);
        let namespace = members.namespace();
        let wanted = members.page();
        members.done()?;
        let all = self.book.all(Kind::Policy).map_err(|error| broken(&error))?.into_iter();
        let found = all.filter(|(_, policy)| {
            namespace == NAMESPACE
                && listed(input, "PolicyNames", policy["PolicyName"].as_str().unwrap_or_default())
                && fits(input, "ResourceId", &policy["ResourceId"])
                && fits(input, "ScalableDimension", &policy["ScalableDimension"])
        });
        Ok(page("ScalingPolicies", found, wanted))
    }

    pub(super) fn delete_policy(&self, input: &Value) -> Result<Value, ServiceError> {
        let mut members = Members::new(input);
        let name = members.needed("PolicyName", (1, 1_600));
        let resource = members.resource();
        members.done()?;
        resource.subject()?;
        let key = policy_key(&resource, name);
        let Some(policy) = self.book.get(Kind::Policy, &key).map_err(|error| broken(&error))? else {
            return Err(not_found(format!("No scaling policy found with policy name: {name} for {}", resource.id)));
        };
        self.book.remove(Kind::Policy, &key).map_err(|error| broken(&error))?;
        self.disarm(&policy);
        Ok(json!({}))
    }
}

fn policy_key(resource: &Resource, name: &str) -> String {
    format!("{}\n{name}", resource.id)
}

/// A policy as the autoscaler uses it.
enum Usable {
    Steps(Armed),
    Tracking(KeptPolicy),
}

fn usable(policy: &Value, target: &Value, subject: &Subject) -> Result<Usable, ServiceError> {
    let capacity = |name: &str| target[name].as_u64().map_or(1, |count| count as u32);
    let (min, max) = (capacity("MinCapacity"), capacity("MaxCapacity"));
    let bounds = match subject {
        Subject::Application(_) => Bounds { parallelism_min: min, parallelism_max: max, ..Bounds::default() },
        Subject::Stream(_) => Bounds { shards_min: min, shards_max: max, ..Bounds::default() },
    };
    let suspended = |name: &str| target["SuspendedState"][name] == true;
    let id = policy["PolicyARN"].as_str().unwrap_or_default().to_owned();
    let kept = |rule: Rule, dry_run: bool| KeptPolicy {
        id: id.clone(),
        subject: subject.clone(),
        policy: Policy { rule, bounds: bounds.clone(), dry_run, ..Policy::default() },
    };
    let out = suspended("DynamicScalingOutSuspended");
    if policy["PolicyType"] == "TargetTrackingScaling" {
        let mut rule = tracking(&policy[TRACKING], subject)?;
        rule.disable_in |= suspended("DynamicScalingInSuspended");
        return Ok(Usable::Tracking(kept(Rule::Tracking(rule), out)));
    }
    steps(&policy[STEPS], subject).map(|(rule, kind, steps)| {
        let both = out && suspended("DynamicScalingInSuspended");
        let (magnitude_min, cooldown_s) = (rule.magnitude_min, rule.cooldown_s);
        Usable::Steps(Armed { kept: kept(Rule::Steps(rule), both), kind, steps, magnitude_min, cooldown_s })
    })
}

fn cooldown(configuration: &Value, name: &str) -> Result<u32, ServiceError> {
    let given = configuration.get(name).filter(|value| !value.is_null());
    let seconds = given.map_or(Some(COOLDOWN_S), Value::as_u64).and_then(|seconds| u32::try_from(seconds).ok());
    seconds.ok_or_else(|| validation(format!("{name} must be a number of seconds, 0 or more")))
}

fn tracking(configuration: &Value, subject: &Subject) -> Result<TrackingRule, ServiceError> {
    let target = configuration["TargetValue"].as_f64().filter(|target| *target > 0.0 && target.is_finite());
    let target = target.ok_or_else(|| validation("TargetValue must be a number above 0"))?;
    if !configuration["PredefinedMetricSpecification"].is_null() {
        return Err(validation("No predefined metric is of this platform's; use a CustomizedMetricSpecification."));
    }
    let metric = &configuration["CustomizedMetricSpecification"];
    let name = metric["MetricName"].as_str().unwrap_or_default();
    let figure = match (subject, name) {
        (Subject::Application(_), "millisBehindLatest") => Figure::BehindLatest,
        (Subject::Application(_), "cpuUtilization" | "containerCPUUtilization") => Figure::Cpu,
        (Subject::Application(_), "busyTimeMsPerSecond") => Figure::Busy,
        (Subject::Stream(_), "GetRecords.IteratorAgeMilliseconds") => Figure::IteratorAge,
        (Subject::Stream(_), "WriteUtilization") => Figure::PutUse,
        _ => {
            return Err(validation(format!(
                "The metric {name:?} cannot be tracked for {subject}; applications follow millisBehindLatest, cpuUtilization or \
                 busyTimeMsPerSecond, streams GetRecords.IteratorAgeMilliseconds or WriteUtilization (per cent)"
            )));
        }
    };
    // Busy time is told in milliseconds of a second, and followed in per cent.
    let target = if figure == Figure::Busy { target / 10.0 } else { target };
    Ok(TrackingRule {
        figure,
        target,
        out_cooldown_s: cooldown(configuration, "ScaleOutCooldown")?,
        in_cooldown_s: cooldown(configuration, "ScaleInCooldown")?,
        disable_in: configuration["DisableScaleIn"] == true,
    })
}

fn steps(
    configuration: &Value,
    subject: &Subject,
) -> Result<(StepRule, AdjustmentKind, Vec<Adjustment>), ServiceError> {
    let kind = match configuration["AdjustmentType"].as_str() {
        Some("ChangeInCapacity") => AdjustmentKind::ChangeInCapacity,
        Some("PercentChangeInCapacity") => AdjustmentKind::PercentChangeInCapacity,
        Some("ExactCapacity") => AdjustmentKind::ExactCapacity,
        _ => {
            let words = "ChangeInCapacity, PercentChangeInCapacity, ExactCapacity";
            return Err(validation(format!("AdjustmentType must be one of {words}")));
        }
    };
    let aggregation = configuration["MetricAggregationType"].as_str().unwrap_or("Average");
    if !["Average", "Minimum", "Maximum"].contains(&aggregation) {
        return Err(validation("MetricAggregationType must be one of Average, Minimum, Maximum"));
    }
    let list = configuration["StepAdjustments"].as_array().map_or(&[][..], Vec::as_slice);
    let mut steps: Vec<Adjustment> = list.iter().map(adjustment).collect::<Result<_, _>>()?;
    check_steps(&mut steps)?;
    let magnitude_min = configuration["MinAdjustmentMagnitude"].as_u64().and_then(|least| u32::try_from(least).ok());
    let figure = match subject {
        Subject::Application(_) => Figure::BehindLatest,
        Subject::Stream(_) => Figure::IteratorAge,
    };
    let rule = StepRule {
        figure,
        threshold: 0.0,
        above: true,
        period_s: 60,
        periods: 1,
        aggregation: crate::scaling::Aggregation::default(),
        kind,
        steps: steps.clone(),
        magnitude_min,
        cooldown_s: cooldown(configuration, "Cooldown")?,
    };
    Ok((rule, kind, steps))
}

fn adjustment(step: &Value) -> Result<Adjustment, ServiceError> {
    let amount = step["ScalingAdjustment"].as_i64().and_then(|amount| i32::try_from(amount).ok());
    let amount = amount.ok_or_else(|| validation("ScalingAdjustment must be a whole number"))?;
    let bound = |name: &str| step[name].as_f64();
    Ok(Adjustment { lower: bound("MetricIntervalLowerBound"), upper: bound("MetricIntervalUpperBound"), amount })
}

/// Steps must lie side by side: no gap, no overlap, at most one without bound on each side.
fn check_steps(steps: &mut [Adjustment]) -> Result<(), ServiceError> {
    if steps.is_empty() || steps.len() > STEPS_MAX {
        return Err(validation(format!("StepAdjustments must have 1 to {STEPS_MAX} members")));
    }
    let (low, high) = (f64::NEG_INFINITY, f64::INFINITY);
    steps.sort_by(|a, b| a.lower.unwrap_or(low).total_cmp(&b.lower.unwrap_or(low)));
    if steps.iter().any(|step| step.lower.unwrap_or(low) >= step.upper.unwrap_or(high)) {
        return Err(validation(
            "The lower bound of a step must be below its upper bound, and one of them must be given",
        ));
    }
    if steps.iter().any(|step| step.lower.is_none() && step.upper.is_none()) && steps.len() > 1 {
        return Err(validation("A step without bounds leaves no room for others"));
    }
    if steps.windows(2).any(|pair| pair[0].upper != pair[1].lower || pair[0].upper.is_none()) {
        return Err(validation("StepAdjustment intervals can't have gaps or overlap"));
    }
    Ok(())
}
