//! Leases: one row each, which is never removed, so that tokens never return.

use std::time::Duration;

use async_trait::async_trait;

use super::SqlMetadata;
use super::engine::{Engine, Session};
use super::row::Columns;
use super::statement::statements;
use super::value::values;
use crate::storage::StorageError;
use crate::storage::coordination::{Lease, Leases};

statements! {
    TAKE_LEASE = "INSERT INTO leases (name, holder, token, until) VALUES ($1, $2, 1, $4)
        ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, token = leases.token + 1, until = excluded.until
        WHERE leases.until <= $3 OR leases.holder = excluded.holder
        RETURNING name, holder, token, until";
    RENEW_LEASE = "UPDATE leases SET until = $4 WHERE name = $1 AND holder = $2 AND token = $3 RETURNING name, holder, token, until";
    RELEASE_LEASE = "UPDATE leases SET holder = '', until = 0 WHERE name = $1 AND holder = $2 AND token = $3";
    ALL_LEASES = "SELECT name, holder, token, until FROM leases ORDER BY name";
    /// Until the end of this transaction no one takes the lease.
    FENCE = "UPDATE leases SET token = token WHERE name = $1 AND holder = $2 AND token = $3";
}

#[async_trait]
impl<E: Engine> Leases for SqlMetadata<E> {
    async fn take_lease(&self, name: &str, holder: &str, time: Duration) -> Result<Option<Lease>, StorageError> {
        let now = self.clock.now().as_millisecond();
        self.one_lease(TAKE_LEASE, values![name, holder, now, after(now, time)]).await
    }

    async fn renew_lease(&self, lease: &Lease, time: Duration) -> Result<Option<Lease>, StorageError> {
        let until = after(self.clock.now().as_millisecond(), time);
        self.one_lease(RENEW_LEASE, values![lease.name.as_str(), lease.holder.as_str(), lease.token, until]).await
    }

    async fn release_lease(&self, lease: &Lease) -> Result<bool, StorageError> {
        let values = values![lease.name.as_str(), lease.holder.as_str(), lease.token];
        let release = self
            .engine
            .write_soon(move |session| Box::pin(async move { Ok(session.run(RELEASE_LEASE, values).await? > 0) }));
        release.await
    }

    async fn leases(&self) -> Result<Vec<Lease>, StorageError> {
        self.engine.all(ALL_LEASES, values![]).await?.iter().map(read).collect()
    }
}

impl<E: Engine> SqlMetadata<E> {
    /// A power cut that undoes this also undoes everything that was written under the lease.
    async fn one_lease(&self, sql: &'static str, values: Vec<super::Value>) -> Result<Option<Lease>, StorageError> {
        let write = self.engine.write_soon(move |session| {
            Box::pin(async move { session.first(sql, values).await?.as_ref().map(read).transpose() })
        });
        write.await
    }
}

/// Refuses the transaction where another has taken the lease.
pub(super) async fn require<S: Session>(session: &mut S, lease: Lease) -> Result<(), StorageError> {
    let Lease { name, holder, token, .. } = lease;
    if session.run(FENCE, values![name.as_str(), holder, token]).await? > 0 {
        return Ok(());
    }
    Err(StorageError::Superseded(name))
}

fn after(now: i64, time: Duration) -> i64 {
    now.saturating_add(i64::try_from(time.as_millis()).unwrap_or(i64::MAX))
}

fn read<R: Columns>(found: &R) -> Result<Lease, StorageError> {
    Ok(Lease {
        name: found.text("name")?.to_owned(),
        holder: found.text("holder")?.to_owned(),
        token: found.integer("token")?,
        until: found.integer("until")?,
    })
}
