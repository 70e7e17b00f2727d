//! Pushing the records of a shard to a registered consumer, as soon as they are durable and within a rate of its own.
//!
//! Nothing is queued: what a slow reader has not taken stays in the log, and the next read begins where the last one
//! ended.

use crate::consumers::ConsumerStatus;
use crate::error::{PushError, SubscribeError};
use crate::read::{ReadAnswer, StartAt};
use crate::store::Store;
use crate::stream::{Stream, StreamStatus};
use crate::throttle::TokenBucket;
use crate::wakers::Subscription;
use model::{Position, ShardIndex, limits};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::Notify;

/// Where nothing comes, the reader is told so after this. Clients give up after twice that.
const IDLE: Duration = Duration::from_secs(5);
/// How much is pushed at once, in bytes.
const PUSH_BYTES_MAX: usize = 1024 * 1024;
/// How often a reader that has used up its rate is looked at.
const RATE_CHECK: Duration = Duration::from_millis(10);
const NS_PER_S: u64 = 1_000_000_000;

/// The subscriptions of a stream: for each consumer and shard the last one.
#[derive(Default)]
pub(crate) struct Subscriptions(Mutex<HashMap<(String, ShardIndex), Arc<Slot>>>);

/// One subscription, as those see it that come after it.
struct Slot {
    begun_ns: u64,
    /// False once its reader has gone.
    active: AtomicBool,
    /// When another one was last refused because of this one; 0 when none was.
    refused_ns: AtomicU64,
    /// Set when a later one takes its place.
    replaced: AtomicBool,
    /// Rings when there may be something new, and when it was replaced.
    news: Arc<Notify>,
}

impl Subscriptions {
    /// Takes the place of a consumer at a shard. `second_ns` is a second on the clock of the limits.
    fn take(
        &self,
        consumer: &str,
        shard: ShardIndex,
        now_ns: u64,
        second_ns: u64,
    ) -> Result<Arc<Slot>, SubscribeError> {
        let mut slots = self.0.lock();
        let age_ns = |slot: &Slot| now_ns.saturating_sub(slot.begun_ns);
        // What has ended is forgotten once it limits nothing any more; those under way are as many as their readers.
        slots.retain(|_, slot| slot.active.load(Ordering::Relaxed) || age_ns(slot) < second_ns);
        let key = (consumer.to_owned(), shard);
        if let Some(slot) = slots.get(&key) {
            slot.give_way(age_ns(slot), now_ns, second_ns)?;
            slot.replaced.store(true, Ordering::Relaxed);
            slot.news.notify_one();
        }
        let (active, replaced) = (AtomicBool::new(true), AtomicBool::new(false));
        let refused_ns = AtomicU64::new(0);
        let slot = Arc::new(Slot { begun_ns: now_ns, active, refused_ns, replaced, news: Arc::default() });
        slots.insert(key, slot.clone());
        Ok(slot)
    }
}

impl Slot {
    /// Whether a subscription that is `age_ns` old gives way to another one.
    ///
    /// The real service says within five seconds of a subscription that it is in use. It also says that there is one call a
    /// second: it is the rate that is told where nothing is in use any more, and to those who go on asking.
    fn give_way(&self, age_ns: u64, now_ns: u64, second_ns: u64) -> Result<(), SubscribeError> {
        let active = self.active.load(Ordering::Relaxed);
        if !active && age_ns < second_ns {
            return Err(SubscribeError::TooOften);
        }
        if active && age_ns < limits::SUBSCRIPTION_HOLD_S * second_ns {
            let before = self.refused_ns.swap(now_ns.max(1), Ordering::Relaxed);
            let again = before != 0 && now_ns.saturating_sub(before) < second_ns;
            return Err(if again { SubscribeError::TooOften } else { SubscribeError::InUse });
        }
        Ok(())
    }
}

/// Records of one shard on their way to one consumer.
pub struct Push {
    store: Store,
    stream: Arc<Stream>,
    shard: ShardIndex,
    consumer: (String, u64),
    slot: Arc<Slot>,
    rate: Option<TokenBucket>,
    position: Position,
    ends_ns: u64,
    begun: bool,
    over: bool,
    _waker: Subscription,
}

impl fmt::Debug for Push {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Push").field("shard", &self.shard).field("position", &self.position).finish_non_exhaustive()
    }
}

impl Drop for Push {
    fn drop(&mut self) {
        self.slot.active.store(false, Ordering::Relaxed);
    }
}

