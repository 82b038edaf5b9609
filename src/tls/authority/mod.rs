//! The registry's own certificate authority: a constrained root, an issuing certificate below it, and what they sign.

mod files;
mod params;
mod signer;

use std::path::Path;

use jiff::Timestamp;
use rcgen::{Issuer, KeyPair};
use rustls_pki_types::CertificateDer;
use zeroize::Zeroizing;

use self::files::{check_pair, read_certificate, read_key_pair, root_key_missing, to_pem, write_new_authority};
use self::params::leaf_params;
use self::signer::{Signer, load_issuing, new_issuing};
use super::certificate::{self, CertificateSummary};
use super::chain;
use super::constraints::{Constraints, PermittedNames};
use super::error::TlsError;
use super::fingerprint::Fingerprint;
use super::lifetime::renewal_due;
use super::paths::TlsPaths;
use super::private_file::{make_directory, sync_directory, temporary_beside};
use super::subject_name::SubjectName;

/// The authority of one data directory, with the keys that are there.
///
/// The root key may be absent (sealed or kept elsewhere): then leaves are signed until the issuing certificate ends.
pub struct Authority {
    paths: TlsPaths,
    root: CertificateDer<'static>,
    root_summary: CertificateSummary,
    root_key: Option<KeyPair>,
    permitted: PermittedNames,
    issuing: Signer,
}

/// A server certificate fresh from the authority.
pub struct IssuedLeaf {
    /// The chain to send: leaf, then issuing certificate.
    pub chain_pem: String,
    /// The private key as PKCS #8 PEM.
    pub key_pem: Zeroizing<String>,
}

impl Authority {
    /// Makes root and issuing certificate in `ca/` of the data directory. The directory appears whole or not at all, and
    /// one that exists is refused.
    pub fn create(data_dir: &Path, names: &[SubjectName], constraints: Constraints) -> Result<Self, TlsError> {
        if names.is_empty() {
            return Err(TlsError::NoNames);
        }
        let paths = TlsPaths::new(data_dir);
        let directory = paths.authority_dir();
        if directory.read_dir().is_ok_and(|mut entries| entries.next().is_some()) {
            return Err(TlsError::AuthorityExists { path: directory });
        }
        make_directory(data_dir)?;
        let staging = temporary_beside(&directory);
        make_directory(&staging)?;
        let published = write_new_authority(&staging, names, constraints)
            .and_then(|()| std::fs::rename(&staging, &directory).map_err(TlsError::io("make", &directory)));
        if let Err(error) = published {
            // The error above is the one to report; nothing refers to the staging directory.
            let _ = std::fs::remove_dir_all(&staging);
            return Err(error);
        }
        sync_directory(data_dir)?;
        Self::load(data_dir)
    }

    /// Whether the data directory has an authority.
    pub fn exists(data_dir: &Path) -> bool {
        TlsPaths::new(data_dir).root_certificate().exists()
    }

    /// Loads the authority of a data directory. A damaged or expired issuing certificate is made anew where the root key is
    /// there; a key that others may read is refused.
    pub fn load(data_dir: &Path) -> Result<Self, TlsError> {
        let paths = TlsPaths::new(data_dir);
        let path = paths.root_certificate();
        let root = read_certificate(&path)?;
        let root_summary = CertificateSummary::read(&path, &root)?;
        let permitted = PermittedNames::from_certificate(&certificate::parse(&path, &root)?);
        let root_key = match read_key_pair(&paths.root_key()) {
            Ok(key) => Some(key),
            Err(error) if error.is_missing() => None,
            Err(error) => return Err(error),
        };
        if let Some(key) = &root_key {
            check_pair(&path, &root, &paths.root_key(), key)?;
        }
        let issuing = match (load_issuing(&paths, &root), &root_key) {
            (Ok(issuing), _) => issuing,
            (Err(error), Some(key)) if error.is_mended_by_reissue() => {
                tracing::warn!(%error, "the issuing certificate is unusable; making a new one");
                new_issuing(&paths, &root, &root_summary, key, &permitted)?
            }
            (Err(error), None) if error.is_mended_by_reissue() => {
                return Err(root_key_missing(&paths, format!("is unusable ({error})")));
            }
            (Err(error), _) => return Err(error),
        };
        Ok(Self { paths, root, root_summary, root_key, permitted, issuing })
    }

