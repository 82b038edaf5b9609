//! Whether a registry answers at a name, and whether it uses that name in its answer: this reveals a proxy that rewrites `Host`.

use std::sync::Arc;

use http::{HeaderMap, StatusCode, header};
use jiff::Timestamp;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;

use super::Examined;
use crate::client::danger::{self, Accept};
use crate::doctor::finding::Finding;
use crate::trust::client::{self, Failed};
use crate::trust::registry_address::RegistryAddress;

const PING: &str = "/v2/";
/// From this difference on, clocks break tokens and certificates.
const SKEW_SECONDS: i64 = 300;

/// Which certificates are accepted.
#[derive(Debug, Clone)]
pub enum TrustMode {
    /// Only those that one of these roots signed.
    Roots(Vec<CertificateDer<'static>>),
    /// Any: to look at the answer, not to rely on it.
    Unverified,
}

/// The answer of a registry to `GET /v2/` without credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The challenge.
    pub challenge: String,
    /// The host, with its port if any, in the challenge's realm; `None` if the challenge has no realm with a host.
    pub realm_host: Option<String>,
    /// The server's clock, in seconds since the Unix epoch.
    pub clock: Option<i64>,
}

/// Why the registry could not be probed.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
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
pub async fn probe(
    registry: &RegistryAddress,
    trust: TrustMode,
    limit: std::time::Duration,
) -> Result<Answer, ProbeError> {
    let config = client_config(trust).map_err(|error| ProbeError::Tls(std::io::Error::other(error)))?;
    let response = tokio::time::timeout(limit, client::get(registry, config, PING)).await;
    let response = response.map_err(|_| ProbeError::Timeout)?.map_err(|failed| match failed {
        Failed::Connect(error) => ProbeError::Connect(error),
        Failed::Tls(error) => ProbeError::Tls(error),
        Failed::Http(error) => ProbeError::NoHttp(with_causes(&error)),
        Failed::Name => ProbeError::NotARegistry("the host cannot appear in a certificate".to_owned()),
    })?;
    let headers = response.headers();
    let challenge = text(headers, header::WWW_AUTHENTICATE);
    match (response.status(), challenge) {
        (StatusCode::UNAUTHORIZED, Some(challenge)) => Ok(Answer {
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
    let skew = answer.clock.map_or(0, |clock| Timestamp::now().as_second() - clock);
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

impl Answer {
    /// The finding for a realm with another host than `registry`; `None` if it is the same.
    pub fn rewritten_host(&self, registry: &RegistryAddress) -> Option<Finding> {
        let answered = self.realm_host.as_deref().filter(|host| !is_same_host(host, registry))?;
        Some(rewritten(registry.written(), answered))
    }
}

fn client_config(trust: TrustMode) -> Result<Arc<ClientConfig>, rustls::Error> {
    let TrustMode::Roots(certificates) = trust else { return danger::client(Accept::Anybody).map(Arc::new) };
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(certificates);
    client::trusting(roots)
}

/// An error with its causes, which its own text omits.
fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
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
