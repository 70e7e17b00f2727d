//! Tokens that lead to the next page: where it begins, sealed with what was asked, so that no other question takes it.

use super::super::service::ServiceError;
use super::input::Input;

/// Where the page begins that a call asks for; `asked` is what the pages are of.
pub(super) fn begin(input: &Input<'_>, asked: &str) -> Result<usize, ServiceError> {
    let Some(token) = input.text("NextToken", 1_024)? else { return Ok(0) };
    let read = || {
        let (place, seal) = token.split_once('-')?;
        let place = usize::from_str_radix(place, 16).ok()?;
        (seal == sealed(place, asked)).then_some(place)
    };
    read().ok_or_else(|| {
        ServiceError::new("InvalidNextToken", "The next token is none that was given for this question.")
    })
}

/// The token of the page that begins at a place.
pub(super) fn token(place: usize, asked: &str) -> String {
    format!("{place:x}-{}", sealed(place, asked))
}

fn sealed(place: usize, asked: &str) -> String {
    format!("{:08x}", crc32c::crc32c(format!("{place} {asked}").as_bytes()))
}
