//! What a checkpoint keeps of rows that are to be written once: the records themselves, and under which number they are
//! written. Nothing of it is guessed: a transaction that cannot be read whole is refused.

use engine::port::PortError;
use model::Kind;

const MAGIC: &[u8; 4] = b"HSKT";
const VERSION: u8 = 1;
/// Stands for the length of a key or value that is not there.
const ABSENT: u32 = u32::MAX;
/// Stands for the partition of a writer that keeps to none.
const ANY: i32 = -1;
/// Records are packed when so many bytes of them have gathered.
const CHUNK_BYTES: usize = 1024 * 1024;
/// Packed records of one writer and one checkpoint, at most, in bytes: they are held in memory, and stand in its manifest.
pub(super) const STAGED_BYTES_MAX: usize = 64 * 1024 * 1024;
/// The quickest that packs at all: JSON shrinks to a tenth.
const LEVEL: i32 = 1;
/// Of a transaction, at most, when unpacked: a chunk is one record longer than this at most.
const UNPACKED_BYTES_MAX: usize = 1 << 31;

/// Records that wait for a checkpoint.
#[derive(Debug, Default)]
pub(super) struct Staged {
    open: Vec<u8>,
    chunks: Vec<Chunk>,
    packed_bytes: usize,
    records: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Chunk {
    unpacked_bytes: u32,
    packed: Vec<u8>,
}

impl Staged {
    pub(super) fn is_empty(&self) -> bool {
        self.records == 0
    }

    /// Adds a record.
    ///
    /// # Errors
    /// `Throttled` where there is no room.
    pub(super) fn push(&mut self, key: Option<&[u8]>, value: Option<&[u8]>) -> Result<(), PortError> {
        for part in [key, value] {
            let length = part.map_or(Ok(ABSENT), |part| u32::try_from(part.len()));
            let length = length.ok().filter(|l| (*l == ABSENT) == part.is_none());
            let length = length.ok_or_else(|| PortError::new(Kind::Invalid, "a key or value is larger than 4 GiB"))?;
            self.open.extend_from_slice(&length.to_le_bytes());
            self.open.extend_from_slice(part.unwrap_or_default());
        }
        self.records += 1;
        if self.open.len() >= CHUNK_BYTES {
            self.pack()?;
        }
        if self.packed_bytes > STAGED_BYTES_MAX {
            let what = format!(
                "{} records of {} MiB when packed came since the last checkpoint, and are held until the next one is \
                 durable; take checkpoints more often, or raise the parallelism",
                self.records,
                self.packed_bytes >> 20
            );
            return Err(PortError::new(Kind::Throttled, what));
        }
        Ok(())
    }

    fn pack(&mut self) -> Result<(), PortError> {
        let packed = zstd::bulk::compress(&self.open, LEVEL);
        let packed = packed.map_err(|e| PortError::new(Kind::Internal, format!("records could not be packed: {e}")))?;
        let unpacked_bytes = u32::try_from(self.open.len());
        let unpacked_bytes =
            unpacked_bytes.map_err(|_| PortError::new(Kind::Invalid, "a key and a value are larger than 4 GiB"))?;
        self.packed_bytes += packed.len();
        self.chunks.push(Chunk { unpacked_bytes, packed });
        self.open.clear();
        Ok(())
    }

    /// Takes all that waits, as the transaction `number` of `id`.
    ///
    /// # Errors
    /// `Internal` where it cannot be packed.
    pub(super) fn seal(&mut self, address: &Address, number: i64) -> Result<Transaction, PortError> {
        if !self.open.is_empty() {
            self.pack()?;
        }
        let Self { chunks, records, .. } = std::mem::take(self);
        Ok(Transaction { address: address.clone(), number, records, chunks })
    }
}

/// Where a writer writes, and as whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address {
    /// The transactional id.
    pub(super) id: String,
    pub(super) topic: String,
    /// The one partition that it keeps to, if it does.
    pub(super) partition: Option<i32>,
}

/// Records that become visible together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Transaction {
    pub(super) address: Address,
    /// Counts the transactions of an id, from 1, and is recorded with them.
    pub(super) number: i64,
    pub(super) records: u64,
    chunks: Vec<Chunk>,
}

