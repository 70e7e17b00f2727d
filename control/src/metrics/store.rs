//! The metric store as others use it: opening, recording, asking, closing.

use super::chunk::{self, ChunkId};
use super::error::MetricsError;
use super::files::Folder;
use super::journal::{self, Block, Journal};
use super::key::SeriesKey;
use super::open::{Open, Snapshot, Timed};
use super::past::Past;
use super::point::StatisticSet;
use super::register::{Listed, Register};
use super::summary::Summary;
use super::tier::{TIERS, tier_of_period};
use super::unit::Unit;
use model::{Env, Sample};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Most series in memory: those with points in the last four days. With 552 points of 48 bytes each at most, and its key,
/// 10,000 of them take 280 MB at worst beside their sketches, and as much as they have points otherwise.
const SERIES_MAX: usize = 10_000;
/// Longest time for which what was recorded may be lost when the machine stops, in nanoseconds.
const SYNC_EVERY_NS: u64 = 5_000_000_000;
/// How long after a journal has failed another is tried.
const RENEW_EVERY_NS: u64 = 1_000_000_000;
/// Series in one block of a journal that is made anew: their seconds of five minutes fit by far.
const SERIES_PER_BLOCK: usize = 500;
/// Most chunks that wait for a disk that does not take them; the oldest is given up beyond.
const PENDING_MAX: usize = 24;
/// Most points of one answer.
pub(super) const POINTS_MAX: u64 = 1_000_000;
/// How far back a value may lie, in seconds: then points of five minutes are all that is kept of it.
const PAST_S: u64 = 15 * 86_400;
/// How far ahead a value may lie, in seconds: clocks differ.
const AHEAD_S: u64 = 60;

/// Something to record.
#[derive(Debug, Clone)]
pub struct Datum {
    /// The series.
    pub key: Arc<SeriesKey>,
    /// The values of the current second.
    pub set: StatisticSet,
}

/// Something to record at a time of its own, in a unit.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The series.
    pub key: Arc<SeriesKey>,
    /// When, in milliseconds since the Unix epoch: up to 15 days ago, and no more than a minute ahead; `None` is now.
    pub at_ms: Option<u64>,
    /// The values.
    pub summary: Summary,
    /// What they count. It is turned into the unit of the series.
    pub unit: Unit,
}

/// What became of recorded data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Recorded {
    /// Data that were taken.
    pub taken: usize,
    /// Data that were refused: there are too many series, the values are none, they are too old or ahead of the clock, or
    /// their unit is none of the series'.
    pub refused: usize,
}

/// The values of one period.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Value {
    /// Where the period begins, in milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// What is known of its values.
    pub set: StatisticSet,
}

/// Where numbers over time are kept. Cheap to share by reference; all methods may be called from any thread, and block on
/// the disk.
#[derive(Debug)]
pub struct MetricStore {
    env: Env,
    pub(super) folder: Folder,
    /// Locked before `open` where both are needed, and alone while files are written: questions do not wait for the disk.
    disk: Mutex<Disk>,
    pub(super) open: Mutex<Open>,
    register: Mutex<Register>,
    refused: AtomicU64,
    damaged: AtomicU64,
    lost_chunks: AtomicU64,
}

#[derive(Debug)]
struct Disk {
    /// `None` when the disk has not taken it, or a part of it: then one is made anew of what is in memory.
    journal: Option<Journal>,
    synced_ns: u64,
    /// When it failed the last time, and what was said.
    failed: Option<(u64, String)>,
}

impl MetricStore {
    /// Opens the store in the folder `dir`, made where there is none. What the journal holds of an earlier run is taken
    /// over, up to its first damage.
    ///
    /// # Errors
    /// When the folder cannot be read or written.
    pub fn open(dir: &Path, env: Env) -> Result<Self, MetricsError> {
        Self::open_with(dir, env, SERIES_MAX)
    }

