//! Whose index a table is: the platform's own, or one in a cluster elsewhere.
//!
//! Hosts on the loopback interface mean the own index, whatever their port: so the same script runs here and, with a real
//! cluster beside it, on Flink. Other hosts mean the cluster that they name. Where that is not what is meant, the option
//! `hailstream.index` says so: `own` or `outside`.

use super::connectors::wrong;
use connect::Elasticsearch;
use engine::plan::TableDef;
use engine::port::{Changelog, Connectors, PortError, Role, Sink, SinkSpec, Source};
use model::Env;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use tokio::runtime::Handle;

/// The option that says whose index is meant.
pub(super) const PLACE: &str = "hailstream.index";

/// Whether a table's connector is one of those whose tables are indices.
pub(super) fn is_index(table: &TableDef) -> bool {
    table.options.get("connector").is_some_and(|name| Elasticsearch::CONNECTORS.contains(&name.as_str()))
}

/// Whether a table that is an index is one of the platform's own.
///
/// # Errors
/// When its options leave that open.
pub(super) fn is_own(table: &TableDef) -> Result<bool, PortError> {
    match table.options.get(PLACE).map(String::as_str) {
        Some("own") => return Ok(true),
        Some("outside") => return Ok(false),
        Some(other) => return Err(wrong(table, &format!("'{PLACE}' is {other:?}; it is own or outside"))),
        None => {}
    }
    let hosts = table.options.get("hosts").map_or("", String::as_str);
    let (near, far): (Vec<_>, Vec<_>) =
        hosts.split(';').map(str::trim).filter(|host| !host.is_empty()).partition(|host| is_loopback(host));
    match (near.first(), far.first()) {
        (None, None) => Err(wrong(table, "the option 'hosts' is missing")),
        (Some(near), Some(far)) => {
            let (near, far) = (without_login(near), without_login(far));
            let what = format!(
                "'hosts' names {near:?}, which is the platform's own index, and {far:?}, which is not; \
                 '{PLACE}' = 'outside' says that all of them are one cluster"
            );
            Err(wrong(table, &what))
        }
        (_, far) => Ok(far.is_none()),
    }
}

/// What stands before an @ may be a password.
fn without_login(host: &str) -> &str {
    host.rsplit_once('@').map_or(host, |(_, rest)| rest)
}

/// Whether an address, with or without scheme, port and path, is on the loopback interface.
pub(super) fn is_loopback(host: &str) -> bool {
    let rest = host.split_once("://").map_or(host, |(_, rest)| rest);
    let rest = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let rest = without_login(rest);
    if let Some((address, _)) = rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return address.parse::<Ipv6Addr>().is_ok_and(|address| address.is_loopback());
    }
    let name = rest.split_once(':').map_or(rest, |(name, _)| name);
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// A table as its cluster's connector knows it, without our own option.
fn elsewhere(table: &TableDef) -> TableDef {
    let mut table = table.clone();
    table.options.remove(PLACE);
    table
}

/// The indices of clusters elsewhere, and none of our own.
pub(crate) struct OutsideIndices {
    clusters: Elasticsearch,
}

impl OutsideIndices {
    /// The values of the option `connector` that are meant.
    pub(crate) const CONNECTORS: [&'static str; 2] = Elasticsearch::CONNECTORS;

    /// Sinks that call their clusters on `runtime`.
    pub(crate) fn new(runtime: Handle, env: Env) -> Self {
        Self { clusters: Elasticsearch::new(runtime, env) }
    }
}

impl Connectors for OutsideIndices {
    fn check(&self, table: &TableDef, role: Role) -> Result<(), PortError> {
        if table.options.get(PLACE).is_some_and(|place| place != "outside") {
            let what = format!("'{PLACE}' is not outside, but an index of its own has only a platform that runs");
            return Err(wrong(table, &what));
        }
        self.clusters.check(&elsewhere(table), role)
    }

    fn changelog(&self, table: &TableDef) -> Changelog {
        self.clusters.changelog(table)
    }

    fn source(&self, table: &TableDef) -> Result<Arc<dyn Source>, PortError> {
        self.clusters.source(&elsewhere(table))
    }

    fn sink(&self, spec: &SinkSpec) -> Result<Box<dyn Sink>, PortError> {
        self.clusters.sink(&SinkSpec { table: Arc::new(elsewhere(&spec.table)), ..spec.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::types::Schema;

    fn table(options: &[(&str, &str)]) -> TableDef {
        let options = options.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let (name, schema) = ("t".to_owned(), Schema::default());
        TableDef { name, schema, computed: vec![], watermark: None, primary_key: vec![], options }
    }

    #[test]
    fn this_machine_means_the_own_index() {
        let of = |hosts| is_own(&table(&[("hosts", hosts)]));
        for own in [
            "http://127.0.0.1:9200",
            "localhost",
            "https://localhost:1/",
            "http://LOCALHOST:9200;http://127.0.0.2:9201",
            "http://[::1]:9200",
        ] {
            assert!(of(own).unwrap(), "{own}");
        }
        for outside in [
            "http://10.0.0.1:9200",
            "http://search:9200",
            "http://localhost.example:1",
            "http://h/localhost",
            "http://[::2]:1",
        ] {
            assert!(!of(outside).unwrap(), "{outside}");
        }
        let error = of("http://localhost:9200;http://u:hush@h:9200").unwrap_err().message;
        assert!(error.contains("\"h:9200\"") && error.contains("'outside'") && !error.contains("hush"), "{error}");
        assert!(of(" ; ").unwrap_err().message.contains("'hosts' is missing"));
    }

    #[test]
    fn an_option_says_otherwise() {
        let of = |hosts, place| is_own(&table(&[("hosts", hosts), (PLACE, place)]));
        assert!(!of("http://localhost:9200", "outside").unwrap());
        assert!(of("http://search:9200", "own").unwrap());
        assert!(!of("http://localhost:9200;http://search:9200", "outside").unwrap());
        assert!(of("http://search:9200", "mine").unwrap_err().message.contains("own or outside"));
    }

    #[test]
    fn without_a_platform_every_host_is_outside() {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let outside = OutsideIndices::new(runtime.handle().clone(), Env::system());
        let check = |options: &[(&str, &str)]| {
            let mut all = vec![("connector", "elasticsearch-7"), ("hosts", "http://localhost:9200"), ("index", "docs")];
            all.extend(options);
            outside.check(&table(&all), Role::Sink)
        };
        check(&[]).unwrap();
        check(&[(PLACE, "outside"), ("connector", "opensearch")]).unwrap();
        assert!(check(&[(PLACE, "own")]).unwrap_err().message.contains("a platform that runs"));
        assert!(check(&[("idnex", "docs")]).unwrap_err().message.contains("unknown option 'idnex'"));
    }
}
