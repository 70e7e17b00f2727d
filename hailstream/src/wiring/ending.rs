//! Streams as they stand: each is read from its oldest record up to the one that was the newest when it was opened.

use super::connectors::stream_of;
use engine::plan::TableDef;
use engine::port::{
    Changelog, Connectors, Cursor, Lookup, LookupSpec, PortError, RecordBlock, Role, Sink, SinkSpec, Source, SplitId,
    SplitInfo, SplitRead, SplitReader, Waker,
};
use model::{Classified, Kind, Position};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use store::Store;

/// The connectors of the platform, but that streams end.
pub(super) struct EndingConnectors {
    inner: Arc<dyn Connectors>,
    store: Store,
    part: Part,
}

/// What is read of a stream.
enum Part {
    /// Of each split no more than so many records.
    Beginnings(u64),
    /// These records of one split.
    Range(SplitId, Range<Position>),
}

impl EndingConnectors {
    /// `inner`, whose streams stand in `store`; of each split no more than `records_max` records are read.
    pub(super) fn new(inner: Arc<dyn Connectors>, store: Store, records_max: u64) -> Self {
        Self { inner, store, part: Part::Beginnings(records_max) }
    }

    /// The same, but that of the only stream that is read nothing is read but `records` of the split `split`.
    pub(super) fn of_range(inner: Arc<dyn Connectors>, store: Store, split: SplitId, records: Range<Position>) -> Self {
        Self { inner, store, part: Part::Range(split, records) }
    }

    /// Where each split of a stream ends.
    fn ends(&self, table: &TableDef) -> Result<BTreeMap<SplitId, Position>, PortError> {
        let refused = |e: store::StreamError| PortError::new(e.kind(), format!("table {}: {e}", table.name));
        let shards = self.store.shards(stream_of(table)?).map_err(refused)?;
        let end = |shard: &store::ShardDescription| {
            let split = SplitId(shard.index.0);
            let end = match &self.part {
                Part::Beginnings(records_max) => Position(shard.first.0.saturating_add(*records_max)),
                Part::Range(chosen, records) if split == *chosen => records.end,
                Part::Range(..) => return None,
            };
            Some((split, end.min(shard.next)))
        };
        Ok(shards.iter().filter_map(end).collect())
    }
}

/// A table that is read from its oldest record on, unless its script names a time. What an application found as the newest
/// record at its first start is not known any more.
pub(super) fn from_the_oldest(table: &TableDef) -> TableDef {
    const WHERE: [&str; 2] = ["scan.stream.initpos", "source.init.position"];
    let mut table = table.clone();
    if !WHERE.iter().any(|option| table.options.get(*option).is_some_and(|at| at == "AT_TIMESTAMP")) {
        table.options.remove(WHERE[1]);
        table.options.insert(WHERE[0].to_owned(), "TRIM_HORIZON".to_owned());
    }
    table
}

impl Connectors for EndingConnectors {
    fn check(&self, table: &TableDef, role: Role) -> Result<(), PortError> {
        self.inner.check(table, role)
    }

    fn changelog(&self, table: &TableDef) -> Changelog {
        self.inner.changelog(table)
    }

    fn gives(&self, table: &TableDef) -> Changelog {
        self.inner.gives(table)
    }

    fn source(&self, table: &TableDef) -> Result<Arc<dyn Source>, PortError> {
        if stream_of(table).is_err() {
            let source = self.inner.source(table)?;
            let endless = || PortError::new(Kind::Invalid, format!("table {} never ends", table.name));
            return if source.is_bounded() { Ok(source) } else { Err(endless()) };
        }
        let source = self.inner.source(&from_the_oldest(table))?;
        let ends = self.ends(table)?;
        // A shard that was opened since then holds nothing that is to be read.
        let mut splits = source.splits()?;
        splits.retain(|split| ends.contains_key(&split.id));
        if let Part::Range(_, records) = &self.part {
            splits
                .iter_mut()
                .for_each(|split| (split.start, split.parents) = (Cursor::from(records.start), Vec::new()));
        }
        Ok(Arc::new(EndingSource { source, splits, ends }))
    }

    fn lookup(&self, spec: &LookupSpec) -> Result<Arc<dyn Lookup>, PortError> {
        self.inner.lookup(spec)
    }

    fn sink(&self, spec: &SinkSpec) -> Result<Box<dyn Sink>, PortError> {
        self.inner.sink(spec)
    }
}

struct EndingSource {
    source: Arc<dyn Source>,
    splits: Vec<SplitInfo>,
    ends: BTreeMap<SplitId, Position>,
}

impl Source for EndingSource {
    fn splits(&self) -> Result<Vec<SplitInfo>, PortError> {
        Ok(self.splits.clone())
    }

    fn open(&self, split: SplitId, from: Cursor) -> Result<Box<dyn SplitReader>, PortError> {
        let next = from.position;
        let end = self.ends.get(&split).copied().unwrap_or(next);
        Ok(Box::new(EndingSplit { reader: self.source.open(split, from)?, next, end }))
    }

    fn is_bounded(&self) -> bool {
        true
    }

    fn subscribe(&self, _waker: Waker) -> Box<dyn Send> {
        Box::new(())
    }
}

struct EndingSplit {
    reader: Box<dyn SplitReader>,
    next: Position,
    end: Position,
}

impl SplitReader for EndingSplit {
    fn read(&mut self, bytes_max: usize) -> Result<SplitRead, PortError> {
        if self.next >= self.end {
            return Ok(SplitRead::End);
        }
        let read = self.reader.read(bytes_max)?;
        match &read {
            // Some records of the last block may have come after the end: they are as good as those before it.
            SplitRead::Payloads(block) if block.first == self.next => self.next = block.next.position,
            SplitRead::Payloads(block) => {
                let what = format!("records from {} to {} were deleted while they were read", self.next, block.first);
                return Err(PortError::new(Kind::Conflict, what));
            }
            SplitRead::Records(RecordBlock { next, .. }) | SplitRead::Rows { next, .. } => self.next = next.position,
            SplitRead::Tip | SplitRead::Later | SplitRead::End => return Ok(SplitRead::End),
        }
        Ok(read)
    }

    fn millis_behind_latest(&self) -> Option<u64> {
        None
    }
}
