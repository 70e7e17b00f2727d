//! Applications as the service's documents describe them.

use super::schema::Input;
use super::{Analytics, Answer, refused};
use crate::aws::ServiceError;
use crate::{ApplicationView, Begin, Configuration, Setting, Status, Version};
use serde_json::{Map, Value, json};

/// Hours that a maintenance window lasts.
const WINDOW_H: u32 = 8;

impl Analytics {
    pub(super) fn describe(&self, input: Input<'_>) -> Answer {
        let view = self.view(input.given("ApplicationName"))?;
        let plan = input.truth("IncludeAdditionalDetails") == Some(true);
        let plan = plan.then(|| self.applications.explain(&view.spec.name)).transpose().map_err(refused)?;
        Ok(json!({ "ApplicationDetail": self.detail(&view, plan) }))
    }

    pub(super) fn describe_version(&self, input: Input<'_>) -> Answer {
        let view = self.view(input.given("ApplicationName"))?;
        let number = input.whole("ApplicationVersionId").unwrap_or_default();
        let found = self.applications.version(&view.spec.name, number).map_err(refused)?;
        let version = found.ok_or_else(|| {
            let message = format!("Application {} has no version {number}.", view.spec.name);
            ServiceError::new("ResourceNotFoundException", message)
        })?;
        let present = version.version == view.version.version;
        let detail = if present { self.detail(&view, None) } else { self.former(&view, version) };
        Ok(json!({ "ApplicationVersionDetail": detail }))
    }

    /// A version that is the present one no more.
    fn former(&self, view: &ApplicationView, version: Version) -> Value {
        let parallelism = version.configuration.parallelism;
        let mut former = ApplicationView { status: version.status, version, metrics: None, ..view.clone() };
        former.spec.parallelism = parallelism.parallelism;
        self.detail(&former, None)
    }

    /// All that is told of an application.
    pub(super) fn detail(&self, view: &ApplicationView, plan: Option<String>) -> Value {
        let (version, configuration) = (&view.version, &*view.version.configuration);
        let mut detail = json!({
            "ApplicationARN": self.arn(&view.spec.name),
            "ApplicationDescription": configuration.description,
            "ApplicationName": view.spec.name,
            "RuntimeEnvironment": configuration.runtime,
            "ServiceExecutionRole": configuration.role,
            "ApplicationStatus": view.status.name(),
            "ApplicationVersionId": version.version,
            "CreateTimestamp": moment(view.created_ms),
            "LastUpdateTimestamp": moment(view.updated_ms),
            "ApplicationVersionCreateTimestamp": moment(version.created_ms),
            "ApplicationConfigurationDescription": described(view, plan),
            "ApplicationMaintenanceConfigurationDescription": maintenance(&view.maintenance),
            "ConditionalToken": token(view),
            "ApplicationMode": "STREAMING",
        });
        put(&mut detail, "ApplicationVersionUpdatedFrom", version.updated_from);
        put(&mut detail, "ApplicationVersionRolledBackFrom", version.rolled_back.map(|(from, _)| from));
        put(&mut detail, "ApplicationVersionRolledBackTo", version.rolled_back.map(|(_, to)| to));
        if !configuration.logging.is_empty() {
            detail["CloudWatchLoggingOptionDescriptions"] = logging(configuration);
        }
        detail
    }

    pub(super) fn summary(&self, view: &ApplicationView) -> Value {
        json!({
            "ApplicationName": view.spec.name,
            "ApplicationARN": self.arn(&view.spec.name),
            "ApplicationStatus": view.status.name(),
            "ApplicationVersionId": view.version.version,
            "RuntimeEnvironment": view.version.configuration.runtime,
            "ApplicationMode": "STREAMING",
        })
    }
}

fn put(detail: &mut Value, name: &str, value: Option<u64>) {
    if let Some(value) = value {
        detail[name] = json!(value);
    }
}

