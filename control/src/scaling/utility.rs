//! The rule of the Kinesis Scaling Utility, whose public configuration is read as it is: a stream grows when what is put or
//! read stays above a part of what its shards take or give, and shrinks when both stay below another.

use serde::{Deserialize, Serialize};

/// How often a stream is looked at where the configuration does not say, in seconds.
const CHECK_INTERVAL_S: u64 = 45;
/// How often the count of shards is asked for where the configuration does not say, in minutes.
const REFRESH_MIN: u64 = 10;
/// How long a threshold must be crossed, and how long nothing is changed afterwards, where it does not say, in minutes.
const AFTER_MIN: u64 = 10;
const MS_PER_MIN: u64 = 60_000;

/// The configuration of one stream.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Policy {
    /// The stream.
    pub stream_name: String,
    /// Where it is; not looked at here, since the endpoint says it.
    #[serde(default)]
    pub region: Option<String>,
    /// What is looked at; both where nothing is said.
    #[serde(default)]
    pub scale_on_operation: Operations,
    /// Never fewer shards.
    #[serde(default = "one")]
    pub min_shards: u32,
    /// Never more shards; as many as a stream may have where nothing is said.
    #[serde(default)]
    pub max_shards: Option<u32>,
    /// How often the count of shards is asked for, in minutes.
    #[serde(default = "refresh_min")]
    pub refresh_shards_number_after_min: u64,
    /// How often the stream is looked at, in seconds.
    #[serde(default = "check_interval_s")]
    pub check_interval: u64,
    /// When and by how much it grows; never where this is missing.
    #[serde(default)]
    pub scale_up: Option<Side>,
    /// When and by how much it shrinks; never where this is missing.
    #[serde(default)]
    pub scale_down: Option<Side>,
}

/// What is looked at: one word or a list of them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Operations {
    /// Both.
    #[default]
    Both,
    /// One.
    One(Operation),
    /// Those in the list.
    List(Vec<Operation>),
}

/// An operation whose use is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Operation {
    /// Putting records.
    Put,
    /// Reading records.
    Get,
}

/// One direction.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Side {
    /// The part of what the shards take or give, in per cent.
    pub scale_threshold_pct: f64,
    /// How long it must be crossed, in minutes.
    #[serde(default = "after_min")]
    pub scale_after_mins: u64,
    /// By how many shards; wins over `scale_pct`.
    #[serde(default)]
    pub scale_count: Option<u32>,
    /// By what part of the present count, in per cent, rounded up.
    #[serde(default)]
    pub scale_pct: Option<u32>,
    /// How long nothing is changed in this direction after a change, in minutes.
    #[serde(default = "after_min")]
    pub cool_off_mins: u64,
    /// Whom to tell; not used here, decisions are logged.
    #[serde(default, rename = "notificationARN")]
    pub notification_arn: Option<String>,
}

fn one() -> u32 {
    1
}

fn refresh_min() -> u64 {
    REFRESH_MIN
}

fn check_interval_s() -> u64 {
    CHECK_INTERVAL_S
}

fn after_min() -> u64 {
    AFTER_MIN
}

/// What was seen of a stream.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Observation {
    /// When, in milliseconds since any fixed moment.
    pub now_ms: u64,
    /// How many shards take records.
    pub open_shards: u32,
    /// Whether its shards are being changed.
    pub changing: bool,
    /// What is put, accepted and refused, of what the shards take, in per cent: of bytes or records, whichever is more.
    pub put_pct: f64,
    /// What is read of what the shards give, in per cent.
    pub get_pct: f64,
}

/// What the rule remembers of a stream between two looks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Memory {
    above_since_ms: Option<u64>,
    below_since_ms: Option<u64>,
    grown_ms: Option<u64>,
    shrunk_ms: Option<u64>,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// The count to change to, if it is to be changed.
    pub target: Option<u32>,
    /// Why, with the figures that it follows from.
    pub reason: String,
    /// What to remember.
    pub memory: Memory,
}

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error, PartialEq)]
pub enum PolicyError {
    /// It is no JSON, or has other members than the utility's.
    #[error("the configuration is wrong: {0}")]
    Parse(String),
    /// A figure is out of its bounds.
    #[error("stream {stream}: {problem}")]
    Bounds {
        /// The stream.
        stream: String,
        /// What is wrong.
        problem: &'static str,
    },
}

