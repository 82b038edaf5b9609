//! Keys, certificates and the TLS configuration.
//!
//! A registry that is only reachable over TLS has to bring its own certificates: [`Authority`] makes a private root whose
//! name constraints bind it to this registry's names, [`ensure_leaf`] keeps a 90-day certificate under it, [`Identity`] loads
//! and checks what is served (ours or the operator's), and [`ServingIdentity`] swaps it without dropping a connection.
//! [`ClientVerifier`] says which certificates of clients count, and whom they name.
//! This module knows nothing of HTTP or the registry.

mod acceptor;
mod clients;
mod server_config;
pub(crate) mod serving;
mod validation;

pub use acceptor::Acceptor;
pub use clients::{ClientFiles, ClientFilesError, ClientVerifier, PresentedCertificate, explain_refusal};
pub use serving::ServingIdentity;
pub use validation::ACME_TLS;
