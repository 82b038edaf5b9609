//! One order from its beginning to the files: account, validation, certificate.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use instant_acme::{
    Account, CertificateIdentifier, Error as ClientError, Identifier, NewOrder, Order, RenewalInfo, RetryPolicy,
};
use rustls_pki_types::CertificateDer;
use zeroize::Zeroizing;

use super::account;
use super::challenges::AcmeChallenges;
use super::error::AcmeError;
use super::files::{OrderLock, install, installed};
use super::http_client::AcmeHttpClient;
use super::settings::OrderSettings;
use super::store::AcmeStore;
use super::validation::Validation;
use crate::domain::Clock;
use crate::pki::{CertificateSummary, FileChanges, SubjectName};

/// How long the authority may take to make the certificate.
const ISSUING: Duration = Duration::from_mins(2);

/// Orders certificates for one data directory.
pub(crate) struct Orderer {
    settings: OrderSettings,
    store: Arc<dyn AcmeStore>,
    challenges: Arc<AcmeChallenges>,
    clock: Clock,
}

impl Orderer {
    /// Nothing is done yet. `challenges` is what this process answers by.
    pub(crate) fn new(
        settings: OrderSettings,
        store: Arc<dyn AcmeStore>,
        challenges: Arc<AcmeChallenges>,
        clock: Clock,
    ) -> Self {
        Self { settings, store, challenges, clock }
    }

    /// What is ordered where.
    pub(crate) fn settings(&self) -> &OrderSettings {
        &self.settings
    }

    /// Orders a certificate and puts it into the data directory, where a running server takes it up. The challenges must be answered
    /// meanwhile: by this process or by the server on this data directory.
    pub(crate) async fn order(&self) -> Result<CertificateSummary, AcmeError> {
        let (data_dir, directory) = (self.settings.data_dir.clone(), self.settings.directory.clone());
        let held = blocking(move || {
            let lock = OrderLock::take(&data_dir)?.ok_or(AcmeError::Busy)?;
            Ok((lock, installed(&data_dir, &directory)))
        });
        let (_lock, replaces) = held.await?;
        self.keep_claim().await?;
        let ordered = self.order_claimed(replaces.as_ref()).await;
        if let Err(error) = self.store.release_order().await {
            tracing::warn!(%error, "another node can order only a minute from now");
        }
        ordered
    }

    /// Between two steps: a node that has died in one has the right to order for a minute.
    async fn keep_claim(&self) -> Result<(), AcmeError> {
        if self.store.claim_order().await.map_err(AcmeError::AcmeStore)? { Ok(()) } else { Err(AcmeError::Busy) }
    }

    async fn order_claimed(&self, replaces: Option<&CertificateDer<'_>>) -> Result<CertificateSummary, AcmeError> {
        let client = AcmeHttpClient::new(&self.settings, self.clock.clone())?;
        let mut order = self.begin(&client, replaces).await?;
        let (settings, challenges) = (&self.settings, &self.challenges);
        let validation =
            Validation { settings, store: self.store.as_ref(), challenges, client: &client, clock: &self.clock };
        validation.pass(&mut order).await?;
        self.keep_claim().await?;
        let key = order.finalize().await.map_err(self.client_error(&client, "asking for the certificate"))?;
        let key = Zeroizing::new(key.into_bytes());
        let policy = RetryPolicy::new().initial_delay(Duration::from_millis(500)).backoff(1.3).timeout(ISSUING);
        let chain = match order.poll_certificate(&policy).await {
            Ok(chain) => chain,
            Err(ClientError::Timeout(_)) => {
                return Err(AcmeError::TooSlow { doing: "making the certificate", limit: ISSUING });
            }
            Err(error) => return Err(self.client_error(&client, "fetching the certificate")(error)),
        };
        let (settings, now) = (self.settings.clone(), self.clock.now());
        let install = move |data_dir: &Path| install(data_dir, &settings.directory, &settings.names, &chain, &key, now);
        let changes = Arc::clone(&self.settings.changes);
        blocking(move || install_by(&*changes, install)).await
    }

