//! What handlers take: the parsed path, and the permit. A handler that names no permit in its arguments reads no repository, because
//! every use case wants one.

use std::str::FromStr;

use axum::extract::FromRequestParts;
use axum::http::header::{self, HeaderName};
use axum::http::request::Parts;

use super::accounting::note_account;
use super::authorization::Authorization;
use super::challenge::Challenge;
use super::challenge_rule::{Refused, Sent, rule};
use crate::auth::{
    Authorized, Caller, CatalogPermit, CredentialError, Denial, Permission, Scope, Secret, VerifiedCredential,
};
use crate::domain::oci::digest::InvalidDigest;
use crate::domain::oci::reference::InvalidReference;
use crate::domain::oci::tag::InvalidTag;
use crate::domain::oci::upload_id::InvalidUploadId;
use crate::domain::{Action, ClientCertificate, RepositoryName};
use crate::http::App;
use crate::http::error::{Code, OciError};
use crate::http::middleware::access_log::request_id;
use crate::http::request::client_address::client_address;
use crate::http::request::headers::text;
use crate::http::request::origin::origin;
use crate::http::request::query::Query;
use crate::http::v2::route::Route;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const FOREIGN_CERTIFICATE: &str = "a page of another site may not use the client certificate";
const FOREIGN_PASSWORD: &str = "a page of another site may not use the password that the browser remembers";

/// The last component of the path, parsed.
pub(in crate::http) struct At<T>(pub(in crate::http) T);

/// The request and its verified credential, anonymous where it has none.
pub(in crate::http) struct VerifiedCaller(pub(in crate::http) Caller);

/// The same, but not anonymous.
pub(in crate::http) struct LoggedIn;

impl<T> FromRequestParts<App> for At<T>
where
    T: FromStr,
    OciError: From<T::Err>,
{
    type Rejection = OciError;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, OciError> {
        let last = parts.extensions.get::<Route>().map_or("", |route| route.last.as_str());
        Ok(Self(last.parse()?))
    }
}

impl FromRequestParts<App> for VerifiedCaller {
    type Rejection = OciError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, OciError> {
        caller(parts, app).await.map(Self)
    }
}

impl FromRequestParts<App> for LoggedIn {
    type Rejection = OciError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, OciError> {
        let presents_nothing =
            !parts.headers.contains_key(header::AUTHORIZATION) && parts.extensions.get::<ClientCertificate>().is_none();
        if presents_nothing {
            return Err(unauthorized(parts, app, Vec::new(), None, "log in first: docker login, or credentials"));
        }
        let VerifiedCredential { credential, .. } = credential(parts, app).await?;
        if credential.is_expired() {
            return Err(unauthorized(parts, app, Vec::new(), Some("invalid_token"), "the token has expired"));
        }
        Ok(Self)
    }
}

impl<P: Permission> FromRequestParts<App> for Authorized<P> {
    type Rejection = OciError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, OciError> {
        let caller = caller(parts, app).await?;
        let permit = caller.authorize::<P>(repository(parts)?);
        permit.map_err(|denial| denied(parts, app, &denial, &mount_source(parts)))
    }
}

impl FromRequestParts<App> for CatalogPermit {
    type Rejection = OciError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, OciError> {
        let caller = caller(parts, app).await?;
        caller.authorize_catalog().map_err(|denial| denied(parts, app, &denial, &[]))
    }
}

/// What a mount needs in addition to the right to push: named together, so that a client that asks for one token gets the right one.
/// Whether there is anything to pull from is not told.
fn mount_source(parts: &Parts) -> Vec<Scope> {
    let query = Query::parse(parts.uri.query());
    let from = query.get("mount").and(query.get("from")).and_then(|name| name.parse().ok());
    from.map(|name| Scope::repository(name, Action::Pull.into())).into_iter().collect()
}

/// The repository that the path names.
fn repository(parts: &Parts) -> Result<&RepositoryName, OciError> {
    let route = parts.extensions.get::<Route>();
    route.and_then(|route| route.repository.as_ref()).ok_or_else(OciError::no_endpoint)
}

/// The request as policy sees it: its verified credential, the client's address, and its id.
async fn caller(parts: &Parts, app: &App) -> Result<Caller, OciError> {
    let address = client_address(parts, &app.settings.server.trusted_proxies);
    Ok(Caller::new(credential(parts, app).await?, address, request_id(parts)))
}

/// Verifies what the request presents (RFC 7617 Basic, RFC 6750 Bearer); where it presents nothing, the connection's certificate.
async fn credential(parts: &Parts, app: &App) -> Result<VerifiedCredential, OciError> {
    admit_connection(parts, app)?;
    let verified = match Authorization::of(&parts.headers) {
        None => return certified(parts, app).await,
        Some(Ok(Authorization::Bearer(token))) => {
            app.auth.bearer(token).await.map_err(|error| refuse(parts, app, error))?
        }
        Some(Ok(Authorization::Basic { name, password })) => basic(parts, app, &name, &password).await?,
        Some(Err(error)) => return Err(unauthorized(parts, app, Vec::new(), None, &error.to_string())),
    };
    note_account(parts, &verified.credential);
    Ok(verified)
}

/// Verifies Basic credentials; not those that a browser added to the request of another site's page.
pub(in crate::http) async fn basic(
    parts: &Parts,
    app: &App,
    name: &str,
    password: &Secret,
) -> Result<VerifiedCredential, OciError> {
    if comes_from_another_site(parts) {
        return Err(unauthorized(parts, app, Vec::new(), None, FOREIGN_PASSWORD));
    }
    check_password(parts, app, name, password).await.map_err(|error| refuse(parts, app, error))
}

