//! A place in an object store that speaks S3: how it is named, how it is reached, and what is asked of it first.

use crate::failure::failed;
use crate::objects::Objects;
use engine::port::PortError;
use futures_util::{StreamExt, TryStreamExt};
use model::Kind;
use object_store::aws::AmazonS3Builder;
use object_store::path::Path;
use object_store::{BackoffConfig, ClientOptions, GetOptions, ObjectStore, ObjectStoreExt, RetryConfig};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;

/// What the address of a bucket begins with.
const SCHEME: &str = "s3://";
/// The object that shows whether one can be written.
const PROBE: &str = ".writable";
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Of one request; the largest that is made carries 16 MiB.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// How often a request is tried again whose failure may be over in a moment, how long after, and until when at all.
const RETRIES: usize = 3;
const PAUSE_MIN: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(2);
const RETRY_TIMEOUT: Duration = Duration::from_secs(60);

/// A key of an object store.
#[derive(Clone, PartialEq, Eq)]
pub struct BucketKey {
    /// The key's id.
    pub id: String,
    /// The secret.
    pub secret: String,
    /// What goes along with a temporary key.
    pub session_token: Option<String>,
}

impl fmt::Debug for BucketKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Secrets stay out of logs and of failed assertions.
        f.debug_struct("BucketKey").field("id", &self.id).finish_non_exhaustive()
    }
}

/// How an object store is reached.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BucketSettings {
    /// The address of the service; `None`: that of the region. Plain text where it begins with `http://`.
    pub endpoint: Option<String>,
    /// The region; `None`: us-east-1.
    pub region: Option<String>,
    /// The key to sign with; `None`: what the machine itself is given (a role of its own, a token in a file).
    pub key: Option<BucketKey>,
}

/// A bucket, and a prefix in it.
#[derive(Debug, Clone)]
pub struct Bucket {
    store: Arc<dyn ObjectStore>,
    runtime: Handle,
    name: String,
    prefix: Path,
    address: String,
}

impl Bucket {
    /// Whether `address` names a bucket, and not a folder.
    pub fn is_named_by(address: &str) -> bool {
        address.starts_with(SCHEME)
    }

    /// The bucket and prefix of `address`, written as `s3://bucket/prefix`. Nothing is asked yet; calls run on `runtime`.
    ///
    /// # Errors
    /// When the address or a setting makes no sense.
    pub fn open(address: &str, settings: &BucketSettings, runtime: Handle) -> Result<Self, PortError> {
        let wrong = |what: &str| PortError::new(Kind::Invalid, format!("{address}: {what}"));
        let rest = address.strip_prefix(SCHEME).ok_or_else(|| wrong("write it as s3://bucket/prefix"))?;
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        if bucket.is_empty() || !bucket.chars().all(legal) {
            return Err(wrong("it names no bucket; write it as s3://bucket/prefix"));
        }
        let prefix = Path::parse(prefix).map_err(|error| wrong(&error.to_string()))?;
        // TLS of the object store's client is that of the doors. Somebody may have chosen it already, which is as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let store = builder(bucket, settings).build().map_err(|error| wrong(&error.to_string()))?;
        let address = address.trim_end_matches('/').to_owned();
        Ok(Self { store: Arc::new(store), runtime, name: bucket.to_owned(), prefix, address })
    }

    pub(crate) fn store(&self) -> &Arc<dyn ObjectStore> {
        &self.store
    }

    pub(crate) fn runtime(&self) -> &Handle {
        &self.runtime
    }

    pub(crate) fn prefix(&self) -> &Path {
        &self.prefix
    }

    /// How people name an object, and [`Bucket::path_of`] finds it.
    pub(crate) fn address_of(&self, location: &Path) -> String {
        format!("{SCHEME}{}/{location}", self.name)
    }

    /// Where the object of this address stands.
    ///
    /// # Errors
    /// When it is no address in this bucket.
    pub(crate) fn path_of(&self, address: &str) -> Result<Path, PortError> {
        let key = address.strip_prefix(SCHEME).and_then(|rest| rest.strip_prefix(&self.name)?.strip_prefix('/'));
        let what = || PortError::new(Kind::Internal, format!("{address} does not stand in {self}"));
        Path::parse(key.ok_or_else(what)?).map_err(|error| PortError::new(Kind::Invalid, format!("{address}: {error}")))
    }

