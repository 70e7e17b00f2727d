//! How a checkpoint stands on disk: a manifest in JSON, and parts of state end to end in files; each is sealed with magic,
//! version, length and CRC32C.

use super::cut::SourceCut;
use super::layout::StateLayout;
use crate::run::aggregate::Slice;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeMap;

/// What a sealed manifest begins with.
pub(super) const MANIFEST_MAGIC: [u8; 8] = *b"HAILCHKM";
/// What a sealed part of state begins with.
pub(super) const PART_MAGIC: [u8; 8] = *b"HAILCHKP";
/// The format of both.
pub(super) const VERSION: u32 = 1;

/// Names everything that belongs to a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Manifest {
    /// Counts the checkpoints of a job.
    pub(super) number: u64,
    /// When it was cut, in milliseconds since the epoch.
    pub(super) created_ms: u64,
    pub(super) sources: BTreeMap<String, SourceCut>,
    pub(super) operators: Vec<SavedOperator>,
    /// Prepared transactions, by table.
    #[serde(serialize_with = "packed", deserialize_with = "unpacked")]
    pub(super) sinks: BTreeMap<String, Vec<Vec<u8>>>,
}

/// Bytes in Base64: some sinks prepare megabytes, which are three times as long as a list of numbers.
fn packed<S: Serializer>(sinks: &BTreeMap<String, Vec<Vec<u8>>>, to: S) -> Result<S::Ok, S::Error> {
    let text = |all: &Vec<Vec<u8>>| all.iter().map(|bytes| STANDARD.encode(bytes)).collect::<Vec<_>>();
    to.collect_map(sinks.iter().map(|(table, all)| (table, text(all))))
}

fn unpacked<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeMap<String, Vec<Vec<u8>>>, D::Error> {
    /// As it is written, and as it was.
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Prepared {
        Text(String),
        Numbers(Vec<u8>),
    }
    let bytes = |prepared| match prepared {
        Prepared::Text(text) => STANDARD.decode(text).map_err(D::Error::custom),
        Prepared::Numbers(bytes) => Ok(bytes),
    };
    let found: BTreeMap<String, Vec<Prepared>> = Deserialize::deserialize(from)?;
    let all = |all: Vec<Prepared>| all.into_iter().map(bytes).collect::<Result<Vec<_>, _>>();
    found.into_iter().map(|(table, prepared)| Ok((table, all(prepared)?))).collect()
}

/// What one operator kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SavedOperator {
    pub(super) layout: StateLayout,
    pub(super) watermark: i64,
    pub(super) parts: Vec<SavedPart>,
}

/// Some groups of one slice, and where they stand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SavedPart {
    pub(super) start: i64,
    pub(super) end: i64,
    pub(super) from: i64,
    pub(super) groups: u64,
    /// The name of the file.
    pub(super) file: String,
    /// Where the sealed part begins in it, and its length there.
    pub(super) offset: u64,
    pub(super) length: u64,
}

impl SavedPart {
    pub(super) fn slice(&self) -> Slice {
        Slice { start: self.start, end: self.end, from: self.from }
    }
}

impl Manifest {
    /// The files that it names.
    pub(super) fn files(&self) -> impl Iterator<Item = &str> {
        self.operators.iter().flat_map(|o| &o.parts).map(|p| p.file.as_str())
    }

    pub(super) fn write(&self) -> Result<Vec<u8>, String> {
        let text = serde_json::to_vec(self).map_err(|e| format!("the manifest cannot be written: {e}"))?;
        Ok(model::seal(MANIFEST_MAGIC, VERSION, &text))
    }

    pub(super) fn read(bytes: &[u8]) -> Result<Self, String> {
        let text = model::unseal(MANIFEST_MAGIC, VERSION, bytes)?;
        serde_json::from_slice(text).map_err(|e| format!("the manifest cannot be understood: {e}"))
    }
}

/// The name of the manifest of checkpoint `number`.
pub(super) fn manifest_name(number: u64) -> String {
    format!("checkpoint-{number:016}.manifest")
}

/// The name of the file with the parts that checkpoint `number` has written.
pub(super) fn state_name(number: u64) -> String {
    format!("checkpoint-{number:016}.state")
}

/// The checkpoint whose manifest or state has this name.
pub(super) fn number_of(name: &str) -> Option<u64> {
    let rest = name.strip_prefix("checkpoint-")?;
    rest.strip_suffix(".manifest").or_else(|| rest.strip_suffix(".state"))?.parse().ok()
}

/// The names of a snapshot's manifest and of its state.
pub(super) fn snapshot_names(name: &str) -> (String, String) {
    (format!("snapshot-{name}.manifest"), format!("snapshot-{name}.state"))
}

/// The snapshot whose manifest has this name.
pub(super) fn snapshot_of(name: &str) -> Option<&str> {
    name.strip_prefix("snapshot-")?.strip_suffix(".manifest")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_are_read_with_their_marks_and_as_they_were_written_without() {
        let read = |split: &str| {
            let source = format!(r#"{{"watermark":5,"splits":{{"7":{split}}}}}"#);
            let text =
                format!(r#"{{"number":1,"created_ms":2,"sources":{{"t":{source}}},"operators":[],"sinks":{{}}}}"#);
            let manifest = Manifest::read(&model::seal(MANIFEST_MAGIC, VERSION, text.as_bytes())).unwrap();
            assert_eq!(Manifest::read(&manifest.write().unwrap()).unwrap(), manifest);
            manifest.sources["t"].splits[&7].cursor()
        };
        let before = read(r#"{"name":"s","position":9,"watermark":3,"ended":false}"#);
        assert_eq!((before.position.0, before.mark), (9, None));
        let now = read(r#"{"name":"s","position":9,"mark":"after 49","watermark":3,"ended":false}"#);
        assert_eq!((now.position.0, now.mark.as_deref()), (9, Some("after 49")));
    }

    #[test]
    fn prepared_transactions_are_read_as_they_are_and_as_they_were_written() {
        let sinks = BTreeMap::from([("t".to_owned(), vec![vec![0, 255, 7], Vec::new()])]);
        let manifest = Manifest { number: 1, created_ms: 2, sources: BTreeMap::new(), operators: Vec::new(), sinks };
        assert_eq!(Manifest::read(&manifest.write().unwrap()).unwrap(), manifest);
        let read = |sinks: &str| {
            let text = format!(r#"{{"number":1,"created_ms":2,"sources":{{}},"operators":[],"sinks":{sinks}}}"#);
            Manifest::read(&model::seal(MANIFEST_MAGIC, VERSION, text.as_bytes()))
        };
        assert_eq!(read(r#"{"t":[[0,255,7],[]]}"#).unwrap(), manifest);
        assert!(read(r#"{"t":["***"]}"#).unwrap_err().contains("cannot be understood"));
    }
}
