//! The file of credentials: keys, secrets and roles, read again when it changes.

use super::roles::Role;
use model::Env;
use parking_lot::Mutex;
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fmt, fs, io};

/// How long a look at the file is good for, in nanoseconds.
const LOOK_NS: u64 = 1_000_000_000;

/// One key.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Key {
    pub(crate) id: String,
    pub(crate) secret: String,
    pub(crate) session_token: Option<String>,
    pub(crate) role: Role,
    #[serde(default = "enabled")]
    pub(crate) enabled: bool,
}

fn enabled() -> bool {
    true
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Secrets stay out of logs and of failed assertions.
        f.debug_struct("Key").field("id", &self.id).field("role", &self.role).finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    key: Vec<Key>,
}

/// Why the file of credentials cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CredentialsError {
    #[error("the credentials file {path} cannot be read: {source}")]
    Read { path: PathBuf, source: io::Error },
    #[error("the credentials file {path} can be read by others (mode {mode:o}); run chmod 600 on it")]
    Mode { path: PathBuf, mode: u32 },
    #[error("the credentials file {path} is wrong: {message}")]
    Parse { path: PathBuf, message: String },
}

/// What tells one version of the file from another: its time of change, its length, its inode.
type Version = (i64, i64, u64, u64);

/// The keys of a file, as of its last good version.
pub(crate) struct KeyRing {
    path: PathBuf,
    env: Env,
    state: Mutex<State>,
}

struct State {
    keys: Arc<Vec<Key>>,
    version: Option<Version>,
    looked_ns: u64,
}

impl KeyRing {
    /// Reads the file, which must be right.
    pub(crate) fn open(path: &Path, env: Env) -> Result<Self, CredentialsError> {
        let keys = Arc::new(read(path)?);
        let state = State { keys, version: version(path), looked_ns: env.monotonic_ns() };
        Ok(Self { path: path.to_owned(), env, state: Mutex::new(state) })
    }

    /// The enabled key of this id; the file is looked at again when the last look is a second old.
    pub(crate) fn key(&self, id: &str) -> Option<Key> {
        self.keys().iter().find(|key| key.id == id && key.enabled).cloned()
    }

    fn keys(&self) -> Arc<Vec<Key>> {
        let mut state = self.state.lock();
        let now_ns = self.env.monotonic_ns();
        if now_ns.saturating_sub(state.looked_ns) >= LOOK_NS {
            state.looked_ns = now_ns;
            let version = version(&self.path);
            if version != state.version {
                state.version = version;
                match read(&self.path) {
                    Ok(keys) => state.keys = Arc::new(keys),
                    Err(error) => tracing::error!(%error, "the credentials stay as they were"),
                }
            }
        }
        state.keys.clone()
    }

    /// The environment whose clock decides what is too old.
    pub(crate) fn env(&self) -> &Env {
        &self.env
    }
}

fn version(path: &Path) -> Option<Version> {
    use std::os::unix::fs::MetadataExt;
    fs::metadata(path).ok().map(|data| (data.mtime(), data.mtime_nsec(), data.len(), data.ino()))
}

fn read(path: &Path) -> Result<Vec<Key>, CredentialsError> {
    use std::os::unix::fs::PermissionsExt;
    let failed = |source| CredentialsError::Read { path: path.to_owned(), source };
    let mode = fs::metadata(path).map_err(failed)?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(CredentialsError::Mode { path: path.to_owned(), mode });
    }
    let text = fs::read_to_string(path).map_err(failed)?;
    let wrong = |message: String| CredentialsError::Parse { path: path.to_owned(), message };
    // The parser's full text would quote the line, and with it a secret.
    let file: File = toml::from_str(&text).map_err(|error| wrong(error.message().to_owned()))?;
    for (i, key) in file.key.iter().enumerate() {
        if key.id.is_empty() || key.secret.is_empty() {
            return Err(wrong(format!("key {} has an empty id or secret", i + 1)));
        }
        if file.key[..i].iter().any(|other| other.id == key.id) {
            return Err(wrong(format!("the key {} stands there twice", key.id)));
        }
    }
    Ok(file.key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn write(path: &Path, text: &str, mode: u32) {
        fs::write(path, text).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn a_new_file_counts_within_a_second_and_a_broken_one_never() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keys.toml");
        let (env, clock) = Env::manual(0, 1);
        write(&path, "[[key]]\nid = 'A'\nsecret = 'hidden'\nrole = 'viewer'\n", 0o600);
        let ring = KeyRing::open(&path, env).unwrap();
        assert!(!format!("{:?}", ring.key("A")).contains("hidden"));
        write(&path, "[[key]]\nid = 'BB'\nsecret = 'hidden'\nrole = 'admin'\n", 0o600);
        assert!(ring.key("BB").is_none());
        clock.advance_ms(1000);
        assert!(ring.key("BB").is_some() && ring.key("A").is_none());
        write(&path, "broken", 0o600);
        clock.advance_ms(1000);
        assert!(ring.key("BB").is_some());
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
        check("[[key]]\nid = 'A'\nsecret = ''\nrole = 'viewer'\n", 0o600, "empty");
        check("[[key]]\nsecret = 'hidden\n", 0o600, "wrong");
    }
}
