//! Under which name and port the client reached this server: what the token realm must name.

use axum::http::header::{self, HeaderName};
use axum::http::request::Parts;
use axum::http::uri::Authority;
use ipnet::IpNet;

use super::client_address::{is_trusted, peer};
use super::error::OciError;
use super::headers::text;
use crate::domain::host_port::HostPort;

const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// The host, with its port where the client named one. A proxy's word counts only where the operator trusts the proxy.
pub(super) fn origin(parts: &Parts, trusted_proxies: &[IpNet]) -> Result<String, OciError> {
    let trusted = peer(parts).is_some_and(|peer| is_trusted(peer, trusted_proxies));
    let forwarded = text(&parts.headers, FORWARDED_HOST).filter(|_| trusted);
    let named = forwarded
        .map(|hosts| hosts.split(',').next().unwrap_or_default().trim())
        .or_else(|| parts.uri.authority().map(Authority::as_str))
        .or_else(|| text(&parts.headers, header::HOST));
    let named = named.ok_or_else(OciError::no_host)?;
    // No user information, and nothing that could break out of a quoted string.
    let authority: Authority = named.parse().map_err(|_| OciError::no_host())?;
    if named.contains('@')
        || authority.host().is_empty()
        || !named.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~[]:".contains(&b))
    {
        return Err(OciError::no_host());
    }
    Ok(named.to_owned())
}

/// The same for texts that name the host in a line of shell: stricter than what a token's realm may name.
pub(super) fn host(parts: &Parts, trusted_proxies: &[IpNet]) -> Result<HostPort, OciError> {
    origin(parts, trusted_proxies)?.parse().map_err(|_| OciError::no_host())
}