    /// The same with another bound of series.
    pub(super) fn open_with(dir: &Path, env: Env, series_max: usize) -> Result<Self, MetricsError> {
        let folder = Folder::open(dir)?;
        let mut open = Open::new(env.now_ms() / 1_000, series_max);
        let listing = folder.list()?;
        open.files.extend(listing.chunks);
        let store = Self {
            disk: Mutex::new(Disk { journal: None, synced_ns: env.monotonic_ns(), failed: None }),
            open: Mutex::new(open),
            register: Mutex::new(Register::open(dir)),
            env,
            folder,
            refused: AtomicU64::new(0),
            damaged: AtomicU64::new(0),
            lost_chunks: AtomicU64::new(0),
        };
        store.take_journals(&listing.journals)?;
        store.catch_up();
        let mut disk = store.disk.lock();
        store.write_pending();
        store.begin_journal(&mut disk, &listing.journals)?;
        drop(disk);
        Ok(store)
    }

    /// Reads the journals: that of the open chunk of seconds goes on, earlier ones become chunks.
    fn take_journals(&self, journals: &[u64]) -> Result<(), MetricsError> {
        let (mut disk, mut open) = (self.disk.lock(), self.open.lock());
        for start_s in journals {
            let path = self.folder.journal_path(*start_s);
            let replayed = journal::replay(&path)?.filter(|replayed| replayed.start_s == *start_s);
            let Some(replayed) = replayed else {
                tracing::warn!(path = %path.display(), "a journal of metrics cannot be read and is passed over");
                add(&self.damaged, 1);
                continue;
            };
            let id = ChunkId { tier: 0, start_s: *start_s };
            if *start_s == open.start_s(0) {
                disk.journal = Some(Journal::reopen(path, replayed.length)?);
                open.take_journal(replayed);
            } else if TIERS[0].chunk_start(*start_s) == *start_s && !open.files.contains(&id) {
                // A store of its own for that time makes the chunk as it would have been made then.
                let mut then = Open::new(*start_s, usize::MAX);
                then.take_journal(replayed);
                then.advance(id.end_s());
                open.pending.extend(then.pending.into_iter().filter(|chunk| chunk.id == id));
            }
        }
        Ok(())
    }

    /// Computes what a crash or a time without the platform left undone: coarser chunks whose time is over, and the open
    /// ones.
    fn catch_up(&self) {
        for (tier, spans) in TIERS.iter().enumerate().skip(1) {
            let mut open = self.open.lock();
            let finer = open.files.iter().copied().chain(open.pending.iter().map(|chunk| chunk.id));
            let mut finer: Vec<ChunkId> = finer.filter(|id| id.tier == tier - 1).collect();
            finer.sort_unstable();
            let coarser = |id: &ChunkId| ChunkId { tier, start_s: spans.chunk_start(id.start_s) };
            finer.retain(|id| !open.files.contains(&coarser(id)));
            for group in finer.chunk_by(|a, b| coarser(a) == coarser(b)) {
                let id = coarser(&group[0]);
                if id.start_s == open.start_s(tier) {
                    group.iter().for_each(|part| self.fold_chunk(*part, &mut open, None));
                } else if id.start_s < open.start_s(tier) {
                    let mut then = Open::new(id.start_s, usize::MAX);
                    group.iter().for_each(|part| self.fold_chunk(*part, &mut then, Some(&open)));
                    then.advance(id.end_s());
                    open.pending.extend(then.pending.into_iter().filter(|chunk| chunk.id == id));
                }
            }
        }
    }

    /// Folds a chunk, which is in memory in `held` (or in `into` itself) or in a file, into the next coarser tier.
    fn fold_chunk(&self, id: ChunkId, into: &mut Open, held: Option<&Open>) {
        let pending = held.unwrap_or(&*into).pending.iter().find(|chunk| chunk.id == id).cloned();
        match pending.map_or_else(|| chunk::read_all(&self.folder.chunk_path(id), id).map(Arc::new), Ok) {
            Ok(chunk) => into.fold_in(&chunk),
            Err(error) => self.told_damage(&error),
        }
    }

