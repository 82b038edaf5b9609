//! `portcullis health`: asks the server of this data directory whether it is ready. For supervisors and containers, which have no
//! curl and no CA at hand: the certificate that the server presents must be the very one in the data directory. Where clients must have
//! a certificate, which this one has not, that is all there is to see.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context as _, bail};
use jiff::Timestamp;

use super::context::{Context, block_on};
use super::serve::identity_source;
use crate::client::{Client, ClientError, Limits, TrustMode};
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
        let certified = config.client_certificates.accepted.is_some_and(|accepted| accepted.required);
        ask(address, &identity, Duration::from_secs(args.timeout), certified).await
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

/// `certified`: the server answers no one without a certificate.
async fn ask(address: SocketAddr, identity: &Identity, limit: Duration, certified: bool) -> anyhow::Result<()> {
    let (name, certificate) = identity.presented(Timestamp::now());
    let limits = Limits { total: limit, idle: limit, size: 64 * 1024 };
    let client =
        Client::new(TrustMode::Pinned(certificate.context("the chain is empty")?), limits)?.connecting_to(address);
    let url = format!("https://{}/health/ready", name.unwrap_or("127.0.0.1"));
    let answer = if certified {
        client.handshake(&url).await.map(|_| None)
    } else {
        client.get(&url).await.map(|response| Some(response.status()))
    };
    match answer {
        Ok(status) => match status.filter(|status| !status.is_success()) {
            None => Ok(()),
            Some(status) => bail!("not ready: {status}"),
        },
        Err(ClientError::Connect { cause, .. }) => {
            Err(cause).with_context(|| format!("nothing listens on {address}: is the server running?"))
        }
        Err(ClientError::Tls(cause)) => {
            Err(cause).with_context(|| format!("{address} does not present this data directory's certificate"))
        }
        Err(error) if error.waited().is_some() => bail!("no answer from {address} within {} s", limit.as_secs()),
        Err(error) => Err(error.into()),
    }
}
