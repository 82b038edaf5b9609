//! What must outlive the process and be seen by every node: a trait, because this module knows no database.

use async_trait::async_trait;
use jiff::Timestamp;
use zeroize::Zeroizing;

use crate::pki::SubjectName;

/// What went wrong where the records are kept.
pub(crate) type AcmeStoreError = Box<dyn std::error::Error + Send + Sync>;

/// A challenge that waits for the authority's look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingAcmeChallenge {
    /// The name or address that is asked about.
    pub name: SubjectName,
    /// The challenge's token.
    pub token: String,
    /// What the authority wants to see; not a secret (RFC 8555, section 8.1).
    pub key_authorization: String,
    /// From when on no one asks any more.
    pub expires: Timestamp,
}

/// Keeps accounts and challenges. Accounts hold a private key, and an implementation keeps them sealed.
#[async_trait]
pub(crate) trait AcmeStore: Send + Sync {
    /// The account with the authority of `directory`, as it was kept.
    async fn account(&self, directory: &str) -> Result<Option<Zeroizing<Vec<u8>>>, AcmeStoreError>;

    /// Keeps a first account. `false`, and nothing done, if there is one already.
    async fn keep_account(&self, directory: &str, account: &[u8]) -> Result<bool, AcmeStoreError>;

    /// Replaces the account that is stored.
    async fn replace_account(&self, directory: &str, account: &[u8]) -> Result<(), AcmeStoreError>;

    /// Lets every node answer these challenges.
    async fn publish(&self, challenges: &[PendingAcmeChallenge]) -> Result<(), AcmeStoreError>;

    /// Ends these challenges.
    async fn withdraw(&self, challenges: &[PendingAcmeChallenge]) -> Result<(), AcmeStoreError>;

    /// Takes the right to order for a minute, or keeps it for another one. `false` while another node orders.
    async fn claim_order(&self) -> Result<bool, AcmeStoreError>;

    /// Gives that right back.
    async fn release_order(&self) -> Result<(), AcmeStoreError>;

    /// The challenges to answer now.
    async fn pending(&self) -> Result<Vec<PendingAcmeChallenge>, AcmeStoreError>;
}
