//! The services of `control` behind their door: calls in each protocol to every operation, metric math and rules of alarms
//! among them.

use axum::body::Body;
use axum::http::{Request, StatusCode};
use control::alarms::{Actions, Alarms, Composite, NotPerformed, Occurrence};
use control::aws::analytics::{Analytics, Place};
use control::aws::{AutoScaling, CloudWatch, Door, Service};
use control::metrics::MetricStore;
use control::scaling::{Autoscaler, Policies, Step, Steps, Subject};
use control::timeline::Timeline;
use control::{
    ApplicationSpec, Applications, Begin, Beginning, Correction, Database, Options, Runner, RunnerError, Running,
    SnapshotInfo, StateFate,
};
use model::{Env, Kind};
use std::sync::{Arc, LazyLock};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

const ANALYTICS: &str = "KinesisAnalytics_20180523";
const SCALING: &str = "AnyScaleFrontendService";
const NUMBERS: &str = "GraniteServiceVersion20100801";

/// Every operation, by its service.
pub const CALLS: [(&str, &str); 58] = [
    (NUMBERS, "PutMetricData"),
    (NUMBERS, "GetMetricData"),
    (NUMBERS, "GetMetricStatistics"),
    (NUMBERS, "ListMetrics"),
    (NUMBERS, "PutMetricAlarm"),
    (NUMBERS, "PutCompositeAlarm"),
    (NUMBERS, "DescribeAlarms"),
    (NUMBERS, "DescribeAlarmsForMetric"),
    (NUMBERS, "DescribeAlarmHistory"),
    (NUMBERS, "SetAlarmState"),
    (NUMBERS, "EnableAlarmActions"),
    (NUMBERS, "DisableAlarmActions"),
    (NUMBERS, "DeleteAlarms"),
    (NUMBERS, "PutDashboard"),
    (NUMBERS, "GetDashboard"),
    (NUMBERS, "ListDashboards"),
    (NUMBERS, "DeleteDashboards"),
    (NUMBERS, "TagResource"),
    (NUMBERS, "UntagResource"),
    (NUMBERS, "ListTagsForResource"),
    (SCALING, "RegisterScalableTarget"),
    (SCALING, "DescribeScalableTargets"),
    (SCALING, "DeregisterScalableTarget"),
    (SCALING, "PutScalingPolicy"),
    (SCALING, "DescribeScalingPolicies"),
    (SCALING, "DeleteScalingPolicy"),
    (SCALING, "DescribeScalingActivities"),
    (SCALING, "PutScheduledAction"),
    (SCALING, "DescribeScheduledActions"),
    (SCALING, "DeleteScheduledAction"),
    (SCALING, "TagResource"),
    (SCALING, "UntagResource"),
    (SCALING, "ListTagsForResource"),
    (SCALING, "GetPredictiveScalingForecast"),
    (ANALYTICS, "CreateApplication"),
    (ANALYTICS, "UpdateApplication"),
    (ANALYTICS, "DescribeApplication"),
    (ANALYTICS, "DescribeApplicationVersion"),
    (ANALYTICS, "ListApplications"),
    (ANALYTICS, "ListApplicationVersions"),
    (ANALYTICS, "DeleteApplication"),
    (ANALYTICS, "StartApplication"),
    (ANALYTICS, "StopApplication"),
    (ANALYTICS, "RollbackApplication"),
    (ANALYTICS, "CreateApplicationSnapshot"),
    (ANALYTICS, "DescribeApplicationSnapshot"),
    (ANALYTICS, "ListApplicationSnapshots"),
    (ANALYTICS, "DeleteApplicationSnapshot"),
    (ANALYTICS, "AddApplicationCloudWatchLoggingOption"),
    (ANALYTICS, "DeleteApplicationCloudWatchLoggingOption"),
    (ANALYTICS, "CreateApplicationPresignedUrl"),
    (ANALYTICS, "DescribeApplicationOperation"),
    (ANALYTICS, "ListApplicationOperations"),
    (ANALYTICS, "UpdateApplicationMaintenanceConfiguration"),
    (ANALYTICS, "TagResource"),
    (ANALYTICS, "UntagResource"),
    (ANALYTICS, "ListTagsForResource"),
    (ANALYTICS, "DiscoverInputSchema"),
];

/// Takes every script and runs none.
struct Idle;

fn idle<T>() -> Result<T, RunnerError> {
    Err(RunnerError::new(Kind::Unavailable, "nothing runs here"))
}

impl Runner for Idle {
    fn check(&self, _: &ApplicationSpec) -> Result<(), RunnerError> {
        Ok(())
    }

