//! One request over a connection of its own.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{HOST, HeaderValue, USER_AGENT};
use http::{Request, Uri};
use http_body::Body;
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::net::TcpStream;
use tokio_io_timeout::TimeoutStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_util::task::AbortOnDropHandle;

use super::error::ClientError;
use super::limits::{Deadline, HEAD, Limits};
use super::response::Response;
use super::trust_mode::TrustMode;

const AGENT: HeaderValue = HeaderValue::from_static(concat!("portcullis/", env!("CARGO_PKG_VERSION")));

/// A client with its limits, and with the servers that it believes.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    tls: Arc<ClientConfig>,
    limits: Limits,
    address: Option<SocketAddr>,
}

type Connection = TlsStream<Pin<Box<TimeoutStream<TcpStream>>>>;

impl Client {
    /// Fails where the roots cannot be used.
    pub(crate) fn new(trust: TrustMode, limits: Limits) -> Result<Self, rustls::Error> {
        let mut config = trust.into_config()?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { tls: Arc::new(config), limits, address: None })
    }

    /// Connects to this address, whatever host a request names.
    pub(crate) fn connecting_to(self, address: SocketAddr) -> Self {
        Self { address: Some(address), ..self }
    }

    /// `GET url`.
    pub(crate) async fn get(&self, url: &str) -> Result<Response, ClientError> {
        let uri: Uri = url.parse().map_err(|_| ClientError::NotHttps(url.to_owned()))?;
        let mut request = Request::new(Empty::<Bytes>::new());
        *request.uri_mut() = uri;
        self.send(request).await
    }

    /// Sends the request, whose address is absolute; the body of the answer has not been read.
    pub(crate) async fn send<B>(&self, mut request: Request<B>) -> Result<Response, ClientError>
    where
        B: Body<Data: Send, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + 'static,
    {
        let uri = request.uri().clone();
        let not_https = || ClientError::NotHttps(uri.to_string());
        let host = uri.authority().and_then(|authority| HeaderValue::from_str(authority.as_str()).ok());
        request.headers_mut().insert(HOST, host.ok_or_else(not_https)?);
        request.headers_mut().entry(USER_AGENT).or_insert(AGENT);
        *request.uri_mut() = uri.path_and_query().cloned().map_or_else(Uri::default, Uri::from);
        let deadline = Deadline::of(self.limits);
        deadline.bound(self.exchange(&uri, request, deadline)).await
    }

    /// Does the handshake alone; gives the certificates that the server presents.
    pub(crate) async fn handshake(&self, url: &str) -> Result<Vec<CertificateDer<'static>>, ClientError> {
        let uri: Uri = url.parse().map_err(|_| ClientError::NotHttps(url.to_owned()))?;
        let connection = Deadline::of(self.limits).bound(self.connect(&uri)).await?;
        let presented = connection.get_ref().1.peer_certificates().unwrap_or_default();
        Ok(presented.iter().map(|der| der.clone().into_owned()).collect())
    }

    async fn exchange<B>(&self, uri: &Uri, request: Request<B>, deadline: Deadline) -> Result<Response, ClientError>
    where
        B: Body<Data: Send, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + 'static,
    {
        let broken = |error: hyper::Error| ClientError::of_exchange(&error, self.limits.idle);
        let connection = TokioIo::new(self.connect(uri).await?);
        let (mut sender, connection) =
            http1::Builder::new().max_buf_size(HEAD).handshake(connection).await.map_err(broken)?;
        let connection = AbortOnDropHandle::new(tokio::spawn(connection));
        let response = sender.send_request(request).await.map_err(broken)?;
        Ok(Response::new(response, connection, self.limits, deadline))
    }

    async fn connect(&self, uri: &Uri) -> Result<Connection, ClientError> {
        let (host, port) = match (uri.scheme_str(), uri.host()) {
            (Some("https"), Some(host)) => (host.trim_matches(['[', ']']), uri.port_u16().unwrap_or(443)),
            _ => return Err(ClientError::NotHttps(uri.to_string())),
        };
        let name = ServerName::try_from(host.to_owned()).map_err(|_| ClientError::InvalidName(host.to_owned()))?;
        let stream = match self.address {
            Some(address) => TcpStream::connect(address).await,
            None => TcpStream::connect((host, port)).await,
        };
        let address = || self.address.map_or_else(|| format!("{host}:{port}"), |address| address.to_string());
        let stream = stream.map_err(|cause| ClientError::Connect { address: address(), cause })?;
        let mut stream = TimeoutStream::new(stream);
        stream.set_read_timeout(Some(self.limits.idle));
        stream.set_write_timeout(Some(self.limits.idle));
        let shaken = TlsConnector::from(Arc::clone(&self.tls)).connect(name, Box::pin(stream)).await;
        shaken.map_err(|error| ClientError::of_handshake(error, self.limits.idle))
    }
}
