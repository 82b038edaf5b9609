//! The accept loop: TLS, limits, and a graceful end.
//!
//! One [`Server`] owns one listening socket. Each connection passes three gates: admission (how many there may be), the
//! first byte (TLS, or an answer that says to use it), and the handshake; then hyper speaks HTTP/1.1 or HTTP/2 and an
//! [`Answer`] is called. Nothing here knows what that does.
//!
//! A connection keeps a record of what it does (its `activity`), which serves both sides: `timeouts` ends a connection that is idle,
//! slow or stalled for too long, and at the limit of connections, the record says which one is closed for a new one. At its end a
//! connection is closed in stages (`closing`), so that a response that was sent before the request was read arrives.

mod acme_listener;
mod activity;
mod admission;
mod closing;
mod connection;
mod connection_table;
mod file_limit;
mod http2_streams;
mod lifecycle;
mod own_wakes;
mod plain_http;
mod proxy_protocol;
mod reclaimable_stream;
mod request_body;
mod request_limit;
mod response_body;
mod response_memory;
mod service;
mod signals;
#[cfg(test)]
mod tests;
mod timeouts;
mod unsent_parts;
mod write_timeout;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket};
use tokio_util::sync::CancellationToken;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

use admission::Admission;
use connection::Connections;

use crate::config::ServerSettings;
use crate::tls::{Acceptor, ClientVerifier};

pub use acme_listener::AcmeListener;
pub use service::Answer;
pub use signals::{SignalEvent, Signals};

/// Waiting connections that the kernel keeps for us.
const BACKLOG: u32 = 4096;
/// Connections that have not sent a first request yet. Beyond it the oldest of them is closed, so that half-open connections never
/// keep out one that continues.
const MAX_PENDING: usize = 1024;
/// How long the accept loop rests when the system is out of file descriptors or memory.
const REST: Duration = Duration::from_millis(100);

/// A listening address could not be had.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {source}{}", hint(source, setting))]
pub struct BindError {
    /// The address that was asked for.
    pub address: SocketAddr,
    /// The flag or key by which another one is chosen.
    pub setting: &'static str,
    /// Why not.
    pub source: io::Error,
}

fn hint(source: &io::Error, setting: &str) -> String {
    match source.kind() {
        io::ErrorKind::AddrInUse => {
            format!("; another program listens there: stop it, or choose another port with {setting}")
        }
        io::ErrorKind::PermissionDenied => {
            format!("; ports below 1024 need CAP_NET_BIND_SERVICE: choose another with {setting}")
        }
        io::ErrorKind::AddrNotAvailable => {
            "; this machine has no such address: give one of its own, or 0.0.0.0".to_owned()
        }
        _ if source.raw_os_error() == Some(rustix::io::Errno::AFNOSUPPORT.raw_os_error()) => {
            format!("; this machine has no IPv6: give an IPv4 address, such as 0.0.0.0, with {setting}")
        }
        _ => String::new(),
    }
}

/// How a server ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drained {
    /// Connections that were still busy at the end of the time to drain, and were cut.
    pub cut: usize,
}

/// A bound socket, ready to serve.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    settings: ServerSettings,
    max_pending: usize,
    clients: Option<Arc<ClientVerifier>>,
}

impl Server {
    /// Binds the address (port 0 chooses a free one), raises the process's limit on open files as far as it may, and lowers what is
    /// served at once where that is still not enough.
    pub fn bind(mut settings: ServerSettings) -> Result<Self, BindError> {
        file_limit::fit(&mut settings);
        let refuse = |source| BindError { address: settings.listen, setting: "--listen ADDR:PORT", source };
        let listener = listen(settings.listen).map_err(refuse)?;
        let address = listener.local_addr().map_err(refuse)?;
        Ok(Self { listener, address, settings, max_pending: MAX_PENDING, clients: None })
    }

    /// The same with client certificates: the verifier is asked about them again while a connection lives. The TLS configuration must
    /// have been made with the same one.
    #[must_use]
    pub fn with_clients(self, clients: Option<Arc<ClientVerifier>>) -> Self {
        Self { clients, ..self }
    }

    /// The address in use, with the port that was chosen.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `shutdown`, then drains: the socket closes, idle connections end, requests under way finish within
    /// [`ServerSettings::drain_timeout`], and what is left is cut.
    pub async fn serve(self, respond: Answer, tls: Acceptor, shutdown: CancellationToken) -> Drained {
        let tracker = TaskTracker::new();
        // Not a child of the caller's token: it ends connections only after the time to drain.
        let cut = CancellationToken::new();
        let connections =
            Arc::new(Connections::new(&self.settings, self.clients, respond, tls, shutdown.clone(), cut.clone()));
        let admission = Arc::new(Admission::new(&self.settings, self.max_pending));
        // A task of its own: the thread that waits for the server's end would have to wake another one for each connection.
        let accepting = tokio::spawn(accept_all(self.listener, admission, connections, tracker.clone()));
        let mut accepting = AbortOnDropHandle::new(accepting);
        tokio::select! {
            () = shutdown.cancelled() => {
                // With it goes the listening socket.
                accepting.abort();
                let _ = accepting.await;
            }
            // It never ends by itself, but by a panic.
            Err(ended) = &mut accepting => std::panic::resume_unwind(ended.into_panic()),
        }
        drain(&tracker, &cut, self.settings.drain_timeout).await
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    prepare(&socket)?;
    if address.is_ipv6() && address.ip().is_unspecified() {
        // `[::]` means every address of both families, also where net.ipv6.bindv6only says otherwise.
        rustix::net::sockopt::set_ipv6_v6only(&socket, false)?;
    }
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Accepts until it is dropped; errors never end it.
async fn accept_all(
    listener: TcpListener,
    admission: Arc<Admission>,
    connections: Arc<Connections>,
    tracker: TaskTracker,
) {
    loop {
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                recover(&error, &admission).await;
                continue;
            }
        };
        let Some(admitted) = admission.admit(peer).await else {
            tracing::debug!(%peer, "connection refused: its address has too many");
            continue;
        };
        let connections = Arc::clone(&connections);
        tracker.spawn(async move { connections.run(stream, peer, admitted).await });
    }
}

/// A peer that left early needs no handling; running out of file descriptors does, and passes as connections end.
async fn recover(error: &io::Error, admission: &Admission) {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    if matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted) {
        return;
    }
    tracing::error!(%error, "cannot accept a connection; trying again");
    admission.make_room();
    tokio::time::sleep(REST).await;
}

/// Small answers go out at once, and a peer that vanished is noticed within a few minutes. Every connection that is accepted inherits
/// this from the listening socket.
fn prepare(socket: &TcpSocket) -> io::Result<()> {
    use rustix::net::sockopt;
    socket.set_nodelay(true)?;
    sockopt::set_socket_keepalive(socket, true)?;
    sockopt::set_tcp_keepidle(socket, Duration::from_mins(1))?;
    sockopt::set_tcp_keepintvl(socket, Duration::from_secs(15))?;
    Ok(())
}

async fn drain(tracker: &TaskTracker, cut: &CancellationToken, limit: Duration) -> Drained {
    tracker.close();
    if !tracker.is_empty() {
        tracing::info!(connections = tracker.len(), limit_seconds = limit.as_secs(), "finishing what is under way");
    }
    if tokio::time::timeout(limit, tracker.wait()).await.is_ok() {
        return Drained { cut: 0 };
    }
    let left = tracker.len();
    tracing::warn!(connections = left, "time to drain is over; cutting what is left");
    cut.cancel();
    tracker.wait().await;
    Drained { cut: left }
}
