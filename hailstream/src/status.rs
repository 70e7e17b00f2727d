//! The one status line of a terminal: the pipeline from left to right.

use console::views::{Application, Index, Pipeline, Replay, Stream};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::time::Duration;

/// A line that is drawn over itself; on anything but a terminal it is not drawn.
pub(crate) struct StatusLine {
    bar: ProgressBar,
}

impl StatusLine {
    /// A line on standard error.
    pub(crate) fn new() -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template("{spinner} {wide_msg}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(250));
        Self { bar }
    }

    /// Shows another text in place of the last one.
    pub(crate) fn show(&self, text: &str) {
        self.bar.set_message(text.to_owned());
    }
}

impl Drop for StatusLine {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// The pipeline in one line.
pub(crate) fn summary(pipeline: &Pipeline) -> String {
    let stages = [
        pipeline.replay.as_ref().map(replay),
        pipeline.stream.as_ref().map(stream),
        pipeline.application.as_ref().map(application),
        Some(index(&pipeline.index)),
    ];
    stages.into_iter().flatten().collect::<Vec<_>>().join(" │ ")
}

fn replay(replay: &Replay) -> String {
    let lag = replay.replay_lag_ms.filter(|ms| *ms >= 1_000).map(|ms| format!(", {} behind", duration(ms)));
    let state = format!("{:?}", replay.state).to_lowercase();
    format!("replay {state} {}/s{}", count(replay.records_per_s), lag.unwrap_or_default())
}

fn stream(stream: &Stream) -> String {
    let throttled = if stream.throttled_per_s >= 1.0 {
        format!(", throttled {}/s", count(stream.throttled_per_s))
    } else {
        String::new()
    };
    format!("{} shards {}/s{throttled}", stream.open_shards, count(stream.records_per_s))
}

fn application(application: &Application) -> String {
    let behind = application.millis_behind_latest.map(|ms| format!(", {} behind", duration(ms)));
    let lost = match (application.late, application.bad) {
        (0, 0) => String::new(),
        (late, bad) => format!(", late {late}, bad {bad}"),
    };
    format!("{} {}/s{}{lost}", application.name, count(application.records_per_s), behind.unwrap_or_default())
}

fn index(index: &Index) -> String {
    format!("{} documents", count(index.documents as f64))
}

/// A whole number with its thousands apart.
pub(crate) fn count(value: f64) -> String {
    let digits = format!("{:.0}", value.max(0.0));
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A duration in its most telling unit.
pub(crate) fn duration(ms: u64) -> String {
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..120_000 => format!("{:.1} s", ms as f64 / 1_000.0),
        120_000..7_200_000 => format!("{} min", ms / 60_000),
        _ => format!("{} h", ms / 3_600_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_for_people() {
        let counts: Vec<_> = [0.0, 999.4, 1_000.0, 1_234_567.0, -1.0].map(count).into();
        assert_eq!(counts, ["0", "999", "1,000", "1,234,567", "0"]);
        let durations: Vec<_> = [0, 999, 1_500, 119_999, 120_000, 7_200_000].map(duration).into();
        assert_eq!(durations, ["0 ms", "999 ms", "1.5 s", "120.0 s", "2 min", "2 h"]);
    }

    #[test]
    fn an_empty_pipeline_still_has_a_line() {
        assert_eq!(summary(&Pipeline::default()), "0 documents");
    }
}
