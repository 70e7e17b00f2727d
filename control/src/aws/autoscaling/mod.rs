//! Application Auto Scaling: targets, policies, schedules and activities, for what the platform scales.
//!
//! The service's words stand for ours: the namespace is `custom-resource`, its dimension
//! `custom-resource:ResourceType:Property`, and a resource is `application/NAME` (its parallelism) or `stream/NAME` (its open
//! shards).

mod activities;
mod book;
mod check;
mod policies;
mod schedule;
mod schedules;
mod tags;
mod targets;
#[cfg(test)]
mod tests;

use super::service::{Service, ServiceError};
use crate::database::{Database, DatabaseError};
use crate::scaling::{Autoscaler, Policies};
use book::Book;
use model::Env;
use serde_json::Value;
use std::sync::Arc;

/// The one namespace and dimension that stand for what the platform scales.
const NAMESPACE: &str = "custom-resource";
const DIMENSION: &str = "custom-resource:ResourceType:Property";
const ACCOUNT: &str = "000000000000";
const REGION: &str = "us-east-1";

/// The service.
pub struct AutoScaling {
    book: Book,
    scaler: Arc<Autoscaler>,
    policies: Arc<Policies>,
    env: Env,
}

impl AutoScaling {
    /// The targets, policies and schedules of this database, for this autoscaler. Its step policies can be fired through
    /// `policies`.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn open(
        database: Arc<Database>,
        scaler: Arc<Autoscaler>,
        policies: Arc<Policies>,
        env: Env,
    ) -> Result<Self, DatabaseError> {
        let service = Self { book: Book::open(database)?, scaler, policies, env };
        service.arm_all()?;
        Ok(service)
    }

    /// The operation of this name, with its input.
    fn operate(&self, operation: &str, input: &Value) -> Result<Value, ServiceError> {
        match operation {
            "RegisterScalableTarget" => self.register_target(input),
            "DescribeScalableTargets" => self.describe_targets(input),
            "DeregisterScalableTarget" => self.deregister_target(input),
            "PutScalingPolicy" => self.put_policy(input),
            "DescribeScalingPolicies" => self.describe_policies(input),
            "DeleteScalingPolicy" => self.delete_policy(input),
            "DescribeScalingActivities" => self.describe_activities(input),
            "PutScheduledAction" => self.put_schedule(input),
            "DescribeScheduledActions" => self.describe_schedules(input),
            "DeleteScheduledAction" => self.delete_schedule(input),
            "TagResource" => self.tag(input),
            "UntagResource" => self.untag(input),
            "ListTagsForResource" => self.list_tags(input),
            "GetPredictiveScalingForecast" => Err(validation("Predictive scaling is not supported by this endpoint.")),
            other => Err(ServiceError::unknown_operation(other)),
        }
    }
}

impl Service for AutoScaling {
    fn target(&self) -> &'static str {
        "AnyScaleFrontendService"
    }

    fn call(&self, operation: &str, input: &Value) -> Result<Value, ServiceError> {
        self.operate(operation, input)
    }
}

fn validation(message: impl Into<String>) -> ServiceError {
    ServiceError::new("ValidationException", message)
}

fn not_found(message: impl Into<String>) -> ServiceError {
    ServiceError::new("ObjectNotFoundException", message)
}

fn broken(error: &DatabaseError) -> ServiceError {
    ServiceError { status: 500, ..ServiceError::new("InternalServiceException", error.to_string()) }
}

/// Seconds since the epoch as the protocol writes times.
fn seconds(ms: u64) -> f64 {
    ms as f64 / 1_000.0
}
