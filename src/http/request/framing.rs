//! What a request must have before it means anything: one host, and a body whose end is where every proxy sees it
//! (RFC 9112, sections 3.2 and 6.1; RFC 9113, section 8.3.1).

use axum::http::header::{HOST, TRANSFER_ENCODING};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, Request, StatusCode, Version, header};

use crate::http::error::{Code, OciError};

/// Refuses what a proxy in front may have understood in another way. The connection is closed with the answer.
pub(in crate::http) fn check<B>(request: &Request<B>) -> Result<(), OciError> {
    check_encoding(request.headers())?;
    check_host(request)
}

/// `chunked`, once, or nothing at all.
fn check_encoding(headers: &HeaderMap) -> Result<(), OciError> {
    let mut encodings = headers.get_all(TRANSFER_ENCODING).into_iter();
    match (encodings.next(), encodings.next()) {
        (None, _) => Ok(()),
        (Some(only), None) if only.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked") => Ok(()),
        _ => Err(closing(
            OciError::new(Code::Unsupported, "the only Transfer-Encoding that is supported is: chunked")
                .with_status(StatusCode::NOT_IMPLEMENTED),
        )),
    }
}

fn check_host<B>(request: &Request<B>) -> Result<(), OciError> {
    let refuse = |why: &str| Err(closing(OciError::new(Code::Unsupported, why).with_status(StatusCode::BAD_REQUEST)));
    let mut hosts = request.headers().get_all(HOST).into_iter();
    let (host, None) = (hosts.next(), hosts.next()) else {
        return refuse("the request has more than one Host header");
    };
    let authority = request.uri().authority();
    match (host, authority) {
        // HTTP/1.0 knows no Host: health checks of old load balancers.
        (None, None) if request.version() < Version::HTTP_11 => Ok(()),
        (None, None) => refuse("the request has no Host header"),
        (Some(host), None) if !is_host(host) => refuse("the request has an invalid Host header"),
        (_, Some(authority)) if !is_authority(authority) => refuse("the request names an invalid host"),
        // HTTP/1.1 ignores the Host where the request line names one (RFC 9112, section 3.2.2).
        (Some(host), Some(authority))
            if request.version() == Version::HTTP_2
                && !host.as_bytes().eq_ignore_ascii_case(authority.as_str().as_bytes()) =>
        {
            refuse("the request has a Host header that differs from its :authority")
        }
        _ => Ok(()),
    }
}

fn is_host(value: &HeaderValue) -> bool {
    value.to_str().ok().and_then(|text| text.parse().ok()).is_some_and(|authority| is_authority(&authority))
}

fn is_authority(authority: &Authority) -> bool {
    let text = authority.as_str();
    let port = text.strip_prefix(authority.host()).unwrap_or_default();
    let is_port = port.is_empty() || port == ":" || authority.port_u16().is_some();
    let is_plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~[]:".contains(&byte));
    !authority.host().is_empty() && is_plain && is_port
}

fn closing(error: OciError) -> OciError {
    error.with_header(header::CONNECTION, HeaderValue::from_static("close"))
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse;

    use super::*;

    fn status(version: Version, target: &str, headers: &[(&str, &str)]) -> u16 {
        let mut request = Request::builder().version(version).uri(target);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let checked = check(&request.body(()).expect("a request"));
        checked.map_or_else(|error| error.into_response().status().as_u16(), |()| 200)
    }

    #[test]
    fn a_request_has_one_valid_host() {
        let one = |host| status(Version::HTTP_11, "/", &[("host", host)]);
        for host in ["localhost", "localhost:5000", "[::1]:5000", "192.0.2.1", "registry.example.com:443", "a:"] {
            assert_eq!(one(host), 200, "{host}");
        }
        for host in ["", " ", "a b", "user@a", "a/b", "a:b", "a:99999", "a,b", "http://a", "[::1", "a:1:2"] {
            assert_eq!(one(host), 400, "{host:?}");
        }
        assert_eq!(status(Version::HTTP_11, "/", &[]), 400);
        assert_eq!(status(Version::HTTP_11, "/", &[("host", "a"), ("host", "a")]), 400);
        assert_eq!(status(Version::HTTP_10, "/", &[]), 200, "HTTP/1.0 knows no Host");
        assert_eq!(status(Version::HTTP_10, "/", &[("host", "a"), ("host", "b")]), 400);
    }

    #[test]
    fn the_request_line_comes_before_the_host_and_http2_wants_them_equal() {
        assert_eq!(status(Version::HTTP_11, "https://a:1/", &[("host", "b")]), 200, "RFC 9112, section 3.2.2");
        assert_eq!(status(Version::HTTP_11, "https://user@a/", &[("host", "a")]), 400);
        assert_eq!(status(Version::HTTP_2, "https://a:1/", &[]), 200);
        assert_eq!(status(Version::HTTP_2, "https://a:1/", &[("host", "A:1")]), 200);
        assert_eq!(status(Version::HTTP_2, "https://a:1/", &[("host", "b:1")]), 400);
        assert_eq!(status(Version::HTTP_2, "/", &[]), 400);
    }

    #[test]
    fn chunked_once_is_the_only_encoding() {
        let encodings = |values: &[&str]| {
            let mut headers = vec![("host", "a")];
            headers.extend(values.iter().map(|value| ("transfer-encoding", *value)));
            status(Version::HTTP_11, "/", &headers)
        };
        assert_eq!(encodings(&[]), 200);
        assert_eq!(encodings(&["chunked"]), 200);
        assert_eq!(encodings(&["Chunked"]), 200);
        for refused in [&["gzip, chunked"][..], &["chunked, chunked"], &["chunked", "chunked"], &["identity"], &[""]] {
            assert_eq!(encodings(refused), 501, "{refused:?}");
        }
    }
}
