//! Which address a request comes from: the peer's, or what trusted proxies say of it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::http::header::HeaderName;
use axum::http::request::Parts;
use ipnet::IpNet;

use super::forwarded::{self, Hop};
use crate::domain::net::peer_address::PeerAddress;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The address that the connection comes from.
pub(in crate::http) fn peer(parts: &Parts) -> Option<IpAddr> {
    parts.extensions.get::<PeerAddress>().map(PeerAddress::ip)
}

/// Whether the address is that of a proxy that the operator trusts.
pub(in crate::http) fn is_trusted(address: IpAddr, trusted_proxies: &[IpNet]) -> bool {
    trusted_proxies.iter().any(|net| net.contains(&address))
}

/// The client's address. Each proxy appends whom it was asked by to `X-Forwarded-For` or to `Forwarded`, so the list is read from its
/// end, for as long as a trusted proxy is who speaks; what comes before that, the client may have written. Most proxies write one of the
/// two headers and pass the other one on, so where both are there and disagree, one of them is the client's invention: then neither
/// counts.
pub(in crate::http) fn client_address(parts: &Parts, trusted_proxies: &[IpNet]) -> IpAddr {
    let peer = peer(parts).unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    if !is_trusted(peer, trusted_proxies) {
        return peer;
    }
    let headers = parts.headers.get_all(FORWARDED_FOR).into_iter().map(|value| value.to_str().unwrap_or_default());
    let listed: Vec<Option<IpAddr>> = headers.flat_map(|list| list.split(',')).map(address).collect();
    let hops = forwarded::hops(&parts.headers);
    let standard: Vec<Option<IpAddr>> = hops.iter().map(Hop::client).collect();
    let by = |said: &[Option<IpAddr>]| walk(peer, said, trusted_proxies).0;
    match (listed.is_empty(), standard.is_empty()) {
        (_, true) => by(&listed),
        (true, false) => by(&standard),
        (false, false) => Some(by(&listed)).filter(|client| *client == by(&standard)).unwrap_or(peer),
    }
}

/// What the first of the trusted proxies says in `Forwarded`; of the request itself where that came from a client.
pub(in crate::http) fn believed_hop(parts: &Parts, trusted_proxies: &[IpNet]) -> Option<Hop> {
    let mut hops = forwarded::hops(&parts.headers);
    let said: Vec<Option<IpAddr>> = hops.iter().map(Hop::client).collect();
    let (_, believed) = walk(peer(parts)?, &said, trusted_proxies);
    // The last proxy is believed even where it does not say whom it was asked by.
    let first = hops.len().checked_sub(believed.max(1))?;
    Some(hops.swap_remove(first))
}

/// The client, and how many proxies were believed: from the last address to the first, for as long as a trusted proxy is who speaks.
fn walk(peer: IpAddr, said: &[Option<IpAddr>], trusted_proxies: &[IpNet]) -> (IpAddr, usize) {
    let (mut client, mut believed) = (peer, 0);
    let mut said = said.iter().rev();
    while is_trusted(client, trusted_proxies)
        && let Some(before) = said.next().copied().flatten()
    {
        (client, believed) = (before, believed + 1);
    }
    (client, believed)
}

impl Hop {
    fn client(&self) -> Option<IpAddr> {
        self.by_client.as_deref().and_then(address)
    }
}

