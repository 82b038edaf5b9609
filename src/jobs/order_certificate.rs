//! Orders the certificate by ACME: the first one, and each next one in time. Whatever fails, the certificate in use stays in use.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use jiff::Timestamp;
use rustls_pki_types::CertificateDer;

use super::job::{Cause, Failure, Work};
use crate::domain::{Clock, Fingerprint};
use crate::pki::acme::renewal::{CurrentCertificate, choose, due};
use crate::pki::acme::{AcmeError, Orderer, issued_by};
use crate::pki::{CertificateSummary, Identity, Origin};
use crate::tls::ServingIdentity;

/// While another process orders, which does not take long.
const BUSY: Duration = Duration::from_secs(5);
/// After an order that succeeded, until its files are served. Of a short-lived certificate at most a third of its life, but no less than
/// [`SERVED`].
const SETTLE: Duration = Duration::from_mins(2);
const SERVED: Duration = Duration::from_secs(2);
/// The longest that an authority is believed when it asks to wait.
const PATIENCE: Duration = Duration::from_hours(7 * 24);
/// Between two questions for the authority's suggestion, whatever it says (RFC 9773, section 4.3.2).
const ASK_LEAST: Duration = Duration::from_mins(1);
const ASK_MOST: Duration = Duration::from_hours(24);
/// After a question that failed (RFC 9773, section 4.3.3).
const ASK_AGAIN: Duration = Duration::from_hours(6);

pub(super) struct OrderCertificate {
    orderer: Orderer,
    serving: Arc<ServingIdentity>,
    clock: Clock,
    held: Option<CurrentCertificate>,
    next_order: Instant,
    next_question: Instant,
}

#[async_trait]
impl Work for OrderCertificate {
    async fn run(&mut self, _: Cause) -> Result<(), Failure> {
        let current = self.serving.current();
        self.look(&current);
        self.ask(&current).await;
        let settings = self.orderer.settings();
        let reason = due(self.held.as_ref(), &settings.names, &settings.directory, self.clock.now());
        let Some(reason) = reason.filter(|_| self.clock.instant() >= self.next_order) else { return Ok(()) };
        tracing::info!(%reason, directory = settings.directory, names = ?settings.names.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "ordering a certificate");
        match self.orderer.order().await {
            Ok(summary) => self.succeeded(&summary),
            Err(AcmeError::Busy) => self.next_order = self.clock.instant() + BUSY,
            Err(error) => return Err(failed(&error)),
        }
        Ok(())
    }
}

impl OrderCertificate {
    pub(super) fn new(orderer: Orderer, serving: Arc<ServingIdentity>, clock: Clock) -> Self {
        let now = clock.instant();
        Self { orderer, serving, clock, held: None, next_order: now, next_question: now }
    }

    /// Sees which ordered certificate is served, whichever process ordered it.
    fn look(&mut self, current: &Identity) {
        if current.origin() != Origin::Acme {
            self.held = None;
            return;
        }
        let known: Option<Fingerprint> = self.held.as_ref().map(|held| held.summary.fingerprint);
        if known != Some(current.summary().fingerprint) {
            let directory = issued_by(&self.orderer.settings().data_dir);
            self.held = Some(CurrentCertificate { summary: current.summary().clone(), directory, suggested: None });
            self.next_question = self.clock.instant();
        }
    }

    /// Asks the authority, now and then, when it would like the certificate to be renewed.
    async fn ask(&mut self, current: &Identity) {
        let Some(held) = &mut self.held else { return };
        let ours = held.directory.as_deref() == Some(self.orderer.settings().directory.as_str());
        let is_time = self.clock.instant() >= self.next_question;
        let (true, Some(certificate)) = (ours && is_time, leaf(current)) else { return };
        let wait = match self.orderer.suggestion(&certificate).await {
            Ok(Some((suggestion, again))) => {
                let window = &suggestion.suggested_window;
                // The moment is chosen once per window, or it would move with every question.
                let within = |at: Timestamp| {
                    (window.start.unix_timestamp()..=window.end.unix_timestamp()).contains(&at.as_second())
                };
                if !held.suggested.is_some_and(within) {
                    held.suggested = Some(choose(&suggestion, rand::random()));
                }
                again.clamp(ASK_LEAST, ASK_MOST)
            }
            Ok(None) => ASK_MOST,
            Err(error) => {
                tracing::debug!(%error, "the ACME server does not say when to renew");
                ASK_AGAIN
            }
        };
        self.next_question = self.clock.instant() + wait;
    }

    /// Another job serves the new files; until it does, and where it refuses them, no further order is placed.
    fn succeeded(&mut self, summary: &CertificateSummary) {
        tracing::info!(names = ?summary.names, until = %summary.not_after, sha256 = %summary.fingerprint,
            "the ordered certificate has arrived");
        let life = summary.not_after.as_second().saturating_sub(summary.not_before.as_second());
        let third = Duration::from_secs(u64::try_from(life / 3).unwrap_or(0));
        self.next_order = self.clock.instant() + SETTLE.min(third.max(SERVED));
    }
}

/// Never tried again sooner than the authority asks.
fn failed(error: &AcmeError) -> Failure {
    Failure::retry_after(error, error.retry_after().unwrap_or_default().min(PATIENCE))
}

fn leaf(identity: &Identity) -> Option<CertificateDer<'static>> {
    identity.certified().cert.first().cloned().map(CertificateDer::into_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_authority_is_never_asked_sooner_than_it_says() {
        let limited = |hours: u64| AcmeError::Refused {
            directory: String::new(),
            doing: "x",
            problem: String::new(),
            retry_after: Some(Duration::from_hours(hours)),
        };
        assert_eq!(failed(&limited(1)).retry_after, Duration::from_hours(1));
        assert_eq!(failed(&limited(10_000)).retry_after, PATIENCE);
        assert_eq!(failed(&AcmeError::TooSlow { doing: "x", limit: ASK_LEAST }).retry_after, Duration::ZERO);
    }
}
