//! Streams as the console shows them: the use of shards, their lineage, their past, and changes of their shards.

use super::Parts;
use super::observe::{ShardRates, StreamRates};
use super::pipeline::stream_status;
use console::Failure;
use console::views;
use control::aws::{StreamMetric, stream_series};
use md5::{Digest, Md5};
use model::limits::{SHARD_READ_BYTES_PER_S, SHARD_WRITE_BYTES_PER_S, SHARD_WRITE_RECORDS_PER_S};
use model::{HashKeyRange, Kind, ShardIndex};
use store::{
    HotKey, HotKeys, Limits, RecordBlock, Row, ShardDescription, ShardRead, ShardState, SplitAdvice, StartAt,
    StreamDescription,
};
use wire::aggregation::user_records;

/// Points of a history: enough for a chart as wide as a window.
const HISTORY_POINTS: u64 = 180;
/// The heaviest keys are those of the last so many seconds.
const KEYS_SECONDS: u64 = 60;
/// Most records that are looked at for them, about.
const KEYS_RECORDS_MAX: u64 = 60_000;
/// How much is read at once for them.
const KEYS_READ_BYTES: usize = 1024 * 1024;

impl Parts {
    /// All streams by name.
    pub(super) fn stream_lines(&self) -> Vec<views::StreamLine> {
        let (second, none) = (self.second(), StreamRates::default());
        let rates = &second.rates;
        let names = self.store().list_streams().into_iter();
        let described = names.filter_map(|name| self.store().describe_stream(&name).ok());
        described.map(|stream| line(&stream, rates.streams.get(&stream.name).unwrap_or(&none))).collect()
    }

    /// One stream with its shards.
    pub(super) fn stream_detail(&self, name: &str) -> Result<views::StreamView, Failure> {
        let stream = self.store().describe_stream(name).map_err(Failure::from_error)?;
        let stats = self.store().stats(name).map_err(Failure::from_error)?;
        let (second, none) = (self.second(), StreamRates::default());
        let rates = second.rates.streams.get(name).unwrap_or(&none);
        let mut open: Vec<_> = stream.shards.iter().filter(|shard| shard.state == ShardState::Open).collect();
        open.sort_unstable_by_key(|shard| shard.range.start());
        let used = |shard: &&ShardDescription| {
            shard_use(shard.index, rates.shards.get(&shard.index.0).copied().unwrap_or_default())
        };
        Ok(views::StreamView {
            line: line(&stream, rates),
            limited: self.store().config().limits == Limits::Enforced && stream.settings.limited(),
            retention_hours: stream.settings.retention_hours,
            consumers: stream.consumers as u32,
            disk_bytes: stats.disk_bytes,
            shards: open.iter().map(used).collect(),
            lineage: stream.shards.iter().map(band).collect(),
        })
    }

    /// The totals of a stream over the last `seconds`.
    pub(super) fn stream_history(&self, name: &str, seconds: u64) -> Result<views::StreamHistory, Failure> {
        self.store().describe_stream(name).map_err(Failure::from_error)?;
        let period_s = if seconds <= 900 { 5 } else { (seconds / HISTORY_POINTS).next_multiple_of(60) };
        let metrics = [
            StreamMetric::IncomingRecords,
            StreamMetric::IncomingBytes,
            StreamMetric::OutgoingBytes,
            StreamMetric::WriteThrottles,
        ];
        let keys: Result<Vec<_>, _> = metrics.iter().map(|metric| stream_series(name, None, *metric)).collect();
        let keys = keys.map_err(|error| Failure::new(Kind::Invalid, error.to_string()))?;
        let now_ms = self.env().now_ms();
        let range = now_ms.saturating_sub(seconds * 1_000)..now_ms + 1;
        let values = self.metrics().query(&keys, period_s, range).map_err(Failure::from_error)?;
        // Each value is of one second, so that their number is the time that they were taken over.
        let rate = |metric: usize, at_ms: u64| {
            let found = values[metric].binary_search_by_key(&at_ms, |value| value.at_ms);
            found.map_or(0.0, |place| values[metric][place].set.sum / values[metric][place].set.count)
        };
        let point = |at_ms: u64| views::HistoryPoint {
            at_ms,
            records_per_s: rate(0, at_ms),
            bytes_per_s: rate(1, at_ms),
            read_bytes_per_s: rate(2, at_ms),
            throttled_per_s: rate(3, at_ms),
        };
        let points = values[0].iter().map(|value| point(value.at_ms)).collect();
        Ok(views::StreamHistory { period_s, points })
    }

    /// Begins a change of shards.
    pub(super) fn change_shards(&self, name: &str, change: views::ShardChange) -> Result<(), Failure> {
        let store = self.store();
        let changed = match change {
            views::ShardChange::Count(count) => {
                self.runtime().block_on(store.update_shard_count(name, count)).map(drop)
            }
            views::ShardChange::Split(number, at) => {
                let range = self.open_shard(name, number)?.range;
                let at = at.unwrap_or_else(|| range.middle());
                self.runtime().block_on(store.split_shard(name, ShardIndex(number), at))
            }
            views::ShardChange::Merge(number) => {
                let other = self.behind(name, number)?;
                self.runtime().block_on(store.merge_shards(name, ShardIndex(number), other))
            }
        };
        changed.map_err(Failure::from_error)
    }