    fn told_damage(&self, error: &MetricsError) {
        tracing::warn!(%error, "a file of metrics cannot be read; what it holds is left out");
        add(&self.damaged, 1);
    }

    /// Begins the journal of the open chunk where there is none, and removes those of earlier chunks that are in files.
    fn begin_journal(&self, disk: &mut Disk, journals: &[u64]) -> Result<(), MetricsError> {
        let (start_s, waiting) = {
            let open = self.open.lock();
            (open.start_s(0), open.pending.iter().map(|chunk| chunk.id).collect::<Vec<_>>())
        };
        if disk.journal.is_none() {
            disk.journal = Some(Journal::create(self.folder.journal_path(start_s), start_s)?);
        }
        let done = |start: &&u64| **start != start_s && !waiting.contains(&ChunkId { tier: 0, start_s: **start });
        journals.iter().filter(done).for_each(|start| self.folder.remove(&self.folder.journal_path(*start)));
        Ok(())
    }

    /// Records values of the current second. They are in answers at once, and on disk within five seconds.
    ///
    /// # Errors
    /// When the disk does not take them; they are in memory all the same.
    pub fn record(&self, data: &[Datum]) -> Result<Recorded, MetricsError> {
        let entry = |datum: &Datum| Entry {
            key: Arc::clone(&datum.key),
            at_ms: None,
            summary: datum.set.into(),
            unit: Unit::None,
        };
        self.record_entries(&data.iter().map(entry).collect::<Vec<_>>())
    }

    /// Records values at times of their own. Those of the past are durable when this returns.
    ///
    /// # Errors
    /// When the disk does not take them; those of the last five minutes are in memory all the same.
    pub fn record_entries(&self, entries: &[Entry]) -> Result<Recorded, MetricsError> {
        let mut disk = self.disk.lock();
        let now_s = self.env.now_ms() / 1_000;
        let (mut block, mut past, mut taken) = (Block::default(), Vec::new(), 0);
        let (before_s, began) = {
            let (mut open, mut register) = (self.open.lock(), self.register.lock());
            let before_s = open.start_s(0);
            let began = open.advance(now_s);
            for entry in entries {
                let Some(one) = placed(entry, now_s, &open, &register) else { continue };
                let is_past = one.at_s < open.start_s(0);
                if is_past && open.has_place(&one.key) || open.record(one.at_s, &one.key, &one.summary, &mut block) {
                    register.note(&one.key, entry.unit, one.at_s);
                    taken += 1;
                    if is_past {
                        past.push(one);
                    }
                }
            }
            (before_s, began)
        };
        let refused = entries.len() - taken;
        add(&self.refused, refused as u64);
        self.write_down(&mut disk, began.then_some(before_s), &block)?;
        if !past.is_empty() {
            self.add_past(&past, now_s)?;
        }
        Ok(Recorded { taken, refused })
    }

    /// The unit in which a series is kept; `None` where there is no such series, or nobody has said.
    pub fn unit(&self, key: &SeriesKey) -> Option<Unit> {
        self.register.lock().unit(key)
    }

    /// The series with a value since `since_s` (seconds since the Unix epoch), two weeks back at most, in the order of
    /// their keys.
    pub fn listed(&self, since_s: u64) -> Vec<Listed> {
        let mut listed = self.register.lock().since(since_s);
        listed.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        listed
    }

