//! Puts: finds the shard of each record, hands each shard its share, and puts the answers together.

use crate::error::{PutError, Refusal};
use crate::settings::StreamSettings;
use crate::shard::{BatchReply, Command, PutBatch};
use crate::store::Store;
use crate::stream::{Stream, StreamStatus, StreamView};
use md5::{Digest, Md5};
use model::{Position, PutRecord, ShardIndex, limits};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

/// How long a put waits for a change of shards before it is refused. A change takes a few disk writes.
const RESHARD_WAIT: Duration = Duration::from_secs(5);

/// What became of one record of a put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PutOutcome {
    /// It is durable.
    Accepted {
        /// The shard that took it.
        shard: ShardIndex,
        /// Its place there.
        position: Position,
    },
    /// It was not written.
    Refused {
        /// The shard that did not take it.
        shard: ShardIndex,
        /// Why.
        reason: Refusal,
    },
}

/// A record on its way, with its place in the put.
struct Pending {
    slot: usize,
    record: PutRecord,
}

/// The place of a record in the key space, which decides its shard.
pub fn hash_key(record: &PutRecord) -> u128 {
    let md5 = || u128::from_be_bytes(Md5::digest(record.partition_key.as_bytes()).into());
    record.explicit_hash_key.unwrap_or_else(md5)
}

fn check(records: &[PutRecord], settings: &StreamSettings) -> Result<usize, PutError> {
    if !(1..=limits::PUT_RECORDS_MAX).contains(&records.len()) {
        return Err(PutError::Count(records.len()));
    }
    for (index, record) in records.iter().enumerate() {
        let key = &record.partition_key;
        // A character takes 1 to 4 bytes: most keys need not be counted.
        let too_long =
            key.len() > limits::PARTITION_KEY_CHARS_MAX && key.chars().nth(limits::PARTITION_KEY_CHARS_MAX).is_some();
        if key.is_empty() || too_long {
            return Err(PutError::PartitionKey { index });
        }
        let (bytes, max) = (record.size(), settings.record_bytes_max);
        if bytes > max {
            return Err(PutError::RecordBytes { index, bytes, max });
        }
    }
    let bytes = records.iter().map(PutRecord::size).sum();
    let max = settings.put_bytes_max();
    if bytes > max { Err(PutError::Bytes { bytes, max }) } else { Ok(bytes) }
}

impl Store {
    /// Puts records into a stream. The answer holds one outcome for each record, in their order; those accepted are
    /// durable. Once a shard refuses a record, it refuses all later ones of the same put, so that what is accepted and
    /// what is sent again stay in order. Waits while the memory for pending records is taken.
    ///
    /// # Errors
    /// When nothing can be accepted: no such stream, wrong sizes or counts, shutdown.
    pub async fn put_records(&self, stream: &str, records: Vec<PutRecord>) -> Result<Vec<PutOutcome>, PutError> {
        let found = self.stream(stream).ok_or_else(|| PutError::NotFound(stream.to_owned()))?;
        let bytes = check(&records, &found.view().settings)?;
        let kib = u32::try_from(bytes / 1024 + 1).unwrap_or(u32::MAX);
        let permit = self.inner.pending_kib.clone().acquire_many_owned(kib).await.map_err(|_| PutError::Closed)?;
        let permit = Arc::new(permit);
        let mut outcomes = vec![None; records.len()];
        let mut pending: Vec<Pending> =
            records.into_iter().enumerate().map(|(slot, record)| Pending { slot, record }).collect();
        while !pending.is_empty() {
            let view = found.view();
            self.check_status(&found, &view)?;
            pending = send(&view, pending, &permit, &mut outcomes).await?;
            if !pending.is_empty() && !next_view(&found, view.version).await {
                refuse(&view, std::mem::take(&mut pending), &mut outcomes);
            }
        }
        Ok(outcomes.into_iter().flatten().collect())
    }

