//! The store of another registry in a bucket: listed once, so that looking around in it costs no request.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};

use super::connect::connect;
use super::error::{failed, is_missing};
use super::options::S3Options;
use crate::domain::Clock;
use crate::storage::StorageError;
use crate::storage::blobs::{ByteStream, Original, OriginalFile, Originals};

struct BucketOriginals {
    store: object_store::aws::AmazonS3,
    endpoint: Option<String>,
    bucket: String,
    prefix: String,
    /// By their names behind the prefix.
    files: BTreeMap<String, OriginalFile>,
}

/// The objects under the prefix of these options.
pub(crate) async fn originals(options: &S3Options, clock: &Clock) -> Result<Arc<dyn Originals>, StorageError> {
    let store = connect(options, options.endpoint.as_deref(), clock)?;
    let prefix = if options.prefix.is_empty() { String::new() } else { format!("{}/", options.prefix) };
    let under = (!options.prefix.is_empty()).then(|| Path::from(options.prefix.as_str()));
    let mut listed = store.list(under.as_ref());
    let mut files = BTreeMap::new();
    while let Some(object) = listed.next().await {
        let object = object.map_err(|error| failed(format!("listing the bucket {}", options.bucket), error))?;
        let file = OriginalFile { size: object.size, modified_at: object.last_modified.timestamp() };
        if let Some(name) = object.location.as_ref().strip_prefix(&prefix) {
            files.insert(name.to_owned(), file);
        }
    }
    drop(listed);
    let (endpoint, bucket) = (options.endpoint.clone(), options.bucket.clone());
    Ok(Arc::new(BucketOriginals { store, endpoint, bucket, prefix, files }))
}

impl BucketOriginals {
    fn path(&self, file: &str) -> Result<Path, StorageError> {
        let name = format!("{}{file}", self.prefix);
        Path::parse(&name).map_err(|error| StorageError::Damaged(format!("the object {name}: {error}")))
    }

    /// What follows `folder/` in the names of its files.
    fn below<'f>(&'f self, folder: &str) -> impl Iterator<Item = (&'f str, &'f OriginalFile)> {
        let start = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        let from = self.files.range(start.clone()..);
        from.map_while(move |(name, file)| Some((name.strip_prefix(&start)?, file)))
    }
}

#[async_trait]
impl Originals for BucketOriginals {
    fn place(&self) -> String {
        format!("s3://{}/{}", self.bucket, self.prefix.trim_end_matches('/'))
    }

    async fn folders(&self, folder: &str) -> Result<Vec<String>, StorageError> {
        let mut names: Vec<String> = Vec::new();
        let start = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        let mut from = start.clone();
        // From folder to folder, without a look at all that is in them.
        while let Some((name, _)) = self.files.range(from..).next() {
            let Some(rest) = name.strip_prefix(&start) else { break };
            let Some((folder, _)) = rest.split_once('/') else {
                from = format!("{name}\0");
                continue;
            };
            names.push(folder.to_owned());
            // '0' follows '/'.
            from = format!("{start}{folder}0");
        }
        Ok(names)
    }

    async fn folders_with(&self, folder: &str, file: &str) -> Result<Vec<(String, i64)>, StorageError> {
        let mut found = Vec::new();
        for name in self.folders(folder).await? {
            if let Some(present) = self.files.get(&format!("{folder}/{name}/{file}")) {
                found.push((name, present.modified_at));
            }
        }
        Ok(found)
    }

    async fn files(&self, folder: &str) -> Result<Vec<(String, OriginalFile)>, StorageError> {
        let files = self.below(folder).filter(|(name, _)| !name.contains('/'));
        Ok(files.map(|(name, file)| (name.to_owned(), file.clone())).collect())
    }

    async fn look(&self, file: &str) -> Result<Option<OriginalFile>, StorageError> {
        Ok(self.files.get(file).cloned())
    }

    async fn read(&self, file: &str, limit: u64) -> Result<Option<Bytes>, StorageError> {
        if self.files.get(file).is_none_or(|found| found.size > limit) {
            return Ok(None);
        }
        let path = self.path(file)?;
        let reading = |error| failed(format!("reading the object {path}"), error);
        match self.store.get(&path).await {
            Err(error) if is_missing(&error) => Ok(None),
            found => Ok(Some(found.map_err(reading)?.bytes().await.map_err(reading)?)),
        }
    }

    async fn stream(&self, file: &str, _length: u64) -> Result<ByteStream, StorageError> {
        let path = self.path(file)?;
        let found = self.store.get(&path).await;
        let found = found.map_err(|error| failed(format!("reading the object {path}"), error))?;
        Ok(Box::pin(found.into_stream().map_err(move |error| failed(format!("reading the object {path}"), error))))
    }

    fn original(&self, file: &str) -> Original {
        Original::Object {
            endpoint: self.endpoint.clone(),
            bucket: self.bucket.clone(),
            name: format!("{}{file}", self.prefix),
        }
    }
}
