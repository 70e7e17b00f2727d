//! The body of a call: whole, within its bounds, and unpacked.

use super::super::service::ServiceError;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, header};
use flate2::read::MultiGzDecoder;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use std::io::Read;

/// Largest body of a request, in bytes, packed or not.
pub(super) const BODY_BYTES_MAX: usize = 24 * 1024 * 1024;
/// How many times as large a packed body may become.
const EXPANSION_MAX: usize = 100;

/// The body of a request.
///
/// # Errors
/// When it is too large, breaks off, or is packed in a way that is not known.
pub(in super::super) async fn read(headers: &HeaderMap, body: Body) -> Result<Bytes, ServiceError> {
    let body = match Limited::new(body, BODY_BYTES_MAX).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => return Err(too_large()),
        Err(error) => return Err(ServiceError::serialization(format!("The request's body is incomplete: {error}"))),
    };
    plain(headers, body)
}

/// The body as it was before it was packed, where these headers say that it is.
///
/// # Errors
/// When it becomes too large, or is packed in a way that is not known.
pub(in super::super) fn plain(headers: &HeaderMap, body: Bytes) -> Result<Bytes, ServiceError> {
    match headers.get(header::CONTENT_ENCODING).map(|value| value.as_bytes().to_ascii_lowercase()).as_deref() {
        None | Some(b"" | b"identity") => Ok(body),
        Some(b"gzip") => unpacked(&body).map(Bytes::from),
        Some(other) => {
            let other = String::from_utf8_lossy(other);
            Err(ServiceError::serialization(format!("The content encoding {other:?} is not known; send gzip or none.")))
        }
    }
}

fn too_large() -> ServiceError {
    let message = format!("The request is larger than {BODY_BYTES_MAX} bytes.");
    ServiceError { status: 413, ..ServiceError::new("RequestEntityTooLargeException", message) }
}

pub(super) fn unpacked(body: &[u8]) -> Result<Vec<u8>, ServiceError> {
    let bytes_max = body.len().saturating_mul(EXPANSION_MAX).min(BODY_BYTES_MAX);
    let mut out = Vec::new();
    let read = MultiGzDecoder::new(body).take(bytes_max as u64 + 1).read_to_end(&mut out);
    read.map_err(|error| ServiceError::serialization(format!("The request's body is not gzip: {error}")))?;
    if out.len() <= bytes_max {
        return Ok(out);
    }
    if bytes_max == BODY_BYTES_MAX {
        return Err(too_large());
    }
    let message = format!("The request's body becomes more than {EXPANSION_MAX} times as large when it is unpacked.");
    Err(ServiceError { status: 413, ..ServiceError::new("RequestEntityTooLargeException", message) })
}
