//! Bodies in chunks, each sealed by a code that goes on from the one before it, or by one checksum at the end.

use super::claim::header;
use super::error::AuthError;
use super::verify::bytes_of;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha1::Sha1;
use sha2::{Digest, Sha256};
use wire::signature::{ALGORITHM, SigningKey};
use wire::signature::{Head, sha256_hex};

/// Longest line of a chunk's head or of a trailer, in bytes.
const LINE_BYTES_MAX: usize = 1_024;
/// Most trailers of one body.
const TRAILERS_MAX: usize = 8;
/// The trailer that seals the others.
const TRAILER_SIGNATURE: &str = "x-amz-trailer-signature";

/// How the chunks of a body are sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Chunking {
    /// Whether each chunk carries a signature.
    signed: bool,
    /// Whether trailers follow.
    trailer: bool,
}

/// What the signature of a body's chunks goes on from.
pub(super) struct Seal<'a> {
    pub(super) key: &'a SigningKey,
    pub(super) date: &'a str,
    pub(super) scope: &'a str,
    /// The signature of the head.
    pub(super) seed: &'a str,
}

impl Chunking {
    /// What `x-amz-content-sha256` says instead of a hash.
    pub(super) fn named(told: &str) -> Option<Self> {
        match told {
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD" => Some(Self { signed: true, trailer: false }),
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER" => Some(Self { signed: true, trailer: true }),
            "STREAMING-UNSIGNED-PAYLOAD-TRAILER" => Some(Self { signed: false, trailer: true }),
            _ => None,
        }
    }
}

impl Seal<'_> {
    fn text(&self, what: &str, previous: &str, hashes: &str) -> String {
        format!("{ALGORITHM}-{what}\n{}\n{}\n{previous}\n{hashes}", self.date, self.scope)
    }

    fn check(&self, text: &str, signature: &str) -> Result<(), AuthError> {
        let bytes = bytes_of(signature).ok_or(AuthError::Mismatch)?;
        if self.key.verifies(text, &bytes) { Ok(()) } else { Err(AuthError::Mismatch) }
    }
}

fn odd(what: impl Into<String>) -> AuthError {
    AuthError::Chunks(what.into())
}

/// A line that ends with CR LF, and what follows it.
fn line(rest: &[u8]) -> Result<(&str, &[u8]), AuthError> {
    let within = &rest[..rest.len().min(LINE_BYTES_MAX)];
    let end = within.windows(2).position(|pair| pair == b"\r\n").ok_or_else(|| odd("a line has no end"))?;
    let text = std::str::from_utf8(&rest[..end]).map_err(|_| odd("a line is no text"))?;
    Ok((text, &rest[end + 2..]))
}

/// The size that a chunk's head tells, and its signature, where it must have one.
fn chunk_head(line: &str, signed: bool) -> Result<(usize, &str), AuthError> {
    let (size, signature) = match (line.split_once(';'), signed) {
        (Some((size, extension)), true) => {
            let signature = extension.strip_prefix("chunk-signature=");
            (size, signature.ok_or_else(|| odd("a chunk has an extension other than chunk-signature"))?)
        }
        (None, false) => (line, ""),
        (None, true) => return Err(odd("a chunk has no chunk-signature")),
        (Some(_), false) => return Err(odd("a chunk of an unsigned payload has an extension")),
    };
    let digits = !size.is_empty() && size.bytes().all(|byte| byte.is_ascii_hexdigit());
    let size = digits.then(|| usize::from_str_radix(size, 16).ok()).flatten();
    Ok((size.ok_or_else(|| odd("the size of a chunk is no hexadecimal number"))?, signature))
}

/// The body without its chunks' heads, every seal checked.
pub(super) fn decode(how: Chunking, head: &Head<'_>, body: &[u8], seal: &Seal<'_>) -> Result<Vec<u8>, AuthError> {
    let declared = header(head, "x-amz-decoded-content-length").and_then(|told| told.trim().parse::<usize>().ok());
    let declared = declared.ok_or_else(|| odd("x-amz-decoded-content-length must tell the length without chunks"))?;
    // What is decoded is never longer than what came, whatever the header tells.
    let mut decoded = Vec::with_capacity(declared.min(body.len()));
    let (mut previous, mut rest) = (seal.seed.to_owned(), body);
    loop {
        let (told, after) = line(rest)?;
        let (size, signature) = chunk_head(told, how.signed)?;
        let chunk = after.get(..size).ok_or_else(|| odd("the body ends within a chunk"))?;
        if how.signed {
            let hashes = format!("{}\n{}", sha256_hex(b""), sha256_hex(chunk));
            seal.check(&seal.text("PAYLOAD", &previous, &hashes), signature)?;
            signature.clone_into(&mut previous);
        }
        decoded.extend_from_slice(chunk);
        rest = &after[size..];
        if size == 0 && how.trailer {
            break;
        }
        rest = rest.strip_prefix(b"\r\n").ok_or_else(|| odd("a chunk is longer than it tells"))?;
        if size == 0 {
            break;
        }
    }
    if decoded.len() != declared {
        let message = format!("x-amz-decoded-content-length tells {declared} bytes, the chunks hold {}", decoded.len());
        return Err(odd(message));
    }
    match (how.trailer, rest.is_empty()) {
        (true, _) => check_trailers(how, head, rest, &decoded, seal, &previous)?,
        (false, true) => {}
        (false, false) => return Err(odd("bytes follow the last chunk")),
    }
    Ok(decoded)
}

