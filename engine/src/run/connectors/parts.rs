//! `filesystem` for writing: each writer makes part files for each checkpoint, which get their names when that is durable.

use super::file_bytes_max;
use super::storage::{FileStorage, Part};
use crate::port::{PortError, Sink, SinkBatch, SinkSpec};
use crate::run::decode::JsonOptions;
use crate::run::encode::JsonEncoder;
use crate::run::ids::fnv1a_128;
use model::{Env, Kind};
use std::sync::Arc;

/// Between the names of parts in a transaction.
const BETWEEN: char = '\n';

/// Writes rows into parts. Until it is committed a part has a hidden name, so that none is seen that is not whole, or that
/// would be written again after a crash.
pub(super) struct PartSink {
    encoder: JsonEncoder,
    storage: Arc<dyn FileStorage>,
    table: String,
    /// What the names of all parts of this application and table begin with.
    prefix: String,
    /// What those of this writer go on with.
    writer: String,
    /// After so many bytes a part is full.
    bytes_max: u64,
    parts: u64,
    open: Option<Open>,
    /// The names of parts that are durable, and of no transaction yet.
    finished: Vec<String>,
    lines: Vec<u8>,
}

/// The part that is being written.
struct Open {
    name: String,
    part: Box<dyn Part>,
    bytes: u64,
}

impl PartSink {
    /// A writer into `storage`. No file is made before the first row.
    pub(super) fn new(spec: &SinkSpec, storage: Arc<dyn FileStorage>, env: &Env) -> Result<Self, PortError> {
        let options = JsonOptions::parse(&spec.table.options)?;
        let bytes_max = file_bytes_max(&spec.table)?;
        let whose = fnv1a_128(format!("{}\0{}", spec.application, spec.table.name).as_bytes());
        storage.ready()?;
        let sink = Self {
            encoder: JsonEncoder::new(&spec.schema, options),
            storage,
            table: spec.table.name.clone(),
            prefix: format!("part-{:016x}-", whose as u64),
            writer: format!("{:016x}-{}", env.random_u64(), spec.subtask),
            bytes_max,
            parts: 0,
            open: None,
            finished: Vec::new(),
            lines: Vec::new(),
        };
        if let Some(prepared) = &spec.prepared {
            prepared.iter().try_for_each(|transaction| sink.show(transaction))?;
            // What earlier runs have written and no checkpoint names is written again.
            sink.storage.clear(&sink.prefix)?;
        }
        Ok(sink)
    }

    /// The part that rows are written into.
    fn part(&mut self) -> Result<&mut Open, PortError> {
        if self.open.is_none() {
            let name = format!("{}{}-{}", self.prefix, self.writer, self.parts);
            let part = self.storage.begin(&name)?;
            self.parts += 1;
            self.open = Some(Open { name, part, bytes: 0 });
        }
        self.open.as_mut().ok_or_else(|| PortError::new(Kind::Internal, "a part that was opened is not open"))
    }

    /// Writes the rows as `lines`, and gives the places in them at which a part is full.
    fn encode(&self, batch: &SinkBatch, lines: &mut Vec<u8>) -> Result<Vec<usize>, PortError> {
        let bound = self.encoder.bind(&batch.rows)?;
        let (mut cuts, mut from) = (Vec::new(), 0);
        let mut written = self.open.as_ref().map_or(0, |open| open.bytes);
        for row in 0..batch.rows.num_rows() {
            bound.write(row, lines);
            lines.push(b'\n');
            if written + (lines.len() - from) as u64 >= self.bytes_max {
                cuts.push(lines.len());
                (written, from) = (0, lines.len());
            }
        }
        Ok(cuts)
    }

    fn put(&mut self, lines: &[u8]) -> Result<(), PortError> {
        if lines.is_empty() {
            return Ok(());
        }
        let open = self.part()?;
        open.bytes += lines.len() as u64;
        open.part.write(lines)
    }

    fn finish(&mut self) -> Result<(), PortError> {
        let Some(open) = self.open.take() else { return Ok(()) };
        open.part.finish()?;
        self.finished.push(open.name);
        Ok(())
    }

    /// Gives the parts of a transaction their names.
    fn show(&self, transaction: &[u8]) -> Result<(), PortError> {
        let is_ours = |name: &str| name.starts_with(&self.prefix) && !name.contains('/');
        let names = std::str::from_utf8(transaction).ok().filter(|names| names.split(BETWEEN).all(is_ours));
        let Some(names) = names else {
            let text = String::from_utf8_lossy(transaction).into_owned();
            let message = format!("table {}: {text:?} is no part of this table", self.table);
            return Err(PortError::new(Kind::Corrupt, message));
        };
        names.split(BETWEEN).try_for_each(|name| self.storage.show(name))
    }
}

impl Sink for PartSink {
    fn write(&mut self, batch: &SinkBatch) -> Result<(), PortError> {
        let mut lines = std::mem::take(&mut self.lines);
        lines.clear();
        let cuts = self.encode(batch, &mut lines)?;
        let mut from = 0;
        for cut in cuts {
            self.put(&lines[from..cut])?;
            self.finish()?;
            from = cut;
        }
        self.put(&lines[from..])?;
        self.lines = lines;
        Ok(())
    }

    /// Rows count when their checkpoint is durable: before it there is nothing to be made so.
    fn flush(&mut self) -> Result<(), PortError> {
        Ok(())
    }

