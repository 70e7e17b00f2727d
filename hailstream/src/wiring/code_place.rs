//! Where the buckets are that code of applications comes from: an object store, or a folder that stands for one.

use crate::settings::CodeSettings;
use connect::{Bucket, BucketSettings};
use control::{ObjectPlace, Objects, ProgramError};
use model::Kind;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};
use tokio::runtime::Handle;

/// The buckets of code.
pub(crate) enum CodePlace {
    /// A folder that has a folder for each bucket, and in it files by their keys.
    Folder(PathBuf),
    /// An object store. What is asked of it is asked on a runtime.
    Store(BucketSettings, Handle),
}

impl CodePlace {
    /// The place that the settings name.
    pub(crate) fn of(settings: &CodeSettings, runtime: Handle) -> Self {
        match settings {
            CodeSettings::Folder(path) => Self::Folder(path.clone()),
            CodeSettings::Store(settings) => Self::Store(settings.clone(), runtime),
        }
    }
}

impl Objects for CodePlace {
    fn fetch(&self, place: &ObjectPlace, bytes_max: u64) -> Result<Vec<u8>, ProgramError> {
        let bucket = bucket(&place.bucket_arn)?;
        match self {
            Self::Folder(folder) => of_folder(folder, bucket, place, bytes_max),
            Self::Store(settings, runtime) => {
                let fetched = Bucket::open(&format!("s3://{bucket}"), settings, runtime.clone())
                    .and_then(|bucket| runtime.block_on(bucket.fetch(&place.key, place.version.as_deref(), bytes_max)));
                fetched.map_err(|error| ProgramError::new(error.kind, error.message))
            }
        }
    }
}

fn wrong(message: String) -> ProgramError {
    ProgramError::new(Kind::Invalid, message)
}

/// The name of a bucket in its ARN.
fn bucket(arn: &str) -> Result<&str, ProgramError> {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let named = match arn.split(':').collect::<Vec<_>>()[..] {
        ["arn", _, "s3", "", "", name] => Some(name),
        _ => None,
    };
    let named = named.filter(|name| name.chars().all(legal) && name.chars().any(|c| c != '.'));
    named.ok_or_else(|| wrong(format!("{arn:?} is no ARN of a bucket; write it as arn:aws:s3:::bucket")))
}

fn of_folder(folder: &Path, bucket: &str, place: &ObjectPlace, bytes_max: u64) -> Result<Vec<u8>, ProgramError> {
    if let Some(version) = &place.version {
        let message = format!(
            "version {version} of {} is asked for, and a folder keeps no versions; leave ObjectVersion out, or let --code-buckets \
             name an object store",
            place.key
        );
        return Err(wrong(message));
    }
    let key = Path::new(&place.key);
    if !key.components().all(|part| matches!(part, Component::Normal(_))) {
        return Err(wrong(format!("{:?} is no key of a file in a folder", place.key)));
    }
    let path = folder.join(bucket).join(key);
    let failed = |error: io::Error| {
        let kind = if error.kind() == io::ErrorKind::NotFound { Kind::NotFound } else { Kind::Unavailable };
        ProgramError::new(kind, format!("{}: {error}; --code-buckets names the folder of buckets", path.display()))
    };
    let file = File::open(&path).map_err(failed)?;
    if !file.metadata().map_err(failed)?.is_file() {
        return Err(wrong(format!("{} is no file", path.display())));
    }
    let mut bytes = Vec::new();
    file.take(bytes_max + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > bytes_max {
        return Err(wrong(format!("{} has more than {bytes_max} bytes, which are the most", path.display())));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(arn: &str, key: &str, version: Option<&str>) -> ObjectPlace {
        ObjectPlace { bucket_arn: arn.into(), key: key.into(), version: version.map(str::to_owned) }
    }

    #[test]
    fn a_folder_stands_for_buckets_and_no_key_leads_out_of_it() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("code/a")).unwrap();
        std::fs::write(dir.path().join("code/a/b.jar"), b"jar").unwrap();
        std::fs::write(dir.path().join("secret"), b"x").unwrap();
        let code = CodePlace::Folder(dir.path().to_owned());
        let arn = "arn:aws:s3:::code";
        assert_eq!(code.fetch(&place(arn, "a/b.jar", None), 3).unwrap(), b"jar");
        for (place, kind, told) in [
            (place(arn, "a/c.jar", None), Kind::NotFound, "a/c.jar"),
            (place(arn, "a", None), Kind::Invalid, "is no file"),
            (place(arn, "a/b.jar", Some("7")), Kind::Invalid, "a folder keeps no versions"),
            (place(arn, "../secret", None), Kind::Invalid, "is no key"),
            (place(arn, "/etc/hostname", None), Kind::Invalid, "is no key"),
            (place("arn:aws:s3:::..", "secret", None), Kind::Invalid, "is no ARN of a bucket"),
            (place("arn:aws:s3:::", "secret", None), Kind::Invalid, "is no ARN of a bucket"),
            (place("code", "a/b.jar", None), Kind::Invalid, "is no ARN of a bucket"),
        ] {
            let error = code.fetch(&place, 3).unwrap_err();
            assert!(error.kind == kind && error.message.contains(told), "{error}");
        }
        assert!(code.fetch(&place(arn, "a/b.jar", None), 2).unwrap_err().message.contains("more than 2 bytes"));
    }
}
