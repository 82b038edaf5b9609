//! Counting what a quota covers, in steps, while pushes continue: each step is one transaction over some repositories, whose rows it locks,
//! and says in the same rows up to where they are counted. Forgetting a quota walks the same way.

use std::collections::BTreeMap;

use super::charge::{self, SLICE_LENGTH};
use super::membership::Membership;
use super::{FORGET_QUOTA, NONE_REPLACED, State, read_pattern};
use crate::domain::{Glob, NameRange, RepositoryName};
use crate::storage::StorageError;
use crate::storage::metadata::CountedStep;
use crate::storage::metadata::sql::engine::Session;
use crate::storage::metadata::sql::moves;
use crate::storage::metadata::sql::row::Columns;
use crate::storage::metadata::sql::statement::statements;
use crate::storage::metadata::sql::value::{list, values};

statements! {
    /// No other process counts meanwhile.
    NEXT_TO_COUNT = "UPDATE quotas SET state = state WHERE id = (SELECT MIN(id) FROM quotas WHERE state > 0) AND state > 0
        RETURNING id, pattern, state, walked_to, replaces";
    NAMES_WITHIN = "SELECT name FROM repositories WHERE name >= $1 AND name < $2 ORDER BY name LIMIT 1000";
    LOCK_REPOSITORIES = "UPDATE repositories SET generation = generation WHERE name IN (SELECT j.value FROM json_each($1) j)
        RETURNING id, name, quotas";
    MARK = "UPDATE repositories SET quotas = $1 WHERE id IN (SELECT CAST(j.value AS BIGINT) FROM json_each($2) j)";
    WALKED = "UPDATE quotas SET walked_to = $2 WHERE id = $1";
    COUNTED = "UPDATE quotas SET state = 0, walked_to = NULL, replaces = 0, counted_at = $2 WHERE id = $1";
    NOTE_DRIFT = "UPDATE quotas SET drift = $2 WHERE id = $1";
    REPLACED = "UPDATE quotas SET state = 2, walked_to = '' WHERE id = $1 AND state < 2";
    USED = "SELECT q.bytes - (SELECT CAST(COALESCE(SUM(s.room), 0) AS BIGINT) FROM quota_shares s WHERE s.quota_id = q.id) AS used
        FROM quotas q WHERE q.id = $1";
    FORGET_SOME = "DELETE FROM quota_contents WHERE quota_id = $1
        AND digest IN (SELECT c.digest FROM quota_contents c WHERE c.quota_id = $1 ORDER BY c.digest LIMIT 5000)";
    FORGET_SHARES = "DELETE FROM quota_shares WHERE quota_id = $1";
    COUNT_ONE_LESS = "UPDATE meta SET quotas = quotas - 1 WHERE id = 1";
}

/// How many repositories a step locks at most.
const REPOSITORIES: usize = 100;

/// A quota that is walked over.
struct Walk {
    id: i64,
    on: Glob,
    state: State,
    walked_to: Option<String>,
    replaces: i64,
}

/// A repository whose row is locked.
struct Locked {
    id: i64,
    name: String,
    membership: Membership,
}

/// One step, at `now`.
pub(super) async fn step<S: Session>(session: &mut S, now: i64) -> Result<Option<CountedStep>, StorageError> {
    let Some(found) = session.first(NEXT_TO_COUNT, values![]).await? else { return Ok(None) };
    moves::require_settled(session).await?;
    let walk = Walk {
        id: found.integer("id")?,
        on: read_pattern(&found)?,
        state: State::of(found.integer("state")?)?,
        walked_to: found.optional_text("walked_to")?.map(str::to_owned),
        replaces: found.integer("replaces")?,
    };
    let on = walk.on.clone();
    let Some(last) = walk.walked_to.clone() else {
        forget(session, &walk).await?;
        return Ok(Some(CountedStep { on, walked_to: None }));
    };
    let walked_to = over_repositories(session, &walk, &last).await?;
    if walked_to.is_some() || walk.state == State::Removed {
        session.run(WALKED, values![walk.id, walked_to.clone()]).await?;
    } else {
        finish(session, &walk, now).await?;
    }
    Ok(Some(CountedStep { on, walked_to: walked_to.and_then(|name| name.parse().ok()) }))
}

