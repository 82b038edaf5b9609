//! What ACME leaves behind for later and for others: accounts, sealed with a key that is kept outside of the database, and the challenges
//! that any node may be asked for.

use async_trait::async_trait;

use crate::storage::StorageError;

/// A challenge that waits to be validated by the authority.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AcmeChallengeRecord {
    /// The name or address that is to be shown control over.
    pub name: String,
    /// The challenge's token.
    pub token: String,
    /// What the authority wants to see: token and thumbprint of the account's key. No secret.
    pub key_authorization: String,
    /// From when on no one asks for it any more.
    pub expires_at: i64,
}

/// Accounts and challenges.
#[async_trait]
pub trait AcmeRecords {
    /// The account with the authority of this directory, sealed.
    async fn acme_account(&self, directory: &str) -> Result<Option<Vec<u8>>, StorageError>;

    /// Keeps an account instead of `replaces`. `false`, and nothing done, where another one (or none) is there, so that of two
    /// processes that make an account at once, one does.
    async fn keep_acme_account(
        &self,
        directory: &str,
        sealed: Vec<u8>,
        replaces: Option<Vec<u8>>,
    ) -> Result<bool, StorageError>;

    /// Adds challenges, and removes those that have expired. One that is there already is written over.
    async fn add_acme_challenges(&self, challenges: Vec<AcmeChallengeRecord>) -> Result<(), StorageError>;

    /// Removes challenges; those that are not there do not matter.
    async fn remove_acme_challenges(&self, challenges: Vec<AcmeChallengeRecord>) -> Result<(), StorageError>;

    /// The challenges that have not expired, by token and name.
    async fn acme_challenges(&self) -> Result<Vec<AcmeChallengeRecord>, StorageError>;
}
