//! Which snapshots are taken without anybody naming them, and which of these go when there are too many.

use chrono::{DateTime, NaiveDateTime};
use model::limits::SNAPSHOTS_PER_APPLICATION_MAX;

/// What the name of a snapshot that a stop takes begins with.
const STOP: &str = "stop-";
/// The same of one that an update takes.
const UPDATE: &str = "update-";
/// How the time stands in such a name: names in the order of the alphabet are in that of time.
const TIME: &str = "%Y%m%dT%H%M%S%.3fZ";

/// The name of the snapshot that a stop at `now_ms` takes.
pub(crate) fn name_of_stop(now_ms: u64) -> String {
    name_of(STOP, now_ms)
}

/// The name of the snapshot that an update at `now_ms` takes.
pub(crate) fn name_of_update(now_ms: u64) -> String {
    name_of(UPDATE, now_ms)
}

fn name_of(what: &str, now_ms: u64) -> String {
    let at = i64::try_from(now_ms).ok().and_then(DateTime::from_timestamp_millis).unwrap_or_default();
    format!("{what}{}", at.format(TIME))
}

fn time_of(name: &str) -> Option<&str> {
    let time = name.strip_prefix(STOP).or_else(|| name.strip_prefix(UPDATE))?;
    NaiveDateTime::parse_from_str(time, TIME).is_ok().then_some(time)
}

/// Whether a stop or an update has taken the snapshot. One that somebody has named `stop-…` otherwise is theirs.
pub(crate) fn is_automatic(name: &str) -> bool {
    time_of(name).is_some()
}

/// Whether one more snapshot has a place among `names`, if need be in that of an automatic one.
pub(crate) fn has_room(names: &[String]) -> bool {
    names.len() < SNAPSHOTS_PER_APPLICATION_MAX || names.iter().any(|name| is_automatic(name))
}

/// The automatic ones that are too many, the oldest first.
pub(crate) fn too_many(names: &[String]) -> Vec<&str> {
    let mut automatic: Vec<&str> = names.iter().map(String::as_str).filter(|name| is_automatic(name)).collect();
    automatic.sort_unstable_by_key(|name| time_of(name));
    automatic.truncate(names.len().saturating_sub(SNAPSHOTS_PER_APPLICATION_MAX));
    automatic
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(automatic: u64, named: usize) -> Vec<String> {
        (0..automatic).rev().map(name_of_stop).chain((0..named).map(|n| format!("mine-{n}"))).collect()
    }

    #[test]
    fn names_tell_the_time_and_are_in_its_order() {
        assert_eq!(name_of_stop(1_452_064_530_007), "stop-20160106T071530.007Z");
        assert!(name_of_stop(1_452_064_530_007) < name_of_stop(1_452_064_530_100));
        assert!(is_automatic(&name_of_stop(u64::MAX)) && is_automatic(&name_of_update(0)));
        for theirs in ["stop-", "stop-it", "stop-20160106", "before.1", "xstop-20160106T071530.007Z"] {
            assert!(!is_automatic(theirs), "{theirs}");
        }
    }

    #[test]
    fn the_oldest_automatic_ones_go_and_named_ones_stay() {
        let max = SNAPSHOTS_PER_APPLICATION_MAX;
        assert!(has_room(&names(0, max - 1)) && has_room(&names(1, max - 1)) && !has_room(&names(0, max)));
        assert!(too_many(&names(3, max - 3)).is_empty());
        assert_eq!(too_many(&names(3, max - 1)), [name_of_stop(0), name_of_stop(1)]);
        assert_eq!(too_many(&names(1, max + 5)), [name_of_stop(0)]);
        let mixed = [names(2, max - 2), vec![name_of_update(0), name_of_update(5)]].concat();
        assert_eq!(too_many(&mixed), [name_of_stop(0), name_of_update(0)], "by their time, whatever has taken them");
    }
}
