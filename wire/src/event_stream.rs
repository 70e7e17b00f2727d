//! Frames of `application/vnd.amazon.eventstream`: headers and a payload, both under checksums.
//!
//! ```text
//! length, 4 | length of the headers, 4 | CRC32 of these eight bytes, 4 | headers | payload | CRC32 of all before, 4
//! header: length of the name, 1 | name | 7 for a text | length of the text, 2 | text
//! ```
//! All numbers are big-endian.

/// What an answer in frames says of itself.
pub const CONTENT_TYPE: &str = "application/vnd.amazon.eventstream";
/// Largest frame that is read: the protocol's own bound of a payload, and of headers.
const FRAME_BYTES_MAX: usize = 24 * 1024 * 1024;
const PRELUDE_BYTES: usize = 12;
const CRC_BYTES: usize = 4;
/// The type of a header that holds a text.
const TEXT: u8 = 7;

/// A frame taken apart. Headers of other types than text are left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Names and texts, in their order.
    pub headers: Vec<(String, String)>,
    /// What the frame carries.
    pub payload: Vec<u8>,
}

/// Why bytes are no frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Its lengths contradict each other, or it is larger than any frame.
    #[error("the lengths of the frame contradict each other")]
    Length,
    /// Something was damaged on its way.
    #[error("the frame does not match its checksum")]
    Checksum,
    /// A header cannot be read.
    #[error("the headers of the frame cannot be read")]
    Header,
}

/// A frame with headers of texts; `None` when a name, a text or the payload is too long for one.
pub fn encode(headers: &[(&str, &str)], payload: &[u8]) -> Option<Vec<u8>> {
    let mut head = Vec::new();
    for (name, text) in headers {
        head.push(u8::try_from(name.len()).ok()?);
        head.extend_from_slice(name.as_bytes());
        head.push(TEXT);
        head.extend_from_slice(&u16::try_from(text.len()).ok()?.to_be_bytes());
        head.extend_from_slice(text.as_bytes());
    }
    let total = PRELUDE_BYTES + head.len() + payload.len() + CRC_BYTES;
    if total > FRAME_BYTES_MAX {
        return None;
    }
    let mut out = Vec::with_capacity(total);
    out.extend_from_slice(&u32::try_from(total).ok()?.to_be_bytes());
    out.extend_from_slice(&u32::try_from(head.len()).ok()?.to_be_bytes());
    out.extend_from_slice(&crc32fast::hash(&out).to_be_bytes());
    out.extend_from_slice(&head);
    out.extend_from_slice(payload);
    out.extend_from_slice(&crc32fast::hash(&out).to_be_bytes());
    Some(out)
}

/// The frame at the beginning of the bytes and how many it takes; `None` while it is not whole.
///
/// # Errors
/// When it never becomes a frame.
pub fn decode(bytes: &[u8]) -> Result<Option<(Frame, usize)>, FrameError> {
    let Some(prelude) = bytes.get(..PRELUDE_BYTES) else { return Ok(None) };
    let word = |at: usize| u32::from_be_bytes([prelude[at], prelude[at + 1], prelude[at + 2], prelude[at + 3]]);
    if crc32fast::hash(&prelude[..8]) != word(8) {
        return Err(FrameError::Checksum);
    }
    let (total, head) = (word(0) as usize, word(4) as usize);
    if total > FRAME_BYTES_MAX || head > total || PRELUDE_BYTES + head + CRC_BYTES > total {
        return Err(FrameError::Length);
    }
    let Some(frame) = bytes.get(..total) else { return Ok(None) };
    let (body, crc) = frame.split_at(total - CRC_BYTES);
    if crc32fast::hash(body).to_be_bytes() != crc {
        return Err(FrameError::Checksum);
    }
    let headers = read_headers(&body[PRELUDE_BYTES..PRELUDE_BYTES + head]).ok_or(FrameError::Header)?;
    let payload = body[PRELUDE_BYTES + head..].to_vec();
    Ok(Some((Frame { headers, payload }, total)))
}

impl Frame {
    /// The text of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, text)| text.as_str())
    }
}

fn read_headers(mut rest: &[u8]) -> Option<Vec<(String, String)>> {
    let mut headers = Vec::new();
    while let Some((&len, after)) = rest.split_first() {
        let (name, after) = after.split_at_checked(usize::from(len))?;
        let (&kind, after) = after.split_first()?;
        let fixed = match kind {
            0 | 1 => Some(0),
            2 => Some(1),
            3 => Some(2),
            4 => Some(4),
            5 | 8 => Some(8),
            9 => Some(16),
            6 | TEXT => None,
            _ => return None,
        };
        let (value, after) = match fixed {
            Some(len) => after.split_at_checked(len)?,
            None => {
                let (len, after) = after.split_at_checked(2)?;
                after.split_at_checked(usize::from(u16::from_be_bytes([len[0], len[1]])))?
            }
        };
        if kind == TEXT {
            headers.push((String::from_utf8(name.to_vec()).ok()?, String::from_utf8(value.to_vec()).ok()?));
        }
        rest = after;
    }
    Some(headers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_frame_has_the_form_that_the_protocol_gives() {
        // An empty frame, as the protocol's description prints it.
        assert_eq!(encode(&[], b"").unwrap(), [0, 0, 0, 16, 0, 0, 0, 0, 5, 194, 72, 235, 125, 152, 200, 255]);
        let frame = encode(&[(":event-type", "x")], b"{}").unwrap();
        assert_eq!(frame[..8], [0, 0, 0, 34, 0, 0, 0, 16]);
        assert_eq!(&frame[12..30], b"\x0b:event-type\x07\x00\x01x{}");
        assert!(encode(&[(&"n".repeat(256), "x")], b"").is_none());
        assert!(encode(&[("n", &"x".repeat(65_536))], b"").is_none());
        assert!(encode(&[], &vec![0; FRAME_BYTES_MAX]).is_none());
    }

    #[test]
    fn headers_of_other_types_are_passed_over() {
        let mut headers = b"\x01a\x00\x01b\x04\x00\x00\x00\x07\x01c\x06\x00\x02xy\x01d\x09".to_vec();
        headers.extend_from_slice(&[0; 16]);
        headers.extend_from_slice(b"\x01e\x07\x00\x01z");
        assert_eq!(read_headers(&headers), Some(vec![("e".into(), "z".into())]));
        assert_eq!(read_headers(b"\x01a\x0a"), None, "a type that there is not");
        assert_eq!(read_headers(b"\x02a"), None);
    }

    proptest! {
        #[test]
        fn frames_read_back_one_after_the_other(
            name in "[a-z:]{1,20}", text in "\\PC{0,30}", payload in proptest::collection::vec(any::<u8>(), 0..300), cut: usize,
        ) {
            let bytes = encode(&[(&name, &text)], &payload).unwrap();
            let frame = Frame { headers: vec![(name, text)], payload };
            let twice = [bytes.as_slice(), &bytes].concat();
            prop_assert_eq!(decode(&twice), Ok(Some((frame.clone(), bytes.len()))));
            prop_assert_eq!(decode(&bytes[..cut % bytes.len()]), Ok(None));
            prop_assert_eq!(frame.header("none"), None);
        }

        #[test]
        fn every_flipped_bit_is_noticed(payload in proptest::collection::vec(any::<u8>(), 0..40), bit: usize) {
            let mut bytes = encode(&[(":message-type", "event")], &payload).unwrap();
            let bit = bit % (bytes.len() * 8);
            bytes[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(decode(&bytes).is_err());
        }

        #[test]
        fn any_bytes_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode(&bytes);
            let _ = read_headers(&bytes);
        }
    }
}
