//! The versions by which caches are validated: one indexed read each.

use async_trait::async_trait;

use super::SqlMetadata;
use super::engine::{Engine, row_missing};
use super::row::Columns;
use super::statement::statements;
use super::value::values;
use crate::domain::RepositoryName;
use crate::storage::StorageError;
use crate::storage::coordination::Versions;

statements! {
    POLICY_VERSION = "SELECT policy_version FROM meta WHERE id = 1";
    GENERATION = "SELECT generation FROM repositories WHERE name = $1";
}

#[async_trait]
impl<E: Engine> Versions for SqlMetadata<E> {
    async fn policy_version(&self) -> Result<i64, StorageError> {
        self.engine.first(POLICY_VERSION, values![]).await?.ok_or_else(row_missing)?.integer("policy_version")
    }

    async fn generation(&self, name: &RepositoryName) -> Result<Option<i64>, StorageError> {
        let found = self.engine.first(GENERATION, values![name]).await?;
        found.map(|found| found.integer("generation")).transpose()
    }
}