    /// Signs a server certificate for `names`, 90 days or up to the issuing certificate's end. Past two thirds of its life
    /// the issuing certificate is made anew first, where the root key is there.
    pub fn issue_leaf(&mut self, names: &[SubjectName]) -> Result<IssuedLeaf, TlsError> {
        self.check_permitted(names)?;
        self.refresh_issuing()?;
        let key = KeyPair::generate()?;
        let issuer = Issuer::from_ca_cert_der(&self.issuing.der, &self.issuing.key)?;
        let leaf = leaf_params(names, self.issuing.summary.not_after)?.signed_by(&key, &issuer)?;
        let chain_pem = leaf.pem() + &to_pem(&self.issuing.der);
        Ok(IssuedLeaf { chain_pem, key_pem: Zeroizing::new(key.serialize_pem()) })
    }

    /// Whether clients that trust the root would accept a certificate for `name`.
    pub fn permits(&self, name: &SubjectName) -> bool {
        self.permitted.permits(name)
    }

    /// What the root certificate's constraints permit.
    pub fn permitted(&self) -> &PermittedNames {
        &self.permitted
    }

    /// The SHA-256 of the root certificate, the value to pin.
    pub fn fingerprint(&self) -> Fingerprint {
        self.root_summary.fingerprint
    }

    /// The root certificate as PEM, one certificate.
    pub fn root_pem(&self) -> String {
        to_pem(&self.root)
    }

    /// The root certificate as DER.
    pub fn root_der(&self) -> &CertificateDer<'static> {
        &self.root
    }

    /// The end of the root certificate.
    pub fn root_not_after(&self) -> Timestamp {
        self.root_summary.not_after
    }

    /// The end of the issuing certificate.
    pub fn issuing_not_after(&self) -> Timestamp {
        self.issuing.summary.not_after
    }

    /// Whether the root key is in the data directory.
    pub fn has_root_key(&self) -> bool {
        self.root_key.is_some()
    }

    /// Whether `der` is a certificate that this root signed and that may sign leaves.
    pub(super) fn signed(&self, path: &Path, der: &CertificateDer<'_>) -> Result<bool, TlsError> {
        let root_path = self.paths.root_certificate();
        let root = certificate::parse(&root_path, &self.root)?;
        Ok(chain::is_signed_by(&certificate::parse(path, der)?, &root))
    }

    /// Refuses names outside of the constraints, before a certificate is made that no client accepts.
    pub(super) fn check_permitted(&self, names: &[SubjectName]) -> Result<(), TlsError> {
        if names.is_empty() {
            return Err(TlsError::NoNames);
        }
        match names.iter().find(|name| !self.permits(name)) {
            None => Ok(()),
            Some(name) => Err(TlsError::NotPermitted { name: name.to_string(), permitted: self.permitted.to_string() }),
        }
    }

    fn refresh_issuing(&mut self) -> Result<(), TlsError> {
        let (summary, now) = (&self.issuing.summary, Timestamp::now());
        if !renewal_due(summary.not_before, summary.not_after, now) {
            return Ok(());
        }
        match &self.root_key {
            Some(key) => {
                self.issuing = new_issuing(&self.paths, &self.root, &self.root_summary, key, &self.permitted)?;
                Ok(())
            }
            None if now < summary.not_after => {
                tracing::warn!(until = %summary.not_after, "the issuing certificate nears its end and the root key is not here");
                Ok(())
            }
            None => Err(root_key_missing(&self.paths, format!("expired on {}", summary.not_after))),
        }
    }
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authority").field("root", &self.root_summary).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for IssuedLeaf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IssuedLeaf").finish_non_exhaustive()
    }
}