impl Policy {
    /// Reads a configuration: one object, or a list of them.
    ///
    /// # Errors
    /// When it has another form, or a figure is out of its bounds.
    pub fn read(text: &str) -> Result<Vec<Self>, PolicyError> {
        let failed = |error: serde_json::Error| PolicyError::Parse(error.to_string());
        let value: serde_json::Value = serde_json::from_str(text).map_err(failed)?;
        let policies: Vec<Self> = if value.is_array() {
            serde_json::from_value(value).map_err(failed)?
        } else {
            vec![serde_json::from_value(value).map_err(failed)?]
        };
        for policy in &policies {
            if let Some(problem) = policy.problem() {
                return Err(PolicyError::Bounds { stream: policy.stream_name.clone(), problem });
            }
        }
        Ok(policies)
    }

    pub(super) fn problem(&self) -> Option<&'static str> {
        let sides = || self.scale_up.iter().chain(&self.scale_down);
        let crossed = self.scale_up.as_ref().zip(self.scale_down.as_ref());
        if self.min_shards < 1 || self.max_shards.is_some_and(|max| max < self.min_shards) {
            Some("minShards must be 1 at least, and maxShards not less")
        } else if !(1..=86_400).contains(&self.check_interval) {
            Some("checkInterval must be 1 to 86400 seconds")
        } else if sides().next().is_none() {
            Some("it has neither scaleUp nor scaleDown")
        } else if sides().any(|side| !(0.0..=1_000.0).contains(&side.scale_threshold_pct)) {
            Some("scaleThresholdPct must be 0 to 1000")
        } else if sides().any(|side| side.scale_count.or(side.scale_pct).unwrap_or(0) == 0) {
            Some("scaleUp and scaleDown need a scaleCount or scalePct above 0")
        } else if crossed.is_some_and(|(up, down)| down.scale_threshold_pct >= up.scale_threshold_pct) {
            Some("the threshold of scaleDown must be below the one of scaleUp")
        } else {
            None
        }
    }

    fn looks_at(&self, operation: Operation) -> bool {
        match &self.scale_on_operation {
            Operations::Both => true,
            Operations::One(one) => *one == operation,
            Operations::List(list) => list.contains(&operation),
        }
    }
}

impl Side {
    fn shards(&self, open_shards: u32) -> u32 {
        let part = |pct: u32| (u64::from(open_shards) * u64::from(pct)).div_ceil(100);
        self.scale_count.unwrap_or_else(|| self.scale_pct.map_or(0, |pct| u32::try_from(part(pct)).unwrap_or(u32::MAX)))
    }
}

/// What to do about a stream. `shards_max` is the most that a stream may have.
pub fn decide(policy: &Policy, seen: Observation, memory: Memory, shards_max: u32) -> Decision {
    if seen.changing {
        // What is measured now says nothing of the shards to come: neither threshold has been crossed yet.
        let memory = Memory { above_since_ms: None, below_since_ms: None, ..memory };
        return stay(memory, "its shards are being changed; never a second step while one is under way".to_owned());
    }
    let used = [(Operation::Put, seen.put_pct), (Operation::Get, seen.get_pct)];
    let used: Vec<f64> = used.iter().filter(|(what, _)| policy.looks_at(*what)).map(|(_, pct)| *pct).collect();
    let highest = used.iter().copied().fold(0.0, f64::max);
    let above = policy.scale_up.as_ref().filter(|side| highest > side.scale_threshold_pct);
    let below = policy.scale_down.as_ref().filter(|side| highest < side.scale_threshold_pct);
    let since = |crossed: bool, since_ms: Option<u64>| crossed.then(|| since_ms.unwrap_or(seen.now_ms));
    let memory = Memory {
        above_since_ms: since(above.is_some(), memory.above_since_ms),
        below_since_ms: since(below.is_some(), memory.below_since_ms),
        ..memory
    };
    let max = policy.max_shards.unwrap_or(shards_max).min(shards_max);
    match (above, below) {
        (Some(side), _) => grow(side, policy, seen, memory, max),
        (None, Some(side)) => shrink(side, policy, seen, memory, max),
        (None, None) => stay(memory, format!("{} is between the thresholds", told(seen))),
    }
}

fn grow(side: &Side, policy: &Policy, seen: Observation, memory: Memory, max: u32) -> Decision {
    let what = format!("{} is above {} %", told(seen), side.scale_threshold_pct);
    if let Some(why) = waits(side, seen.now_ms, memory.above_since_ms, memory.grown_ms) {
        return stay(memory, format!("{what}, {why}"));
    }
    let wanted = seen.open_shards.saturating_add(side.shards(seen.open_shards));
    let target = wanted.min(seen.open_shards.saturating_mul(2)).clamp(policy.min_shards.min(max), max);
    if target <= seen.open_shards {
        return stay(memory, format!("{what}, but {} shards are the most there may be", seen.open_shards));
    }
    let memory = Memory { above_since_ms: None, grown_ms: Some(seen.now_ms), ..memory };
    change(memory, target, wanted, format!("{what} for {} min: {}", side.scale_after_mins, step(side, seen, '+')))
}

