//! The files of the operator: CAs, and lists of what they have revoked.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use rustls::RootCertStore;
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer};
use x509_parser::certificate::X509Certificate;
use x509_parser::error::X509Error;
use x509_parser::prelude::FromDer;
use x509_parser::revocation_list::CertificateRevocationList;

use super::digests::{ClientDigests, digest_of};
use super::error::ClientFilesError;
use super::trust_store::{Crl, TrustStore};
use crate::pki::certificate::pem::PemText;
use crate::pki::certificate::{from_pem, parse, timestamp};
use crate::pki::error::PkiError;
use crate::pki::files::private_file::read_public;
use crate::pki::files::stamp::FileStamp;

/// The label of a list.
const LIST: &str = "X509 CRL";
/// The largest list, in bytes: some 400,000 certificates.
const LIST_LIMIT: u64 = 16 * 1024 * 1024;

/// Where CAs and revocation lists are stored.
#[derive(Debug, Clone)]
pub struct ClientFiles {
    /// PEM, one CA or more.
    pub ca: PathBuf,
    /// PEM or DER.
    pub crls: Vec<PathBuf>,
}

impl ClientFiles {
    /// Reads all of them again.
    pub(super) fn load(&self, now: Timestamp) -> Result<TrustStore, ClientFilesError> {
        let ders = from_pem(&self.ca, &read_public(&self.ca)?)?;
        let authorities: Vec<X509Certificate<'_>> =
            ders.iter().map(|der| parse(&self.ca, der)).collect::<Result<_, _>>()?;
        let roots = self.roots(&ders, &authorities)?;
        let mut lists: Vec<Crl> = Vec::new();
        for path in &self.crls {
            for der in read_lists(path)? {
                lists.push(list(path, der, &authorities, &lists)?);
            }
        }
        let expired = authorities.iter().filter_map(|authority| self.expired(authority, now)).collect();
        let digests = ClientDigests {
            authorities: digest_of(ders.iter().map(AsRef::as_ref)).ok_or_else(|| self.refused_by_library(&"no CA"))?,
            lists: digest_of(lists.iter().map(Crl::der)),
        };
        TrustStore::new(&Arc::new(roots), lists, expired, digests).map_err(|reason| self.refused_by_library(&reason))
    }

    /// The state of the files, to see a change.
    pub(crate) fn states(&self) -> Vec<FileStamp> {
        std::iter::once(&self.ca).chain(&self.crls).map(|path| FileStamp::of(path)).collect()
    }

    fn roots(
        &self,
        ders: &[CertificateDer<'static>],
        authorities: &[X509Certificate<'_>],
    ) -> Result<RootCertStore, ClientFilesError> {
        let mut roots = RootCertStore::empty();
        for (der, authority) in ders.iter().zip(authorities) {
            if !authority.is_ca() {
                let subject = authority.subject().to_string();
                return Err(ClientFilesError::NoAuthority { path: self.ca.clone(), subject });
            }
            roots.add(der.clone()).map_err(|error| self.refused_by_library(&error))?;
        }
        Ok(roots)
    }

    fn refused_by_library(&self, reason: &impl ToString) -> ClientFilesError {
        ClientFilesError::Library { path: self.ca.clone(), reason: reason.to_string() }
    }

    /// A trust anchor is a name and a key (RFC 5280, section 6.1.1): its dates bind no one. They are told, though.
    fn expired(&self, authority: &X509Certificate<'_>, now: Timestamp) -> Option<String> {
        let until = timestamp(authority.validity().not_after.timestamp());
        (until < now).then(|| {
            format!(
                "the CA {} in {} expired on {until}; certificates that it signed count on until their own end, unless it \
                 is removed from the file",
                authority.subject(),
                self.ca.display()
            )
        })
    }
}

/// All lists of a file.
fn read_lists(path: &Path) -> Result<Vec<CertificateRevocationListDer<'static>>, ClientFilesError> {
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(PkiError::io("read", path))?;
    file.take(LIST_LIMIT + 1).read_to_end(&mut bytes).map_err(PkiError::io("read", path))?;
    if bytes.len() as u64 > LIST_LIMIT {
        return Err(ClientFilesError::TooLarge { path: path.to_owned(), limit: LIST_LIMIT });
    }
    // DER begins with a SEQUENCE, which is not a letter of PEM.
    if bytes.first() == Some(&0x30) {
        return Ok(vec![bytes.into()]);
    }
    let text = PemText::read(&bytes).map_err(|fault| bad_list(path, &fault))?;
    if let Some(other) = text.items.iter().find(|item| item.label != LIST) {
        let reason = format!("{} does not belong there; give revocation lists alone (BEGIN {LIST})", other.label);
        return Err(bad_list(path, &reason));
    }
    if text.items.is_empty() {
        return Err(bad_list(path, &format!("no BEGIN {LIST} line, and no DER")));
    }
    Ok(text.items.into_iter().map(|item| item.der.to_vec().into()).collect())
}

fn bad_list(path: &Path, reason: &impl ToString) -> ClientFilesError {
    ClientFilesError::BadList { path: path.to_owned(), reason: reason.to_string() }
}

/// Looks at one list: that it says whose it is, that its CA has signed it, and that it is the only one of that CA.
fn list(
    path: &Path,
    der: CertificateRevocationListDer<'static>,
    authorities: &[X509Certificate<'_>],
    others: &[Crl],
) -> Result<Crl, ClientFilesError> {
    let (rest, parsed) = CertificateRevocationList::from_der(&der).map_err(|error| bad_list(path, &error))?;
    if !rest.is_empty() {
        return Err(bad_list(path, &"data follows the list"));
    }
    let issuer = parsed.issuer().to_string();
    let bears_the_name = || authorities.iter().filter(|ca| ca.subject().as_raw() == parsed.issuer().as_raw());
    if bears_the_name().next().is_some() && !bears_the_name().any(|ca| has_signed(ca, &parsed)) {
        return Err(ClientFilesError::ForgedList { path: path.to_owned(), issuer });
    }
    let next_update = parsed.next_update().ok_or_else(|| bad_list(path, &"it does not say when the next one comes"))?;
    let until = timestamp(next_update.timestamp());
    let list = Crl::new(path, issuer, until, der).map_err(|reason| bad_list(path, &reason))?;
    // The TLS library looks into the first one alone. Parts of one list differ in what they are about.
    if others.iter().any(|other| other.is_about_the_same(&list)) {
        return Err(ClientFilesError::SecondList { path: path.to_owned(), issuer: list.issuer });
    }
    Ok(list)
}

/// What this parser cannot verify, the TLS library will, once a certificate is looked up.
fn has_signed(ca: &X509Certificate<'_>, list: &CertificateRevocationList<'_>) -> bool {
    !matches!(list.verify_signature(ca.public_key()), Err(X509Error::SignatureVerificationError))
}
