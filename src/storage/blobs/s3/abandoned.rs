//! What a crash left behind: tails and multipart uploads that are old. Object stores list names in order, and names begin with sessions.

use std::sync::Arc;

use jiff::Timestamp;
use object_store::list::{PaginatedListOptions, PaginatedListStore};

use super::Parts;
use super::area::{Area, Multipart, Tail, upload_of};
use super::error::failed;
use crate::domain::UploadId;
use crate::storage::StorageError;
use crate::storage::blobs::StagingArea;

/// How many names are asked for at once.
const PAGE: usize = 1000;

/// Up to `limit` of them, in the order of their sessions. All that is found of one session comes together.
pub(super) async fn staged_before(
    parts: &Arc<Parts>,
    before: i64,
    after: Option<UploadId>,
    limit: usize,
) -> Result<Vec<StagingArea>, StorageError> {
    let mut found = tails(parts, before, after, limit).await?;
    match multiparts(parts, before, after, limit).await {
        Ok(begun) => found.extend(begun),
        Err(StorageError::Failed { context, source }) => {
            tracing::warn!(
                %source,
                "{context}: this object store cannot; let a lifecycle rule of the bucket abort multipart uploads after 7 days"
            );
        }
        Err(error) => return Err(error),
    }
    found.sort_by_key(|(upload, _)| *upload);
    let last = limit.checked_sub(1).and_then(|last| found.get(last)).map(|(upload, _)| *upload);
    found.retain(|(upload, _)| last.is_none_or(|last| *upload <= last));
    found.into_iter().map(|(upload, area)| Ok(StagingArea { upload, backend: Some(area.state()?) })).collect()
}

async fn tails(
    parts: &Arc<Parts>,
    before: i64,
    after: Option<UploadId>,
    limit: usize,
) -> Result<Vec<(UploadId, Area)>, StorageError> {
    let start = format!("{}/", parts.bucket.path("t"));
    let mut options = PaginatedListOptions { max_keys: Some(PAGE), ..PaginatedListOptions::default() };
    // Behind all names of that session.
    options.offset = after.map(|upload| format!("{start}{upload}."));
    let mut found = Vec::new();
    loop {
        let page = parts.bucket.store.list_paginated(Some(&start), options.clone()).await;
        let page = page.map_err(|error| failed("listing the ends of uploads", error))?;
        let old = page.result.objects.iter().filter(|object| object.last_modified.timestamp() < before);
        found.extend(old.filter_map(|object| {
            let rest = object.location.as_ref().strip_prefix(&start)?;
            let upload = upload_of(rest).filter(|upload| after.is_none_or(|after| *upload > after))?;
            let tail = Tail { name: format!("t/{rest}"), length: object.size };
            Some((upload, Area { tails: vec![tail], listed: true, ..Area::new(upload) }))
        }));
        match page.page_token {
            Some(token) if found.len() < limit => options.page_token = Some(token),
            _ => return Ok(found),
        }
    }
}

async fn multiparts(
    parts: &Arc<Parts>,
    before: i64,
    after: Option<UploadId>,
    limit: usize,
) -> Result<Vec<(UploadId, Area)>, StorageError> {
    let start = format!("{}/", parts.bucket.path("u"));
    let mut marker = (after.map(|upload| format!("u/{upload}.")).unwrap_or_default(), String::new());
    let mut found = Vec::new();
    loop {
        let page = parts.bucket.multiparts("u", (&marker.0, &marker.1), PAGE).await?;
        found.extend(page.uploads.into_iter().filter_map(|begun| {
            let rest = begun.key.strip_prefix(&start)?;
            let upload = upload_of(rest).filter(|upload| after.is_none_or(|after| *upload > after))?;
            let initiated: Timestamp = begun.initiated.parse().ok()?;
            (initiated.as_second() < before).then_some(())?;
            let multipart = Multipart { id: begun.upload_id, part_size: 0, parts: Vec::new(), whole: true };
            Some((
                upload,
                Area { key: format!("u/{rest}"), multipart: Some(multipart), listed: true, ..Area::new(upload) },
            ))
        }));
        let next = page.next_key_marker.strip_prefix(&start).map(|rest| format!("u/{rest}"));
        match next {
            Some(next) if page.is_truncated && found.len() < limit => marker = (next, page.next_upload_id_marker),
            _ => return Ok(found),
        }
    }
}
