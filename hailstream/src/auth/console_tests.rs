//! The console's guard in front of a router that tells what has reached it: every role at every route, sessions, tokens.

use super::*;
use crate::doors::{Connected, Reach, reached_from};
use axum::routing::any;
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;
use model::{Access, Env, ManualClock};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

const ROLES: [&str; 5] = ["admin", "operator", "producer", "analyst", "viewer"];

struct Door {
    dir: tempfile::TempDir,
    clock: Arc<ManualClock>,
    audit: Arc<AuditLog>,
    /// How many requests have come through.
    inside: Arc<AtomicU64>,
    router: Router,
}

struct Answer {
    status: u16,
    headers: HeaderMap,
    body: String,
}

fn keys(of_viewer: &str) -> String {
    let key = |id: &str, secret: &str| format!("[[key]]\nid = '{id}'\nsecret = '{secret}'\nrole = '{id}'\n");
    ROLES.map(|role| key(role, if role == "viewer" { of_viewer } else { role })).concat()
}

fn write(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

impl Door {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keys.toml");
        write(&path, &keys("viewer"));
        let (env, clock) = Env::manual(1_700_000_000_000, 1);
        let ring = Arc::new(KeyRing::open(&path, env.clone()).unwrap());
        let audit = Arc::new(AuditLog::open(&dir.path().join("audit"), env.clone()).unwrap());
        let (inside, breaking) = (Arc::new(AtomicU64::new(0)), audit.clone());
        let counted = inside.clone();
        let routes = Router::new().fallback(any(async move |request: Request| {
            counted.fetch_add(1, Ordering::SeqCst);
            if request.headers().contains_key("x-break-the-log") {
                breaking.fail_next();
            }
            let person = request.extensions().get::<Person>();
            format!("inside {}", person.map(|person| person.role).unwrap_or("nobody"))
        }));
        let router = console_door(routes, Some(ring), Arc::new(Attempts::new(env)), &audit);
        let router = reached_from(router, DoorName::Console, &Reach::default());
        Self { dir, clock, audit, inside, router }
    }

    async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut request = Request::builder().method(method).uri(path).header("host", "localhost:8080");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut request = request.body(Body::from(body.to_owned())).unwrap();
        request.extensions_mut().insert(Connected { peer: "192.0.2.1".parse().unwrap(), tls: true });
        let response = TowerToHyperService::new(self.router.clone()).call(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let body = String::from_utf8_lossy(&body).into_owned();
        Answer { status: parts.status.as_u16(), headers: parts.headers, body }
    }

    async fn login(&self, id: &str, secret: &str) -> Answer {
        let form = [("content-type", "application/x-www-form-urlencoded")];
        self.send("POST", "/login", &form, &format!("key={id}&secret={secret}")).await
    }

    /// The cookie of a new session, as a browser sends it.
    async fn session(&self, id: &str) -> String {
        let answer = self.login(id, id).await;
        assert_eq!((answer.status, answer.header("location")), (303, "/"), "{}", answer.body);
        answer.header("set-cookie").split(';').next().unwrap().to_owned()
    }

    fn events(&self) -> Vec<(Event, String)> {
        let all = self.audit.newest(None, 1_000).unwrap();
        all.into_iter().rev().map(|entry| (entry.event, entry.operation.or(entry.note).unwrap_or_default())).collect()
    }
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }
}

fn csrf(cookie: &str) -> String {
    csrf_of(cookie.split_once('=').unwrap().1)
}

#[tokio::test]
async fn every_role_at_every_route() {
    let door = Door::new();
    for role in ROLES {
        let cookie = door.session(role).await;
        let csrf = csrf(&cookie);
        for (method, pattern, rule) in console::rules() {
            let path = pattern.replace("{*path}", "file.js");
            let may = match rule {
                Rule::Open => true,
                Rule::Needs(Access::Look) => true,
                Rule::Needs(Access::Read) => ["admin", "operator", "analyst"].contains(&role),
                Rule::Needs(Access::Control) => ["admin", "operator"].contains(&role),
                Rule::Needs(Access::Govern) => role == "admin",
                Rule::Needs(other) => panic!("{path}: no route of the console is of {other:?}"),
            };
            let headers = [("cookie", cookie.as_str()), ("x-csrf-token", csrf.as_str())];
            let answer = door.send(method.as_str(), &path, &headers, "{}").await;
            assert_eq!(answer.status, if may { 200 } else { 403 }, "{role} {method} {path}: {}", answer.body);
            let who = if *rule == Rule::Open { "nobody" } else { role };
            assert_eq!(answer.body == format!("inside {who}"), may, "{role} {method} {path}: {}", answer.body);
            let unknown = door.send(method.as_str(), &path, &[], "{}").await;
            assert_eq!(unknown.status, if *rule == Rule::Open { 200 } else { 401 }, "{method} {path}");
        }
    }
}

