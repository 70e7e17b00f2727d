//! Decimal patterns (`0.00`, `000.#`): how numbers are written beside their value.

/// A pattern of digits before and after the point: `0` is always written, `#` only where there is something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Decimal {
    whole_min: usize,
    fraction_min: usize,
    fraction_max: usize,
}

impl Decimal {
    /// Reads a pattern; `None` when it has anything but digits and one point.
    pub(crate) fn new(pattern: &str) -> Option<Self> {
        let (whole, fraction) = pattern.split_once('.').unwrap_or((pattern, ""));
        let optional = whole.bytes().take_while(|b| *b == b'#').count();
        let required = fraction.bytes().take_while(|b| *b == b'0').count();
        let fits = !pattern.is_empty()
            && whole[optional..].bytes().all(|b| b == b'0')
            && fraction[required..].bytes().all(|b| b == b'#');
        fits.then(|| Self { whole_min: whole.len() - optional, fraction_min: required, fraction_max: fraction.len() })
    }

    /// Writes a number, rounded half to even.
    pub(crate) fn print(&self, value: f64) -> String {
        if !value.is_finite() {
            return if value.is_nan() { "NaN".to_owned() } else { if value > 0.0 { "∞" } else { "-∞" }.to_owned() };
        }
        let text = format!("{:.*}", self.fraction_max, value.abs());
        let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
        let cut = fraction.trim_end_matches('0').len().max(self.fraction_min);
        let whole = whole.trim_start_matches('0');
        let sign = if value.is_sign_negative() { "-" } else { "" };
        let point = if cut > 0 { "." } else { "" };
        format!("{sign}{whole:0>width$}{point}{}", &fraction[..cut], width = self.whole_min)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_follow_their_pattern() {
        for (pattern, value, text) in [
            ("0.00", 1239.0, "1239.00"),
            ("000.0", 19.5, "019.5"),
            ("0.0#", 2.0, "2.0"),
            ("#.##", 0.5, ".5"),
            ("0", 2.5, "2"),
            ("0", -3.7, "-4"),
        ] {
            assert_eq!(Decimal::new(pattern).unwrap().print(value), text, "{pattern}");
        }
        for pattern in ["", "$0", "0,000", "0.0.0", "0#.0", "qq"] {
            assert_eq!(Decimal::new(pattern), None, "{pattern}");
        }
    }
}
