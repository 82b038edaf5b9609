//! Where a request came from.

use std::net::SocketAddr;

/// The address at the other end of the TCP connection, put into every request's extensions by the accept loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PeerAddress(pub SocketAddr);
