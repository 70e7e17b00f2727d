//! Where our own clients find the key they sign with: a named profile, the environment, the default profile.

use std::path::{Path, PathBuf};
use std::{fmt, fs, io};

/// Largest file of profiles that is read, in bytes.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// A key to sign with.
#[derive(Clone, PartialEq, Eq)]
pub struct ClientKey {
    /// The key's id, which every request tells.
    pub id: String,
    /// The secret, which no request tells.
    pub secret: String,
    /// What goes along with a temporary key.
    pub session_token: Option<String>,
}

impl fmt::Debug for ClientKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Secrets stay out of logs and of failed assertions.
        f.debug_struct("ClientKey").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Why no key was found where one was said to be.
#[derive(Debug, thiserror::Error)]
pub enum ClientKeyError {
    /// A half of the pair stands in the environment.
    #[error("the environment has {given} without {missing}; give both or neither")]
    Half {
        /// The variable that is set.
        given: &'static str,
        /// The variable that is not.
        missing: &'static str,
    },
    /// The file of profiles cannot be read.
    #[error("the file of profiles {path} cannot be read: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There is no such profile.
    #[error("the profile {profile} does not stand in {path}; add it there, or name another with --profile")]
    NoProfile {
        /// The profile.
        profile: String,
        /// The file.
        path: PathBuf,
    },
    /// The profile is one of a kind that is not supported, such as one that assumes a role.
    #[error("the profile {profile} of {path} has no {missing}; only profiles with a key and a secret are supported")]
    NoKey {
        /// The profile.
        profile: String,
        /// The file.
        path: PathBuf,
        /// What is missing.
        missing: &'static str,
    },
    /// Nobody knows where profiles are.
    #[error("neither HOME nor AWS_SHARED_CREDENTIALS_FILE says where the profile {0} stands")]
    NoHome(String),
}

impl ClientKey {
    /// The key of the profile, where one is named, else of the environment's `AWS_…` variables, else of the profile
    /// `default`; `None` where there is none at all. `variable` gives the value of an environment variable.
    ///
    /// # Errors
    /// When a key is half there, or the named profile cannot be had.
    pub fn find(
        profile: Option<&str>,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Option<Self>, ClientKeyError> {
        let variable = |name: &str| variable(name).filter(|value| !value.is_empty());
        let named = match profile {
            Some(profile) => Some(profile.to_owned()),
            None => match from_environment(variable)? {
                Some(key) => return Ok(Some(key)),
                None => variable("AWS_PROFILE"),
            },
        };
        let file = variable("AWS_SHARED_CREDENTIALS_FILE").map(PathBuf::from);
        let file = file.or_else(|| variable("HOME").map(|home| Path::new(&home).join(".aws/credentials")));
        match (named, file) {
            (None, None) => Ok(None),
            (Some(profile), None) => Err(ClientKeyError::NoHome(profile)),
            (None, Some(path)) if !path.exists() => Ok(None),
            (named, Some(path)) => from_profile(named.as_deref(), &path),
        }
    }
}

fn from_environment(variable: impl Fn(&str) -> Option<String>) -> Result<Option<ClientKey>, ClientKeyError> {
    let (id, secret) = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY");
    match (variable(id), variable(secret)) {
        (None, None) => Ok(None),
        (Some(_), None) => Err(ClientKeyError::Half { given: id, missing: secret }),
        (None, Some(_)) => Err(ClientKeyError::Half { given: secret, missing: id }),
        (Some(id), Some(secret)) => Ok(Some(ClientKey { id, secret, session_token: variable("AWS_SESSION_TOKEN") })),
    }
}

/// Reads a profile; without a name the one called `default`, which may be missing.
fn from_profile(named: Option<&str>, path: &Path) -> Result<Option<ClientKey>, ClientKeyError> {
    let failed = |source| ClientKeyError::Read { path: path.to_owned(), source };
    if fs::metadata(path).map_err(failed)?.len() > FILE_BYTES_MAX {
        return Err(failed(io::Error::other(format!("it is larger than {FILE_BYTES_MAX} bytes"))));
    }
    let text = fs::read_to_string(path).map_err(failed)?;
    let profile = named.unwrap_or("default");
    let Some(fields) = section(&text, profile) else {
        let missing = || ClientKeyError::NoProfile { profile: profile.to_owned(), path: path.to_owned() };
        return if named.is_some() { Err(missing()) } else { Ok(None) };
    };
    let field = |name: &str| {
        // What stands last counts.
        let found = fields.iter().rev().find(|(field, value)| *field == name && !value.is_empty());
        found.map(|(_, value)| (*value).to_owned())
    };
    let needed = |missing: &'static str| {
        let error = || ClientKeyError::NoKey { profile: profile.to_owned(), path: path.to_owned(), missing };
        field(missing).ok_or_else(error)
    };
    Ok(Some(ClientKey {
        id: needed("aws_access_key_id")?,
        secret: needed("aws_secret_access_key")?,
        session_token: field("aws_session_token"),
    }))
}