    fn write_down(&self, disk: &mut Disk, ended: Option<u64>, block: &Block) -> Result<(), MetricsError> {
        if let Some(before_s) = ended {
            disk.journal = None;
            self.write_pending();
            let begun = self.begin_journal(disk, &[before_s]);
            self.unless_failed(disk, begun)?;
            self.remove_expired();
        }
        match &mut disk.journal {
            None => self.renew_journal(disk)?,
            Some(_) if block.is_empty() => {}
            Some(journal) => {
                let appended = journal.append(block);
                // The names and values of the block are in memory: a journal without them would give later values to others.
                self.unless_failed(disk, appended)?;
            }
        }
        let now_ns = self.env.monotonic_ns();
        if now_ns.saturating_sub(disk.synced_ns) >= SYNC_EVERY_NS {
            disk.synced_ns = now_ns;
            let synced = disk.journal.as_mut().map_or(Ok(()), Journal::sync);
            self.unless_failed(disk, synced)?;
            self.write_register(false)?;
        }
        Ok(())
    }

    /// Writes the register down where that is due, and does not hold it meanwhile. The caller holds the disk, so that no
    /// two write it.
    fn write_register(&self, at_all: bool) -> Result<(), MetricsError> {
        let due = self.register.lock().due(self.env.now_ms() / 1_000, at_all);
        let written = due.map_or(Ok(()), |due| due.write());
        if written.is_err() {
            self.register.lock().not_written();
        }
        written
    }

    /// Gives a journal up that the disk has not taken as it should.
    fn unless_failed(&self, disk: &mut Disk, done: Result<(), MetricsError>) -> Result<(), MetricsError> {
        if let Err(error) = &done {
            disk.journal = None;
            disk.failed = Some((self.env.monotonic_ns(), error.to_string()));
        }
        done
    }

    /// Makes a journal of all that is in memory of the open chunk of seconds, in the place of the one that failed. While the
    /// disk takes none that is tried once in a while, since it may be much.
    fn renew_journal(&self, disk: &mut Disk) -> Result<(), MetricsError> {
        if let Some((at_ns, said)) = &disk.failed
            && self.env.monotonic_ns().saturating_sub(*at_ns) < RENEW_EVERY_NS
        {
            return Err(MetricsError::Waiting(said.clone()));
        }
        let (start_s, keys) = {
            let mut open = self.open.lock();
            (open.start_s(0), open.renumber())
        };
        let blocks = keys.chunks(SERIES_PER_BLOCK).map(|keys| self.open.lock().block_of(keys));
        match Journal::replace(self.folder.journal_path(start_s), start_s, blocks) {
            Ok(journal) => {
                (disk.journal, disk.failed) = (Some(journal), None);
                Ok(())
            }
            Err(error) => self.unless_failed(disk, Err(error)),
        }
    }

    /// Writes the chunks that are complete. Those that the disk does not take stay in memory and are tried again.
    fn write_pending(&self) {
        let pending = self.open.lock().pending.clone();
        for chunk in pending {
            match self.folder.write(&chunk) {
                Ok(()) => {
                    let mut open = self.open.lock();
                    open.pending.retain(|other| other.id != chunk.id);
                    open.files.insert(chunk.id);
                }
                Err(error) => tracing::warn!(%error, "metrics stay in memory until the disk takes them"),
            }
        }
        let mut open = self.open.lock();
        let beyond = open.pending.len().saturating_sub(PENDING_MAX);
        open.pending.drain(..beyond);
        add(&self.lost_chunks, beyond as u64);
    }

    fn remove_expired(&self) {
        let now_s = self.env.now_ms() / 1_000;
        let expired = |id: &ChunkId| id.end_s() + TIERS[id.tier].kept_s <= now_s;
        let ids: Vec<ChunkId> = {
            let mut open = self.open.lock();
            let ids: Vec<ChunkId> = open.files.iter().copied().filter(expired).collect();
            open.files.retain(|id| !expired(id));
            ids
        };
        ids.into_iter().for_each(|id| self.folder.remove(&self.folder.chunk_path(id)));
    }

