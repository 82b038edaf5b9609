//! The wire: requests are parsed into values, handed to a use case with a permit, and answered in the protocol's own forms.
//!
//! [`router`] is the one table of routes; [`error`] the one place where failures become statuses and codes.

pub mod auth;
mod body;
mod certificates;
pub mod error;
mod health;
mod middleware;
mod request;
pub mod router;
pub mod v2;
mod web;
mod well_known;

pub use certificates::{Certificates, PublishedAuthority, ServedCertificate};
pub use router::{routes, service};

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::extract::FromRef;
use tokio::sync::Semaphore;

use self::body::minimum_rate::MinimumRate;
use self::body::upload_limits::{UploadLimits, UploadPermit};
use self::error::OciError;
use self::middleware::denied_log::DeniedLog;
use self::middleware::pending_responses::PendingResponses;
use self::v2::cursor::CursorKey;
use crate::auth::Authenticator;
use crate::config::{AuthSettings, LimitSettings, ServerSettings};
use crate::registry::{MemoryBudget, Owner, Registry, Reserved};

/// The sections that the operator set for the wire.
#[derive(Clone, Debug, Default)]
pub struct HttpSettings {
    /// The address that clients use, proxies, timeouts.
    pub server: ServerSettings,
    /// What clients without credentials are asked for.
    pub auth: AuthSettings,
    /// Sizes and counts.
    pub limits: LimitSettings,
}

/// Everything that handlers work with; shared, so that a request counts one reference and not one for each part.
#[derive(Clone)]
pub struct App(Arc<Shared>);

/// What an [`App`] consists of.
pub struct Shared {
    registry: Arc<Registry>,
    auth: Arc<Authenticator>,
    settings: HttpSettings,
    certificates: Arc<dyn Certificates>,
    draining: AtomicBool,
    cursors: CursorKey,
    uploads: Arc<UploadLimits>,
    memory: Arc<MemoryBudget>,
    pending: PendingResponses,
    large_manifests: Semaphore,
    denied_log: Arc<DeniedLog>,
}

impl App {
    /// Puts together what handlers work with.
    pub fn new(
        registry: Arc<Registry>,
        auth: Arc<Authenticator>,
        settings: HttpSettings,
        certificates: Arc<dyn Certificates>,
    ) -> Self {
        let largest = registry.settings().limits.manifest_size.in_memory();
        Self(Arc::new(Shared {
            memory: MemoryBudget::new(settings.limits.body_memory.in_memory(), largest),
            pending: PendingResponses::new(MemoryBudget::open_to_anonymous(
                settings.limits.body_memory.in_memory(),
                largest,
            )),
            large_manifests: Semaphore::new(1),
            registry,
            auth,
            uploads: UploadLimits::new(settings.limits.concurrent_uploads),
            denied_log: Arc::default(),
            settings,
            certificates,
            draining: AtomicBool::new(false),
            cursors: CursorKey::generate(),
        }))
    }

    /// From now on, readiness is denied: the server is about to stop.
    pub fn start_draining(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// A place among the uploads, for as long as the body comes.
    fn open_upload(&self, owner: Owner) -> Result<UploadPermit, OciError> {
        self.uploads.open(owner)
    }

    /// Memory for a body that is held whole, to be grown.
    fn reserve(&self, owner: Owner) -> Reserved {
        self.memory.open(owner)
    }

    fn minimum_rate(&self) -> MinimumRate {
        MinimumRate { idle: self.settings.server.idle_timeout, rate: self.settings.server.minimum_rate.bytes() }
    }

    fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }
}

impl Deref for App {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

impl FromRef<App> for Arc<Registry> {
    fn from_ref(app: &App) -> Self {
        Arc::clone(&app.registry)
    }
}
