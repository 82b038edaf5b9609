//! Failures as the protocol tells them: the one place that maps them to statuses and codes
//! (OCI distribution specification, "Error Codes").

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::auth::challenge::Challenge;
use super::request::headers::{uploaded_range, value};
use crate::domain::{Digest, OverQuota};
use crate::registry::{BodyError, OutOfMemory, RegistryError};

/// When to try again while the registry is on its way to other storage.
const FROZEN: std::time::Duration = std::time::Duration::from_secs(5);

/// The codes of the specification, and the few of Docker's that clients know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// A blob that a manifest refers to, or that was asked for, is not there.
    BlobUnknown,
    /// An upload cannot continue like this.
    BlobUploadInvalid,
    /// No such upload session.
    BlobUploadUnknown,
    /// Forbidden by policy, for everyone.
    Denied,
    /// Not a digest, or not the content's.
    DigestInvalid,
    /// A manifest refers to what is not there.
    ManifestBlobUnknown,
    /// Not a manifest.
    ManifestInvalid,
    /// No such manifest.
    ManifestUnknown,
    /// Not a repository name.
    NameInvalid,
    /// No such repository.
    NameUnknown,
    /// A length that does not fit the content.
    SizeInvalid,
    /// Credentials are missing or do not suffice.
    Unauthorized,
    /// The operation is not offered.
    Unsupported,
    /// Too much at once.
    TooManyRequests,
    /// Not a page size.
    PaginationNumberInvalid,
    /// The registry failed.
    Unknown,
    /// The registry cannot do this now.
    Unavailable,
}

