//! Plain HTTP on the TLS port: never served, but told what to do.
//!
//! GET and HEAD without credentials are sent to the same address under https. Everything else is refused with a text; where
//! credentials came along they have been read by the network, and the text says so.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, COOKIE, HOST, LOCATION, PROXY_AUTHORIZATION};
use http::uri::Authority;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;

use super::closing;
use super::reclaimable_stream::reclaimable;
use crate::domain::net::peer_address::PeerAddress;

const BUFFER: usize = 16 * 1024;

/// Answers one request and closes, in stages. `limit` bounds the exchange, and then the end.
pub(super) async fn answer(stream: TcpStream, peer: PeerAddress, limit: Duration) {
    answer_with(stream, peer, limit, |request| respond(request, None)).await;
}

/// The same with another answer.
pub(super) async fn answer_with(
    stream: TcpStream,
    peer: PeerAddress,
    limit: Duration,
    respond: impl Fn(&Request<Incoming>) -> Response<Full<Bytes>>,
) {
    let service = service_fn(|request: Request<Incoming>| {
        let response = respond(&request);
        tracing::debug!(%peer, status = response.status().as_u16(), "plain HTTP");
        std::future::ready(Ok::<_, Infallible>(response))
    });
    let (stream, reclaim) = reclaimable(stream, None);
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(limit).max_buf_size(BUFFER).keep_alive(false);
    let exchange = http.serve_connection(TokioIo::new(stream), service);
    match tokio::time::timeout(limit, exchange).await {
        Ok(Err(error)) => tracing::debug!(%peer, %error, "neither TLS nor HTTP"),
        Ok(Ok(())) => {}
        Err(_) => tracing::debug!(%peer, "closed: plain HTTP took too long"),
    }
    // A body was not read: a client that sends first and reads later sees the answer all the same.
    if let Some(stream) = reclaim.take() {
        let _ = tokio::time::timeout(limit, closing::tcp(stream)).await;
    }
}

/// Whatever is asked: use https. `https_port` is the port to use there, where it is another one than this.
pub(super) fn respond<B>(request: &Request<B>, https_port: Option<u16>) -> Response<Full<Bytes>> {
    let with_credentials =
        [AUTHORIZATION, PROXY_AUTHORIZATION, COOKIE].iter().any(|name| request.headers().contains_key(name));
    let target = secure_target(request, https_port);
    if with_credentials {
        return text(StatusCode::BAD_REQUEST, credentials_exposed(target.as_deref()));
    }
    match target {
        None => {
            text(StatusCode::BAD_REQUEST, "This port speaks HTTPS, and the request has no valid Host.\n".to_owned())
        }
        Some(target) if matches!(*request.method(), Method::GET | Method::HEAD) => redirect(&target),
        Some(target) => text(StatusCode::BAD_REQUEST, format!("This port speaks HTTPS: use {target}\n")),
    }
}

fn credentials_exposed(target: Option<&str>) -> String {
    format!(
        "This port speaks HTTPS: use {}\n\
         The credentials in this request were sent over the network unencrypted: change them.\n",
        target.unwrap_or("https://")
    )
}

/// Temporary on purpose: browsers remember a permanent one without end, also when the port serves something else one day.
fn redirect(target: &str) -> Response<Full<Bytes>> {
    let body = format!(
        "This port speaks HTTPS: use {target}\n\
         Where its certificate is not trusted yet: `portcullis ca export` prints the CA (curl --cacert FILE).\n"
    );
    let Ok(location) = HeaderValue::from_str(target) else {
        return text(StatusCode::BAD_REQUEST, "This port speaks HTTPS.\n".to_owned());
    };
    let mut response = text(StatusCode::TEMPORARY_REDIRECT, body);
    response.headers_mut().insert(LOCATION, location);
    response
}

pub(super) fn text(status: StatusCode, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// The same address under https; `None` without exactly one valid Host.
fn secure_target<B>(request: &Request<B>, https_port: Option<u16>) -> Option<String> {
    let mut hosts = request.headers().get_all(HOST).iter();
    let (host, None) = (hosts.next()?, hosts.next()) else { return None };
    let authority: Authority = host.to_str().ok()?.parse().ok()?;
    if authority.host().is_empty() || authority.as_str().contains('@') {
        return None;
    }
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let target = match https_port {
        None => authority.to_string(),
        Some(443) => authority.host().to_owned(),
        Some(port) => format!("{}:{port}", authority.host()),
    };
    path.starts_with('/').then(|| format!("https://{target}{path}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(method: &str, uri: &str, headers: &[(&str, &str)]) -> Request<()> {
        let builder = Request::builder().method(method).uri(uri);
        headers.iter().fold(builder, |builder, (name, value)| builder.header(*name, *value)).body(()).unwrap()
    }

    fn location(request: &Request<()>) -> Option<String> {
        respond(request, None).headers().get(LOCATION).map(|value| value.to_str().unwrap().to_owned())
    }

    #[test]
    fn reads_are_sent_to_https() {
        let get = request("GET", "/v2/_catalog?n=5", &[("host", "localhost:5000")]);
        assert_eq!(respond(&get, None).status(), StatusCode::TEMPORARY_REDIRECT);
        assert_eq!(location(&get).unwrap(), "https://localhost:5000/v2/_catalog?n=5");
        let head = request("HEAD", "//evil.test/", &[("host", "[::1]:5000")]);
        assert_eq!(location(&head).unwrap(), "https://[::1]:5000//evil.test/");
    }

    #[test]
    fn the_rest_is_refused() {
        let host = ("host", "localhost:5000");
        let refused = [
            request("POST", "/v2/", &[host]),
            request("GET", "/v2/", &[host, ("authorization", "Basic YTpi")]),
            request("GET", "/v2/", &[host, ("cookie", "session=1")]),
            request("GET", "/v2/", &[]),
            request("GET", "/v2/", &[("host", "a"), ("host", "b")]),
            request("GET", "/v2/", &[("host", "user@evil.test")]),
            request("GET", "/v2/", &[("host", "a/b")]),
            request("GET", "/v2/", &[("host", "")]),
            request("OPTIONS", "*", &[host]),
            request("CONNECT", "a.test:443", &[host]),
        ];
        for request in refused {
            let response = respond(&request, None);
            assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{request:?}");
            assert!(response.headers().get(LOCATION).is_none());
        }
    }
}
