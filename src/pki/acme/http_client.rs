//! The HTTPS client for the authority's server: one connection per request, every part of it bounded, nothing but `https`.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST, HeaderValue, RETRY_AFTER};
use http::{Request, Response, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::settings::OrderSettings;
use crate::pki::TlsError;
use crate::pki::certificate;
use crate::pki::private_file::read_public;

/// From connecting to the last byte of an answer.
const LIMIT: Duration = Duration::from_secs(30);
/// The largest answer: a chain of a few certificates is a hundredth of it.
const LARGEST: usize = 1 << 20;

type AnyError = Box<dyn std::error::Error + Send + Sync>;

/// A client that trusts what the settings say. Clones share what they remember.
#[derive(Clone)]
pub(super) struct AcmeHttpClient {
    connector: TlsConnector,
    retry_after: Arc<Mutex<Option<SystemTime>>>,
}

impl AcmeHttpClient {
    pub(super) fn new(settings: &OrderSettings) -> Result<Self, TlsError> {
        let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots(settings)?)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { connector: TlsConnector::from(Arc::new(config)), retry_after: Arc::default() })
    }

    /// When the server wants to be asked again, by the last refusal that said so; forgotten when it has been read.
    pub(super) fn take_retry_after(&self) -> Option<SystemTime> {
        self.retry_after.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    async fn send(self, request: Request<BodyWrapper<Bytes>>) -> Result<BytesResponse, AnyError> {
        let exchange = tokio::time::timeout(LIMIT, self.exchange(request)).await;
        let response = exchange.map_err(|_| format!("no answer within {} s", LIMIT.as_secs()))??;
        if response.status().is_client_error() || response.status().is_server_error() {
            *self.retry_after.lock().unwrap_or_else(PoisonError::into_inner) = retry_after(&response);
            let kind = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
            if !kind.contains("json") {
                return Err(format!("it answers {} without saying why", response.status()).into());
            }
        }
        Ok(BytesResponse::from(response))
    }

    async fn exchange(&self, mut request: Request<BodyWrapper<Bytes>>) -> Result<Response<Full<Bytes>>, AnyError> {
        let uri = request.uri().clone();
        let stream = self.connect(&uri).await?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        let connection = tokio::spawn(connection);
        let authority = uri.authority().ok_or("the address names no host")?;
        request.headers_mut().insert(HOST, HeaderValue::from_str(authority.as_str())?);
        *request.uri_mut() = uri.path_and_query().map_or("/", |path| path.as_str()).parse()?;
        let response = sender.send_request(request).await;
        let response = match response {
            Ok(response) => collect(response).await,
            Err(error) => Err(error.into()),
        };
        connection.abort();
        response
    }

    async fn connect(&self, uri: &Uri) -> Result<tokio_rustls::client::TlsStream<TcpStream>, AnyError> {
        if uri.scheme_str() != Some("https") {
            return Err(format!("{uri} is not an https address").into());
        }
        let host = uri.host().ok_or("the address names no host")?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let stream = TcpStream::connect((host.as_str(), uri.port_u16().unwrap_or(443))).await;
        let stream = stream.map_err(|error| format!("cannot connect to {uri}: {error}"))?;
        Ok(self.connector.connect(ServerName::try_from(host)?, stream).await?)
    }
}

impl HttpClient for AcmeHttpClient {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let sent = self.clone().send(request);
        Box::pin(async move { sent.await.map_err(Error::Other) })
    }
}

async fn collect(response: Response<Incoming>) -> Result<Response<Full<Bytes>>, AnyError> {
    let (parts, body) = response.into_parts();
    let body = Limited::new(body, LARGEST).collect().await?.to_bytes();
    Ok(Response::from_parts(parts, Full::new(body)))
}

/// The seconds of a `Retry-After`, or its date (RFC 9110, section 10.2.3).
fn retry_after<B>(response: &Response<B>) -> Option<SystemTime> {
    let text = response.headers().get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return SystemTime::now().checked_add(Duration::from_secs(seconds));
    }
    let date = jiff::fmt::rfc2822::parse(text).ok()?.timestamp().as_second();
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(u64::try_from(date).ok()?))
}

fn roots(settings: &OrderSettings) -> Result<RootCertStore, TlsError> {
    let Some(path) = &settings.acme.directory_ca else {
        return Ok(RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() });
    };
    let mut roots = RootCertStore::empty();
    for root in certificate::from_pem(path, &read_public(path)?)? {
        roots.add(root)?;
    }
    Ok(roots)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let response = |text: &str| Response::builder().header(RETRY_AFTER, text).body(()).unwrap();
        let wait = retry_after(&response("120")).unwrap().duration_since(SystemTime::now()).unwrap();
        assert!((118..=120).contains(&wait.as_secs()));
        let date = retry_after(&response("Wed, 21 Oct 2015 07:28:00 GMT")).unwrap();
        assert_eq!(date.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs(), 1_445_412_480);
        for text in ["", "soon", "-1", "99999999999999999999"] {
            assert_eq!(retry_after(&response(text)), None, "{text}");
        }
    }
}
