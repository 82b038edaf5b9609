//! The limits of a server, with defaults that suit a machine of two cores.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;

use crate::tls::ClientVerifier;

/// Where to listen and what to bear.
#[derive(Debug, Clone)]
pub struct ServerOptions {
    /// Address and port; port 0 chooses a free one.
    pub listen: SocketAddr,
    /// Open connections altogether.
    pub max_connections: usize,
    /// Open connections of one address (IPv6: one /64 network); beyond it, those without a request make room first.
    pub max_connections_per_address: usize,
    /// Connections that have not sent a first request yet. Beyond it the oldest of them is closed, so that half-open
    /// connections never keep out one that goes on.
    pub max_pending_connections: usize,
    /// Requests under way at once on one HTTP/2 connection.
    pub max_streams_per_connection: u32,
    /// Requests under way at once altogether; one address has half of them.
    pub max_requests: usize,
    /// Connections from these networks begin with a header of the PROXY protocol; `None`: none does.
    pub proxy_protocol: Option<Arc<[IpNet]>>,
    /// From accepting a connection to the end of its TLS handshake.
    pub handshake_timeout: Duration,
    /// For the header of a request, and for the first request of a connection to arrive at all.
    pub header_timeout: Duration,
    /// Between two requests. HTTP/1.1 clients are told.
    pub keep_alive: Duration,
    /// For a peer to take at least one byte of a response that waits to be sent; on HTTP/2, to open the window for it.
    pub write_stall_timeout: Duration,
    /// For requests under way to end once shutdown has begun.
    pub drain_timeout: Duration,
    /// Verifies what clients show, and is asked about it again while a connection lives; the TLS configuration must have been made
    /// with the same one.
    pub clients: Option<Arc<ClientVerifier>>,
}

impl ServerOptions {
    /// The defaults: 4096 connections, 1024 per address and 1024 pending, 4096 requests, 10 s for handshakes and headers, 75 s for idle
    /// connections, 60 s for stalled responses, 30 s to drain.
    pub fn new(listen: SocketAddr) -> Self {
        Self {
            listen,
            max_connections: 4096,
            max_connections_per_address: 1024,
            max_pending_connections: 1024,
            max_streams_per_connection: 128,
            max_requests: 4096,
            proxy_protocol: None,
            handshake_timeout: Duration::from_secs(10),
            header_timeout: Duration::from_secs(10),
            keep_alive: Duration::from_secs(75),
            write_stall_timeout: Duration::from_mins(1),
            drain_timeout: Duration::from_secs(30),
            clients: None,
        }
    }
}
