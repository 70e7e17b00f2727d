//! What the operations of the services do, by which it is decided who may call them, and what a call is about.

use axum::http::HeaderMap;
use model::Access::{self, Control, Look, Read, Write};
use serde_json::Value;
use std::borrow::Cow;

/// Every operation of the real services by what it does; an operation that is not here is the administrator's alone.
const OPERATIONS: [(&str, Access, &[&str]); 8] = [
    (
        ANALYTICS,
        Look,
        &[
            "DescribeApplication",
            "DescribeApplicationOperation",
            "DescribeApplicationSnapshot",
            "DescribeApplicationVersion",
            "ListApplicationOperations",
            "ListApplicationSnapshots",
            "ListApplicationVersions",
            "ListApplications",
            "ListTagsForResource",
        ],
    ),
    (ANALYTICS, Read, &["DiscoverInputSchema"]),
    (
        ANALYTICS,
        Control,
        &[
            "AddApplicationCloudWatchLoggingOption",
            "AddApplicationInput",
            "AddApplicationInputProcessingConfiguration",
            "AddApplicationOutput",
            "AddApplicationReferenceDataSource",
            "AddApplicationVpcConfiguration",
            "CreateApplication",
            "CreateApplicationPresignedUrl",
            "CreateApplicationSnapshot",
            "DeleteApplication",
            "DeleteApplicationCloudWatchLoggingOption",
            "DeleteApplicationInputProcessingConfiguration",
            "DeleteApplicationOutput",
            "DeleteApplicationReferenceDataSource",
            "DeleteApplicationSnapshot",
            "DeleteApplicationVpcConfiguration",
            "RollbackApplication",
            "StartApplication",
            "StopApplication",
            "TagResource",
            "UntagResource",
            "UpdateApplication",
            "UpdateApplicationMaintenanceConfiguration",
        ],
    ),
    (
        CLOUDWATCH,
        Look,
        &[
            "DescribeAlarmContributors",
            "DescribeAlarmHistory",
            "DescribeAlarms",
            "DescribeAlarmsForMetric",
            "DescribeAnomalyDetectors",
            "DescribeInsightRules",
            "GetAlarmMuteRule",
            "GetDashboard",
            "GetInsightRuleReport",
            "GetMetricData",
            "GetMetricStatistics",
            "GetMetricStream",
            "GetMetricWidgetImage",
            "GetOTelEnrichment",
            "ListAlarmMuteRules",
            "ListDashboards",
            "ListManagedInsightRules",
            "ListMetricStreams",
            "ListMetrics",
            "ListTagsForResource",
        ],
    ),
    (CLOUDWATCH, Write, &["PutMetricData"]),
    (
        CLOUDWATCH,
        Control,
        &[
            "DeleteAlarmMuteRule",
            "DeleteAlarms",
            "DeleteAnomalyDetector",
            "DeleteDashboards",
            "DeleteInsightRules",
            "DeleteMetricStream",
            "DisableAlarmActions",
            "DisableInsightRules",
            "EnableAlarmActions",
            "EnableInsightRules",
            "PutAlarmMuteRule",
            "PutAnomalyDetector",
            "PutCompositeAlarm",
            "PutDashboard",
            "PutInsightRule",
            "PutManagedInsightRules",
            "PutMetricAlarm",
            "PutMetricStream",
            "SetAlarmState",
            "StartMetricStreams",
            "StartOTelEnrichment",
            "StopMetricStreams",
            "StopOTelEnrichment",
            "TagResource",
            "UntagResource",
        ],
    ),
    (
        SCALING,
        Look,
        &[
            "DescribeScalableTargets",
            "DescribeScalingActivities",
            "DescribeScalingPolicies",
            "DescribeScheduledActions",
            "GetPredictiveScalingForecast",
            "ListTagsForResource",
        ],
    ),
    (
        SCALING,
        Control,
        &[
            "DeleteScalingPolicy",
            "DeleteScheduledAction",
            "DeregisterScalableTarget",
            "PutScalingPolicy",
            "PutScheduledAction",
            "RegisterScalableTarget",
            "TagResource",
            "UntagResource",
        ],
    ),
];

