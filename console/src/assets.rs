//! The page and its files, embedded into the binary.

use axum::body::Body;
use axum::extract::Path;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use rust_embed::{EmbeddedFile, RustEmbed};
use std::borrow::Cow;

/// What the web build leaves behind.
#[derive(RustEmbed)]
#[folder = "../web/dist"]
struct Assets;

/// Files below this folder have a hash of their content in their name and never change.
const HASHED: &str = "assets/";
/// The page of the login, a template that is served filled.
const LOGIN: &str = "login.html";

/// The page itself.
pub(crate) async fn page(headers: HeaderMap) -> Response {
    serve("index.html", &headers)
}

/// One file of the page.
pub(crate) async fn file(Path(path): Path<String>, headers: HeaderMap) -> Response {
    serve(&path, &headers)
}

/// One file whose name has a hash in it: code, styles and maps, which are the same for everybody.
pub(crate) async fn hashed(Path(path): Path<String>, headers: HeaderMap) -> Response {
    serve(&format!("{HASHED}{path}"), &headers)
}

/// The page of the login, before it is filled; it is no file for itself.
pub(crate) fn login_page_text() -> String {
    Assets::get(LOGIN).map(|file| String::from_utf8_lossy(&file.data).into_owned()).unwrap_or_default()
}

fn serve(path: &str, request: &HeaderMap) -> Response {
    let Some(file) = Assets::get(path).filter(|_| path != LOGIN) else {
        return (StatusCode::NOT_FOUND, "there is no such page; the console is at /").into_response();
    };
    let tag = entity_tag(&file);
    let kind = content_type(path, file.metadata.mimetype()).to_owned();
    let mut response = match request.get(header::IF_NONE_MATCH) {
        Some(known) if known == tag => StatusCode::NOT_MODIFIED.into_response(),
        // What is in the binary is sent from there: many slow readers of a large file share it.
        _ => Response::new(match file.data {
            Cow::Borrowed(bytes) => Body::from(bytes),
            Cow::Owned(bytes) => Body::from(bytes),
        }),
    };
    let headers = response.headers_mut();
    headers.insert(header::ETAG, tag);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(caching(path)));
    if let Ok(kind) = HeaderValue::from_str(&kind) {
        headers.insert(header::CONTENT_TYPE, kind);
    }
    response
}

fn caching(path: &str) -> &'static str {
    if path.starts_with(HASHED) { "public, max-age=31536000, immutable" } else { "no-cache" }
}

/// The type by the file's name; text is UTF-8, and modules and map layers have the types that browsers insist on.
fn content_type<'a>(path: &str, guessed: &'a str) -> &'a str {
    match path.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("js" | "mjs") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("geojson") => "application/geo+json",
        _ => guessed,
    }
}

fn entity_tag(file: &EmbeddedFile) -> HeaderValue {
    let hash: String = file.metadata.sha256_hash().iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    HeaderValue::from_str(&format!("\"{hash}\"")).unwrap_or(HeaderValue::from_static("\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashed_files_are_kept_for_ever_and_the_page_is_asked_for_anew() {
        let page = serve("index.html", &HeaderMap::new());
        assert_eq!(page.headers()[header::CACHE_CONTROL], "no-cache");
        assert_eq!(page.headers()[header::CONTENT_TYPE], "text/html; charset=utf-8");
        let script = Assets::iter().find(|path| path.starts_with(HASHED) && path.ends_with(".js")).unwrap();
        let script = serve(&script, &HeaderMap::new());
        assert_eq!(script.headers()[header::CACHE_CONTROL], "public, max-age=31536000, immutable");
        assert_eq!(script.headers()[header::CONTENT_TYPE], "text/javascript; charset=utf-8");
    }

    #[test]
    fn a_known_page_is_not_sent_again() {
        let tag = serve("index.html", &HeaderMap::new()).headers()[header::ETAG].clone();
        let request = HeaderMap::from_iter([(header::IF_NONE_MATCH, tag)]);
        assert_eq!(serve("index.html", &request).status(), StatusCode::NOT_MODIFIED);
    }

    #[test]
    fn nothing_outside_the_build_is_served() {
        for path in ["", "nothing.js", "../package.json", "..%2fpackage.json", "/etc/hostname", "assets/", "login.html"]
        {
            assert_eq!(serve(path, &HeaderMap::new()).status(), StatusCode::NOT_FOUND, "{path}");
        }
    }
}
