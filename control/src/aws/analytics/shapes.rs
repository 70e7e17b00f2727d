//! The shapes of the inputs of Kinesis Analytics V2, with the constraints of its model.

use super::schema::Shape::{Any, List, Map, Moment, Structure, Text, Truth, Whole, Word};
use super::schema::{Form, Shape, may, must};

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'))
}

fn is_arn(text: &str) -> bool {
    text.starts_with("arn:") && !text.contains('\n')
}

fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'+' | b'/' | b'='))
}

fn is_time(text: &str) -> bool {
    let number = |part: &str| part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit());
    text.split_once(':').is_some_and(|(h, m)| number(h) && number(m) && h < "24" && m < "60")
}

static NAMES: Form = Form { pattern: "[a-zA-Z0-9_.-]+", fits: is_name };
static ARNS: Form = Form { pattern: "arn:.*", fits: is_arn };
static TOKENS: Form = Form { pattern: "[a-zA-Z0-9-_+/=]+", fits: is_token };
static TIMES: Form = Form { pattern: "([01][0-9]|2[0-3]):[0-5][0-9]", fits: is_time };

static NAME: Shape = Text { min: 1, max: 128, form: Some(&NAMES) };
static SNAPSHOT: Shape = Text { min: 1, max: 256, form: Some(&NAMES) };
static ID: Shape = Text { min: 1, max: 50, form: Some(&NAMES) };
static ARN: Shape = Text { min: 1, max: 2_048, form: Some(&ARNS) };
static TOKEN: Shape = Text { min: 1, max: 512, form: Some(&TOKENS) };
static NEXT: Shape = Text { min: 1, max: 512, form: None };
static OPERATION: Shape = Text { min: 1, max: 64, form: None };
static DESCRIPTION: Shape = Text { min: 0, max: 1_024, form: None };
static SCRIPT: Shape = Text { min: 0, max: 102_400, form: None };
static PROPERTY: Shape = Text { min: 1, max: 2_048, form: None };
static TIME: Shape = Text { min: 5, max: 5, form: Some(&TIMES) };
static VERSION: Shape = Whole { min: 1, max: 999_999_999 };
static COUNT: Shape = Whole { min: 1, max: i32::MAX as i64 };
static LIMIT: Shape = Whole { min: 1, max: 50 };
static INTERVAL: Shape = Whole { min: 1, max: i64::MAX };
static PAUSE: Shape = Whole { min: 0, max: i64::MAX };
static SESSION: Shape = Whole { min: 1_800, max: 43_200 };

static MODE: Shape = Word(&["STREAMING", "INTERACTIVE"]);
static SETTING: Shape = Word(&["DEFAULT", "CUSTOM"]);
static CONTENT: Shape = Word(&["PLAINTEXT", "ZIPFILE"]);
static METRICS: Shape = Word(&["APPLICATION", "TASK", "OPERATOR", "PARALLELISM"]);
static LEVEL: Shape = Word(&["INFO", "WARN", "ERROR", "DEBUG"]);
static URL: Shape = Word(&["FLINK_DASHBOARD_URL", "ZEPPELIN_UI_URL"]);
static STATUS: Shape = Word(&["IN_PROGRESS", "CANCELLED", "SUCCESSFUL", "FAILED"]);
static KEY_TYPE: Shape = Word(&["AWS_OWNED_KEY", "CUSTOMER_MANAGED_KEY"]);
static RESTORE: Shape =
    Word(&["SKIP_RESTORE_FROM_SNAPSHOT", "RESTORE_FROM_LATEST_SNAPSHOT", "RESTORE_FROM_CUSTOM_SNAPSHOT"]);
static RUNTIME: Shape = Word(&[
    "SQL-1_0",
    "FLINK-1_6",
    "FLINK-1_8",
    "ZEPPELIN-FLINK-1_0",
    "FLINK-1_11",
    "FLINK-1_13",
    "ZEPPELIN-FLINK-2_0",
    "FLINK-1_15",
    "ZEPPELIN-FLINK-3_0",
    "FLINK-1_18",
    "FLINK-1_19",
    "FLINK-1_20",
    "FLINK-2_2",
]);

static TAG: Shape = Structure(&[
    must("Key", &Text { min: 1, max: 128, form: None }),
    may("Value", &Text { min: 0, max: 256, form: None }),
]);
static TAGS: Shape = List { of: &TAG, min: 1, max: 200 };
static TAG_KEYS: Shape = List { of: &Text { min: 1, max: 128, form: None }, min: 1, max: 200 };

static LOGGING: Shape = Structure(&[must("LogStreamARN", &ARN)]);
static LOGGINGS: Shape = List { of: &LOGGING, min: 0, max: usize::MAX };
static LOGGING_UPDATE: Shape = Structure(&[must("CloudWatchLoggingOptionId", &ID), may("LogStreamARNUpdate", &ARN)]);
static LOGGING_UPDATES: Shape = List { of: &LOGGING_UPDATE, min: 0, max: usize::MAX };

