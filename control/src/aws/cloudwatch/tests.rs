//! Tests of the service as documents: what it takes, answers and refuses.

use super::*;
use crate::alarms::{Actions, NotPerformed, Occurrence};
use model::ManualClock;
use serde_json::json;

const NOW_MS: u64 = 1_700_000_040_000;
const NOW_S: u64 = NOW_MS / 1_000;

struct Nothing;

impl Actions for Nothing {
    fn check(&self, _action: &str) -> Result<(), String> {
        Ok(())
    }

    fn repeats(&self, _action: &str) -> bool {
        false
    }

    fn perform(&self, _action: &str, _occurrence: &Occurrence) -> Result<String, NotPerformed> {
        Ok(String::new())
    }
}

struct Bench {
    service: CloudWatch,
    clock: std::sync::Arc<ManualClock>,
    _dir: tempfile::TempDir,
}

fn bench() -> Bench {
    let dir = tempfile::tempdir().unwrap();
    let (env, clock) = Env::manual(NOW_MS, 1);
    let metrics = Arc::new(MetricStore::open(&dir.path().join("metrics"), env.clone()).unwrap());
    let database = Arc::new(Database::open(&dir.path().join("control.db")).unwrap());
    let alarms = Alarms::open(env.clone(), database.clone(), metrics.clone(), Arc::new(Nothing)).unwrap();
    let service = CloudWatch::open(env, metrics, Arc::new(alarms), database).unwrap();
    Bench { service, clock, _dir: dir }
}

impl Bench {
    fn ask(&self, operation: &str, input: Value) -> Value {
        self.service.call(operation, &input).unwrap_or_else(|error| panic!("{operation} {input}: {error}"))
    }

    /// The code of the error and its message.
    fn refused(&self, operation: &str, input: Value) -> String {
        let error = self.service.call(operation, &input).expect_err(&format!("{operation} {input}"));
        format!("{} {}", error.code, error.message)
    }

    fn put(&self, at_s: u64, value: f64) {
        let datum = json!({ "MetricName": "m", "Timestamp": at_s, "Value": value, "Unit": "Count",
            "Dimensions": [{ "Name": "d", "Value": "1" }] });
        self.ask("PutMetricData", json!({ "Namespace": "N", "MetricData": [datum] }));
    }
}

fn series() -> Value {
    json!({ "Namespace": "N", "MetricName": "m", "Dimensions": [{ "Name": "d", "Value": "1" }] })
}

fn query(id: &str, statistic: &str, period_s: u64) -> Value {
    json!({ "Id": id, "MetricStat": { "Metric": series(), "Period": period_s, "Stat": statistic } })
}

fn alarm() -> Value {
    json!({ "AlarmName": "a", "Namespace": "N", "MetricName": "m", "Dimensions": [{ "Name": "d", "Value": "1" }],
        "Statistic": "Maximum", "Period": 60, "EvaluationPeriods": 1, "Threshold": 5, "ComparisonOperator": "GreaterThanThreshold" })
}

fn with(mut base: Value, name: &str, value: Value) -> Value {
    base[name] = value;
    base
}

#[test]
fn what_was_put_in_any_way_is_answered_with_its_statistics() {
    let bench = bench();
    let dimensions = json!([{ "Name": "d", "Value": "1" }]);
    let datum = |name: &str, value: Value| json!({ "MetricName": "m", "Dimensions": dimensions, name: value });
    let values = json!({ "MetricName": "m", "Dimensions": dimensions, "Values": [1.0, 2.0], "Counts": [3.0, 1.0] });
    let set = json!({ "SampleCount": 2, "Sum": 8, "Minimum": 4, "Maximum": 4 });
    bench.ask(
        "PutMetricData",
        json!({ "Namespace": "N",
        "MetricData": [datum("Value", json!("10")), values, datum("StatisticValues", set)] }),
    );
    let mut asked = series();
    for (name, value) in [
        ("StartTime", json!(NOW_S - 60)),
        ("EndTime", json!("2023-11-14T22:15:00Z")),
        ("Period", json!(60)),
        ("Statistics", json!(["Sum", "SampleCount", "Minimum", "Maximum", "Average"])),
        ("ExtendedStatistics", json!(["p50"])),
    ] {
        asked[name] = value;
    }
    let told = bench.ask("GetMetricStatistics", asked.clone());
    let point = &told["Datapoints"][0];
    assert_eq!(told["Label"], "m");
    let plain = ["Sum", "SampleCount", "Minimum", "Maximum"].map(|name| point[name].as_f64().unwrap());
    assert_eq!(plain, [23.0, 7.0, 1.0, 10.0]);
    assert_eq!(point["Unit"], "None");
    let median = point["ExtendedStatistics"]["p50"].as_f64().unwrap();
    assert!((median - 2.0).abs() < 0.03, "{median}");
    assert_eq!(bench.ask("GetMetricStatistics", with(asked, "Unit", json!("Bytes")))["Datapoints"], json!([]));
}

