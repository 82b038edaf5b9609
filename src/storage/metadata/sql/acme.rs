//! ACME's accounts and challenges.

use async_trait::async_trait;

use super::engine::{Engine, Session};
use super::row::Columns;
use super::statement::statements;
use super::value::values;
use super::{SqlMetadata, Written};
use crate::storage::StorageError;
use crate::storage::metadata::{AcmeChallengeRecord, AcmeRecords};

statements! {
    ACCOUNT = "SELECT sealed FROM acme_accounts WHERE directory = $1";
    ADD_ACCOUNT = "INSERT INTO acme_accounts (directory, sealed, created_at) VALUES ($1, $2, $3)
        ON CONFLICT (directory) DO NOTHING";
    REPLACE_ACCOUNT = "UPDATE acme_accounts SET sealed = $2, created_at = $3 WHERE directory = $1 AND sealed = $4";
    PENDING = "SELECT name, token, key_authorization, expires_at FROM acme_challenges WHERE expires_at > $1 ORDER BY token, name";
    FORGET_EXPIRED = "DELETE FROM acme_challenges WHERE expires_at <= $1";
    ADD_CHALLENGE = "INSERT INTO acme_challenges (token, name, key_authorization, expires_at) VALUES ($1, $2, $3, $4)
        ON CONFLICT (token, name) DO UPDATE SET key_authorization = excluded.key_authorization, expires_at = excluded.expires_at";
    REMOVE_CHALLENGE = "DELETE FROM acme_challenges WHERE token = $1 AND name = $2";
}

#[async_trait]
impl<E: Engine> AcmeRecords for SqlMetadata<E> {
    async fn acme_account(&self, directory: &str) -> Result<Option<Vec<u8>>, StorageError> {
        let found = self.engine.first(ACCOUNT, values![directory]).await?;
        found.map(|found| found.bytes("sealed")).transpose()
    }

    async fn keep_acme_account(
        &self,
        directory: &str,
        sealed: Vec<u8>,
        replaces: Option<Vec<u8>>,
    ) -> Result<bool, StorageError> {
        let (directory, now) = (directory.to_owned(), self.clock.seconds());
        self.write(move |session| {
            Box::pin(async move {
                let kept = match replaces {
                    None => session.run(ADD_ACCOUNT, values![directory, sealed, now]).await?,
                    Some(old) => session.run(REPLACE_ACCOUNT, values![directory, sealed, now, old]).await?,
                };
                Ok(Written::without_effects(kept > 0))
            })
        })
        .await
    }

    async fn add_acme_challenges(&self, challenges: Vec<AcmeChallengeRecord>) -> Result<(), StorageError> {
        let now = self.clock.seconds();
        self.write(move |session| {
            Box::pin(async move {
                session.run(FORGET_EXPIRED, values![now]).await?;
                for AcmeChallengeRecord { token, name, key_authorization, expires_at } in challenges {
                    session.run(ADD_CHALLENGE, values![token, name, key_authorization, expires_at]).await?;
                }
                Ok(Written::without_effects(()))
            })
        })
        .await
    }

    async fn remove_acme_challenges(&self, challenges: Vec<AcmeChallengeRecord>) -> Result<(), StorageError> {
        self.write(move |session| {
            Box::pin(async move {
                for challenge in challenges {
                    session.run(REMOVE_CHALLENGE, values![challenge.token, challenge.name]).await?;
                }
                Ok(Written::without_effects(()))
            })
        })
        .await
    }

    async fn acme_challenges(&self) -> Result<Vec<AcmeChallengeRecord>, StorageError> {
        self.engine.all(PENDING, values![self.clock.seconds()]).await?.iter().map(read).collect()
    }
}

fn read<R: Columns>(found: &R) -> Result<AcmeChallengeRecord, StorageError> {
    Ok(AcmeChallengeRecord {
        name: found.text("name")?.to_owned(),
        token: found.text("token")?.to_owned(),
        key_authorization: found.text("key_authorization")?.to_owned(),
        expires_at: found.integer("expires_at")?,
    })
}