static BLOB: Shape = Text { min: 0, max: usize::MAX, form: None };
static KEY: Shape = Text { min: 1, max: 1_024, form: None };
static OBJECT_VERSION: Shape = Text { min: 0, max: 1_024, form: None };
static PLACE: Shape =
    Structure(&[must("BucketARN", &ARN), must("FileKey", &KEY), may("ObjectVersion", &OBJECT_VERSION)]);
static PLACE_UPDATE: Shape =
    Structure(&[may("BucketARNUpdate", &ARN), may("FileKeyUpdate", &KEY), may("ObjectVersionUpdate", &OBJECT_VERSION)]);
static CODE: Shape = Structure(&[
    may(
        "CodeContent",
        &Structure(&[may("TextContent", &SCRIPT), may("ZipFileContent", &BLOB), may("S3ContentLocation", &PLACE)]),
    ),
    must("CodeContentType", &CONTENT),
]);
static CODE_UPDATE: Shape = Structure(&[
    may("CodeContentTypeUpdate", &CONTENT),
    may(
        "CodeContentUpdate",
        &Structure(&[
            may("TextContentUpdate", &SCRIPT),
            may("ZipFileContentUpdate", &BLOB),
            may("S3ContentLocationUpdate", &PLACE_UPDATE),
        ]),
    ),
]);

static FLINK: Shape = Structure(&[
    may(
        "CheckpointConfiguration",
        &Structure(&[
            must("ConfigurationType", &SETTING),
            may("CheckpointingEnabled", &Truth),
            may("CheckpointInterval", &INTERVAL),
            may("MinPauseBetweenCheckpoints", &PAUSE),
        ]),
    ),
    may(
        "MonitoringConfiguration",
        &Structure(&[must("ConfigurationType", &SETTING), may("MetricsLevel", &METRICS), may("LogLevel", &LEVEL)]),
    ),
    may(
        "ParallelismConfiguration",
        &Structure(&[
            must("ConfigurationType", &SETTING),
            may("Parallelism", &COUNT),
            may("ParallelismPerKPU", &COUNT),
            may("AutoScalingEnabled", &Truth),
        ]),
    ),
]);
static FLINK_UPDATE: Shape = Structure(&[
    may(
        "CheckpointConfigurationUpdate",
        &Structure(&[
            may("ConfigurationTypeUpdate", &SETTING),
            may("CheckpointingEnabledUpdate", &Truth),
            may("CheckpointIntervalUpdate", &INTERVAL),
            may("MinPauseBetweenCheckpointsUpdate", &PAUSE),
        ]),
    ),
    may(
        "MonitoringConfigurationUpdate",
        &Structure(&[
            may("ConfigurationTypeUpdate", &SETTING),
            may("MetricsLevelUpdate", &METRICS),
            may("LogLevelUpdate", &LEVEL),
        ]),
    ),
    may(
        "ParallelismConfigurationUpdate",
        &Structure(&[
            may("ConfigurationTypeUpdate", &SETTING),
            may("ParallelismUpdate", &COUNT),
            may("ParallelismPerKPUUpdate", &COUNT),
            may("AutoScalingEnabledUpdate", &Truth),
        ]),
    ),
]);

static GROUP: Shape = Structure(&[
    must("PropertyGroupId", &ID),
    must("PropertyMap", &Map { key: &PROPERTY, value: &PROPERTY, min: 1, max: 50 }),
]);
static GROUPS: Shape = Structure(&[must("PropertyGroups", &List { of: &GROUP, min: 0, max: 50 })]);

static CONFIGURATION: Shape = Structure(&[
    may("SqlApplicationConfiguration", &Any),
    may("FlinkApplicationConfiguration", &FLINK),
    may("EnvironmentProperties", &GROUPS),
    may("ApplicationCodeConfiguration", &CODE),
    may("ApplicationSnapshotConfiguration", &Structure(&[must("SnapshotsEnabled", &Truth)])),
    may("ApplicationSystemRollbackConfiguration", &Structure(&[must("RollbackEnabled", &Truth)])),
    may("VpcConfigurations", &List { of: &Any, min: 0, max: usize::MAX }),
    may("ZeppelinApplicationConfiguration", &Any),
    may("ApplicationEncryptionConfiguration", &Structure(&[must("KeyType", &KEY_TYPE)])),
]);
static CONFIGURATION_UPDATE: Shape = Structure(&[
    may("SqlApplicationConfigurationUpdate", &Any),
    may("ApplicationCodeConfigurationUpdate", &CODE_UPDATE),
    may("FlinkApplicationConfigurationUpdate", &FLINK_UPDATE),
    may("EnvironmentPropertyUpdates", &GROUPS),
    may("ApplicationSnapshotConfigurationUpdate", &Structure(&[must("SnapshotsEnabledUpdate", &Truth)])),
    may("ApplicationSystemRollbackConfigurationUpdate", &Structure(&[must("RollbackEnabledUpdate", &Truth)])),
    may("VpcConfigurationUpdates", &List { of: &Any, min: 0, max: usize::MAX }),
    may("ZeppelinApplicationConfigurationUpdate", &Any),
    may("ApplicationEncryptionConfigurationUpdate", &Structure(&[must("KeyTypeUpdate", &KEY_TYPE)])),
]);

