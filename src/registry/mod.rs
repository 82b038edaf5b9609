//! The use cases of a registry: pull, push, upload, mount, delete, list, referrers.
//!
//! Each takes a permit ([`crate::auth::Authorized`]) that names the repository, so none can be reached without a right to it.
//! Nothing here knows HTTP; [`RegistryError`] is turned into the protocol's errors by `http`.

mod blob_rows;
mod change;
mod check;
mod collect;
mod collection_guard;
mod content;
mod content_locks;
mod delete;
mod error;
mod expire;
mod generations;
mod import;
mod lease;
mod list;
mod manifest_cache;
mod memory;
mod mount;
mod moving;
mod owner;
mod postpone;
mod pull;
mod pulls;
mod push;
mod quotas;
mod readiness;
mod referrers;
mod remove_contents;
mod scrub;
mod session_locks;
mod trash;
mod turns;
mod upload;
mod upload_turn;

pub use check::{CheckMode, CheckReport, Fault, FaultKind};
pub use collect::{Collected, CollectionPace};
pub use collection_guard::CollectionStop;
pub use content::{BlobStream, BodyError, BodyStream, Content, PulledManifest};
pub use error::RegistryError;
pub(crate) use import::ImportedManifest;
pub use list::{Next, Page};
pub use memory::{MemoryBudget, OutOfMemory, Reserved};
pub use owner::Owner;
pub use pull::BlobContent;
pub use push::PushedManifest;
pub use referrers::{Referrer, ReferrerPage};
pub use scrub::{ScrubPace, Throttle};
pub use upload::UploadSession;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use arc_swap::ArcSwap;

use crate::config::{
    ByteSize, DeleteSettings, GcSettings, LimitSettings, PullSettings, ScrubSettings, StorageSettings, TrashSettings,
};
use crate::domain::Clock;
use crate::storage::blobs::BlobStore;
use crate::storage::coordination::{MovePhase, SEEN_BY_NODES_WITHIN, SEEN_WITHIN};
use crate::storage::metadata::{Metadata, QuotaRecord};
use blob_rows::BlobRows;
use change::KnownRules;
use content_locks::ContentLocks;
use generations::Generations;
use manifest_cache::ManifestCache;
use postpone::Postponed;
use pulls::PullLog;
use readiness::Readiness;
use session_locks::SessionLocks;
use turns::Turns;

/// How many manifests are read at the same time: as many as the database has readers, so that no memory waits for one.
const MANIFEST_READS: usize = 4;

/// The sections that the operator set for a registry.
#[derive(Clone, Debug, Default)]
pub struct RegistrySettings {
    /// Sizes and counts.
    pub limits: LimitSettings,
    /// How long uploads are kept, and whether anything may be changed.
    pub storage: StorageSettings,
    /// Whether anything may be deleted.
    pub delete: DeleteSettings,
    /// How long blobs are leased, and how fast what nothing refers to is removed.
    pub gc: GcSettings,
    /// How long what was deleted is kept.
    pub trash: TrashSettings,
    /// Whether last pulls are recorded.
    pub pulls: PullSettings,
    /// How stored content is read back.
    pub scrub: ScrubSettings,
}

impl RegistrySettings {
    /// The largest blob in bytes; `None` for no limit.
    pub fn largest_blob(&self) -> Option<u64> {
        self.limits.blob_size.map(ByteSize::bytes)
    }
}

/// A registry over one metadata store and one blob store.
pub struct Registry {
    metadata: Arc<dyn Metadata>,
    blobs: Arc<dyn BlobStore>,
    settings: RegistrySettings,
    clock: Clock,
    generations: Generations,
    manifests: ManifestCache,
    rows: BlobRows,
    postponed: Postponed,
    sessions: SessionLocks,
    contents: ContentLocks,
    /// Whether the last collection found a reason to remove nothing.
    doubts: AtomicBool,
    pulls: PullLog,
    immutable: KnownRules,
    /// As last read from the database.
    move_phase: ArcSwap<MovePhase>,
    /// Manifests that are read from the database at the same time.
    reading: Turns,
    readiness: Readiness,
    /// What was used of each quota a moment ago.
    quotas: ArcSwap<Vec<QuotaRecord>>,
}

impl Registry {
    /// A registry over these stores.
    pub fn new(
        metadata: Arc<dyn Metadata>,
        blobs: Arc<dyn BlobStore>,
        settings: RegistrySettings,
        clock: Clock,
    ) -> Self {
        let seen_within = if metadata.serves_many_nodes() { SEEN_BY_NODES_WITHIN } else { SEEN_WITHIN };
        Self {
            generations: Generations::new(clock.clone(), seen_within),
            metadata,
            blobs,
            settings,
            manifests: ManifestCache::new(),
            rows: BlobRows::new(),
            postponed: Postponed::new(),
            clock,
            sessions: SessionLocks::default(),
            contents: ContentLocks::new(),
            doubts: AtomicBool::new(false),
            pulls: PullLog::new(),
            immutable: KnownRules::default(),
            move_phase: ArcSwap::default(),
            reading: Turns::new(MANIFEST_READS),
            readiness: Readiness::default(),
            quotas: ArcSwap::default(),
        }
    }

    /// Whether requests can be served.
    pub async fn ready(&self) -> Result<(), RegistryError> {
        Ok(self.readiness.ask(&*self.metadata, &self.clock).await?)
    }

    /// Every use case that changes anything asks this first.
    fn require_writable(&self) -> Result<(), RegistryError> {
        self.move_phase.load().require_settled()?;
        if self.settings.storage.read_only { Err(RegistryError::ReadOnly) } else { Ok(()) }
    }

    /// The limits in force.
    pub fn settings(&self) -> &RegistrySettings {
        &self.settings
    }
}
