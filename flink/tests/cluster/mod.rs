//! A cluster of the tests: it answers as a real one did (`tests/answers`), and keeps which jobs it has.
#![allow(clippy::unwrap_used, reason = "a failed expectation is the test's result")]
#![allow(dead_code, reason = "each file of tests asks for a part of it")]

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// What the cluster has, and what it was asked.
#[derive(Default)]
pub(crate) struct World {
    /// Jobs with their states.
    pub(crate) jobs: BTreeMap<String, &'static str>,
    pub(crate) parallelism: BTreeMap<String, u64>,
    /// Statements in their order.
    pub(crate) statements: Vec<String>,
    /// Settings of each session.
    pub(crate) sessions: Vec<Value>,
    /// Savepoints that are there.
    pub(crate) savepoints: Vec<String>,
    /// Words at which a statement fails, and why.
    pub(crate) fails: Option<(&'static str, &'static str)>,
    /// The answer to the statement that makes a job does not come back.
    pub(crate) loses_the_answer: bool,
    pub(crate) has_adaptive_scheduler: bool,
    pub(crate) refuses_savepoints: bool,
    pub(crate) has_no_checkpoints: bool,
    pub(crate) slots: u64,
    /// How the jobs of a look end.
    pub(crate) probes_end: Option<&'static str>,
    pub(crate) functions: Vec<&'static str>,
    pub(crate) results: Vec<Result<Value, String>>,
    pub(crate) operations: Vec<Value>,
    /// Files on the JobManager's disk, by their ids, and what was asked of them.
    pub(crate) jars: BTreeMap<String, Vec<u8>>,
    pub(crate) uploads: usize,
    pub(crate) programs: Vec<Value>,
    pub(crate) takes_no_jars: bool,
    /// Why the `main` of a program fails.
    pub(crate) main_fails: Option<&'static str>,
}

pub(crate) type Shared = Arc<Mutex<World>>;

/// Serves a cluster; its address, at which both of its doors answer.
pub(crate) async fn serve(world: Shared) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new().fallback(answer).with_state(world);
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    address
}

fn missing(what: &str) -> Response {
    (StatusCode::NOT_FOUND, json!({ "errors": [what] }).to_string()).into_response()
}

fn recorded(name: &str) -> Value {
    let text = match name {
        "job" => include_str!("../answers/job.json"),
        "checkpoints" => include_str!("../answers/checkpoints.json"),
        "programs" => include_str!("../answers/programs.json"),
        _ => include_str!("../answers/parts.json"),
    };
    serde_json::from_str(text).unwrap()
}

async fn answer(
    State(world): State<Shared>,
    method: Method,
    uri: axum::http::Uri,
    Query(query): Query<HashMap<String, String>>,
    body: Bytes,
) -> Response {
    let path: Vec<&str> = uri.path().split('/').skip(1).collect();
    let mut world = world.lock();
    if let ["jars", rest @ ..] = path.as_slice() {
        return world.of_jars(&method, rest, &body);
    }
    let body: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
    match (method.as_str(), path.as_slice()) {
        ("GET", ["config"]) => ok(json!({ "flink-version": "1.20.5" })),
        ("GET", ["info"]) => ok(json!({ "productName": "Apache Flink", "version": "1.20.5" })),
        ("GET", ["jobmanager", "config"]) => {
            let settings = [("jobmanager.scheduler", "adaptive"), ("state.checkpoints.dir", "file:/c")];
            ok(settings.iter().map(|(key, value)| json!({ "key": key, "value": value })).collect())
        }
        ("DELETE", ["hailstream-doctor"]) => ok(json!({ "acknowledged": true })),
        ("GET", ["overview"]) => ok(json!({ "slots-total": world.slots, "slots-available": 1 })),
        ("POST", ["v3", "sessions"]) => {
            world.sessions.push(body["properties"].clone());
            ok(json!({ "sessionHandle": (world.sessions.len() - 1).to_string() }))
        }
        ("DELETE", ["v3", "sessions", _]) => ok(json!({ "status": "CLOSED" })),
        ("POST", ["v3", "sessions", session, "statements"]) => {
            let properties = world.sessions[session.parse::<usize>().unwrap()].clone();
            world.run(&properties, body["statement"].as_str().unwrap());
            ok(json!({ "operationHandle": (world.results.len() - 1).to_string() }))
        }
        ("GET", ["v3", "sessions", _, "operations", _, "status"]) => ok(json!({ "status": "FINISHED" })),
        ("GET", ["v3", "sessions", _, "operations", operation, "result", "0"]) => {
            match &world.results[operation.parse::<usize>().unwrap()] {
                Ok(result) => ok(result.clone()),
                Err(why) => (StatusCode::INTERNAL_SERVER_ERROR, trace(why)).into_response(),
            }
        }
        (_, ["jobs", job, rest @ ..]) => world.of_job(&method, job, rest, &query, &body),
        ("POST", ["savepoint-disposal"]) => {
            let path = body["savepoint-path"].as_str().unwrap().to_owned();
            world.savepoints.retain(|known| *known != path);
            world.begin(json!({}))
        }
        ("GET", ["savepoint-disposal", operation]) => world.operation(operation),
        _ => missing(uri.path()),
    }
}

