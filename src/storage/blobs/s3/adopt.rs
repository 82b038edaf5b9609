//! Taking over an object of another registry in the same bucket: it is read where it is, and no byte is moved. Until the operator gives the
//! other registry up ([`OURS`]) it belongs to both, and is never removed here.

use std::sync::Arc;

use futures_util::StreamExt;

use super::{Parts, read};
use crate::domain::{Digest, Hasher};
use crate::storage::StorageError;
use crate::storage::blobs::{Adoption, BlobKey, Original};

/// The key of an object that another registry has as well: its whole name follows.
pub(super) const SHARED: &str = "k/";
/// The key of one that it has no more.
pub(super) const OURS: &str = "o/";

/// The whole name of an adopted object.
pub(super) fn whole_name(key: &str) -> Option<&str> {
    key.strip_prefix(SHARED).or_else(|| key.strip_prefix(OURS))
}

/// Whether another registry has the object as well: it is never removed here.
pub(super) fn is_shared(key: &BlobKey) -> bool {
    key.0.starts_with(SHARED)
}

/// Where the store is: the address of the object store, and the bucket.
pub(super) struct Home {
    pub(super) endpoint: Option<String>,
    pub(super) bucket: String,
}

impl Home {
    /// Why this original is not here.
    pub(super) fn why_not(&self, original: &Original) -> Option<String> {
        match original {
            Original::File(_) => Some("contents on a disk can only be copied to a bucket".to_owned()),
            Original::Object { endpoint, bucket, .. } if *endpoint == self.endpoint && *bucket == self.bucket => None,
            Original::Object { bucket, .. } => {
                Some(format!("the bucket {bucket} is not the one that this registry keeps blobs in, {}", self.bucket))
            }
        }
    }
}

/// Compares the object's bytes with the digest, and takes it over.
pub(super) async fn adopt(
    parts: &Arc<Parts>,
    home: &Home,
    original: &Original,
    digest: &Digest,
    size: u64,
) -> Result<Adoption, StorageError> {
    let name = match (home.why_not(original), original) {
        (None, Original::Object { name, .. }) => name,
        (why, _) => return Ok(Adoption::Impossible(why.unwrap_or_default())),
    };
    let key = format!("{SHARED}{name}");
    let mut hasher = Hasher::new(digest.algorithm());
    if size > 0 {
        let mut bytes = read::read(parts, &key, 0..size).await?;
        while let Some(block) = bytes.next().await {
            hasher.update(&block?);
        }
    }
    if parts.bucket.size(&key).await? != Some(size) || hasher.finish() != *digest {
        return Err(StorageError::Damaged(format!("the object {name} has another content than its name says")));
    }
    Ok(Adoption::Adopted(BlobKey(key)))
}
