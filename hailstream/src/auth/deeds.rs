//! The rules of every door, asked in one place: may a request of this kind come from there, may this role make it, and is it
//! written down before it is done.
//!
//! What a request does is told by its door: the router or the operations of each are made of the same table or the same
//! closed list as their rules, and what has no rule is the administrator's alone.

use super::error::AuthError;
use super::layer::read;
use super::who::{Who, actor};
use crate::audit::{Actor, AuditError, AuditLog, Event, Happening};
use crate::doors::{DoorName, Origin, OriginError};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use console::Rule;
use control::aws::{Called, is_named_in_body};
use http_body_util::BodyExt;
use hyper::body::Body as _;
use model::Access;
use serde_json::Value;
use std::borrow::Cow;
use std::sync::Arc;

/// Largest answer whose error is written down by name, in bytes.
const ANSWER_BYTES_MAX: u64 = 64 * 1024;
/// The members of orders to the console that are written down. Of others nobody knows here whether they hold a secret.
const PARAMETERS: [&str; 18] = [
    "application",
    "subject",
    "stream",
    "name",
    "alarm",
    "dashboard",
    "policy",
    "mode",
    "enabled",
    "state",
    "shard",
    "count",
    "at",
    "parallelism",
    "speedup",
    "force",
    "plan",
    "n",
];

/// What the rules of one door need.
#[derive(Clone)]
pub(crate) struct Rules {
    door: DoorName,
    audit: Arc<AuditLog>,
}

/// What a request does.
struct Deed {
    access: Access,
    operation: String,
    subject: Option<String>,
}

/// The door behind its rules. Who asks must be known by then, where anybody is asked.
pub(crate) fn ruled(door: Router, name: DoorName, audit: &Arc<AuditLog>) -> Router {
    door.layer(from_fn_with_state(Rules { door: name, audit: audit.clone() }, rule))
}

async fn rule(State(rules): State<Rules>, request: Request, next: Next) -> Response {
    match rules.door {
        DoorName::Aws => rules.aws(request, next).await,
        DoorName::Search => {
            let (access, path, subject) = index::elastic::access(request.method(), request.uri().path());
            let operation = format!("{} {path}", request.method());
            rules.done(Deed { access, operation, subject }, request, next).await
        }
        DoorName::Console => match console::rule(request.method(), request.uri().path()) {
            Rule::Open => next.run(request).await,
            Rule::Needs(access) => rules.console(access, request, next).await,
        },
    }
}

/// What a request to the AWS door does, and its operation; `body` matters to a form alone. What has no rule governs. `None`
/// where no operation is named: that is answered so, and does nothing.
pub(super) fn at_aws<'a>(uri: &'a Uri, headers: &'a HeaderMap, body: &Bytes) -> Option<(Access, Cow<'a, str>)> {
    let called = Called::of(uri.path(), headers, body);
    // The door asks the services first, and hands to the streams what is for none of them.
    if called.as_ref().is_none_or(|called| !called.is_known())
        && let Some((access, operation)) = store::kinesis::access(headers)
    {
        return Some((access, operation.into()));
    }
    called.map(|called| (called.access().unwrap_or(Access::Govern), called.operation))
}

impl Rules {
    /// The role has been asked where the signature was: policies of resources have a say there.
    async fn aws(&self, request: Request, next: Next) -> Response {
        let named = at_aws(request.uri(), request.headers(), &Bytes::new()).map(|(access, _)| access);
        match named {
            Some(access) if !access.is_control() => return self.passed(access, request, next).await,
            None if !is_named_in_body(request.uri().path(), request.headers()) => return next.run(request).await,
            _ => {}
        }
        let (parts, body) = request.into_parts();
        let body = match read(body).await {
            Ok(body) => body,
            Err(error) => return self.door.refusal(error.status(), error.name(), &error.to_string()),
        };
        let Some((access, operation)) = at_aws(&parts.uri, &parts.headers, &body) else {
            return next.run(Request::from_parts(parts, Body::from(body))).await;
        };
        let operation = operation.into_owned();
        let of_service = control::aws::signing_name(parts.uri.path(), &parts.headers).is_some();
        let subject = if of_service {
            control::aws::subject(parts.uri.path(), &parts.headers, &body)
        } else {
            store::kinesis::subject(&parts.headers, &body)
        };
        let request = Request::from_parts(parts, Body::from(body));
        self.done(Deed { access, operation, subject }, request, next).await
    }

    async fn console(&self, access: Access, request: Request, next: Next) -> Response {
        let operation = format!("{} {}", request.method(), request.uri().path());
        if !access.is_control() {
            return self.done(Deed { access, operation, subject: None }, request, next).await;
        }
        let (parts, body) = request.into_parts();
        // The console has bounded the body and read it before; a jar may be larger than what the AWS door takes.
        let body = match body.collect().await {
            Ok(body) => body.to_bytes(),
            Err(error) => {
                let error = AuthError::Truncated(error.to_string());
                return self.door.refusal(error.status(), error.name(), &error.to_string());
            }
        };
        let subject = parameters(&body);
        let request = Request::from_parts(parts, Body::from(body));
        self.done(Deed { access, operation, subject }, request, next).await
    }

    /// Asks the role, where somebody is known, and then does it.
    async fn done(&self, deed: Deed, request: Request, next: Next) -> Response {
        // At the AWS door the role was asked along with the signature, and policies may say otherwise.
        let by_role = self.door != DoorName::Aws;
        let allowed = !by_role || request.extensions().get::<Who>().is_none_or(|who| who.may(deed.access));
        if allowed && !deed.access.is_control() {
            return self.passed(deed.access, request, next).await;
        }
        self.recorded(deed, request, next, allowed).await
    }

