//! Follows what is used of quotas, on every node; and counts what quotas that were set on repositories with content cover, on one.

use std::sync::Arc;

use async_trait::async_trait;

use super::job::{Cause, Failure, Work};
use crate::registry::Registry;

pub(super) struct FollowQuotas(pub(super) Arc<Registry>);

#[async_trait]
impl Work for FollowQuotas {
    async fn run(&mut self, _: Cause) -> Result<(), Failure> {
        Ok(self.0.follow_quotas().await?)
    }
}

pub(super) struct CountQuotas(pub(super) Arc<Registry>);

#[async_trait]
impl Work for CountQuotas {
    async fn run(&mut self, _: Cause) -> Result<(), Failure> {
        while let Some(quota) = self.0.count_quotas().await? {
            tracing::debug!(%quota, "counted a part of what a quota covers");
        }
        Ok(())
    }
}