fn shrink(side: &Side, policy: &Policy, seen: Observation, memory: Memory, max: u32) -> Decision {
    let what = format!("{} is below {} %", told(seen), side.scale_threshold_pct);
    if let Some(why) = waits(side, seen.now_ms, memory.below_since_ms, memory.shrunk_ms.max(memory.grown_ms)) {
        return stay(memory, format!("{what}, {why}"));
    }
    let wanted = seen.open_shards.saturating_sub(side.shards(seen.open_shards));
    let target = wanted.max(seen.open_shards.div_ceil(2)).clamp(policy.min_shards.min(max), max);
    if target >= seen.open_shards {
        return stay(memory, format!("{what}, but {} shards are the fewest there may be", seen.open_shards));
    }
    let memory = Memory { below_since_ms: None, shrunk_ms: Some(seen.now_ms), ..memory };
    change(memory, target, wanted, format!("{what} for {} min: {}", side.scale_after_mins, step(side, seen, '-')))
}

fn told(seen: Observation) -> String {
    format!("use (PUT {:.1} %, GET {:.1} % of {} shards)", seen.put_pct, seen.get_pct, seen.open_shards)
}

fn step(side: &Side, seen: Observation, sign: char) -> String {
    let shards = side.shards(seen.open_shards);
    match (side.scale_count, side.scale_pct) {
        (None, Some(pct)) => {
            format!("{} {sign} ceil({pct} % of {}) = {sign}{shards}", seen.open_shards, seen.open_shards)
        }
        _ => format!("{} {sign} {shards}", seen.open_shards),
    }
}

/// Why nothing is done yet, if so.
fn waits(side: &Side, now_ms: u64, crossed_ms: Option<u64>, changed_ms: Option<u64>) -> Option<String> {
    let crossed_for_ms = now_ms.saturating_sub(crossed_ms.unwrap_or(now_ms));
    let cooling_ms = changed_ms.map_or(u64::MAX, |changed_ms| now_ms.saturating_sub(changed_ms));
    if crossed_for_ms < side.scale_after_mins * MS_PER_MIN {
        let minutes = crossed_for_ms / MS_PER_MIN;
        return Some(format!("for {minutes} of the {} min that are waited for", side.scale_after_mins));
    }
    (cooling_ms < side.cool_off_mins * MS_PER_MIN).then(|| {
        format!("{} of the {} min after the last change have passed", cooling_ms / MS_PER_MIN, side.cool_off_mins)
    })
}

fn stay(memory: Memory, reason: String) -> Decision {
    Decision { target: None, reason, memory }
}

