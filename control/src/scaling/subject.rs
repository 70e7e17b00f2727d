//! What is scaled: an application, a stream, or both together.

use serde::{Deserialize, Serialize};
use std::fmt;

/// What a policy is for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Subject {
    /// An application, with the stream that it reads where its policy looks at both.
    Application(String),
    /// A stream by itself.
    Stream(String),
}

impl Subject {
    /// Reads `application/NAME` or `stream/NAME`; `None` where it is neither.
    pub fn read(text: &str) -> Option<Self> {
        match text.split_once('/')? {
            ("application", name) if is_name(name) => Some(Self::Application(name.to_owned())),
            ("stream", name) if is_name(name) => Some(Self::Stream(name.to_owned())),
            _ => None,
        }
    }

    /// Its name, without what it is.
    pub fn name(&self) -> &str {
        match self {
            Self::Application(name) | Self::Stream(name) => name,
        }
    }
}

fn is_name(name: &str) -> bool {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    !name.is_empty() && name.len() <= 128 && name.chars().all(legal)
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Application(name) => write!(f, "application/{name}"),
            Self::Stream(name) => write!(f, "stream/{name}"),
        }
    }
}

impl From<Subject> for String {
    fn from(subject: Subject) -> Self {
        subject.to_string()
    }
}

impl TryFrom<String> for Subject {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::read(&text).ok_or_else(|| format!("{text:?} is neither application/NAME nor stream/NAME"))
    }
}
