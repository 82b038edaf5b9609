//! Drops upload sessions that have made no progress for too long.

use std::sync::Arc;

use async_trait::async_trait;

use super::job::{Cause, Failure, Work};
use crate::registry::Registry;

pub(super) struct ExpireUploads(pub(super) Arc<Registry>);

#[async_trait]
impl Work for ExpireUploads {
    async fn run(&mut self, _: Cause) -> Result<(), Failure> {
        let expired = self.0.drop_stale_uploads().await?;
        if expired > 0 {
            tracing::info!(expired, "dropped upload sessions that made no progress for too long");
        }
        Ok(())
    }
}
