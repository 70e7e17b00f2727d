//! The sample in memory, as a source of splits: at once, or as fast as a rate says.

use super::Failure;
use super::args::CalibrateOf;
use super::outputs;
use crate::settings::bucket_settings_of_environment;
use crate::wiring::{DescribedTables, REST_LOOKUP, RestLookups, with_buckets};
use bytes::Bytes;
use connect::BucketFiles;
use engine::plan::TableDef;
use engine::port::{
    Changelog, Connectors, Cursor, Lookup, LookupSpec, PayloadBlock, PortError, Role, Sink, SinkSpec, Source, SplitId,
    SplitInfo, SplitRead, SplitReader, Waker,
};
use engine::run::connectors::BuiltinConnectors;
use index::Index;
use model::{Env, Position};
use parking_lot::Mutex;
use replay::{FileSource, Generator, ReadOptions};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

/// Splits, as shards of a stream: as many as subtasks may be at least.
const SPLITS: usize = 16;
/// Largest sample, in bytes: a split's rows stand at 32-bit places of its buffer.
const SAMPLE_BYTES_MAX: usize = 2 << 30;
/// Waits of reads that are kept: about ten minutes of them.
const WAITS_MAX: usize = 1_000_000;
/// Wednesday 6 January 2016, in milliseconds since the Unix epoch: the day that generated trips begin on.
const GENERATED_DAY_MS: i64 = 1_452_038_400_000;

/// The rows of one split in one buffer.
#[derive(Debug, Default)]
struct Split {
    data: Bytes,
    rows: Vec<Range<u32>>,
}

/// A sample.
#[derive(Debug)]
pub(super) struct Sample {
    splits: Vec<Split>,
    /// How many rows it has, and their bytes.
    pub(super) rows: u64,
    pub(super) bytes: u64,
}

impl Sample {
    /// Reads the sample that the options name.
    pub(super) fn read(of: &CalibrateOf) -> Result<Self, Failure> {
        let mut source: Box<dyn replay::Source> = match &of.sample {
            None => Box::new(Generator::new(1, of.rows, GENERATED_DAY_MS)),
            Some(path) => {
                let options = ReadOptions {
                    time_attribute: of.timestamp_attribute.clone(),
                    key_attribute: of.key_attribute.clone(),
                    ..ReadOptions::default()
                };
                Box::new(FileSource::open(std::slice::from_ref(path), options)?)
            }
        };
        let mut buffers: Vec<(Vec<u8>, Vec<Range<u32>>)> = (0..SPLITS).map(|_| Default::default()).collect();
        let (mut rows, mut bytes) = (0_u64, 0_usize);
        while rows < of.rows
            && bytes < SAMPLE_BYTES_MAX
            && let Some(row) = source.next_row()?
        {
            let mut hasher = DefaultHasher::new();
            row.key.hash(&mut hasher);
            let (buffer, places) = &mut buffers[(hasher.finish() % SPLITS as u64) as usize];
            let start = buffer.len() as u32;
            buffer.extend_from_slice(&row.data);
            places.push(start..buffer.len() as u32);
            rows += 1;
            bytes += row.data.len();
        }
        if rows < 1_000 {
            return Err(format!("the sample has {rows} rows that can be used; a thousand are needed at least").into());
        }
        let splits = buffers.into_iter().map(|(data, rows)| Split { data: data.into(), rows }).collect();
        Ok(Self { splits, rows, bytes: bytes as u64 })
    }

    /// The first rows of each split: this part of all, a thousand at least.
    pub(super) fn first(&self, part: f64) -> Self {
        let part = part.max(1_000.0 / self.rows as f64).min(1.0);
        let cut = |split: &Split| {
            let rows = (split.rows.len() as f64 * part).ceil() as usize;
            Split { data: split.data.clone(), rows: split.rows[..rows].to_vec() }
        };
        let splits: Vec<Split> = self.splits.iter().map(cut).collect();
        let rows = splits.iter().map(|split| split.rows.len() as u64).sum();
        let bytes = splits.iter().flat_map(|split| &split.rows).map(|row| u64::from(row.end - row.start)).sum();
        Self { splits, rows, bytes }
    }

    /// The mean size of a record, in bytes.
    pub(super) fn record_bytes(&self) -> f64 {
        self.bytes as f64 / self.rows as f64
    }
}

/// How fast rows are due.
#[derive(Debug, Clone)]
pub(super) struct Pace {
    pub(super) env: Env,
    pub(super) started_ns: u64,
    /// Rows a second of the whole sample; `None` for all at once.
    pub(super) rate: Option<f64>,
    /// How long rows had been due when they were read, in milliseconds.
    pub(super) waits: Arc<Mutex<Vec<f64>>>,
}

/// Every table that is read gives the sample; tables of our index are written, others are let go.
pub(super) struct SampleConnectors {
    sample: Arc<Sample>,
    pace: Pace,
    index: Index,
    builtin: BuiltinConnectors,
    runtime: tokio::runtime::Handle,
}