impl Code {
    const fn as_str(self) -> &'static str {
        match self {
            Self::BlobUnknown => "BLOB_UNKNOWN",
            Self::BlobUploadInvalid => "BLOB_UPLOAD_INVALID",
            Self::BlobUploadUnknown => "BLOB_UPLOAD_UNKNOWN",
            Self::Denied => "DENIED",
            Self::DigestInvalid => "DIGEST_INVALID",
            Self::ManifestBlobUnknown => "MANIFEST_BLOB_UNKNOWN",
            Self::ManifestInvalid => "MANIFEST_INVALID",
            Self::ManifestUnknown => "MANIFEST_UNKNOWN",
            Self::NameInvalid => "NAME_INVALID",
            Self::NameUnknown => "NAME_UNKNOWN",
            Self::SizeInvalid => "SIZE_INVALID",
            Self::Unauthorized => "UNAUTHORIZED",
            Self::Unsupported => "UNSUPPORTED",
            Self::TooManyRequests => "TOOMANYREQUESTS",
            Self::PaginationNumberInvalid => "PAGINATION_NUMBER_INVALID",
            Self::Unknown => "UNKNOWN",
            Self::Unavailable => "UNAVAILABLE",
        }
    }

    const fn status(self) -> StatusCode {
        match self {
            Self::BlobUploadInvalid
            | Self::DigestInvalid
            | Self::ManifestBlobUnknown
            | Self::ManifestInvalid
            | Self::NameInvalid
            | Self::SizeInvalid
            | Self::PaginationNumberInvalid => StatusCode::BAD_REQUEST,
            Self::BlobUnknown | Self::BlobUploadUnknown | Self::ManifestUnknown | Self::NameUnknown => {
                StatusCode::NOT_FOUND
            }
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::Denied => StatusCode::FORBIDDEN,
            Self::Unsupported => StatusCode::METHOD_NOT_ALLOWED,
            Self::TooManyRequests => StatusCode::TOO_MANY_REQUESTS,
            Self::Unknown => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

/// A failure, ready to be sent.
#[derive(Debug)]
pub struct OciError {
    status: StatusCode,
    entries: Vec<Entry>,
    headers: Vec<(HeaderName, HeaderValue)>,
    internal: Option<Box<Internal>>,
}

/// What went wrong inside, for the log.
#[derive(Clone, Debug)]
pub(super) struct Internal(pub(super) String);

#[derive(Debug)]
struct Entry {
    code: Code,
    message: String,
    detail: Value,
}

impl OciError {
    /// One entry, with the code's own status.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        let entry = Entry { code, message: message.into(), detail: Value::Null };
        Self { status: code.status(), entries: vec![entry], headers: Vec::new(), internal: None }
    }

    pub(super) fn with_status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    fn with_detail(mut self, detail: Value) -> Self {
        if let Some(entry) = self.entries.first_mut() {
            entry.detail = detail;
        }
        self
    }

    pub(super) fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// 401, with what the client must present instead.
    pub(super) fn unauthorized(challenge: &Challenge, message: impl Into<String>) -> Self {
        Self::new(Code::Unauthorized, message).with_header(header::WWW_AUTHENTICATE, value(challenge.to_string()))
    }

    pub(super) fn no_endpoint() -> Self {
        Self::new(Code::NameUnknown, "no such endpoint").with_status(StatusCode::NOT_FOUND)
    }

    pub(super) fn method_not_allowed(allowed: &str) -> Self {
        Self::new(Code::Unsupported, "method not allowed").with_header(header::ALLOW, value(allowed))
    }

    pub(super) fn unsupported_encoding() -> Self {
        Self::new(Code::Unsupported, "bodies are taken as they are: send no Content-Encoding")
            .with_status(StatusCode::UNSUPPORTED_MEDIA_TYPE)
    }

    pub(super) fn repeated_header(name: &HeaderName) -> Self {
        Self::new(Code::Unsupported, format!("the request carries the header {name} more than once"))
            .with_status(StatusCode::BAD_REQUEST)
    }

    pub(super) fn no_host() -> Self {
        Self::new(Code::Unsupported, "the request has no valid Host header").with_status(StatusCode::BAD_REQUEST)
    }

    pub(super) fn too_many(retry_after: std::time::Duration, message: impl Into<String>) -> Self {
        // Rounded up, so that a client that comes back then is not too early.
        let seconds = (retry_after.as_secs() + u64::from(retry_after.subsec_nanos() > 0)).max(1).to_string();
        Self::new(Code::TooManyRequests, message).with_header(header::RETRY_AFTER, value(seconds))
    }

    pub(super) fn too_many_tags(limit: usize) -> Self {
        Self::new(Code::ManifestInvalid, format!("a push may set at most {limit} tags"))
            .with_status(StatusCode::URI_TOO_LONG)
    }

    pub(super) fn too_large(code: Code, message: impl Into<String>) -> Self {
        Self::new(code, message).with_status(StatusCode::PAYLOAD_TOO_LARGE)
    }

    pub(super) fn bad_range(code: Code, message: impl Into<String>) -> Self {
        Self::new(code, message).with_status(StatusCode::RANGE_NOT_SATISFIABLE)
    }

    /// 503: it may work in a moment.
    pub(super) fn unavailable(retry_after: std::time::Duration, message: impl Into<String>) -> Self {
        let seconds = retry_after.as_secs().max(1).to_string();
        Self::new(Code::Unavailable, message).with_header(header::RETRY_AFTER, value(seconds))
    }

    /// 5xx: the log gets `what`, the client `told`; the request's id, which is in the header of each answer, joins them.
    pub(super) fn internal(status: StatusCode, what: &impl ToString, told: &'static str) -> Self {
        let code = if status == StatusCode::INTERNAL_SERVER_ERROR { Code::Unknown } else { Code::Unavailable };
        let message = format!("{told}; the server's log tells more under the id in the header X-Request-Id");
        let internal = Some(Box::new(Internal(what.to_string())));
        Self { internal, ..Self::new(code, message).with_status(status) }
    }

    /// 503: something is in use that is given back soon. The log says what.
    fn busy(what: &impl ToString) -> Self {
        Self::internal(StatusCode::SERVICE_UNAVAILABLE, what, "the registry is too busy to do this now: try again")
            .with_header(header::RETRY_AFTER, HeaderValue::from_static("1"))
    }

    /// 503: the database or the object store is away. Clients come back over a few seconds, and not all at once.
    fn away(what: &impl ToString) -> Self {
        let told = "the registry cannot reach its storage at present: try again";
        let seconds = rand::random_range(4..=6_u8).to_string();
        Self::internal(StatusCode::SERVICE_UNAVAILABLE, what, told).with_header(header::RETRY_AFTER, value(seconds))
    }

    /// A store failed for a room other than the registry: told like the registry's own failures.
    pub(super) fn of_store(error: impl Into<RegistryError>) -> Self {
        error.into().into()
    }

    /// The answer to a request whose handler panicked.
    pub(super) fn panicked() -> Self {
        Self::internal(StatusCode::INTERNAL_SERVER_ERROR, &"a request handler panicked", "internal error")
    }
}

impl OciError {
    fn about(self, key: &str, value: &impl ToString) -> Self {
        self.with_detail(json!({ key: value.to_string() }))
    }

    /// One entry for each digest.
    fn missing_references(digests: &[Digest]) -> Self {
        let entry = |digest: &Digest| Entry {
            code: Code::ManifestBlobUnknown,
            message: format!("the manifest refers to {digest}, which the repository does not have"),
            detail: json!({"digest": digest.to_string()}),
        };
        Self { entries: digests.iter().map(entry).collect(), ..Self::new(Code::ManifestBlobUnknown, String::new()) }
    }

    fn over_quota(over: &OverQuota, message: String) -> Self {
        let OverQuota { on, limit, used, needed } = over;
        let detail = json!({ "quota": on.as_str(), "limit": limit, "used": used, "needed": needed });
        Self::new(Code::Denied, message).with_detail(detail)
    }

    fn disk_full(cause: &impl ToString) -> Self {
        Self::internal(StatusCode::INSUFFICIENT_STORAGE, cause, "the registry's disk is full; nothing was stored")
    }
}

impl From<OutOfMemory> for OciError {
    fn from(error: OutOfMemory) -> Self {
        let (soon, message) = (std::time::Duration::from_secs(1), error.to_string());
        match error {
            OutOfMemory::Share => Self::too_many(soon, message),
            OutOfMemory::Total => Self::unavailable(soon, message),
        }
    }
}

impl From<RegistryError> for OciError {
    fn from(error: RegistryError) -> Self {
        let message = error.to_string();
        match error {
            RegistryError::NameUnknown(name) => Self::new(Code::NameUnknown, message).about("name", &name),
            RegistryError::ManifestUnknown { reference, .. } => {
                Self::new(Code::ManifestUnknown, message).about("reference", &reference)
            }
            RegistryError::BlobUnknown(digest) => Self::new(Code::BlobUnknown, message).about("digest", &digest),
            RegistryError::UploadUnknown => Self::new(Code::BlobUploadUnknown, message),
            RegistryError::UploadBusy => Self::too_many(std::time::Duration::from_secs(1), message),
            RegistryError::TooManyUploads { .. } => Self::too_many(std::time::Duration::from_mins(1), message),
            RegistryError::OutOfMemory(error) => error.into(),
            RegistryError::OffsetMismatch { expected, .. } => Self::bad_range(Code::BlobUploadInvalid, message)
                .with_header(header::RANGE, value(uploaded_range(expected))),
            RegistryError::LengthMismatch { .. } => Self::new(Code::SizeInvalid, message),
            RegistryError::DigestMismatch { .. } | RegistryError::DigestInvalid(_) => {
                Self::new(Code::DigestInvalid, message)
            }
            RegistryError::BlobTooLarge { .. } => Self::too_large(Code::SizeInvalid, message),
            RegistryError::ManifestTooLarge { .. } => Self::too_large(Code::ManifestInvalid, message),
            RegistryError::ManifestInvalid(_) | RegistryError::TooManyDescriptors { .. } => {
                Self::new(Code::ManifestInvalid, message)
            }
            RegistryError::MissingReferences(digests) => Self::missing_references(&digests),
            RegistryError::PreconditionFailed => {
                Self::new(Code::ManifestInvalid, message).with_status(StatusCode::PRECONDITION_FAILED)
            }
            RegistryError::ReadOnly | RegistryError::Held(_) | RegistryError::Immutable(_) => {
                Self::new(Code::Denied, message)
            }
            RegistryError::Frozen(_) => Self::unavailable(FROZEN, message),
            RegistryError::DeleteDisabled => Self::new(Code::Unsupported, message),
            RegistryError::Body(error) => error.into(),
            RegistryError::OverQuota(over) => Self::over_quota(&over, message),
            RegistryError::Full(_) => Self::disk_full(&message),
            RegistryError::Busy(_) => Self::busy(&message),
            RegistryError::Unavailable(_) => Self::away(&message),
            RegistryError::Failed(_) => Self::internal(StatusCode::INTERNAL_SERVER_ERROR, &message, "internal error"),
        }
    }
}

impl From<BodyError> for OciError {
    fn from(error: BodyError) -> Self {
        let message = error.to_string();
        match error {
            BodyError::Incomplete(_) => Self::new(Code::BlobUploadInvalid, message),
            BodyError::TooSlow(_) => {
                Self::new(Code::BlobUploadInvalid, message).with_status(StatusCode::REQUEST_TIMEOUT)
            }
            BodyError::Busy(_) => Self::busy(&message),
        }
    }
}

impl IntoResponse for OciError {
    fn into_response(self) -> Response {
        let entries: Vec<Value> = self
            .entries
            .iter()
            .map(|entry| json!({"code": entry.code.as_str(), "message": entry.message, "detail": entry.detail}))
            .collect();
        let body = json!({ "errors": entries }).to_string();
        let mut response = (self.status, [(header::CONTENT_TYPE, "application/json")], body).into_response();
        for (name, value) in self.headers {
            response.headers_mut().append(name, value);
        }
        if let Some(internal) = self.internal {
            response.extensions_mut().insert(*internal);
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_busy_is_503_and_to_be_tried_again_and_what_failed_is_500() {
        let busy = OciError::from(RegistryError::Busy("the database is locked".to_owned())).into_response();
        assert_eq!(
            (busy.status(), &busy.headers()[header::RETRY_AFTER]),
            (StatusCode::SERVICE_UNAVAILABLE, &HeaderValue::from_static("1"))
        );
        let failed = OciError::from(RegistryError::Failed("input/output error".to_owned())).into_response();
        assert_eq!(failed.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert!(failed.headers().get(header::RETRY_AFTER).is_none());
    }
}
