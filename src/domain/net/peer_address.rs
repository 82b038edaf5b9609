//! Who is at the other end of the connection, handed from the accept loop to the request handlers.

use std::net::{IpAddr, SocketAddr};

/// The address that the connection comes from, in the request's extensions. IPv4-mapped IPv6 addresses are kept as IPv4.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PeerAddress(SocketAddr);

impl PeerAddress {
    /// The peer of an accepted connection.
    pub fn new(address: SocketAddr) -> Self {
        Self(SocketAddr::new(address.ip().to_canonical(), address.port()))
    }

    /// Address and port.
    pub fn socket(&self) -> SocketAddr {
        self.0
    }

    /// The address alone.
    pub fn ip(&self) -> IpAddr {
        self.0.ip()
    }
}

impl std::fmt::Display for PeerAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}