    /// The values of series in periods of `period_s` seconds, which begin at whole multiples of it, from the one that
    /// holds `range.start` to the last one that begins before `range.end` (milliseconds since the Unix epoch). One list
    /// for each key, in ascending order; periods without values are left out. A file that is damaged is left out and told
    /// in the log.
    ///
    /// # Errors
    /// When the period or the range is none, or the answer would be too large.
    pub fn query(&self, keys: &[SeriesKey], period_s: u64, range: Range<u64>) -> Result<Vec<Vec<Value>>, MetricsError> {
        let found = self.summaries(keys, period_s, 0, range)?;
        let value = |(at_ms, summary): (u64, Summary)| Value { at_ms, set: summary.set };
        Ok(found.into_iter().map(|points| points.into_iter().map(value).collect()).collect())
    }

    /// The same with all that is known of the values, and with periods that begin `phase_s` seconds after whole multiples:
    /// each with where it begins, in milliseconds since the Unix epoch.
    ///
    /// # Errors
    /// When the period or the range is none, or the answer would be too large.
    pub fn summaries(
        &self,
        keys: &[SeriesKey],
        period_s: u64,
        phase_s: u64,
        range: Range<u64>,
    ) -> Result<Vec<Vec<(u64, Summary)>>, MetricsError> {
        let whole = |tier: usize| phase_s.is_multiple_of(TIERS[tier].period_s);
        let tier = tier_of_period(period_s).ok_or(MetricsError::Period(period_s))?;
        // The finest tier has points of one second, of which every phase is a whole number.
        let tier = (0..=tier).rev().find(|tier| whole(*tier)).unwrap_or(0);
        let (start_ms, end_ms) = (range.start, range.end);
        if start_ms >= end_ms {
            return Err(MetricsError::Range { start_ms, end_ms });
        }
        let seconds = begin_of(start_ms / 1_000, period_s, phase_s)..end_ms.div_ceil(1_000);
        // No more than is kept can be in an answer.
        let now_s = self.env.now_ms() / 1_000;
        let kept = now_s.saturating_sub(TIERS[tier].kept_s + TIERS[tier].chunk_s)..now_s + TIERS[tier].chunk_s;
        let spanned = seconds.end.min(kept.end).saturating_sub(seconds.start.max(kept.start));
        let points = (spanned / period_s + 1).saturating_mul(keys.len() as u64);
        if points > POINTS_MAX {
            return Err(MetricsError::TooManyPoints { points, max: POINTS_MAX });
        }
        let snapshot = self.open.lock().snapshot(keys, tier, &seconds);
        let found = self.gather(keys, snapshot);
        Ok(found.into_iter().map(|points| grouped(points, (period_s, phase_s), &seconds)).collect())
    }

    fn gather(&self, keys: &[SeriesKey], snapshot: Snapshot) -> Vec<Timed> {
        // A key that is asked for twice is looked for at its last place.
        let places: HashMap<&SeriesKey, usize> = keys.iter().enumerate().map(|(i, key)| (key, i)).collect();
        let wanted: HashMap<Vec<u8>, usize> = places.iter().map(|(key, place)| (key.encode(), *place)).collect();
        let mut found: Vec<Timed> = vec![Timed::new(); keys.len()];
        for id in snapshot.files {
            let each = |place: usize, points: Vec<_>| found[place].extend(super::open::timed(id, &points));
            if let Err(error) = chunk::read_wanted(&self.folder.chunk_path(id), id, &wanted, each) {
                self.told_damage(&error);
            }
        }
        for chunk in &snapshot.pending {
            for (key, place) in &places {
                if let Ok(at) = chunk.series.binary_search_by(|(held, _)| held.as_ref().cmp(key)) {
                    found[*place].extend(super::open::timed(chunk.id, &chunk.series[at].1));
                }
            }
        }
        for (list, open) in found.iter_mut().zip(snapshot.open) {
            list.extend(open);
        }
        for (place, key) in keys.iter().enumerate() {
            match places.get(key) {
                Some(held) if *held != place => found[place] = found[*held].clone(),
                _ => {}
            }
        }
        found
    }