/// Verifies a password that the request carries.
pub(in crate::http) async fn check_password(
    parts: &Parts,
    app: &App,
    name: &str,
    password: &Secret,
) -> Result<VerifiedCredential, CredentialError> {
    let verified =
        app.auth.password(name, password, client_address(parts, &app.settings.server.trusted_proxies)).await?;
    note_account(parts, &verified.credential);
    Ok(verified)
}

/// Refuses whatever comes over a connection whose certificate was accepted once and no longer is, as a new one would be.
pub(in crate::http) fn admit_connection(parts: &Parts, app: &App) -> Result<(), OciError> {
    match parts.extensions.get::<ClientCertificate>() {
        Some(ClientCertificate::Withdrawn(why)) => Err(unauthorized(parts, app, Vec::new(), None, why)),
        Some(ClientCertificate::Names { .. } | ClientCertificate::NamesUnknownUser(_)) | None => Ok(()),
    }
}

/// Whether a page of another site made a browser send this (Fetch Metadata, section 2.3). The browser would add the certificate, or
/// a password that it remembers, as it does cookies, without asking its user.
fn comes_from_another_site(parts: &Parts) -> bool {
    text(&parts.headers, SEC_FETCH_SITE).is_some_and(|site| !matches!(site, "same-origin" | "none"))
}

/// The credential of a request without an Authorization header. A certificate that names no user of this registry is a wrong credential: its
/// holder meant to log in, and must not become anonymous without being told.
pub(in crate::http) async fn certified(parts: &Parts, app: &App) -> Result<VerifiedCredential, OciError> {
    match parts.extensions.get::<ClientCertificate>() {
        None => app.auth.anonymous().await.map_err(OciError::of_store),
        Some(_) if comes_from_another_site(parts) => {
            Err(unauthorized(parts, app, Vec::new(), None, FOREIGN_CERTIFICATE))
        }
        Some(ClientCertificate::Names { user, fingerprint }) => {
            let verified = app.auth.certificate(user, *fingerprint).await.map_err(|error| refuse(parts, app, error))?;
            note_account(parts, &verified.credential);
            Ok(verified)
        }
        Some(ClientCertificate::NamesUnknownUser(why) | ClientCertificate::Withdrawn(why)) => {
            Err(unauthorized(parts, app, Vec::new(), None, why))
        }
    }
}

/// The answer to credentials that do not hold.
pub(in crate::http) fn refuse(parts: &Parts, app: &App, error: CredentialError) -> OciError {
    match error {
        // Docker's engine repeats the request with the same password where no error says not to.
        CredentialError::Wrong => {
            unauthorized(parts, app, Vec::new(), Some("invalid_token"), "the name or the password is wrong")
        }
        CredentialError::Expired => {
            unauthorized(parts, app, Vec::new(), Some("invalid_token"), "the token is not valid, or no longer")
        }
        CredentialError::NoSuchUser(_) => unauthorized(parts, app, Vec::new(), None, &error.to_string()),
        CredentialError::Busy { retry_after } => {
            OciError::too_many(retry_after, "too many passwords are being checked at once: try again")
        }
        CredentialError::RateLimited { retry_after } => {
            OciError::too_many(retry_after, "too many wrong passwords: this one was not verified; try again later")
        }
        CredentialError::Storage(error) => OciError::of_store(error),
    }
}

/// The answer if rights or the token's scope are missing: why, and every scope that is needed.
pub(in crate::http) fn denied(parts: &Parts, app: &App, denial: &Denial, also: &[Scope]) -> OciError {
    let error = match denial {
        Denial::Unauthenticated(_) => None,
        Denial::InsufficientScope(_) | Denial::Forbidden(_) => Some("insufficient_scope"),
    };
    let scopes = denial.scope().into_iter().chain(also).map(ToString::to_string).collect();
    unauthorized(parts, app, scopes, error, &denial.to_string())
}

fn unauthorized(parts: &Parts, app: &App, scopes: Vec<String>, error: Option<&'static str>, message: &str) -> OciError {
    let host = match origin(parts, &app.settings) {
        Ok(host) => host,
        Err(error) => return error,
    };
    let settings = &app.settings;
    let kind = rule(&settings.auth).kind(Refused {
        to_repository: parts.extensions.get::<Route>().is_some_and(|route| route.repository.is_some()),
        method: &parts.method,
        sent: sent(parts),
        user_agent: text(&parts.headers, header::USER_AGENT),
    });
    let challenge = Challenge { kind, host, service: settings.auth.service.clone(), scopes, error };
    OciError::unauthorized(&challenge, message)
}

fn sent(parts: &Parts) -> Sent {
    match Authorization::of(&parts.headers) {
        None => Sent::Nothing,
        Some(Ok(Authorization::Basic { .. })) => Sent::Password,
        Some(Ok(Authorization::Bearer(_)) | Err(_)) => Sent::Other,
    }
}

impl From<InvalidDigest> for OciError {
    fn from(error: InvalidDigest) -> Self {
        Self::new(Code::DigestInvalid, error.to_string())
    }
}

impl From<InvalidTag> for OciError {
    fn from(error: InvalidTag) -> Self {
        Self::new(Code::ManifestInvalid, error.to_string())
    }
}

impl From<InvalidReference> for OciError {
    fn from(error: InvalidReference) -> Self {
        match error {
            InvalidReference::Digest(error) => error.into(),
            InvalidReference::Tag(error) => error.into(),
        }
    }
}

impl From<InvalidUploadId> for OciError {
    fn from(_: InvalidUploadId) -> Self {
        Self::new(Code::BlobUploadUnknown, "unknown upload session")
    }
}
