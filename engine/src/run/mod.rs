//! Running a plan: subtasks, exchange, event time, windows, connectors of the engine itself.

pub mod decode;
pub mod encode;
