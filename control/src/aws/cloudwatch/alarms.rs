//! The operations on alarms.

use super::super::service::ServiceError;
use super::alarm_input::{composite_alarm, metric_alarm, validation};
use super::alarm_output::{alarm_document, arn};
use super::input::Input;
use super::{CloudWatch, fault, invalid, not_found, tokens};
use crate::alarms::{Alarm, AlarmError, Filter, HistoryFilter, HistoryItem, HistoryKind, Kept, State, Watches};
use model::{Classified, Kind};
use serde_json::{Value, json};

/// Most alarms of a page, and how many where nobody says.
const PAGE_MAX: u64 = 100;
const PAGE: u64 = 50;
/// Most items of history that are read for one answer.
const HISTORY_MAX: u32 = 100_000;

type Answer = Result<Value, ServiceError>;

impl From<AlarmError> for ServiceError {
    fn from(error: AlarmError) -> Self {
        let message = error.to_string();
        match (&error, error.kind()) {
            (AlarmError::TooMany, _) => Self::new("LimitExceededFault", message),
            (AlarmError::Needed(_), _) | (_, Kind::Invalid) => validation(message),
            (_, Kind::NotFound) => not_found(message),
            _ => fault(message),
        }
    }
}

fn is_composite(kept: &Kept) -> bool {
    matches!(kept.alarm.watches, Watches::Alarms(_))
}

/// Which kinds of alarms are asked for: those of numbers, those of alarms. Those of numbers alone where nothing is said.
fn types(input: &Input<'_>) -> Result<(bool, bool), ServiceError> {
    let types = input.texts("AlarmTypes", 3, 64)?;
    if let Some(other) =
        types.iter().find(|name| !matches!(name.as_str(), "MetricAlarm" | "CompositeAlarm" | "LogAlarm"))
    {
        return Err(validation(format!(
            "The alarm type {other} is not supported; there are MetricAlarm and CompositeAlarm."
        )));
    }
    let has = |name: &str| types.iter().any(|known| known == name);
    Ok((types.is_empty() || has("MetricAlarm"), has("CompositeAlarm")))
}

fn state(input: &Input<'_>) -> Result<Option<State>, ServiceError> {
    let Some(name) = input.text("StateValue", 64)? else { return Ok(None) };
    let wrong = || {
        validation(format!(
            "The value {name} for StateValue is not supported; there are OK, ALARM and INSUFFICIENT_DATA."
        ))
    };
    State::named(name).map(Some).ok_or_else(wrong)
}

impl CloudWatch {
    pub(super) fn put_metric_alarm(&self, input: &Input<'_>) -> Answer {
        self.put_alarm(metric_alarm(input)?, input)
    }

    pub(super) fn put_composite_alarm(&self, input: &Input<'_>) -> Answer {
        self.put_alarm(composite_alarm(input)?, input)
    }

    fn put_alarm(&self, alarm: Alarm, input: &Input<'_>) -> Answer {
        let tags = self.tags_of(input)?;
        let (resource, is_new) = (arn(&alarm.name), self.alarms.get(&alarm.name).is_err());
        self.alarms.put(alarm)?;
        if is_new && !tags.is_empty() {
            self.add_tags(&resource, &tags)?;
        }
        Ok(Value::Null)
    }

    pub(super) fn describe_alarms(&self, input: &Input<'_>) -> Answer {
        let (metric, composite) = types(input)?;
        let names = input.texts("AlarmNames", 100, 255)?;
        let prefix = input.text("AlarmNamePrefix", 255)?.map(str::to_owned);
        if !names.is_empty() && prefix.is_some() {
            return Err(validation("AlarmNames and AlarmNamePrefix must not be given together."));
        }
        let action_prefix = input.text("ActionPrefix", 1_024)?.map(str::to_owned);
        let limit = input.whole("MaxRecords", 1, PAGE_MAX)?.unwrap_or(PAGE) as usize;
        let filter = Filter { names, prefix, state: state(input)?, action_prefix };
        let mut found = self.alarms.find(&filter);
        let wanted = |kept: &Kept| if is_composite(kept) { composite } else { metric };
        let related = self.related(input)?;
        match &related {
            Some(names) => found.retain(|kept| names.contains(&kept.alarm.name)),
            None => found.retain(wanted),
        }
        let asked = format!("{filter:?} {metric} {composite} {related:?}");
        let begin = tokens::begin(input, &asked)?;
        let more = found.len() > begin + limit;
        let page: Vec<Kept> = found.into_iter().skip(begin).take(limit).collect();
        let told = |kept: &Kept| match related {
            Some(_) => {
                json!({ "AlarmName": kept.alarm.name, "AlarmArn": arn(&kept.alarm.name), "StateValue": kept.status.state.name() })
            }
            None => alarm_document(kept),
        };
        let of = |is: bool| page.iter().filter(|kept| is_composite(kept) == is).map(told).collect::<Vec<_>>();
        let mut output = json!({ "MetricAlarms": of(false), "CompositeAlarms": of(true) });
        if more {
            output["NextToken"] = json!(tokens::token(begin + limit, &asked));
        }
        Ok(output)
    }

