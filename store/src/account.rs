//! What holds for all streams of the account together: the commitment to a least throughput of the streams that the
//! platform counts. It costs nothing here; it decides whether such streams may be kept warm.

use crate::error::AccountError;
use crate::store::Store;
use serde::{Deserialize, Serialize};

/// What is set for the account.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// When the commitment began, in milliseconds since the Unix epoch; `None` when there never was one.
    pub started_ms: Option<u64>,
    /// When it ends or ended, in milliseconds since the Unix epoch.
    pub ended_ms: Option<u64>,
}

impl Account {
    /// Whether the commitment holds at this time.
    pub fn committed(&self, now_ms: u64) -> bool {
        self.started_ms.is_some() && self.ended_ms.is_none_or(|ended_ms| ended_ms > now_ms)
    }
}

impl Store {
    /// What is set for the account, with the earliest time at which the commitment may end, in milliseconds since the
    /// Unix epoch.
    pub async fn account(&self) -> (Account, Option<u64>) {
        let account = self.inner.catalog.lock().await.account;
        (account, account.started_ms.map(|started_ms| started_ms + self.inner.day_ms()))
    }

    /// Begins the commitment, or ends it: at once, or as soon as it has held for a day.
    ///
    /// # Errors
    /// When it is so already, or the disk refuses.
    pub async fn set_commitment(&self, wanted: bool) -> Result<(Account, Option<u64>), AccountError> {
        let mut catalog = self.inner.catalog.lock().await;
        let (now_ms, day_ms) = (self.inner.config.env.now_ms(), self.inner.day_ms());
        let mut account = catalog.account;
        let ending = account.ended_ms.is_some();
        match (account.committed(now_ms), wanted) {
            (true, true) if ending => account.ended_ms = None,
            (true, true) => return Err(AccountError::Unchanged("begun")),
            (true, false) if ending => return Err(AccountError::Unchanged("ended")),
            (false, false) => return Err(AccountError::Unchanged("ended")),
            (false, true) => account = Account { started_ms: Some(now_ms), ended_ms: None },
            (true, false) => account.ended_ms = account.started_ms.map(|started_ms| now_ms.max(started_ms + day_ms)),
        }
        let mut next = catalog.clone();
        next.account = account;
        self.inner.save(&next).await.map_err(|error| AccountError::Storage(error.to_string()))?;
        *catalog = next;
        Ok((account, account.started_ms.map(|started_ms| started_ms + day_ms)))
    }
}
