//! The replay inside the platform: started, stopped and re-sped by people, and going on after a restart where it was.
//!
//! The position is written down each second, with the ends of the shards as they were just before. After a clean end it
//! is exact. After a kill the records behind those ends are read back once, so that none is put twice.

use crate::wiring::{Remembering, StoreTarget};
use model::{Classified, Env, Kind, Position, Sample, SealedError, SealedFile, ShardIndex};
use parking_lot::Mutex;
use replay::{
    FileSource, Generator, ReadOptions, Replay, ReplayConfig, ReplayHandle, Source, SourceError, Speed, StartError,
    Stats,
};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use store::{ReadError, ShardRead, Store, StreamError};
use tokio::runtime::Handle;

const MAGIC: [u8; 8] = *b"HAILRPLY";
const VERSION: u32 = 1;
/// Records read back before the noted end of a shard, beyond those known to have been acknowledged ahead.
const LOOK_BACK_RECORDS: u64 = 1_000;
/// How much of a log is read at once while it is read back, in bytes.
const READ_BACK_BYTES: usize = 1024 * 1024;
/// Wednesday 6 January 2016, in milliseconds since the Unix epoch: the day that generated trips begin on.
const GENERATED_DAY_MS: i64 = 1_452_038_400_000;

/// What is replayed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum History {
    /// NDJSON files.
    Files(PathBuf),
    /// Generated trips.
    Generated {
        /// The seed.
        seed: u64,
        /// How many.
        count: u64,
    },
}

impl History {
    /// Opens it from its beginning.
    pub(crate) fn open(&self) -> Result<Box<dyn Source>, SourceError> {
        Ok(match self {
            Self::Files(path) => Box::new(FileSource::open(std::slice::from_ref(path), ReadOptions::default())?),
            Self::Generated { seed, count } => Box::new(Generator::new(*seed, *count, GENERATED_DAY_MS)),
        })
    }

    /// What tells it from other histories: a position in one means nothing in another.
    fn identity(&self) -> String {
        match self {
            Self::Files(path) => format!("files {}", path.canonicalize().unwrap_or_else(|_| path.clone()).display()),
            // The count is left out: more of the same trips go on where fewer ended.
            Self::Generated { seed, .. } => format!("generated {seed}"),
        }
    }
}

/// What is written down.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Noted {
    history: String,
    position: u64,
    /// Rows acknowledged beyond the position.
    ahead: u64,
    /// For each shard the position that its next record gets.
    ends: Vec<(u32, u64)>,
    stopped: bool,
}

/// The platform's replay.
pub(crate) struct Replaying {
    env: Env,
    store: Store,
    stream: String,
    runtime: Handle,
    history: History,
    file: SealedFile,
    inner: Mutex<Inner>,
}

struct Inner {
    speed: Speed,
    noted: Noted,
    /// Whether `noted` was written by a run that is gone, so that more may have been acknowledged since.
    stale: bool,
    /// The row that this run began at, and how many records of the run before it were read back then.
    began: (u64, u64),
    handle: Option<ReplayHandle>,
}

