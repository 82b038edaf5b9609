//! `portcullis cert request`: orders a certificate by ACME now. Where the server runs, it answers the authority's challenges, for it
//! finds them in the database; where it does not, this command listens in its place for as long as the order takes.

use std::sync::Arc;

use anyhow::{Context as _, bail};
use axum::Router;
use axum::http::StatusCode;
use tokio_util::sync::CancellationToken;

use super::cert::show;
use super::context::Context;
use super::output::Output;
use super::serve::identity_source;
use crate::config::{AcmeChallenge, Config};
use crate::node::acme::{Acme, settings};
use crate::node::acme_store::AcmeLedger;
use crate::node::data_directory::DataDirectory;
use crate::pki::CertificateSummary;
use crate::pki::acme::{AcmeError, Challenges, Ledger, Orderer};
use crate::server::Server;
use crate::tls::{self, ServingIdentity};

pub(super) fn run(context: &Context, config: &Config, data: &DataDirectory, output: &Output) -> anyhow::Result<()> {
    let Some(settings) = settings(config, data) else {
        bail!(
            "ACME is switched off: set acme.directory (and server.hosts and acme.terms_agreed) in the configuration; \
             `portcullis config default` explains them"
        );
    };
    let directory = settings.directory.clone();
    let summary = context.with_metadata(|metadata| async move {
        let ledger: Arc<dyn Ledger> = Arc::new(AcmeLedger::new(metadata, data.seal_key()?));
        match data.try_lock()? {
            Err(server) => {
                let challenges = Challenges::new(settings.acme.challenge);
                let ordered = Orderer::new(settings, ledger, challenges).order().await;
                if let Err(AcmeError::NotValidated { .. }) = &ordered {
                    return ordered.with_context(|| {
                        format!("the running server (process {server}) had to answer, which it does if it was started with ACME switched on")
                    });
                }
                Ok(ordered?)
            }
            Ok(_lock) => order_alone(config, data, ledger).await,
        }
    })?;
    tracing::debug!(sha256 = %summary.fingerprint, "ordered");
    show(&identity_source(config, data)?.load()?, Some(&directory), output)
}

/// Listens where the server would, and orders.
async fn order_alone(
    config: &Config,
    data: &DataDirectory,
    ledger: Arc<dyn Ledger>,
) -> anyhow::Result<CertificateSummary> {
    let stop = CancellationToken::new();
    let Some(acme) = Acme::prepare(config, data, config.server.listen.port())? else {
        bail!("ACME is switched off");
    };
    let serving = match acme.method() {
        AcmeChallenge::Http01 => None,
        AcmeChallenge::TlsAlpn01 => {
            let server = Server::bind(config.server.clone())?;
            let identity = identity_source(config, data)?.prepare()?;
            let tls = tls::Acceptor::new(ServingIdentity::with_challenges(identity, acme.challenges()), None)?;
            Some(tokio::spawn(server.serve(closed(), tls, stop.clone())))
        }
    };
    let ordered = acme.answer_only(ledger, stop.clone()).order().await;
    stop.cancel();
    if let Some(serving) = serving {
        serving.await.context("the listener broke off")?;
    }
    Ok(ordered?)
}

/// For whoever comes to use the registry meanwhile.
fn closed() -> Router {
    Router::new().fallback(|| async {
        (StatusCode::SERVICE_UNAVAILABLE, "This registry is not running: its certificate is being ordered.\n")
    })
}
