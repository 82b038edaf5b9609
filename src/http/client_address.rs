//! Which address a request comes from: the peer's, or what trusted proxies say of it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::http::header::HeaderName;
use axum::http::request::Parts;
use ipnet::IpNet;

use crate::domain::peer_address::PeerAddress;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The address that the connection comes from.
pub(super) fn peer(parts: &Parts) -> Option<IpAddr> {
    parts.extensions.get::<PeerAddress>().map(PeerAddress::ip)
}

/// Whether the address is that of a proxy that the operator trusts.
pub(super) fn is_trusted(address: IpAddr, trusted_proxies: &[IpNet]) -> bool {
    trusted_proxies.iter().any(|net| net.contains(&address))
}

/// The client's address. Each proxy appends whom it was asked by to `X-Forwarded-For`, so the list is read from its end, for as long as
/// a trusted proxy is who speaks; what stands before that, the client may have written.
pub(super) fn client_address(parts: &Parts, trusted_proxies: &[IpNet]) -> IpAddr {
    let mut client = peer(parts).unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    let headers = parts.headers.get_all(FORWARDED_FOR).into_iter().map(|value| value.to_str().unwrap_or_default());
    let said: Vec<&str> = headers.flat_map(|list| list.split(',')).collect();
    let mut said = said.into_iter().rev();
    while is_trusted(client, trusted_proxies)
        && let Some(before) = said.next().and_then(address)
    {
        client = before;
    }
    client
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
