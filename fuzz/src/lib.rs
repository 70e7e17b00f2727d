//! One function for each parser that faces the outside. Each takes any bytes and must neither panic nor hang; where it can, it
//! checks a law of what it got. libFuzzer drives them for as long as one likes (`README.md`), `tests/quick.rs` for seconds.
#![allow(clippy::unwrap_used, reason = "what must not happen ends the process, which is what is looked for")]

mod checkpoint;
mod disk;
mod door;
mod search;
mod sql;

pub use checkpoint::{checkpoint, checkpoint_seeds};
pub use disk::disk;
pub use door::{requests, signatures};
pub use search::search;
pub use sql::sql;

use store::kinesis::aggregation::user_records;
use store::kinesis::event_stream::{decode, encode};

/// Payloads of records that may be aggregated ones.
pub fn aggregated(data: &[u8]) {
    if let Some(records) = user_records(data) {
        assert!(!records.is_empty());
        assert!(records.iter().all(|record| record.data.end <= data.len()), "a payload lies within its record");
    }
}

/// Frames of event streams.
pub fn events(data: &[u8]) {
    if let Ok(Some((frame, len))) = decode(data) {
        assert!(len <= data.len());
        let headers: Vec<(&str, &str)> =
            frame.headers.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        let again = encode(&headers, &frame.payload).unwrap();
        assert_eq!(decode(&again).unwrap().unwrap().0, frame, "a frame reads back");
    }
}
