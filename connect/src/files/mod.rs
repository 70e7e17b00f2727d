//! Files of `filesystem` tables in object stores that speak S3, under the addresses that Flink's file systems know them by.

mod listing;
mod part;
mod reading;
mod storage;
#[cfg(test)]
mod tests;

use crate::bucket::{Bucket, BucketSettings};
use engine::port::PortError;
use engine::run::connectors::storage::{FileStorage, FileStorages};
use model::Kind;
use std::sync::Arc;
use storage::BucketStorage;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

/// Reads that wait for object stores at the same time, at most: each has a thread meanwhile, and the runtime needs some of
/// these itself, to look names of hosts up among other things.
const READS_AT_ONCE: usize = 64;

/// Buckets as places of files.
#[derive(Debug, Clone)]
pub struct BucketFiles {
    /// How the object store is reached, or why that is not known.
    settings: Result<BucketSettings, String>,
    runtime: Handle,
    reads: Arc<Semaphore>,
}

impl BucketFiles {
    /// What such addresses begin with, before `://`; all mean the same here. Flink's two clients of S3 have a name of their
    /// own each.
    pub const SCHEMES: [&str; 3] = ["s3", "s3a", "s3p"];

    /// Buckets that are reached as `settings` say, whose error is told to whoever names one; calls run on `runtime`.
    pub fn new(settings: Result<BucketSettings, String>, runtime: Handle) -> Self {
        Self { settings, runtime, reads: Arc::new(Semaphore::new(READS_AT_ONCE)) }
    }
}

impl FileStorages for BucketFiles {
    fn open(&self, address: &str) -> Result<Arc<dyn FileStorage>, PortError> {
        let settings = self.settings.as_ref().map_err(|why| PortError::new(Kind::Invalid, why.as_str()))?;
        let (_, place) = address.split_once("://").unwrap_or(("", address));
        let bucket = Bucket::open(&format!("s3://{place}"), settings, self.runtime.clone())?;
        Ok(Arc::new(BucketStorage::new(bucket, self.reads.clone())))
    }
}
