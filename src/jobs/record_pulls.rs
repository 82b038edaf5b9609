//! Writes down what this node has served since the last time.

use std::sync::Arc;

use async_trait::async_trait;

use super::job::{Cause, Failure, Work};
use crate::registry::Registry;

pub(super) struct RecordPulls(pub(super) Arc<Registry>);

#[async_trait]
impl Work for RecordPulls {
    async fn run(&mut self, _: Cause) -> Result<(), Failure> {
        self.0.record_pulls().await?;
        Ok(())
    }
}
