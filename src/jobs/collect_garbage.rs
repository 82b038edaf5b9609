//! Removes what nothing refers to any more, a little at a time.

use std::sync::Arc;

use async_trait::async_trait;

use super::job::{Cause, Failure, Work};
use crate::registry::{CollectionPace, Registry};

pub(super) struct CollectGarbage {
    pub(super) registry: Arc<Registry>,
    pub(super) pace: CollectionPace,
}

#[async_trait]
impl Work for CollectGarbage {
    async fn run(&mut self, _: Cause) -> Result<(), Failure> {
        let collected = self.registry.collect(self.pace, |_| ()).await?;
        if !collected.is_nothing() {
            tracing::info!(
                manifests = collected.manifests,
                links = collected.links,
                blobs = collected.blobs,
                freed_bytes = collected.freed_bytes,
                "removed what nothing refers to any more"
            );
        }
        Ok(())
    }
}
