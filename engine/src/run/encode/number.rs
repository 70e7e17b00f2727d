//! Numbers as text, the way Java writes them.

use std::io::Write;

/// Bits of the digits of a double and of a float.
const DOUBLE_BITS: u32 = 53;
const SINGLE_BITS: u32 = 24;

/// Appends a double as `Double.toString` writes it: at least one digit after the point, an exponent below 1e-3 and from
/// 1e7 on.
pub(crate) fn write_f64(value: f64, out: &mut Vec<u8>) {
    write_real(value, DOUBLE_BITS, out, |out| {
        let _ = write!(out, "{:e}", value.abs());
    });
}

/// Appends a float as `Float.toString` writes it.
pub(crate) fn write_f32(value: f32, out: &mut Vec<u8>) {
    write_real(value.into(), SINGLE_BITS, out, |out| {
        let _ = write!(out, "{:e}", value.abs());
    });
}

fn write_real(value: f64, bits: u32, out: &mut Vec<u8>, scientific: impl Fn(&mut Vec<u8>)) {
    if value.is_nan() {
        return out.extend_from_slice(b"NaN");
    }
    if value.is_sign_negative() {
        out.push(b'-');
    }
    if value.is_infinite() {
        return out.extend_from_slice(b"Infinity");
    }
    if value == 0.0 {
        return out.extend_from_slice(b"0.0");
    }
    let magnitude = value.abs();
    if magnitude.fract() == 0.0 && magnitude < 9_223_372_036_854_775_808.0 {
        return write_whole(magnitude as u64, bits, out);
    }
    // The shortest digits that read back as the same number: `d.ddde±x`.
    let start = out.len();
    scientific(out);
    let text = out.split_off(start);
    let at = text.iter().position(|c| *c == b'e').unwrap_or(text.len());
    let exponent = text.get(at + 1..).and_then(|t| std::str::from_utf8(t).ok()).and_then(|t| t.parse::<i32>().ok());
    let digits: Vec<u8> = text[..at].iter().copied().filter(u8::is_ascii_digit).collect();
    place_point(&digits, exponent.unwrap_or(0), out);
}

/// Appends a whole number. Java (17) writes all its digits but those that lie wholly below the precision, where others
/// write the fewest that read back as the same number.
fn write_whole(magnitude: u64, bits: u32, out: &mut Vec<u8>) {
    let excess = (63 - magnitude.leading_zeros()).saturating_sub(bits + 1);
    let dropped = if excess > 1 { (f64::from(excess) * std::f64::consts::LOG10_2) as u32 } else { 0 };
    let power = 10_u64.pow(dropped);
    let rounded = magnitude / power + u64::from(dropped > 0 && magnitude % power >= power / 2);
    let text = rounded.to_string();
    let exponent = (text.len() as u32 + dropped) as i32 - 1;
    let digits = text.trim_end_matches('0').as_bytes();
    place_point(digits, exponent, out);
}

/// Appends `digits` (the first one before the point) times ten to the `exponent`.
fn place_point(digits: &[u8], exponent: i32, out: &mut Vec<u8>) {
    let fraction = |rest: &[u8], out: &mut Vec<u8>| {
        out.push(b'.');
        out.extend_from_slice(if rest.is_empty() { b"0" } else { rest });
    };
    match exponent {
        -3..=-1 => {
            out.extend_from_slice(b"0.");
            out.extend(std::iter::repeat_n(b'0', (-exponent - 1) as usize));
            out.extend_from_slice(digits);
        }
        0..=6 => {
            let whole = exponent as usize + 1;
            out.extend_from_slice(&digits[..whole.min(digits.len())]);
            out.extend(std::iter::repeat_n(b'0', whole.saturating_sub(digits.len())));
            fraction(digits.get(whole..).unwrap_or_default(), out);
        }
        _ => {
            out.extend_from_slice(&digits[..1]);
            fraction(&digits[1..], out);
            let _ = write!(out, "E{exponent}");
        }
    }
}