fn ok(value: Value) -> Response {
    value.to_string().into_response()
}

fn trace(why: &str) -> String {
    let trace = format!(
        "<Exception on server side:\norg.x.A: Failed to fetchResults.\n\tat org.x.B\nCaused by: org.y.C: {why}\n\tat org.y.D\n"
    );
    json!({ "errors": ["Internal server error.", trace] }).to_string()
}

impl World {
    fn run(&mut self, properties: &Value, statement: &str) {
        self.statements.push(statement.to_owned());
        let result = match self.fails {
            Some((at, why)) if statement.contains(at) => Err(why.to_owned()),
            _ if statement.contains("EXPLAIN SELECT * FROM hailstream_asks") => Err(
                "Could not find any factory for identifier 'hailstream-asks'.\n\nAvailable factory identifiers are:\n\nkinesis\nelasticsearch-7"
                    .to_owned(),
            ),
            _ if statement.starts_with("EXPLAIN") => Ok(row("the plan")),
            _ if statement == "SHOW FUNCTIONS" => {
                let rows: Vec<Value> = self.functions.iter().map(|name| json!({ "fields": [name] })).collect();
                Ok(json!({ "results": { "data": rows } }))
            }
            _ if statement.starts_with("EXECUTE") || statement.starts_with("INSERT") => self.submit(properties),
            _ => Ok(row("OK")),
        };
        self.results.push(result);
    }

    fn submit(&mut self, properties: &Value) -> Result<Value, String> {
        let job = properties["$internal.pipeline.job-id"].as_str().unwrap().to_owned();
        let restore = properties["execution.state-recovery.path"].as_str();
        if let Some(path) = restore.filter(|path| path.contains("gone")) {
            return Err(format!("Cannot find checkpoint or savepoint file/directory '{path}'"));
        }
        let is_probe = properties["pipeline.name"] == "hailstream-doctor";
        self.jobs.insert(job.clone(), if is_probe { self.probes_end.unwrap_or("FINISHED") } else { "RUNNING" });
        self.parallelism.insert(job.clone(), properties["parallelism.default"].as_str().unwrap().parse().unwrap());
        if self.loses_the_answer {
            return Err("Connection reset by peer".to_owned());
        }
        Ok(json!({ "jobID": job, "results": { "data": [{ "fields": [job] }] } }))
    }

    /// Files under the names of jars, and the programs in them.
    fn of_jars(&mut self, method: &Method, rest: &[&str], body: &[u8]) -> Response {
        let mut recorded = recorded("programs");
        match (method.as_str(), rest) {
            _ if self.takes_no_jars => missing("Not found: /jars"),
            ("POST", ["upload"]) => {
                let (name, content) = part(body);
                self.uploads += 1;
                let id = format!("{:08x}-730c-4222-97e9-8b627fff1da5_{name}", self.uploads);
                self.jars.insert(id.clone(), content);
                recorded["upload"]["filename"] = format!("{UPLOADS}/{id}").into();
                ok(recorded["upload"].clone())
            }
            ("GET", []) => {
                recorded["jars"]["files"] = self.jars.keys().map(|id| json!({ "id": id, "entry": [] })).collect();
                ok(recorded["jars"].clone())
            }
            ("DELETE", [id]) if self.jars.remove(*id).is_some() => ok(json!({})),
            ("POST", [id, what]) if self.jars.contains_key(*id) => {
                let mut body: Value = serde_json::from_slice(body).unwrap();
                body["jar"] = (*id).into();
                self.programs.push(body.clone());
                match (self.main_fails, *what) {
                    (Some(why), _) => (StatusCode::INTERNAL_SERVER_ERROR, trace(why)).into_response(),
                    (None, "plan") => ok(recorded["plan"].clone()),
                    (None, _) => self.run_program(&body, recorded["run"].take()),
                }
            }
            _ => {
                (StatusCode::BAD_REQUEST, json!({ "errors": ["Jar file does not exist"] }).to_string()).into_response()
            }
        }
    }

    fn run_program(&mut self, body: &Value, mut answer: Value) -> Response {
        let job = body["jobId"].as_str().unwrap().to_owned();
        self.parallelism.insert(job.clone(), body["parallelism"].as_u64().unwrap());
        answer["jobid"] = job.clone().into();
        self.jobs.insert(job, "RUNNING");
        ok(answer)
    }

