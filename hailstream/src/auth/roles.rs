//! Which role may call which operation.

use serde::Deserialize;

/// What a key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Role {
    /// May do everything
    Admin,
    /// Reads and writes records, makes and changes streams, controls the console
    Operator,
    /// Writes records
    Producer,
    /// Reads records
    Analyst,
    /// Looks at streams, not into them
    Viewer,
}

/// What an operation does to a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Tells about streams, not what is in them.
    Look,
    /// Reads records.
    Read,
    /// Writes records.
    Write,
    /// Changes streams.
    Control,
    /// Changes who may do what, or the account.
    Govern,
}

/// Every operation of the service by its kind.
const OPERATIONS: [(Kind, &[&str]); 5] = [
    (
        Kind::Look,
        &[
            "DescribeAccountSettings",
            "DescribeAlarmHistory",
            "DescribeAlarms",
            "DescribeAlarmsForMetric",
            "DescribeApplication",
            "DescribeApplicationOperation",
            "DescribeApplicationSnapshot",
            "DescribeApplicationVersion",
            "DescribeLimits",
            "DescribeStream",
            "DescribeStreamConsumer",
            "DescribeStreamSummary",
            "GetDashboard",
            "GetMetricData",
            "GetMetricStatistics",
            "GetResourcePolicy",
            "ListDashboards",
            "ListMetrics",
            "ListApplicationOperations",
            "ListApplicationSnapshots",
            "ListApplicationVersions",
            "ListApplications",
            "ListShards",
            "ListStreamConsumers",
            "ListStreams",
            "ListTagsForResource",
            "ListTagsForStream",
        ],
    ),
    (
        Kind::Read,
        &["DeregisterStreamConsumer", "GetRecords", "GetShardIterator", "RegisterStreamConsumer", "SubscribeToShard"],
    ),
    (Kind::Write, &["PutMetricData", "PutRecord", "PutRecords"]),
    (
        Kind::Control,
        &[
            "AddApplicationCloudWatchLoggingOption",
            "AddTagsToStream",
            "CreateApplication",
            "CreateApplicationPresignedUrl",
            "CreateApplicationSnapshot",
            "CreateStream",
            "DecreaseStreamRetentionPeriod",
            "DeleteAlarms",
            "DeleteDashboards",
            "DeleteApplication",
            "DeleteApplicationCloudWatchLoggingOption",
            "DeleteApplicationSnapshot",
            "DeleteStream",
            "DisableAlarmActions",
            "DisableEnhancedMonitoring",
            "EnableAlarmActions",
            "EnableEnhancedMonitoring",
            "IncreaseStreamRetentionPeriod",
            "MergeShards",
            "PutCompositeAlarm",
            "PutDashboard",
            "PutMetricAlarm",
            "RemoveTagsFromStream",
            "SetAlarmState",
            "RollbackApplication",
            "SplitShard",
            "StartApplication",
            "StartStreamEncryption",
            "StopApplication",
            "StopStreamEncryption",
            "TagResource",
            "UntagResource",
            "UpdateApplication",
            "UpdateApplicationMaintenanceConfiguration",
            "UpdateMaxRecordSize",
            "UpdateShardCount",
            "UpdateStreamMode",
            "UpdateStreamWarmThroughput",
        ],
    ),
    (Kind::Govern, &["DeleteResourcePolicy", "PutResourcePolicy", "UpdateAccountSettings"]),
];

impl Role {
    /// Its name in the file and in messages.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Operator => "operator",
            Self::Producer => "producer",
            Self::Analyst => "analyst",
            Self::Viewer => "viewer",
        }
    }

    /// Whether it may change something at the doors that know no operations of streams.
    pub(crate) fn may_change(self) -> bool {
        matches!(self, Self::Admin | Self::Operator)
    }

    /// Whether it may call the operation. One without a rule is the admin's alone.
    pub(crate) fn may(self, operation: &str) -> bool {
        let kind = OPERATIONS.iter().find(|(_, names)| names.contains(&operation)).map(|(kind, _)| *kind);
        match (self, kind) {
            (Self::Admin, _) | (_, Some(Kind::Look)) => true,
            (_, None | Some(Kind::Govern)) => false,
            (Self::Operator, Some(_)) => true,
            (Self::Producer, Some(kind)) => kind == Kind::Write,
            (Self::Analyst, Some(kind)) => kind == Kind::Read,
            (Self::Viewer, Some(_)) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_has_one_rule_and_every_role_its_own() {
        let names: std::collections::BTreeSet<_> = OPERATIONS.iter().flat_map(|(_, names)| *names).collect();
        assert_eq!((names.len(), OPERATIONS.iter().map(|(_, names)| names.len()).sum::<usize>()), (77, 77));
        let roles = [Role::Admin, Role::Operator, Role::Producer, Role::Analyst, Role::Viewer];
        let check = |operation: &str, expected: [bool; 5]| {
            assert_eq!(roles.map(|role| role.may(operation)), expected, "{operation}");
        };
        check("ListStreams", [true; 5]);
        check("GetRecords", [true, true, false, true, false]);
        check("PutRecords", [true, true, true, false, false]);
        check("GetMetricData", [true; 5]);
        check("PutMetricAlarm", [true, true, false, false, false]);
        check("DeleteStream", [true, true, false, false, false]);
        check("DescribeApplication", [true; 5]);
        check("StartApplication", [true, true, false, false, false]);
        check("PutResourcePolicy", [true, false, false, false, false]);
        check("NoSuchOperation", [true, false, false, false, false]);
    }
}
