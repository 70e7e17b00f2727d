//! A small client for the door of any running platform: puts records, asks how a stream is, and calls any other operation by
//! its name. Plain HTTP, JSON 1.1.

use super::TARGET_PREFIX;
use super::codec::JSON;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Method, Request, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use model::{Classified, Kind, PutRecord};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use wire::signature::Authorize;

/// An answer larger than this is no answer to what this client asks.
const ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const CALL_TIMEOUT: Duration = Duration::from_secs(30);
/// Unused connections that are kept for the next calls.
const IDLE_CONNECTIONS_MAX: usize = 32;

/// Talks to one endpoint. Cheap to clone; clones share their connections.
#[derive(Clone)]
pub struct KinesisClient {
    endpoint: Uri,
    http: Client<HttpConnector, Full<Bytes>>,
    authorize: Option<Arc<dyn Authorize>>,
}

impl fmt::Debug for KinesisClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KinesisClient").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

/// Why a call as a whole failed.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The endpoint is no plain-HTTP address.
    #[error("{0:?} is no endpoint: write it as http://host:port")]
    Endpoint(String),
    /// The call could not be signed, and was not sent.
    #[error("the call cannot be signed: {0}")]
    Unsigned(String),
    /// There was no answer, or not in time. Whether records were written is unknown.
    #[error("{endpoint} does not answer: {reason}")]
    Unreachable {
        /// The endpoint.
        endpoint: String,
        /// What went wrong.
        reason: String,
    },
    /// The service refused the call.
    #[error("{code}: {message}")]
    Refused {
        /// The status of the answer.
        status: u16,
        /// The name of the error, such as `ResourceNotFoundException`.
        code: String,
        /// What the service says.
        message: String,
    },
    /// The answer is not one of the service.
    #[error("{endpoint} answers something else than a Kinesis service: {reason}")]
    Answer {
        /// The endpoint.
        endpoint: String,
        /// What is wrong with the answer.
        reason: String,
    },
}

impl Classified for ClientError {
    fn kind(&self) -> Kind {
        match self {
            Self::Endpoint(_) | Self::Unsigned(_) => Kind::Invalid,
            Self::Unreachable { .. } | Self::Answer { .. } => Kind::Unavailable,
            Self::Refused { status: 500.., .. } => Kind::Unavailable,
            Self::Refused { code, .. } => match code.as_str() {
                "ResourceNotFoundException" => Kind::NotFound,
                "ResourceInUseException" => Kind::Conflict,
                "ProvisionedThroughputExceededException" | "LimitExceededException" => Kind::Throttled,
                _ => Kind::Invalid,
            },
        }
    }
}

/// What became of the records of a put, in their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PutResult {
    /// One for each record.
    pub records: Vec<RecordResult>,
}

/// What became of one record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecordResult {
    /// It is stored.
    Accepted {
        /// The shard's name.
        shard_id: String,
        /// Its number there.
        sequence_number: String,
    },
    /// It is not stored; send it again when the code says that this may help.
    Refused {
        /// The name of the error, such as `ProvisionedThroughputExceededException`.
        code: String,
        /// What the service says.
        message: String,
    },
}

impl PutResult {
    /// How many records were refused.
    pub fn refused(&self) -> usize {
        self.records.iter().filter(|record| matches!(record, RecordResult::Refused { .. })).count()
    }
}

