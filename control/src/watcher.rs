//! What begins and ends, told from readings once a second: throttles, changes of shards, watermarks that stand still, rows and
//! documents that are refused, sinks that are waited for.
//!
//! Pure: readings in, happenings out. Each has a hysteresis, so that what comes and goes is told as one.

use crate::timeline::{Event, Severity};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// So many seconds of the last ten must show a trouble before it has begun.
const BEGINS_AFTER: u32 = 3;
/// So many seconds in a row must be free of it before it is over.
const ENDS_AFTER_MS: u64 = 30_000;
/// How long a watermark must stand still while records are read.
const STALLS_AFTER_MS: u64 = 30_000;

/// A sink is slow while those before it wait for it for more than this part of their time.
const SLOW_SINK_WAITED: f64 = 0.5;

/// One reading of what is watched.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Seen {
    /// When, in milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// All streams.
    pub streams: Vec<SeenStream>,
    /// All applications that run.
    pub applications: Vec<SeenApplication>,
    /// Documents that the index has refused since the reading before.
    pub refused_documents: u64,
}

/// A stream.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SeenStream {
    /// Its name.
    pub name: String,
    /// Records refused because of a limit since the reading before.
    pub throttled_records: u64,
    /// Reads refused because of a limit since the reading before.
    pub throttled_reads: u64,
    /// Shards that take records.
    pub open_shards: u32,
}

/// An application.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SeenApplication {
    /// Its name.
    pub name: String,
    /// Records read since the run began.
    pub records_in: u64,
    /// Its watermark; `None` before the first.
    pub watermark_ms: Option<i64>,
    /// What holds the watermark, in words.
    pub hold: Option<String>,
    /// Rows that the targets of its sinks have not taken since the reading before.
    pub refused_rows: u64,
    /// The part of the last second in which those before its slowest sink waited for it, 0–1.
    pub waited_for_sink: f64,
}

/// Remembers what it needs to tell beginnings and ends.
#[derive(Debug, Default)]
pub struct Watcher {
    spells: BTreeMap<(&'static str, String), Spell>,
    shards: BTreeMap<String, u32>,
    progress: BTreeMap<String, Progress>,
}

/// A trouble that may come and go.
#[derive(Debug, Default, Clone)]
struct Spell {
    /// One bit for each of the last readings, the latest the lowest.
    recent: u32,
    first_ms: u64,
    last_ms: u64,
    count: u64,
    begun: bool,
}

#[derive(Debug, Clone)]
struct Progress {
    watermark_ms: Option<i64>,
    since_ms: u64,
    records_in: u64,
    stalled: bool,
}

/// What became of a trouble with a reading.
enum Turn {
    Begun(u64),
    Over { first_ms: u64, last_ms: u64, count: u64 },
    None,
}

impl Spell {
    fn see(&mut self, at_ms: u64, count: u64) -> Turn {
        self.recent = (self.recent << 1 | u32::from(count > 0)) & 0x3ff;
        if count > 0 {
            if self.count == 0 {
                self.first_ms = at_ms;
            }
            self.last_ms = at_ms;
            self.count += count;
        }
        if !self.begun && self.recent.count_ones() >= BEGINS_AFTER {
            self.begun = true;
            return Turn::Begun(self.first_ms);
        }
        if self.count > 0 && at_ms >= self.last_ms + ENDS_AFTER_MS {
            let was = std::mem::take(self);
            if was.begun {
                return Turn::Over { first_ms: was.first_ms, last_ms: was.last_ms, count: was.count };
            }
        }
        Turn::None
    }
}

impl Watcher {
    /// What has begun, ended or changed with a reading.
    pub fn see(&mut self, seen: &Seen) -> Vec<Event> {
        let mut events = Vec::new();
        for stream in &seen.streams {
            let subject = format!("stream/{}", stream.name);
            let (writes, reads) = (stream.throttled_records, stream.throttled_reads);
            self.spell(
                &mut events,
                seen.at_ms,
                ("throttle", "records were refused because of the limits of its shards"),
                &subject,
                writes,
            );
            self.spell(
                &mut events,
                seen.at_ms,
                ("read-throttle", "reads were refused because of the limits of its shards"),
                &subject,
                reads,
            );
            events.extend(self.reshard(seen.at_ms, stream, &subject));
        }
        // Documents that applications write are told as theirs.
        let of_applications: u64 = seen.applications.iter().map(|application| application.refused_rows).sum();
        self.spell(
            &mut events,
            seen.at_ms,
            ("sink", "documents were refused by the index"),
            "index",
            seen.refused_documents.saturating_sub(of_applications),
        );
        for application in &seen.applications {
            let subject = format!("application/{}", application.name);
            let is_slow = application.waited_for_sink > SLOW_SINK_WAITED;
            let (refused, slow) = (application.refused_rows, u64::from(is_slow));
            self.spell(&mut events, seen.at_ms, ("sink", "rows were not taken where a sink writes"), &subject, refused);
            let words = "its operators waited for a sink for most of the time, in seconds";
            self.spell(&mut events, seen.at_ms, ("slow-sink", words), &subject, slow);
            events.extend(self.stall(seen.at_ms, application));
        }
        self.forget(seen);
        events
    }

