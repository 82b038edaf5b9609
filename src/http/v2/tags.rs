//! The tags of a repository.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{Uri, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::link_next;
use crate::auth::{Authorized, Pull};
use crate::http::error::OciError;
use crate::http::request::query::Query;
use crate::registry::{Next, Registry};

/// One page, in ASCII order, after `last`.
pub(in crate::http) async fn get(
    permit: Authorized<Pull>,
    State(registry): State<Arc<Registry>>,
    uri: Uri,
) -> Result<Response, OciError> {
    let query = Query::parse(uri.query());
    let size = query.page_size()?;
    let page = registry.tags(&permit, query.get("last"), size).await?;
    let body = json!({ "name": permit.repository().as_str(), "tags": page.names }).to_string();
    let mut response = ([(header::CONTENT_TYPE, "application/json")], body).into_response();
    if let Some(Next::After(last)) = &page.next {
        let path = format!("/v2/{}/tags/list", permit.repository());
        link_next(response.headers_mut(), &path, &[("n", &page.names.len().to_string()), ("last", last)]);
    }
    Ok(response)
}
