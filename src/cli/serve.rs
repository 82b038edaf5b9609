//! `portcullis serve`: puts the parts together, serves until a signal, drains.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::banner;
use super::context::Context;
use super::init::{constraints, initialise};
use super::output::{self, Output};
use crate::auth::Authenticator;
use crate::config::Config;
use crate::domain::{AccountName, Clock};
use crate::http::{App, HttpSettings};
use crate::node::acme::Acme;
use crate::node::administrator::Administrator;
use crate::node::certificates::CertificatesInUse;
use crate::node::data_directory::DataDirectory;
use crate::node::host_names::names_to_serve;
use crate::node::owner::act_as_owner;
use crate::pki::{Authority, Cadence, IdentitySource, Origin, keep_fresh};
use crate::registry::{Registry, RegistrySettings};
use crate::server::{Caught, Server, Signals};
use crate::storage::blobs::disk;
use crate::storage::metadata::sqlite;
use crate::telemetry::log as logging;
use crate::tls::{self, ClientFiles, ClientVerifier, ServingIdentity, keep_clients_fresh};

/// Threads that read, write and sync files, and hash passwords. Each costs memory of its own, and more of them make no disk faster.
const BLOCKING_THREADS: usize = 32;

/// The administrator that a first start makes.
const FIRST_ADMINISTRATOR: &str = "admin";
/// Between two looks at what other processes changed in the database; "within a second" is promised.
pub(crate) const POLL: Duration = Duration::from_millis(250);
/// Between two looks for upload sessions that stand still.
const EXPIRY_INTERVAL: Duration = Duration::from_mins(5);

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Address and port to serve HTTPS on [environment: `PORTCULLIS_SERVER_LISTEN`]
    #[arg(long, value_name = "ADDR:PORT")]
    listen: Option<SocketAddr>,
    /// A name or address of the registry, for its certificate; repeat it for more [environment: `PORTCULLIS_HOSTS`]
    #[arg(long = "host", value_name = "NAME")]
    hosts: Vec<String>,
}

pub(crate) fn run(context: &Context, args: Args) -> anyhow::Result<()> {
    let loaded = context.load_with(|overrides| {
        overrides.listen = args.listen;
        overrides.hosts = args.hosts;
    })?;
    act_as_owner(&loaded.config.data_dir)?;
    let _log = logging::start(&loaded.config.log)?;
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().max_blocking_threads(BLOCKING_THREADS).build();
    runtime.context("cannot start the asynchronous runtime")?.block_on(serve(loaded.config))
}

async fn serve(config: Config) -> anyhow::Result<()> {
    let data = DataDirectory::at(&config.data_dir);
    data.create()?;
    let _lock = data.lock()?;
    let clients = client_verifier(&config)?;
    // Bound before anything is made, so that a port in use leaves no half-made registry behind.
    let server = Server::bind(config.server.clone())?.with_clients(clients.clone());
    let acme = Acme::prepare(&config, &data, server.local_addr().port())?;
    let administrator = first_start(&data, &config).await?;
    let source = identity_source(&config, &data)?;
    let identity = source.prepare()?;
    let authority = if identity.origin() == Origin::Own { Some(Authority::load(data.path())?) } else { None };
    let serving = match &acme {
        Some(acme) => ServingIdentity::with_challenges(identity, acme.challenges()),
        None => ServingIdentity::new(identity),
    };

    let clock = Clock::system();
    let metadata = sqlite::open(&data.database(), clock.clone()).await?;
    let auth = Authenticator::open(metadata.clone(), config.auth.clone(), data.seal_key()?).await?;
    let auth = Arc::new(auth);
    let blobs = disk::open(data.path(), config.storage.min_free_space.bytes(), clock.clone())?;
    let registry = Arc::new(Registry::new(metadata.clone(), blobs, registry_settings(&config), clock));
    let certificates = Arc::new(CertificatesInUse::new(Arc::clone(&serving), data.path()));
    certificates.look();
    let app = App::new(Arc::clone(&registry), Arc::clone(&auth), http_settings(&config), certificates.clone());

    announce(&server, &data, &serving, authority.as_ref(), administrator.as_ref())?;
    for warning in serving.current().warnings() {
        tracing::warn!("{warning}");
    }
    let stop = CancellationToken::new();
    let (reload, reload_clients) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    if let Some(clients) = &clients {
        tokio::spawn(keep_clients_fresh(Arc::clone(clients), Arc::clone(&reload_clients), stop.clone()));
    }
    tokio::spawn(Arc::clone(&auth).keep_current(stop.clone()));
    tokio::spawn(expire_uploads(registry, stop.clone()));
    if let Some(acme) = acme {
        acme.start(metadata.clone(), data.seal_key()?, Arc::clone(&serving), stop.clone());
    }
    tokio::spawn(keep_fresh(Arc::clone(&serving), source, Cadence::default(), Arc::clone(&reload), stop.clone()));
    tokio::spawn(certificates.keep_current(stop.clone()));
    tokio::spawn(obey_signals(
        Signals::catch().context("cannot listen to signals")?,
        app.clone(),
        [reload, reload_clients],
        stop.clone(),
    ));
    let drained = server.serve(crate::http::service(&app), tls::Acceptor::new(serving, clients)?, stop).await;
    if drained.cut > 0 {
        tracing::warn!(
            connections = drained.cut,
            "cut connections that were still busy at the end of the time to drain"
        );
    }
    metadata.close().await?;
    tracing::info!("stopped");
    Ok(())
}

