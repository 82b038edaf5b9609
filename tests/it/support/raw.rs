//! One connection whose bytes the test writes itself: for what no client library would send.

use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::Server;

/// What both kinds of connection are.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// A connection that speaks HTTP/1.1 by hand.
pub struct Raw {
    stream: Box<dyn Stream>,
    read: Vec<u8>,
    certificate: Vec<u8>,
}

/// An answer, read to its end.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Answer {
    /// The header's value; empty if it is missing.
    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }
}

impl Raw {
    /// Over TLS, trusting the server's CA.
    pub async fn connect(server: &Server) -> Self {
        let mut roots = RootCertStore::empty();
        for certificate in rustls::pki_types::CertificateDer::pem_slice_iter(server.ca().as_bytes()) {
            roots.add(certificate.expect("PEM")).expect("a CA");
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let config = config.expect("versions").with_root_certificates(roots).with_no_client_auth();
        let stream = TcpStream::connect(("127.0.0.1", server.port())).await.expect("the server listens");
        let name = ServerName::try_from("localhost").expect("a name");
        let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.expect("a handshake");
        let certificate = stream.get_ref().1.peer_certificates().expect("a certificate")[0].to_vec();
        Self { stream: Box::new(stream), read: Vec::new(), certificate }
    }

    /// The certificate (DER) that the server presented on this connection.
    pub fn certificate(&self) -> &[u8] {
        &self.certificate
    }

    /// Without TLS.
    pub async fn connect_plain(server: &Server) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", server.port())).await.expect("the server listens");
        Self { stream: Box::new(stream), read: Vec::new(), certificate: Vec::new() }
    }

    /// The connection itself, for a test that speaks another protocol on it.
    pub fn into_stream(self) -> Box<dyn Stream> {
        self.stream
    }

    /// Sends bytes. A server that has hung up is not a failure here: its answer tells.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = self.stream.write_all(bytes.as_ref()).await;
        let _ = self.stream.flush().await;
    }

    /// One answer; `None` where the server hung up without a whole one.
    pub async fn try_answer(&mut self) -> Option<Answer> {
        let end = loop {
            if let Some(at) = self.read.windows(4).position(|window| window == b"\r\n\r\n") {
                break at + 4;
            }
            self.fill().await?;
        };
        let head = String::from_utf8_lossy(&self.read[..end]).into_owned();
        let mut lines = head.lines();
        let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
        let headers: Vec<(String, String)> = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        self.read.drain(..end);
        let mut answer = Answer { status, headers, body: String::new() };
        let length: usize = answer.header("content-length").parse().unwrap_or(0);
        while self.read.len() < length {
            self.fill().await?;
        }
        answer.body = String::from_utf8_lossy(&self.read[..length]).into_owned();
        self.read.drain(..length);
        Some(answer)
    }

    pub async fn answer(&mut self) -> Answer {
        self.try_answer().await.expect("an answer")
    }

    /// Sends one request and reads its answer.
    pub async fn ask(&mut self, request: &str) -> Answer {
        self.send(request).await;
        self.answer().await
    }

    async fn fill(&mut self) -> Option<()> {
        let mut buffer = vec![0; 64 * 1024];
        let limit = std::time::Duration::from_secs(20);
        let count = tokio::time::timeout(limit, self.stream.read(&mut buffer)).await.expect("no hang").ok()?;
        if count == 0 {
            return None;
        }
        self.read.extend_from_slice(&buffer[..count]);
        Some(())
    }

    /// All that comes until the server hangs up.
    pub async fn read_to_end(&mut self) -> Vec<u8> {
        while self.fill().await.is_some() {}
        std::mem::take(&mut self.read)
    }

    /// Reads at most `limit` bytes of a body that the test takes slowly.
    pub async fn read_some(&mut self, limit: usize) -> Vec<u8> {
        while self.read.is_empty() {
            if self.fill().await.is_none() {
                return Vec::new();
            }
        }
        let count = limit.min(self.read.len());
        self.read.drain(..count).collect()
    }
}
