//! The Kinesis door: `POST /` with the operation in a header and JSON 1.1 or CBOR 1.1 in the body. The only place of this crate that
//! knows the words of the protocol.

mod access;
pub mod admin;
mod capacity;
pub mod client;
mod codec;
mod consumers;
mod encryption;
mod error;
mod get;
mod lists;
mod monitoring;
mod policies;
mod policy;
mod put;
mod rates;
mod reshard;
mod sequence;
mod settings;
mod streams;
mod subscribe;
mod tags;
mod time;
mod token;
mod validate;

pub use access::{Caller, access, subject};

use crate::store::Store;
use crate::tallies::CallFigure;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use axum::routing::any;
use codec::Codec;
use error::{ApiError, Code};
use http_body_util::{BodyExt, Limited};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use validate::{Check, arn_stream};

/// How long a token for the next page is good, in milliseconds.
const TOKEN_AGE_MS_MAX: u64 = 300_000;
const TARGET_PREFIX: &str = "Kinesis_20131202.";
/// Largest body of a request: a full put in Base64, with keys, names and escapes.
const BODY_BYTES_MAX: usize = 24 * 1024 * 1024;

/// The account that streams belong to where nothing else is said.
pub const DEFAULT_ACCOUNT: &str = "000000000000";
/// The region that streams are in where nothing else is said.
pub const DEFAULT_REGION: &str = "us-east-1";

/// What the handlers share.
struct Door {
    store: Store,
    account: String,
    region: String,
    rates: rates::Rates,
}

/// The operations that the door answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Operation {
    AddTagsToStream,
    CreateStream,
    DecreaseStreamRetentionPeriod,
    DeleteResourcePolicy,
    DeleteStream,
    DeregisterStreamConsumer,
    DescribeAccountSettings,
    DescribeLimits,
    DescribeStream,
    DescribeStreamConsumer,
    DescribeStreamSummary,
    DisableEnhancedMonitoring,
    EnableEnhancedMonitoring,
    GetRecords,
    GetResourcePolicy,
    GetShardIterator,
    IncreaseStreamRetentionPeriod,
    ListShards,
    ListStreamConsumers,
    ListStreams,
    ListTagsForResource,
    ListTagsForStream,
    MergeShards,
    PutRecord,
    PutRecords,
    PutResourcePolicy,
    RegisterStreamConsumer,
    RemoveTagsFromStream,
    SplitShard,
    StartStreamEncryption,
    StopStreamEncryption,
    SubscribeToShard,
    TagResource,
    UntagResource,
    UpdateAccountSettings,
    UpdateMaxRecordSize,
    UpdateShardCount,
    UpdateStreamMode,
    UpdateStreamWarmThroughput,
}

impl Operation {
    fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "AddTagsToStream" => Self::AddTagsToStream,
            "CreateStream" => Self::CreateStream,
            "DecreaseStreamRetentionPeriod" => Self::DecreaseStreamRetentionPeriod,
            "DeleteResourcePolicy" => Self::DeleteResourcePolicy,
            "DeleteStream" => Self::DeleteStream,
            "DeregisterStreamConsumer" => Self::DeregisterStreamConsumer,
            "DescribeAccountSettings" => Self::DescribeAccountSettings,
            "DescribeLimits" => Self::DescribeLimits,
            "DescribeStream" => Self::DescribeStream,
            "DescribeStreamConsumer" => Self::DescribeStreamConsumer,
            "DescribeStreamSummary" => Self::DescribeStreamSummary,
            "DisableEnhancedMonitoring" => Self::DisableEnhancedMonitoring,
            "EnableEnhancedMonitoring" => Self::EnableEnhancedMonitoring,
            "GetRecords" => Self::GetRecords,
            "GetResourcePolicy" => Self::GetResourcePolicy,
            "GetShardIterator" => Self::GetShardIterator,
            "IncreaseStreamRetentionPeriod" => Self::IncreaseStreamRetentionPeriod,
            "ListShards" => Self::ListShards,
            "ListStreamConsumers" => Self::ListStreamConsumers,
            "ListStreams" => Self::ListStreams,
            "ListTagsForResource" => Self::ListTagsForResource,
            "ListTagsForStream" => Self::ListTagsForStream,
            "MergeShards" => Self::MergeShards,
            "PutRecord" => Self::PutRecord,
            "PutRecords" => Self::PutRecords,
            "PutResourcePolicy" => Self::PutResourcePolicy,
            "RegisterStreamConsumer" => Self::RegisterStreamConsumer,
            "RemoveTagsFromStream" => Self::RemoveTagsFromStream,
            "SplitShard" => Self::SplitShard,
            "StartStreamEncryption" => Self::StartStreamEncryption,
            "StopStreamEncryption" => Self::StopStreamEncryption,
            "SubscribeToShard" => Self::SubscribeToShard,
            "TagResource" => Self::TagResource,
            "UntagResource" => Self::UntagResource,
            "UpdateAccountSettings" => Self::UpdateAccountSettings,
            "UpdateMaxRecordSize" => Self::UpdateMaxRecordSize,
            "UpdateShardCount" => Self::UpdateShardCount,
            "UpdateStreamMode" => Self::UpdateStreamMode,
            "UpdateStreamWarmThroughput" => Self::UpdateStreamWarmThroughput,
            _ => return None,
        })
    }
}

