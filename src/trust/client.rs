//! One GET over TLS: no credentials, no redirects, no proxies, no more bytes than allowed.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response, header};
use http_body_util::{BodyExt, Empty, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::registry_address::RegistryAddress;

/// The most that the head of an answer may take.
const HEAD_LIMIT: usize = 32 * 1024;

/// Where a request failed.
pub(crate) enum Failed {
    /// No connection.
    Connect(io::Error),
    /// No TLS, or none that was acceptable.
    Tls(io::Error),
    /// No HTTP.
    Http(hyper::Error),
    /// The host can be in no certificate.
    Name,
}

/// Why a body was not read.
pub(crate) enum BodyFailed {
    /// It is longer than the limit.
    TooLarge,
    /// It breaks off.
    Broken(String),
}

/// Sends `GET path`; the body of the answer has not been read.
pub(crate) async fn get(
    registry: &RegistryAddress,
    config: Arc<ClientConfig>,
    path: &'static str,
) -> Result<Response<Incoming>, Failed> {
    let name = registry.server_name().ok_or(Failed::Name)?;
    let stream = TcpStream::connect((registry.host(), registry.port())).await.map_err(Failed::Connect)?;
    let stream = TlsConnector::from(config).connect(name, stream).await.map_err(Failed::Tls)?;
    let mut builder = hyper::client::conn::http1::Builder::new();
    let handshake = builder.max_buf_size(HEAD_LIMIT).handshake(TokioIo::new(stream));
    let (mut sender, connection) = handshake.await.map_err(Failed::Http)?;
    tokio::spawn(connection);
    let mut request = Request::new(Empty::<Bytes>::new());
    *request.uri_mut() = http::Uri::from_static(path);
    // What was parsed as a host is ASCII without spaces.
    let host = registry.written().parse().map_err(|_| Failed::Name)?;
    request.headers_mut().insert(header::HOST, host);
    let agent = concat!("portcullis/", env!("CARGO_PKG_VERSION"));
    request.headers_mut().insert(header::USER_AGENT, http::HeaderValue::from_static(agent));
    sender.send_request(request).await.map_err(Failed::Http)
}

/// Settings that trust these roots and nothing else, with full checks of the host name.
pub(crate) fn trusting(roots: RootCertStore) -> Result<Arc<ClientConfig>, rustls::Error> {
    let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// The body, of at most `limit` bytes.
pub(crate) async fn body(response: Response<Incoming>, limit: usize) -> Result<Bytes, BodyFailed> {
    match Limited::new(response.into_body(), limit).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(BodyFailed::TooLarge),
        Err(error) => Err(BodyFailed::Broken(error.to_string())),
    }
}
