//! Whether a chain is fit to be served: in order, in time, and for a server; and what to tell of it where it is.

use std::path::Path;

use jiff::Timestamp;
use rustls_pki_types::CertificateDer;
use x509_parser::certificate::X509Certificate;
use x509_parser::error::X509Error;

use super::CertificateSummary;
use crate::pki::certificate;
use crate::pki::error::PkiError;

/// A chain that may be served.
#[derive(Debug)]
pub(crate) struct Checked {
    /// What its first certificate says.
    pub(crate) summary: CertificateSummary,
    /// How many certificates are to be sent: those that come after have expired, and no client needs them.
    pub(crate) sent: usize,
    /// What some client may stumble over.
    pub(crate) warnings: Vec<String>,
}

/// Checks the chain.
pub(crate) fn check(path: &Path, chain: &[CertificateDer<'_>], now: Timestamp) -> Result<Checked, PkiError> {
    let parsed: Vec<_> = chain.iter().map(|der| certificate::parse(path, der)).collect::<Result<_, _>>()?;
    for (index, pair) in parsed.windows(2).enumerate() {
        check_signed(path, index, &pair[0], &pair[1])?;
    }
    let summaries: Vec<_> = chain.iter().map(|der| CertificateSummary::read(path, der)).collect::<Result<_, _>>()?;
    let (Some(leaf), Some(summary)) = (parsed.first(), summaries.first()) else {
        return Err(PkiError::Unusable { path: path.to_owned(), reason: "the chain is empty" });
    };
    let mut warnings = Vec::new();
    let mut sent = chain.len();
    for (index, (certificate, summary)) in parsed.iter().zip(&summaries).enumerate() {
        if now > summary.not_after && is_dispensable(index, certificate) {
            warnings.push(left_out(path, index, summary));
            sent = index;
            break;
        }
        check_time(path, summary, now)?;
    }
    check_for_servers(path, leaf, summary)?;
    warnings.extend(alone(path, &parsed));
    warnings.extend(misplaced(path, summary));
    Ok(Checked { summary: summary.clone(), sent, warnings })
}

/// Whether clients find their way without it: they have the root themselves, and what is above an intermediate certificate is a
/// root, or another root's word for it.
fn is_dispensable(index: usize, certificate: &X509Certificate<'_>) -> bool {
    index >= 2 || (index == 1 && is_self_issued(certificate))
}

fn is_self_issued(certificate: &X509Certificate<'_>) -> bool {
    certificate.issuer().as_raw() == certificate.subject().as_raw()
}

fn left_out(path: &Path, index: usize, summary: &CertificateSummary) -> String {
    format!(
        "certificate {} in {} ({}) expired on {} and is not sent: clients that trust {} itself do not need it; remove it from the file",
        index + 1,
        path.display(),
        summary.subject,
        summary.not_after,
        summary.subject
    )
}

/// The server's certificate without the one that signed it.
fn alone(path: &Path, parsed: &[X509Certificate<'_>]) -> Option<String> {
    let [leaf] = parsed else { return None };
    (!is_self_issued(leaf)).then(|| {
        format!(
            "{} holds the server's certificate without an intermediate certificate: unless {} is a root that clients trust, they \
             refuse it; append the certificate of {} (the CA's \"full chain\" file has it)",
            path.display(),
            leaf.issuer(),
            leaf.issuer()
        )
    })
}

fn misplaced(path: &Path, summary: &CertificateSummary) -> Vec<String> {
    let wrong = summary.misplaced.iter().filter(|address| !summary.addresses.contains(address));
    let tell = |address: &std::net::IpAddr| {
        format!(
            "the certificate in {} names the address {address} as a DNS name, so clients that connect to {address} refuse it; have it \
             issued again with the entry subjectAltName = IP:{address}",
            path.display()
        )
    };
    wrong.map(tell).collect()
}

/// Whether `issuer` signed `certificate`, by name and by signature.
pub(crate) fn is_signed_by(certificate: &X509Certificate<'_>, issuer: &X509Certificate<'_>) -> bool {
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
) -> Result<(), PkiError> {
    if is_signed_by(this, next) {
        return Ok(());
    }
    Err(PkiError::ChainBroken {
        path: path.to_owned(),
        position: index + 1,
        subject: this.subject().to_string(),
        next: next.subject().to_string(),
    })
}

fn check_time(path: &Path, summary: &CertificateSummary, now: Timestamp) -> Result<(), PkiError> {
    let (path, subject) = (path.to_owned(), summary.subject.clone());
    if now > summary.not_after {
        return Err(PkiError::Expired { path, subject, not_after: summary.not_after });
    }
    if now < summary.not_before {
        return Err(PkiError::NotYetValid { path, subject, not_before: summary.not_before });
    }
    Ok(())
}

fn check_for_servers(path: &Path, leaf: &X509Certificate<'_>, summary: &CertificateSummary) -> Result<(), PkiError> {
    let refuse = |reason| PkiError::Unusable { path: path.to_owned(), reason };
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
