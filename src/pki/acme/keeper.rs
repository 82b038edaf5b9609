//! Orders while the server runs: the first certificate, and each next one in time. Whatever fails, the certificate at hand goes on
//! being served.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use rustls_pki_types::CertificateDer;
use tokio_util::sync::CancellationToken;

use super::error::AcmeError;
use super::files::issued_by;
use super::order::Orderer;
use super::renewal::{Held, choose, due};
use crate::domain::net::Fingerprint;
use crate::pki::{CertificateSummary, Identity, Origin};
use crate::tls::ServingIdentity;

/// Between two looks at whether something is due.
const LOOK: Duration = Duration::from_secs(1);
/// After a first failed order; doubles with each further one. Authorities allow about five failures per name and hour.
const RETRY: Duration = Duration::from_mins(2);
const RETRY_CAP: Duration = Duration::from_hours(6);
/// The longest that an authority is believed when it asks to wait.
const PATIENCE: Duration = Duration::from_hours(7 * 24);
/// Between two questions for the authority's suggestion, whatever it says (RFC 9773, section 4.3.2).
const ASK_LEAST: Duration = Duration::from_mins(1);
const ASK_MOST: Duration = Duration::from_hours(24);
/// After a question that failed (RFC 9773, section 4.3.3).
const ASK_AGAIN: Duration = Duration::from_hours(6);

/// Runs until `shutdown`.
pub async fn keep_ordered(orderer: Arc<Orderer>, serving: Arc<ServingIdentity>, shutdown: CancellationToken) {
    let mut keeper = Keeper::new(orderer, serving);
    loop {
        let turn = async {
            keeper.turn().await;
            tokio::time::sleep(LOOK).await;
        };
        if shutdown.run_until_cancelled(turn).await.is_none() {
            return;
        }
    }
}

struct Keeper {
    orderer: Arc<Orderer>,
    serving: Arc<ServingIdentity>,
    held: Option<Held>,
    failures: u32,
    next_order: Instant,
    next_question: Instant,
}

impl Keeper {
    fn new(orderer: Arc<Orderer>, serving: Arc<ServingIdentity>) -> Self {
        let now = Instant::now();
        Self { orderer, serving, held: None, failures: 0, next_order: now, next_question: now }
    }

    async fn turn(&mut self) {
        let current = self.serving.current();
        self.look(&current);
        self.ask(&current).await;
        let settings = self.orderer.settings();
        let reason = due(self.held.as_ref(), &settings.names, &settings.directory, Timestamp::now());
        let Some(reason) = reason else { return };
        if Instant::now() < self.next_order {
            return;
        }
        tracing::info!(%reason, directory = settings.directory, names = ?settings.names.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "ordering a certificate");
        match self.orderer.order().await {
            Ok(summary) => self.succeeded(&summary),
            Err(error) => self.failed(&error),
        }
    }

    /// Sees which ordered certificate is served, whoever ordered it.
    fn look(&mut self, current: &Identity) {
        if current.origin() != Origin::Acme {
            self.held = None;
            return;
        }
        let known: Option<Fingerprint> = self.held.as_ref().map(|held| held.summary.fingerprint);
        if known != Some(current.summary().fingerprint) {
            let directory = issued_by(&self.orderer.data_dir());
            self.held = Some(Held { summary: current.summary().clone(), directory, suggested: None });
            self.next_question = Instant::now();
        }
    }

    /// Asks the authority, now and then, when it would like the certificate to be renewed.
    async fn ask(&mut self, current: &Identity) {
        let Some(held) = &mut self.held else { return };
        let ours = held.directory.as_deref() == Some(self.orderer.settings().directory.as_str());
        let (true, Some(certificate)) = (ours && Instant::now() >= self.next_question, leaf(current)) else { return };
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
        self.next_question = Instant::now() + wait;
    }

    /// The files are taken up by whoever watches them; until then, and if they were refused, no further order is placed.
    fn succeeded(&mut self, summary: &CertificateSummary) {
        tracing::info!(names = ?summary.names, until = %summary.not_after, sha256 = %summary.fingerprint,
            "the ordered certificate is here");
        self.failures = 0;
        let life = summary.not_after.as_second().saturating_sub(summary.not_before.as_second());
        let third = Duration::from_secs(u64::try_from(life / 3).unwrap_or(0));
        self.next_order = Instant::now() + RETRY.min(third.max(LOOK * 2));
    }

    fn failed(&mut self, error: &AcmeError) {
        let wait = wait_after(error, self.failures);
        self.failures = self.failures.saturating_add(1);
        self.next_order = Instant::now() + wait;
        tracing::error!(%error, retry_seconds = wait.as_secs(), served = %self.serving.current().origin(),
            "no certificate could be ordered; the one at hand stays in use");
    }
}

/// Doubling, and never sooner than the authority asks.
fn wait_after(error: &AcmeError, failures: u32) -> Duration {
    // Whoever orders at this moment will be done soon.
    if matches!(error, AcmeError::Busy) {
        return LOOK * 5;
    }
    let wait = RETRY.saturating_mul(1 << failures.min(16)).min(RETRY_CAP);
    wait.max(error.retry_after().unwrap_or_default().min(PATIENCE))
}

fn leaf(identity: &Identity) -> Option<CertificateDer<'static>> {
    identity.certified().cert.first().cloned().map(CertificateDer::into_owned)
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    #[test]
    fn waits_double_up_to_a_cap_and_never_undercut_the_authority() {
        let slow = AcmeError::TooSlow { doing: "x", limit: LOOK };
        assert_eq!(wait_after(&slow, 0), RETRY);
        assert_eq!(wait_after(&slow, 3), RETRY * 8);
        assert_eq!(wait_after(&slow, 40), RETRY_CAP);
        let limited = |hours: u64| AcmeError::Refused {
            directory: String::new(),
            doing: "x",
            problem: String::new(),
            retry_after: Some(SystemTime::now() + Duration::from_hours(hours)),
        };
        assert!(wait_after(&limited(10), 0) > Duration::from_hours(9));
        assert_eq!(wait_after(&limited(10_000), 0), PATIENCE);
        assert!(wait_after(&AcmeError::Busy, 9) < Duration::from_secs(10));
    }
}
