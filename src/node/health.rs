//! Asks the server of a data directory whether it is ready: for supervisors and containers, which have no curl and no CA at hand. The
//! certificate that the server presents must be the very one in the data directory. If clients must present a certificate, which this
//! one does not have, that is all that can be checked.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context as _, bail};
use axum::body::Body;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::data_directory::DataDirectory;
use super::identity::identity_source;
use crate::client::pinned_client;
use crate::config::Config;
use crate::pki::Identity;

/// Succeeds if the server answers within `limit` that it is ready.
pub(crate) async fn require_ready(config: &Config, data: &DataDirectory, limit: Duration) -> anyhow::Result<()> {
    let identity = identity_source(config, data)?.load()?;
    let address = local(config.server.listen);
    let certified = config.client_certificates.are_required();
    let asked = tokio::time::timeout(limit, ask(address, &identity, certified)).await;
    asked.with_context(|| format!("no answer from {address} within {} s", limit.as_secs()))?
}

/// The address to reach a listening address by.
pub(crate) fn local(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

/// `certified`: the server answers no client without a certificate.
async fn ask(address: SocketAddr, identity: &Identity, certified: bool) -> anyhow::Result<()> {
    let stream = TcpStream::connect(address).await;
    let stream = stream.with_context(|| format!("nothing listens on {address}: is the server running?"))?;
    let (connector, name) = pinned_client(identity)?;
    let stream = connector.connect(name, stream).await;
    let stream = stream.with_context(|| format!("{address} does not present this data directory's certificate"))?;
    if certified {
        return Ok(());
    }
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let request = axum::http::Request::get("/health/ready").header("host", "localhost").body(Body::empty())?;
    let response = sender.send_request(request).await?;
    if response.status().is_success() { Ok(()) } else { bail!("not ready: {}", response.status()) }
}
