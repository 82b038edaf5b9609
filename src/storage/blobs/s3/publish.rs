//! From what has been received to one object, whose length is compared. Each way can be repeated with the same state: an answer may be lost.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt;

use super::append::read_tails;
use super::area::{Area, Multipart, SMALL, area_of_content};
use super::{Parts, discard};
use crate::domain::{Algorithm, Digest, Hasher};
use crate::storage::StorageError;
use crate::storage::blobs::Staged;

/// Makes one object of a session's content; returns its name.
pub(super) async fn publish(parts: &Arc<Parts>, staged: &Staged) -> Result<String, StorageError> {
    let area = area_of_content(staged)?;
    if let Some(tail) = area.only_tail() {
        require_size(parts, &tail.name, staged.length).await?;
        return Ok(tail.name.clone());
    }
    join(parts, &area, staged.length).await?;
    discard::tails(parts, &area).await;
    Ok(area.key)
}

/// Makes [`Area::key`] the whole content.
async fn join(parts: &Arc<Parts>, area: &Area, length: u64) -> Result<(), StorageError> {
    let joined = match &area.multipart {
        Some(multipart) => complete(parts, area, multipart).await,
        None => put(parts, area).await,
    };
    let Err(error) = joined else {
        // A single small request either worked or did not.
        let is_one_request = area.multipart.is_none() && area.tails.is_empty();
        return if is_one_request { Ok(()) } else { require_size(parts, &area.key, length).await };
    };
    if matches!(error, StorageError::Unavailable(_) | StorageError::Busy(_) | StorageError::Full(_)) {
        return Err(error);
    }
    // It may be there already: the answer to a request before this one was lost.
    match parts.bucket.size(&area.key).await? {
        Some(size) if size == length => Ok(()),
        _ => Err(gone(error)),
    }
}

/// An object store that no longer knows a multipart upload, or denies it, says in its own way that it is gone.
fn gone(error: StorageError) -> StorageError {
    match error {
        StorageError::Failed { context, source } => StorageError::Damaged(format!(
            "{context}: {source}: if this is a single upload, cancel it and start it again"
        )),
        other => other,
    }
}

async fn complete(parts: &Arc<Parts>, area: &Area, multipart: &Multipart) -> Result<(), StorageError> {
    let mut names = multipart.parts.clone();
    if !multipart.whole && (!area.tails.is_empty() || !area.small.is_empty()) {
        let (blocks, _room) = rest(parts, area).await?;
        names.push(parts.bucket.part(&area.key, &multipart.id, names.len(), blocks).await?);
    }
    parts.bucket.complete(&area.key, &multipart.id, &names).await
}

async fn put(parts: &Arc<Parts>, area: &Area) -> Result<(), StorageError> {
    let (blocks, _room) = rest(parts, area).await?;
    parts.bucket.put(&area.key, blocks).await
}

/// What is behind the parts, and the room that it takes in memory.
async fn rest(parts: &Arc<Parts>, area: &Area) -> Result<(Vec<Bytes>, Option<super::parts::PartRoom>), StorageError> {
    let room = if area.in_tails() > SMALL as u64 { Some(parts.memory.room().await?) } else { None };
    let mut blocks = read_tails(parts, &area.tails).await?;
    if !area.small.is_empty() {
        blocks.push(area.small.clone().into());
    }
    Ok((blocks, room))
}

async fn require_size(parts: &Arc<Parts>, name: &str, length: u64) -> Result<(), StorageError> {
    match parts.bucket.size(name).await? {
        Some(size) if size == length => Ok(()),
        Some(size) => Err(StorageError::Damaged(format!(
            "the object {name} has {size} bytes instead of {length}: start the upload again"
        ))),
        None => Err(StorageError::Damaged(format!("the object {name} is missing: start the upload again"))),
    }
}

/// The digest of a session's content by another algorithm. Of a multipart upload nothing can be read before it is complete.
pub(super) async fn rehash(parts: &Arc<Parts>, staged: &Staged, algorithm: Algorithm) -> Result<Digest, StorageError> {
    let area = area_of_content(staged)?;
    let mut hasher = Hasher::new(algorithm);
    if area.multipart.is_some() {
        join(parts, &area, staged.length).await?;
        feed(parts, &area.key, staged.length, &mut hasher).await?;
        return Ok(hasher.finish());
    }
    for tail in &area.tails {
        feed(parts, &tail.name, tail.length, &mut hasher).await?;
    }
    hasher.update(&area.small);
    Ok(hasher.finish())
}

async fn feed(parts: &Arc<Parts>, name: &str, length: u64, hasher: &mut Hasher) -> Result<(), StorageError> {
    let mut bytes = super::read::read(parts, name, 0..length).await?;
    while let Some(block) = bytes.next().await {
        hasher.update(&block?);
    }
    Ok(())
}