    fn prepare(&mut self) -> Result<Option<Vec<u8>>, PortError> {
        self.finish()?;
        let names = std::mem::take(&mut self.finished);
        Ok((!names.is_empty()).then(|| names.join(&BETWEEN.to_string()).into_bytes()))
    }

    fn commit(&mut self, transaction: &[u8]) -> Result<(), PortError> {
        self.show(transaction)
    }

    fn close(&mut self) -> Result<(), PortError> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::SIZE;
    use super::super::local::LocalFiles;
    use super::super::tests::table;
    use super::*;
    use arrow_array::{Int64Array, RecordBatch};
    use std::path::Path;

    fn open(spec: &SinkSpec, folder: &Path) -> Result<PartSink, PortError> {
        PartSink::new(spec, Arc::new(LocalFiles::new(folder.to_path_buf())), &Env::system())
    }

    fn spec(prepared: Option<Vec<Vec<u8>>>) -> SinkSpec {
        let table = table(&[("connector", "filesystem"), ("path", "x"), ("format", "json")]);
        let schema = table.schema.clone();
        let (application, table) = ("app".to_owned(), Arc::new(table));
        SinkSpec { application, table, schema, subtask: 0, parallelism: 1, prepared, ending: <_>::default() }
    }

    fn write(sink: &mut PartSink, value: i64) {
        let schema = spec(None).schema.arrow();
        let rows = RecordBatch::try_new(schema, vec![Arc::new(Int64Array::from(vec![value]))]).unwrap();
        sink.write(&SinkBatch { rows, ids: None, kinds: None }).unwrap();
    }

    fn shown(folder: &Path) -> (Vec<String>, usize) {
        let names: Vec<String> =
            std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().to_string_lossy().into_owned()).collect();
        let visible = names.iter().filter(|n| !n.starts_with('.'));
        let mut texts: Vec<String> = visible.map(|n| std::fs::read_to_string(folder.join(n)).unwrap()).collect();
        texts.sort();
        (texts, names.iter().filter(|n| n.starts_with('.')).count())
    }

    #[test]
    fn parts_are_seen_when_they_are_committed_and_leftovers_go() {
        let folder = tempfile::tempdir().unwrap();
        let mut sink = open(&spec(Some(Vec::new())), folder.path()).unwrap();
        write(&mut sink, 1);
        let first = sink.prepare().unwrap().unwrap();
        write(&mut sink, 2);
        let second = sink.prepare().unwrap().unwrap();
        assert_eq!(sink.prepare().unwrap(), None, "no row since");
        write(&mut sink, 3);
        sink.commit(&first).unwrap();
        assert_eq!(shown(folder.path()), (vec!["{\"a\":1}\n".to_owned()], 2));
        // A crash: the second part stands in the checkpoint, the third does not.
        drop(sink);
        let mut sink = open(&spec(Some(vec![first, second.clone()])), folder.path()).unwrap();
        assert_eq!(shown(folder.path()), (vec!["{\"a\":1}\n".to_owned(), "{\"a\":2}\n".to_owned()], 0));
        sink.commit(&second).unwrap();
        assert_eq!(sink.commit(b"../etc/passwd").unwrap_err().kind, Kind::Corrupt);
    }

    #[test]
    fn a_job_that_keeps_nothing_leaves_the_parts_of_others_alone() {
        let folder = tempfile::tempdir().unwrap();
        let mut one = open(&spec(None), folder.path()).unwrap();
        write(&mut one, 1);
        let _two = open(&spec(None), folder.path()).unwrap();
        let part = one.prepare().unwrap().unwrap();
        one.commit(&part).unwrap();
        assert_eq!(shown(folder.path()).0.len(), 1);
    }

    #[test]
    fn a_part_that_is_full_makes_room_for_the_next_one_and_both_are_seen_together() {
        let folder = tempfile::tempdir().unwrap();
        let options = [("connector", "filesystem"), ("path", "x"), ("format", "json"), (SIZE, "1kb")];
        let spec = SinkSpec { table: Arc::new(table(&options)), ..spec(Some(Vec::new())) };
        let mut sink = open(&spec, folder.path()).unwrap();
        for value in 0..300 {
            write(&mut sink, value);
        }
        assert!(shown(folder.path()).0.is_empty());
        let parts = sink.prepare().unwrap().unwrap();
        drop(sink);
        let sink = open(&SinkSpec { prepared: Some(vec![parts.clone()]), ..spec.clone() }, folder.path()).unwrap();
        let (texts, hidden) = shown(folder.path());
        assert_eq!((texts.len(), hidden), (3, 0), "{texts:?}");
        assert_eq!(texts.concat().lines().count(), 300);
        let mut mixed = parts;
        mixed.extend_from_slice(b"\n../etc/passwd");
        assert_eq!(sink.show(&mixed).unwrap_err().kind, Kind::Corrupt, "none of them is touched");
        for (wrong, told) in [("none", "'10mb'"), ("5gb", "4gb"), ("0", "1kb")] {
            let options = [("connector", "filesystem"), ("path", "x"), ("format", "json"), (SIZE, wrong)];
            let told_is = file_bytes_max(&table(&options)).unwrap_err().message;
            assert!(told_is.contains(told), "{told_is}");
        }
    }
}
