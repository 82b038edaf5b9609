//! What the wire tells of the registry's own certificates. Where the parts are put together, this is answered from the module `tls`,
//! which the wire does not know.

use std::sync::Arc;

use bytes::Bytes;

/// The certificates of this registry, as they are at the moment of asking.
pub trait Certificates: Send + Sync {
    /// The private CA that clients are to trust; `None` where the certificate in use comes from another authority.
    fn authority(&self) -> Option<Arc<PublishedAuthority>>;
    /// While the private CA takes the place of another: the one before, and the statement for its successor that it has signed, as
    /// PEM. `None` at any other time.
    fn rotation(&self) -> Option<Bytes>;
    /// The certificate that new connections get.
    fn served(&self) -> ServedCertificate;
}

/// A CA for clients to trust.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishedAuthority {
    /// The certificate as PEM: one, and nothing else.
    pub pem: Bytes,
    /// The SHA-256 of its DER, in lower-case hexadecimal digits: the value to pin.
    pub sha256: String,
}

/// What there is to say of the certificate in use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServedCertificate {
    /// Its end, as RFC 3339.
    pub not_after: String,
    /// Whole days until then; negative once it is past.
    pub days_left: i64,
    /// What is about to go wrong, and the command that mends it; `None` while nothing is.
    pub warning: Option<String>,
}
