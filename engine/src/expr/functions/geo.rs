//! Geohashes: a place as text whose beginning names the cells around it.

use super::super::EvalError;
use super::super::function::{CallSite, Kernel, ScalarFunction, Signature};
use super::super::value::Value;
use super::kernels::Integers;
use super::{Expr, fixed, type_list};
use crate::types::DataType;
use arrow_array::builder::StringBuilder;
use arrow_array::{ArrayRef, Float64Array};
use std::sync::Arc;

pub(super) const FUNCTIONS: &[ScalarFunction] =
    &[ScalarFunction { name: "GEOHASH", signature: geohash_types, prepare: geohash, can_fail: false }];

/// The digits of a geohash: no a, i, l, o.
const DIGITS: &[u8; 32] = b"0123456789bcdefghjkmnpqrstuvwxyz";

/// Longest geohash: beyond it a double cannot tell cells apart.
const PRECISION_MAX: i64 = 12;

fn geohash_types(args: &[Expr]) -> Result<Signature, String> {
    let numbers = args.len() == 3
        && args[..2].iter().all(|a| a.data_type.is_numeric() || a.data_type == DataType::Null)
        && (args[2].data_type.is_integer() || args[2].data_type == DataType::Null);
    if !numbers {
        let found = type_list(args);
        return Err(format!("GEOHASH takes (latitude, longitude, precision) as numbers, found ({found})"));
    }
    let mut signature = fixed(&[DataType::Double, DataType::Double, DataType::Int], DataType::STRING)?;
    // A place outside the globe or a precision out of bounds has no geohash.
    signature.nullable = true;
    Ok(signature)
}

fn geohash(_: &CallSite<'_>) -> Result<Kernel, EvalError> {
    Ok(Box::new(|args: &[Value], rows| {
        let (lat, lon) = (args[0].rows::<Float64Array>()?, args[1].rows::<Float64Array>()?);
        let precision = Integers::of(&args[2]);
        let mut out = StringBuilder::with_capacity(rows, rows * 8);
        let mut buffer = [0_u8; PRECISION_MAX as usize];
        for row in 0..rows {
            match (lat.get(row), lon.get(row), precision.get(row)?) {
                (Some(lat), Some(lon), Some(precision)) => {
                    out.append_option(encode(lat, lon, precision, &mut buffer));
                }
                _ => out.append_null(),
            }
        }
        Ok(Arc::new(out.finish()) as ArrayRef)
    }))
}

/// The geohash of a place; `None` outside −90..=90, −180..=180 and precisions 1..=12. A place on the edge between two
/// cells belongs to the upper one.
fn encode(lat: f64, lon: f64, precision: i64, buffer: &mut [u8; PRECISION_MAX as usize]) -> Option<&str> {
    let on_globe = (-90.0..=90.0).contains(&lat) && (-180.0..=180.0).contains(&lon);
    if !on_globe || !(1..=PRECISION_MAX).contains(&precision) {
        return None;
    }
    let bits = precision as u32 * 5;
    // Bits alternate, longitude first.
    let (lon_bits, lat_bits) = (bits.div_ceil(2), bits / 2);
    let (x, y) = (spread(cell(lon, 180.0, lon_bits)), spread(cell(lat, 90.0, lat_bits)));
    let code = if lon_bits > lat_bits { x | (y << 1) } else { (x << 1) | y };
    let digits = &mut buffer[..precision as usize];
    for (i, digit) in digits.iter_mut().enumerate() {
        *digit = DIGITS[(code >> (bits - 5 * (i as u32 + 1))) as usize & 31];
    }
    std::str::from_utf8(digits).ok()
}

/// Which of 2^`bits` equal parts of −`half`..=`half` holds `value`.
fn cell(value: f64, half: f64, bits: u32) -> u64 {
    let count = 1_u64 << bits;
    let width = 2.0 * half / count as f64;
    // The edges are exact in a double, the quotient is not: it may be off by one cell.
    let edge = |k: u64| k as f64 * width - half;
    let guess = ((value + half) / width) as u64;
    let k = guess.min(count - 1);
    if value < edge(k) {
        k - 1
    } else if k + 1 < count && value >= edge(k + 1) {
        k + 1
    } else {
        k
    }
}

/// Moves each bit to twice its place.
fn spread(value: u64) -> u64 {
    let mut v = value & 0xFFFF_FFFF;
    v = (v | (v << 16)) & 0x0000_FFFF_0000_FFFF;
    v = (v | (v << 8)) & 0x00FF_00FF_00FF_00FF;
    v = (v | (v << 4)) & 0x0F0F_0F0F_0F0F_0F0F;
    v = (v | (v << 2)) & 0x3333_3333_3333_3333;
    (v | (v << 1)) & 0x5555_5555_5555_5555
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn hash(lat: f64, lon: f64, precision: i64) -> Option<String> {
        encode(lat, lon, precision, &mut [0; 12]).map(str::to_owned)
    }

    /// The plain definition: halve the interval, one bit at a time.
    fn by_halving(lat: f64, lon: f64, precision: usize) -> String {
        let (mut y, mut x) = ((-90.0, 90.0), (-180.0, 180.0));
        let mut text = String::new();
        let mut longitude = true;
        for _ in 0..precision {
            let mut digit = 0;
            for _ in 0..5 {
                let (range, value) = if longitude { (&mut x, lon) } else { (&mut y, lat) };
                let middle = (range.0 + range.1) / 2.0;
                digit = digit * 2 + usize::from(value >= middle);
                if value >= middle {
                    range.0 = middle
                } else {
                    range.1 = middle
                }
                longitude = !longitude;
            }
            text.push(DIGITS[digit] as char);
        }
        text
    }

    proptest! {
        #[test]
        fn it_is_what_halving_gives(lat in -90.0..=90.0, lon in -180.0..=180.0, precision in 1_i64..=12) {
            prop_assert_eq!(hash(lat, lon, precision).unwrap(), by_halving(lat, lon, precision as usize));
        }

        #[test]
        fn on_edges_too(k in 0_u64..(1 << 20), step in 0_u64..4, precision in 1_i64..=12) {
            let lat = k as f64 * (180.0 / (1_u64 << 20) as f64) - 90.0;
            let lon = ((k + step) as f64 * (360.0 / (1_u64 << 20) as f64) - 180.0).min(180.0);
            prop_assert_eq!(hash(lat, lon, precision).unwrap(), by_halving(lat, lon, precision as usize));
        }
    }

    #[test]
    fn known_places() {
        assert_eq!(hash(57.64911, 10.40744, 11).as_deref(), Some("u4pruydqqvj"));
        assert_eq!(hash(40.7128, -74.006, 7).as_deref(), Some("dr5regw"));
        assert_eq!(hash(90.0, 180.0, 3).as_deref(), Some("zzz"));
        assert_eq!(hash(-90.0, -180.0, 3).as_deref(), Some("000"));
        for (lat, lon, precision) in
            [(90.1, 0.0, 5), (0.0, -180.5, 5), (f64::NAN, 0.0, 5), (0.0, 0.0, 0), (0.0, 0.0, 13)]
        {
            assert_eq!(hash(lat, lon, precision), None);
        }
    }
}
