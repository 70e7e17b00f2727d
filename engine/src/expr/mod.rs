//! Typed expressions and their evaluation over batches of rows.

mod zone;

pub use zone::Zone;

use crate::types::DataType;

/// A typed expression over the columns of one input.
#[derive(Debug, Clone, PartialEq)]
pub struct Expr {
    /// What is computed.
    pub kind: ExprKind,
    /// The type of the result.
    pub data_type: DataType,
    /// Whether the result may be null.
    pub nullable: bool,
}

/// What an expression computes.
#[derive(Debug, Clone, PartialEq)]
pub enum ExprKind {
    /// The value of a column of the input.
    Column(usize),
}
