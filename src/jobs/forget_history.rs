//! Forgets what tags pointed to long ago.

use std::sync::Arc;

use async_trait::async_trait;

use super::job::{Cause, Failure, Work};
use crate::registry::Registry;

pub(super) struct ForgetHistory(pub(super) Arc<Registry>);

#[async_trait]
impl Work for ForgetHistory {
    async fn run(&mut self, _: Cause) -> Result<(), Failure> {
        self.0.forget_history().await?;
        Ok(())
    }
}
