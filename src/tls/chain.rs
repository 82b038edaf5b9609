//! Whether a chain is fit to be served: in order, in time, and for a server.

use std::path::Path;

use jiff::Timestamp;
use rustls_pki_types::CertificateDer;
use x509_parser::certificate::X509Certificate;
use x509_parser::error::X509Error;

use super::certificate::{self, CertificateSummary};
use super::error::TlsError;

/// Checks the chain and returns what its first certificate says.
pub(super) fn check(path: &Path, chain: &[CertificateDer<'_>], now: Timestamp) -> Result<CertificateSummary, TlsError> {
    let parsed: Vec<_> = chain.iter().map(|der| certificate::parse(path, der)).collect::<Result<_, _>>()?;
    for (index, pair) in parsed.windows(2).enumerate() {
        check_signed(path, index, &pair[0], &pair[1])?;
    }
    for der in chain {
        check_time(path, &CertificateSummary::read(path, der)?, now)?;
    }
    let (Some(leaf), Some(der)) = (parsed.first(), chain.first()) else {
        return Err(TlsError::Unusable { path: path.to_owned(), reason: "the chain is empty" });
    };
    let summary = CertificateSummary::read(path, der)?;
    check_for_servers(path, leaf, &summary)?;
    Ok(summary)
}

/// Whether `issuer` signed `certificate`, by name and by signature.
pub(super) fn is_signed_by(certificate: &X509Certificate<'_>, issuer: &X509Certificate<'_>) -> bool {
    certificate.issuer().as_raw() == issuer.subject().as_raw()
        // An algorithm that we cannot verify (P-521, say) is the client's to judge: the names have matched.
        && matches!(
            certificate.verify_signature(Some(issuer.public_key())),
            Ok(()) | Err(X509Error::SignatureUnsupportedAlgorithm)
        )
}

fn check_signed(
    path: &Path,
    index: usize,
    this: &X509Certificate<'_>,
    next: &X509Certificate<'_>,
) -> Result<(), TlsError> {
    if is_signed_by(this, next) {
        return Ok(());
    }
    Err(TlsError::ChainBroken {
        path: path.to_owned(),
        position: index + 1,
        subject: this.subject().to_string(),
        next: next.subject().to_string(),
    })
}

fn check_time(path: &Path, summary: &CertificateSummary, now: Timestamp) -> Result<(), TlsError> {
    let (path, subject) = (path.to_owned(), summary.subject.clone());
    if now > summary.not_after {
        return Err(TlsError::Expired { path, subject, not_after: summary.not_after });
    }
    if now < summary.not_before {
        return Err(TlsError::NotYetValid { path, subject, not_before: summary.not_before });
    }
    Ok(())
}

fn check_for_servers(path: &Path, leaf: &X509Certificate<'_>, summary: &CertificateSummary) -> Result<(), TlsError> {
    let refuse = |reason| TlsError::Unusable { path: path.to_owned(), reason };
    if summary.names.is_empty() {
        return Err(refuse(
            "it names no host (subjectAltName has no DNS name and no address; the common name no longer counts)",
        ));
    }
    match leaf.extended_key_usage() {
        Ok(Some(usage)) if !usage.value.server_auth && !usage.value.any => {
            Err(refuse("its extended key usage lacks serverAuth"))
        }
        Ok(_) => Ok(()),
        Err(_) => Err(refuse("its extended key usage cannot be read")),
    }
}
