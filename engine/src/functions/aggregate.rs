//! Aggregate functions: a state for each group, fed by columns, merged between subtasks, finished when a window closes.

use super::{FunctionError, Signature, check_column, guarded};
use crate::expr::EvalError;
use crate::types::DataType;
use arrow_array::{Array, ArrayRef};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::any::Any;
use std::fmt;
use std::ops::Range;

/// An aggregate function of one argument, or of none.
pub trait Aggregate: Send + Sync + 'static {
    /// What is kept of one group. A new group begins with the default; the state can be written down and read again.
    type State: Clone + Default + Serialize + DeserializeOwned + Send + Sync + 'static;

    /// The type that the function takes (none, or one) and the type that it gives. Asked when a script is planned.
    ///
    /// # Errors
    /// When there is no such call; the message says what the function takes.
    fn signature(&self, args: &[DataType]) -> Result<Signature, FunctionError>;

    /// Takes rows into the states of their groups.
    ///
    /// # Errors
    /// When a value cannot be taken; the job fails.
    fn update(&self, states: &mut [Self::State], rows: Grouped<'_>) -> Result<(), FunctionError>;

    /// Takes the rows that `other` has seen into `state`.
    fn merge(&self, state: &mut Self::State, other: &Self::State);

    /// The results of some groups: an array of the promised type with one row for each state.
    ///
    /// # Errors
    /// When a state has no result; the job fails.
    fn finish(&self, states: &[Self::State]) -> Result<ArrayRef, FunctionError>;
}

/// Rows on their way into groups.
#[derive(Clone, Copy)]
pub struct Grouped<'a> {
    argument: Option<&'a dyn Array>,
    rows: &'a [u32],
    groups: &'a [u32],
}

impl<'a> Grouped<'a> {
    /// The argument's column; `None` for a function without one. Not all of its rows need be read: see
    /// [`Grouped::pairs`].
    pub fn argument(&self) -> Option<&'a dyn Array> {
        self.argument
    }

    /// Group and row of each row to be taken in: `states[group]` takes row `row` of the argument, which may be null.
    pub fn pairs(&self) -> impl Iterator<Item = (usize, usize)> + use<'a> {
        self.groups.iter().zip(self.rows).map(|(group, row)| (*group as usize, *row as usize))
    }
}

struct Registered {
    name: String,
    function: Box<dyn Erased>,
}

/// An aggregate function without the type of its state.
trait Erased: Send + Sync {
    fn signature(&self, args: &[DataType]) -> Result<Signature, FunctionError>;
    fn states(&'static self, name: &'static str) -> Box<dyn States>;
}

impl<A: Aggregate> Erased for A {
    fn signature(&self, args: &[DataType]) -> Result<Signature, FunctionError> {
        Aggregate::signature(self, args)
    }

    fn states(&'static self, name: &'static str) -> Box<dyn States> {
        Box::new(Column { name, function: self, states: Vec::new(), failed: None })
    }
}

/// A registered aggregate function.
#[derive(Clone, Copy)]
pub struct AggregateRef(&'static Registered);

impl AggregateRef {
    pub(super) fn new(name: &str, function: impl Aggregate) -> Self {
        Self(Box::leak(Box::new(Registered { name: name.to_owned(), function: Box::new(function) })))
    }

    /// The name in upper case.
    pub fn name(self) -> &'static str {
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

    /// States of no group yet.
    pub(crate) fn states(self) -> Box<dyn States> {
        self.0.function.states(&self.0.name)
    }
}

impl fmt::Debug for AggregateRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl PartialEq for AggregateRef {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.0, other.0)
    }
}

impl Eq for AggregateRef {}

