//! A repository as a graph, read in one snapshot: four statements, each over an index of that repository.

use std::collections::HashMap;

use crate::domain::RepositoryName;
use crate::domain::retention::graph::is_signature;
use crate::domain::retention::{ManifestNode, RepositoryGraph, TagNode};
use crate::storage::StorageError;
use crate::storage::metadata::StoredGraph;
use crate::storage::metadata::sql::engine::Session;
use crate::storage::metadata::sql::holds;
use crate::storage::metadata::sql::row::{Columns, damaged};
use crate::storage::metadata::sql::statement::statements;
use crate::storage::metadata::sql::value::values;

statements! {
    REPOSITORY = "SELECT id, generation FROM repositories WHERE name = $1";
    MANIFESTS = "SELECT m.id, m.digest, m.artifact_type, m.created_at, m.pushed_at, p.pulled_at, s.id AS subject,
            CAST(CASE WHEN EXISTS (SELECT 1 FROM trash t WHERE t.repository_id = m.repository_id AND t.digest = m.digest)
                THEN 1 ELSE 0 END AS BIGINT) AS in_trash
        FROM manifests m
            LEFT JOIN manifests s ON s.repository_id = m.repository_id AND s.digest = m.subject AND s.trash_id IS NULL
            LEFT JOIN manifest_pulls p ON p.manifest_id = m.id
        WHERE m.repository_id = $1 AND m.trash_id IS NULL";
    CHILDREN = "SELECT c.manifest_id, m.id AS child FROM manifest_children c
            CROSS JOIN manifests p CROSS JOIN manifests m
        WHERE c.repository_id = $1 AND p.id = c.manifest_id AND p.trash_id IS NULL
            AND m.repository_id = c.repository_id AND m.digest = c.digest AND m.trash_id IS NULL";
    TAGS = "SELECT t.name, t.manifest_id, t.updated_at, p.pulled_at FROM tags t
            LEFT JOIN tag_pulls p ON p.repository_id = t.repository_id AND p.name = t.name
        WHERE t.repository_id = $1 ORDER BY t.name";
}

/// A manifest as it was read: what refers to others by number.
struct Found {
    id: i64,
    subject: Option<i64>,
    /// When it was pushed again.
    pushed_again_at: i64,
    node: ManifestNode,
}

pub(super) async fn read<S: Session>(
    session: &mut S,
    repository: RepositoryName,
) -> Result<Option<StoredGraph>, StorageError> {
    let Some(row) = session.first(REPOSITORY, values![&repository]).await? else { return Ok(None) };
    let (id, generation) = (row.integer("id")?, row.integer("generation")?);
    let mut found = session.all(MANIFESTS, values![id]).await?.iter().map(manifest).collect::<Result<Vec<_>, _>>()?;
    found.sort_unstable_by_key(|found| found.id);
    let places: HashMap<i64, usize> = found.iter().enumerate().map(|(place, found)| (found.id, place)).collect();
    let place = |id: i64| places.get(&id).copied().ok_or_else(|| damaged("manifest_id", &"unknown manifest"));
    for row in session.all(CHILDREN, values![id]).await? {
        let (parent, child) = (place(row.integer("manifest_id")?)?, place(row.integer("child")?)?);
        found[parent].node.children.push(child);
    }
    let held = holds::of(session, &repository).await?;
    let mut tags = Vec::new();
    for row in session.all(TAGS, values![id]).await? {
        let manifest = place(row.integer("manifest_id")?)?;
        let tag = row.parsed("name")?;
        tags.push(TagNode {
            is_held: held.iter().any(|held| held.tag.as_ref() == Some(&tag)),
            tag,
            manifest,
            pushed_at: row.integer("updated_at")?.max(found[manifest].pushed_again_at),
            pulled_at: row.optional_integer("pulled_at")?,
        });
    }
    let manifest_ids = found.iter().map(|found| found.id).collect();
    let mut manifests = Vec::with_capacity(found.len());
    for Found { subject, mut node, .. } in found {
        node.subject = subject.map(place).transpose()?;
        manifests.push(node);
    }
    let is_held = held.iter().any(|held| held.tag.is_none());
    Ok(Some(StoredGraph { generation, graph: RepositoryGraph { tags, manifests, is_held }, manifest_ids }))
}

fn manifest<R: Columns>(row: &R) -> Result<Found, StorageError> {
    let pushed_again_at = row.optional_integer("pushed_at")?.unwrap_or_default();
    let node = ManifestNode {
        digest: row.parsed("digest")?,
        children: Vec::new(),
        subject: None,
        is_in_trash: row.boolean("in_trash")?,
        is_signature: row.optional_text("artifact_type")?.is_some_and(is_signature),
        pushed_at: row.integer("created_at")?.max(pushed_again_at),
        pulled_at: row.optional_integer("pulled_at")?,
    };
    Ok(Found { id: row.integer("id")?, subject: row.optional_integer("subject")?, pushed_again_at, node })
}
