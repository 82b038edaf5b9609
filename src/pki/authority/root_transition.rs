//! The transition from one root to the next: a certificate for the new root's key that the old root has signed.
//!
//! It is an ordinary cross certificate (RFC 5280 section 3.2). While it is sent along, a host that trusts the old root finds
//! leaf, issuing, cross, old root, and one that trusts the new root leaf, issuing, new root. It ends at the announced date, and is
//! at the same time the cross-certificate by which `portcullis trust` accepts the new root. The old root's key is destroyed once it is signed.

use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use rcgen::{Issuer, KeyPair};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;
use rustls_pki_types::CertificateDer;

use super::files::{NewRoot, check_clock, read_certificate, sweep, write_new_authority};
use super::params::cross_params;
use super::{Authority, RootKeyLocation};
use crate::domain::Clock;
use crate::domain::net::fingerprint::Fingerprint;
use crate::pki::certificate::chain;
use crate::pki::certificate::pem::certificate_to_pem;
use crate::pki::certificate::permitted_names::{Constraints, PermittedNames};
use crate::pki::certificate::subject_name::SubjectName;
use crate::pki::certificate::{self, CertificateSummary};
use crate::pki::error::PkiError;
use crate::pki::files::atomic_file::temporary_next_to;
use crate::pki::files::paths::PkiPaths;
use crate::pki::files::private_file::{
    destroy_directory, lock_directory, make_directory, sync_directory, write_public,
};

/// The intermediates that a root must permit below itself for a transition: cross certificate and issuing certificate.
const PATH_LENGTH: u32 = 2;

/// How a root takes the place of another.
#[derive(Debug, Clone)]
pub(crate) struct RotationRequest {
    /// What the new root shall sign for.
    pub names: Vec<SubjectName>,
    /// Names that are served from now on, whatever is configured.
    pub added: Vec<SubjectName>,
    /// Whether the new root is bound to `names`.
    pub constraints: Constraints,
    /// How long hosts that trust the old root are served too, at most until its end; `None`: from now on they are not.
    pub overlap: Option<Duration>,
}

/// A transition under way: hosts that trust the previous root are served until a date.
#[derive(Debug, Clone)]
pub(crate) struct RootTransition {
    previous: CertificateDer<'static>,
    previous_fingerprint: Fingerprint,
    permitted: PermittedNames,
    cross: CertificateDer<'static>,
    until: Timestamp,
}

impl RootTransition {
    /// The transition to the root in `ca/root.pem`, while it lasts. One that does not hold together is reported and counts for
    /// nothing: this root's own clients must be served.
    pub(crate) fn load(paths: &PkiPaths, now: Timestamp) -> Option<Self> {
        match Self::read(paths) {
            Ok(rotation) => rotation.filter(|rotation| now < rotation.until),
            Err(error) => {
                tracing::warn!(%error, "the transition from the previous root is unusable: hosts that trust that root are not served");
                None
            }
        }
    }

    fn read(paths: &PkiPaths) -> Result<Option<Self>, PkiError> {
        let (root_path, previous_path, cross_path) =
            (paths.root_certificate(), paths.previous_root(), paths.cross_certificate());
        let cross = match read_certificate(&cross_path) {
            Err(error) if error.is_missing() => return Ok(None),
            cross => cross?,
        };
        let (root, previous) = (read_certificate(&root_path)?, read_certificate(&previous_path)?);
        let (parsed_root, parsed_previous) =
            (certificate::parse(&root_path, &root)?, certificate::parse(&previous_path, &previous)?);
        let parsed_cross = certificate::parse(&cross_path, &cross)?;
        let same = parsed_cross.public_key().raw == parsed_root.public_key().raw
            && parsed_cross.subject().as_raw() == parsed_root.subject().as_raw();
        if !same || !chain::is_signed_by(&parsed_cross, &parsed_previous) {
            let reason = "it belongs to another root or to another previous root";
            return Err(PkiError::Unusable { path: cross_path, reason });
        }
        let permitted = PermittedNames::from_certificate(&parsed_previous);
        let until = CertificateSummary::read(&cross_path, &cross)?.not_after;
        let previous_fingerprint = Fingerprint::of_der(&previous);
        Ok(Some(Self { previous, previous_fingerprint, permitted, cross, until }))
    }

    /// The SHA-256 of the previous root.
    pub(crate) fn previous_fingerprint(&self) -> Fingerprint {
        self.previous_fingerprint
    }

    /// The announced date: from then on only hosts that trust the new root are served.
    pub(crate) fn until(&self) -> Timestamp {
        self.until
    }

    /// Whether hosts that trust the previous root accept a certificate for `name`.
    pub(crate) fn permits(&self, name: &SubjectName) -> bool {
        self.permitted.permits(name)
    }

