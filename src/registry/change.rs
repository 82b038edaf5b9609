//! Who changes something, for the history and the trash; and what makes tags immutable for them, which is read from the database when the
//! policy version has grown, and not for a request.

use std::sync::Arc;

use arc_swap::ArcSwapOption;

use super::{Registry, RegistryError};
use crate::auth::Authorized;
use crate::domain::ImmutableRules;
use crate::storage::metadata::{Cause, Change};

/// The rules about immutable tags, and the policy version that they have at least.
#[derive(Default)]
pub(super) struct KnownRules(ArcSwapOption<(i64, ImmutableRules)>);

impl Registry {
    /// A change by the holder of this permit.
    pub(super) async fn change<P>(&self, permit: &Authorized<P>, cause: Cause) -> Result<Change, RegistryError> {
        let known = match self.immutable.0.load_full() {
            Some(known) => known,
            None => self.read_immutable_rules(self.metadata.policy_version().await?).await?,
        };
        Ok(Change {
            by: permit.actor().principal().subject(),
            cause,
            keep: self.settings.trash.keep,
            protection: known.1.of(permit.repository()),
        })
    }

    /// Takes note of a policy version that was read from the database: rules that are older are read again.
    pub async fn note_policy_version(&self, version: i64) -> Result<(), RegistryError> {
        if self.immutable.0.load().as_ref().is_none_or(|known| known.0 < version) {
            self.read_immutable_rules(version).await?;
        }
        Ok(())
    }

    async fn read_immutable_rules(&self, version: i64) -> Result<Arc<(i64, ImmutableRules)>, RegistryError> {
        let rules = self.metadata.immutable_rules().await?.into_iter().map(|record| record.rule).collect();
        let known = Arc::new((version, ImmutableRules::new(rules)));
        self.immutable.0.store(Some(Arc::clone(&known)));
        Ok(known)
    }
}
