//! The repositories of the registry, as far as the caller may pull them.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{Uri, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::link_next;
use crate::auth::CatalogPermit;
use crate::http::App;
use crate::http::error::{Code, OciError};
use crate::http::request::query::Query;
use crate::registry::{Next, Registry};

/// One page, in ASCII order, after `last`.
pub(in crate::http) async fn get(
    permit: CatalogPermit,
    State(app): State<App>,
    State(registry): State<Arc<Registry>>,
    uri: Uri,
) -> Result<Response, OciError> {
    let query = Query::parse(uri.query());
    let size = query.page_size()?;
    let last = query.get("last").map(|last| app.cursors.open(last)).transpose().map_err(|_| {
        OciError::new(Code::PaginationNumberInvalid, "the parameter last is of a list that has expired: start again")
    })?;
    let page = registry.catalog(&permit, last.as_deref(), size).await?;
    let body = json!({ "repositories": page.names }).to_string();
    let mut response = ([(header::CONTENT_TYPE, "application/json")], body).into_response();
    let next = match page.next {
        None => None,
        Some(Next::After(last)) => Some(last),
        Some(Next::AfterHidden(last)) => app.cursors.seal(&last),
    };
    if let Some(last) = next {
        // The number that was asked for: a page may have fewer names, and then not the last ones.
        let size = registry.page_limit(size).to_string();
        link_next(response.headers_mut(), "/v2/_catalog", &[("n", &size), ("last", &last)]);
    }
    Ok(response)
}
