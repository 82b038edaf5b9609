//! Whether a registry answers at a name, and whether it knows itself by that name: a proxy that rewrites `Host` shows here.

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
/// From here on clocks differ so much that tokens and certificates suffer.
const SKEW_SECONDS: i64 = 300;

/// Whose word counts.
#[derive(Debug, Clone)]
pub enum Believe {
    /// Only what one of these roots vouches for.
    Roots(Vec<CertificateDer<'static>>),
    /// Whoever answers: to look, not to believe.
    Anybody,
}

/// What a registry answers to `GET /v2/` without credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The challenge.
    pub challenge: String,
    /// The host, with its port where it has one, that the token's realm names; `None` for a challenge without one.
    pub realm_host: Option<String>,
    /// The server's clock, in seconds since the Unix epoch.
    pub clock: Option<i64>,
}

/// Why there was no such answer.
#[derive(Debug, thiserror::Error)]
pub enum Unreached {
    /// No connection.
    #[error("cannot connect: {0}")]
    Connect(std::io::Error),
    /// It was not verified.
    #[error("the TLS handshake fails: {0}")]
    Tls(std::io::Error),
    /// TLS stands, and then nothing of HTTP comes: so it is where clients must have a certificate.
    #[error("no answer of HTTP ({0})")]
    NoHttp(String),
    /// It is no registry.
    #[error("{0}")]
    NoRegistry(String),
    /// It takes too long.
    #[error("no answer in time")]
    Slow,
}

/// Asks for `/v2/` without credentials and without a proxy, within `limit`.
pub async fn reach(
    registry: &RegistryAddress,
    believe: Believe,
    limit: std::time::Duration,
) -> Result<Answer, Unreached> {
    let config = client_config(believe).map_err(|error| Unreached::Tls(std::io::Error::other(error)))?;
    let response = tokio::time::timeout(limit, client::get(registry, config, PING)).await;
    let response = response.map_err(|_| Unreached::Slow)?.map_err(|failed| match failed {
        Failed::Connect(error) => Unreached::Connect(error),
        Failed::Tls(error) => Unreached::Tls(error),
        Failed::Http(error) => Unreached::NoHttp(with_causes(&error)),
        Failed::Name => Unreached::NoRegistry("the host can stand in no certificate".to_owned()),
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
            Err(Unreached::NoRegistry("/v2/ answers 401 without saying how to log in".to_owned()))
        }
        (status, _) => Err(Unreached::NoRegistry(format!("/v2/ answers {status} instead of 401 with a challenge"))),
    }
}

/// The finding of a client's host, and the challenge.
pub(super) async fn check(examined: &Examined) -> (Finding, Option<String>) {
    let registry = &examined.registry;
    let answer = match reach(registry, Believe::Anybody, examined.limit).await {
        Ok(answer) => answer,
        Err(Unreached::NoHttp(reason)) if reason.contains("CertificateRequired") => {
            return (certificate_wanted(examined), None);
        }
        Err(error) => {
            let finding = Finding::problem(
                "registry",
                format!("{} presents a certificate, but {error}", registry.address()),
                "docker login and every pull begin with this request",
                format!(
                    "check the port, and what stands in front of the registry: curl -ki https://{}/v2/",
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
            "certificates are refused before they begin, and tokens seem to have expired",
            "timedatectl set-ntp true",
        );
        return (finding, challenge);
    }
    (Finding::ok("registry", format!("a registry answers at {} and asks for a login", registry.written())), challenge)
}

/// This program has no certificate to show, so it sees no more than that.
fn certificate_wanted(examined: &Examined) -> Finding {
    let name = examined.registry.written();
    Finding::warning(
        "registry",
        "the registry answers nobody without a client certificate, so that nothing more is seen from here",
        "docker and podman show the one that lies beside the CA, and fail without it",
        format!(
            "put client.cert and client.key from the registry's administrator into /etc/docker/certs.d/{name} and /etc/containers/certs.d/{name}"
        ),
    )
}

/// The finding for a realm that names another host than the one that was asked.
pub(super) fn rewritten(asked: &str, told: &str) -> Finding {
    Finding::problem(
        "host",
        format!("asked as {asked}, the registry sends clients to {told} for their token"),
        "a proxy in between rewrites the Host header: clients ask elsewhere for tokens, and fail",
        "let the proxy pass the name on: `proxy_set_header Host $http_host;` in nginx",
    )
}

/// Whether the realm names the registry as it was asked for; 443 may stand there or not.
pub(super) fn is_same_host(realm_host: &str, registry: &RegistryAddress) -> bool {
    let realm = realm_host.to_ascii_lowercase();
    realm == registry.written() || realm == registry.address() || format!("{realm}:443") == registry.address()
}

impl Answer {
    /// The finding for a realm that names another host than `registry`; `None` where it names that one.
    pub fn rewritten_host(&self, registry: &RegistryAddress) -> Option<Finding> {
        let told = self.realm_host.as_deref().filter(|host| !is_same_host(host, registry))?;
        Some(rewritten(registry.written(), told))
    }
}

fn client_config(believe: Believe) -> Result<Arc<ClientConfig>, rustls::Error> {
    let Believe::Roots(certificates) = believe else { return danger::client(Accept::Anybody).map(Arc::new) };
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(certificates);
    client::trusting(roots)
}

/// An error with its causes, which it does not tell itself.
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
