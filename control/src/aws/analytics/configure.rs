//! Configurations as the service's documents describe and change them.

use super::schema::Input;
use super::{Analytics, Answer, describe, invalid, refused, unsupported};
use crate::aws::ServiceError;
use crate::{
    Begin, Beginning, CheckpointSetting, Configuration, LoggingOption, Monitoring, New, Parallelism, PropertyGroups,
    Setting, Update,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Most tags of one application.
const TAGS_MAX: usize = 50;
/// Most places that the lines of one application are written to.
const LOGGING_MAX: usize = 10;

/// What the members of a structure are called in a request that makes, or one that changes: `…Update`.
#[derive(Clone, Copy)]
struct Members<'a> {
    input: Input<'a>,
    suffix: &'static str,
}

impl<'a> Members<'a> {
    fn name(self, name: &str) -> String {
        format!("{name}{}", self.suffix)
    }

    fn of(self, name: &str) -> Option<Self> {
        Some(Self { input: self.input.of(&self.name(name))?, ..self })
    }

    fn text(self, name: &str) -> Option<&'a str> {
        self.input.text(&self.name(name))
    }

    fn whole(self, name: &str) -> Option<u64> {
        self.input.whole(&self.name(name))
    }

    fn truth(self, name: &str) -> Option<bool> {
        self.input.truth(&self.name(name))
    }

    /// Who says how something is set; `None` where the request does not say.
    fn setting(self) -> Option<Setting> {
        let custom = self.text("ConfigurationType")? == "CUSTOM";
        Some(if custom { Setting::Custom } else { Setting::Default })
    }
}

impl Analytics {
    pub(super) fn create(&self, input: Input<'_>) -> Answer {
        let name = input.given("ApplicationName");
        check_kind(input)?;
        let given = input.of("ApplicationConfiguration");
        let code = given.and_then(|given| given.of("ApplicationCodeConfiguration"));
        let Some(code) = code else {
            return Err(invalid(
                "ApplicationConfiguration.ApplicationCodeConfiguration has to be given: an application has code.",
            ));
        };
        let code = self.code(code, "", Some(code.given("CodeContentType")), None)?.ok_or_else(|| {
            invalid(
                "CodeContent has to be given: TextContent with an SQL script, or ZipFileContent or S3ContentLocation with the jar \
                 of a program.",
            )
        })?;
        let (runtime, role) = (input.given("RuntimeEnvironment"), input.given("ServiceExecutionRole"));
        let mut configuration = Configuration::new(runtime, role, code);
        input.given("ApplicationDescription").clone_into(&mut configuration.description);
        if let Some(input) = given {
            apply(&mut configuration, Members { input, suffix: "" })?;
        }
        if let Some(groups) = given.and_then(|given| given.of("EnvironmentProperties")) {
            configuration.properties = properties(groups)?;
        }
        for (index, option) in input.list("CloudWatchLoggingOptions").into_iter().flatten().enumerate() {
            let log_stream_arn = option.given("LogStreamARN").to_owned();
            configuration.logging.push(LoggingOption { id: format!("1.{}", index + 1), log_stream_arn });
        }
        check_logging(&configuration)?;
        let mut tags = BTreeMap::new();
        add_tags(&mut tags, input)?;
        self.applications.make(New { name: name.to_owned(), configuration, tags }).map_err(refused)?;
        Ok(json!({ "ApplicationDetail": self.detail(&self.view(name)?, None) }))
    }