impl Transaction {
    pub(super) fn bytes(&self) -> Vec<u8> {
        let length = self.chunks.iter().map(|c| c.packed.len() + 8).sum::<usize>() + 64;
        let Address { id, topic, partition } = &self.address;
        let length = length + id.len() + topic.len();
        let mut out = Vec::with_capacity(length);
        out.extend_from_slice(MAGIC);
        out.push(VERSION);
        for text in [id, topic] {
            out.extend_from_slice(&(text.len() as u32).to_le_bytes());
            out.extend_from_slice(text.as_bytes());
        }
        out.extend_from_slice(&partition.unwrap_or(ANY).to_le_bytes());
        out.extend_from_slice(&self.number.to_le_bytes());
        out.extend_from_slice(&self.records.to_le_bytes());
        out.extend_from_slice(&(self.chunks.len() as u32).to_le_bytes());
        for chunk in &self.chunks {
            out.extend_from_slice(&chunk.unpacked_bytes.to_le_bytes());
            out.extend_from_slice(&(chunk.packed.len() as u32).to_le_bytes());
            out.extend_from_slice(&chunk.packed);
        }
        let sum = crc32c::crc32c(&out);
        out.extend_from_slice(&sum.to_le_bytes());
        out
    }

    /// # Errors
    /// `Corrupt` for anything but what [`Transaction::bytes`] gave.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, PortError> {
        let corrupt = |what: &str| {
            let what = format!("a transaction of {} bytes that a checkpoint keeps for a topic {what}", bytes.len());
            PortError::new(Kind::Corrupt, what)
        };
        let (body, sum) = bytes.split_last_chunk::<4>().ok_or_else(|| corrupt("is too short"))?;
        let mut rest = body.strip_prefix(MAGIC).ok_or_else(|| corrupt("is none"))?;
        if crc32c::crc32c(body) != u32::from_le_bytes(*sum) {
            return Err(corrupt("is damaged: its checksum is another"));
        }
        if number(&mut rest) != Some([VERSION]) {
            return Err(corrupt("is of a later version; use the version that wrote it"));
        }
        parsed(rest).ok_or_else(|| corrupt("is not whole"))
    }

    /// Gives each record to `take`, in the order in which they came.
    ///
    /// # Errors
    /// What `take` gives; `Corrupt` for records that cannot be read.
    pub(super) fn each(&self, take: &mut super::records::Taker<'_>) -> Result<(), PortError> {
        let corrupt = |what: &dyn std::fmt::Display| {
            PortError::new(
                Kind::Corrupt,
                format!("records that a checkpoint keeps for topic {}: {what}", self.address.topic),
            )
        };
        for chunk in &self.chunks {
            let length = (chunk.unpacked_bytes as usize).min(UNPACKED_BYTES_MAX);
            let unpacked = zstd::bulk::decompress(&chunk.packed, length).map_err(|e| corrupt(&e))?;
            let mut rest = unpacked.as_slice();
            while !rest.is_empty() {
                let key = part(&mut rest).ok_or_else(|| corrupt(&"a key is cut off"))?;
                let value = part(&mut rest).ok_or_else(|| corrupt(&"a value is cut off"))?;
                take(key, value)?;
            }
        }
        Ok(())
    }
}

fn parsed(mut rest: &[u8]) -> Option<Transaction> {
    let (id, topic) = (text(&mut rest)?, text(&mut rest)?);
    let partition = Some(i32::from_le_bytes(number(&mut rest)?)).filter(|p| *p >= 0);
    let address = Address { id, topic, partition };
    let of = i64::from_le_bytes(number(&mut rest)?);
    let records = u64::from_le_bytes(number(&mut rest)?);
    let count = u32::from_le_bytes(number(&mut rest)?);
    let mut chunks = Vec::new();
    for _ in 0..count {
        let unpacked_bytes = u32::from_le_bytes(number(&mut rest)?);
        let length = u32::from_le_bytes(number(&mut rest)?);
        chunks.push(Chunk { unpacked_bytes, packed: rest.split_off(..length as usize)?.to_vec() });
    }
    rest.is_empty().then_some(Transaction { address, number: of, records, chunks })
}