/// How a stream is.
#[derive(Debug, Clone, PartialEq)]
pub struct StreamSummary {
    /// Its name.
    pub name: String,
    /// Its ARN.
    pub arn: String,
    /// `CREATING`, `ACTIVE`, `UPDATING` or `DELETING`.
    pub status: String,
    /// How many shards take records.
    pub open_shards: u32,
    /// How long records are kept, in hours.
    pub retention_hours: u32,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct StreamInput<'a> {
    stream_name: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct PutInput<'a> {
    stream_name: &'a str,
    records: Vec<PutEntry<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct PutEntry<'a> {
    data: String,
    partition_key: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    explicit_hash_key: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PutOutput {
    records: Vec<PutOutputEntry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PutOutputEntry {
    shard_id: Option<String>,
    sequence_number: Option<String>,
    error_code: Option<String>,
    error_message: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SummaryOutput {
    stream_description_summary: SummaryBody,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SummaryBody {
    stream_name: String,
    #[serde(rename = "StreamARN")]
    stream_arn: String,
    stream_status: String,
    open_shard_count: u32,
    retention_period_hours: u32,
}

#[derive(Deserialize)]
struct ErrorOutput {
    #[serde(rename = "__type")]
    code: String,
    #[serde(alias = "Message")]
    message: Option<String>,
}

impl KinesisClient {
    /// A client of the endpoint, such as `http://127.0.0.1:4566`. Connects when it is first used.
    ///
    /// # Errors
    /// When this is no plain-HTTP address.
    pub fn new(endpoint: &str) -> Result<Self, ClientError> {
        let bad = || ClientError::Endpoint(endpoint.to_owned());
        let uri: Uri = endpoint.trim_end_matches('/').parse().map_err(|_| bad())?;
        if uri.scheme_str() != Some("http") || uri.authority().is_none() || !matches!(uri.path(), "" | "/") {
            return Err(bad());
        }
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
        connector.set_nodelay(true);
        let http = Client::builder(TokioExecutor::new()).pool_max_idle_per_host(IDLE_CONNECTIONS_MAX).build(connector);
        Ok(Self { endpoint: uri, http, authorize: None })
    }

    /// The same client, every call of which is authorised so.
    #[must_use]
    pub fn authorized(self, authorize: Arc<dyn Authorize>) -> Self {
        Self { authorize: Some(authorize), ..self }
    }

    /// Puts records. An answer tells of each record whether it was accepted.
    ///
    /// # Errors
    /// When the call as a whole failed.
    pub async fn put_records(&self, stream: &str, records: &[PutRecord]) -> Result<PutResult, ClientError> {
        let input = PutInput { stream_name: stream, records: records.iter().map(PutEntry::new).collect() };
        let output: PutOutput = self.call("PutRecords", &input).await?;
        if output.records.len() != records.len() {
            let reason = format!("{} results for {} records", output.records.len(), records.len());
            return Err(self.odd_answer(reason));
        }
        let results = output.records.into_iter().map(|entry| match entry {
            PutOutputEntry { shard_id: Some(shard_id), sequence_number: Some(sequence_number), .. } => {
                Ok(RecordResult::Accepted { shard_id, sequence_number })
            }
            PutOutputEntry { error_code: Some(code), error_message, .. } => {
                Ok(RecordResult::Refused { code, message: error_message.unwrap_or_default() })
            }
            _ => Err(self.odd_answer("a result with neither sequence number nor error".to_owned())),
        });
        Ok(PutResult { records: results.collect::<Result<_, _>>()? })
    }

    /// Asks how a stream is.
    ///
    /// # Errors
    /// When the call failed, also when there is no such stream.
    pub async fn describe_stream_summary(&self, stream: &str) -> Result<StreamSummary, ClientError> {
        let output: SummaryOutput = self.call("DescribeStreamSummary", &StreamInput { stream_name: stream }).await?;
        let body = output.stream_description_summary;
        Ok(StreamSummary {
            name: body.stream_name,
            arn: body.stream_arn,
            status: body.stream_status,
            open_shards: body.open_shard_count,
            retention_hours: body.retention_period_hours,
        })
    }

    /// Calls an operation by its name. An answer without a body is taken for `null`.
    ///
    /// # Errors
    /// When the call failed, or the answer has another form.
    pub async fn call<I: Serialize, O: for<'de> Deserialize<'de>>(
        &self,
        name: &str,
        input: &I,
    ) -> Result<O, ClientError> {
        let body = serde_json::to_vec(input).map_err(|error| self.odd_answer(error.to_string()))?;
        let call = self.exchange(name, body);
        let (status, body) = tokio::time::timeout(CALL_TIMEOUT, call)
            .await
            .map_err(|_| self.unreachable(format!("no answer within {} s", CALL_TIMEOUT.as_secs())))??;
        if status == 200 {
            let body = if body.is_empty() { Bytes::from_static(b"null") } else { body };
            return serde_json::from_slice(&body).map_err(|error| self.odd_answer(error.to_string()));
        }
        match serde_json::from_slice::<ErrorOutput>(&body) {
            Ok(error) => {
                // Some services put a namespace before the name.
                let code = error.code.rsplit('#').next().unwrap_or_default().to_owned();
                Err(ClientError::Refused { status, code, message: error.message.unwrap_or_default() })
            }
            Err(_) => Err(self.odd_answer(format!("status {status}"))),
        }
    }

    async fn exchange(&self, name: &str, body: Vec<u8>) -> Result<(u16, Bytes), ClientError> {
        let host = self.endpoint.authority().map_or("", |authority| authority.as_str());
        let request = Request::builder()
            .method(Method::POST)
            .uri(&self.endpoint)
            .header(HOST, host)
            .header(CONTENT_TYPE, JSON)
            .header("x-amz-target", format!("{TARGET_PREFIX}{name}"))
            .body(())
            .map_err(|error| self.unreachable(error.to_string()))?;
        let (mut head, ()) = request.into_parts();
        if let Some(authorize) = &self.authorize {
            authorize.authorize(&mut head, &body).map_err(ClientError::Unsigned)?;
        }
        let request = Request::from_parts(head, Full::new(Bytes::from(body)));
        let answer = self.http.request(request).await.map_err(|error| self.unreachable(chain(&error)))?;
        let status = answer.status().as_u16();
        let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX).collect().await;
        let body = body.map_err(|error| self.unreachable(error.to_string()))?;
        Ok((status, body.to_bytes()))
    }

    fn unreachable(&self, reason: String) -> ClientError {
        ClientError::Unreachable { endpoint: self.endpoint.to_string(), reason }
    }

    pub(super) fn odd_answer(&self, reason: String) -> ClientError {
        ClientError::Answer { endpoint: self.endpoint.to_string(), reason }
    }
}

impl<'a> PutEntry<'a> {
    fn new(record: &'a PutRecord) -> Self {
        Self {
            data: STANDARD.encode(&record.data),
            partition_key: &record.partition_key,
            explicit_hash_key: record.explicit_hash_key.map(|key| key.to_string()),
        }
    }
}

/// An error with its causes, which is where the reason stands.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
