//! The leases of this node, for the jobs that only one node runs. They are taken where they are free, and renewed at a third of their time;
//! a job works as long as its lease lasts by this node's own measure, also where the database does not answer. When the node leaves they are
//! given back, so that another continues at once.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::join_all;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::job::{Cause, Failure, Work};
use crate::domain::Clock;
use crate::storage::StorageError;
use crate::storage::coordination::Lease;
use crate::storage::metadata::Metadata;

/// How long a lease lasts without a renewal: so late, and one renewal later at the most, another node takes over from one that died.
const TIME: Duration = Duration::from_secs(15);
/// How often leases are renewed, and free ones taken.
pub(super) const RENEWAL: Duration = Duration::from_secs(5);

/// In whose name a node takes leases.
pub(crate) struct Leaseholder {
    pub(crate) store: Arc<dyn Metadata>,
    /// The node's id.
    pub(crate) id: String,
    pub(crate) clock: Clock,
    /// When the node begins to leave.
    pub(crate) leaving: CancellationToken,
}

/// A lease that is held, as far as this node knows.
#[derive(Clone, Debug)]
struct Held {
    lease: Lease,
    /// When it runs out at the latest, by a clock that never steps.
    until: Instant,
}

/// Takes and renews leases.
pub(super) struct LeaseKeeper {
    holder: Leaseholder,
    kept: Vec<(&'static str, watch::Sender<Option<Held>>)>,
}

/// What a job sees of its lease.
#[derive(Clone)]
pub(super) struct LeaseWatch(watch::Receiver<Option<Held>>);

impl LeaseKeeper {
    pub(super) fn new(holder: Leaseholder) -> Self {
        Self { holder, kept: Vec::new() }
    }

    /// Keeps the lease of this name, too.
    pub(super) fn keep(&mut self, name: &'static str) -> LeaseWatch {
        let (sender, watch) = watch::channel(None);
        self.kept.push((name, sender));
        LeaseWatch(watch)
    }

    pub(super) fn leaving(&self) -> &CancellationToken {
        &self.holder.leaving
    }

    /// Renews what is held, and takes what is free. All at once: a write under one lease holds that one's row until it is committed, and must
    /// not keep this node from renewing the others.
    async fn keep_all(&self) -> Result<(), StorageError> {
        let known = self.holder.store.leases().await?;
        let kept = self.kept.iter().map(async |(name, held)| {
            let in_time = tokio::time::timeout(RENEWAL, self.keep_one(name, held, &known)).await;
            in_time.unwrap_or_else(|_| Err(StorageError::Busy(format!("the lease of {name} is locked by a write"))))
        });
        join_all(kept).await.into_iter().collect()
    }

    async fn keep_one(
        &self,
        name: &'static str,
        held: &watch::Sender<Option<Held>>,
        known: &[Lease],
    ) -> Result<(), StorageError> {
        let Leaseholder { store, id, clock, .. } = &self.holder;
        let asked = Instant::now();
        let before = held.borrow().as_ref().map(|held| held.lease.clone());
        let now = clock.now().as_millisecond();
        let is_of_another = known.iter().any(|lease| lease.name == name && lease.until > now && lease.holder != *id);
        let lease = match &before {
            Some(lease) => store.renew_lease(lease, TIME).await?,
            None if is_of_another => None,
            None => self.take(name).await?,
        };
        match (&before, &lease) {
            (None, Some(_)) => tracing::info!(job = name, "this node runs the job from now on"),
            (Some(_), None) => tracing::warn!(job = name, "another node has taken the job over"),
            _ => {}
        }
        held.send_replace(lease.map(|lease| Held { lease, until: asked + TIME }));
        Ok(())
    }

    /// Takes a lease that is free. A transaction that wrote under it may still hold it, of a node that is paused: that must not keep this
    /// one from renewing others.
    async fn take(&self, name: &str) -> Result<Option<Lease>, StorageError> {
        let Leaseholder { store, id, .. } = &self.holder;
        let taken = tokio::time::timeout(RENEWAL / 5, store.take_lease(name, id, TIME)).await;
        taken.unwrap_or(Ok(None))
    }

    /// To be called once no job works any more. What cannot be given back runs out.
    pub(super) async fn give_back(&self) {
        for (name, held) in &self.kept {
            let Some(Held { lease, .. }) = held.send_replace(None) else { continue };
            if let Err(error) = self.holder.store.release_lease(&lease).await {
                tracing::warn!(job = name, %error, "the lease could not be given back: another node takes it when it has run out");
            }
        }
    }
}

impl LeaseWatch {
    /// Waits until this node has the lease.
    pub(super) async fn held(&mut self) -> Lease {
        loop {
            if let Some(held) = self.0.borrow_and_update().as_ref().filter(|held| held.until > Instant::now()) {
                return held.lease.clone();
            }
            if self.0.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// Waits until this node does not have the lease any more.
    pub(super) async fn lost(&mut self, lease: &Lease) {
        loop {
            let held = self.0.borrow_and_update().clone();
            let Some(held) = held.filter(|held| held.lease.token == lease.token) else { return };
            tokio::select! {
                () = tokio::time::sleep_until(held.until) => {
                    if self.0.has_changed().is_ok_and(|changed| !changed) {
                        return;
                    }
                }
                changed = self.0.changed() => if changed.is_err() { return },
            }
        }
    }
}

/// The job that does it.
pub(super) struct KeepLeases(pub(super) Arc<LeaseKeeper>);

#[async_trait]
impl Work for KeepLeases {
    async fn run(&mut self, _: Cause) -> Result<(), Failure> {
        Ok(self.0.keep_all().await?)
    }
}

#[cfg(test)]
#[path = "leaseholder_tests.rs"]
mod tests;
