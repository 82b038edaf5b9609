//! ACME beside the server: its settings from the configuration, and the tasks that answer and order.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::acme_store::AcmeLedger;
use super::data_directory::DataDirectory;
use super::host_names::subject_name;
use crate::auth::SealKey;
use crate::cli::serve::POLL;
use crate::config::{AcmeChallenge, Config};
use crate::pki::Origin;
use crate::pki::acme::{Challenges, Ledger, OrderSettings, Orderer, follow_challenges, keep_ordered};
use crate::server::{BindError, ChallengeListener};
use crate::storage::metadata::Metadata;
use crate::tls::ServingIdentity;

/// ACME, switched on and ready to start.
pub(crate) struct Acme {
    settings: OrderSettings,
    challenges: Arc<Challenges>,
    listener: Option<ChallengeListener>,
}

impl Acme {
    /// `None` where it is switched off. Binds the port for plain HTTP where one is needed.
    pub(crate) fn prepare(config: &Config, data: &DataDirectory, https_port: u16) -> Result<Option<Self>, BindError> {
        let Some(settings) = settings(config, data) else { return Ok(None) };
        let listener = match settings.acme.challenge {
            AcmeChallenge::Http01 => Some(ChallengeListener::bind(settings.acme.http_listen, https_port)?),
            AcmeChallenge::TlsAlpn01 => None,
        };
        Ok(Some(Self { challenges: Challenges::new(settings.acme.challenge), settings, listener }))
    }

    /// How control over the names is shown.
    pub(crate) fn method(&self) -> AcmeChallenge {
        self.settings.acme.challenge
    }

    /// What handshakes are to answer.
    pub(crate) fn challenges(&self) -> Arc<Challenges> {
        Arc::clone(&self.challenges)
    }

    /// Answers challenges, whoever orders, and orders by itself, until `stop`.
    pub(crate) fn start(
        self,
        metadata: Arc<dyn Metadata>,
        seal: SealKey,
        serving: Arc<ServingIdentity>,
        stop: CancellationToken,
    ) {
        if serving.current().origin() == Origin::Own {
            tracing::info!(
                directory = self.settings.directory,
                "the registry's own certificate is served until the one that ACME orders is here"
            );
        }
        let ledger: Arc<dyn Ledger> = Arc::new(AcmeLedger::new(metadata, seal));
        if let Some(listener) = self.listener {
            tokio::spawn(listener.serve(Arc::clone(&self.challenges), stop.clone()));
        }
        tokio::spawn(follow_challenges(Arc::clone(&self.challenges), Arc::clone(&ledger), POLL, stop.clone()));
        let orderer = Arc::new(Orderer::new(self.settings, ledger, self.challenges));
        tokio::spawn(keep_ordered(orderer, serving, stop));
    }

    /// Only answers what this process orders, until `stop`; gives what is needed to order.
    pub(crate) fn answer_only(self, ledger: Arc<dyn Ledger>, stop: CancellationToken) -> Orderer {
        if let Some(listener) = self.listener {
            tokio::spawn(listener.serve(Arc::clone(&self.challenges), stop));
        }
        Orderer::new(self.settings, ledger, self.challenges)
    }
}

/// What is to be ordered; `None` where ACME is switched off.
pub(crate) fn settings(config: &Config, data: &DataDirectory) -> Option<OrderSettings> {
    let names = config.server.hosts.iter().map(subject_name).collect();
    OrderSettings::new(data.path().to_owned(), names, &config.acme)
}
