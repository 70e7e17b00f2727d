//! Aggregates of many groups at once: one column of intermediate results for each aggregate.

use super::distinct::Distinct;
use super::keys::retype;
use crate::functions::States;
use crate::plan::AggregateFunction;
use crate::types::DataType;
use arrow_array::builder::PrimitiveBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, Time32MillisecondType, TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
};
use arrow_array::{Array, ArrayRef, BooleanArray, StringArray};
use arrow_schema::{ArrowError, DataType as ArrowType, TimeUnit};
use serde::Deserialize;
use serde::Serialize;
use std::ops::Range;
use std::sync::Arc;

/// The intermediate results of one aggregate, one for each group.
#[derive(Debug, Clone)]
pub(crate) enum Accumulator {
    /// Rows or values counted.
    Count(Vec<i64>),
    /// Wrapping sum of integers, and of how many.
    Integer { sum: Vec<i64>, count: Vec<i64> },
    /// Sum in single precision, as Flink sums FLOAT.
    Single { sum: Vec<f32>, count: Vec<i64> },
    /// Sum in double precision.
    Double { sum: Vec<f64>, count: Vec<i64> },
    /// Sum of decimals of one scale; it is null (count 0) after it has left 38 digits, as in Flink.
    Decimal { sum: Vec<i128>, count: Vec<i64> },
    /// Smallest or largest integer, date, time or truth value.
    IntegerExtreme { value: Vec<Option<i64>>, max: bool },
    /// Smallest or largest floating-point number.
    DoubleExtreme { value: Vec<Option<f64>>, max: bool },
    /// Smallest or largest decimal.
    DecimalExtreme { value: Vec<Option<i128>>, max: bool },
    /// Smallest or largest text.
    TextExtreme { value: Vec<Option<Box<str>>>, max: bool },
    /// Any of the others over the different values of each group.
    Distinct(Box<Distinct>),
    /// States of a registered function.
    Registered(Box<dyn States>),
}

/// What an aggregate is computed over and what it gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AggregateType {
    pub(crate) function: AggregateFunction,
    /// The type of the argument; `None` for `COUNT(*)`.
    pub(crate) argument: Option<DataType>,
    /// Over different values alone.
    pub(crate) distinct: bool,
    pub(crate) result: DataType,
}

const DECIMAL_BOUND: i128 = 10_i128.pow(38);

impl AggregateType {
    /// An accumulator without groups; `None` when Flink has no such aggregate.
    pub(crate) fn accumulator(self) -> Option<Accumulator> {
        match (self.distinct, self.argument) {
            (true, Some(argument)) => {
                self.plain().map(|inner| Accumulator::Distinct(Box::new(Distinct::new(argument, inner))))
            }
            _ => self.plain(),
        }
    }

    fn plain(self) -> Option<Accumulator> {
        use AggregateFunction::{Avg, Count, Max, Min, Registered, Sum};
        let (sum_of, max) = match self.function {
            Count => return Some(Accumulator::Count(Vec::new())),
            Registered(function) => return Some(Accumulator::Registered(function.states())),
            Sum | Avg => (true, false),
            Min => (false, false),
            Max => (false, true),
        };
        let (sum, count) = (Vec::new(), Vec::new());
        Some(match (self.argument?, sum_of) {
            (DataType::TinyInt | DataType::SmallInt | DataType::Int | DataType::BigInt, true) => {
                Accumulator::Integer { sum, count }
            }
            (DataType::Float, true) if self.function == Sum => Accumulator::Single { sum: Vec::new(), count },
            (DataType::Float | DataType::Double, true) => Accumulator::Double { sum: Vec::new(), count },
            (DataType::Decimal(..), true) => Accumulator::Decimal { sum: Vec::new(), count },
            (_, true) | (DataType::Null | DataType::Bytes, false) => return None,
            (DataType::Float | DataType::Double, false) => Accumulator::DoubleExtreme { value: Vec::new(), max },
            (DataType::Decimal(..), false) => Accumulator::DecimalExtreme { value: Vec::new(), max },
            (DataType::Char(_) | DataType::Varchar(_), false) => Accumulator::TextExtreme { value: Vec::new(), max },
            (_, false) => Accumulator::IntegerExtreme { value: Vec::new(), max },
        })
    }
}

