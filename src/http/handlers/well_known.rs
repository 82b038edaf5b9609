//! What anybody may read: the CA to trust, and the keys that tokens are signed with.

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};

use crate::http::App;
use crate::http::error::{Code, OciError};

/// The CA's certificate as PEM. Whoever fetches it compares its fingerprint with one from elsewhere.
pub(in crate::http) async fn ca(State(app): State<App>) -> Result<Response, OciError> {
    let authority = app.certificates.authority().ok_or_else(|| {
        OciError::new(Code::NameUnknown, "this registry's certificate was not made by an authority of its own")
    })?;
    Ok(([(header::CONTENT_TYPE, "application/x-pem-file")], authority.pem.clone()).into_response())
}

/// While the CA takes the place of another: the one before, then the certificate in which it vouches for its successor. Hosts that
/// trust the one before move on by it.
pub(in crate::http) async fn rotation(State(app): State<App>) -> Result<Response, OciError> {
    let rotation = app.certificates.rotation().ok_or_else(|| {
        OciError::new(Code::NameUnknown, "no other authority hands over to this registry's at this time")
    })?;
    Ok(([(header::CONTENT_TYPE, "application/x-pem-file")], rotation).into_response())
}

/// The public halves of the token keys (RFC 7517).
pub(in crate::http) async fn jwks(State(app): State<App>) -> impl IntoResponse {
    let headers = [(header::CONTENT_TYPE, "application/jwk-set+json"), (header::CACHE_CONTROL, "public, max-age=300")];
    (headers, app.auth.jwks().to_string())
}
