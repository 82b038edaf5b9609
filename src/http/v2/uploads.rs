//! Upload sessions: open (or mount, or upload at once), append, commit, status, cancel.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::auth::{Authorized, Caller, Continue, Denial, Pull, Push, Scope};
use crate::domain::{Action, Actions, Algorithm, ContentRange, Digest, RepositoryName, UploadId};
use crate::http::App;
use crate::http::auth::accounting::ChargedTo;
use crate::http::auth::extractors::{At, VerifiedCaller, denied};
use crate::http::body::receive as body;
use crate::http::body::upload_limits::UploadPermit;
use crate::http::error::{Code, OciError};
use crate::http::request::headers::{CONTENT_DIGEST, UPLOAD_UUID, text, uploaded_range, value};
use crate::http::request::query::Query;
use crate::registry::{BodyStream, Owner, Registry, RegistryError, UploadSession};

/// Opens a session; or mounts a blob; or takes a whole blob at once.
pub(in crate::http) async fn post(
    permit: Authorized<Push>,
    VerifiedCaller(caller): VerifiedCaller,
    ChargedTo(owner): ChargedTo,
    State(app): State<App>,
    request: Request,
) -> Result<Response, OciError> {
    let (parts, body) = request.into_parts();
    let query = Query::parse(parts.uri.query());
    if let Some(digest) = query.get("digest") {
        return upload_at_once(&permit, &app, owner, &parts.headers, body, digest.parse()?).await;
    }
    if let Some(digest) = query.get("mount") {
        let digest: Digest = digest.parse()?;
        if mount(&permit, &caller, &app, &parts, &digest, query.get("from")).await? {
            return Ok(created(permit.repository(), &digest));
        }
    }
    let algorithm = match query.get("digest-algorithm") {
        Some(name) => name.parse()?,
        None => Algorithm::Sha256,
    };
    let session = app.registry.begin_upload(&permit, algorithm, &owner).await?;
    Ok(accepted(permit.repository(), session.id(), 0, StatusCode::ACCEPTED))
}

async fn upload_at_once(
    permit: &Authorized<Push>,
    app: &App,
    owner: Owner,
    headers: &HeaderMap,
    body: Body,
    digest: Digest,
) -> Result<Response, OciError> {
    check_content_length(app, headers, None)?;
    let upload = app.open_upload(owner)?;
    let session = app.registry.begin_single_upload(permit, digest.algorithm(), body::declared_length(headers)).await?;
    session.commit(None, content(app, body, upload), digest.clone()).await?;
    Ok(created(permit.repository(), &digest))
}

/// Mounts from `from`, or from wherever the caller may pull. A source that the caller may not pull is treated like one that
/// does not have the blob; a source that the caller may pull, but not with this token, is worth another token.
async fn mount(
    permit: &Authorized<Push>,
    caller: &Caller,
    app: &App,
    parts: &Parts,
    digest: &Digest,
    from: Option<&str>,
) -> Result<bool, OciError> {
    let registry = &app.registry;
    if registry.has_blob(permit, digest).await? {
        return Ok(true);
    }
    let source: Option<RepositoryName> = match from {
        Some(from) => from.parse().ok(),
        None => registry.mount_source(digest, &caller.policy().mount_sources(caller.credential())).await?,
    };
    let Some(source) = source else { return Ok(false) };
    match caller.authorize::<Pull>(&source) {
        Ok(source) => Ok(registry.mount(permit, &source, digest).await?),
        Err(denial @ Denial::InsufficientScope(_)) if from.is_some() => {
            let target =
                Scope::repository(permit.repository().clone(), Actions::NONE.with(Action::Pull).with(Action::Push));
            Err(denied(parts, app, &denial, &[target]))
        }
        Err(_) => Ok(false),
    }
}

/// How far the session came.
pub(in crate::http) async fn get(
    permit: Authorized<Continue>,
    At(id): At<UploadId>,
    State(registry): State<Arc<Registry>>,
) -> Result<Response, OciError> {
    let length = registry.upload_length(&permit, id).await?;
    Ok(accepted(permit.repository(), id, length, StatusCode::NO_CONTENT))
}

