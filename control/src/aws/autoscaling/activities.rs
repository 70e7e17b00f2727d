//! Scaling activities: the decisions about a resource, in the service's words.

use super::check::{Members, page};
use super::{AutoScaling, DIMENSION, NAMESPACE, broken, seconds};
use crate::aws::service::ServiceError;
use crate::scaling::{Decision, DecisionState, Step, Subject};
use serde_json::{Value, json};

/// Most decisions that are looked through.
const LOOKED_AT: u32 = 1_000;

impl AutoScaling {
    pub(super) fn describe_activities(&self, input: &Value) -> Result<Value, ServiceError> {
        let mut members = Members::new(input);
        let namespace = members.namespace();
        let resource = members.text("ResourceId", (1, 1_600));
        let wanted = members.page();
        members.done()?;
        let subject = resource.map(|resource| (Subject::read(resource), resource));
        let found = match subject {
            _ if namespace != NAMESPACE => Vec::new(),
            Some((None, _)) => Vec::new(),
            Some((Some(subject), _)) => self.scaler.decisions(Some(&subject), LOOKED_AT).map_err(|e| broken(&e))?,
            None => self.scaler.decisions(None, LOOKED_AT).map_err(|error| broken(&error))?,
        };
        let refused = input["IncludeNotScaledActivities"] == true;
        let shown = found.iter().filter(|decision| refused || !decision.steps.is_empty());
        // The newest come first, so the key of a page counts down.
        let keyed = shown.map(|decision| (format!("{:020}", i64::MAX - decision.id), activity(decision)));
        Ok(page("ScalingActivities", keyed, wanted))
    }
}

fn activity(decision: &Decision) -> Value {
    let status = match decision.state {
        DecisionState::Acting => "InProgress",
        DecisionState::Done => "Successful",
        DecisionState::DryRun | DecisionState::Refused => "Unfulfilled",
        DecisionState::Failed | DecisionState::Interrupted => "Failed",
    };
    let step = |step: &Step| match step {
        Step::Shards(shards) => format!("Setting shard count to {shards}."),
        Step::Split(shards) => format!("Splitting shards {shards:?}."),
        Step::Scale { parallelism, .. } => format!("Setting parallelism to {parallelism}."),
    };
    let steps: Vec<String> = decision.steps.iter().map(step).collect();
    let description = if steps.is_empty() { "Not scaled.".to_owned() } else { steps.join(" ") };
    let mut activity = json!({
        "ActivityId": format!("{:08x}-0000-4000-8000-{:012x}", decision.at_ms >> 32, decision.id),
        "ServiceNamespace": NAMESPACE, "ResourceId": decision.subject.to_string(), "ScalableDimension": DIMENSION,
        "Description": description, "Cause": decision.account.reason, "StartTime": seconds(decision.at_ms),
        "StatusCode": status, "Details": decision.account.formula,
    });
    if let Some(ended_ms) = decision.ended_ms {
        activity["EndTime"] = json!(seconds(ended_ms));
    }
    if let Some(error) = &decision.error {
        activity["StatusMessage"] = json!(error);
    }
    if let Some(refusal) = &decision.refusal {
        activity["StatusMessage"] = json!(refusal.text);
        activity["NotScaledReasons"] = json!([{ "Code": "AutoScalingAnticipatedFlapping" }]);
    }
    activity
}