impl Store {
    /// Begins to push the records of a shard to a consumer, from `at` on, for five minutes on the clock of the limits. A
    /// subscription that is five seconds old gives way to the new one.
    ///
    /// # Errors
    /// When there is no such stream, shard or consumer, the consumer is not active, or it subscribed to the shard a moment
    /// ago.
    pub async fn push(
        &self,
        stream: &str,
        consumer: &str,
        shard: ShardIndex,
        at: StartAt,
    ) -> Result<Push, SubscribeError> {
        let found = self.stream_or(stream)?;
        let consumer = self.consumer(stream, consumer)?;
        if consumer.status != ConsumerStatus::Active {
            return Err(SubscribeError::ConsumerNotActive(Box::new(consumer)));
        }
        let position = self.locate(stream, shard, at).await?;
        let (env, speedup) = (&self.inner.config.env, self.inner.config.limits_speedup);
        let now_ns = env.monotonic_ns();
        let slot = found.subscriptions.take(&consumer.name, shard, now_ns, NS_PER_S / u64::from(speedup))?;
        let news = slot.news.clone();
        let limited = self.inner.limits_hold(&found.view());
        let life_ms = self.inner.config.lifetime_ms(limits::SUBSCRIPTION_AGE_MS_MAX);
        Ok(Push {
            store: self.clone(),
            shard,
            consumer: (consumer.name, consumer.created_ms),
            rate: limited.then(|| TokenBucket::new(limits::FAN_OUT_BYTES_PER_S, now_ns, speedup)),
            position,
            ends_ns: now_ns + life_ms * 1_000_000,
            begun: false,
            over: false,
            _waker: found.shared.wakers.subscribe(Arc::new(move || news.notify_one())),
            slot,
            stream: found,
        })
    }
}

impl Push {
    /// The position of the record that is pushed next.
    pub fn position(&self) -> Position {
        self.position
    }

    /// The stream's name, and the shard.
    pub fn source(&self) -> (&str, ShardIndex) {
        (&self.stream.name, self.shard)
    }

    /// What comes next: records, or none where nothing came for a while. With the end of a shard its children are told,
    /// and nothing follows. `None` once the time of the subscription is over.
    ///
    /// # Errors
    /// When the consumer or the stream is gone, another subscription took the place of this one, or the disk fails.
    pub async fn next(&mut self) -> Option<Result<ReadAnswer, PushError>> {
        if self.over {
            return None;
        }
        let answer = self.wait().await.transpose();
        self.over = !matches!(&answer, Some(Ok(ReadAnswer { ended: None, .. })));
        self.begun = true;
        answer
    }

    async fn wait(&mut self) -> Result<Option<ReadAnswer>, PushError> {
        let idle = tokio::time::sleep(IDLE);
        tokio::pin!(idle);
        loop {
            if self.is_over()? {
                return Ok(None);
            }
            if self.has_news() {
                let answer = self.read().await?;
                if !answer.records.is_empty() || answer.ended.is_some() || !self.begun {
                    return Ok(Some(answer));
                }
            } else if !self.begun {
                // The first answer tells that the subscription stands.
                return Ok(Some(self.nothing()));
            }
            let left_ns = self.ends_ns.saturating_sub(self.store.inner.config.env.monotonic_ns());
            tokio::select! {
                () = self.slot.news.notified() => {}
                () = tokio::time::sleep(Duration::from_nanos(left_ns)) => {}
                () = &mut idle => return Ok(Some(self.nothing())),
                () = self.store.inner.until_closing() => return Err(PushError::Closed),
            }
        }
    }

    fn nothing(&self) -> ReadAnswer {
        ReadAnswer { records: Vec::new(), next: self.position, behind_ms: 0, ended: None }
    }

    /// Whether the time is up; an error when it ends for another reason.
    fn is_over(&self) -> Result<bool, PushError> {
        if self.store.inner.is_closing() {
            return Err(PushError::Closed);
        }
        if self.slot.replaced.load(Ordering::Relaxed) {
            return Err(PushError::Replaced);
        }
        let view = self.stream.view();
        if view.status == StreamStatus::Deleting {
            return Err(PushError::StreamGone(self.stream.name.clone()));
        }
        let (name, created_ms) = &self.consumer;
        let is_there = |status| status != ConsumerStatus::Deleting;
        let known = view.consumers.get(name).filter(|one| one.created_ms == *created_ms && is_there(one.status));
        if known.is_none() {
            return Err(PushError::ConsumerGone(name.clone()));
        }
        Ok(self.store.inner.config.env.monotonic_ns() >= self.ends_ns)
    }

    /// Whether a read may find something: records, or the end of the shard.
    fn has_news(&self) -> bool {
        let view = self.stream.view();
        view.shard(self.shard).is_none_or(|shard| shard.handle.log.next() > self.position || !shard.info.is_open())
    }

    async fn read(&mut self) -> Result<ReadAnswer, PushError> {
        let (name, shard) = (self.stream.name.clone(), self.shard);
        self.wait_for_rate().await;
        let read = self.store.read_records(&name, shard, self.position, limits::GET_RECORDS_MAX, PUSH_BYTES_MAX);
        let answer = read.await?;
        if let Some(rate) = &mut self.rate {
            rate.charge(answer.bytes());
        }
        self.position = answer.next;
        Ok(answer)
    }

    async fn wait_for_rate(&mut self) {
        let env = self.store.inner.config.env.clone();
        while self.rate.as_mut().is_some_and(|rate| !rate.has_any(env.monotonic_ns())) {
            tokio::time::sleep(RATE_CHECK).await;
        }
    }
}
