//! The file of credentials: keys, secrets and roles, read again when it changes.

use super::error::AuthError;
use super::roles::Role;
use model::Env;
use parking_lot::Mutex;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fmt, fs, io};
use wire::signature::SigningKey;

/// How long a look at the file is good for, in nanoseconds.
const LOOK_NS: u64 = 1_000_000_000;
/// Largest file that is read, in bytes: some ten thousand keys.
const FILE_BYTES_MAX: u64 = 2 * 1024 * 1024;
/// Most derived keys that are kept: some days, regions and services of each key that is in use.
const DERIVED_MAX: usize = 1_024;

/// One key.
#[derive(Clone)]
pub(crate) struct Key {
    pub(crate) id: String,
    pub(crate) secret: String,
    pub(crate) session_token: Option<String>,
    pub(crate) role: Role,
    /// Whose key it is: policies name users, so that a new key of the same user needs no new policy.
    pub(crate) user: String,
    pub(crate) enabled: bool,
    /// When it ends, in seconds since the Unix epoch.
    pub(crate) expires_s: Option<i64>,
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Secrets stay out of logs and of failed assertions.
        f.debug_struct("Key").field("id", &self.id).field("role", &self.role).finish_non_exhaustive()
    }
}

impl Key {
    /// Whether it has ended, that many seconds after the Unix epoch.
    pub(crate) fn has_ended(&self, now_s: i64) -> bool {
        self.expires_s.is_some_and(|expires_s| expires_s <= now_s)
    }

    /// A key that has a token goes with this one, a key that has none goes without.
    pub(super) fn check_token(&self, told: Option<&str>) -> Result<(), AuthError> {
        // Hashes are compared, so that the time it takes tells nothing of the token.
        let hash = |token: Option<&str>| token.map(|token| Sha256::digest(token.as_bytes()));
        if hash(self.session_token.as_deref()) == hash(told) { Ok(()) } else { Err(AuthError::UnknownKey) }
    }
}

/// A key as the file writes it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Written {
    id: String,
    secret: String,
    session_token: Option<String>,
    role: Role,
    user: Option<String>,
    #[serde(default = "enabled")]
    enabled: bool,
    expires: Option<toml::value::Datetime>,
}

fn enabled() -> bool {
    true
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    key: Vec<Written>,
}

/// Why the file of credentials cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    /// It cannot be read.
    #[error("the credentials file {path} cannot be read: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Others than its owner can read it.
    #[error("the credentials file {path} can be read by others (mode {mode:o}); run chmod 600 on it")]
    Mode {
        /// The file.
        path: PathBuf,
        /// What others may do.
        mode: u32,
    },
    /// What stands in it is wrong.
    #[error("the credentials file {path} is wrong: {message}")]
    Parse {
        /// The file.
        path: PathBuf,
        /// What is wrong; no secret is told.
        message: String,
    },
}

/// What tells one version of the file from another: its time of change, its length, its inode.
type Version = (i64, i64, u64, u64);

/// What a derived key belongs to: id, day, region and service.
type Derivation = [String; 4];

/// The keys of one version of the file, and what was derived from them; a new version begins with nothing derived.
pub(crate) struct Keys {
    by_id: HashMap<String, Arc<Key>>,
    derived: Mutex<HashMap<Derivation, SigningKey>>,
}

impl Keys {
    fn new(keys: Vec<Key>) -> Self {
        let by_id = keys.into_iter().map(|key| (key.id.clone(), Arc::new(key))).collect();
        Self { by_id, derived: Mutex::new(HashMap::new()) }
    }

    /// The enabled key of this id.
    pub(crate) fn key(&self, id: &str) -> Option<Arc<Key>> {
        self.by_id.get(id).filter(|key| key.enabled).cloned()
    }

    /// The key's signing key for a scope, and whether it was kept from before.
    pub(super) fn signing(&self, key: &Key, scope: [&str; 3]) -> (SigningKey, bool) {
        match self.derived.lock().get(&derivation(key, scope)) {
            Some(signing) => (signing.clone(), true),
            None => (SigningKey::derive(&key.secret, scope), false),
        }
    }

    /// Keeps a signing key, once it has proved right: who does not know the secret fills nothing.
    pub(super) fn keep(&self, key: &Key, scope: [&str; 3], signing: &SigningKey) {
        let mut derived = self.derived.lock();
        if derived.len() >= DERIVED_MAX {
            derived.clear();
        }
        derived.insert(derivation(key, scope), signing.clone());
    }
}

