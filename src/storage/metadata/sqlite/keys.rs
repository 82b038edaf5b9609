//! Token keys. A new one names its predecessor, so that of two processes that rotate at once, one does.

use async_trait::async_trait;
use sqlx::{Row, SqliteConnection};

use super::statement::statements;
use super::{SqliteMetadata, policy, row};
use crate::storage::StorageError;
use crate::storage::metadata::{TokenKeyRecord, TokenKeys};

statements! {
    KEYS = "SELECT kid, sealed, created_at, signs_from, signs_until FROM token_keys ORDER BY created_at, signs_from, kid";
    NEWEST_KEY = "SELECT kid FROM token_keys ORDER BY created_at DESC, signs_from DESC, kid DESC LIMIT 1";
    STOP_SIGNING = "UPDATE token_keys SET signs_until = $1 WHERE signs_from <= $1 AND signs_until > $1";
    ADD = "INSERT INTO token_keys (kid, sealed, created_at, signs_from, signs_until) VALUES ($1, $2, $3, $4, $5)";
    REMOVE = "DELETE FROM token_keys WHERE kid = $1";
}

#[async_trait]
impl TokenKeys for SqliteMetadata {
    async fn token_keys(&self) -> Result<Vec<TokenKeyRecord>, StorageError> {
        let rows = sqlx::query(KEYS).fetch_all(&self.readers).await?;
        let read = |found: &sqlx::sqlite::SqliteRow| {
            Ok(TokenKeyRecord {
                kid: row::parsed(found, "kid")?,
                sealed: found.try_get("sealed")?,
                created_at: found.try_get("created_at")?,
                signs_from: found.try_get("signs_from")?,
                signs_until: found.try_get("signs_until")?,
            })
        };
        rows.iter().map(read).collect()
    }

    async fn add_token_key(&self, key: TokenKeyRecord, successor_of: Option<&str>) -> Result<bool, StorageError> {
        let successor_of = successor_of.map(str::to_owned);
        self.write(move |connection| {
            Box::pin(async move {
                if newest(connection).await? != successor_of {
                    return Ok(false);
                }
                sqlx::query(STOP_SIGNING).bind(key.signs_from).execute(&mut *connection).await?;
                sqlx::query(ADD)
                    .bind(key.kid)
                    .bind(key.sealed)
                    .bind(key.created_at)
                    .bind(key.signs_from)
                    .bind(key.signs_until)
                    .execute(&mut *connection)
                    .await?;
                policy::bump(connection).await?;
                Ok(true)
            })
        })
        .await
    }

    async fn remove_token_key(&self, kid: &str) -> Result<bool, StorageError> {
        let kid = kid.to_owned();
        self.write(move |connection| {
            Box::pin(async move {
                let removed = sqlx::query(REMOVE).bind(kid).execute(&mut *connection).await?.rows_affected() > 0;
                if removed {
                    policy::bump(connection).await?;
                }
                Ok(removed)
            })
        })
        .await
    }
}

async fn newest(connection: &mut SqliteConnection) -> Result<Option<String>, StorageError> {
    let found = sqlx::query(NEWEST_KEY).fetch_optional(connection).await?;
    Ok(found.map(|found| found.try_get(0)).transpose()?)
}
