//! Imports: the statements of a push, for many contents in one transaction, and dates from before.

use std::time::Duration;

use async_trait::async_trait;

use super::engine::{Engine, Session};
use super::statement::statements;
use super::value::{after, values};
use super::{SqlMetadata, Written, repositories, repository_blobs};
use crate::domain::RepositoryName;
use crate::storage::StorageError;
use crate::storage::blobs::BlobKey;
use crate::storage::coordination::Effects;
use crate::storage::metadata::{BlobRecord, EarlierDates, Imports};

statements! {
    DATE_MANIFEST = "UPDATE manifests SET created_at = $3 WHERE repository_id = $1 AND digest = $2 AND created_at > $3";
    DATE_TAG = "UPDATE tags SET updated_at = $4 WHERE repository_id = $1 AND name = $2 AND updated_at > $4
        AND manifest_id = (SELECT id FROM manifests WHERE repository_id = $1 AND digest = $3)";
    DATE_REPOSITORY = "UPDATE repositories SET created_at = $2 WHERE id = $1 AND created_at > $2";
}

#[async_trait]
impl<E: Engine> Imports for SqlMetadata<E> {
    async fn import_blobs(
        &self,
        repository: &RepositoryName,
        mut blobs: Vec<BlobRecord>,
        lease: Duration,
    ) -> Result<Vec<BlobKey>, StorageError> {
        let (repository, now) = (repository.clone(), self.clock.seconds());
        // In one order, so that no two transactions wait for each other.
        blobs.sort_by(|one, other| one.digest.as_str().cmp(other.digest.as_str()));
        self.write(move |session| {
            Box::pin(async move {
                let mut needless = Vec::new();
                let mut effects = Effects::NONE;
                let times = (now, after(now, lease));
                let id = match repositories::lock(session, &repository).await? {
                    Some(id) => id,
                    None => repositories::create(session, &repository, now).await?,
                };
                for blob in blobs {
                    let place = (Some(id), repository.clone());
                    let (key, of_one) = repository_blobs::record(session, place, &blob, times).await?;
                    if key != blob.key {
                        needless.push(blob.key);
                    }
                    if of_one != Effects::NONE {
                        effects = of_one;
                    }
                }
                Ok(Written::with(effects, needless))
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
}