    pub(super) fn update(&self, input: Input<'_>) -> Answer {
        let (view, expected) = self.expected(input)?;
        let name = view.spec.name.as_str();
        let mut configuration = (*view.version.configuration).clone();
        let given = input.of("ApplicationConfigurationUpdate");
        if let Some(input) = given {
            check_supported(input, "Update")?;
            let code = input.of("ApplicationCodeConfigurationUpdate");
            let content_type = code.and_then(|code| code.text("CodeContentTypeUpdate"));
            let code = code.map(|code| self.code(code, "Update", content_type, Some(&configuration.code)));
            if let Some(code) = code.transpose()?.flatten() {
                configuration.code = code;
            }
            if let Some(groups) = input.of("EnvironmentPropertyUpdates") {
                configuration.properties = properties(groups)?;
            }
            apply(&mut configuration, Members { input, suffix: "Update" })?;
        }
        if let Some(role) = input.text("ServiceExecutionRoleUpdate") {
            role.clone_into(&mut configuration.role);
        }
        if let Some(runtime) = input.text("RuntimeEnvironmentUpdate") {
            check_runtime(runtime)?;
            runtime.clone_into(&mut configuration.runtime);
        }
        for option in input.list("CloudWatchLoggingOptionUpdates").into_iter().flatten() {
            let id = option.given("CloudWatchLoggingOptionId");
            let known = configuration.logging.iter_mut().find(|known| known.id == id);
            let known = known.ok_or_else(|| no_logging(name, id))?;
            if let Some(arn) = option.text("LogStreamARNUpdate") {
                arn.clone_into(&mut known.log_stream_arn);
            }
        }
        let size = ["FlinkApplicationConfigurationUpdate", "ParallelismConfigurationUpdate"];
        let size = given.and_then(|given| given.at(&size));
        let resized = size.is_some_and(|size| {
            ["ConfigurationTypeUpdate", "ParallelismUpdate", "ParallelismPerKPUUpdate"]
                .iter()
                .any(|m| size.value(m).is_some())
        });
        let beginning = input.of("RunConfigurationUpdate").map(beginning).transpose()?;
        let update = Update { configuration, resized, beginning };
        let id = self.applications.update(name, expected, update).map_err(refused)?;
        Ok(json!({ "ApplicationDetail": self.detail(&self.view(name)?, None), "OperationId": id }))
    }

    /// Makes a version that differs in the places that lines are written to.
    fn change_logging(
        &self,
        input: Input<'_>,
        change: impl FnOnce(&mut Configuration) -> Result<(), ServiceError>,
    ) -> Answer {
        let (view, expected) = self.expected(input)?;
        let name = view.spec.name.as_str();
        let mut configuration = (*view.version.configuration).clone();
        change(&mut configuration)?;
        check_logging(&configuration)?;
        let update = Update { configuration, resized: false, beginning: None };
        let id = self.applications.update(name, expected, update).map_err(refused)?;
        let view = self.view(name)?;
        Ok(json!({
            "ApplicationARN": self.arn(name),
            "ApplicationVersionId": view.version.version,
            "CloudWatchLoggingOptionDescriptions": describe::logging(&view.version.configuration),
            "OperationId": id,
        }))
    }

    pub(super) fn add_logging(&self, input: Input<'_>) -> Answer {
        let arn = input.of("CloudWatchLoggingOption").map(|option| option.given("LogStreamARN")).unwrap_or_default();
        self.change_logging(input, |configuration| {
            if configuration.logging.iter().any(|known| known.log_stream_arn == arn) {
                return Err(invalid(format!("The lines of the application are written to {arn} already.")));
            }
            let name = input.given("ApplicationName");
            configuration.logging.push(self.applications.new_logging(name, arn).map_err(refused)?);
            Ok(())
        })
    }

    pub(super) fn delete_logging(&self, input: Input<'_>) -> Answer {
        let id = input.given("CloudWatchLoggingOptionId");
        self.change_logging(input, |configuration| {
            let before = configuration.logging.len();
            configuration.logging.retain(|known| known.id != id);
            if configuration.logging.len() == before {
                return Err(no_logging(input.given("ApplicationName"), id));
            }
            Ok(())
        })
    }
}

fn no_logging(name: &str, id: &str) -> ServiceError {
    let message = format!("Application {name} has no CloudWatch logging option {id}.");
    ServiceError::new("ResourceNotFoundException", message)
}

fn check_logging(configuration: &Configuration) -> Result<(), ServiceError> {
    if configuration.logging.len() <= LOGGING_MAX {
        return Ok(());
    }
    Err(invalid(format!("An application has {LOGGING_MAX} CloudWatch logging options at most.")))
}

/// Whether such an application can be run here.
fn check_kind(input: Input<'_>) -> Result<(), ServiceError> {
    check_runtime(input.given("RuntimeEnvironment"))?;
    if input.text("ApplicationMode") == Some("INTERACTIVE") {
        return Err(unsupported("ApplicationMode INTERACTIVE is for notebooks, which do not run here; use STREAMING."));
    }
    input.of("ApplicationConfiguration").map_or(Ok(()), |given| check_supported(given, ""))
}