/// The door to a store, for the default account and region.
pub fn router(store: Store) -> Router {
    router_for(store, DEFAULT_ACCOUNT, DEFAULT_REGION)
}

/// The door to a store whose streams belong to this account (12 digits) and region.
pub fn router_for(store: Store, account: &str, region: &str) -> Router {
    let door = Door { store, account: account.to_owned(), region: region.to_owned(), rates: rates::Rates::default() };
    Router::new().route("/", any(handle)).with_state(Arc::new(door))
}

async fn handle(State(door): State<Arc<Door>>, request: Request) -> Response {
    // What names no codec is told so in JSON.
    let codec = Codec::of(request.headers());
    let shown = *codec.as_ref().unwrap_or(&Codec::Json);
    let request_id = door.store.config().env.random_uuid();
    let result = match codec {
        Ok(codec) => door.answer(codec, request).await,
        Err(error) => Err(error),
    };
    let (status, kind, body) = match result {
        Ok(Answer::Whole(body)) => (StatusCode::OK, shown.content_type(), Body::from(body)),
        Ok(Answer::Events(body)) => (StatusCode::OK, HeaderValue::from_static(wire::event_stream::CONTENT_TYPE), body),
        Err(error) => (error.code.status(), shown.content_type(), Body::from(error_body(&error, shown))),
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, kind);
    // A request id is made of hexadecimal digits and hyphens, which any header takes.
    if let Ok(id) = HeaderValue::from_str(&request_id) {
        headers.insert("x-amzn-requestid", id.clone());
        headers.insert("x-amz-id-2", id);
    }
    response
}

/// What a request is answered with.
enum Answer {
    Whole(Vec<u8>),
    Events(Body),
}

fn error_body(error: &ApiError, codec: Codec) -> Vec<u8> {
    let json = serde_json::json!({ "__type": error.code.name(), "message": error.message }).to_string().into_bytes();
    // Two texts have a form in every codec.
    codec.write(json).unwrap_or_default()
}

impl Door {
    async fn answer(self: Arc<Self>, codec: Codec, request: Request) -> Result<Answer, ApiError> {
        let operation = operation(request.headers())?;
        self.admit_account(operation)?;
        let (mut head, body) = request.into_parts();
        let caller = head.extensions.remove::<Caller>();
        let body = read_body(body).await?;
        let body = codec.read(&body)?;
        if let Some(caller) = caller {
            self.authorize(&caller, operation, &body)?;
        }
        if operation == Operation::SubscribeToShard {
            return self.subscribe_to_shard(codec, &body).await.map(Answer::Events);
        }
        codec.write(self.operate(operation, &body).await?).map(Answer::Whole)
    }

    async fn operate(&self, operation: Operation, body: &[u8]) -> Result<Vec<u8>, ApiError> {
        match operation {
            Operation::AddTagsToStream => self.add_tags_to_stream(body).await,
            Operation::CreateStream => self.create_stream(body).await,
            Operation::DecreaseStreamRetentionPeriod => self.decrease_stream_retention_period(body).await,
            Operation::DeleteResourcePolicy => self.delete_resource_policy(body).await,
            Operation::DeleteStream => self.delete_stream(body).await,
            Operation::DeregisterStreamConsumer => self.deregister_stream_consumer(body).await,
            Operation::DescribeAccountSettings => self.describe_account_settings(body).await,
            Operation::DescribeLimits => self.describe_limits(body),
            Operation::DescribeStream => self.describe_stream(body),
            Operation::DescribeStreamConsumer => self.describe_stream_consumer(body),
            Operation::DescribeStreamSummary => self.describe_stream_summary(body),
            Operation::DisableEnhancedMonitoring => self.disable_enhanced_monitoring(body).await,
            Operation::EnableEnhancedMonitoring => self.enable_enhanced_monitoring(body).await,
            Operation::GetRecords => self.get_records(body).await,
            Operation::GetResourcePolicy => self.get_resource_policy(body),
            Operation::GetShardIterator => self.get_shard_iterator(body).await,
            Operation::IncreaseStreamRetentionPeriod => self.increase_stream_retention_period(body).await,
            Operation::ListShards => self.list_shards(body),
            Operation::ListStreamConsumers => self.list_stream_consumers(body),
            Operation::ListStreams => self.list_streams(body),
            Operation::ListTagsForResource => self.list_tags_for_resource(body),
            Operation::ListTagsForStream => self.list_tags_for_stream(body),
            Operation::MergeShards => self.merge_shards(body).await,
            Operation::PutRecord => self.put_record(body).await,
            Operation::PutRecords => self.put_records(body).await,
            Operation::PutResourcePolicy => self.put_resource_policy(body).await,
            Operation::RegisterStreamConsumer => self.register_stream_consumer(body).await,
            Operation::RemoveTagsFromStream => self.remove_tags_from_stream(body).await,
            Operation::SplitShard => self.split_shard(body).await,
            Operation::StartStreamEncryption => self.start_stream_encryption(body).await,
            Operation::StopStreamEncryption => self.stop_stream_encryption(body).await,
            Operation::SubscribeToShard => {
                Err(ApiError::new(Code::InternalFailure, "The answer to SubscribeToShard is a stream of events."))
            }
            Operation::TagResource => self.tag_resource(body).await,
            Operation::UntagResource => self.untag_resource(body).await,
            Operation::UpdateAccountSettings => self.update_account_settings(body).await,
            Operation::UpdateMaxRecordSize => self.update_max_record_size(body).await,
            Operation::UpdateShardCount => self.update_shard_count(body).await,
            Operation::UpdateStreamMode => self.update_stream_mode(body).await,
            Operation::UpdateStreamWarmThroughput => self.update_stream_warm_throughput(body).await,
        }
    }

