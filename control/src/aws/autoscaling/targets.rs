//! Scalable targets: what may be scaled, and between which sizes.

use super::book::Kind;
use super::check::{Members, fits, listed, page};
use super::{ACCOUNT, AutoScaling, DIMENSION, NAMESPACE, REGION, broken, not_found, seconds, validation};
use crate::aws::service::ServiceError;
use crate::scaling::Subject;
use serde_json::{Value, json};

impl AutoScaling {
    pub(super) fn register_target(&self, input: &Value) -> Result<Value, ServiceError> {
        let mut members = Members::new(input);
        let resource = members.resource();
        let (min, max) = (members.count("MinCapacity"), members.count("MaxCapacity"));
        let role = members.text("RoleARN", (1, 1_600));
        members.done()?;
        let subject = resource.subject()?;
        let known = self.book.get(Kind::Target, &resource.id).map_err(|error| broken(&error))?;
        let kept = |name: &str| known.as_ref().and_then(|known| known[name].as_u64()).map(|count| count as u32);
        let (Some(min), Some(max)) = (min.or(kept("MinCapacity")), max.or(kept("MaxCapacity"))) else {
            return Err(validation("MinCapacity and MaxCapacity are required to register a new scalable target."));
        };
        check_bounds(&subject, min, max)?;
        let suspended = |name: &str| {
            let set = input["SuspendedState"][name].as_bool();
            set.unwrap_or_else(|| known.as_ref().is_some_and(|known| known["SuspendedState"][name] == true))
        };
        let arn = match known.as_ref().and_then(|known| known["ScalableTargetARN"].as_str()) {
            Some(arn) => arn.to_owned(),
            None => self.new_arn(),
        };
        let created = known.as_ref().map_or(json!(seconds(self.env.now_ms())), |known| known["CreationTime"].clone());
        let tags = match &known {
            Some(known) if !known["Tags"].is_null() => known["Tags"].clone(),
            _ => input.get("Tags").filter(|tags| tags.is_object()).cloned().unwrap_or_else(|| json!({})),
        };
        let role = role.map_or_else(
            || format!("arn:aws:iam::{ACCOUNT}:role/aws-service-role/custom-resource.application-autoscaling.amazonaws.com/AWSServiceRoleForApplicationAutoScaling_CustomResource"),
            str::to_owned,
        );
        let document = json!({
            "ServiceNamespace": NAMESPACE, "ResourceId": resource.id, "ScalableDimension": DIMENSION,
            "MinCapacity": min, "MaxCapacity": max, "RoleARN": role, "CreationTime": created,
            "SuspendedState": {
                "DynamicScalingInSuspended": suspended("DynamicScalingInSuspended"),
                "DynamicScalingOutSuspended": suspended("DynamicScalingOutSuspended"),
                "ScheduledScalingSuspended": suspended("ScheduledScalingSuspended"),
            },
            "ScalableTargetARN": arn, "Tags": tags,
        });
        self.keep(Kind::Target, &resource.id, &document)?;
        self.arm_resource(&resource.id)?;
        Ok(json!({ "ScalableTargetARN": arn }))
    }

    /// Keeps a document where there is room for it.
    pub(super) fn keep(&self, kind: Kind, key: &str, document: &Value) -> Result<(), ServiceError> {
        if self.book.put(kind, key, document).map_err(|error| broken(&error))? {
            return Ok(());
        }
        let message = format!("There are {} of these, which is the most; remove one first.", kind.most());
        Err(ServiceError::new("LimitExceededException", message))
    }

    fn new_arn(&self) -> String {
        let id = self.env.random_u64();
        format!("arn:aws:application-autoscaling:{REGION}:{ACCOUNT}:scalable-target/0ec5{id:016x}")
    }

    pub(super) fn describe_targets(&self, input: &Value) -> Result<Value, ServiceError> {
        let mut members = Members::new(input);
        let namespace = members.namespace();
        let wanted = members.page();
        members.done()?;
        let all = self.book.all(Kind::Target).map_err(|error| broken(&error))?.into_iter();
        let found = all.filter(|(key, target)| {
            namespace == NAMESPACE
                && listed(input, "ResourceIds", key)
                && fits(input, "ScalableDimension", &target["ScalableDimension"])
        });
        let shown = found.map(|(key, mut target)| {
            target.as_object_mut().map(|members| members.remove("Tags"));
            (key, target)
        });
        Ok(page("ScalableTargets", shown, wanted))
    }

    pub(super) fn deregister_target(&self, input: &Value) -> Result<Value, ServiceError> {
        let mut members = Members::new(input);
        let resource = members.resource();
        members.done()?;
        resource.subject()?;
        self.target(&resource.id)?;
        // Policies and schedules go with their target.
        for kind in [Kind::Policy, Kind::Schedule] {
            let all = self.book.all(kind).map_err(|error| broken(&error))?;
            for (key, document) in all.iter().filter(|(_, document)| document["ResourceId"] == resource.id.as_str()) {
                self.book.remove(kind, key).map_err(|error| broken(&error))?;
                if kind == Kind::Policy {
                    self.disarm(document);
                }
            }
        }
        self.book.remove(Kind::Target, &resource.id).map_err(|error| broken(&error))?;
        Ok(json!({}))
    }

    /// The target of a resource.
    pub(super) fn target(&self, resource: &str) -> Result<Value, ServiceError> {
        let found = self.book.get(Kind::Target, resource).map_err(|error| broken(&error))?;
        found.ok_or_else(|| {
            not_found(format!(
                "No scalable target found for service namespace: {NAMESPACE}, resource ID: {resource}, scalable dimension: \
                 {DIMENSION}"
            ))
        })
    }
}

fn check_bounds(subject: &Subject, min: u32, max: u32) -> Result<(), ServiceError> {
    if min > max {
        return Err(validation("Maximum capacity cannot be less than minimum capacity"));
    }
    let most = match subject {
        Subject::Application(_) => model::limits::PARALLELISM_MAX,
        Subject::Stream(_) => model::limits::SHARDS_PER_STREAM_MAX,
    };
    if min < 1 || max > most {
        return Err(validation(format!("The capacity of {subject} must be 1 to {most}")));
    }
    Ok(())
}