    fn of_job(
        &mut self,
        method: &Method,
        job: &str,
        rest: &[&str],
        query: &HashMap<String, String>,
        body: &Value,
    ) -> Response {
        let Some(state) = self.jobs.get(job).copied() else { return missing("Job not found") };
        match (method.as_str(), rest) {
            ("GET", ["status"]) => ok(json!({ "status": state })),
            ("GET", []) => ok(self.detail(job, state)),
            ("GET", ["checkpoints"]) if self.has_no_checkpoints => missing("Checkpointing has not been enabled."),
            ("GET", ["checkpoints"]) => ok(checkpoints(job, &self.savepoints)),
            ("GET", ["exceptions"]) => {
                let trace = "org.x.A: it broke\n\tat b\nCaused by: java.lang.Exception: the disk is full\n\tat c";
                ok(json!({ "exceptionHistory": { "entries": [{ "stacktrace": trace }] } }))
            }
            ("GET", ["vertices", part]) => ok(recorded("parts")[part]["vertex"].clone()),
            ("GET", ["vertices", part, "subtasks", "metrics"]) => ok(metrics(part, query)),
            ("POST", ["savepoints" | "stop"]) if self.refuses_savepoints => {
                self.begin(json!({ "failure-cause": { "stack-trace": "org.x.A: no\nCaused by: java.io.IOException: the bucket is away\n\tat b" } }))
            }
            ("POST", ["savepoints" | "stop"]) => {
                let path = format!("file:/s/savepoint-{}", self.operations.len());
                self.savepoints.push(path.clone());
                if rest == ["stop"] {
                    self.jobs.insert(job.to_owned(), "FINISHED");
                }
                self.begin(json!({ "location": path }))
            }
            ("GET", ["savepoints", operation]) => self.operation(operation),
            ("PATCH", []) => {
                self.jobs.insert(job.to_owned(), "CANCELED");
                ok(json!({}))
            }
            ("GET", ["resource-requirements"]) if self.has_adaptive_scheduler => {
                ok(json!({ "v1": { "parallelism": { "lowerBound": 1, "upperBound": 2 } } }))
            }
            ("PUT", ["resource-requirements"]) if self.has_adaptive_scheduler => {
                let wanted = body["v1"]["parallelism"]["upperBound"].as_u64().unwrap();
                if wanted <= self.slots {
                    self.parallelism.insert(job.to_owned(), wanted);
                }
                ok(json!({}))
            }
            _ => missing("no such question"),
        }
    }

    fn detail(&self, job: &str, state: &str) -> Value {
        let mut detail = recorded("job");
        detail["state"] = state.into();
        for vertex in detail["vertices"].as_array_mut().unwrap() {
            vertex["parallelism"] = self.parallelism[job].into();
        }
        detail
    }

    fn begin(&mut self, operation: Value) -> Response {
        self.operations.push(operation);
        ok(json!({ "request-id": (self.operations.len() - 1).to_string() }))
    }

    fn operation(&self, id: &str) -> Response {
        ok(json!({ "status": { "id": "COMPLETED" }, "operation": self.operations[id.parse::<usize>().unwrap()] }))
    }
}

/// Where the JobManager keeps what is sent to it.
pub(crate) const UPLOADS: &str = "/tmp/flink-web/flink-web-upload";

/// The name and the content of the one file of a form.
fn part(form: &[u8]) -> (String, Vec<u8>) {
    let find = |what: &[u8], from: usize| {
        form[from..].windows(what.len()).position(|window| window == what).map(|at| from + at).unwrap()
    };
    let end = find(b"\r\n", 0);
    let boundary = [b"\r\n", &form[..end]].concat();
    let begin = find(b"\r\n\r\n", 0) + 4;
    let head = String::from_utf8_lossy(&form[..begin]).into_owned();
    let name = head.split("filename=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    (name, form[begin..find(&boundary, begin)].to_vec())
}

fn row(text: &str) -> Value {
    json!({ "results": { "data": [{ "fields": [text] }] } })
}

/// The checkpoints of a job, its own path among them.
fn checkpoints(job: &str, savepoints: &[String]) -> Value {
    let mut all = recorded("checkpoints");
    all["latest"]["completed"]["external_path"] = format!("file:/checkpoints/{job}/chk-7").into();
    let history = savepoints.iter().map(|path| json!({ "external_path": path, "checkpointed_size": 4_321 }));
    all["history"] = history.collect();
    all
}

fn metrics(part: &str, query: &HashMap<String, String>) -> Value {
    let recorded = recorded("parts");
    let part = &recorded[part];
    match query.get("get") {
        None => part["metrics"].clone(),
        Some(names) => {
            let wanted: Vec<&str> = names.split(',').collect();
            let of = |value: &&Value| wanted.contains(&value["id"].as_str().unwrap());
            part["values"].as_array().unwrap().iter().filter(of).cloned().collect()
        }
    }
}
