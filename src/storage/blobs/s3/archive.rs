//! An archive under a prefix of a bucket: the names of its files are those of objects.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt;
use object_store::list::{PaginatedListOptions, PaginatedListStore};

use super::Parts;
use super::error::failed;
use super::options::S3Options;
use crate::domain::Clock;
use crate::storage::StorageError;
use crate::storage::archive::{Archive, ArchivedFile};
use crate::storage::blobs::ByteStream;

struct BucketArchive(Arc<Parts>);

/// The archive in this bucket, under this prefix. Nothing is asked of it yet.
pub(crate) fn open_archive(options: &S3Options, clock: Clock) -> Result<Arc<dyn Archive>, StorageError> {
    Ok(Arc::new(BucketArchive(Arc::new(Parts::open(options, clock)?))))
}

impl BucketArchive {
    /// Parts of one size, one after the other; a file that fits into one is stored as it is.
    async fn send(&self, name: &str, mut body: ByteStream) -> Result<(), StorageError> {
        let (bucket, size) = (&self.0.bucket, usize::try_from(self.0.part_size).unwrap_or(usize::MAX));
        let mut part = Part::default();
        let mut begun: Option<(String, Vec<String>)> = None;
        let sent = async {
            while let Some(chunk) = body.next().await {
                part.add(chunk?);
                while part.length >= size {
                    let (id, parts) = match begun.as_mut() {
                        Some(begun) => begun,
                        None => begun.insert((bucket.begin(name).await?, Vec::new())),
                    };
                    parts.push(bucket.part(name, id, parts.len(), part.take(size)).await?);
                }
            }
            let Some((id, parts)) = begun.as_mut() else { return bucket.put(name, part.take(size)).await };
            if part.length > 0 {
                parts.push(bucket.part(name, id, parts.len(), part.take(size)).await?);
            }
            bucket.complete(name, id, parts).await
        };
        let sent = sent.await;
        if let (Err(_), Some((id, _))) = (&sent, &begun)
            && let Err(error) = bucket.abort(name, id).await
        {
            tracing::debug!(%error, "what was sent of a file stays in the bucket until a lifecycle rule removes it");
        }
        sent
    }

    /// Every page of a folder.
    async fn list(
        &self,
        folder: &str,
        mut each: impl FnMut(&object_store::ListResult, &str),
    ) -> Result<(), StorageError> {
        let start = format!("{}/", self.0.bucket.path(folder));
        let mut options = PaginatedListOptions { delimiter: Some("/".into()), ..PaginatedListOptions::default() };
        loop {
            let page = self.0.bucket.store.list_paginated(Some(&start), options.clone()).await;
            let page = page.map_err(|error| failed(format!("listing {start}"), error))?;
            each(&page.result, &start);
            match page.page_token {
                Some(token) => options.page_token = Some(token),
                None => return Ok(()),
            }
        }
    }
}

/// Bytes that are gathered for a part.
#[derive(Default)]
struct Part {
    blocks: Vec<Bytes>,
    length: usize,
}

impl Part {
    fn add(&mut self, block: Bytes) {
        self.length += block.len();
        self.blocks.push(block);
    }

    /// The first `size` bytes, or all.
    fn take(&mut self, size: usize) -> Vec<Bytes> {
        let (mut taken, mut left) = (std::mem::take(&mut self.blocks), self.length.saturating_sub(size));
        self.length = left;
        while left > 0 {
            let Some(mut last) = taken.pop() else { break };
            if last.len() > left {
                self.blocks.push(last.split_off(last.len() - left));
                taken.push(last);
                break;
            }
            left -= last.len();
            self.blocks.push(last);
        }
        self.blocks.reverse();
        taken
    }
}

#[async_trait]
impl Archive for BucketArchive {
    async fn put(&self, name: &str, body: ByteStream) -> Result<(), StorageError> {
        self.send(name, body).await
    }

    async fn get(&self, name: &str) -> Result<ByteStream, StorageError> {
        let path = self.0.bucket.path(name);
        match self.0.bucket.size(name).await? {
            None => Err(StorageError::Damaged(format!("{path} is missing"))),
            Some(size) => super::read::read(&self.0, name, 0..size).await,
        }
    }

    async fn files(&self, folder: &str) -> Result<Vec<ArchivedFile>, StorageError> {
        let mut files = Vec::new();
        self.list(folder, |page, start| {
            files.extend(page.objects.iter().filter_map(|object| {
                let name = object.location.as_ref().strip_prefix(start)?.to_owned();
                Some(ArchivedFile { name, size: object.size })
            }));
        })
        .await?;
        Ok(files)
    }

    async fn folders(&self, folder: &str) -> Result<Vec<String>, StorageError> {
        let mut folders = Vec::new();
        self.list(folder, |page, start| {
            let names = page.common_prefixes.iter().filter_map(|path| path.as_ref().strip_prefix(start));
            folders.extend(names.map(|name| name.trim_end_matches('/').to_owned()));
        })
        .await?;
        folders.sort();
        Ok(folders)
    }

    async fn remove(&self, name: &str) -> Result<(), StorageError> {
        self.0.bucket.remove(name).await
    }

    /// Object stores answer when it is.
    async fn settle(&self) -> Result<(), StorageError> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_cut_at_their_size() {
        let mut part = Part::default();
        for block in ["abc", "defg", "h", "ijklmnop"] {
            part.add(Bytes::from_static(block.as_bytes()));
        }
        let mut taken = Vec::new();
        while part.length > 0 {
            taken.push(part.take(5).concat());
        }
        assert_eq!(taken, [b"abcde".as_slice(), b"fghij", b"klmno", b"p"]);
        assert!(part.take(5).is_empty());
    }
}
