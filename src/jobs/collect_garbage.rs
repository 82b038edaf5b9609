//! Removes what nothing refers to any more, a little at a time.

use std::sync::Arc;

use async_trait::async_trait;

use super::job::{Cause, Failure, Work};
use crate::registry::{CollectionPace, CollectionStop, Registry};

pub(super) struct CollectGarbage {
    registry: Arc<Registry>,
    pace: CollectionPace,
    /// Why the last run left something; it is logged once.
    stopped: Option<CollectionStop>,
}

impl CollectGarbage {
    pub(super) fn new(registry: Arc<Registry>, pace: CollectionPace) -> Self {
        Self { registry, pace, stopped: None }
    }

    fn tell(&mut self, stopped: Option<CollectionStop>) {
        match (&stopped, &self.stopped) {
            (Some(stop), before)
                if before.as_ref().map(std::mem::discriminant) != Some(std::mem::discriminant(stop)) =>
            {
                tracing::warn!("{stop}");
            }
            (None, Some(_)) => tracing::info!("what nothing refers to any more is removed again"),
            _ => {}
        }
        self.stopped = stopped;
    }
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
        self.tell(collected.stopped);
        Ok(())
    }
}
