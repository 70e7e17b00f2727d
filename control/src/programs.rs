//! The bytes of programs: each content once, in a file named by its SHA-256, beside the database that names it.
//!
//! *Invariant:* a program that a version names is whole and durable, and stays as long as one does.

use crate::jar;
use crate::program::{ObjectPlace, PROGRAM_BYTES_MAX, Program};
use md5::Md5;
use model::{Classified, Env, Kind};
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How long a program stays that no version names yet, in milliseconds.
const UNNAMED_MS: u64 = 60 * 60 * 1_000;
/// Most such programs; of more, the oldest may go.
const UNNAMED_MAX: usize = 16;
/// What a file is called that is not whole yet.
const HALF: &str = "half";

/// Where the objects are that code names.
pub trait Objects: Send + Sync {
    /// The bytes of an object, `bytes_max` at most.
    ///
    /// # Errors
    /// When there is none, it is larger, or it cannot be read.
    fn fetch(&self, place: &ObjectPlace, bytes_max: u64) -> Result<Vec<u8>, ProgramError>;
}

/// Why a program cannot be kept or read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ProgramError {
    /// What the caller can do about it.
    pub kind: Kind,
    /// What was wrong, where, and what to do.
    pub message: String,
}

impl ProgramError {
    /// An error of `kind` that says `message`.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }
}

impl Classified for ProgramError {
    fn kind(&self) -> Kind {
        self.kind
    }
}

/// The programs of a platform.
pub struct Programs {
    folder: PathBuf,
    env: Env,
    objects: Option<Arc<dyn Objects>>,
    /// Those that no version may name yet, and until when they stay.
    fresh: Mutex<Vec<(String, u64)>>,
    /// Held while an object is in memory: one at a time.
    fetching: Mutex<()>,
}

impl Programs {
    /// The programs in `folder`, which is made where there is none. Those that are named by their place come from `objects`.
    ///
    /// # Errors
    /// When the folder cannot be made or read.
    pub fn open(folder: PathBuf, env: Env, objects: Option<Arc<dyn Objects>>) -> Result<Self, ProgramError> {
        let programs = Self { folder, env, objects, fresh: Mutex::default(), fetching: Mutex::default() };
        fs::create_dir_all(&programs.folder).map_err(|error| programs.failed(&programs.folder, &error))?;
        for path in programs.files()? {
            // What was being written when the platform ended.
            if path.extension().is_some_and(|extension| extension == HALF) {
                fs::remove_file(&path).map_err(|error| programs.failed(&path, &error))?;
            }
        }
        Ok(programs)
    }

    /// Keeps a program, durably. It stays for an hour at least, and then as long as a version names it.
    ///
    /// # Errors
    /// When it is too large or no jar, or cannot be written.
    pub fn keep(&self, bytes: &[u8]) -> Result<Program, ProgramError> {
        if bytes.len() as u64 > PROGRAM_BYTES_MAX {
            let message = format!("the program has {} bytes, and {PROGRAM_BYTES_MAX} are the most", bytes.len());
            return Err(ProgramError::new(Kind::Invalid, message));
        }
        let main_class = jar::main_class(bytes)
            .map_err(|what| ProgramError::new(Kind::Invalid, format!("the code is no jar: {what}")))?;
        let sha256 = hex(&Sha256::digest(bytes));
        let program =
            Program { md5: hex(&Md5::digest(bytes)), bytes: bytes.len() as u64, main_class, from: None, sha256 };
        self.spare(&program.sha256);
        let path = self.path(&program.sha256);
        // What is there may be damaged: then these bytes take its place.
        if self.file(&program).is_ok() {
            return Ok(program);
        }
        self.write(&path, bytes).map_err(|error| self.failed(&path, &error))?;
        Ok(program)
    }

    /// Keeps what stands at a place now.
    ///
    /// # Errors
    /// When the platform knows no place for objects, there is none there, or as [`Programs::keep`].
    pub fn fetch(&self, place: &ObjectPlace) -> Result<Program, ProgramError> {
        let objects = self.objects.as_ref().ok_or_else(|| {
            let message = format!(
                "the code is to come from {}, and the platform knows no buckets; name them with --code-buckets: a folder that has \
                 a folder for each bucket, or s3:// for the object store of the AWS_… variables",
                place.bucket_arn
            );
            ProgramError::new(Kind::Invalid, message)
        })?;
        let _alone = self.fetching.lock();
        let program = self.keep(&objects.fetch(place, PROGRAM_BYTES_MAX)?)?;
        Ok(Program { from: Some(place.clone()), ..program })
    }

