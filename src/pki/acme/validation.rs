//! Showing the authority that the names are ours: challenges published where every node sees them, then the authority's answer.

use std::sync::Arc;
use std::time::Duration;

use instant_acme::{
    AuthorizationStatus, ChallengeStatus, ChallengeType, Error as ClientError, Identifier, Order, OrderStatus,
    RetryPolicy,
};
use jiff::Timestamp;

use super::challenges::AcmeChallenges;
use super::error::{AcmeError, FailedName, told};
use super::http_client::AcmeHttpClient;
use super::settings::OrderSettings;
use super::store::{AcmeStore, PendingAcmeChallenge};
use crate::domain::Clock;
use crate::pki::SubjectName;

/// After this time a challenge is forgotten whatever became of it.
const EXPIRY: Duration = Duration::from_mins(10);
/// From publishing a challenge to asking the authority to look: every node has read the store by then.
const SPREADING: Duration = Duration::from_secs(1);
/// How long the authority may take to look.
const LIMIT: Duration = Duration::from_mins(2);

/// What a validation needs.
pub(super) struct Validation<'a> {
    pub(super) settings: &'a OrderSettings,
    pub(super) store: &'a dyn AcmeStore,
    pub(super) challenges: &'a Arc<AcmeChallenges>,
    pub(super) client: &'a AcmeHttpClient,
    pub(super) clock: &'a Clock,
}

impl Validation<'_> {
    /// Brings the order to where it can be finalized. Challenges are withdrawn whatever comes of it.
    pub(super) async fn pass(&self, order: &mut Order) -> Result<(), AcmeError> {
        let pending = self.pending(order).await?;
        if !pending.is_empty() {
            self.store.publish(&pending).await.map_err(AcmeError::AcmeStore)?;
            let outcome = self.ask(order, &pending).await;
            if let Err(error) = self.store.withdraw(&pending).await {
                tracing::warn!(%error, "cannot withdraw ACME challenges; they expire by themselves");
            }
            return outcome;
        }
        self.await_outcome(order).await
    }

    /// The challenges of the names that are still to be validated.
    async fn pending(&self, order: &mut Order) -> Result<Vec<PendingAcmeChallenge>, AcmeError> {
        let expires = self.clock.now().checked_add(EXPIRY).unwrap_or(Timestamp::MAX);
        let mut pending = Vec::new();
        let mut authorizations = order.authorizations();
        while let Some(authorization) = authorizations.next().await {
            let mut authorization = authorization.map_err(self.client_error("reading the authorizations"))?;
            if authorization.status != AuthorizationStatus::Pending {
                continue;
            }
            let name = authorization.identifier().to_string();
            let offered: Vec<String> =
                authorization.challenges.iter().map(|challenge| kind(&challenge.r#type)).collect();
            let method = self.settings.acme.challenge;
            let Some(challenge) = authorization.challenge(method.into()) else {
                return Err(AcmeError::NotOffered { name, method, offered: offered.join(", ") });
            };
            pending.push(PendingAcmeChallenge {
                name: subject_name(challenge.identifier().identifier, &name)?,
                token: challenge.token.clone(),
                key_authorization: challenge.key_authorization().as_str().to_owned(),
                expires,
            });
        }
        Ok(pending)
    }

    async fn ask(&self, order: &mut Order, pending: &[PendingAcmeChallenge]) -> Result<(), AcmeError> {
        // This node knows at once; the others look into the store.
        self.challenges.replace(self.store.pending().await.map_err(AcmeError::AcmeStore)?);
        tokio::time::sleep(SPREADING).await;
        let mut authorizations = order.authorizations();
        while let Some(authorization) = authorizations.next().await {
            let mut authorization = authorization.map_err(self.client_error("reading the authorizations"))?;
            let Some(mut challenge) = authorization.challenge(self.settings.acme.challenge.into()) else { continue };
            if pending.iter().any(|pending| pending.token == challenge.token) {
                challenge.set_ready().await.map_err(self.client_error("asking for validation"))?;
            }
        }
        self.await_outcome(order).await
    }

    async fn await_outcome(&self, order: &mut Order) -> Result<(), AcmeError> {
        let policy = RetryPolicy::new().initial_delay(Duration::from_millis(500)).backoff(1.3).timeout(LIMIT);
        let failure = match order.poll_ready(&policy).await {
            Ok(OrderStatus::Ready) => return Ok(()),
            Ok(_) => None,
            Err(ClientError::Timeout(_)) => Some(AcmeError::TooSlow { doing: "validating", limit: LIMIT }),
            Err(error) => Some(self.client_error("validating")(error)),
        };
        let failures = self.failures(order).await?;
        match failure {
            Some(failure) if failures.is_empty() => Err(failure),
            _ => Err(AcmeError::NotValidated { failures, method: self.settings.acme.challenge }),
        }
    }

    /// What the authority says of each name that it could not validate.
    async fn failures(&self, order: &mut Order) -> Result<Vec<FailedName>, AcmeError> {
        let mut failures = Vec::new();
        let mut authorizations = order.authorizations();
        while let Some(authorization) = authorizations.next().await {
            let mut authorization = authorization.map_err(self.client_error("reading the authorizations"))?;
            let state = authorization.refresh().await.map_err(self.client_error("reading the authorizations"))?;
            let name = state.identifier().to_string();
            let failed = state.challenges.iter().find(|challenge| challenge.status == ChallengeStatus::Invalid);
            if let Some(challenge) = failed {
                let problem = challenge.error.as_ref().map_or_else(|| "no reason given".to_owned(), told);
                failures.push(FailedName { name, problem });
            } else if state.status == AuthorizationStatus::Invalid {
                failures.push(FailedName { name, problem: "no reason given".to_owned() });
            }
        }
        Ok(failures)
    }

    fn client_error(&self, doing: &'static str) -> impl FnOnce(ClientError) -> AcmeError {
        AcmeError::client(&self.settings.directory, doing, self.client.take_retry_after())
    }
}

fn subject_name(identifier: &Identifier, text: &str) -> Result<SubjectName, AcmeError> {
    match identifier {
        Identifier::Ip(ip) => Ok(SubjectName::Ip(ip.to_canonical())),
        _ => Ok(text.parse()?),
    }
}

fn kind(kind: &ChallengeType) -> String {
    match kind {
        ChallengeType::Http01 => "http-01".to_owned(),
        ChallengeType::Dns01 => "dns-01".to_owned(),
        ChallengeType::TlsAlpn01 => "tls-alpn-01".to_owned(),
        ChallengeType::Unknown(text) => text.clone(),
        other => format!("{other:?}"),
    }
}
