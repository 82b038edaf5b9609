//! Runs the rules of retention once a day.

use async_trait::async_trait;

use super::job::{Cause, Failure, Work};
use crate::admin::Retention;

/// Once so often, in seconds.
const EVERY: i64 = 24 * 60 * 60;

pub(super) struct ApplyRetention(pub(super) Retention);

#[async_trait]
impl Work for ApplyRetention {
    async fn run(&mut self, _: Cause) -> Result<(), Failure> {
        let Some(outcome) = self.0.run_if_due(EVERY).await? else { return Ok(()) };
        for first in &outcome.rehearsed {
            tracing::info!(
                rule = first.rule,
                would_remove = first.would_remove,
                "a retention rule had its first run, which removes nothing; `portcullis retention preview` shows what the next one removes"
            );
        }
        if outcome.waiting > 0 {
            tracing::warn!(
                waiting = outcome.waiting,
                of = outcome.examined,
                "retention would remove more than 30 % of what its rules decide about: see `portcullis retention preview`, then \
                 `portcullis retention run --confirm`"
            );
        } else if outcome.tags + outcome.manifests > 0 {
            tracing::info!(
                tags = outcome.tags,
                manifests = outcome.manifests,
                of = outcome.examined,
                "retention removed what no rule keeps"
            );
        }
        Ok(())
    }
}