    /// A program that was kept a moment ago, by its SHA-256.
    ///
    /// # Errors
    /// When there is none, or it cannot be read.
    pub fn kept(&self, sha256: &str) -> Result<Program, ProgramError> {
        let is_name = sha256.len() == 64 && sha256.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let unknown = || {
            let message = format!("there is no program {sha256:?}; send its jar first");
            ProgramError::new(Kind::NotFound, message)
        };
        if !is_name {
            return Err(unknown());
        }
        // First: no sweep is to come in between.
        self.spare(sha256);
        let path = self.path(sha256);
        match fs::read(&path) {
            Ok(bytes) => self
                .keep(&bytes)
                .and_then(|program| if program.sha256 == sha256 { Ok(program) } else { Err(damaged(&path)) }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(unknown()),
            Err(error) => Err(self.failed(&path, &error)),
        }
    }

    /// The file with the bytes of a program, from its beginning; they are looked at, so that nobody runs others.
    ///
    /// # Errors
    /// When they are not there any more, or are others.
    pub fn file(&self, program: &Program) -> Result<File, ProgramError> {
        let path = self.path(&program.sha256);
        let mut file = File::open(&path).map_err(|error| self.failed(&path, &error))?;
        let mut digest = Sha256::new();
        let mut buffer = vec![0; 64 * 1024];
        loop {
            match file.read(&mut buffer).map_err(|error| self.failed(&path, &error))? {
                0 => break,
                read => digest.update(&buffer[..read]),
            }
        }
        if hex(&digest.finalize()) != program.sha256 {
            return Err(damaged(&path));
        }
        file.rewind().map_err(|error| self.failed(&path, &error))?;
        Ok(file)
    }

    /// Whether a program has a class of this name.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn has_class(&self, program: &Program, class: &str) -> Result<bool, ProgramError> {
        let wrong =
            |what| ProgramError::new(Kind::Corrupt, format!("{}: {what}", self.path(&program.sha256).display()));
        jar::has_class(self.file(program)?, class).map_err(wrong)
    }

    /// The folder, for whoever needs room for another form of a program.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Removes the programs that no version names, but for those that somebody may be about to name. `named` is asked with
    /// nobody keeping a program meanwhile.
    ///
    /// # Errors
    /// When `named` fails, or a file stays; the others are removed all the same.
    pub(crate) fn sweep<E: From<ProgramError>>(
        &self,
        named: impl FnOnce() -> Result<BTreeSet<String>, E>,
    ) -> Result<(), E> {
        let mut fresh = self.fresh.lock();
        let now_ms = self.env.now_ms();
        fresh.retain(|(_, until_ms)| *until_ms > now_ms);
        let files = self.files()?;
        if files.is_empty() {
            return Ok(());
        }
        let named = named()?;
        let mut failure = None;
        for path in files {
            let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
            let Some(sha256) = name.strip_suffix(".jar") else { continue };
            if named.contains(sha256) || fresh.iter().any(|(known, _)| known == sha256) {
                continue;
            }
            if let Err(error) = fs::remove_file(&path) {
                failure = Some(self.failed(&path, &error));
            }
        }
        failure.map_or(Ok(()), |failure| Err(failure.into()))
    }

    /// Lets a program stay for a while, whether a version names it or not.
    fn spare(&self, sha256: &str) {
        let mut fresh = self.fresh.lock();
        fresh.retain(|(known, _)| known != sha256);
        if fresh.len() >= UNNAMED_MAX {
            fresh.remove(0);
        }
        fresh.push((sha256.to_owned(), self.env.now_ms() + UNNAMED_MS));
    }

    fn path(&self, sha256: &str) -> PathBuf {
        self.folder.join(format!("{sha256}.jar"))
    }

    /// Written beside, synced, renamed, and the folder synced.
    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let half = path.with_extension(format!("{:016x}.{HALF}", self.env.random_u64()));
        let written = File::create(&half).and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()?;
            fs::rename(&half, path)?;
            File::open(&self.folder)?.sync_all()
        });
        if written.is_err() {
            // It is of no use, and the disk may be full. Where that fails too, the next start removes it.
            let _ = fs::remove_file(&half);
        }
        written
    }

    fn files(&self) -> Result<Vec<PathBuf>, ProgramError> {
        let list = || fs::read_dir(&self.folder)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>();
        list().map_err(|error| self.failed(&self.folder, &error))
    }

    fn failed(&self, path: &Path, error: &io::Error) -> ProgramError {
        let kind = if error.kind() == io::ErrorKind::NotFound { Kind::Corrupt } else { Kind::Unavailable };
        ProgramError::new(kind, format!("{}: {error}", path.display()))
    }
}

