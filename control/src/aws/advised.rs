//! The alarms that are advised for an application and its stream, as a table; the first one is the reference alarm.

use super::application_names::{ApplicationMetric, Measured, application_series};
use super::metric_names::{StreamMetric, stream_series};
use crate::alarms::{Alarm, Comparison, Missing, Watch, Watches};
use crate::metrics::{Asked, KeyError, Question, SeriesKey, Wanted, What};

/// One row: the end of the name, what it says, what it watches, its statistic, of how many minutes, the comparison, the
/// threshold, and what missing values mean.
type Row = (&'static str, &'static str, Source, &'static str, u32, Comparison, Threshold, Missing);

/// What a row watches.
#[derive(Clone, Copy)]
enum Source {
    Application(ApplicationMetric),
    /// By how much a measurement grows from period to period.
    Growth(ApplicationMetric),
    Stream(StreamMetric),
}

/// Against what it is held.
#[derive(Clone, Copy)]
enum Threshold {
    Of(f64),
    /// A part of the time between two checkpoints.
    OfInterval(f64),
    /// A part of the retention of the stream.
    OfRetention(f64),
}

use ApplicationMetric as Metric;
use Comparison::{Greater, LessOrEqual};
use Missing::{Breaching, NotBreaching};
use Source::{Application, Growth, Stream};
use Threshold::{Of, OfInterval, OfRetention};

const HOUR_MS: f64 = 3_600_000.0;
/// The period of all of them, in seconds.
const PERIOD_S: u64 = 60;

#[rustfmt::skip]
const TABLE: [Row; 8] = [
    ("millis-behind-latest", "It is more than a minute behind its stream.",
        Application(Metric::MillisBehindLatest), "Maximum", 1, Greater, Of(60_000.0), Breaching),
    ("downtime", "It does not run although it should.",
        Application(Metric::Downtime), "Maximum", 1, Greater, Of(0.0), NotBreaching),
    ("failed-checkpoints", "Checkpoints fail.",
        Growth(Metric::FailedCheckpoints), "Maximum", 1, Greater, Of(0.0), NotBreaching),
    ("checkpoint-duration", "A checkpoint takes more than half of the time between two.",
        Application(Metric::LastCheckpointDuration), "Maximum", 1, Greater, OfInterval(0.5), NotBreaching),
    ("memory", "Its state takes more than 90 % of its memory.",
        Application(Metric::HeapMemoryUtilization), "Average", 3, Greater, Of(90.0), NotBreaching),
    ("cpu", "It computes more than 80 % of the time.",
        Application(Metric::CpuUtilization), "Average", 3, Greater, Of(80.0), NotBreaching),
    ("watermark", "Its watermark stands still.",
        Growth(Metric::InputWatermark), "Maximum", 3, LessOrEqual, Of(0.0), NotBreaching),
    ("iterator-age", "Readers are behind by more than half of the stream's retention.",
        Stream(StreamMetric::IteratorAge), "Maximum", 1, Greater, OfRetention(0.5), NotBreaching),
];

/// The advised alarms of an application that reads a stream; without actions.
///
/// # Errors
/// When a name can be no value of a dimension.
pub fn advised_alarms(
    application: &str,
    stream: &str,
    checkpoint_interval_ms: u64,
    retention_hours: u32,
) -> Result<Vec<Alarm>, KeyError> {
    let (interval_ms, retention_ms) = (checkpoint_interval_ms as f64, f64::from(retention_hours) * HOUR_MS);
    TABLE.into_iter().map(|row| alarm(application, stream, row, (interval_ms, retention_ms))).collect()
}

/// The reference alarm of an application: more than a minute behind its stream.
///
/// # Errors
/// When a name can be no value of a dimension.
pub fn reference_alarm(application: &str) -> Result<Alarm, KeyError> {
    let [first, ..] = TABLE;
    alarm(application, "", first, (0.0, 0.0))
}

fn alarm(application: &str, stream: &str, row: Row, times_ms: (f64, f64)) -> Result<Alarm, KeyError> {
    let (name, says, source, statistic, evaluation_periods, comparison, threshold, missing) = row;
    let threshold = match threshold {
        Of(value) => value,
        OfInterval(part) => part * times_ms.0,
        OfRetention(part) => part * times_ms.1,
    };
    let (key, grows) = match source {
        Source::Application(metric) => (application_series(application, Measured::Whole, metric)?, false),
        Source::Growth(metric) => (application_series(application, Measured::Whole, metric)?, true),
        Source::Stream(metric) => (stream_series(stream, None, metric)?, false),
    };
    let watch = Watch {
        questions: questions(key, statistic, PERIOD_S, grows),
        single: !grows,
        evaluation_periods,
        datapoints: None,
        threshold,
        comparison,
        missing: Some(missing),
        low_samples: None,
    };
    Ok(Alarm {
        name: format!("{application}-{name}"),
        description: Some(says.to_owned()),
        actions_enabled: true,
        ok_actions: vec![],
        alarm_actions: vec![],
        insufficient_data_actions: vec![],
        watches: Watches::Numbers(watch),
    })
}

fn questions(key: SeriesKey, statistic: &str, period_s: u64, grows: bool) -> Vec<Question> {
    // The words stand in the table above, and a test reads all of them.
    let Ok(asked) = Asked::parse(statistic) else { return Vec::new() };
    let series = What::Series(Wanted { key, asked, period_s, unit: None });
    let mut questions = vec![Question { id: "m1".to_owned(), what: series, label: None, returned: !grows }];
    if grows {
        let what = What::Expression("DIFF(m1)".to_owned(), Some(period_s));
        questions.push(Question { id: "e1".to_owned(), what, label: None, returned: true });
    }
    questions
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_advised_alarm_is_one_and_the_first_is_the_reference() {
        let alarms = advised_alarms("taxi", "trips", 60_000, 24).unwrap();
        for alarm in &alarms {
            alarm.check().unwrap_or_else(|error| panic!("{error}"));
        }
        assert_eq!(alarms[0], reference_alarm("taxi").unwrap());
        let Watches::Numbers(watch) = &alarms[0].watches else { panic!("it watches numbers") };
        let series = watch.series().unwrap();
        assert_eq!((series.key.name(), series.asked.words(), series.period_s), ("millisBehindLatest", "Maximum", 60));
        assert_eq!((watch.threshold, watch.missing, watch.evaluation_periods), (60_000.0, Some(Missing::Breaching), 1));
        let Watches::Numbers(age) = &alarms[7].watches else { panic!("it watches numbers") };
        assert_eq!(age.threshold, 43_200_000.0);
    }
}