    /// When the authority suggests to renew (RFC 9773), and how long that holds; `None` where it makes no suggestions.
    pub(crate) async fn suggestion(
        &self,
        certificate: &CertificateDer<'_>,
    ) -> Result<Option<(RenewalInfo, Duration)>, AcmeError> {
        let Ok(id) = CertificateIdentifier::try_from(certificate) else { return Ok(None) };
        let client = AcmeHttpClient::new(&self.settings, self.clock.clone())?;
        let account = account::open(&self.settings, self.store.as_ref(), &client).await?;
        match account.renewal_info(&id).await {
            Ok(suggestion) => Ok(Some(suggestion)),
            Err(ClientError::Unsupported(_)) => Ok(None),
            Err(error) => Err(self.client_error(&client, "asking when to renew")(error)),
        }
    }

    /// Places the order; with a new account where the authority has forgotten ours.
    async fn begin(&self, client: &AcmeHttpClient, replaces: Option<&CertificateDer<'_>>) -> Result<Order, AcmeError> {
        let account = account::open(&self.settings, self.store.as_ref(), client).await?;
        let placed = match self.place(&account, replaces).await {
            Err(error) if is_about(&error, "accountDoesNotExist") => {
                let account = account::replace(&self.settings, self.store.as_ref(), client).await?;
                self.place(&account, None).await
            }
            placed => placed,
        };
        placed.map_err(self.client_error(client, "placing the order"))
    }

    async fn place(&self, account: &Account, replaces: Option<&CertificateDer<'_>>) -> Result<Order, ClientError> {
        let identifiers: Vec<Identifier> = self.settings.names.iter().map(identifier).collect();
        let new = || {
            let new = NewOrder::new(&identifiers);
            match &self.settings.acme.profile {
                Some(profile) => new.profile(profile),
                None => new,
            }
        };
        if let Some(id) = replaces.and_then(|certificate| CertificateIdentifier::try_from(certificate).ok()) {
            match account.new_order(&new().replaces(id)).await {
                Ok(order) => return Ok(order),
                Err(error) if is_about(&error, "rateLimited") || is_about(&error, "accountDoesNotExist") => {
                    return Err(error);
                }
                // It only earns a better place: another authority's certificate, or one that was replaced already, has none.
                Err(error) => tracing::debug!(%error, "ordering without naming the certificate that is replaced"),
            }
        }
        account.new_order(&new()).await
    }

    fn client_error(&self, client: &AcmeHttpClient, doing: &'static str) -> impl FnOnce(ClientError) -> AcmeError {
        AcmeError::client(&self.settings.directory, doing, client.take_retry_after())
    }
}

/// What cannot be installed changes nothing.
fn install_by(
    changes: &dyn FileChanges,
    install: impl Fn(&Path) -> Result<CertificateSummary, AcmeError>,
) -> Result<CertificateSummary, AcmeError> {
    let mut installed = Err(AcmeError::Busy);
    changes.change(&mut |data_dir| {
        installed = install(data_dir);
        Ok(())
    })?;
    installed
}

fn identifier(name: &SubjectName) -> Identifier {
    match name {
        SubjectName::Dns(host) => Identifier::Dns(host.clone()),
        SubjectName::Ip(ip) => Identifier::Ip(*ip),
    }
}

fn is_about(error: &ClientError, kind: &str) -> bool {
    match error {
        ClientError::Api(problem) => problem
            .r#type
            .as_deref()
            .is_some_and(|found| found.strip_prefix("urn:ietf:params:acme:error:") == Some(kind)),
        _ => false,
    }
}

/// Files and locks block; the runtime's own threads must not.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, AcmeError> + Send + 'static,
) -> Result<T, AcmeError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(AcmeError::AcmeStore(Box::new(error))),
    }
}
