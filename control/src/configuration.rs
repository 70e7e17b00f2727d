//! How an application is set up: what each of its versions holds.

use crate::application::{ApplicationSpec, Checkpoints, SpecError};
use crate::program::{Code, ProgramRun};
use crate::properties::{self, PropertyError, PropertyGroups};
use model::limits::{CHECKPOINT_INTERVAL_MS_MAX, CHECKPOINT_INTERVAL_MS_MIN};
use serde::{Deserialize, Serialize};

/// The runner that is the engine of this process. It runs the scripts that name no other.
pub const EMBEDDED: &str = "embedded";
/// The runner that is a Flink cluster. It runs every program, and the scripts that name it.
pub const FLINK: &str = "flink";
/// The group of properties that speaks to the platform, and not to the script.
pub const PLATFORM_GROUP: &str = "Hailstream";
/// The property of that group that names the runner.
pub const RUNNER_PROPERTY: &str = "runner";

/// What one version of an application is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Configuration {
    /// Words for people; up to 1,024 characters.
    pub description: String,
    /// The runtime that the application is written for, such as `FLINK-1_20`.
    pub runtime: String,
    /// The role that it runs under; it is kept and told, and gives no rights here.
    pub role: String,
    /// What it computes with: a script, or a program.
    pub code: Code,
    /// Properties in groups, by the name of the group.
    pub properties: PropertyGroups,
    /// How often it keeps its state.
    pub checkpoints: CheckpointSetting,
    /// What is told of it.
    pub monitoring: Monitoring,
    /// How many subtasks it has.
    pub parallelism: Parallelism,
    /// Whether a stop and an update keep a snapshot first, and anybody may take one.
    pub snapshots_enabled: bool,
    /// Whether an update that does not come up is taken back without anybody's asking.
    pub rollback_enabled: bool,
    /// Where its lines are written beside the platform's own log.
    pub logging: Vec<LoggingOption>,
}

/// Who says how something is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Setting {
    /// The platform, with the managed service's figures.
    #[default]
    Default,
    /// Whoever made the application.
    Custom,
}

/// How often an application keeps its state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckpointSetting {
    /// Who says so.
    pub by: Setting,
    /// Whether there are checkpoints at all; without them a start goes on from the last clean end.
    pub enabled: bool,
    /// From the beginning of one to that of the next, in milliseconds: 100 ms to a day.
    pub interval_ms: u64,
    /// From the end of one to the beginning of the next, at least, in milliseconds: up to a day.
    pub min_pause_ms: u64,
}

impl CheckpointSetting {
    /// The managed service's: every 60 s, 5 s between two.
    pub const SERVICE: Self = Self { by: Setting::Default, enabled: true, interval_ms: 60_000, min_pause_ms: 5_000 };
    /// The platform's own, for applications that a stack declares: every second.
    pub const OWN: Self = Self { by: Setting::Custom, enabled: true, interval_ms: 1_000, min_pause_ms: 0 };
}

/// What is told of an application.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Monitoring {
    /// Who says so.
    pub by: Setting,
    /// How fine metrics are: `APPLICATION`, `TASK`, `OPERATOR`, `PARALLELISM`.
    pub metrics_level: String,
    /// From which weight on lines are kept: `DEBUG`, `INFO`, `WARN`, `ERROR`.
    pub log_level: String,
}

impl Default for Monitoring {
    fn default() -> Self {
        Self { by: Setting::Default, metrics_level: "APPLICATION".to_owned(), log_level: "INFO".to_owned() }
    }
}

/// How many subtasks an application is set up with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parallelism {
    /// Who says so.
    pub by: Setting,
    /// Subtasks of each operator, 1–256.
    pub parallelism: u32,
    /// Subtasks that share one KPU, 1–8.
    pub per_kpu: u32,
    /// Whether rules may change the parallelism.
    pub auto_scaling: bool,
}

impl Parallelism {
    /// What the managed service sets where nobody says anything.
    pub const SERVICE: Self = Self { by: Setting::Default, parallelism: 1, per_kpu: 1, auto_scaling: true };
}

/// A place that the lines of an application are written to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoggingOption {
    /// Its number in the application, as text.
    pub id: String,
    /// The stream of lines that it names.
    pub log_stream_arn: String,
}

/// The size that an application has now, where a rule has changed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Size {
    /// Subtasks of each operator.
    pub parallelism: u32,
    /// Subtasks that share one KPU.
    pub per_kpu: u32,
}

/// Why a configuration is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigurationError {
    /// A bound is broken.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// The script names a property that there is not.
    #[error("application {name}: {error}")]
    Property {
        /// The application.
        name: String,
        /// Which, and where.
        error: PropertyError,
    },
    /// Its code is a program that cannot be run like this.
    #[error("application {name}: {what}")]
    Program {
        /// The application.
        name: String,
        /// What is wrong, and what to do.
        what: String,
    },
    /// Checkpoints are too near to each other, or too far apart.
    #[error(
        "application {name}: {what} of {ms} ms is not within {min} to {CHECKPOINT_INTERVAL_MS_MAX} ms; change the checkpoint configuration"
    )]
    Checkpoints {
        /// The application.
        name: String,
        /// Which of the two.
        what: &'static str,
        /// What was asked for, in milliseconds.
        ms: u64,
        /// The least, in milliseconds.
        min: u64,
    },
}