    fn now_ns(&self) -> u64 {
        self.store.config().env.monotonic_ns()
    }

    fn ms_since(&self, started_ns: u64) -> f64 {
        self.now_ns().saturating_sub(started_ns) as f64 / 1e6
    }

    /// Tells of a call to a stream, unless the stream is gone by now.
    fn tally_of<const N: usize>(&self, stream: &str, values: [(CallFigure, f64); N]) {
        if let Some(stream) = self.store.stream(stream) {
            stream.tally(values);
        }
    }

    fn check_token_age(&self, issued_ms: u64) -> Result<(), ApiError> {
        let max_ms = self.store.config().lifetime_ms(TOKEN_AGE_MS_MAX);
        if self.store.config().env.now_ms().saturating_sub(issued_ms) <= max_ms {
            return Ok(());
        }
        let message = format!("The pagination token is older than {} seconds.", max_ms / 1_000);
        Err(ApiError::new(Code::ExpiredNextToken, message))
    }

    fn arn(&self, stream: &str) -> String {
        format!("arn:aws:kinesis:{}:{}:stream/{stream}", self.region, self.account)
    }

    /// The stream that a request names, by name or by ARN or, as some clients do, by both.
    fn stream_name<'a>(&self, name: Option<&'a str>, arn: Option<&'a str>) -> Result<&'a str, ApiError> {
        match (name, arn.and_then(arn_stream)) {
            (Some(name), Some(other)) if name != other => {
                Err(ApiError::invalid(format!("StreamName {name} and StreamARN name different streams.")))
            }
            (Some(name), _) | (None, Some(name)) => Ok(name),
            (None, None) => Err(ApiError::invalid("Either StreamName or StreamARN must be provided.")),
        }
    }
}

fn operation(headers: &HeaderMap) -> Result<Operation, ApiError> {
    let unknown = |message: String| ApiError::new(Code::UnknownOperation, message);
    let target = headers.get("x-amz-target").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let Some(name) = target.strip_prefix(TARGET_PREFIX) else {
        return Err(unknown("The header X-Amz-Target names no operation of Kinesis_20131202.".into()));
    };
    Operation::parse(name).ok_or_else(|| unknown(format!("The operation {name} is not known to this endpoint.")))
}

/// Lets the other requests of the thread have their turn between two steps of a large one, so that a small one waits for a
/// step and not for all of them.
pub async fn give_way(body: &[u8]) {
    const LARGE_BYTES: usize = 64 * 1024;
    if body.len() >= LARGE_BYTES {
        tokio::task::yield_now().await;
    }
}

async fn read_body(body: Body) -> Result<Bytes, ApiError> {
    match Limited::new(body, BODY_BYTES_MAX).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => {
            let message = format!("The request is larger than {BODY_BYTES_MAX} bytes.");
            Err(ApiError::new(Code::RequestTooLarge, message))
        }
        Err(error) => Err(ApiError::new(Code::Serialization, format!("The request's body is incomplete: {error}"))),
    }
}

fn parse<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, ApiError> {
    let body = if body.is_empty() { b"{}" } else { body };
    serde_json::from_slice(body).map_err(|error| ApiError::new(Code::Serialization, error.to_string()))
}

fn to_json<T: Serialize>(value: &T) -> Result<Vec<u8>, ApiError> {
    serde_json::to_vec(value).map_err(|error| ApiError::new(Code::InternalFailure, error.to_string()))
}

/// Checks the ways in which a request may name a stream.
fn check_stream(check: &mut Check, name: Option<&str>, arn: Option<&str>) {
    check.name("streamName", name);
    check.arn("streamARN", arn);
}
