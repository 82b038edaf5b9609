//! What the certificate is worth that a client showed in its TLS handshake, handed from the connection to the request handlers.

use crate::domain::{AccountName, Fingerprint};

/// The client's certificate, in the request's extensions; absent where it showed none. A configured CA has signed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientCertificate {
    /// It names this user, who may not exist.
    Names {
        /// The user.
        user: AccountName,
        /// The certificate.
        fingerprint: Fingerprint,
    },
    /// It names no user, or not clearly; the text says why. A request that brings other credentials does not need it.
    NamesUnknownUser(String),
    /// It counted when the connection began and no longer does; the text says why. A new connection would be refused, and so is
    /// every request on this one that needs rights.
    Withdrawn(String),
}
