//! How a connection is closed: in stages (RFC 9112, section 9.6).
//!
//! A socket that is closed while bytes of the peer are unread is reset, and a reset destroys what the peer has not read yet: the answer
//! that would tell it why. So the writing half is closed first, then what still comes is read and thrown away, up to limits of bytes and
//! time, until the peer has closed its half.

use std::io;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use super::write_timeout::WriteTimeout;

/// For the whole of it.
const LIMIT: Duration = Duration::from_secs(15);
/// Without a byte: the peer has nothing more to send, so nothing is reset.
const QUIET: Duration = Duration::from_secs(2);
/// As much is read as fast as it comes; the rest slowly, so that a client that does not stop sending is held up by its own window.
const AT_ONCE: usize = 64 * 1024 * 1024;
const PAUSE: Duration = Duration::from_millis(10);
const BUFFER: usize = 4 * 1024;

/// Closes a TLS connection in stages.
pub(super) async fn tls(mut stream: TlsStream<WriteTimeout<TcpStream>>) {
    let closing = async {
        // A peer that is gone reads nothing.
        if stream.shutdown().await.is_ok() {
            discard(stream.get_ref().0.get_ref()).await;
        }
    };
    let _ = tokio::time::timeout(LIMIT, closing).await;
}

/// Closes a connection without TLS in stages.
pub(super) async fn tcp(mut stream: TcpStream) {
    let closing = async {
        if stream.shutdown().await.is_ok() {
            discard(&stream).await;
        }
    };
    let _ = tokio::time::timeout(LIMIT, closing).await;
}

async fn discard(stream: &TcpStream) {
    let mut read = 0;
    while let Ok(Ok(())) = tokio::time::timeout(QUIET, stream.readable()).await {
        match read_some(stream) {
            Ok(0) => return,
            Ok(count) => read += count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => return,
        }
        if read > AT_ONCE {
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// Not async, so that the buffer is not part of a future.
fn read_some(stream: &TcpStream) -> io::Result<usize> {
    stream.try_read(&mut [0; BUFFER])
}