/// On a new database: CA, certificate, keys and administrator. The file that says when that was done is written again where it is
/// missing, and decides nothing.
async fn first_start(data: &DataDirectory, config: &Config) -> anyhow::Result<Option<Administrator>> {
    let marked = data.initialised_on()?.is_some();
    if marked && data.database().exists() {
        let metadata = sqlite::open(&data.database(), Clock::system()).await?;
        let is_new = metadata.is_new().await;
        metadata.close().await?;
        if !is_new? {
            return Ok(None);
        }
    }
    let name: AccountName = FIRST_ADMINISTRATOR.parse().context("the first administrator's name")?;
    let administrator = initialise(data, config, constraints(config, false), name, None).await?;
    if administrator.is_none() {
        tracing::warn!(
            data = %data.path().display(),
            "the file `initialised` was missing and is written again; users, keys and certificates are as they were"
        );
    }
    Ok(administrator)
}

/// The banner on a terminal, a log line elsewhere; the one-time password is never logged.
fn announce(
    server: &Server,
    data: &DataDirectory,
    serving: &ServingIdentity,
    authority: Option<&Authority>,
    administrator: Option<&Administrator>,
) -> anyhow::Result<()> {
    let identity = serving.current();
    let certificate = identity.summary();
    if output::is_terminal() {
        let text = banner::serving(server.local_addr(), data, certificate, authority, administrator);
        Output::new(false).raw(text.as_bytes())?;
        return if administrator.is_some() { data.forget_first_password() } else { Ok(()) };
    }
    if let Some(administrator) = administrator {
        tracing::info!(
            administrator = %administrator.name,
            password_file = %data.first_password().display(),
            "made an administrator; read the one-time password from the file, then change it: portcullis user passwd {}",
            administrator.name
        );
    }
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        address = %server.local_addr(),
        data = %data.path().display(),
        names = certificate.names.join(", "),
        certificate_until = %certificate.not_after,
        ca_sha256 = authority.map(|authority| authority.fingerprint().to_string()),
        "serving https; other hosts trust it by the line that `portcullis ca trust-command` prints"
    );
    Ok(())
}

/// Which certificate is served, by the configuration and the data directory.
pub(crate) fn identity_source(config: &Config, data: &DataDirectory) -> anyhow::Result<IdentitySource> {
    if let Some(pair) = config.tls.pair() {
        return Ok(IdentitySource::files(data.path(), pair.certificate, pair.private_key));
    }
    // A damaged authority is told before anything is asked of it.
    Authority::load(data.path())?;
    let hosts = config.server.hosts.clone();
    let source = IdentitySource::following(data.path(), move |authority| names_to_serve(&hosts, Some(authority)));
    Ok(if config.acme.is_enabled() { source.with_acme() } else { source })
}

/// Whose client certificates count, where the configuration asks for any.
fn client_verifier(config: &Config) -> anyhow::Result<Option<Arc<ClientVerifier>>> {
    let settings = &config.client_certificates;
    let Some(ca) = settings.ca.clone() else { return Ok(None) };
    let files = ClientFiles { ca, crls: settings.crl.clone() };
    let verifier = ClientVerifier::open(files, settings.rule(), settings.required);
    Ok(Some(verifier.context("the files that [client_certificates] names cannot be used")?))
}

async fn expire_uploads(registry: Arc<Registry>, stop: CancellationToken) {
    while stop.run_until_cancelled(tokio::time::sleep(EXPIRY_INTERVAL)).await.is_some() {
        match registry.drop_stale_uploads().await {
            Ok(0) => {}
            Ok(dropped) => tracing::info!(dropped, "dropped upload sessions that stood still for too long"),
            Err(error) => tracing::warn!(%error, "cannot drop upload sessions that stand still"),
        }
    }
}

/// SIGHUP reads the certificate and the files of client certificates again; the first SIGTERM or SIGINT drains, the second ends at once.
async fn obey_signals(mut signals: Signals, app: App, reload: [Arc<Notify>; 2], stop: CancellationToken) {
    loop {
        match signals.next().await {
            Caught::Reload => reload.iter().for_each(|files| files.notify_one()),
            Caught::End if stop.is_cancelled() => {
                tracing::warn!("asked to stop for the second time: stopping without draining");
                std::process::exit(1);
            }
            Caught::End => {
                tracing::info!("stopping: transfers under way may end, new ones are refused");
                app.start_draining();
                stop.cancel();
            }
        }
    }
}

fn registry_settings(config: &Config) -> RegistrySettings {
    let Config { limits, storage, delete, .. } = config.clone();
    RegistrySettings { limits, storage, delete }
}

fn http_settings(config: &Config) -> HttpSettings {
    let Config { server, auth, limits, .. } = config.clone();
    HttpSettings { server, auth, limits }
}
