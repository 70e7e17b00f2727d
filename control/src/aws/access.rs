//! What the operations of the services do, by which it is decided who may call them, and what a call is about.

use super::protocol::{action, head, plain};
use axum::body::Bytes;
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

/// A call of one of the services, as the door reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Called<'a> {
    /// The service, as in `X-Amz-Target`.
    pub target: &'a str,
    /// The operation.
    pub operation: Cow<'a, str>,
}

impl<'a> Called<'a> {
    /// The call that a request makes: named by its path (Smithy RPC: `/service/NAME/operation/NAME`), by its header, or by
    /// the member `Action` of its form (Query, which of these services CloudWatch alone speaks). `None` where it names none,
    /// or its form cannot be read: the door then does nothing.
    pub fn of(path: &'a str, headers: &'a HeaderMap, body: &Bytes) -> Option<Self> {
        let head = head(headers, path)?;
        match (head.target, head.operation) {
            (Some(target), Some(operation)) => Some(Self { target, operation: operation.into() }),
            _ => {
                let form = plain(headers, body.clone()).ok()?;
                Some(Self { target: CLOUDWATCH, operation: action(&form)?.into() })
            }
        }
    }

    /// Whether it is for one of these services.
    pub fn is_known(&self) -> bool {
        signed_for(self.target).is_some()
    }

    /// What the operation does; `None` where there is no rule for it.
    pub fn access(&self) -> Option<Access> {
        let found = OPERATIONS
            .iter()
            .find(|(target, _, names)| *target == self.target && names.contains(&self.operation.as_ref()));
        found.map(|(_, access, _)| *access)
    }
}

/// Whether the body of a request names the operation, as that of a form does.
pub fn is_named_in_body(path: &str, headers: &HeaderMap) -> bool {
    head(headers, path).is_some_and(|head| head.operation.is_none())
}

/// The name under which calls of the service are signed that a request is for; `None` where it is for none of these.
pub fn signing_name(path: &str, headers: &HeaderMap) -> Option<&'static str> {
    signed_for(head(headers, path)?.target.unwrap_or(CLOUDWATCH))
}

fn signed_for(target: &str) -> Option<&'static str> {
    match target {
        ANALYTICS => Some("kinesisanalytics"),
        CLOUDWATCH => Some("monitoring"),
        SCALING => Some("application-autoscaling"),
        _ => None,
    }
}