fn check_runtime(runtime: &str) -> Result<(), ServiceError> {
    if runtime.starts_with("FLINK-") {
        return Ok(());
    }
    Err(unsupported(format!(
        "RuntimeEnvironment {runtime} does not run here: applications are Flink SQL, or programs for Flink. Use FLINK-1_20 and \
         give the script as TextContent, or the program as ZipFileContent or S3ContentLocation."
    )))
}

fn check_supported(given: Input<'_>, suffix: &str) -> Result<(), ServiceError> {
    for name in ["SqlApplicationConfiguration", "ZeppelinApplicationConfiguration"] {
        if given.value(&format!("{name}{suffix}")).is_some() {
            return Err(unsupported(format!(
                "{name} is for other kinds of applications than Flink SQL and programs for Flink, which do not run here."
            )));
        }
    }
    let networks = if suffix.is_empty() { "VpcConfigurations" } else { "VpcConfigurationUpdates" };
    if given.list(networks).is_some_and(|mut networks| networks.next().is_some()) {
        return Err(unsupported(
            "Applications run in this process and have no network of their own: leave VpcConfigurations out.",
        ));
    }
    let key = given.of(&format!("ApplicationEncryptionConfiguration{suffix}"));
    if key.and_then(|key| key.text(&format!("KeyType{suffix}"))) == Some("CUSTOMER_MANAGED_KEY") {
        return Err(unsupported("Checkpoints are not encrypted with keys of customers here: use AWS_OWNED_KEY."));
    }
    Ok(())
}

fn properties(groups: Input<'_>) -> Result<PropertyGroups, ServiceError> {
    let mut all = PropertyGroups::new();
    for group in groups.list("PropertyGroups").into_iter().flatten() {
        let id = group.given("PropertyGroupId");
        let entries = group.value("PropertyMap").and_then(Value::as_object).into_iter().flatten();
        let entries =
            entries.map(|(key, value)| (key.clone(), value.as_str().unwrap_or_default().to_owned())).collect();
        if all.insert(id.to_owned(), entries).is_some() {
            return Err(invalid(format!("The property group {id} is given twice.")));
        }
    }
    Ok(all)
}

/// What a request says of how an application runs.
fn apply(configuration: &mut Configuration, given: Members<'_>) -> Result<(), ServiceError> {
    if let Some(enabled) = given.of("ApplicationSnapshotConfiguration").and_then(|g| g.truth("SnapshotsEnabled")) {
        configuration.snapshots_enabled = enabled;
    }
    if let Some(enabled) = given.of("ApplicationSystemRollbackConfiguration").and_then(|g| g.truth("RollbackEnabled")) {
        configuration.rollback_enabled = enabled;
    }
    let Some(flink) = given.of("FlinkApplicationConfiguration") else { return Ok(()) };
    if let Some(given) = flink.of("CheckpointConfiguration") {
        configuration.checkpoints = checkpoints(configuration.checkpoints, given);
    }
    if let Some(given) = flink.of("MonitoringConfiguration") {
        configuration.monitoring = monitoring(&configuration.monitoring, given);
    }
    if let Some(given) = flink.of("ParallelismConfiguration") {
        configuration.parallelism = parallelism(configuration.parallelism, given)?;
    }
    Ok(())
}

fn checkpoints(before: CheckpointSetting, given: Members<'_>) -> CheckpointSetting {
    match given.setting().unwrap_or(before.by) {
        // As the service has it, its own figures hold whatever else is given.
        Setting::Default => CheckpointSetting::SERVICE,
        Setting::Custom => CheckpointSetting {
            by: Setting::Custom,
            enabled: given.truth("CheckpointingEnabled").unwrap_or(before.enabled),
            interval_ms: given.whole("CheckpointInterval").unwrap_or(before.interval_ms),
            min_pause_ms: given.whole("MinPauseBetweenCheckpoints").unwrap_or(before.min_pause_ms),
        },
    }
}

