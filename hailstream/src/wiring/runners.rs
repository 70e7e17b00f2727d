//! The runners of a platform behind one: the engine of this process, and a Flink cluster where one is set up.

use super::EmbeddedRunner;
use control::{ApplicationSpec, Begin, Beginning, Correction, EMBEDDED, FLINK};
use control::{Runner, RunnerError, Running, SnapshotInfo, StateFate};
use flink::FlinkRunner;
use model::Kind;
use std::sync::Arc;

/// Hands each application to the runner that it names.
pub(crate) struct Runners {
    embedded: EmbeddedRunner,
    flink: Option<FlinkRunner>,
}

impl Runners {
    pub(crate) fn new(embedded: EmbeddedRunner, flink: Option<FlinkRunner>) -> Self {
        Self { embedded, flink }
    }

    fn of(&self, spec: &ApplicationSpec) -> Result<&dyn Runner, RunnerError> {
        let wrong = |what: &str| Err(RunnerError::new(Kind::Invalid, format!("application {}: {what}", spec.name)));
        match (spec.runner.as_str(), &self.flink) {
            (EMBEDDED, _) => Ok(&self.embedded),
            (FLINK, Some(flink)) => Ok(flink),
            (FLINK, None) => wrong(
                "it is to run on a Flink cluster, and the platform knows none; start it with --flink and --flink-gateway",
            ),
            (other, _) => wrong(&format!("there is no runner {other:?}; there are {EMBEDDED} and {FLINK}")),
        }
    }

    /// The runner that keeps things of an application, by its name alone: that of this process keeps nothing of one that runs
    /// on a cluster.
    fn keeper(&self, name: &str) -> Result<&dyn Runner, RunnerError> {
        match &self.flink {
            Some(flink) if flink.knows(name)? => Ok(flink),
            _ => Ok(&self.embedded),
        }
    }
}

impl Runner for Runners {
    fn check(&self, spec: &ApplicationSpec) -> Result<(), RunnerError> {
        self.of(spec)?.check(spec)
    }

    fn explain(&self, spec: &ApplicationSpec) -> Result<String, RunnerError> {
        self.of(spec)?.explain(spec)
    }

    fn compare(&self, spec: &ApplicationSpec, from: &Begin) -> Result<Vec<StateFate>, RunnerError> {
        self.of(spec)?.compare(spec, from)
    }

    fn start(&self, spec: &ApplicationSpec, beginning: &Beginning) -> Result<Arc<dyn Running>, RunnerError> {
        self.of(spec)?.start(spec, beginning)
    }

    fn snapshots(&self, name: &str) -> Result<Vec<SnapshotInfo>, RunnerError> {
        self.keeper(name)?.snapshots(name)
    }

    fn snapshot_names(&self, name: &str) -> Result<Vec<String>, RunnerError> {
        self.keeper(name)?.snapshot_names(name)
    }

    fn remove_snapshot(&self, name: &str, snapshot: &str) -> Result<(), RunnerError> {
        self.keeper(name)?.remove_snapshot(name, snapshot)
    }

    fn correct(&self, spec: &ApplicationSpec, only_plan: bool) -> Result<Correction, RunnerError> {
        self.of(spec)?.correct(spec, only_plan)
    }

    fn close(&self) {
        self.embedded.close();
        if let Some(flink) = &self.flink {
            flink.close();
        }
    }

    fn forget(&self, name: &str) -> Result<(), RunnerError> {
        if let Some(flink) = &self.flink {
            flink.forget(name)?;
        }
        self.embedded.forget(name)
    }
}