/// Trailers must be those that `x-amz-trailer` announces, and true.
fn check_trailers(
    how: Chunking,
    head: &Head<'_>,
    rest: &[u8],
    decoded: &[u8],
    seal: &Seal<'_>,
    previous: &str,
) -> Result<(), AuthError> {
    let announced = header(head, "x-amz-trailer").unwrap_or_default().to_ascii_lowercase();
    let announced: Vec<&str> = announced.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
    let (trailers, signature) = trailers(rest)?;
    let names: Vec<&str> = trailers.iter().map(|(name, _)| name.as_str()).collect();
    if names != announced {
        return Err(odd(format!(
            "x-amz-trailer announces [{}], there came [{}]",
            announced.join(", "),
            names.join(", ")
        )));
    }
    match (how.signed, signature) {
        (true, Some(signature)) => {
            let canonical: String = trailers.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
            seal.check(&seal.text("TRAILER", previous, &sha256_hex(canonical.as_bytes())), &signature)?;
        }
        (true, None) => return Err(odd(format!("{TRAILER_SIGNATURE} is missing"))),
        (false, Some(_)) => return Err(odd(format!("an unsigned payload has no {TRAILER_SIGNATURE}"))),
        (false, None) if trailers.is_empty() => return Err(odd("an unsigned payload needs a checksum as its trailer")),
        (false, None) => {}
    }
    trailers.iter().try_for_each(|(name, value)| check_sum(name, value, decoded))
}

/// Names and values of trailers, in their order.
type Trailers = Vec<(String, String)>;

/// The trailers up to the end of the body, and the code that seals them.
fn trailers(mut rest: &[u8]) -> Result<(Trailers, Option<String>), AuthError> {
    let (mut found, mut signature) = (Vec::new(), None);
    loop {
        let (text, after) = line(rest)?;
        rest = after;
        // Some clients end a trailer with LF before CR LF.
        let text = text.trim_end_matches('\n');
        if text.is_empty() {
            break;
        }
        let (name, value) = text.split_once(':').ok_or_else(|| odd("a trailer has no colon"))?;
        let (name, value) = (name.trim().to_ascii_lowercase(), value.trim().to_owned());
        match name == TRAILER_SIGNATURE {
            _ if found.len() == TRAILERS_MAX => {
                return Err(odd(format!("there are more than {TRAILERS_MAX} trailers")));
            }
            _ if signature.is_some() => return Err(odd(format!("a trailer follows {TRAILER_SIGNATURE}"))),
            true => signature = Some(value),
            false => found.push((name, value)),
        }
    }
    if rest.is_empty() { Ok((found, signature)) } else { Err(odd("bytes follow the trailers")) }
}

