//! `rest-lookup`: a table that is asked by key over HTTP. The key stands in the address, the answer is JSON.

use bytes::Bytes;
use engine::expr::Scalar;
use engine::plan::{LookupCache, TableDef};
use engine::port::{Answer, Connectors, Lookup, LookupKey, LookupSpec, PortError, Role, Sink, SinkSpec, Source};
use engine::run::decode::{JsonOptions, decode_answer};
use engine::types::DataType;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Body;
use hyper::{StatusCode, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use model::Kind;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;

/// The name of the connector.
pub(crate) const REST_LOOKUP: &str = "rest-lookup";
/// Largest answer in bytes.
const ANSWER_BYTES_MAX: usize = 1024 * 1024;
/// How long one call may take; the lookup's own timeout counts over all calls of a request.
const CALL_TIMEOUT: Duration = Duration::from_secs(30);
/// Options that are this connector's own.
const OPTIONS: [&str; 2] = ["connector", "url"];

/// Tables of the connector.
pub(crate) struct RestLookups {
    runtime: Handle,
}

impl RestLookups {
    /// Lookups whose calls run on `runtime`.
    pub(crate) fn new(runtime: Handle) -> Self {
        Self { runtime }
    }
}

impl Connectors for RestLookups {
    fn check(&self, table: &TableDef, role: Role) -> Result<(), PortError> {
        if role != Role::Lookup {
            return Err(wrong(table, "the rest-lookup connector is only looked up: JOIN it FOR SYSTEM_TIME AS OF"));
        }
        let known =
            |key: &str| OPTIONS.contains(&key) || JsonOptions::KEYS.contains(&key) || LookupCache::KEYS.contains(&key);
        if let Some(unknown) = table.options.keys().find(|key| !known(key)) {
            return Err(wrong(
                table,
                &format!("unknown option '{unknown}'; known are 'url', 'format' and its options"),
            ));
        }
        JsonOptions::parse(&table.options)?;
        Template::parse(table).map(|_| ())
    }

    fn source(&self, table: &TableDef) -> Result<Arc<dyn Source>, PortError> {
        self.check(table, Role::Source)?;
        Err(wrong(table, "the rest-lookup connector cannot be read"))
    }

    fn sink(&self, spec: &SinkSpec) -> Result<Box<dyn Sink>, PortError> {
        self.check(&spec.table, Role::Sink)?;
        Err(wrong(&spec.table, "the rest-lookup connector cannot be written"))
    }

    fn lookup(&self, spec: &LookupSpec) -> Result<Arc<dyn Lookup>, PortError> {
        self.check(&spec.table, Role::Lookup)?;
        let template = Template::parse(&spec.table)?;
        template.check_key(spec)?;
        let client = Client::builder(TokioExecutor::new()).build_http();
        let options = JsonOptions::parse(&spec.table.options)?;
        let asked = Asked { spec: spec.clone(), template, options, client };
        Ok(Arc::new(RestLookup { runtime: self.runtime.clone(), asked: Arc::new(asked) }))
    }
}

fn wrong(table: &TableDef, message: &str) -> PortError {
    PortError::new(Kind::Invalid, format!("table {}: {message}", table.name))
}

/// The address with columns of the key in it: `http://host/weather?at={cell}`.
struct Template {
    /// What stands before each column, the column, and what stands at the end.
    parts: Vec<(String, usize)>,
    end: String,
}

impl Template {
    fn parse(table: &TableDef) -> Result<Self, PortError> {
        let url = table.options.get("url").ok_or_else(|| wrong(table, "the option 'url' is missing"))?;
        let (mut parts, mut rest) = (Vec::new(), url.as_str());
        while let Some((before, after)) = rest.split_once('{') {
            let (name, after) = after.split_once('}').ok_or_else(|| wrong(table, "'url' has a { without a }"))?;
            let column = table.schema.fields.iter().position(|f| f.name == name);
            let column = column.ok_or_else(|| wrong(table, &format!("'url' names {{{name}}}, which is no column")))?;
            parts.push((before.to_owned(), column));
            rest = after;
        }
        let found = Self { parts, end: rest.to_owned() };
        let example = found.address(|_| Some("x".to_owned())).unwrap_or_default();
        let uri: Uri = example.parse().map_err(|e| wrong(table, &format!("'url' is {url:?}: {e}")))?;
        match uri.scheme_str() {
            Some("http") => {}
            Some("https") => return Err(wrong(table, "'url' begins with https, which is not supported yet")),
            _ => return Err(wrong(table, &format!("'url' is {url:?}; it begins with http://"))),
        }
        // The one who is asked is fixed by the script, never by a value.
        let host = url.strip_prefix("http://").unwrap_or_default();
        if host.split(['/', '?']).next().is_some_and(|host| host.contains('{')) {
            return Err(wrong(table, "'url' has a column in its host; columns stand in path and query"));
        }
        Ok(found)
    }

    /// Every column of the key stands in the address, and no other column does.
    fn check_key(&self, spec: &LookupSpec) -> Result<(), PortError> {
        let name = |c: &usize| spec.table.schema.fields[*c].name.as_str();
        if let Some((_, column)) = self.parts.iter().find(|(_, c)| !spec.keys.contains(c)) {
            let what = format!("'url' names {{{}}}, which the join gives no value", name(column));
            return Err(wrong(&spec.table, &what));
        }
        for column in &spec.keys {
            if self.parts.iter().all(|(_, c)| c != column) {
                let what = format!("the join asks for {}, which 'url' does not name", name(column));
                return Err(wrong(&spec.table, &what));
            }
            let of = spec.table.schema.fields[*column].data_type;
            if !(of.is_text() || of.is_integer() || of == DataType::Boolean) {
                let what = format!("{} is {of}; a key is text, an integer or a BOOLEAN", name(column));
                return Err(wrong(&spec.table, &what));
            }
        }
        Ok(())
    }

    fn address(&self, value: impl Fn(usize) -> Option<String>) -> Option<String> {
        let mut address = String::new();
        for (before, column) in &self.parts {
            address.push_str(before);
            escape(&value(*column)?, &mut address);
        }
        address.push_str(&self.end);
        Some(address)
    }
}

/// Writes a value so that it is one part of a path or query, whatever is in it.
fn escape(value: &str, out: &mut String) {
    for byte in value.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(byte as char),
            _ => {
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
}

fn shown(value: &Scalar) -> Option<String> {
    match value {
        Scalar::Text(text) => Some(text.to_string()),
        Scalar::Integer(number) => Some(number.to_string()),
        Scalar::Boolean(truth) => Some(truth.to_string()),
        _ => None,
    }
}

struct RestLookup {
    runtime: Handle,
    asked: Arc<Asked>,
}

/// What every call needs.
struct Asked {
    spec: LookupSpec,
    template: Template,
    options: JsonOptions,
    client: Client<HttpConnector, Empty<Bytes>>,
}

impl Lookup for RestLookup {
    fn start(&self, key: LookupKey, answer: Answer) {
        let asked = self.asked.clone();
        self.runtime.spawn(async move {
            let late = || PortError::new(Kind::Unavailable, format!("no answer within {} s", CALL_TIMEOUT.as_secs()));
            let called = tokio::time::timeout(CALL_TIMEOUT, asked.call(&key)).await;
            answer(called.unwrap_or_else(|_| Err(late())));
        });
    }
}

impl Asked {
    async fn call(&self, key: &LookupKey) -> Result<arrow_array::RecordBatch, PortError> {
        let value = |column| {
            let at = self.spec.keys.iter().position(|k| *k == column)?;
            shown(&key.values[at])
        };
        let address = self.template.address(value).unwrap_or_default();
        let failed = |kind, what: &dyn std::fmt::Display| PortError::new(kind, format!("{address}: {what}"));
        let uri: Uri = address.parse().map_err(|e| failed(Kind::Invalid, &e))?;
        let response = self.client.get(uri).await.map_err(|e| failed(Kind::Unavailable, &e))?;
        let status = response.status();
        if let Some(kind) = failure(status) {
            return Err(failed(kind, &status));
        }
        let large = || failed(Kind::Invalid, &format!("the answer is larger than {ANSWER_BYTES_MAX} bytes"));
        if response.body().size_hint().lower() > ANSWER_BYTES_MAX as u64 {
            return Err(large());
        }
        let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
        let body = body.map_err(|e| match e.is::<http_body_util::LengthLimitError>() {
            true => large(),
            false => failed(Kind::Unavailable, &e),
        })?;
        let found = if status == StatusCode::NOT_FOUND { Bytes::new() } else { body.to_bytes() };
        decode_answer(&self.spec, self.options, key, &found).map_err(|e| failed(e.kind, &e.message))
    }
}

/// What a status says of a failure; `None` where the body is an answer, or nothing was found.
fn failure(status: StatusCode) -> Option<Kind> {
    match status {
        StatusCode::NOT_FOUND => None,
        StatusCode::TOO_MANY_REQUESTS => Some(Kind::Throttled),
        StatusCode::REQUEST_TIMEOUT => Some(Kind::Unavailable),
        status if status.is_success() => None,
        status if status.is_server_error() => Some(Kind::Unavailable),
        _ => Some(Kind::Invalid),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::types::{Field, Schema};
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::sync::mpsc::channel;

    fn table(url: &str) -> TableDef {
        let field = |name: &str, data_type| Field { name: name.into(), data_type, nullable: true };
        let fields =
            vec![field("city", DataType::STRING), field("day", DataType::Int), field("rain", DataType::Double)];
        let options = [("connector", REST_LOOKUP), ("url", url), ("format", "json")];
        TableDef {
            name: "weather".into(),
            schema: Schema { fields },
            computed: vec![None; 3],
            watermark: None,
            primary_key: vec![],
            options: options.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
        }
    }

    fn open(url: &str, keys: &[usize]) -> Result<Arc<dyn Lookup>, PortError> {
        let lookups = RestLookups::new(runtime().handle().clone());
        lookups.lookup(&LookupSpec { table: Arc::new(table(url)), keys: keys.to_vec() })
    }

    fn runtime() -> &'static tokio::runtime::Runtime {
        static RUNTIME: std::sync::OnceLock<tokio::runtime::Runtime> = std::sync::OnceLock::new();
        RUNTIME
            .get_or_init(|| tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap())
    }

    #[test]
    fn addresses_are_checked() {
        for (url, keys, what) in [
            ("http://h/{town}", &[0][..], "{town}, which is no column"),
            ("http://h/{city", &[0], "a { without a }"),
            ("https://h/{city}", &[0], "https, which is not supported yet"),
            ("ftp://h/{city}", &[0], "it begins with http://"),
            ("{city}", &[0], "it begins with http://"),
            ("http://{city}/x", &[0], "a column in its host"),
            ("http://h/{city}", &[0, 1], "the join asks for day"),
            ("http://h/{city}/{day}", &[0], "{day}, which the join gives no value"),
            ("http://h/{rain}", &[2], "rain is DOUBLE"),
        ] {
            let error = open(url, keys).err().unwrap().message;
            assert!(error.starts_with("table weather: ") && error.contains(what), "{url}: {error}");
        }
        assert!(open("http://h/{city}?day={day}&also={city}", &[0, 1]).is_ok());
        let lookups = RestLookups::new(runtime().handle().clone());
        assert!(lookups.check(&table("http://h/{city}"), Role::Source).is_err());
        let mut other = table("http://h/{city}");
        other.options.insert("ulr".into(), "x".into());
        assert!(lookups.check(&other, Role::Lookup).unwrap_err().message.contains("'ulr'"));
    }

    /// Answers one request with `answer`; gives the rows and the request's first line.
    fn asked(answer: &'static str) -> (Result<usize, PortError>, String) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/at/{{city}}?day={{day}}", listener.local_addr().unwrap());
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = vec![0; 4_096];
            let read = stream.read(&mut request).unwrap();
            stream.write_all(answer.as_bytes()).unwrap();
            String::from_utf8_lossy(&request[..read]).lines().next().unwrap().to_owned()
        });
        let (sender, receiver) = channel();
        let key = LookupKey { values: Arc::new([Scalar::Text("a/b&c é".into()), Scalar::Integer(-3)]) };
        open(&url, &[0, 1]).unwrap().start(key, Box::new(move |found| sender.send(found).unwrap()));
        let found = receiver.recv_timeout(Duration::from_secs(20)).unwrap();
        (found.map(|rows| rows.num_rows()), server.join().unwrap())
    }

    #[test]
    fn statuses_and_bodies_say_what_was_found() {
        let (rows, line) = asked("HTTP/1.1 200 OK\r\ncontent-length: 12\r\n\r\n{\"rain\":1.5}");
        assert_eq!(rows.unwrap(), 1);
        assert_eq!(line, "GET /at/a%2Fb%26c%20%C3%A9?day=-3 HTTP/1.1");
        assert_eq!(asked("HTTP/1.1 404 Not Found\r\ncontent-length: 2\r\n\r\nno").0.unwrap(), 0);
        assert_eq!(asked("HTTP/1.1 204 No Content\r\n\r\n").0.unwrap(), 0);
        for (answer, kind) in [
            ("HTTP/1.1 429 Too Many Requests\r\ncontent-length: 0\r\n\r\n", Kind::Throttled),
            ("HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n", Kind::Unavailable),
            ("HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n", Kind::Invalid),
            ("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nyes", Kind::Invalid),
            ("HTTP/1.1 200 OK\r\ncontent-length: 9000000\r\n\r\n{", Kind::Invalid),
            ("HTTP/1.1 200 OK\r\ncontent-length: 30\r\n\r\n{", Kind::Unavailable),
            ("nonsense", Kind::Unavailable),
        ] {
            let error = asked(answer).0.unwrap_err();
            assert_eq!(error.kind, kind, "{answer}: {error}");
            assert!(error.message.contains("/at/a%2Fb"), "{error}");
        }
    }
}