    /// The names of the alarms that one names in its rule, or that name it; `None` where neither is asked for.
    fn related(&self, input: &Input<'_>) -> Result<Option<Vec<String>>, ServiceError> {
        if let Some(parent) = input.text("ChildrenOfAlarmName", 255)? {
            let kept = self.alarms.get(parent)?;
            let Watches::Alarms(rule) = &kept.alarm.watches else { return Ok(Some(Vec::new())) };
            return Ok(Some(rule.children().into_iter().map(str::to_owned).collect()));
        }
        let Some(child) = input.text("ParentsOfAlarmName", 255)? else { return Ok(None) };
        let names =
            |kept: &Kept| matches!(&kept.alarm.watches, Watches::Alarms(rule) if rule.children().contains(child));
        let parents = self.alarms.find(&Filter::default()).into_iter().filter(names).map(|kept| kept.alarm.name);
        Ok(Some(parents.collect()))
    }

    pub(super) fn describe_alarms_for_metric(&self, input: &Input<'_>) -> Answer {
        let (key, unit) = (input.series()?, input.unit("Unit")?);
        let statistic = input.text("Statistic", 64)?.or(input.text("ExtendedStatistic", 50)?);
        let period_s = input.period_s("Period")?;
        let fits = |kept: &Kept| {
            let Watches::Numbers(watch) = &kept.alarm.watches else { return false };
            watch.all_series().any(|wanted| {
                wanted.key == key
                    && statistic.is_none_or(|statistic| wanted.asked.words() == statistic)
                    && period_s.is_none_or(|period_s| wanted.period_s == period_s)
                    && unit.is_none_or(|unit| wanted.unit == Some(unit))
            })
        };
        let found = self.alarms.find(&Filter::default());
        Ok(json!({ "MetricAlarms": found.iter().filter(|kept| fits(kept)).map(alarm_document).collect::<Vec<_>>() }))
    }

    pub(super) fn describe_alarm_history(&self, input: &Input<'_>) -> Answer {
        let (metric, composite) = types(input)?;
        let kind = match input.text("HistoryItemType", 64)? {
            None => None,
            Some(name) => Some(HistoryKind::named(name).ok_or_else(|| {
                validation(format!("The value {name} for HistoryItemType is not supported; there are ConfigurationUpdate, StateUpdate and Action."))
            })?),
        };
        let limit = input.whole("MaxRecords", 1, PAGE_MAX)?.unwrap_or(PAGE) as usize;
        let mut filter = HistoryFilter {
            alarm: input.text("AlarmName", 255)?.map(str::to_owned),
            composite: if metric && composite { None } else { Some(composite) },
            kind,
            from_ms: input.time_ms("StartDate")?,
            to_ms: input.time_ms("EndDate")?,
            oldest_first: input.text("ScanBy", 64)? == Some("TimestampAscending"),
            ..HistoryFilter::default()
        };
        // Whoever names an alarm means it, whatever it watches.
        if filter.alarm.is_some() && !input.has("AlarmTypes") {
            filter.composite = None;
        }
        let asked = format!("{filter:?}");
        let begin = tokens::begin(input, &asked)?.min(HISTORY_MAX as usize);
        (filter.offset, filter.limit) = (begin as u32, limit as u32 + 1);
        let mut items = self.alarms.history(&filter)?;
        let more = items.len() > limit;
        items.truncate(limit);
        let mut output = json!({ "AlarmHistoryItems": items.iter().map(history_item).collect::<Vec<_>>() });
        if more {
            output["NextToken"] = json!(tokens::token(begin + limit, &asked));
        }
        Ok(output)
    }

    pub(super) fn set_alarm_state(&self, input: &Input<'_>) -> Answer {
        let name = input.required_text("AlarmName", 255)?;
        let wanted = state(input)?.ok_or_else(|| super::input::required("StateValue"))?;
        let reason = input.text_from("StateReason", 0, 1_023)?.ok_or_else(|| super::input::required("StateReason"))?;
        let data = input.text_from("StateReasonData", 0, 4_000)?;
        if data.is_some_and(|data| serde_json::from_str::<Value>(data).is_err()) {
            return Err(ServiceError::new("InvalidFormatFault", "StateReasonData is not JSON."));
        }
        self.alarms.set_state(name, wanted, reason, data.map(str::to_owned))?;
        Ok(Value::Null)
    }

    pub(super) fn enable_alarm_actions(&self, input: &Input<'_>, enabled: bool) -> Answer {
        self.alarms.enable_actions(&alarm_names(input)?, enabled)?;
        Ok(Value::Null)
    }

    pub(super) fn delete_alarms(&self, input: &Input<'_>) -> Answer {
        let names = alarm_names(input)?;
        let composites = names.iter().filter_map(|name| self.alarms.get(name).ok()).filter(is_composite).count();
        if composites > 1 || (composites == 1 && names.len() > 1) {
            return Err(validation("One call deletes one composite alarm, or alarms that are none."));
        }
        if let Some(unknown) = names.iter().find(|name| self.alarms.get(name).is_err()) {
            return Err(not_found(format!("There is no alarm {unknown}.")));
        }
        self.alarms.remove(&names)?;
        names.iter().try_for_each(|name| self.forget_tags(&arn(name)))?;
        Ok(Value::Null)
    }
}

fn alarm_names(input: &Input<'_>) -> Result<Vec<String>, ServiceError> {
    let names = input.texts("AlarmNames", 100, 255)?;
    if names.is_empty() { Err(invalid("The parameter AlarmNames must name an alarm.")) } else { Ok(names) }
}

fn history_item(item: &HistoryItem) -> Value {
    json!({
        "AlarmName": item.alarm,
        "AlarmType": if item.composite { "CompositeAlarm" } else { "MetricAlarm" },
        "Timestamp": item.at_ms as f64 / 1_000.0,
        "HistoryItemType": item.kind.name(),
        "HistorySummary": item.summary,
        "HistoryData": item.data,
    })
}
