//! Scalar functions: columns in, one column of as many rows out.

use super::{FunctionError, Signature, check_column, guarded};
use crate::types::DataType;
use arrow_array::ArrayRef;
use std::fmt;

/// A scalar function over whole columns.
pub trait Scalar: Send + Sync + 'static {
    /// The types that the function takes and gives when it is called with arguments of the types `args`. Arguments of
    /// other types than it asks for are converted as Flink converts them implicitly. Asked when a script is planned. The
    /// result counts as nullable in any case.
    ///
    /// # Errors
    /// When there is no such call; the message says which arguments the function takes.
    fn signature(&self, args: &[DataType]) -> Result<Signature, FunctionError>;

    /// The result for `rows` rows: an array of the promised type ([`DataType::arrow`]) of as many rows. Every argument
    /// has `rows` rows.
    ///
    /// # Errors
    /// When a row has no result; the job fails.
    fn call(&self, args: &[ArrayRef], rows: usize) -> Result<ArrayRef, FunctionError>;
}

struct Registered {
    name: String,
    function: Box<dyn Scalar>,
}

/// A registered scalar function.
#[derive(Clone, Copy)]
pub(crate) struct ScalarRef(&'static Registered);

impl ScalarRef {
    pub(super) fn new(name: &str, function: impl Scalar) -> Self {
        Self(Box::leak(Box::new(Registered { name: name.to_owned(), function: Box::new(function) })))
    }

    pub(crate) fn name(self) -> &'static str {
        &self.0.name
    }

    pub(crate) fn signature(self, args: &[DataType]) -> Result<Signature, FunctionError> {
        let signature = guarded(|| self.0.function.signature(args))?;
        if signature.args.len() != args.len() {
            let (name, wanted) = (self.name(), signature.args.len());
            return Err(FunctionError::new(format!("{name} takes {wanted} arguments, found {}", args.len())));
        }
        Ok(signature)
    }

    pub(crate) fn call(self, args: &[ArrayRef], rows: usize, returns: DataType) -> Result<ArrayRef, FunctionError> {
        let array = guarded(|| self.0.function.call(args, rows))?;
        check_column(&array, returns, rows)?;
        Ok(array)
    }

    /// Whether both are the same registration.
    pub(crate) fn is(self, other: Self) -> bool {
        std::ptr::eq(self.0, other.0)
    }
}

impl fmt::Debug for ScalarRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
