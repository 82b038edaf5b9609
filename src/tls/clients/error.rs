//! What can be wrong with the files that say which client certificates count.

use std::path::PathBuf;

use crate::pki::error::PkiError;

/// A file that cannot be used. Every text names it and the way out.
#[derive(Debug, thiserror::Error)]
pub enum ClientFilesError {
    /// It cannot be read.
    #[error(transparent)]
    Unreadable(#[from] PkiError),
    /// It is larger than any list should be.
    #[error("the revocation list {} is larger than {limit} bytes: ask the CA for a shorter one, without expired certificates", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The limit in bytes.
        limit: u64,
    },
    /// A certificate that may sign none.
    #[error("{subject} in {} is not a CA: give the certificate that signs the clients' certificates, not one of a client or a server", path.display())]
    NoAuthority {
        /// The file.
        path: PathBuf,
        /// The certificate's subject.
        subject: String,
    },
    /// It holds no revocation list, or one that is not understood.
    #[error("{} holds no usable revocation list: {reason}", path.display())]
    BadList {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// A list that claims to be from one of the CAs and is not.
    #[error("the revocation list {} is not signed by {issuer}, whose name it bears: fetch it from that CA again", path.display())]
    ForgedList {
        /// The file.
        path: PathBuf,
        /// The CA.
        issuer: String,
    },
    /// Two lists about the same certificates.
    #[error("{} has a second revocation list of {issuer}: give the newest alone", path.display())]
    SecondList {
        /// The file.
        path: PathBuf,
        /// The CA.
        issuer: String,
    },
    /// The TLS library refused it.
    #[error("the TLS library refuses {}: {reason}", path.display())]
    Library {
        /// The file.
        path: PathBuf,
        /// What it said.
        reason: String,
    },
}