/// Appends a decimal without an exponent. With `strip`, zeros at its end are left out (and the point with the last).
pub(crate) fn write_decimal(unscaled: i128, scale: u32, strip: bool, out: &mut Vec<u8>) {
    let (mut magnitude, mut scale) = (unscaled.unsigned_abs(), scale as usize);
    while strip && scale > 0 && magnitude.is_multiple_of(10) {
        magnitude /= 10;
        scale -= 1;
    }
    let digits = magnitude.to_string();
    if unscaled < 0 {
        out.push(b'-');
    }
    let whole = digits.len().saturating_sub(scale);
    out.extend_from_slice(if whole == 0 { b"0" } else { &digits.as_bytes()[..whole] });
    if scale > 0 {
        out.push(b'.');
        out.extend(std::iter::repeat_n(b'0', scale.saturating_sub(digits.len())));
        out.extend_from_slice(&digits.as_bytes()[whole..]);
    }
}

/// Appends an integer.
pub(crate) fn write_i64(value: i64, out: &mut Vec<u8>) {
    let mut digits = [0_u8; 20];
    let mut at = digits.len();
    let mut rest = value.unsigned_abs();
    // Two digits for each division, which is what takes the time.
    while rest >= 100 {
        let pair = (rest % 100) as u8;
        rest /= 100;
        at -= 2;
        digits[at] = b'0' + pair / 10;
        digits[at + 1] = b'0' + pair % 10;
    }
    if rest >= 10 {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    at -= 1;
    digits[at] = b'0' + rest as u8;
    if value < 0 {
        out.push(b'-');
    }
    out.extend_from_slice(&digits[at..]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn f64_text(value: f64) -> String {
        let mut out = Vec::new();
        write_f64(value, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn doubles_look_as_in_java() {
        for (value, text) in [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1.0, "1.0"),
            (100.0, "100.0"),
            (1.5, "1.5"),
            (0.001, "0.001"),
            (0.000_999, "9.99E-4"),
            (9_999_999.0, "9999999.0"),
            (1e7, "1.0E7"),
            (1.234_567_89e10, "1.23456789E10"),
            (-1e-5, "-1.0E-5"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-Infinity"),
            (123_456.789, "123456.789"),
            (0.012, "0.012"),
            (9_007_199_254_740_992.0, "9.007199254740992E15"),
            ((1_u64 << 60) as f64, "1.15292150460684698E18"),
            (1e20, "1.0E20"),
        ] {
            assert_eq!(f64_text(value), text);
        }
        for (value, text) in [
            (0.1_f32, "0.1"),
            (123_456_789.0, "1.23456792E8"),
            (9_007_199_254_740_992.0, "9.0071993E15"),
            (16_777_216.0, "1.6777216E7"),
        ] {
            let mut out = Vec::new();
            write_f32(value, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), text);
        }
    }

    #[test]
    fn decimals_are_plain() {
        for (unscaled, scale, stripped, kept) in [
            (150, 2, "1.5", "1.50"),
            (-5, 3, "-0.005", "-0.005"),
            (0, 2, "0", "0.00"),
            (1_000, 0, "1000", "1000"),
            (1_000, 2, "10", "10.00"),
            (12_345, 2, "123.45", "123.45"),
        ] {
            for (strip, text) in [(true, stripped), (false, kept)] {
                let mut out = Vec::new();
                write_decimal(unscaled, scale, strip, &mut out);
                assert_eq!(String::from_utf8(out).unwrap(), text);
            }
        }
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(bits in any::<u64>(), int in any::<i64>()) {
            let value = f64::from_bits(bits);
            if value.is_finite() {
                prop_assert_eq!(f64_text(value).parse::<f64>().unwrap().to_bits(), bits);
            }
            let mut out = Vec::new();
            write_i64(int, &mut out);
            prop_assert_eq!(String::from_utf8(out).unwrap(), int.to_string());
        }
    }
}
