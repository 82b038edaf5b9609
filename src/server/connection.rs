//! One connection from its first byte to its last.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use rustls::AlertDescription;
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;

use super::activity::{Activity, Limits};
use super::admission::Admitted;
use super::http2_streams::Http2Streams;
use super::lifecycle::{Action, Close, Event, Lifecycle};
use super::own_wakes::OwnWakes;
use super::proxy_protocol::ProxyProtocol;
use super::reclaimable_stream::{ReclaimableStream, reclaimable};
use super::service::{Answer, Client, RequestService};
use super::timeouts::Timeouts;
use super::write_timeout::WriteTimeout;
use super::{closing, plain_http};
use crate::config::ServerSettings;
use crate::domain::net::peer_address::PeerAddress;
use crate::tls::ACME_TLS;
use crate::tls::{Acceptor, ClientVerifier, explain_refusal};

/// The first byte of a TLS record that carries a handshake.
const TLS_HANDSHAKE: u8 = 0x16;
/// The protocol on which a connection has many requests at once.
const HTTP2: &[u8] = b"h2";
/// Read and write buffer of HTTP/1, and so the largest header.
const HTTP1_BUFFER: usize = 32 * 1024;
/// What h2 keeps of one answer; more waits in the body.
const STREAM_BUFFER: usize = 64 * 1024;
const MAX_HEADER_LIST: u32 = 64 * 1024;
/// Between two pings on HTTP/2, by which a peer that vanished is noticed.
const PING: Duration = Duration::from_secs(20);
/// For a connection that is told to end to do so by itself: on HTTP/2 the peer has to agree.
const LEAVE: Duration = Duration::from_millis(500);

/// What all connections of a server share.
pub(super) struct Connections {
    service: Arc<RequestService>,
    acceptor: Acceptor,
    clients: Option<Arc<ClientVerifier>>,
    proxies: Option<ProxyProtocol>,
    handshake_timeout: Duration,
    limits: Limits,
    max_streams: u32,
    shutdown: CancellationToken,
    cut: CancellationToken,
}

type Secured = TlsStream<WriteTimeout<TcpStream>>;

/// What the first byte says.
enum FirstByte {
    Tls,
    Other,
    Closed,
}

impl Connections {
    pub(super) fn new(
        settings: &ServerSettings,
        clients: Option<Arc<ClientVerifier>>,
        respond: Answer,
        tls: Acceptor,
        shutdown: CancellationToken,
        cut: CancellationToken,
    ) -> Self {
        let service = RequestService::new(respond, settings.max_requests, settings.keep_alive, shutdown.clone());
        Self {
            service: Arc::new(service),
            acceptor: tls,
            clients,
            proxies: settings.proxy_protocol.then(|| ProxyProtocol::new(settings.trusted_proxies.clone().into())),
            handshake_timeout: settings.handshake_timeout,
            limits: Limits { idle: settings.keep_alive, header: settings.header_timeout, stall: settings.idle_timeout },
            max_streams: settings.max_streams_per_connection,
            shutdown,
            cut,
        }
    }

    /// Serves one connection to its end. Until its first request it gives way to shutdown, to the timeouts, and to others.
    pub(super) async fn run(&self, stream: TcpStream, peer: SocketAddr, admitted: Admitted) {
        let evicted = admitted.eviction();
        let activity = Arc::clone(admitted.activity());
        let handshake = async {
            let (admitted, peer) = self.introduce(&stream, peer, admitted).await?;
            let secured = self.handshake(stream, peer, &activity).await?;
            Some((secured, peer, admitted))
        };
        let secured = tokio::select! {
            () = self.shutdown.cancelled() => return,
            () = evicted.cancelled() => return,
            secured = tokio::time::timeout(self.handshake_timeout, handshake) => secured,
        };
        match secured {
            Ok(Some((stream, peer, admitted))) => self.serve(stream, peer, &admitted).await,
            Ok(None) => {}
            Err(_) => tracing::debug!(%peer, "closed: no TLS handshake in time"),
        }
    }

    /// Learns from a proxy whom it speaks for, where proxies say so.
    async fn introduce(
        &self,
        stream: &TcpStream,
        peer: SocketAddr,
        admitted: Admitted,
    ) -> Option<(Admitted, PeerAddress)> {
        let Some(proxies) = self.proxies.as_ref().filter(|proxies| proxies.speaks(peer)) else {
            return Some((admitted, PeerAddress::new(peer)));
        };
        match proxies.read(stream).await {
            Ok(Some(client)) => Some((admitted.speak_for(client)?, PeerAddress::new(client))),
            Ok(None) => Some((admitted, PeerAddress::new(peer))),
            Err(error) => {
                tracing::warn!(%peer, %error, "closed: the proxy sent no PROXY protocol header; set server.proxy_protocol = false, or let it send one");
                None
            }
        }
    }