    /// Where the objects of `folder` are kept, below the prefix.
    pub fn objects(&self, folder: &str) -> Objects {
        let shown = format!("{}/{folder}", self.address);
        Objects::new(self.store.clone(), self.runtime.clone(), self.prefix.clone().join(folder), shown)
    }

    /// Writes and removes an object, which shows that the bucket is there and may be written.
    ///
    /// # Errors
    /// When it is not, with what to do; `Unavailable` where nobody answers.
    pub async fn check(&self) -> Result<(), PortError> {
        let path = self.prefix.clone().join(PROBE);
        let refused = |error| match failed(&self.address, &error) {
            // A write to an object that is not there yet finds one thing missing only.
            error if error.kind == Kind::NotFound => {
                let what = format!("{}: there is no such bucket; make it first ({})", self.address, error.message);
                PortError::new(Kind::NotFound, what)
            }
            error => error,
        };
        self.store.put(&path, Vec::new().into()).await.map_err(refused)?;
        self.store.delete(&path).await.map_err(refused)
    }

    /// The bytes of an object by its key below the prefix, `bytes_max` at most: of one version, or as it is now.
    ///
    /// # Errors
    /// When there is none, it is larger, or it cannot be read.
    pub async fn fetch(&self, key: &str, version: Option<&str>, bytes_max: u64) -> Result<Vec<u8>, PortError> {
        let shown = format!("{}/{key}", self.address);
        let refused = |error| failed(&shown, &error);
        let key = Path::parse(key).map_err(|error| refused(error.into()))?;
        let options = GetOptions { version: version.map(str::to_owned), ..GetOptions::default() };
        let path = self.prefix.parts().chain(key.parts()).collect::<Path>();
        let found = self.store.get_opts(&path, options).await.map_err(refused)?;
        let too_large = || {
            let what = format!("{shown}: it has more than {bytes_max} bytes, which are the most");
            PortError::new(Kind::Invalid, what)
        };
        if found.meta.size > bytes_max {
            return Err(too_large());
        }
        let mut stream = found.into_stream();
        let mut bytes = Vec::new();
        while let Some(chunk) = stream.try_next().await.map_err(refused)? {
            if (bytes.len() + chunk.len()) as u64 > bytes_max {
                return Err(too_large());
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    }

    /// Removes all objects of `folder`.
    ///
    /// # Errors
    /// When some of them stay.
    pub async fn remove(&self, folder: &str) -> Result<(), PortError> {
        let prefix = self.prefix.clone().join(folder);
        let found = self.store.list(Some(&prefix)).map_ok(|object| object.location).boxed();
        let removed = self.store.delete_stream(found).try_for_each(|_| async { Ok(()) }).await;
        removed.map_err(|error| failed(&format!("{}/{folder}", self.address), &error))
    }
}

impl fmt::Display for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.address)
    }
}

fn builder(bucket: &str, settings: &BucketSettings) -> AmazonS3Builder {
    let plain = settings.endpoint.as_ref().is_some_and(|endpoint| endpoint.starts_with("http://"));
    let client =
        ClientOptions::new().with_connect_timeout(CONNECT_TIMEOUT).with_timeout(REQUEST_TIMEOUT).with_allow_http(plain);
    let backoff = BackoffConfig { init_backoff: PAUSE_MIN, max_backoff: PAUSE_MAX, base: 2.0 };
    let retries = RetryConfig { backoff, max_retries: RETRIES, retry_timeout: RETRY_TIMEOUT };
    let builder = match &settings.key {
        Some(BucketKey { id, secret, session_token }) => {
            let signed = AmazonS3Builder::new().with_access_key_id(id).with_secret_access_key(secret);
            session_token.iter().fold(signed, |builder, token| builder.with_token(token))
        }
        // How a machine is given a key of its own stands in its environment.
        None => AmazonS3Builder::from_env(),
    };
    let region = settings.region.as_deref().unwrap_or("us-east-1");
    let builder = builder.with_bucket_name(bucket).with_region(region).with_client_options(client).with_retry(retries);
    let endpoint = settings.endpoint.as_ref();
    endpoint.into_iter().fold(builder, |builder, endpoint| builder.with_endpoint(endpoint.trim_end_matches('/')))
}

