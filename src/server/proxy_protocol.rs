//! Connections by way of a proxy that speaks the PROXY protocol: before anything else it tells for whom it has connected. Only addresses
//! that the operator trusts are asked; there the header must come, and from anywhere else it is as invalid as any other nonsense.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use ipnet::IpNet;
use tokio::net::TcpStream;

use crate::domain::net::proxy_header::{
    FIXED, LONGEST_TEXT, ProxyHeaderError, SIGNATURE, TEXT, parse_binary, parse_text, rest_of_binary,
};

/// Proxies that speak it.
pub(super) struct ProxyProtocol {
    trusted: Arc<[IpNet]>,
}

impl ProxyProtocol {
    pub(super) fn new(trusted: Arc<[IpNet]>) -> Self {
        Self { trusted }
    }

    /// Whether a connection from there begins with the header.
    pub(super) fn speaks(&self, peer: SocketAddr) -> bool {
        let peer = peer.ip().to_canonical();
        self.trusted.iter().any(|net| net.contains(&peer))
    }

    /// Reads the header, and not a byte more: for whom the proxy speaks, or `None` where it speaks for itself. The caller sets a limit
    /// of time.
    pub(super) async fn read(&self, stream: &TcpStream) -> io::Result<Option<SocketAddr>> {
        // Every header of either version is longer.
        let mut start = [0; SIGNATURE.len()];
        fill(stream, &mut start).await?;
        if start == SIGNATURE {
            let mut fixed = [0; FIXED];
            fixed[..start.len()].copy_from_slice(&start);
            fill(stream, &mut fixed[start.len()..]).await?;
            let mut rest = vec![0; rest_of_binary(&fixed).map_err(invalid)?];
            fill(stream, &mut rest).await?;
            return parse_binary(&fixed, &rest).map_err(invalid);
        }
        if !start.starts_with(TEXT) {
            return Err(invalid(ProxyHeaderError::Missing));
        }
        let mut line = start.to_vec();
        while !line.ends_with(b"\n") {
            if line.len() == LONGEST_TEXT {
                return Err(invalid(ProxyHeaderError::Invalid));
            }
            let mut byte = [0];
            fill(stream, &mut byte).await?;
            line.extend(byte);
        }
        parse_text(&line).map_err(invalid)
    }
}

async fn fill(stream: &TcpStream, mut room: &mut [u8]) -> io::Result<()> {
    while !room.is_empty() {
        stream.readable().await?;
        match stream.try_read(room) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => room = &mut room[count..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn invalid(error: ProxyHeaderError) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}