#[tokio::test]
async fn control_actions_are_written_down_around_what_is_done() {
    let door = Door::new();
    let basic = |id: &str| {
        format!("Basic {}", base64::Engine::encode(&base64::engine::general_purpose::STANDARD, format!("{id}:{id}")))
    };
    for (role, status) in [("operator", 200), ("viewer", 403)] {
        let answer = door
            .send("POST", "/api/replay/stop", &[("authorization", &basic(role))], "{\"secret\":\"s3\",\"name\":\"n\"}")
            .await;
        assert_eq!(answer.status, status, "{}", answer.body);
    }
    door.send("GET", "/api/pipeline", &[("authorization", &basic("operator"))], "").await;
    let operation = "POST /api/replay/stop".to_owned();
    let expected = [Event::Begun, Event::Ended, Event::Refused].map(|event| (event, operation.clone()));
    assert_eq!(door.events()[1..], expected);
    let entries = door.audit.newest(None, 3).unwrap();
    assert_eq!((entries[0].status, entries[0].note.as_deref()), (Some(403), Some("role")));
    assert_eq!((entries[1].status, entries[1].of), (Some(200), Some(entries[2].number)));
    assert_eq!(entries[2].address.as_deref(), Some("192.0.2.1"));
    assert_eq!(entries[2].subject.as_deref(), Some("name=n"), "what is not known is not written down");
}

#[tokio::test]
async fn a_session_begins_by_a_form_and_ends_by_another() {
    let door = Door::new();
    let answer = door.login("operator", "operator").await;
    let told = answer.header("set-cookie");
    for word in [
        "__Host-hailstream-session-8080=",
        "; Path=/",
        "; HttpOnly",
        "; SameSite=Strict",
        "; Secure",
        "; Max-Age=604800",
    ] {
        assert!(told.contains(word), "{told}");
    }
    let cookie = told.split(';').next().unwrap().to_owned();
    let with = [("cookie", cookie.as_str())];
    assert_eq!(door.send("GET", "/api/pipeline", &with, "").await.body, "inside operator");
    let page = door.send("GET", "/login", &with, "").await;
    assert!(page.body.contains("operator") && page.body.contains(&csrf(&cookie)), "{}", page.body);
    // Another login takes the place of this one.
    let again = door.send("POST", "/login", &with, "key=viewer&secret=viewer").await;
    assert_eq!(door.send("GET", "/api/pipeline", &with, "").await.status, 401);
    let cookie = again.header("set-cookie").split(';').next().unwrap().to_owned();
    let with = [("cookie", cookie.as_str())];
    for wrong in ["", "csrf=", "csrf=x"] {
        assert_eq!(door.send("POST", "/logout", &with, wrong).await.status, 403, "{wrong}");
    }
    let left = door.send("POST", "/logout", &with, &format!("csrf={}", csrf(&cookie))).await;
    assert_eq!((left.status, left.header("location")), (303, "/login"));
    assert!(left.header("set-cookie").contains("Max-Age=0"), "{}", left.header("set-cookie"));
    assert_eq!(door.send("GET", "/api/pipeline", &with, "").await.status, 401);
    assert_eq!(door.send("POST", "/logout", &with, "").await.status, 303, "whoever is gone may go");
    let events: Vec<Event> = door.events().into_iter().map(|(event, _)| event).collect();
    assert_eq!(events, [Event::Opened, Event::Login, Event::Login, Event::Logout]);
}

#[tokio::test]
async fn orders_of_a_session_need_its_own_token() {
    let door = Door::new();
    let (cookie, other) = (door.session("operator").await, door.session("operator").await);
    let order = async |headers: &[(&str, &str)]| door.send("POST", "/api/replay/stop", headers, "{}").await.status;
    let cookies = ("cookie", cookie.as_str());
    assert_eq!(order(&[cookies]).await, 403);
    assert_eq!(order(&[cookies, ("x-csrf-token", "")]).await, 403);
    assert_eq!(order(&[cookies, ("x-csrf-token", &csrf(&other))]).await, 403);
    assert_eq!(order(&[cookies, ("x-csrf-token", cookie.split_once('=').unwrap().1)]).await, 403);
    assert_eq!(order(&[cookies, ("x-csrf-token", &csrf(&cookie))]).await, 200);
    // The cookie of a console on another port is not this one's.
    let elsewhere = cookie.replace("-8080=", "-8081=");
    assert_eq!(order(&[("cookie", &elsewhere), ("x-csrf-token", &csrf(&cookie))]).await, 401);
    let among = format!("a=b; {cookie}; c=d");
    assert_eq!(order(&[("cookie", &among), ("x-csrf-token", &csrf(&cookie))]).await, 200);
}

