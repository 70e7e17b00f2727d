//! Decimals: integers times a power of ten, with Flink's rules for the type of a result and for rounding (half up, away
//! from zero), and null where a result does not fit.

use crate::types::DataType;
use arrow_buffer::i256;

/// Most digits of a decimal.
pub(super) const DIGITS_MAX: u8 = 38;

/// 10^0 to 10^38.
const POWERS: [i128; 39] = {
    let mut powers = [1_i128; 39];
    let mut i = 1;
    while i < 39 {
        powers[i] = powers[i - 1] * 10;
        i += 1;
    }
    powers
};

/// 10 to the power of `exponent`, at most 38.
pub(super) fn power_of_ten(exponent: u8) -> i128 {
    POWERS[usize::from(exponent.min(DIGITS_MAX))]
}

/// Whether `value` has at most `precision` digits.
pub(super) fn fits(value: i128, precision: u8) -> bool {
    value.unsigned_abs() < power_of_ten(precision).unsigned_abs()
}

/// The type of a sum or a difference.
pub(super) fn sum_type((p1, s1): (u8, u8), (p2, s2): (u8, u8)) -> DataType {
    let scale = s1.max(s2);
    bounded(u32::from((p1 - s1).max(p2 - s2)) + u32::from(scale) + 1, u32::from(scale))
}

/// The type of a product.
pub(super) fn product_type((p1, s1): (u8, u8), (p2, s2): (u8, u8)) -> DataType {
    bounded(u32::from(p1) + u32::from(p2) + 1, u32::from(s1) + u32::from(s2))
}

/// The type of a quotient.
pub(super) fn quotient_type((p1, s1): (u8, u8), (p2, s2): (u8, u8)) -> DataType {
    let scale = (u32::from(s1) + u32::from(p2) + 1).max(6);
    bounded(u32::from(p1) - u32::from(s1) + u32::from(s2) + scale, scale)
}

/// The type of a remainder.
pub(super) fn remainder_type((p1, s1): (u8, u8), (p2, s2): (u8, u8)) -> DataType {
    let scale = s1.max(s2);
    bounded(u32::from((p1 - s1).min(p2 - s2)) + u32::from(scale), u32::from(scale))
}

/// A type with these digits, cut to what a decimal holds: digits before the point are kept first, then at least six
/// after it.
fn bounded(precision: u32, scale: u32) -> DataType {
    let most = u32::from(DIGITS_MAX);
    if precision <= most {
        return DataType::Decimal(precision.max(1) as u8, scale as u8);
    }
    let whole = precision - scale;
    let scale = scale.min(6).max(most.saturating_sub(whole));
    DataType::Decimal(DIGITS_MAX, scale as u8)
}

/// `value` of scale `from` in scale `to` and `precision`, rounded half up; `None` when it does not fit.
pub(super) fn rescale(value: i128, from: u8, to: u8, precision: u8) -> Option<i128> {
    let scaled = if to >= from {
        value.checked_mul(power_of_ten(to - from))?
    } else {
        divide_half_up(i256::from_i128(value), i256::from_i128(power_of_ten(from - to)))?
    };
    fits(scaled, precision).then_some(scaled)
}

/// `a / b` rounded half up, away from zero; `None` for a zero divisor or a result that does not fit.
pub(super) fn divide_half_up(a: i256, b: i256) -> Option<i128> {
    let quotient = a.checked_div(b)?;
    let rest = a.wrapping_sub(quotient.wrapping_mul(b)).wrapping_abs();
    let negative = a.is_negative() != b.is_negative();
    let up = rest.wrapping_add(rest) >= b.wrapping_abs();
    let step = if !up {
        i256::ZERO
    } else if negative {
        i256::MINUS_ONE
    } else {
        i256::ONE
    };
    quotient.wrapping_add(step).to_i128()
}

/// A wide intermediate result of scale `from` as a decimal of `(precision, scale)`.
pub(super) fn round_wide(value: i256, from: u32, (precision, scale): (u8, u8)) -> Option<i128> {
    let scaled = if u32::from(scale) >= from {
        value.checked_mul(wide_power(u32::from(scale) - from)?)?.to_i128()?
    } else {
        divide_half_up(value, wide_power(from - u32::from(scale))?)?
    };
    fits(scaled, precision).then_some(scaled)
}

/// 10 to the power of `exponent`, at most 76.
pub(super) fn wide_power(exponent: u32) -> Option<i256> {
    i256::from_i128(10).checked_pow(exponent)
}

/// How two decimals of different scales stand to each other.
pub(super) fn compare((a, a_scale): (i128, u8), (b, b_scale): (i128, u8)) -> std::cmp::Ordering {
    let scale = a_scale.max(b_scale);
    let widen = |v: i128, s: u8| i256::from_i128(v).wrapping_mul(i256::from_i128(power_of_ten(scale - s)));
    widen(a, a_scale).cmp(&widen(b, b_scale))
}

