//! Every route of the console in one table: its method and path, what it does, and who answers. The router and the rules of
//! who may ask are both made of it, so that no route is without a rule.

use super::CONTROL_BYTES_MAX;
use super::stacks::STACK_BYTES_MAX;
use super::{
    JAR_BYTES_MAX, SCRIPT_BYTES_MAX, Shared, alarms, applications, changes, controls, health, live_ticks, metrics,
    people, pipeline, programs, results, scaling, sizes, snapshots, stacks, streams, timeline, trials,
};
use crate::assets;
use axum::extract::DefaultBodyLimit;
use axum::handler::Handler;
use axum::http::Method;
use axum::routing::{MethodRouter, get, post};
use model::Access::{self, Control, Govern, Look, Read};
use std::sync::LazyLock;

/// Who may make a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// Everybody who may reach the console, without a name.
    Open,
    /// Whoever may do this.
    Needs(Access),
}

/// One route.
pub(super) struct Route {
    method: Method,
    pub(super) path: &'static str,
    rule: Rule,
    /// Largest body, in bytes.
    body_bytes_max: usize,
    pub(super) answers: MethodRouter<Shared>,
}

/// A question: it changes nothing.
fn question<H: Handler<T, Shared>, T: 'static>(path: &'static str, access: Access, handler: H) -> Route {
    Route { method: Method::GET, path, rule: Rule::Needs(access), body_bytes_max: 0, answers: get(handler) }
}

/// An order: a document of JSON that is obeyed or refused.
fn order<H: Handler<T, Shared>, T: 'static>(path: &'static str, access: Access, handler: H) -> Route {
    large(path, access, CONTROL_BYTES_MAX, handler)
}

/// An order that carries texts: so many bytes at most.
fn large<H: Handler<T, Shared>, T: 'static>(
    path: &'static str,
    access: Access,
    body_bytes_max: usize,
    handler: H,
) -> Route {
    let answers = post(handler).layer(DefaultBodyLimit::max(body_bytes_max));
    Route { method: Method::POST, path, rule: Rule::Needs(access), body_bytes_max, answers }
}

/// What everybody may ask for.
fn open<H: Handler<T, Shared>, T: 'static>(path: &'static str, handler: H) -> Route {
    Route { method: Method::GET, path, rule: Rule::Open, body_bytes_max: 0, answers: get(handler) }
}

/// All of them. A route is added by one line here.
pub(super) fn all() -> Vec<Route> {
    vec![
        // Whoever watches over the platform asks for its health without a name; the files of the page hold no data.
        open("/health", health),
        open("/assets/{*path}", assets::hashed),
        question("/", Look, assets::page),
        question("/{*path}", Look, assets::file),
        question("/metrics", Look, metrics),
        question("/api/session", Look, people::session),
        question("/api/audit", Govern, people::audit),
        question("/api/live", Look, live_ticks),
        question("/api/pipeline", Look, pipeline),
        question("/api/results/range", Look, results::range),
        question("/api/results/cells", Look, results::cells),
        question("/api/results/summary", Look, results::summary),
        question("/api/results/history", Look, results::history),
        question("/api/streams", Look, streams::list),
        question("/api/streams/view", Look, streams::view),
        question("/api/streams/history", Look, streams::history),
        // Partition keys are a part of the records.
        question("/api/streams/keys", Read, streams::keys),
        order("/api/streams/count", Control, streams::set_count),
        order("/api/streams/split", Control, streams::split),
        order("/api/streams/merge", Control, streams::merge),
        order("/api/replay/start", Control, controls::start_replay),
        order("/api/replay/stop", Control, controls::stop_replay),
        order("/api/replay/speed", Control, controls::set_speedup),
        order("/api/stream/shards", Control, controls::set_shard_count),
        question("/api/alarms", Look, alarms::list),
        question("/api/alarms/view", Look, alarms::view),
        order("/api/alarms/actions", Control, alarms::set_actions),
        question("/api/alarms/describe", Look, trials::describe),
        question("/api/alarms/history", Look, trials::history),
        order("/api/alarms/state", Control, trials::set_state),
        order("/api/alarms/backtest", Control, trials::backtest),
        question("/api/metrics", Look, trials::metrics),
        question("/api/scaling", Look, scaling::look),
        order("/api/scaling/mode", Control, scaling::set_mode),
        question("/api/sizes", Look, sizes::look),
        order("/api/sizes/policy", Control, sizes::set_policy),
        question("/api/timeline", Look, timeline::look),
        // A plan says what is there, and checks scripts: nobody but who may change something needs it.
        large("/api/stack/plan", Control, STACK_BYTES_MAX, stacks::plan),
        large("/api/stack/apply", Control, STACK_BYTES_MAX, stacks::apply),
        question("/api/applications", Look, applications::list),
        question("/api/applications/view", Look, applications::view),
        large("/api/application/create", Control, SCRIPT_BYTES_MAX, changes::create),
        large("/api/application/program", Control, JAR_BYTES_MAX, programs::keep),
        large("/api/application/update", Control, SCRIPT_BYTES_MAX, changes::update),
        order("/api/application/rollback", Control, changes::roll_back),
        order("/api/application/delete", Control, changes::delete),
        question("/api/application/describe", Look, changes::describe),
        question("/api/application/explain", Look, changes::explain),
        question("/api/application/operations", Look, changes::operations),
        question("/api/application/lines", Look, changes::lines),
        question("/api/application", Look, applications::look),
        order("/api/application/start", Control, applications::start),
        order("/api/application/stop", Control, applications::stop),
        order("/api/application/correct", Control, applications::correct),
        order("/api/application/move", Control, applications::move_on),
        order("/api/application/parallelism", Control, applications::set_parallelism),
        question("/api/application/snapshots", Look, snapshots::list),
        order("/api/application/snapshots/take", Control, snapshots::take),
        order("/api/application/snapshots/restore", Control, snapshots::restore),
        order("/api/application/snapshots/remove", Control, snapshots::remove),
    ]
}