fn derivation(key: &Key, [day, region, service]: [&str; 3]) -> Derivation {
    [&key.id, day, region, service].map(str::to_owned)
}

/// The keys of a file, as of its last good version.
pub struct KeyRing {
    path: PathBuf,
    env: Env,
    state: Mutex<State>,
}

struct State {
    keys: Arc<Keys>,
    version: Option<Version>,
    looked_ns: u64,
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyRing").field("path", &self.path).finish_non_exhaustive()
    }
}

impl KeyRing {
    /// Reads the file, which must be right.
    ///
    /// # Errors
    /// When it cannot be read, others can read it, or something in it is wrong.
    pub fn open(path: &Path, env: Env) -> Result<Self, CredentialsError> {
        let version = version(path);
        let keys = Arc::new(Keys::new(read(path)?));
        let state = State { keys, version, looked_ns: env.monotonic_ns() };
        Ok(Self { path: path.to_owned(), env, state: Mutex::new(state) })
    }

    /// The keys; the file is looked at again, on a thread that may wait, when the last look is a second old.
    pub(super) async fn keys(self: &Arc<Self>) -> Result<Arc<Keys>, AuthError> {
        if self.is_due() {
            let ring = self.clone();
            let looked = tokio::task::spawn_blocking(move || ring.look()).await;
            looked.map_err(|error| AuthError::Internal(error.to_string()))?;
        }
        Ok(self.state.lock().keys.clone())
    }

    /// Whether a look is due, which is then the caller's.
    fn is_due(&self) -> bool {
        let mut state = self.state.lock();
        let now_ns = self.env.monotonic_ns();
        let due = now_ns.saturating_sub(state.looked_ns) >= LOOK_NS;
        if due {
            state.looked_ns = now_ns;
        }
        due
    }

    /// Reads the file again if it has changed. A broken one is reported once, and the keys stay.
    fn look(&self) {
        let version = version(&self.path);
        if version == self.state.lock().version {
            return;
        }
        let keys = read(&self.path);
        let mut state = self.state.lock();
        state.version = version;
        match keys {
            Ok(keys) => state.keys = Arc::new(Keys::new(keys)),
            Err(error) => tracing::error!(%error, "the credentials stay as they were"),
        }
    }

    /// The environment whose clock decides what is too old.
    pub(super) fn env(&self) -> &Env {
        &self.env
    }
}

fn version(path: &Path) -> Option<Version> {
    use std::os::unix::fs::MetadataExt;
    fs::metadata(path).ok().map(|data| (data.mtime(), data.mtime_nsec(), data.len(), data.ino()))
}

/// The keys of a file, disabled ones too.
pub(crate) fn read(path: &Path) -> Result<Vec<Key>, CredentialsError> {
    use std::os::unix::fs::PermissionsExt;
    let failed = |source| CredentialsError::Read { path: path.to_owned(), source };
    let data = fs::metadata(path).map_err(failed)?;
    let mode = data.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(CredentialsError::Mode { path: path.to_owned(), mode });
    }
    if data.len() > FILE_BYTES_MAX {
        return Err(failed(io::Error::other(format!("it is larger than {FILE_BYTES_MAX} bytes"))));
    }
    let text = fs::read_to_string(path).map_err(failed)?;
    parse(&text).map_err(|message| CredentialsError::Parse { path: path.to_owned(), message })
}

fn parse(text: &str) -> Result<Vec<Key>, String> {
    // The parser's full text would quote the line, and with it a secret.
    let file: File = toml::from_str(text).map_err(|error| error.message().to_owned())?;
    let mut keys: Vec<Key> = Vec::with_capacity(file.key.len());
    for (i, written) in file.key.into_iter().enumerate() {
        let key = checked(written).map_err(|what| format!("key {} {what}", i + 1))?;
        if keys.iter().any(|other| other.id == key.id) {
            return Err(format!("the key {} stands there twice", key.id));
        }
        keys.push(key);
    }
    Ok(keys)
}

/// Whether this can be the id of a key, or the name of a user.
pub(super) fn is_id(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte))
}

