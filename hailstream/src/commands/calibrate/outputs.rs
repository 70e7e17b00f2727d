//! Where results of a run go: tables of our index into a real one, in a folder that is gone afterwards; others nowhere.

use super::Failure;
use super::args::CalibrateOf;
use crate::stack::{IndexDecl, Stack};
use crate::wiring::{IndexSink, index_of, make_index};
use engine::plan::{JobPlan, NodeKind, SinkTarget};
use engine::port::{PortError, Sink, SinkBatch, SinkSpec};
use index::{Index, IndexConfig, IndexError};
use model::Env;
use tempfile::TempDir;
use tokio::runtime::Handle;

/// The index of the runs.
pub(super) struct Outputs {
    index: Index,
    /// What the stack says of indices; of others the types of fields are found from the documents.
    declared: Vec<IndexDecl>,
    _folder: TempDir,
}

impl Outputs {
    /// An index in a folder of its own, on the disk that the options name.
    pub(super) fn open(of: &CalibrateOf, env: &Env) -> Result<Self, Failure> {
        let place = of.scratch.clone().unwrap_or_else(std::env::temp_dir);
        let shown = place.display().to_string();
        let folder = tempfile::Builder::new().prefix("hailstream-calibrate-").tempdir_in(place);
        let folder =
            folder.map_err(|error| format!("no folder can be made in {shown}: {error}; name one with --scratch"))?;
        let index = Index::open(IndexConfig::new(folder.path(), env.clone()))?;
        let declared = match &of.stack {
            None => Vec::new(),
            Some(path) => {
                let text = std::fs::read_to_string(path)
                    .map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
                Stack::parse(&text)?.indices
            }
        };
        Ok(Self { index, declared, _folder: folder })
    }

    /// An empty index for the next run.
    pub(super) fn renew(&self) -> Result<(), Failure> {
        for name in self.index.names() {
            self.index.delete_index(&name)?;
        }
        for index in &self.declared {
            make_index(&self.index, &index.name, &index.properties)?;
        }
        Ok(())
    }

    /// Ends the index; its folder goes when this is let go of.
    pub(super) fn close(&self) -> Result<(), IndexError> {
        self.index.shutdown()
    }

    pub(super) fn handle(&self) -> Index {
        self.index.clone()
    }
}

/// The sink of a run for a table.
pub(super) fn sink(index: &Index, spec: &SinkSpec, runtime: &Handle) -> Result<Box<dyn Sink>, PortError> {
    match index_of(&spec.table) {
        Some(name) => Ok(Box::new(IndexSink::new(index.clone(), name.to_owned(), spec, runtime.clone())?)),
        None => Ok(Box::new(Nowhere)),
    }
}

/// The tables that a plan writes: those whose results are written as in earnest, and those whose results are let go.
pub(super) fn written(plan: &JobPlan) -> (Vec<String>, Vec<String>) {
    let tables = plan.nodes.iter().filter_map(|node| match &node.kind {
        NodeKind::Sink { target: SinkTarget::Table(table), .. } => Some(table),
        _ => None,
    });
    let (real, left): (Vec<_>, Vec<_>) = tables.partition(|table| index_of(table).is_some());
    let names = |tables: Vec<_>| {
        let mut names: Vec<String> =
            tables.into_iter().map(|table: &std::sync::Arc<engine::plan::TableDef>| table.name.clone()).collect();
        names.sort();
        names.dedup();
        names
    };
    (names(real), names(left))
}

struct Nowhere;

impl Sink for Nowhere {
    fn write(&mut self, _: &SinkBatch) -> Result<(), PortError> {
        Ok(())
    }

    fn flush(&mut self) -> Result<(), PortError> {
        Ok(())
    }

    fn close(&mut self) -> Result<(), PortError> {
        Ok(())
    }
}
