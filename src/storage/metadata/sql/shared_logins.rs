//! What nodes tell each other about logins: small rows that are gone after a while.

use async_trait::async_trait;

use super::SqlMetadata;
use super::engine::{Engine, Session};
use super::row::{Columns, damaged};
use super::statement::statements;
use super::value::values;
use crate::domain::Network;
use crate::storage::StorageError;
use crate::storage::coordination::{AddressFailures, FAILURES_KEPT, SOURCES_KEPT, SharedLogins, SharedSource};

statements! {
    TELL_FAILURES = "INSERT INTO address_failures (second, network, node, failures) VALUES ($1, $2, $3, $4)
        ON CONFLICT (second, network, node) DO UPDATE SET failures = address_failures.failures + excluded.failures";
    TELL_SOURCE = "INSERT INTO known_sources (name_hash, network, seen_at) VALUES ($1, $2, $3)
        ON CONFLICT (name_hash, network) DO UPDATE SET seen_at = excluded.seen_at WHERE known_sources.seen_at < excluded.seen_at";
    FORGET_FAILURES = "DELETE FROM address_failures WHERE second < $1";
    FORGET_SOURCES = "DELETE FROM known_sources WHERE seen_at < $1";
    FAILURES_OF_OTHERS = "SELECT second, network, node, failures FROM address_failures WHERE second >= $2 AND node <> $1";
    SHARED_SOURCES = "SELECT name_hash, network FROM known_sources WHERE seen_at >= $1 ORDER BY seen_at DESC LIMIT $2";
}

#[async_trait]
impl<E: Engine> SharedLogins for SqlMetadata<E> {
    async fn share_logins(
        &self,
        node: &str,
        mut failures: Vec<(Network, u32)>,
        mut sources: Vec<SharedSource>,
    ) -> Result<(), StorageError> {
        let (node, now) = (node.to_owned(), self.clock.seconds());
        // All nodes write in one order, so that none waits for one that waits for it.
        failures.sort_unstable();
        sources.sort_unstable_by_key(|source| (source.name_hash, source.network));
        let share = self.engine.write_soon(move |session| {
            Box::pin(async move {
                for (network, count) in failures {
                    session.run(TELL_FAILURES, values![now, network.to_string(), node.as_str(), count]).await?;
                }
                for SharedSource { name_hash, network } in sources {
                    session.run(TELL_SOURCE, values![name_hash.as_slice(), network.to_string(), now]).await?;
                }
                session.run(FORGET_FAILURES, values![now.saturating_sub(FAILURES_KEPT)]).await?;
                session.run(FORGET_SOURCES, values![now.saturating_sub(SOURCES_KEPT)]).await
            })
        });
        share.await.map(drop)
    }

    async fn address_failures_of_others(&self, node: &str, since: i64) -> Result<Vec<AddressFailures>, StorageError> {
        self.engine.all(FAILURES_OF_OTHERS, values![node, since]).await?.iter().map(failures).collect()
    }

    async fn shared_sources(&self, since: i64, limit: u32) -> Result<Vec<SharedSource>, StorageError> {
        self.engine.all(SHARED_SOURCES, values![since, limit]).await?.iter().map(source).collect()
    }
}

fn failures<R: Columns>(found: &R) -> Result<AddressFailures, StorageError> {
    Ok(AddressFailures {
        second: found.integer("second")?,
        network: found.parsed("network")?,
        node: found.text("node")?.to_owned(),
        failures: found.unsigned("failures")?,
    })
}

fn source<R: Columns>(found: &R) -> Result<SharedSource, StorageError> {
    let hash: Result<[u8; 32], _> = found.bytes("name_hash")?.try_into();
    let name_hash = hash.map_err(|_| damaged("name_hash", &"it does not have 32 bytes"))?;
    Ok(SharedSource { name_hash, network: found.parsed("network")? })
}
