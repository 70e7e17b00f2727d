//! The doors: loopback listeners, opened all at once before anything else, served until the platform ends.

use crate::settings::Settings;
use axum::Router;
use serde::Serialize;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A door could not be opened.
#[derive(Debug, thiserror::Error)]
#[error("the {door} cannot listen on 127.0.0.1:{port}: {source}; stop what listens there, or give {option}")]
pub(crate) struct DoorError {
    door: &'static str,
    option: &'static str,
    port: u16,
    source: io::Error,
}

/// The open listeners, not yet served.
pub(crate) struct Doors {
    aws: TcpListener,
    search: TcpListener,
    console: TcpListener,
}

/// Where the doors are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Addresses {
    /// The AWS door's URL.
    pub(crate) aws: String,
    /// The search door's URL.
    pub(crate) search: String,
    /// The console's URL.
    pub(crate) console: String,
}

impl Doors {
    /// Opens all three on the loopback interface: nobody else can reach them.
    pub(crate) async fn open(settings: &Settings) -> Result<Self, DoorError> {
        Ok(Self {
            aws: listen("AWS door", "--aws-port", settings.aws_port).await?,
            search: listen("search door", "--search-port", settings.search_port).await?,
            console: listen("console", "--console-port", settings.console_port).await?,
        })
    }

    /// Where they are; port 0 has become a real one.
    pub(crate) fn addresses(&self) -> io::Result<Addresses> {
        let url = |listener: &TcpListener| listener.local_addr().map(|a| format!("http://{a}"));
        Ok(Addresses { aws: url(&self.aws)?, search: url(&self.search)?, console: url(&self.console)? })
    }

    /// Serves each door by its router until `ended` says so; requests under way are answered.
    pub(crate) fn serve(
        self,
        aws: Router,
        search: Router,
        console: Router,
        ended: &watch::Receiver<bool>,
    ) -> Vec<JoinHandle<()>> {
        [(self.aws, aws, "AWS door"), (self.search, search, "search door"), (self.console, console, "console")]
            .map(|(listener, router, door)| tokio::spawn(serve(listener, router, door, ended.clone())))
            .into()
    }
}

async fn listen(door: &'static str, option: &'static str, port: u16) -> Result<TcpListener, DoorError> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    TcpListener::bind(address).await.map_err(|source| DoorError { door, option, port, source })
}

async fn serve(listener: TcpListener, router: Router, door: &'static str, mut ended: watch::Receiver<bool>) {
    let shutdown = async move {
        // An error means that the platform is gone, which is an end as well.
        let _gone = ended.wait_for(|ended| *ended).await;
    };
    if let Err(error) = axum::serve(listener, router).with_graceful_shutdown(shutdown).await {
        tracing::error!(door, %error, "a door closed");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::PlatformArgs;

    #[tokio::test]
    async fn a_port_in_use_is_named_with_the_option_to_change_it() {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port();
        let args = PlatformArgs {
            search_port: Some(port),
            aws_port: Some(0),
            console_port: Some(0),
            ..PlatformArgs::default()
        };
        let error = Doors::open(&Settings::new(&args).unwrap()).await.err().unwrap().to_string();
        assert!(error.starts_with(&format!("the search door cannot listen on 127.0.0.1:{port}")), "{error}");
        assert!(error.contains("--search-port"), "{error}");
    }
}
