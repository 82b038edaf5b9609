//! One request and its answer, as the connection sees them: whether there is room for it, whether its body was read, and what its answer
//! says about the connection.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, EXPECT, HeaderName, RETRY_AFTER, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version};
use http_body::Body as _;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio_util::sync::CancellationToken;

use super::activity::Activity;
use super::http2_streams as streams;
use super::request_body::RequestBody;
use super::request_limit::{AddressShare, RequestLimit};
use super::response_body::{Exchange, ResponseBody};
use super::response_memory::{HeldMemory, ResponseMemory, SMALL};
use crate::domain::net::network::Network;
use crate::domain::net::peer_address::PeerAddress;
use crate::tls::PresentedCertificate;

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");

/// What answers requests.
pub type Answer = Arc<dyn Fn(Request<Body>) -> BoxFuture<'static, Response<Body>> + Send + Sync>;

/// What all connections share that answers need.
pub(super) struct RequestService {
    respond: Answer,
    requests: Arc<RequestLimit>,
    memory: Arc<ResponseMemory>,
    /// Told to clients: how long an idle connection stays open.
    keep_alive: HeaderValue,
    shutdown: CancellationToken,
}

/// Whom a connection speaks for, and who answers.
pub(super) struct Client {
    service: Arc<RequestService>,
    pub(super) peer: PeerAddress,
    /// What its address has of the requests.
    share: Arc<AddressShare>,
    certificate: Option<PresentedCertificate>,
    activity: Arc<Activity>,
}

/// What becomes of an HTTP/1 connection after an answer.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ConnectionUse {
    /// It can serve another request.
    Stays,
    /// It ends: something of the request was not read, or the client asked for it.
    Closes,
    /// hyper decides, and says so.
    Open,
}

impl RequestService {
    pub(super) fn new(respond: Answer, max_requests: usize, keep_alive: Duration, shutdown: CancellationToken) -> Self {
        let keep_alive = format!("timeout={}", keep_alive.as_secs());
        Self {
            respond,
            requests: Arc::new(RequestLimit::new(max_requests)),
            memory: Arc::new(ResponseMemory::new()),
            keep_alive: HeaderValue::try_from(keep_alive).unwrap_or(HeaderValue::from_static("timeout=1")),
            shutdown,
        }
    }

    /// The client of a connection, whose requests count for `address`.
    pub(super) fn client(
        self: &Arc<Self>,
        peer: PeerAddress,
        address: Network,
        certificate: Option<PresentedCertificate>,
        activity: Arc<Activity>,
    ) -> Client {
        Client { share: self.requests.share(address), service: Arc::clone(self), peer, certificate, activity }
    }
}

impl Client {
    /// Answers a request. It is under way from this call on.
    pub(super) async fn answer(
        self: Arc<Self>,
        request: Request<Incoming>,
    ) -> Result<Response<ResponseBody>, Infallible> {
        let (version, is_head) = (request.version(), *request.method() == Method::HEAD);
        let under_way = self.activity.begin(version == Version::HTTP_2);
        let asks_to_close = says_close(request.headers());
        // hyper closes the connection after an encoding next to a length, and does not tell here.
        let may_close = asks_to_close || request.headers().contains_key(TRANSFER_ENCODING);
        let waits = request.headers().contains_key(EXPECT);
        let Some(permit) = self.share.admit() else {
            let refusal = refusal(StatusCode::TOO_MANY_REQUESTS, "too many requests are under way; try again");
            let exchange = Exchange::refused(under_way);
            return Ok(self.service.finish(shown(refusal, is_head), version, ConnectionUse::Closes, exchange));
        };
        let exchange = Exchange::new(under_way, permit);
        let (request, remainder) = track(request, &exchange);
        let response = shown(self.respond(request).await, is_head);
        let reusable = match remainder {
            Some(remainder) if version == Version::HTTP_2 => {
                remainder.linger();
                true
            }
            Some(remainder) if !says_close(response.headers()) => remainder.read(waits).await,
            _ => true,
        };
        let usage = match (reusable && !asks_to_close, may_close) {
            (false, _) => ConnectionUse::Closes,
            (true, true) => ConnectionUse::Open,
            (true, false) => ConnectionUse::Stays,
        };
        Ok(self.service.finish(response, version, usage, exchange))
    }

