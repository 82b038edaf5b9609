//! Follows a move of the registry to other storage, which a command makes: what is to be refused is refused before a body is received.

use std::sync::Arc;

use async_trait::async_trait;

use super::job::{Cause, Failure, Work};
use crate::registry::Registry;

pub(super) struct FollowMove(pub(super) Arc<Registry>);

#[async_trait]
impl Work for FollowMove {
    async fn run(&mut self, _: Cause) -> Result<(), Failure> {
        Ok(self.0.follow_move().await?)
    }
}