const ANALYTICS: &str = "KinesisAnalytics_20180523";
const CLOUDWATCH: &str = "GraniteServiceVersion20100801";
const SCALING: &str = "AnyScaleFrontendService";

/// The members by which calls name what they are about, in the order in which they count.
const SUBJECTS: [&str; 9] = [
    "ApplicationName",
    "AlarmName",
    "AlarmNames",
    "DashboardName",
    "DashboardNames",
    "ResourceId",
    "ResourceARN",
    "ResourceArn",
    "Name",
];

/// A call of one of the services, as the head of its request and its body tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Called<'a> {
    /// The service, as in `X-Amz-Target`.
    pub target: &'a str,
    /// The operation.
    pub operation: Cow<'a, str>,
}

impl<'a> Called<'a> {
    /// The call that a request makes: named by its header, by its path (Smithy RPC: `/service/NAME/operation/NAME`), or by
    /// the member `Action` of its form (Query, which of these services CloudWatch alone speaks). `None` where it names none.
    pub fn of(path: &'a str, headers: &'a HeaderMap, body: &'a [u8]) -> Option<Self> {
        if let Some(target) = headers.get("x-amz-target") {
            let (target, operation) = target.to_str().ok()?.split_once('.')?;
            return Some(Self { target, operation: operation.into() });
        }
        let parts: Vec<&str> = path.split('/').collect();
        if let ["", "service", target, "operation", operation] = parts[..] {
            return Some(Self { target, operation: operation.into() });
        }
        let form = headers.get("content-type").is_some_and(|kind| kind.as_bytes().starts_with(FORM));
        let action = form.then(|| member(body, "Action")).flatten()?;
        Some(Self { target: CLOUDWATCH, operation: action.into() })
    }

    /// What the operation does; `None` where there is no rule for it.
    pub fn access(&self) -> Option<Access> {
        let found = OPERATIONS
            .iter()
            .find(|(target, _, names)| *target == self.target && names.contains(&self.operation.as_ref()));
        found.map(|(_, access, _)| *access)
    }
}

/// The name under which calls of the service are signed that a request is for; `None` where it is for none of these.
pub fn signing_name(path: &str, headers: &HeaderMap) -> Option<&'static str> {
    let in_header = || headers.get("x-amz-target")?.to_str().ok()?.split_once('.').map(|(target, _)| target);
    let in_path = || path.strip_prefix("/service/")?.split('/').next();
    let of_form = || headers.get("content-type")?.as_bytes().starts_with(FORM).then_some(CLOUDWATCH);
    match in_header().or_else(in_path).or_else(of_form)? {
        ANALYTICS => Some("kinesisanalytics"),
        CLOUDWATCH => Some("monitoring"),
        SCALING => Some("application-autoscaling"),
        _ => None,
    }
}

const FORM: &[u8] = b"application/x-www-form-urlencoded";

/// What a call is about: the first member of its document, or of its form, that names something. `None` where it names
/// nothing, or the body is in another codec.
pub fn subject(headers: &HeaderMap, body: &[u8]) -> Option<String> {
    if headers.get("content-type").is_some_and(|kind| kind.as_bytes().starts_with(FORM)) {
        return SUBJECTS.iter().find_map(|name| member(body, name));
    }
    if !model::is_shallow(body) {
        return None;
    }
    let Value::Object(members) = serde_json::from_slice(body).ok()? else { return None };
    SUBJECTS.iter().find_map(|name| match members.get(*name)? {
        Value::String(text) => Some(text.clone()),
        Value::Array(all) => Some(all.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(",")),
        _ => None,
    })
}

