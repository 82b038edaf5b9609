//! Uses certificates: the handshake, the certificate that is served, and the certificates of clients.
//!
//! [`crate::pki`] makes and loads what is served; [`ServingIdentity`] swaps it without dropping a connection, and [`ClientVerifier`] says
//! which certificates of clients are accepted, and which user each one names. This room knows nothing of HTTP or the registry.

mod acceptor;
mod clients;
mod server_config;
pub(crate) mod serving;
mod validation;

pub use acceptor::Acceptor;
pub use clients::{ClientFiles, ClientFilesError, ClientVerifier, PresentedCertificate, explain_refusal};
pub use serving::ServingIdentity;
pub use validation::ACME_TLS;
