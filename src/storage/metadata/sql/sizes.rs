//! Sizes of repositories, each added up where the rows are. Of a blob that many repositories share, only one other is looked for.

use async_trait::async_trait;

use super::SqlMetadata;
use super::engine::{Engine, Session, only};
use super::row::Columns;
use super::statement::statements;
use super::value::{list, values};
use crate::domain::{NameRange, RepositoryName};
use crate::storage::StorageError;
use crate::storage::metadata::{ContentSizes, RepositorySize, Sizes};

statements! {
    BLOBS_BY_REPOSITORY = "SELECT r.name,
            (SELECT COUNT(*) FROM tags t WHERE t.repository_id = r.id) AS tags,
            (SELECT COUNT(*) FROM manifests m WHERE m.repository_id = r.id AND m.trash_id IS NULL) AS manifests,
            (SELECT CAST(COALESCE(SUM(m.size), 0) AS BIGINT) FROM manifests m WHERE m.repository_id = r.id AND m.trash_id IS NULL) AS manifest_bytes,
            (SELECT CAST(COALESCE(SUM(b.size), 0) AS BIGINT) FROM manifests m
                JOIN manifest_blobs l ON l.manifest_id = m.id JOIN blobs b ON b.id = l.blob_id
                WHERE m.repository_id = r.id AND m.trash_id IS NULL) AS logical,
            (SELECT CAST(COALESCE(SUM(b.size), 0) AS BIGINT) FROM (SELECT DISTINCT l.blob_id FROM manifests m
                    JOIN manifest_blobs l ON l.manifest_id = m.id WHERE m.repository_id = r.id AND m.trash_id IS NULL) d
                JOIN blobs b ON b.id = d.blob_id) AS blob_bytes,
            (SELECT CAST(COALESCE(SUM(b.size), 0) AS BIGINT) FROM (SELECT DISTINCT l.blob_id FROM manifests m
                    JOIN manifest_blobs l ON l.manifest_id = m.id WHERE m.repository_id = r.id AND m.trash_id IS NULL) d
                JOIN blobs b ON b.id = d.blob_id
                WHERE NOT EXISTS (SELECT 1 FROM repository_blobs o WHERE o.blob_id = d.blob_id AND o.repository_id <> r.id)) AS own
        FROM json_each($1) j CROSS JOIN repositories r WHERE r.name = j.value";
    BLOBS_TOGETHER = "SELECT
            CAST(COALESCE(SUM(c.size * c.uses), 0) AS BIGINT) AS logical, CAST(COALESCE(SUM(c.size), 0) AS BIGINT) AS blob_bytes,
            CAST(COALESCE(SUM(CASE WHEN EXISTS (SELECT 1 FROM repository_blobs o WHERE o.blob_id = c.id AND o.repository_name < $2)
                OR EXISTS (SELECT 1 FROM repository_blobs o WHERE o.blob_id = c.id AND o.repository_name >= $3)
                THEN 0 ELSE c.size END), 0) AS BIGINT) AS own
        FROM (SELECT b.id, b.size, COUNT(*) AS uses
            FROM json_each($1) j CROSS JOIN repositories r CROSS JOIN manifests m CROSS JOIN manifest_blobs l CROSS JOIN blobs b
            WHERE r.name = j.value AND m.repository_id = r.id AND m.trash_id IS NULL AND l.manifest_id = m.id AND b.id = l.blob_id
            GROUP BY b.id, b.size) c";
    MANIFESTS_TOGETHER = "SELECT CAST(COALESCE(SUM(c.uses), 0) AS BIGINT) AS manifests,
            CAST(COALESCE(SUM(c.size * c.uses), 0) AS BIGINT) AS logical, CAST(COALESCE(SUM(c.size), 0) AS BIGINT) AS manifest_bytes
        FROM (SELECT m.digest, m.size, COUNT(*) AS uses FROM json_each($1) j CROSS JOIN repositories r CROSS JOIN manifests m
            WHERE r.name = j.value AND m.repository_id = r.id AND m.trash_id IS NULL GROUP BY m.digest, m.size) c";
    TAGS_TOGETHER = "SELECT COUNT(*) AS tags FROM json_each($1) j CROSS JOIN repositories r CROSS JOIN tags t
        WHERE r.name = j.value AND t.repository_id = r.id";
}

#[async_trait]
impl<E: Engine> Sizes for SqlMetadata<E> {
    async fn repository_sizes(&self, names: &[RepositoryName]) -> Result<Vec<RepositorySize>, StorageError> {
        let rows = self.engine.all(BLOBS_BY_REPOSITORY, values![list(names)]).await?;
        let mut sizes = rows.iter().map(of_repository).collect::<Result<Vec<_>, _>>()?;
        sizes.sort_by(|one, other| one.name.as_str().cmp(other.name.as_str()));
        Ok(sizes)
    }

    async fn sizes_together(&self, names: &[RepositoryName], range: &NameRange) -> Result<ContentSizes, StorageError> {
        let (names, start, end) = (list(names), range.start().to_owned(), range.end().to_owned());
        self.engine.snapshot(move |session| Box::pin(together(session, names, start, end))).await
    }
}

async fn together<S: Session>(
    session: &mut S,
    names: String,
    start: String,
    end: String,
) -> Result<ContentSizes, StorageError> {
    let blobs = only(session, BLOBS_TOGETHER, values![names.as_str(), start, end]).await?;
    let manifests = only(session, MANIFESTS_TOGETHER, values![names.as_str()]).await?;
    let tags = only(session, TAGS_TOGETHER, values![names]).await?;
    Ok(ContentSizes {
        tags: tags.unsigned("tags")?,
        manifests: manifests.unsigned("manifests")?,
        logical: blobs.unsigned::<u64>("logical")? + manifests.unsigned::<u64>("logical")?,
        unique: blobs.unsigned::<u64>("blob_bytes")? + manifests.unsigned::<u64>("manifest_bytes")?,
        own: blobs.unsigned("own")?,
    })
}

fn of_repository<R: Columns>(found: &R) -> Result<RepositorySize, StorageError> {
    let manifest_bytes: u64 = found.unsigned("manifest_bytes")?;
    let sizes = ContentSizes {
        tags: found.unsigned("tags")?,
        manifests: found.unsigned("manifests")?,
        logical: found.unsigned::<u64>("logical")? + manifest_bytes,
        unique: found.unsigned::<u64>("blob_bytes")? + manifest_bytes,
        own: found.unsigned("own")?,
    };
    Ok(RepositorySize { name: found.parsed("name")?, sizes })
}
