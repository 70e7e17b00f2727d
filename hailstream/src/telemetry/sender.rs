//! Sends metrics every few seconds until the end, whatever the collector does: one message at a time, none is queued.

use super::message::{KeyValue, Request, Resource, ResourceMetrics, Scope, ScopeMetrics};
use super::post::{Outcome, post};
use super::series::Counters;
use super::settings::OtlpSettings;
use crate::outgoing::{self, Outgoing};
use bytes::Bytes;
use model::{Env, Sample};
use prost::Message;
use sha1::{Digest, Sha1};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::watch;

/// How often one message is posted, at most. Counters go on counting: what is given up is the resolution of some seconds.
const ATTEMPTS_MAX: u32 = 5;
/// The pause behind the first attempt; it doubles with each.
const PAUSE: Duration = Duration::from_secs(1);
/// How long the last message may take when the platform ends.
const LAST_TIMEOUT: Duration = Duration::from_millis(1_500);
/// The namespace in which OpenTelemetry wants ids of instances to be computed.
const NAMESPACE: [u8; 16] =
    [0x4d, 0x63, 0x00, 0x9a, 0x8d, 0x0f, 0x11, 0xee, 0xaa, 0xd7, 0x4c, 0x79, 0x6e, 0xd8, 0xe3, 0x20];

/// What has become of messages.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    sent: AtomicU64,
    failed: AtomicU64,
    rejected_points: AtomicU64,
}

impl Counts {
    /// The readings of it.
    pub(crate) fn samples(&self) -> Vec<Sample> {
        let sample = |name, count: &AtomicU64| Sample::new(name, count.load(Ordering::Relaxed) as f64);
        vec![
            sample("telemetry_failed_messages_total", &self.failed),
            sample("telemetry_rejected_points_total", &self.rejected_points),
            sample("telemetry_sent_messages_total", &self.sent),
        ]
    }
}

/// Sends readings to a collector.
pub(crate) struct Sender {
    env: Env,
    client: Outgoing,
    settings: OtlpSettings,
    resource: Resource,
    counters: Counters,
    counts: Arc<Counts>,
    /// Until when the collector wants to be left alone, by the steady clock.
    quiet_until_ns: u64,
    /// Whether the last message failed, which was told.
    away: bool,
    /// Whether it was told that points were rejected.
    rejecting: bool,
}

impl Sender {
    /// A sender for the platform on this data directory; nothing is called yet.
    ///
    /// # Errors
    /// When no client can be made.
    pub(crate) fn new(env: Env, settings: OtlpSettings, data_dir: &Path) -> io::Result<Self> {
        let attributes = [
            ("service.name", settings.service.as_str()),
            ("service.version", env!("CARGO_PKG_VERSION")),
            ("service.instance.id", &instance_id(&place(data_dir))),
        ];
        let attributes = attributes.iter().map(|(key, value)| KeyValue::new(key, value)).collect();
        Ok(Self {
            client: outgoing::client()?,
            resource: Resource { attributes },
            counters: Counters::new(nanoseconds(env.now_ms())),
            counts: Arc::default(),
            quiet_until_ns: 0,
            away: false,
            rejecting: false,
            env,
            settings,
        })
    }

    /// What has become of messages, also later.
    pub(crate) fn counts(&self) -> Arc<Counts> {
        self.counts.clone()
    }

    /// Sends what `samples` reads until `ended`, and once more then. `samples` may wait for disks.
    pub(crate) async fn run(
        mut self,
        samples: impl Fn() -> Vec<Sample> + Send + Sync + 'static,
        help: fn(&str) -> Option<&'static str>,
        mut ended: watch::Receiver<bool>,
    ) {
        let samples = Arc::new(samples);
        let interval = self.settings.interval;
        while tokio::time::timeout(interval, ended.wait_for(|ended| *ended)).await.is_err() {
            if self.env.monotonic_ns() < self.quiet_until_ns {
                continue;
            }
            let Some(message) = self.message(&samples, help).await else { continue };
            tokio::select! {
                () = self.deliver(message) => {}
                _ = ended.wait_for(|ended| *ended) => break,
            }
        }
        if let Some(message) = self.message(&samples, help).await {
            let now_ms = self.env.now_ms();
            let last = tokio::time::timeout(LAST_TIMEOUT, post(&self.client, &self.settings, message, now_ms)).await;
            tracing::debug!(?last, "the last metrics were sent");
        }
    }

    /// The message of this moment.
    async fn message(
        &mut self,
        samples: &Arc<impl Fn() -> Vec<Sample> + Send + Sync + 'static>,
        help: fn(&str) -> Option<&'static str>,
    ) -> Option<Bytes> {
        let read = samples.clone();
        let samples = match tokio::task::spawn_blocking(move || read()).await {
            Ok(samples) => samples,
            Err(error) => {
                tracing::error!(%error, "readings could not be taken, and none are sent this time");
                return None;
            }
        };
        let metrics = self.counters.metrics(samples, nanoseconds(self.env.now_ms()), help);
        let scope = Scope { name: "hailstream".to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() };
        let scopes = vec![ScopeMetrics { scope: Some(scope), metrics }];
        let resources = vec![ResourceMetrics { resource: Some(self.resource.clone()), scopes }];
        Some(Request { resources }.encode_to_vec().into())
    }

