//! Contents from the source to the blob store: taken over as they are, or copied, several at a time, each compared with its digest.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use anyhow::bail;
use futures_util::{StreamExt, TryStreamExt, stream};

use super::inventory::SourceContent;
use super::{Importing, Method};
use crate::domain::Digest;
use crate::storage::StorageError;
use crate::storage::blobs::{Adoption, BlobKey, ByteStream, store_content};
use crate::storage::metadata::{BlobRecord, ImportedBlob};

/// Contents that are under way at the same time.
const AT_ONCE: usize = 8;

/// What has become of contents so far.
#[derive(Default)]
pub(super) struct Taken {
    /// Those that are here, and whether they were before.
    pub(super) blobs: HashMap<Digest, ImportedBlob>,
    /// Why others cannot be kept.
    pub(super) damaged: BTreeMap<Digest, String>,
    /// Those that this run has taken over or copied: how many, and their bytes.
    pub(super) new: (u64, u64),
}

impl Importing<'_> {
    /// Takes these contents, each of which was not taken before; all are durable afterwards.
    pub(super) async fn take(&self, wanted: Vec<(&Digest, &SourceContent)>, taken: &mut Taken) -> anyhow::Result<()> {
        let looks = wanted
            .into_iter()
            .map(|(digest, content)| async move { (digest, content.size, self.take_one(digest, content).await) });
        let mut under_way = stream::iter(looks).buffer_unordered(AT_ONCE);
        while let Some((digest, size, outcome)) = under_way.next().await {
            match outcome {
                Ok((key, is_new)) => {
                    let blob = BlobRecord { digest: digest.clone(), size, key };
                    taken.blobs.insert(digest.clone(), ImportedBlob { blob, is_known: !is_new && !self.is_by_link() });
                    if is_new {
                        taken.new = (taken.new.0 + 1, taken.new.1 + size);
                    }
                }
                Err(Untaken::Because(why)) => {
                    taken.damaged.insert(digest.clone(), why);
                }
                Err(Untaken::OnlyByCopy(why)) => bail!(
                    "{why}: nothing can be taken over as it is; run the same command with --copy, which copies the contents"
                ),
                Err(Untaken::Failed(error)) => return Err(error.into()),
            }
        }
        Ok(self.blobs.settle().await?)
    }

    fn is_by_link(&self) -> bool {
        self.method == Method::Adopt && !self.blobs.is_shared()
    }

    /// The content's key, and whether it has come by this run.
    async fn take_one(&self, digest: &Digest, content: &SourceContent) -> Result<(BlobKey, bool), Untaken> {
        // A link on a disk tells itself that it is there.
        if !self.is_by_link()
            && let Some(key) = self.present(digest, content.size).await?
        {
            self.progress.advance(content.size);
            return Ok((key, false));
        }
        if self.method == Method::Adopt {
            let original = self.originals.original(&content.file);
            let adopted = self.blobs.adopt(&original, digest, content.size).await?;
            self.progress.advance(content.size);
            return match adopted {
                Adoption::Adopted(key, is_new) => Ok((key, is_new)),
                Adoption::Impossible(why) => Err(Untaken::OnlyByCopy(why)),
            };
        }
        let progress = Arc::clone(self.progress);
        let body: ByteStream = if content.size == 0 {
            Box::pin(stream::empty())
        } else {
            let bytes = self.originals.stream(&content.file, content.size).await?;
            Box::pin(bytes.inspect_ok(move |chunk| progress.advance(chunk.len() as u64)))
        };
        Ok((store_content(&*self.blobs, digest, content.size, body).await?, true))
    }

    /// Takes contents again that have gone from a disk since: another process may have been about to remove them when they were entered.
    pub(super) async fn keep(&self, blobs: &[ImportedBlob]) -> anyhow::Result<()> {
        if self.blobs.is_shared() {
            // Every content has a name of its own there.
            return Ok(());
        }
        let mut lost = Vec::new();
        for ImportedBlob { blob, .. } in blobs {
            if self.blobs.length(&blob.key).await? != Some(blob.size)
                && let Some(content) = self.inventory.contents.get(&blob.digest)
            {
                lost.push((&blob.digest, content));
            }
        }
        if lost.is_empty() {
            return Ok(());
        }
        self.take(lost, &mut Taken::default()).await
    }

    /// The key of a content that the registry has already, by a run before or by a push.
    async fn present(&self, digest: &Digest, size: u64) -> Result<Option<BlobKey>, StorageError> {
        let Some(known) = self.metadata.stored_blob(digest).await? else { return Ok(None) };
        let is_whole = known.size == size && self.blobs.length(&known.key).await? == Some(size);
        Ok(is_whole.then_some(known.key))
    }
}

enum Untaken {
    Because(String),
    OnlyByCopy(String),
    Failed(StorageError),
}

impl From<StorageError> for Untaken {
    fn from(error: StorageError) -> Self {
        match error {
            StorageError::Damaged(why) => Self::Because(why),
            error => Self::Failed(error),
        }
    }
}
