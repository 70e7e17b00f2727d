//! Small files that are replaced as a whole: magic, version, length and CRC32C before the payload, durable when written.
//!
//! Layout, integers big-endian: 8 bytes magic, u32 version, u32 length of the payload, u32 CRC32C over version, length
//! and payload, then the payload. Nothing may follow it.

use crate::{Classified, Kind};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Bytes that [`seal`] puts before a payload.
pub const SEAL_BYTES: usize = 20;
/// Largest payload, in bytes: such files hold catalogs and positions, never data.
const PAYLOAD_BYTES_MAX: usize = 64 * 1024 * 1024;

/// A file that is read and replaced as a whole.
#[derive(Debug, Clone)]
pub struct SealedFile {
    path: PathBuf,
    magic: [u8; 8],
    version: u32,
}

/// Why a sealed file could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum SealedError {
    /// The operating system refused.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The bytes are not what was written.
    #[error("{path}: {what}; restore it from a copy, or remove it to begin without it")]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
}

impl Classified for SealedError {
    fn kind(&self) -> Kind {
        match self {
            Self::Io { .. } => Kind::Unavailable,
            Self::Corrupt { .. } => Kind::Corrupt,
        }
    }
}

impl SealedFile {
    /// The file at `path`, whose content is of the format `magic` in `version`.
    pub fn new(path: impl Into<PathBuf>, magic: [u8; 8], version: u32) -> Self {
        Self { path: path.into(), magic, version }
    }

    /// Where the file stands.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The payload; `None` when there is no such file yet.
    ///
    /// # Errors
    /// When it cannot be read, or is not a whole file of this format and version.
    pub fn read(&self) -> Result<Option<Vec<u8>>, SealedError> {
        let bytes = match fs::read(&self.path) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(SealedError::Io { path: self.path.clone(), source }),
        };
        unseal(self.magic, self.version, &bytes)
            .map(|payload| Some(payload.to_vec()))
            .map_err(|what| self.corrupt(what))
    }

    /// Replaces the payload. When this returns, the new one is durable; a crash before leaves the old one whole.
    ///
    /// # Errors
    /// When the payload is larger than 64 MiB or the operating system refuses.
    pub fn write(&self, payload: &[u8]) -> Result<(), SealedError> {
        if payload.len() > PAYLOAD_BYTES_MAX {
            return Err(
                self.corrupt(format!("a payload of {} bytes is larger than {PAYLOAD_BYTES_MAX}", payload.len()))
            );
        }
        let bytes = seal(self.magic, self.version, payload);
        self.replace(&bytes).map_err(|source| SealedError::Io { path: self.path.clone(), source })
    }

    fn replace(&self, bytes: &[u8]) -> io::Result<()> {
        let parent = self.path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let next = self.path.with_extension("next");
        let mut file = File::create(&next)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&next, &self.path)?;
        // The rename itself must survive a crash, not only the bytes.
        File::open(parent)?.sync_all()
    }

    fn corrupt(&self, what: String) -> SealedError {
        SealedError::Corrupt { path: self.path.clone(), what }
    }
}

/// Puts magic, version, length and checksum before a payload of less than 4 GiB.
pub fn seal(magic: [u8; 8], version: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(SEAL_BYTES + payload.len());
    bytes.extend_from_slice(&magic);
    bytes.extend_from_slice(&version.to_be_bytes());
    bytes.extend_from_slice(&(payload.len() as u32).to_be_bytes());
    let crc = crc32c::crc32c_append(crc32c::crc32c(&bytes[8..]), payload);
    bytes.extend_from_slice(&crc.to_be_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

/// The payload of what [`seal`] made.
///
/// # Errors
/// Says what is wrong when `bytes` are not whole, or of another format or version.
pub fn unseal(magic: [u8; 8], version: u32, bytes: &[u8]) -> Result<&[u8], String> {
    let (header, payload) =
        bytes.split_at_checked(SEAL_BYTES).ok_or_else(|| format!("only {} bytes long", bytes.len()))?;
    if header[..8] != magic {
        return Err("not a file of this kind (wrong magic)".to_owned());
    }
    let word = |at: usize| u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
    if word(8) != version {
        return Err(format!("version {}, but this build reads version {version}", word(8)));
    }
    if word(12) as usize != payload.len() {
        return Err(format!("{} bytes of payload where {} were written", payload.len(), word(12)));
    }
    let crc = crc32c::crc32c_append(crc32c::crc32c(&header[8..16]), payload);
    if crc != word(16) { Err("the checksum does not match".to_owned()) } else { Ok(payload) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealed(dir: &tempfile::TempDir) -> SealedFile {
        SealedFile::new(dir.path().join("positions"), *b"HAILTEST", 1)
    }

    #[test]
    fn what_was_written_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let file = sealed(&dir);
        assert_eq!(file.read().unwrap(), None);
        for payload in [&b""[..], b"first", b"second, longer"] {
            file.write(payload).unwrap();
            assert_eq!(file.read().unwrap().as_deref(), Some(payload));
        }
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let file = sealed(&dir);
        file.write(b"payload").unwrap();
        let whole = fs::read(file.path()).unwrap();
        for bit in 0..whole.len() * 8 {
            let mut flipped = whole.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            fs::write(file.path(), &flipped).unwrap();
            assert_eq!(file.read().unwrap_err().kind(), Kind::Corrupt, "bit {bit}");
        }
        for length in 0..whole.len() {
            fs::write(file.path(), &whole[..length]).unwrap();
            assert_eq!(file.read().unwrap_err().kind(), Kind::Corrupt, "cut to {length} bytes");
        }
    }

    #[test]
    fn another_version_is_named() {
        let dir = tempfile::tempdir().unwrap();
        sealed(&dir).write(b"x").unwrap();
        let newer = SealedFile::new(sealed(&dir).path(), *b"HAILTEST", 2);
        assert!(newer.read().unwrap_err().to_string().contains("version 1, but this build reads version 2"));
    }
}