/// Calls `$body` with `$values` bound to the numbers of an integer-like array of any width.
macro_rules! with_integers {
    ($array:expr, $values:ident => $body:expr) => {
        match $array.data_type() {
            ArrowType::Int8 => integers!($array, Int8Type, $values => $body),
            ArrowType::Int16 => integers!($array, Int16Type, $values => $body),
            ArrowType::Int32 => integers!($array, Int32Type, $values => $body),
            ArrowType::Int64 => integers!($array, Int64Type, $values => $body),
            ArrowType::Date32 => integers!($array, Date32Type, $values => $body),
            ArrowType::Time32(TimeUnit::Millisecond) => integers!($array, Time32MillisecondType, $values => $body),
            ArrowType::Timestamp(TimeUnit::Millisecond, _) => {
                integers!($array, TimestampMillisecondType, $values => $body)
            }
            ArrowType::Timestamp(TimeUnit::Microsecond, _) => {
                integers!($array, TimestampMicrosecondType, $values => $body)
            }
            ArrowType::Timestamp(TimeUnit::Nanosecond, _) => {
                integers!($array, TimestampNanosecondType, $values => $body)
            }
            other => return Err(mistyped(other)),
        }
    };
}
macro_rules! integers {
    ($array:expr, $type:ty, $values:ident => $body:expr) => {{
        let $values = $array.as_primitive::<$type>().values();
        $body
    }};
}

fn mistyped(found: &ArrowType) -> ArrowError {
    ArrowError::SchemaError(format!("an aggregate's argument is {found}, which was not planned"))
}

/// The rows that an update reads: row `rows[i]` belongs to group `groups[i]`.
#[derive(Clone, Copy)]
pub(crate) struct Rows<'a> {
    pub(crate) rows: &'a [u32],
    pub(crate) groups: &'a [u32],
}

impl Rows<'_> {
    /// Calls `visit` with group and row of all rows that are not null in `array`.
    #[inline]
    fn each(self, array: &dyn Array, mut visit: impl FnMut(usize, usize)) {
        match array.nulls().filter(|n| n.null_count() > 0) {
            None => {
                for (row, group) in self.rows.iter().zip(self.groups) {
                    visit(*group as usize, *row as usize);
                }
            }
            Some(nulls) => {
                for (row, group) in self.rows.iter().zip(self.groups) {
                    if nulls.is_valid(*row as usize) {
                        visit(*group as usize, *row as usize);
                    }
                }
            }
        }
    }
}

#[inline]
fn improve<T: PartialOrd + Copy>(best: &mut Option<T>, candidate: T, max: bool) {
    let better = best.is_none_or(|b| if max { candidate > b } else { candidate < b });
    if better {
        *best = Some(candidate);
    }
}

fn improve_text(best: &mut Option<Box<str>>, candidate: &str, max: bool) {
    let better = best.as_deref().is_none_or(|b| if max { candidate > b } else { candidate < b });
    if better {
        *best = Some(candidate.into());
    }
}

fn add_decimal(sum: &mut i128, count: &mut i64, value: i128, times: i64) {
    match sum.checked_add(value).filter(|s| s.abs() < DECIMAL_BOUND) {
        Some(next) => (*sum, *count) = (next, *count + times),
        None => (*sum, *count) = (0, 0),
    }
}

impl Accumulator {
    /// Makes room for `groups` groups; new ones begin empty.
    pub(crate) fn resize(&mut self, groups: usize) {
        match self {
            Self::Count(count) => count.resize(groups, 0),
            Self::Integer { sum, count } => {
                sum.resize(groups, 0);
                count.resize(groups, 0);
            }
            Self::Single { sum, count } => {
                sum.resize(groups, 0.0);
                count.resize(groups, 0);
            }
            Self::Double { sum, count } => {
                sum.resize(groups, 0.0);
                count.resize(groups, 0);
            }
            Self::Decimal { sum, count } => {
                sum.resize(groups, 0);
                count.resize(groups, 0);
            }
            Self::IntegerExtreme { value, .. } => value.resize(groups, None),
            Self::DoubleExtreme { value, .. } => value.resize(groups, None),
            Self::DecimalExtreme { value, .. } => value.resize(groups, None),
            Self::TextExtreme { value, .. } => value.resize(groups, None),
            Self::Distinct(distinct) => distinct.resize(groups),
            Self::Registered(states) => states.resize(groups),
        }
    }

