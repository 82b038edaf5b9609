//! The handshake by which an ACME authority validates a name of ours (RFC 8737): how it is recognised, and what it is shown.

use std::sync::Arc;

use rustls::server::ClientHello;
use rustls::sign::CertifiedKey;

use crate::pki::acme::AcmeChallenges;

/// The protocol of a validating handshake (RFC 8737, section 4). No byte is exchanged after such a handshake.
pub(crate) const ACME_TLS: &[u8] = b"acme-tls/1";

/// A client that validates offers that protocol and nothing else; one that offers it among others is ordinary, and gets one of the
/// others.
pub(super) fn is_validation(hello: &ClientHello<'_>) -> bool {
    let mut offered = hello.alpn().into_iter().flatten();
    offered.next() == Some(ACME_TLS) && offered.next().is_none()
}

/// The certificate that a validating client is shown: the pending challenge's, or none.
pub(super) fn certificate(challenges: &AcmeChallenges, hello: &ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
    hello.server_name().and_then(|name| challenges.certificate(name))
}
