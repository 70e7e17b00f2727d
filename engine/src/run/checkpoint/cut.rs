//! What a job keeps at one cut: positions, watermarks, groups, open transactions. Freezing it copies nothing.

use super::layout::StateLayout;
use super::part::Part;
use crate::port::Cursor;
use model::{Position, Watermark};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Everything that the operators of a job keep, as of one barrier.
#[derive(Debug, Clone, Default)]
pub(crate) struct Cut {
    /// By the table's name; a second scan of the same table is `name#1`, and so on.
    pub(crate) sources: BTreeMap<String, SourceCut>,
    /// By the operator's name.
    pub(crate) operators: BTreeMap<String, OperatorCut>,
    /// Transactions of sinks that are prepared and not known to be committed, by table.
    pub(crate) sinks: BTreeMap<String, Vec<Vec<u8>>>,
}

/// Where one source stood.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SourceCut {
    /// The watermark that every one of its subtasks had emitted, in milliseconds since the epoch.
    pub(crate) watermark: i64,
    /// Its splits by number.
    pub(crate) splits: BTreeMap<u32, SplitCut>,
}

/// Where one split stood.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SplitCut {
    /// Its name, which says whether it is still the same.
    pub(crate) name: String,
    /// The first position that is not in the state.
    pub(crate) position: u64,
    /// What the source goes by beside it, where it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) mark: Option<String>,
    /// Its own watermark, in milliseconds since the epoch.
    pub(crate) watermark: i64,
    /// Read to its end.
    pub(crate) ended: bool,
}

impl SplitCut {
    /// Where it is read on.
    pub(crate) fn cursor(&self) -> Cursor {
        Cursor { position: Position(self.position), mark: self.mark.as_deref().map(Arc::from) }
    }
}

/// Parts of the state of one operator.
pub(crate) type Parts = Vec<Part>;

/// What an operator kept, in all of its subtasks.
#[derive(Debug, Clone)]
pub(crate) struct OperatorCut {
    pub(crate) layout: Arc<StateLayout>,
    pub(crate) watermark: Watermark,
    pub(crate) parts: Parts,
}

impl Cut {
    /// Takes in where subtasks of a source stood: of a split that several speak of, what has come furthest.
    pub(crate) fn add_source(&mut self, name: &str, watermark: Watermark, splits: &[(u32, SplitCut)]) {
        let none = || SourceCut { watermark: i64::MAX, splits: BTreeMap::new() };
        let source = self.sources.entry(name.to_owned()).or_insert_with(none);
        source.watermark = source.watermark.min(watermark.0);
        for (id, split) in splits {
            let known = source.splits.entry(*id).or_insert_with(|| split.clone());
            if (split.position, split.ended) > (known.position, known.ended) {
                known.clone_from(split);
            }
        }
    }

    /// Takes in what one subtask of an operator kept.
    pub(crate) fn add_operator(&mut self, layout: &Arc<StateLayout>, watermark: i64, parts: &[Part]) {
        let none = || OperatorCut { layout: layout.clone(), watermark: Watermark::MAX, parts: Vec::new() };
        let operator = self.operators.entry(layout.name.clone()).or_insert_with(none);
        operator.watermark = operator.watermark.min(Watermark(watermark));
        operator.parts.extend(parts.iter().cloned());
    }

    /// Takes in what one writer of a table has prepared.
    pub(crate) fn add_sink(&mut self, table: &str, prepared: Vec<Vec<u8>>) {
        if !prepared.is_empty() {
            self.sinks.entry(table.to_owned()).or_default().extend(prepared);
        }
    }
}
