//! The server's side of a handshake: which settings a connection gets is decided by its first message.

use std::io;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::server::{Acceptor as HelloReader, ClientHello};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;

use super::clients::ClientVerifier;
use super::server_config::{prefers_chacha20, server_config, validation_config, without_aes};
use super::serving::ServingIdentity;
use super::validation::is_validation;

/// Does the handshakes of a server.
pub struct Acceptor {
    ordinary: Arc<ServerConfig>,
    /// For clients whose processor has no instructions for AES.
    without_aes: Arc<ServerConfig>,
    /// For an authority that validates our names (RFC 8737): it is not asked for a certificate, and learns of no other protocol.
    validation: Option<Arc<ServerConfig>>,
}

impl Acceptor {
    /// Shows what `serving` has, and asks for certificates of clients where `clients` are to have some.
    pub fn new(serving: Arc<ServingIdentity>, clients: Option<Arc<ClientVerifier>>) -> Result<Self, rustls::Error> {
        let validation = serving.answers_challenges().then(|| validation_config(Arc::clone(&serving))).transpose()?;
        let ordinary = server_config(serving, clients)?;
        Ok(Self { without_aes: without_aes(&ordinary), ordinary, validation })
    }

    /// Does one handshake. Where it fails, the stream comes back with the error: an alert was sent, and the caller, who closes the stream,
    /// decides whether the peer has time to read it.
    pub async fn accept<S>(&self, stream: S) -> Result<TlsStream<S>, (io::Error, Option<S>)>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let mut hello = LazyConfigAcceptor::new(HelloReader::default(), stream);
        let handshake = match (&mut hello).await {
            Ok(handshake) => handshake,
            Err(error) => return Err((error, hello.take_io())),
        };
        let config = Arc::clone(self.config_for(&handshake.client_hello()));
        let handshake = handshake.into_stream(config).into_fallible();
        handshake.await.map_err(|(error, stream)| (error, Some(stream)))
    }

    fn config_for(&self, hello: &ClientHello<'_>) -> &Arc<ServerConfig> {
        match &self.validation {
            Some(validation) if is_validation(hello) => validation,
            _ if prefers_chacha20(hello.cipher_suites()) => &self.without_aes,
            _ => &self.ordinary,
        }
    }
}

impl std::fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Acceptor").field("validates", &self.validation.is_some()).finish_non_exhaustive()
    }
}
