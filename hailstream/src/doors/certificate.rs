//! The certificate the doors show: somebody's own, or one made for the loopback interface; read again when it changes.

use model::Env;
use parking_lot::Mutex;
use rcgen::{CertificateParams, DnType, KeyPair};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// How long a certificate made here is good: the most that browsers accept.
const LIFE: Duration = Duration::from_secs(397 * 86_400);
/// How long before its end it is made anew.
const RENEWED_BEFORE: Duration = Duration::from_secs(30 * 86_400);
/// How often the files are looked at, at most.
const LOOK_MS: u64 = 1_000;

/// Why there is no certificate to show.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CertificateError {
    #[error("{path} of the doors' certificate cannot be used: {source}")]
    Io { path: PathBuf, source: io::Error },
    #[error("{path} is not PEM of the doors' certificate or key: {message}")]
    Pem { path: PathBuf, message: String },
    #[error("the certificate {path} cannot be used with its key: {source}")]
    Unusable { path: PathBuf, source: rustls::Error },
    #[error("a certificate for the doors cannot be made: {0}")]
    Made(#[from] rcgen::Error),
}

/// The files and what was last read from them.
pub(crate) struct Certificate {
    cert: PathBuf,
    key: PathBuf,
    made_here: bool,
    env: Env,
    read: Mutex<Read>,
}

struct Read {
    config: Arc<ServerConfig>,
    stamps: [Option<SystemTime>; 2],
    looked_ms: u64,
}

impl Certificate {
    /// Reads a certificate chain and its key, both PEM.
    pub(crate) fn own(cert: PathBuf, key: PathBuf, env: Env) -> Result<Self, CertificateError> {
        Self::open(cert, key, false, env)
    }

    /// Reads the self-signed certificate `cert.pem` and `key.pem` (mode 600) of a directory, made where there is none.
    pub(crate) fn self_signed(dir: &Path, env: Env) -> Result<Self, CertificateError> {
        fs::create_dir_all(dir).map_err(|source| CertificateError::Io { path: dir.to_owned(), source })?;
        let (cert, key) = (dir.join("cert.pem"), dir.join("key.pem"));
        make_if_due(&cert, &key, env.now_ms())?;
        Self::open(cert, key, true, env)
    }

    fn open(cert: PathBuf, key: PathBuf, made_here: bool, env: Env) -> Result<Self, CertificateError> {
        let stamps = [stamp(&cert), stamp(&key)];
        let config = read(&cert, &key)?;
        let read = Mutex::new(Read { config, stamps, looked_ms: env.now_ms() });
        Ok(Self { cert, key, made_here, env, read })
    }

    /// What a handshake uses now. Files that cannot be used are reported, and what was read before stays.
    pub(crate) fn current(&self) -> Arc<ServerConfig> {
        let mut held = self.read.lock();
        let now = self.env.now_ms();
        if now.abs_diff(held.looked_ms) >= LOOK_MS {
            held.looked_ms = now;
            if let Err(error) = self.look(&mut held, now) {
                tracing::error!(%error, "the doors keep the certificate they have");
            }
        }
        held.config.clone()
    }

    fn look(&self, held: &mut Read, now: u64) -> Result<(), CertificateError> {
        if self.made_here {
            make_if_due(&self.cert, &self.key, now)?;
        }
        let stamps = [stamp(&self.cert), stamp(&self.key)];
        if stamps != held.stamps {
            // Remembered first: a broken pair is reported once, not once a second.
            held.stamps = stamps;
            held.config = read(&self.cert, &self.key)?;
        }
        Ok(())
    }
}

fn stamp(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).and_then(|m| m.modified()).ok()
}

fn read(cert: &Path, key: &Path) -> Result<Arc<ServerConfig>, CertificateError> {
    let bytes = |path: &Path| fs::read(path).map_err(|source| CertificateError::Io { path: path.to_owned(), source });
    let wrong = |path: &Path, message: String| CertificateError::Pem { path: path.to_owned(), message };
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&bytes(cert)?)
        .collect::<Result<_, _>>()
        .map_err(|e| wrong(cert, e.to_string()))?;
    let secret = PrivateKeyDer::from_pem_slice(&bytes(key)?).map_err(|e| wrong(key, e.to_string()))?;
    let unusable = |source| CertificateError::Unusable { path: cert.to_owned(), source };
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(unusable)?
        .with_no_client_auth()
        .with_single_cert(chain, secret)
        .map_err(unusable)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// Makes the certificate where there is none or its end is near. The key stays, so that the two always fit.
