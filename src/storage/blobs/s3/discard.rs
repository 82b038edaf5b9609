//! Dropping what has been received: all of a session, or what a state has that the one after it has not.

use std::sync::Arc;

use super::area::Area;
use super::error::Refusal;
use super::{Bucket, Parts};
use crate::storage::StorageError;

/// Drops all of it, also what was already made of it: but not of what a list had, because two multipart uploads may have one key, if the
/// answer to the first was lost, and one of them may have become a blob.
pub(super) async fn discard(parts: &Arc<Parts>, area: &Area) -> Result<(), StorageError> {
    if let Some(multipart) = &area.multipart {
        abort(&parts.bucket, &area.key, &multipart.id).await?;
    }
    for tail in &area.tails {
        parts.bucket.remove(&tail.name).await?;
    }
    if area.listed { Ok(()) } else { parts.bucket.remove(&area.key).await }
}

/// Drops what only `old` has.
pub(super) async fn release(parts: &Arc<Parts>, old: &Area, kept: &Area) -> Result<(), StorageError> {
    let kept_id = kept.multipart.as_ref().map(|multipart| &multipart.id);
    if let Some(multipart) = old.multipart.as_ref().filter(|multipart| Some(&multipart.id) != kept_id) {
        abort(&parts.bucket, &old.key, &multipart.id).await?;
    }
    for tail in old.tails.iter().filter(|tail| !kept.tails.contains(tail)) {
        parts.bucket.remove(&tail.name).await?;
    }
    // Of one of the others, none is made but at once.
    let may_be_made = old.multipart.is_some() || old.tails.len() > 1;
    if may_be_made && old.key != kept.key { parts.bucket.remove(&old.key).await } else { Ok(()) }
}

/// Drops tails that have become part of a content. What cannot be dropped now is found by the daily job.
pub(super) async fn tails(parts: &Arc<Parts>, area: &Area) {
    for tail in &area.tails {
        if let Err(error) = parts.bucket.remove(&tail.name).await {
            tracing::debug!(%error, "the end of an upload stays in the bucket for now");
        }
    }
}

/// One that is gone is as good as aborted: some object stores say so by denying it.
async fn abort(bucket: &Bucket, name: &str, id: &str) -> Result<(), StorageError> {
    match bucket.abort(name, id).await {
        Err(StorageError::Failed { source, .. }) if matches!(Refusal::of(&*source), Some(Refusal::Answered { status, .. }) if status.is_client_error()) => {
            Ok(())
        }
        Err(StorageError::Damaged(_)) => Ok(()),
        other => other,
    }
}
