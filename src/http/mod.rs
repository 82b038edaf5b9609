//! The wire: requests are parsed into values, handed to a use case with a permit, and answered in the protocol's own forms.
//!
//! [`router`] is the one table of routes; [`error`] the one place where failures become statuses and codes.

mod answers;
pub mod authorization;
mod body;
mod certificates;
mod challenge;
mod challenge_rule;
mod charged;
mod client_address;
mod cors;
mod cursor;
pub mod error;
mod extractors;
mod forwarded;
mod framing;
mod handlers;
mod headers;
mod origin;
mod pace;
mod page;
mod places;
mod query;
mod refusals;
pub mod route;
pub mod router;

pub use certificates::{Certificates, PublishedAuthority, ServedCertificate};
pub use challenge_rule::ChallengeRule;
pub use router::{routes, service};

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::extract::FromRef;
use ipnet::IpNet;
use tokio::sync::Semaphore;

use self::answers::Answers;
use self::cursor::CursorKey;
use self::error::OciError;
use self::pace::Patience;
use self::places::{Place, Places};
use self::refusals::Refusals;
use crate::auth::Authenticator;
use crate::domain::net::host_port::HostPort;
use crate::registry::{MemoryBudget, Owner, Registry, Reserved};

/// What the operator set about the wire.
#[derive(Clone, Debug)]
pub struct HttpSettings {
    /// What clients without credentials are asked for.
    pub challenge: ChallengeRule,
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
    /// The bytes per second that a body must come with on average; 0: any.
    pub minimum_rate: u64,
    /// How many uploads may write at the same time.
    pub concurrent_uploads: usize,
    /// The memory for bodies that are held whole, in bytes.
    pub body_memory: usize,
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
    cursors: Arc<CursorKey>,
    places: Arc<Places>,
    memory: Arc<MemoryBudget>,
    answers: Arc<Answers>,
    large_manifests: Arc<Semaphore>,
    refusals: Arc<Refusals>,
}

impl App {
    /// Puts together what handlers work with.
    pub fn new(
        registry: Arc<Registry>,
        auth: Arc<Authenticator>,
        settings: HttpSettings,
        certificates: Arc<dyn Certificates>,
    ) -> Self {
        let largest = usize::try_from(registry.settings().manifest_size).unwrap_or(usize::MAX);
        Self {
            memory: MemoryBudget::new(settings.body_memory, largest),
            answers: Arc::new(Answers::new(MemoryBudget::open_to_strangers(settings.body_memory, largest))),
            large_manifests: Arc::new(Semaphore::new(1)),
            registry,
            auth,
            places: Places::new(settings.concurrent_uploads),
            refusals: Arc::default(),
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

    /// A place among the uploads, for as long as the body comes.
    fn open_place(&self, owner: Owner) -> Result<Place, OciError> {
        self.places.open(owner)
    }

    /// Memory for a body that is held whole, to be grown.
    fn reserve(&self, owner: Owner) -> Reserved {
        self.memory.open(owner)
    }

    fn patience(&self) -> Patience {
        Patience { idle: self.settings.idle_timeout, rate: self.settings.minimum_rate }
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