    /// Takes rows in. `argument` is `None` for `COUNT(*)`.
    pub(crate) fn update(&mut self, rows: Rows<'_>, argument: Option<&dyn Array>) -> Result<(), ArrowError> {
        if let Self::Registered(states) = self {
            return states.update(rows.rows, rows.groups, argument).map_err(external);
        }
        let Some(array) = argument else {
            if let Self::Count(count) = self {
                rows.groups.iter().for_each(|g| count[*g as usize] += 1);
            }
            return Ok(());
        };
        match self {
            Self::Count(_) if array.data_type() == &ArrowType::Null => {}
            Self::Count(count) => rows.each(array, |group, _| count[group] += 1),
            Self::Integer { sum, count } => with_integers!(array, values => rows.each(array, |group, row| {
                #[allow(clippy::unnecessary_cast, reason = "the width differs from case to case")]
                let value = values[row] as i64;
                sum[group] = sum[group].wrapping_add(value);
                count[group] += 1;
            })),
            Self::Single { sum, count } => {
                let values = array.as_primitive::<Float32Type>().values();
                rows.each(array, |group, row| {
                    sum[group] += values[row];
                    count[group] += 1;
                });
            }
            Self::Double { sum, count } => {
                let wide = doubles(array)?;
                rows.each(array, |group, row| {
                    sum[group] += wide(row);
                    count[group] += 1;
                });
            }
            Self::Decimal { sum, count } => {
                let values = array.as_primitive::<Decimal128Type>().values();
                rows.each(array, |group, row| add_decimal(&mut sum[group], &mut count[group], values[row], 1));
            }
            Self::Distinct(distinct) => distinct.update(rows, array)?,
            _ => self.update_extreme(rows, array)?,
        }
        Ok(())
    }

    fn update_extreme(&mut self, rows: Rows<'_>, array: &dyn Array) -> Result<(), ArrowError> {
        match self {
            Self::IntegerExtreme { value, max } => {
                if let Some(booleans) = array.as_boolean_opt() {
                    rows.each(array, |g, row| improve(&mut value[g], i64::from(booleans.value(row)), *max));
                } else {
                    #[allow(clippy::unnecessary_cast, reason = "the width differs from case to case")]
                    let () = with_integers!(array, values => rows.each(array, |group, row| {
                        improve(&mut value[group], values[row] as i64, *max);
                    }));
                }
            }
            Self::DoubleExtreme { value, max } => {
                let wide = doubles(array)?;
                rows.each(array, |group, row| improve(&mut value[group], wide(row), *max));
            }
            Self::DecimalExtreme { value, max } => {
                let values = array.as_primitive::<Decimal128Type>().values();
                rows.each(array, |group, row| improve(&mut value[group], values[row], *max));
            }
            Self::TextExtreme { value, max } => {
                let values = array.as_string::<i32>();
                rows.each(array, |group, row| improve_text(&mut value[group], values.value(row), *max));
            }
            _ => {}
        }
        Ok(())
    }

