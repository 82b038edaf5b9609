//! What can go wrong beneath authentication.

use crate::storage::StorageError;

/// Why authentication cannot work.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AuthError {
    /// Users, grants or keys could not be read or written.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// A token key was encrypted with another data key.
    #[error(
        "the token key {kid} in the database cannot be decrypted: it was encrypted with another key than the one in \
         keys/seal.key, or in the file that secrets.key_file names. Restore the file that belongs to this database; without it, \
         remove the rows of the token keys, and new ones are made"
    )]
    UnreadableTokenKey {
        /// The name of the token key.
        kid: String,
    },
    /// An ACME account was encrypted with another data key.
    #[error(
        "the ACME account for {directory} in the database cannot be decrypted: it was encrypted with another key than the one in \
         keys/seal.key, or in the file that secrets.key_file names. Restore the file that belongs to this database; without it, \
         remove the row of acme_accounts, and a new account is made"
    )]
    UnreadableAccount {
        /// The address of the authority.
        directory: String,
    },
    /// The files that nodes share were encrypted with another data key.
    #[error(
        "the certificates in the database cannot be decrypted: they were encrypted with another key, or are damaged. Give this \
         node the key that the other nodes have (secrets.key_file)"
    )]
    UnreadableFiles,
    /// No key may sign now.
    #[error("no token key may sign at this time: check the clock of this host against the times of the token keys")]
    NoSigningKey,
    /// The cryptographic library refused, which it never does with intact keys and a working source of randomness.
    #[error("cryptography failed: {0}")]
    Cryptography(&'static str),
}
