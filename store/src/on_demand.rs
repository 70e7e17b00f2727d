//! Streams whose shards the platform counts: what they take is measured, and shards are added and removed so that they
//! take twice the peak of the last thirty days.

use crate::catalog::{CapacityMode, Change, HexKey};
use crate::store::Store;
use crate::stream::{Stream, StreamStatus, StreamView};
use model::{ShardIndex, limits};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::{Arc, Weak};

/// How often such streams are looked at, in seconds of the limits' clock.
const INTERVAL_S: u64 = 60;
/// For how many days a peak counts.
const PEAK_DAYS: u64 = 30;
/// A peak that is higher by less than this part is not worth a write.
const PEAK_STEP: f64 = 1.1;

/// What a stream took in its busiest minute of a day.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Peak {
    /// Days since the Unix epoch, on the limits' clock.
    day: u64,
    bytes_per_s: u64,
    records_per_s: u64,
}

/// The peaks of the last days, one for each day on which something was put.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Peaks(Vec<Peak>);

impl Peaks {
    /// With what was measured now; `None` when it changes nothing that matters.
    fn with(&self, now: Peak) -> Option<Self> {
        let idle = now.bytes_per_s == 0 && now.records_per_s == 0;
        let mut peaks: Vec<Peak> = self.0.iter().filter(|peak| peak.day + PEAK_DAYS > now.day).copied().collect();
        let higher = |new: u64, old: u64| new as f64 > old as f64 * PEAK_STEP;
        match peaks.iter_mut().find(|peak| peak.day == now.day) {
            Some(today)
                if !higher(now.bytes_per_s, today.bytes_per_s) && !higher(now.records_per_s, today.records_per_s) =>
            {
                return (peaks.len() < self.0.len()).then_some(Self(peaks));
            }
            Some(today) => {
                today.bytes_per_s = today.bytes_per_s.max(now.bytes_per_s);
                today.records_per_s = today.records_per_s.max(now.records_per_s);
            }
            None if idle => return (peaks.len() < self.0.len()).then_some(Self(peaks)),
            None => peaks.push(now),
        }
        Some(Self(peaks))
    }

    /// How many shards take twice the highest peak, and `warm_mib_per_s` at least.
    fn shards(&self, warm_mib_per_s: u32) -> u32 {
        let highest = |figure: fn(&Peak) -> u64| self.0.iter().map(figure).max().unwrap_or(0) * 2;
        let by_bytes = highest(|peak| peak.bytes_per_s).div_ceil(limits::SHARD_WRITE_BYTES_PER_S);
        let by_records = highest(|peak| peak.records_per_s).div_ceil(limits::SHARD_WRITE_RECORDS_PER_S);
        let wanted = u32::try_from(by_bytes.max(by_records)).unwrap_or(u32::MAX).max(warm_mib_per_s);
        wanted.clamp(limits::ON_DEMAND_SHARDS, limits::SHARDS_PER_STREAM_MAX)
    }
}

/// What one shard took per second of the limits' clock since it was looked at last: accepted and refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Load {
    shard: ShardIndex,
    bytes_per_s: u64,
    records_per_s: u64,
}

impl Load {
    fn is_hot(&self) -> bool {
        self.bytes_per_s > limits::SHARD_WRITE_BYTES_PER_S / 2
            || self.records_per_s > limits::SHARD_WRITE_RECORDS_PER_S / 2
    }
}

/// The change of shards that a stream needs, if any: first the count that its peaks ask for, then its hot shards.
fn wanted_change(peaks: &Peaks, warm_mib_per_s: u32, loads: &[Load], view: &StreamView) -> Option<Change> {
    let open = view.open_count() as u32;
    let wanted = peaks.shards(warm_mib_per_s);
    if wanted > open {
        return Some(Change::Count(wanted.min(open.saturating_mul(2))));
    }
    let hottest =
        loads.iter().filter(|load| load.is_hot()).max_by_key(|load| load.bytes_per_s.max(load.records_per_s * 1_024));
    if let Some(range) = hottest.and_then(|load| view.shard(load.shard)).map(|shard| shard.info.range)
        && open < limits::SHARDS_PER_STREAM_MAX
    {
        let at = range.middle();
        return range.split_at(at).and(hottest).map(|load| Change::Split { split: load.shard.0, at: HexKey(at) });
    }
    // One hot shard more than the count asks for is no reason to merge the others again.
    let quiet = loads.iter().all(|load| !load.is_hot());
    (quiet && wanted.saturating_mul(2) <= open).then(|| Change::Count(wanted.max(open.div_ceil(2))))
}

/// What was counted of the shards of one stream at the last look.
type Counted = BTreeMap<(u64, u32), (u64, u64)>;

