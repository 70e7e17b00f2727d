//! Column values: every kind of field holds 64-bit whole numbers that order as its values do.

use crate::mapping::FieldKind;

/// The column value of a floating point number. −0.0 stands below 0.0, and infinities at the ends.
pub(crate) fn from_f64(value: f64) -> i64 {
    let bits = value.to_bits() as i64;
    bits ^ (((bits >> 63) as u64) >> 1) as i64
}

/// The floating point number of a column value.
pub(crate) fn to_f64(value: i64) -> f64 {
    f64::from_bits((value ^ (((value >> 63) as u64) >> 1) as i64) as u64)
}

/// The number that aggregations compute with.
#[inline]
pub(crate) fn as_number(kind: FieldKind, value: i64) -> f64 {
    if kind.is_fractional() { to_f64(value) } else { value as f64 }
}

/// Reads a whole number as documents give it: fractions are cut, text is taken. `None`: no number; `Some(None)`: one
/// that does not fit into 64 bits.
pub(crate) fn parse_whole(text: &str) -> Option<Option<i64>> {
    if let Ok(whole) = text.parse() {
        return Some(Some(whole));
    }
    let plain = text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'-' | b'+' | b'.' | b'e' | b'E'));
    if !plain {
        return None;
    }
    let number: f64 = text.parse().ok()?;
    // Without an exponent the digits before the point are the exact whole part.
    if let (Some((whole, _)), false) = (text.split_once('.'), text.contains(['e', 'E'])) {
        return Some(if matches!(whole, "" | "-" | "+") { Some(0) } else { whole.parse().ok() });
    }
    // 2^63 itself is the first number that does not fit.
    let fits = (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&number);
    Some(fits.then_some(number as i64))
}

/// Reads a number with a fraction as documents give it: decimal, or hexadecimal with a binary exponent (`0x1p3`).
pub(crate) fn parse_fraction(text: &str) -> Option<f64> {
    let text = text.trim();
    text.parse().ok().or_else(|| parse_hexadecimal(text))
}

fn parse_hexadecimal(text: &str) -> Option<f64> {
    let (sign, plain) = match text.as_bytes().first()? {
        b'-' => (-1.0, &text[1..]),
        b'+' => (1.0, &text[1..]),
        _ => (1.0, text),
    };
    let digits = plain.strip_prefix("0x").or_else(|| plain.strip_prefix("0X"))?;
    let (mantissa, exponent) = digits.split_once(['p', 'P'])?;
    let exponent: i32 = exponent.parse().ok().filter(|e: &i32| e.abs() < 2_000)?;
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    // More digits than a number holds would have to be rounded: they are refused.
    let significant = format!("{whole}{fraction}");
    if significant.is_empty() || significant.trim_start_matches('0').len() > 13 {
        return None;
    }
    let value = u64::from_str_radix(&significant, 16).ok()? as f64;
    Some(sign * value * 2f64.powi(exponent - 4 * fraction.len() as i32))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn whole_numbers() {
        for (text, expected) in [
            ("7", Some(Some(7))),
            ("7.9", Some(Some(7))),
            ("-1.9", Some(Some(-1))),
            ("-0.5", Some(Some(0))),
            (".5", Some(Some(0))),
            ("1e3", Some(Some(1_000))),
            ("9007199254740993.7", Some(Some(9_007_199_254_740_993))),
            ("9.3e18", Some(None)),
            ("9223372036854775808", Some(None)),
            ("ten", None),
            ("inf", None),
            ("", None),
            ("-", None),
        ] {
            assert_eq!(parse_whole(text), expected, "{text}");
        }
    }

    #[test]
    fn hexadecimal_numbers() {
        for (text, expected) in [
            ("0x1p3", Some(8.0)),
            ("-0x1.8p1", Some(-3.0)),
            (" 1.5 ", Some(1.5)),
            ("0x1", None),
            ("0xp1", None),
            ("0x1pé", None),
        ] {
            assert_eq!(parse_fraction(text), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn columns_order_as_numbers_do(a in any::<f64>(), b in any::<f64>()) {
            prop_assert_eq!(to_f64(from_f64(a)).to_bits(), a.to_bits());
            prop_assert_eq!(from_f64(a).cmp(&from_f64(b)), a.total_cmp(&b));
        }
    }
}
