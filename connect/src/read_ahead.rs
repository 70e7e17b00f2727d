//! Bytes of one object that were read beyond what was asked for. Parts of state stand end to end and are read one after the
//! other: with this a restore asks the object store once for many of them.

use bytes::Bytes;

/// So much is read at once where less is asked for, in bytes; so much is held at most, but for a larger part by itself.
pub(crate) const WINDOW_BYTES: u64 = 8 * 1024 * 1024;

/// The bytes that were read last.
#[derive(Debug, Default)]
pub(crate) struct ReadAhead {
    held: Option<Held>,
}

#[derive(Debug)]
struct Held {
    name: String,
    offset: u64,
    bytes: Bytes,
}

impl ReadAhead {
    /// `length` bytes of `name` from `offset`, where all of them are held.
    pub(crate) fn get(&self, name: &str, offset: u64, length: u64) -> Option<Bytes> {
        let held = self.held.as_ref().filter(|held| held.name == name)?;
        let from = usize::try_from(offset.checked_sub(held.offset)?).ok()?;
        let to = from.checked_add(usize::try_from(length).ok()?)?;
        (to <= held.bytes.len()).then(|| held.bytes.slice(from..to))
    }

    /// Holds `bytes` of `name`, which begin at `offset`, in place of what it held.
    pub(crate) fn hold(&mut self, name: &str, offset: u64, bytes: Bytes) {
        self.held = Some(Held { name: name.to_owned(), offset, bytes });
    }

    /// Forgets what it holds of `name`, which is being written or removed.
    pub(crate) fn forget(&mut self, name: &str) {
        self.held.take_if(|held| held.name == name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_held_whole_is_given() {
        let mut ahead = ReadAhead::default();
        assert_eq!(ahead.get("a", 0, 0), None);
        ahead.hold("a", 10, Bytes::from_static(b"0123456789"));
        for (name, offset, length, expected) in [
            ("a", 10, 3, Some("012")),
            ("a", 17, 3, Some("789")),
            ("a", 20, 0, Some("")),
            ("a", 9, 3, None),
            ("a", 18, 3, None),
            ("a", u64::MAX, 3, None),
            ("a", 10, u64::MAX, None),
            ("b", 10, 3, None),
        ] {
            assert_eq!(ahead.get(name, offset, length).as_deref(), expected.map(str::as_bytes), "{name} {offset}");
        }
        ahead.forget("b");
        assert!(ahead.get("a", 10, 3).is_some());
        ahead.forget("a");
        assert_eq!(ahead.get("a", 10, 3), None);
    }
}
