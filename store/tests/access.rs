//! Who may do what at the Kinesis door: what roles allow, what policies add, and what they deny.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use axum::body::Body;
use axum::http::Request;
use http_body_util::BodyExt;
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;
use model::Env;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use store::kinesis::{Caller, router};
use store::{CapacityMode, Limits, Store, StoreConfig};

const USER: &str = "arn:aws:iam::000000000000:user/P";
const TRIPS: &str = "arn:aws:kinesis:us-east-1:000000000000:stream/trips";

struct Door {
    store: Store,
    _dir: tempfile::TempDir,
}

impl Door {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let config = StoreConfig::new(dir.path(), Env::system());
        let store = Store::open(StoreConfig { limits: Limits::Unlimited, status_delay_ms: 0, ..config }).unwrap();
        for stream in ["trips", "other"] {
            store.create_stream(stream, 1, CapacityMode::Provisioned).await.unwrap();
            store.settled(stream).await.unwrap();
        }
        store.register_consumer("trips", "map", BTreeMap::new()).await.unwrap();
        Self { store, _dir: dir }
    }

    /// Asks as a user whose role allows the operation or does not; gives the answer.
    async fn ask(&self, allowed: bool, operation: &str, input: &Value) -> Value {
        let mut request = Request::post("/")
            .header("content-type", "application/x-amz-json-1.1")
            .header("x-amz-target", format!("Kinesis_20131202.{operation}"))
            .body(Body::from(input.to_string()))
            .unwrap();
        request.extensions_mut().insert(Caller { arn: USER.to_owned(), allowed });
        let response = TowerToHyperService::new(router(self.store.clone())).call(request).await.unwrap();
        let body = response.into_body();
        if operation == "SubscribeToShard" {
            // The events go on for minutes; that they begin is enough.
            let mut body = body;
            let first = body.frame().await.unwrap().unwrap().into_data().unwrap();
            return serde_json::from_slice(&first).unwrap_or_default();
        }
        serde_json::from_slice(&body.collect().await.unwrap().to_bytes()).unwrap_or_default()
    }

    async fn check(&self, allowed: bool, operation: &str, input: Value, refused: Option<&str>) {
        let answer = self.ask(allowed, operation, &input).await;
        let told = (answer["__type"].as_str(), answer["message"].as_str());
        match refused {
            None => assert_eq!(told, (None, None), "{operation} {input}"),
            Some(end) => {
                let message =
                    format!("User: {USER} is not authorized to perform: kinesis:{operation} on resource: {end}");
                assert_eq!(told, (Some("AccessDeniedException"), Some(message.as_str())), "{operation} {input}");
            }
        }
    }

    async fn policy(&self, arn: &str, effect: &str, action: &str, resource: &str) {
        let statement = json!({
            "Effect": effect, "Principal": { "AWS": USER }, "Action": action, "Resource": resource,
        });
        let policy = json!({ "Version": "2012-10-17", "Statement": [statement] }).to_string();
        self.check(true, "PutResourcePolicy", json!({ "ResourceARN": arn, "Policy": policy }), None).await;
    }

    async fn consumer(&self) -> String {
        let answer = self.ask(true, "ListStreamConsumers", &json!({ "StreamARN": TRIPS })).await;
        answer["Consumers"][0]["ConsumerARN"].as_str().unwrap().to_owned()
    }
}

fn put(stream: &str) -> Value {
    json!({ "StreamName": stream, "Records": [{ "Data": "ZA==", "PartitionKey": "k" }] })
}

fn unallowed(operation: &str, resource: &str) -> String {
    format!("{resource} because no identity-based policy allows the kinesis:{operation} action")
}

const DENIED: &str = "with an explicit deny in a resource-based policy";

#[tokio::test]
async fn without_policies_the_role_decides() {
    let door = Door::new().await;
    door.check(true, "PutRecords", put("trips"), None).await;
    door.check(false, "PutRecords", put("trips"), Some(&unallowed("PutRecords", TRIPS))).await;
    door.check(
        false,
        "CreateStream",
        json!({ "StreamName": "x" }),
        Some(&unallowed("CreateStream", &TRIPS.replace("trips", "x"))),
    )
    .await;
    door.check(false, "UpdateAccountSettings", json!({}), Some(&unallowed("UpdateAccountSettings", "*"))).await;
    door.check(true, "ListStreams", json!({}), None).await;
}