    fn explain(&self, _: &ApplicationSpec) -> Result<String, RunnerError> {
        Ok(String::new())
    }

    fn compare(&self, _: &ApplicationSpec, _: &Begin) -> Result<Vec<StateFate>, RunnerError> {
        Ok(Vec::new())
    }

    fn start(&self, _: &ApplicationSpec, _: &Beginning) -> Result<Arc<dyn Running>, RunnerError> {
        idle()
    }

    fn snapshots(&self, _: &str) -> Result<Vec<SnapshotInfo>, RunnerError> {
        Ok(Vec::new())
    }

    fn snapshot_names(&self, _: &str) -> Result<Vec<String>, RunnerError> {
        Ok(Vec::new())
    }

    fn remove_snapshot(&self, _: &str, _: &str) -> Result<(), RunnerError> {
        Ok(())
    }

    fn correct(&self, _: &ApplicationSpec, _: bool) -> Result<Correction, RunnerError> {
        idle()
    }

    fn close(&self) {}

    fn forget(&self, _: &str) -> Result<(), RunnerError> {
        Ok(())
    }
}

impl Actions for Idle {
    fn check(&self, _: &str) -> Result<(), String> {
        Ok(())
    }

    fn repeats(&self, _: &str) -> bool {
        false
    }

    fn perform(&self, _: &str, _: &Occurrence) -> Result<String, NotPerformed> {
        Ok(String::new())
    }
}

impl Steps for Idle {
    fn take(&self, _: &Subject, _: Option<&str>, _: &Step, _: &str) -> Result<(), String> {
        Ok(())
    }
}

struct World {
    runtime: Runtime,
    door: Door,
    alarms: Arc<Alarms>,
    _folder: TempDir,
}

static WORLD: LazyLock<World> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let env = Env::system();
    let database = Arc::new(Database::open(&folder.path().join("control.db")).unwrap());
    let metrics = Arc::new(MetricStore::open(&folder.path().join("metrics"), env.clone()).unwrap());
    let alarms = Arc::new(Alarms::open(env.clone(), database.clone(), metrics.clone(), Arc::new(Idle)).unwrap());
    let timeline = Timeline::open(database.clone()).unwrap();
    let scaler = Autoscaler::open(database.clone(), timeline, env.clone(), Arc::new(Idle)).unwrap();
    let policies = Arc::new(Policies::new(scaler.clone(), env.clone()));
    let runner = Arc::new(Idle);
    let applications =
        Applications::open(database.clone(), folder.path(), env.clone(), runner, Options::default()).unwrap();
    let place =
        Place { account: "0".repeat(12), region: "us-east-1".to_owned(), console: "http://localhost".to_owned() };
    let services: Vec<Arc<dyn Service>> = vec![
        Arc::new(Analytics::new(Arc::new(applications), place)),
        Arc::new(AutoScaling::open(database.clone(), scaler, policies, env.clone()).unwrap()),
        Arc::new(CloudWatch::open(env.clone(), metrics, alarms.clone(), database).unwrap()),
    ];
    World { runtime, door: Door::new(services, env), alarms, _folder: folder }
});

/// The first byte says which operation is called, the second in which protocol, the rest is the body.
pub fn services(data: &[u8]) {
    let [call, protocol, body @ ..] = data else { return };
    let (service, operation) = CALLS[usize::from(*call) % CALLS.len()];
    let request = match protocol % 3 {
        0 => Request::post("/")
            .header("content-type", "application/x-amz-json-1.1")
            .header("x-amz-target", format!("{service}.{operation}")),
        1 => Request::post(format!("/service/{service}/operation/{operation}"))
            .header("content-type", "application/cbor")
            .header("smithy-protocol", "rpc-v2-cbor"),
        _ => Request::post("/").header("content-type", "application/x-www-form-urlencoded"),
    };
    let form = format!("Action={operation}&Version=2010-08-01&");
    let head = if protocol % 3 == 2 { form.as_bytes() } else { b"" };
    let request = request.body(Body::from([head, body].concat())).unwrap();
    let answer = WORLD.runtime.block_on(WORLD.door.answer(request, true));
    assert_ne!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR, "{operation} fails on its own side");
    // What was taken must be judged without a panic too.
    WORLD.alarms.tick().unwrap();
}

/// Rules of composite alarms: what is read tells its alarms, each of which stands in the text.
pub fn rules(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    match Composite::parse(&text) {
        Ok(rule) => assert!(rule.children().into_iter().all(|child| !child.is_empty())),
        Err(error) => assert!(!error.to_string().is_empty(), "an error without a word"),
    }
}
