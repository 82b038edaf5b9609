//! Last pulls: many in one statement. Each line of its list has four fields of fixed width, which both databases can take apart.

use std::collections::BTreeMap;

use async_trait::async_trait;

use super::engine::{Engine, Session, row_missing};
use super::row::Columns;
use super::statement::statements;
use super::value::{list, values};
use super::{SqlMetadata, Written, moves};
use crate::domain::{RepositoryName, Tag};
use crate::storage::StorageError;
use crate::storage::metadata::{LastPull, PullRecord, Pulls};

statements! {
    TAGS_PULLED = "INSERT INTO tag_pulls (repository_id, name, pulled_at, pulled_by)
        SELECT t.repository_id, t.name, CAST(substr(j.value, 1, 12) AS BIGINT), rtrim(substr(j.value, 13, 80))
        FROM json_each($1) j CROSS JOIN repositories r CROSS JOIN tags t
        WHERE r.name = rtrim(substr(j.value, 93, 255)) AND t.repository_id = r.id AND t.name = rtrim(substr(j.value, 348, 135))
        ON CONFLICT (repository_id, name) DO UPDATE SET pulled_at = excluded.pulled_at, pulled_by = excluded.pulled_by
        WHERE tag_pulls.pulled_at < excluded.pulled_at";
    MANIFESTS_PULLED = "INSERT INTO manifest_pulls (manifest_id, pulled_at, pulled_by)
        SELECT m.id, CAST(substr(j.value, 1, 12) AS BIGINT), rtrim(substr(j.value, 13, 80))
        FROM json_each($1) j CROSS JOIN repositories r CROSS JOIN manifests m
        WHERE r.name = rtrim(substr(j.value, 93, 255)) AND m.repository_id = r.id AND m.digest = rtrim(substr(j.value, 348, 135))
        ON CONFLICT (manifest_id) DO UPDATE SET pulled_at = excluded.pulled_at, pulled_by = excluded.pulled_by
        WHERE manifest_pulls.pulled_at < excluded.pulled_at";
    LAST_PULLS = "SELECT t.name, p.pulled_at AS tag_at, p.pulled_by AS tag_by, q.pulled_at AS manifest_at, q.pulled_by AS manifest_by
        FROM json_each($2) j CROSS JOIN repositories r CROSS JOIN tags t
            LEFT JOIN tag_pulls p ON p.repository_id = t.repository_id AND p.name = t.name
            LEFT JOIN manifest_pulls q ON q.manifest_id = t.manifest_id
        WHERE r.name = $1 AND t.repository_id = r.id AND t.name = j.value";
    BEGIN_RECORDING = "UPDATE pull_recording SET since = $1 WHERE id = 1 AND since IS NULL";
    END_RECORDING = "UPDATE pull_recording SET since = NULL WHERE id = 1";
    RECORDED_SINCE = "SELECT since FROM pull_recording WHERE id = 1";
}

/// When, by whom, of which repository, and the tag or digest.
fn line((repository, reference): (&RepositoryName, &str), (at, by): (i64, &str)) -> String {
    format!("{at:<12.12}{by:<80.80}{:<255}{reference:<135}", repository.as_str())
}

/// The latest pull of each key, in the order of the keys: nodes that write the same ones wait for each other, and not in a circle.
fn lines<'p>(pulls: &'p [PullRecord], key: impl Fn(&'p PullRecord) -> Option<&'p str>) -> Vec<String> {
    let mut latest: BTreeMap<(&RepositoryName, &str), (i64, &str)> = BTreeMap::new();
    for pull in pulls {
        let Some(reference) = key(pull) else { continue };
        let kept = latest.entry((&pull.repository, reference)).or_insert((pull.at, pull.by.as_str()));
        *kept = (*kept).max((pull.at, pull.by.as_str()));
    }
    latest.into_iter().map(|(key, pull)| line(key, pull)).collect()
}

#[async_trait]
impl<E: Engine> Pulls for SqlMetadata<E> {
    async fn record_pulls(&self, pulls: Vec<PullRecord>) -> Result<(), StorageError> {
        let tags = lines(&pulls, |pull| pull.tag.as_ref().map(Tag::as_str));
        let manifests = lines(&pulls, |pull| Some(pull.digest.as_str()));
        self.write(move |session| {
            Box::pin(async move {
                moves::require_settled(session).await?;
                if !tags.is_empty() {
                    session.run(TAGS_PULLED, values![list(tags)]).await?;
                }
                session.run(MANIFESTS_PULLED, values![list(manifests)]).await?;
                Ok(Written::without_effects(()))
            })
        })
        .await
    }

    async fn last_pulls(&self, repository: &RepositoryName, tags: &[Tag]) -> Result<Vec<LastPull>, StorageError> {
        let rows = self.engine.all(LAST_PULLS, values![repository, list(tags)]).await?;
        rows.iter().filter_map(|row| read(row).transpose()).collect()
    }

    async fn set_pull_recording(&self, on: bool) -> Result<(), StorageError> {
        let now = self.clock.seconds();
        self.write(move |session| {
            Box::pin(async move {
                if on {
                    session.run(BEGIN_RECORDING, values![now]).await?;
                } else {
                    session.run(END_RECORDING, values![]).await?;
                }
                Ok(Written::without_effects(()))
            })
        })
        .await
    }

    async fn pulls_recorded_since(&self) -> Result<Option<i64>, StorageError> {
        self.engine.first(RECORDED_SINCE, values![]).await?.ok_or_else(row_missing)?.optional_integer("since")
    }
}

/// The later one of the tag's pulls and the manifest's.
fn read<R: Columns>(row: &R) -> Result<Option<LastPull>, StorageError> {
    let mut last: Option<(i64, &str)> = None;
    for (at, by) in [("tag_at", "tag_by"), ("manifest_at", "manifest_by")] {
        last = last.max(row.optional_integer(at)?.zip(row.optional_text(by)?));
    }
    let tag = row.parsed("name")?;
    Ok(last.map(|(at, by)| LastPull { tag, at, by: by.to_owned() }))
}
