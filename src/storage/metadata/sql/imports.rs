//! Imports: the statements of a push, for many contents in one transaction, and dates from before.

use std::time::Duration;

use async_trait::async_trait;

use super::engine::{Engine, Session};
use super::row::Columns;
use super::statement::statements;
use super::value::{after, values};
use super::{SqlMetadata, Written, repositories, repository_blobs};
use crate::domain::RepositoryName;
use crate::storage::StorageError;
use crate::storage::blobs::BlobKey;
use crate::storage::coordination::Effects;
use crate::storage::metadata::{BlobRecord, EarlierDates, ImportedBlob, Imports};

statements! {
    LEASE = "UPDATE blobs SET state = 0, lease_until = CASE WHEN lease_until > $3 THEN lease_until ELSE $3 END
        WHERE digest = $1 AND key = $2 RETURNING id";
    RENAME_KEYS = "UPDATE blobs SET key = CAST($2 AS TEXT) || substr(key, 3) WHERE substr(key, 1, 2) = $1";
    DATE_MANIFEST = "UPDATE manifests SET created_at = $3 WHERE repository_id = $1 AND digest = $2 AND created_at > $3";
    DATE_TAG = "UPDATE tags SET updated_at = $4, recorded_at = CASE WHEN recorded_at = updated_at THEN $4 ELSE recorded_at END
        WHERE repository_id = $1 AND name = $2 AND updated_at > $4
        AND manifest_id = (SELECT id FROM manifests WHERE repository_id = $1 AND digest = $3)";
    DATE_REPOSITORY = "UPDATE repositories SET created_at = $2 WHERE id = $1 AND created_at > $2";
}

#[async_trait]
impl<E: Engine> Imports for SqlMetadata<E> {
    async fn import_blobs(
        &self,
        repository: &RepositoryName,
        mut blobs: Vec<ImportedBlob>,
        lease: Duration,
    ) -> Result<Vec<BlobKey>, StorageError> {
        let (repository, now) = (repository.clone(), self.clock.seconds());
        let leased_until = after(now, lease);
        // In one order, so that no two transactions wait for each other.
        blobs.sort_by(|one, other| one.blob.digest.as_str().cmp(other.blob.digest.as_str()));
        self.write(move |session| {
            Box::pin(async move {
                let id = match repositories::lock(session, &repository).await? {
                    Some(id) => id,
                    None => repositories::create(session, &repository, now).await?,
                };
                let mut needless = Vec::new();
                for ImportedBlob { blob, is_known } in blobs {
                    let place = (Some(id), repository.clone());
                    if is_known {
                        enter_known(session, place, &blob, (now, leased_until)).await?;
                        continue;
                    }
                    let (key, _) = repository_blobs::record(session, place, &blob, (now, leased_until)).await?;
                    if key != blob.key {
                        needless.push(blob.key);
                    }
                }
                Ok(Written::with(Effects::adds_to(repository), needless))
            })
        })
        .await
    }

    async fn backdate(&self, repository: &RepositoryName, dates: EarlierDates) -> Result<(), StorageError> {
        let repository = repository.clone();
        self.write(move |session| {
            Box::pin(async move {
                let Some(id) = repositories::lock(session, &repository).await? else {
                    return Ok(Written::without_effects(()));
                };
                let all = dates.manifests.iter().map(|(_, at)| *at).chain(dates.tags.iter().map(|(_, _, at)| *at));
                if let Some(first) = all.min() {
                    session.run(DATE_REPOSITORY, values![id, first]).await?;
                }
                for (digest, at) in &dates.manifests {
                    session.run(DATE_MANIFEST, values![id, digest, *at]).await?;
                }
                for (tag, digest, at) in &dates.tags {
                    session.run(DATE_TAG, values![id, tag, digest, *at]).await?;
                }
                Ok(Written::with(Effects::adds_to(repository), ()))
            })
        })
        .await
    }

    async fn rename_keys(&self, from: &str, to: &str) -> Result<u64, StorageError> {
        let values = values![from, to];
        self.write(move |session| {
            Box::pin(async move { Ok(Written::without_effects(session.run(RENAME_KEYS, values).await?)) })
        })
        .await
    }
}

/// Links a content by its row, unless that has been collected meanwhile.
async fn enter_known<S: Session>(
    session: &mut S,
    place: (Option<i64>, RepositoryName),
    blob: &BlobRecord,
    times: (i64, i64),
) -> Result<(), StorageError> {
    let values = values![&blob.digest, blob.key.0.as_str(), times.1];
    if let Some(leased) = session.first(LEASE, values).await? {
        let row = (leased.integer("id")?, &blob.digest);
        // The effects are those of the whole.
        let _ = repository_blobs::link(session, place, row, times).await?;
    }
    Ok(())
}