impl Configuration {
    /// What the managed service makes of an application of which no more is said than its code.
    pub fn new(runtime: impl Into<String>, role: impl Into<String>, code: impl Into<Code>) -> Self {
        Self {
            description: String::new(),
            runtime: runtime.into(),
            role: role.into(),
            code: code.into(),
            properties: PropertyGroups::new(),
            checkpoints: CheckpointSetting::SERVICE,
            monitoring: Monitoring::default(),
            parallelism: Parallelism::SERVICE,
            snapshots_enabled: true,
            rollback_enabled: false,
            logging: Vec::new(),
        }
    }

    /// That of an application which a stack file or a person declares in the platform's own words.
    pub fn of(spec: &ApplicationSpec) -> Self {
        let parallelism = Parallelism {
            by: Setting::Custom,
            parallelism: spec.parallelism,
            per_kpu: spec.parallelism_per_kpu,
            auto_scaling: false,
        };
        let checkpoints = spec.checkpoints.map_or(CheckpointSetting::OWN, |c| CheckpointSetting {
            interval_ms: c.interval_ms,
            min_pause_ms: c.min_pause_ms,
            ..CheckpointSetting::OWN
        });
        let mut properties = PropertyGroups::new();
        if spec.runner != EMBEDDED {
            let named = [(RUNNER_PROPERTY.to_owned(), spec.runner.clone())].into();
            properties.insert(PLATFORM_GROUP.to_owned(), named);
        }
        Self { parallelism, checkpoints, properties, ..Self::new("FLINK-1_20", "", spec.script.clone()) }
    }

    /// What the runner is given: the script with its properties in their places, or the program with what it is called
    /// with, at this size or at that of the configuration.
    ///
    /// # Errors
    /// When a bound is broken, the script names an unknown property, or the program cannot be run like this.
    pub fn spec(&self, name: &str, size: Option<Size>, kpus_max: u32) -> Result<ApplicationSpec, ConfigurationError> {
        let (script, program) = self.resolved_code(name)?;
        let configured = Size { parallelism: self.parallelism.parallelism, per_kpu: self.parallelism.per_kpu };
        let size = size.unwrap_or(configured);
        let spec = ApplicationSpec {
            name: name.to_owned(),
            runner: self.runner().to_owned(),
            script,
            program,
            parallelism: size.parallelism,
            parallelism_per_kpu: size.per_kpu,
            checkpoints: Some(Checkpoints {
                enabled: self.checkpoints.enabled,
                interval_ms: self.checkpoints.interval_ms,
                min_pause_ms: self.checkpoints.min_pause_ms,
            }),
            handover: None,
        };
        spec.check(kpus_max)?;
        self.check_checkpoints(name)?;
        Ok(spec)
    }

    /// What runs it, by its name: where its properties name none, [`EMBEDDED`] for a script and [`FLINK`] for a program.
    pub fn runner(&self) -> &str {
        let group = self.properties.get(PLATFORM_GROUP);
        let usual = if self.code.program().is_some() { FLINK } else { EMBEDDED };
        group.and_then(|group| group.get(RUNNER_PROPERTY)).map_or(usual, String::as_str)
    }

    /// The script as the engine reads it, or no script and the program.
    fn resolved_code(&self, name: &str) -> Result<(String, Option<ProgramRun>), ConfigurationError> {
        let program = match &self.code {
            Code::Script(script) => {
                let script = properties::substitute(script, &self.properties)
                    .map_err(|error| ConfigurationError::Property { name: name.to_owned(), error })?;
                return Ok((script, None));
            }
            Code::Program(program) => program,
        };
        if self.runner() == EMBEDDED {
            let what = format!(
                "its code is a program, and the engine of this process runs SQL alone: start the platform with --flink and \
                 --flink-gateway, and set the property {RUNNER_PROPERTY} of the group {PLATFORM_GROUP} to {FLINK}, or leave it out"
            );
            return Err(ConfigurationError::Program { name: name.to_owned(), what });
        }
        Ok((String::new(), Some(ProgramRun::of(name, program, &self.properties)?)))
    }

    /// The same with another runner.
    pub(crate) fn with_runner(&self, runner: &str) -> Self {
        let mut other = self.clone();
        let group = other.properties.entry(PLATFORM_GROUP.to_owned()).or_default();
        if runner == EMBEDDED {
            group.remove(RUNNER_PROPERTY);
        } else {
            group.insert(RUNNER_PROPERTY.to_owned(), runner.to_owned());
        }
        other.properties.retain(|_, properties| !properties.is_empty());
        other
    }

