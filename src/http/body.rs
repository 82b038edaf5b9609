//! Bodies of requests: streamed to storage, or gathered up to a limit. A body that stands still is given up.

use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use axum::http::HeaderMap;
use axum::http::header;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use http_body::Body as _;

use super::error::OciError;
use crate::registry::{ByteStream, StorageError};

/// The body as a stream that ends with an error when no byte comes for `idle`.
pub(super) fn stream(body: Body, idle: Duration) -> ByteStream {
    Box::pin(futures_util::stream::unfold(Some(body.into_data_stream()), move |body| next(body, idle)))
}

async fn next(
    body: Option<BodyDataStream>,
    idle: Duration,
) -> Option<(Result<Bytes, StorageError>, Option<BodyDataStream>)> {
    let mut body = body?;
    match tokio::time::timeout(idle, body.next()).await {
        Ok(Some(Ok(chunk))) => Some((Ok(chunk), Some(body))),
        Ok(Some(Err(error))) => Some((Err(StorageError::BrokenBody(error.to_string())), None)),
        Ok(None) => None,
        Err(_) => {
            let what = format!("no byte came for {} seconds", idle.as_secs());
            Some((Err(StorageError::BrokenBody(what)), None))
        }
    }
}

/// Whether the request has a body at all.
pub(super) fn is_empty(body: &Body) -> bool {
    body.is_end_stream()
}

/// The length that the client announced.
pub(super) fn declared_length(headers: &HeaderMap) -> Option<u64> {
    super::headers::text(headers, header::CONTENT_LENGTH)?.parse().ok()
}

/// The whole body; `None` where it has more than `limit` bytes. No memory is set aside for what was only announced.
pub(super) async fn gather(body: Body, limit: u64, idle: Duration) -> Result<Option<Bytes>, OciError> {
    let mut stream = stream(body, idle);
    let mut whole = BytesMut::new();
    while let Some(chunk) = stream.next().await {
        let chunk = chunk?;
        if (whole.len() + chunk.len()) as u64 > limit {
            return Ok(None);
        }
        whole.extend_from_slice(&chunk);
    }
    Ok(Some(whole.freeze()))
}
