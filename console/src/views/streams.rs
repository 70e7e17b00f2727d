//! Streams: a line for each, and for one of them the use of its shards, their lineage, and its past.

use super::pipeline::{cut, finite};
use super::{BANDS_MAX, SHARDS_SHOWN_MAX, StreamStatus};
use serde::Serialize;

/// One stream in a list.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StreamLine {
    /// Its name.
    pub name: String,
    /// What it is doing.
    pub status: StreamStatus,
    /// Number of shards open for writing.
    pub open_shards: u32,
    /// Records accepted per second.
    pub records_per_s: f64,
    /// Bytes accepted per second.
    pub bytes_per_s: f64,
    /// Records refused per second because a shard was at its limit.
    pub throttled_per_s: f64,
    /// Bytes read per second, by whomever.
    pub read_bytes_per_s: f64,
    /// Reads refused per second because a shard was at its limit.
    pub throttled_reads_per_s: f64,
    /// The greatest age of what readers left to be read in the last second, in milliseconds; `None` when nobody read.
    pub read_age_ms: Option<u64>,
}

/// One stream at one moment.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StreamView {
    /// What the list says of it.
    pub line: StreamLine,
    /// Whether the limits of shards hold for it.
    pub limited: bool,
    /// How long records are kept, in hours.
    pub retention_hours: u32,
    /// Registered consumers.
    pub consumers: u32,
    /// What it takes on disk, in bytes.
    pub disk_bytes: u64,
    /// The open shards in the order of their keys.
    pub shards: Vec<ShardUse>,
    /// All shards that have not expired, as parts of the key space over time.
    pub lineage: Vec<Band>,
}

/// What an open shard is used for, with each use as a share of its limit: 1 at the limit, never more.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ShardUse {
    /// Its number.
    pub number: u32,
    /// Records accepted per second.
    pub records_per_s: f64,
    /// Bytes accepted per second.
    pub bytes_per_s: f64,
    /// Records as a share of the limit of writes.
    pub records_use: f64,
    /// Bytes as a share of the limit of writes.
    pub bytes_use: f64,
    /// Bytes read per second, by whomever.
    pub read_bytes_per_s: f64,
    /// They as a share of what polling readers may have together.
    pub read_use: f64,
    /// Records refused per second.
    pub throttled_per_s: f64,
    /// Reads refused per second.
    pub throttled_reads_per_s: f64,
    /// The greatest age of what readers left to be read in the last second, in milliseconds; `None` when nobody read.
    pub read_age_ms: Option<u64>,
}

/// One shard, or several of the same time, as a part of the key space from its opening to its close.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Band {
    /// The number of the first shard in it.
    pub number: u32,
    /// How many shards it stands for.
    pub shards: u32,
    /// The numbers of the first one's parents.
    pub parents: Vec<u32>,
    /// Where its keys begin, as a share of the key space.
    pub from: f64,
    /// Where they end.
    pub to: f64,
    /// When it was opened, in milliseconds since the Unix epoch.
    pub opened_ms: u64,
    /// When it was closed; `None` while it is open.
    pub closed_ms: Option<u64>,
}

/// A change of a stream's shards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShardChange {
    /// To this number of open shards.
    Count(u32),
    /// This shard into two: at this hash key, or into halves.
    Split(u32, Option<u128>),
    /// This shard and the one behind it in the order of keys into one.
    Merge(u32),
}

/// Totals of a stream over time.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StreamHistory {
    /// Length of the period of each point, in seconds.
    pub period_s: u64,
    /// In ascending order.
    pub points: Vec<HistoryPoint>,
}

/// The rates of one period.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HistoryPoint {
    /// Where it begins, in milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// Records accepted per second.
    pub records_per_s: f64,
    /// Bytes accepted per second.
    pub bytes_per_s: f64,
    /// Bytes read per second.
    pub read_bytes_per_s: f64,
    /// Records refused per second.
    pub throttled_per_s: f64,
}

impl StreamLine {
    /// The same within the bounds of what travels to a page.
    #[must_use]
    pub(crate) fn bounded(mut self) -> Self {
        cut(&mut self.name);
        let Self { records_per_s, bytes_per_s, throttled_per_s, read_bytes_per_s, throttled_reads_per_s, .. } =
            &mut self;
        for rate in [records_per_s, bytes_per_s, throttled_per_s, read_bytes_per_s, throttled_reads_per_s] {
            *rate = finite(*rate);
        }
        self
    }
}

impl StreamView {
    /// The same within the bounds of what travels to a page.
    #[must_use]
    pub(crate) fn bounded(mut self) -> Self {
        self.line = self.line.bounded();
        fullest(&mut self.shards, SHARDS_SHOWN_MAX);
        for shard in &mut self.shards {
            for share in [&mut shard.records_use, &mut shard.bytes_use, &mut shard.read_use] {
                *share = finite(*share).clamp(0.0, 1.0);
            }
        }
        self.lineage = gathered(self.lineage);
        self
    }
}

/// Leaves so many of the fullest shards, in the order in which they were; those that refuse records come first.
fn fullest(shards: &mut Vec<ShardUse>, count: usize) {
    if shards.len() <= count {
        return;
    }
    let load = |shard: &ShardUse| (shard.throttled_per_s, shard.records_use.max(shard.bytes_use).max(shard.read_use));
    let mut places: Vec<usize> = (0..shards.len()).collect();
    places.sort_by(|a, b| {
        let (a, b) = (load(&shards[*a]), load(&shards[*b]));
        b.0.total_cmp(&a.0).then(b.1.total_cmp(&a.1))
    });
    let kept: std::collections::BTreeSet<usize> = places.into_iter().take(count).collect();
    let mut place = 0;
    shards.retain(|_| {
        place += 1;
        kept.contains(&(place - 1))
    });
}

