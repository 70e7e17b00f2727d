//! What an object store's errors say to a caller.

use engine::port::PortError;
use model::Kind;
use object_store::Error;

/// Longest text of an error that is handed on, in characters: some stores answer with a page.
const REASON_CHARS_MAX: usize = 400;

/// The failure that `error` is of what stands at `place`.
pub(crate) fn failed(place: &str, error: &Error) -> PortError {
    let hint = match kind(error) {
        Kind::NotFound => "",
        Kind::Invalid => "; check the bucket, the region, and what the key may do there",
        _ => "; is the object store reachable?",
    };
    PortError::new(kind(error), format!("{place}: {}{hint}", in_one_line(&error.to_string())))
}

/// How a store says that the whole bucket is missing, which a listing tells as an error like any other.
const NO_BUCKET: &str = "NoSuchBucket";

/// What the caller can do about it. What is not known to be final may be over in a moment: a network, a server that is away.
fn kind(error: &Error) -> Kind {
    match error {
        Error::NotFound { .. } => Kind::NotFound,
        Error::Generic { .. } if error.to_string().contains(NO_BUCKET) => Kind::NotFound,
        Error::AlreadyExists { .. } | Error::Precondition { .. } | Error::NotModified { .. } => Kind::Conflict,
        Error::InvalidPath { .. }
        | Error::NotSupported { .. }
        | Error::NotImplemented { .. }
        | Error::PermissionDenied { .. }
        | Error::Unauthenticated { .. }
        | Error::UnknownConfigurationKey { .. } => Kind::Invalid,
        _ => Kind::Unavailable,
    }
}

/// What another system says, in one line of a bounded length.
pub(crate) fn in_one_line(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(REASON_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_have_a_kind_a_place_and_one_line() {
        let source = || "first\n  second".into();
        let path = || "a/b".to_owned();
        for (error, kind, hint) in [
            (Error::NotFound { path: path(), source: source() }, Kind::NotFound, ""),
            (Error::PermissionDenied { path: path(), source: source() }, Kind::Invalid, "what the key may do"),
            (Error::Unauthenticated { path: path(), source: source() }, Kind::Invalid, "what the key may do"),
            (Error::AlreadyExists { path: path(), source: source() }, Kind::Conflict, ""),
            (Error::Generic { store: "S3", source: source() }, Kind::Unavailable, "reachable?"),
            (Error::Generic { store: "S3", source: "first second NoSuchBucket".into() }, Kind::NotFound, ""),
        ] {
            let told = failed("s3://b/c", &error);
            assert_eq!(told.kind, kind, "{told}");
            assert!(told.message.starts_with("s3://b/c: ") && told.message.contains("first second"), "{told}");
            assert!(told.message.contains(hint), "{told}");
        }
        let long = failed("p", &Error::Generic { store: "S3", source: "é".repeat(5_000).into() });
        assert!(long.message.chars().count() < 500 && long.message.contains('…'));
    }
}
