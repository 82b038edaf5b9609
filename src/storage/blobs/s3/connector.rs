//! The one place that requests to the object store pass through: each has a time limit, the [breaker](super::breaker) sees how it went, and
//! what is not a success becomes a typed [`Refusal`].

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use http::{Method, StatusCode};
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpService, ReqwestConnector,
};

use super::breaker::Breaker;
use super::error::Refusal;

/// How long an answer may take to begin once the request has been sent.
const PATIENCE: Duration = Duration::from_secs(10);
/// The same for completing an upload: some object stores copy all parts first.
const COMPLETION: Duration = Duration::from_mins(10);
/// The least bytes per second at which a request's body is sent.
const RATE: u64 = 512 * 1024;
/// How much of an error's body is read.
const LONGEST_ERROR: usize = 16 * 1024;

/// Connects like the library does, and watches.
#[derive(Debug)]
pub(super) struct Connector(pub(super) Arc<Breaker>);

impl HttpConnector for Connector {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let inner = ReqwestConnector::default().connect(options)?;
        Ok(HttpClient::new(Watched { inner, breaker: Arc::clone(&self.0) }))
    }
}

#[derive(Debug)]
struct Watched {
    inner: HttpClient,
    breaker: Arc<Breaker>,
}

#[async_trait]
impl HttpService for Watched {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        // Of an unknown kind: not tried again.
        let attempt = self.breaker.admit().ok_or_else(|| HttpError::new(HttpErrorKind::Unknown, Refusal::LeftAlone))?;
        let limit = limit(&request);
        let answer = match tokio::time::timeout(limit, self.inner.execute(request)).await {
            Ok(Ok(answer)) => refusal(answer, limit).await,
            Ok(Err(error)) => Err(error),
            Err(_) => Err(HttpError::new(HttpErrorKind::Timeout, Refusal::Silent(limit))),
        };
        match &answer {
            Err(error) if counts(error) => attempt.failed(),
            _ => attempt.succeeded(),
        }
        answer
    }
}

/// Whether it is a failure of the object store, and not an answer of its own to this one request.
fn counts(error: &HttpError) -> bool {
    Refusal::of(error).is_none_or(Refusal::is_passing)
}

fn limit(request: &HttpRequest) -> Duration {
    let completes = request.uri().query().is_some_and(|query| query.contains("uploadId="));
    if request.method() == Method::POST && completes {
        return COMPLETION;
    }
    PATIENCE + Duration::from_secs(request.body().content_length() as u64 / RATE)
}

/// The answer, if it is a success.
async fn refusal(answer: HttpResponse, limit: Duration) -> Result<HttpResponse, HttpError> {
    let status = answer.status();
    if status.is_success() {
        return Ok(answer);
    }
    let length: Option<usize> =
        answer.headers().get(http::header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    let body = match length {
        Some(length) if length > LONGEST_ERROR => String::new(),
        _ => {
            let body = tokio::time::timeout(limit, answer.into_body().bytes()).await;
            body.ok().and_then(Result::ok).map(|body| String::from_utf8_lossy(&body).into_owned()).unwrap_or_default()
        }
    };
    let refusal = Refusal::Answered {
        status,
        code: element(&body, "Code").unwrap_or_default().to_owned(),
        message: element(&body, "Message").unwrap_or_default().chars().take(300).collect(),
    };
    // Those of the kind `Request` are tried again by the library, with a growing pause between.
    let kind = if refusal.is_passing() { HttpErrorKind::Request } else { HttpErrorKind::Unknown };
    debug_assert!(status != StatusCode::OK);
    Err(HttpError::new(kind, refusal))
}

/// The text of an element that has no others in it.
fn element<'t>(body: &'t str, name: &str) -> Option<&'t str> {
    let (_, rest) = body.split_once(&format!("<{name}>"))?;
    Some(rest.split_once("</")?.0.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_of_an_error_is_found() {
        let body = "<?xml version=\"1.0\"?>\n<Error><Code>NoSuchBucket</Code><Message>None.</Message></Error>";
        assert_eq!((element(body, "Code"), element(body, "Message")), (Some("NoSuchBucket"), Some("None.")));
        assert_eq!((element("", "Code"), element("<Code>x", "Code")), (None, None));
    }
}
