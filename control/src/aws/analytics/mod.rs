//! Kinesis Analytics V2 over the platform's applications: each operation is checked against the service's model, made one
//! call, and its result written as the service writes it.

mod code;
mod configure;
mod describe;
mod life;
mod lists;
mod resources;
mod schema;
mod shapes;
mod snapshots;

use super::service::{Service, ServiceError};
use crate::{ApplicationView, Applications, ControlError, Expected, SpecError};
use model::{Classified, Kind};
use schema::{Input, Shape};
use serde_json::Value;
use std::sync::Arc;

const TARGET: &str = "KinesisAnalytics_20180523";

/// Operations of applications in the service's own SQL, and of networks: they are told apart from ones that are unknown.
const UNSUPPORTED: [&str; 10] = [
    "AddApplicationInput",
    "AddApplicationInputProcessingConfiguration",
    "AddApplicationOutput",
    "AddApplicationReferenceDataSource",
    "AddApplicationVpcConfiguration",
    "DeleteApplicationInputProcessingConfiguration",
    "DeleteApplicationOutput",
    "DeleteApplicationReferenceDataSource",
    "DeleteApplicationVpcConfiguration",
    "DiscoverInputSchema",
];

/// Whose applications they are, and where they are seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The account in ARNs: twelve digits.
    pub account: String,
    /// The region in ARNs.
    pub region: String,
    /// Address of the console.
    pub console: String,
}

/// The service.
pub struct Analytics {
    applications: Arc<Applications>,
    place: Place,
}

type Answer = Result<Value, ServiceError>;
type Call = fn(&Analytics, Input<'_>) -> Answer;

const OPERATIONS: [(&str, &Shape, Call); 23] = [
    ("CreateApplication", &shapes::CREATE, Analytics::create),
    ("UpdateApplication", &shapes::UPDATE, Analytics::update),
    ("DescribeApplication", &shapes::DESCRIBE, Analytics::describe),
    ("DescribeApplicationVersion", &shapes::DESCRIBE_VERSION, Analytics::describe_version),
    ("ListApplications", &shapes::LIST, Analytics::list),
    ("ListApplicationVersions", &shapes::LIST_OF, Analytics::list_versions),
    ("DeleteApplication", &shapes::DELETE, Analytics::delete),
    ("StartApplication", &shapes::START, Analytics::start),
    ("StopApplication", &shapes::STOP, Analytics::stop),
    ("RollbackApplication", &shapes::ROLLBACK, Analytics::rollback),
    ("CreateApplicationSnapshot", &shapes::SNAPSHOT_OF, Analytics::create_snapshot),
    ("DescribeApplicationSnapshot", &shapes::SNAPSHOT_OF, Analytics::describe_snapshot),
    ("ListApplicationSnapshots", &shapes::LIST_OF, Analytics::list_snapshots),
    ("DeleteApplicationSnapshot", &shapes::DELETE_SNAPSHOT, Analytics::delete_snapshot),
    ("AddApplicationCloudWatchLoggingOption", &shapes::ADD_LOGGING, Analytics::add_logging),
    ("DeleteApplicationCloudWatchLoggingOption", &shapes::DELETE_LOGGING, Analytics::delete_logging),
    ("CreateApplicationPresignedUrl", &shapes::PRESIGNED, Analytics::presigned),
    ("DescribeApplicationOperation", &shapes::DESCRIBE_OPERATION, Analytics::describe_operation),
    ("ListApplicationOperations", &shapes::LIST_OPERATIONS, Analytics::list_operations),
    ("UpdateApplicationMaintenanceConfiguration", &shapes::MAINTENANCE, Analytics::maintain),
    ("TagResource", &shapes::TAG_RESOURCE, Analytics::tag),
    ("UntagResource", &shapes::UNTAG_RESOURCE, Analytics::untag),
    ("ListTagsForResource", &shapes::LIST_TAGS, Analytics::tags),
];

impl Service for Analytics {
    fn target(&self) -> &'static str {
        TARGET
    }

    fn call(&self, operation: &str, input: &Value) -> Result<Value, ServiceError> {
        if UNSUPPORTED.contains(&operation) {
            let message = format!(
                "{operation} is for applications in the service's former SQL or in a network of their own. Applications here \
                 are Flink SQL: their sources and sinks are tables in their script."
            );
            return Err(unsupported(message));
        }
        let found = OPERATIONS.iter().find(|(name, ..)| *name == operation);
        let (_, shape, call) = found.ok_or_else(|| ServiceError::unknown_operation(operation))?;
        schema::check(input, shape)?;
        call(self, Input(input))
    }
}

