//! Table functions: for each row any number of rows, joined to it by `LATERAL TABLE(f(…))`.

use super::{FunctionError, check_column, guarded};
use crate::types::{DataType, Field};
use arrow_array::ArrayRef;
use std::fmt;

/// A table function over whole columns.
pub trait Table: Send + Sync + 'static {
    /// The types that the function takes, and the columns that it gives. Asked when a script is planned.
    ///
    /// # Errors
    /// When there is no such call; the message says which arguments the function takes.
    fn signature(&self, args: &[DataType]) -> Result<TableSignature, FunctionError>;

    /// The rows that the function gives for `rows` rows of arguments, at most 1,024 at a time.
    ///
    /// # Errors
    /// When a row cannot be worked with; the job fails.
    fn call(&self, args: &[ArrayRef], rows: usize) -> Result<TableRows, FunctionError>;
}

/// The types of one call of a table function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableSignature {
    /// What the arguments are converted to, in order.
    pub args: Vec<DataType>,
    /// The columns that the function gives, under the names that they have where the script names none.
    pub columns: Vec<Field>,
}

/// What a table function gave.
#[derive(Debug, Clone)]
pub struct TableRows {
    /// For each row the row of the arguments that it belongs to, ascending.
    pub origin: Vec<u32>,
    /// One column for each of [`TableSignature::columns`], each as long as `origin`.
    pub columns: Vec<ArrayRef>,
}

struct Registered {
    name: String,
    function: Box<dyn Table>,
}

/// A registered table function.
#[derive(Clone, Copy)]
pub struct TableRef(&'static Registered);

impl TableRef {
    pub(super) fn new(name: &str, function: impl Table) -> Self {
        Self(Box::leak(Box::new(Registered { name: name.to_owned(), function: Box::new(function) })))
    }

    /// The name in upper case.
    pub fn name(self) -> &'static str {
        &self.0.name
    }

    pub(crate) fn signature(self, args: &[DataType]) -> Result<TableSignature, FunctionError> {
        let signature = guarded(|| self.0.function.signature(args))?;
        let (name, wanted) = (self.name(), signature.args.len());
        if wanted != args.len() {
            return Err(FunctionError::new(format!("{name} takes {wanted} arguments, found {}", args.len())));
        }
        if signature.columns.is_empty() {
            return Err(FunctionError::new(format!("{name} gives no column")));
        }
        Ok(signature)
    }

    /// The rows for `rows` rows, of columns of the types `fields`.
    pub(crate) fn call(self, args: &[ArrayRef], rows: usize, fields: &[Field]) -> Result<TableRows, FunctionError> {
        let found = guarded(|| self.0.function.call(args, rows))?;
        if !found.origin.is_sorted() || found.origin.last().is_some_and(|last| *last as usize >= rows) {
            return Err(FunctionError::new(format!("its origins must ascend and be less than {rows}")));
        }
        if found.columns.len() != fields.len() {
            let (promised, gave) = (fields.len(), found.columns.len());
            return Err(FunctionError::new(format!("it promised {promised} columns, it gave {gave}")));
        }
        for (column, field) in found.columns.iter().zip(fields) {
            check_column(column, field.data_type, found.origin.len())?;
        }
        Ok(found)
    }
}

impl fmt::Debug for TableRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl PartialEq for TableRef {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.0, other.0)
    }
}

impl Eq for TableRef {}