fn checked(written: Written) -> Result<Key, String> {
    let Written { id, secret, session_token, role, user, enabled, expires } = written;
    if id.is_empty() || secret.is_empty() {
        return Err("has an empty id or secret".to_owned());
    }
    if !is_id(&id) {
        return Err("has an id with other characters than letters, digits, '_', '-' and '.'".to_owned());
    }
    let user = user.unwrap_or_else(|| id.clone());
    if !is_id(&user) {
        return Err("has a user with other characters than letters, digits, '_', '-' and '.'".to_owned());
    }
    let expires_s = expires.map(|at| {
        let time = chrono::DateTime::parse_from_rfc3339(&at.to_string());
        time.map(|time| time.timestamp()).map_err(|_| format!("expires at {at}, which names no moment; add a Z"))
    });
    Ok(Key { id, secret, session_token, role, user, enabled, expires_s: expires_s.transpose()? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn write(path: &Path, text: &str, mode: u32) {
        fs::write(path, text).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[tokio::test]
    async fn a_new_file_counts_within_a_second_and_a_broken_one_never() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keys.toml");
        let (env, clock) = Env::manual(0, 1);
        write(&path, "[[key]]\nid = 'A'\nsecret = 'hidden'\nrole = 'viewer'\n", 0o600);
        let ring = Arc::new(KeyRing::open(&path, env).unwrap());
        let key = async |id: &str| ring.keys().await.unwrap().key(id);
        assert!(!format!("{:?}", key("A").await.unwrap()).contains("hidden"));
        write(&path, "[[key]]\nid = 'BB'\nsecret = 'hidden'\nrole = 'admin'\n", 0o600);
        assert!(key("BB").await.is_none());
        clock.advance_ms(1000);
        assert!(key("BB").await.is_some() && key("A").await.is_none());
        write(&path, "broken", 0o600);
        clock.advance_ms(1000);
        assert!(key("BB").await.is_some());
    }

    #[test]
    fn derived_keys_are_kept_up_to_their_bound_and_go_with_their_file() {
        let parsed = || Keys::new(parse("[[key]]\nid = 'A'\nsecret = 's'\nrole = 'viewer'\n").unwrap());
        let keys = parsed();
        let key = keys.key("A").unwrap();
        for i in 0..=DERIVED_MAX {
            let region = i.to_string();
            let scope = ["20150830", region.as_str(), "kinesis"];
            let (signing, kept) = keys.signing(&key, scope);
            assert!(!kept);
            keys.keep(&key, scope, &signing);
            let (again, kept) = keys.signing(&key, scope);
            assert!(kept && again.sign("text") == signing.sign("text"));
        }
        assert!(keys.derived.lock().len() <= DERIVED_MAX);
        assert!(parsed().derived.lock().is_empty());
    }

    #[test]
    fn what_is_wrong_is_named_and_no_secret_told() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keys.toml");
        let check = |text: &str, mode: u32, expected: &str| {
            write(&path, text, mode);
            let error = read(&path).unwrap_err().to_string();
            assert!(error.contains(expected) && !error.contains("hidden"), "{error}");
        };
        let key = "[[key]]\nid = 'A'\nsecret = 'hidden'\nrole = 'viewer'\n";
        check(key, 0o644, "chmod 600");
        check(&key.repeat(2), 0o600, "twice");
        check(&key.replace("viewer", "king"), 0o600, "king");
        check(&key.replace("'A'", "'A/B'"), 0o600, "key 1 has an id with other characters");
        check(&format!("{key}user = 'a b'\n"), 0o600, "key 1 has a user with other characters");
        check("[[key]]\nid = 'A'\nsecret = ''\nrole = 'viewer'\n", 0o600, "empty");
        check("[[key]]\nsecret = 'hidden\n", 0o600, "wrong");
        check(&format!("{key}expires = 2026-01-01\n"), 0o600, "expires at 2026-01-01, which names no moment");
        check(&format!("{key}expires = 2026-01-01T00:00:00\n"), 0o600, "add a Z");
        check(&format!("{key}expire = 1\n"), 0o600, "expire");
        check(&"#".repeat(FILE_BYTES_MAX as usize + 1), 0o600, "larger than");
        write(&path, &format!("{key}expires = 2026-01-01T01:00:00+01:00\n"), 0o600);
        assert_eq!(read(&path).unwrap()[0].expires_s, Some(1_767_225_600));
    }
}