fn damaged(path: &Path) -> ProgramError {
    let message =
        format!("{} is damaged: it is not what was written; update the application with its jar", path.display());
    ProgramError::new(Kind::Corrupt, message)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Bucket(Mutex<Vec<u8>>);

    impl Objects for Bucket {
        fn fetch(&self, place: &ObjectPlace, _bytes_max: u64) -> Result<Vec<u8>, ProgramError> {
            match place.key.as_str() {
                "there" => Ok(self.0.lock().clone()),
                _ => Err(ProgramError::new(Kind::NotFound, "no such object")),
            }
        }
    }

    fn jar(content: &str) -> Vec<u8> {
        jar::of_entries(&[("META-INF/MANIFEST.MF", "Main-Class: a.Main\n"), ("a/Main.class", content)])
    }

    fn place(key: &str) -> ObjectPlace {
        ObjectPlace { bucket_arn: "arn:aws:s3:::b".into(), key: key.into(), version: None }
    }

    fn swept(programs: &Programs, named: &[&str]) -> usize {
        let named = || Ok::<_, ProgramError>(named.iter().map(|name| (*name).to_owned()).collect());
        programs.sweep(named).unwrap();
        programs.files().unwrap().len()
    }

    #[test]
    fn each_content_is_kept_once_and_goes_when_nothing_names_it() {
        let dir = tempfile::tempdir().unwrap();
        let (env, clock) = Env::manual(1, 7);
        let programs = Programs::open(dir.path().join("programs"), env, None).unwrap();
        let one = programs.keep(&jar("one")).unwrap();
        assert_eq!(programs.keep(&jar("one")).unwrap(), one);
        let two = programs.keep(&jar("two")).unwrap();
        assert_eq!((one.main_class.as_deref(), one.md5.len(), one.sha256.len()), (Some("a.Main"), 32, 64));
        assert!(programs.has_class(&one, "a.Main").unwrap() && !programs.has_class(&one, "a.Other").unwrap());
        assert_eq!(programs.kept(&one.sha256).unwrap(), one);
        assert_eq!(swept(&programs, &[]), 2, "somebody may be about to name them");
        clock.advance_ms(UNNAMED_MS + 1);
        assert_eq!(swept(&programs, &[&one.sha256]), 1);
        assert!(programs.file(&one).is_ok() && programs.kept(&two.sha256).unwrap_err().kind == Kind::NotFound);
        for wrong in ["", "../x", &"A".repeat(64)] {
            assert_eq!(programs.kept(wrong).unwrap_err().kind, Kind::NotFound);
        }
    }

    #[test]
    fn bytes_that_are_not_those_that_were_written_are_not_run() {
        let dir = tempfile::tempdir().unwrap();
        let programs = Programs::open(dir.path().to_owned(), Env::system(), None).unwrap();
        let program = programs.keep(&jar("one")).unwrap();
        fs::write(programs.path(&program.sha256), jar("two")).unwrap();
        let error = programs.file(&program).unwrap_err();
        assert!(error.kind == Kind::Corrupt && error.message.contains("damaged"), "{error}");
        fs::write(programs.path(&program.sha256), b"half").unwrap();
        assert_eq!(programs.keep(&jar("one")).unwrap(), program);
        assert!(programs.file(&program).is_ok(), "what is sent again takes the place of what is damaged");
        fs::write(dir.path().join("x.1.half"), b"half").unwrap();
        let programs = Programs::open(dir.path().to_owned(), Env::system(), None).unwrap();
        assert_eq!(programs.files().unwrap().len(), 1, "what was half written is gone");
    }

    #[test]
    fn an_object_is_fetched_once_and_what_is_no_program_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let none = Programs::open(dir.path().to_owned(), Env::system(), None).unwrap();
        assert!(none.fetch(&place("there")).unwrap_err().message.contains("--code-buckets"));
        assert!(none.keep(b"SELECT 1").unwrap_err().message.starts_with("the code is no jar: it does not begin"));
        let bucket = Arc::new(Bucket(Mutex::new(jar("one"))));
        let programs = Programs::open(dir.path().to_owned(), Env::system(), Some(bucket.clone())).unwrap();
        let program = programs.fetch(&place("there")).unwrap();
        *bucket.0.lock() = jar("two");
        assert_eq!(program.from, Some(place("there")));
        assert_eq!(jar::main_class(&fs::read(programs.path(&program.sha256)).unwrap()), Ok(Some("a.Main".into())));
        assert_ne!(programs.fetch(&place("there")).unwrap().sha256, program.sha256);
        assert_eq!(programs.fetch(&place("gone")).unwrap_err().kind, Kind::NotFound);
    }
}