    /// The previous root, then the cross-certificate that it has signed, as PEM.
    pub(crate) fn to_pem(&self) -> String {
        certificate_to_pem(&self.previous) + &certificate_to_pem(&self.cross)
    }

    /// The certificate that leads from this root's key to the previous root.
    pub(crate) fn cross(&self) -> &CertificateDer<'static> {
        &self.cross
    }
}

impl Authority {
    /// Replaces the root in `ca/`, and the issuing certificate below it, by new ones; the directory changes as a whole or
    /// not at all. The old keys are destroyed. A running server takes the new ones up within a second.
    pub(crate) fn rotate(data_dir: &Path, request: &RotationRequest, clock: &Clock) -> Result<Self, PkiError> {
        if request.names.is_empty() {
            return Err(PkiError::NoNames);
        }
        check_clock(clock.now())?;
        let paths = PkiPaths::new(data_dir);
        let lock = lock_directory(data_dir)?;
        sweep(&paths)?;
        let old = Self::load_locked(&paths, Some(&lock), clock)?;
        let directory = paths.authority_dir();
        let staging = temporary_next_to(&directory);
        make_directory(&staging)?;
        let staged = stage(&paths.with_authority_in(&staging), &old, request)
            .and_then(|()| exchange(&staging, &directory))
            .and_then(|()| sync_directory(data_dir));
        // What is stored there now: the old authority, or after a failure the new one that is not in force.
        let destroyed = destroy_directory(&staging);
        staged?;
        destroyed.map_err(|error| PkiError::OldKeyLeft { path: staging, reason: error.to_string() })?;
        Self::load_locked(&paths, Some(&lock), clock)
    }
}

/// Writes the new authority into a directory of its own.
fn stage(paths: &PkiPaths, old: &Authority, request: &RotationRequest) -> Result<(), PkiError> {
    let transition = request.overlap.map(|overlap| transition(old, overlap)).transpose()?;
    let new = write_new_authority(paths, &request.names, request.constraints, old.clock.now())?;
    let mut added = old.added_names().to_vec();
    added.extend(request.added.iter().filter(|name| !old.added_names().contains(name)).cloned());
    if !added.is_empty() {
        let lines: Vec<String> = added.iter().map(ToString::to_string).collect();
        write_public(&paths.added_names(), (lines.join("\n") + "\n").as_bytes())?;
    }
    if let Some((key, until)) = transition {
        let cross = sign_cross(old, key, &new, until)?;
        write_public(&paths.previous_root(), old.root_pem().as_bytes())?;
        write_public(&paths.cross_certificate(), certificate_to_pem(&cross).as_bytes())?;
    }
    Ok(())
}

/// The key that signs the cross-certificate, and when it ends.
fn transition(old: &Authority, overlap: Duration) -> Result<(&KeyPair, Timestamp), PkiError> {
    let now = old.clock.now();
    if let Some(rotation) = &old.rotation(now) {
        return Err(PkiError::TransitionUnderWay { until: rotation.until });
    }
    let path = old.paths.root_certificate();
    let parsed = certificate::parse(&path, &old.root)?;
    let length =
        parsed.basic_constraints().ok().flatten().and_then(|constraints| constraints.value.path_len_constraint);
    if length.is_some_and(|length| length < PATH_LENGTH) {
        return Err(PkiError::NoTransition { path, reason: "its path length is too short for it" });
    }
    let wanted = now.as_second().saturating_add_unsigned(overlap.as_secs());
    let until = wanted.min(old.root_not_after().as_second());
    if until <= now.as_second() {
        return Err(PkiError::NoTransition { path, reason: "it has expired, or the overlap is empty" });
    }
    if let Some(key) = &old.root_key {
        // What was cut off above is between now and a certificate's end.
        return Ok((key, Timestamp::from_second(until).unwrap_or(now)));
    }
    let place = match old.root_key_location() {
        RootKeyLocation::Sealed => "it is sealed",
        RootKeyLocation::Here | RootKeyLocation::Elsewhere => "it was moved elsewhere",
    };
    Err(PkiError::RootKeyAway { place, hint: ", or rotate without it by --at-once" })
}

fn sign_cross(
    old: &Authority,
    old_key: &KeyPair,
    new: &NewRoot,
    until: Timestamp,
) -> Result<CertificateDer<'static>, PkiError> {
    let issuer = Issuer::from_ca_cert_der(&old.root, old_key)?;
    Ok(cross_params(&new.params, until, old.clock.now()).signed_by(&new.key, &issuer)?.der().clone())
}

fn exchange(one: &Path, other: &Path) -> Result<(), PkiError> {
    renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE).map_err(|errno| match errno {
        Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP => {
            PkiError::NoExchange { path: other.to_owned(), source: errno.into() }
        }
        errno => PkiError::io("exchange", other)(errno.into()),
    })
}