impl SampleConnectors {
    pub(super) fn new(sample: Arc<Sample>, pace: Pace, index: Index, runtime: &tokio::runtime::Handle) -> Self {
        let lookups = Arc::new(RestLookups::new(runtime.clone()));
        let files = BucketFiles::new(bucket_settings_of_environment(), runtime.clone());
        let builtin = BuiltinConnectors::new(Path::new("."), pace.env.clone()).with(REST_LOOKUP, lookups);
        let builtin = with_buckets(builtin, files);
        Self { sample, pace, index, builtin, runtime: runtime.clone() }
    }
}

impl Connectors for SampleConnectors {
    fn check(&self, table: &TableDef, role: Role) -> Result<(), PortError> {
        DescribedTables.check(table, role)
    }

    fn changelog(&self, table: &TableDef) -> Changelog {
        DescribedTables.changelog(table)
    }

    fn gives(&self, table: &TableDef) -> Changelog {
        DescribedTables.gives(table)
    }

    fn source(&self, _: &TableDef) -> Result<Arc<dyn Source>, PortError> {
        Ok(Arc::new(SampleSource { sample: self.sample.clone(), pace: self.pace.clone() }))
    }

    fn sink(&self, spec: &SinkSpec) -> Result<Box<dyn Sink>, PortError> {
        outputs::sink(&self.index, spec, &self.runtime)
    }

    fn lookup(&self, spec: &LookupSpec) -> Result<Arc<dyn Lookup>, PortError> {
        self.builtin.lookup(spec)
    }
}

struct SampleSource {
    sample: Arc<Sample>,
    pace: Pace,
}

impl Source for SampleSource {
    fn splits(&self) -> Result<Vec<SplitInfo>, PortError> {
        let info = |id: usize| SplitInfo {
            id: SplitId(id as u32),
            name: format!("shard-{id}"),
            parents: Vec::new(),
            start: Position::ZERO.into(),
        };
        Ok((0..SPLITS).map(info).collect())
    }

    fn open(&self, split: SplitId, from: Cursor) -> Result<Box<dyn SplitReader>, PortError> {
        let (sample, pace) = (self.sample.clone(), self.pace.clone());
        Ok(Box::new(SampleReader { sample, pace, split: split.0 as usize, next: from.position.0 as usize }))
    }

    fn is_bounded(&self) -> bool {
        true
    }

    fn subscribe(&self, _: Waker) -> Box<dyn Send> {
        Box::new(())
    }
}

struct SampleReader {
    sample: Arc<Sample>,
    pace: Pace,
    split: usize,
    next: usize,
}

impl SampleReader {
    /// Rows of this split that are due now.
    fn due(&self, rows: usize) -> usize {
        let Some(rate) = self.pace.rate else { return rows };
        let own = rate * rows as f64 / self.sample.rows as f64;
        let passed_s = self.pace.env.monotonic_ns().saturating_sub(self.pace.started_ns) as f64 / 1e9;
        let due = passed_s * own;
        if due > self.next as f64 {
            let mut waits = self.pace.waits.lock();
            if waits.len() < WAITS_MAX {
                waits.push((due - self.next as f64) / own * 1_000.0);
            }
        }
        (due as usize).min(rows)
    }
}

impl SplitReader for SampleReader {
    fn read(&mut self, bytes_max: usize) -> Result<SplitRead, PortError> {
        let split = &self.sample.splits[self.split];
        if self.next >= split.rows.len() {
            return Ok(SplitRead::End);
        }
        let due = self.due(split.rows.len());
        if due <= self.next {
            return Ok(SplitRead::Tip);
        }
        let start = split.rows[self.next].start;
        let fitting =
            split.rows[self.next..due].iter().take_while(|row| (row.end - start) as usize <= bytes_max).count();
        let end = self.next + fitting.max(1);
        let rows = split.rows[self.next..end].iter().map(|row| row.start - start..row.end - start).collect();
        let data = split.data.slice(start as usize..split.rows[end - 1].end as usize);
        let first = Position(self.next as u64);
        self.next = end;
        Ok(SplitRead::Payloads(PayloadBlock { data, rows, first, next: Position(end as u64).into() }))
    }

    fn millis_behind_latest(&self) -> Option<u64> {
        None
    }

    fn next_read_in_ms(&self) -> Option<u64> {
        Some(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_part_of_a_sample_has_the_first_rows_of_each_split() {
        let split = |rows: u32| Split {
            data: vec![b'x'; 10 * rows as usize].into(),
            rows: (0..rows).map(|row| row * 10..row * 10 + 10).collect(),
        };
        let whole = Sample { splits: vec![split(4_000), split(2_000)], rows: 6_000, bytes: 60_000 };
        let half = whole.first(0.5);
        assert_eq!((half.rows, half.bytes, half.splits[0].rows.len()), (3_000, 30_000, 2_000));
        assert_eq!(half.splits[1].rows[..2], [0..10, 10..20]);
        // Too few rows say nothing.
        assert!(whole.first(0.000_1).rows >= 1_000);
        assert_eq!(whole.first(7.0).rows, 6_000);
    }
}
