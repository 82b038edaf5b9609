//! Stories of clients, honest and not, against a real TLS server on a free port.

mod drain;
mod early;
mod idle;
mod limits;
mod multiplexed;
mod plain;
mod proxied;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Extension;
use axum::routing::{get, post};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::*;
use crate::domain::Clock;
use crate::domain::net::peer_address::PeerAddress;
use crate::pki::{Authority, Constraints, IdentitySource, renew_leaf};
use crate::tls::{Acceptor, ServingIdentity};

struct Running {
    address: SocketAddr,
    serving: Arc<ServingIdentity>,
    authority: Authority,
    data: tempfile::TempDir,
    shutdown: CancellationToken,
    ended: JoinHandle<Drained>,
}

async fn slowly() -> &'static str {
    tokio::time::sleep(Duration::from_millis(400)).await;
    "done"
}

/// Told when a body of [`endless`] is dropped.
static ENDLESS_ENDED: Notify = Notify::const_new();

struct Ended;

impl Drop for Ended {
    fn drop(&mut self) {
        ENDLESS_ENDED.notify_one();
    }
}

async fn endless() -> axum::body::Body {
    let chunks = futures_util::stream::unfold(Ended, |ended| async {
        Some((Ok::<_, std::io::Error>(vec![0_u8; 1 << 16]), ended))
    });
    axum::body::Body::from_stream(chunks)
}

/// Answers before the body was read.
async fn refuse() -> (http::StatusCode, &'static str) {
    (http::StatusCode::PAYLOAD_TOO_LARGE, "refused")
}

/// More than a window of HTTP/2 takes, from memory.
async fn large() -> Vec<u8> {
    vec![7; 4 * 1024 * 1024]
}

async fn who(Extension(peer): Extension<PeerAddress>) -> String {
    peer.to_string()
}

/// A port that the system chooses, on this machine alone.
fn anywhere() -> ServerSettings {
    ServerSettings { listen: ([127, 0, 0, 1], 0).into(), ..ServerSettings::default() }
}

fn start(adjust: impl FnOnce(&mut ServerSettings)) -> Running {
    start_with_pending(MAX_PENDING, adjust)
}

fn start_with_pending(max_pending: usize, adjust: impl FnOnce(&mut ServerSettings)) -> Running {
    let data = tempfile::tempdir().unwrap();
    let names: Vec<_> = ["localhost", "127.0.0.1"].iter().map(|name| name.parse().unwrap()).collect();
    let authority = Authority::create(data.path(), &names, Constraints::ToNames, &Clock::system()).unwrap();
    let source = IdentitySource::data_directory(data.path(), names);
    let serving = ServingIdentity::new(source.prepare().unwrap(), Clock::system());
    let mut settings = anywhere();
    adjust(&mut settings);
    let server = Server { max_pending, ..Server::bind(settings).unwrap() };
    let (address, shutdown) = (server.local_addr(), CancellationToken::new());
    let router = Router::new()
        .route("/who", get(who).post(who))
        .route("/slow", get(slowly))
        .route("/endless", get(endless))
        .route("/large", get(large))
        .route("/refuse", post(refuse));
    let answer: Answer = Arc::new(move |request| {
        let router = router.clone();
        Box::pin(async move { router.oneshot(request).await.unwrap() })
    });
    let tls = Acceptor::new(Arc::clone(&serving), None).unwrap();
    let ended = tokio::spawn(server.serve(answer, tls, shutdown.clone()));
    Running { address, serving, authority, data, shutdown, ended }
}

impl Running {
    fn url(&self, path: &str) -> String {
        format!("https://localhost:{}{path}", self.address.port())
    }

    /// A client that trusts this server's root alone.
    fn client(&self) -> reqwest::ClientBuilder {
        let root = reqwest::Certificate::from_pem(self.authority.root_pem().as_bytes()).unwrap();
        reqwest::Client::builder().no_proxy().tls_certs_only([root]).resolve("localhost", self.address)
    }

    fn client_config(&self) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(self.authority.root_der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        builder.with_root_certificates(roots).with_no_client_auth()
    }

    async fn tls(&self) -> TlsStream<TcpStream> {
        let tcp = TcpStream::connect(self.address).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        TlsConnector::from(Arc::new(self.client_config())).connect(name, tcp).await.unwrap()
    }

    async fn stop(self) -> Drained {
        self.shutdown.cancel();
        self.ended.await.unwrap()
    }
}

/// Sends a request with an open connection and reads until `end` has come.
async fn exchange(stream: &mut (impl AsyncReadExt + AsyncWriteExt + Unpin), request: &str, end: &str) -> String {
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut text = String::new();
    let mut buffer = [0; 4096];
    while !text.contains(end) {
        let read = stream.read(&mut buffer).await.unwrap();
        assert_ne!(read, 0, "closed after: {text}");
        text.push_str(std::str::from_utf8(&buffer[..read]).unwrap());
    }
    text
}

/// Waits for the server to close; what else it sends is read and dropped.
async fn is_closed(stream: &mut (impl AsyncReadExt + Unpin), within: Duration) -> bool {
    let mut sink = Vec::new();
    tokio::time::timeout(within, stream.read_to_end(&mut sink)).await.is_ok()
}

const ENDLESS: &str = "GET /endless HTTP/1.1\r\nhost: localhost\r\n\r\n";
const WHO: &str = "GET /who HTTP/1.1\r\nhost: localhost\r\n\r\n";

#[tokio::test]
async fn both_protocols_are_served_and_know_their_peer() {
    let running = start(|_| {});
    for (client, version) in [
        (running.client().build().unwrap(), http::Version::HTTP_2),
        (running.client().http1_only().build().unwrap(), http::Version::HTTP_11),
    ] {
        let response = client.get(running.url("/who")).send().await.unwrap();
        assert_eq!(response.version(), version);
        assert!(response.text().await.unwrap().starts_with("127.0.0.1:"));
    }
    assert_eq!(running.stop().await, Drained { cut: 0 });
}

#[tokio::test]
async fn tls_1_2_is_served_too() {
    let running = start(|_| {});
    let client = running.client().tls_version_max(reqwest::tls::Version::TLS_1_2).build().unwrap();
    assert!(client.get(running.url("/who")).send().await.unwrap().status().is_success());
}

#[tokio::test]
async fn a_swapped_certificate_leaves_open_connections_alone() {
    let mut running = start(|_| {});
    let mut old = running.tls().await;
    exchange(&mut old, WHO, "127.0.0.1").await;
    let names: Vec<_> = ["localhost", "127.0.0.1"].iter().map(|name| name.parse().unwrap()).collect();
    renew_leaf(running.data.path(), &mut running.authority, &names).unwrap();
    let source = IdentitySource::data_directory(running.data.path(), names);
    running.serving.swap(source.load().unwrap());

    exchange(&mut old, WHO, "127.0.0.1").await;
    let new = running.tls().await;
    let shown = |stream: &TlsStream<TcpStream>| stream.get_ref().1.peer_certificates().unwrap()[0].clone();
    assert_ne!(shown(&old), shown(&new));
}

#[tokio::test]
async fn an_address_in_use_is_explained() {
    let running = start(|_| {});
    let text = Server::bind(ServerSettings { listen: running.address, ..anywhere() }).unwrap_err().to_string();
    assert!(text.contains("--listen") && text.contains(&running.address.to_string()), "{text}");
}
