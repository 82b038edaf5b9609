//! What the wire tells of the registry's own certificates. Where the parts are put together, this is answered from the module `tls`,
//! which the wire does not know.

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;

use crate::trust::script::Trusted;

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
    /// Whether it can sign for nothing but the registry's names.
    pub constrained: bool,
}

impl PublishedAuthority {
    /// What lines and scripts say for those who call the registry `HOST:PORT`.
    pub(super) fn trusted_as<'a>(&'a self, host: &'a str) -> Trusted<'a> {
        // It was text before it became bytes.
        let pem = std::str::from_utf8(&self.pem).unwrap_or_default();
        Trusted { host, pem, sha256: &self.sha256, constrained: self.constrained }
    }
}

/// The status of the certificate in use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServedCertificate {
    /// The host names and addresses that it is for.
    pub names: Vec<String>,
    /// Its end, as RFC 3339.
    pub not_after: String,
    /// Whole days until then; negative once it is past.
    pub days_left: i64,
    /// What is about to go wrong, and the command that fixes it; `None` while nothing is.
    pub warning: Option<String>,
}

impl ServedCertificate {
    /// Whether the certificate is for this host (a name, or an address with or without brackets).
    pub(super) fn is_for(&self, host: &str) -> bool {
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let same_address = |name: &String| name.parse::<IpAddr>().is_ok_and(|ip| host.parse() == Ok(ip));
        self.names.iter().any(|name| name.eq_ignore_ascii_case(host) || same_address(name))
    }
}
