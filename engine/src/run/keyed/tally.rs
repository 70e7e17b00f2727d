//! One aggregate of one key, row by row, from which rows can be taken back.

use super::Work;
use super::rows::RowCodec;
use super::state::Key;
use crate::expr::Scalar;
use crate::plan::{Aggregate, AggregateFunction};
use crate::run::aggregate::{finished_decimal, within_decimal};
use crate::types::{DataType, Field};
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_row::Rows;
use arrow_schema::ArrowError;
use serde::{Deserialize, Serialize};

/// The area of values that are kept one by one: behind the key the aggregate's number and the value, as value its count.
const VALUES: u8 = 3;

/// How one aggregate is computed.
pub(crate) struct Tally {
    aggregate: Aggregate,
    argument: Option<DataType>,
    result: DataType,
    /// Its number among the aggregates of its operator.
    number: u8,
    /// Encodes single values of the argument.
    codec: Option<RowCodec>,
    /// The greatest or least value must be known when others are taken back.
    keeps_values: bool,
}

/// What an aggregate of one key has come to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum Count {
    /// Rows or values.
    Rows(i64),
    /// Sum and number of integers.
    Integer(i64, i64),
    /// Sum and number of fractions.
    Real(f64, i64),
    /// Sum and number of decimals.
    Decimal(i128, i64),
    /// The greatest or least value as it is encoded; `None` where there is none, or where values are kept one by one.
    Extreme(Option<Vec<u8>>),
}

impl Tally {
    /// An aggregate over rows of `input`.
    ///
    /// # Errors
    /// When there is none such for its argument's type.
    pub(crate) fn new(
        aggregate: &Aggregate,
        input: &[Field],
        result: DataType,
        number: usize,
        retracts: bool,
    ) -> Result<Self, ArrowError> {
        let argument = aggregate.argument.map(|a| input[a].data_type);
        let extreme = matches!(aggregate.function, AggregateFunction::Min | AggregateFunction::Max);
        let known = match (aggregate.function, argument) {
            (AggregateFunction::Count, _) => true,
            (AggregateFunction::Sum | AggregateFunction::Avg, Some(t)) => t.is_numeric(),
            (AggregateFunction::Min | AggregateFunction::Max, Some(t)) => t != DataType::Null,
            _ => false,
        };
        if !known {
            let what = format!("{:?} is not supported without a window", aggregate.function);
            return Err(ArrowError::NotYetImplemented(what));
        }
        let codec =
            argument.filter(|_| extreme || aggregate.distinct).map(|t| RowCodec::new([t.arrow()])).transpose()?;
        let number = u8::try_from(number)
            .map_err(|_| ArrowError::NotYetImplemented("more than 256 aggregates without a window".into()))?;
        Ok(Self { aggregate: aggregate.clone(), argument, result, number, codec, keeps_values: extreme && retracts })
    }

    /// What it is before the first row.
    pub(crate) fn empty(&self) -> Count {
        match (self.aggregate.function, self.argument) {
            (AggregateFunction::Count, _) => Count::Rows(0),
            (AggregateFunction::Min | AggregateFunction::Max, _) => Count::Extreme(None),
            (_, Some(DataType::Decimal(..))) => Count::Decimal(0, 0),
            (_, Some(DataType::Float | DataType::Double)) => Count::Real(0.0, 0),
            _ => Count::Integer(0, 0),
        }
    }

    /// The argument's values, encoded where that is needed.
    pub(crate) fn encoded(&self, batch: &RecordBatch) -> Result<Option<Rows>, ArrowError> {
        let (Some(codec), Some(argument)) = (&self.codec, self.aggregate.argument) else { return Ok(None) };
        codec.encode(std::slice::from_ref(batch.column(argument)), batch.num_rows()).map(Some)
    }

    fn counts(&self, batch: &RecordBatch, row: usize) -> bool {
        let holds = |f: usize| {
            let filter = batch.column(f).as_boolean_opt();
            filter.is_some_and(|f| f.is_valid(row) && f.value(row))
        };
        let given = |a: usize| batch.column(a).is_valid(row);
        self.aggregate.filter.is_none_or(holds) && self.aggregate.argument.is_none_or(given)
    }

