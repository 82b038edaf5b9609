//! The wire: requests are parsed into values, handed to a use case with a permit, and answered in the protocol's own forms.
//!
//! [`router`] is the one table of routes; [`error`] the one place where failures become statuses and codes.

pub mod authorization;
mod body;
mod certificates;
mod challenge;
mod client_address;
mod cors;
mod cursor;
pub mod error;
mod extractors;
mod forwarded;
mod handlers;
mod headers;
mod origin;
mod page;
mod query;
pub mod route;
pub mod router;

pub use certificates::{Certificates, PublishedAuthority, ServedCertificate};
pub use challenge::ChallengeKind;
pub use router::{routes, service};

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::extract::FromRef;
use ipnet::IpNet;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use self::cursor::CursorKey;
use self::error::OciError;
use crate::auth::Authenticator;
use crate::domain::host_port::HostPort;
use crate::registry::Registry;

/// What the operator set about the wire.
#[derive(Clone, Debug)]
pub struct HttpSettings {
    /// What clients without credentials are asked for.
    pub challenge: ChallengeKind,
    /// The token service's name in challenges.
    pub service: String,
    /// Proxies whose `Forwarded` and `X-Forwarded-*` are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// The host (and port) that clients reach this registry by, whatever a request says.
    pub public_host: Option<HostPort>,
    /// Origins whose pages may read answers (the Fetch standard's CORS protocol).
    pub cors_origins: Vec<String>,
    /// How many `tag` parameters a push of a manifest may carry.
    pub tags_per_push: usize,
    /// How long an upload may stand without a byte.
    pub idle_timeout: Duration,
    /// How many uploads may write at the same time.
    pub concurrent_uploads: usize,
    /// A text for everybody, sent as `Warning` (OCI distribution specification, "Warnings"): printable ASCII without quotes
    /// and backslashes.
    pub notice: Option<String>,
}

/// Everything that handlers work with.
#[derive(Clone)]
pub struct App {
    registry: Arc<Registry>,
    auth: Arc<Authenticator>,
    settings: Arc<HttpSettings>,
    certificates: Arc<dyn Certificates>,
    draining: Arc<AtomicBool>,
    uploads: Arc<Semaphore>,
    cursors: Arc<CursorKey>,
}

impl App {
    /// Puts together what handlers work with.
    pub fn new(
        registry: Arc<Registry>,
        auth: Arc<Authenticator>,
        settings: HttpSettings,
        certificates: Arc<dyn Certificates>,
    ) -> Self {
        Self {
            registry,
            auth,
            uploads: Arc::new(Semaphore::new(settings.concurrent_uploads.min(Semaphore::MAX_PERMITS))),
            settings: Arc::new(settings),
            certificates,
            draining: Arc::new(AtomicBool::new(false)),
            cursors: Arc::new(CursorKey::generate()),
        }
    }

    /// From now on, readiness is denied: the server is about to stop.
    pub fn start_draining(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// A place among the uploads that write at the same time, for as long as the answer lives.
    fn begin_writing(&self) -> Result<OwnedSemaphorePermit, OciError> {
        Arc::clone(&self.uploads).try_acquire_owned().map_err(|_| {
            OciError::too_many(Duration::from_secs(1), "too many uploads are being written at once: try again")
        })
    }

    fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }
}

impl FromRef<App> for Arc<Registry> {
    fn from_ref(app: &App) -> Self {
        Arc::clone(&app.registry)
    }
}
