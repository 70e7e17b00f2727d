//! Scheduled actions: at a time a target gets other bounds, and its size is brought within them.

use super::book::Kind;
use super::check::{Members, fits, listed, page};
use super::schedule::Schedule;
use super::{ACCOUNT, AutoScaling, DIMENSION, NAMESPACE, REGION, broken, not_found, seconds, validation};
use crate::aws::service::ServiceError;
use crate::database::DatabaseError;
use crate::scaling::{Bounds, KeptPolicy, Policy, Subject};
use serde_json::{Value, json};

impl AutoScaling {
    pub(super) fn put_schedule(&self, input: &Value) -> Result<Value, ServiceError> {
        let mut members = Members::new(input);
        let name = members.needed("ScheduledActionName", (1, 256));
        let resource = members.resource();
        let schedule = members.text("Schedule", (1, 1_600));
        let zone = members.text("Timezone", (1, 1_600));
        let illegal = name.contains([':', '/', '|']) || name.trim() != name || name.chars().any(char::is_control);
        if illegal {
            members.violated(name, "scheduledActionName", "have no colon, slash or bar, and no space at its ends");
        }
        members.done()?;
        resource.subject()?;
        self.target(&resource.id)?;
        if zone.is_some_and(|zone| !["UTC", "Etc/UTC", "GMT", "Etc/GMT"].contains(&zone)) {
            return Err(validation("Schedules of this endpoint are in UTC; leave Timezone out, and convert the times"));
        }
        let key = format!("{}\n{name}", resource.id);
        let known = self.book.get(Kind::Schedule, &key).map_err(|error| broken(&error))?;
        let kept = |member: &str| known.as_ref().map(|known| known[member].clone()).filter(|value| !value.is_null());
        let schedule = schedule.map(Value::from).or_else(|| kept("Schedule"));
        let schedule = schedule.ok_or_else(|| validation("Schedule must be specified for a new scheduled action."))?;
        if schedule.as_str().and_then(Schedule::read).is_none() {
            return Err(validation(format!(
                "Unable to parse the schedule expression {schedule}: use at(yyyy-mm-ddThh:mm:ss), rate(n minutes) or cron(…)"
            )));
        }
        let mut document = json!({
            "ScheduledActionName": name, "ServiceNamespace": NAMESPACE, "ResourceId": resource.id,
            "ScalableDimension": DIMENSION, "Schedule": schedule,
            "ScheduledActionARN": kept("ScheduledActionARN").unwrap_or_else(|| json!(format!(
                "arn:aws:autoscaling:{REGION}:{ACCOUNT}:scheduledAction:{:016x}:resource/{NAMESPACE}/{}:scheduledActionName/{name}",
                self.env.random_u64(),
                resource.id,
            ))),
            "CreationTime": kept("CreationTime").unwrap_or_else(|| json!(seconds(self.env.now_ms()))),
        });
        for member in ["Timezone", "StartTime", "EndTime", "ScalableTargetAction"] {
            let given = input.get(member).filter(|value| !value.is_null()).cloned();
            if let Some(value) = given.or_else(|| kept(member)) {
                document[member] = value;
            }
        }
        let action = &document["ScalableTargetAction"];
        let (min, max) = (action["MinCapacity"].as_u64(), action["MaxCapacity"].as_u64());
        if min.is_none() && max.is_none() {
            return Err(validation("ScalableTargetAction must have a MinCapacity or a MaxCapacity"));
        }
        if min.zip(max).is_some_and(|(min, max)| min > max) {
            return Err(validation("Maximum capacity cannot be less than minimum capacity"));
        }
        self.keep(Kind::Schedule, &key, &document)?;
        Ok(json!({}))
    }

