//! Names: which ones an index can have, and names that are made up.

use crate::error::IndexError;
use base64::Engine;
use model::Env;

/// Longest name of an index, in bytes.
const NAME_BYTES_MAX: usize = 255;
const FORBIDDEN: [char; 10] = [' ', '"', '*', '\\', '<', '|', ',', '>', '/', '?'];

/// Checks the name of an index that is to be created.
///
/// # Errors
/// When no index can have this name.
pub(crate) fn check_name(name: &str) -> Result<(), IndexError> {
    let what = if name.is_empty() {
        "must not be empty".to_owned()
    } else if name.contains(FORBIDDEN) {
        format!("must not contain the following characters {FORBIDDEN:?}")
    } else if name.contains('#') {
        "must not contain '#'".to_owned()
    } else if name.contains(':') {
        "must not contain ':'".to_owned()
    } else if name.starts_with(['_', '-', '+']) {
        "must not start with '_', '-', or '+'".to_owned()
    } else if name == "." || name == ".." {
        "must not be '.' or '..'".to_owned()
    } else if name.len() > NAME_BYTES_MAX {
        format!("index name is too long, ({} > {NAME_BYTES_MAX})", name.len())
    } else if name.chars().any(char::is_uppercase) {
        "must be lowercase".to_owned()
    } else {
        return Ok(());
    };
    Err(IndexError::InvalidName { name: name.to_owned(), what })
}

/// A name of `bytes` random bytes, written in the URL-safe letters of base 64.
pub(crate) fn random_name(env: &Env, bytes: usize) -> String {
    let random: Vec<u8> = std::iter::repeat_with(|| env.random_u64().to_le_bytes()).flatten().take(bytes).collect();
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(random)
}
