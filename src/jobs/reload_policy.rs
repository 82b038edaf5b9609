//! Follows changes to users, grants, keys and rules that other processes made; "within a second" is promised.

use std::sync::Arc;

use async_trait::async_trait;

use super::job::{Cause, Failure, Work};
use crate::auth::Authenticator;
use crate::registry::Registry;

pub(super) struct ReloadPolicy(pub(super) Arc<Authenticator>, pub(super) Arc<Registry>);

#[async_trait]
impl Work for ReloadPolicy {
    async fn run(&mut self, _: Cause) -> Result<(), Failure> {
        let version = self.0.reload_policy().await?;
        Ok(self.1.note_policy_version(version).await?)
    }
}
