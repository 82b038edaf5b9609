//! A certificate ordered by ACME at once. A running server answers the challenges, because it finds them in the database; if none runs,
//! this process listens instead for as long as the order takes.

use std::sync::Arc;

use anyhow::{Context as _, bail};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use tokio_util::sync::CancellationToken;

use super::acme::{Acme, settings};
use super::acme_store::DatabaseAcmeStore;
use super::data_directory::{DataDirectory, DataLock};
use super::identity::identity_source;
use super::secrets;
use super::shared::RegistryFiles;
use crate::config::{AcmeChallenge, Config};
use crate::domain::Clock;
use crate::pki::acme::{AcmeChallenges, AcmeError, AcmeStore, Orderer};
use crate::pki::{CertificateSummary, FileChanges};
use crate::server::{Answer, Server};
use crate::storage::coordination::{NodeRecord, SILENT};
use crate::storage::metadata::Metadata;
use crate::tls::{self, ServingIdentity};

/// What was ordered, and from which ACME directory.
pub(crate) struct Ordered {
    pub(crate) certificate: CertificateSummary,
    pub(crate) directory: String,
}

/// Orders a certificate now. It is stored; a running server serves it within a second.
pub(crate) async fn order_certificate(
    config: &Config,
    data: &DataDirectory,
    clock: &Clock,
    metadata: Arc<dyn Metadata>,
) -> anyhow::Result<Ordered> {
    let Some(settings) = settings(config, data) else {
        bail!(
            "ACME is disabled: set acme.directory (and server.hosts and acme.terms_agreed) in the configuration; \
             `portcullis config default` explains them"
        );
    };
    let directory = settings.directory.clone();
    let data_key = secrets::data_key(config, data, &*metadata).await?;
    let changes = RegistryFiles::of_command(config, data, &metadata, &data_key).changes();
    let serving = serving(data, &*metadata, clock).await?;
    let store: Arc<dyn AcmeStore> = Arc::new(DatabaseAcmeStore::new(metadata, data_key));
    let certificate = match serving {
        Err(_lock) => order_alone((config, data, clock), store, changes).await?,
        Ok(server) => {
            let challenges = AcmeChallenges::new(settings.acme.challenge);
            match Orderer::new(settings.with_changes(changes), store, challenges, clock.clone()).order().await {
                Err(error @ AcmeError::NotValidated { .. }) => {
                    return Err(error).with_context(|| {
                        format!(
                            "the running server ({server}) did not answer the challenge: it does so only if it was started \
                             with ACME enabled"
                        )
                    });
                }
                ordered => ordered?,
            }
        }
    };
    Ok(Ordered { certificate, directory })
}

/// Which server answers the challenges: a node of this database, or the process that serves the data directory. If there is none, the lock
/// that keeps one from starting here.
async fn serving(
    data: &DataDirectory,
    metadata: &dyn Metadata,
    clock: &Clock,
) -> anyhow::Result<Result<String, DataLock>> {
    let now = clock.seconds();
    let is_there =
        |node: &NodeRecord| !node.leaving && now.saturating_sub(node.seen_at).unsigned_abs() <= SILENT.as_secs();
    if metadata.serves_many_nodes()
        && let Some(node) = metadata.nodes().await?.into_iter().find(is_there)
    {
        return Ok(Ok(format!("the node {}", node.address)));
    }
    Ok(match data.try_lock()? {
        Ok(lock) => Err(lock),
        Err(process) => Ok(format!("process {process}")),
    })
}

/// Listens on the addresses of the server, and orders.
async fn order_alone(
    (config, data, clock): (&Config, &DataDirectory, &Clock),
    store: Arc<dyn AcmeStore>,
    changes: Arc<dyn FileChanges>,
) -> anyhow::Result<CertificateSummary> {
    let stop = CancellationToken::new();
    let Some(acme) = Acme::prepare(config, data, clock, config.server.listen.port())? else {
        bail!("ACME is disabled");
    };
    let serving = match acme.method() {
        AcmeChallenge::Http01 => None,
        AcmeChallenge::TlsAlpn01 => {
            let server = Server::bind(config.server.clone())?;
            let identity = identity_source(config, data, clock)?.prepare()?;
            let tls =
                tls::Acceptor::new(ServingIdentity::with_challenges(identity, clock.clone(), acme.challenges()), None)?;
            Some(tokio::spawn(server.serve(closed(), tls, stop.clone())))
        }
    };
    let ordered = acme.answer_only(store, changes, stop.clone()).order().await;
    stop.cancel();
    if let Some(serving) = serving {
        serving.await.context("the listener stopped early")?;
    }
    Ok(ordered?)
}

/// The answer to clients of the registry in the meantime.
fn closed() -> Answer {
    let text = "This registry is not running: its certificate is being ordered.\n";
    Arc::new(move |_| Box::pin(std::future::ready((StatusCode::SERVICE_UNAVAILABLE, text).into_response())))
}
