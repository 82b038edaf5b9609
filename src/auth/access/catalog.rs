//! The permit to list repositories: it shows each caller what that caller may pull.

use std::sync::Arc;

use crate::auth::{Policy, Principal};
use crate::domain::{Action, NameRange, RepositoryName};

/// The proof that somebody may list repositories. Only [`Policy::authorize_catalog`] makes one.
#[derive(Debug)]
pub struct CatalogPermit {
    policy: Arc<Policy>,
    principal: Principal,
}

impl CatalogPermit {
    /// For policy alone.
    pub(in crate::auth) fn new(policy: Arc<Policy>, principal: Principal) -> Self {
        Self { policy, principal }
    }

    /// Whether `repository` belongs into the answer.
    pub fn may_see(&self, repository: &RepositoryName) -> bool {
        self.policy.allowed(&self.principal, repository).contains(Action::Pull)
    }

    /// The ranges of names outside of which there is nothing to see, in order.
    pub fn reach(&self) -> Vec<NameRange> {
        self.policy.reach(&self.principal)
    }

    /// Who lists: `user:alice`, or `anonymous`.
    pub fn subject(&self) -> String {
        self.principal.subject()
    }
}