    /// Takes the groups of `other` in: its group `i` goes into group `groups[i]`.
    pub(crate) fn merge(&mut self, groups: &[u32], other: &Self) -> Result<(), ArrowError> {
        let pairs = || groups.iter().map(|g| *g as usize).enumerate();
        match (self, other) {
            (Self::Count(count), Self::Count(other)) => pairs().for_each(|(i, g)| count[g] += other[i]),
            (Self::Integer { sum, count }, Self::Integer { sum: s, count: c }) => pairs().for_each(|(i, g)| {
                sum[g] = sum[g].wrapping_add(s[i]);
                count[g] += c[i];
            }),
            (Self::Single { sum, count }, Self::Single { sum: s, count: c }) => pairs().for_each(|(i, g)| {
                sum[g] += s[i];
                count[g] += c[i];
            }),
            (Self::Double { sum, count }, Self::Double { sum: s, count: c }) => pairs().for_each(|(i, g)| {
                sum[g] += s[i];
                count[g] += c[i];
            }),
            (Self::Decimal { sum, count }, Self::Decimal { sum: s, count: c }) => {
                pairs().for_each(|(i, g)| add_decimal(&mut sum[g], &mut count[g], s[i], c[i]));
            }
            (Self::IntegerExtreme { value, max }, Self::IntegerExtreme { value: v, .. }) => {
                pairs().for_each(|(i, g)| v[i].into_iter().for_each(|v| improve(&mut value[g], v, *max)));
            }
            (Self::DoubleExtreme { value, max }, Self::DoubleExtreme { value: v, .. }) => {
                pairs().for_each(|(i, g)| v[i].into_iter().for_each(|v| improve(&mut value[g], v, *max)));
            }
            (Self::DecimalExtreme { value, max }, Self::DecimalExtreme { value: v, .. }) => {
                pairs().for_each(|(i, g)| v[i].into_iter().for_each(|v| improve(&mut value[g], v, *max)));
            }
            (Self::TextExtreme { value, max }, Self::TextExtreme { value: v, .. }) => {
                pairs().for_each(|(i, g)| v[i].iter().for_each(|v| improve_text(&mut value[g], v, *max)));
            }
            (Self::Distinct(distinct), Self::Distinct(other)) => distinct.merge(groups, other)?,
            (Self::Registered(states), Self::Registered(other)) => states.merge(groups, other.as_ref()),
            // Both sides come from the same plan.
            _ => debug_assert!(false, "two different aggregates were merged"),
        }
        Ok(())
    }

    /// The groups `indices` alone, in that order.
    pub(crate) fn pick(&self, indices: &[u32]) -> Self {
        fn of<T: Clone>(values: &[T], indices: &[u32]) -> Vec<T> {
            indices.iter().map(|i| values[*i as usize].clone()).collect()
        }
        match self {
            Self::Count(count) => Self::Count(of(count, indices)),
            Self::Integer { sum, count } => Self::Integer { sum: of(sum, indices), count: of(count, indices) },
            Self::Single { sum, count } => Self::Single { sum: of(sum, indices), count: of(count, indices) },
            Self::Double { sum, count } => Self::Double { sum: of(sum, indices), count: of(count, indices) },
            Self::Decimal { sum, count } => Self::Decimal { sum: of(sum, indices), count: of(count, indices) },
            Self::IntegerExtreme { value, max } => Self::IntegerExtreme { value: of(value, indices), max: *max },
            Self::DoubleExtreme { value, max } => Self::DoubleExtreme { value: of(value, indices), max: *max },
            Self::DecimalExtreme { value, max } => Self::DecimalExtreme { value: of(value, indices), max: *max },
            Self::TextExtreme { value, max } => Self::TextExtreme { value: of(value, indices), max: *max },
            Self::Distinct(distinct) => Self::Distinct(Box::new(distinct.pick(indices))),
            Self::Registered(states) => Self::Registered(states.pick(indices)),
        }
    }

    /// Writes the states of all groups down; [`Accumulator::load`] of an accumulator of the same type reads them.
    pub(crate) fn save(&self) -> Result<Vec<u8>, String> {
        match self {
            Self::Count(count) => saved(count),
            Self::Integer { sum, count } => saved(&(sum, count)),
            Self::Single { sum, count } => saved(&(sum, count)),
            Self::Double { sum, count } => saved(&(sum, count)),
            Self::Decimal { sum, count } => saved(&(sum, count)),
            Self::IntegerExtreme { value, .. } => saved(value),
            Self::DoubleExtreme { value, .. } => saved(value),
            Self::DecimalExtreme { value, .. } => saved(value),
            Self::TextExtreme { value, .. } => saved(value),
            Self::Distinct(distinct) => distinct.save(),
            Self::Registered(states) => states.save(),
        }
    }

