//! Follows changes to users, grants and keys that other processes made; "within a second" is promised.

use std::sync::Arc;

use async_trait::async_trait;

use super::job::{Cause, Failure, Work};
use crate::auth::Authenticator;

pub(super) struct ReloadPolicy(pub(super) Arc<Authenticator>);

#[async_trait]
impl Work for ReloadPolicy {
    async fn run(&mut self, _: Cause) -> Result<(), Failure> {
        Ok(self.0.reload_policy().await?)
    }
}
