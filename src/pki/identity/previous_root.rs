//! What clients are shown that trust the previous root, until the announced date.
//!
//! The old root's constraints bind every name on a path through it, so where the new root signs for more names than the old one,
//! two certificates are served: the cross-signed one, for the names that both permit, and the general one, for a name that is new. A client
//! that sends no name (because it connects to an address) gets the cross-signed one.

use std::sync::Arc;

use jiff::Timestamp;
use rustls::sign::CertifiedKey;

use super::{Identity, Origin};
use crate::pki::authority::RootTransition;
use crate::pki::certificate::chain;
use crate::pki::certificate::subject_name::SubjectName;
use crate::pki::error::PkiError;
use crate::pki::files::paths::PkiPaths;

/// A chain that leads to the previous root, and when it ends.
#[derive(Debug)]
pub(crate) struct CrossSignedChain {
    certified: Arc<CertifiedKey>,
    until: Timestamp,
    /// Names that are the general certificate's alone.
    beyond: Vec<String>,
}

impl CrossSignedChain {
    /// The cross-signed chain for the general certificate `general`. Where the old root permits all of its names, it is that very
    /// certificate with the cross-certificate behind it; `None` where it permits none.
    pub(crate) fn load(
        paths: &PkiPaths,
        general: &Identity,
        rotation: &RootTransition,
        now: Timestamp,
    ) -> Result<Option<Self>, PkiError> {
        let names = &general.summary().names;
        let (within, beyond) = partition(names, rotation);
        if within.is_empty() {
            return Ok(None);
        }
        let own = if beyond.is_empty() {
            Arc::clone(general.certified())
        } else {
            let own = Identity::load(&paths.cross_signed_chain(), &paths.cross_signed_key(), Origin::ManagedCa, now)?;
            if !same(&own.summary().names, &within) {
                let reason = "it is not for the names that the previous root permits";
                return Err(PkiError::Unusable { path: paths.cross_signed_chain(), reason });
            }
            Arc::clone(own.certified())
        };
        let mut chain = own.cert.clone();
        chain.push(rotation.cross().clone());
        if chain::check(&paths.cross_certificate(), &chain, now)?.sent < chain.len() {
            return Err(PkiError::Unusable { path: paths.cross_certificate(), reason: "it has expired" });
        }
        let certified = Arc::new(CertifiedKey::new(chain, Arc::clone(&own.key)));
        Ok(Some(Self { certified, until: rotation.until(), beyond }))
    }

    /// The chain to show who asks for `name`, `None` where that is the general one.
    pub(crate) fn shown_for(&self, name: Option<&str>, now: Timestamp) -> Option<&Arc<CertifiedKey>> {
        let is_new = name.is_some_and(|name| self.beyond.iter().any(|beyond| beyond.eq_ignore_ascii_case(name)));
        (now < self.until && !is_new).then_some(&self.certified)
    }
}

/// The names that the previous root permits, where it does not permit all: those need a certificate of their own.
pub(crate) fn names_within(names: &[SubjectName], rotation: &RootTransition) -> Option<Vec<SubjectName>> {
    let within: Vec<SubjectName> = names.iter().filter(|name| rotation.permits(name)).cloned().collect();
    (!within.is_empty() && within.len() < names.len()).then_some(within)
}

fn partition(names: &[String], rotation: &RootTransition) -> (Vec<String>, Vec<String>) {
    names.iter().cloned().partition(|name| name.parse().is_ok_and(|name| rotation.permits(&name)))
}

fn same(one: &[String], other: &[String]) -> bool {
    one.len() == other.len() && one.iter().all(|name| other.contains(name))
}
