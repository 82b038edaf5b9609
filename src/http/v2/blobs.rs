//! Blobs: get with ranges, head, delete.

use std::ops::Range;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::Response;

use crate::auth::{Authorized, Delete, Pull};
use crate::domain::{ByteRange, Digest};
use crate::http::auth::extractors::At;
use crate::http::error::{Code, OciError};
use crate::http::request::headers::{CONTENT_DIGEST, ROOM, etag, is_known_to_client, text, value};
use crate::registry::{Content, Registry};

/// The blob's bytes, or a range of them.
pub(in crate::http) async fn get(
    permit: Authorized<Pull>,
    At(digest): At<Digest>,
    State(registry): State<Arc<Registry>>,
    request: Request,
) -> Result<Response, OciError> {
    let headers = request.headers();
    let blob = registry.pull_blob(&permit, &digest).await?;
    let size = blob.size();
    if is_known_to_client(headers, &digest) {
        return Ok(not_modified(&digest, size));
    }
    let range = wanted_range(headers, &digest, size)?;
    let whole = range.is_none();
    let range = range.unwrap_or(0..size);
    let body = if range.is_empty() {
        Body::empty()
    } else {
        match blob.read(range.clone()).await? {
            Content::Whole(bytes) => Body::from(bytes),
            Content::Stream(bytes) => Body::from_stream(bytes),
            Content::Redirect(to) => return Ok(redirect(&to, &digest)),
        }
    };
    let status = if whole { StatusCode::OK } else { StatusCode::PARTIAL_CONTENT };
    let mut response = describe(body, &digest, status);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(range.end - range.start));
    if !whole {
        headers.insert(header::CONTENT_RANGE, value(format!("bytes {}-{}/{size}", range.start, range.end - 1)));
    }
    Ok(response)
}

/// The blob's length; only where its content is there, so that a client does not skip an upload that would fix it. Never a
/// redirect: clients ask this to find out, not to get.
pub(in crate::http) async fn head(
    permit: Authorized<Pull>,
    At(digest): At<Digest>,
    State(registry): State<Arc<Registry>>,
    request: Request,
) -> Result<Response, OciError> {
    let headers = request.headers();
    let blob = registry.pull_blob(&permit, &digest).await?;
    blob.verify_present().await?;
    if is_known_to_client(headers, &digest) {
        return Ok(not_modified(&digest, blob.size()));
    }
    let mut response = describe(Body::empty(), &digest, StatusCode::OK);
    response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(blob.size()));
    Ok(response)
}

/// Takes the blob out of the repository.
pub(in crate::http) async fn delete(
    permit: Authorized<Delete>,
    At(digest): At<Digest>,
    State(registry): State<Arc<Registry>>,
) -> Result<StatusCode, OciError> {
    registry.delete_blob(&permit, &digest).await?;
    Ok(StatusCode::ACCEPTED)
}

/// Sends the client to where the content is. It asks there with the method and range that it asked with here, and the answer says what the
/// content is; of this one nothing is cached, because the address expires.
fn redirect(to: &Uri, digest: &Digest) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::TEMPORARY_REDIRECT;
    let headers = response.headers_mut();
    headers.insert(header::LOCATION, value(to.to_string()));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(CONTENT_DIGEST, value(digest.to_string()));
    response
}

/// The range that the client wants; `None` for the whole. `If-Range` with another entity tag makes it the whole
/// (RFC 9110, section 13.1.5).
fn wanted_range(headers: &HeaderMap, digest: &Digest, size: u64) -> Result<Option<Range<u64>>, OciError> {
    let same = text(headers, header::IF_RANGE).is_none_or(|tag| tag == format!("\"{digest}\""));
    let range = text(headers, header::RANGE).filter(|_| same).and_then(ByteRange::from_header);
    // An empty blob has no range: a client that resumes its download, or checks for ranges, gets all of it.
    let range = range.filter(|range| !(size == 0 && range.includes_start_of_nothing()));
    range.map(|range| range.within(size)).transpose().map_err(|error| {
        OciError::bad_range(Code::SizeInvalid, error.to_string())
            .with_header(header::CONTENT_RANGE, value(format!("bytes */{size}")))
    })
}

/// With the length that 200 would have sent (RFC 9110, section 8.6).
fn not_modified(digest: &Digest, size: u64) -> Response {
    let mut response = describe(Body::empty(), digest, StatusCode::NOT_MODIFIED);
    response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(size));
    response
}

fn describe(body: Body, digest: &Digest, status: StatusCode) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.reserve(ROOM);
    headers.insert(CONTENT_DIGEST, value(digest.as_str()));
    headers.insert(header::ETAG, etag(digest));
    if status != StatusCode::NOT_MODIFIED {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
        headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Algorithm, Hasher};

    #[test]
    fn a_content_that_is_stored_elsewhere_is_a_temporary_redirect() {
        let address = "https://objects.example/bucket/u/0190?X-Amz-Expires=300&X-Amz-Signature=ab%2Fcd";
        let digest = Hasher::digest(Algorithm::Sha256, b"content");
        let response = redirect(&address.parse().expect("an address"), &digest);
        assert_eq!(response.status(), StatusCode::TEMPORARY_REDIRECT);
        assert_eq!(response.headers()[header::LOCATION], address);
        assert_eq!(response.headers()[CONTENT_DIGEST], digest.to_string());
        assert_eq!(response.headers()[header::CACHE_CONTROL], "no-store");
    }
}