/// Every route with its method and path, and its rule. `{*path}` stands for any rest.
pub fn rules() -> &'static [(Method, &'static str, Rule)] {
    static RULES: LazyLock<Vec<(Method, &'static str, Rule)>> =
        LazyLock::new(|| all().into_iter().map(|route| (route.method, route.path, route.rule)).collect());
    &RULES
}

/// The rule of a request, by its method and path. What has no route is answered so and does nothing; still, what would change
/// something needs the most of rights, so that a path that is written in another way than here opens nothing.
pub fn rule(method: &Method, path: &str) -> Rule {
    let method = if method == Method::HEAD { &Method::GET } else { method };
    let fits = |pattern: &str| match pattern.strip_suffix("{*path}") {
        Some(folder) => path.len() > folder.len() && path.starts_with(folder),
        None => path == pattern,
    };
    // Of paths that fit, the one that says more counts, as for the router.
    let found = rules().iter().filter(|(of, pattern, _)| of == method && fits(pattern));
    match found.max_by_key(|(_, pattern, _)| (!pattern.contains('{'), pattern.len())) {
        Some((_, _, rule)) => *rule,
        None if method == Method::GET => Rule::Needs(Look),
        None => Rule::Needs(Govern),
    }
}

/// Largest body of a request, in bytes, where its route takes more than others; it is not read before there is room for it.
pub(crate) fn large_body(method: &Method, path: &str) -> Option<usize> {
    static LARGE: LazyLock<Vec<(Method, &'static str, usize)>> = LazyLock::new(|| {
        let all = all().into_iter().map(|route| (route.method, route.path, route.body_bytes_max));
        all.filter(|(_, _, bytes)| *bytes > CONTROL_BYTES_MAX).collect()
    });
    LARGE.iter().find(|(of, known, _)| of == method && *known == path).map(|(_, _, bytes)| *bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_has_its_own_rule_and_every_order_changes() {
        for route in all() {
            let path = route.path.replace("{*path}", "x.js");
            assert_eq!(rule(&route.method, &path), route.rule, "{path}");
            let changes = matches!(route.rule, Rule::Needs(access) if access.is_control());
            assert_eq!(changes, route.method != Method::GET || path == "/api/audit", "{path}");
            if route.method == Method::GET {
                assert_eq!(rule(&Method::HEAD, &path), route.rule, "{path}");
                assert_eq!(rule(&Method::POST, &path), Rule::Needs(Govern), "{path}");
            }
        }
    }

    #[test]
    fn what_has_no_route_opens_nothing() {
        let check = |method: Method, path: &str, expected: Rule| assert_eq!(rule(&method, path), expected, "{path}");
        check(Method::GET, "/api/nothing", Rule::Needs(Look));
        check(Method::POST, "/api/%73treams/count", Rule::Needs(Govern));
        check(Method::POST, "/api/streams/count/", Rule::Needs(Govern));
        check(Method::DELETE, "/api/streams/count", Rule::Needs(Govern));
        check(Method::GET, "/assets", Rule::Needs(Look));
        check(Method::GET, "/assets/", Rule::Needs(Look));
        check(Method::GET, "/assetsx/a.js", Rule::Needs(Look));
        check(Method::GET, "/health/", Rule::Needs(Look));
    }
}
