//! What an alarm is made of.

use super::judge::Rule;
use super::rule::Composite;
use crate::metrics::{Question, Wanted, What};
use model::{Classified, Kind};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Longest name, in characters.
pub const ALARM_NAME_CHARS_MAX: usize = 255;
/// Longest time that an alarm may look back, in seconds: of periods below an hour, and of others.
const LOOK_BACK_S_MAX: (u64, u64) = (86_400, 7 * 86_400);
/// Periods below a minute that an alarm may have, in seconds.
const SHORT_PERIODS_S: [u64; 3] = [10, 20, 30];

/// The state of an alarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum State {
    /// What is watched is as it should be.
    Ok,
    /// It is not.
    Alarm,
    /// Nobody can tell.
    InsufficientData,
}

impl State {
    /// Every state.
    pub const ALL: [Self; 3] = [Self::Ok, Self::Alarm, Self::InsufficientData];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Alarm => "ALARM",
            Self::InsufficientData => "INSUFFICIENT_DATA",
        }
    }

    /// The state of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// An alarm as somebody wants it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Alarm {
    /// 1–255 characters, none of them for control.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// Whether changes of its state are followed by actions.
    pub actions_enabled: bool,
    /// What is done when it becomes OK.
    pub ok_actions: Vec<String>,
    /// What is done when it becomes ALARM.
    pub alarm_actions: Vec<String>,
    /// What is done when nobody can tell any more.
    pub insufficient_data_actions: Vec<String>,
    /// What it watches.
    pub watches: Watches,
}

/// What an alarm watches.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Watches {
    /// Numbers.
    Numbers(Watch),
    /// Other alarms.
    Alarms(Composite),
}

/// Numbers against a threshold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Watch {
    /// One series, or an expression with what it is over; one of them is returned.
    pub questions: Vec<Question>,
    /// Whether it was asked for as one series, and is told as such.
    pub single: bool,
    /// How many of the latest periods are looked at.
    pub evaluation_periods: u32,
    /// How many of them must be beyond the threshold, where that is not all of them.
    pub datapoints: Option<u32>,
    /// The threshold.
    pub threshold: f64,
    /// Which side of it is a trouble.
    pub comparison: Comparison,
    /// What a period without a value means; `None`: nobody has said, which is [`Missing::Missing`].
    pub missing: Option<Missing>,
    /// What a percentile of few values means; `None`: nobody has said, which is [`LowSamples::Evaluate`].
    pub low_samples: Option<LowSamples>,
}

/// Which side of the threshold is a trouble.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Comparison {
    /// Above, or on it.
    GreaterOrEqual,
    /// Above.
    Greater,
    /// Below.
    Less,
    /// Below, or on it.
    LessOrEqual,
}

impl Comparison {
    const NAMES: [(&str, Self); 4] = [
        ("GreaterThanOrEqualToThreshold", Self::GreaterOrEqual),
        ("GreaterThanThreshold", Self::Greater),
        ("LessThanThreshold", Self::Less),
        ("LessThanOrEqualToThreshold", Self::LessOrEqual),
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(_, comparison)| *comparison == self).map_or("", |(name, _)| name)
    }

    /// The comparison of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(known, _)| *known == name).map(|(_, comparison)| *comparison)
    }

    /// Its words between a value and the threshold.
    pub fn words(self) -> &'static str {
        match self {
            Self::GreaterOrEqual => "greater than or equal to",
            Self::Greater => "greater than",
            Self::Less => "less than",
            Self::LessOrEqual => "less than or equal to",
        }
    }

    /// Whether a value is a trouble.
    pub fn breaches(self, value: f64, threshold: f64) -> bool {
        match self {
            Self::GreaterOrEqual => value >= threshold,
            Self::Greater => value > threshold,
            Self::Less => value < threshold,
            Self::LessOrEqual => value <= threshold,
        }
    }
}

/// What a period without a value means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Missing {
    /// Nothing; without any value nobody can tell.
    Missing,
    /// The state stays.
    Ignore,
    /// A trouble.
    Breaching,
    /// No trouble.
    NotBreaching,
}

impl Missing {
    const NAMES: [(&str, Self); 4] = [
        ("missing", Self::Missing),
        ("ignore", Self::Ignore),
        ("breaching", Self::Breaching),
        ("notBreaching", Self::NotBreaching),
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(_, missing)| *missing == self).map_or("", |(name, _)| name)
    }

    /// What has this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(known, _)| *known == name).map(|(_, missing)| *missing)
    }
}

/// What a percentile of few values means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum LowSamples {
    /// What it says.
    Evaluate,
    /// The state stays.
    Ignore,
}

