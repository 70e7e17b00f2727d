//! The catalogue on disk: which streams and shards there are. One checksummed file, replaced as a whole or not at all.

use crate::account::Account;
use crate::consumers::ConsumerRecord;
use crate::history::History;
use crate::log::{Files, read_full_at};
use crate::on_demand::Peaks;
use crate::settings::StreamSettings;
use crate::topology::{ShardEnd, ShardInfo};
use model::{HashKeyRange, Position, ShardIndex};
use serde::{Deserialize, Serialize};
use std::io;
use std::path::{Path, PathBuf};

const MAGIC: [u8; 8] = *b"HAILCAT\n";
/// Version 2 added tags and changes of single shards, version 3 consumers, further settings and what was changed lately;
/// older ones read as catalogues without them.
const VERSION: u32 = 3;
const OLDEST_VERSION: u32 = 1;
const HEADER_BYTES: usize = 20;
const NAME: &str = "catalog";
const NEW_NAME: &str = "catalog.new";

/// Whether a stream's shards are counted by its owner or by the platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CapacityMode {
    /// The owner says how many shards there are.
    Provisioned,
    /// The platform decides.
    OnDemand,
}

/// Everything that is known of all streams.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Catalog {
    /// The number of the next stream; none is used twice.
    pub(crate) next_stream: u64,
    /// What holds for all streams together.
    #[serde(default)]
    pub(crate) account: Account,
    pub(crate) streams: Vec<StreamRecord>,
}

/// What is known of one stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StreamRecord {
    pub(crate) id: u64,
    pub(crate) name: String,
    pub(crate) created_ms: u64,
    #[serde(flatten)]
    pub(crate) settings: StreamSettings,
    /// The number of the next shard; none is used twice.
    pub(crate) next_shard: u32,
    /// The change of shards that is under way.
    pub(crate) resharding_to: Option<Change>,
    /// Changes that are allowed a few times a day.
    #[serde(default)]
    pub(crate) history: History,
    /// What a stream that the platform counts took at most, day by day.
    #[serde(default)]
    pub(crate) peaks: Peaks,
    #[serde(default)]
    pub(crate) consumers: Vec<ConsumerRecord>,
    pub(crate) shards: Vec<ShardRecord>,
}

/// A change of a stream's shards that was accepted and goes on after a restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Change {
    /// To so many shards of equal size.
    Count(u32),
    /// One shard becomes two.
    Split { split: u32, at: HexKey },
    /// Two shards become one.
    Merge { merge: (u32, u32) },
}

/// A key of the key space, in hexadecimal on disk: not every reader of JSON knows numbers of 128 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct HexKey(pub(crate) u128);

impl TryFrom<String> for HexKey {
    type Error = std::num::ParseIntError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        u128::from_str_radix(&text, 16).map(Self)
    }
}

impl From<HexKey> for String {
    fn from(key: HexKey) -> Self {
        format!("{:032x}", key.0)
    }
}

/// What is known of one shard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ShardRecord {
    pub(crate) index: u32,
    pub(crate) parents: Vec<u32>,
    /// First and last key, in hexadecimal: not every reader of JSON knows numbers of 128 bits.
    pub(crate) keys: (String, String),
    pub(crate) created_ms: u64,
    /// The identity that the log's blocks carry.
    pub(crate) log_id: u64,
    /// When it was closed, and the position after its last record.
    pub(crate) closed: Option<(u64, u64)>,
}

/// The checksum of a catalogue of this version: since version 3 it covers the header too, so that a version that was
/// damaged into an older one is noticed.
fn checksum(version: u32, header: &[u8], body: &[u8]) -> u32 {
    let head = if version < 3 { 0 } else { crc32c::crc32c(&header[..16]) };
    crc32c::crc32c_append(head, body)
}

/// Why the catalogue cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CatalogError {
    #[error("cannot read or write {path}: {source}")]
    Io { path: PathBuf, source: io::Error },
    #[error("{path} is damaged ({reason}); restore it from a copy of the data directory")]
    Damaged { path: PathBuf, reason: String },
    #[error("{path} has format version {version}, which this program does not know; use a newer program")]
    Version { path: PathBuf, version: u32 },
}

impl ShardRecord {
    pub(crate) fn new(info: &ShardInfo, log_id: u64) -> Self {
        Self {
            index: info.index.0,
            parents: info.parents.iter().map(|parent| parent.0).collect(),
            keys: (format!("{:032x}", info.range.start()), format!("{:032x}", info.range.end())),
            created_ms: info.created_ms,
            log_id,
            closed: info.closed.map(|end| (end.at_ms, end.position.0)),
        }
    }

