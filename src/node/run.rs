//! One node from start to end: what is opened and bound, what runs in the background, and how it drains.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio_util::sync::CancellationToken;

use super::acme::Acme;
use super::administrator::Administrator;
use super::backup::OwnCopies;
use super::bucket::require_usable_bucket;
use super::certificates_in_use::CertificatesInUse;
use super::data_directory::DataDirectory;
use super::ending::Ending;
use super::first_start::first_start;
use super::identity::{client_verifier, identity_source};
use super::presence::Presence;
use super::schema::database_copies;
use super::settings::{http_settings, registry_settings};
use super::shared::RegistryFiles;
use super::stores::{Stores, open_stores};
use crate::admin::{Retention, RetentionSettings};
use crate::auth::{Authenticator, DataKey};
use crate::config::Config;
use crate::domain::Clock;
use crate::http::{self, App};
use crate::jobs::list::{AcmeParts, Parts, list};
use crate::jobs::{Heartbeat, Jobs};
use crate::pki::{Authority, CertificateSummary, Identity, IdentitySource, Origin};
use crate::registry::Registry;
use crate::server::{Server, SignalEvent, Signals};
use crate::storage::metadata::sqlite::DatabaseCopies;
use crate::tls::{self, ClientVerifier, ServingIdentity};

/// Threads that read, write and sync files, and hash passwords. Each costs memory of its own, and more of them make no disk faster.
const BLOCKING_THREADS: usize = 32;

/// A node that is about to serve, as it is announced.
pub(crate) struct Ready<'a> {
    pub(crate) address: SocketAddr,
    pub(crate) data: &'a DataDirectory,
    pub(crate) certificate: &'a CertificateSummary,
    /// The CA that signed the certificate, if it is the registry's own.
    pub(crate) authority: Option<&'a Authority>,
    /// The administrator, if this is the first start.
    pub(crate) administrator: Option<&'a Administrator>,
}