    fn check_checkpoints(&self, name: &str) -> Result<(), ConfigurationError> {
        let bounds = [
            ("a checkpoint interval", self.checkpoints.interval_ms, CHECKPOINT_INTERVAL_MS_MIN),
            ("a pause between checkpoints", self.checkpoints.min_pause_ms, 0),
        ];
        match bounds.into_iter().find(|(_, ms, min)| !(*min..=CHECKPOINT_INTERVAL_MS_MAX).contains(ms)) {
            None => Ok(()),
            Some((what, ms, min)) => Err(ConfigurationError::Checkpoints { name: name.to_owned(), what, ms, min }),
        }
    }

    /// Whether a run of this configuration goes on as one of `other` without a new start: at most the parallelism differs.
    pub(crate) fn runs_as(&self, other: &Self) -> bool {
        let same_run = |a: &Self| (a.code.clone(), a.properties.clone(), a.checkpoints, a.parallelism.per_kpu);
        same_run(self) == same_run(other)
    }

    /// Whether the code that is run is the same one.
    pub(crate) fn reads_as(&self, other: &Self) -> bool {
        self.code == other.code && self.properties == other.properties
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::Program;

    fn configuration() -> Configuration {
        Configuration::new("FLINK-1_20", "arn:aws:iam::000000000000:role/r", "SELECT '${word}'")
    }

    #[test]
    fn a_runner_is_given_the_script_with_its_properties_at_the_size_of_the_moment() {
        let mut made = configuration();
        assert!(made.spec("a", None, 32).unwrap_err().to_string().contains("application a: line 1, column 9: ${word}"));
        made.properties = [("g".to_owned(), [("word".to_owned(), "x".to_owned())].into())].into();
        let spec = made.spec("a", None, 32).unwrap();
        assert_eq!((spec.script.as_str(), spec.parallelism, spec.parallelism_per_kpu), ("SELECT 'x'", 1, 1));
        let checkpoints = spec.checkpoints.unwrap();
        assert_eq!((checkpoints.enabled, checkpoints.interval_ms, checkpoints.min_pause_ms), (true, 60_000, 5_000));
        let spec = made.spec("a", Some(Size { parallelism: 6, per_kpu: 2 }), 32).unwrap();
        assert_eq!((spec.parallelism, spec.kpus(), spec.runner.as_str()), (6, 3, EMBEDDED));
        let named = [(RUNNER_PROPERTY.to_owned(), FLINK.to_owned())].into();
        made.properties.insert(PLATFORM_GROUP.to_owned(), named);
        assert_eq!(made.spec("a", None, 32).unwrap().runner, FLINK);
        let moved = made.with_runner(EMBEDDED);
        assert_eq!((moved.runner(), moved.properties.len()), (EMBEDDED, 1));
        assert_eq!(moved.with_runner(FLINK), made);
    }

    #[test]
    fn what_is_out_of_bounds_is_named() {
        let refused = |change: &dyn Fn(&mut Configuration)| {
            let mut made = Configuration { code: "".into(), ..configuration() };
            change(&mut made);
            made.spec("a", None, 32).unwrap_err().to_string()
        };
        assert!(refused(&|c| c.checkpoints.interval_ms = 99).contains("interval of 99 ms is not within 100 to"));
        assert!(refused(&|c| c.checkpoints.min_pause_ms = u64::MAX).contains("a pause between checkpoints"));
        assert!(refused(&|c| c.parallelism.parallelism = 33).contains("33 KPUs are more than the quota of 32"));
    }

    #[test]
    fn a_program_is_run_by_a_cluster_and_by_nothing_else() {
        let main_class = Some("a.Main".to_owned());
        let program = Program { sha256: "ab".into(), md5: "cd".into(), bytes: 3, main_class, from: None };
        let mut made = Configuration::new("FLINK-1_20", "r", program);
        let spec = made.spec("a", None, 32).unwrap();
        assert_eq!((spec.runner.as_str(), spec.script.as_str()), (FLINK, ""));
        assert_eq!(spec.program.unwrap().entry_class, "a.Main");
        let named = [(RUNNER_PROPERTY.to_owned(), EMBEDDED.to_owned())].into();
        made.properties.insert(PLATFORM_GROUP.to_owned(), named);
        let error = made.spec("a", None, 32).unwrap_err().to_string();
        assert!(error.contains("its code is a program") && error.contains("--flink"), "{error}");
    }

    #[test]
    fn only_what_a_run_was_started_with_needs_a_new_start() {
        let made = configuration();
        let with = |change: &dyn Fn(&mut Configuration)| {
            let mut other = made.clone();
            change(&mut other);
            (made.runs_as(&other), made.reads_as(&other))
        };
        assert_eq!(with(&|c| c.parallelism.parallelism = 9), (true, true));
        assert_eq!(with(&|c| c.monitoring.log_level = "WARN".into()), (true, true));
        assert_eq!(with(&|c| c.parallelism.per_kpu = 2), (false, true));
        assert_eq!(with(&|c| c.checkpoints.interval_ms = 100), (false, true));
        assert_eq!(with(&|c| c.code = "SELECT 2".into()), (false, false));
    }
}