impl Analytics {
    /// The service over these applications.
    pub fn new(applications: Arc<Applications>, place: Place) -> Self {
        Self { applications, place }
    }

    fn arn(&self, name: &str) -> String {
        let Place { account, region, .. } = &self.place;
        format!("arn:aws:kinesisanalytics:{region}:{account}:application/{name}")
    }

    fn view(&self, name: &str) -> Result<ApplicationView, ServiceError> {
        self.applications.view(name).map_err(refused)
    }

    /// The application that a change is meant for, as the caller knows it.
    fn expected(&self, input: Input<'_>) -> Result<(ApplicationView, Expected), ServiceError> {
        let view = self.view(input.given("ApplicationName"))?;
        let found = view.version.version;
        let (version, token) = (input.whole("CurrentApplicationVersionId"), input.text("ConditionalToken"));
        if version.is_none() && token.is_none() {
            let message = "Either CurrentApplicationVersionId or ConditionalToken has to be given.";
            return Err(ServiceError::new("InvalidArgumentException", message));
        }
        if let Some(version) = version.filter(|version| *version != found) {
            return Err(concurrent(format!(
                "Application {} is at version {found}, not {version}. Describe it and repeat the change.",
                view.spec.name
            )));
        }
        if token.is_some_and(|token| token != describe::token(&view)) {
            let message =
                "The application has changed since the ConditionalToken was given. Describe it and repeat the change.";
            return Err(concurrent(message.to_owned()));
        }
        // Whatever comes between is told by the version.
        Ok((view, Expected::Version(found)))
    }
}

fn invalid(message: impl Into<String>) -> ServiceError {
    ServiceError::new("InvalidArgumentException", message)
}

fn unsupported(message: impl Into<String>) -> ServiceError {
    ServiceError::new("UnsupportedOperationException", message)
}

fn concurrent(message: String) -> ServiceError {
    ServiceError::new("ConcurrentModificationException", message)
}

/// A refusal in the service's names.
fn refused(error: ControlError) -> ServiceError {
    let code = match &error {
        ControlError::Unknown(_) | ControlError::Snapshot { .. } => "ResourceNotFoundException",
        ControlError::Exists(_) | ControlError::Status { .. } | ControlError::SnapshotTaken { .. } => {
            "ResourceInUseException"
        }
        ControlError::Spec(SpecError::Kpus { .. }) | ControlError::Full | ControlError::SnapshotsFull(_) => {
            "LimitExceededException"
        }
        ControlError::Configuration(crate::ConfigurationError::Property { .. }) => "CodeValidationException",
        ControlError::Spec(_) | ControlError::Configuration(_) => "InvalidArgumentException",
        ControlError::Version { .. } => "ConcurrentModificationException",
        ControlError::NoFormer(_) | ControlError::SnapshotsOff(_) => "InvalidRequestException",
        ControlError::State { .. } => "InvalidApplicationConfigurationException",
        ControlError::Runner(error) => match error.kind() {
            Kind::Invalid => "CodeValidationException",
            Kind::NotFound => "ResourceNotFoundException",
            Kind::Conflict => "ResourceInUseException",
            _ => return ServiceError::internal(error.to_string()),
        },
        _ => return ServiceError::internal(error.to_string()),
    };
    ServiceError::new(code, error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_operation_stands_once() {
        let names: BTreeSet<&str> = OPERATIONS.iter().map(|(name, ..)| *name).chain(UNSUPPORTED).collect();
        assert_eq!(names.len(), OPERATIONS.len() + UNSUPPORTED.len());
    }
}