    /// Reads the states of `groups` groups into an accumulator without groups.
    ///
    /// # Errors
    /// Says what is wrong when they are not what was written for this type and so many groups.
    pub(crate) fn load(&mut self, bytes: &[u8], groups: usize) -> Result<(), String> {
        let wrong = |found: usize| format!("states of {found} groups where there are {groups}");
        let same = |found: usize| if found == groups { Ok(()) } else { Err(wrong(found)) };
        let both = |sums: usize, counts: usize| same(sums).and_then(|()| same(counts));
        match self {
            Self::Count(count) => {
                *count = loaded(bytes)?;
                same(count.len())
            }
            Self::Integer { sum, count } => {
                (*sum, *count) = loaded(bytes)?;
                both(sum.len(), count.len())
            }
            Self::Single { sum, count } => {
                (*sum, *count) = loaded(bytes)?;
                both(sum.len(), count.len())
            }
            Self::Double { sum, count } => {
                (*sum, *count) = loaded(bytes)?;
                both(sum.len(), count.len())
            }
            Self::Decimal { sum, count } => {
                (*sum, *count) = loaded(bytes)?;
                both(sum.len(), count.len())
            }
            Self::IntegerExtreme { value, .. } => {
                *value = loaded(bytes)?;
                same(value.len())
            }
            Self::DoubleExtreme { value, .. } => {
                *value = loaded(bytes)?;
                same(value.len())
            }
            Self::DecimalExtreme { value, .. } => {
                *value = loaded(bytes)?;
                same(value.len())
            }
            Self::TextExtreme { value, .. } => {
                *value = loaded(bytes)?;
                same(value.len())
            }
            Self::Distinct(distinct) => distinct.load(bytes, groups),
            Self::Registered(states) => states.load(bytes, groups),
        }
    }

    /// Bytes of memory for each group, texts aside.
    pub(crate) fn bytes_per_group(&self) -> usize {
        match self {
            Self::Count(_) => 8,
            Self::Single { .. } => 12,
            Self::Integer { .. } | Self::Double { .. } => 16,
            Self::Decimal { .. } => 24,
            Self::IntegerExtreme { .. } | Self::DoubleExtreme { .. } => 16,
            Self::DecimalExtreme { .. } => 32,
            Self::TextExtreme { .. } => 40,
            Self::Distinct(distinct) => distinct.inner().bytes_per_group(),
            Self::Registered(states) => states.bytes_per_group(),
        }
    }

    /// Bytes of memory that go with values rather than with groups.
    pub(crate) fn bytes_of_values(&self) -> usize {
        if let Self::Distinct(distinct) = self { distinct.bytes() } else { 0 }
    }

    /// The results of the groups `range`.
    pub(crate) fn finish(&self, aggregate: AggregateType, range: Range<usize>) -> Result<ArrayRef, ArrowError> {
        let average = aggregate.function == AggregateFunction::Avg;
        match self {
            Self::Count(count) => number(aggregate.result, count[range].iter().map(|c| Some(*c))),
            Self::Integer { sum, count } => {
                let of =
                    |i: usize| (count[i] > 0).then(|| if average { sum[i].wrapping_div(count[i]) } else { sum[i] });
                number(aggregate.result, range.map(of))
            }
            Self::Single { sum, count } => real(aggregate.result, range.map(|i| (count[i] > 0).then(|| sum[i].into()))),
            Self::Double { sum, count } => {
                let of = |i: usize| (count[i] > 0).then(|| if average { sum[i] / count[i] as f64 } else { sum[i] });
                real(aggregate.result, range.map(of))
            }
            Self::Decimal { sum, count } => {
                let of = |i: usize| {
                    let by = if average { count[i] } else { count[i].min(1) };
                    finished_decimal(sum[i], by, aggregate.argument, aggregate.result)
                };
                decimal(aggregate.result, range.map(of))
            }
            Self::IntegerExtreme { value, .. } => number(aggregate.result, value[range].iter().copied()),
            Self::DoubleExtreme { value, .. } => real(aggregate.result, value[range].iter().copied()),
            Self::DecimalExtreme { value, .. } => decimal(aggregate.result, value[range].iter().copied()),
            Self::Distinct(distinct) => distinct.inner().finish(aggregate, range),
            Self::Registered(states) => states.finish(range, aggregate.result).map_err(external),
            Self::TextExtreme { value, .. } => {
                Ok(Arc::new(value[range].iter().map(|v| v.as_deref()).collect::<StringArray>()))
            }
        }
    }
}