static RUN: Shape = Structure(&[
    may("FlinkRunConfiguration", &Structure(&[may("AllowNonRestoredState", &Truth)])),
    may("SqlRunConfigurations", &Any),
    may(
        "ApplicationRestoreConfiguration",
        &Structure(&[must("ApplicationRestoreType", &RESTORE), may("SnapshotName", &SNAPSHOT)]),
    ),
]);

pub(super) static CREATE: Shape = Structure(&[
    must("ApplicationName", &NAME),
    may("ApplicationDescription", &DESCRIPTION),
    must("RuntimeEnvironment", &RUNTIME),
    must("ServiceExecutionRole", &ARN),
    may("ApplicationConfiguration", &CONFIGURATION),
    may("CloudWatchLoggingOptions", &LOGGINGS),
    may("Tags", &TAGS),
    may("ApplicationMode", &MODE),
]);
pub(super) static UPDATE: Shape = Structure(&[
    must("ApplicationName", &NAME),
    may("CurrentApplicationVersionId", &VERSION),
    may("ApplicationConfigurationUpdate", &CONFIGURATION_UPDATE),
    may("ServiceExecutionRoleUpdate", &ARN),
    may("RunConfigurationUpdate", &RUN),
    may("CloudWatchLoggingOptionUpdates", &LOGGING_UPDATES),
    may("ConditionalToken", &TOKEN),
    may("RuntimeEnvironmentUpdate", &RUNTIME),
]);
pub(super) static DESCRIBE: Shape =
    Structure(&[must("ApplicationName", &NAME), may("IncludeAdditionalDetails", &Truth)]);
pub(super) static DESCRIBE_VERSION: Shape =
    Structure(&[must("ApplicationName", &NAME), must("ApplicationVersionId", &VERSION)]);
pub(super) static LIST: Shape = Structure(&[may("Limit", &LIMIT), may("NextToken", &NAME)]);
pub(super) static LIST_OF: Shape =
    Structure(&[must("ApplicationName", &NAME), may("Limit", &LIMIT), may("NextToken", &NEXT)]);
pub(super) static DELETE: Shape = Structure(&[must("ApplicationName", &NAME), must("CreateTimestamp", &Moment)]);
pub(super) static START: Shape = Structure(&[must("ApplicationName", &NAME), may("RunConfiguration", &RUN)]);
pub(super) static STOP: Shape = Structure(&[must("ApplicationName", &NAME), may("Force", &Truth)]);
pub(super) static ROLLBACK: Shape =
    Structure(&[must("ApplicationName", &NAME), must("CurrentApplicationVersionId", &VERSION)]);
pub(super) static SNAPSHOT_OF: Shape = Structure(&[must("ApplicationName", &NAME), must("SnapshotName", &SNAPSHOT)]);
pub(super) static DELETE_SNAPSHOT: Shape = Structure(&[
    must("ApplicationName", &NAME),
    must("SnapshotName", &SNAPSHOT),
    must("SnapshotCreationTimestamp", &Moment),
]);
pub(super) static ADD_LOGGING: Shape = Structure(&[
    must("ApplicationName", &NAME),
    may("CurrentApplicationVersionId", &VERSION),
    must("CloudWatchLoggingOption", &LOGGING),
    may("ConditionalToken", &TOKEN),
]);
pub(super) static DELETE_LOGGING: Shape = Structure(&[
    must("ApplicationName", &NAME),
    may("CurrentApplicationVersionId", &VERSION),
    must("CloudWatchLoggingOptionId", &ID),
    may("ConditionalToken", &TOKEN),
]);
pub(super) static PRESIGNED: Shape = Structure(&[
    must("ApplicationName", &NAME),
    must("UrlType", &URL),
    may("SessionExpirationDurationInSeconds", &SESSION),
]);
pub(super) static DESCRIBE_OPERATION: Shape =
    Structure(&[must("ApplicationName", &NAME), must("OperationId", &OPERATION)]);
pub(super) static LIST_OPERATIONS: Shape = Structure(&[
    must("ApplicationName", &NAME),
    may("Limit", &LIMIT),
    may("NextToken", &NEXT),
    may("Operation", &OPERATION),
    may("OperationStatus", &STATUS),
]);
pub(super) static MAINTENANCE: Shape = Structure(&[
    must("ApplicationName", &NAME),
    must(
        "ApplicationMaintenanceConfigurationUpdate",
        &Structure(&[must("ApplicationMaintenanceWindowStartTimeUpdate", &TIME)]),
    ),
]);
pub(super) static TAG_RESOURCE: Shape = Structure(&[must("ResourceARN", &ARN), must("Tags", &TAGS)]);
pub(super) static UNTAG_RESOURCE: Shape = Structure(&[must("ResourceARN", &ARN), must("TagKeys", &TAG_KEYS)]);
pub(super) static LIST_TAGS: Shape = Structure(&[must("ResourceARN", &ARN)]);
