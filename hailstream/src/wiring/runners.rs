//! The runners of a platform behind one: the engine of this process, and a Flink cluster where one is set up.

use super::EmbeddedRunner;
use control::{ApplicationSpec, Begin, Beginning, Correction, EMBEDDED, FLINK};
use control::{MovePlan, Runner, RunnerError, Running, SnapshotInfo, StateFate};
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

    /// The runners that keep things of an application, by its name alone: one that has moved has left some at the former.
    fn keepers(&self, name: &str) -> Result<Vec<&dyn Runner>, RunnerError> {
        let mut keepers: Vec<&dyn Runner> = vec![&self.embedded];
        if let Some(flink) = &self.flink
            && flink.knows(name)?
        {
            keepers.insert(0, flink);
        }
        Ok(keepers)
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
        let mut all = Vec::new();
        for keeper in self.keepers(name)? {
            all.extend(keeper.snapshots(name)?);
        }
        all.sort_by_key(|snapshot| std::cmp::Reverse(snapshot.created_ms));
        Ok(all)
    }

    fn snapshot_names(&self, name: &str) -> Result<Vec<String>, RunnerError> {
        let mut all = Vec::new();
        for keeper in self.keepers(name)? {
            all.extend(keeper.snapshot_names(name)?);
        }
        Ok(all)
    }

    fn remove_snapshot(&self, name: &str, snapshot: &str) -> Result<(), RunnerError> {
        for keeper in self.keepers(name)? {
            if keeper.snapshot_names(name)?.iter().any(|known| known == snapshot) {
                return keeper.remove_snapshot(name, snapshot);
            }
        }
        Err(RunnerError::new(Kind::NotFound, format!("application {name} has no snapshot {snapshot:?}")))
    }

    fn correct(&self, spec: &ApplicationSpec, only_plan: bool) -> Result<Correction, RunnerError> {
        self.of(spec)?.correct(spec, only_plan)
    }

    fn plan_move(
        &self,
        from: &ApplicationSpec,
        to: &ApplicationSpec,
        closed_ms: Option<i64>,
    ) -> Result<MovePlan, RunnerError> {
        // There is one to go to before anything is looked at.
        let next = self.of(to)?;
        let plan = self.embedded.plan_move(from, to, closed_ms)?;
        next.check(&ApplicationSpec { handover: Some(plan.handover.clone()), ..to.clone() })?;
        Ok(plan)
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
