//! Alarms, the points of a metric and what happened, as the console shows them.

use super::Parts;
use console::Failure;
use console::views::{
    ALARM_CHANGES_SHOWN_MAX, AlarmChange, AlarmItem, AlarmLine, AlarmState, AlarmTrial, AlarmView, Happening,
    MetricLine, MetricQuestion, POINTS_SHOWN_MAX, Severity, TrialChange,
};
use control::alarms::{Alarm, Backtest, Filter, HistoryFilter, HistoryItem, Kept, State, Watch, Watches, backtest};
use control::aws::{alarm_document, alarm_of};
use control::metrics::math::Worth;
use control::metrics::{Answers, Asked, Question, SeriesKey, Unit, Wanted, What};
use control::timeline;
use model::Kind;
use serde_json::Value;

/// About how many points of a metric are told where nobody says how long a period is.
const POINTS: u64 = 180;

fn invalid(message: impl Into<String>) -> Failure {
    Failure::new(Kind::Invalid, message)
}

impl Parts {
    /// All alarms by their names.
    pub(super) fn alarm_lines(&self) -> Vec<AlarmLine> {
        self.control().alarms().find(&Filter::default()).iter().map(line).collect()
    }

    /// An alarm in the words of the metric service.
    pub(super) fn alarm_document(&self, name: &str) -> Result<Value, Failure> {
        self.control().alarms().get(name).map(|kept| alarm_document(&kept)).map_err(Failure::from_error)
    }

    /// An alarm with its numbers of the last `seconds` and what became of it then.
    pub(super) fn alarm_view(&self, name: &str, seconds: u64) -> Result<AlarmView, Failure> {
        let kept = self.control().alarms().get(name).map_err(Failure::from_error)?;
        let now_ms = self.env().now_ms();
        let from_ms = now_ms.saturating_sub(seconds * 1_000);
        let filter = HistoryFilter {
            alarm: Some(name.to_owned()),
            from_ms: Some(from_ms),
            limit: ALARM_CHANGES_SHOWN_MAX as u32,
            ..HistoryFilter::default()
        };
        let items = self.control().alarms().history(&filter).map_err(Failure::from_error)?;
        let changes = items.into_iter().map(|item| AlarmChange { at_ms: item.at_ms, text: item.summary }).collect();
        let (threshold, period_s, points) = match &kept.alarm.watches {
            Watches::Alarms(_) => (None, 0, Vec::new()),
            Watches::Numbers(watch) => {
                let (period_s, points) = self.watched(watch, from_ms..now_ms + 1)?;
                (Some(watch.threshold), period_s, points)
            }
        };
        Ok(AlarmView { line: line(&kept), threshold, period_s, points, changes })
    }

    /// The numbers that a watch goes by, in periods that are longer where there would be too many.
    fn watched(&self, watch: &Watch, range: std::ops::Range<u64>) -> Result<(u64, Vec<(u64, f64)>), Failure> {
        let mut questions = watch.questions.clone();
        let span_s = (range.end - range.start) / 1_000;
        let times = (span_s / watch.period_s()).div_ceil(POINTS_SHOWN_MAX as u64).max(1);
        for question in &mut questions {
            match &mut question.what {
                What::Series(wanted) => wanted.period_s *= times,
                What::Expression(_, period_s) => *period_s = period_s.map(|period_s| period_s * times),
            }
        }
        let id = watch.returned().map(|question| question.id.clone()).unwrap_or_default();
        let answers = Answers::read(self.metrics(), &questions, range, 0).map_err(Failure::from_error)?;
        match answers.of(&id).map_err(|error| invalid(error.to_string()))? {
            Worth::Line(line) => Ok((line.period_s, line.points)),
            Worth::Lines(lines) => {
                Ok(lines.into_iter().next().map(|line| (line.period_s, line.points)).unwrap_or_default())
            }
            Worth::Number(_) => Ok((watch.period_s(), Vec::new())),
        }
    }