    /// Posts a message until it is taken, refused, or the next one is due.
    async fn deliver(&mut self, message: Bytes) {
        let due_ns = self.env.monotonic_ns().saturating_add(nanos(self.settings.interval));
        for attempt in 0..ATTEMPTS_MAX {
            match post(&self.client, &self.settings, message.clone(), self.env.now_ms()).await {
                Outcome::Taken { rejected, reason } => return self.taken(rejected, &reason),
                Outcome::Refused { reason } => return self.failed(&reason),
                Outcome::Later { pause, reason } => {
                    let asked = pause.is_some();
                    let pause = pause.unwrap_or_else(|| self.pause(attempt));
                    let again_ns = self.env.monotonic_ns().saturating_add(nanos(pause));
                    if asked {
                        self.quiet_until_ns = again_ns;
                    }
                    if again_ns >= due_ns || attempt + 1 == ATTEMPTS_MAX {
                        return self.failed(&reason);
                    }
                    tracing::debug!(%reason, ?pause, "metrics are sent again");
                    tokio::time::sleep(pause).await;
                }
            }
        }
    }

    /// The pause behind an attempt: half of it is left to chance, so that many platforms do not come back together.
    fn pause(&self, attempt: u32) -> Duration {
        let whole = PAUSE * 2_u32.saturating_pow(attempt);
        let share = self.env.random_u64() as f64 / u64::MAX as f64;
        whole / 2 + (whole / 2).mul_f64(share)
    }

    fn taken(&mut self, rejected: u64, reason: &str) {
        self.counts.sent.fetch_add(1, Ordering::Relaxed);
        self.counts.rejected_points.fetch_add(rejected, Ordering::Relaxed);
        if self.away {
            tracing::warn!(address = %self.settings.address, "the collector of metrics takes them again");
        }
        self.away = false;
        if rejected > 0 && !self.rejecting {
            let address = &self.settings.address;
            tracing::warn!(%address, rejected, reason, "the collector rejects points; this is told once");
            self.rejecting = true;
        }
    }

    fn failed(&mut self, reason: &str) {
        self.counts.failed.fetch_add(1, Ordering::Relaxed);
        if !self.away {
            let address = &self.settings.address;
            let hint = match address.port_u16() {
                Some(4317) => "; 4317 is the port of gRPC, and HTTP is spoken at 4318",
                _ => "",
            };
            tracing::warn!(
                "metrics cannot be sent to {address}: {reason}{hint}; all else goes on, and this is told once until \
                 they are taken"
            );
        }
        self.away = true;
    }
}

fn nanoseconds(ms: u64) -> u64 {
    ms.saturating_mul(1_000_000)
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// What tells this platform from all others, also after a restart: the machine, its name, the data directory.
fn place(data_dir: &Path) -> String {
    let told = |path: &str| std::fs::read_to_string(path).map(|text| text.trim().to_owned()).unwrap_or_default();
    let folder = data_dir.canonicalize().unwrap_or_else(|_| data_dir.to_owned());
    format!("{}\n{}\n{}", told("/etc/machine-id"), told("/proc/sys/kernel/hostname"), folder.display())
}

/// The id of the instance at a place: a UUID of version 5.
fn instance_id(place: &str) -> String {
    let hash = Sha1::new().chain_update(NAMESPACE).chain_update(place).finalize();
    let mut id = 0_u128;
    for byte in &hash[..16] {
        id = id << 8 | u128::from(*byte);
    }
    let id = id & !(0xf << 76) & !(0x3 << 62) | 0x5 << 76 | 0x2 << 62;
    let part = |shift: u32, bits: u32| (id >> shift) & ((1 << bits) - 1);
    format!("{:08x}-{:04x}-{:04x}-{:04x}-{:012x}", part(96, 32), part(80, 16), part(64, 16), part(48, 16), part(0, 48))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_keeps_its_id_and_shares_it_with_no_other() {
        // Computed by another implementation of version 5.
        assert_eq!(instance_id("here"), "c5bc687e-d075-5ff8-b678-cdcbcd1f6fa2");
        assert_ne!(instance_id("here"), instance_id("there"));
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(place(dir.path()), place(&dir.path().join(".")));
    }

    #[test]
    fn pauses_grow_and_half_of_them_is_chance() {
        let (env, _) = Env::manual(0, 7);
        let settings = OtlpSettings::new((Some("http://a"), None), 10, |_| None).unwrap().unwrap();
        let sender = Sender::new(env, settings, Path::new(".")).unwrap();
        for (attempt, whole_s) in [(0, 1), (1, 2), (2, 4), (3, 8)] {
            let pause = sender.pause(attempt);
            let whole = Duration::from_secs(whole_s);
            assert!(pause >= whole / 2 && pause <= whole, "{attempt}: {pause:?}");
        }
    }
}
