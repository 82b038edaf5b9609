//! Refresh tokens: what a client keeps instead of the password. Only their hashes are here.

use async_trait::async_trait;

use crate::domain::AccountName;
use crate::storage::StorageError;

/// A refresh token, by its hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefreshTokenRecord {
    /// SHA-256 of the token, in hexadecimal digits.
    pub hash: String,
    /// Whose it is.
    pub account: AccountName,
    /// The account's epoch when it was issued; worthless as soon as that differs.
    pub epoch: i64,
    /// When it was issued.
    pub created_at: i64,
    /// From when on it is worthless.
    pub expires_at: i64,
}

/// Refresh tokens. They go with their account.
#[async_trait]
pub trait RefreshTokens {
    /// Adds a token of an account that exists. Those that had expired when this one was issued go, and the account's oldest beyond `keep`.
    /// `false`, and nothing done, if the account does not exist.
    async fn add_refresh_token(&self, token: RefreshTokenRecord, keep: u32) -> Result<bool, StorageError>;

    /// The token with this hash, whether it still holds or not.
    async fn refresh_token(&self, hash: &str) -> Result<Option<RefreshTokenRecord>, StorageError>;
}