/// An address, which some proxies write with a port.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let address = bare.parse().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|socket| socket.ip()))?;
    Some(IpAddr::to_canonical(&address))
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    fn client(peer: &str, said: &[&str]) -> String {
        let mut request = Request::builder();
        for line in said {
            request = request.header(FORWARDED_FOR, *line);
        }
        let (mut parts, ()) = request.body(()).expect("a request").into_parts();
        parts.extensions.insert(PeerAddress::new(SocketAddr::new(peer.parse().expect("an address"), 1)));
        let trusted = ["10.0.0.0/8", "fd00::/8"].map(|net| net.parse().expect("a network"));
        client_address(&parts, &trusted).to_string()
    }

    #[test]
    fn only_trusted_proxies_are_believed_and_only_what_they_appended() {
        assert_eq!(client("192.0.2.1", &["198.51.100.7"]), "192.0.2.1");
        assert_eq!(client("10.0.0.1", &[]), "10.0.0.1");
        assert_eq!(client("10.0.0.1", &["198.51.100.7"]), "198.51.100.7");
        assert_eq!(client("10.0.0.1", &["1.1.1.1, 198.51.100.7"]), "198.51.100.7");
        assert_eq!(client("10.0.0.1", &["1.1.1.1, 198.51.100.7, 10.0.0.2"]), "198.51.100.7");
        assert_eq!(client("10.0.0.1", &["1.1.1.1", "198.51.100.7", "10.0.0.2"]), "198.51.100.7");
        assert_eq!(client("10.0.0.1", &["10.0.0.3, 10.0.0.2"]), "10.0.0.3");
        assert_eq!(client("::ffff:10.0.0.1", &["::ffff:198.51.100.7"]), "198.51.100.7");
    }

    fn by_either(listed: &str, standard: &str) -> String {
        let request = Request::builder().header(FORWARDED_FOR, listed).header("forwarded", standard);
        let (mut parts, ()) = request.body(()).expect("a request").into_parts();
        parts.extensions.insert(PeerAddress::new(SocketAddr::from(([10, 0, 0, 1], 1))));
        client_address(&parts, &["10.0.0.0/8".parse().expect("a network")]).to_string()
    }

    #[test]
    fn a_header_that_a_proxy_only_passed_on_does_not_count() {
        assert_eq!(by_either("198.51.100.7", "for=198.51.100.7;proto=https"), "198.51.100.7");
        assert_eq!(by_either("1.1.1.1, 198.51.100.7", "for=\"198.51.100.7:99\""), "198.51.100.7");
        assert_eq!(by_either("198.51.100.7", "for=1.1.1.1"), "10.0.0.1");
        assert_eq!(by_either("1.1.1.1", "for=198.51.100.7"), "10.0.0.1");
        assert_eq!(by_either("198.51.100.7", "nonsense"), "10.0.0.1");
    }

    #[test]
    fn forwarded_is_read_from_its_end() {
        let client = |peer: [u8; 4], standard: &str| {
            let request = Request::builder().header("forwarded", standard);
            let (mut parts, ()) = request.body(()).expect("a request").into_parts();
            parts.extensions.insert(PeerAddress::new(SocketAddr::from((peer, 1))));
            client_address(&parts, &["10.0.0.0/8".parse().expect("a network")]).to_string()
        };
        assert_eq!(client([192, 0, 2, 1], "for=198.51.100.7"), "192.0.2.1");
        assert_eq!(client([10, 0, 0, 1], "for=1.1.1.1, For=198.51.100.7;host=x, for=10.0.0.2"), "198.51.100.7");
        assert_eq!(client([10, 0, 0, 1], "for=\"[2001:db8::7]:1234\""), "2001:db8::7");
        assert_eq!(client([10, 0, 0, 1], "for=198.51.100.7, for=unknown"), "10.0.0.1");
    }

    #[test]
    fn ports_and_brackets_are_read_and_nonsense_ends_the_list() {
        assert_eq!(client("10.0.0.1", &["198.51.100.7:1234"]), "198.51.100.7");
        assert_eq!(client("fd00::1", &["[2001:db8::7]:1234"]), "2001:db8::7");
        assert_eq!(client("fd00::1", &["[2001:db8::7]"]), "2001:db8::7");
        for nonsense in ["unknown", "", "_hidden", "198.51.100.7, ", "1.1.1.1, 198.51.100.7 x", "\u{e9}"] {
            assert_eq!(client("10.0.0.1", &[nonsense]), "10.0.0.1", "{nonsense:?}");
        }
    }
}
