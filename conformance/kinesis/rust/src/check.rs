//! What a step may end with, and comparisons that say what was expected.

use aws_sdk_kinesis::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use std::fmt::{self, Debug, Display};
use std::time::Duration;

/// A difference from what the service promises, or a call that failed.
pub struct Failure(String);

/// What a step gives, or how it failed.
pub type Outcome<T> = Result<T, Failure>;

impl Failure {
    /// A failure with these words.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The failure, with the step in which it came about.
    pub fn within(self, step: &str) -> Self {
        Self(format!("{step}: {}", self.0))
    }
}

impl Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(format!("{}", DisplayErrorContext(error)))
    }
}

/// Both must be equal.
pub fn same<T: PartialEq + Debug>(what: &str, found: T, expected: T) -> Outcome<()> {
    if found == expected {
        return Ok(());
    }
    Err(Failure::new(format!("{what} is {found:?} where {expected:?} was expected")))
}

/// It must hold.
pub fn holds(what: &str, true_: bool) -> Outcome<()> {
    same(what, true_, true)
}

/// A member that must be there.
pub fn there<T>(what: &str, member: Option<T>) -> Outcome<T> {
    member.ok_or_else(|| Failure::new(format!("{what} is missing")))
}

/// The call must be refused with an error that the SDK gives this type, and whose message holds these words.
pub fn refused<O, E>(
    what: &str,
    answer: Result<O, SdkError<E>>,
    is_expected: impl Fn(&E) -> bool,
    words: &str,
) -> Outcome<()>
where
    O: Debug,
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let error = match answer {
        Ok(answer) => return Err(Failure::new(format!("{what} was answered: {answer:?}"))),
        Err(error) => error,
    };
    let Some(typed) = error.as_service_error() else { return Err(Failure::from(error).within(what)) };
    let message = typed.message().unwrap_or_default();
    if is_expected(typed) && message.contains(words) {
        return Ok(());
    }
    Err(Failure::new(format!("{what}: refused by {:?}, {message:?}, where {words:?} was expected", typed.code())))
}

/// Asks again until it is so, for a minute at most.
pub async fn wait_for(what: &str, mut so: impl AsyncFnMut() -> Outcome<bool>) -> Outcome<()> {
    for _ in 0..200 {
        if so().await? {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    Err(Failure::new(format!("waited in vain for {what}")))
}