/// The heaviest keys of a shard.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ShardKeys {
    /// The shard's number.
    pub number: u32,
    /// Over how many seconds records were counted.
    pub seconds: u64,
    /// How many records, those in aggregated records one by one.
    pub records: u64,
    /// Their payloads and keys, in bytes.
    pub bytes: u64,
    /// The heaviest keys, the heaviest first; [`KEYS_SHOWN_MAX`] at most.
    pub keys: Vec<KeyShare>,
    /// What to do about the shard's load.
    pub advice: KeyAdvice,
}

/// Most keys of a shard that are shown.
pub const KEYS_SHOWN_MAX: usize = 10;

/// One of the heaviest keys.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct KeyShare {
    /// The key.
    pub key: String,
    /// Its records.
    pub records: u64,
    /// Its part of all records, 0 to 1.
    pub share: f64,
}

/// What to do about the load of a shard.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "what")]
pub enum KeyAdvice {
    /// There is nothing to be said.
    Nothing,
    /// A split here leaves about half of the load on each side.
    Split {
        /// The first hash key of the second shard, in decimal.
        at: String,
        /// The part of the load that stays in the first, 0 to 1.
        below: f64,
    },
    /// One key carries most of the load: no split helps.
    OneKey,
}

impl ShardKeys {
    /// The same within the bounds of what travels to a page.
    #[must_use]
    pub(crate) fn bounded(mut self) -> Self {
        self.keys.truncate(KEYS_SHOWN_MAX);
        for key in &mut self.keys {
            cut(&mut key.key);
            key.share = finite(key.share).clamp(0.0, 1.0);
        }
        self
    }
}

/// At most [`BANDS_MAX`] bands: where there are more shards, neighbours in the key space that were opened and closed at the
/// same time are drawn as one, as many together as it takes.
fn gathered(mut bands: Vec<Band>) -> Vec<Band> {
    if bands.len() <= BANDS_MAX {
        return bands;
    }
    let times = |band: &Band| (band.opened_ms / 1_000, band.closed_ms.map(|ms| ms / 1_000));
    bands.sort_by(|a, b| times(a).cmp(&times(b)).then(a.from.total_cmp(&b.from)));
    let together = bands.len().div_ceil(BANDS_MAX / 2);
    let mut gathered: Vec<Band> = Vec::with_capacity(BANDS_MAX);
    for band in bands {
        let touches = |last: &&mut Band| {
            times(last) == times(&band) && (last.shards as usize) < together && band.from - last.to < 1e-9
        };
        match gathered.last_mut().filter(touches) {
            Some(last) => (last.to, last.shards) = (band.to, last.shards + band.shards),
            None => gathered.push(band),
        }
    }
    // Thousands of changes of single shards: the newest are shown.
    gathered.sort_by_key(|band| std::cmp::Reverse(band.closed_ms.unwrap_or(u64::MAX)));
    gathered.truncate(BANDS_MAX);
    gathered
}

#[cfg(test)]
mod tests {
    use super::*;

    fn band(number: u32, of: u32, opened_ms: u64, closed_ms: Option<u64>) -> Band {
        let (from, to) = (f64::from(number % of) / f64::from(of), f64::from(number % of + 1) / f64::from(of));
        Band { number, shards: 1, parents: vec![], from, to, opened_ms, closed_ms }
    }

    #[test]
    fn few_shards_are_drawn_one_by_one() {
        let bands: Vec<Band> = (0..BANDS_MAX as u32).map(|n| band(n, BANDS_MAX as u32, 0, None)).collect();
        assert_eq!(gathered(bands.clone()), bands);
    }

    #[test]
    fn of_many_shards_the_fullest_are_shown_in_the_order_of_their_keys() {
        let used = |number: u32| ShardUse {
            number,
            records_per_s: 0.0,
            bytes_per_s: 0.0,
            records_use: f64::from(number % 7) / 10.0,
            bytes_use: 0.0,
            read_bytes_per_s: 0.0,
            read_use: 0.0,
            throttled_per_s: if number == 9_000 { 5.0 } else { 0.0 },
            throttled_reads_per_s: 0.0,
            read_age_ms: None,
        };
        let mut shards: Vec<ShardUse> = (0..10_000).map(used).collect();
        fullest(&mut shards, 100);
        assert_eq!(shards.len(), 100);
        assert!(shards.is_sorted_by_key(|s| s.number) && shards.iter().any(|s| s.number == 9_000));
        assert!(shards.iter().all(|s| s.number == 9_000 || s.number % 7 == 6));
    }

    #[test]
    fn many_shards_are_gathered_and_none_of_the_key_space_is_lost() {
        let old = (0..10_000).map(|n| band(n, 10_000, 0, Some(5_000)));
        let bands: Vec<Band> = old.chain((0..10_000).map(|n| band(n, 10_000, 5_000, None))).collect();
        let gathered = gathered(bands);
        assert!(gathered.len() <= BANDS_MAX, "{}", gathered.len());
        assert_eq!(gathered.iter().map(|band| band.shards).sum::<u32>(), 20_000);
        let open: f64 = gathered.iter().filter(|band| band.closed_ms.is_none()).map(|band| band.to - band.from).sum();
        assert!((open - 1.0).abs() < 1e-6, "{open}");
    }
}
