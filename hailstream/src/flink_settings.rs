//! How a Flink cluster is reached, and how it reaches the platform.

use clap::Args;
use flink::{Addresses, Doors, FlinkOptions};
use serde::Deserialize;
use wire::signature::{ClientKey, ClientKeyError};

/// A cluster that applications may run on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct FlinkArgs {
    /// REST API of a Flink cluster, such as http://127.0.0.1:8081: applications that ask for the runner `flink` run there
    #[arg(long = "flink", env = "HAILSTREAM_FLINK", value_name = "URL")]
    pub(crate) rest: Option<String>,
    /// SQL gateway of that cluster, such as http://127.0.0.1:8083
    #[arg(long = "flink-gateway", env = "HAILSTREAM_FLINK_GATEWAY", value_name = "URL")]
    pub(crate) gateway: Option<String>,
    /// Jar with the platform's SQL functions, as the SQL gateway sees it; not needed where it stands in the cluster's lib folder
    #[arg(long = "flink-functions", env = "HAILSTREAM_FLINK_FUNCTIONS", value_name = "PATH")]
    pub(crate) functions: Option<String>,
    /// Where savepoints are written, as the cluster sees it, such as s3://bucket/savepoints [default: the cluster's own setting]
    #[arg(long = "flink-savepoints", env = "HAILSTREAM_FLINK_SAVEPOINTS", value_name = "URL")]
    pub(crate) savepoints: Option<String>,
    /// The stream door as the cluster reaches it [default: its address on this machine]
    #[arg(long = "flink-stream-door", env = "HAILSTREAM_FLINK_STREAM_DOOR", value_name = "URL")]
    pub(crate) stream_door: Option<String>,
    /// The search door as the cluster reaches it [default: its address on this machine]
    #[arg(long = "flink-search-door", env = "HAILSTREAM_FLINK_SEARCH_DOOR", value_name = "URL")]
    pub(crate) search_door: Option<String>,
    /// Name of the key in the shared credentials file that the cluster shows at the stream door
    #[arg(long = "flink-profile", env = "HAILSTREAM_FLINK_PROFILE", value_name = "NAME")]
    pub(crate) profile: Option<String>,
}

/// What is wrong with a cluster's settings.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClusterError {
    #[error("a Flink cluster has a REST API and a SQL gateway: give both --flink and --flink-gateway, or neither")]
    Half,
    #[error(transparent)]
    Key(#[from] ClientKeyError),
}

impl FlinkArgs {
    /// These settings, and where they say nothing those of `other`.
    pub(crate) fn or(self, other: Self) -> Self {
        Self {
            rest: self.rest.or(other.rest),
            gateway: self.gateway.or(other.gateway),
            functions: self.functions.or(other.functions),
            savepoints: self.savepoints.or(other.savepoints),
            stream_door: self.stream_door.or(other.stream_door),
            search_door: self.search_door.or(other.search_door),
            profile: self.profile.or(other.profile),
        }
    }

    /// How the cluster is asked, and how it reaches the platform: at `doors` (those of streams and of searches) where nothing
    /// else is said. `None` where there is no cluster.
    pub(crate) fn options(&self, doors: Option<(&str, &str)>) -> Result<Option<FlinkOptions>, ClusterError> {
        let Some(addresses) = self.addresses()? else { return Ok(None) };
        let key = match self.profile.as_deref() {
            Some(profile) => ClientKey::find(Some(profile), |name| std::env::var(name).ok())?,
            None => None,
        };
        let doors = Doors {
            streams: self.stream_door.clone().or(doors.map(|(streams, _)| streams.to_owned())),
            search: self.search_door.clone().or(doors.map(|(_, search)| search.to_owned())),
            key: key.map(|key| (key.id, key.secret)),
        };
        let (functions, savepoints) = (self.functions.clone(), self.savepoints.clone());
        Ok(Some(FlinkOptions { addresses, doors, functions, savepoints }))
    }

    /// The cluster's addresses; `None` where there is no cluster.
    pub(crate) fn addresses(&self) -> Result<Option<Addresses>, ClusterError> {
        match (self.rest.clone(), self.gateway.clone()) {
            (Some(rest), Some(gateway)) => Ok(Some(Addresses { rest, gateway })),
            (None, None) => Ok(None),
            _ => Err(ClusterError::Half),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_has_both_addresses_and_options_come_before_the_file() {
        let of = |rest: &str, gateway: Option<&str>| FlinkArgs {
            rest: Some(rest.into()),
            gateway: gateway.map(str::to_owned),
            ..FlinkArgs::default()
        };
        assert!(of("http://a", None).addresses().is_err());
        assert_eq!(FlinkArgs::default().addresses().unwrap(), None);
        let both = of("http://a", None).or(of("http://b", Some("http://c"))).addresses().unwrap().unwrap();
        assert_eq!((both.rest.as_str(), both.gateway.as_str()), ("http://a", "http://c"));
    }
}
