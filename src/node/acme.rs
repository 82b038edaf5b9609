//! ACME in a node: its settings from the configuration, and the tasks that answer challenges and order certificates.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::acme_store::DatabaseAcmeStore;
use super::data_directory::DataDirectory;
use crate::auth::DataKey;
use crate::config::{AcmeChallenge, Config};
use crate::domain::Clock;
use crate::jobs::list::AcmeParts;
use crate::pki::acme::{AcmeChallenges, AcmeStore, OrderSettings, Orderer};
use crate::pki::{FileChanges, Origin, SubjectName};
use crate::server::{AcmeListener, BindError};
use crate::storage::metadata::Metadata;

/// ACME, enabled and ready to start.
pub(crate) struct Acme {
    settings: OrderSettings,
    challenges: Arc<AcmeChallenges>,
    listener: Option<AcmeListener>,
    clock: Clock,
}

impl Acme {
    /// `None` if it is disabled. Binds the port for plain HTTP if one is needed.
    pub(crate) fn prepare(
        config: &Config,
        data: &DataDirectory,
        clock: &Clock,
        https_port: u16,
    ) -> Result<Option<Self>, BindError> {
        let Some(settings) = settings(config, data) else { return Ok(None) };
        let listener = match settings.acme.challenge {
            AcmeChallenge::Http01 => Some(AcmeListener::bind(settings.acme.http_listen, https_port)?),
            AcmeChallenge::TlsAlpn01 => None,
        };
        let challenges = AcmeChallenges::new(settings.acme.challenge);
        Ok(Some(Self { settings, challenges, listener, clock: clock.clone() }))
    }

    /// How control over the names is proved.
    pub(crate) fn method(&self) -> AcmeChallenge {
        self.settings.acme.challenge
    }

    /// The challenges that handshakes answer.
    pub(crate) fn challenges(&self) -> Arc<AcmeChallenges> {
        Arc::clone(&self.challenges)
    }

    /// Listens for challenges until `stop`; returns what the jobs need to answer those of every process, and to order.
    pub(crate) fn start(
        self,
        metadata: Arc<dyn Metadata>,
        data_key: DataKey,
        changes: Arc<dyn FileChanges>,
        served: Origin,
        stop: CancellationToken,
    ) -> AcmeParts {
        if served == Origin::ManagedCa {
            tracing::info!(
                directory = self.settings.directory,
                "the registry's own certificate is served until ACME has issued one"
            );
        }
        let store: Arc<dyn AcmeStore> = Arc::new(DatabaseAcmeStore::new(metadata, data_key));
        if let Some(listener) = self.listener {
            tokio::spawn(listener.serve(Arc::clone(&self.challenges), stop));
        }
        let settings = self.settings.with_changes(changes);
        let orderer = Orderer::new(settings, Arc::clone(&store), Arc::clone(&self.challenges), self.clock);
        AcmeParts { challenges: self.challenges, store, orderer }
    }

    /// Answers only the challenges of this process, until `stop`; returns what is needed to order.
    pub(crate) fn answer_only(
        self,
        store: Arc<dyn AcmeStore>,
        changes: Arc<dyn FileChanges>,
        stop: CancellationToken,
    ) -> Orderer {
        if let Some(listener) = self.listener {
            tokio::spawn(listener.serve(Arc::clone(&self.challenges), stop));
        }
        Orderer::new(self.settings.with_changes(changes), store, self.challenges, self.clock)
    }
}

/// What to order; `None` if ACME is disabled.
pub(crate) fn settings(config: &Config, data: &DataDirectory) -> Option<OrderSettings> {
    let names = config.server.hosts.iter().map(SubjectName::from).collect();
    OrderSettings::new(data.path().to_owned(), names, &config.acme)
}
