//! New keys: made of the operating system's randomness, and added to the file of credentials as a whole.

use super::credentials::{CredentialsError, is_id, read};
use super::roles::Role;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustls::crypto::ring;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Random characters of an id, five bits each.
const ID_CHARS: usize = 18;
/// Random bytes of a secret, which makes 40 characters.
const SECRET_BYTES: usize = 30;

/// A key that nobody knows yet.
pub(crate) struct NewKey {
    pub(crate) id: String,
    pub(crate) secret: String,
    pub(crate) role: Role,
    /// Whose it is; none: it is known by its id.
    pub(crate) user: Option<String>,
    /// When it ends, such as `2030-01-01T00:00:00Z`; none: it does not.
    pub(crate) expires: Option<String>,
}

/// Why no key was added.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MintError {
    #[error("the operating system gives no randomness")]
    Random,
    #[error("{0:?} is no id and no user: these have letters, digits, '_', '-' and '.' only")]
    Name(String),
    #[error("there is a key {0} already; choose another id")]
    Exists(String),
    #[error("{0} is being written by another; if it is left over from a crash, remove it")]
    Busy(PathBuf),
    #[error("the credentials file {path} cannot be written: {source}")]
    Write { path: PathBuf, source: io::Error },
    #[error(transparent)]
    File(#[from] CredentialsError),
}

impl NewKey {
    /// A key of this id, or of one that is made up.
    pub(crate) fn random(id: Option<String>, role: Role) -> Result<Self, MintError> {
        // What `model::Env` gives can be foretold, which a secret must not be.
        let mut bytes = [0; ID_CHARS + SECRET_BYTES];
        ring::default_provider().secure_random.fill(&mut bytes).map_err(|_| MintError::Random)?;
        let (of_id, of_secret) = bytes.split_at(ID_CHARS);
        let letter = |byte: &u8| char::from(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"[usize::from(byte % 32)]);
        let id = id.unwrap_or_else(|| format!("HS{}", of_id.iter().map(letter).collect::<String>()));
        Ok(Self { id, secret: URL_SAFE_NO_PAD.encode(of_secret), role, user: None, expires: None })
    }
}

/// Adds a key to the file, which is made (mode 600) where there is none. A reader sees the old file or the new one.
pub(crate) fn add(path: &Path, key: &NewKey) -> Result<(), MintError> {
    if let Some(odd) = [Some(&key.id), key.user.as_ref()].into_iter().flatten().find(|name| !is_id(name)) {
        return Err(MintError::Name(odd.clone()));
    }
    let there = path.exists();
    if there && read(path)?.iter().any(|other| other.id == key.id) {
        return Err(MintError::Exists(key.id.clone()));
    }
    let failed = |source| MintError::Write { path: path.to_owned(), source };
    let mut text = if there { fs::read_to_string(path).map_err(failed)? } else { String::new() };
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    text += &format!("[[key]]\nid = \"{}\"\nsecret = \"{}\"\nrole = \"{}\"\n", key.id, key.secret, key.role.name());
    if let Some(user) = &key.user {
        text += &format!("user = \"{user}\"\n");
    }
    if let Some(expires) = &key.expires {
        text += &format!("expires = {expires}\n");
    }
    replace(path, &text)
}

fn replace(path: &Path, text: &str) -> Result<(), MintError> {
    let mut next = path.as_os_str().to_owned();
    next.push(".next");
    let next = PathBuf::from(next);
    let failed = |source| MintError::Write { path: path.to_owned(), source };
    let mut file = match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&next) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(MintError::Busy(next)),
        Err(error) => return Err(failed(error)),
    };
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    let renamed = written.and_then(|()| fs::rename(&next, path)).map_err(failed);
    if renamed.is_err() {
        // The first error is the one to tell.
        let _removed = fs::remove_file(&next);
        return renamed;
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn keys_are_added_to_what_stands_there() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keys.toml");
        let (mut first, second) =
            (NewKey::random(None, Role::Producer).unwrap(), NewKey::random(Some("mine".into()), Role::Viewer).unwrap());
        assert!(first.secret.len() == 40 && first.secret != second.secret && first.id.len() == 20, "{}", first.id);
        (first.user, first.expires) = (Some("map".into()), Some("2030-01-01T00:00:00Z".into()));
        add(&path, &first).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        // A file that somebody's editor left without an end of line.
        fs::write(&path, fs::read_to_string(&path).unwrap().trim_end()).unwrap();
        add(&path, &second).unwrap();
        let keys = read(&path).unwrap();
        let told: Vec<_> =
            keys.iter().map(|key| (key.id.as_str(), key.secret.as_str(), key.user.as_str(), key.expires_s)).collect();
        assert_eq!(
            told,
            [
                (first.id.as_str(), first.secret.as_str(), "map", Some(1_893_456_000)),
                ("mine", second.secret.as_str(), "mine", None)
            ]
        );
    }

    #[test]
    fn a_file_that_is_wrong_or_busy_stays_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keys.toml");
        let check = |id: &str, expected: &str| {
            let before = fs::read(&path).ok();
            let key = NewKey::random(Some(id.into()), Role::Viewer).unwrap();
            let error = add(&path, &key).unwrap_err().to_string();
            assert!(error.contains(expected) && !error.contains(&key.secret), "{error}");
            assert_eq!(fs::read(&path).ok(), before, "{id}");
        };
        check("a/b", "is no id");
        check("\"\nsecret = \"x", "is no id");
        check("", "is no id");
        add(&path, &NewKey::random(Some("A".into()), Role::Admin).unwrap()).unwrap();
        check("A", "there is a key A already");
        fs::write(dir.path().join("keys.toml.next"), b"").unwrap();
        check("B", "being written by another");
        fs::remove_file(dir.path().join("keys.toml.next")).unwrap();
        fs::write(&path, b"[[key]]").unwrap();
        check("B", "is wrong");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        check("B", "chmod 600");
    }
}
