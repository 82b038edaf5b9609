//! Asks the server of a data directory whether it is ready: for supervisors and containers, which have no curl and no CA at hand. The
//! certificate that the server presents must be the very one in the data directory. If clients must present a certificate, which this
//! one does not have, that is all that can be checked.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, bail};
use http::StatusCode;
use rustls_pki_types::CertificateDer;

use super::data_directory::DataDirectory;
use super::identity::identity_source;
use crate::client::{Client, ClientError, Limits, TrustMode};
use crate::config::Config;
use crate::domain::Clock;
use crate::domain::net::local_address;

/// The answer says in a few bytes what is not ready.
const ANSWER_LIMIT: usize = 64 * 1024;

/// Succeeds if the server answers within `limit` that it is ready.
pub(crate) async fn require_ready(config: &Config, data: &DataDirectory, limit: Duration) -> anyhow::Result<()> {
    let clock = Clock::system();
    let identity = identity_source(config, data, &clock)?.load()?;
    let address = local_address(config.server.listen);
    let certified = config.client_certificates.are_required();
    ask(address, identity.presented(clock.now()), limit, certified).await
}

/// `certified`: the server answers no client without a certificate.
async fn ask(
    address: SocketAddr,
    (name, certificate): (Option<&str>, Option<CertificateDer<'static>>),
    limit: Duration,
    certified: bool,
) -> anyhow::Result<()> {
    let trust = TrustMode::Pinned(certificate.context("the certificate's file is empty")?);
    let limits = Limits { total: limit, idle: limit, size: ANSWER_LIMIT };
    let client = Client::new(trust, limits)?.connecting_to(address);
    let url = format!("https://{}/health/ready", name.unwrap_or("127.0.0.1"));
    let answer = if certified {
        client.handshake(&url).await.map(|_| StatusCode::OK)
    } else {
        client.get(&url).await.map(|response| response.status())
    };
    match answer {
        Ok(status) if status.is_success() => Ok(()),
        Ok(status) => bail!("not ready: {status}"),
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
