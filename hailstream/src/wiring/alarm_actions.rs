//! What alarms do: call a webhook, run a command that the settings name, take the step of a scaling policy.

use crate::outgoing::{Outgoing, reason_of};
use crate::settings::{AlarmAction, AlarmActions};
use bytes::Bytes;
use chrono::{DateTime, SecondsFormat};
use control::alarms::{Actions, NotPerformed, Occurrence};
use http_body_util::{BodyExt, Full, Limited};
use hyper::{Request, Uri};
use serde_json::{Value, json};
use std::process::Stdio;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio::runtime::Handle;

/// How long a webhook or a command may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How much of an answer is looked at, in bytes.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// How many characters of an answer or an output are told.
const TOLD_CHARS: usize = 200;
/// What an action that the settings name begins with.
const NAMED: &str = "action:";

/// Takes the steps of scaling policies.
pub(crate) trait Policies: Send + Sync {
    /// Takes the step that the policy of this name has for an alarm; tells in words what was done.
    fn execute(&self, policy: &str, occurrence: &Occurrence) -> Result<String, NotPerformed>;
}

/// Where those who have scaling policies put them; until then actions that name one fail, and say so.
pub(crate) type PolicySeat = Arc<OnceLock<Arc<dyn Policies>>>;

/// Performs the actions of alarms.
pub(crate) struct AlarmPerformer {
    named: AlarmActions,
    runtime: Handle,
    client: Outgoing,
    policies: PolicySeat,
}

