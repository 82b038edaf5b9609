//! A certificate chain that a server presented, and whether a set of roots signed it.

use std::sync::Arc;

use jiff::Timestamp;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::aws_lc_rs;
use rustls::{CertificateError, RootCertStore};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use std::time::Duration;

use crate::pki::CertificateSummary;

/// What a server presented. Nothing about it is verified.
#[derive(Debug, Clone)]
pub(crate) struct Chain {
    certificates: Vec<CertificateDer<'static>>,
    summaries: Vec<CertificateSummary>,
    /// When it was presented, by this host's clock.
    seen: Timestamp,
}

impl Chain {
    /// `None` if it is empty, or contains something that is not a certificate.
    pub(super) fn new(certificates: Vec<CertificateDer<'static>>, seen: Timestamp) -> Option<Self> {
        let summaries: Option<Vec<_>> = certificates.iter().map(CertificateSummary::of_der).collect();
        summaries.filter(|summaries| !summaries.is_empty()).map(|summaries| Self { certificates, summaries, seen })
    }

    /// Every certificate, the server's own first.
    pub(crate) fn summaries(&self) -> &[CertificateSummary] {
        &self.summaries
    }

    /// The server's own.
    pub(crate) fn leaf(&self) -> &CertificateSummary {
        // `new` makes none without a certificate.
        &self.summaries[0]
    }

    /// Whether the server's own certificate is for this name.
    pub(crate) fn is_for(&self, name: &ServerName<'_>) -> bool {
        let leaf = self.certificates.first().and_then(|der| webpki::EndEntityCert::try_from(der).ok());
        leaf.is_some_and(|leaf| leaf.verify_is_valid_for_subject_name(name).is_ok())
    }

    /// Whether one of these roots signed the chain, for `name` or for another name. The clock does not count here: it has a check of
    /// its own, and a wrong clock must not look like a missing CA.
    pub(crate) fn is_trusted_by(&self, roots: &[CertificateDer<'static>], name: &ServerName<'_>) -> bool {
        let mut store = RootCertStore::empty();
        store.add_parsable_certificates(roots.iter().cloned());
        let verifier =
            WebPkiServerVerifier::builder_with_provider(Arc::new(store), Arc::new(aws_lc_rs::default_provider()));
        let (Ok(verifier), Some((leaf, rest))) = (verifier.build(), self.certificates.split_first()) else {
            return false;
        };
        match verifier.verify_server_cert(leaf, rest, name, &[], self.validation_time()) {
            Ok(_) => true,
            Err(rustls::Error::InvalidCertificate(error)) => {
                matches!(error, CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. })
            }
            Err(_) => false,
        }
    }

    /// When it was presented, or the nearest time at which every presented certificate is valid.
    fn validation_time(&self) -> UnixTime {
        let begin = self.summaries.iter().map(|summary| summary.not_before.as_second()).max().unwrap_or_default();
        let end = self.summaries.iter().map(|summary| summary.not_after.as_second()).min().unwrap_or(i64::MAX);
        let seconds = self.seen.as_second().min(end).max(begin);
        UnixTime::since_unix_epoch(Duration::from_secs(u64::try_from(seconds).unwrap_or_default()))
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};

    use super::*;

    fn ca() -> (CertificateParams, KeyPair, CertificateDer<'static>) {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let der = params.self_signed(&key).unwrap().der().clone();
        (params, key, der)
    }

    #[test]
    fn a_root_signed_the_chain_whatever_the_name_and_the_clock_say() {
        let ((params, key, root), (.., other)) = (ca(), ca());
        let mut leaf = CertificateParams::new(vec!["registry.test".to_owned()]).unwrap();
        (leaf.not_before, leaf.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2020, 2, 1));
        let leaf = leaf.signed_by(&KeyPair::generate().unwrap(), &Issuer::from_params(&params, &key)).unwrap();
        let chain = Chain::new(vec![leaf.der().clone()], Timestamp::UNIX_EPOCH).unwrap();
        let name = |text: &str| ServerName::try_from(text.to_owned()).unwrap();
        for asked in ["registry.test", "other.test"] {
            assert!(chain.is_trusted_by(std::slice::from_ref(&root), &name(asked)));
            assert!(!chain.is_trusted_by(std::slice::from_ref(&other), &name(asked)));
            assert!(!chain.is_trusted_by(&[], &name(asked)));
        }
        assert!(chain.is_for(&name("registry.test")) && !chain.is_for(&name("other.test")));
        assert!(Chain::new(Vec::new(), Timestamp::UNIX_EPOCH).is_none());
    }
}