/// A value as the bytes that a checkpoint keeps.
pub(crate) fn saved(value: &impl Serialize) -> Result<Vec<u8>, String> {
    postcard::to_allocvec(value).map_err(|e| format!("a state cannot be written: {e}"))
}

/// What [`saved`] gave, nothing else.
pub(crate) fn loaded<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, String> {
    match postcard::take_from_bytes(bytes) {
        Ok((value, [])) => Ok(value),
        Ok((_, rest)) => Err(format!("{} bytes follow the states", rest.len())),
        Err(error) => Err(format!("the states cannot be read: {error}")),
    }
}

/// The failure of a registered function on its way through what fails with Arrow's errors.
fn external(error: crate::expr::EvalError) -> ArrowError {
    ArrowError::ExternalError(Box::new(error))
}

/// Reads doubles from an array of either precision.
fn doubles<'a>(array: &'a dyn Array) -> Result<Box<dyn Fn(usize) -> f64 + 'a>, ArrowError> {
    if let Some(doubles) = array.as_primitive_opt::<Float64Type>() {
        let values = doubles.values();
        return Ok(Box::new(move |row| values[row]));
    }
    let Some(singles) = array.as_primitive_opt::<Float32Type>() else { return Err(mistyped(array.data_type())) };
    let values = singles.values();
    Ok(Box::new(move |row| values[row].into()))
}

/// A sum of decimals, if there is one.
pub(crate) fn within_decimal(sum: Option<i128>) -> Option<i128> {
    sum.filter(|s| s.abs() < DECIMAL_BOUND)
}

/// `sum` of decimals of the type `argument`, divided `by` their number for a mean, as `result`; `None` when there were none
/// and when it does not fit.
pub(crate) fn finished_decimal(sum: i128, by: i64, argument: Option<DataType>, result: DataType) -> Option<i128> {
    let DataType::Decimal(_, scale) = result else { return None };
    let argument = match argument {
        Some(DataType::Decimal(_, s)) => s,
        _ => scale,
    };
    let raise = 10_i128.pow(u32::from(scale.saturating_sub(argument)));
    let raised = (by > 0).then(|| sum.checked_mul(raise)).flatten()?;
    within_decimal(Some(half_up(raised, by.into())))
}

/// `value / by`, rounded half away from zero; `by` > 0.
fn half_up(value: i128, by: i128) -> i128 {
    let (quotient, rest) = (value / by, value % by);
    if rest.abs() >= by - rest.abs() { quotient + rest.signum() } else { quotient }
}

fn build<T: ArrowPrimitiveType>(
    result: DataType,
    values: impl Iterator<Item = Option<T::Native>>,
) -> Result<ArrayRef, ArrowError> {
    let mut builder = PrimitiveBuilder::<T>::with_capacity(values.size_hint().0);
    values.for_each(|v| builder.append_option(v));
    retype(builder, result)
}

pub(crate) fn number(result: DataType, values: impl Iterator<Item = Option<i64>>) -> Result<ArrayRef, ArrowError> {
    match result.arrow() {
        ArrowType::Boolean => Ok(Arc::new(values.map(|v| v.map(|v| v != 0)).collect::<BooleanArray>())),
        ArrowType::Int8 => build::<Int8Type>(result, values.map(|v| v.map(|v| v as i8))),
        ArrowType::Int16 => build::<Int16Type>(result, values.map(|v| v.map(|v| v as i16))),
        ArrowType::Int32 | ArrowType::Date32 | ArrowType::Time32(_) => {
            build::<Int32Type>(result, values.map(|v| v.map(|v| v as i32)))
        }
        ArrowType::Int64 | ArrowType::Timestamp(..) => build::<Int64Type>(result, values),
        other => Err(mistyped(&other)),
    }
}

pub(crate) fn real(result: DataType, values: impl Iterator<Item = Option<f64>>) -> Result<ArrayRef, ArrowError> {
    match result {
        DataType::Float => build::<Float32Type>(result, values.map(|v| v.map(|v| v as f32))),
        DataType::Double => build::<Float64Type>(result, values),
        other => Err(mistyped(&other.arrow())),
    }
}

