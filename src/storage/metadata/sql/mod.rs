//! Every statement and every row of the metadata store, once for all databases: what differs is behind [`Engine`].
//!
//! The SQL keeps to what `SQLite` and `PostgreSQL` both know: `$1` for values, BIGINT, TEXT and BYTEA, truth values as 0 and 1, times as
//! seconds, `ON CONFLICT` and `RETURNING`. Text is compared byte by byte, because pages of names continue in that order: `SQLite` does so
//! by its BINARY collation, other databases need `COLLATE "C"` on their columns; the contract's tests ask for the order. Lists travel as one
//! JSON text that `json_each` takes apart.

mod account_policies;
mod acme;
mod collection;
mod effects;
mod engine;
mod grants;
mod holds;
mod immutable;
mod imports;
mod integrity;
mod keys;
mod leases;
mod login_failures;
mod manifests;
mod meta;
mod moves;
mod nodes;
mod pulls;
mod purge;
mod put_manifest;
mod quotas;
mod referrers;
mod refresh_tokens;
mod repositories;
mod repository_blobs;
mod retention;
mod row;
mod shared_logins;
mod shared_state;
mod sizes;
mod statement;
mod tag_history;
mod tags;
mod trash;
mod uploads;
mod users;
mod value;
mod versions;

use async_trait::async_trait;

pub(super) use self::engine::{Engine, Outcome, Session};
pub(super) use self::meta::{BEGIN, FLOOR, LAST_EPOCH, RAISE_FLOOR};
pub(super) use self::row::Columns;
pub(super) use self::value::Value;
use super::Metadata;
use crate::domain::Clock;
use crate::storage::StorageError;
use crate::storage::coordination::{self, Effects};

/// The metadata store in a database.
pub(super) struct SqlMetadata<E> {
    engine: E,
    clock: Clock,
}

/// What an operation came to, and what follows from it, which is committed with it.
struct Written<T> {
    outcome: T,
    effects: Effects,
}

impl<T> Written<T> {
    /// No other node needs to know.
    fn without_effects(outcome: T) -> Self {
        Self { outcome, effects: Effects::NONE }
    }

    /// With these effects.
    fn with(effects: Effects, outcome: T) -> Self {
        Self { outcome, effects }
    }
}

impl Written<bool> {
    /// Whether anything was changed; only then does anything follow.
    fn if_changed(changed: bool, effects: Effects) -> Self {
        Self { outcome: changed, effects: if changed { effects } else { Effects::NONE } }
    }
}

impl<E: Engine> SqlMetadata<E> {
    /// The store in an open database of the current schema.
    pub(super) fn new(engine: E, clock: Clock) -> Self {
        Self { engine, clock }
    }

    /// Runs an operation and commits it together with its effects: all of them or nothing. Where the task works under a lease, also
    /// nothing if another has taken that.
    async fn write<T, F>(&self, operation: F) -> Result<T, StorageError>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut E::Session) -> Outcome<'c, Written<T>> + Clone + Send + 'static,
    {
        let lease = coordination::current();
        let write = self.engine.write(move |session| {
            Box::pin(async move {
                if let Some(lease) = lease {
                    leases::require(session, lease).await?;
                }
                let Written { outcome, effects } = operation(&mut *session).await?;
                let waits = E::SERVES_MANY_NODES && effects.outdates;
                effects::apply(session, effects).await?;
                Ok((outcome, waits))
            })
        });
        let (outcome, waits) = write.await?;
        if waits {
            coordination::seen_everywhere(E::SERVES_MANY_NODES).await;
        }
        Ok(outcome)
    }
}

#[async_trait]
impl<E: Engine> Metadata for SqlMetadata<E> {
    async fn ping(&self) -> Result<(), StorageError> {
        let now = self.clock.seconds();
        self.write(move |session| Box::pin(meta::touch(session, now))).await
    }

    async fn is_new(&self) -> Result<bool, StorageError> {
        meta::is_new(&self.engine).await
    }

    async fn close(&self) -> Result<(), StorageError> {
        self.engine.close().await
    }
}

/// Every statement with its name, for tests of what they cost.
#[cfg(test)]
pub(super) fn statements() -> impl Iterator<Item = (&'static str, &'static str)> {
    let all = [
        account_policies::ALL,
        acme::ALL,
        effects::ALL,
        grants::ALL,
        holds::ALL,
        immutable::ALL,
        imports::ALL,
        integrity::ALL,
        keys::ALL,
        leases::ALL,
        login_failures::ALL,
        manifests::ALL,
        meta::ALL,
        moves::ALL,
        nodes::ALL,
        pulls::ALL,
        put_manifest::ALL,
        referrers::ALL,
        refresh_tokens::ALL,
        repositories::ALL,
        repository_blobs::ALL,
        shared_logins::ALL,
        shared_state::ALL,
        sizes::ALL,
        tag_history::ALL,
        tags::ALL,
        uploads::ALL,
        users::ALL,
        versions::ALL,
    ];
    all.into_iter().chain(statements_of_folders()).flatten().copied()
}

#[cfg(test)]
fn statements_of_folders() -> impl Iterator<Item = &'static [(&'static str, &'static str)]> {
    let folders = [
        &collection::ALL_OF_FOLDER[..],
        &purge::ALL_OF_FOLDER,
        &quotas::ALL_OF_FOLDER,
        &retention::ALL_OF_FOLDER,
        &trash::ALL_OF_FOLDER,
    ];
    folders.into_iter().flatten().copied()
}