    /// Does what is no control action, if it comes from where such things may come from.
    async fn passed(&self, access: Access, request: Request, next: Next) -> Response {
        match self.check_origin(&request, access) {
            Ok(()) => next.run(request).await,
            Err(response) => *response,
        }
    }

    /// Does a control action between two entries of the audit log, or writes down that it was refused. Whoever may not even
    /// look is refused without an entry: that is no control action.
    async fn recorded(&self, deed: Deed, request: Request, next: Next, allowed: bool) -> Response {
        let extensions = request.extensions();
        let actor = actor(extensions.get::<Who>(), extensions.get::<Origin>());
        let role = actor.role.clone().unwrap_or_default();
        let refusal = match self.check_origin(&request, deed.access) {
            Err(response) => Some((*response, "address")),
            Ok(()) if !allowed => Some((self.denied(&role, deed.access), "role")),
            Ok(()) => None,
        };
        let access = deed.access;
        let of = |event| Happening {
            door: Some(self.door.key()),
            operation: Some(deed.operation.clone()),
            subject: deed.subject.clone(),
            actor: actor.clone(),
            ..Happening::new(event)
        };
        if let Some((response, why)) = refusal {
            if access.is_control() {
                let status = Some(response.status().as_u16());
                let refused = Happening { status, note: Some(why.to_owned()), ..of(Event::Refused) };
                if let Err(error) = self.append(refused).await {
                    return self.unrecorded(&error);
                }
            }
            return response;
        }
        let begun = match self.append(of(Event::Begun)).await {
            Ok(number) => number,
            Err(error) => return self.unrecorded(&error),
        };
        let (response, note) = named(next.run(request).await).await;
        let status = Some(response.status().as_u16());
        let ended = Happening { of: Some(begun), status, note, ..of(Event::Ended) };
        match self.append(ended).await {
            Ok(_) => response,
            Err(error) => self.unrecorded(&error),
        }
    }

    fn check_origin(&self, request: &Request, access: Access) -> Result<(), Box<Response>> {
        // Without one the router was not put behind a list, as in tests of what is behind it.
        let Some(origin) = request.extensions().get::<Origin>() else { return Ok(()) };
        if origin.may(access.changes()) {
            return Ok(());
        }
        let error = if access.changes() {
            OriginError::OnlyReads(self.door, origin.address)
        } else {
            OriginError::OnlyWrites(self.door, origin.address)
        };
        Err(Box::new(self.door.refusal(error.status(), "AccessDeniedException", &error.to_string())))
    }

    fn denied(&self, role: &str, access: Access) -> Response {
        let message = match access {
            Access::Govern => format!("the role {role} may not do that: it is the administrator's alone"),
            Access::Read | Access::Register => format!("the role {role} may look, and read no records"),
            _ => format!("the role {role} may look, and change nothing"),
        };
        self.door.refusal(StatusCode::FORBIDDEN, "AccessDeniedException", &message)
    }

    /// Writes an entry on a thread that may wait for the disk.
    pub(super) async fn append(&self, happening: Happening) -> Result<u64, AuditError> {
        let audit = self.audit.clone();
        tokio::task::spawn_blocking(move || audit.append(happening)).await.unwrap_or_else(|error| {
            let source = std::io::Error::other(error.to_string());
            Err(AuditError::Write { path: crate::audit::FOLDER.into(), source })
        })
    }

    /// What is not written down is not done; or, if it has been done, is not answered as if it were.
    pub(super) fn unrecorded(&self, error: &AuditError) -> Response {
        tracing::error!(%error, door = %self.door, "a control action could not be written down");
        let message = "no control is taken or answered that cannot be written down; the platform's log says why";
        self.door.refusal(StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailableException", message)
    }

    /// The rules of a door.
    pub(super) fn of(door: DoorName, audit: Arc<AuditLog>) -> Self {
        Self { door, audit }
    }

    /// Something that somebody has done to their own session.
    pub(super) fn of_session(&self, event: Event, actor: Actor, note: Option<String>) -> Happening {
        Happening { door: Some(self.door.key()), actor, note, ..Happening::new(event) }
    }
}

/// The answer, and the name of its error where it has one.
async fn named(response: Response) -> (Response, Option<String>) {
    if response.status().is_success() {
        return (response, None);
    }
    if response.body().size_hint().upper().is_none_or(|bytes| bytes > ANSWER_BYTES_MAX) {
        return (response, None);
    }
    let (parts, body) = response.into_parts();
    // What is that small is there already: reading it waits for nobody.
    let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let told: Value = serde_json::from_slice(&body).unwrap_or_default();
    let names = ["/__type", "/error/kind", "/error/type"];
    let name = names.iter().find_map(|at| told.pointer(at)?.as_str()).map(str::to_owned);
    (Response::from_parts(parts, Body::from(body)), name)
}

/// What an order to the console is about and what it asks for, as far as it is written down.
fn parameters(body: &[u8]) -> Option<String> {
    if !model::is_shallow(body) {
        return None;
    }
    let Value::Object(members) = serde_json::from_slice(body).ok()? else { return None };
    let told = PARAMETERS.iter().filter_map(|name| Some(format!("{name}={}", plain(members.get(*name)?))));
    let told: Vec<String> = told.collect();
    (!told.is_empty()).then(|| told.join(" "))
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
