//! Which certificates count, at one moment: never changes, and is replaced as a whole.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use rustls::crypto::aws_lc_rs;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{VerifierBuilderError, WebPkiClientVerifier};
use rustls::{Error, RootCertStore};
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer, UnixTime};
use webpki::{BorrowedCertRevocationList, CertRevocationList, EndEntityCert};

use super::digests::ClientDigests;

/// CAs and revocation lists.
#[derive(Debug)]
pub(super) struct TrustStore {
    /// Looks every certificate of the chain up in the list of its issuer, if there is one.
    chain: Arc<dyn ClientCertVerifier>,
    /// Where a list covers a part of its issuer's certificates only: refuses those of clients that no list covers.
    partial: Option<Partial>,
    lists: Vec<CrlInUse>,
    expired: Vec<String>,
    pub(super) digests: ClientDigests,
}

#[derive(Debug)]
struct Partial {
    verifier: Arc<dyn ClientCertVerifier>,
    issuers: Vec<Vec<u8>>,
}

/// What to tell about a list.
#[derive(Debug)]
struct CrlInUse {
    path: PathBuf,
    issuer: String,
    until: Timestamp,
}

/// One revocation list.
#[derive(Debug)]
pub(super) struct Crl {
    path: PathBuf,
    /// The issuer, for people.
    pub(super) issuer: String,
    until: Timestamp,
    der: CertificateRevocationListDer<'static>,
    raw_issuer: Vec<u8>,
    /// The part of the issuer's certificates that it is about; `None`: all (RFC 5280, section 5.2.5).
    part: Option<Vec<u8>>,
}

impl Crl {
    /// `until` is the time at which the next one is due.
    pub(super) fn new(
        path: &Path,
        issuer: String,
        until: Timestamp,
        der: CertificateRevocationListDer<'static>,
    ) -> Result<Self, webpki::Error> {
        let read: CertRevocationList<'_> = BorrowedCertRevocationList::from_der(&der)?.into();
        let (raw_issuer, part) = (read.issuer().to_vec(), read.issuing_distribution_point().map(<[u8]>::to_vec));
        Ok(Self { path: path.to_owned(), issuer, until, der, raw_issuer, part })
    }

    pub(super) fn der(&self) -> &[u8] {
        &self.der
    }

    pub(super) fn is_about_the_same(&self, other: &Self) -> bool {
        self.raw_issuer == other.raw_issuer && self.part == other.part
    }
}

impl TrustStore {
    /// `expired` names CAs whose time is over, for the log.
    pub(super) fn new(
        roots: &Arc<RootCertStore>,
        lists: Vec<Crl>,
        expired: Vec<String>,
        digests: ClientDigests,
    ) -> Result<Self, VerifierBuilderError> {
        let builder = || {
            WebPkiClientVerifier::builder_with_provider(Arc::clone(roots), Arc::new(aws_lc_rs::default_provider()))
                .with_crls(lists.iter().map(|list| list.der.clone()))
                .enforce_revocation_expiration()
        };
        let issuers: Vec<_> =
            lists.iter().filter(|list| list.part.is_some()).map(|list| list.raw_issuer.clone()).collect();
        let partial = if issuers.is_empty() {
            None
        } else {
            Some(Partial { verifier: builder().only_check_end_entity_revocation().build()?, issuers })
        };
        let chain = builder().allow_unknown_revocation_status().build()?;
        let lists = lists.into_iter();
        let lists = lists.map(|Crl { path, issuer, until, .. }| CrlInUse { path, issuer, until }).collect();
        Ok(Self { chain, partial, lists, expired, digests })
    }

    /// Whether a certificate counts now: signed by a CA of ours, in its time, for client authentication, not revoked.
    pub(super) fn verify(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), Error> {
        self.chain.verify_client_cert(end_entity, intermediates, now)?;
        if let Some(partial) = &self.partial
            && partial.covers_issuer_of(end_entity)
        {
            partial.verifier.verify_client_cert(end_entity, intermediates, now)?;
        }
        Ok(())
    }

    /// What the operator should know: CAs that have expired, and lists that are overdue.
    pub(super) fn warnings(&self, now: Timestamp) -> Vec<String> {
        let overdue = self.lists.iter().filter(|list| list.until <= now).map(|list| {
            format!(
                "the revocation list {} was to be replaced by {}: certificates of {} are refused until there is a newer one",
                list.path.display(),
                list.until,
                list.issuer
            )
        });
        self.expired.iter().cloned().chain(overdue).collect()
    }
}

impl Partial {
    /// A certificate that cannot be read was refused before.
    fn covers_issuer_of(&self, certificate: &CertificateDer<'_>) -> bool {
        EndEntityCert::try_from(certificate)
            .map_or(true, |read| self.issuers.iter().any(|issuer| issuer == read.issuer()))
    }
}