/// Appends a chunk, or a stream of unknown length.
pub(in crate::http) async fn patch(
    permit: Authorized<Continue>,
    ChargedTo(owner): ChargedTo,
    At(id): At<UploadId>,
    State(app): State<App>,
    request: Request,
) -> Result<Response, OciError> {
    let (parts, body) = request.into_parts();
    let Writing { session, range, upload } = Writing::begin(&app, &permit, owner, id, &parts.headers).await?;
    let session = session.append(range, body::stream(body, app.minimum_rate(), upload)).await?;
    Ok(accepted(permit.repository(), id, session.length(), StatusCode::ACCEPTED))
}

/// Appends the last chunk, if there is one, and commits.
pub(in crate::http) async fn put(
    permit: Authorized<Continue>,
    ChargedTo(owner): ChargedTo,
    At(id): At<UploadId>,
    State(app): State<App>,
    request: Request,
) -> Result<Response, OciError> {
    let (parts, body) = request.into_parts();
    let query = Query::parse(parts.uri.query());
    let digest: Digest = match query.get("digest") {
        Some(digest) => digest.parse()?,
        None => return Err(OciError::new(Code::DigestInvalid, "the parameter digest is missing")),
    };
    let Writing { session, range, upload } = Writing::begin(&app, &permit, owner, id, &parts.headers).await?;
    session.commit(range, content(&app, body, upload), digest.clone()).await?;
    Ok(created(permit.repository(), &digest))
}

/// A session that this request writes to, where its chunk belongs, and a place among the uploads.
struct Writing {
    session: UploadSession,
    range: Option<ContentRange>,
    upload: UploadPermit,
}

impl Writing {
    async fn begin(
        app: &App,
        permit: &Authorized<Continue>,
        owner: Owner,
        id: UploadId,
        headers: &HeaderMap,
    ) -> Result<Self, OciError> {
        let range = content_range(headers)?;
        check_content_length(app, headers, range)?;
        let upload = app.open_upload(owner)?;
        let session = app.registry.resume_upload(permit, id).await?;
        if let Some(length) = body::declared_length(headers).filter(|length| *length > 0) {
            app.registry.require_room(permit.repository(), session.length() + length).await?;
        }
        Ok(Self { session, range, upload })
    }
}

/// Cancels.
pub(in crate::http) async fn delete(
    permit: Authorized<Continue>,
    At(id): At<UploadId>,
    State(registry): State<Arc<Registry>>,
) -> Result<StatusCode, OciError> {
    registry.resume_upload(&permit, id).await?.cancel().await?;
    Ok(StatusCode::NO_CONTENT)
}

fn content(app: &App, body: Body, upload: UploadPermit) -> Option<BodyStream> {
    (!body::is_empty(&body)).then(|| body::stream(body, app.minimum_rate(), upload))
}

fn content_range(headers: &HeaderMap) -> Result<Option<ContentRange>, OciError> {
    if !headers.contains_key(header::CONTENT_RANGE) {
        return Ok(None);
    }
    let range = text(headers, header::CONTENT_RANGE).unwrap_or_default().parse();
    range.map(Some).map_err(|error: crate::domain::oci::byte_range::InvalidContentRange| {
        OciError::bad_range(Code::BlobUploadInvalid, error.to_string())
    })
}

/// Refuses what cannot fit before a byte of it is read.
fn check_content_length(app: &App, headers: &HeaderMap, range: Option<ContentRange>) -> Result<(), OciError> {
    let Some(actual) = body::declared_length(headers) else { return Ok(()) };
    if let Some(range) = range
        && range.length() != actual
    {
        return Err(RegistryError::LengthMismatch { expected: range.length(), actual }.into());
    }
    match app.registry.settings().largest_blob() {
        Some(limit) if actual > limit => Err(RegistryError::BlobTooLarge { limit }.into()),
        _ => Ok(()),
    }
}

fn accepted(repository: &RepositoryName, id: UploadId, length: u64, status: StatusCode) -> Response {
    let mut response = status.into_response();
    let headers = response.headers_mut();
    headers.insert(header::LOCATION, value(format!("/v2/{repository}/blobs/uploads/{id}")));
    headers.insert(header::RANGE, value(uploaded_range(length)));
    headers.insert(UPLOAD_UUID, value(id.to_string()));
    response
}

fn created(repository: &RepositoryName, digest: &Digest) -> Response {
    let mut response = StatusCode::CREATED.into_response();
    let headers = response.headers_mut();
    headers.insert(header::LOCATION, value(format!("/v2/{repository}/blobs/{digest}")));
    headers.insert(CONTENT_DIGEST, value(digest.to_string()));
    response
}
