//! The history of tags: written by what moves or deletes them, in the same transaction.

use async_trait::async_trait;

use super::engine::{Engine, Session};
use super::row::Columns;
use super::statement::statements;
use super::value::{list, values};
use super::{SqlMetadata, Written, trash};
use crate::domain::{Digest, RepositoryName, Tag};
use crate::storage::StorageError;
use crate::storage::metadata::{Change, Ended, Held, HistoryRecord, Moment, TagHistory, TagRestored};

/// Past targets of the tags that `$of` selects. A version before moves tags and does not say who: then `recorded_at` is not `updated_at`.
macro_rules! past {
    ($of:literal, $returning:literal) => {
        concat!(
            "INSERT INTO tag_history (repository_id, name, digest, from_at, until_at, changed_by, cause, ended_by, ended_cause)
                SELECT t.repository_id, t.name, m.digest, t.updated_at, CAST($1 AS BIGINT),
                    CASE WHEN t.recorded_at = t.updated_at THEN t.changed_by END,
                    CASE WHEN t.recorded_at = t.updated_at THEN t.cause END,
                    CAST($2 AS TEXT), CAST($3 AS TEXT) ",
            $of,
            $returning
        )
    };
}

statements! {
    /// With the reason why it must not be moved, where it is held.
    PAST = past!("FROM json_each($6) j CROSS JOIN tags t CROSS JOIN manifests m
        WHERE t.repository_id = $4 AND t.name = j.value AND t.manifest_id <> $5 AND m.id = t.manifest_id",
        " RETURNING name, (SELECT h.reason FROM holds h WHERE h.repository = $7 AND h.tag = tag_history.name) AS held");
    PAST_OF_MANIFEST = past!("FROM tags t JOIN manifests m ON m.id = t.manifest_id WHERE t.manifest_id = $4", "");
    LIST = "SELECT id, name, digest, from_at, until_at, changed_by, cause, ended_by, ended_cause FROM tag_history
        WHERE repository_id = (SELECT id FROM repositories WHERE name = $1) AND name < $2 AND (name, id) > ($3, $4)
        ORDER BY name, id LIMIT $5";
    CURRENT = "SELECT t.name, m.digest, t.updated_at AS from_at,
            CASE WHEN t.recorded_at = t.updated_at THEN t.changed_by END AS changed_by,
            CASE WHEN t.recorded_at = t.updated_at THEN t.cause END AS cause
        FROM tags t JOIN manifests m ON m.id = t.manifest_id
        WHERE t.repository_id = (SELECT id FROM repositories WHERE name = $1) AND t.name < $2 AND t.name >= $3
        ORDER BY t.name LIMIT $4";
    FORGET = "DELETE FROM tag_history WHERE id IN (SELECT id FROM tag_history WHERE until_at < $1 ORDER BY until_at LIMIT $2)";
}

/// Follows every name of a tag; behind a name, what follows that alone.
const LAST: &str = "\u{7f}";
const NEXT: &str = "\u{1}";

#[async_trait]
impl<E: Engine> TagHistory for SqlMetadata<E> {
    async fn tag_history(
        &self,
        repository: &RepositoryName,
        tag: Option<&Tag>,
        after: Option<&HistoryRecord>,
        limit: u32,
    ) -> Result<Vec<HistoryRecord>, StorageError> {
        let first = tag.map_or("", Tag::as_str);
        let (name, id) = after.map_or((first, 0), |after| (after.tag.as_str(), after.id));
        let rows = self.engine.all(LIST, values![repository, end(tag), name, id, limit]).await?;
        rows.iter().map(read).collect()
    }

    async fn tag_targets(
        &self,
        repository: &RepositoryName,
        tag: Option<&Tag>,
        after: Option<&HistoryRecord>,
        limit: u32,
    ) -> Result<Vec<HistoryRecord>, StorageError> {
        let first = tag.map_or("", Tag::as_str);
        let from = after.map_or(first.to_owned(), |after| format!("{}{NEXT}", after.tag));
        let rows = self.engine.all(CURRENT, values![repository, end(tag), from, limit]).await?;
        rows.iter().map(|found| open(found, 0, None)).collect()
    }

    async fn restore_tag(
        &self,
        repository: &RepositoryName,
        tag: &Tag,
        moment: Moment,
        change: &Change,
    ) -> Result<TagRestored, StorageError> {
        let (repository, tag, change, now) = (repository.clone(), tag.clone(), change.clone(), self.clock.seconds());
        self.write(move |session| Box::pin(trash::tags::restore(session, (repository, tag), moment, (change, now))))
            .await
    }

    async fn forget_history(&self, before: i64, limit: u32) -> Result<u64, StorageError> {
        self.write(move |session| {
            Box::pin(async move { Ok(Written::without_effects(session.run(FORGET, values![before, limit]).await?)) })
        })
        .await
    }
}

fn end(tag: Option<&Tag>) -> String {
    tag.map_or(LAST.to_owned(), |tag| format!("{tag}{NEXT}"))
}

fn open<R: Columns>(found: &R, id: i64, ended: Option<Ended>) -> Result<HistoryRecord, StorageError> {
    let (by, cause) = (found.optional_text("changed_by")?, found.optional_text("cause")?);
    Ok(HistoryRecord {
        id,
        tag: found.parsed("name")?,
        digest: found.parsed("digest")?,
        from: found.integer("from_at")?,
        by: by.zip(cause).map(|(by, cause)| (by.to_owned(), cause.to_owned())),
        ended,
    })
}

fn read<R: Columns>(found: &R) -> Result<HistoryRecord, StorageError> {
    let ended = Ended {
        at: found.integer("until_at")?,
        by: found.text("ended_by")?.to_owned(),
        cause: found.text("ended_cause")?.to_owned(),
    };
    open(found, found.integer("id")?, Some(ended))
}

/// Before tags are moved to the manifest `to`, or deleted: their targets become history. Returns those that will not point to what they
/// did. Refuses where one of them is held.
pub(super) async fn end_targets<S: Session>(
    session: &mut S,
    (id, repository): (i64, &RepositoryName),
    (tags, to): (&[Tag], i64),
    (change, now): (&Change, i64),
) -> Result<Vec<Tag>, StorageError> {
    if tags.is_empty() {
        return Ok(Vec::new());
    }
    let values = values![now, change.by.as_str(), change.cause.as_str(), id, to, list(tags), repository];
    let mut ended = Vec::new();
    for found in session.all(PAST, values).await? {
        let tag: Tag = found.parsed("name")?;
        if let Some(reason) = found.optional_text("held")? {
            let (repository, reason) = (repository.clone(), reason.to_owned());
            return Err(StorageError::Held(Held { repository, tag: Some(tag), reason }));
        }
        ended.push(tag);
    }
    Ok(ended)
}

/// Before a manifest is deleted: the same for every tag that points to it.
pub(super) async fn end_targets_of_manifest<S: Session>(
    session: &mut S,
    manifest: i64,
    (change, now): (&Change, i64),
) -> Result<(), StorageError> {
    session.run(PAST_OF_MANIFEST, values![now, change.by.as_str(), change.cause.as_str(), manifest]).await?;
    Ok(())
}

/// What the tag points to, if it exists.
pub(super) async fn target<S: Session>(session: &mut S, id: i64, tag: &Tag) -> Result<Option<Digest>, StorageError> {
    let found = session.first(super::put_manifest::TAG_TARGET, values![id, tag]).await?;
    found.map(|found| found.parsed("digest")).transpose()
}
