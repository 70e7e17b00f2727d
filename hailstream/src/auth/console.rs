//! The guard of the console: people come with a session, programs with HTTP's basic authentication.
//!
//! A session begins at `/login`, by a form that needs no script, and ends at `/logout`, when it is idle, or when its key is
//! taken away. Its cookie is sent to the console alone; its orders carry a token besides.

use super::attempts::Attempts;
use super::basic::{ASKING, BasicError, address, known, of_pair};
use super::credentials::{Key, KeyRing, Keys};
use super::deeds::{Rules, ruled};
use super::error::AuthError;
use super::sessions::{LIFE_MS, Session, Sessions, csrf_of, is_csrf_of};
use super::who::{Who, actor};
use crate::audit::{AuditLog, Event};
use crate::doors::{DoorName, Origin};
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use console::{Login, Person, Rule, login_page};
use futures_util::StreamExt;
use http_body_util::BodyExt;
use std::sync::Arc;

const LOGIN: &str = "/login";
const LOGOUT: &str = "/logout";
/// The header that orders of a session carry.
const CSRF: &str = "x-csrf-token";
/// How the page's own questions are told that nobody is known: a browser that is asked for a key by a scheme that it knows
/// would open a window of its own.
const ASKING_A_PAGE: &str = "Session realm=\"hailstream\", login=\"/login\"";

/// What the guard needs.
#[derive(Clone)]
struct Guard(Arc<People>);

struct People {
    ring: Arc<KeyRing>,
    sessions: Sessions,
    attempts: Arc<Attempts>,
    rules: Rules,
}

/// How somebody is known.
#[derive(Clone)]
struct Proof {
    key: Arc<Key>,
    /// The token and its session; none where the request carried the key itself.
    session: Option<(String, Session)>,
}

/// The routes of the console behind its rules, and behind its guard where there are keys.
pub(crate) fn console_door(
    routes: Router,
    keys: Option<Arc<KeyRing>>,
    attempts: Arc<Attempts>,
    audit: &Arc<AuditLog>,
) -> Router {
    let ruled = ruled(routes, DoorName::Console, audit);
    let Some(ring) = keys else { return ruled.layer(axum::middleware::from_fn(nobody_is_asked)) };
    let sessions = Sessions::new(ring.env().clone());
    let rules = Rules::of(DoorName::Console, audit.clone());
    let people = People { ring, sessions, attempts, rules };
    ruled.layer(from_fn_with_state(Guard(Arc::new(people)), guard))
}

/// Where nobody is asked who they are, the page of the login leads to the console.
async fn nobody_is_asked(request: Request, next: Next) -> Response {
    if request.uri().path() == LOGIN { elsewhere("/") } else { next.run(request).await }
}

async fn guard(State(Guard(people)): State<Guard>, request: Request, next: Next) -> Response {
    let keys = match people.ring.keys().await {
        Ok(keys) => keys,
        Err(error) => return BasicError::from(error).refusal(DoorName::Console, ASKING),
    };
    let (method, path) = (request.method().clone(), request.uri().path());
    match (path, is_question(&method)) {
        (LOGIN, true) => people.login_page(&keys, &request),
        (LOGIN, false) if method == Method::POST => people.login(&keys, request).await,
        (LOGOUT, false) if method == Method::POST => people.logout(&keys, request).await,
        _ if console::rule(&method, path) == Rule::Open => next.run(request).await,
        _ => people.asked(&keys, request, next).await,
    }
}

fn is_question(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}

impl People {
    fn now_s(&self) -> i64 {
        (self.ring.env().now_ms() / 1000) as i64
    }

    /// Whoever makes the request: by the key that it carries, or else by the session.
    fn proof(&self, keys: &Keys, request: &Request) -> Result<Proof, BasicError> {
        let headers = request.headers();
        if headers.contains_key(header::AUTHORIZATION) {
            let key = known(keys, self.now_s(), &self.attempts, address(request), headers)?;
            return Ok(Proof { key, session: None });
        }
        let token = cookie(headers, &cookie_name(request)).ok_or(BasicError::Missing)?;
        let session = self.sessions.of(token).ok_or(BasicError::Missing)?;
        // The role is the key's of now; with another secret it is another key.
        match keys.key(&session.key).filter(|key| session.is_of(key) && !key.has_ended(self.now_s())) {
            Some(key) => Ok(Proof { key, session: Some((token.to_owned(), session)) }),
            None => {
                self.sessions.end(token);
                Err(BasicError::Missing)
            }
        }
    }

