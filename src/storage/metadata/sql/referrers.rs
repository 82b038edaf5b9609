//! Lists of referrers: pages that end by number and by bytes, because one annotation may be as large as a manifest.

use super::engine::{Engine, Session};
use super::row::Columns;
use super::statement::statements;
use super::value::{Value, list as json, stored, values};
use crate::domain::{Digest, RepositoryName};
use crate::storage::StorageError;
use crate::storage::metadata::{PageLimit, ReferrerList, ReferrerRecord};

statements! {
    /// How many bytes each takes, without reading them.
    REFERRER_SIZES = "SELECT CAST(OCTET_LENGTH(m.annotations) AS BIGINT) AS annotations,
            CAST(OCTET_LENGTH(m.artifact_type) AS BIGINT) AS artifact_type
        FROM manifests m
        WHERE m.repository_id = (SELECT id FROM repositories WHERE name = $1) AND m.subject = $2 AND m.trash_id IS NULL AND m.digest > $3 ORDER BY m.digest LIMIT $4";
    REFERRER_SIZES_OF_TYPE = "SELECT CAST(OCTET_LENGTH(m.annotations) AS BIGINT) AS annotations,
            CAST(OCTET_LENGTH(m.artifact_type) AS BIGINT) AS artifact_type
        FROM manifests m
        WHERE m.repository_id = (SELECT id FROM repositories WHERE name = $1) AND m.subject = $2 AND m.trash_id IS NULL AND m.digest > $3 AND lower(m.artifact_type) = $5
        ORDER BY m.digest LIMIT $4";
    REFERRERS = "SELECT m.digest, m.media_type, m.size, m.artifact_type, m.annotations
        FROM manifests m
        WHERE m.repository_id = (SELECT id FROM repositories WHERE name = $1) AND m.subject = $2 AND m.trash_id IS NULL AND m.digest > $3 ORDER BY m.digest LIMIT $4";
    REFERRERS_OF_TYPE = "SELECT m.digest, m.media_type, m.size, m.artifact_type, m.annotations
        FROM manifests m
        WHERE m.repository_id = (SELECT id FROM repositories WHERE name = $1) AND m.subject = $2 AND m.trash_id IS NULL AND m.digest > $3 AND lower(m.artifact_type) = $5
        ORDER BY m.digest LIMIT $4";
    AMONG_REFERRERS = "SELECT m.digest FROM json_each($3) j CROSS JOIN repositories r CROSS JOIN manifests m
        WHERE r.name = $1 AND m.repository_id = r.id AND m.digest = j.value AND m.subject = $2 AND m.trash_id IS NULL";
}

/// Which of the referrers are asked for.
#[derive(Clone)]
struct Selection {
    repository: String,
    subject: String,
    artifact_type: Option<String>,
    after: String,
}

impl Selection {
    /// One of two statements with its values; the second where a type is asked for.
    fn statement(
        &self,
        all: &'static str,
        of_type: &'static str,
        limit: u64,
    ) -> Result<(&'static str, Vec<Value>), StorageError> {
        let mut values = values![self.repository.as_str(), self.subject.as_str(), self.after.as_str(), stored(limit)?];
        Ok(match &self.artifact_type {
            Some(artifact_type) => {
                values.push(Value::from(artifact_type.as_str()));
                (of_type, values)
            }
            None => (all, values),
        })
    }

    /// One page. How many entries fit is found first, so that no more than a page is ever in memory.
    async fn read<S: Session>(self, session: &mut S, limit: PageLimit) -> Result<ReferrerList, StorageError> {
        let most = u64::from(limit.entries) + 1;
        let (sql, values) = self.statement(REFERRER_SIZES, REFERRER_SIZES_OF_TYPE, most)?;
        let sizes = session.all(sql, values).await?.iter().map(size).collect::<Result<Vec<u64>, _>>()?;
        let fitting = limit.fitting(sizes.iter().copied());
        if fitting == 0 {
            return Ok(ReferrerList { entries: Vec::new(), more: !sizes.is_empty() });
        }
        let (sql, values) = self.statement(REFERRERS, REFERRERS_OF_TYPE, fitting as u64)?;
        let rows = session.all(sql, values).await?;
        Ok(ReferrerList { entries: rows.iter().map(read).collect::<Result<_, _>>()?, more: fitting < sizes.len() })
    }
}

/// One page, of one snapshot.
pub(super) async fn list<E: Engine>(
    engine: &E,
    repository: &RepositoryName,
    subject: &Digest,
    artifact_type: Option<&str>,
    after: Option<&Digest>,
    limit: PageLimit,
) -> Result<ReferrerList, StorageError> {
    if artifact_type.is_some_and(|wanted| wanted.contains('\0')) {
        return Ok(ReferrerList { entries: Vec::new(), more: false });
    }
    let selection = Selection {
        repository: repository.to_string(),
        subject: subject.to_string(),
        artifact_type: artifact_type.map(str::to_ascii_lowercase),
        after: after.map(Digest::to_string).unwrap_or_default(),
    };
    engine.snapshot(move |session| Box::pin(selection.read(session, limit))).await
}

/// Those of `candidates` that are manifests with this subject.
pub(super) async fn among<E: Engine>(
    engine: &E,
    repository: &RepositoryName,
    subject: &Digest,
    candidates: &[Digest],
) -> Result<Vec<Digest>, StorageError> {
    if candidates.is_empty() {
        return Ok(Vec::new());
    }
    let rows = engine.all(AMONG_REFERRERS, values![repository, subject, json(candidates)]).await?;
    rows.iter().map(|found| found.parsed("digest")).collect()
}

fn size<R: Columns>(found: &R) -> Result<u64, StorageError> {
    let of = |column: &str| -> Result<u64, StorageError> {
        Ok(found.optional_integer(column)?.and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or_default())
    };
    Ok(of("annotations")? + of("artifact_type")? + ReferrerRecord::OVERHEAD)
}

fn read<R: Columns>(found: &R) -> Result<ReferrerRecord, StorageError> {
    Ok(ReferrerRecord {
        digest: found.parsed("digest")?,
        media_type: found.parsed("media_type")?,
        size: found.unsigned("size")?,
        artifact_type: found.optional_text("artifact_type")?.map(str::to_owned),
        annotations: found.optional_text("annotations")?.map(str::to_owned),
    })
}
