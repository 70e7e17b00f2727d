//! Which paths there are, and who answers them. The listing is the catalogue.

use super::call::{Answer, Call};
use super::failure::Failure;
use super::{bulk, cat, cluster, document, indices, scroll, search};
use model::Access::{self, Control, Look, Write};

pub(super) type Handler = fn(&Call) -> Result<Answer, Failure>;

/// A path, its methods, what such a request does, and who answers it.
type Route = (&'static str, &'static [&'static str], Access, Handler);

/// Every route. `{name}` stands for any one part; of two paths that fit, the first one counts.
const ROUTES: [Route; 39] = [
    ("/", &["GET", "HEAD"], Look, cluster::root),
    ("/_cluster/health", &["GET"], Look, cluster::health),
    ("/_cluster/health/{index}", &["GET"], Look, cluster::health),
    ("/_cat/indices", &["GET"], Look, cat::indices),
    ("/_cat/indices/{index}", &["GET"], Look, cat::indices),
    ("/_cat/count", &["GET"], Look, cat::count),
    ("/_cat/count/{index}", &["GET"], Look, cat::count),
    ("/_cat/health", &["GET"], Look, cat::health),
    ("/_bulk", &["POST", "PUT"], Write, bulk::bulk),
    ("/{index}/_bulk", &["POST", "PUT"], Write, bulk::bulk),
    ("/_search", &["POST", "GET"], Look, search::search),
    ("/{index}/_search", &["POST", "GET"], Look, search::search),
    ("/_count", &["POST", "GET"], Look, search::count),
    ("/{index}/_count", &["POST", "GET"], Look, search::count),
    ("/_search/scroll", &["POST", "GET"], Look, scroll::scroll),
    ("/_search/scroll/{scroll_id}", &["POST", "GET"], Look, scroll::scroll),
    ("/_search/scroll", &["DELETE"], Look, scroll::clear_scroll),
    ("/_search/scroll/{scroll_id}", &["DELETE"], Look, scroll::clear_scroll),
    ("/_refresh", &["POST", "GET"], Write, indices::refresh),
    ("/{index}/_refresh", &["POST", "GET"], Write, indices::refresh),
    ("/_flush", &["POST", "GET"], Write, indices::flush),
    ("/{index}/_flush", &["POST", "GET"], Write, indices::flush),
    ("/_mapping", &["GET"], Look, indices::get_mapping),
    ("/{index}/_mapping", &["GET"], Look, indices::get_mapping),
    ("/{index}/_mapping", &["PUT", "POST"], Control, indices::put_mapping),
    ("/_settings", &["GET"], Look, indices::get_settings),
    ("/{index}/_settings", &["GET"], Look, indices::get_settings),
    ("/{index}/_doc", &["POST"], Write, document::put),
    ("/{index}/_doc/{id}", &["POST", "PUT"], Write, document::put),
    ("/{index}/_doc/{id}", &["GET", "HEAD"], Look, document::get),
    ("/{index}/_doc/{id}", &["DELETE"], Write, document::delete),
    ("/{index}/_create/{id}", &["POST", "PUT"], Write, document::create),
    ("/{index}/_update/{id}", &["POST"], Write, document::change),
    ("/{index}/_source/{id}", &["GET", "HEAD"], Look, document::source),
    ("/{index}", &["PUT"], Control, indices::create),
    ("/{index}", &["DELETE"], Control, indices::delete),
    ("/{index}", &["HEAD"], Look, indices::exists),
    ("/{index}", &["GET"], Look, indices::get),
    // The real one takes documents of any type here; this one has one type, `_doc`, and names what it does not know.
    ("/{index}/{endpoint}", &["POST"], Look, unknown_endpoint),
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
    for (pattern, methods, _, handler) in ROUTES {
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

/// What a request does, the path of its route, and the index that it names. What has no route is answered with the reason
/// and does nothing.
pub(super) fn access(method: &str, path: &str) -> (Access, &'static str, Option<String>) {
    let given: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let found = ROUTES.iter().find_map(|(pattern, methods, access, _)| {
        let parts = fit(pattern, &given).ok()??;
        methods.contains(&method).then_some((*access, *pattern, parts))
    });
    let Some((access, pattern, parts)) = found else { return (Look, "", None) };
    let index = parts.into_iter().find(|(name, _)| *name == "index").map(|(_, index)| index);
    (access, pattern, index)
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
    fn what_a_request_does_is_told_of_each_route() {
        let check = |method: &str, path: &str, expected: Access| assert_eq!(access(method, path).0, expected, "{path}");
        for (pattern, methods, expected, _) in ROUTES {
            for method in methods {
                check(method, pattern, expected);
                let searches = pattern.contains("_search") || pattern.contains("_count");
                let looks = matches!(*method, "GET" | "HEAD") || searches || pattern.ends_with("{endpoint}");
                let makes_visible = pattern.ends_with("_refresh") || pattern.ends_with("_flush");
                assert_eq!(expected == Look, looks && !makes_visible, "{method} {pattern}");
            }
        }
        check("POST", "//trips///_search/", Look);
        // To the router this is an index of that name, which its handler refuses.
        check("PUT", "/_search", Control);
        check("DELETE", "/_search", Control);
        check("POST", "/_bulk", Write);
        check("PUT", "/%74rips", Control);
        assert_eq!(access("PUT", "/%74rips"), (Control, "/{index}", Some("trips".into())));
        assert_eq!(access("PUT", "/a/b/c/d"), (Look, "", None));
        assert!(find("PUT", "/a/b/c/d").is_err());
    }
}
