//! `portcullis health`: asks the server of this data directory whether it is ready. For supervisors and containers, which have no
//! curl and no CA at hand: the certificate that the server presents must be the very one in the data directory. Where clients must have
//! a certificate, which this one has not, that is all there is to see.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context as _, bail};
use axum::body::Body;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::context::{Context, block_on};
use super::serve::identity_source;
use crate::client::pinned_client;
use crate::pki::Identity;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Give up after so many seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 5)]
    timeout: u64,
}

pub(crate) fn run(context: &Context, args: &Args) -> anyhow::Result<()> {
    let config = context.config()?;
    let data = context.data_directory()?;
    let identity = identity_source(&config, &data)?.load()?;
    let address = local(config.server.listen);
    block_on(async {
        let certified = config.client_certificates.are_required();
        let asked = ask(address, &identity, certified);
        let asked = tokio::time::timeout(Duration::from_secs(args.timeout), asked).await;
        asked.with_context(|| format!("no answer from {address} within {} s", args.timeout))?
    })
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

/// `certified`: the server answers nobody without a certificate.
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
