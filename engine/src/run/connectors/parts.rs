//! `filesystem` for writing: each writer makes one part file for each checkpoint, which gets its name when that is durable.

use super::io;
use crate::port::{PortError, Sink, SinkBatch, SinkSpec};
use crate::run::decode::JsonOptions;
use crate::run::encode::JsonEncoder;
use crate::run::ids::fnv1a_128;
use model::{Env, Kind};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

/// Bytes gathered before they are written.
const BUFFER_BYTES: usize = 256 * 1024;

/// Writes rows into parts. Until it is committed a part has a hidden name, so that none is seen that is not whole, or that
/// would be written again after a crash.
pub(super) struct PartSink {
    encoder: JsonEncoder,
    folder: PathBuf,
    /// What the names of all parts of this application and table begin with.
    prefix: String,
    /// What those of this writer go on with.
    writer: String,
    parts: u64,
    open: Option<Open>,
    line: Vec<u8>,
}

/// The part that is being written.
struct Open {
    name: String,
    file: BufWriter<File>,
}

impl PartSink {
    /// A writer into the folder `folder`. No file is made before the first row.
    pub(super) fn new(spec: &SinkSpec, folder: &Path, env: &Env) -> Result<Self, PortError> {
        let options = JsonOptions::parse(&spec.table.options)?;
        std::fs::create_dir_all(folder).map_err(io(folder))?;
        let whose = fnv1a_128(format!("{}\0{}", spec.application, spec.table.name).as_bytes());
        let sink = Self {
            encoder: JsonEncoder::new(&spec.schema, options),
            folder: folder.to_path_buf(),
            prefix: format!("part-{:016x}-", whose as u64),
            writer: format!("{:016x}-{}", env.random_u64(), spec.subtask),
            parts: 0,
            open: None,
            line: Vec::new(),
        };
        if let Some(prepared) = &spec.prepared {
            prepared.iter().try_for_each(|transaction| sink.show(transaction))?;
            sink.clear()?;
        }
        Ok(sink)
    }

    fn hidden(&self, name: &str) -> PathBuf {
        self.folder.join(format!(".{name}.inprogress"))
    }

    /// The part that rows are written into.
    fn part(&mut self) -> Result<&mut Open, PortError> {
        if self.open.is_none() {
            let name = format!("{}{}-{}", self.prefix, self.writer, self.parts);
            self.parts += 1;
            let path = self.hidden(&name);
            let file = File::create_new(&path).map_err(io(&path))?;
            self.open = Some(Open { name, file: BufWriter::with_capacity(BUFFER_BYTES, file) });
        }
        self.open.as_mut().ok_or_else(|| PortError::new(Kind::Internal, "a part that was opened is not open"))
    }

    /// Gives a part its name. One that has it already, or that was since moved away, stays as it is.
    fn show(&self, transaction: &[u8]) -> Result<(), PortError> {
        let name = std::str::from_utf8(transaction).ok().filter(|n| n.starts_with(&self.prefix) && !n.contains('/'));
        let Some(name) = name else {
            let text = String::from_utf8_lossy(transaction).into_owned();
            let message = format!("{}: {text:?} is no part of this table", self.folder.display());
            return Err(PortError::new(Kind::Corrupt, message));
        };
        let (hidden, path) = (self.hidden(name), self.folder.join(name));
        match std::fs::rename(&hidden, &path) {
            Ok(()) => self.sync_folder(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(io(&path)(error)),
        }
    }

    /// Removes what earlier runs have written and no checkpoint names: it is written again.
    fn clear(&self) -> Result<(), PortError> {
        let begin = format!(".{}", self.prefix);
        for entry in std::fs::read_dir(&self.folder).map_err(io(&self.folder))? {
            let entry = entry.map_err(io(&self.folder))?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.starts_with(&begin) && name.ends_with(".inprogress") {
                std::fs::remove_file(entry.path()).map_err(io(&entry.path()))?;
            }
        }
        Ok(())
    }

    fn sync_folder(&self) -> Result<(), PortError> {
        let folder = File::open(&self.folder).map_err(io(&self.folder))?;
        folder.sync_all().map_err(io(&self.folder))
    }
}

impl Sink for PartSink {
    fn write(&mut self, batch: &SinkBatch) -> Result<(), PortError> {
        let mut line = std::mem::take(&mut self.line);
        let bound = self.encoder.bind(&batch.rows)?;
        let mut lines = Vec::with_capacity(batch.rows.num_rows() * 64);
        for row in 0..batch.rows.num_rows() {
            line.clear();
            bound.write(row, &mut line);
            line.push(b'\n');
            lines.extend_from_slice(&line);
        }
        self.line = line;
        let folder = self.folder.clone();
        self.part()?.file.write_all(&lines).map_err(io(&folder))
    }

    fn flush(&mut self) -> Result<(), PortError> {
        let Some(open) = &mut self.open else { return Ok(()) };
        open.file.flush().and_then(|()| open.file.get_ref().sync_data()).map_err(io(&self.folder))
    }

    fn prepare(&mut self) -> Result<Option<Vec<u8>>, PortError> {
        self.flush()?;
        let Some(open) = self.open.take() else { return Ok(None) };
        // The hidden name must survive a crash as the bytes do.
        self.sync_folder()?;
        Ok(Some(open.name.into_bytes()))
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
    use super::super::tests::table;
    use super::*;
    use arrow_array::{Int64Array, RecordBatch};
    use std::sync::Arc;

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
        let (folder, env) = (tempfile::tempdir().unwrap(), Env::system());
        let mut sink = PartSink::new(&spec(Some(Vec::new())), folder.path(), &env).unwrap();
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
        let mut sink = PartSink::new(&spec(Some(vec![first, second.clone()])), folder.path(), &env).unwrap();
        assert_eq!(shown(folder.path()), (vec!["{\"a\":1}\n".to_owned(), "{\"a\":2}\n".to_owned()], 0));
        sink.commit(&second).unwrap();
        assert_eq!(sink.commit(b"../etc/passwd").unwrap_err().kind, Kind::Corrupt);
    }

    #[test]
    fn a_job_that_keeps_nothing_leaves_the_parts_of_others_alone() {
        let (folder, env) = (tempfile::tempdir().unwrap(), Env::system());
        let mut one = PartSink::new(&spec(None), folder.path(), &env).unwrap();
        write(&mut one, 1);
        let _two = PartSink::new(&spec(None), folder.path(), &env).unwrap();
        let part = one.prepare().unwrap().unwrap();
        one.commit(&part).unwrap();
        assert_eq!(shown(folder.path()).0.len(), 1);
    }
}
