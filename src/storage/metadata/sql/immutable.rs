//! Immutable tags: their rules, and what a write asks before it moves or deletes a tag that one of them may protect.

use std::sync::Arc;

use async_trait::async_trait;

use super::engine::{Engine, Session, only};
use super::row::Columns;
use super::statement::statements;
use super::value::{list, values};
use super::{SqlMetadata, Written};
use crate::domain::{Digest, ImmutableRule, Tag, TagProtection, TimeSpan};
use crate::storage::StorageError;
use crate::storage::coordination::Effects;
use crate::storage::metadata::{ImmutableRecord, ImmutableTags, RefusedTag};

/// The tags that lead to manifests: also by way of the indexes that list them.
macro_rules! leading_to {
    ($manifests:literal) => {
        concat!(
            "WITH RECURSIVE above (id, digest) AS (",
            $manifests,
            " UNION
            SELECT m.id, m.digest FROM above a CROSS JOIN manifest_children c CROSS JOIN manifests m
            WHERE c.repository_id = $1 AND c.digest = a.digest AND m.id = c.manifest_id)
        SELECT t.name, t.updated_at FROM above a CROSS JOIN tags t WHERE t.manifest_id = a.id"
        )
    };
}

statements! {
    ADD_IMMUTABLE = "INSERT INTO immutable_rules (repositories, tags, mutable, correctable, expires, created_at, created_by)
        VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING id";
    IMMUTABLE_RULES = "SELECT id, repositories, tags, mutable, correctable, expires, created_at, created_by
        FROM immutable_rules ORDER BY id";
    REMOVE_IMMUTABLE = "DELETE FROM immutable_rules WHERE id = $1";
    PUSHED_AT = "SELECT t.name, t.updated_at FROM json_each($2) j CROSS JOIN tags t WHERE t.repository_id = $1 AND t.name = j.value";
    LEADING_TO = leading_to!("SELECT m.id, m.digest FROM manifests m WHERE m.id = $2");
    LEADING_TO_BLOB = leading_to!("SELECT m.id, m.digest FROM blobs b CROSS JOIN manifest_blobs r CROSS JOIN manifests m
            WHERE b.digest = $2 AND r.repository_id = $1 AND r.blob_id = b.id AND m.id = r.manifest_id");
}

#[async_trait]
impl<E: Engine> ImmutableTags for SqlMetadata<E> {
    async fn add_immutable_rule(&self, rule: ImmutableRule, by: &str) -> Result<i64, StorageError> {
        let after = rule.after.map_or(0, TimeSpan::seconds);
        let values =
            values![rule.on.as_str(), rule.tags.as_str(), rule.mutable, after, rule.expires, self.clock.seconds(), by];
        self.write(move |session| {
            Box::pin(async move {
                let id = only(session, ADD_IMMUTABLE, values).await?.integer("id")?;
                Ok(Written::with(Effects::POLICY, id))
            })
        })
        .await
    }

    async fn immutable_rules(&self) -> Result<Vec<ImmutableRecord>, StorageError> {
        self.engine.all(IMMUTABLE_RULES, values![]).await?.iter().map(read).collect()
    }

    async fn remove_immutable_rule(&self, id: i64) -> Result<bool, StorageError> {
        self.write(move |session| {
            Box::pin(async move {
                let is_removed = session.run(REMOVE_IMMUTABLE, values![id]).await? > 0;
                Ok(Written::if_changed(is_removed, Effects::POLICY))
            })
        })
        .await
    }
}

fn read<R: Columns>(found: &R) -> Result<ImmutableRecord, StorageError> {
    let after: u64 = found.unsigned("correctable")?;
    Ok(ImmutableRecord {
        rule: ImmutableRule {
            id: found.integer("id")?,
            on: found.parsed("repositories")?,
            tags: found.parsed("tags")?,
            mutable: found.boolean("mutable")?,
            after: (after > 0).then_some(TimeSpan::of_seconds(after)),
            expires: found.boolean("expires")?,
        },
        created_at: found.integer("created_at")?,
        created_by: found.text("created_by")?.to_owned(),
    })
}

/// Before tags are moved or deleted that exist. Nothing is asked where no rule is about them, or where one gives no time for corrections.
pub(super) async fn require_mutable_tags<S: Session>(
    session: &mut S,
    (repository, tags): (i64, &[Tag]),
    (protection, now): (&TagProtection, i64),
) -> Result<(), StorageError> {
    let mut correctable = Vec::new();
    for tag in tags {
        match protection.rule(tag) {
            Some(rule) if rule.after.is_none() => return Err(refused(tag, rule)),
            Some(_) => correctable.push(tag),
            None => {}
        }
    }
    if correctable.is_empty() {
        return Ok(());
    }
    require_mutable(&session.all(PUSHED_AT, values![repository, list(correctable)]).await?, protection, now)
}

/// Before a manifest is deleted: of every tag that leads to it.
pub(super) async fn require_mutable_manifest<S: Session>(
    session: &mut S,
    (repository, manifest): (i64, i64),
    (protection, now): (&TagProtection, i64),
) -> Result<(), StorageError> {
    if protection.is_none() {
        return Ok(());
    }
    require_mutable(&session.all(LEADING_TO, values![repository, manifest]).await?, protection, now)
}

/// Before a blob is taken out of a repository: of every tag that leads to it.
pub(super) async fn require_mutable_blob<S: Session>(
    session: &mut S,
    (repository, blob): (i64, &Digest),
    (protection, now): (&TagProtection, i64),
) -> Result<(), StorageError> {
    if protection.is_none() {
        return Ok(());
    }
    require_mutable(&session.all(LEADING_TO_BLOB, values![repository, blob]).await?, protection, now)
}

fn require_mutable<R: Columns>(found: &[R], protection: &TagProtection, now: i64) -> Result<(), StorageError> {
    for row in found {
        let tag: Tag = row.parsed("name")?;
        if let Some(rule) = protection.refuses(&tag, row.integer("updated_at")?, now) {
            return Err(refused(&tag, rule));
        }
    }
    Ok(())
}

fn refused(tag: &Tag, rule: &Arc<ImmutableRule>) -> StorageError {
    StorageError::Immutable(RefusedTag { tag: tag.clone(), rule: Arc::clone(rule) })
}
