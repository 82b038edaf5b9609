//! Refresh tokens. Adding one tidies up, so nothing else has to.

use async_trait::async_trait;

use super::engine::{Engine, Session};
use super::row::Columns;
use super::statement::statements;
use super::value::values;
use super::{SqlMetadata, Written, users};
use crate::storage::StorageError;
use crate::storage::metadata::{RefreshTokenRecord, RefreshTokens};

statements! {
    ADD = "INSERT INTO refresh_tokens (hash, account, epoch, created_at, expires_at) VALUES ($1, $2, $3, $4, $5)";
    FIND = "SELECT hash, account, epoch, created_at, expires_at FROM refresh_tokens WHERE hash = $1";
    REMOVE_EXPIRED = "DELETE FROM refresh_tokens WHERE expires_at <= $1";
    REMOVE_OLDEST = "DELETE FROM refresh_tokens WHERE account = $1 AND hash NOT IN
        (SELECT hash FROM refresh_tokens WHERE account = $1 ORDER BY created_at DESC, hash DESC LIMIT $2)";
}

#[async_trait]
impl<E: Engine> RefreshTokens for SqlMetadata<E> {
    async fn add_refresh_token(&self, token: RefreshTokenRecord, keep: u32) -> Result<bool, StorageError> {
        self.write(move |session| {
            Box::pin(async move {
                if !users::exists(session, &token.account).await? {
                    return Ok(Written::without_effects(false));
                }
                session.run(REMOVE_EXPIRED, values![token.created_at]).await?;
                session.run(REMOVE_OLDEST, values![&token.account, keep.saturating_sub(1)]).await?;
                let values = values![token.hash, &token.account, token.epoch, token.created_at, token.expires_at];
                session.run(ADD, values).await?;
                Ok(Written::without_effects(true))
            })
        })
        .await
    }

    async fn refresh_token(&self, hash: &str) -> Result<Option<RefreshTokenRecord>, StorageError> {
        self.engine.first(FIND, values![hash]).await?.as_ref().map(read).transpose()
    }
}

fn read<R: Columns>(found: &R) -> Result<RefreshTokenRecord, StorageError> {
    Ok(RefreshTokenRecord {
        hash: found.text("hash")?.to_owned(),
        account: found.parsed("account")?,
        epoch: found.integer("epoch")?,
        created_at: found.integer("created_at")?,
        expires_at: found.integer("expires_at")?,
    })
}