fn check_sum(name: &str, told: &str, decoded: &[u8]) -> Result<(), AuthError> {
    let sum = match name {
        "x-amz-checksum-crc32" => {
            let mut crc = flate2::Crc::new();
            crc.update(decoded);
            STANDARD.encode(crc.sum().to_be_bytes())
        }
        "x-amz-checksum-crc32c" => STANDARD.encode(crc32c::crc32c(decoded).to_be_bytes()),
        "x-amz-checksum-sha1" => STANDARD.encode(Sha1::digest(decoded)),
        "x-amz-checksum-sha256" => STANDARD.encode(Sha256::digest(decoded)),
        other => {
            let known = "x-amz-checksum-crc32, -crc32c, -sha1 and -sha256";
            return Err(odd(format!("the trailer {other} is not supported; {known} are")));
        }
    };
    if sum == told { Ok(()) } else { Err(odd(format!("{name} is {told}, the payload's is {sum}"))) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderMap;

    const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
    const SCOPE: &str = "20130524/us-east-1/s3/aws4_request";

    /// Decodes what AWS's published examples send: 66,560 times `a` in two chunks.
    fn decoded(how: &str, seed: &str, headers: &[(&'static str, &str)], body: &str) -> Result<Vec<u8>, AuthError> {
        let headers: HeaderMap =
            headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        let head = Head { method: "PUT", path: "/", query: "", headers: &headers, authority: None };
        let key = SigningKey::derive(SECRET, ["20130524", "us-east-1", "s3"]);
        let seal = Seal { key: &key, date: "20130524T000000Z", scope: SCOPE, seed };
        decode(Chunking::named(how).unwrap(), &head, body.as_bytes(), &seal)
    }

    fn chunks(codes: [&str; 3], end: &str) -> String {
        let (large, small) = ("a".repeat(65_536), "a".repeat(1_024));
        let head = |size: &str, code: &str| match code {
            "" => format!("{size}\r\n"),
            code => format!("{size};chunk-signature={code}\r\n"),
        };
        let (first, second, last) = (head("10000", codes[0]), head("400", codes[1]), head("0", codes[2]));
        format!("{first}{large}\r\n{second}{small}\r\n{last}{end}")
    }

    const LENGTH: (&str, &str) = ("x-amz-decoded-content-length", "66560");
    const SIGNED: &str = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD";
    const SIGNED_SEED: &str = "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9";
    const SIGNED_CODES: [&str; 3] = [
        "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
        "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
        "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9",
    ];
    const TRAILED: &str = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER";
    const TRAILED_SEED: &str = "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e";
    const TRAILED_CODES: [&str; 3] = [
        "b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2",
        "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7",
        "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992",
    ];
    const TRAILER: (&str, &str) = ("x-amz-trailer", "x-amz-checksum-crc32c");
    const TRAILERS: &str = "x-amz-checksum-crc32c:sOO8/Q==\r\nx-amz-trailer-signature:\
                            d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n\r\n";

    #[test]
    fn published_chunks_have_their_published_signatures() {
        let whole = "a".repeat(66_560).into_bytes();
        let plain = chunks(SIGNED_CODES, "\r\n");
        assert_eq!(decoded(SIGNED, SIGNED_SEED, &[LENGTH], &plain).as_ref(), Ok(&whole));
        let trailed = chunks(TRAILED_CODES, TRAILERS);
        assert_eq!(decoded(TRAILED, TRAILED_SEED, &[LENGTH, TRAILER], &trailed).as_ref(), Ok(&whole));
        for (change, into) in [("aaa\r\n", "aab\r\n"), ("ad80", "ad81"), ("b6c6", "b6c7"), ("0055627c", "0055627C")] {
            let changed = plain.replacen(change, into, 1);
            assert_eq!(decoded(SIGNED, SIGNED_SEED, &[LENGTH], &changed), Err(AuthError::Mismatch), "{into}");
        }
        assert_eq!(decoded(SIGNED, TRAILED_SEED, &[LENGTH], &plain), Err(AuthError::Mismatch));
        for (change, into) in [("sOO8", "sOO9"), ("d81f", "d81e"), ("2ca2", "2ca3")] {
            let changed = trailed.replacen(change, into, 1);
            let told = decoded(TRAILED, TRAILED_SEED, &[LENGTH, TRAILER], &changed);
            assert_eq!(told, Err(AuthError::Mismatch), "{into}");
        }
    }

    #[test]
    fn unsigned_chunks_need_a_true_checksum() {
        let check = |name: &str, sum: &str, expected: &str| {
            let body = chunks(["", "", ""], &format!("{name}:{sum}\r\n\r\n"));
            let headers = [LENGTH, ("x-amz-trailer", name)];
            let told = decoded("STREAMING-UNSIGNED-PAYLOAD-TRAILER", "", &headers, &body);
            match told {
                Ok(body) => assert_eq!((body.len(), expected), (66_560, "")),
                Err(error) => assert!(error.to_string().contains(expected) && !expected.is_empty(), "{error}"),
            }
        };
        check("x-amz-checksum-crc32c", "sOO8/Q==", "");
        check("x-amz-checksum-crc32c", "sOO8/g==", "x-amz-checksum-crc32c is sOO8/g==, the payload's is sOO8/Q==");
        let whole = "a".repeat(66_560);
        check("x-amz-checksum-sha256", &STANDARD.encode(Sha256::digest(&whole)), "");
        check("x-amz-checksum-sha1", &STANDARD.encode(Sha1::digest(&whole)), "");
        let mut crc = flate2::Crc::new();
        crc.update(whole.as_bytes());
        check("x-amz-checksum-crc32", &STANDARD.encode(crc.sum().to_be_bytes()), "");
        check("x-amz-checksum-crc64nvme", "AAAA", "the trailer x-amz-checksum-crc64nvme is not supported");
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(body in "[0-9a-f;:\r\n]{0,64}|.{0,64}", length in 0usize..99) {
            for how in [SIGNED, TRAILED, "STREAMING-UNSIGNED-PAYLOAD-TRAILER"] {
                let length = length.to_string();
                let _told = decoded(how, SIGNED_SEED, &[("x-amz-decoded-content-length", &length), TRAILER], &body);
            }
        }
    }
}