    /// Whether anything is done when the state of an alarm changes.
    pub(super) fn set_alarm_actions(&self, name: &str, enabled: bool) -> Result<(), Failure> {
        let alarms = self.control().alarms();
        alarms.get(name).map_err(Failure::from_error)?;
        alarms.enable_actions(&[name.to_owned()], enabled).map_err(Failure::from_error)
    }

    /// What happened to an alarm, or to all of them.
    pub(super) fn alarm_history(&self, alarm: Option<&str>, limit: u32) -> Result<Vec<AlarmItem>, Failure> {
        let filter = HistoryFilter { alarm: alarm.map(str::to_owned), limit, ..HistoryFilter::default() };
        let items = self.control().alarms().history(&filter).map_err(Failure::from_error)?;
        let item = |item: HistoryItem| AlarmItem {
            at_ms: item.at_ms,
            alarm: item.alarm,
            kind: item.kind.name().to_owned(),
            summary: item.summary,
            data: item.data,
        };
        Ok(items.into_iter().map(item).collect())
    }

    /// Puts an alarm into a state until it is evaluated the next time.
    pub(super) fn set_alarm_state(&self, alarm: &str, state: &str, reason: &str) -> Result<(), Failure> {
        let wrong = || invalid(format!("{state:?} is no state of an alarm: there are OK, ALARM and INSUFFICIENT_DATA"));
        let state = State::named(state).ok_or_else(wrong)?;
        self.control().alarms().set_state(alarm, state, reason, None).map_err(Failure::from_error)
    }

    /// What an alarm would have said about the last `seconds`.
    pub(super) fn try_alarm(&self, asked: &Value, seconds: u64) -> Result<AlarmTrial, Failure> {
        let alarm = self.alarm_to_try(asked)?;
        alarm.check().map_err(Failure::from_error)?;
        let Watches::Numbers(watch) = &alarm.watches else {
            return Err(invalid(format!("alarm {} watches other alarms; try those", alarm.name)));
        };
        let to_ms = self.env().now_ms();
        let from_ms = to_ms.saturating_sub(seconds.saturating_mul(1_000));
        let told = backtest(self.metrics(), watch, from_ms, to_ms).map_err(invalid)?;
        Ok(trial(told, from_ms, to_ms, self.control().alarms().doubt(&alarm)))
    }

    fn alarm_to_try(&self, asked: &Value) -> Result<Alarm, Failure> {
        match asked.as_str() {
            Some(name) => Ok(self.control().alarms().get(name).map_err(Failure::from_error)?.alarm),
            None => alarm_of(asked).map_err(|error| invalid(error.message)),
        }
    }

    /// The points of a metric.
    pub(super) fn metric_lines(&self, question: &MetricQuestion) -> Result<Vec<MetricLine>, Failure> {
        let dimensions = question.dimensions.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let key = SeriesKey::new(&question.namespace, &question.name, dimensions);
        let key = key.map_err(|error| invalid(error.to_string()))?;
        let asked = Asked::parse(&question.statistic).map_err(|error| invalid(error.to_string()))?;
        let period_s = question.period_s.unwrap_or_else(|| period_s(question.seconds));
        let unit = self.metrics().unit(&key).map(|unit| Unit::name(unit).to_owned());
        let now_ms = self.env().now_ms();
        let label = key.name().to_owned();
        let what = What::Series(Wanted { key, asked, period_s, unit: None });
        let questions = [Question { id: "q".to_owned(), what, label: Some(label), returned: true }];
        let range = now_ms.saturating_sub(question.seconds * 1_000)..now_ms + 1;
        let answers = Answers::read(self.metrics(), &questions, range, 0);
        let worth = answers.map_err(Failure::from_error)?.of("q").map_err(|error| invalid(error.to_string()))?;
        let Worth::Line(line) = worth else { return Ok(Vec::new()) };
        Ok(vec![MetricLine { label: line.label, unit, period_s, points: line.points }])
    }