/// What an action is.
enum Action<'a> {
    Webhook(&'a str),
    Command(&'a [String]),
    Policy(&'a str),
    /// A topic for which the settings have no action.
    Nobody(&'a str),
}

impl AlarmPerformer {
    pub(crate) fn new(named: AlarmActions, runtime: Handle, client: Outgoing, policies: PolicySeat) -> Self {
        Self { named, runtime, client, policies }
    }

    fn action<'a>(&'a self, action: &'a str) -> Result<Action<'a>, String> {
        let known = |name: &str| match self.named.get(name)? {
            AlarmAction::Webhook(url) => Some(Action::Webhook(url)),
            AlarmAction::Command(words) => Some(Action::Command(words)),
        };
        if is_web_address(action) {
            let whole = action.parse::<Uri>().is_ok_and(|uri| uri.host().is_some());
            return if whole { Ok(Action::Webhook(action)) } else { Err(format!("{action:?} is no address")) };
        }
        if let Some(name) = action.strip_prefix(NAMED) {
            let names = || self.named.keys().cloned().collect::<Vec<_>>().join(", ");
            return known(name).ok_or_else(|| {
                format!("the settings name no action {name:?} under [alarm-actions]; they name: {}", names())
            });
        }
        if is_policy(action) {
            return Ok(Action::Policy(action));
        }
        if action.starts_with("arn:") {
            let topic = action.rsplit(':').next().unwrap_or_default();
            return Ok(known(topic).unwrap_or(Action::Nobody(topic)));
        }
        Err(format!(
            "{action:?} is no action: it is http://… or https://…, action:NAME of the settings, or the name of a resource (arn:…)"
        ))
    }

    async fn call(&self, url: &str, document: &Value) -> Result<String, NotPerformed> {
        let refused = |retriable: bool, reason: String| NotPerformed { retriable, reason };
        let request = Request::post(url)
            .header("content-type", "application/json")
            .header("user-agent", "hailstream")
            .body(Full::new(Bytes::from(document.to_string())))
            .map_err(|error| refused(false, format!("{url}: {error}")))?;
        let called = async {
            let answer = self
                .client
                .request(request)
                .await
                .map_err(|error| format!("{url} does not answer: {}", reason_of(&error)))?;
            let status = answer.status();
            let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX).collect().await;
            let text = body.map(|body| String::from_utf8_lossy(&body.to_bytes()).into_owned()).unwrap_or_default();
            Ok::<_, String>((status, text))
        };
        let (status, text) = match tokio::time::timeout(TIMEOUT, called).await {
            Ok(answered) => answered.map_err(|reason| refused(true, reason))?,
            Err(_) => return Err(refused(true, format!("{url} has not answered within {} s", TIMEOUT.as_secs()))),
        };
        let told = format!("{url} answered {status}{}", shortened(&text));
        if status.is_success() {
            return Ok(told);
        }
        // What the other side takes for a fault of ours will be one again.
        let again = status.is_server_error() || matches!(status.as_u16(), 408 | 425 | 429);
        Err(refused(again, told))
    }

    async fn run(&self, words: &[String], document: &Value) -> Result<String, NotPerformed> {
        let refused = |reason: String| NotPerformed { retriable: false, reason };
        let Some((program, arguments)) = words.split_first() else {
            return Err(refused("the command is empty".into()));
        };
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        for (name, member) in [("ALARM_NAME", "alarm"), ("ALARM_STATE", "state"), ("ALARM_REASON", "reason")] {
            command.env(name, document[member].as_str().unwrap_or_default());
        }
        let mut child = command.spawn().map_err(|error| refused(format!("{program} cannot be run: {error}")))?;
        let input = child.stdin.take();
        let text = document.to_string();
        let done = async {
            if let Some(mut input) = input {
                // A program that does not read what it is told has still been run.
                if let Err(error) = input.write_all(text.as_bytes()).await {
                    tracing::debug!(%error, program, "the command of an alarm does not read its input");
                }
            }
            child.wait_with_output().await
        };
        let output = match tokio::time::timeout(TIMEOUT, done).await {
            Ok(output) => output.map_err(|error| refused(format!("{program}: {error}")))?,
            Err(_) => {
                return Err(refused(format!("{program} has not ended within {} s and was stopped", TIMEOUT.as_secs())));
            }
        };
        let text = String::from_utf8_lossy(if output.status.success() { &output.stdout } else { &output.stderr });
        let told = format!("{program} ended with {}{}", output.status, shortened(&text));
        if output.status.success() { Ok(told) } else { Err(refused(told)) }
    }
}

/// Whether an action is the address of a webhook.
pub(crate) fn is_web_address(action: &str) -> bool {
    action.starts_with("http://") || action.starts_with("https://")
}

fn is_policy(action: &str) -> bool {
    action.starts_with("arn:") && action.contains(":autoscaling:") && action.contains(":scalingPolicy:")
}

fn shortened(text: &str) -> String {
    let text = text.trim();
    if text.is_empty() { String::new() } else { format!(": {}", text.chars().take(TOLD_CHARS).collect::<String>()) }
}

fn document(occurrence: &Occurrence) -> Value {
    let at = i64::try_from(occurrence.at_ms).ok().and_then(DateTime::from_timestamp_millis).unwrap_or_default();
    json!({
        "alarm": occurrence.alarm,
        "description": occurrence.description,
        "state": occurrence.state.name(),
        "before": occurrence.before.name(),
        "reason": occurrence.reason,
        "at": at.to_rfc3339_opts(SecondsFormat::Millis, true),
        "at_ms": occurrence.at_ms,
        "watches": occurrence.details,
    })
}

impl Actions for AlarmPerformer {
    fn check(&self, action: &str) -> Result<(), String> {
        self.action(action).map(drop)
    }

    fn repeats(&self, action: &str) -> bool {
        is_policy(action)
    }

    fn perform(&self, action: &str, occurrence: &Occurrence) -> Result<String, NotPerformed> {
        let refused = |reason: String| NotPerformed { retriable: false, reason };
        match self.action(action).map_err(refused)? {
            Action::Webhook(url) => self.runtime.block_on(self.call(url, &document(occurrence))),
            Action::Command(words) => self.runtime.block_on(self.run(words, &document(occurrence))),
            Action::Policy(policy) => match self.policies.get() {
                Some(policies) => policies.execute(policy, occurrence),
                None => Err(refused("this platform has no scaling policies".to_owned())),
            },
            Action::Nobody(topic) => Err(refused(format!(
                "nobody is told of {topic}: the settings name no action of it under [alarm-actions]"
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::Router;
    use axum::routing::post;
    use control::alarms::State;

    fn occurrence() -> Occurrence {
        Occurrence {
            alarm: "lag".into(),
            description: None,
            state: State::Alarm,
            before: State::Ok,
            reason: "too far behind".into(),
            at_ms: 1_000,
            value: Some(74_000.0),
            threshold: Some(60_000.0),
            details: Value::Null,
        }
    }

    fn performer(runtime: Handle, command: &[&str]) -> AlarmPerformer {
        let words = command.iter().map(|word| (*word).to_owned()).collect();
        AlarmPerformer::new(
            AlarmActions::from([("mail".to_owned(), AlarmAction::Command(words))]),
            runtime,
            crate::outgoing::client().unwrap(),
            PolicySeat::default(),
        )
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_webhook_is_called_and_its_answer_told() {
        let app = Router::new()
            .route("/ok", post(|body: String| async move { body }))
            .route("/wrong", post(|| async { (axum::http::StatusCode::NOT_FOUND, "no such hook") }))
            .route("/later", post(|| async { axum::http::StatusCode::SERVICE_UNAVAILABLE }));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await });
        let performer = Arc::new(performer(Handle::current(), &["true"]));
        let perform = async |action: String| {
            let performer = performer.clone();
            tokio::task::spawn_blocking(move || performer.perform(&action, &occurrence())).await.unwrap()
        };
        let told = perform(format!("{address}/ok")).await.unwrap();
        assert!(told.contains("answered 200 OK") && told.contains("\"alarm\":\"lag\""), "{told}");
        let wrong = perform(format!("{address}/wrong")).await.unwrap_err();
        assert!(!wrong.retriable && wrong.reason.contains("404 Not Found: no such hook"), "{wrong:?}");
        assert!(perform(format!("{address}/later")).await.unwrap_err().retriable);
        assert!(perform("http://127.0.0.1:1/".to_owned()).await.unwrap_err().retriable);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_command_is_told_what_has_happened() {
        let script =
            "read line; echo \"$ALARM_NAME is $ALARM_STATE\"; case \"$line\" in *behind*) exit 0;; esac; exit 3";
        for (command, told) in [
            (&["sh", "-c", script][..], Ok("sh ended with exit status: 0: lag is ALARM")),
            (&["sh", "-c", "echo no >&2; exit 7"], Err("sh ended with exit status: 7: no")),
            (&["no-such-program-here"], Err("no-such-program-here cannot be run")),
        ] {
            let performer = performer(Handle::current(), command);
            let perform = move || performer.perform("action:mail", &occurrence());
            let got = tokio::task::spawn_blocking(perform).await.unwrap().map_err(|error| error.reason);
            match (got, told) {
                (Ok(got), Ok(told)) => assert_eq!(got, told),
                (Err(got), Err(told)) => assert!(got.starts_with(told), "{got}"),
                (got, told) => panic!("{got:?} {told:?}"),
            }
        }
    }

    #[tokio::test]
    async fn what_is_no_action_is_refused_with_what_there_is() {
        let performer = performer(Handle::current(), &["true"]);
        for (action, part) in [
            ("mail", "is no action"),
            ("action:pager", "they name: mail"),
            ("ftp://x/", "is no action"),
            ("http:///", "no address"),
            ("https:///", "no address"),
        ] {
            let refused = performer.check(action).unwrap_err();
            assert!(refused.contains(part), "{action}: {refused}");
        }
        let policy = "arn:aws:autoscaling:us-east-1:000000000000:scalingPolicy:id:resource/x:policyName/up";
        for action in ["http://a/b", "https://a/b", "action:mail", policy, "arn:aws:sns:us-east-1:000000000000:mail"] {
            performer.check(action).unwrap();
        }
        assert!(performer.repeats(policy) && !performer.repeats("action:mail"));
        let nobody = performer.perform("arn:aws:sns:us-east-1:000000000000:other", &occurrence()).unwrap_err();
        assert!(nobody.reason.contains("nobody is told of other"), "{nobody:?}");
    }
}
