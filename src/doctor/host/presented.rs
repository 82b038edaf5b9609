//! What the server presents: whether it speaks TLS, which certificates, for which names, valid until when.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use jiff::Timestamp;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{Chain, Examined};
use crate::client::{Client, ClientError, TrustMode};
use crate::doctor::finding::Finding;
use crate::domain::Clock;
use crate::pki::CertificateSummary;
use crate::trust::client::limits;

/// The chain that the server at `address` presents to clients that ask for `name`. Nothing is verified.
pub(crate) async fn presented_at(
    address: SocketAddr,
    name: ServerName<'static>,
    limit: Duration,
    clock: &Clock,
) -> io::Result<Chain> {
    let host = match &name {
        ServerName::IpAddress(rustls_pki_types::IpAddr::V6(_)) => format!("[{}]", name.to_str()),
        name => name.to_str().into_owned(),
    };
    let client = Client::new(TrustMode::Unverified, limits(limit)).map_err(io::Error::other)?.connecting_to(address);
    let certificates = client.handshake(&format!("https://{host}")).await.map_err(|error| match error {
        ClientError::Connect { cause, .. } | ClientError::Tls(cause) => cause,
        error if error.waited().is_some() => io::ErrorKind::TimedOut.into(),
        error => io::Error::other(error),
    })?;
    Chain::new(certificates, clock.now()).ok_or_else(|| io::Error::other("it presents no valid certificate"))
}

pub(super) async fn check(examined: &Examined, address: SocketAddr) -> (Vec<Finding>, Option<Chain>) {
    let registry = &examined.registry;
    let Some(name) = registry.server_name() else {
        let finding = Finding::problem(
            "tls",
            format!("`{}` cannot appear in a certificate", registry.host()),
            "no client can verify it",
            "use a host name or an IP address",
        );
        return (vec![finding], None);
    };
    match presented_at(address, name.clone(), examined.limit, &examined.clock).await {
        Ok(chain) => {
            let mut findings = vec![Finding::ok("tls", describe(&chain))];
            findings.extend(dates(&chain, examined.clock.now()));
            findings.push(names(examined, &chain, &name));
            (findings, Some(chain))
        }
        Err(error) => (vec![no_tls(examined, address, &error).await], None),
    }
}

fn describe(chain: &Chain) -> String {
    let one = |summary: &CertificateSummary| {
        format!(
            "{} from {}, {} to {}, SHA-256 {}",
            summary.subject, summary.issuer, summary.not_before, summary.not_after, summary.fingerprint
        )
    };
    let all: Vec<String> = chain.summaries().iter().map(one).collect();
    format!("presented (not verified here): {}", all.join("; then "))
}

async fn no_tls(examined: &Examined, address: SocketAddr, error: &io::Error) -> Finding {
    let written = examined.registry.written();
    if speaks_plain_http(address, examined.limit).await {
        return Finding::problem(
            "tls",
            format!("{address} speaks plain HTTP, not TLS"),
            "passwords and images would be sent unencrypted, and docker refuses that",
            format!(
                "use the port on which the registry speaks HTTPS, or run `portcullis serve` instead of what answers at {written}"
            ),
        );
    }
    Finding::problem(
        "tls",
        format!("{address} does not complete a TLS handshake ({error})"),
        "no client can connect to it",
        "check the port, and what is between this host and the registry: openssl s_client -connect ".to_owned()
            + examined.registry.address(),
    )
}

/// Whether a request without TLS gets an HTTP response.
async fn speaks_plain_http(address: SocketAddr, limit: Duration) -> bool {
    let asked = tokio::time::timeout(limit, async {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(b"HEAD / HTTP/1.0\r\n\r\n").await?;
        let mut start = [0; 5];
        stream.read_exact(&mut start).await?;
        io::Result::Ok(&start == b"HTTP/")
    });
    matches!(asked.await, Ok(Ok(true)))
}

/// The clock of this host against the validity of each certificate.
fn dates(chain: &Chain, now: Timestamp) -> Vec<Finding> {
    let mut findings = Vec::new();
    for summary in chain.summaries() {
        if now < summary.not_before {
            findings.push(Finding::problem(
                "clock",
                format!(
                    "this host's clock says {now:.0}, but {} is valid from {}",
                    summary.subject, summary.not_before
                ),
                "every client rejects a certificate that is not yet valid; most likely this clock is behind",
                "timedatectl set-ntp true",
            ));
        }
        if now > summary.not_after {
            findings.push(Finding::problem(
                "certificate",
                format!("{} expired on {}, and this host's clock says {now:.0}", summary.subject, summary.not_after),
                "every client rejects it",
                "run `portcullis cert renew` on the registry; if the date above is wrong, set this host's clock: timedatectl set-ntp true",
            ));
        }
    }
    if findings.is_empty() {
        findings.push(Finding::ok("certificate", format!("valid until {}", chain.leaf().not_after)));
    }
    findings
}

fn names(examined: &Examined, chain: &Chain, name: &ServerName<'_>) -> Finding {
    let (host, leaf) = (examined.registry.host(), chain.leaf());
    if chain.is_for(name) {
        return Finding::ok("name", format!("the certificate is for {host}"));
    }
    Finding::problem(
        "name",
        format!("the certificate is not for {host}, but for {}", leaf.names.join(", ")),
        "every client rejects it, whichever CA it trusts",
        format!(
            "use one of those names; or add \"{host}\" to server.hosts on the registry and run there: portcullis cert renew (portcullis doctor there says whether its CA may sign for it)"
        ),
    )
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;
    use crate::doctor::finding::State;

    #[test]
    fn a_clock_that_is_behind_is_distinguished_from_an_expired_certificate() {
        let mut params = CertificateParams::new(vec!["registry.test".to_owned()]).unwrap();
        (params.not_before, params.not_after) = (date_time_ymd(2026, 3, 1), date_time_ymd(2026, 6, 1));
        let der = params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().clone();
        let chain = Chain::new(vec![der], Timestamp::UNIX_EPOCH).unwrap();
        let at = |date: &str| {
            let found = dates(&chain, format!("{date}T12:00:00Z").parse().unwrap()).swap_remove(0);
            (found.check, found.state)
        };
        assert_eq!(at("2026-02-01"), ("clock", State::Problem));
        assert_eq!(at("2026-04-01"), ("certificate", State::Ok));
        assert_eq!(at("2026-07-01"), ("certificate", State::Problem));
    }
}
