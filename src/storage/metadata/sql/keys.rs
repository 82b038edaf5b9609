//! Token keys. A new one names its predecessor, so that of two processes that rotate at once, one does.

use async_trait::async_trait;

use super::engine::{Engine, Session};
use super::row::Columns;
use super::statement::statements;
use super::value::values;
use super::{SqlMetadata, Written, meta};
use crate::storage::StorageError;
use crate::storage::coordination::Effects;
use crate::storage::metadata::{TokenKeyRecord, TokenKeys};

statements! {
    KEYS = "SELECT kid, sealed, created_at, signs_from, signs_until FROM token_keys ORDER BY created_at, signs_from, kid";
    NEWEST_KEY = "SELECT kid FROM token_keys ORDER BY created_at DESC, signs_from DESC, kid DESC LIMIT 1";
    STOP_SIGNING = "UPDATE token_keys SET signs_until = $1 WHERE signs_from <= $1 AND signs_until > $1";
    ADD = "INSERT INTO token_keys (kid, sealed, created_at, signs_from, signs_until) VALUES ($1, $2, $3, $4, $5)";
    REMOVE = "DELETE FROM token_keys WHERE kid = $1";
}

#[async_trait]
impl<E: Engine> TokenKeys for SqlMetadata<E> {
    async fn token_keys(&self) -> Result<Vec<TokenKeyRecord>, StorageError> {
        self.engine.all(KEYS, values![]).await?.iter().map(read).collect()
    }

    async fn add_token_key(&self, key: TokenKeyRecord, successor_of: Option<&str>) -> Result<bool, StorageError> {
        let successor_of = successor_of.map(str::to_owned);
        self.write(move |session| {
            Box::pin(async move {
                meta::lock(session).await?;
                if newest(session).await? != successor_of {
                    return Ok(Written::without_effects(false));
                }
                session.run(STOP_SIGNING, values![key.signs_from]).await?;
                let values = values![key.kid, key.sealed, key.created_at, key.signs_from, key.signs_until];
                session.run(ADD, values).await?;
                Ok(Written::with(Effects::KEYS, true))
            })
        })
        .await
    }

    async fn remove_token_key(&self, kid: &str) -> Result<bool, StorageError> {
        let values = values![kid];
        self.write(move |session| {
            Box::pin(async move { Ok(Written::if_changed(session.run(REMOVE, values).await? > 0, Effects::KEYS)) })
        })
        .await
    }
}

async fn newest<S: Session>(session: &mut S) -> Result<Option<String>, StorageError> {
    let found = session.first(NEWEST_KEY, values![]).await?;
    found.map(|found| found.text("kid").map(str::to_owned)).transpose()
}

fn read<R: Columns>(found: &R) -> Result<TokenKeyRecord, StorageError> {
    Ok(TokenKeyRecord {
        kid: found.parsed("kid")?,
        sealed: found.bytes("sealed")?,
        created_at: found.integer("created_at")?,
        signs_from: found.integer("signs_from")?,
        signs_until: found.integer("signs_until")?,
    })
}
