//! Which paths there are, and who answers them. The listing is the catalogue.

use super::call::{Answer, Call};
use super::failure::Failure;
use super::{bulk, cat, cluster, document, indices, scroll, search};

pub(super) type Handler = fn(&Call) -> Result<Answer, Failure>;

/// Paths, methods and handlers. `{name}` stands for any one part; of two paths that fit, the first one counts.
const ROUTES: [(&str, &[&str], Handler); 39] = [
    ("/", &["GET", "HEAD"], cluster::root),
    ("/_cluster/health", &["GET"], cluster::health),
    ("/_cluster/health/{index}", &["GET"], cluster::health),
    ("/_cat/indices", &["GET"], cat::indices),
    ("/_cat/indices/{index}", &["GET"], cat::indices),
    ("/_cat/count", &["GET"], cat::count),
    ("/_cat/count/{index}", &["GET"], cat::count),
    ("/_cat/health", &["GET"], cat::health),
    ("/_bulk", &["POST", "PUT"], bulk::bulk),
    ("/{index}/_bulk", &["POST", "PUT"], bulk::bulk),
    ("/_search", &["POST", "GET"], search::search),
    ("/{index}/_search", &["POST", "GET"], search::search),
    ("/_count", &["POST", "GET"], search::count),
    ("/{index}/_count", &["POST", "GET"], search::count),
    ("/_search/scroll", &["POST", "GET"], scroll::scroll),
    ("/_search/scroll/{scroll_id}", &["POST", "GET"], scroll::scroll),
    ("/_search/scroll", &["DELETE"], scroll::clear_scroll),
    ("/_search/scroll/{scroll_id}", &["DELETE"], scroll::clear_scroll),
    ("/_refresh", &["POST", "GET"], indices::refresh),
    ("/{index}/_refresh", &["POST", "GET"], indices::refresh),
    ("/_flush", &["POST", "GET"], indices::flush),
    ("/{index}/_flush", &["POST", "GET"], indices::flush),
    ("/_mapping", &["GET"], indices::get_mapping),
    ("/{index}/_mapping", &["GET"], indices::get_mapping),
    ("/{index}/_mapping", &["PUT", "POST"], indices::put_mapping),
    ("/_settings", &["GET"], indices::get_settings),
    ("/{index}/_settings", &["GET"], indices::get_settings),
    ("/{index}/_doc", &["POST"], document::put),
    ("/{index}/_doc/{id}", &["POST", "PUT"], document::put),
    ("/{index}/_doc/{id}", &["GET", "HEAD"], document::get),
    ("/{index}/_doc/{id}", &["DELETE"], document::delete),
    ("/{index}/_create/{id}", &["POST", "PUT"], document::create),
    ("/{index}/_update/{id}", &["POST"], document::change),
    ("/{index}/_source/{id}", &["GET", "HEAD"], document::source),
    ("/{index}", &["PUT"], indices::create),
    ("/{index}", &["DELETE"], indices::delete),
    ("/{index}", &["HEAD"], indices::exists),
    ("/{index}", &["GET"], indices::get),
    // The real one takes documents of any type here; this one has one type, `_doc`, and names what it does not know.
    ("/{index}/{endpoint}", &["POST"], unknown_endpoint),
];

fn unknown_endpoint(call: &Call) -> Result<Answer, Failure> {
    let reason = format!("[{}] of an index is not supported by this index", call.part("endpoint"));
    Err(Failure::argument(reason))
}

/// Who answers a path, with the values of its variable parts.
pub(super) struct Found {
    pub(super) handler: Handler,
    pub(super) parts: Vec<(&'static str, String)>,
}

/// Finds the route of a request.
pub(super) fn find(method: &str, path: &str) -> Result<Found, Failure> {
    let given: Vec<&str> = path.split('/').filter(|p| !p.is_empty()).collect();
    let mut allowed: Vec<&str> = Vec::new();
    let mut best: Option<Found> = None;
    for (pattern, methods, handler) in ROUTES {
        let Some(parts) = fit(pattern, &given)? else { continue };
        if methods.contains(&method) && best.is_none() {
            best = Some(Found { handler, parts });
        }
        allowed.extend(methods);
    }
    match best {
        Some(found) => Ok(found),
        None if allowed.is_empty() => {
            Err(Failure::plain(400, format!("no handler found for uri [{path}] and method [{method}]")))
        }
        None => {
            let listed = allowed.join(", ");
            let reason = format!("Incorrect HTTP method for uri [{path}] and method [{method}], allowed: [{listed}]");
            Err(Failure::plain(405, reason))
        }
    }
}

/// Whether a request only looks: by GET and HEAD, and the searches that are sent by POST, with the cursors they leave.
pub(super) fn only_reads(method: &str, path: &str) -> bool {
    let given: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let looks = matches!(given[..], ["_search" | "_count"] | [_, "_search" | "_count"]);
    let cursor = matches!(given[..], ["_search", "scroll"] | ["_search", "scroll", _]);
    match method {
        "GET" | "HEAD" => true,
        "POST" => looks || cursor,
        "DELETE" => cursor,
        _ => false,
    }
}

fn fit(pattern: &'static str, given: &[&str]) -> Result<Option<Vec<(&'static str, String)>>, Failure> {
    let wanted: Vec<&'static str> = pattern.split('/').filter(|p| !p.is_empty()).collect();
    if wanted.len() != given.len() {
        return Ok(None);
    }
    let mut parts = Vec::new();
    for (wanted, given) in wanted.iter().zip(given) {
        match wanted.strip_prefix('{').and_then(|w| w.strip_suffix('}')) {
            Some(name) => parts.push((name, decode(given, false)?)),
            None if wanted == given => {}
            None => return Ok(None),
        }
    }
    Ok(Some(parts))
}

/// Takes `%xx` apart; in a query `+` is a blank.
pub(super) fn decode(text: &str, in_query: bool) -> Result<String, Failure> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'+' if in_query => bytes.push(b' '),
            b'%' => {
                let hex = [rest.next(), rest.next()].map(|d| d.and_then(|d| char::from(d).to_digit(16)));
                let [Some(high), Some(low)] = hex else {
                    return Err(Failure::argument(format!("unterminated escape sequence at end of string: {text}")));
                };
                bytes.push((high * 16 + low) as u8);
            }
            other => bytes.push(other),
        }
    }
    String::from_utf8(bytes).map_err(|_| Failure::argument(format!("no UTF-8 in [{text}]")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_looks_is_known() {
        let check = |method: &str, path: &str, expected: bool| assert_eq!(only_reads(method, path), expected, "{path}");
        for (pattern, methods, _) in ROUTES {
            for method in methods {
                let looks = pattern.ends_with("_search") || pattern.ends_with("_count") || pattern.contains("scroll");
                check(method, pattern, matches!(*method, "GET" | "HEAD") || looks);
            }
        }
        check("POST", "//trips///_search/", true);
        check("POST", "/trips/_search/more", false);
        check("PUT", "/_search", false);
        check("DELETE", "/_search", false);
        check("POST", "/_bulk", false);
    }
}
