//! Retention: rules, a repository as a graph, the removal of what no rule keeps, and how the last run ended.

mod graph;
mod retire;

use async_trait::async_trait;

use super::engine::{Engine, Session, only};
use super::row::Columns;
use super::statement::statements;
use super::value::{list, stored, values};
use super::{SqlMetadata, Written, moves};
use crate::domain::RepositoryName;
use crate::domain::retention::{RetentionRule, Selection};
use crate::storage::StorageError;
use crate::storage::metadata::{Change, Retention, RetentionRecord, RetentionRun, Retired, StoredGraph};

statements! {
    ADD_RETENTION = "INSERT INTO retention_rules (repositories, tags, keep, created_at, created_by)
        VALUES ($1, $2, $3, $4, $5) RETURNING id";
    RETENTION_RULES = "SELECT id, repositories, tags, keep, rehearsed_at, created_at, created_by FROM retention_rules ORDER BY id";
    REMOVE_RETENTION = "DELETE FROM retention_rules WHERE id = $1";
    REHEARSED = "UPDATE retention_rules SET rehearsed_at = $1
        WHERE rehearsed_at IS NULL AND id IN (SELECT CAST(j.value AS BIGINT) FROM json_each($2) j)";
    /// In proportion to the list: it ends at the first reference that is not in it.
    BYTES_FREED = "SELECT CAST(COALESCE(SUM(b.size), 0) AS BIGINT) AS bytes FROM blobs b
        WHERE b.id IN (SELECT r.blob_id FROM json_each($1) j CROSS JOIN manifest_blobs r WHERE r.manifest_id = CAST(j.value AS BIGINT))
        AND NOT EXISTS (SELECT 1 FROM manifest_blobs o WHERE o.blob_id = b.id
            AND o.manifest_id NOT IN (SELECT CAST(j.value AS BIGINT) FROM json_each($1) j))";
    SAVE_RUN = "INSERT INTO retention_runs (id, ran_at, ran_by, examined, removed, waiting) VALUES (1, $1, $2, $3, $4, $5)
        ON CONFLICT (id) DO UPDATE SET ran_at = excluded.ran_at, ran_by = excluded.ran_by, examined = excluded.examined,
            removed = excluded.removed, waiting = excluded.waiting";
    LAST_RUN = "SELECT ran_at, ran_by, examined, removed, waiting FROM retention_runs WHERE id = 1";
}

/// Every statement of this folder.
#[cfg(test)]
pub(super) const ALL_OF_FOLDER: [&[(&str, &str)]; 3] = [ALL, graph::ALL, retire::ALL];

#[async_trait]
impl<E: Engine> Retention for SqlMetadata<E> {
    async fn add_retention_rule(&self, rule: RetentionRule, by: &str) -> Result<i64, StorageError> {
        let tags = match &rule.selects {
            Selection::Tags(pattern) => Some(pattern.to_string()),
            Selection::Untagged => None,
        };
        let values = values![rule.on.as_str(), tags, rule.keep.to_string(), self.clock.seconds(), by];
        self.write(move |session| {
            Box::pin(async move {
                moves::require_settled(session).await?;
                Ok(Written::without_effects(only(session, ADD_RETENTION, values).await?.integer("id")?))
            })
        })
        .await
    }

    async fn retention_rules(&self) -> Result<Vec<RetentionRecord>, StorageError> {
        self.engine.all(RETENTION_RULES, values![]).await?.iter().map(read).collect()
    }

    async fn remove_retention_rule(&self, id: i64) -> Result<bool, StorageError> {
        self.write(move |session| {
            Box::pin(async move {
                moves::require_settled(session).await?;
                Ok(Written::without_effects(session.run(REMOVE_RETENTION, values![id]).await? > 0))
            })
        })
        .await
    }

    async fn rules_rehearsed(&self, ids: &[i64]) -> Result<(), StorageError> {
        let values = values![self.clock.seconds(), list(ids)];
        self.write(move |session| {
            Box::pin(async move {
                session.run(REHEARSED, values).await?;
                Ok(Written::without_effects(()))
            })
        })
        .await
    }

    async fn repository_graph(&self, repository: &RepositoryName) -> Result<Option<StoredGraph>, StorageError> {
        let repository = repository.clone();
        self.engine.snapshot(move |session| Box::pin(graph::read(session, repository))).await
    }

    async fn retire(
        &self,
        repository: &RepositoryName,
        generation: i64,
        retired: Retired,
        change: &Change,
    ) -> Result<bool, StorageError> {
        let (of, change) = ((repository.clone(), generation), (change.clone(), self.clock.seconds()));
        self.write(move |session| Box::pin(retire::retire(session, of, retired, change))).await
    }

    async fn bytes_freed(&self, manifest_ids: &[i64]) -> Result<u64, StorageError> {
        let found = self.engine.first(BYTES_FREED, values![list(manifest_ids)]).await?;
        found.map_or(Ok(0), |found| found.unsigned("bytes"))
    }

    async fn save_retention_run(&self, run: RetentionRun) -> Result<(), StorageError> {
        let [examined, removed, waiting] = [stored(run.examined)?, stored(run.removed)?, stored(run.waiting)?];
        let values = values![run.ran_at, run.ran_by, examined, removed, waiting];
        self.write(move |session| {
            Box::pin(async move {
                session.run(SAVE_RUN, values).await?;
                Ok(Written::without_effects(()))
            })
        })
        .await
    }

    async fn last_retention_run(&self) -> Result<Option<RetentionRun>, StorageError> {
        let Some(found) = self.engine.first(LAST_RUN, values![]).await? else { return Ok(None) };
        Ok(Some(RetentionRun {
            ran_at: found.integer("ran_at")?,
            ran_by: found.text("ran_by")?.to_owned(),
            examined: found.unsigned("examined")?,
            removed: found.unsigned("removed")?,
            waiting: found.unsigned("waiting")?,
        }))
    }
}

fn read<R: Columns>(found: &R) -> Result<RetentionRecord, StorageError> {
    let selects = match found.optional_text("tags")? {
        Some(_) => Selection::Tags(found.parsed("tags")?),
        None => Selection::Untagged,
    };
    Ok(RetentionRecord {
        rule: RetentionRule {
            id: found.integer("id")?,
            on: found.parsed("repositories")?,
            selects,
            keep: found.parsed("keep")?,
            is_rehearsed: found.optional_integer("rehearsed_at")?.is_some(),
        },
        created_at: found.integer("created_at")?,
        created_by: found.text("created_by")?.to_owned(),
    })
}
