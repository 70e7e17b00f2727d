//! From where a door is reached: networks that may read and networks that may write, and whose word counts for whom a
//! request is from.

use super::DoorName;
use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use ipnet::IpNet;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// Most addresses on the way of a request through proxies.
const HOPS_MAX: usize = 32;
const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Who may come to one door, by address. Without a list everybody may.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Networks {
    /// From where it is read.
    pub(crate) read: Option<Vec<IpNet>>,
    /// From where it is written to; where nothing is said, from where it is read.
    pub(crate) write: Option<Vec<IpNet>>,
}

impl Networks {
    fn read(&self, address: IpAddr) -> bool {
        self.read.as_ref().is_none_or(|all| holds(all, address))
    }

    fn write(&self, address: IpAddr) -> bool {
        self.write.as_ref().or(self.read.as_ref()).is_none_or(|all| holds(all, address))
    }
}

/// From where the doors are reached.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Reach {
    /// Of the AWS door.
    pub(crate) aws: Networks,
    /// Of the search door.
    pub(crate) search: Networks,
    /// Of the console.
    pub(crate) console: Networks,
    /// Proxies whose word for whom they ask is taken.
    pub(crate) proxies: Vec<IpNet>,
}

impl Reach {
    /// The networks of a door.
    pub(crate) fn of(&self, door: DoorName) -> &Networks {
        match door {
            DoorName::Aws => &self.aws,
            DoorName::Search => &self.search,
            DoorName::Console => &self.console,
        }
    }

    /// The networks of a door, to be changed.
    pub(crate) fn of_mut(&mut self, door: DoorName) -> &mut Networks {
        match door {
            DoorName::Aws => &mut self.aws,
            DoorName::Search => &mut self.search,
            DoorName::Console => &mut self.console,
        }
    }
}

/// The connection that a request came over; it stands among the request's extensions.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Connected {
    pub(crate) peer: IpAddr,
    pub(crate) tls: bool,
}

/// Whom a request is from, and what may be done from there; it stands among the request's extensions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Origin {
    /// Behind trusted proxies the address that they name, else that of the connection.
    pub(crate) address: IpAddr,
    /// Whether it came over TLS, all the way as far as is known.
    pub(crate) secure: bool,
    read: bool,
    write: bool,
}

impl Origin {
    /// Whether a request that changes something, or one that does not, is taken from there.
    pub(crate) fn may(&self, changes: bool) -> bool {
        if changes { self.write } else { self.read }
    }
}

/// Why a request is not taken from where it is from.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum OriginError {
    #[error("the {0} does not answer requests from {1}: its list of networks does not hold that address")]
    Outside(DoorName, IpAddr),
    #[error(
        "the {0} takes no request from {1} that changes something: its list of networks for that does not hold the address"
    )]
    OnlyReads(DoorName, IpAddr),
    #[error(
        "the {0} takes requests from {1} only that change something: its list of networks for others does not hold the address"
    )]
    OnlyWrites(DoorName, IpAddr),
    #[error("the proxy {0} does not say whom it asks for in a form that can be read: {1}")]
    Unreadable(IpAddr, &'static str),
    #[error("it is not known which connection the request came over")]
    Unknown,
}

