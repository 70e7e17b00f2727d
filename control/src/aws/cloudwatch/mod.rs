//! CloudWatch: its operations over the metric store and the alarms, with its limits, its errors and its pages.

mod alarm_input;
mod alarm_output;
mod alarms;
mod dashboards;
mod data;
mod input;
mod list;
mod put;
mod queries;
mod statistics;
mod tags;
#[cfg(test)]
mod tests;
mod tokens;

pub use alarm_output::alarm_document;

use super::service::{Form, Service, ServiceError};
use crate::alarms::{Alarm, Alarms};
use crate::database::{Database, DatabaseError};
use crate::metrics::{MetricStore, MetricsError, Question};
use input::Input;
use model::{Classified, Env, Kind};
use serde_json::Value;
use std::sync::Arc;

const FORM: Form = Form {
    signing_name: "monitoring",
    version: "2010-08-01",
    namespace: "http://monitoring.amazonaws.com/doc/2010-08-01/",
    times: &[
        "AlarmConfigurationUpdatedTimestamp",
        "LastModified",
        "StateTransitionedTimestamp",
        "StateUpdatedTimestamp",
        "Timestamp",
        "Timestamps",
    ],
    maps: &["ExtendedStatistics"],
    codes: &[
        ("DashboardInvalidInputError", "InvalidParameterInput"),
        ("DashboardNotFoundError", "ResourceNotFound"),
        ("InternalServiceFault", "InternalServiceError"),
        ("InvalidFormatFault", "InvalidFormat"),
        ("InvalidParameterCombinationException", "InvalidParameterCombination"),
        ("InvalidParameterValueException", "InvalidParameterValue"),
        ("LimitExceededFault", "LimitExceeded"),
        ("MissingRequiredParameterException", "MissingParameter"),
        ("UnknownOperationException", "InvalidAction"),
    ],
};

/// Where resources stand in the names that the platform gives them.
const PLACE: &str = "us-east-1:000000000000";

/// The service.
pub struct CloudWatch {
    env: Env,
    metrics: Arc<MetricStore>,
    alarms: Arc<Alarms>,
    database: Arc<Database>,
}

impl CloudWatch {
    /// The service over these numbers and alarms; dashboards and tags are kept in the database.
    ///
    /// # Errors
    /// When its tables cannot be made.
    pub fn open(
        env: Env,
        metrics: Arc<MetricStore>,
        alarms: Arc<Alarms>,
        database: Arc<Database>,
    ) -> Result<Self, DatabaseError> {
        database.migrate("cloudwatch", &[dashboards::TABLE, tags::TABLE])?;
        Ok(Self { env, metrics, alarms, database })
    }
}

impl Service for CloudWatch {
    fn target(&self) -> &'static str {
        "GraniteServiceVersion20100801"
    }

    fn form(&self) -> Option<&'static Form> {
        Some(&FORM)
    }

    fn call(&self, operation: &str, input: &Value) -> Result<Value, ServiceError> {
        let input = Input::of(input);
        match operation {
            "PutMetricData" => self.put_metric_data(&input),
            "GetMetricData" => self.get_metric_data(&input),
            "GetMetricStatistics" => self.get_metric_statistics(&input),
            "ListMetrics" => self.list_metrics(&input),
            "PutMetricAlarm" => self.put_metric_alarm(&input),
            "PutCompositeAlarm" => self.put_composite_alarm(&input),
            "DescribeAlarms" => self.describe_alarms(&input),
            "DescribeAlarmsForMetric" => self.describe_alarms_for_metric(&input),
            "DescribeAlarmHistory" => self.describe_alarm_history(&input),
            "SetAlarmState" => self.set_alarm_state(&input),
            "EnableAlarmActions" => self.enable_alarm_actions(&input, true),
            "DisableAlarmActions" => self.enable_alarm_actions(&input, false),
            "DeleteAlarms" => self.delete_alarms(&input),
            "PutDashboard" => self.put_dashboard(&input),
            "GetDashboard" => self.get_dashboard(&input),
            "ListDashboards" => self.list_dashboards(&input),
            "DeleteDashboards" => self.delete_dashboards(&input),
            "TagResource" => self.tag_resource(&input),
            "UntagResource" => self.untag_resource(&input),
            "ListTagsForResource" => self.list_tags_for_resource(&input),
            other => Err(ServiceError::unknown_operation(other)),
        }
    }
}

/// The alarm that a document of `PutMetricAlarm` or `PutCompositeAlarm` describes.
///
/// # Errors
/// As these operations have them.
pub fn alarm_of(document: &Value) -> Result<Alarm, ServiceError> {
    let input = Input::of(document);
    if input.has("AlarmRule") { alarm_input::composite_alarm(&input) } else { alarm_input::metric_alarm(&input) }
}

/// The question that a document with the members of `GetMetricData`'s questions is.
///
/// # Errors
/// As that operation has them.
pub fn question_of(document: &Value) -> Result<Question, ServiceError> {
    queries::question(&Input::of(document))
}

fn fault(message: impl Into<String>) -> ServiceError {
    ServiceError { status: 500, ..ServiceError::new("InternalServiceFault", message) }
}

fn invalid(message: impl Into<String>) -> ServiceError {
    ServiceError::new("InvalidParameterValueException", message)
}

fn combination(message: impl Into<String>) -> ServiceError {
    ServiceError::new("InvalidParameterCombinationException", message)
}

fn not_found(message: impl Into<String>) -> ServiceError {
    ServiceError { status: 404, ..ServiceError::new("ResourceNotFound", message) }
}

impl From<MetricsError> for ServiceError {
    fn from(error: MetricsError) -> Self {
        match error.kind() {
            Kind::Invalid => invalid(error.to_string()),
            _ => fault(error.to_string()),
        }
    }
}

impl From<DatabaseError> for ServiceError {
    fn from(error: DatabaseError) -> Self {
        fault(error.to_string())
    }
}
