//! ACME's accounts and challenges.

use async_trait::async_trait;
use sqlx::{Row, SqliteConnection};

use super::statement::statements;
use super::{SqliteMetadata, now};
use crate::storage::StorageError;
use crate::storage::metadata::{AcmeChallengeRecord, AcmeRecords};

statements! {
    ACCOUNT = "SELECT sealed FROM acme_accounts WHERE directory = $1";
    KEEP_ACCOUNT = "INSERT INTO acme_accounts (directory, sealed, created_at) VALUES ($1, $2, $3)
        ON CONFLICT (directory) DO UPDATE SET sealed = excluded.sealed, created_at = excluded.created_at";
    PENDING = "SELECT name, token, key_authorization, expires_at FROM acme_challenges WHERE expires_at > $1 ORDER BY token, name";
    FORGET_EXPIRED = "DELETE FROM acme_challenges WHERE expires_at <= $1";
    ADD_CHALLENGE = "INSERT INTO acme_challenges (token, name, key_authorization, expires_at) VALUES ($1, $2, $3, $4)
        ON CONFLICT (token, name) DO UPDATE SET key_authorization = excluded.key_authorization, expires_at = excluded.expires_at";
    REMOVE_CHALLENGE = "DELETE FROM acme_challenges WHERE token = $1 AND name = $2";
}

#[async_trait]
impl AcmeRecords for SqliteMetadata {
    async fn acme_account(&self, directory: &str) -> Result<Option<Vec<u8>>, StorageError> {
        let found = sqlx::query(ACCOUNT).bind(directory).fetch_optional(&self.readers).await?;
        Ok(found.map(|found| found.try_get("sealed")).transpose()?)
    }

    async fn keep_acme_account(
        &self,
        directory: &str,
        sealed: Vec<u8>,
        replaces: Option<Vec<u8>>,
    ) -> Result<bool, StorageError> {
        let directory = directory.to_owned();
        self.write(move |connection| {
            Box::pin(async move {
                if account(connection, &directory).await? != replaces {
                    return Ok(false);
                }
                sqlx::query(KEEP_ACCOUNT).bind(directory).bind(sealed).bind(now()).execute(connection).await?;
                Ok(true)
            })
        })
        .await
    }

    async fn add_acme_challenges(&self, challenges: Vec<AcmeChallengeRecord>) -> Result<(), StorageError> {
        self.write(move |connection| {
            Box::pin(async move {
                sqlx::query(FORGET_EXPIRED).bind(now()).execute(&mut *connection).await?;
                for challenge in challenges {
                    sqlx::query(ADD_CHALLENGE)
                        .bind(challenge.token)
                        .bind(challenge.name)
                        .bind(challenge.key_authorization)
                        .bind(challenge.expires_at)
                        .execute(&mut *connection)
                        .await?;
                }
                Ok(())
            })
        })
        .await
    }

    async fn remove_acme_challenges(&self, challenges: Vec<AcmeChallengeRecord>) -> Result<(), StorageError> {
        self.write(move |connection| {
            Box::pin(async move {
                for challenge in challenges {
                    let query = sqlx::query(REMOVE_CHALLENGE).bind(challenge.token).bind(challenge.name);
                    query.execute(&mut *connection).await?;
                }
                Ok(())
            })
        })
        .await
    }

    async fn acme_challenges(&self) -> Result<Vec<AcmeChallengeRecord>, StorageError> {
        let rows = sqlx::query(PENDING).bind(now()).fetch_all(&self.readers).await?;
        let read = |found: &sqlx::sqlite::SqliteRow| {
            Ok(AcmeChallengeRecord {
                name: found.try_get("name")?,
                token: found.try_get("token")?,
                key_authorization: found.try_get("key_authorization")?,
                expires_at: found.try_get("expires_at")?,
            })
        };
        rows.iter().map(read).collect()
    }
}

async fn account(connection: &mut SqliteConnection, directory: &str) -> Result<Option<Vec<u8>>, StorageError> {
    let found = sqlx::query(ACCOUNT).bind(directory).fetch_optional(connection).await?;
    Ok(found.map(|found| found.try_get(0)).transpose()?)
}