    /// Whether what was proved still is: the key is there as it was, and the session lasts.
    async fn still(&self, proof: &Proof) -> bool {
        let Ok(keys) = self.ring.keys().await else { return false };
        let same = |key: &Arc<Key>| key.secret == proof.key.secret && !key.has_ended(self.now_s());
        keys.key(&proof.key.id).filter(same).is_some()
            && proof.session.as_ref().is_none_or(|(token, _)| self.sessions.of(token).is_some())
    }

    async fn asked(self: &Arc<Self>, keys: &Keys, mut request: Request, next: Next) -> Response {
        let proof = match self.proof(keys, &request) {
            Ok(proof) => proof,
            Err(error) => return self.unknown(&request, &error),
        };
        let csrf = proof.session.as_ref().map(|(token, _)| csrf_of(token));
        if let Some((token, _)) = proof.session.as_ref().filter(|_| !is_question(request.method())) {
            let told = request.headers().get(CSRF).and_then(|told| told.to_str().ok()).unwrap_or_default();
            if !is_csrf_of(token, told) {
                return no_token();
            }
        }
        let person = Person {
            key: proof.key.id.clone(),
            user: proof.key.user.clone(),
            role: proof.key.role.name(),
            rights: proof.key.role.rights(),
            csrf,
            until_ms: proof.session.as_ref().map(|(_, session)| session.until_ms),
        };
        request.extensions_mut().insert(person);
        request.extensions_mut().insert(Who(proof.key.clone()));
        let response = next.run(request).await;
        if is_endless(&response) { self.while_known(response, proof) } else { response }
    }

    /// An answer without an end, which ends when who asked for it is not known any more.
    fn while_known(self: &Arc<Self>, response: Response, proof: Proof) -> Response {
        let (parts, body) = response.into_parts();
        let start = (body.into_data_stream(), self.clone(), proof);
        let stream = futures_util::stream::unfold(start, |(mut stream, people, proof)| async move {
            let chunk = stream.next().await?;
            people.still(&proof).await.then_some((chunk, (stream, people, proof)))
        });
        Response::from_parts(parts, Body::from_stream(stream))
    }

    /// A person is led to the login; a program is asked for its key.
    fn unknown(&self, request: &Request, error: &BasicError) -> Response {
        let headers = request.headers();
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let carries_key = headers.contains_key(header::AUTHORIZATION);
        if is_question(request.method()) && !carries_key && text("accept").contains("text/html") {
            return elsewhere(LOGIN);
        }
        // Browsers say so of themselves, and programs have no page that they come from.
        let page = headers.contains_key("sec-fetch-mode") || headers.contains_key(header::REFERER);
        error.refusal(DoorName::Console, if page && !carries_key { ASKING_A_PAGE } else { ASKING })
    }

    fn login_page(&self, keys: &Keys, request: &Request) -> Response {
        match self.proof(keys, request) {
            Ok(Proof { key, session: Some((token, _)) }) => {
                let (key, role, csrf) = (key.id.as_str(), key.role.name(), csrf_of(&token));
                login_page(StatusCode::OK, &Login::There { key, role, csrf: &csrf })
            }
            _ => login_page(StatusCode::OK, &Login::Asked(None)),
        }
    }

    async fn login(&self, keys: &Keys, request: Request) -> Response {
        let (name, before) = (cookie_name(&request), token_of(&request));
        let (place, origin) = (address(&request), request.extensions().get::<Origin>().copied());
        let form = match form(request).await {
            Ok(form) => form,
            Err(error) => return BasicError::from(error).refusal(DoorName::Console, ASKING_A_PAGE),
        };
        let [id, secret] = ["key", "secret"].map(|name| field(&form, name).unwrap_or_default());
        let key = match of_pair(keys, self.now_s(), &self.attempts, place, &id, &secret) {
            Ok(key) => key,
            Err(error) => return self.not_let_in(&error, &id, origin.as_ref()).await,
        };
        let actor = actor(Some(&Who(key.clone())), origin.as_ref());
        if let Err(error) = self.rules.append(self.rules.of_session(Event::Login, actor, None)).await {
            return self.rules.unrecorded(&error);
        }
        let Some(token) = self.sessions.begin(&key) else {
            let error = BasicError::Auth(AuthError::Internal("the system gives no randomness".to_owned()));
            return error.refusal(DoorName::Console, ASKING_A_PAGE);
        };
        // A token that somebody else may have set is of no use to them.
        before.iter().for_each(|token| self.sessions.end(token));
        with_cookie(elsewhere("/"), &name, &token, Some(LIFE_MS / 1_000), origin.is_some_and(|origin| origin.secure))
    }

