//! The registry's own certificate authority: a constrained root, an issuing certificate below it, and what they sign.

mod encrypted_key;
mod files;
mod params;
mod root_key_store;
mod root_transition;
mod signer;

pub(crate) use self::files::{check_clock, root_out_of_time, sweep};
pub(crate) use self::root_key_store::{StoredRootKey, move_root_key, seal_root_key};
pub(crate) use self::root_transition::{RootTransition, RotationRequest};

use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use rcgen::{Issuer, KeyPair};
use rustls_pki_types::CertificateDer;
use zeroize::Zeroizing;

use self::files::{
    check_pair, read_added_names, read_certificate, read_key_pair, root_key_missing, write_new_authority,
};
use self::params::leaf_params;
use self::signer::{Signer, load_issuing, new_issuing};
use super::certificate::chain;
use super::certificate::pem::certificate_to_pem;
use super::certificate::permitted_names::{Constraints, PermittedNames};
use super::certificate::subject_name::SubjectName;
use super::certificate::{self, CertificateSummary};
use super::error::PkiError;
use super::files::atomic_file::temporary_next_to;
use super::files::paths::PkiPaths;
use super::files::private_file::{DirectoryLock, lock_directory, make_directory, sync_directory};
use super::identity::Identity;
use super::lifetime::{EXPIRY_WARNING, ISSUING_WARNING, ROOT_WARNING, renewal_due};
use crate::domain::Clock;
use crate::domain::net::fingerprint::Fingerprint;

/// The authority of one data directory, with the keys that are there.
///
/// The root key may be absent (sealed or kept elsewhere): then leaves are signed until the issuing certificate ends.
pub(crate) struct Authority {
    clock: Clock,
    paths: PkiPaths,
    root: CertificateDer<'static>,
    root_summary: CertificateSummary,
    root_key: Option<KeyPair>,
    permitted: PermittedNames,
    issuing: Signer,
    added: Vec<SubjectName>,
    rotation: Option<RootTransition>,
}

/// A server certificate fresh from the authority.
pub(crate) struct IssuedLeaf {
    /// The chain to send: leaf, then issuing certificate.
    pub chain_pem: String,
    /// The private key as PKCS #8 PEM.
    pub key_pem: Zeroizing<String>,
}

/// Where the root key is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RootKeyLocation {
    /// In the data directory, ready to sign.
    Here,
    /// In the data directory, under a passphrase.
    Sealed,
    /// Not in the data directory.
    Elsewhere,
}

impl Authority {
    /// Makes root and issuing certificate in `ca/` of the data directory. The directory appears whole or not at all, and
    /// one that exists is refused.
    pub(crate) fn create(
        data_dir: &Path,
        names: &[SubjectName],
        constraints: Constraints,
        clock: &Clock,
    ) -> Result<Self, PkiError> {
        if names.is_empty() {
            return Err(PkiError::NoNames);
        }
        check_clock(clock.now())?;
        let paths = PkiPaths::new(data_dir);
        let directory = paths.authority_dir();
        make_directory(data_dir)?;
        let lock = lock_directory(data_dir)?;
        if directory.read_dir().is_ok_and(|mut entries| entries.next().is_some()) {
            return Err(PkiError::AuthorityExists { path: directory });
        }
        let staging = temporary_next_to(&directory);
        make_directory(&staging)?;
        let published = write_new_authority(&paths.with_authority_in(&staging), names, constraints, clock.now())
            .and_then(|_| std::fs::rename(&staging, &directory).map_err(PkiError::io("make", &directory)));
        if let Err(error) = published {
            // The error above is the one to report; nothing refers to the staging directory.
            let _ = std::fs::remove_dir_all(&staging);
            return Err(error);
        }
        sync_directory(data_dir)?;
        Self::load_locked(&paths, Some(&lock), clock)
    }

    /// The clock by which it judges.
    pub(crate) fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Whether the data directory has an authority.
    pub(crate) fn exists(data_dir: &Path) -> bool {
        PkiPaths::new(data_dir).root_certificate().exists()
    }

