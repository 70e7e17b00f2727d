//! Sending bulks until the cluster has them: what is sent again, after which pause, and when it is given up.

use super::bulk::Bulk;
use super::cluster::{Cluster, Failure};
use super::options::{OnRefused, Patience};
use engine::port::{Ending, PortError, Refusals};
use model::{Env, Kind};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// How long what fails is still tried when the job is to stop.
const STOP_PATIENCE: Duration = Duration::from_secs(10);

/// What sends the bulks of one writer.
pub(super) struct Sending {
    pub(super) table: String,
    cluster: Cluster,
    patience: Patience,
    on_refused: OnRefused,
    pub(super) refusals: Arc<Refusals>,
    pub(super) ending: Ending,
    /// When it was first seen that the job is to stop.
    stops_since_ns: OnceLock<u64>,
    pub(super) env: Env,
}

/// What a try has left.
struct Left {
    bulk: Bulk,
    why: Failure,
}

impl Sending {
    /// What sends the bulks of `table` to `cluster`.
    pub(super) fn new(
        table: String,
        cluster: Cluster,
        patience: Patience,
        on_refused: OnRefused,
        ending: Ending,
        env: Env,
    ) -> Self {
        let (refusals, stops_since_ns) = (Arc::default(), OnceLock::new());
        Self { table, cluster, patience, on_refused, refusals, ending, stops_since_ns, env }
    }

    /// Sends a bulk; again what was not taken, as long as patience lasts.
    ///
    /// # Errors
    /// When something of it was refused for good, or patience is at its end.
    pub(super) async fn send(&self, bulk: Bulk) -> Result<(), PortError> {
        let (begun_ns, all) = (self.env.monotonic_ns(), bulk.actions());
        let mut left = bulk;
        let mut number = 0;
        loop {
            let Some(Left { bulk, why }) = self.try_once(left).await? else {
                if number > 0 {
                    tracing::info!(table = %self.table, retries = number, rows = all, "a bulk was taken at last");
                }
                return Ok(());
            };
            let pause = self.pause(number);
            if !self.goes_on(&why, number, begun_ns, pause) {
                return Err(self.given_up(&why, number));
            }
            let (kind, reason) = why.told();
            if number == 0 {
                tracing::warn!(table = %self.table, ?kind, reason, rows = bulk.actions(), "a bulk is sent again");
            }
            tokio::time::sleep(pause).await;
            self.refusals.retried(bulk.actions() as u64);
            number += 1;
            left = bulk;
        }
    }

    /// Sends once. Returns what is to be sent again.
    async fn try_once(&self, bulk: Bulk) -> Result<Option<Left>, PortError> {
        let answer = match self.cluster.bulk(bulk.text()).await {
            Ok(answer) => answer,
            Err(why) => {
                self.refusals.refused(bulk.actions() as u64);
                return match why {
                    Failure::Refused(what) => Err(self.error(Kind::Invalid, &what)),
                    why => Ok(Some(Left { bulk, why })),
                };
            }
        };
        let outcome = bulk.read(&answer).map_err(|what| {
            // Nobody knows what such a service has done with the rows; rows without an id would be there twice.
            self.refusals.refused(bulk.actions() as u64);
            self.error(
                Kind::Invalid,
                &format!("what answers is no Elasticsearch and no OpenSearch: {what}; check 'hosts'"),
            )
        })?;
        let again = outcome.rejected.len() + outcome.failed.len();
        self.refusals.refused(outcome.refused + again as u64);
        if let Some(what) = outcome.why_refused {
            self.refused(outcome.refused, &what)?;
        }
        let Some(why) = outcome.why_again else { return Ok(None) };
        let only_rejected = outcome.failed.is_empty();
        let mut numbers = outcome.rejected;
        numbers.extend(outcome.failed);
        numbers.sort_unstable();
        let why = if only_rejected { Failure::Rejected(why) } else { Failure::Away(why) };
        Ok(Some(Left { bulk: bulk.only(&numbers), why }))
    }

    /// Documents that will never be taken.
    fn refused(&self, rows: u64, what: &str) -> Result<(), PortError> {
        match self.on_refused {
            OnRefused::Fail => {
                let told = format!(
                    "{rows} rows of a bulk were refused, the first: {what}; change the query or the index, or leave such \
                     rows out with 'failure-handler' = 'ignore'"
                );
                Err(self.error(Kind::Invalid, &told))
            }
            OnRefused::Ignore => {
                tracing::warn!(table = %self.table, rows, first = what, "rows were refused and are left out");
                Ok(())
            }
        }
    }

    fn goes_on(&self, why: &Failure, number: u32, begun_ns: u64, pause: Duration) -> bool {
        let patience = &self.patience;
        // Flink offers rejected documents again even where it tries nothing else twice.
        let retries = match (patience.retries, why) {
            (0, Failure::Rejected(_)) if patience.for_rejected => u32::MAX,
            (retries, _) => retries,
        };
        let waited = Duration::from_nanos(self.env.monotonic_ns().saturating_sub(begun_ns));
        let hopes = self.stopping().is_none_or(|since| since < STOP_PATIENCE);
        hopes && number < retries && patience.time.is_none_or(|time| waited + pause <= time)
    }

    /// For how long the job has been to stop; `None` while it is not.
    fn stopping(&self) -> Option<Duration> {
        let now_ns = self.env.monotonic_ns();
        let since_ns = self.ending.stops().then(|| *self.stops_since_ns.get_or_init(|| now_ns));
        since_ns.map(|since_ns| Duration::from_nanos(now_ns.saturating_sub(since_ns)))
    }

    /// A pause that grows is not the same for all writers, so that they do not come back at once.
    fn pause(&self, number: u32) -> Duration {
        let pause = self.patience.pause(number);
        match self.patience.grows {
            true => pause.mul_f64(0.75 + (self.env.random_u64() % 256) as f64 / 1_024.0),
            false => pause,
        }
    }

    fn given_up(&self, why: &Failure, retries: u32) -> PortError {
        let (kind, what) = why.told();
        let hurry = if self.ending.stops() { " (the job is to stop; its last checkpoint holds)" } else { "" };
        let tries = u64::from(retries) + 1;
        self.error(kind, &format!("a bulk was not taken in {tries} tries{hurry}, the last time: {what}"))
    }

    fn error(&self, kind: Kind, what: &str) -> PortError {
        PortError::new(kind, format!("table {}: {what}", self.table))
    }
}
