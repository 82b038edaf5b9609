//! One connection from its first byte to its last.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use rustls::AlertDescription;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::admission::Admitted;
use super::options::ServerOptions;
use super::plain_http;
use super::stall::StallGuard;
use crate::domain::peer_address::PeerAddress;
use crate::tls::acme::ACME_TLS;
use crate::tls::{Acceptor, ClientVerifier, PresentedCertificate, explain_refusal};

/// The first byte of a TLS record that carries a handshake.
const TLS_HANDSHAKE: u8 = 0x16;
/// HTTP/1 read buffer, and so the largest header.
const HTTP1_BUFFER: usize = 256 * 1024;
/// HTTP/2 flow control: the usual 64 KiB throttle uploads over any distance.
const STREAM_WINDOW: u32 = 8 << 20;
const CONNECTION_WINDOW: u32 = 32 << 20;
const MAX_HEADER_LIST: u32 = 64 * 1024;
const KEEP_ALIVE: Duration = Duration::from_secs(20);

/// What all connections of a server share.
pub(super) struct Connections {
    router: Router,
    acceptor: Acceptor,
    clients: Option<Arc<ClientVerifier>>,
    http: Builder<TokioExecutor>,
    handshake_timeout: Duration,
    header_timeout: Duration,
    write_stall_timeout: Duration,
    shutdown: CancellationToken,
    cut: CancellationToken,
}

type Secured = TlsStream<StallGuard<TcpStream>>;

/// What the first byte says.
enum Greeting {
    Tls,
    Other,
    Closed,
}

impl Connections {
    pub(super) fn new(
        options: &ServerOptions,
        router: Router,
        tls: Acceptor,
        shutdown: CancellationToken,
        cut: CancellationToken,
    ) -> Self {
        Self {
            router,
            acceptor: tls,
            clients: options.clients.clone(),
            http: http_settings(options),
            handshake_timeout: options.handshake_timeout,
            header_timeout: options.header_timeout,
            write_stall_timeout: options.write_stall_timeout,
            shutdown,
            cut,
        }
    }

    /// Serves one connection to its end. Until its first request it gives way to shutdown, to the timeouts, and to others.
    pub(super) async fn run(&self, stream: TcpStream, peer: SocketAddr, admitted: Admitted) {
        let peer = PeerAddress::new(peer);
        let handshake = tokio::time::timeout(self.handshake_timeout, self.greet(stream, peer));
        let secured = tokio::select! {
            () = self.shutdown.cancelled() => return,
            () = admitted.evicted() => return,
            secured = handshake => secured,
        };
        match secured {
            Ok(Some(stream)) => self.serve(stream, peer, Arc::new(admitted)).await,
            Ok(None) => {}
            Err(_) => tracing::debug!(%peer, "closed: no TLS handshake in time"),
        }
    }

    /// Does the handshake; a client that speaks plain HTTP is answered here and gets no further.
    async fn greet(&self, stream: TcpStream, peer: PeerAddress) -> Option<Secured> {
        match greeting(&stream).await {
            Greeting::Tls => match self.acceptor.accept(StallGuard::new(stream, self.write_stall_timeout)).await {
                Ok(mut stream) if is_validation(&stream) => {
                    tracing::debug!(%peer, "answered an ACME challenge");
                    // The handshake was the answer; whether the peer hears our farewell is its own affair.
                    let _ = stream.shutdown().await;
                    None
                }
                Ok(stream) => Some(stream),
                Err(error) => {
                    log_failed_handshake(peer, &error);
                    None
                }
            },
            Greeting::Other => {
                plain_http::answer(stream, peer, self.header_timeout).await;
                None
            }
            Greeting::Closed => None,
        }
    }

    async fn serve(&self, stream: Secured, peer: PeerAddress, admitted: Arc<Admitted>) {
        let begun = Arc::new(AtomicBool::new(false));
        let certificate =
            self.clients.as_ref().and_then(|clients| clients.presented(stream.get_ref().1.peer_certificates()));
        let certificate = certificate.map(Arc::new);
        let service = service_fn({
            let (router, begun, admitted) = (self.router.clone(), Arc::clone(&begun), Arc::clone(&admitted));
            move |request| {
                if !begun.swap(true, Ordering::Relaxed) {
                    admitted.establish();
                }
                answer(router.clone(), peer, certificate.clone(), request)
            }
        });
        let mut connection = std::pin::pin!(self.http.serve_connection(TokioIo::new(stream), service));
        let mut first_request_by = std::pin::pin!(tokio::time::sleep(self.header_timeout));
        let (mut draining, mut waiting) = (false, true);
        loop {
            tokio::select! {
                outcome = connection.as_mut() => {
                    if let Err(error) = outcome {
                        tracing::debug!(%peer, %error, "connection ended");
                    }
                    return;
                }
                () = self.cut.cancelled() => return,
                () = self.shutdown.cancelled(), if !draining => {
                    if !begun.load(Ordering::Relaxed) {
                        return;
                    }
                    connection.as_mut().graceful_shutdown();
                    draining = true;
                }
                () = admitted.evicted() => return,
                () = first_request_by.as_mut(), if waiting => {
                    if !begun.load(Ordering::Relaxed) {
                        tracing::debug!(%peer, "closed: no request in time");
                        return;
                    }
                    waiting = false;
                }
            }
        }
    }
}

/// Whether the handshake was an authority's look at a challenge: nothing is served after it (RFC 8737, section 4).
fn is_validation(stream: &Secured) -> bool {
    stream.get_ref().1.alpn_protocol() == Some(ACME_TLS)
}

async fn answer(
    router: Router,
    peer: PeerAddress,
    certificate: Option<Arc<PresentedCertificate>>,
    request: Request<Incoming>,
) -> Result<Response, Infallible> {
    let mut request = request.map(Body::new);
    request.extensions_mut().insert(peer);
    if let Some(certificate) = certificate {
        request.extensions_mut().insert(certificate.now());
    }
    router.oneshot(request).await
}

/// Looks at the first byte and leaves it in place.
async fn greeting(stream: &TcpStream) -> Greeting {
    let mut first = [0];
    match stream.peek(&mut first).await {
        Ok(1..) if first[0] == TLS_HANDSHAKE => Greeting::Tls,
        Ok(1..) => Greeting::Other,
        Ok(0) | Err(_) => Greeting::Closed,
    }
}

fn http_settings(options: &ServerOptions) -> Builder<TokioExecutor> {
    let mut http = Builder::new(TokioExecutor::new());
    http.http1().timer(TokioTimer::new()).header_read_timeout(options.header_timeout).max_buf_size(HTTP1_BUFFER);
    http.http2()
        .timer(TokioTimer::new())
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_concurrent_streams(options.max_streams_per_connection)
        .max_header_list_size(MAX_HEADER_LIST)
        .keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(KEEP_ALIVE);
    http
}

/// A client that does not trust the authority says so in its alert, and one whose certificate is refused hardly hears why: worth
/// telling the operator, who can mend it.
fn log_failed_handshake(peer: PeerAddress, error: &std::io::Error) {
    use AlertDescription::{BadCertificate, CertificateUnknown, UnknownCA};
    let cause = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    if let Some(rustls::Error::AlertReceived(BadCertificate | CertificateUnknown | UnknownCA)) = cause {
        tracing::info!(%peer, "the client does not trust the certificate; run there what `portcullis ca trust-command` prints");
    } else if let Some(why) = cause.and_then(explain_refusal) {
        tracing::info!(%peer, "the client's certificate is refused: {why}");
    } else {
        tracing::debug!(%peer, %error, "TLS handshake failed");
    }
}
