//! Manifests: get (and head), put, delete.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::auth::{Authorized, Delete, Pull, Push};
use crate::domain::{MediaType, Precondition, Reference, Tag};
use crate::http::App;
use crate::http::auth::accounting::ChargedTo;
use crate::http::auth::extractors::At;
use crate::http::body::receive as body;
use crate::http::error::{Code, OciError};
use crate::http::middleware::pending_responses::OfManifest;
use crate::http::request::headers::{
    CONTENT_DIGEST, OCI_SUBJECT, OCI_TAG, ROOM, entity_tags, etag, is_known_to_client, text, value,
};
use crate::http::request::query::Query;
use crate::registry::{PulledManifest, PushedManifest, Registry, RegistryError};

/// A manifest of more bytes is large: its parts, once parsed, take up many times as much, so these are stored one by one.
const LARGE: usize = 256 * 1024;

/// The stored bytes and type, whatever the client says it accepts.
pub(in crate::http) async fn get(
    permit: Authorized<Pull>,
    At(reference): At<Reference>,
    State(registry): State<Arc<Registry>>,
    request: Request,
) -> Result<Response, OciError> {
    if *request.method() == Method::HEAD {
        registry.verify_manifest(&permit, &reference).await?;
    }
    let manifest = registry.pull_manifest(&permit, &reference).await?;
    if *request.method() == Method::GET {
        registry.note_pull(&permit, &reference, manifest.digest());
    }
    Ok(respond(&manifest, request.method(), request.headers()))
}

fn respond(manifest: &PulledManifest, method: &Method, request: &HeaderMap) -> Response {
    let known = is_known_to_client(request, manifest.digest());
    let body = if known || *method == Method::HEAD { Body::empty() } else { Body::from(manifest.content().clone()) };
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.reserve(ROOM);
    headers.insert(CONTENT_DIGEST, value(manifest.digest().as_str()));
    headers.insert(header::ETAG, etag(manifest.digest()));
    // Of 304 as well: what 200 would have sent (RFC 9110, section 8.6).
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(manifest.content().len()));
    if known {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    } else {
        headers.insert(header::CONTENT_TYPE, value(manifest.media_type().as_str()));
    }
    OfManifest::mark(&mut response, manifest.digest());
    response
}

/// Stores a manifest under its digest and its tags.
pub(in crate::http) async fn put(
    permit: Authorized<Push>,
    ChargedTo(owner): ChargedTo,
    At(reference): At<Reference>,
    State(app): State<App>,
    request: Request,
) -> Result<Response, OciError> {
    let (parts, body) = request.into_parts();
    let tags = tags(&reference, &Query::parse(parts.uri.query()), app.settings.limits.tags_per_push)?;
    let content_type = content_type(&parts.headers)?;
    let precondition = precondition(&parts.headers)?;
    let limit = app.registry.settings().limits.manifest_size.bytes();
    let content = match body::declared_length(&parts.headers) {
        Some(length) if length > limit => None,
        _ => body::gather(body, limit, app.minimum_rate(), app.reserve(owner), Code::ManifestInvalid).await?,
    };
    // Counted until the manifest is stored.
    let (content, _reserved) = content.ok_or(RegistryError::ManifestTooLarge { limit })?.into_parts();
    // Nothing closes the semaphore.
    let _turn = if content.len() > LARGE { app.large_manifests.acquire().await.ok() } else { None };
    let pushed = app
        .registry
        .push_manifest(&permit, &reference, tags.clone(), content_type.as_ref(), content, precondition)
        .await?;
    Ok(created(&permit, &pushed, &tags))
}

fn created(permit: &Authorized<Push>, pushed: &PushedManifest, tags: &[Tag]) -> Response {
    let mut response = StatusCode::CREATED.into_response();
    let headers = response.headers_mut();
    headers.insert(header::LOCATION, value(format!("/v2/{}/manifests/{}", permit.repository(), pushed.digest)));
    headers.insert(CONTENT_DIGEST, value(pushed.digest.to_string()));
    if let Some(subject) = &pushed.subject {
        headers.insert(OCI_SUBJECT, value(subject.to_string()));
    }
    for tag in tags {
        headers.append(OCI_TAG, value(tag.as_str()));
    }
    response
}

/// The `tag` parameters of a push by digest (OCI distribution specification, "Pushing Manifests").
fn tags(reference: &Reference, query: &Query<'_>, limit: usize) -> Result<Vec<Tag>, OciError> {
    if matches!(reference, Reference::Tag(_)) {
        return Ok(Vec::new());
    }
    let tags = query.all("tag").map(str::parse).collect::<Result<Vec<Tag>, _>>()?;
    if tags.len() > limit { Err(OciError::too_many_tags(limit)) } else { Ok(tags) }
}

fn content_type(headers: &HeaderMap) -> Result<Option<MediaType>, OciError> {
    let Some(header) = headers.get(header::CONTENT_TYPE) else { return Ok(None) };
    let parsed = header.to_str().ok().and_then(|text| MediaType::from_content_type(text).ok());
    parsed.map(Some).ok_or_else(|| OciError::new(Code::ManifestInvalid, "invalid Content-Type: expected a media type"))
}

fn precondition(headers: &HeaderMap) -> Result<Precondition, OciError> {
    if text(headers, header::IF_NONE_MATCH) == Some("*") {
        return Ok(Precondition::Absent);
    }
    if !headers.contains_key(header::IF_MATCH) {
        return Ok(Precondition::Always);
    }
    let tags: Vec<&str> = entity_tags(headers, &header::IF_MATCH).collect();
    if tags.contains(&"*") {
        return Ok(Precondition::Exists);
    }
    Ok(Precondition::PointsToAny(tags.into_iter().map(str::parse).collect::<Result<_, _>>()?))
}

/// Deletes a tag alone, or a manifest with its tags.
pub(in crate::http) async fn delete(
    permit: Authorized<Delete>,
    At(reference): At<Reference>,
    State(registry): State<Arc<Registry>>,
) -> Result<StatusCode, OciError> {
    registry.delete_manifest(&permit, &reference).await?;
    Ok(StatusCode::ACCEPTED)
}