    /// `None` when the keys make no range.
    pub(crate) fn info(&self) -> Option<ShardInfo> {
        let key = |text: &str| u128::from_str_radix(text, 16).ok();
        Some(ShardInfo {
            index: ShardIndex(self.index),
            parents: self.parents.iter().copied().map(ShardIndex).collect(),
            range: HashKeyRange::new(key(&self.keys.0)?, key(&self.keys.1)?)?,
            created_ms: self.created_ms,
            closed: self.closed.map(|(at_ms, position)| ShardEnd { at_ms, position: Position(position) }),
        })
    }
}

impl Catalog {
    pub(crate) fn stream_mut(&mut self, id: u64) -> Option<&mut StreamRecord> {
        self.streams.iter_mut().find(|stream| stream.id == id)
    }

    /// What is wrong with what the file says, if anything: a checksum does not prove that it makes sense.
    fn problem(&self) -> Option<String> {
        self.streams.iter().find_map(|stream| {
            let infos: Option<Vec<ShardInfo>> = stream.shards.iter().map(ShardRecord::info).collect();
            let Some(infos) = infos else { return Some(format!("a shard of stream {} has no key range", stream.name)) };
            let mut open: Vec<_> = infos.iter().filter(|shard| shard.is_open()).map(|shard| shard.range).collect();
            open.sort_unstable_by_key(|range| range.start());
            let covers = open.first().is_some_and(|range| range.start() == 0)
                && open.last().is_some_and(|range| range.end() == u128::MAX)
                && open.windows(2).all(|pair| pair[0].end().checked_add(1) == Some(pair[1].start()));
            let numbered = infos.iter().all(|shard| shard.index.0 < stream.next_shard) && stream.id < self.next_stream;
            let shards = (!covers || !numbered).then_some("its shards contradict each other");
            let problem = shards.or_else(|| stream.settings.problem())?;
            Some(format!("stream {}: {problem}", stream.name))
        })
    }

    fn encode(&self) -> io::Result<Vec<u8>> {
        let body = serde_json::to_vec_pretty(self)?;
        let mut out = Vec::with_capacity(HEADER_BYTES + body.len());
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.extend_from_slice(&u32::try_from(body.len()).map_err(io::Error::other)?.to_le_bytes());
        let checksum = checksum(VERSION, &out, &body);
        out.extend_from_slice(&checksum.to_le_bytes());
        out.extend_from_slice(&body);
        Ok(out)
    }

    fn decode(path: &Path, bytes: &[u8]) -> Result<Self, CatalogError> {
        let damaged = |reason: &str| CatalogError::Damaged { path: path.to_path_buf(), reason: reason.to_owned() };
        let word = |at: usize| bytes.get(at..at + 4).and_then(|b| b.try_into().ok()).map_or(0, u32::from_le_bytes);
        if bytes.len() < HEADER_BYTES || bytes[..8] != MAGIC {
            return Err(damaged("it does not begin as a catalogue"));
        }
        if !(OLDEST_VERSION..=VERSION).contains(&word(8)) {
            return Err(CatalogError::Version { path: path.to_path_buf(), version: word(8) });
        }
        let body = &bytes[HEADER_BYTES..];
        if body.len() != word(12) as usize {
            return Err(damaged("its length is wrong"));
        }
        if checksum(word(8), bytes, body) != word(16) {
            return Err(damaged("it does not match its checksum"));
        }
        let catalog: Self = serde_json::from_slice(body).map_err(|error| damaged(&error.to_string()))?;
        catalog.problem().map_or(Ok(catalog), |problem| Err(damaged(&problem)))
    }

