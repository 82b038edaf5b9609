//! `/`: what a person sees who opens the registry's address.

use askama::Template;
use axum::extract::State;
use axum::http::header::{self, HeaderName};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue};
use axum::response::{IntoResponse, Response};

use crate::http::App;
use crate::http::error::OciError;
use crate::http::request::origin::host;
use crate::http::web::page::{POLICY, Page};

/// Says what this is, how to trust it and how to log in: as a page to browsers, as text to everyone else.
pub(in crate::http) async fn get(State(app): State<App>, parts: Parts) -> Result<Response, OciError> {
    let host = host(&parts, &app.settings)?;
    let page = Page::new(&host, app.certificates.authority().as_deref(), &app.certificates.served());
    let body = if wants_html(&parts.headers) { page.render().ok() } else { None };
    let (kind, body) = match body {
        Some(html) => ("text/html; charset=utf-8", html),
        None => ("text/plain; charset=utf-8", page.to_text()),
    };
    let mut response = ([(header::CONTENT_TYPE, kind)], body).into_response();
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.insert(header::CONTENT_SECURITY_POLICY, POLICY.clone());
    Ok(response)
}

/// Of both forms. What is said depends on the name that was asked for, so no cache may keep it.
const HEADERS: [(HeaderName, &str); 4] = [
    (header::CACHE_CONTROL, "no-store"),
    (header::VARY, "accept"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::X_FRAME_OPTIONS, "DENY"),
];

/// Whether HTML is named among what is accepted; `*/*`, which curl and container tools send, does not count.
fn wants_html(headers: &HeaderMap) -> bool {
    let values = headers.get_all(header::ACCEPT).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|range| {
        let mut parts = range.split(';').map(str::trim);
        let is_html = parts.next().is_some_and(|kind| kind.eq_ignore_ascii_case("text/html"));
        is_html && !parts.any(|parameter| parameter.strip_prefix("q=").is_some_and(is_zero))
    })
}

fn is_zero(weight: &str) -> bool {
    weight.parse() == Ok(0.0_f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_get_a_page_and_tools_get_text() {
        let accepts =
            |text: &'static str| wants_html(&HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_static(text))]));
        assert!(accepts("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"));
        assert!(accepts("application/json, Text/HTML;q=0.5"));
        assert!(!accepts("*/*") && !accepts("text/html;q=0") && !accepts("text/html;level=1;q=0.0"));
        assert!(!accepts("text/plain") && !wants_html(&HeaderMap::new()));
    }
}