    fn respond(&self, mut request: Request<Body>) -> BoxFuture<'static, Response<Body>> {
        request.extensions_mut().insert(self.peer);
        if let Some(certificate) = &self.certificate {
            request.extensions_mut().insert(certificate.now());
        }
        (self.service.respond)(request)
    }
}

impl RequestService {
    /// Says what becomes of the connection, and lets the body be followed.
    fn finish(
        &self,
        response: Response<Body>,
        version: Version,
        usage: ConnectionUse,
        exchange: Arc<Exchange>,
    ) -> Response<ResponseBody> {
        let (mut response, held) = self.hold(response);
        let headers = response.headers_mut();
        if version == Version::HTTP_2 {
            headers.remove(CONNECTION);
        } else if !says_close(headers) {
            if usage == ConnectionUse::Closes {
                headers.insert(CONNECTION, HeaderValue::from_static("close"));
            } else if usage == ConnectionUse::Stays && version == Version::HTTP_11 && !self.shutdown.is_cancelled() {
                headers.insert(CONNECTION, HeaderValue::from_static("keep-alive"));
                headers.insert(KEEP_ALIVE, self.keep_alive.clone());
            }
        }
        response.map(|body| ResponseBody::new(body, exchange, streams::current(), held))
    }

    /// Counts what a large answer keeps in memory; where all of that memory is taken, the answer is dropped for one that says so.
    fn hold(&self, response: Response<Body>) -> (Response<Body>, Option<Arc<HeldMemory>>) {
        // Only a body that is in memory already has a length; one that is streamed is bounded where it is read.
        if response.body().size_hint().exact().is_none_or(|length| length <= SMALL as u64) {
            return (response, None);
        }
        let (parts, mut body) = response.into_parts();
        let Some(Some(Ok(frame))) = futures_util::FutureExt::now_or_never(body.frame()) else {
            return (Response::from_parts(parts, body), None);
        };
        let content = frame.into_data().unwrap_or_default();
        if !body.is_end_stream() {
            return (Response::from_parts(parts, chained(content, body)), None);
        }
        let Some(held) = self.memory.hold(&content) else {
            let why = "too many large answers wait for their clients; try again";
            return (refusal(StatusCode::TOO_MANY_REQUESTS, why), None);
        };
        (Response::from_parts(parts, Body::from(content)), Some(Arc::new(held)))
    }
}

/// What of an answer is sent: to HEAD its head alone, with the length that GET would have (RFC 9110, section 9.3.2). hyper leaves the body
/// out over HTTP/1, and not over HTTP/2. An answer without a body says so, where it may (section 8.6).
fn shown(mut response: Response<Body>, is_head: bool) -> Response<Body> {
    let has_length = !matches!(response.status(), StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    if let Some(length) = response.body().size_hint().exact().filter(|_| has_length) {
        response.headers_mut().entry(CONTENT_LENGTH).or_insert_with(|| HeaderValue::from(length));
    }
    if is_head {
        *response.body_mut() = Body::empty();
    }
    response
}

/// A body whose first chunk has been taken out.
fn chained(first: Bytes, rest: Body) -> Body {
    use futures_util::StreamExt;
    Body::from_stream(futures_util::stream::iter([Ok(first)]).chain(rest.into_data_stream()))
}

/// Lets the request's body, where it has one, be followed.
fn track(
    request: Request<Incoming>,
    exchange: &Arc<Exchange>,
) -> (Request<Body>, Option<super::request_body::Remainder>) {
    let (parts, incoming) = request.into_parts();
    if incoming.is_end_stream() {
        return (Request::from_parts(parts, Body::empty()), None);
    }
    let (body, remainder) = RequestBody::new(incoming, Arc::clone(exchange));
    (Request::from_parts(parts, Body::new(body)), Some(remainder))
}

fn says_close(headers: &HeaderMap) -> bool {
    let values = headers.get_all(CONNECTION).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|token| token.trim().eq_ignore_ascii_case("close"))
}

/// An answer in the protocol's own form, made without the router: there is no room for more.
fn refusal(status: StatusCode, why: &str) -> Response<Body> {
    let body = serde_json::json!({"errors": [{"code": "TOOMANYREQUESTS", "message": why, "detail": null}]});
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
    headers.insert("docker-distribution-api-version", HeaderValue::from_static("registry/2.0"));
    response
}