/// Why the replay could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReplayingError {
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error(transparent)]
    Start(#[from] StartError),
    #[error(transparent)]
    Sealed(#[from] SealedError),
    #[error(transparent)]
    Stream(#[from] StreamError),
    #[error("the stream cannot be read back: {0}")]
    Read(#[from] ReadError),
    #[error("the replay's position cannot be understood: {0}")]
    Noted(#[from] serde_json::Error),
    #[error("the replay {0}")]
    State(&'static str),
    #[error(transparent)]
    Speed(#[from] replay::ConfigError),
}

impl Classified for ReplayingError {
    fn kind(&self) -> Kind {
        match self {
            Self::Source(e) => e.kind(),
            Self::Start(e) => e.kind(),
            Self::Sealed(e) => e.kind(),
            Self::Stream(e) => e.kind(),
            Self::Read(e) => e.kind(),
            Self::Noted(_) => Kind::Corrupt,
            Self::State(_) => Kind::Conflict,
            Self::Speed(e) => e.kind(),
        }
    }
}

impl Replaying {
    /// The replay of `history` into `stream`, with what is written down of it in `dir`; it does not run yet.
    pub(crate) fn open(
        dir: &Path,
        env: Env,
        (store, stream, runtime): (Store, String, Handle),
        history: History,
        speed: Speed,
    ) -> Result<Self, ReplayingError> {
        let file = SealedFile::new(dir.join("replay"), MAGIC, VERSION);
        let noted = file.read()?.map(|bytes| serde_json::from_slice::<Noted>(&bytes)).transpose()?;
        let identity = history.identity();
        let (noted, stale) = match noted {
            Some(noted) if noted.history == identity => (noted, true),
            // Another history, or none yet: it begins at its beginning.
            _ => (Noted { history: identity, ..Noted::default() }, false),
        };
        let inner = Mutex::new(Inner { speed, noted, stale, began: (0, 0), handle: None });
        Ok(Self { env, store, stream, runtime, history, file, inner })
    }

    /// The stream that it puts into.
    pub(crate) fn stream(&self) -> &str {
        &self.stream
    }

    /// Whether someone stopped it before the platform ended: it then waits to be started.
    pub(crate) fn was_stopped(&self) -> bool {
        self.inner.lock().noted.stopped
    }

    /// Starts it, or lets a paused one go on.
    pub(crate) fn start(&self) -> Result<(), ReplayingError> {
        let mut inner = self.inner.lock();
        match inner.handle.as_ref().map(|handle| handle.stats().state) {
            Some(replay::State::Running) => return Err(ReplayingError::State("is running already")),
            Some(replay::State::Finished) => return Err(ReplayingError::State("has ended: everything was sent")),
            Some(replay::State::Paused) => {
                self.note(&mut inner, false)?;
                inner.handle.iter().for_each(ReplayHandle::resume);
                return Ok(());
            }
            Some(replay::State::Stopped | replay::State::Failed { .. }) => {
                self.note(&mut inner, false)?;
                // Of what is acknowledged ahead of that position the run that is gone alone knew.
                inner.stale = true;
            }
            None => {}
        }
        let mut noted = Noted { stopped: false, ..inner.noted.clone() };
        let mut target = Remembering::new(StoreTarget::new(self.store.clone(), &*self.stream, self.runtime.clone()));
        if inner.stale {
            self.read_back(&inner.noted, &mut target)?;
            inner.stale = false;
        } else if inner.handle.is_none() {
            // Where the shards end is written down before anything is put: a kill within the first second must not let
            // the next run begin at the beginning without looking.
            noted.ends = self.ends()?;
        }
        self.keep(&mut inner, noted)?;
        inner.began = (inner.noted.position, target.remembered());
        let config = ReplayConfig { speed: inner.speed, skip_rows: inner.noted.position, ..ReplayConfig::default() };
        inner.handle = Some(Replay::start(config, self.history.open()?, Box::new(target), self.env.clone())?);
        Ok(())
    }

    /// Lets it pause where it is.
    pub(crate) fn stop(&self) -> Result<(), ReplayingError> {
        let mut inner = self.inner.lock();
        match inner.handle.as_ref() {
            Some(handle) if handle.stats().state == replay::State::Running => handle.pause(),
            _ => return Err(ReplayingError::State("is not running")),
        }
        self.note(&mut inner, true)
    }

    /// Changes its speed, now and for later starts; `None` is as fast as possible.
    pub(crate) fn set_speedup(&self, factor: Option<f64>) -> Result<(), ReplayingError> {
        let speed = factor.map_or(Ok(Speed::UNLIMITED), Speed::times)?;
        let mut inner = self.inner.lock();
        inner.speed = speed;
        inner.handle.iter().for_each(|handle| handle.set_speed(speed));
        Ok(())
    }

    /// Its account of itself; `None` before its first start.
    pub(crate) fn stats(&self) -> Option<Stats> {
        self.inner.lock().handle.as_ref().map(ReplayHandle::stats)
    }

    /// The speed at which it runs or would run.
    pub(crate) fn speed(&self) -> Speed {
        self.inner.lock().speed
    }

    /// Its figures.
    pub(crate) fn samples(&self) -> Vec<Sample> {
        self.inner.lock().handle.as_ref().map(ReplayHandle::samples).unwrap_or_default()
    }

    /// Writes down where it is.
    pub(crate) fn save(&self) -> Result<(), ReplayingError> {
        let mut inner = self.inner.lock();
        let stopped = inner.noted.stopped;
        self.note(&mut inner, stopped)
    }

    /// Ends it and writes down where it was.
    pub(crate) fn close(&self) -> Result<(), ReplayingError> {
        let mut inner = self.inner.lock();
        inner.handle.iter().for_each(|handle| {
            handle.stop();
        });
        let stopped = inner.noted.stopped;
        self.note(&mut inner, stopped)
    }

    /// Writes down where it is, and whether someone has `stopped` it.
    fn note(&self, inner: &mut Inner, stopped: bool) -> Result<(), ReplayingError> {
        let Some(handle) = &inner.handle else { return Ok(()) };
        // The ends first: what is acknowledged between the two is then read back in vain, but never missed.
        let ends = self.ends()?;
        let stats = handle.stats();
        let (first, read_back) = inner.began;
        if stats.position < first {
            // It is still on its way to where it begins: what stands written is more than it knows.
            let noted = Noted { stopped, ..inner.noted.clone() };
            return self.keep(inner, noted);
        }
        // What was read back and is not passed yet has to be read back by the next run too.
        let unpassed = if stats.position < first + read_back { read_back } else { 0 };
        let noted = Noted {
            history: inner.noted.history.clone(),
            position: stats.position,
            ahead: stats.acknowledged_ahead + unpassed,
            ends,
            stopped,
        };
        self.keep(inner, noted)
    }

    fn keep(&self, inner: &mut Inner, noted: Noted) -> Result<(), ReplayingError> {
        if noted != inner.noted {
            self.file.write(&serde_json::to_vec(&noted)?)?;
            inner.noted = noted;
        }
        Ok(())
    }

    /// For each shard the position that its next record gets.
    fn ends(&self) -> Result<Vec<(u32, u64)>, ReplayingError> {
        Ok(self.store.shards(&self.stream)?.iter().map(|shard| (shard.index.0, shard.next.0)).collect())
    }

    /// Reads what may have been acknowledged since `noted` was written, and lets `target` remember it.
    fn read_back(&self, noted: &Noted, target: &mut Remembering<StoreTarget>) -> Result<(), ReplayingError> {
        for shard in self.store.shards(&self.stream)? {
            let end = noted.ends.iter().find(|(index, _)| *index == shard.index.0).map_or(0, |(_, end)| *end);
            let from = end.saturating_sub(noted.ahead + LOOK_BACK_RECORDS).max(shard.first.0);
            self.read_back_shard(shard.index, Position(from), target)?;
        }
        Ok(())
    }

    fn read_back_shard(
        &self,
        shard: ShardIndex,
        from: Position,
        target: &mut Remembering<StoreTarget>,
    ) -> Result<(), ReplayingError> {
        let mut reader = self.store.shard_reader(&self.stream, shard, from)?;
        loop {
            match reader.read(READ_BACK_BYTES)? {
                ShardRead::Block(block) => block.rows.iter().for_each(|row| target.remember(block.payload(row))),
                ShardRead::Trimmed { first } => reader.seek(first),
                ShardRead::Tip | ShardRead::End { .. } => return Ok(()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use store::{CapacityMode, StoreConfig};

    const GENERATED: History = History::Generated { seed: 1, count: 50_000_000 };

    /// A replay at the speed of the day itself, so that next to nothing is sent; what was noted of it stands in `dir`.
    fn open(dir: &Path, store: &Store, runtime: &Handle) -> Replaying {
        let place = (store.clone(), "trips".to_owned(), runtime.clone());
        Replaying::open(dir, Env::system(), place, GENERATED, Speed::times(1.0).unwrap()).unwrap()
    }

    fn with_store(test: impl FnOnce(&Path, &Store, &Handle)) {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let dir = tempfile::tempdir().unwrap();
        let config = StoreConfig { status_delay_ms: 0, ..StoreConfig::new(dir.path(), Env::system()) };
        let store = runtime.block_on(async {
            let store = Store::open(config).unwrap();
            store.create_stream("trips", 2, CapacityMode::Provisioned).await.unwrap();
            store.settled("trips").await.unwrap();
            store
        });
        test(dir.path(), &store, runtime.handle());
    }

    #[test]
    fn a_stop_is_written_down_although_nothing_was_sent_since_the_last_second() {
        with_store(|dir, store, runtime| {
            let replaying = open(dir, store, runtime);
            replaying.start().unwrap();
            replaying.save().unwrap();
            replaying.save().unwrap();
            replaying.stop().unwrap();
            assert!(open(dir, store, runtime).was_stopped());
            replaying.start().unwrap();
            assert!(!open(dir, store, runtime).was_stopped(), "a start is written down as well");
            replaying.close().unwrap();
        });
    }

    #[test]
    fn a_stop_on_the_way_to_where_it_begins_is_written_down_and_the_place_stays() {
        with_store(|dir, store, runtime| {
            let noted = Noted { history: GENERATED.identity(), position: 40_000_000, ..Noted::default() };
            let file = SealedFile::new(dir.join("replay"), MAGIC, VERSION);
            file.write(&serde_json::to_vec(&noted).unwrap()).unwrap();
            let replaying = open(dir, store, runtime);
            replaying.start().unwrap();
            assert!(replaying.stats().unwrap().position < 40_000_000, "it is on its way");
            replaying.stop().unwrap();
            let kept: Noted = serde_json::from_slice(&file.read().unwrap().unwrap()).unwrap();
            assert_eq!((kept.stopped, kept.position), (true, 40_000_000));
            replaying.close().unwrap();
            assert!(open(dir, store, runtime).was_stopped());
        });
    }
}