fn make_if_due(cert: &Path, key: &Path, now_ms: u64) -> Result<(), CertificateError> {
    let now = Duration::from_millis(now_ms);
    let made = stamp(cert).and_then(|at| at.duration_since(SystemTime::UNIX_EPOCH).ok());
    let fresh = made.is_some_and(|made| now < made + LIFE - RENEWED_BEFORE);
    let has_key = key.exists();
    if fresh && has_key {
        return Ok(());
    }
    let pair = if has_key {
        let text = fs::read_to_string(key);
        KeyPair::from_pem(&text.map_err(|source| CertificateError::Io { path: key.to_owned(), source })?)?
    } else {
        let pair = KeyPair::generate()?;
        write(key, &pair.serialize_pem(), 0o600)?;
        pair
    };
    let mut params = CertificateParams::new(["localhost", "127.0.0.1", "::1"].map(String::from))?;
    params.distinguished_name.push(DnType::CommonName, "Hailstream on this machine");
    params.not_before = rcgen::date_time_ymd(1970, 1, 1) + now.saturating_sub(Duration::from_secs(3600));
    params.not_after = params.not_before + LIFE;
    write(cert, &params.self_signed(&pair)?.pem(), 0o644)
}

/// Writes a file whole or not at all.
fn write(path: &Path, text: &str, mode: u32) -> Result<(), CertificateError> {
    let next = path.with_extension("next");
    let written = || {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(&next)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&next, path)?;
        path.parent().map_or(Ok(()), |dir| File::open(dir)?.sync_all())
    };
    written().map_err(|source| CertificateError::Io { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_made_certificate_stays_is_private_and_is_renewed_with_its_key() {
        let dir = tempfile::tempdir().unwrap();
        let env = Env::system();
        Certificate::self_signed(dir.path(), env.clone()).unwrap();
        let (cert, key) = (dir.path().join("cert.pem"), dir.path().join("key.pem"));
        assert_eq!(fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
        let first = (fs::read(&cert).unwrap(), fs::read(&key).unwrap());
        Certificate::self_signed(dir.path(), env.clone()).unwrap();
        assert_eq!(fs::read(&cert).unwrap(), first.0, "a fresh one stays");
        let late = env.now_ms() + (LIFE - RENEWED_BEFORE).as_millis() as u64 + 60_000;
        make_if_due(&cert, &key, late).unwrap();
        assert_ne!(fs::read(&cert).unwrap(), first.0, "one near its end is made anew");
        assert_eq!(fs::read(&key).unwrap(), first.1);
        read(&cert, &key).unwrap();
    }

    #[test]
    fn a_changed_pair_is_read_again_and_a_broken_one_is_not() {
        let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (env, clock) = Env::manual(1_700_000_000_000, 1);
        Certificate::self_signed(dir.path(), env.clone()).unwrap();
        Certificate::self_signed(other.path(), env.clone()).unwrap();
        let path = |name: &str| dir.path().join(name);
        let certificate = Certificate::own(path("cert.pem"), path("key.pem"), env).unwrap();
        let first = certificate.current();
        fs::write(path("cert.pem"), "broken").unwrap();
        clock.advance_ms(LOOK_MS);
        assert!(Arc::ptr_eq(&first, &certificate.current()), "a broken one changes nothing");
        for name in ["cert.pem", "key.pem"] {
            fs::copy(other.path().join(name), path(name)).unwrap();
            let later = SystemTime::UNIX_EPOCH + Duration::from_secs(1_900_000_000);
            File::options().write(true).open(path(name)).unwrap().set_modified(later).unwrap();
        }
        clock.advance_ms(LOOK_MS);
        assert!(!Arc::ptr_eq(&first, &certificate.current()), "a changed one is read");
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let missing = Certificate::own(dir.path().join("no.pem"), dir.path().join("no.key"), Env::system());
        assert!(missing.err().unwrap().to_string().contains("no.pem"));
    }
}
