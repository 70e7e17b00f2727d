//! `blackhole`: takes rows and forgets them.

use crate::port::{PortError, Sink, SinkBatch};

pub(super) struct Blackhole;

impl Sink for Blackhole {
    fn write(&mut self, _batch: &SinkBatch) -> Result<(), PortError> {
        Ok(())
    }

    fn flush(&mut self) -> Result<(), PortError> {
        Ok(())
    }

    fn close(&mut self) -> Result<(), PortError> {
        Ok(())
    }
}