    /// The heaviest keys of a shard, those of user records in aggregated ones.
    pub(super) fn shard_keys(&self, name: &str, number: u32) -> Result<views::ShardKeys, Failure> {
        let range = self.open_shard(name, number)?.range;
        let from_ms = self.env().now_ms().saturating_sub(KEYS_SECONDS * 1_000);
        let located = self.store().locate(name, ShardIndex(number), StartAt::Time(from_ms));
        let from = self.runtime().block_on(located).map_err(Failure::from_error)?;
        let mut reader = self.store().shard_reader(name, ShardIndex(number), from).map_err(Failure::from_error)?;
        let mut keys = HotKeys::new(range);
        while keys.total().0 < KEYS_RECORDS_MAX {
            match reader.read(KEYS_READ_BYTES).map_err(Failure::from_error)? {
                ShardRead::Block(block) => block.rows.iter().for_each(|row| count_keys(&mut keys, &block, row)),
                ShardRead::Trimmed { first } => reader.seek(first),
                ShardRead::Tip | ShardRead::End { .. } => break,
            }
        }
        Ok(keys_view(number, &keys))
    }

    fn open_shard(&self, name: &str, number: u32) -> Result<ShardDescription, Failure> {
        let shards = self.store().shards(name).map_err(Failure::from_error)?;
        let wanted = |shard: &ShardDescription| shard.index.0 == number && shard.state == ShardState::Open;
        let missing = || Failure::new(Kind::NotFound, format!("stream {name} has no open shard {number}"));
        shards.into_iter().find(wanted).ok_or_else(missing)
    }

    /// The open shard that follows in the order of keys.
    fn behind(&self, name: &str, number: u32) -> Result<ShardIndex, Failure> {
        let end = self.open_shard(name, number)?.range.end();
        let shards = self.store().shards(name).map_err(Failure::from_error)?;
        let follows = |shard: &&ShardDescription| {
            shard.state == ShardState::Open && end.checked_add(1) == Some(shard.range.start())
        };
        let message = || format!("shard {number} is the last one in the order of keys: merge the one before it");
        let found = shards.iter().find(follows).map(|shard| shard.index);
        found.ok_or_else(|| Failure::new(Kind::Invalid, message()))
    }
}

fn count_keys(keys: &mut HotKeys, block: &RecordBlock, row: &Row) {
    let payload = block.payload(row);
    let mut count = |key: &str, bytes: usize| {
        let place = u128::from_be_bytes(Md5::digest(key.as_bytes()).into());
        keys.add(key, place, (bytes + key.len()) as u64);
    };
    match user_records(payload) {
        Some(records) => records.iter().for_each(|record| count(record.partition_key, record.data.len())),
        None => count(&block.partition_key(row), payload.len()),
    }
}

fn keys_view(number: u32, keys: &HotKeys) -> views::ShardKeys {
    let (records, bytes) = keys.total();
    let share = |key: HotKey| views::KeyShare { key: key.key, records: key.records, share: key.share };
    views::ShardKeys {
        number,
        seconds: KEYS_SECONDS,
        records,
        bytes,
        keys: keys.heaviest(views::KEYS_SHOWN_MAX).into_iter().map(share).collect(),
        advice: match keys.advice() {
            SplitAdvice::Nothing => views::KeyAdvice::Nothing,
            SplitAdvice::At { key, below } => views::KeyAdvice::Split { at: key.to_string(), below },
            SplitAdvice::OneKey(_) => views::KeyAdvice::OneKey,
        },
    }
}

fn line(stream: &StreamDescription, rates: &StreamRates) -> views::StreamLine {
    views::StreamLine {
        name: stream.name.clone(),
        status: stream_status(stream.status),
        open_shards: stream.open_shards() as u32,
        records_per_s: rates.total.records,
        bytes_per_s: rates.total.bytes,
        throttled_per_s: rates.total.throttled,
        read_bytes_per_s: rates.total.read_bytes,
        throttled_reads_per_s: rates.total.throttled_reads,
        read_age_ms: rates.total.read_age_ms,
    }
}

fn shard_use(index: ShardIndex, rates: ShardRates) -> views::ShardUse {
    views::ShardUse {
        number: index.0,
        records_per_s: rates.records,
        bytes_per_s: rates.bytes,
        records_use: rates.records / SHARD_WRITE_RECORDS_PER_S as f64,
        bytes_use: rates.bytes / SHARD_WRITE_BYTES_PER_S as f64,
        read_bytes_per_s: rates.read_bytes,
        read_use: rates.read_bytes / SHARD_READ_BYTES_PER_S as f64,
        throttled_per_s: rates.throttled,
        throttled_reads_per_s: rates.throttled_reads,
        read_age_ms: rates.read_age_ms,
    }
}

fn band(shard: &ShardDescription) -> views::Band {
    let share = |key: u128| key as f64 / HashKeyRange::FULL.end() as f64;
    views::Band {
        number: shard.index.0,
        shards: 1,
        parents: shard.parents.iter().map(|parent| parent.0).collect(),
        from: share(shard.range.start()),
        to: share(shard.range.end()),
        opened_ms: shard.created_ms,
        closed_ms: shard.closed_ms,
    }
}
