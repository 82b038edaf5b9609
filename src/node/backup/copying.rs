//! The contents that a snapshot names, on their way into a backup: several at a time, each hashed while it is read. What is there by its
//! digest and length stays.

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::stream::FuturesUnordered;
use futures_util::{StreamExt, TryStreamExt, stream};

use super::snapshot::Snapshot;
use crate::domain::Digest;
use crate::node::progress::Progress;
use crate::storage::StorageError;
use crate::storage::archive::{Archive, verified};
use crate::storage::blobs::{BlobStore, ByteStream};
use crate::storage::metadata::{BlobRecord, Metadata};

/// Contents that are copied at the same time.
const AT_ONCE: usize = 8;
/// Folders of the backup that are listed at the same time.
const LISTS: usize = 16;

/// What was copied.
#[derive(Clone, Debug, Default)]
pub(crate) struct Copied {
    /// Contents, and their bytes.
    pub(crate) blobs: u64,
    pub(crate) bytes: u64,
    /// Blobs without a sound content in the registry.
    pub(crate) missing: Vec<String>,
}

/// Where contents come from.
#[derive(Clone, Copy)]
pub(super) struct Source<'s> {
    pub(super) blobs: &'s dyn BlobStore,
    pub(super) metadata: &'s dyn Metadata,
}

/// The folder of a content.
fn folder(digest: &Digest) -> String {
    format!("blobs/{}/{}", digest.algorithm(), digest.hex().get(..2).unwrap_or_default())
}

/// The whole name of a content.
pub(super) fn name(digest: &Digest) -> String {
    format!("{}/{}", folder(digest), digest.hex())
}

/// The lengths of a folder's files.
async fn lengths(archive: &dyn Archive, folder: String) -> Result<HashMap<String, u64>, StorageError> {
    Ok(archive.files(&folder).await?.into_iter().map(|file| (file.name, file.size)).collect())
}

/// Every folder that contents can be in, in the order of digests, with what is there.
fn folders(
    archive: &dyn Archive,
) -> impl futures_util::Stream<Item = Result<(String, HashMap<String, u64>), StorageError>> {
    let all = ["sha256", "sha512"]
        .into_iter()
        .flat_map(|algorithm| (0..=u8::MAX).map(move |shard| format!("blobs/{algorithm}/{shard:02x}")));
    stream::iter(all)
        .map(move |folder| async move { Ok((folder.clone(), lengths(archive, folder).await?)) })
        .buffered(LISTS)
}

/// Copies what the archive does not have.
pub(super) async fn copy(
    snapshot: &Snapshot,
    source: Source<'_>,
    (archive, progress): (&dyn Archive, &Arc<dyn Progress>),
    bytes: u64,
) -> anyhow::Result<Copied> {
    progress.begin("copying blobs", Some(bytes));
    let (mut copied, mut under_way) = (Copied::default(), FuturesUnordered::new());
    let mut folders = Box::pin(folders(archive));
    let mut there = (String::new(), HashMap::new());
    snapshot
        .for_each_blob(async |row| {
            let blob = row.blob;
            while there.0 != folder(&blob.digest) {
                let Some(next) = folders.try_next().await? else {
                    anyhow::bail!("{} has a digest of another kind than blobs have", blob.digest);
                };
                there = next;
            }
            if row.damaged {
                copied.missing.push(blob.digest.to_string());
            } else if there.1.get(blob.digest.hex()) == Some(&blob.size) {
                progress.advance(blob.size);
            } else {
                under_way.push(copy_one(source, archive, progress, blob));
            }
            while under_way.len() >= AT_ONCE {
                copied.count(under_way.next().await)?;
            }
            Ok(())
        })
        .await?;
    while !under_way.is_empty() {
        copied.count(under_way.next().await)?;
    }
    Ok(copied)
}

impl Copied {
    fn count(&mut self, done: Option<(BlobRecord, Result<(), StorageError>)>) -> Result<(), StorageError> {
        match done {
            None => {}
            Some((blob, Ok(()))) => (self.blobs, self.bytes) = (self.blobs + 1, self.bytes + blob.size),
            Some((blob, Err(StorageError::Damaged(why)))) => {
                tracing::debug!(%why, digest = %blob.digest, "a content is lost or damaged");
                self.missing.push(blob.digest.to_string());
            }
            Some((_, Err(error))) => return Err(error),
        }
        Ok(())
    }
}

async fn copy_one(
    source: Source<'_>,
    archive: &dyn Archive,
    progress: &Arc<dyn Progress>,
    blob: BlobRecord,
) -> (BlobRecord, Result<(), StorageError>) {
    let mut done = try_copy(source, archive, progress, &blob).await;
    if matches!(done, Err(StorageError::Damaged(_))) {
        // A push may have brought it back under another key since the snapshot.
        match source.metadata.stored_blob(&blob.digest).await {
            Ok(Some(now)) if now.key != blob.key => done = try_copy(source, archive, progress, &now).await,
            Ok(_) => {}
            Err(error) => done = Err(error),
        }
    }
    (blob, done)
}

async fn try_copy(
    source: Source<'_>,
    archive: &dyn Archive,
    progress: &Arc<dyn Progress>,
    blob: &BlobRecord,
) -> Result<(), StorageError> {
    let body = reported(read(source.blobs, blob).await?, progress);
    archive.put(&name(&blob.digest), verified(body, blob.digest.clone(), blob.size)).await
}

/// The bytes of a content.
async fn read(blobs: &dyn BlobStore, blob: &BlobRecord) -> Result<ByteStream, StorageError> {
    match blob.size {
        0 => Ok(Box::pin(stream::empty())),
        size => blobs.read(&blob.key, 0..size).await,
    }
}

/// The same bytes, of which `progress` hears.
pub(super) fn reported(body: ByteStream, progress: &Arc<dyn Progress>) -> ByteStream {
    let progress = Arc::clone(progress);
    Box::pin(body.inspect_ok(move |chunk| progress.advance(chunk.len() as u64)))
}

/// Reads every content of the backup back.
pub(super) async fn verify(
    snapshot: &Snapshot,
    archive: &dyn Archive,
    progress: &Arc<dyn Progress>,
) -> anyhow::Result<()> {
    let read = async |blob: BlobRecord| -> Result<(), StorageError> {
        let body = reported(archive.get(&name(&blob.digest)).await?, progress);
        let mut body = verified(body, blob.digest, blob.size);
        while body.try_next().await?.is_some() {}
        Ok(())
    };
    let mut under_way = FuturesUnordered::new();
    snapshot
        .for_each_blob(async |row| {
            if !row.damaged {
                under_way.push(read(row.blob));
            }
            while under_way.len() >= AT_ONCE {
                under_way.try_next().await?;
            }
            Ok(())
        })
        .await?;
    while under_way.try_next().await?.is_some() {}
    Ok(())
}