fn monitoring(before: &Monitoring, given: Members<'_>) -> Monitoring {
    let or = |text: Option<&str>, before: &String| text.map_or_else(|| before.clone(), str::to_owned);
    match given.setting().unwrap_or(before.by) {
        Setting::Default => Monitoring::default(),
        Setting::Custom => Monitoring {
            by: Setting::Custom,
            metrics_level: or(given.text("MetricsLevel"), &before.metrics_level),
            log_level: or(given.text("LogLevel"), &before.log_level),
        },
    }
}

fn parallelism(before: Parallelism, given: Members<'_>) -> Result<Parallelism, ServiceError> {
    let small =
        |value: Option<u64>, before: u32| value.map_or(before, |value| u32::try_from(value).unwrap_or(u32::MAX));
    let by = given.setting().unwrap_or(before.by);
    if by == Setting::Custom {
        return Ok(Parallelism {
            by,
            parallelism: small(given.whole("Parallelism"), before.parallelism),
            per_kpu: small(given.whole("ParallelismPerKPU"), before.per_kpu),
            auto_scaling: given.truth("AutoScalingEnabled").unwrap_or(before.auto_scaling),
        });
    }
    let service = Parallelism::SERVICE;
    let differs = given.whole("Parallelism").is_some_and(|p| p != u64::from(service.parallelism))
        || given.whole("ParallelismPerKPU").is_some_and(|p| p != u64::from(service.per_kpu))
        || given.truth("AutoScalingEnabled").is_some_and(|on| on != service.auto_scaling);
    if differs {
        return Err(invalid(
            "The ParallelismConfiguration is DEFAULT: set its ConfigurationType to CUSTOM to set Parallelism, ParallelismPerKPU or \
             AutoScalingEnabled.",
        ));
    }
    Ok(service)
}

/// What a run begins with, as a run configuration says.
pub(super) fn beginning(run: Input<'_>) -> Result<Beginning, ServiceError> {
    if run.value("SqlRunConfigurations").is_some() {
        return Err(unsupported(
            "SqlRunConfigurations are for applications in the service's former SQL, which do not run here.",
        ));
    }
    let allow_dropped =
        run.at(&["FlinkRunConfiguration"]).and_then(|run| run.truth("AllowNonRestoredState")).unwrap_or(false);
    let restore = run.of("ApplicationRestoreConfiguration");
    let snapshot = restore.and_then(|restore| restore.text("SnapshotName"));
    let sort = restore.map_or("RESTORE_FROM_LATEST_SNAPSHOT", |restore| restore.given("ApplicationRestoreType"));
    let from = match (sort, snapshot) {
        ("RESTORE_FROM_CUSTOM_SNAPSHOT", Some(snapshot)) => Begin::Snapshot(snapshot.to_owned()),
        ("RESTORE_FROM_CUSTOM_SNAPSHOT", None) => {
            return Err(invalid("RESTORE_FROM_CUSTOM_SNAPSHOT needs the SnapshotName of a snapshot."));
        }
        (_, Some(_)) => {
            return Err(invalid(format!("A SnapshotName does not go with {sort}: use RESTORE_FROM_CUSTOM_SNAPSHOT.")));
        }
        ("SKIP_RESTORE_FROM_SNAPSHOT", None) => Begin::Nothing,
        (_, None) => Begin::Latest,
    };
    Ok(Beginning { from, allow_dropped })
}

/// Adds the tags of a request.
pub(super) fn add_tags(tags: &mut BTreeMap<String, String>, input: Input<'_>) -> Result<(), ServiceError> {
    let mut seen = Vec::new();
    for tag in input.list("Tags").into_iter().flatten() {
        let key = tag.given("Key");
        if key.to_ascii_lowercase().starts_with("aws:") {
            return Err(invalid(format!("The tag key {key} begins with aws:, which is reserved.")));
        }
        if seen.contains(&key) {
            return Err(invalid(format!("The tag key {key} is given twice.")));
        }
        seen.push(key);
        tags.insert(key.to_owned(), tag.given("Value").to_owned());
    }
    if tags.len() > TAGS_MAX {
        let message = format!("An application has {TAGS_MAX} tags at most; it would have {}.", tags.len());
        return Err(ServiceError::new("TooManyTagsException", message));
    }
    Ok(())
}
