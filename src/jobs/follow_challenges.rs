//! Answers the ACME challenges that the database holds, whichever process put them there.

use std::sync::Arc;

use async_trait::async_trait;

use super::job::{Cause, Failure, Work};
use crate::pki::acme::{AcmeChallenges, AcmeStore};

pub(super) struct FollowChallenges {
    pub(super) challenges: Arc<AcmeChallenges>,
    pub(super) store: Arc<dyn AcmeStore>,
}

#[async_trait]
impl Work for FollowChallenges {
    async fn run(&mut self, _: Cause) -> Result<(), Failure> {
        let pending = self.store.pending().await.map_err(|error| Failure::of(&error))?;
        self.challenges.replace(pending);
        Ok(())
    }
}
