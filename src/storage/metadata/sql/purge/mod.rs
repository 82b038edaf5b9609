//! Purges: everything in one transaction, so that nothing that was purged is ever half there.

mod contents;
mod manifests;
mod repositories;

use async_trait::async_trait;

use super::SqlMetadata;
use super::engine::{Engine, Session};
use super::row::Columns;
use super::statement::statements;
use super::value::{stored, values};
use crate::domain::{Digest, RepositoryName};
use crate::storage::StorageError;
use crate::storage::metadata::{Change, PurgeRecord, Purged, Purges};

statements! {
    RECORD = "INSERT INTO purges (repository, digest, reason, purged_at, purged_by, manifests, contents, bytes)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    LIST = "SELECT digest, reason, purged_at, purged_by, manifests, contents, bytes FROM purges
        WHERE repository = $1 ORDER BY id DESC LIMIT 100";
}

/// Every statement of this folder.
#[cfg(test)]
pub(super) const ALL_OF_FOLDER: [&[(&str, &str)]; 4] = [ALL, contents::ALL, manifests::ALL, repositories::ALL];

/// Why, when, and by whom.
#[derive(Clone)]
struct Order {
    reason: String,
    change: Change,
    now: i64,
}

#[async_trait]
impl<E: Engine> Purges for SqlMetadata<E> {
    async fn purge_manifest(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        reason: &str,
        change: &Change,
    ) -> Result<Option<Purged>, StorageError> {
        let (what, order) = ((repository.clone(), digest.clone()), self.order(reason, change));
        self.write(move |session| Box::pin(manifests::purge(session, what, order))).await
    }

    async fn purge_repository(
        &self,
        repository: &RepositoryName,
        reason: &str,
        change: &Change,
    ) -> Result<Option<Purged>, StorageError> {
        let (repository, order) = (repository.clone(), self.order(reason, change));
        self.write(move |session| Box::pin(repositories::purge(session, repository, order))).await
    }

    async fn purges(&self, repository: &RepositoryName) -> Result<Vec<PurgeRecord>, StorageError> {
        self.engine.all(LIST, values![repository]).await?.iter().map(read).collect()
    }
}

impl<E: Engine> SqlMetadata<E> {
    fn order(&self, reason: &str, change: &Change) -> Order {
        Order { reason: reason.to_owned(), change: change.clone(), now: self.clock.seconds() }
    }
}

/// Records what was purged; it is committed with it.
async fn record<S: Session>(
    session: &mut S,
    (repository, digest): (&RepositoryName, Option<&Digest>),
    order: &Order,
    purged: &Purged,
) -> Result<(), StorageError> {
    let values = values![
        repository,
        digest.map(Digest::to_string),
        order.reason.as_str(),
        order.now,
        order.change.by.as_str(),
        stored(purged.manifests)?,
        stored(purged.contents)?,
        stored(purged.bytes)?,
    ];
    session.run(RECORD, values).await?;
    Ok(())
}

fn read<R: Columns>(found: &R) -> Result<PurgeRecord, StorageError> {
    let digest = found.optional_text("digest")?.is_some().then(|| found.parsed("digest")).transpose()?;
    Ok(PurgeRecord {
        digest,
        reason: found.text("reason")?.to_owned(),
        purged_at: found.integer("purged_at")?,
        purged_by: found.text("purged_by")?.to_owned(),
        purged: Purged {
            manifests: found.unsigned("manifests")?,
            contents: found.unsigned("contents")?,
            bytes: found.unsigned("bytes")?,
            shared: 0,
        },
    })
}