fn change(memory: Memory, target: u32, wanted: u32, reason: String) -> Decision {
    let bounded = if target == wanted { String::new() } else { format!(", bounded to {target}") };
    Decision { target: Some(target), reason: format!("{reason}{bounded}"), memory }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = r#"[{"streamName": "trips", "region": "us-east-1", "scaleOnOperation": ["PUT", "GET"],
        "minShards": 1, "maxShards": 200, "refreshShardsNumberAfterMin": 5, "checkInterval": 300,
        "scaleUp": {"scaleThresholdPct": 75, "scaleAfterMins": 5, "scalePct": 150, "coolOffMins": 5, "notificationARN": "x"},
        "scaleDown": {"scaleThresholdPct": 25, "scaleAfterMins": 1, "scaleCount": 1, "scalePct": 25, "coolOffMins": 5}}]"#;

    fn policy(change: impl FnOnce(&mut Policy)) -> Policy {
        let mut policy = Policy::read(EXAMPLE).unwrap().remove(0);
        change(&mut policy);
        policy
    }

    fn seen(minute: u64, open_shards: u32, put_pct: f64, get_pct: f64) -> Observation {
        Observation { now_ms: minute * MS_PER_MIN, open_shards, changing: false, put_pct, get_pct }
    }

    /// Runs the rule over looks that follow each other, and tells the minutes at which it changes something, and to what.
    fn run(policy: &Policy, looks: impl IntoIterator<Item = Observation>) -> Vec<(u64, u32)> {
        let mut memory = Memory::default();
        let mut changes = Vec::new();
        for look in looks {
            let decision = decide(policy, look, memory, 10_000);
            memory = decision.memory;
            changes.extend(decision.target.map(|target| (look.now_ms / MS_PER_MIN, target)));
        }
        changes
    }

    #[test]
    fn the_public_configuration_is_read_and_what_is_wrong_is_named() {
        let read = policy(|_| {});
        assert_eq!((read.stream_name.as_str(), read.max_shards, read.check_interval), ("trips", Some(200), 300));
        let single =
            r#"{"streamName": "s", "scaleOnOperation": "PUT", "scaleUp": {"scaleThresholdPct": 50, "scaleCount": 1}}"#;
        let single = Policy::read(single).unwrap().remove(0);
        assert_eq!((single.check_interval, single.refresh_shards_number_after_min, single.min_shards), (45, 10, 1));
        assert!(single.looks_at(Operation::Put) && !single.looks_at(Operation::Get));
        for (text, part) in [
            ("{", "EOF"),
            (r#"{"streamName": "s", "scaleUpp": {}}"#, "scaleUpp"),
            (r#"{"streamName": "s"}"#, "neither scaleUp nor scaleDown"),
            (r#"{"streamName": "s", "scaleUp": {"scaleThresholdPct": 50}}"#, "scaleCount or scalePct"),
            (
                r#"{"streamName": "s", "minShards": 3, "maxShards": 2, "scaleUp": {"scaleThresholdPct": 5, "scalePct": 5}}"#,
                "maxShards",
            ),
            (&EXAMPLE.replace("\"scaleThresholdPct\": 25", "\"scaleThresholdPct\": 75"), "must be below"),
        ] {
            let error = Policy::read(text).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn counts_are_rounded_up_as_the_utility_does() {
        let side = policy(|_| {}).scale_up.unwrap();
        assert_eq!(side.shards(75), 113);
        let down = Side { scale_count: None, ..policy(|_| {}).scale_down.unwrap() };
        assert_eq!(down.shards(75), 19);
        assert_eq!(policy(|_| {}).scale_down.unwrap().shards(75), 1, "the count wins over the part");
    }

    #[test]
    fn it_grows_when_either_stays_above_and_shrinks_when_both_stay_below() {
        let policy = policy(|_| {});
        assert_eq!(
            run(&policy, (0..8).map(|m| seen(m, 4, 10.0, 80.0))),
            [(5, 8)],
            "reading alone is enough; twice at most"
        );
        assert_eq!(run(&policy, (0..5).map(|m| seen(m, 4, 80.0, 80.0))), [], "not long enough");
        assert_eq!(run(&policy, (0..3).map(|m| seen(m, 4, 20.0, 30.0))), [], "one of them is not below");
        assert_eq!(run(&policy, (0..3).map(|m| seen(m, 4, 20.0, 20.0))), [(1, 3)]);
        let interrupted = (0..10).map(|m| seen(m, 4, if m == 4 { 70.0 } else { 80.0 }, 0.0));
        assert_eq!(run(&policy, interrupted), [], "the time above begins anew");
    }

    #[test]
    fn bounds_hold() {
        let narrow = policy(|p| (p.min_shards, p.max_shards) = (4, Some(6)));
        assert_eq!(run(&narrow, (0..30).map(|m| seen(m, 4, 90.0, 0.0)).take(6)), [(5, 6)]);
        assert_eq!(run(&narrow, (0..30).map(|m| seen(m, 6, 90.0, 0.0))), []);
        assert_eq!(run(&narrow, (0..30).map(|m| seen(m, 4, 0.0, 0.0))), []);
        let half = policy(|p| p.scale_down.as_mut().unwrap().scale_count = Some(100));
        assert_eq!(run(&half, (0..2).map(|m| seen(m, 9, 0.0, 0.0))), [(1, 5)], "half at least is left");
    }

    #[test]
    fn never_a_second_step_while_one_is_under_way_nor_before_it_has_cooled_off() {
        let policy = policy(|_| {});
        // A reshard that takes twenty minutes under a load that stays high: one step.
        let looks = (0..30).map(|m| Observation { changing: (6..25).contains(&m), ..seen(m, 4, 90.0, 0.0) });
        assert_eq!(run(&policy, looks), [(5, 8)]);
        let cooled = (0..16).map(|m| seen(m, if m > 5 { 8 } else { 4 }, 90.0, 0.0));
        assert_eq!(run(&policy, cooled), [(5, 8), (11, 16)], "five minutes above, five minutes after the last change");
        let falls = (0..20).map(|m| if m < 6 { seen(m, 4, 90.0, 0.0) } else { seen(m, 8, 1.0, 0.0) });
        assert_eq!(run(&policy, falls), [(5, 8), (10, 7), (15, 7)], "no step down right after one up");
    }

    #[test]
    fn a_decision_tells_its_figures() {
        let policy = policy(|_| {});
        let memory = Memory { above_since_ms: Some(0), ..Memory::default() };
        let decision = decide(&policy, seen(5, 75, 90.0, 10.0), memory, 10_000);
        let expected = "use (PUT 90.0 %, GET 10.0 % of 75 shards) is above 75 % for 5 min: 75 + ceil(150 % of 75) = +113, \
                        bounded to 150";
        assert_eq!((decision.target, decision.reason.as_str()), (Some(150), expected));
    }
}
