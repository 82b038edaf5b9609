//! Makes the next token key a day before it signs, and removes keys whose tokens have all expired.

use std::sync::Arc;

use async_trait::async_trait;

use super::job::{Cause, Failure, Work};
use crate::auth::Authenticator;

pub(super) struct RotateKeys(pub(super) Arc<Authenticator>);

#[async_trait]
impl Work for RotateKeys {
    async fn run(&mut self, _: Cause) -> Result<(), Failure> {
        Ok(self.0.rotate_keys().await?)
    }
}
