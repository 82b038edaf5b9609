//! Brings the certificates of this node up to date where it shares them with others; other jobs see that files have changed.

use async_trait::async_trait;
use futures_util::future::BoxFuture;

use super::job::{Cause, Failure, Work};
use crate::pki::PkiError;

/// Looks once whether others have changed them.
pub(crate) type Follow = Box<dyn Fn() -> BoxFuture<'static, Result<(), PkiError>> + Send + Sync>;

pub(super) struct FollowSharedFiles(pub(super) Follow);

#[async_trait]
impl Work for FollowSharedFiles {
    async fn run(&mut self, _: Cause) -> Result<(), Failure> {
        Ok((self.0)().await?)
    }
}
