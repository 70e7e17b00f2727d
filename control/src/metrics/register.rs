//! Which series there are, in which unit each is kept, and when it last had a value: for lists, which reach further back
//! than what is in memory, and for checks of units.

use super::bytes::{Reader, put_bytes, put_text, put_varint};
use super::error::MetricsError;
use super::key::SeriesKey;
use super::unit::Unit;
use model::SealedFile;
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

const MAGIC: [u8; 8] = *b"HAILREGS";
const VERSION: u32 = 1;
/// How long a series is listed after its last value, in seconds.
const LISTED_S: u64 = 14 * 86_400;
/// Most series in the register; those whose last value is the oldest go first.
const LISTED_MAX: usize = 20_000;
/// How often the times of last values are written down when nothing else changes, in seconds.
const TIMES_EVERY_S: u64 = 600;

/// A series in the register.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The series.
    pub key: Arc<SeriesKey>,
    /// The unit of its values.
    pub unit: Unit,
    /// When it last had a value, in seconds since the Unix epoch.
    pub last_s: u64,
}

/// All of them.
#[derive(Debug)]
pub(super) struct Register {
    file: SealedFile,
    series: HashMap<Arc<SeriesKey>, (Unit, u64)>,
    changed: bool,
    written_s: u64,
}

impl Register {
    /// The register in this folder. One that cannot be read is told in the log and begun anew: series come back with their
    /// next value.
    pub(super) fn open(dir: &Path) -> Self {
        let file = SealedFile::new(dir.join("register"), MAGIC, VERSION);
        let series = match file.read() {
            Ok(bytes) => bytes.and_then(|bytes| decode(&bytes)).unwrap_or_default(),
            Err(error) => {
                tracing::warn!(%error, "the register of metrics cannot be read and is begun anew");
                HashMap::new()
            }
        };
        Self { file, series, changed: false, written_s: 0 }
    }

    /// The unit of a series; `None` when it is not known or nobody has said.
    pub(super) fn unit(&self, key: &SeriesKey) -> Option<Unit> {
        self.series.get(key).map(|(unit, _)| *unit).filter(|unit| *unit != Unit::None)
    }

    /// Notes that a series had a value. The first unit that is told for it stays.
    pub(super) fn note(&mut self, key: &Arc<SeriesKey>, unit: Unit, at_s: u64) {
        match self.series.get_mut(key) {
            Some((held, last_s)) => {
                *last_s = at_s.max(*last_s);
                if *held == Unit::None && unit != Unit::None {
                    *held = unit;
                    self.changed = true;
                }
            }
            None => {
                self.series.insert(Arc::clone(key), (unit, at_s));
                self.changed = true;
            }
        }
    }

    /// The series with a value since `since_s`, in no order: whoever holds the lock does no more than copy them.
    pub(super) fn since(&self, since_s: u64) -> Vec<Listed> {
        let recent = self.series.iter().filter(|(_, (_, last_s))| *last_s >= since_s);
        let listed = |(key, (unit, last_s)): (&Arc<SeriesKey>, &(Unit, u64))| Listed {
            key: Arc::clone(key),
            unit: *unit,
            last_s: *last_s,
        };
        recent.map(listed).collect()
    }

    /// What is to be written down, where the register has changed or its times are old. It counts as written: one that the
    /// disk does not take is to be told to [`Register::not_written`].
    pub(super) fn due(&mut self, now_s: u64, at_all: bool) -> Option<Copied> {
        if !self.changed && !at_all && now_s < self.written_s + TIMES_EVERY_S {
            return None;
        }
        self.forget(now_s);
        (self.changed, self.written_s) = (false, now_s);
        Some(Copied { file: self.file.clone(), series: self.since(0) })
    }

    /// The disk has not taken what was due.
    pub(super) fn not_written(&mut self) {
        self.changed = true;
    }

    fn forget(&mut self, now_s: u64) {
        self.series.retain(|_, (_, last_s)| *last_s + LISTED_S >= now_s);
        let beyond = self.series.len().saturating_sub(LISTED_MAX);
        if beyond > 0 {
            let mut times: Vec<u64> = self.series.values().map(|(_, last_s)| *last_s).collect();
            times.sort_unstable();
            let oldest = times[beyond];
            self.series.retain(|_, (_, last_s)| *last_s >= oldest);
        }
    }
}

/// The register at one moment, to be written down while others go on with it.
#[derive(Debug)]
pub(super) struct Copied {
    file: SealedFile,
    series: Vec<Listed>,
}

impl Copied {
    /// Writes it down. No two may do that at a time.
    pub(super) fn write(&self) -> Result<(), MetricsError> {
        self.file.write(&encode(&self.series)).map_err(|error| MetricsError::Register(error.to_string()))
    }
}

fn encode(series: &[Listed]) -> Vec<u8> {
    let mut out = Vec::new();
    put_varint(&mut out, series.len() as u64);
    for Listed { key, unit, last_s } in series {
        put_bytes(&mut out, &key.encode());
        put_text(&mut out, unit.name());
        put_varint(&mut out, *last_s);
    }
    out
}

fn decode(bytes: &[u8]) -> Option<HashMap<Arc<SeriesKey>, (Unit, u64)>> {
    let mut reader = Reader(bytes);
    let count = reader.varint()?;
    let one = |reader: &mut Reader<'_>| {
        let key = SeriesKey::decode(reader.bytes()?)?;
        Some((Arc::new(key), (Unit::named(reader.text()?).unwrap_or_default(), reader.varint()?)))
    };
    (0..count).map(|_| one(&mut reader)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> Arc<SeriesKey> {
        Arc::new(SeriesKey::new("N", name, [("of", "x")]).unwrap())
    }

    #[test]
    fn what_was_noted_is_there_after_a_restart_for_two_weeks() {
        let dir = tempfile::tempdir().unwrap();
        let mut register = Register::open(dir.path());
        register.note(&key("a"), Unit::None, 100);
        register.note(&key("a"), Unit::Count, 50);
        register.note(&key("a"), Unit::Percent, 60);
        register.note(&key("b"), Unit::Percent, 100 + LISTED_S);
        register.due(100 + LISTED_S, false).unwrap().write().unwrap();
        assert!(register.due(100 + LISTED_S, false).is_none());
        register.not_written();
        assert!(register.due(100 + LISTED_S, false).is_some());
        let mut again = Register::open(dir.path());
        let in_order = |mut listed: Vec<Listed>| {
            listed.sort_by(|a, b| a.key.cmp(&b.key));
            listed
        };
        assert_eq!(in_order(again.since(0)), in_order(register.since(0)));
        assert_eq!((again.unit(&key("a")), again.since(101).len()), (Some(Unit::Count), 1));
        again.due(101 + LISTED_S, true).unwrap().write().unwrap();
        assert_eq!(again.since(0).len(), 1);
    }

    #[test]
    fn a_damaged_register_is_begun_anew() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("register"), b"nothing").unwrap();
        assert!(Register::open(dir.path()).since(0).is_empty());
        let bytes = encode(&[Listed { key: key("a"), unit: Unit::Count, last_s: 7 }]);
        assert!((0..bytes.len()).all(|cut| decode(&bytes[..cut]).is_none_or(|held| held.is_empty())));
    }
}
