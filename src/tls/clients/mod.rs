//! Certificates of clients: whose are accepted, which have been revoked, and which user each of them names.
//!
//! [`ClientFiles`] reads the operator's CAs and revocation lists into a [`TrustStore`], which never changes. [`ClientVerifier`] is what
//! the TLS library asks; a job of the server swaps its trust store when the files change. A [`PresentedCertificate`] stays with its connection,
//! and is verified again there as soon as the trust store is another one.

mod digests;
mod error;
mod files;
mod naming;
mod presented;
mod refusal;
#[cfg(test)]
mod tests;
mod trust_store;
mod verifier;

pub(super) use error::ClientFilesError;
pub(crate) use files::ClientFiles;
pub(crate) use presented::PresentedCertificate;
pub(crate) use refusal::explain_refusal;
pub(crate) use verifier::ClientVerifier;

use trust_store::TrustStore;
