//! Under which name and port clients reach this server: what the token realm must name.

use axum::http::header::{self, HeaderName};
use axum::http::request::Parts;
use axum::http::uri::Authority;
use ipnet::IpNet;

use super::client_address::{believed_hop, is_trusted, peer};
use super::headers::text;
use crate::config::PublicUrl;
use crate::domain::net::host_port::HostPort;
use crate::http::HttpSettings;
use crate::http::error::OciError;

const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const HTTPS: &str = "https";
/// The port that an `https` address has where it names none.
const HTTPS_PORT: &str = "443";

/// The host, with its port, if it has one: as the operator says, else as the client wrote it. A proxy's word counts only where the
/// operator trusts the proxy.
pub(in crate::http) fn origin(parts: &Parts, settings: &HttpSettings) -> Result<String, OciError> {
    match public_host(settings) {
        Some(host) => Ok(host.to_string()),
        None => asked_for(parts, &settings.server.trusted_proxies),
    }
}

fn public_host(settings: &HttpSettings) -> Option<&HostPort> {
    settings.server.public_url.as_ref().map(PublicUrl::host)
}

/// What the request says.
fn asked_for(parts: &Parts, trusted_proxies: &[IpNet]) -> Result<String, OciError> {
    let is_trusted = peer(parts).is_some_and(|peer| is_trusted(peer, trusted_proxies));
    let said = if is_trusted { said_by_proxy(parts, trusted_proxies) } else { Said::default() };
    let direct = || parts.uri.authority().map(Authority::as_str).or_else(|| text(&parts.headers, header::HOST));
    let named = said.host.as_deref().or_else(direct).ok_or_else(OciError::no_host)?;
    // No user information, and nothing that could break out of a quoted string.
    let authority: Authority = named.parse().map_err(|_| OciError::no_host())?;
    if named.contains('@')
        || authority.host().is_empty()
        || !named.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~[]:".contains(&b))
    {
        return Err(OciError::no_host());
    }
    Ok(match said.port.filter(|_| authority.port().is_none()) {
        Some(port) => format!("{named}:{port}"),
        None => named.to_owned(),
    })
}

/// The same for texts that name the host in a line of shell: stricter than what a token's realm may name.
pub(in crate::http) fn host(parts: &Parts, settings: &HttpSettings) -> Result<HostPort, OciError> {
    origin(parts, settings)?.parse().map_err(|_| OciError::no_host())
}

/// The host that this request was for, whatever the operator says; but for a proxy that drops the port of the public address.
pub(in crate::http) fn asked_host(parts: &Parts, settings: &HttpSettings) -> Result<HostPort, OciError> {
    let asked: HostPort =
        asked_for(parts, &settings.server.trusted_proxies)?.parse().map_err(|_| OciError::no_host())?;
    Ok(match public_host(settings) {
        Some(public) if asked.to_string() == public.host() => public.clone(),
        _ => asked,
    })
}

/// What a trusted proxy says of the address that it was asked under.
#[derive(Default)]
struct Said {
    host: Option<String>,
    /// Only one that must be written.
    port: Option<u16>,
}

/// `X-Forwarded-Host` wins over `Forwarded`. `X-Forwarded-Port` completes a host without a port, be it one that a proxy forwards or the
/// request's own; that of a proxy which was asked over plain HTTP is not the port of an `https` address.
fn said_by_proxy(parts: &Parts, trusted_proxies: &[IpNet]) -> Said {
    let first = |name| text(&parts.headers, name).map(|list| list.split(',').next().unwrap_or_default().trim());
    let hop = believed_hop(parts, trusted_proxies).unwrap_or_default();
    let proto = first(FORWARDED_PROTO).or(hop.proto.as_deref());
    let is_https = proto.is_none_or(|proto| proto.eq_ignore_ascii_case(HTTPS));
    let port = first(FORWARDED_PORT).filter(|port| is_https && *port != HTTPS_PORT);
    Said {
        port: port.and_then(|port| port.parse().ok()).filter(|port| *port != 0),
        host: first(FORWARDED_HOST).map(str::to_owned).or(hop.host),
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use axum::http::Request;

    use super::*;
    use crate::domain::net::peer_address::PeerAddress;

    fn asked(peer: &str, headers: &[(&str, &str)]) -> Option<String> {
        let mut request = Request::builder().header("host", "own.test");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (mut parts, ()) = request.body(()).expect("a request").into_parts();
        parts.extensions.insert(PeerAddress::new(SocketAddr::new(peer.parse().expect("an address"), 1)));
        asked_for(&parts, &["10.0.0.0/8".parse().expect("a network")]).ok()
    }

    #[test]
    fn a_port_that_the_proxy_drops_from_the_host_is_added() {
        let by_proxy = |headers: &[(&str, &str)]| asked("10.0.0.1", headers).expect("a host");
        assert_eq!(by_proxy(&[("x-forwarded-port", "8443")]), "own.test:8443");
        assert_eq!(by_proxy(&[("x-forwarded-host", "hub.test"), ("x-forwarded-port", "8443")]), "hub.test:8443");
        assert_eq!(by_proxy(&[("x-forwarded-host", "hub.test"), ("x-forwarded-port", "443")]), "hub.test");
        assert_eq!(by_proxy(&[("x-forwarded-host", "hub.test:5000"), ("x-forwarded-port", "8443")]), "hub.test:5000");
        assert_eq!(by_proxy(&[("x-forwarded-port", "80"), ("x-forwarded-proto", "http")]), "own.test");
        assert_eq!(by_proxy(&[("x-forwarded-port", "8443"), ("x-forwarded-proto", "HTTPS")]), "own.test:8443");
        for nonsense in ["", "x", "0", "65536", "8443; x"] {
            assert_eq!(by_proxy(&[("x-forwarded-port", nonsense)]), "own.test", "{nonsense}");
        }
    }

    #[test]
    fn forwarded_names_the_host_where_x_forwarded_host_does_not() {
        let by_proxy = |headers: &[(&str, &str)]| asked("10.0.0.1", headers).expect("a host");
        assert_eq!(by_proxy(&[("forwarded", "for=192.0.2.1;host=\"hub.test:8443\";proto=https")]), "hub.test:8443");
        assert_eq!(by_proxy(&[("forwarded", "host=hub.test"), ("x-forwarded-host", "other.test")]), "other.test");
        assert_eq!(by_proxy(&[("forwarded", "host=hub.test;proto=http"), ("x-forwarded-port", "80")]), "hub.test");
        let chain = "for=192.0.2.1;host=theirs.test, for=192.0.2.2;host=outer.test, for=10.0.0.2;host=inner.test";
        assert_eq!(by_proxy(&[("forwarded", chain)]), "outer.test", "what trusted proxies added, the first of them");
        assert_eq!(asked("10.0.0.1", &[("forwarded", "host=\"a\\\"b\"")]), None);
    }

    #[test]
    fn no_one_else_is_believed() {
        let headers = [("x-forwarded-port", "8443"), ("forwarded", "host=hub.test"), ("x-forwarded-host", "x.test")];
        assert_eq!(asked("192.0.2.1", &headers).as_deref(), Some("own.test"));
    }
}