#[tokio::test]
async fn a_policy_allows_what_can_be_shared_on_its_resource_alone() {
    let door = Door::new().await;
    door.policy(TRIPS, "Allow", "kinesis:*", TRIPS).await;
    door.check(false, "PutRecords", put("trips"), None).await;
    door.check(false, "ListShards", json!({ "StreamARN": TRIPS }), None).await;
    let other = TRIPS.replace("trips", "other");
    door.check(false, "PutRecords", put("other"), Some(&unallowed("PutRecords", &other))).await;
    for operation in ["DeleteStream", "IncreaseStreamRetentionPeriod"] {
        let input = json!({ "StreamName": "trips", "RetentionPeriodHours": 48 });
        door.check(false, operation, input, Some(&unallowed(operation, TRIPS))).await;
    }
    // What is shared of one stream opens no other one, whichever way it is named.
    let both = json!({ "StreamName": "trips", "StreamARN": other, "ShardId": "shardId-000000000000" });
    door.check(false, "ListShards", both, Some(&unallowed("ListShards", &other))).await;
    door.check(true, "DeleteResourcePolicy", json!({ "ResourceARN": TRIPS }), None).await;
    door.check(false, "PutRecords", put("trips"), Some(&unallowed("PutRecords", TRIPS))).await;
}

#[tokio::test]
async fn a_denial_holds_for_every_role_and_every_name() {
    let door = Door::new().await;
    let start = json!({ "StreamName": "trips", "ShardId": "shardId-000000000000", "ShardIteratorType": "LATEST" });
    let given = door.ask(true, "GetShardIterator", &start).await;
    door.policy(TRIPS, "Deny", "kinesis:Get*", "*").await;
    let denied = format!("{TRIPS} {DENIED}");
    door.check(true, "GetShardIterator", start, Some(&denied)).await;
    door.check(true, "GetRecords", json!({ "ShardIterator": given["ShardIterator"] }), Some(&denied)).await;
    door.check(true, "PutRecords", put("trips"), None).await;
    // Policies themselves stay in the hands of those whose role governs them.
    door.check(true, "GetResourcePolicy", json!({ "ResourceARN": TRIPS }), None).await;
    let refused = unallowed("GetResourcePolicy", TRIPS);
    door.check(false, "GetResourcePolicy", json!({ "ResourceARN": TRIPS }), Some(&refused)).await;
    let page = door.ask(true, "ListShards", &json!({ "StreamName": "trips", "MaxResults": 1 })).await;
    assert!(page["Shards"].is_array(), "{page}");
}

#[tokio::test]
async fn a_consumer_has_a_policy_of_its_own_and_obeys_its_streams() {
    let door = Door::new().await;
    let consumer = door.consumer().await;
    let by_arn = json!({ "ConsumerARN": consumer });
    let by_name = json!({ "StreamARN": TRIPS, "ConsumerName": "map" });
    let subscribe = json!({
        "ConsumerARN": consumer, "ShardId": "shardId-000000000000", "StartingPosition": { "Type": "LATEST" },
    });
    for input in [&by_arn, &by_name] {
        let refused = unallowed("DescribeStreamConsumer", &consumer);
        door.check(false, "DescribeStreamConsumer", input.clone(), Some(&refused)).await;
    }
    door.check(false, "SubscribeToShard", subscribe.clone(), Some(&unallowed("SubscribeToShard", &consumer))).await;
    door.policy(&consumer, "Allow", "kinesis:*", &consumer).await;
    door.check(false, "DescribeStreamConsumer", by_arn.clone(), None).await;
    door.check(false, "DescribeStreamConsumer", by_name.clone(), None).await;
    door.check(false, "SubscribeToShard", subscribe.clone(), None).await;
    door.check(
        false,
        "DeregisterStreamConsumer",
        by_arn.clone(),
        Some(&unallowed("DeregisterStreamConsumer", &consumer)),
    )
    .await;
    door.policy(TRIPS, "Deny", "kinesis:Describe*", &format!("{TRIPS}/consumer/*")).await;
    door.check(true, "DescribeStreamConsumer", by_name, Some(&format!("{consumer} {DENIED}"))).await;
}

#[tokio::test]
async fn a_kept_policy_that_cannot_be_read_denies() {
    let door = Door::new().await;
    door.store.set_policy("trips", Some("{".into())).await.unwrap();
    door.check(true, "PutRecords", put("trips"), Some(&format!("{TRIPS} {DENIED}"))).await;
    door.check(true, "PutRecords", put("other"), None).await;
    door.check(true, "DeleteResourcePolicy", json!({ "ResourceARN": TRIPS }), None).await;
    door.check(true, "PutRecords", put("trips"), None).await;
}