/// What a call is about: the first member of its input that names something. `None` where it names nothing, or cannot be
/// read.
pub fn subject(path: &str, headers: &HeaderMap, body: &Bytes) -> Option<String> {
    let body = plain(headers, body.clone()).ok()?;
    let Value::Object(members) = head(headers, path)?.protocol.input(&body).ok()?.1 else { return None };
    SUBJECTS.iter().find_map(|name| match members.get(*name)? {
        Value::String(text) => Some(text.clone()),
        Value::Array(all) => Some(all.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(",")),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::io::Write as _;

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

    const SMITHY: (&str, &str) = ("smithy-protocol", "rpc-v2-cbor");
    const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

    fn bytes(body: &str) -> Bytes {
        Bytes::copy_from_slice(body.as_bytes())
    }

    fn check_called(path: &str, headers: &HeaderMap, body: &Bytes, expected: Option<(&str, Option<Access>)>) {
        let called = Called::of(path, headers, body);
        let told = called.as_ref().map(|called| (called.operation.as_ref(), called.access()));
        assert_eq!(told, expected, "{path} {headers:?} {body:?}");
    }

    #[test]
    fn a_call_is_known_in_each_protocol() {
        let check = |path: &str, headers: HeaderMap, body: &str, expected: Option<(&str, Option<Access>)>| {
            check_called(path, &headers, &bytes(body), expected);
        };
        let target = |text| headers(&[("x-amz-target", text)]);
        check("/", target("KinesisAnalytics_20180523.StopApplication"), "", Some(("StopApplication", Some(Control))));
        check("/", target("GraniteServiceVersion20100801.ListMetrics"), "", Some(("ListMetrics", Some(Look))));
        check("/", target("AnyScaleFrontendService.StopApplication"), "", Some(("StopApplication", None)));
        check("/", target("Nothing"), "", None);
        let path = "/service/GraniteServiceVersion20100801/operation/PutMetricData";
        check(path, headers(&[SMITHY]), "", Some(("PutMetricData", Some(Write))));
        check(path, headers(&[]), "", None);
        let form = || headers(&[("content-type", "application/x-www-form-urlencoded; charset=utf-8")]);
        check("/", form(), "Version=2010-08-01&Action=DeleteAlarms&AlarmNames.member.1=a", {
            Some(("DeleteAlarms", Some(Control)))
        });
        check("/", form(), "Version=2010-08-01", None);
        check("/", headers(&[]), "Action=DeleteAlarms", None);
    }

    /// Where a request names two operations the one that the door does is the one that counts.
    #[test]
    fn no_request_is_judged_by_another_call_than_the_door_answers() {
        let delete = Some(("DeleteAlarms", Some(Control)));
        let path = "/service/GraniteServiceVersion20100801/operation/DeleteAlarms";
        for other in ["DynamoDB_20120810.ListTables", "GraniteServiceVersion20100801.ListMetrics"] {
            let both = headers(&[SMITHY, ("x-amz-target", other)]);
            check_called(path, &both, &Bytes::new(), delete);
            assert_eq!(signing_name(path, &both), Some("monitoring"));
        }
        let disguised = bytes("%41ction=DeleteAlarms&Action=DescribeAlarms");
        check_called("/", &headers(&[FORM]), &disguised, delete);
        let loud = headers(&[("content-type", "Application/X-WWW-Form-Urlencoded")]);
        check_called("/", &loud, &bytes("Action=DeleteAlarms"), delete);
        assert!(is_named_in_body("/", &loud));
    }

    #[test]
    fn a_packed_form_is_judged_by_what_it_holds() {
        let mut packer =
            flate2::GzBuilder::new().comment("&Action=DescribeAlarms&").write(Vec::new(), flate2::Compression::none());
        packer.write_all(b"Action=DeleteAlarms&AlarmNames.member.1=lag").unwrap();
        let packed = Bytes::from(packer.finish().unwrap());
        let gzip = headers(&[FORM, ("content-encoding", "gzip")]);
        check_called("/", &gzip, &packed, Some(("DeleteAlarms", Some(Control))));
        assert_eq!(subject("/", &gzip, &packed).as_deref(), Some("lag"));
        check_called("/", &gzip, &bytes("Action=DescribeAlarms"), None);
        check_called("/", &headers(&[FORM, ("content-encoding", "br")]), &packed, None);
    }

    #[test]
    fn a_call_is_signed_for_its_own_service() {
        let target = |text| headers(&[("x-amz-target", text)]);
        assert_eq!(signing_name("/", &target("KinesisAnalytics_20180523.X")), Some("kinesisanalytics"));
        assert_eq!(signing_name("/", &target("AnyScaleFrontendService.X")), Some("application-autoscaling"));
        assert_eq!(signing_name("/", &target("Other.X")), None);
        let path = "/service/GraniteServiceVersion20100801/operation/ListMetrics";
        assert_eq!(signing_name(path, &headers(&[SMITHY])), Some("monitoring"));
        assert_eq!(signing_name("/", &headers(&[FORM])), Some("monitoring"));
        assert_eq!(signing_name("/", &headers(&[])), None);
    }

    #[test]
    fn what_a_call_is_about_is_found() {
        let json = headers(&[("x-amz-target", "GraniteServiceVersion20100801.DeleteAlarms")]);
        let check = |headers: &HeaderMap, body: &str, expected: Option<&str>| {
            assert_eq!(subject("/", headers, &bytes(body)).as_deref(), expected, "{body}");
        };
        check(&json, r#"{"Name":"n","ApplicationName":"taxi"}"#, Some("taxi"));
        check(&json, r#"{"AlarmNames":["a","b",3]}"#, Some("a,b"));
        check(&json, r#"{"ApplicationName":7}"#, None);
        check(&json, "[", None);
        check(&json, &"[".repeat(100_000), None);
        let form = headers(&[FORM]);
        check(&form, "Action=SetAlarmState&AlarmName=a+b%2Fc&X=1", Some("a b/c"));
        check(&form, "Action=DeleteAlarms&AlarmNames.member.1=a&AlarmNames.member.2=b", Some("a,b"));
        check(&form, "AlarmName=%zz", None);
        let path = "/service/GraniteServiceVersion20100801/operation/DeleteAlarms";
        let cbor = Bytes::from_static(b"\xa1\x6aAlarmNames\x81\x61a");
        assert_eq!(subject(path, &headers(&[SMITHY]), &cbor).as_deref(), Some("a"));
    }
}
