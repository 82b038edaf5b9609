//! Pages of other sites that may read this registry's answers (the Fetch standard, "CORS protocol"): the origins that the operator
//! lists, no pattern, and never with the credentials that a browser adds by itself (a client certificate, a remembered password): such
//! a page sends its own in `Authorization`.

use axum::extract::Request;
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};

const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE");
/// What a page may send besides what every page may.
const REQUEST_HEADERS: HeaderValue = HeaderValue::from_static(
    "Authorization, Content-Type, Content-Range, Range, Accept, If-Match, If-None-Match, If-Range",
);
/// What a page may read besides what every page may.
const RESPONSE_HEADERS: HeaderValue = HeaderValue::from_static(
    "Docker-Content-Digest, Docker-Distribution-Api-Version, Docker-Upload-UUID, Link, WWW-Authenticate, Location, Range, \
     Content-Range, Accept-Ranges, Content-Length, ETag, Retry-After, Warning, X-Request-Id, OCI-Subject, OCI-Tag, \
     OCI-Filters-Applied",
);
/// How long a browser need not ask again, in seconds.
const MAX_AGE: HeaderValue = HeaderValue::from_static("600");

/// The request's origin, where it is one that the operator lists.
pub(in crate::http) fn listed_origin(headers: &HeaderMap, origins: &[String]) -> Option<HeaderValue> {
    let origin = headers.get(ORIGIN)?;
    origins.iter().any(|listed| listed.as_bytes() == origin.as_bytes()).then(|| origin.clone())
}

/// The answer to a browser that asks first (a preflight request); the permission is added by [`permit`].
pub(in crate::http) fn preflight(request: &Request) -> Option<Response> {
    let asks = request.method() == Method::OPTIONS && request.headers().contains_key(ACCESS_CONTROL_REQUEST_METHOD);
    asks.then(|| {
        let permissions = [
            (ACCESS_CONTROL_ALLOW_METHODS, METHODS),
            (ACCESS_CONTROL_ALLOW_HEADERS, REQUEST_HEADERS),
            (ACCESS_CONTROL_MAX_AGE, MAX_AGE),
        ];
        (StatusCode::NO_CONTENT, permissions).into_response()
    })
}

/// Lets pages of `origin` read the answer, whatever it is. Where no origin of the request's is listed, the answer only says that it
/// depends on it.
pub(in crate::http) fn permit(headers: &mut HeaderMap, origin: Option<HeaderValue>) {
    headers.append(VARY, HeaderValue::from_static("origin"));
    if let Some(origin) = origin {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, RESPONSE_HEADERS);
    }
}