/// Why an alarm is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SpecError {
    /// Something is out of its bounds.
    #[error("alarm {alarm}: {reason}")]
    Bounds {
        /// The alarm.
        alarm: String,
        /// What is wrong, and what it may be.
        reason: String,
    },
    /// It could never say what it is meant to say.
    #[error("alarm {alarm} cannot say what it is meant to: {reason}")]
    Doubt {
        /// The alarm.
        alarm: String,
        /// Why.
        reason: String,
    },
}

impl Classified for SpecError {
    fn kind(&self) -> Kind {
        Kind::Invalid
    }
}

impl Watch {
    /// The question whose answer is compared.
    pub fn returned(&self) -> Option<&Question> {
        self.questions.iter().find(|question| question.returned)
    }

    /// The series, where it watches just one.
    pub fn series(&self) -> Option<&Wanted> {
        match self.questions.as_slice() {
            [Question { what: What::Series(wanted), .. }] => Some(wanted),
            _ => None,
        }
    }

    /// All series that it is about.
    pub fn all_series(&self) -> impl Iterator<Item = &Wanted> {
        self.questions.iter().filter_map(|question| match &question.what {
            What::Series(wanted) => Some(wanted),
            What::Expression(..) => None,
        })
    }

    /// Length of its periods, in seconds: the longest one of all that it is about.
    pub fn period_s(&self) -> u64 {
        self.questions.iter().filter_map(Question::period_s).max().unwrap_or(60)
    }

    /// How many of its latest periods must be beyond the threshold.
    pub fn datapoints(&self) -> u32 {
        self.datapoints.unwrap_or(self.evaluation_periods)
    }

    /// How often it is evaluated, in seconds.
    pub fn every_s(&self) -> u64 {
        let period_s = self.period_s();
        match period_s {
            0..60 => 10,
            _ if period_s * u64::from(self.evaluation_periods) > 86_400 => 3_600,
            _ => 60,
        }
    }

    /// How values are judged.
    pub fn rule(&self) -> Rule {
        Rule {
            evaluation_periods: self.evaluation_periods as usize,
            datapoints: self.datapoints() as usize,
            threshold: self.threshold,
            comparison: self.comparison,
            missing: self.missing.unwrap_or(Missing::Missing),
        }
    }

    fn wrong(&self) -> Option<String> {
        let (periods, period_s) = (u64::from(self.evaluation_periods), self.period_s());
        let longest_s = if period_s < 3_600 { LOOK_BACK_S_MAX.0 } else { LOOK_BACK_S_MAX.1 };
        if periods == 0 {
            return Some("it looks at no period; evaluation periods are 1 or more".to_owned());
        }
        if !(1..=self.evaluation_periods).contains(&self.datapoints()) {
            let (m, n) = (self.datapoints(), self.evaluation_periods);
            return Some(format!("{m} of {n} periods cannot be beyond the threshold; it must be 1 to {n}"));
        }
        if !period_s.is_multiple_of(60) && !SHORT_PERIODS_S.contains(&period_s) {
            return Some(format!("a period of {period_s} s is not 10, 20, 30 or a multiple of 60"));
        }
        if period_s.saturating_mul(periods) > longest_s {
            let hours = longest_s / 3_600;
            return Some(format!(
                "{periods} periods of {period_s} s are more than the {hours} h that it may look back"
            ));
        }
        if !self.threshold.is_finite() {
            return Some("its threshold is no number".to_owned());
        }
        match self.questions.iter().filter(|question| question.returned).count() {
            1 => None,
            count => Some(format!("{count} of its metrics return data; exactly one must")),
        }
    }
}

impl Alarm {
    /// What is done when it comes to a state.
    pub fn actions(&self, state: State) -> &[String] {
        match state {
            State::Ok => &self.ok_actions,
            State::Alarm => &self.alarm_actions,
            State::InsufficientData => &self.insufficient_data_actions,
        }
    }

    /// Whether all of it is within its bounds.
    ///
    /// # Errors
    /// Names the first bound that is broken.
    pub fn check(&self) -> Result<(), SpecError> {
        let bounds = |reason: String| SpecError::Bounds { alarm: self.name.clone(), reason };
        let chars = self.name.chars().count();
        if !(1..=ALARM_NAME_CHARS_MAX).contains(&chars) || self.name.chars().any(char::is_control) {
            let reason = format!("its name must have 1 to {ALARM_NAME_CHARS_MAX} characters, none of them for control");
            return Err(bounds(reason));
        }
        if let Watches::Numbers(watch) = &self.watches
            && let Some(reason) = watch.wrong()
        {
            return Err(bounds(reason));
        }
        Ok(())
    }
}
