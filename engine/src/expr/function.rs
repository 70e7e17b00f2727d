//! Scalar functions: what the registry knows of each, and what a call site is made of.

use super::value::Value;
use super::{EvalError, Expr, Scalar, Zone};
use crate::functions::ScalarRef;
use crate::types::DataType;
use arrow_array::ArrayRef;
use std::fmt;
use std::hash::{Hash, Hasher};

/// A function of the registry ([`super::functions::find`]).
pub struct ScalarFunction {
    /// Its name in upper case.
    pub(super) name: &'static str,
    /// The types it takes and gives for these arguments, or which arguments it would take.
    pub(super) signature: fn(&[Expr]) -> Result<Signature, String>,
    /// Makes the code for one call site: whatever is constant there is computed once.
    pub(super) prepare: fn(&CallSite<'_>) -> Result<Kernel, EvalError>,
    /// Whether it can fail for some row.
    pub(super) can_fail: bool,
}

/// The types of one call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// What the arguments are converted to, in order.
    pub args: Vec<DataType>,
    /// The type of the result.
    pub returns: DataType,
    /// Whether the result may be null although no argument is.
    pub nullable: bool,
}

/// One call of a function in a script.
pub(super) struct CallSite<'a> {
    pub(super) args: &'a [Expr],
    pub(super) returns: DataType,
    pub(super) zone: Zone,
}

impl CallSite<'_> {
    /// The text that argument `index` always has, if it is a constant.
    pub(super) fn constant_text(&self, index: usize) -> Option<&str> {
        self.args.get(index)?.as_literal()?.as_text()
    }

    /// The whole number that argument `index` always is, if it is a constant.
    pub(super) fn constant_integer(&self, index: usize) -> Option<i64> {
        self.args.get(index)?.as_literal().and_then(Scalar::as_integer)
    }

    /// The type of argument `index`.
    pub(super) fn arg_type(&self, index: usize) -> DataType {
        self.args.get(index).map_or(DataType::Null, |a| a.data_type)
    }
}

/// The code of one call site: arguments and number of rows in, a column of so many rows out.
pub(super) type Kernel = Box<dyn Fn(&[Value], usize) -> Result<ArrayRef, EvalError> + Send + Sync>;

/// A function that an expression calls.
#[derive(Clone, Copy)]
pub struct FunctionRef(Which);

#[derive(Clone, Copy)]
enum Which {
    /// One of the engine's own.
    Own(&'static ScalarFunction),
    /// One that the program brings.
    Registered(ScalarRef),
}

impl FunctionRef {
    pub(super) fn new(function: &'static ScalarFunction) -> Self {
        Self(Which::Own(function))
    }

    pub(crate) fn registered(function: ScalarRef) -> Self {
        Self(Which::Registered(function))
    }

    /// The function's name in upper case.
    pub fn name(self) -> &'static str {
        match self.0 {
            Which::Own(function) => function.name,
            Which::Registered(function) => function.name(),
        }
    }

    /// The types of a call with these arguments; otherwise a sentence that says which arguments the function takes.
    pub fn signature(self, args: &[Expr]) -> Result<Signature, String> {
        match self.0 {
            Which::Own(function) => (function.signature)(args),
            Which::Registered(function) => {
                let types: Vec<DataType> = args.iter().map(|a| a.data_type).collect();
                function.signature(&types).map_err(|e| e.message)
            }
        }
    }

    pub(super) fn prepare(self, site: &CallSite<'_>) -> Result<Kernel, EvalError> {
        match self.0 {
            Which::Own(function) => (function.prepare)(site),
            Which::Registered(function) => {
                let returns = site.returns;
                Ok(Box::new(move |args: &[Value], rows| {
                    let args = args.iter().map(|a| a.clone().into_array(rows)).collect::<Result<Vec<_>, _>>()?;
                    function.call(&args, rows, returns).map_err(|e| EvalError::new(e.message))
                }))
            }
        }
    }

    pub(super) fn can_fail(self) -> bool {
        match self.0 {
            Which::Own(function) => function.can_fail,
            Which::Registered(_) => true,
        }
    }
}

impl fmt::Debug for FunctionRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl PartialEq for FunctionRef {
    fn eq(&self, other: &Self) -> bool {
        match (self.0, other.0) {
            (Which::Own(one), Which::Own(two)) => one.name == two.name,
            (Which::Registered(one), Which::Registered(two)) => one.is(two),
            _ => false,
        }
    }
}

impl Eq for FunctionRef {}

impl Hash for FunctionRef {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name().hash(state);
    }
}
