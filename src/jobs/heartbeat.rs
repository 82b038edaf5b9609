//! Says every few seconds that this node is there, and sets its clock by the one that all nodes share.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use super::job::{Cause, Failure, Work};
use crate::domain::Clock;
use crate::storage::coordination::NodeRecord;
use crate::storage::metadata::Metadata;

/// A date that is this much wrong, in milliseconds, is worth a warning: the certificates of this machine's other programs depend on it.
const WRONG: u64 = 30_000;
const WARN_AGAIN: Duration = Duration::from_hours(1);

/// The settings of a node as they are now, by their keys: what is in files may change while it serves.
pub(crate) type Settings = Arc<dyn Fn() -> BTreeMap<String, String> + Send + Sync>;

/// See the module.
pub(crate) struct Heartbeat {
    store: Arc<dyn Metadata>,
    node: NodeRecord,
    settings: Settings,
    leaving: CancellationToken,
    clock: Clock,
    warned: Option<Instant>,
}

impl Heartbeat {
    pub(crate) fn new(
        store: Arc<dyn Metadata>,
        node: NodeRecord,
        settings: Settings,
        leaving: CancellationToken,
        clock: Clock,
    ) -> Self {
        Self { store, node, settings, leaving, clock, warned: None }
    }

    pub(super) fn store(&self) -> Arc<dyn Metadata> {
        Arc::clone(&self.store)
    }

    fn warn(&mut self) {
        let (ahead, now) = (self.node.clock_ahead, self.clock.instant());
        if ahead.unsigned_abs() < WRONG || self.warned.is_some_and(|warned| now.duration_since(warned) < WARN_AGAIN) {
            return;
        }
        self.warned = Some(now);
        tracing::warn!(
            seconds = ahead / 1000,
            "the date of this machine differs from the database server's, which counts here; synchronise both: timedatectl set-ntp true"
        );
    }
}

#[async_trait]
impl Work for Heartbeat {
    async fn run(&mut self, _: Cause) -> Result<(), Failure> {
        self.store.follow_shared_clock().await?;
        self.node.clock_ahead = self.clock.machine_ahead();
        self.node.settings = (self.settings)();
        self.node.leaving = self.leaving.is_cancelled();
        self.warn();
        Ok(self.store.beat(&self.node).await?)
    }
}