pub(crate) fn decimal(result: DataType, values: impl Iterator<Item = Option<i128>>) -> Result<ArrayRef, ArrowError> {
    build::<Decimal128Type>(result, values)
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::{Decimal128Array, Float32Array, Int32Array, Int64Array};

    /// All rows in one group; also in two halves that are merged.
    fn check(function: AggregateFunction, argument: DataType, result: DataType, array: ArrayRef, expected: &str) {
        let aggregate = AggregateType { function, argument: Some(argument), distinct: false, result };
        let rows: Vec<u32> = (0..array.len() as u32).collect();
        let groups = vec![0; rows.len()];
        let over = |rows: &[u32]| {
            let mut accumulator = aggregate.accumulator().unwrap();
            accumulator.resize(1);
            accumulator.update(Rows { rows, groups: &groups[..rows.len()] }, Some(array.as_ref())).unwrap();
            accumulator
        };
        let shown = |a: &Accumulator| {
            let result = a.finish(aggregate, 0..1).unwrap();
            let field = crate::types::Field { name: "r".into(), data_type: aggregate.result, nullable: true };
            let cell = crate::run::encode::Cell::bind(&field, result.as_ref()).unwrap();
            let mut out = Vec::new();
            if cell.is_null(0) {
                out.extend_from_slice(b"null")
            } else {
                cell.write_plain(0, &mut out)
            }
            String::from_utf8(out).unwrap()
        };
        let whole = over(&rows);
        assert_eq!(shown(&whole), expected, "{function:?} of {argument}");
        let (left, right) = rows.split_at(rows.len() / 2);
        let mut merged = over(left);
        merged.merge(&[0], &over(right).pick(&[0])).unwrap();
        assert_eq!(shown(&merged), expected, "{function:?} of {argument}, merged");
    }

    #[test]
    fn aggregates_are_those_of_flink() {
        use AggregateFunction::{Avg, Count, Max, Min, Sum};
        let longs = |v: Vec<Option<i64>>| -> ArrayRef { Arc::new(Int64Array::from(v)) };
        let big = DataType::BigInt;
        check(Sum, big, big, longs(vec![Some(i64::MAX), None, Some(1)]), "-9223372036854775808");
        check(Sum, big, big, longs(vec![None, None]), "null");
        check(Count, big, big, longs(vec![None, Some(1), None]), "1");
        check(Avg, big, big, longs(vec![Some(-3), Some(-4)]), "-3");
        check(Min, big, big, longs(vec![None, Some(5), Some(-2)]), "-2");
        check(Max, big, big, longs(vec![None, None]), "null");
        let ints: ArrayRef = Arc::new(Int32Array::from(vec![i32::MAX, 1]));
        check(Sum, DataType::Int, DataType::Int, ints.clone(), "-2147483648");
        check(Avg, DataType::Int, DataType::Int, ints, "1073741824");
        let floats: ArrayRef = Arc::new(Float32Array::from(vec![0.1, 0.2]));
        check(Sum, DataType::Float, DataType::Float, floats.clone(), "0.3");
        check(Max, DataType::Float, DataType::Float, floats, "0.2");
        let decimals: ArrayRef =
            Arc::new(Decimal128Array::from(vec![100, -201]).with_precision_and_scale(5, 2).unwrap());
        let (narrow, wide, mean) = (DataType::Decimal(5, 2), DataType::Decimal(38, 2), DataType::Decimal(38, 6));
        check(Sum, narrow, wide, decimals.clone(), "-1.01");
        check(Avg, narrow, mean, decimals.clone(), "-0.505000");
        check(Max, narrow, narrow, decimals, "1.00");
        let texts: ArrayRef = Arc::new(StringArray::from(vec![Some("b"), None, Some("é"), Some("")]));
        check(Max, DataType::STRING, DataType::STRING, texts.clone(), "é");
        check(Min, DataType::STRING, DataType::STRING, texts, "");
        let truths: ArrayRef = Arc::new(BooleanArray::from(vec![Some(false), Some(true), None]));
        check(Min, DataType::Boolean, DataType::Boolean, truths, "false");
        assert_eq!(half_up(-5, 2), -3);
        assert_eq!(half_up(5, 3), 2);
        assert_eq!(half_up(4, 3), 1);
    }
}