#[test]
fn data_that_cannot_be_is_refused_by_name() {
    let bench = bench();
    let put = |datum: Value| bench.refused("PutMetricData", json!({ "Namespace": "N", "MetricData": [datum] }));
    for (datum, part) in [
        (
            json!({ "Value": 1 }),
            "MissingRequiredParameterException The parameter MetricData.member.1.MetricName is required",
        ),
        (
            json!({ "MetricName": "m" }),
            "MissingRequiredParameterException The parameter MetricData.member.1.Value is required",
        ),
        (
            json!({ "MetricName": "m", "Value": "x" }),
            "InvalidParameterValueException The parameter MetricData.member.1.Value must be a number",
        ),
        (json!({ "MetricName": "m", "Value": 1e109 }), "from -2^360 to 2^360"),
        (json!({ "MetricName": "m", "Value": 1, "Values": [1] }), "InvalidParameterCombinationException"),
        (json!({ "MetricName": "m", "Values": [1, 2], "Counts": [1] }), "the same number of members"),
        (json!({ "MetricName": "m", "Values": [] }), "must hold a value"),
        (json!({ "MetricName": "m", "Value": 1, "Unit": "Furlongs" }), "one of Seconds, Microseconds"),
        (json!({ "MetricName": "m", "Value": 1, "StorageResolution": 5 }), "must be 1 or 60"),
        (json!({ "MetricName": "m", "Value": 1, "Timestamp": NOW_S - 15 * 86_400 }), "the last 14 days"),
        (json!({ "MetricName": "m", "Value": 1, "Timestamp": NOW_S + 61 }), "not ahead"),
        (
            json!({ "MetricName": "m", "StatisticValues": { "Sum": 1, "SampleCount": 1, "Minimum": 2, "Maximum": 1 } }),
            "must not be less",
        ),
        (
            json!({ "MetricName": "m", "Value": 1, "Dimensions": [{ "Name": "d", "Value": "1" }, { "Name": "d", "Value": "2" }] }),
            "twice",
        ),
    ] {
        let refused = put(datum.clone());
        assert!(refused.contains(part), "{datum}: {refused}");
    }
    let many: Vec<Value> = (0..1_001).map(|_| json!({ "MetricName": "m", "Value": 1 })).collect();
    assert!(
        bench
            .refused("PutMetricData", json!({ "Namespace": "N", "MetricData": many }))
            .contains("at most 1000 members")
    );
    assert!(
        bench.refused("PutMetricData", json!({ "Namespace": "AWS/Kinesis", "MetricData": [] })).contains("AWS/Kinesis")
    );
    bench.put(NOW_S, 1.0);
    let other =
        json!({ "MetricName": "m", "Value": 1, "Unit": "Bytes", "Dimensions": [{ "Name": "d", "Value": "1" }] });
    assert!(put(other).contains("m is kept in Count"));
    assert!(bench.refused("Nothing", json!({})).starts_with("UnknownOperationException"));
}