    pub(super) fn describe_schedules(&self, input: &Value) -> Result<Value, ServiceError> {
        let mut members = Members::new(input);
        let namespace = members.namespace();
        let wanted = members.page();
        members.done()?;
        let all = self.book.all(Kind::Schedule).map_err(|error| broken(&error))?.into_iter();
        let found = all.filter(|(_, action)| {
            namespace == NAMESPACE
                && listed(input, "ScheduledActionNames", action["ScheduledActionName"].as_str().unwrap_or_default())
                && fits(input, "ResourceId", &action["ResourceId"])
                && fits(input, "ScalableDimension", &action["ScalableDimension"])
        });
        Ok(page("ScheduledActions", found, wanted))
    }

    pub(super) fn delete_schedule(&self, input: &Value) -> Result<Value, ServiceError> {
        let mut members = Members::new(input);
        let name = members.needed("ScheduledActionName", (1, 1_600));
        let resource = members.resource();
        members.done()?;
        let key = format!("{}\n{name}", resource.id);
        if self.book.remove(Kind::Schedule, &key).map_err(|error| broken(&error))? {
            return Ok(json!({}));
        }
        Err(not_found(format!("No scheduled action found with name: {name} for {}", resource.id)))
    }

    /// Does what was due after `since_ms` and not after now. Called about once a second.
    ///
    /// # Errors
    /// When what is due cannot be read.
    pub fn do_scheduled(&self, since_ms: u64) -> Result<(), DatabaseError> {
        let now_ms = self.env.now_ms();
        for (key, action) in self.book.all(Kind::Schedule)? {
            let Some(schedule) = action["Schedule"].as_str().and_then(Schedule::read) else { continue };
            let time = |name: &str| action[name].as_f64().map(|seconds| (seconds * 1_000.0) as u64);
            let began_ms = time("StartTime").or_else(|| time("CreationTime")).unwrap_or(0);
            let is_over = time("EndTime").is_some_and(|end_ms| end_ms <= now_ms)
                || time("StartTime").is_some_and(|at| at > now_ms);
            let is_due = !is_over
                && (schedule.was_due(began_ms, since_ms, now_ms) || schedule.is_tried(began_ms, since_ms, now_ms));
            let done = is_due && self.do_action(&action);
            // What is due once is gone once it was done, or can be done no more.
            if let Schedule::At(at_ms) = schedule
                && at_ms <= now_ms
                && (done || is_over || !schedule.is_wanted(began_ms, now_ms))
            {
                self.book.remove(Kind::Schedule, &key)?;
            }
        }
        Ok(())
    }

    /// Whether that went well.
    fn do_action(&self, action: &Value) -> bool {
        let resource = action["ResourceId"].as_str().unwrap_or_default();
        let name = action["ScheduledActionName"].as_str().unwrap_or_default();
        let done = self.set_bounds(resource, name, &action["ScalableTargetAction"]);
        if let Err(error) = &done {
            tracing::warn!(%error, resource, name, "a scheduled action could not be done");
        }
        done.is_ok()
    }

    fn set_bounds(&self, resource: &str, name: &str, action: &Value) -> Result<(), ServiceError> {
        let mut target = self.target(resource)?;
        if target["SuspendedState"]["ScheduledScalingSuspended"] == true {
            return Ok(());
        }
        for member in ["MinCapacity", "MaxCapacity"] {
            if action[member].is_u64() {
                target[member] = action[member].clone();
            }
        }
        self.keep(Kind::Target, resource, &target)?;
        self.arm_resource(resource)?;
        let Some(subject) = Subject::read(resource) else { return Ok(()) };
        let bound = |member: &str| target[member].as_u64().map_or(1, |count| count as u32);
        let (min, max) = (bound("MinCapacity"), bound("MaxCapacity"));
        let Some(now) = self.scaler.capacity(&subject).filter(|now| !(min..=max.max(min)).contains(now)) else {
            return Ok(());
        };
        let kept = KeptPolicy {
            id: format!("schedule/{name}"),
            policy: Policy { bounds: Bounds::default(), ..Policy::default() },
            subject,
        };
        let reason = format!("the scheduled action {name} set the bounds to {min} and {max}");
        let done = self.scaler.order(&kept, now.clamp(min, max.max(min)), &reason);
        done.map(drop).map_err(|error| validation(error.to_string()))
    }
}
