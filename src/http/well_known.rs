//! What anyone may read: the CA to trust, the script that makes a host trust it, and the keys that tokens are signed with.

use axum::extract::State;
use axum::http::header;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};

use crate::http::App;
use crate::http::error::{Code, OciError};
use crate::http::request::origin::asked_host;
use crate::http::v2::route::Route;
use crate::http::web::DEFAULT_PORT;

/// The CA's certificate as PEM. The client compares its fingerprint with one from another channel.
pub(super) async fn ca(State(app): State<App>) -> Result<Response, OciError> {
    let authority = app.certificates.authority().ok_or_else(|| {
        OciError::new(Code::NameUnknown, "this registry's certificate was not made by an authority of its own")
    })?;
    Ok(([(header::CONTENT_TYPE, "application/x-pem-file")], authority.pem.clone()).into_response())
}

/// The script that makes a host trust this registry by the name that was asked for. The user who runs it has its hash from another channel.
pub(super) async fn trust_script(State(app): State<App>, parts: Parts) -> Result<Response, OciError> {
    let unknown = |message: String| OciError::new(Code::NameUnknown, message);
    // Not the public address: the line that was made for this name has the hash of this name's script.
    let host = asked_host(&parts, &app.settings)?;
    let asked = parts.extensions.get::<Route>().map(|route| route.last.as_str());
    let version = asked.and_then(|asked| asked.parse().ok().filter(|version: &u32| version.to_string() == asked));
    let authority = app.certificates.authority().ok_or_else(|| {
        unknown("this registry's certificate was made by its operator's own authority: `portcullis trust HOST --ca-file FILE`".into())
    })?;
    let served = app.certificates.served();
    if !served.is_for(host.host()) {
        let names = served.names.join(", ");
        return Err(unknown(format!("the certificate is not for {}: ask by one of these names: {names}", host.host())));
    }
    let address = host.with_default_port(DEFAULT_PORT);
    let script = version.and_then(|version| authority.trusted_as(&address).script(version));
    let script =
        script.ok_or_else(|| unknown("unknown version: `portcullis ca trust-command` prints the one to use".into()))?;
    let headers = [(header::CONTENT_TYPE, "text/plain; charset=utf-8"), (header::CACHE_CONTROL, "no-store")];
    Ok((headers, script).into_response())
}

/// While the CA takes the place of another: the one before, then the certificate in which it vouches for its successor. Hosts that
/// trust the one before move on by it.
pub(super) async fn rotation(State(app): State<App>) -> Result<Response, OciError> {
    let rotation = app
        .certificates
        .rotation()
        .ok_or_else(|| OciError::new(Code::NameUnknown, "no CA transition is in progress"))?;
    Ok(([(header::CONTENT_TYPE, "application/x-pem-file")], rotation).into_response())
}

/// The public halves of the token keys (RFC 7517).
pub(super) async fn jwks(State(app): State<App>) -> impl IntoResponse {
    let headers = [(header::CONTENT_TYPE, "application/jwk-set+json"), (header::CACHE_CONTROL, "public, max-age=300")];
    (headers, app.auth.jwks().to_string())
}