    /// What happened, with the first causes marked.
    pub(super) fn happenings(&self, from_ms: u64, to_ms: u64, limit: usize) -> Result<Vec<Happening>, Failure> {
        let limit = u32::try_from(limit).unwrap_or(u32::MAX);
        let events = self.control().timeline().between(from_ms, to_ms, limit).map_err(Failure::from_error)?;
        let first = timeline::first_causes(&events);
        let happening = |(event, first_cause): (timeline::Event, bool)| Happening {
            at_ms: event.at_ms,
            severity: match event.severity {
                timeline::Severity::Info => Severity::Info,
                timeline::Severity::Warning => Severity::Warning,
                timeline::Severity::Fault => Severity::Fault,
            },
            kind: event.kind,
            subject: event.subject,
            text: event.text,
            first_cause,
        };
        Ok(events.into_iter().zip(first).map(happening).collect())
    }
}

/// A period that gives about as many points as a chart has room for.
fn period_s(seconds: u64) -> u64 {
    let wanted = (seconds / POINTS).max(1);
    [1, 5, 10, 30, 60, 300, 900, 3_600, 21_600].into_iter().find(|period| *period >= wanted).unwrap_or(86_400)
}

fn line(kept: &Kept) -> AlarmLine {
    let alarm = &kept.alarm;
    let acts = |state: State| alarm.actions(state).iter().map(move |action| format!("{state}: {action}"));
    AlarmLine {
        name: alarm.name.clone(),
        state: match kept.status.state {
            State::Ok => AlarmState::Ok,
            State::Alarm => AlarmState::Alarm,
            State::InsufficientData => AlarmState::InsufficientData,
        },
        since_ms: kept.status.transitioned_ms,
        reason: kept
            .trouble
            .as_ref()
            .map_or_else(|| kept.status.reason.clone(), |trouble| format!("it cannot be evaluated: {trouble}")),
        watches: watches(&alarm.watches),
        description: alarm.description.clone().unwrap_or_default(),
        actions_enabled: alarm.actions_enabled,
        actions: State::ALL.into_iter().flat_map(acts).collect(),
    }
}

/// What an alarm watches, in words.
fn watches(watches: &Watches) -> String {
    let watch = match watches {
        Watches::Alarms(rule) => return rule.text().to_owned(),
        Watches::Numbers(watch) => watch,
    };
    let what = match watch.returned().map(|question| &question.what) {
        Some(What::Series(wanted)) => {
            let dimensions = wanted.key.dimensions().iter().map(|(name, value)| format!("{name} {value}"));
            let of = dimensions.collect::<Vec<_>>().join(", ");
            format!("{} of {} ({of})", wanted.asked.words(), wanted.key.name())
        }
        Some(What::Expression(text, _)) => text.clone(),
        None => String::new(),
    };
    let (words, threshold, period_s) = (watch.comparison.words(), watch.threshold, watch.period_s());
    format!(
        "{what} {words} {threshold} for {} of {} periods of {period_s} s",
        watch.datapoints(),
        watch.evaluation_periods
    )
}

fn trial(told: Backtest, from_ms: u64, to_ms: u64, doubt: Option<String>) -> AlarmTrial {
    let change = |change: control::alarms::Change| TrialChange {
        at_ms: change.at_ms,
        state: change.state.name().to_owned(),
        reason: change.reason,
    };
    AlarmTrial {
        from_ms,
        to_ms,
        alarms: told.alarms,
        alarm_s: told.alarm_s,
        evaluations: told.evaluations,
        with_values: told.periods_with_values,
        state: told.state.map(|state| state.name().to_owned()),
        doubt,
        changes: told.changes.into_iter().map(change).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chart_has_about_as_many_points_as_room() {
        let periods = [60, 900, 3_600, 86_400, 604_800, 39_312_000].map(period_s);
        assert_eq!(periods, [1, 5, 30, 900, 3_600, 86_400]);
    }
}
