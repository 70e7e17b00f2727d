//! Functions of the program that links this crate: scalar, aggregate and table functions, registered by name and called
//! from SQL like the engine's own.
//!
//! A function is a value of a type that implements [`Scalar`], [`Aggregate`] or [`Table`]. It sees whole columns as Arrow
//! arrays. Its types are asked for when a script is planned, so a call with wrong arguments is refused with line and
//! column before anything runs. A panic inside a function fails the job and names the function; it never ends the
//! process. Functions must be deterministic: a call over constants is made once, and equal calls share their result.
//!
//! `engine/examples/functions.rs` is a whole program with one function of each kind.

mod aggregate;
mod scalar;
mod table;

pub use crate::expr::Signature;
pub(crate) use aggregate::States;
pub use aggregate::{Aggregate, AggregateRef, Grouped};
pub use scalar::Scalar;
pub(crate) use scalar::ScalarRef;
pub use table::{Table, TableRef, TableRows, TableSignature};

use arrow_schema::ArrowError;
use std::any::Any;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Most functions of one registry.
pub const FUNCTIONS_MAX: usize = 1_000;

/// Why a function has no result, or does not take its arguments.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct FunctionError {
    /// What was wrong, for the one who wrote the script.
    pub message: String,
}

impl FunctionError {
    /// An error that says `message`.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into() }
    }
}

impl From<ArrowError> for FunctionError {
    fn from(error: ArrowError) -> Self {
        Self::new(error.to_string())
    }
}

/// Why a function was not registered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RegisterError {
    /// The name cannot be written in a script.
    #[error("\"{0}\" is no name of a function: it begins with a letter and goes on with letters, digits and _")]
    Name(String),
    /// The engine has a function, a keyword or a plan for one of this name.
    #[error("{0} is a name of SQL's own: choose another one")]
    Builtin(String),
    /// The name was registered before.
    #[error("the function {0} is registered already")]
    Twice(String),
    /// There are [`FUNCTIONS_MAX`] functions already.
    #[error("{FUNCTIONS_MAX} functions are registered, which is the most")]
    Full,
}

/// Functions by name, without regard to the case of letters. Copies are cheap.
///
/// A registered function lives as long as the process, like one that is compiled in: plans name it without counting.
#[derive(Debug, Clone, Default)]
pub struct Functions {
    known: BTreeMap<String, Function>,
}

#[derive(Debug, Clone, Copy)]
enum Function {
    Scalar(ScalarRef),
    Aggregate(AggregateRef),
    Table(TableRef),
}

impl Functions {
    /// No function.
    pub fn new() -> Self {
        Self::default()
    }

    /// Registers a scalar function.
    ///
    /// # Errors
    /// When the name is taken or cannot be written.
    pub fn scalar(&mut self, name: &str, function: impl Scalar) -> Result<&mut Self, RegisterError> {
        self.add(name, |name| Function::Scalar(ScalarRef::new(name, function)))
    }

    /// Registers an aggregate function.
    ///
    /// # Errors
    /// When the name is taken or cannot be written.
    pub fn aggregate(&mut self, name: &str, function: impl Aggregate) -> Result<&mut Self, RegisterError> {
        self.add(name, |name| Function::Aggregate(AggregateRef::new(name, function)))
    }

    /// Registers a table function.
    ///
    /// # Errors
    /// When the name is taken or cannot be written.
    pub fn table(&mut self, name: &str, function: impl Table) -> Result<&mut Self, RegisterError> {
        self.add(name, |name| Function::Table(TableRef::new(name, function)))
    }

