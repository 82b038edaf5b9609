//! `/v2/`: whether this is a registry, and whether the credentials hold. Clients learn of authentication from this answer alone, so
//! it is 401 without credentials even if everyone may pull.

use axum::http::header;
use axum::response::IntoResponse;

use crate::http::auth::extractors::LoggedIn;

/// 200 for every client that has logged in.
pub(in crate::http) async fn get(_: LoggedIn) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], "{}")
}
