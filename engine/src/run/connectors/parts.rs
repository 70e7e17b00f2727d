//! `filesystem` for writing: each writer makes one part file, which gets its name when the job ends.

use super::io;
use crate::port::{PortError, Sink, SinkBatch, SinkSpec};
use crate::run::decode::JsonOptions;
use crate::run::encode::JsonEncoder;
use model::Env;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

/// Bytes gathered before they are written.
const BUFFER_BYTES: usize = 256 * 1024;

/// Until it is closed the file has a hidden name; a crash leaves no part under its final name that is not whole.
pub(super) struct PartSink {
    encoder: JsonEncoder,
    folder: PathBuf,
    name: String,
    file: Option<BufWriter<File>>,
    line: Vec<u8>,
}

impl PartSink {
    /// A part of the folder `folder`. No file is made before the first row.
    pub(super) fn new(spec: &SinkSpec, folder: &Path, env: &Env) -> Result<Self, PortError> {
        let options = JsonOptions::parse(&spec.table.options)?;
        std::fs::create_dir_all(folder).map_err(io(folder))?;
        Ok(Self {
            encoder: JsonEncoder::new(&spec.schema, options),
            folder: folder.to_path_buf(),
            name: format!("part-{:016x}-{}-0", env.random_u64(), spec.subtask),
            file: None,
            line: Vec::new(),
        })
    }

    fn hidden(&self) -> PathBuf {
        self.folder.join(format!(".{}.inprogress", self.name))
    }
}

impl Sink for PartSink {
    fn write(&mut self, batch: &SinkBatch) -> Result<(), PortError> {
        let path = self.hidden();
        if self.file.is_none() {
            let file = File::create_new(&path).map_err(io(&path))?;
            self.file = Some(BufWriter::with_capacity(BUFFER_BYTES, file));
        }
        let bound = self.encoder.bind(&batch.rows)?;
        for row in 0..batch.rows.num_rows() {
            self.line.clear();
            bound.write(row, &mut self.line);
            self.line.push(b'\n');
            if let Some(file) = &mut self.file {
                file.write_all(&self.line).map_err(io(&path))?;
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), PortError> {
        let path = self.hidden();
        if let Some(file) = &mut self.file {
            file.flush().map_err(io(&path))?;
            file.get_ref().sync_data().map_err(io(&path))?;
        }
        Ok(())
    }

    fn close(&mut self) -> Result<(), PortError> {
        self.flush()?;
        if self.file.take().is_some() {
            let path = self.folder.join(&self.name);
            std::fs::rename(self.hidden(), &path).map_err(io(&path))?;
            let folder = File::open(&self.folder).map_err(io(&self.folder))?;
            folder.sync_all().map_err(io(&self.folder))?;
        }
        Ok(())
    }
}
