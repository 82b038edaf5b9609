//! The permit to list repositories: it shows each caller what that caller may pull.

use std::sync::Arc;

use super::actor::Actor;
use crate::auth::Policy;
use crate::domain::{Action, NameRange, RepositoryName};

/// The proof that its holder may list repositories. Only [`Policy::authorize_catalog`] makes one.
#[derive(Debug)]
pub struct CatalogPermit {
    policy: Arc<Policy>,
    actor: Actor,
}

impl CatalogPermit {
    /// For policy alone.
    pub(in crate::auth) fn new(policy: Arc<Policy>, actor: Actor) -> Self {
        Self { policy, actor }
    }

    /// Whether `repository` belongs in the answer.
    pub fn may_see(&self, repository: &RepositoryName) -> bool {
        self.policy.allowed(self.actor.principal(), repository).contains(Action::Pull)
    }

    /// The ranges of names outside of which its holder sees nothing, in order.
    pub fn visible_ranges(&self) -> Vec<NameRange> {
        self.policy.pull_ranges(self.actor.principal())
    }

    /// Who lists, by which credential, in which request.
    pub fn actor(&self) -> &Actor {
        &self.actor
    }
}