    /// Loads the authority of a data directory. A damaged or expired issuing certificate is replaced where the root key is
    /// there; a key that others may read is refused.
    pub(crate) fn load(data_dir: &Path, clock: &Clock) -> Result<Self, PkiError> {
        let paths = PkiPaths::new(data_dir);
        let path = paths.root_certificate();
        loop {
            let before = read_certificate(&path)?;
            let loaded = Self::load_locked(&paths, None, clock);
            // A rotation may have exchanged the files while they were read; it does so once, so this ends.
            if read_certificate(&path)? == before {
                return loaded;
            }
        }
    }

    fn load_locked(paths: &PkiPaths, lock: Option<&DirectoryLock>, clock: &Clock) -> Result<Self, PkiError> {
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
        let issuing = match (load_issuing(paths, &root), &root_key) {
            (Ok(issuing), _) => issuing,
            (Err(error), Some(key)) if error.is_fixed_by_reissue() => {
                tracing::warn!(%error, "the issuing certificate is unusable; making a new one");
                new_issuing(paths, &root, key, lock, clock.now())?
            }
            (Err(error), None) if error.is_fixed_by_reissue() => {
                return Err(root_key_missing(paths, format!("is unusable ({error})")));
            }
            (Err(error), _) => return Err(error),
        };
        let added = read_added_names(&paths.added_names())?;
        let rotation = RootTransition::load(paths, clock.now());
        Ok(Self {
            clock: clock.clone(),
            paths: paths.clone(),
            root,
            root_summary,
            root_key,
            permitted,
            issuing,
            added,
            rotation,
        })
    }

    /// Signs a server certificate for `names`, 90 days or up to the issuing certificate's end. Past two thirds of its life
    /// the issuing certificate is replaced first, where the root key is there.
    pub(crate) fn issue_leaf(&mut self, names: &[SubjectName]) -> Result<IssuedLeaf, PkiError> {
        self.check_permitted(names)?;
        if let Some(error) = root_out_of_time(&self.paths, self.clock.now()) {
            return Err(error);
        }
        self.refresh_issuing()?;
        let key = KeyPair::generate()?;
        let issuer = Issuer::from_ca_cert_der(&self.issuing.der, &self.issuing.key)?;
        let leaf = leaf_params(names, self.issuing.summary.not_after, self.clock.now())?.signed_by(&key, &issuer)?;
        let chain_pem = leaf.pem() + &certificate_to_pem(&self.issuing.der);
        Ok(IssuedLeaf { chain_pem, key_pem: Zeroizing::new(key.serialize_pem()) })
    }

    /// Whether clients that trust the root would accept a certificate for `name`.
    pub(crate) fn permits(&self, name: &SubjectName) -> bool {
        self.permitted.permits(name)
    }

    /// What the root certificate's constraints permit.
    pub(crate) fn permitted(&self) -> &PermittedNames {
        &self.permitted
    }

    /// Whether the root can sign for nothing but its names: a host that trusts it risks no other site.
    pub(crate) fn is_constrained(&self) -> bool {
        matches!(self.permitted, PermittedNames::Only(_))
    }

    /// The SHA-256 of the root certificate, the value to pin.
    pub(crate) fn fingerprint(&self) -> Fingerprint {
        self.root_summary.fingerprint
    }

    /// The root certificate as PEM, one certificate.
    pub(crate) fn root_pem(&self) -> String {
        certificate_to_pem(&self.root)
    }