    /// Reads the catalogue of a data directory and makes it durable; `None` when there is none.
    pub(crate) fn load(files: &dyn Files, dir: &Path) -> Result<Option<Self>, CatalogError> {
        let path = dir.join(NAME);
        let fail = |source| CatalogError::Io { path: path.clone(), source };
        let file = match files.open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other.map_err(fail)?,
        };
        let len = file.size().map_err(fail)?;
        let mut bytes = vec![0; usize::try_from(len).unwrap_or(0)];
        let got = read_full_at(file.as_ref(), &mut bytes, 0).map_err(fail)?;
        let catalog = Self::decode(&path, &bytes[..got])?;
        // A process that was killed may have left a catalogue whose name a power failure would still undo.
        file.sync().and_then(|()| files.sync_folder(dir)).map_err(fail)?;
        Ok(Some(catalog))
    }

    /// Replaces the catalogue of a data directory. When it returns, a crash leaves this one; when it fails, the former
    /// one or this one.
    pub(crate) fn save(&self, files: &dyn Files, dir: &Path) -> Result<(), CatalogError> {
        let (path, new_path) = (dir.join(NAME), dir.join(NEW_NAME));
        let write = || -> io::Result<()> {
            let bytes = self.encode()?;
            match files.remove_file(&new_path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            let file = files.create(&new_path)?;
            file.write_all_at(&bytes, 0)?;
            file.sync()?;
            files.rename(&new_path, &path)?;
            files.sync_folder(dir)
        };
        write().map_err(|source| CatalogError::Io { path: path.clone(), source })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::memory::{Faults, MemoryFiles};
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn sample() -> Catalog {
        let info = ShardInfo {
            index: ShardIndex(1),
            parents: vec![ShardIndex(0)],
            range: HashKeyRange::FULL,
            created_ms: 5,
            closed: None,
        };
        let stream = StreamRecord {
            id: 0,
            name: "trips".into(),
            created_ms: 1,
            settings: StreamSettings {
                tags: BTreeMap::from([("team".into(), "night shift".into())]),
                ..StreamSettings::new(CapacityMode::Provisioned)
            },
            next_shard: 2,
            resharding_to: Some(Change::Count(2)),
            history: History::default(),
            peaks: Peaks::default(),
            consumers: vec![ConsumerRecord { name: "map".into(), created_ms: 7, tags: BTreeMap::new(), policy: None }],
            shards: vec![ShardRecord::new(&info, u64::MAX)],
        };
        assert_eq!(stream.shards[0].info(), Some(info));
        Catalog { next_stream: 1, account: Account::default(), streams: vec![stream] }
    }

    #[test]
    fn a_catalogue_reads_back() {
        let (files, dir) = (MemoryFiles::default(), Path::new("/data"));
        assert!(Catalog::load(&files, dir).unwrap().is_none());
        sample().save(&files, dir).unwrap();
        assert_eq!(Catalog::load(&files, dir).unwrap(), Some(sample()));
    }

    #[test]
    fn changes_read_back_and_a_catalogue_of_version_1_is_read() {
        let mut catalog = sample();
        let changes =
            [Change::Count(7), Change::Split { split: 1, at: HexKey(u128::MAX / 3) }, Change::Merge { merge: (0, 1) }];
        for change in changes {
            catalog.streams[0].resharding_to = Some(change);
            let bytes = catalog.encode().unwrap();
            assert_eq!(Catalog::decode(Path::new("c"), &bytes).unwrap(), catalog);
        }
        let body = br#"{"next_stream":1,"streams":[{"id":0,"name":"trips","created_ms":1,"mode":"provisioned",
            "retention_hours":24,"next_shard":1,"resharding_to":2,"shards":[{"index":0,"parents":[],
            "keys":["00000000000000000000000000000000","ffffffffffffffffffffffffffffffff"],"created_ms":1,"log_id":9,
            "closed":null}]}]}"#;
        let mut old = MAGIC.to_vec();
        for word in [1, body.len() as u32, crc32c::crc32c(body)] {
            old.extend_from_slice(&word.to_le_bytes());
        }
        old.extend_from_slice(body);
        let read = Catalog::decode(Path::new("c"), &old).unwrap();
        assert_eq!((read.streams[0].resharding_to, read.streams[0].settings.tags.len()), (Some(Change::Count(2)), 0));
        old[8] = 4;
        assert!(matches!(Catalog::decode(Path::new("c"), &old), Err(CatalogError::Version { version: 4, .. })));
    }

    #[test]
    fn a_failure_at_any_step_leaves_the_former_one() {
        for faults in [
            Faults { create: Some(io::ErrorKind::StorageFull), ..Faults::default() },
            Faults { write: Some(io::ErrorKind::StorageFull), written_before_error: 9, ..Faults::default() },
            Faults { sync: Some(io::ErrorKind::Other), ..Faults::default() },
            Faults { rename: Some(io::ErrorKind::Other), ..Faults::default() },
        ] {
            let (files, dir) = (MemoryFiles::default(), Path::new("/data"));
            sample().save(&files, dir).unwrap();
            files.set_faults(faults);
            Catalog::default().save(&files, dir).unwrap_err();
            files.set_faults(Faults::default());
            files.crash(3);
            assert_eq!(Catalog::load(&files, dir).unwrap(), Some(sample()));
            Catalog::default().save(&files, dir).unwrap();
            assert_eq!(Catalog::load(&files, dir).unwrap(), Some(Catalog::default()));
        }
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let bytes = sample().encode().unwrap();
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(Catalog::decode(Path::new("c"), &damaged).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn a_catalogue_that_contradicts_itself_is_refused() {
        let mut catalog = sample();
        catalog.streams[0].shards[0].keys.0 = format!("{:032x}", 1);
        let bytes = catalog.encode().unwrap();
        assert!(matches!(Catalog::decode(Path::new("c"), &bytes), Err(CatalogError::Damaged { .. })));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            prop_assert!(Catalog::decode(Path::new("c"), &bytes).is_err());
        }
    }
}