    /// Does the handshake; a client that speaks plain HTTP is answered here and gets no further.
    async fn handshake(&self, stream: TcpStream, peer: PeerAddress, activity: &Arc<Activity>) -> Option<Secured> {
        match first_byte(&stream).await {
            FirstByte::Tls => {
                let guarded = WriteTimeout::new(stream, self.limits.stall, Arc::clone(activity));
                match self.acceptor.accept(guarded).await {
                    Ok(stream) if is_validation(&stream) => {
                        tracing::debug!(%peer, "answered an ACME challenge");
                        // The handshake was the answer; whether the peer reads the end of the connection does not matter.
                        closing::tls(stream).await;
                        None
                    }
                    Ok(stream) => Some(stream),
                    Err((error, stream)) => {
                        log_failed_handshake(peer, &error);
                        // The alert says why: the peer is given time to read it.
                        if let Some(stream) = stream {
                            closing::tcp(stream.into_inner()).await;
                        }
                        None
                    }
                }
            }
            FirstByte::Other => {
                plain_http::answer(stream, peer, self.limits.header).await;
                None
            }
            FirstByte::Closed => None,
        }
    }

    async fn serve(&self, stream: Secured, peer: PeerAddress, admitted: &Admitted) {
        let certificate =
            self.clients.as_ref().and_then(|clients| clients.presented(stream.get_ref().1.peer_certificates()));
        let client = self.service.client(peer, admitted.address(), certificate, Arc::clone(admitted.activity()));
        let (stream, reclaim) = reclaimable(stream, Some(Arc::clone(admitted.activity())));
        if self.converse(stream, client, admitted).await == Close::AtOnce {
            return;
        }
        if let Some(stream) = reclaim.take() {
            admitted.activity().close();
            tokio::select! {
                () = closing::tls(stream) => {}
                () = admitted.evicted() => {}
                () = self.cut.cancelled() => {}
            }
        }
    }

    /// Speaks HTTP until one side has had enough.
    async fn converse(&self, stream: ReclaimableStream<Secured>, client: Client, admitted: &Admitted) -> Close {
        let (client, activity) = (Arc::new(client), Arc::clone(admitted.activity()));
        let peer = client.peer;
        let begun = AtomicBool::new(false);
        let (http, own_wakes) = (self.http(&activity), OwnWakes::new(stream.get_ref().is_some_and(speaks_http2)));
        let service = service_fn(|request| {
            if !begun.swap(true, Ordering::Relaxed) {
                admitted.establish();
            }
            Arc::clone(&client).answer(request)
        });
        let mut connection = std::pin::pin!(http.serve_connection(TokioIo::new(stream), service));
        let mut timeouts = std::pin::pin!(Timeouts::new(Arc::clone(&activity), self.limits));
        let mut leave = std::pin::pin!(tokio::time::sleep(LEAVE));
        let mut lifecycle = Lifecycle { admitted, begun: &begun, peer, draining: false, leaving: false };
        loop {
            let (draining, leaving) = (lifecycle.draining, lifecycle.leaving);
            let event = tokio::select! {
                biased;
                outcome = own_wakes.keep(connection.as_mut()) => Event::Over(outcome.err()),
                () = self.cut.cancelled() => Event::Cut,
                () = leave.as_mut(), if leaving => Event::TimeToLeave,
                () = self.shutdown.cancelled(), if !draining => Event::Shutdown,
                () = admitted.evicted(), if !leaving => Event::Evicted,
                overdue = timeouts.as_mut(), if !leaving => Event::Overdue(overdue),
            };
            match lifecycle.after(event) {
                Action::End(ending) => return ending,
                Action::Continue => {}
                Action::Finish => connection.as_mut().graceful_shutdown(),
                Action::Leave => {
                    connection.as_mut().graceful_shutdown();
                    leave.as_mut().reset(tokio::time::Instant::now() + LEAVE);
                }
            }
        }
    }

    /// What hyper is told about a connection. The limits of time are [`Timeouts`]'s.
    fn http(&self, activity: &Arc<Activity>) -> Builder<Http2Streams> {
        let mut http = Builder::new(Http2Streams::new(Arc::clone(activity), self.limits.stall));
        http.http1().header_read_timeout(None).max_buf_size(HTTP1_BUFFER);
        http.http2()
            .timer(TokioTimer::new())
            // Grows with what the distance needs as long as the handlers read, and keeps what is not read small.
            .adaptive_window(true)
            .max_send_buf_size(STREAM_BUFFER)
            .max_concurrent_streams(self.max_streams)
            .max_header_list_size(MAX_HEADER_LIST)
            .keep_alive_interval(PING)
            .keep_alive_timeout(PING);
        http
    }
}

/// Whether that is what the client chose (RFC 7301; RFC 9113, section 3.2).
fn speaks_http2(stream: &Secured) -> bool {
    stream.get_ref().1.alpn_protocol() == Some(HTTP2)
}

/// Whether the handshake was an authority's look at a challenge: nothing is served after it (RFC 8737, section 4).
fn is_validation(stream: &Secured) -> bool {
    stream.get_ref().1.alpn_protocol() == Some(ACME_TLS)
}

/// Looks at the first byte and leaves it in place.
async fn first_byte(stream: &TcpStream) -> FirstByte {
    let mut first = [0];
    match stream.peek(&mut first).await {
        Ok(1..) if first[0] == TLS_HANDSHAKE => FirstByte::Tls,
        Ok(1..) => FirstByte::Other,
        Ok(0) | Err(_) => FirstByte::Closed,
    }
}

/// A client that does not trust the authority says so in its alert, and one whose certificate is refused hardly hears why: worth
/// telling the operator, who can fix it.
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