/// The states of one aggregate, one for each group.
pub(crate) trait States: Send + Sync + fmt::Debug {
    fn resize(&mut self, groups: usize);
    fn update(&mut self, rows: &[u32], groups: &[u32], argument: Option<&dyn Array>) -> Result<(), EvalError>;
    /// State `i` of `other` goes into state `groups[i]`.
    fn merge(&mut self, groups: &[u32], other: &dyn States);
    fn pick(&self, indices: &[u32]) -> Box<dyn States>;
    fn finish(&self, range: Range<usize>, returns: DataType) -> Result<ArrayRef, EvalError>;
    fn bytes_per_group(&self) -> usize;
    fn save(&self) -> Result<Vec<u8>, String>;
    /// Reads what `save` of the same function's states wrote of `groups` groups.
    fn load(&mut self, bytes: &[u8], groups: usize) -> Result<(), String>;
    fn copy(&self) -> Box<dyn States>;
    fn as_any(&self) -> &dyn Any;
}

impl Clone for Box<dyn States> {
    fn clone(&self) -> Self {
        self.copy()
    }
}

struct Column<A: Aggregate> {
    name: &'static str,
    function: &'static A,
    states: Vec<A::State>,
    /// A merge has panicked: the next call that can fail says so.
    failed: Option<FunctionError>,
}

impl<A: Aggregate> Column<A> {
    fn error(&self, error: FunctionError) -> EvalError {
        EvalError { expression: format!("{}(…)", self.name), message: error.message }
    }

    fn with(&self, states: Vec<A::State>) -> Self {
        Self { name: self.name, function: self.function, states, failed: self.failed.clone() }
    }

    fn check(&self) -> Result<(), EvalError> {
        self.failed.clone().map_or(Ok(()), |error| Err(self.error(error)))
    }
}

impl<A: Aggregate> fmt::Debug for Column<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} states", self.name, self.states.len())
    }
}

impl<A: Aggregate> States for Column<A> {
    fn resize(&mut self, groups: usize) {
        self.states.resize(groups, A::State::default());
    }

    fn update(&mut self, rows: &[u32], groups: &[u32], argument: Option<&dyn Array>) -> Result<(), EvalError> {
        self.check()?;
        let (function, states) = (self.function, &mut self.states);
        let updated = guarded(|| function.update(states, Grouped { argument, rows, groups }));
        updated.map_err(|e| self.error(e))
    }

    fn merge(&mut self, groups: &[u32], other: &dyn States) {
        let Some(other) = other.as_any().downcast_ref::<Self>() else { return };
        let (function, states) = (self.function, &mut self.states);
        let merged = guarded(|| {
            groups
                .iter()
                .zip(&other.states)
                .for_each(|(group, from)| function.merge(&mut states[*group as usize], from));
            Ok(())
        });
        self.failed = self.failed.take().or(merged.err()).or_else(|| other.failed.clone());
    }

    fn pick(&self, indices: &[u32]) -> Box<dyn States> {
        Box::new(self.with(indices.iter().map(|i| self.states[*i as usize].clone()).collect()))
    }

    fn finish(&self, range: Range<usize>, returns: DataType) -> Result<ArrayRef, EvalError> {
        self.check()?;
        let rows = range.len();
        let array = guarded(|| self.function.finish(&self.states[range])).map_err(|e| self.error(e))?;
        check_column(&array, returns, rows).map_err(|e| self.error(e))?;
        Ok(array)
    }

    fn bytes_per_group(&self) -> usize {
        size_of::<A::State>()
    }

    fn save(&self) -> Result<Vec<u8>, String> {
        postcard::to_allocvec(&self.states).map_err(|e| format!("a state of {} cannot be written: {e}", self.name))
    }

    fn load(&mut self, bytes: &[u8], groups: usize) -> Result<(), String> {
        let (states, rest) = postcard::take_from_bytes::<Vec<A::State>>(bytes)
            .map_err(|e| format!("the states of {} cannot be read: {e}", self.name))?;
        if states.len() != groups || !rest.is_empty() {
            return Err(format!("{} states of {} where there are {groups} groups", states.len(), self.name));
        }
        self.states = states;
        Ok(())
    }

    fn copy(&self) -> Box<dyn States> {
        Box::new(self.with(self.states.clone()))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