fn described(view: &ApplicationView, plan: Option<String>) -> Value {
    let configuration = &*view.version.configuration;
    let mut described = json!({
        "ApplicationCodeConfigurationDescription": super::code::described(&configuration.code),
        "RunConfigurationDescription": {
            "ApplicationRestoreConfigurationDescription": restore(&view.beginning.from),
            "FlinkRunConfigurationDescription": { "AllowNonRestoredState": view.beginning.allow_dropped },
        },
        "FlinkApplicationConfigurationDescription": flink(view, plan),
        "ApplicationSnapshotConfigurationDescription": { "SnapshotsEnabled": configuration.snapshots_enabled },
        "ApplicationSystemRollbackConfigurationDescription": { "RollbackEnabled": configuration.rollback_enabled },
    });
    if !configuration.properties.is_empty() {
        let group = |(id, map)| json!({ "PropertyGroupId": id, "PropertyMap": map });
        let groups: Vec<Value> = configuration.properties.iter().map(group).collect();
        described["EnvironmentPropertyDescriptions"] = json!({ "PropertyGroupDescriptions": groups });
    }
    described
}

fn restore(from: &Begin) -> Value {
    match from {
        Begin::Latest => json!({ "ApplicationRestoreType": "RESTORE_FROM_LATEST_SNAPSHOT" }),
        Begin::Nothing => json!({ "ApplicationRestoreType": "SKIP_RESTORE_FROM_SNAPSHOT" }),
        Begin::Snapshot(name) => {
            json!({ "ApplicationRestoreType": "RESTORE_FROM_CUSTOM_SNAPSHOT", "SnapshotName": name })
        }
    }
}

fn flink(view: &ApplicationView, plan: Option<String>) -> Value {
    let configuration = &*view.version.configuration;
    let (checkpoints, monitoring) = (configuration.checkpoints, &configuration.monitoring);
    let parallelism = configuration.parallelism;
    let current = view.metrics.as_ref().map(|metrics| metrics.parallelism).filter(|current| *current > 0);
    let mut flink = json!({
        "CheckpointConfigurationDescription": {
            "ConfigurationType": setting(checkpoints.by),
            "CheckpointingEnabled": checkpoints.enabled,
            "CheckpointInterval": checkpoints.interval_ms,
            "MinPauseBetweenCheckpoints": checkpoints.min_pause_ms,
        },
        "MonitoringConfigurationDescription": {
            "ConfigurationType": setting(monitoring.by),
            "MetricsLevel": monitoring.metrics_level,
            "LogLevel": monitoring.log_level,
        },
        "ParallelismConfigurationDescription": {
            "ConfigurationType": setting(parallelism.by),
            "Parallelism": parallelism.parallelism,
            "ParallelismPerKPU": parallelism.per_kpu,
            "CurrentParallelism": current.unwrap_or(view.spec.parallelism),
            "AutoScalingEnabled": parallelism.auto_scaling,
        },
    });
    if let Some(plan) = plan {
        flink["JobPlanDescription"] = json!(plan);
    }
    flink
}

fn setting(by: Setting) -> &'static str {
    match by {
        Setting::Default => "DEFAULT",
        Setting::Custom => "CUSTOM",
    }
}

/// The places that the lines of an application are written to.
pub(super) fn logging(configuration: &Configuration) -> Value {
    let option = |option: &crate::LoggingOption| json!({ "CloudWatchLoggingOptionId": option.id, "LogStreamARN": option.log_stream_arn });
    configuration.logging.iter().map(option).collect()
}

/// A maintenance window by its beginning.
pub(super) fn maintenance(start: &str) -> Value {
    let start = if start.is_empty() { "06:00" } else { start };
    let (hour, minute) = start.split_once(':').unwrap_or((start, "00"));
    let end = hour.parse::<u32>().map_or(0, |hour| (hour + WINDOW_H) % 24);
    let mut window = Map::new();
    window.insert("ApplicationMaintenanceWindowStartTime".to_owned(), json!(start));
    window.insert("ApplicationMaintenanceWindowEndTime".to_owned(), json!(format!("{end:02}:{minute}")));
    Value::Object(window)
}

/// A moment as the protocol writes it: seconds since the Unix epoch.
pub(super) fn moment(ms: u64) -> Value {
    json!(ms as f64 / 1e3)
}

/// What a change is conditional on: another text whenever the application has changed.
pub(super) fn token(view: &ApplicationView) -> String {
    let text = format!("{}/{}/{}/{}", view.spec.name, view.created_ms, view.version.version, view.updated_ms);
    let (a, b) = (crc32c::crc32c(text.as_bytes()), crc32c::crc32c(format!("token of {text}").as_bytes()));
    format!("{a:08x}{b:08x}{:08x}", view.version.version)
}

/// The status of a version: of the present one, what the application is doing.
pub(super) fn version_status(view: &ApplicationView, version: &Version) -> Status {
    if version.version == view.version.version { view.status } else { version.status }
}
