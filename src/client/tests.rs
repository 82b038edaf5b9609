//! The client against servers that answer as they should, slowly, too much, too little, or not at all.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{CertificateParams, KeyPair};
use rustls::crypto::aws_lc_rs;
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::*;

const LIMITS: Limits = Limits { total: Duration::from_secs(20), idle: Duration::from_secs(20), size: 100 };

/// A server for `registry.test`, and its certificate.
struct Server {
    address: SocketAddr,
    certificate: CertificateDer<'static>,
}

impl Server {
    /// Hands each connection over once a request was read.
    async fn start<F: Future<Output = ()> + Send + 'static>(answer: fn(TlsStream<TcpStream>) -> F) -> Self {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec!["registry.test".to_owned()]).unwrap().self_signed(&key).unwrap();
        let certificate = certificate.der().clone();
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.clone()], PrivateKeyDer::try_from(key.serialize_der()).unwrap())
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let Ok(mut stream) = acceptor.accept(stream).await else { continue };
                let _ = stream.read(&mut [0; 4096]).await;
                tokio::spawn(answer(stream));
            }
        });
        Self { address, certificate }
    }

    fn client(&self, trust: TrustMode, limits: Limits) -> Client {
        Client::new(trust, limits).unwrap().connecting_to(self.address)
    }

    /// Of a client that believes this server's certificate alone.
    async fn asked(&self, limits: Limits) -> Result<http::Response<bytes::Bytes>, ClientError> {
        let client = self.client(TrustMode::Pinned(self.certificate.clone()), limits);
        client.get("https://registry.test/x").await?.collect().await
    }
}

async fn say(mut stream: TlsStream<TcpStream>, text: String) {
    let _ = stream.write_all(text.as_bytes()).await;
    let _ = stream.shutdown().await;
}

async fn redirect(stream: TlsStream<TcpStream>) {
    say(stream, "HTTP/1.1 302 Found\r\nlocation: https://other.test/\r\ncontent-length: 2\r\n\r\nno".to_owned()).await;
}

async fn too_much(stream: TlsStream<TcpStream>) {
    say(stream, format!("HTTP/1.1 200 OK\r\n\r\n{}", "x".repeat(101))).await;
}

async fn too_little(stream: TlsStream<TcpStream>) {
    say(stream, "HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\nshort".to_owned()).await;
}

async fn other_protocol(stream: TlsStream<TcpStream>) {
    say(stream, "220 mail.test ESMTP\r\n\r\n".to_owned()).await;
}

async fn huge_head(stream: TlsStream<TcpStream>) {
    say(stream, format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "y".repeat(64 * 1024))).await;
}

/// Says nothing, and stays.
async fn silence(mut stream: TlsStream<TcpStream>) {
    let _ = stream.read_to_end(&mut Vec::new()).await;
}

/// Never silent for long, and never done.
async fn drip(mut stream: TlsStream<TcpStream>) {
    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
    while stream.write_all(b"x").await.is_ok() && stream.flush().await.is_ok() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_is_not_followed() {
    let answer = Server::start(redirect).await.asked(LIMITS).await.unwrap();
    assert_eq!((answer.status().as_u16(), &answer.body()[..]), (302, &b"no"[..]));
}

#[tokio::test]
async fn answers_that_are_not_sound_are_named() {
    let failed = async |server: Server| server.asked(LIMITS).await.unwrap_err();
    assert!(matches!(failed(Server::start(too_much).await).await, ClientError::TooLarge { limit: 100 }));
    assert!(matches!(failed(Server::start(too_little).await).await, ClientError::Truncated(_)));
    assert!(matches!(failed(Server::start(other_protocol).await).await, ClientError::NotHttp(_)));
    assert!(matches!(failed(Server::start(huge_head).await).await, ClientError::NotHttp(_)));
}

#[tokio::test]
async fn silence_ends_by_the_idle_limit_and_dripping_by_the_total_one() {
    let brief = Duration::from_millis(200);
    let idle = Server::start(silence).await.asked(Limits { idle: brief, ..LIMITS }).await;
    assert!(matches!(idle, Err(ClientError::Idle { limit }) if limit == brief));
    let limits = Limits { total: brief, size: usize::MAX, ..LIMITS };
    let total = Server::start(drip).await.asked(limits).await;
    assert!(matches!(total, Err(ClientError::Timeout { limit }) if limit == brief));
}

#[tokio::test]
async fn each_mode_believes_its_own_servers_alone() {
    let (server, other) = (Server::start(redirect).await, Server::start(redirect).await);
    let mut roots = RootCertStore::empty();
    roots.add(server.certificate.clone()).unwrap();
    let (pinned, roots) = (TrustMode::Pinned(server.certificate.clone()), TrustMode::Roots(roots));
    for (trust, own, others) in [
        (pinned, true, false),
        (roots, true, false),
        (TrustMode::Unverified, true, true),
        (TrustMode::PublicRoots, false, false),
    ] {
        let asked =
            async |server: &Server| server.client(trust.clone(), LIMITS).handshake("https://registry.test").await;
        let (answer, answer_of_other) = (asked(&server).await, asked(&other).await);
        assert_eq!(
            (answer.is_ok(), answer_of_other.is_ok()),
            (own, others),
            "{trust:?}: {answer:?} {answer_of_other:?}"
        );
        assert!(others || matches!(answer_of_other, Err(ClientError::Tls(_))));
    }
    let mut roots = RootCertStore::empty();
    roots.add(server.certificate.clone()).unwrap();
    let wrong_name = server.client(TrustMode::Roots(roots), LIMITS).get("https://else.test/").await;
    assert!(matches!(wrong_name, Err(ClientError::Tls(_))));
}

#[tokio::test]
async fn only_https_is_spoken() {
    let client = Client::new(TrustMode::PublicRoots, LIMITS).unwrap();
    for url in ["http://registry.test/", "ftp://registry.test/", "/v2/", "registry.test", ""] {
        assert!(matches!(client.get(url).await, Err(ClientError::NotHttps(_))), "{url}");
    }
    let nothing_there = client.connecting_to("127.0.0.1:1".parse().unwrap()).get("https://registry.test").await;
    assert!(matches!(nothing_there, Err(ClientError::Connect { .. })));
}