    /// The root certificate as DER.
    pub(crate) fn root_der(&self) -> &CertificateDer<'static> {
        &self.root
    }

    /// The end of the root certificate.
    pub(crate) fn root_not_after(&self) -> Timestamp {
        self.root_summary.not_after
    }

    /// The end of the issuing certificate.
    pub(crate) fn issuing_not_after(&self) -> Timestamp {
        self.issuing.summary.not_after
    }

    /// Where the root key is.
    pub(crate) fn root_key_location(&self) -> RootKeyLocation {
        match &self.root_key {
            Some(_) => RootKeyLocation::Here,
            None if self.paths.sealed_root_key().exists() => RootKeyLocation::Sealed,
            None => RootKeyLocation::Elsewhere,
        }
    }

    /// Names that are served next to the configured ones: those that rotations were told.
    pub(crate) fn added_names(&self) -> &[SubjectName] {
        &self.added
    }

    /// The transition from the previous root, as long as it lasts.
    pub(crate) fn rotation(&self, now: Timestamp) -> Option<&RootTransition> {
        self.rotation.as_ref().filter(|rotation| now < rotation.until())
    }

    /// What is about to expire and will not be renewed automatically: the root from 180 days before its end; the issuing certificate from 60 days
    /// before its end where the root key is not here, and else from 14 days, for then it should have been replaced long ago.
    pub(crate) fn expiry_warning(&self, now: Timestamp) -> Option<String> {
        let near = |end: Timestamp, from: Duration| {
            end.as_second().saturating_sub(now.as_second()) <= from.as_secs().cast_signed()
        };
        let (root, issuing) = (self.root_not_after(), self.issuing_not_after());
        if root <= now {
            return Some(format!(
                "the root certificate expired on {root}: run `portcullis ca rotate --at-once`, and have every host trust the new one"
            ));
        }
        if near(root, ROOT_WARNING) {
            return Some(format!(
                "the root certificate expires on {root}: run `portcullis ca rotate`, and have every host trust the new one before"
            ));
        }
        let fix = match self.root_key_location() {
            RootKeyLocation::Here if near(issuing, EXPIRY_WARNING) => "run `portcullis cert renew`",
            RootKeyLocation::Here => return None,
            _ if !near(issuing, ISSUING_WARNING) => return None,
            RootKeyLocation::Sealed => {
                "the root key that signs a new one is sealed; run `portcullis ca unseal`, then `portcullis cert renew`"
            }
            RootKeyLocation::Elsewhere => {
                "the root key that signs a new one is not here; run `portcullis ca unseal --from FILE`, then `portcullis cert renew`"
            }
        };
        Some(format!("the issuing certificate expires on {issuing}: {fix}"))
    }

    /// Whether the identity's chain ends below this root.
    pub(crate) fn vouches_for(&self, identity: &Identity) -> bool {
        let issuing = identity.certified().cert.get(1);
        issuing.is_some_and(|issuing| self.signed(&self.paths.leaf_chain(), issuing).unwrap_or(false))
    }

    /// Whether `der` is a certificate that this root signed and that may sign leaves.
    pub(crate) fn signed(&self, path: &Path, der: &CertificateDer<'_>) -> Result<bool, PkiError> {
        let root_path = self.paths.root_certificate();
        let root = certificate::parse(&root_path, &self.root)?;
        Ok(chain::is_signed_by(&certificate::parse(path, der)?, &root))
    }

    /// Refuses names outside of the constraints, before a certificate is made that no client accepts.
    pub(crate) fn check_permitted(&self, names: &[SubjectName]) -> Result<(), PkiError> {
        if names.is_empty() {
            return Err(PkiError::NoNames);
        }
        match names.iter().find(|name| !self.permits(name)) {
            None => Ok(()),
            Some(name) => Err(PkiError::NotPermitted { name: name.to_string(), permitted: self.permitted.to_string() }),
        }
    }

    fn refresh_issuing(&mut self) -> Result<(), PkiError> {
        let (summary, now) = (&self.issuing.summary, self.clock.now());
        if !renewal_due(summary.not_before, summary.not_after, now) {
            return Ok(());
        }
        match &self.root_key {
            Some(key) => {
                self.issuing = new_issuing(&self.paths, &self.root, key, None, now)?;
                Ok(())
            }
            None if now < summary.not_after => Ok(()),
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