#[test]
fn data_is_answered_in_pages_in_the_order_that_was_asked_for() {
    let bench = bench();
    for minute in 0..10 {
        bench.put(NOW_S - 600 + minute * 60, minute as f64);
    }
    let hidden = with(query("m1", "Sum", 60), "ReturnData", json!(false));
    let asked = json!({ "StartTime": NOW_S - 600, "EndTime": NOW_S, "MaxDatapoints": 8, "ScanBy": "TimestampAscending",
        "MetricDataQueries": [hidden, { "Id": "e1", "Expression": "m1 * 2", "Label": "twice ${MAX}" },
            query("m2", "Sum", 300), { "Id": "e2", "Expression": "m9" }, { "Id": "e3", "Expression": "SUM(m1)" }] });
    let first = bench.ask("GetMetricData", asked.clone());
    let results = first["MetricDataResults"].as_array().unwrap();
    assert_eq!(
        (results.len(), &results[0]["StatusCode"], &results[0]["Label"]),
        (1, &json!("PartialData"), &json!("twice 18"))
    );
    assert_eq!(results[0]["Values"], json!([0.0, 2.0, 4.0, 6.0, 8.0, 10.0, 12.0, 14.0]));
    let second = bench.ask("GetMetricData", with(asked.clone(), "NextToken", first["NextToken"].clone()));
    let results = second["MetricDataResults"].as_array().unwrap();
    let ids: Vec<&str> = results.iter().map(|result| result["Id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["e1", "m2", "e2", "e3"]);
    assert_eq!((&results[0]["Values"], &results[0]["StatusCode"]), (&json!([16.0, 18.0]), &json!("Complete")));
    assert_eq!(results[1]["Values"].as_array().unwrap().iter().filter_map(Value::as_f64).sum::<f64>(), 45.0);
    assert!(results[2]["Messages"][0]["Value"].as_str().unwrap().contains("m9"));
    assert!(results[3]["Messages"][0]["Value"].as_str().unwrap().contains("the number 45"));
    assert!(second.get("NextToken").is_none());
    let latest = with(with(asked.clone(), "ScanBy", json!("TimestampDescending")), "MaxDatapoints", json!(2));
    assert_eq!(bench.ask("GetMetricData", latest.clone())["MetricDataResults"][0]["Values"], json!([18.0, 16.0]));
    assert!(
        bench
            .refused("GetMetricData", with(latest, "NextToken", first["NextToken"].clone()))
            .starts_with("InvalidNextToken")
    );
}

#[test]
fn questions_that_make_no_sense_are_refused_by_name() {
    let bench = bench();
    let ask = |queries: Value| {
        bench.refused("GetMetricData", json!({ "StartTime": 1, "EndTime": 2, "MetricDataQueries": queries }))
    };
    for (queries, part) in [
        (json!([]), "MetricDataQueries is required"),
        (json!([{ "Id": "M" , "Expression": "1" }]), "must begin with a lowercase letter"),
        (json!([{ "Id": "m" }]), "Exactly one of"),
        (json!([{ "Id": "m", "Expression": "1 +" }]), "ValidationError Error in expression 'm'"),
        (json!([query("a", "Sum", 60), query("a", "Sum", 60)]), "must be unique"),
        (json!([query("a", "sum", 60)]), "not supported"),
        (json!([query("a", "Sum", 7)]), "multiple of 60"),
    ] {
        let refused = ask(queries.clone());
        assert!(refused.contains(part), "{queries}: {refused}");
    }
    let mut asked = series();
    for (name, value) in
        [("StartTime", json!(0)), ("EndTime", json!(86_460)), ("Period", json!(60)), ("Statistics", json!(["Sum"]))]
    {
        asked[name] = value;
    }
    assert!(
        bench
            .refused("GetMetricStatistics", asked.clone())
            .contains("1441 datapoints, which exceeds the limit of 1440")
    );
    assert!(bench.refused("GetMetricStatistics", with(asked, "EndTime", json!(0))).contains("less than"));
}

#[test]
fn metrics_are_listed_by_what_they_are_and_when_they_were_active() {
    let bench = bench();
    bench.put(NOW_S - 4 * 3_600, 1.0);
    let data: Vec<Value> = (0..600).map(|n| json!({ "MetricName": format!("n{n:03}"), "Value": 1 })).collect();
    bench.ask("PutMetricData", json!({ "Namespace": "O", "MetricData": data }));
    let count = |asked: Value| bench.ask("ListMetrics", asked)["Metrics"].as_array().unwrap().len();
    assert_eq!(count(json!({ "Namespace": "N" })), 1);
    assert_eq!(count(json!({ "Namespace": "N", "RecentlyActive": "PT3H" })), 0);
    assert_eq!(count(json!({ "Dimensions": [{ "Name": "d" }] })), 1);
    assert_eq!(count(json!({ "Dimensions": [{ "Name": "d", "Value": "2" }] })), 0);
    let first = bench.ask("ListMetrics", json!({ "Namespace": "O" }));
    assert_eq!(first["Metrics"].as_array().unwrap().len(), 500);
    assert_eq!(count(json!({ "Namespace": "O", "NextToken": first["NextToken"] })), 100);
    assert!(
        bench
            .refused("ListMetrics", json!({ "Namespace": "N", "NextToken": first["NextToken"] }))
            .starts_with("InvalidNextToken")
    );
}

#[test]
fn alarms_are_kept_described_and_removed() {
    let bench = bench();
    bench.ask("PutMetricAlarm", with(alarm(), "Tags", json!([{ "Key": "team", "Value": "maps" }])));
    bench.ask("PutCompositeAlarm", json!({ "AlarmName": "c", "AlarmRule": "ALARM(a)" }));
    let described = bench.ask("DescribeAlarms", json!({}));
    assert_eq!(described["CompositeAlarms"], json!([]));
    let told = &described["MetricAlarms"][0];
    assert_eq!(
        (&told["StateValue"], &told["Threshold"], &told["ActionsEnabled"]),
        (&json!("INSUFFICIENT_DATA"), &json!(5.0), &json!(true))
    );
    assert!(told.get("TreatMissingData").is_none() && told.get("Metrics").is_none());
    let both = bench.ask("DescribeAlarms", json!({ "AlarmTypes": ["MetricAlarm", "CompositeAlarm"], "MaxRecords": 1 }));
    let next = bench.ask(
        "DescribeAlarms",
        json!({ "AlarmTypes": ["MetricAlarm", "CompositeAlarm"], "MaxRecords": 1, "NextToken": both["NextToken"] }),
    );
    assert_eq!(
        (&both["MetricAlarms"][0]["AlarmName"], &next["CompositeAlarms"][0]["AlarmRule"]),
        (&json!("a"), &json!("ALARM(a)"))
    );
    assert_eq!(bench.ask("DescribeAlarms", json!({ "ChildrenOfAlarmName": "c" }))["MetricAlarms"][0]["AlarmName"], "a");
    assert_eq!(
        bench.ask("DescribeAlarms", json!({ "ParentsOfAlarmName": "a" }))["CompositeAlarms"][0]["AlarmName"],
        "c"
    );
    assert_eq!(bench.ask("DescribeAlarmsForMetric", series())["MetricAlarms"][0]["AlarmName"], "a");
    let arn = told["AlarmArn"].clone();
    bench.ask("TagResource", json!({ "ResourceARN": arn, "Tags": [{ "Key": "k", "Value": "" }] }));
    bench.ask("UntagResource", json!({ "ResourceARN": arn, "TagKeys": ["team"] }));
    assert_eq!(
        bench.ask("ListTagsForResource", json!({ "ResourceARN": arn }))["Tags"],
        json!([{ "Key": "k", "Value": "" }])
    );
    bench.ask(
        "SetAlarmState",
        json!({ "AlarmName": "a", "StateValue": "ALARM", "StateReason": "test", "StateReasonData": "{}" }),
    );
    bench.ask("DisableAlarmActions", json!({ "AlarmNames": ["a"] }));
    assert_eq!(
        bench.ask("DescribeAlarms", json!({ "StateValue": "ALARM" }))["MetricAlarms"][0]["ActionsEnabled"],
        false
    );
    let history = bench.ask("DescribeAlarmHistory", json!({ "AlarmName": "a", "MaxRecords": 2 }));
    let summaries: Vec<&str> = history["AlarmHistoryItems"]
        .as_array()
        .unwrap()
        .iter()
        .map(|i| i["HistorySummary"].as_str().unwrap())
        .collect();
    assert_eq!(summaries, ["Alarm \"a\" updated", "Alarm updated from INSUFFICIENT_DATA to ALARM"]);
    let rest = bench
        .ask("DescribeAlarmHistory", json!({ "AlarmName": "a", "MaxRecords": 2, "NextToken": history["NextToken"] }));
    assert_eq!(rest["AlarmHistoryItems"][0]["HistorySummary"], "Alarm \"a\" created");
    assert!(bench.refused("DeleteAlarms", json!({ "AlarmNames": ["a", "c"] })).contains("one composite alarm"));
    assert!(bench.refused("DeleteAlarms", json!({ "AlarmNames": ["a"] })).contains("is watched by"));
    bench.ask("DeleteAlarms", json!({ "AlarmNames": ["c"] }));
    bench.ask("DeleteAlarms", json!({ "AlarmNames": ["a"] }));
    assert!(bench.refused("DeleteAlarms", json!({ "AlarmNames": ["a"] })).starts_with("ResourceNotFound "));
    assert!(
        bench.refused("ListTagsForResource", json!({ "ResourceARN": arn })).starts_with("ResourceNotFoundException")
    );
    bench.clock.advance_ms(1);
}

#[test]
fn alarms_that_cannot_be_are_refused_by_name() {
    let bench = bench();
    bench.put(NOW_S, 1.0);
    for (name, value, part) in [
        (
            "ComparisonOperator",
            json!("GreaterThanUpperThreshold"),
            "ValidationError The value GreaterThanUpperThreshold",
        ),
        ("TreatMissingData", json!("never"), "Option never is not supported"),
        ("Statistic", json!("p99"), "give it as ExtendedStatistic"),
        ("ExtendedStatistic", json!("p99"), "mutually exclusive"),
        ("Metrics", json!([query("a", "Sum", 60)]), "must not be given together with Metrics"),
        ("Period", json!(90), "multiple of 60"),
        ("EvaluationPeriods", json!(0), "whole number from 1"),
        ("EvaluationPeriods", json!(1_441), "24 h"),
        ("DatapointsToAlarm", json!(2), "2 of 1"),
        ("AlarmName", json!("a\nb"), "none of them for control"),
        ("Unit", json!("Seconds"), "m is kept in Count, and the alarm asks for Seconds"),
        ("ThresholdMetricId", json!("x"), "not supported"),
        ("AlarmActions", json!(["1", "2", "3", "4", "5", "6"]), "at most 5 members"),
    ] {
        let refused = bench.refused("PutMetricAlarm", with(alarm(), name, value.clone()));
        assert!(refused.contains(part), "{name} {value}: {refused}");
    }
    assert!(
        bench.refused("PutCompositeAlarm", json!({ "AlarmName": "c", "AlarmRule": "ALARM(" })).contains("AlarmRule")
    );
    assert!(
        bench
            .refused("SetAlarmState", json!({ "AlarmName": "x", "StateValue": "OK", "StateReason": "" }))
            .starts_with("ResourceNotFound")
    );
    let bad = json!({ "AlarmName": "x", "StateValue": "OK", "StateReason": "", "StateReasonData": "{" });
    assert!(bench.refused("SetAlarmState", bad).starts_with("InvalidFormatFault"));
}

#[test]
fn dashboards_are_kept_whole_and_checked() {
    let bench = bench();
    let body = r#"{"widgets":[{"type":"metric","properties":{}}]}"#;
    bench.ask("PutDashboard", json!({ "DashboardName": "taxi", "DashboardBody": body }));
    assert_eq!(bench.ask("GetDashboard", json!({ "DashboardName": "taxi" }))["DashboardBody"], body);
    let listed = bench.ask("ListDashboards", json!({ "DashboardNamePrefix": "ta" }));
    assert_eq!(
        (&listed["DashboardEntries"][0]["DashboardName"], &listed["DashboardEntries"][0]["Size"]),
        (&json!("taxi"), &json!(body.len()))
    );
    assert_eq!(bench.ask("ListDashboards", json!({ "DashboardNamePrefix": "%" }))["DashboardEntries"], json!([]));
    let put = |body: &str| bench.refused("PutDashboard", json!({ "DashboardName": "x", "DashboardBody": body }));
    for (body, part) in
        [("{", "not JSON"), ("[]", "a JSON object"), (r#"{"widgets":[{}]}"#, "/widgets/0: A widget must have a type")]
    {
        assert!(
            put(body).starts_with("DashboardInvalidInputError") && put(body).contains(part),
            "{body}: {}",
            put(body)
        );
    }
    assert!(
        bench
            .refused("DeleteDashboards", json!({ "DashboardNames": ["taxi", "x"] }))
            .starts_with("DashboardNotFoundError")
    );
    bench.ask("DeleteDashboards", json!({ "DashboardNames": ["taxi"] }));
    assert!(bench.refused("GetDashboard", json!({ "DashboardName": "taxi" })).starts_with("DashboardNotFoundError"));
}
