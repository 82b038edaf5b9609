//! The token endpoint: credentials for a short-lived token of at most the scope that was asked for
//! (Docker Registry token authentication, "Requesting a token"; RFC 6749 for the form of POST).

use axum::Json;
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::auth::{AuthError, CredentialError, Principal, Scope, Secret};
use crate::http::App;
use crate::http::authorization::Authorization;
use crate::http::body;
use crate::http::error::{Code, OciError};
use crate::http::extractors::{admit_connection, certified, refuse};
use crate::http::headers::text;
use crate::http::query::Query;

/// The largest form, in bytes.
const FORM_LIMIT: u64 = 64 * 1024;

/// Credentials as Basic, else the certificate of the connection, if any; parameters in the query.
pub(in crate::http) async fn get(State(app): State<App>, parts: Parts) -> Result<Response, OciError> {
    admit_connection(&parts, &app)?;
    let query = Query::parse(parts.uri.query());
    let scopes = Scope::parse_all(query.all("scope"));
    if !parts.headers.contains_key(header::AUTHORIZATION) {
        let credential = certified(&parts, &app).await?;
        return respond(&app, credential.principal(), &scopes).await;
    }
    let authorization = text(&parts.headers, header::AUTHORIZATION).unwrap_or_default();
    let Ok(Authorization::Basic { name, password }) = Authorization::parse(authorization) else {
        return Err(OciError::new(Code::Unauthorized, "the token endpoint takes Basic credentials")
            .with_header(header::WWW_AUTHENTICATE, basic_challenge(&app)));
    };
    let credential = app.auth.password(&name, &password).await;
    let credential = credential.map_err(|error| refuse(&parts, &app, error))?;
    respond(&app, credential.principal(), &scopes).await
}

/// Credentials and parameters in a form.
pub(in crate::http) async fn post(State(app): State<App>, request: Request) -> Result<Response, OciError> {
    let (parts, body) = request.into_parts();
    admit_connection(&parts, &app)?;
    let form = body::gather(body, FORM_LIMIT, app.settings.idle_timeout).await?;
    let form = form.ok_or_else(|| OciError::too_large(Code::Unsupported, "the form is too large"))?;
    let form = std::str::from_utf8(&form).map_err(|_| invalid_request("the form is not UTF-8"))?;
    let form = Query::parse(Some(form));
    match form.get("grant_type") {
        Some("password") => {}
        // Refresh tokens are never handed out, so none is valid. 401 makes clients fall back to what else they know.
        Some("refresh_token") => {
            return Err(OciError::new(Code::Unauthorized, "refresh tokens are not issued here: log in again")
                .with_header(header::WWW_AUTHENTICATE, basic_challenge(&app)));
        }
        _ => return Err(invalid_request("grant_type must be password")),
    }
    let (Some(name), Some(password)) = (form.get("username"), form.get("password")) else {
        return Err(invalid_request("username and password are missing"));
    };
    let password = Secret::new(password).map_err(|_| refuse(&parts, &app, CredentialError::Wrong))?;
    let credential = app.auth.password(name, &password).await;
    let credential = credential.map_err(|error| refuse(&parts, &app, error))?;
    respond(&app, credential.principal(), &Scope::parse_all(form.all("scope"))).await
}

/// Both names of the token, because clients read either. No `issued_at`: clients would compare it with their own clocks.
async fn respond(app: &App, principal: &Principal, scopes: &[Scope]) -> Result<Response, OciError> {
    let issued = app.auth.issue(principal, scopes).await.map_err(|error| match error {
        AuthError::Storage(error) => error.into(),
        error => OciError::internal(StatusCode::INTERNAL_SERVER_ERROR, &error, "no token could be signed"),
    })?;
    let granted: Vec<String> = issued.access.iter().map(ToString::to_string).collect();
    let body = json!({
        "token": issued.token,
        "access_token": issued.token,
        "expires_in": issued.expires_in.as_secs(),
        "scope": granted.join(" "),
    });
    let mut headers = HeaderMap::new();
    headers.insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-store"));
    Ok((headers, Json(body)).into_response())
}

fn invalid_request(message: &str) -> OciError {
    OciError::new(Code::Unsupported, message).with_status(StatusCode::BAD_REQUEST)
}

fn basic_challenge(app: &App) -> header::HeaderValue {
    crate::http::headers::value(format!("Basic realm=\"{}\"", app.settings.service))
}
