//! Drops what crashes left of uploads in a bucket, which is found by listing it: seldom, and by one node.

use std::sync::Arc;

use async_trait::async_trait;

use super::job::{Cause, Failure, Work};
use crate::registry::Registry;

pub(super) struct DropAbandonedUploads(pub(super) Arc<Registry>);

#[async_trait]
impl Work for DropAbandonedUploads {
    async fn run(&mut self, _: Cause) -> Result<(), Failure> {
        let dropped = self.0.drop_abandoned_uploads().await?;
        if dropped > 0 {
            tracing::info!(dropped, "dropped what interrupted uploads had left in the bucket");
        }
        Ok(())
    }
}
