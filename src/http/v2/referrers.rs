//! The manifests that refer to a manifest.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::link_next;
use crate::auth::{Authorized, Pull};
use crate::domain::Digest;
use crate::domain::oci::manifest::OCI_INDEX;
use crate::http::auth::extractors::At;
use crate::http::error::OciError;
use crate::http::request::headers::OCI_FILTERS_APPLIED;
use crate::http::request::query::Query;
use crate::registry::{Referrer, Registry};

/// An image index (OCI image specification), written straight into the answer's text.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Index<'p> {
    schema_version: u32,
    media_type: &'static str,
    manifests: &'p [Referrer],
}

/// One page as an OCI index; empty, not 404, where nothing refers to the digest.
pub(in crate::http) async fn get(
    permit: Authorized<Pull>,
    At(subject): At<Digest>,
    State(registry): State<Arc<Registry>>,
    uri: Uri,
) -> Result<Response, OciError> {
    let query = Query::parse(uri.query());
    let artifact_type = query.get("artifactType").filter(|text| !text.is_empty());
    let last = query.get("last").map(str::parse::<Digest>).transpose()?;
    let size = query.page_size()?;
    let page = registry.referrers(&permit, &subject, artifact_type, last.as_ref(), size).await?;
    let body = serde_json::to_string(&Index { schema_version: 2, media_type: OCI_INDEX, manifests: &page.referrers });
    let body = body.map_err(|error| {
        OciError::internal(StatusCode::INTERNAL_SERVER_ERROR, &error, "the registry failed to write the list")
    })?;
    let mut response = ([(header::CONTENT_TYPE, OCI_INDEX)], body).into_response();
    let headers = response.headers_mut();
    if artifact_type.is_some() {
        headers.insert(OCI_FILTERS_APPLIED, HeaderValue::from_static("artifactType"));
    }
    if let Some(next) = page.next {
        let path = format!("/v2/{}/referrers/{subject}", permit.repository());
        let (next, size) = (next.to_string(), size.map(|size| size.to_string()));
        let mut parameters = vec![("last", next.as_str())];
        parameters.extend(size.as_deref().map(|size| ("n", size)));
        parameters.extend(artifact_type.map(|kind| ("artifactType", kind)));
        link_next(headers, &path, &parameters);
    }
    Ok(response)
}