/// The nearest double.
pub(super) fn to_double(value: i128, scale: u8) -> f64 {
    // Up to 2^53 and 10^22 both numbers are exact, and so is their quotient to the last bit.
    if value.unsigned_abs() <= 1 << 53 && scale <= 22 {
        return value as f64 / 10_f64.powi(i32::from(scale));
    }
    format!("{value}e-{scale}").parse().unwrap_or(f64::NAN)
}

/// The decimal that a double's shortest text stands for, rounded to `scale`; `None` when it does not fit or is no
/// number.
pub(super) fn from_double(value: f64, (precision, scale): (u8, u8)) -> Option<i128> {
    if !value.is_finite() {
        return None;
    }
    parse(&format!("{value:e}"), (precision, scale))
}

/// Reads `[+-]digits[.digits][e[+-]digits]` rounded half up to `scale`; `None` when it is no number or does not fit.
pub(super) fn parse(text: &str, (precision, scale): (u8, u8)) -> Option<i128> {
    let (mantissa, exponent) = match text.find(['e', 'E']) {
        Some(at) => (&text[..at], text[at + 1..].parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (negative, digits) = match mantissa.as_bytes().first()? {
        b'-' => (true, &mantissa[1..]),
        b'+' => (false, &mantissa[1..]),
        _ => (false, mantissa),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all_digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    if whole.len() + fraction.len() == 0 || !all_digits(whole) || !all_digits(fraction) {
        return None;
    }
    let value = shifted_digits(whole, fraction, exponent.checked_add(i32::from(scale))?)?;
    let value = if negative { -value } else { value };
    fits(value, precision).then_some(value)
}

/// The number `whole.fraction × 10^shift`, rounded half up to an integer.
fn shifted_digits(whole: &str, fraction: &str, shift: i32) -> Option<i128> {
    let point = i64::from(shift) + whole.len() as i64;
    let mut digits = whole.bytes().chain(fraction.bytes()).map(|b| i128::from(b - b'0'));
    let mut value = 0_i128;
    let mut at = 0;
    while at < point {
        let digit = digits.next();
        if digit.is_none() && value == 0 {
            return Some(0);
        }
        value = value.checked_mul(10)?.checked_add(digit.unwrap_or(0))?;
        at += 1;
    }
    // The first digit cut off decides, unless the point stands before all digits.
    let next = if point < 0 { 0 } else { digits.next().unwrap_or(0) };
    value.checked_add(i128::from(next >= 5))
}

/// Writes a decimal with all digits of its scale.
pub(super) fn write(out: &mut String, value: i128, scale: u8) {
    use std::fmt::Write;
    let sign = if value < 0 { "-" } else { "" };
    let value = value.unsigned_abs();
    let unit = power_of_ten(scale).unsigned_abs();
    let _ = if scale == 0 {
        write!(out, "{sign}{value}")
    } else {
        write!(out, "{sign}{}.{:0width$}", value / unit, value % unit, width = usize::from(scale))
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_reads_back(value in -(10_i128.pow(38) - 1)..10_i128.pow(38), scale in 0_u8..=38) {
            let mut text = String::new();
            write(&mut text, value, scale);
            prop_assert_eq!(parse(&text, (38, scale)), Some(value));
        }

        #[test]
        fn rounding_never_moves_by_more_than_half(value in -10_i128.pow(30)..10_i128.pow(30), cut in 1_u8..10) {
            let rounded = rescale(value, cut, 0, 38).unwrap();
            let unit = power_of_ten(cut);
            prop_assert!((rounded * unit - value).abs() * 2 <= unit);
        }

        #[test]
        fn order_does_not_depend_on_scale(a in any::<i64>(), b in any::<i64>(), more in 0_u8..18) {
            let scaled = i128::from(a) * power_of_ten(more);
            prop_assert_eq!(compare((scaled, more), (i128::from(b), 0)), a.cmp(&b));
        }
    }

    #[test]
    fn types_of_results_are_those_of_flink() {
        assert_eq!(product_type((4, 3), (19, 0)), DataType::Decimal(24, 3));
        assert_eq!(sum_type((10, 2), (5, 4)), DataType::Decimal(13, 4));
        assert_eq!(quotient_type((10, 2), (5, 0)), DataType::Decimal(16, 8));
        assert_eq!(product_type((38, 10), (38, 10)), DataType::Decimal(38, 6));
        assert_eq!(remainder_type((10, 2), (5, 4)), DataType::Decimal(5, 4));
    }

    #[test]
    fn text_is_rounded_half_up_and_checked() {
        for (text, expected) in [
            ("1.005", Some(101)),
            ("-1.005", Some(-101)),
            ("1e2", Some(10_000)),
            ("0.004", Some(0)),
            ("1e-3", Some(0)),
            (".5", Some(50)),
            ("5.", Some(500)),
            ("1e400", None),
            ("0e400", Some(0)),
            ("12345678.9", None),
            ("", None),
            (".", None),
            ("1x", None),
        ] {
            assert_eq!(parse(text, (9, 2)), expected, "{text}");
        }
    }
}