    fn add(&mut self, name: &str, make: impl FnOnce(&str) -> Function) -> Result<&mut Self, RegisterError> {
        let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if !name.starts_with(|c: char| c.is_ascii_alphabetic()) || !name.chars().all(word) {
            return Err(RegisterError::Name(name.to_owned()));
        }
        let name = name.to_ascii_uppercase();
        if crate::sql::is_taken(&name) {
            return Err(RegisterError::Builtin(name));
        }
        if self.known.contains_key(&name) {
            return Err(RegisterError::Twice(name));
        }
        if self.known.len() >= FUNCTIONS_MAX {
            return Err(RegisterError::Full);
        }
        let function = make(&name);
        self.known.insert(name, function);
        Ok(self)
    }

    fn get(&self, name: &str) -> Option<Function> {
        self.known.get(&name.to_ascii_uppercase()).copied()
    }

    /// The scalar function called `name`.
    pub(crate) fn find_scalar(&self, name: &str) -> Option<ScalarRef> {
        match self.get(name)? {
            Function::Scalar(found) => Some(found),
            _ => None,
        }
    }

    /// The aggregate function called `name`.
    pub(crate) fn find_aggregate(&self, name: &str) -> Option<AggregateRef> {
        match self.get(name)? {
            Function::Aggregate(found) => Some(found),
            _ => None,
        }
    }

    /// The table function called `name`.
    pub(crate) fn find_table(&self, name: &str) -> Option<TableRef> {
        match self.get(name)? {
            Function::Table(found) => Some(found),
            _ => None,
        }
    }

    /// The names of the table functions, or of the others.
    pub(crate) fn names(&self, tables: bool) -> impl Iterator<Item = &str> {
        let wanted = move |f: &Function| matches!(f, Function::Table(_)) == tables;
        self.known.iter().filter(move |(_, f)| wanted(f)).map(|(name, _)| name.as_str())
    }
}

/// Runs code of a registered function: a panic in it becomes an error.
fn guarded<T>(run: impl FnOnce() -> Result<T, FunctionError>) -> Result<T, FunctionError> {
    // Whatever the panic left half done belongs to a job that fails now.
    catch_unwind(AssertUnwindSafe(run))
        .unwrap_or_else(|panic| Err(FunctionError::new(format!("the function panicked: {}", message_of(&*panic)))))
}

fn message_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|s| (*s).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".to_owned())
}

/// Fails unless `array` has this type and length.
fn check_column(
    array: &dyn arrow_array::Array,
    data_type: crate::types::DataType,
    rows: usize,
) -> Result<(), FunctionError> {
    if *array.data_type() != data_type.arrow() {
        let found = array.data_type();
        return Err(FunctionError::new(format!("it promised {data_type} ({}), it gave {found}", data_type.arrow())));
    }
    if array.len() != rows {
        return Err(FunctionError::new(format!("it was to give {rows} rows, it gave {}", array.len())));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::DataType;
    use arrow_array::ArrayRef;

    struct Same;

    impl Scalar for Same {
        fn signature(&self, args: &[DataType]) -> Result<Signature, FunctionError> {
            Ok(Signature { args: args.to_vec(), returns: args[0], nullable: false })
        }

        fn call(&self, args: &[ArrayRef], _: usize) -> Result<ArrayRef, FunctionError> {
            Ok(args[0].clone())
        }
    }

    #[test]
    fn names_are_checked_when_they_are_registered() {
        for (name, error) in [
            ("", RegisterError::Name("".into())),
            ("2x", RegisterError::Name("2x".into())),
            ("a b", RegisterError::Name("a b".into())),
            ("upper", RegisterError::Builtin("UPPER".into())),
            ("Sum", RegisterError::Builtin("SUM".into())),
            ("coalesce", RegisterError::Builtin("COALESCE".into())),
            ("listagg", RegisterError::Builtin("LISTAGG".into())),
            ("tumble", RegisterError::Builtin("TUMBLE".into())),
            ("select", RegisterError::Builtin("SELECT".into())),
            ("SAME", RegisterError::Twice("SAME".into())),
        ] {
            let mut functions = Functions::new();
            functions.scalar("same", Same).unwrap();
            assert_eq!(functions.scalar(name, Same).err(), Some(error));
        }
    }
}
