//! Keeps a copy of the database next to the blobs.

use async_trait::async_trait;
use futures_util::future::BoxFuture;

use super::job::{Cause, Failure, Work};

/// Makes a copy if it is time, and tells whether it did; why it could not is for the operator.
pub(crate) type KeepCopy = Box<dyn Fn() -> BoxFuture<'static, Result<bool, String>> + Send + Sync>;

pub(super) struct CopyMetadata(pub(super) KeepCopy);

#[async_trait]
impl Work for CopyMetadata {
    async fn run(&mut self, _: Cause) -> Result<(), Failure> {
        if (self.0)().await.map_err(|error| Failure::of(&error))? {
            tracing::info!("made a copy of the database next to the blobs");
        }
        Ok(())
    }
}
