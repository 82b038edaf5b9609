//! A CA that is the pinned one, signs certificates today, and may sign for the registry's host.

use jiff::Timestamp;
use rustls_pki_types::CertificateDer;
use x509_parser::certificate::X509Certificate;

use super::authority_file::one_certificate;
use super::error::TrustError;
use super::registry_address::RegistryAddress;
use crate::domain::net::Fingerprint;
use crate::pki::certificate::name_constraints::NameConstraints;
use crate::pki::certificate::timestamp;
use crate::pki::certificate_to_pem;

/// The CA of a registry, after every check that needs no connection.
#[derive(Debug, Clone)]
pub struct PinnedAuthority {
    der: CertificateDer<'static>,
    fingerprint: Fingerprint,
    not_after: Timestamp,
    constrained: bool,
    predecessor: Option<CertificateDer<'static>>,
}

impl PinnedAuthority {
    /// Checks the pin first: nothing else from an unverified server is parsed.
    pub(super) fn check(
        der: CertificateDer<'static>,
        registry: &RegistryAddress,
        pin: Fingerprint,
        url: &str,
        now: Timestamp,
    ) -> Result<Self, TrustError> {
        let (url, found) = (url.to_owned(), Fingerprint::of_der(&der));
        if found != pin {
            return Err(TrustError::WrongPin { url, found, pin });
        }
        let Ok((_, certificate)) = x509_parser::parse_x509_certificate(&der) else {
            return Err(TrustError::NoAuthority { url, reason: "it is not an X.509 certificate" });
        };
        if let Some(reason) = why_no_authority(&certificate) {
            return Err(TrustError::NoAuthority { url, reason });
        }
        let (not_before, not_after) = (certificate.validity().not_before, certificate.validity().not_after);
        let (not_before, not_after) = (timestamp(not_before.timestamp()), timestamp(not_after.timestamp()));
        if now < not_before {
            return Err(TrustError::NotYetValid { url, not_before });
        }
        if now >= not_after {
            return Err(TrustError::Expired { url, not_after });
        }
        let constraints = NameConstraints::of(&certificate);
        if !constraints.permit(registry.host(), registry.ip()) {
            return Err(TrustError::NotPermitted {
                url,
                host: registry.host().to_owned(),
                permitted: constraints.to_string(),
            });
        }
        let constrained = constraints.is_bound();
        Ok(Self { der, fingerprint: found, not_after, constrained, predecessor: None })
    }

    /// The certificate.
    pub(super) fn der(&self) -> &CertificateDer<'static> {
        &self.der
    }

    /// The same, known by what its predecessor says.
    pub(super) fn succeeding(self, predecessor: &Self) -> Self {
        Self { predecessor: Some(predecessor.der.clone()), ..self }
    }

    /// The pinned CA, if it has signed a transition to this one.
    pub(super) fn predecessor(&self) -> Option<&CertificateDer<'static>> {
        self.predecessor.as_ref()
    }

    /// The SHA-256 of the pinned CA, if it has signed a transition to this one.
    pub fn succeeds(&self) -> Option<Fingerprint> {
        self.predecessor.as_ref().map(|der| Fingerprint::of_der(der))
    }

    /// The certificate as PEM: encoded again from what was checked, not the bytes that the server sent.
    pub fn pem(&self) -> String {
        certificate_to_pem(&self.der)
    }

    /// Its SHA-256: the pin, or that of the pinned CA's successor.
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// Its end.
    pub fn not_after(&self) -> Timestamp {
        self.not_after
    }

    /// Whether it can sign for nothing but hosts that its constraints name: then every program of this host may trust it.
    pub fn is_constrained(&self) -> bool {
        self.constrained
    }
}

/// Whether the certificate in a PEM file is constrained like that.
pub(super) fn is_constrained(pem: &[u8]) -> bool {
    let is_bound = |der: &[u8]| {
        x509_parser::parse_x509_certificate(der).is_ok_and(|(_, read)| NameConstraints::of(&read).is_bound())
    };
    one_certificate(pem).is_ok_and(|der| is_bound(&der))
}

fn why_no_authority(certificate: &X509Certificate<'_>) -> Option<&'static str> {
    match certificate.basic_constraints() {
        Ok(Some(constraints)) if constraints.value.ca => {}
        Ok(_) => return Some("it does not say CA:TRUE"),
        Err(_) => return Some("its basic constraints are malformed"),
    }
    match certificate.key_usage() {
        Ok(Some(usage)) if !usage.value.key_cert_sign() => Some("its key usage does not permit to sign certificates"),
        Ok(_) => None,
        Err(_) => Some("its key usage is malformed"),
    }
}
