//! TLS of the server: what a handshake is answered with, and which certificates of clients count.
//!
//! [`ServingIdentity`] holds the certificate that `pki` made or loaded, and swaps it without dropping a connection; [`Acceptor`] does the
//! handshakes, an ACME authority's validating ones among them; [`ClientVerifier`] says which certificates of clients are accepted, and
//! which user each of them names. This module knows nothing of HTTP or the registry.

mod acceptor;
mod clients;
mod server_config;
pub(crate) mod serving;
mod validation;

pub(crate) use acceptor::Acceptor;
pub(crate) use clients::{ClientFiles, ClientVerifier, PresentedCertificate, explain_refusal};
pub(crate) use serving::ServingIdentity;
pub(crate) use validation::ACME_TLS;
