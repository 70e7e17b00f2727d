//! Floating-point numbers as text, digit for digit as Java 17 writes them.
//!
//! Java's digits are the shortest that read back, but for whole numbers beyond the bits of the type: of those it writes
//! the digits of the number itself, without as many at the end as mean nothing.

use super::calendar::push;

/// Bits of a double and of a float that carry digits.
const DOUBLE_BITS: u32 = 53;
const FLOAT_BITS: u32 = 24;

/// Appends a double.
pub(crate) fn write_double(out: &mut String, value: f64) {
    write(out, value, value.abs() as u128, DOUBLE_BITS, &format!("{:e}", value.abs()));
}

/// Appends a float.
pub(crate) fn write_float(out: &mut String, value: f32) {
    write(out, f64::from(value), value.abs() as u128, FLOAT_BITS, &format!("{:e}", value.abs()));
}

/// `size` is the number without sign and fraction, `shortest` its shortest digits as `d.ddde±x`.
fn write(out: &mut String, value: f64, size: u128, bits: u32, shortest: &str) {
    if value.is_nan() {
        return out.push_str("NaN");
    }
    if value.is_sign_negative() {
        out.push('-');
    }
    if value.is_infinite() {
        return out.push_str("Infinity");
    }
    if value == 0.0 {
        return out.push_str("0.0");
    }
    let (mantissa, exponent) = shortest.split_once('e').unwrap_or((shortest, "0"));
    let mut digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    let mut exponent: i32 = exponent.parse().unwrap_or(0);
    let width = 128 - size.leading_zeros();
    if width > bits && width <= 63 {
        (digits, exponent) = whole(size, (width - bits).saturating_sub(2));
    }
    place_point(out, &digits, exponent);
}

/// The digits of a whole number of which the lowest `spare` bits mean nothing, and the exponent of the first digit.
fn whole(size: u128, spare: u32) -> (String, i32) {
    let cut = if spare > 1 { (1_u128 << spare).ilog10() } else { 0 };
    let unit = 10_u128.pow(cut);
    let kept = (size + unit / 2) / unit;
    let text = kept.to_string();
    let exponent = (text.len() as u32 + cut) as i32 - 1;
    (text.trim_end_matches('0').to_owned(), exponent)
}

/// Appends `digits` with the point behind the first one, times ten to the `exponent`: as they are from 10^-3 up to 10^7,
/// else with an exponent.
fn place_point(out: &mut String, digits: &str, exponent: i32) {
    let or_zero = |rest: &str| if rest.is_empty() { "0".to_owned() } else { rest.to_owned() };
    match exponent {
        -3..=-1 => push(out, format_args!("0.{}{digits}", "0".repeat((-exponent - 1) as usize))),
        0..=6 => {
            let before = exponent as usize + 1;
            let padded = format!("{digits:0<before$}");
            push(out, format_args!("{}.{}", &padded[..before], or_zero(&padded[before..])));
        }
        _ => push(out, format_args!("{}.{}E{exponent}", &digits[..1], or_zero(&digits[1..]))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn double(value: f64) -> String {
        let mut out = String::new();
        write_double(&mut out, value);
        out
    }

    fn float(value: f32) -> String {
        let mut out = String::new();
        write_float(&mut out, value);
        out
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(value in any::<f64>(), narrow in any::<f32>()) {
            if value.is_finite() {
                prop_assert_eq!(double(value).parse::<f64>().unwrap(), value);
            }
            if narrow.is_finite() {
                prop_assert_eq!(float(narrow).parse::<f32>().unwrap(), narrow);
            }
        }
    }

    #[test]
    fn numbers_look_as_java_writes_them() {
        for (value, text) in [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1.0, "1.0"),
            (0.001, "0.001"),
            (0.0001, "1.0E-4"),
            (1_234_567.0, "1234567.0"),
            (12_345_678.0, "1.2345678E7"),
            (1e300, "1.0E300"),
            (9_007_199_254_740_992.0, "9.007199254740992E15"),
            (4_611_686_018_427_387_904.0, "4.6116860184273879E18"),
            (f64::NEG_INFINITY, "-Infinity"),
        ] {
            assert_eq!(double(value), text);
        }
        for (value, text) in [
            (0.1, "0.1"),
            (123_456_792.0, "1.23456792E8"),
            (9_007_199_254_740_992.0, "9.0071993E15"),
            (2_147_483_648.0, "2.14748365E9"),
            (9e9, "8.9999995E9"),
            (16_777_216.0, "1.6777216E7"),
        ] {
            assert_eq!(float(value), text);
        }
    }
}
