//! Whether a registry answers at a name, and whether it uses that name in its answer: this reveals a proxy that rewrites `Host`.

use std::time::Duration;

use http::{HeaderMap, StatusCode, header};
use jiff::Timestamp;

use super::Examined;
use crate::client::{Client, ClientError, TrustMode};
use crate::doctor::finding::Finding;
use crate::trust::client::limits;
use crate::trust::registry_address::RegistryAddress;

const PING: &str = "/v2/";
/// From this difference on, clocks break tokens and certificates.
const SKEW_SECONDS: i64 = 300;

/// The answer of a registry to `GET /v2/` without credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PingResponse {
    /// The challenge.
    pub(crate) challenge: String,
    /// The host, with its port if any, in the challenge's realm; `None` if the challenge has no realm with a host.
    pub(crate) realm_host: Option<String>,
    /// The server's clock, in seconds since the Unix epoch.
    pub(crate) clock: Option<i64>,
}

/// Why the registry could not be probed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProbeError {
    /// No connection.
    #[error("cannot connect: {0}")]
    Connect(std::io::Error),
    /// The certificate is not trusted, or the server does not speak TLS.
    #[error("the TLS handshake fails: {0}")]
    Tls(std::io::Error),
    /// After the TLS handshake there was no HTTP answer, as is the case if clients must have a certificate.
    #[error("no HTTP answer ({0})")]
    NoHttp(String),
    /// What answers is not a registry.
    #[error("{0}")]
    NotARegistry(String),
    /// It took too long.
    #[error("no answer in time")]
    Timeout,
}

/// Asks for `/v2/` without credentials and without a proxy, within `limit`.
pub(crate) async fn probe(
    registry: &RegistryAddress,
    trust: TrustMode,
    limit: Duration,
) -> Result<PingResponse, ProbeError> {
    let client = Client::new(trust, limits(limit)).map_err(|error| ProbeError::Tls(std::io::Error::other(error)))?;
    let response = client.get(&format!("https://{}{PING}", registry.written())).await?;
    let headers = response.headers();
    let challenge = text(headers, header::WWW_AUTHENTICATE);
    match (response.status(), challenge) {
        (StatusCode::UNAUTHORIZED, Some(challenge)) => Ok(PingResponse {
            realm_host: realm_host(&challenge),
            challenge,
            clock: text(headers, header::DATE).and_then(|date| seconds(&date)),
        }),
        (StatusCode::UNAUTHORIZED, None) => {
            Err(ProbeError::NotARegistry("/v2/ answers 401 without a challenge".to_owned()))
        }
        (status, _) => Err(ProbeError::NotARegistry(format!("/v2/ answers {status} instead of 401 with a challenge"))),
    }
}

/// The finding on a client host, and the challenge.
pub(super) async fn check(examined: &Examined) -> (Finding, Option<String>) {
    let registry = &examined.registry;
    let answer = match probe(registry, TrustMode::Unverified, examined.limit).await {
        Ok(answer) => answer,
        Err(ProbeError::NoHttp(reason)) if reason.contains("CertificateRequired") => {
            return (certificate_required(examined), None);
        }
        Err(error) => {
            let finding = Finding::problem(
                "registry",
                format!("{} presents a certificate, but {error}", registry.address()),
                "docker login and every pull start with this request",
                format!(
                    "check the port, and what is in front of the registry: curl -ki https://{}/v2/",
                    registry.written()
                ),
            );
            return (finding, None);
        }
    };
    let challenge = Some(answer.challenge.clone());
    if let Some(host) = answer.realm_host.as_deref().filter(|host| !is_same_host(host, registry)) {
        return (rewritten(registry.written(), host), challenge);
    }
    let skew = answer.clock.map_or(0, |clock| examined.clock.seconds() - clock);
    if skew.abs() > SKEW_SECONDS {
        let finding = Finding::warning(
            "clock",
            format!("this host's clock differs from the registry's by {skew} s"),
            "certificates seem not yet valid, and tokens seem expired",
            "timedatectl set-ntp true",
        );
        return (finding, challenge);
    }
    (Finding::ok("registry", format!("a registry answers at {} and asks for a login", registry.written())), challenge)
}

/// This program has no certificate to present, so it cannot check more.
fn certificate_required(examined: &Examined) -> Finding {
    let name = examined.registry.written();
    Finding::warning(
        "registry",
        "the registry requires a client certificate, so nothing more can be checked from here",
        "docker and podman present the one stored next to the CA, and fail without it",
        format!(
            "put client.cert and client.key from the registry's administrator into /etc/docker/certs.d/{name} and /etc/containers/certs.d/{name}"
        ),
    )
}

/// The finding for a realm with another host than the one that was asked.
pub(super) fn rewritten(asked: &str, answered: &str) -> Finding {
    Finding::problem(
        "host",
        format!("asked as {asked}, the registry sends clients to {answered} for their token"),
        "a proxy in between rewrites the Host header: clients ask another host for tokens, and fail",
        "make the proxy forward the name: `proxy_set_header Host $http_host;` in nginx",
    )
}

/// Whether the realm names the registry as it was asked for; port 443 may be omitted.
pub(super) fn is_same_host(realm_host: &str, registry: &RegistryAddress) -> bool {
    let realm = realm_host.to_ascii_lowercase();
    realm == registry.written() || realm == registry.address() || format!("{realm}:443") == registry.address()
}

impl PingResponse {
    /// The finding for a realm with another host than `registry`; `None` if it is the same.
    pub(crate) fn rewritten_host(&self, registry: &RegistryAddress) -> Option<Finding> {
        let answered = self.realm_host.as_deref().filter(|host| !is_same_host(host, registry))?;
        Some(rewritten(registry.written(), answered))
    }
}

impl From<ClientError> for ProbeError {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Connect { cause, .. } => Self::Connect(cause),
            ClientError::Tls(cause) => Self::Tls(cause),
            ClientError::Timeout { .. } | ClientError::Idle { .. } => Self::Timeout,
            ClientError::NotHttps(_) | ClientError::InvalidName(_) => {
                Self::NotARegistry("the host cannot appear in a certificate".to_owned())
            }
            error => Self::NoHttp(error.to_string()),
        }
    }
}

fn text(headers: &HeaderMap, name: header::HeaderName) -> Option<String> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
}

/// The host of `realm="https://HOST/..."`.
fn realm_host(challenge: &str) -> Option<String> {
    let realm = challenge.split_once("realm=\"")?.1.split('"').next()?;
    let rest = realm.split_once("://")?.1;
    rest.split('/').next().filter(|host| !host.is_empty()).map(str::to_owned)
}

fn seconds(date: &str) -> Option<i64> {
    jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(date).ok().map(Timestamp::as_second)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::net::host_port::HostPort;

    fn of(text: &str) -> RegistryAddress {
        text.parse::<HostPort>().unwrap().into()
    }

    #[test]
    fn the_realm_must_name_what_was_asked() {
        let host = realm_host("Bearer realm=\"https://r.test:5000/auth/token\",service=\"x\"").unwrap();
        assert!(is_same_host(&host, &of("r.test:5000")) && !is_same_host(&host, &of("r.test")));
        assert!(is_same_host("R.test", &of("r.test")) && is_same_host("r.test", &of("r.test:443")));
        assert!(is_same_host("r.test:443", &of("r.test")));
        assert_eq!(realm_host("Basic realm=\"portcullis\""), None);
        assert_eq!(seconds("Thu, 01 Jan 1970 00:01:00 GMT"), Some(60));
    }
}
