//! People: who asks, what they may do, what others did, and the page where they say who they are.

use super::Shared;
use super::results::{Parameters, read};
use crate::assets::login_page_text;
use crate::views::AuditPage;
use crate::{Failure, security};
use axum::Json;
use axum::body::Body;
use axum::extract::{Extension, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use model::Access;
use serde::{Deserialize, Serialize};

/// Most entries of the audit log in one answer.
const ENTRIES_MAX: usize = 200;

/// Who asks, as a guard before the console has found out. Without one nobody is known, and everybody may do everything.
#[derive(Debug, Clone)]
pub struct Person {
    /// The id of the key.
    pub key: String,
    /// Whose key it is.
    pub user: String,
    /// The role's name.
    pub role: &'static str,
    /// What the role may do.
    pub rights: Vec<Access>,
    /// What orders of a session must carry in the header `x-csrf-token`; `None` where there is no session.
    pub csrf: Option<String>,
    /// When the session ends, in milliseconds since the Unix epoch; `None` where there is none.
    pub until_ms: Option<u64>,
}

/// Who asks and what they may do, as the page is told.
#[derive(Serialize)]
pub(super) struct Session {
    /// Whether the console asks who comes.
    asked: bool,
    key: Option<String>,
    user: Option<String>,
    role: Option<&'static str>,
    rights: Vec<&'static str>,
    csrf: Option<String>,
    until_ms: Option<u64>,
}

pub(super) async fn session(person: Option<Extension<Person>>) -> Json<Session> {
    let names = |rights: &[Access]| rights.iter().map(|access| access.name()).collect();
    Json(match person {
        None => Session {
            asked: false,
            key: None,
            user: None,
            role: None,
            rights: names(&Access::ALL),
            csrf: None,
            until_ms: None,
        },
        Some(Extension(person)) => Session {
            asked: true,
            rights: names(&person.rights),
            key: Some(person.key),
            user: Some(person.user),
            role: Some(person.role),
            csrf: person.csrf,
            until_ms: person.until_ms,
        },
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Past {
    /// Entries before this one; without it the newest.
    before: Option<u64>,
    n: Option<usize>,
}

pub(super) async fn audit(
    State(shared): State<Shared>,
    parameters: Parameters<Past>,
) -> Result<Json<AuditPage>, Failure> {
    let Past { before, n } = read(parameters)?;
    let n = n.unwrap_or(ENTRIES_MAX);
    if !(1..=ENTRIES_MAX).contains(&n) {
        return Err(Failure::invalid(format!("n {n} is not within 1..={ENTRIES_MAX}")));
    }
    shared.ask(move |platform| platform.audit(before, n)).await.map(Json)
}

/// What the page of the login says.
pub enum Login<'a> {
    /// It asks who comes; `Some`: after a refusal, with its words.
    Asked(Option<&'a str>),
    /// Somebody is there already, and may leave: their id, role, and the token that leaving needs.
    There {
        /// The id of the key.
        key: &'a str,
        /// The role's name.
        role: &'a str,
        /// The token, as in [`Person::csrf`].
        csrf: &'a str,
    },
}

/// The page where people say who they are, which needs no script. Its form is sent to `/login`, that of leaving to `/logout`.
pub fn login_page(status: StatusCode, login: &Login<'_>) -> Response {
    let mut response = Response::new(Body::from(filled(&login_page_text(), login)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(security::LOGIN_POLICY));
    response
}

/// The page with what it says put in: the part that does not fit is taken out, and every text becomes text.
fn filled(page: &str, login: &Login<'_>) -> String {
    let (other, [message, key, role, csrf]) = match login {
        Login::Asked(message) => ("there", [message.unwrap_or_default(), "", "", ""]),
        Login::There { key, role, csrf } => ("asked", ["", *key, *role, *csrf]),
    };
    let mut page = without(page, other);
    if message.is_empty() {
        page = without(&page, "message");
    }
    for (name, text) in [("message", message), ("key", key), ("role", role), ("csrf", csrf)] {
        page = page.replace(&format!("{{{{{name}}}}}"), &escaped(text));
    }
    page
}

/// The page without what stands between `<!--begin NAME-->` and `<!--end NAME-->`.
fn without(page: &str, name: &str) -> String {
    let (begin, end) = (format!("<!--begin {name}-->"), format!("<!--end {name}-->"));
    match (page.find(&begin), page.find(&end)) {
        (Some(from), Some(to)) if from < to => [&page[..from], &page[to + end.len()..]].concat(),
        _ => page.to_owned(),
    }
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_page_says_is_text_and_the_rest_is_gone() {
        let page = login_page_text();
        let asked = filled(&page, &Login::Asked(None));
        assert!(asked.contains("action=\"/login\"") && !asked.contains("/logout") && !asked.contains("{{"), "{asked}");
        assert!(!asked.contains("role=\"alert\""), "{asked}");
        let refused = filled(&page, &Login::Asked(Some("<script>alert(\"1\")</script> & 'x'")));
        assert!(refused.contains("&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt; &amp; &#39;x&#39;"), "{refused}");
        let there = filled(&page, &Login::There { key: "A\"><b>", role: "viewer", csrf: "t0" });
        assert!(there.contains("A&quot;&gt;&lt;b&gt;") && there.contains("value=\"t0\""), "{there}");
        assert!(!there.contains("action=\"/login\"") && there.contains("action=\"/logout\""), "{there}");
        assert!(!there.contains("{{") && !there.contains("<!--begin asked"), "{there}");
    }
}