    fn spell(
        &mut self,
        events: &mut Vec<Event>,
        at_ms: u64,
        (kind, words): (&'static str, &str),
        subject: &str,
        count: u64,
    ) {
        let turn = self.spells.entry((kind, subject.to_owned())).or_default().see(at_ms, count);
        let word = kind.rsplit('-').next().unwrap_or(kind);
        let told = |at_ms, severity, text, details| event(at_ms, severity, word, subject, text, details);
        match turn {
            Turn::None => {}
            Turn::Begun(first_ms) => {
                let details = json!({ "since_ms": first_ms });
                events.push(told(first_ms, Severity::Warning, format!("{subject}: {words}"), details));
            }
            Turn::Over { first_ms, last_ms, count } => {
                let seconds = (last_ms - first_ms) / 1_000 + 1;
                let details = json!({ "since_ms": first_ms, "until_ms": last_ms, "count": count });
                let text = format!("{subject}: over now: {words}, {count} within {seconds} s");
                events.push(told(at_ms, Severity::Info, text, details));
            }
        }
    }

    fn reshard(&mut self, at_ms: u64, stream: &SeenStream, subject: &str) -> Option<Event> {
        let now = stream.open_shards;
        let before = self.shards.insert(stream.name.clone(), now).filter(|before| *before != now && *before > 0)?;
        let text = format!("{subject} went from {before} to {now} open shards");
        let details = json!({ "before": before, "now": now });
        Some(event(at_ms, Severity::Info, "reshard", subject, text, details))
    }

    fn stall(&mut self, at_ms: u64, application: &SeenApplication) -> Option<Event> {
        let fresh = || Progress {
            watermark_ms: application.watermark_ms,
            since_ms: at_ms,
            records_in: application.records_in,
            stalled: false,
        };
        let progress = self.progress.entry(application.name.clone()).or_insert_with(fresh);
        let subject = format!("application/{}", application.name);
        if progress.watermark_ms != application.watermark_ms || application.records_in < progress.records_in {
            let was = std::mem::replace(progress, fresh());
            let seconds = at_ms.saturating_sub(was.since_ms) / 1_000;
            let text = format!("{subject}: the watermark moves again after {seconds} s");
            let told = || event(at_ms, Severity::Info, "stall", &subject, text, json!({ "since_ms": was.since_ms }));
            return was.stalled.then(told);
        }
        let reads = application.records_in > progress.records_in;
        if progress.stalled || !reads || at_ms < progress.since_ms + STALLS_AFTER_MS {
            return None;
        }
        progress.stalled = true;
        let since_ms = progress.since_ms;
        let why = application.hold.as_ref().map_or_else(String::new, |hold| format!(": {hold}"));
        let text = format!("{subject}: the watermark stands still although records are read{why}");
        Some(event(since_ms, Severity::Warning, "stall", &subject, text, json!({ "since_ms": since_ms })))
    }

    /// What is not there any more is not remembered.
    fn forget(&mut self, seen: &Seen) {
        let has_stream = |name: &str| seen.streams.iter().any(|stream| stream.name == name);
        self.shards.retain(|name, _| has_stream(name));
        let has_application = |name: &str| seen.applications.iter().any(|application| application.name == name);
        self.spells.retain(|(_, subject), _| {
            let (stream, application) = (subject.strip_prefix("stream/"), subject.strip_prefix("application/"));
            stream.is_none_or(has_stream) && application.is_none_or(has_application)
        });
        self.progress.retain(|name, _| seen.applications.iter().any(|application| application.name == *name));
    }
}

fn event(at_ms: u64, severity: Severity, kind: &str, subject: &str, text: String, details: Value) -> Event {
    Event { at_ms, severity, kind: kind.to_owned(), subject: subject.to_owned(), text, details }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is told of a stream whose refused records are these, second by second.
    fn told(throttled: &[u64]) -> Vec<(u64, String)> {
        let mut watcher = Watcher::default();
        let mut events = Vec::new();
        for (second, count) in throttled.iter().enumerate() {
            let stream =
                SeenStream { name: "trips".into(), throttled_records: *count, open_shards: 8, ..SeenStream::default() };
            events.extend(watcher.see(&Seen {
                at_ms: second as u64 * 1_000,
                streams: vec![stream],
                ..Seen::default()
            }));
        }
        events.into_iter().map(|event| (event.at_ms, event.text)).collect()
    }

    #[test]
    fn a_throttle_is_told_when_it_lasts_and_when_it_is_over() {
        let calm = vec![0; 40];
        assert_eq!(told(&[&[5, 0, 0, 5][..], &calm].concat()), [], "twice in ten seconds is none yet");
        let spell = told(&[&[0, 5, 0, 5, 7][..], &calm[..20], &[3], &calm].concat());
        assert_eq!(spell.len(), 2, "{spell:?}");
        assert_eq!(spell[0].0, 1_000);
        assert!(spell[1].1.ends_with("20 within 25 s"), "{spell:?}");
        assert_eq!(told(&[&[1; 5][..], &calm, &[1; 5], &calm].concat()).len(), 4);
    }

    #[test]
    fn a_change_of_shards_is_told_and_a_new_stream_is_none() {
        let mut watcher = Watcher::default();
        let mut see = |shards: Option<u32>| {
            let stream = |open_shards| SeenStream { name: "trips".into(), open_shards, ..SeenStream::default() };
            let seen = Seen { streams: shards.map(stream).into_iter().collect(), ..Seen::default() };
            watcher.see(&seen).into_iter().map(|event| event.text).collect::<Vec<_>>()
        };
        assert_eq!(see(Some(8)), [""; 0]);
        assert_eq!(see(Some(16)), ["stream/trips went from 8 to 16 open shards"]);
        assert_eq!(see(None), [""; 0]);
        assert_eq!(see(Some(4)), [""; 0]);
    }

    /// What is told of an application whose sink is waited for and refuses so many rows, second by second, and of the index,
    /// which refuses so many documents.
    fn told_of_sinks(seconds: &[(f64, u64, u64)]) -> Vec<String> {
        let mut watcher = Watcher::default();
        let mut told = Vec::new();
        for (second, (waited_for_sink, refused_rows, refused_documents)) in seconds.iter().copied().enumerate() {
            let application =
                SeenApplication { name: "taxi".into(), waited_for_sink, refused_rows, ..SeenApplication::default() };
            let at_ms = second as u64 * 1_000;
            let seen = Seen { at_ms, applications: vec![application], refused_documents, ..Seen::default() };
            told.extend(watcher.see(&seen).into_iter().map(|event| format!("{} {}", event.kind, event.text)));
        }
        told
    }

    #[test]
    fn sinks_that_refuse_or_are_waited_for_are_told_as_their_applications() {
        let calm = vec![(0.2, 0, 0); 40];
        let refusing = told_of_sinks(&[&[(0.0, 7, 7); 4][..], &calm].concat());
        assert_eq!(
            refusing,
            [
                "sink application/taxi: rows were not taken where a sink writes",
                "sink application/taxi: over now: rows were not taken where a sink writes, 28 within 4 s",
            ],
            "the index tells nothing of its own"
        );
        let both = told_of_sinks(&[(0.0, 7, 9); 4]);
        assert_eq!(both.len(), 2, "{both:?}");
        assert!(both[0].starts_with("sink index: documents were refused"), "others write too: {both:?}");
        let slow = told_of_sinks(&[&[(0.9, 0, 0); 5][..], &calm].concat());
        assert!(slow.len() == 2 && slow[0].starts_with("sink application/taxi: its operators waited"), "{slow:?}");
        assert!(slow[1].ends_with("in seconds, 5 within 5 s"), "{slow:?}");
        assert_eq!(told_of_sinks(&calm), [""; 0]);
    }

    #[test]
    fn a_watermark_stalls_only_while_records_are_read() {
        let mut watcher = Watcher::default();
        let mut see = |second: u64, records_in: u64, watermark_ms: i64| {
            let application = SeenApplication {
                name: "taxi".into(),
                records_in,
                watermark_ms: Some(watermark_ms),
                hold: Some("shard 3 is idle".into()),
                ..SeenApplication::default()
            };
            let seen = Seen { at_ms: second * 1_000, applications: vec![application], ..Seen::default() };
            watcher.see(&seen).into_iter().map(|event| (event.at_ms, event.text)).collect::<Vec<_>>()
        };
        for second in 0..60 {
            assert_eq!(see(second, 100, 7), [], "nothing is read");
        }
        let told = see(60, 101, 7);
        assert!(
            told.len() == 1 && told[0].0 == 0 && told[0].1.ends_with("although records are read: shard 3 is idle"),
            "{told:?}"
        );
        assert_eq!(see(61, 102, 7), []);
        assert_eq!(see(62, 103, 8)[0].1, "application/taxi: the watermark moves again after 62 s");
    }
}