/// The value of a member of a form; names and values of these have letters that a form leaves as they are, or `%xx`.
fn member(form: &[u8], name: &str) -> Option<String> {
    let mut pairs = form.split(|byte| *byte == b'&').filter_map(|pair| {
        let at = pair.iter().position(|byte| *byte == b'=')?;
        Some((&pair[..at], &pair[at + 1..]))
    });
    pairs.find(|(key, _)| *key == name.as_bytes()).and_then(|(_, value)| decoded(value))
}

fn decoded(text: &[u8]) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.iter();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || rest.next().and_then(|digit| char::from(*digit).to_digit(16));
                (digit()? * 16 + digit()?) as u8
            }
            other => *other,
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn every_operation_has_one_rule() {
        let all: Vec<_> =
            OPERATIONS.iter().flat_map(|(target, _, names)| names.iter().map(move |name| (target, name))).collect();
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
        assert_eq!(all.len(), 33 + 46 + 14);
    }

    #[test]
    fn a_call_is_known_in_each_protocol() {
        let check = |path: &str, headers: HeaderMap, body: &str, expected: Option<(&str, Option<Access>)>| {
            let called = Called::of(path, &headers, body.as_bytes());
            let told = called.as_ref().map(|called| (called.operation.as_ref(), called.access()));
            assert_eq!(told, expected, "{path} {headers:?} {body}");
        };
        let target = |text| headers(&[("x-amz-target", text)]);
        check("/", target("KinesisAnalytics_20180523.StopApplication"), "", Some(("StopApplication", Some(Control))));
        check("/", target("GraniteServiceVersion20100801.ListMetrics"), "", Some(("ListMetrics", Some(Look))));
        check("/", target("AnyScaleFrontendService.StopApplication"), "", Some(("StopApplication", None)));
        check("/", target("Nothing"), "", None);
        let path = "/service/GraniteServiceVersion20100801/operation/PutMetricData";
        check(path, headers(&[]), "", Some(("PutMetricData", Some(Write))));
        let form = || headers(&[("content-type", "application/x-www-form-urlencoded; charset=utf-8")]);
        check("/", form(), "Version=2010-08-01&Action=DeleteAlarms&AlarmNames.member.1=a", {
            Some(("DeleteAlarms", Some(Control)))
        });
        check("/", form(), "Version=2010-08-01", None);
        check("/", headers(&[]), "Action=DeleteAlarms", None);
    }

    #[test]
    fn a_call_is_signed_for_its_own_service() {
        let target = |text| headers(&[("x-amz-target", text)]);
        assert_eq!(signing_name("/", &target("KinesisAnalytics_20180523.X")), Some("kinesisanalytics"));
        assert_eq!(signing_name("/", &target("AnyScaleFrontendService.X")), Some("application-autoscaling"));
        assert_eq!(signing_name("/", &target("Other.X")), None);
        let path = "/service/GraniteServiceVersion20100801/operation/ListMetrics";
        assert_eq!(signing_name(path, &headers(&[])), Some("monitoring"));
        let form = headers(&[("content-type", "application/x-www-form-urlencoded")]);
        assert_eq!(signing_name("/", &form), Some("monitoring"));
        assert_eq!(signing_name("/", &headers(&[])), None);
    }

    #[test]
    fn what_a_call_is_about_is_found() {
        let json = headers(&[("content-type", "application/x-amz-json-1.1")]);
        let check = |headers: &HeaderMap, body: &str, expected: Option<&str>| {
            assert_eq!(subject(headers, body.as_bytes()).as_deref(), expected, "{body}");
        };
        check(&json, r#"{"Name":"n","ApplicationName":"taxi"}"#, Some("taxi"));
        check(&json, r#"{"AlarmNames":["a","b",3]}"#, Some("a,b"));
        check(&json, r#"{"ApplicationName":7}"#, None);
        check(&json, "[", None);
        check(&json, &"[".repeat(100_000), None);
        let form = headers(&[("content-type", "application/x-www-form-urlencoded")]);
        check(&form, "AlarmName=a+b%2Fc&X=1", Some("a b/c"));
        check(&form, "AlarmName=%zz", None);
    }
}