    /// Records that were put and are not on disk yet, in bytes over all streams; at most
    /// [`StoreConfig::pending_bytes_max`](crate::StoreConfig::pending_bytes_max).
    pub fn pending_bytes(&self) -> usize {
        self.inner.pending_kib_max.saturating_sub(self.inner.pending_kib.available_permits()) * 1024
    }

    fn check_status(&self, stream: &Stream, view: &StreamView) -> Result<(), PutError> {
        if self.inner.is_closing() {
            return Err(PutError::Closed);
        }
        match view.status {
            StreamStatus::Active | StreamStatus::Updating => Ok(()),
            status => Err(PutError::NotActive { stream: stream.name.clone(), status }),
        }
    }
}

/// Waits for a view newer than `version`; false when none comes in time.
async fn next_view(stream: &Stream, version: u64) -> bool {
    let mut views = stream.watch();
    let newer = views.wait_for(|view| view.version > version);
    tokio::time::timeout(RESHARD_WAIT, newer).await.is_ok_and(|view| view.is_ok())
}

/// Sends each shard its share and fills in the outcomes. Returns what went to shards that are closed by now.
async fn send(
    view: &StreamView,
    pending: Vec<Pending>,
    permit: &Arc<OwnedSemaphorePermit>,
    outcomes: &mut [Option<PutOutcome>],
) -> Result<Vec<Pending>, PutError> {
    let mut waiting = Vec::new();
    for (shard, slots, records) in share_out(view, pending) {
        let (reply, answer) = oneshot::channel();
        let batch = PutBatch { records, reply, permit: permit.clone() };
        let handle = &view.shard(shard).ok_or(PutError::Closed)?.handle;
        handle.commands.send(Command::Put(batch)).await.map_err(|_| PutError::Closed)?;
        waiting.push((shard, slots, answer));
    }
    let mut moved = Vec::new();
    for (shard, slots, answer) in waiting {
        match answer.await {
            Ok(BatchReply::Done { first, accepted, refusal: reason }) => {
                for (i, slot) in slots.into_iter().enumerate() {
                    let position = Position(first.0 + i as u64);
                    let done = PutOutcome::Accepted { shard, position };
                    outcomes[slot] = Some(if i < accepted { done } else { PutOutcome::Refused { shard, reason } });
                }
            }
            Ok(BatchReply::Moved(records)) => {
                moved.extend(slots.into_iter().zip(records).map(|(slot, record)| Pending { slot, record }));
            }
            // The disk thread was lost, and the batch with it.
            Err(_) => {
                let reason = Refusal::StorageFailed;
                slots.into_iter().for_each(|slot| outcomes[slot] = Some(PutOutcome::Refused { shard, reason }));
            }
        }
    }
    moved.sort_unstable_by_key(|pending| pending.slot);
    Ok(moved)
}

/// Groups records by the shard that takes them, each group in the order of the put.
fn share_out(view: &StreamView, pending: Vec<Pending>) -> Vec<(ShardIndex, Vec<usize>, Vec<PutRecord>)> {
    let route = |one: Pending| (view.route(hash_key(&one.record)).unwrap_or(ShardIndex(u32::MAX)), one);
    let mut routed: Vec<(ShardIndex, Pending)> = pending.into_iter().map(route).collect();
    routed.sort_by_key(|(shard, _)| *shard);
    let mut groups: Vec<(ShardIndex, Vec<usize>, Vec<PutRecord>)> = Vec::new();
    for (shard, Pending { slot, record }) in routed {
        match groups.last_mut() {
            Some((last, slots, records)) if *last == shard => {
                slots.push(slot);
                records.push(record);
            }
            _ => groups.push((shard, vec![slot], vec![record])),
        }
    }
    groups
}

fn refuse(view: &StreamView, pending: Vec<Pending>, outcomes: &mut [Option<PutOutcome>]) {
    for (shard, slots, _) in share_out(view, pending) {
        let reason = Refusal::Resharding;
        slots.into_iter().for_each(|slot| outcomes[slot] = Some(PutOutcome::Refused { shard, reason }));
    }
}
