//! One function for each parser that faces the outside. Each takes any bytes and must neither panic nor hang; where it can, it
//! checks a law of what it got. libFuzzer drives them for as long as one likes (`README.md`), `tests/quick.rs` for seconds.
#![allow(clippy::unwrap_used, reason = "what must not happen ends the process, which is what is looked for")]

mod checkpoint;
mod disk;
mod door;
mod search;
mod services;
mod sql;

pub use checkpoint::{checkpoint, checkpoint_seeds};
pub use disk::disk;
pub use door::{requests, signatures};
pub use search::search;
pub use services::{CALLS, rules, services};
pub use sql::sql;

use md5::{Digest, Md5};
use wire::aggregation::user_records;
use wire::event_stream::{decode, encode};

/// What aggregated records begin with.
const AGGREGATED_MAGIC: [u8; 4] = [0xf3, 0x89, 0x9a, 0xc2];

/// Payloads of records that may be aggregated ones: the bytes as they are, and as what a right checksum stands behind, which
/// no search would find.
pub fn aggregated(data: &[u8]) {
    split_up(data);
    split_up(&[&AGGREGATED_MAGIC[..], data, &Md5::digest(data)].concat());
}

fn split_up(data: &[u8]) {
    if let Some(records) = user_records(data) {
        assert!(!records.is_empty());
        assert!(records.iter().all(|record| record.data.end <= data.len()), "a payload lies within its record");
    }
}

/// Frames of event streams: the bytes as they are, and as headers and payload of a frame whose lengths and checksums are right.
pub fn events(data: &[u8]) {
    read_back(data);
    if let Some((length, rest)) = data.split_first() {
        read_back(&framed(rest, usize::from(*length).min(rest.len())));
    }
}

/// A frame of which so many bytes are headers.
fn framed(content: &[u8], headers: usize) -> Vec<u8> {
    let mut frame = Vec::with_capacity(content.len() + 16);
    frame.extend((content.len() as u32 + 16).to_be_bytes());
    frame.extend((headers as u32).to_be_bytes());
    frame.extend(crc32fast::hash(&frame).to_be_bytes());
    frame.extend(content);
    frame.extend(crc32fast::hash(&frame).to_be_bytes());
    frame
}

fn read_back(data: &[u8]) {
    if let Ok(Some((frame, len))) = decode(data) {
        assert!(len <= data.len());
        let headers: Vec<(&str, &str)> =
            frame.headers.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        let again = encode(&headers, &frame.payload).unwrap();
        assert_eq!(decode(&again).unwrap().unwrap().0, frame, "a frame reads back");
    }
}
