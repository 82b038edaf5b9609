//! The contents of a bucket in the order of their names, for checks.

use std::sync::Arc;

use object_store::list::{PaginatedListOptions, PaginatedListStore};

use super::Parts;
use super::area::is_content;
use super::error::failed;
use crate::storage::StorageError;
use crate::storage::blobs::{BlobKey, StoredContent};

/// The next contents after `after`: as many as the object store lists at once.
pub(super) async fn after(parts: &Arc<Parts>, after: Option<&BlobKey>) -> Result<Vec<StoredContent>, StorageError> {
    let start = format!("{}/", parts.bucket.path("u"));
    let prefix = start.len() - "u/".len();
    let offset = after.map(|key| parts.bucket.path(&key.0).to_string());
    let mut options = PaginatedListOptions { offset, ..PaginatedListOptions::default() };
    loop {
        let page = parts.bucket.store.list_paginated(Some(&start), options.clone()).await;
        let page = page.map_err(|error| failed("listing the contents of the bucket", error))?;
        let contents: Vec<StoredContent> = page
            .result
            .objects
            .iter()
            .filter_map(|object| {
                let name = object.location.as_ref().get(prefix..).filter(|name| is_content(name))?;
                Some(StoredContent {
                    key: BlobKey(name.to_owned()),
                    size: object.size,
                    modified_at: object.last_modified.timestamp(),
                })
            })
            .collect();
        match page.page_token {
            Some(token) if contents.is_empty() => options.page_token = Some(token),
            _ => return Ok(contents),
        }
    }
}
