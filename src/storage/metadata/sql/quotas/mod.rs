//! Quotas: their rows, what is charged to them, and how they are counted.

pub(super) mod charge;
mod count;
pub(super) mod membership;

use async_trait::async_trait;

use super::engine::{Engine, Session, only};
use super::row::{Columns, damaged};
use super::statement::statements;
use super::value::{stored, values};
use super::{SqlMetadata, Written};
use crate::domain::Glob;
use crate::storage::StorageError;
use crate::storage::coordination::Effects;
use crate::storage::metadata::{CountedStep, QuotaRecord, QuotaState, Quotas};

statements! {
    QUOTAS = "SELECT q.pattern, q.bytes, q.state, q.drift, q.created_at, q.counted_at,
            q.bytes - (SELECT CAST(COALESCE(SUM(s.room), 0) AS BIGINT) FROM quota_shares s WHERE s.quota_id = q.id) AS used,
            CAST(CASE WHEN EXISTS (SELECT 1 FROM quotas o WHERE o.replaces = q.id) THEN 1 ELSE 0 END AS BIGINT) AS recounted
        FROM quotas q WHERE q.state < 2 AND q.replaces = 0 ORDER BY q.pattern";
    /// The lock of this row is also what a new repository waits for: it finds the quota, or is found by its count.
    COUNT_ONE_MORE = "UPDATE meta SET quotas = quotas + 1 WHERE id = 1";
    LOCK_QUOTAS = "UPDATE meta SET quotas = quotas WHERE id = 1";
    QUOTAS_ON = "SELECT id, bytes, state, replaces FROM quotas WHERE pattern = $1 AND state < 2 ORDER BY id";
    ADD_QUOTA = "INSERT INTO quotas (pattern, bytes, shares, state, walked_to, replaces, created_at)
        VALUES ($1, $2, $3, 1, '', $4, $5) RETURNING id";
    ADD_SHARE = "INSERT INTO quota_shares (quota_id, share, room) VALUES ($1, $2, $3)";
    SET_LIMIT = "UPDATE quotas SET bytes = $2 WHERE id = $1";
    REMOVE_QUOTA = "UPDATE quotas SET state = 2, walked_to = '', replaces = 0 WHERE id = $1";
    FORGET_QUOTA = "DELETE FROM quotas WHERE id = $1";
}

/// Every statement of this folder.
#[cfg(test)]
pub(super) const ALL_OF_FOLDER: [&[(&str, &str)]; 4] = [ALL, charge::ALL, count::ALL, membership::ALL];

/// In how many parts the room of a quota is kept, where several transactions write at the same time.
const SHARES: i64 = 32;

/// No quota has this id.
const NONE_REPLACED: i64 = 0;

/// What is done with a quota.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Counted,
    Counting,
    Removed,
}

impl State {
    fn of(number: i64) -> Result<Self, StorageError> {
        match number {
            0 => Ok(Self::Counted),
            1 => Ok(Self::Counting),
            2 => Ok(Self::Removed),
            other => Err(damaged("state", &other)),
        }
    }
}

/// A quota of a pattern: its id, limit, state, and which one it replaces.
struct Found {
    id: i64,
    limit: i64,
    state: State,
    replaces: i64,
}

#[async_trait]
impl<E: Engine> Quotas for SqlMetadata<E> {
    async fn quotas(&self) -> Result<Vec<QuotaRecord>, StorageError> {
        self.engine.all(QUOTAS, values![]).await?.iter().map(record).collect()
    }

    async fn set_quota(&self, on: &Glob, limit: u64) -> Result<(), StorageError> {
        let (on, limit, now) = (on.clone(), stored(limit)?, self.clock.seconds());
        self.write(move |session| {
            Box::pin(async move {
                session.run(LOCK_QUOTAS, values![]).await?;
                let found = all_on(session, &on).await?;
                for quota in &found {
                    session.run(SET_LIMIT, values![quota.id, limit]).await?;
                    charge::force(session, quota.id, quota.limit - limit).await?;
                }
                if found.is_empty() {
                    add(session, &on, limit, NONE_REPLACED, shares::<E>(), now).await?;
                }
                Ok(Written::with(Effects::POLICY, ()))
            })
        })
        .await
    }

    async fn remove_quota(&self, on: &Glob) -> Result<bool, StorageError> {
        let on = on.clone();
        self.write(move |session| {
            Box::pin(async move {
                session.run(LOCK_QUOTAS, values![]).await?;
                let found = all_on(session, &on).await?;
                for quota in &found {
                    session.run(REMOVE_QUOTA, values![quota.id]).await?;
                }
                Ok(Written::if_changed(!found.is_empty(), Effects::POLICY))
            })
        })
        .await
    }

    async fn recount_quota(&self, on: &Glob) -> Result<bool, StorageError> {
        let (on, now) = (on.clone(), self.clock.seconds());
        self.write(move |session| {
            Box::pin(async move {
                session.run(LOCK_QUOTAS, values![]).await?;
                let found = all_on(session, &on).await?;
                let counted = match &found[..] {
                    [quota] if quota.state == State::Counted && quota.replaces == NONE_REPLACED => quota,
                    _ => return Ok(Written::without_effects(false)),
                };
                add(session, &on, counted.limit, counted.id, shares::<E>(), now).await?;
                Ok(Written::with(Effects::POLICY, true))
            })
        })
        .await
    }

    async fn count_quotas(&self) -> Result<Option<CountedStep>, StorageError> {
        let now = self.clock.seconds();
        self.write(move |session| {
            Box::pin(async move { Ok(Written::without_effects(count::step(session, now).await?)) })
        })
        .await
    }
}

fn shares<E: Engine>() -> i64 {
    if E::SERVES_MANY_NODES { SHARES } else { 1 }
}

async fn all_on<S: Session>(session: &mut S, on: &Glob) -> Result<Vec<Found>, StorageError> {
    let read = |found: &S::Row| {
        let state = State::of(found.integer("state")?)?;
        let replaces = found.integer("replaces")?;
        Ok(Found { id: found.integer("id")?, limit: found.integer("bytes")?, state, replaces })
    };
    session.all(QUOTAS_ON, values![on.as_str()]).await?.iter().map(read).collect()
}

/// A quota that is still to be counted, with all of its room in the first share until a push needs it elsewhere.
async fn add<S: Session>(
    session: &mut S,
    on: &Glob,
    limit: i64,
    replaces: i64,
    shares: i64,
    now: i64,
) -> Result<(), StorageError> {
    session.run(COUNT_ONE_MORE, values![]).await?;
    let values = values![on.as_str(), limit, shares, replaces, now];
    let added = only(session, ADD_QUOTA, values).await?.integer("id")?;
    for share in 0..shares {
        session.run(ADD_SHARE, values![added, share, 0_i64]).await?;
    }
    charge::force(session, added, -limit).await
}

fn read_pattern<R: Columns>(found: &R) -> Result<Glob, StorageError> {
    found.parsed("pattern")
}

fn record<R: Columns>(found: &R) -> Result<QuotaRecord, StorageError> {
    let state = match State::of(found.integer("state")?)? {
        _ if found.boolean("recounted")? => QuotaState::Recounting,
        State::Counted => QuotaState::Counted,
        State::Counting | State::Removed => QuotaState::Counting,
    };
    Ok(QuotaRecord {
        on: read_pattern(found)?,
        limit: found.unsigned("bytes")?,
        used: u64::try_from(found.integer("used")?).unwrap_or_default(),
        state,
        drift: found.optional_integer("drift")?,
        created_at: found.integer("created_at")?,
        counted_at: found.optional_integer("counted_at")?,
    })
}
