//! The token endpoint: credentials for a short-lived token of at most the scope that was asked for
//! (Docker Registry token authentication, "Requesting a token"; RFC 6749 for the form of POST).

use axum::Json;
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::auth::{AuthError, Credential, CredentialError, Scope, Secret};
use crate::http::App;
use crate::http::auth::accounting::ChargedTo;
use crate::http::auth::authorization::Authorization;
use crate::http::auth::challenge;
use crate::http::auth::extractors::{admit_connection, basic, certified, check_password, refuse};
use crate::http::body::receive as body;
use crate::http::error::{Code, OciError};
use crate::http::request::headers::{text, value};
use crate::http::request::query::Query;

/// The largest form, in bytes: anyone may send one.
const FORM_LIMIT: u64 = 16 * 1024;
/// The only type of a form (RFC 6749, appendix B).
const FORM: &str = "application/x-www-form-urlencoded";

/// Credentials as Basic, else the certificate of the connection, if any; parameters in the query.
pub(in crate::http) async fn get(State(app): State<App>, parts: Parts) -> Result<Response, OciError> {
    admit_connection(&parts, &app)?;
    let query = parameters(parts.uri.query())?;
    let scopes = Scope::parse_all(query.all("scope"));
    let unauthorized = |message: &str| {
        OciError::new(Code::Unauthorized, message).with_header(header::WWW_AUTHENTICATE, basic_challenge(&app))
    };
    let (name, password) = match Authorization::of(&parts.headers) {
        None => {
            let verified = certified(&parts, &app).await?;
            return respond(&app, &verified.credential, false, &scopes).await;
        }
        Some(Ok(Authorization::Basic { name, password })) => (name, password),
        Some(Ok(Authorization::Bearer(_))) => return Err(unauthorized("the token endpoint takes Basic credentials")),
        Some(Err(error)) => return Err(unauthorized(&error.to_string())),
    };
    let verified = basic(&parts, &app, &name, &password).await?;
    let keep = query.get("offline_token") == Some("true");
    respond(&app, &verified.credential, keep, &scopes).await
}

/// Credentials and parameters in a form.
pub(in crate::http) async fn post(
    ChargedTo(owner): ChargedTo,
    State(app): State<App>,
    request: Request,
) -> Result<Response, OciError> {
    let (parts, body) = request.into_parts();
    admit_connection(&parts, &app)?;
    require_form(&parts)?;
    let form = match body::declared_length(&parts.headers) {
        Some(length) if length > FORM_LIMIT => None,
        _ => body::gather(body, FORM_LIMIT, app.minimum_rate(), app.reserve(owner), Code::Unsupported).await?,
    };
    let form = form.ok_or_else(|| OciError::too_large(Code::Unsupported, "the form has more than 16 KiB"))?;
    let form = std::str::from_utf8(&form.bytes).map_err(|_| invalid_request("the form is not UTF-8"))?;
    let form = parameters(Some(form))?;
    match form.get("grant_type") {
        Some("password") => {}
        Some("refresh_token") => return refreshed(&app, &form).await,
        _ => return Err(invalid_request("grant_type must be password or refresh_token")),
    }
    let (Some(name), Some(password)) = (form.get("username"), form.get("password")) else {
        return Err(invalid_request("username and password are missing"));
    };
    let password = Secret::new(password).map_err(|_| refuse(&parts, &app, CredentialError::Wrong))?;
    let verified = check_password(&parts, &app, name, &password).await;
    let verified = verified.map_err(|error| refuse(&parts, &app, error))?;
    let keep = form.get("access_type") == Some("offline");
    respond(&app, &verified.credential, keep, &Scope::parse_all(form.all("scope"))).await
}

/// A token for a refresh token. 401 makes clients fall back to what else they know.
async fn refreshed(app: &App, form: &Query<'_>) -> Result<Response, OciError> {
    let Some(token) = form.get("refresh_token") else { return Err(invalid_request("refresh_token is missing")) };
    match app.auth.refresh_token(token).await {
        Ok(verified) => respond(app, &verified.credential, false, &Scope::parse_all(form.all("scope"))).await,
        Err(CredentialError::Storage(error)) => Err(OciError::of_store(error)),
        Err(_) => Err(OciError::new(Code::Unauthorized, "the refresh token is not valid, or no longer: log in again")
            .with_header(header::WWW_AUTHENTICATE, basic_challenge(app))),
    }
}

/// Both names of the token, because clients read either; with a refresh token where the client asked for one to `keep`. No `issued_at`: clients would compare it with their own clocks.
async fn respond(app: &App, credential: &Credential, keep: bool, scopes: &[Scope]) -> Result<Response, OciError> {
    let principal = credential.principal();
    let failed = |error| match error {
        AuthError::Storage(error) => OciError::of_store(error),
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
    if keep
        && credential.may_be_kept()
        && let Some(token) = app.auth.issue_refresh_token(principal).await.map_err(failed)?
    {
        body["refresh_token"] = token.into();
    }
    let mut headers = HeaderMap::new();
    headers.insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-store"));
    Ok((headers, Json(body)).into_response())
}

/// Parameters, of which `scope` alone may be repeated (RFC 6749, section 3.2).
fn parameters(text: Option<&str>) -> Result<Query<'_>, OciError> {
    let query = Query::parse(text);
    match query.repeated(&["scope"]) {
        Some(name) => Err(invalid_request(&format!("the parameter {name} may not be repeated"))),
        None => Ok(query),
    }
}

/// A browser sends no form of another type from a page of another site without asking first, and no client sends one.
fn require_form(parts: &Parts) -> Result<(), OciError> {
    let content_type = text(&parts.headers, header::CONTENT_TYPE).unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case(FORM) {
        return Ok(());
    }
    Err(invalid_request(&format!("the Content-Type must be {FORM}")).with_status(StatusCode::UNSUPPORTED_MEDIA_TYPE))
}

fn invalid_request(message: &str) -> OciError {
    OciError::new(Code::Unsupported, message).with_status(StatusCode::BAD_REQUEST)
}

fn basic_challenge(app: &App) -> header::HeaderValue {
    value(challenge::basic(&app.settings.auth.service))
}
