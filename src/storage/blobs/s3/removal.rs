//! Removal of contents for good, many in one request, and the bond of the bucket with a database.

use futures_util::{StreamExt, stream};
use object_store::ObjectStore;
use uuid::Uuid;

use super::adopt;
use super::bucket::{self, BOND, Bucket};
use super::error::{Refusal, failed, is_missing};
use crate::storage::StorageError;
use crate::storage::blobs::BlobKey;

/// The most that one request of S3 takes.
const MOST: usize = 1000;
/// Requests at the same time, where the object store takes only one object in each.
const AT_ONCE: usize = 8;
/// The length of a bond's text.
const LENGTH: u64 = 36;

/// Removes these objects, but for those that another registry has as well. Object stores answer the same for one that is there and for one
/// that is not.
pub(super) async fn remove_all(bucket: &Bucket, keys: &[BlobKey]) -> Vec<Result<bool, StorageError>> {
    let ours: Vec<_> = keys.iter().filter(|key| !adopt::is_shared(key)).cloned().collect();
    let mut answers = remove_ours(bucket, &ours).await.into_iter();
    keys.iter().map(|key| if adopt::is_shared(key) { Ok(false) } else { answers.next().unwrap_or(Ok(false)) }).collect()
}

async fn remove_ours(bucket: &Bucket, keys: &[BlobKey]) -> Vec<Result<bool, StorageError>> {
    let mut answers = Vec::with_capacity(keys.len());
    for keys in keys.chunks(MOST) {
        answers.extend(match remove_at_once(bucket, keys).await {
            Some(answers) => answers,
            None => one_by_one(bucket, keys).await,
        });
    }
    answers
}

/// `None` where the object store refuses such a request.
async fn remove_at_once(bucket: &Bucket, keys: &[BlobKey]) -> Option<Vec<Result<bool, StorageError>>> {
    let names: Result<Vec<&str>, StorageError> = keys.iter().map(bucket::published).collect();
    let paths: Vec<_> = names.ok()?.into_iter().map(|name| Ok(bucket.path(name))).collect();
    let answers: Vec<_> = bucket.store.delete_stream(stream::iter(paths).boxed()).collect().await;
    if answers.len() == keys.len() {
        let answer = |(answer, key): (object_store::Result<_>, &BlobKey)| match answer {
            Ok(_) => Ok(true),
            Err(error) if is_missing(&error) => Ok(false),
            Err(error) => Err(failed(format!("removing the object {}", key.0), error)),
        };
        return Some(answers.into_iter().zip(keys).map(answer).collect());
    }
    let error = answers.into_iter().find_map(Result::err)?;
    match Refusal::of(&error) {
        Some(refusal) if refusal.is_passing() => {
            let error = failed("removing objects", error);
            Some(keys.iter().map(|_| Err(error.clone())).collect())
        }
        _ => None,
    }
}

async fn one_by_one(bucket: &Bucket, keys: &[BlobKey]) -> Vec<Result<bool, StorageError>> {
    let remove = async |key: &BlobKey| bucket.remove(bucket::published(key)?).await.map(|()| true);
    stream::iter(keys).map(remove).buffered(AT_ONCE).collect().await
}

/// The bond, if there is one.
pub(super) async fn bond(bucket: &Bucket) -> Result<Option<Uuid>, StorageError> {
    let opened = match bucket.get(BOND, 0..LENGTH).await {
        Err(error) if is_missing(&error) => return Ok(None),
        opened => opened.map_err(|error| failed(format!("reading the object {}", bucket.path(BOND)), error))?,
    };
    let chunks: Vec<_> = opened.bytes.collect().await;
    let read: object_store::Result<Vec<_>> = chunks.into_iter().collect();
    let bytes = read.map_err(|error| failed(format!("reading the object {}", bucket.path(BOND)), error))?.concat();
    let damaged = |error| StorageError::Damaged(format!("the object {}: {error}", bucket.path(BOND)));
    Uuid::try_parse_ascii(&bytes).map(Some).map_err(damaged)
}
