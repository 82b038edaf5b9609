//! Tells the other nodes what this one has seen of logins, and reads what they have seen, so that limits count over all of them.

use std::sync::Arc;

use async_trait::async_trait;

use super::job::{Cause, Failure, Work};
use crate::auth::Authenticator;

pub(super) struct ShareLogins(pub(super) Arc<Authenticator>);

#[async_trait]
impl Work for ShareLogins {
    async fn run(&mut self, _: Cause) -> Result<(), Failure> {
        Ok(self.0.share_logins().await?)
    }
}
