//! ACME beside the server: its settings from the configuration, and the tasks that answer and order.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::acme_store::AcmeLedger;
use super::data_directory::DataDirectory;
use super::host_names::subject_name;
use crate::auth::SealKey;
use crate::cli::serve::POLL;
use crate::config::{self, AcmeChallenge, Config};
use crate::pki::Origin;
use crate::pki::acme::{
    AcmeSettings, ChallengeMethod, Challenges, ExternalAccount, Ledger, Orderer, follow_challenges, keep_ordered,
};
use crate::server::{BindError, ChallengeListener};
use crate::storage::metadata::Metadata;
use crate::tls::ServingIdentity;

/// ACME, switched on and ready to start.
pub(crate) struct Acme {
    settings: AcmeSettings,
    challenges: Arc<Challenges>,
    listener: Option<ChallengeListener>,
}

impl Acme {
    /// `None` where it is switched off. Binds the port for plain HTTP where one is needed.
    pub(crate) fn prepare(config: &Config, data: &DataDirectory, https_port: u16) -> Result<Option<Self>, BindError> {
        let Some(acme) = &config.acme else { return Ok(None) };
        let settings = settings(config, acme, data);
        let listener = match settings.challenge {
            ChallengeMethod::Http01 => Some(ChallengeListener::bind(acme.http_listen, https_port)?),
            ChallengeMethod::TlsAlpn01 => None,
        };
        Ok(Some(Self { challenges: Challenges::new(settings.challenge), settings, listener }))
    }

    /// How control over the names is shown.
    pub(crate) fn method(&self) -> ChallengeMethod {
        self.settings.challenge
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

/// What the configuration says, in the words of the TLS module.
pub(crate) fn settings(config: &Config, acme: &config::Acme, data: &DataDirectory) -> AcmeSettings {
    AcmeSettings {
        data_dir: data.path().to_owned(),
        directory: acme.directory.clone(),
        contact: acme.contact.clone(),
        challenge: match acme.challenge {
            AcmeChallenge::TlsAlpn01 => ChallengeMethod::TlsAlpn01,
            AcmeChallenge::Http01 => ChallengeMethod::Http01,
        },
        names: config.server.hosts.iter().map(subject_name).collect(),
        profile: acme.profile.clone(),
        directory_ca: acme.directory_ca.clone(),
        external_account: acme
            .external_account
            .as_ref()
            .map(|external| ExternalAccount { kid: external.kid.clone(), key_file: external.key_file.clone() }),
    }
}
