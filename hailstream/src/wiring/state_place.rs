//! Where applications keep checkpoints and snapshots: each in a folder of its own, on this machine or in a bucket.

use crate::settings::StateSettings;
use connect::Bucket;
use engine::port::PortError;
use engine::run::{CheckpointStorage, Folder};
use model::Kind;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::runtime::Handle;

/// A place for the state of all applications of a platform.
#[derive(Debug, Clone)]
pub struct StatePlace {
    within: Within,
}

#[derive(Debug, Clone)]
enum Within {
    Folder(PathBuf),
    Bucket(Bucket, Handle),
}

impl From<PathBuf> for StatePlace {
    fn from(path: PathBuf) -> Self {
        Self { within: Within::Folder(path) }
    }
}

/// The folder of an application. Its name may consist of dots alone, and so must not be a folder's name by itself.
fn folder_of(application: &str) -> String {
    format!("application-{application}")
}

impl StatePlace {
    /// The place that the settings name. What is asked of a bucket is asked on `runtime`.
    ///
    /// # Errors
    /// When its address makes no sense.
    pub(crate) fn open(settings: &StateSettings, runtime: Handle) -> Result<Self, PortError> {
        Ok(match settings {
            StateSettings::Folder(path) => path.clone().into(),
            StateSettings::Bucket(address, settings) => {
                let bucket = Bucket::open(address, settings, runtime.clone())?;
                Self { within: Within::Bucket(bucket, runtime) }
            }
        })
    }

    /// Shows that state can be kept there. A bucket that does not answer is told and let be: applications wait for it,
    /// and nothing else needs it.
    ///
    /// # Errors
    /// When waiting would not help.
    pub(crate) async fn check(&self) -> Result<(), PortError> {
        match &self.within {
            Within::Folder(path) => writable(path).map_err(|error| failed(path, &error)),
            Within::Bucket(bucket, _) => match bucket.check().await {
                Err(error) if matches!(error.kind, Kind::Unavailable | Kind::Throttled) => {
                    tracing::warn!(%error, "checkpoints cannot be kept for the moment; applications wait for that");
                    Ok(())
                }
                checked => checked,
            },
        }
    }

    /// Where an application keeps its state; made where there is nothing.
    ///
    /// # Errors
    /// When it cannot be made.
    pub(crate) fn of(&self, application: &str) -> Result<Arc<dyn CheckpointStorage>, PortError> {
        let folder = folder_of(application);
        Ok(match &self.within {
            Within::Folder(path) => Arc::new(Folder::open(path.join(folder))?),
            Within::Bucket(bucket, _) => Arc::new(bucket.objects(&folder)),
        })
    }

    /// The same for whoever only looks: nothing is made.
    ///
    /// # Errors
    /// When the application keeps nothing yet.
    pub(crate) fn existing(&self, application: &str) -> Result<Arc<dyn CheckpointStorage>, PortError> {
        if let Within::Folder(path) = &self.within
            && let path = path.join(folder_of(application))
            && !path.is_dir()
        {
            let what = format!("application {application} keeps nothing yet: there is no {}", path.display());
            return Err(PortError::new(Kind::NotFound, what));
        }
        self.of(application)
    }

    /// Removes all that an application has kept.
    ///
    /// # Errors
    /// When some of it stays.
    pub(crate) fn remove(&self, application: &str) -> Result<(), PortError> {
        let folder = folder_of(application);
        match &self.within {
            Within::Bucket(bucket, runtime) => runtime.block_on(bucket.remove(&folder)),
            Within::Folder(path) => match fs::remove_dir_all(path.join(&folder)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(&path.join(folder), &error)),
                _ => Ok(()),
            },
        }
    }
}

fn writable(path: &Path) -> io::Result<()> {
    let probe = path.join(".writable");
    fs::create_dir_all(path).and_then(|()| fs::write(&probe, b"")).and_then(|()| fs::remove_file(&probe))
}

fn failed(path: &Path, error: &io::Error) -> PortError {
    PortError::new(Kind::Unavailable, format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_folder_is_made_by_whoever_writes_and_not_by_whoever_looks() {
        let dir = tempfile::tempdir().unwrap();
        let place = StatePlace::from(dir.path().join("state"));
        place.check().await.unwrap();
        assert!(place.existing("a").err().unwrap().message.contains("application a keeps nothing yet"));
        place.of("a").unwrap().write("x", &[b"1"]).unwrap();
        assert_eq!(place.existing("a").unwrap().list().unwrap(), ["x"]);
        place.of("..").unwrap().write("x", &[b"1"]).unwrap();
        place.remove("..").unwrap();
        place.remove("none").unwrap();
        assert_eq!(place.existing("a").unwrap().list().unwrap(), ["x"], "no name leads out of its folder");
        place.remove("a").unwrap();
        assert!(place.existing("a").is_err());
        std::fs::write(dir.path().join("file"), b"").unwrap();
        let told = StatePlace::from(dir.path().join("file")).check().await.unwrap_err();
        assert!(told.message.contains("file"), "{told}");
    }
}
