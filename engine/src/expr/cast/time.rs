//! Casts between dates, times, timestamps and points in time.

use super::super::calendar::{DAY_MS, Moment};
use super::super::value::{Value, integer_at, narrowed};
use super::super::{EvalError, Zone};
use super::{collect, retyped};
use crate::types::{DataType, time_unit};
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef};

/// Converts between any two of these types by way of the wall clock.
pub(super) fn convert(value: &Value, from: DataType, to: DataType, zone: Zone) -> Result<ArrayRef, EvalError> {
    if is_widening(from, to) && from.arrow() == to.arrow() {
        return Ok(retyped(&value.array));
    }
    let array = &value.array;
    let values = collect::<Int64Type>(array.len(), |row| {
        if array.is_null(row) {
            return Ok(None);
        }
        let carrier = integer_at(array, row).ok_or_else(|| EvalError::mismatch("times", array.data_type()))?;
        Ok(carrier_of(wall(carrier, from, zone), to, zone))
    })?;
    narrowed(values, to).ok_or_else(|| EvalError::new(format!("internal fault: no cast to {to}")))
}

/// Whether every value of `from` is one of `to` as it stands.
fn is_widening(from: DataType, to: DataType) -> bool {
    match (from, to) {
        (DataType::Timestamp(a), DataType::Timestamp(b)) | (DataType::TimestampLtz(a), DataType::TimestampLtz(b)) => {
            a <= b && time_unit(a) == time_unit(b)
        }
        (DataType::Time(a), DataType::Time(b)) => a <= b,
        _ => false,
    }
}

/// What the wall clock reads at a value.
pub(super) fn wall(carrier: i64, from: DataType, zone: Zone) -> Moment {
    match from {
        DataType::Date => Moment::of_ms(carrier.saturating_mul(DAY_MS)),
        DataType::Timestamp(p) => Moment::from_carrier(carrier, p),
        DataType::TimestampLtz(p) => {
            let instant = Moment::from_carrier(carrier, p);
            Moment { ms: zone.wall_ms(instant.ms), nanos: instant.nanos }
        }
        _ => Moment::of_ms(carrier),
    }
}

/// The value of type `to` at a reading of the wall clock; `None` when the type cannot hold it. Days are counted toward
/// 1970, as Flink counts them.
pub(super) fn carrier_of(wall: Moment, to: DataType, zone: Zone) -> Option<i64> {
    match to {
        DataType::Date => Some(wall.ms / DAY_MS),
        DataType::Timestamp(p) => wall.to_carrier(p),
        DataType::TimestampLtz(p) => Moment { ms: zone.epoch_ms(wall.ms), nanos: wall.nanos }.to_carrier(p),
        DataType::Time(p) => {
            let unit = 10_i64.pow(3 - u32::from(p.min(3)));
            Some(wall.ms % DAY_MS / unit * unit)
        }
        _ => None,
    }
}
