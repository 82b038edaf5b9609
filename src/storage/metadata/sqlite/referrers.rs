//! Lists of referrers: pages that end by number and by bytes, because one annotation may be as large as a manifest.

use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{Row, SqlitePool};

use super::row;
use super::statement::statements;
use crate::domain::{Digest, RepositoryName};
use crate::storage::StorageError;
use crate::storage::metadata::{PageLimit, ReferrerList, ReferrerRecord};

statements! {
    /// How many bytes each takes, without reading them.
    REFERRER_SIZES = "SELECT OCTET_LENGTH(m.annotations) AS annotations, OCTET_LENGTH(m.artifact_type) AS artifact_type
        FROM repositories r CROSS JOIN manifests m
        WHERE r.name = $1 AND m.repository_id = r.id AND m.subject = $2 AND m.digest > $3 ORDER BY m.digest LIMIT $4";
    REFERRER_SIZES_OF_TYPE = "SELECT OCTET_LENGTH(m.annotations) AS annotations, OCTET_LENGTH(m.artifact_type) AS artifact_type
        FROM repositories r CROSS JOIN manifests m
        WHERE r.name = $1 AND m.repository_id = r.id AND m.subject = $2 AND m.digest > $3 AND lower(m.artifact_type) = $5
        ORDER BY m.digest LIMIT $4";
    REFERRERS = "SELECT m.digest, m.media_type, m.size, m.artifact_type, m.annotations
        FROM repositories r CROSS JOIN manifests m
        WHERE r.name = $1 AND m.repository_id = r.id AND m.subject = $2 AND m.digest > $3 ORDER BY m.digest LIMIT $4";
    REFERRERS_OF_TYPE = "SELECT m.digest, m.media_type, m.size, m.artifact_type, m.annotations
        FROM repositories r CROSS JOIN manifests m
        WHERE r.name = $1 AND m.repository_id = r.id AND m.subject = $2 AND m.digest > $3 AND lower(m.artifact_type) = $5
        ORDER BY m.digest LIMIT $4";
    AMONG_REFERRERS = "SELECT m.digest FROM json_each($3) j CROSS JOIN repositories r CROSS JOIN manifests m
        WHERE r.name = $1 AND m.repository_id = r.id AND m.digest = j.value AND m.subject = $2";
}

type Query = sqlx::query::Query<'static, sqlx::Sqlite, SqliteArguments>;

/// Which of the referrers are asked for.
struct Selection {
    repository: String,
    subject: String,
    artifact_type: Option<String>,
    after: String,
}

impl Selection {
    /// One of two statements, bound; the second where a type is asked for.
    fn query(&self, all: &'static str, of_type: &'static str, limit: u64) -> Result<Query, StorageError> {
        let query = sqlx::query(if self.artifact_type.is_some() { of_type } else { all })
            .bind(self.repository.clone())
            .bind(self.subject.clone())
            .bind(self.after.clone())
            .bind(row::stored(limit)?);
        Ok(match &self.artifact_type {
            Some(artifact_type) => query.bind(artifact_type.clone()),
            None => query,
        })
    }
}

/// One page. How many entries fit is found first, in the same snapshot, so that no more than a page is ever in memory.
pub(super) async fn list(
    readers: &SqlitePool,
    repository: &RepositoryName,
    subject: &Digest,
    artifact_type: Option<&str>,
    after: Option<&Digest>,
    limit: PageLimit,
) -> Result<ReferrerList, StorageError> {
    let selection = Selection {
        repository: repository.to_string(),
        subject: subject.to_string(),
        artifact_type: artifact_type.map(str::to_ascii_lowercase),
        after: after.map(Digest::to_string).unwrap_or_default(),
    };
    let mut snapshot = readers.begin().await?;
    let sizes = selection.query(REFERRER_SIZES, REFERRER_SIZES_OF_TYPE, u64::from(limit.entries) + 1)?;
    let sizes = sizes.fetch_all(&mut *snapshot).await?;
    let sizes = sizes.iter().map(size).collect::<Result<Vec<u64>, _>>()?;
    let fitting = limit.fitting(sizes.iter().copied());
    if fitting == 0 {
        return Ok(ReferrerList { entries: Vec::new(), more: !sizes.is_empty() });
    }
    let rows = selection.query(REFERRERS, REFERRERS_OF_TYPE, fitting as u64)?.fetch_all(&mut *snapshot).await?;
    snapshot.commit().await?;
    Ok(ReferrerList { entries: rows.iter().map(read).collect::<Result<_, _>>()?, more: fitting < sizes.len() })
}

/// Those of `candidates` that are manifests with this subject.
pub(super) async fn among(
    readers: &SqlitePool,
    repository: &RepositoryName,
    subject: &Digest,
    candidates: &[Digest],
) -> Result<Vec<Digest>, StorageError> {
    if candidates.is_empty() {
        return Ok(Vec::new());
    }
    let rows = sqlx::query(AMONG_REFERRERS)
        .bind(repository.as_str())
        .bind(subject.to_string())
        .bind(row::list(candidates))
        .fetch_all(readers)
        .await?;
    rows.iter().map(|found| row::parsed(found, "digest")).collect()
}

fn size(found: &SqliteRow) -> Result<u64, StorageError> {
    let of = |column: &str| -> Result<u64, StorageError> {
        let bytes: Option<i64> = found.try_get(column)?;
        Ok(bytes.and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or_default())
    };
    Ok(of("annotations")? + of("artifact_type")? + ReferrerRecord::OVERHEAD)
}

fn read(found: &SqliteRow) -> Result<ReferrerRecord, StorageError> {
    Ok(ReferrerRecord {
        digest: row::parsed(found, "digest")?,
        media_type: row::parsed(found, "media_type")?,
        size: row::unsigned(found, "size")?,
        artifact_type: found.try_get("artifact_type")?,
        annotations: found.try_get("annotations")?,
    })
}
