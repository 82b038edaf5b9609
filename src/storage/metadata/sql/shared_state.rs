//! What nodes have in common: one row, of which each part is set once or by compare-and-set.

use async_trait::async_trait;

use super::engine::{Engine, RowOf, Session, only, row_missing};
use super::row::Columns;
use super::statement::statements;
use super::value::values;
use super::{SqlMetadata, Written};
use crate::storage::StorageError;
use crate::storage::coordination::{SealedFiles, SharedState};

statements! {
    INSTANCE = "SELECT instance FROM meta WHERE id = 1";
    DATA_KEY = "SELECT data_key_check FROM shared_state WHERE id = 1";
    CLAIM_DATA_KEY = "UPDATE shared_state SET data_key_check = $1 WHERE id = 1 AND data_key_check IS NULL";
    BLOB_STORE = "SELECT blob_store FROM shared_state WHERE id = 1";
    CLAIM_BLOB_STORE = "UPDATE shared_state SET blob_store = $1 WHERE id = 1 AND blob_store IS NULL";
    FILES_VERSION = "SELECT files_version FROM shared_state WHERE id = 1";
    FILES = "SELECT files_version, files FROM shared_state WHERE id = 1";
    REPLACE_FILES = "UPDATE shared_state SET files = $1, files_version = files_version + 1 WHERE id = 1 AND files_version = $2";
}

#[async_trait]
impl<E: Engine> SharedState for SqlMetadata<E> {
    async fn instance(&self) -> Result<String, StorageError> {
        Ok(self.row(INSTANCE).await?.text("instance")?.to_owned())
    }

    async fn data_key_check(&self) -> Result<Option<Vec<u8>>, StorageError> {
        self.row(DATA_KEY).await?.optional_bytes("data_key_check")
    }

    async fn claim_data_key(&self, check: Vec<u8>) -> Result<Vec<u8>, StorageError> {
        self.write(move |session| {
            Box::pin(async move {
                session.run(CLAIM_DATA_KEY, values![check]).await?;
                let counts = only(session, DATA_KEY, values![]).await?.bytes("data_key_check")?;
                Ok(Written::without_effects(counts))
            })
        })
        .await
    }

    async fn blob_store(&self) -> Result<Option<String>, StorageError> {
        Ok(self.row(BLOB_STORE).await?.optional_text("blob_store")?.map(str::to_owned))
    }

    async fn claim_blob_store(&self, mark: &str) -> Result<String, StorageError> {
        let mark = mark.to_owned();
        self.write(move |session| {
            Box::pin(async move {
                session.run(CLAIM_BLOB_STORE, values![mark]).await?;
                let counts = only(session, BLOB_STORE, values![]).await?.text("blob_store")?.to_owned();
                Ok(Written::without_effects(counts))
            })
        })
        .await
    }

    async fn files_version(&self) -> Result<i64, StorageError> {
        self.row(FILES_VERSION).await?.integer("files_version")
    }

    async fn sealed_files(&self) -> Result<Option<SealedFiles>, StorageError> {
        let row = self.row(FILES).await?;
        let (version, sealed) = (row.integer("files_version")?, row.optional_bytes("files")?);
        Ok(sealed.map(|sealed| SealedFiles { version, sealed }))
    }

    async fn replace_files(&self, sealed: Vec<u8>, replaces: i64) -> Result<bool, StorageError> {
        let values = values![sealed, replaces];
        self.write(move |session| {
            Box::pin(async move { Ok(Written::without_effects(session.run(REPLACE_FILES, values).await? > 0)) })
        })
        .await
    }
}

impl<E: Engine> SqlMetadata<E> {
    /// The row of a statement that always finds one.
    async fn row(&self, sql: &'static str) -> Result<RowOf<E>, StorageError> {
        self.engine.first(sql, values![]).await?.ok_or_else(row_missing)
    }
}