/// Looks after such streams for as long as the store is there.
pub(crate) fn start(store: &Store) {
    let config = &store.inner.config;
    let speedup = u64::from(config.limits_speedup);
    // Never more often than ten times a second, however fast the clock of the limits runs.
    let interval_ms = (INTERVAL_S * 1_000 / speedup).max(100);
    let weak = Arc::downgrade(&store.inner);
    let mut closing = store.inner.closing();
    store.inner.spawn(async move {
        let (mut counted, mut looked_ns) = (Counted::new(), None);
        loop {
            tokio::select! {
                () = tokio::time::sleep(std::time::Duration::from_millis(interval_ms)) => {}
                _ = closing.wait_for(|closing| *closing) => return,
            }
            let Some(inner) = Weak::upgrade(&weak) else { return };
            let now_ns = inner.config.env.monotonic_ns();
            let elapsed_s =
                looked_ns.replace(now_ns).map(|before: u64| (now_ns - before) as f64 / 1e9 * speedup as f64);
            Store { inner }.look_after_on_demand(&mut counted, elapsed_s).await;
        }
    });
}

impl Store {
    async fn look_after_on_demand(&self, counted: &mut Counted, elapsed_s: Option<f64>) {
        let streams: Vec<Arc<Stream>> = self.inner.streams.read().values().cloned().collect();
        let mut now = Counted::new();
        for stream in streams {
            let view = stream.view();
            if view.settings.mode != CapacityMode::OnDemand {
                continue;
            }
            let loads = loads(&stream, &view, counted, &mut now, elapsed_s);
            if elapsed_s.is_none() || view.status != StreamStatus::Active {
                continue;
            }
            if let Err(reason) = self.grow(&stream, &view, &loads).await {
                tracing::error!(stream = stream.name, reason, "a stream in on-demand mode could not be adjusted");
            }
        }
        *counted = now;
    }

    async fn grow(&self, stream: &Arc<Stream>, view: &StreamView, loads: &[Load]) -> Result<(), String> {
        let mut catalog = self.inner.catalog.lock().await;
        let Some(record) = catalog.streams.iter().find(|record| record.id == stream.id) else { return Ok(()) };
        let peak = Peak {
            day: self.inner.config.env.now_ms() / self.inner.day_ms(),
            bytes_per_s: loads.iter().map(|load| load.bytes_per_s).sum(),
            records_per_s: loads.iter().map(|load| load.records_per_s).sum(),
        };
        let mut peaks = record.peaks.clone();
        if let Some(changed) = peaks.with(peak) {
            peaks = changed;
            let stored = self.store_setting(&mut catalog, stream, |record| record.peaks = peaks.clone()).await;
            stored.map_err(|error| error.to_string())?;
        }
        let change = wanted_change(&peaks, view.settings.warm_mib_per_s, loads, view);
        // Deleted or changed by its owner meanwhile.
        if stream.view().status != StreamStatus::Active {
            return Ok(());
        }
        match change {
            Some(change) => {
                self.accept(&mut catalog, stream.clone(), change, None).await.map_err(|error| error.to_string())
            }
            None => Ok(()),
        }
    }
}

/// What the open shards of a stream took since the last look; notes what they have counted until now.
fn loads(stream: &Stream, view: &StreamView, before: &Counted, now: &mut Counted, elapsed_s: Option<f64>) -> Vec<Load> {
    let mut loads = Vec::new();
    for shard in view.shards.iter().filter(|shard| shard.info.is_open()) {
        let counts = shard.handle.counters.read();
        let key = (stream.id, shard.info.index.0);
        // Of refused records the number alone is known; they are taken to be like the others.
        let asked = counts.incoming_records + counts.throttled_records;
        let bytes = counts.incoming_bytes as f64 * asked as f64 / (counts.incoming_records.max(1)) as f64;
        let (records, bytes) = (asked, bytes as u64);
        let (records_before, bytes_before) = before.get(&key).copied().unwrap_or((0, 0));
        now.insert(key, (records, bytes));
        let per_s = |amount: u64| elapsed_s.map_or(0, |elapsed_s| (amount as f64 / elapsed_s.max(1e-3)) as u64);
        let (bytes, records) = (bytes.saturating_sub(bytes_before), records.saturating_sub(records_before));
        loads.push(Load { shard: shard.info.index, bytes_per_s: per_s(bytes), records_per_s: per_s(records) });
    }
    loads
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1024 * 1024;

    fn peak(day: u64, bytes_per_s: u64, records_per_s: u64) -> Peak {
        Peak { day, bytes_per_s, records_per_s }
    }

    #[test]
    fn shards_follow_twice_the_peak_of_thirty_days() {
        let mut peaks = Peaks::default();
        assert_eq!(peaks.shards(0), 4, "the least");
        peaks = peaks.with(peak(1, 3 * MIB, 10)).unwrap();
        assert_eq!(peaks.shards(0), 6);
        peaks = peaks.with(peak(1, MIB, 4_000)).unwrap();
        assert_eq!(peaks.shards(0), 8, "records may ask for more than bytes");
        assert_eq!(peaks.shards(20), 20, "what was warmed");
        assert!(peaks.with(peak(1, 3 * MIB + 1, 4_001)).is_none(), "a little more is no news");
        peaks = peaks.with(peak(30, 5 * MIB, 0)).unwrap();
        assert_eq!(peaks.shards(0), 10);
        peaks = peaks.with(peak(31, 0, 0)).unwrap();
        assert_eq!((peaks.0.len(), peaks.shards(0)), (1, 10), "the first day is forgotten");
        peaks = peaks.with(peak(60, 0, 0)).unwrap();
        assert_eq!(peaks.shards(0), 4);
    }
}
