//! The nodes of the registry: one row each, which a node writes again every few seconds.

use std::time::Duration;

use async_trait::async_trait;

use super::SqlMetadata;
use super::engine::{Engine, Session};
use super::row::{Columns, damaged};
use super::statement::statements;
use super::value::values;
use crate::storage::StorageError;
use crate::storage::coordination::{NodeRecord, Nodes, REMEMBERED, SILENT};

statements! {
    SEEN = "UPDATE nodes SET seen_at = $2, leaving = $3, clock_ahead = $4, settings = $5 WHERE id = $1";
    JOIN = "INSERT INTO nodes (id, version, address, started_at, seen_at, leaving, clock_ahead, settings)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (id) DO NOTHING";
    FORGET_NODES = "DELETE FROM nodes WHERE seen_at < $1 OR (address = $2 AND id <> $3 AND seen_at < $4)";
    REMOVE_NODE = "DELETE FROM nodes WHERE id = $1";
    ALL_NODES = "SELECT id, version, address, started_at, seen_at, leaving, clock_ahead, settings FROM nodes ORDER BY address, id";
}

#[async_trait]
impl<E: Engine> Nodes for SqlMetadata<E> {
    fn serves_many_nodes(&self) -> bool {
        E::SERVES_MANY_NODES
    }

    async fn follow_shared_clock(&self) -> Result<(), StorageError> {
        let asked = self.clock.instant();
        if let Some(theirs) = self.engine.time().await? {
            self.clock.follow(theirs, asked, self.clock.instant());
        }
        Ok(())
    }

    async fn beat(&self, node: &NodeRecord) -> Result<(), StorageError> {
        let (node, now) = (node.clone(), self.clock.seconds());
        self.engine.write_soon(move |session| Box::pin(beat(session, node, now))).await
    }

    async fn remove_node(&self, id: &str) -> Result<(), StorageError> {
        let values = values![id];
        let remove =
            self.engine.write_soon(move |session| Box::pin(async move { session.run(REMOVE_NODE, values).await }));
        remove.await.map(drop)
    }

    async fn nodes(&self) -> Result<Vec<NodeRecord>, StorageError> {
        self.engine.all(ALL_NODES, values![]).await?.iter().map(read).collect()
    }
}

async fn beat<S: Session>(session: &mut S, node: NodeRecord, now: i64) -> Result<(), StorageError> {
    let ago = |time: Duration| now.saturating_sub(i64::try_from(time.as_secs()).unwrap_or(i64::MAX));
    let NodeRecord { id, version, address, started_at, leaving, clock_ahead, settings, .. } = node;
    let settings = serde_json::json!(settings).to_string();
    if session.run(SEEN, values![id.as_str(), now, leaving, clock_ahead, settings.as_str()]).await? == 0 {
        let values = values![id.as_str(), version, address.as_str(), started_at, now, leaving, clock_ahead, settings];
        session.run(JOIN, values).await?;
    }
    session.run(FORGET_NODES, values![ago(REMEMBERED), address, id, ago(SILENT)]).await?;
    Ok(())
}

fn read<R: Columns>(found: &R) -> Result<NodeRecord, StorageError> {
    Ok(NodeRecord {
        id: found.text("id")?.to_owned(),
        version: found.text("version")?.to_owned(),
        address: found.text("address")?.to_owned(),
        started_at: found.integer("started_at")?,
        seen_at: found.integer("seen_at")?,
        leaving: found.boolean("leaving")?,
        clock_ahead: found.integer("clock_ahead")?,
        settings: serde_json::from_str(found.text("settings")?).map_err(|error| damaged("settings", &error))?,
    })
}
