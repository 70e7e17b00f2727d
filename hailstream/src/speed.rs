//! The speed of a replay as written on the command line: a factor or `max`.

use replay::{ConfigError, Speed};
use std::str::FromStr;

/// A speed-up factor, or as fast as possible.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct SpeedArg(pub(crate) Speed);

impl FromStr for SpeedArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.eq_ignore_ascii_case("max") {
            return Ok(Self(Speed::UNLIMITED));
        }
        let factor: f64 = text.parse().map_err(|_| format!("{text:?} is neither a number nor \"max\""))?;
        Speed::times(factor).map(Self).map_err(|e: ConfigError| e.to_string())
    }
}
