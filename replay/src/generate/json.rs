//! Writes the few kinds of JSON value that a trip is made of, fast and without a float's surprises.

/// Appends values to a buffer.
pub(super) struct Json<'a>(&'a mut Vec<u8>);

const S_PER_DAY: i64 = 86_400;

impl<'a> Json<'a> {
    pub(super) fn new(out: &'a mut Vec<u8>) -> Self {
        Self(out)
    }

    /// Text as it is.
    pub(super) fn raw(&mut self, text: &str) -> &mut Self {
        self.0.extend_from_slice(text.as_bytes());
        self
    }

    /// A whole number.
    pub(super) fn whole(&mut self, number: u64) -> &mut Self {
        let mut digits = [0; 20];
        let mut at = digits.len();
        let mut rest = number;
        loop {
            at -= 1;
            digits[at] = b'0' + (rest % 10) as u8;
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        self.0.extend_from_slice(&digits[at..]);
        self
    }

    /// A digit in quotes, or null.
    pub(super) fn digit_text(&mut self, digit: Option<u8>) -> &mut Self {
        match digit {
            Some(digit) => self.0.extend_from_slice(&[b'"', b'0' + digit % 10, b'"']),
            None => return self.raw("null"),
        }
        self
    }

    /// Hundredths as a number with a decimal point and no zero at the end but the first: 250 as 2.5, 300 as 3.0.
    pub(super) fn hundredths(&mut self, hundredths: Option<i64>) -> &mut Self {
        match hundredths {
            Some(hundredths) => self.fixed(hundredths, 2),
            None => self.raw("null"),
        }
    }

    /// Degrees to six decimals.
    pub(super) fn degrees(&mut self, degrees: f64) -> &mut Self {
        let millionths = degrees * 1e6;
        self.fixed((if millionths < 0.0 { millionths - 0.5 } else { millionths + 0.5 }) as i64, 6)
    }

    fn fixed(&mut self, number: i64, decimals: usize) -> &mut Self {
        if number < 0 {
            self.0.push(b'-');
        }
        let scale = 10_u64.pow(decimals as u32);
        let (whole, mut part) = (number.unsigned_abs() / scale, number.unsigned_abs() % scale);
        self.whole(whole).0.push(b'.');
        let mut digits = [b'0'; 8];
        let digits = &mut digits[..decimals];
        for digit in digits.iter_mut().rev() {
            *digit += (part % 10) as u8;
            part /= 10;
        }
        let used = digits.iter().rposition(|digit| *digit != b'0').map_or(1, |last| last + 1);
        self.0.extend_from_slice(&digits[..used]);
        self
    }

    /// A second since 1970 as `"YYYY-MM-DDTHH:MM:SS.000Z"`.
    pub(super) fn time(&mut self, at_s: i64) -> &mut Self {
        let (year, month, day) = date(at_s.div_euclid(S_PER_DAY));
        let of_day = at_s.rem_euclid(S_PER_DAY);
        let mut text = *b"\"0000-00-00T00:00:00.000Z\"";
        let mut put = |at: usize, number: i64| {
            text[at] += (number / 10 % 10) as u8;
            text[at + 1] += (number % 10) as u8;
        };
        put(1, year / 100);
        put(3, year);
        put(6, month);
        put(9, day);
        put(12, of_day / 3_600);
        put(15, of_day / 60 % 60);
        put(18, of_day % 60);
        self.0.extend_from_slice(&text);
        self
    }
}

/// Year, month and day of a day since 1970. Years are counted from March, in cycles of 400.
fn date(days_from_1970: i64) -> (i64, i64, i64) {
    let from_march_0 = days_from_1970 + 719_468;
    let (cycle, of_cycle) = (from_march_0.div_euclid(146_097), from_march_0.rem_euclid(146_097));
    let year_of_cycle = (of_cycle - of_cycle / 1_460 + of_cycle / 36_524 - of_cycle / 146_096) / 365;
    let of_year = of_cycle - (365 * year_of_cycle + year_of_cycle / 4 - year_of_cycle / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (cycle * 400 + year_of_cycle + i64::from(month < 3), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl Fn(&mut Json<'_>)) -> String {
        let mut out = Vec::new();
        write(&mut Json::new(&mut out));
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn numbers_look_as_in_recorded_data() {
        let cents = |cents| {
            written(|json| {
                json.hundredths(Some(cents));
            })
        };
        assert_eq!(
            [cents(0), cents(30), cents(554), cents(1_000), cents(-250)],
            ["0.0", "0.3", "5.54", "10.0", "-2.5"]
        );
        let degrees = |degrees| {
            written(|json| {
                json.degrees(degrees);
            })
        };
        assert_eq!([degrees(40.68047), degrees(-73.953_341), degrees(0.0)], ["40.68047", "-73.953341", "0.0"]);
        assert_eq!(
            written(|json| {
                json.whole(0).raw(" ").whole(u64::MAX);
            }),
            "0 18446744073709551615"
        );
        assert_eq!(
            written(|json| {
                json.digit_text(Some(2)).digit_text(None).hundredths(None);
            }),
            "\"2\"nullnull"
        );
    }

    #[test]
    fn times_are_calendar_times() {
        let time = |at_s| {
            written(|json| {
                json.time(at_s);
            })
        };
        assert_eq!(time(0), "\"1970-01-01T00:00:00.000Z\"");
        assert_eq!(time(1_452_038_400 + 86_399), "\"2016-01-06T23:59:59.000Z\"");
        assert_eq!(time(1_456_704_000), "\"2016-02-29T00:00:00.000Z\"");
        assert_eq!(time(-1), "\"1969-12-31T23:59:59.000Z\"");
        assert_eq!(time(951_868_800), "\"2000-03-01T00:00:00.000Z\"");
    }
}