/// The fields of a section such as `[default]`, in their order.
fn section<'a>(text: &'a str, name: &str) -> Option<Vec<(&'a str, &'a str)>> {
    let heading = |line: &'a str| Some(line.trim().strip_prefix('[')?.split_once(']')?.0.trim());
    let mut lines = text.lines().skip_while(|line| heading(line) != Some(name));
    lines.next()?;
    let of_section = lines.take_while(|line| heading(line).is_none());
    let kept = of_section.map(str::trim).filter(|line| !line.starts_with(['#', ';']));
    Some(kept.filter_map(|line| line.split_once('=')).map(|(name, value)| (name.trim(), value.trim())).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "# ours\n[default]\naws_access_key_id = D\naws_secret_access_key=d=\n\n[other]\n; half\n\
                        aws_access_key_id=O\n[token]\naws_access_key_id=T\naws_secret_access_key=t\n\
                        aws_session_token = tt\n[empty]\n";

    /// What is found with these variables; `FILE` stands at `@`.
    fn check(profile: Option<&str>, variables: &[(&str, &str)], expected: Result<Option<[&str; 3]>, &str>) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("credentials");
        fs::write(&path, FILE).unwrap();
        let variable = |name: &str| {
            let value = variables.iter().find(|(variable, _)| *variable == name)?.1;
            Some(if value == "@" { path.display().to_string() } else { value.to_owned() })
        };
        let told = ClientKey::find(profile, variable)
            .map(|key| key.map(|key| format!("{} {} {}", key.id, key.secret, key.session_token.unwrap_or_default())));
        match (told, expected) {
            (Ok(told), Ok(expected)) => assert_eq!(told, expected.map(|key| key.join(" "))),
            (Err(told), Err(expected)) => assert!(told.to_string().contains(expected), "{told}"),
            (told, expected) => panic!("{told:?} in place of {expected:?}"),
        }
    }

    #[test]
    fn a_named_profile_comes_first_then_the_environment_then_the_default_profile() {
        let file = ("AWS_SHARED_CREDENTIALS_FILE", "@");
        let (id, secret) = (("AWS_ACCESS_KEY_ID", "E"), ("AWS_SECRET_ACCESS_KEY", "e"));
        check(Some("token"), &[file, id, secret], Ok(Some(["T", "t", "tt"])));
        check(None, &[file, id, secret, ("AWS_SESSION_TOKEN", "s")], Ok(Some(["E", "e", "s"])));
        check(None, &[id, secret, ("AWS_PROFILE", "none")], Ok(Some(["E", "e", ""])));
        check(None, &[file, ("AWS_PROFILE", "token")], Ok(Some(["T", "t", "tt"])));
        check(None, &[file, ("AWS_ACCESS_KEY_ID", "")], Ok(Some(["D", "d=", ""])));
        check(None, &[], Ok(None));
        check(None, &[("HOME", "/nonexistent")], Ok(None));
    }

    #[test]
    fn what_is_half_there_is_named() {
        let file = ("AWS_SHARED_CREDENTIALS_FILE", "@");
        check(None, &[("AWS_ACCESS_KEY_ID", "E")], Err("AWS_ACCESS_KEY_ID without AWS_SECRET_ACCESS_KEY"));
        check(None, &[("AWS_SECRET_ACCESS_KEY", "e")], Err("without AWS_ACCESS_KEY_ID"));
        check(Some("none"), &[file], Err("the profile none does not stand in"));
        check(Some("other"), &[file], Err("has no aws_secret_access_key"));
        check(Some("empty"), &[file], Err("has no aws_access_key_id"));
        check(Some("a"), &[], Err("neither HOME"));
        check(Some("a"), &[("HOME", "/nonexistent")], Err("cannot be read"));
    }
}
