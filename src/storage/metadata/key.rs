//! Keys that tokens are signed with. The private half is sealed with a key that is kept outside of the database.

use async_trait::async_trait;

use crate::storage::StorageError;

/// A token key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenKeyRecord {
    /// Its name: RFC 7638 thumbprint.
    pub kid: String,
    /// The private key, sealed.
    pub sealed: Vec<u8>,
    /// When it was made and published.
    pub created_at: i64,
    /// From when on it signs.
    pub signs_from: i64,
    /// From when on it signs no more and, once the last token has expired, is removed; `i64::MAX` while no successor is planned.
    pub signs_until: i64,
}

/// Token keys. Every change bumps the policy version.
#[async_trait]
pub trait TokenKeys {
    /// All keys, oldest first.
    async fn token_keys(&self) -> Result<Vec<TokenKeyRecord>, StorageError>;

    /// Adds a key; any key that signs at `key.signs_from` is set to stop then, in the same transaction. `false`, and nothing done, where
    /// the newest key is not `successor_of` (so that of two processes that rotate at once, one does).
    async fn add_token_key(&self, key: TokenKeyRecord, successor_of: Option<&str>) -> Result<bool, StorageError>;

    /// Removes a key.
    async fn remove_token_key(&self, kid: &str) -> Result<bool, StorageError>;
}