impl OriginError {
    /// The status that it is answered with.
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::Outside(..) | Self::OnlyReads(..) | Self::OnlyWrites(..) => StatusCode::FORBIDDEN,
            Self::Unreadable(..) => StatusCode::BAD_REQUEST,
            Self::Unknown => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

#[derive(Clone)]
struct Gate {
    door: DoorName,
    networks: Arc<Networks>,
    proxies: Arc<[IpNet]>,
}

/// The door behind its lists: who may neither read nor write is turned away before anything of the request is used, for
/// everybody else it is told where they come from.
pub(crate) fn reached_from(door: Router, name: DoorName, reach: &Reach) -> Router {
    let networks = Arc::new(reach.of(name).clone());
    let gate = Gate { door: name, networks, proxies: reach.proxies.clone().into() };
    door.layer(from_fn_with_state(gate, admit))
}

async fn admit(State(gate): State<Gate>, mut request: Request, next: Next) -> Response {
    let connected = request.extensions().get::<Connected>().copied();
    match connected.ok_or(OriginError::Unknown).and_then(|connected| gate.origin(connected, request.headers())) {
        Ok(origin) => {
            request.extensions_mut().insert(origin);
            next.run(request).await
        }
        Err(error) => gate.door.refusal(error.status(), "AccessDeniedException", &error.to_string()),
    }
}

impl Gate {
    fn origin(&self, connected: Connected, headers: &HeaderMap) -> Result<Origin, OriginError> {
        let peer = connected.peer.to_canonical();
        let proxied = holds(&self.proxies, peer);
        let address = if proxied { client(&self.proxies, peer, headers)? } else { peer };
        let secure = connected.tls || (proxied && forwarded_over_tls(headers));
        let origin = Origin { address, secure, read: self.networks.read(address), write: self.networks.write(address) };
        if origin.read || origin.write { Ok(origin) } else { Err(OriginError::Outside(self.door, address)) }
    }
}

/// Whether one of the networks holds the address.
pub(super) fn holds(networks: &[IpNet], address: IpAddr) -> bool {
    networks.iter().any(|network| network.contains(&address))
}

/// Whom a trusted proxy asks for: going back along the way of the request, the first address that is no trusted proxy.
/// What stands before it was written by whoever is there, and says nothing.
fn client(proxies: &[IpNet], peer: IpAddr, headers: &HeaderMap) -> Result<IpAddr, OriginError> {
    let unreadable = |why| OriginError::Unreadable(peer, why);
    let plain = elements(headers, &X_FORWARDED_FOR).map(|all| rightmost(proxies, &all, |text| Some(text)));
    let listed = elements(headers, &header::FORWARDED).map(|all| rightmost(proxies, &all, for_of));
    let found = match (plain, listed) {
        (Some(plain), Some(listed)) if plain != listed => {
            // A proxy writes one of them and hands on the other, as whoever asks has written it.
            return Err(unreadable("X-Forwarded-For and Forwarded name different addresses"));
        }
        (Some(found), _) | (None, Some(found)) => found,
        (None, None) => return Ok(peer),
    };
    found.map(|found| found.unwrap_or(peer)).map_err(unreadable)
}

/// The elements of a header that is a list, in order, however many lines it has; `None` where it is not there.
fn elements<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<Vec<&'a str>> {
    let lines = headers.get_all(name);
    // What is no text becomes an element that is no address.
    let all = lines.iter().flat_map(|line| line.to_str().unwrap_or("?").split(',')).map(str::trim);
    let all: Vec<&str> = all.collect();
    (!all.is_empty()).then_some(all)
}

/// The right-most address that is no trusted proxy; where all are, the left-most; `None` where there is none.
fn rightmost(
    proxies: &[IpNet],
    elements: &[&str],
    of: impl Fn(&str) -> Option<&str>,
) -> Result<Option<IpAddr>, &'static str> {
    if elements.len() > HOPS_MAX {
        return Err("there are more than 32 addresses");
    }
    let mut last = None;
    for element in elements.iter().rev() {
        let address = of(element).and_then(address).ok_or("one of them is no address")?;
        last = Some(address);
        if !holds(proxies, address) {
            break;
        }
    }
    Ok(last)
}

/// The value of `for` in an element such as `for="[2001:db8::1]:80";proto=https`.
fn for_of(element: &str) -> Option<&str> {
    parameter(element, "for")
}

fn parameter<'a>(element: &'a str, name: &str) -> Option<&'a str> {
    element.split(';').find_map(|pair| {
        let (key, value) = pair.split_once('=')?;
        key.trim().eq_ignore_ascii_case(name).then(|| value.trim().trim_matches('"'))
    })
}

/// An address, with a port or without one.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let address = bare.parse().ok().or_else(|| text.parse().ok().map(|socket: SocketAddr| socket.ip()));
    address.map(|address: IpAddr| address.to_canonical())
}

/// Whether the nearest proxy says that it was asked over TLS.
fn forwarded_over_tls(headers: &HeaderMap) -> bool {
    let last = |name| elements(headers, name).and_then(|all| all.last().copied());
    let proto = last(&X_FORWARDED_PROTO).or_else(|| parameter(last(&header::FORWARDED)?, "proto"));
    proto.is_some_and(|proto| proto.eq_ignore_ascii_case("https"))
}

