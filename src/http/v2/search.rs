//! `docker search` and `podman search`: names that contain a text, as far as the caller may pull them.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use axum::response::IntoResponse;
use serde_json::json;

use crate::auth::CatalogPermit;
use crate::http::error::OciError;
use crate::http::request::query::Query;
use crate::registry::Registry;

/// How many results there are where the client names no number, as on Docker Hub.
const DEFAULT_RESULTS: u32 = 25;

/// One page of results (Docker Registry HTTP API V1, "Search").
pub(in crate::http) async fn get(
    permit: CatalogPermit,
    State(registry): State<Arc<Registry>>,
    uri: Uri,
) -> Result<impl IntoResponse, OciError> {
    let query = Query::parse(uri.query());
    let size = query.page_size()?.unwrap_or(DEFAULT_RESULTS);
    let text = query.get("q").unwrap_or_default();
    let page = registry.search(&permit, text, Some(size)).await?;
    let results: Vec<_> = page
        .names
        .iter()
        .map(|name| json!({"name": name, "description": "", "star_count": 0, "is_official": false, "is_automated": false}))
        .collect();
    Ok(Json(json!({
        "query": text,
        "page": 1,
        "num_pages": 1,
        "page_size": size,
        "num_results": results.len(),
        "results": results,
    })))
}