    /// Takes a row in, or back.
    pub(crate) fn update(
        &self,
        count: &mut Count,
        key: &Key,
        (batch, row, encoded): (&RecordBatch, usize, Option<&Rows>),
        adds: bool,
        work: &mut Work<'_>,
    ) {
        if !self.counts(batch, row) {
            return;
        }
        if let Some(encoded) = encoded
            && (self.aggregate.distinct || self.keeps_values)
            && !self.keep(key, encoded.row(row).data(), adds, work)
        {
            return;
        }
        let sign = if adds { 1 } else { -1 };
        let value =
            || self.argument.zip(self.aggregate.argument).map(|(t, a)| Scalar::from_array(batch.column(a), row, t));
        match count {
            Count::Rows(rows) => *rows += sign,
            Count::Integer(sum, number) => {
                if let Some(Scalar::Integer(value)) = value() {
                    *sum = if adds { sum.wrapping_add(value) } else { sum.wrapping_sub(value) };
                    *number += sign;
                }
            }
            Count::Real(sum, number) => {
                if let Some(Scalar::Float(value)) = value() {
                    *sum = self.rounded(if adds { *sum + value } else { *sum - value });
                    *number += sign;
                }
            }
            Count::Decimal(sum, number) => {
                if let Some(Scalar::Decimal(value)) = value() {
                    let next = if adds { sum.checked_add(value) } else { sum.checked_sub(value) };
                    (*sum, *number) = within_decimal(next).map_or((0, 0), |next| (next, *number + sign));
                }
            }
            Count::Extreme(best) if !self.keeps_values => {
                let Some(candidate) = encoded.map(|e| e.row(row).data()) else { return };
                let max = self.aggregate.function == AggregateFunction::Max;
                let better = best.as_deref().is_none_or(|b| if max { candidate > b } else { candidate < b });
                if better {
                    *best = Some(candidate.to_vec());
                }
            }
            Count::Extreme(_) => {}
        }
    }

    /// A sum of `FLOAT` is one.
    fn rounded(&self, sum: f64) -> f64 {
        let single = self.argument == Some(DataType::Float) && self.aggregate.function == AggregateFunction::Sum;
        if single { f64::from(sum as f32) } else { sum }
    }

    /// Counts a value; whether it is there now and was not before, or the other way round.
    fn keep(&self, key: &Key, value: &[u8], adds: bool, work: &mut Work<'_>) -> bool {
        let place = key.place(VALUES, &[&[self.number], value]);
        let before = work.state.get(&place).and_then(|v| v.first_chunk::<8>()).map_or(0, |c| i64::from_be_bytes(*c));
        let after = if adds { before + 1 } else { before - 1 };
        if after == 0 {
            work.state.remove(&place);
        } else {
            work.state.put(place, &after.to_be_bytes());
        }
        (before > 0) != (after > 0)
    }

    /// The result.
    pub(crate) fn result(&self, count: &Count, key: &Key, work: &Work<'_>) -> Result<Scalar, ArrowError> {
        let average = self.aggregate.function == AggregateFunction::Avg;
        Ok(match count {
            Count::Rows(rows) => Scalar::Integer(*rows),
            Count::Integer(_, 0) | Count::Real(_, 0) | Count::Decimal(_, 0) => Scalar::Null,
            Count::Integer(sum, number) if average => Scalar::Integer(sum.wrapping_div(*number)),
            Count::Integer(sum, _) => Scalar::Integer(*sum),
            Count::Real(sum, number) if average => Scalar::Float(sum / *number as f64),
            Count::Real(sum, _) => Scalar::Float(*sum),
            Count::Decimal(sum, number) => {
                let by = if average { *number } else { 1 };
                finished_decimal(*sum, by, self.argument, self.result).map_or(Scalar::Null, Scalar::Decimal)
            }
            Count::Extreme(best) if !self.keeps_values => match best {
                Some(best) => self.decoded(best)?,
                None => Scalar::Null,
            },
            Count::Extreme(_) => {
                let prefix = key.place(VALUES, &[&[self.number]]);
                let mut kept = work.state.within(&prefix).map(|(place, _)| &key.below(place)[1..]);
                let max = self.aggregate.function == AggregateFunction::Max;
                match if max { kept.next_back() } else { kept.next() } {
                    Some(best) => self.decoded(best)?,
                    None => Scalar::Null,
                }
            }
        })
    }

    fn decoded(&self, value: &[u8]) -> Result<Scalar, ArrowError> {
        let (Some(codec), Some(argument)) = (&self.codec, self.argument) else { return Ok(Scalar::Null) };
        let columns: Vec<ArrayRef> = codec.decode([value])?;
        Ok(columns.first().map_or(Scalar::Null, |c| Scalar::from_array(c.as_ref(), 0, argument)))
    }

    /// Forgets the values that are kept of a key.
    pub(crate) fn forget(&self, key: &Key, work: &mut Work<'_>) {
        let prefix = key.place(VALUES, &[&[self.number]]);
        let places: Vec<Vec<u8>> = work.state.within(&prefix).map(|(place, _)| place.to_vec()).collect();
        places.iter().for_each(|place| drop(work.state.remove(place)));
    }
}