/// Serves until a signal, then drains. `announce` is called once, when the port is bound and everything is open.
pub(crate) fn run(config: &Config, announce: impl FnOnce(&Ready<'_>) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().max_blocking_threads(BLOCKING_THREADS).build();
    runtime.context("cannot start the asynchronous runtime")?.block_on(serve(config, announce))
}

async fn serve(config: &Config, announce: impl FnOnce(&Ready<'_>) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let data = DataDirectory::at(&config.data_dir);
    data.create()?;
    let _lock = data.lock()?;
    let clock = Clock::system();
    let clients = client_verifier(config, &clock)?;
    // Bound before anything is made, so that a port in use leaves no half-made registry behind.
    let server = Server::bind(config.server.clone())?.with_clients(clients.clone());
    let acme = Acme::prepare(config, &data, &clock, server.local_addr().port())?;
    let stores = open_stores(config, &clock).await?;
    require_usable_bucket(config, &clock).await?;
    let (files, data_key) = RegistryFiles::of_node(config, &data, &stores).await?;
    let administrator = first_start(&data, config, &stores.metadata, (&files, &data_key), &clock).await?;
    let metadata = Arc::clone(&stores.metadata);
    let node =
        Node::assemble(config, &data, stores, (files, data_key), (clients, acme.as_ref()), clock.clone()).await?;

    let identity = node.serving.current();
    announce(&Ready {
        address: server.local_addr(),
        data: &data,
        certificate: identity.summary(),
        authority: node.authority.as_ref(),
        administrator: administrator.as_ref(),
    })?;
    drop(administrator);
    for warning in identity.warnings() {
        tracing::warn!("{warning}");
    }
    let presence = Presence::enter(metadata, config, server.local_addr(), node.clients.clone(), clock).await?;
    node.serve(server, acme, presence).await
}

/// Everything that works while a node serves.
struct Node {
    stores: Stores,
    files: RegistryFiles,
    data_key: DataKey,
    auth: Arc<Authenticator>,
    registry: Arc<Registry>,
    retention: RetentionSettings,
    app: App,
    source: IdentitySource,
    authority: Option<Authority>,
    serving: Arc<ServingIdentity>,
    certificates: Arc<CertificatesInUse>,
    clients: Option<Arc<ClientVerifier>>,
    drain_delay: Duration,
    copies: Option<DatabaseCopies>,
    own_copies: Option<Arc<OwnCopies>>,
    clock: Clock,
}

impl Node {
    async fn assemble(
        config: &Config,
        data: &DataDirectory,
        stores: Stores,
        (files, data_key): (RegistryFiles, DataKey),
        (clients, acme): (Option<Arc<ClientVerifier>>, Option<&Acme>),
        clock: Clock,
    ) -> anyhow::Result<Self> {
        let source = identity_source(config, data, &clock)?.with_changes(files.changes());
        let preparing = source.clone();
        let identity = tokio::task::spawn_blocking(move || preparing.prepare()).await??;
        let authority =
            if identity.origin() == Origin::ManagedCa { Some(Authority::load(data.path(), &clock)?) } else { None };
        let serving = serving_identity(identity, acme, &clock);
        let certificates = Arc::new(CertificatesInUse::new(Arc::clone(&serving), data.path(), clock.clone()));
        certificates.look();
        let (metadata, blobs) = (Arc::clone(&stores.metadata), Arc::clone(&stores.blobs));
        let auth = Authenticator::open(Arc::clone(&metadata), config.auth.clone(), data_key.clone(), clock.clone());
        let auth = Arc::new(auth.await?);
        let registry = Arc::new(Registry::new(metadata, blobs, registry_settings(config), clock.clone()));
        let app = App::new(Arc::clone(&registry), Arc::clone(&auth), http_settings(config), certificates.clone());
        Ok(Self {
            own_copies: OwnCopies::of(config, data, &data_key, &clock),
            stores,
            files,
            data_key,
            auth,
            registry,
            retention: RetentionSettings::of(config),
            app,
            source,
            authority,
            serving,
            certificates,
            clients,
            drain_delay: config.server.drain_delay,
            copies: database_copies(config),
            clock,
        })
    }

    async fn serve(self, server: Server, acme: Option<Acme>, presence: Presence) -> anyhow::Result<()> {
        let signals = Signals::catch().context("cannot listen to signals")?;
        let (leaving, stop) = (CancellationToken::new(), CancellationToken::new());
        let ending = Ending {
            app: self.app.clone(),
            presence: presence.clone(),
            delay: self.drain_delay,
            leaving: leaving.clone(),
            stop: stop.clone(),
        };
        let (app, metadata, clock) = (self.app.clone(), Arc::clone(&self.stores.metadata), self.clock.clone());
        let acceptor = tls::Acceptor::new(Arc::clone(&self.serving), self.clients.clone())?;
        let identity = self.serving.current();
        let (key, changes) = (self.data_key.clone(), self.files.changes());
        let acme = acme.map(|acme| acme.start(Arc::clone(&metadata), key, changes, identity.origin(), stop.clone()));
        let registry = Arc::clone(&self.registry);
        if let Err(error) = registry.begin_pull_recording().await {
            // Pulls are served from a full disk as well; the job tries it again.
            tracing::warn!(%error, "cannot note in the database whether pulls are recorded");
        }
        let parts = self.parts(acme, presence.heartbeat(&leaving));
        let jobs = Jobs::start(list(parts), presence.leaseholder(&leaving), &clock, &stop);
        tokio::spawn(obey_signals(signals, jobs.clone(), ending));
        let drained = server.serve(http::service(&app), acceptor, stop).await;
        if drained.cut > 0 {
            tracing::warn!(
                connections = drained.cut,
                "closed connections that were still busy at the end of the drain timeout"
            );
        }
        jobs.stopped().await;
        if let Err(error) = registry.record_pulls().await {
            tracing::warn!(%error, "cannot record the last pulls before the end");
        }
        presence.end().await;
        metadata.close().await?;
        tracing::info!("stopped");
        Ok(())
    }

    /// What the jobs work on.
    fn parts(self, acme: Option<AcmeParts>, heartbeat: Option<Heartbeat>) -> Parts {
        let certificates = self.certificates;
        Parts {
            auth: self.auth,
            retention: Retention::new(self.stores.metadata, self.retention, self.clock.clone()),
            registry: self.registry,
            serving: self.serving,
            source: self.source,
            follow_authority: Box::new(move || certificates.follow()),
            follow_shared_files: self.files.follower(),
            clients: self.clients,
            copies: self.copies,
            keep_copy: self.own_copies.map(OwnCopies::keeper),
            acme,
            heartbeat,
            clock: self.clock,
        }
    }
}

fn serving_identity(identity: Identity, acme: Option<&Acme>, clock: &Clock) -> Arc<ServingIdentity> {
    match acme {
        Some(acme) => ServingIdentity::with_challenges(identity, clock.clone(), acme.challenges()),
        None => ServingIdentity::new(identity, clock.clone()),
    }
}

/// SIGHUP reads the certificate and the files of client certificates again; the first SIGTERM or SIGINT drains, the second stops at once.
async fn obey_signals(mut signals: Signals, jobs: Jobs, ending: Ending) {
    let mut ending = Some(ending);
    loop {
        match signals.next().await {
            SignalEvent::Reload => jobs.reload(),
            SignalEvent::End => {
                let Some(ending) = ending.take() else {
                    tracing::warn!("asked to stop a second time: stopping without draining");
                    std::process::exit(1);
                };
                tokio::spawn(ending.begin());
            }
        }
    }
}
