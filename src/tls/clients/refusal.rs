//! Why a client's certificate does not count, in words for the log and for its holder.

use jiff::Timestamp;
use rustls::{CertificateError, Error};
use rustls_pki_types::UnixTime;

/// What to tell the operator about a handshake that failed for the client's certificate; `None` where it failed for something else.
pub(crate) fn explain_refusal(error: &Error) -> Option<String> {
    match error {
        Error::InvalidCertificate(_) | Error::InvalidCertRevocationList(_) | Error::NoCertificatesPresented => {
            Some(reason(error))
        }
        _ => None,
    }
}

/// The reason, and what to do about it.
pub(super) fn reason(error: &Error) -> String {
    match error {
        Error::InvalidCertificate(problem) => about_certificate(problem),
        Error::InvalidCertRevocationList(problem) => format!(
            "the revocation list of its CA is not usable ({problem:?}): replace the file that client_certificates.crl names"
        ),
        Error::NoCertificatesPresented => {
            "there is none, and client_certificates.required asks for one: give the client a certificate".to_owned()
        }
        other => other.to_string(),
    }
}

fn about_certificate(problem: &CertificateError) -> String {
    use CertificateError as E;
    match problem {
        E::UnknownIssuer | E::BadSignature => {
            "no CA that client_certificates.ca names has signed it: use a certificate of such a CA, and send its \
             intermediate certificates along"
                .to_owned()
        }
        E::ExpiredContext { not_after, .. } => format!("it expired on {}: renew it", date(*not_after)),
        E::Expired => "it has expired: renew it".to_owned(),
        E::NotValidYetContext { not_before, .. } => {
            format!("it is valid only from {}: look at the clocks of this host and of the CA's", date(*not_before))
        }
        E::Revoked => "its CA has revoked it: use another one".to_owned(),
        E::ExpiredRevocationListContext { next_update, .. } => format!(
            "the revocation list of its CA was to be replaced by {}: give a newer one to client_certificates.crl",
            date(*next_update)
        ),
        E::UnknownRevocationStatus => {
            "the revocation lists of its CA are about other certificates: give the complete list to client_certificates.crl"
                .to_owned()
        }
        E::InvalidPurpose | E::InvalidPurposeContext { .. } => {
            "it was not made for client authentication: ask the CA for one with the extended key usage clientAuth".to_owned()
        }
        other => other.to_string(),
    }
}

fn date(time: UnixTime) -> String {
    let date = i64::try_from(time.as_secs()).ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
    date.map_or_else(|| "a date beyond all calendars".to_owned(), |date| date.to_string())
}
