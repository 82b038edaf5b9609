//! Pointing a tag to what it pointed to before, by its history.

use super::restore;
use crate::domain::{Digest, RepositoryName, Tag};
use crate::storage::StorageError;
use crate::storage::coordination::Effects;
use crate::storage::metadata::sql::collection::enqueue;
use crate::storage::metadata::sql::engine::Session;
use crate::storage::metadata::sql::row::Columns;
use crate::storage::metadata::sql::statement::statements;
use crate::storage::metadata::sql::value::values;
use crate::storage::metadata::sql::{Written, put_manifest, repositories, tag_history};
use crate::storage::metadata::{Change, Moment, TagRestored};

statements! {
    LAST = "SELECT digest FROM tag_history WHERE repository_id = $1 AND name = $2 ORDER BY id DESC LIMIT 1";
    LAST_BUT = "SELECT digest FROM tag_history WHERE repository_id = $1 AND name = $2 AND digest <> $3 ORDER BY id DESC LIMIT 1";
    AT = "SELECT digest FROM tag_history WHERE repository_id = $1 AND name = $2 AND from_at <= $3 AND until_at > $3
        ORDER BY id DESC LIMIT 1";
    SINCE = "SELECT m.digest FROM tags t JOIN manifests m ON m.id = t.manifest_id
        WHERE t.repository_id = $1 AND t.name = $2 AND t.updated_at <= $3";
    /// What is restored by its history is in the trash no longer.
    FORGET_TAG = "DELETE FROM trash WHERE repository_id = $1 AND digest = $2 AND kind = 0 AND tag = $3";
}

/// Restores the tag to what it pointed to at that moment.
pub(in crate::storage::metadata::sql) async fn restore<S: Session>(
    session: &mut S,
    (repository, tag): (RepositoryName, Tag),
    moment: Moment,
    (change, now): (Change, i64),
) -> Result<Written<TagRestored>, StorageError> {
    let done = Written::without_effects;
    let Some(row) = repositories::lock(session, &repository).await? else {
        return Ok(done(TagRestored::UnknownRepository));
    };
    let from = tag_history::target(session, row, &tag).await?;
    let to = match (moment, &from) {
        (Moment::Deleted, Some(current)) => return Ok(done(TagRestored::Exists(current.clone()))),
        _ => target(session, (row, &tag), moment, from.as_ref()).await?,
    };
    let Some(to) = to else { return Ok(done(TagRestored::NothingThen)) };
    if from.as_ref() == Some(&to) {
        return Ok(done(TagRestored::Unchanged(to)));
    }
    let Some(manifest) = restore::show(session, (row, &repository), &to).await? else {
        return Ok(done(TagRestored::ContentGone(to)));
    };
    let tags = std::slice::from_ref(&tag);
    tag_history::end_targets(session, (row, &repository), (tags, manifest), (&change, now)).await?;
    enqueue::targets(session, row, tags, Some(manifest), now).await?;
    put_manifest::point_tags(session, (row, manifest), tags, (&change, now)).await?;
    session.run(FORGET_TAG, values![row, &to, &tag]).await?;
    Ok(Written::with(Effects::changes(repository), TagRestored::Moved { to, from }))
}

/// What the tag pointed to at that moment.
async fn target<S: Session>(
    session: &mut S,
    (row, tag): (i64, &Tag),
    moment: Moment,
    current: Option<&Digest>,
) -> Result<Option<Digest>, StorageError> {
    let found = match (moment, current) {
        (Moment::Previous, Some(current)) => session.first(LAST_BUT, values![row, tag, current]).await?,
        (Moment::Previous | Moment::Deleted, _) => session.first(LAST, values![row, tag]).await?,
        (Moment::At(time), _) => match session.first(AT, values![row, tag, time]).await? {
            Some(found) => Some(found),
            None => session.first(SINCE, values![row, tag, time]).await?,
        },
    };
    found.map(|found| found.parsed("digest")).transpose()
}
