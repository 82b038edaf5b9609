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
use crate::http::challenge;
use crate::http::charged::Charged;
use crate::http::error::{Code, OciError};
use crate::http::extractors::{admit_connection, certified, check_password, refuse};
use crate::http::headers::{text, value};
use crate::http::query::Query;

/// The largest form, in bytes: anyone may send one.
const FORM_LIMIT: u64 = 16 * 1024;

/// Credentials as Basic, else the certificate of the connection, if any; parameters in the query.
pub(in crate::http) async fn get(State(app): State<App>, parts: Parts) -> Result<Response, OciError> {
    admit_connection(&parts, &app)?;
    let query = Query::parse(parts.uri.query());
    let scopes = Scope::parse_all(query.all("scope"));
    if !parts.headers.contains_key(header::AUTHORIZATION) {
        let credential = certified(&parts, &app).await?;
        // Nothing to keep for the holder of a certificate: it would outlive the certificate.
        return respond(&app, credential.principal(), false, &scopes).await;
    }
    let authorization = text(&parts.headers, header::AUTHORIZATION).unwrap_or_default();
    let Ok(Authorization::Basic { name, password }) = Authorization::parse(authorization) else {
        return Err(OciError::new(Code::Unauthorized, "the token endpoint takes Basic credentials")
            .with_header(header::WWW_AUTHENTICATE, basic_challenge(&app)));
    };
    let credential = check_password(&parts, &app, &name, &password).await;
    let credential = credential.map_err(|error| refuse(&parts, &app, error))?;
    let keep = query.get("offline_token") == Some("true");
    respond(&app, credential.principal(), keep, &scopes).await
}

/// Credentials and parameters in a form.
pub(in crate::http) async fn post(
    Charged(owner): Charged,
    State(app): State<App>,
    request: Request,
) -> Result<Response, OciError> {
    let (parts, body) = request.into_parts();
    admit_connection(&parts, &app)?;
    let form = match body::declared_length(&parts.headers) {
        Some(length) if length > FORM_LIMIT => None,
        _ => body::gather(body, FORM_LIMIT, app.patience(), app.reserve(owner), Code::Unsupported).await?,
    };
    let form = form.ok_or_else(|| OciError::too_large(Code::Unsupported, "the form has more than 16 KiB"))?;
    let form = std::str::from_utf8(&form.bytes).map_err(|_| invalid_request("the form is not UTF-8"))?;
    let form = Query::parse(Some(form));
    match form.get("grant_type") {
        Some("password") => {}
        Some("refresh_token") => return refreshed(&app, &form).await,
        _ => return Err(invalid_request("grant_type must be password or refresh_token")),
    }
    let (Some(name), Some(password)) = (form.get("username"), form.get("password")) else {
        return Err(invalid_request("username and password are missing"));
    };
    let password = Secret::new(password).map_err(|_| refuse(&parts, &app, CredentialError::Wrong))?;
    let credential = check_password(&parts, &app, name, &password).await;
    let credential = credential.map_err(|error| refuse(&parts, &app, error))?;
    let keep = form.get("access_type") == Some("offline");
    respond(&app, credential.principal(), keep, &Scope::parse_all(form.all("scope"))).await
}

/// A token for a refresh token. 401 makes clients fall back to what else they know.
async fn refreshed(app: &App, form: &Query<'_>) -> Result<Response, OciError> {
    let Some(token) = form.get("refresh_token") else { return Err(invalid_request("refresh_token is missing")) };
    match app.auth.refresh_token(token).await {
        Ok(credential) => respond(app, credential.principal(), false, &Scope::parse_all(form.all("scope"))).await,
        Err(CredentialError::Storage(error)) => Err(error.into()),
        Err(_) => Err(OciError::new(Code::Unauthorized, "the refresh token is not valid, or no longer: log in again")
            .with_header(header::WWW_AUTHENTICATE, basic_challenge(app))),
    }
}

/// Both names of the token, because clients read either; with a refresh token where the client asked for one to `keep`. No `issued_at`: clients would compare it with their own clocks.
async fn respond(app: &App, principal: &Principal, keep: bool, scopes: &[Scope]) -> Result<Response, OciError> {
    let failed = |error| match error {
        AuthError::Storage(error) => error.into(),
        error => OciError::internal(StatusCode::INTERNAL_SERVER_ERROR, &error, "no token could be signed"),
    };
    let issued = app.auth.issue(principal, scopes).await.map_err(failed)?;
    let granted: Vec<String> = issued.access.iter().map(ToString::to_string).collect();
    let mut body = json!({
        "token": issued.token,
        "access_token": issued.token,
        "expires_in": issued.expires_in.as_secs(),
        "scope": granted.join(" "),
    });
    if keep && let Some(token) = app.auth.issue_refresh_token(principal).await.map_err(failed)? {
        body["refresh_token"] = token.into();
    }
    let mut headers = HeaderMap::new();
    headers.insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-store"));
    Ok((headers, Json(body)).into_response())
}

fn invalid_request(message: &str) -> OciError {
    OciError::new(Code::Unsupported, message).with_status(StatusCode::BAD_REQUEST)
}

fn basic_challenge(app: &App) -> header::HeaderValue {
    value(challenge::basic(&app.settings.service))
}