/// The next repositories; returns the last one that is done, or `None` where no more follow.
async fn over_repositories<S: Session>(
    session: &mut S,
    walk: &Walk,
    last: &str,
) -> Result<Option<String>, StorageError> {
    let range = NameRange::around(&walk.on);
    let after = if last.is_empty() { None } else { Some(last) };
    let names = session.all(NAMES_WITHIN, values![range.start_after(after), range.end()]).await?;
    let names = names.iter().map(|found| found.text("name").map(str::to_owned)).collect::<Result<Vec<_>, _>>()?;
    let covers = |name: &&String| name.parse().is_ok_and(|name: RepositoryName| walk.on.matches(&name));
    let chosen: Vec<&String> = names.iter().filter(covers).take(REPOSITORIES).collect();
    let Some(end) = (if chosen.len() == REPOSITORIES { chosen.last().copied() } else { names.last() }) else {
        return Ok(None);
    };
    let mut locked = Vec::new();
    for found in session.all(LOCK_REPOSITORIES, values![list(&chosen)]).await? {
        let name = found.text("name")?.to_owned();
        locked.push(Locked { id: found.integer("id")?, name, membership: Membership::of(&found)? });
    }
    locked.sort_by(|one, other| one.name.cmp(&other.name));
    if walk.state == State::Removed {
        leave(session, walk.id, locked).await?;
        return Ok(Some(end.clone()));
    }
    let stopped = count(session, walk.id, last, locked).await?;
    Ok(Some(stopped.unwrap_or_else(|| end.clone())))
}

async fn leave<S: Session>(session: &mut S, quota: i64, locked: Vec<Locked>) -> Result<(), StorageError> {
    let mut marks = BTreeMap::new();
    for mut repository in locked {
        if repository.membership.0.remove(&quota).is_some() {
            mark(&mut marks, &repository)?;
        }
    }
    write_marks(session, marks).await
}

/// Counts these repositories until there are enough manifests for one step; then returns where to continue: after the repository before the
/// one that is not done.
async fn count<S: Session>(
    session: &mut S,
    quota: i64,
    last: &str,
    locked: Vec<Locked>,
) -> Result<Option<String>, StorageError> {
    let (mut manifests, mut marks, mut previous, mut stopped) = (Vec::new(), BTreeMap::new(), last.to_owned(), None);
    for mut repository in locked {
        let upto = match repository.membership.0.get(&quota) {
            Some(None) => {
                previous = repository.name;
                continue;
            }
            Some(Some(upto)) => upto.clone(),
            None => String::new(),
        };
        let limit = SLICE_LENGTH - manifests.len();
        if limit == 0 {
            stopped = Some(previous);
            break;
        }
        let slice = charge::slice(session, repository.id, &upto, limit).await?;
        manifests.extend(slice.iter().map(|(manifest, _)| *manifest));
        let is_done = slice.len() < limit;
        let upto = slice.last().filter(|_| !is_done).map(|(_, digest)| digest.to_string());
        repository.membership.0.insert(quota, upto);
        mark(&mut marks, &repository)?;
        if !is_done {
            stopped = Some(previous);
            break;
        }
        previous = repository.name;
    }
    if !manifests.is_empty() {
        let added = charge::hold(session, &[quota], &manifests).await?;
        charge::force(session, quota, added.get(&quota).copied().unwrap_or_default()).await?;
    }
    write_marks(session, marks).await?;
    Ok(stopped)
}

/// Repositories by what their rows are to say.
type Marks = BTreeMap<Option<String>, Vec<i64>>;

fn mark(marks: &mut Marks, repository: &Locked) -> Result<(), StorageError> {
    marks.entry(repository.membership.text()?).or_default().push(repository.id);
    Ok(())
}

async fn write_marks<S: Session>(session: &mut S, marks: Marks) -> Result<(), StorageError> {
    for (membership, repositories) in marks {
        session.run(MARK, values![membership, list(&repositories)]).await?;
    }
    Ok(())
}

/// All is counted. What it replaces was right where both have the same sum at this moment.
async fn finish<S: Session>(session: &mut S, walk: &Walk, now: i64) -> Result<(), StorageError> {
    if walk.replaces != NONE_REPLACED {
        charge::locked_room(session, walk.replaces).await?;
        charge::locked_room(session, walk.id).await?;
        if let (Some(before), Some(after)) = (used(session, walk.replaces).await?, used(session, walk.id).await?) {
            session.run(NOTE_DRIFT, values![walk.id, before - after]).await?;
        }
        session.run(REPLACED, values![walk.replaces]).await?;
    }
    session.run(COUNTED, values![walk.id, now]).await.map(|_| ())
}

async fn used<S: Session>(session: &mut S, quota: i64) -> Result<Option<i64>, StorageError> {
    session.first(USED, values![quota]).await?.map(|found| found.integer("used")).transpose()
}

/// No repository names the quota any more, so that no write adds to it: its rows go.
async fn forget<S: Session>(session: &mut S, walk: &Walk) -> Result<(), StorageError> {
    if session.run(FORGET_SOME, values![walk.id]).await? > 0 {
        return Ok(());
    }
    session.run(FORGET_SHARES, values![walk.id]).await?;
    session.run(FORGET_QUOTA, values![walk.id]).await?;
    session.run(COUNT_ONE_LESS, values![]).await.map(|_| ())
}
