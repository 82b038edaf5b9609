//! Refresh tokens. Adding one tidies up, so nothing else has to.

use async_trait::async_trait;
use sqlx::Row;

use super::statement::statements;
use super::{SqliteMetadata, row, users};
use crate::storage::StorageError;
use crate::storage::metadata::{RefreshTokenRecord, RefreshTokens};

statements! {
    ADD = "INSERT INTO refresh_tokens (hash, account, epoch, created_at, expires_at) VALUES ($1, $2, $3, $4, $5)";
    FIND = "SELECT hash, account, epoch, created_at, expires_at FROM refresh_tokens WHERE hash = $1";
    REMOVE_ENDED = "DELETE FROM refresh_tokens WHERE expires_at <= $1";
    REMOVE_OLDEST = "DELETE FROM refresh_tokens WHERE account = $1 AND hash NOT IN
        (SELECT hash FROM refresh_tokens WHERE account = $1 ORDER BY created_at DESC, hash DESC LIMIT $2)";
}

#[async_trait]
impl RefreshTokens for SqliteMetadata {
    async fn add_refresh_token(&self, token: RefreshTokenRecord, keep: u32) -> Result<bool, StorageError> {
        self.write(move |connection| {
            Box::pin(async move {
                if !users::exists(connection, &token.account).await? {
                    return Ok(false);
                }
                sqlx::query(REMOVE_ENDED).bind(token.created_at).execute(&mut *connection).await?;
                let oldest = sqlx::query(REMOVE_OLDEST).bind(token.account.as_str()).bind(keep.saturating_sub(1));
                oldest.execute(&mut *connection).await?;
                sqlx::query(ADD)
                    .bind(token.hash)
                    .bind(token.account.as_str())
                    .bind(token.epoch)
                    .bind(token.created_at)
                    .bind(token.expires_at)
                    .execute(connection)
                    .await?;
                Ok(true)
            })
        })
        .await
    }

    async fn refresh_token(&self, hash: &str) -> Result<Option<RefreshTokenRecord>, StorageError> {
        let found = sqlx::query(FIND).bind(hash).fetch_optional(&self.readers).await?;
        let read = |found: sqlx::sqlite::SqliteRow| {
            Ok(RefreshTokenRecord {
                hash: found.try_get("hash")?,
                account: row::parsed(&found, "account")?,
                epoch: found.try_get("epoch")?,
                created_at: found.try_get("created_at")?,
                expires_at: found.try_get("expires_at")?,
            })
        };
        found.map(read).transpose()
    }
}