/// A network as people write it: `10.0.0.0/8`, `2001:db8::/32`, or one address.
///
/// # Errors
/// When it is none, in words.
pub(crate) fn network(text: &str) -> Result<IpNet, String> {
    let network = match text.parse::<IpAddr>() {
        Ok(address) => IpNet::from(address),
        Err(_) => text.parse::<IpNet>().map_err(|_| {
            format!("{text:?} is no network: write it as 10.0.0.0/8, as 2001:db8::/32, or as one address")
        })?,
    };
    if network.trunc() != network {
        return Err(format!("{text} has bits beyond its prefix: the network is {}", network.trunc()));
    }
    if let IpNet::V6(v6) = network
        && v6.addr().to_ipv4_mapped().is_some()
    {
        return Err(format!("{text} is an IPv4 network in the form of IPv6: write it as IPv4"));
    }
    Ok(network)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn networks(texts: &[&str]) -> Vec<IpNet> {
        texts.iter().map(|text| network(text).unwrap()).collect()
    }

    fn gate(read: Option<&[&str]>, write: Option<&[&str]>, proxies: &[&str]) -> Gate {
        let networks = Networks { read: read.map(self::networks), write: write.map(self::networks) };
        Gate { door: DoorName::Console, networks: Arc::new(networks), proxies: self::networks(proxies).into() }
    }

    fn origin(gate: &Gate, peer: &str, headers: &[(&'static str, &str)]) -> Result<Origin, OriginError> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        gate.origin(Connected { peer: peer.parse().unwrap(), tls: false }, &map)
    }

    #[test]
    fn lists_of_both_families_read_and_write_apart() {
        let check = |gate: &Gate, peer: &str, expected: Option<(bool, bool)>| {
            let told = origin(gate, peer, &[]).ok().map(|origin| (origin.may(false), origin.may(true)));
            assert_eq!(told, expected, "{peer}");
        };
        let open = gate(None, None, &[]);
        check(&open, "203.0.113.7", Some((true, true)));
        let both = gate(Some(&["10.0.0.0/8", "2001:db8::/32"]), Some(&["10.1.0.0/16", "::1"]), &[]);
        for (peer, expected) in [
            ("10.2.0.1", Some((true, false))),
            ("10.1.255.255", Some((true, true))),
            ("::ffff:10.1.0.1", Some((true, true))),
            ("2001:db8:ffff::1", Some((true, false))),
            ("::1", Some((false, true))),
            ("2001:db9::1", None),
            ("11.0.0.1", None),
            ("127.0.0.1", None),
        ] {
            check(&both, peer, expected);
        }
        check(&gate(Some(&["10.0.0.0/8"]), None, &[]), "10.0.0.1", Some((true, true)));
        check(&gate(Some(&["10.0.0.0/8"]), None, &[]), "11.0.0.1", None);
        check(&gate(None, Some(&["10.0.0.0/8"]), &[]), "11.0.0.1", Some((true, false)));
    }

    #[test]
    fn only_a_named_proxy_is_believed_and_only_its_own_word() {
        let gate = gate(None, None, &["10.0.0.0/24", "2001:db8::1"]);
        let check = |peer: &str, headers: &[(&'static str, &str)], expected: &str| {
            let told = origin(&gate, peer, headers).map(|origin| origin.address.to_string());
            assert_eq!(told.unwrap_or_else(|error| error.to_string()), expected, "{peer} {headers:?}");
        };
        let xff = "x-forwarded-for";
        check("10.0.0.5", &[(xff, "192.0.2.1")], "192.0.2.1");
        check("10.0.0.5", &[(xff, "192.0.2.9, 192.0.2.1")], "192.0.2.1");
        check("10.0.0.5", &[(xff, "192.0.2.9"), (xff, "192.0.2.1, 10.0.0.6")], "192.0.2.1");
        check("10.0.0.5", &[(xff, "nonsense, 192.0.2.1")], "192.0.2.1");
        check("10.0.0.5", &[(xff, "10.0.0.7, 10.0.0.6")], "10.0.0.7");
        check("10.0.0.5", &[(xff, "192.0.2.1:4711")], "192.0.2.1");
        check("10.0.0.5", &[(xff, "::ffff:192.0.2.1")], "192.0.2.1");
        check("10.0.0.5", &[], "10.0.0.5");
        check("2001:db8::1", &[("forwarded", "for=\"[2001:db8::7]:80\";proto=https")], "2001:db8::7");
        check("10.0.0.5", &[("forwarded", "for=192.0.2.9, by=a;For=192.0.2.1")], "192.0.2.1");
        check("10.0.0.5", &[("forwarded", "for=192.0.2.1"), (xff, "192.0.2.1")], "192.0.2.1");
        // Nobody else is believed.
        check("10.0.1.5", &[(xff, "192.0.2.1")], "10.0.1.5");
        check("192.0.2.7", &[("forwarded", "for=10.0.0.1")], "192.0.2.7");
        let unreadable = "the proxy 10.0.0.5 does not say whom it asks for in a form that can be read: ";
        for (headers, why) in [
            (vec![(xff, "192.0.2.1, unknown")], "one of them is no address"),
            (vec![(xff, "")], "one of them is no address"),
            (vec![("forwarded", "proto=https")], "one of them is no address"),
            (vec![("forwarded", "for=_hidden")], "one of them is no address"),
            (
                vec![("forwarded", "for=192.0.2.9"), (xff, "192.0.2.1")],
                "X-Forwarded-For and Forwarded name different addresses",
            ),
        ] {
            check("10.0.0.5", &headers, &format!("{unreadable}{why}"));
        }
        let many = ["10.0.0.6"; HOPS_MAX + 1].join(", ");
        check("10.0.0.5", &[(xff, &many)], &format!("{unreadable}there are more than 32 addresses"));
    }

    proptest! {
        /// Whatever somebody writes before it, and through however many trusted proxies it went, the address that the
        /// outermost of them has seen is the one that counts.
        #[test]
        fn nobody_moves_their_own_address(
            said in proptest::collection::vec("[ -~]{0,20}", 0..8),
            client in any::<[u8; 16]>(),
            v4 in any::<bool>(),
            proxies in proptest::collection::vec(0..=255_u8, 0..8),
        ) {
            let seen = match v4 {
                true => IpAddr::from([192, 0, 2, client[0]]),
                false => IpAddr::from(client).to_canonical(),
            };
            let gate = gate(None, None, &["10.0.0.0/24"]);
            prop_assume!(!holds(&gate.proxies, seen));
            let way = said.iter().cloned().chain([seen.to_string()]).chain(proxies.iter().map(|n| format!("10.0.0.{n}")));
            let header = way.collect::<Vec<_>>().join(",");
            let told = origin(&gate, "10.0.0.1", &[("x-forwarded-for", &header)]);
            prop_assert!(header.split(',').count() > HOPS_MAX || told.unwrap().address == seen, "{header}");
        }
    }

    #[test]
    fn a_proxy_tells_whether_it_was_asked_over_tls() {
        let gate = gate(None, None, &["10.0.0.5"]);
        let proto = "x-forwarded-proto";
        assert!(origin(&gate, "10.0.0.5", &[(proto, "https")]).unwrap().secure);
        assert!(origin(&gate, "10.0.0.5", &[("forwarded", "for=192.0.2.1;proto=HTTPS")]).unwrap().secure);
        assert!(!origin(&gate, "10.0.0.5", &[(proto, "https, http")]).unwrap().secure);
        assert!(!origin(&gate, "192.0.2.1", &[(proto, "https")]).unwrap().secure);
    }

    #[test]
    fn what_is_no_network_is_named() {
        for (text, told) in [
            ("10.0.0.0/33", "is no network"),
            ("10.0.0/8", "is no network"),
            ("localhost", "is no network"),
            ("", "is no network"),
            ("10.0.0.1/8", "the network is 10.0.0.0/8"),
            ("2001:db8::1/32", "the network is 2001:db8::/32"),
            ("::ffff:10.0.0.0/104", "write it as IPv4"),
        ] {
            assert!(network(text).unwrap_err().contains(told), "{text}");
        }
        assert_eq!(network("10.0.0.7").unwrap().to_string(), "10.0.0.7/32");
    }
}
