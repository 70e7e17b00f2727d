//! The doors: listeners, on the loopback interface where nothing else is said, opened all at once before anything else, served until the platform ends.

mod certificate;
mod connection;
mod lingering;
mod name;
mod networks;

pub(crate) use certificate::CertificateError;
pub(crate) use connection::TlsMode;
pub(crate) use name::DoorName;
#[cfg(test)]
pub(crate) use networks::Connected;
pub(crate) use networks::{Networks, Origin, OriginError, Reach, network, reached_from};

use crate::settings::Settings;
use axum::Router;
use certificate::Certificate;
use connection::{Bounds, Door};
use ipnet::IpNet;
use model::Env;
use serde::Serialize;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A door could not be opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DoorError {
    #[error("the {door} cannot listen on {address}: {source}; stop what listens there, or give {option}")]
    Listen { door: &'static str, option: &'static str, address: SocketAddr, source: io::Error },
    #[error(transparent)]
    Certificate(#[from] CertificateError),
}

/// The open listeners, not yet served.
pub(crate) struct Doors {
    aws: TcpListener,
    search: TcpListener,
    console: TcpListener,
    mode: TlsMode,
    proxies: Arc<[IpNet]>,
    /// What the doors speak to which secrets are sent: beyond the loopback interface never plain text.
    mode_of_secrets: TlsMode,
    certificate: Option<Arc<Certificate>>,
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
    /// Opens all three where the settings say.
    pub(crate) async fn open(settings: &Settings, env: &Env) -> Result<Self, DoorError> {
        let open = async |door, option, port| listen(door, option, SocketAddr::new(settings.bind, port)).await;
        Ok(Self {
            mode: settings.tls,
            proxies: settings.reach.proxies.clone().into(),
            mode_of_secrets: if settings.bind.is_loopback() { settings.tls } else { TlsMode::Required },
            certificate: certificate(settings, env)?,
            aws: open("AWS door", "--aws-port", settings.aws_port).await?,
            search: open("search door", "--search-port", settings.search_port).await?,
            console: open("console", "--console-port", settings.console_port).await?,
        })
    }

    /// Where they are; port 0 has become a real one.
    pub(crate) fn addresses(&self) -> io::Result<Addresses> {
        let url = |listener: &TcpListener, mode| {
            let scheme = if mode == TlsMode::Required { "https" } else { "http" };
            listener.local_addr().map(|address| format!("{scheme}://{address}"))
        };
        Ok(Addresses {
            aws: url(&self.aws, self.mode)?,
            search: url(&self.search, self.mode_of_secrets)?,
            console: url(&self.console, self.mode_of_secrets)?,
        })
    }

    /// Serves each door by its router until `ended` says so; requests under way are answered.
    pub(crate) fn serve(
        self,
        aws: Router,
        search: Router,
        console: Router,
        ended: &watch::Receiver<bool>,
    ) -> Vec<JoinHandle<()>> {
        let (open, secret) = (self.mode, self.mode_of_secrets);
        let doors = [
            (self.aws, aws, "AWS door", open, Bounds::OF_DATA),
            (self.search, search, "search door", secret, Bounds::OF_DATA),
            (self.console, console, "console", secret, Bounds::OF_PAGES),
        ];
        let served = doors.map(|(listener, router, name, mode, bounds)| {
            let door = Door {
                name,
                router,
                mode,
                bounds,
                proxies: self.proxies.clone(),
                certificate: self.certificate.clone(),
            };
            tokio::spawn(connection::serve(listener, door, ended.clone()))
        });
        served.into()
    }
}

async fn listen(door: &'static str, option: &'static str, address: SocketAddr) -> Result<TcpListener, DoorError> {
    TcpListener::bind(address).await.map_err(|source| DoorError::Listen { door, option, address, source })
}

/// The certificate as the settings say; none where no door speaks TLS.
fn certificate(settings: &Settings, env: &Env) -> Result<Option<Arc<Certificate>>, CertificateError> {
    let certificate = match (settings.tls, &settings.tls_pair) {
        (TlsMode::Off, _) => return Ok(None),
        (_, Some((cert, key))) => Certificate::own(cert.clone(), key.clone(), env.clone())?,
        (_, None) => Certificate::self_signed(&settings.data_dir.join("tls"), env.clone())?,
    };
    Ok(Some(Arc::new(certificate)))
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
            tls: Some(TlsMode::Off),
            ..PlatformArgs::default()
        };
        let error = Doors::open(&Settings::new(&args).unwrap(), &Env::system()).await.err().unwrap().to_string();
        assert!(error.starts_with(&format!("the search door cannot listen on 127.0.0.1:{port}")), "{error}");
        assert!(error.contains("--search-port"), "{error}");
    }
}
