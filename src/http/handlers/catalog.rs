//! The repositories of the registry, as far as the caller may pull them.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{Uri, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::link_next;
use crate::auth::CatalogPermit;
use crate::http::error::OciError;
use crate::http::query::Query;
use crate::registry::Registry;

/// One page, in ASCII order, after `last`.
pub(in crate::http) async fn get(
    permit: CatalogPermit,
    State(registry): State<Arc<Registry>>,
    uri: Uri,
) -> Result<Response, OciError> {
    let query = Query::parse(uri.query());
    let size = query.page_size()?;
    let page = registry.catalog(&permit, query.get("last"), size).await?;
    let body = json!({ "repositories": page.names }).to_string();
    let mut response = ([(header::CONTENT_TYPE, "application/json")], body).into_response();
    if let (true, Some(last)) = (page.more, page.names.last()) {
        let size = page.names.len().to_string();
        link_next(response.headers_mut(), "/v2/_catalog", &[("n", &size), ("last", last)]);
    }
    Ok(response)
}