#[tokio::test]
async fn wrong_secrets_are_told_written_down_and_after_ten_not_heard() {
    let door = Door::new();
    for (id, secret) in [("viewer", "wrong"), ("viewer", ""), ("", ""), ("nobody", "viewer"), ("%3Cb%3E", "x")] {
        let answer = door.login(id, secret).await;
        assert_eq!(answer.status, 401, "{id}");
        assert!(answer.body.contains("do not go together") && !answer.body.contains("<b>"), "{}", answer.body);
        assert!(!answer.header("www-authenticate").to_ascii_lowercase().contains("basic"));
        assert_eq!(answer.header("set-cookie"), "");
    }
    let before = door.events().len();
    for _ in 0..20 {
        door.login("viewer", "guess").await;
    }
    let shut = door.login("viewer", "viewer").await;
    assert_eq!((shut.status, shut.header("retry-after")), (429, "30"));
    assert!(shut.body.contains("Try again in 30 seconds"), "{}", shut.body);
    let events = door.events();
    assert_eq!(events.len() - before, 8, "what is not heard is not written down");
    let notes: Vec<&str> = events.iter().map(|(_, note)| note.as_str()).collect();
    assert!(notes.contains(&"key viewer") && notes.contains(&"no id of a key"), "{notes:?}");
    door.session("operator").await;
    door.clock.advance_ms(30_000);
    door.session("viewer").await;
}

#[tokio::test]
async fn a_key_that_changes_or_goes_takes_its_sessions_along() {
    let door = Door::new();
    let (viewer, operator) = (door.session("viewer").await, door.session("operator").await);
    let status = async |cookie: &str| door.send("GET", "/api/pipeline", &[("cookie", cookie)], "").await.status;
    assert_eq!((status(&viewer).await, status(&operator).await), (200, 200));
    write(&door.dir.path().join("keys.toml"), &keys("another-secret"));
    door.clock.advance_ms(1_000);
    assert_eq!((status(&viewer).await, status(&operator).await), (401, 200));
    write(&door.dir.path().join("keys.toml"), &keys("viewer").replace("id = 'operator'", "id = 'renamed'"));
    door.clock.advance_ms(1_000);
    assert_eq!(status(&operator).await, 401);
    // A session that was ended does not come back with its key.
    write(&door.dir.path().join("keys.toml"), &keys("viewer"));
    door.clock.advance_ms(1_000);
    assert_eq!((status(&viewer).await, status(&operator).await), (401, 401));
}

#[tokio::test]
async fn people_are_led_to_the_login_and_programs_are_asked() {
    let door = Door::new();
    let html = ("accept", "text/html,application/xhtml+xml");
    let led = door.send("GET", "/", &[html], "").await;
    assert_eq!((led.status, led.header("location")), (303, "/login"));
    let program = door.send("GET", "/metrics", &[], "").await;
    assert!(program.status == 401 && program.header("www-authenticate").starts_with("Basic "));
    for page in [("sec-fetch-mode", "cors"), ("referer", "https://localhost:8080/")] {
        let asked = door.send("GET", "/api/pipeline", &[page], "").await;
        assert!(asked.status == 401 && asked.header("www-authenticate").starts_with("Session "), "{page:?}");
    }
    let ordered = door.send("POST", "/api/replay/stop", &[html], "{}").await;
    assert_eq!(ordered.status, 401, "an order is not led anywhere");
    assert_eq!(door.send("GET", "/login", &[], "").await.status, 200);
}

#[tokio::test]
async fn what_cannot_be_written_down_is_not_done_or_not_answered() {
    let door = Door::new();
    let cookie = door.session("operator").await;
    let csrf = csrf(&cookie);
    let headers = [("cookie", cookie.as_str()), ("x-csrf-token", csrf.as_str())];
    let inside = || door.inside.load(Ordering::SeqCst);
    door.audit.fail_next();
    let refused = door.send("POST", "/api/replay/stop", &headers, "{}").await;
    assert_eq!((refused.status, inside()), (503, 0), "{}", refused.body);
    assert!(refused.body.contains("no control is taken or answered that cannot be written down"), "{}", refused.body);
    // Once there is room, it goes on; and an action whose end cannot be written down is not answered as if all were well.
    assert_eq!((door.send("POST", "/api/replay/stop", &headers, "{}").await.status, inside()), (200, 1));
    let breaking = [headers[0], headers[1], ("x-break-the-log", "1")];
    assert_eq!((door.send("POST", "/api/replay/stop", &breaking, "{}").await.status, inside()), (503, 2));
    door.audit.fail_next();
    assert_eq!(door.login("viewer", "viewer").await.status, 503);
    // Looking needs no log.
    door.audit.fail_next();
    assert_eq!(door.send("GET", "/api/pipeline", &headers, "").await.status, 200);
    let events: Vec<Event> = door.events().into_iter().map(|(event, _)| event).collect();
    let operation = [Event::Begun, Event::Ended, Event::Begun];
    assert_eq!(events, [&[Event::Opened, Event::Login][..], &operation].concat());
}