#[cfg(test)]
impl Bucket {
    /// A bucket called `memory` in memory, and the prefix `kept` in it.
    pub(crate) fn in_memory(runtime: &tokio::runtime::Runtime) -> Self {
        Self {
            store: Arc::new(object_store::memory::InMemory::new()),
            runtime: runtime.handle().clone(),
            name: "memory".into(),
            prefix: Path::from("kept"),
            address: "s3://memory/kept".into(),
        }
    }

    /// Another prefix in the same bucket.
    pub(crate) fn at(&self, prefix: &str) -> Self {
        Self { prefix: Path::from(prefix), address: format!("s3://memory/{prefix}"), ..self.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::run::CheckpointStorage;

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Runtime::new().unwrap()
    }

    #[test]
    fn an_address_names_a_bucket_and_a_prefix() {
        let runtime = runtime();
        let open = |address: &str| Bucket::open(address, &BucketSettings::default(), runtime.handle().clone());
        for (address, prefix, shown) in [
            ("s3://kept", "", "s3://kept"),
            ("s3://kept/", "", "s3://kept"),
            ("s3://kept/a/b/", "a/b", "s3://kept/a/b"),
        ] {
            let bucket = open(address).unwrap();
            assert_eq!((bucket.prefix.as_ref(), bucket.to_string().as_str()), (prefix, shown));
        }
        for wrong in ["s3://", "s3:///a", "kept", "s3://a b", "s3://kept/a//b", "s3://kept/../x", "gs://kept"] {
            let error = open(wrong).unwrap_err();
            assert!(error.kind == Kind::Invalid && error.message.starts_with(wrong), "{error}");
        }
        assert!(Bucket::is_named_by("s3://x") && !Bucket::is_named_by("state") && !Bucket::is_named_by("/s3://x"));
    }

    #[test]
    fn nobody_to_answer_is_told_in_bounded_time_and_may_be_over_later() {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", taken.local_addr().unwrap());
        drop(taken);
        let key = BucketKey { id: "id".into(), secret: "hush".into(), session_token: None };
        assert!(!format!("{key:?}").contains("hush"));
        let settings = BucketSettings { endpoint: Some(endpoint), region: None, key: Some(key) };
        let runtime = runtime();
        let bucket = Bucket::open("s3://kept/a", &settings, runtime.handle().clone()).unwrap();
        let error = runtime.block_on(bucket.check()).unwrap_err();
        assert_eq!(error.kind, Kind::Unavailable, "{error}");
        assert!(error.message.starts_with("s3://kept/a: ") && !error.message.contains("hush"), "{error}");
        let error = bucket.objects("app").write("x", &[b"y"]).unwrap_err();
        assert!(error.kind == Kind::Unavailable && error.message.starts_with("s3://kept/a/app/x: "), "{error}");
    }

    #[test]
    fn an_object_is_fetched_whole_or_not_at_all() {
        let runtime = runtime();
        let bucket = Bucket::in_memory(&runtime);
        bucket.objects("a").write("x.jar", &[b"123"]).unwrap();
        let fetch = |key: &str, bytes_max: u64| runtime.block_on(bucket.fetch(key, None, bytes_max));
        assert_eq!(fetch("a/x.jar", 3).unwrap(), b"123");
        assert!(fetch("a/x.jar", 2).unwrap_err().message.contains("memory/kept/a/x.jar: it has more than 2 bytes"));
        assert_eq!(fetch("a/y.jar", 3).unwrap_err().kind, Kind::NotFound);
        assert_eq!(fetch("a//y.jar", 3).unwrap_err().kind, Kind::Invalid);
    }

    #[test]
    fn a_folder_is_removed_with_all_that_is_in_it() {
        let runtime = runtime();
        let bucket = Bucket::in_memory(&runtime);
        runtime.block_on(bucket.check()).unwrap();
        for (folder, name) in [("a", "x"), ("a", "y"), ("ab", "z")] {
            bucket.objects(folder).write(name, &[b"1"]).unwrap();
        }
        runtime.block_on(bucket.remove("a")).unwrap();
        runtime.block_on(bucket.remove("none")).unwrap();
        assert!(bucket.objects("a").list().unwrap().is_empty());
        assert_eq!(bucket.objects("ab").list().unwrap(), ["z"]);
    }
}
