//! The protocol (OCI distribution specification): the path parser, and one file per noun with one function per verb.

pub(super) mod blobs;
pub(super) mod catalog;
pub(super) mod cursor;
pub(super) mod manifests;
pub(super) mod ping;
pub(super) mod referrers;
pub mod route;
pub(super) mod search;
pub(super) mod tags;
pub(super) mod uploads;

use axum::http::{HeaderMap, header};
use form_urlencoded::Serializer;

use crate::http::request::headers::value;

/// Adds the `Link` to the next page (RFC 8288; OCI distribution specification, "Listing Tags").
fn link_next(headers: &mut HeaderMap, path: &str, parameters: &[(&str, &str)]) {
    let query = Serializer::new(String::new()).extend_pairs(parameters).finish();
    headers.insert(header::LINK, value(format!("<{path}?{query}>; rel=\"next\"")));
}
