//! In doubt, nothing is removed: where database and blobs do not belong together, where nodes run different versions, and where more is about
//! to go than anyone expects.
//!
//! A mark in the database and in the blob store says that both belong together. It is replaced every hour, so that a database which was
//! restored from a backup, or made again, is told from the one that the blobs were stored with last: what it takes for unused may be used.

use std::time::Duration;

use uuid::Uuid;

use super::{Registry, RegistryError};
use crate::storage::coordination::SILENT;
use crate::storage::metadata::{CollectionMark, RemovalLimit, Removals};

/// How often both marks are compared where other nodes replace them at the same time.
const LOOKS: usize = 3;
/// How long a mark is in use.
const MARK_AGE: Duration = Duration::from_hours(1);
/// A registry of a few images may lose most of them on an ordinary day; one of many thousands does not lose a fifth.
const LIMIT: RemovalLimit = RemovalLimit { least: 1000, percent: 20, within: Duration::from_hours(24) };

/// Why nothing is removed for now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CollectionStop {
    /// The database was restored or made again, or the blob store is another one.
    OtherBlobs,
    /// A node of another version is there.
    OtherVersion {
        /// Its address.
        node: String,
        /// Its version.
        version: String,
    },
    /// It is more than a person has been asked about.
    AsksFirst(Removals),
}

impl std::fmt::Display for CollectionStop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::OtherBlobs => f.write_str(
                "nothing is removed: the blob store is not the one that this database was last used with (the database was restored from a \
                 backup or made again, or the blobs are in another place). Compare both: portcullis check",
            ),
            Self::OtherVersion { node, version } => write!(
                f,
                "nothing is removed while the node {node} runs version {version}, and this one {}: upgrade all nodes",
                env!("CARGO_PKG_VERSION")
            ),
            Self::AsksFirst(Removals { waiting, removed, blobs, .. }) => write!(
                f,
                "{waiting} blobs are about to be removed, and {removed} of {blobs} were since yesterday, which is more than {} % of all. See \
                 what it is (portcullis gc --dry-run), then allow it: portcullis gc --confirm",
                LIMIT.percent
            ),
        }
    }
}

impl Registry {
    /// Why nothing may be removed from these stores.
    pub async fn collection_stop(&self) -> Result<Option<CollectionStop>, RegistryError> {
        if self.metadata.serves_many_nodes() {
            let (own, now) = (env!("CARGO_PKG_VERSION"), self.clock.seconds());
            let is_there = |seen: i64| seen.saturating_add_unsigned(SILENT.as_secs()) > now;
            let nodes = self.metadata.nodes().await?;
            if let Some(other) = nodes.into_iter().find(|node| is_there(node.seen_at) && node.version != own) {
                return Ok(Some(CollectionStop::OtherVersion { node: other.address, version: other.version }));
            }
        }
        for _ in 0..LOOKS {
            let known = self.metadata.collection_mark().await?;
            if self.blobs_belong(known).await? {
                return Ok(None);
            }
            if self.metadata.collection_mark().await? == known {
                break;
            }
            // Another node has replaced the mark between the two looks.
        }
        Ok(Some(CollectionStop::OtherBlobs))
    }

    /// Whether it is time to replace the mark.
    pub(super) async fn mark_is_old(&self) -> Result<bool, RegistryError> {
        Ok(self.is_old(self.metadata.collection_mark().await?))
    }

    fn is_old(&self, mark: CollectionMark) -> bool {
        mark.since.saturating_add_unsigned(MARK_AGE.as_secs()) <= self.clock.seconds()
    }

    /// Whether the mark of the database is that of the blob store; replaces one that is old.
    async fn blobs_belong(&self, known: CollectionMark) -> Result<bool, RegistryError> {
        let CollectionMark { mark, before, .. } = known;
        let found = self.blobs.bond().await?;
        match mark {
            Some(mark) if found == Some(mark) => {}
            // A process has drawn the mark and was stopped, or another is about to leave it.
            Some(mark) if found == before => self.blobs.bind(mark).await?,
            None if found.is_none() => {}
            _ => return Ok(false),
        }
        if self.is_old(known) {
            self.replace_mark(mark).await?;
        }
        Ok(true)
    }

    /// The database first: what is interrupted between the two is continued from there.
    async fn replace_mark(&self, before: Option<Uuid>) -> Result<(), RegistryError> {
        let mut mark = Uuid::new_v4();
        if !self.metadata.replace_collection_mark(before, mark).await? {
            return Ok(());
        }
        loop {
            self.blobs.bind(mark).await?;
            match self.metadata.collection_mark().await?.mark {
                // This process was slow, and another has replaced the mark since then.
                Some(newer) if newer != mark => mark = newer,
                _ => return Ok(()),
            }
        }
    }

    /// Database and blobs belong together from now on: for those who have compared them.
    pub async fn bind_blobs(&self) -> Result<(), RegistryError> {
        let known = self.metadata.collection_mark().await?;
        self.replace_mark(known.mark).await
    }

    /// What is about to be removed, compared with what may be.
    pub async fn removals(&self) -> Result<Removals, RegistryError> {
        Ok(self.metadata.removals(LIMIT).await?)
    }

    /// Why blobs that wait for their removal stay, if they do.
    pub async fn removal_stop(&self) -> Result<Option<CollectionStop>, RegistryError> {
        let removals = self.removals().await?;
        Ok((!removals.are_allowed).then_some(CollectionStop::AsksFirst(removals)))
    }

    /// Allows the removal of the blobs that wait for it now; returns how many.
    pub async fn confirm_removals(&self) -> Result<u64, RegistryError> {
        self.require_writable()?;
        Ok(self.metadata.confirm_removals().await?)
    }
}