    async fn not_let_in(&self, error: &BasicError, id: &str, origin: Option<&Origin>) -> Response {
        // What is not heard is not written down, so that guessing does not fill the log.
        if !matches!(error, BasicError::TooMany(_)) {
            // Only the id of a key that there may be: somebody may have typed a secret in its place.
            let known = super::credentials::is_id(id) && id.len() <= 64;
            let note = if known { format!("key {id}") } else { "no id of a key".to_owned() };
            let happening = self.rules.of_session(Event::LoginRefused, actor(None, origin), Some(note));
            if let Err(error) = self.rules.append(happening).await {
                return self.rules.unrecorded(&error);
            }
        }
        let mut response = login_page(error.status(), &Login::Asked(Some(&words(error))));
        if let BasicError::TooMany(seconds) = error {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(*seconds));
        } else {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(ASKING_A_PAGE));
        }
        response
    }

    async fn logout(&self, keys: &Keys, request: Request) -> Response {
        let name = cookie_name(&request);
        let secure = request.extensions().get::<Origin>().is_some_and(|origin| origin.secure);
        let gone = || with_cookie(elsewhere(LOGIN), &name, "", Some(0), secure);
        let Ok(Proof { key, session: Some((token, _)) }) = self.proof(keys, &request) else { return gone() };
        let told = request.headers().get(CSRF).and_then(|told| told.to_str().ok()).map(str::to_owned);
        let actor = actor(Some(&Who(key)), request.extensions().get::<Origin>());
        let told = match told {
            Some(told) => Some(told),
            None => form(request).await.ok().and_then(|form| field(&form, "csrf")),
        };
        if !told.is_some_and(|told| is_csrf_of(&token, &told)) {
            return no_token();
        }
        self.sessions.end(&token);
        match self.rules.append(self.rules.of_session(Event::Logout, actor, None)).await {
            Ok(_) => gone(),
            Err(error) => self.rules.unrecorded(&error),
        }
    }
}

/// What the page says of a refusal.
fn words(error: &BasicError) -> String {
    match error {
        BasicError::TooMany(seconds) => format!("Too many wrong attempts. Try again in {seconds} seconds."),
        BasicError::Auth(error) => format!("The platform cannot look at its keys: {error}"),
        _ => "This key and secret do not go together, or the key may not be used any more.".to_owned(),
    }
}

fn no_token() -> Response {
    let message = format!("an order of a session needs its token in the header {CSRF}; load the page anew");
    DoorName::Console.refusal(StatusCode::FORBIDDEN, "", &message)
}

/// Whether the answer goes on until somebody ends it.
fn is_endless(response: &Response) -> bool {
    response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"))
}

fn elsewhere(path: &'static str) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SEE_OTHER;
    response.headers_mut().insert(header::LOCATION, HeaderValue::from_static(path));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// The name of the cookie. Browsers keep cookies of a host whatever its port, so that consoles beside each other need names
/// of their own; and one that came over TLS is not replaced by one that did not, so that both have theirs.
fn cookie_name(request: &Request) -> String {
    let of_uri = request.uri().port_u16();
    let of_host = || {
        let host = request.headers().get(header::HOST)?.to_str().ok()?;
        host.rsplit_once(':')?.1.parse::<u16>().ok()
    };
    let port = of_uri.or_else(of_host).unwrap_or(0);
    let secure = request.extensions().get::<Origin>().is_some_and(|origin| origin.secure);
    // Browsers take a name that begins so over TLS only, for all of the host and for nobody beside it.
    format!("{}hailstream-session-{port}", if secure { "__Host-" } else { "" })
}

/// The token of a request, whether or not there is such a session.
fn token_of(request: &Request) -> Option<String> {
    cookie(request.headers(), &cookie_name(request)).map(str::to_owned)
}

fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(of, _)| *of == name).map(|(_, value)| value)
}

fn with_cookie(mut response: Response, name: &str, value: &str, seconds: Option<u64>, secure: bool) -> Response {
    let age = seconds.map(|seconds| format!("; Max-Age={seconds}")).unwrap_or_default();
    let secure = if secure { "; Secure" } else { "" };
    let cookie = format!("{name}={value}; Path=/; HttpOnly; SameSite=Strict{age}{secure}");
    // Its characters are those of names and tokens, which any header takes.
    if let Ok(mut cookie) = HeaderValue::from_str(&cookie) {
        cookie.set_sensitive(true);
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    response
}

/// The text of a form; the console has bounded it.
async fn form(request: Request) -> Result<Vec<u8>, AuthError> {
    let body = request.into_body().collect().await;
    body.map(|body| body.to_bytes().to_vec()).map_err(|error| AuthError::Truncated(error.to_string()))
}

/// A field of a form.
fn field(form: &[u8], name: &str) -> Option<String> {
    form_urlencoded::parse(form).find(|(of, _)| of == name).map(|(_, value)| value.into_owned())
}

#[cfg(test)]
#[path = "console_tests.rs"]
mod tests;