fn number<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (number, behind) = rest.split_first_chunk::<N>()?;
    *rest = behind;
    Some(*number)
}

fn text(rest: &mut &[u8]) -> Option<String> {
    let length = u32::from_le_bytes(number(rest)?);
    String::from_utf8(rest.split_off(..length as usize)?.to_vec()).ok()
}

/// A key or a value, `Some(None)` where it is absent; `None` where it is cut off.
fn part<'a>(rest: &mut &'a [u8]) -> Option<Option<&'a [u8]>> {
    match u32::from_le_bytes(number(rest)?) {
        ABSENT => Some(None),
        length => rest.split_off(..length as usize).map(Some),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Record = (Option<Vec<u8>>, Option<Vec<u8>>);

    fn all(transaction: &Transaction) -> Vec<Record> {
        let mut found = Vec::new();
        let mut take = |key: Option<&[u8]>, value: Option<&[u8]>| {
            found.push((key.map(<[u8]>::to_vec), value.map(<[u8]>::to_vec)));
            Ok(())
        };
        transaction.each(&mut take).unwrap();
        found
    }

    fn staged(records: &[Record]) -> Staged {
        let mut staged = Staged::default();
        records.iter().for_each(|(key, value)| staged.push(key.as_deref(), value.as_deref()).unwrap());
        staged
    }

    fn address(partition: Option<i32>) -> Address {
        Address { id: "prefix-t-0".into(), topic: "topic".into(), partition }
    }

    fn part() -> impl Strategy<Value = Option<Vec<u8>>> {
        prop::option::of(prop::collection::vec(any::<u8>(), 0..40))
    }

    proptest! {
        #[test]
        fn what_is_kept_comes_back(records in prop::collection::vec((part(), part()), 1..40), number in 1i64.., partition in prop::option::of(0i32..9)) {
            let transaction = staged(&records).seal(&address(partition), number).unwrap();
            let read = Transaction::read(&transaction.bytes()).unwrap();
            prop_assert_eq!(&read, &transaction);
            prop_assert_eq!((read.number, read.records as usize), (number, records.len()));
            prop_assert_eq!(all(&read), records);
        }

        #[test]
        fn bytes_of_any_kind_are_refused_and_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), cut in 0usize..80) {
            prop_assert_eq!(Transaction::read(&bytes).unwrap_err().kind, Kind::Corrupt);
            let whole = staged(&[(None, Some(bytes))]).seal(&address(None), 1).unwrap().bytes();
            let short = &whole[..cut.min(whole.len() - 1)];
            prop_assert_eq!(Transaction::read(short).unwrap_err().kind, Kind::Corrupt);
            let mut other = whole.clone();
            other[cut % whole.len()] ^= 1;
            prop_assert_eq!(Transaction::read(&other).unwrap_err().kind, Kind::Corrupt);
        }
    }

    #[test]
    fn records_are_packed_as_they_come() {
        let record =
            |n: usize| (None, Some(format!("{{\"number\":{n},\"name\":\"a name like all others\"}}").into_bytes()));
        let records: Vec<Record> = (0..60_000).map(record).collect();
        let mut staged = staged(&records);
        assert!(staged.chunks.len() >= 2 && staged.open.len() < CHUNK_BYTES && staged.packed_bytes < CHUNK_BYTES);
        let transaction = staged.seal(&address(None), 1).unwrap();
        assert!(staged.is_empty() && staged.packed_bytes == 0);
        assert_eq!(all(&Transaction::read(&transaction.bytes()).unwrap()), records);
    }

    #[test]
    fn more_than_fits_is_refused_with_what_to_do() {
        let mut staged = Staged { packed_bytes: STAGED_BYTES_MAX + 1, ..Staged::default() };
        let error = staged.push(None, Some(b"x")).unwrap_err();
        assert_eq!(error.kind, Kind::Throttled);
        assert!(error.message.contains("checkpoints more often"), "{error}");
    }
}
