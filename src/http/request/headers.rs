//! Header names of the protocol, and how their values are written and read.

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::domain::Digest;

/// Tells clients that this is a registry.
pub(in crate::http) const API_VERSION: HeaderName = HeaderName::from_static("docker-distribution-api-version");
/// The digest of what was stored or is sent.
pub(in crate::http) const CONTENT_DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");
/// The name of an upload session.
pub(in crate::http) const UPLOAD_UUID: HeaderName = HeaderName::from_static("docker-upload-uuid");
/// The subject of a manifest that was pushed.
pub(in crate::http) const OCI_SUBJECT: HeaderName = HeaderName::from_static("oci-subject");
/// A tag that was set by a push.
pub(in crate::http) const OCI_TAG: HeaderName = HeaderName::from_static("oci-tag");
/// Which filters a list of referrers went through.
pub(in crate::http) const OCI_FILTERS_APPLIED: HeaderName = HeaderName::from_static("oci-filters-applied");
/// The request's name in the log.
pub(in crate::http) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// How many headers a pulled content has, with those that every answer has: their map need not grow.
pub(in crate::http) const ROOM: usize = 12;

/// A value made of what this program wrote: digests, names, numbers. All of them are visible ASCII.
pub(in crate::http) fn value(text: impl AsRef<str>) -> HeaderValue {
    HeaderValue::from_str(text.as_ref()).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// The entity tag of content: its digest, quoted (RFC 9110, section 8.8.3).
pub(in crate::http) fn etag(digest: &Digest) -> HeaderValue {
    value(["\"", digest.as_str(), "\""].concat())
}

/// How far an upload came: `0-<last byte>`; `0-0` where it has none, because clients choke on `0--1`.
pub(in crate::http) fn uploaded_range(length: u64) -> String {
    format!("0-{}", length.saturating_sub(1))
}

/// The header's value where it is text and stands there once.
pub(in crate::http) fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

/// The entity tags in `If-Match` or `If-None-Match`, without quotes and weakness marks; `*` stays `*`.
pub(in crate::http) fn entity_tags<'h>(headers: &'h HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'h str> {
    let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(|tag| tag.trim().trim_start_matches("W/").trim_matches('"'))
}

/// Whether the client says that it has this content already (RFC 9110, section 13.1.2).
pub(in crate::http) fn is_known_to_client(headers: &HeaderMap, digest: &Digest) -> bool {
    headers.contains_key(header::IF_NONE_MATCH) && {
        entity_tags(headers, &header::IF_NONE_MATCH).any(|tag| tag == "*" || tag == digest.as_str())
    }
}