    /// The series in memory: those with values in the last hours, at most four days.
    pub fn series(&self) -> Vec<Arc<SeriesKey>> {
        self.open.lock().keys().cloned().collect()
    }

    /// Makes durable what was recorded. What is recorded afterwards is taken as before.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn sync(&self) -> Result<(), MetricsError> {
        let mut disk = self.disk.lock();
        if disk.journal.is_none() {
            disk.failed = None;
            self.renew_journal(&mut disk)?;
        }
        let synced = disk.journal.as_mut().map_or(Ok(()), Journal::sync);
        self.unless_failed(&mut disk, synced)?;
        self.write_register(true)
    }

    /// Lets every write to the journal fail from now on.
    #[cfg(test)]
    pub(super) fn break_journal(&self) {
        self.disk.lock().journal.as_mut().unwrap().break_file();
    }

    /// The store's own figures.
    pub fn samples(&self) -> Vec<Sample> {
        let (series, files) = {
            let open = self.open.lock();
            (open.series_count(), open.files.len())
        };
        let counter = |name, counter: &AtomicU64| Sample::new(name, counter.load(Ordering::Relaxed) as f64);
        vec![
            Sample::new("metrics_series", series as f64),
            Sample::new("metrics_files", files as f64),
            counter("metrics_refused_total", &self.refused),
            counter("metrics_damaged_files_total", &self.damaged),
            counter("metrics_lost_chunks_total", &self.lost_chunks),
        ]
    }
}

fn add(counter: &AtomicU64, amount: u64) {
    counter.fetch_add(amount, Ordering::Relaxed);
}

/// Merges points, which are in ascending order but for clocks set back, into periods within a range of seconds.
fn grouped(mut points: Timed, (period_s, phase_s): (u64, u64), range: &Range<u64>) -> Vec<(u64, Summary)> {
    points.sort_by_key(|(at_s, _)| *at_s);
    let mut values: Vec<(u64, Summary)> = Vec::new();
    for (at_s, summary) in points.into_iter().filter(|(at_s, _)| range.contains(at_s)) {
        let at_ms = begin_of(at_s, period_s, phase_s) * 1_000;
        match values.last_mut() {
            Some((last_ms, held)) if *last_ms == at_ms => {
                let before = std::mem::replace(held, summary.set.into());
                *held = before.merge(&summary);
            }
            _ => values.push((at_ms, summary)),
        }
    }
    values
}

/// Where the period that holds a second begins.
fn begin_of(at_s: u64, period_s: u64, phase_s: u64) -> u64 {
    let phase_s = phase_s % period_s;
    if at_s < phase_s {
        return 0;
    }
    at_s - (at_s - phase_s) % period_s
}

/// An entry at its second and in the unit of its series; `None` when it has no place.
fn placed(entry: &Entry, now_s: u64, open: &Open, register: &Register) -> Option<Past> {
    let factor = match register.unit(&entry.key) {
        Some(held) if entry.unit != Unit::None => entry.unit.factor_to(held)?,
        _ => 1.0,
    };
    let at_s = entry.at_ms.map_or(now_s, |at_ms| at_ms / 1_000);
    let in_time = at_s + PAST_S > now_s && at_s <= now_s + AHEAD_S;
    // What a clock that is a little ahead says counts for now where the next chunk would begin.
    let at_s = if at_s >= open.start_s(0) + TIERS[0].chunk_s { now_s } else { at_s };
    // A clock that was set back by minutes: what it says of now would be of the past.
    if !in_time || (entry.at_ms.is_none() && at_s < open.start_s(0)) {
        return None;
    }
    let summary = if factor == 1.0 { entry.summary.clone() } else { entry.summary.scaled(factor) };
    summary.set.is_sound().then(|| Past { at_s, key: Arc::clone(&entry.key), summary })
}
