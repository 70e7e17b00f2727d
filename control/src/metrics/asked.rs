//! What is asked of the values of a period, in words: `Average`, `p99.9`, `TM(10%:90%)`.

use super::point::Statistic;
use super::summary::{Spread, Summary};
use serde::{Deserialize, Serialize};

/// A statistic by its words.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Asked {
    words: String,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Statistic(Statistic),
    Spread(Spread),
}

/// The words that are no statistic.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no statistic: there are SampleCount, Average, Sum, Minimum, Maximum, IQM, percentiles such as p99, and trimmed ones such as tm90 or TM(10%:90%)"
)]
pub struct NoStatistic(pub String);

const STATISTICS: [(&str, Statistic); 5] = [
    ("SampleCount", Statistic::SampleCount),
    ("Average", Statistic::Average),
    ("Sum", Statistic::Sum),
    ("Minimum", Statistic::Minimum),
    ("Maximum", Statistic::Maximum),
];

impl Asked {
    /// The statistic of these words.
    ///
    /// # Errors
    /// When there is none.
    pub fn parse(words: &str) -> Result<Self, NoStatistic> {
        let plain =
            STATISTICS.iter().find(|(name, _)| *name == words).map(|(_, statistic)| Kind::Statistic(*statistic));
        let kind = plain.or_else(|| spread(words).map(Kind::Spread)).ok_or_else(|| NoStatistic(words.to_owned()))?;
        Ok(Self { words: words.to_owned(), kind })
    }

    /// The words.
    pub fn words(&self) -> &str {
        &self.words
    }

    /// The statistic, where it is one of the five that need no spread.
    pub fn statistic(&self) -> Option<Statistic> {
        if let Kind::Statistic(statistic) = self.kind { Some(statistic) } else { None }
    }

    /// The percentile, as a part of 1, where it is one.
    pub fn percentile(&self) -> Option<f64> {
        if let Kind::Spread(Spread::Percentile(part)) = self.kind { Some(part) } else { None }
    }

    /// What it is of these values; `None` where that is not known.
    pub fn of(&self, summary: &Summary) -> Option<f64> {
        match self.kind {
            Kind::Statistic(statistic) => Some(summary.get(statistic)),
            Kind::Spread(spread) => summary.spread_of(spread),
        }
    }
}

impl From<Asked> for String {
    fn from(asked: Asked) -> Self {
        asked.words
    }
}

impl TryFrom<String> for Asked {
    type Error = NoStatistic;

    fn try_from(words: String) -> Result<Self, NoStatistic> {
        Self::parse(&words)
    }
}

/// A part of 1 from hundredths within 0 and 100, with ten digits behind the point at most.
fn part(words: &str) -> Option<f64> {
    let legal = |c: char| c.is_ascii_digit() || c == '.';
    let short = words.split_once('.').is_none_or(|(_, behind)| behind.len() <= 10);
    let hundredths: f64 = if words.chars().all(legal) && short { words.parse().ok()? } else { return None };
    (0.0..=100.0).contains(&hundredths).then_some(hundredths / 100.0)
}

fn spread(words: &str) -> Option<Spread> {
    if words == "IQM" {
        return Some(Spread::TrimmedMean(0.25, 0.75));
    }
    if let Some((name, bounds)) = words.strip_suffix(')').and_then(|words| words.split_once('(')) {
        return bounded(name, bounds);
    }
    let below = |prefix: &str| words.strip_prefix(prefix).and_then(part);
    below("tm")
        .map(|to| Spread::TrimmedMean(0.0, to))
        .or_else(|| below("tc").map(|to| Spread::TrimmedCount(0.0, to)))
        .or_else(|| below("ts").map(|to| Spread::TrimmedSum(0.0, to)))
        .or_else(|| below("wm").map(|to| Spread::WinsorizedMean(0.0, to)))
        .or_else(|| below("p").map(Spread::Percentile))
}

fn bounded(name: &str, bounds: &str) -> Option<Spread> {
    let (low, high) = bounds.split_once(':')?;
    if name == "PR" {
        let bound = |words: &str, open: f64| if words.is_empty() { Some(open) } else { words.parse::<f64>().ok() };
        let (above, to) = (bound(low, f64::NEG_INFINITY)?, bound(high, f64::INFINITY)?);
        return (above < to).then_some(Spread::Rank(above, to));
    }
    let bound = |words: &str, open: f64| if words.is_empty() { Some(open) } else { part(words.strip_suffix('%')?) };
    let (low, high) = (bound(low, 0.0)?, bound(high, 1.0)?);
    if low >= high {
        return None;
    }
    match name {
        "TM" => Some(Spread::TrimmedMean(low, high)),
        "TC" => Some(Spread::TrimmedCount(low, high)),
        "TS" => Some(Spread::TrimmedSum(low, high)),
        "WM" => Some(Spread::WinsorizedMean(low, high)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_statistics_or_refused() {
        for (words, expected) in [
            ("Sum", Some(Kind::Statistic(Statistic::Sum))),
            ("p99.5", Some(Kind::Spread(Spread::Percentile(0.995)))),
            ("p100", Some(Kind::Spread(Spread::Percentile(1.0)))),
            ("tm90", Some(Kind::Spread(Spread::TrimmedMean(0.0, 0.9)))),
            ("TM(10%:)", Some(Kind::Spread(Spread::TrimmedMean(0.1, 1.0)))),
            ("WM(:95%)", Some(Kind::Spread(Spread::WinsorizedMean(0.0, 0.95)))),
            ("PR(:300)", Some(Kind::Spread(Spread::Rank(f64::NEG_INFINITY, 300.0)))),
            ("sum", None),
            ("p", None),
            ("p101", None),
            ("p99.12345678901", None),
            ("TM(90%:10%)", None),
            ("TM(10:90)", None),
            ("XX(1%:2%)", None),
        ] {
            assert_eq!(Asked::parse(words).ok().map(|asked| asked.kind), expected, "{words}");
        }
    }
}
