//! Keeps the served certificate fresh while the server runs: sees changed files, renews our own in time, and warns before the end.
//!
//! Whatever fails here, the certificate at hand goes on being served.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::identity::{Identity, Origin};
use super::lifetime::{renewal_due, warning_time};
use super::source::{IdentitySource, Signature};
use super::turns::take_turns;
use crate::tls::serving::ServingIdentity;

/// How often things are looked at.
#[derive(Debug, Clone, Copy)]
pub struct Cadence {
    /// Between two looks at the files. A change is served after two looks, so that a pair is not read half-replaced.
    pub poll: Duration,
    /// After a first failed renewal; doubles with each further one.
    pub retry: Duration,
    /// The longest wait between two attempts to renew.
    pub retry_cap: Duration,
    /// Between two warnings that the end is near.
    pub warn: Duration,
}

impl Default for Cadence {
    fn default() -> Self {
        Self {
            poll: Duration::from_millis(400),
            retry: Duration::from_mins(1),
            retry_cap: Duration::from_hours(6),
            warn: Duration::from_hours(24),
        }
    }
}

/// Runs until `shutdown`. `reload` asks for a look at the files at once, changed or not (SIGHUP).
pub async fn keep_fresh(
    serving: Arc<ServingIdentity>,
    source: IdentitySource,
    cadence: Cadence,
    reload: Arc<Notify>,
    shutdown: CancellationToken,
) {
    let keeper = Keeper::new(serving, source, cadence);
    let lost = "the certificate is no longer watched; restart the server to renew it";
    take_turns(keeper, cadence.poll, reload, shutdown, Keeper::turn, lost).await;
}

/// From 14 days before the end of a certificate (of a short-lived one, from a time that leaves renewal its due): what is about to
/// happen, and what to do.
pub fn expiry_warning(identity: &Identity, now: Timestamp) -> Option<String> {
    let (from, until) = (identity.summary().not_before, identity.summary().not_after);
    let left = until.as_second().saturating_sub(now.as_second());
    if left > warning_time(from, until) {
        return None;
    }
    let mend = match identity.origin() {
        Origin::Own => "run `portcullis cert renew`",
        Origin::Acme => "run `portcullis cert request`, which says why it is not renewed",
        Origin::Imported => "run `portcullis cert import --cert FILE --key FILE` with a newer one",
        Origin::Given => "replace the files that tls.certificate and tls.private_key name",
    };
    let when = if left < 0 { "ended" } else { "ends" };
    Some(format!("the certificate in use {when} on {until}: {mend}"))
}

struct Keeper {
    serving: Arc<ServingIdentity>,
    source: IdentitySource,
    cadence: Cadence,
    /// The state of the files that was acted on last; at first none, for they may have changed since the server read them.
    handled: Option<Signature>,
    /// A state that differs and waits for being seen twice.
    changing: Option<Signature>,
    failures: u32,
    next_renewal: Instant,
    next_warning: Instant,
}

impl Keeper {
    fn new(serving: Arc<ServingIdentity>, source: IdentitySource, cadence: Cadence) -> Self {
        let now = Instant::now();
        Self {
            serving,
            source,
            cadence,
            handled: None,
            changing: None,
            failures: 0,
            next_renewal: now,
            next_warning: now,
        }
    }

    fn turn(&mut self, asked: bool) {
        self.follow_files(asked);
        self.renew_when_due();
        self.warn_when_near();
    }

    fn follow_files(&mut self, asked: bool) {
        let signature = self.source.signature();
        if self.handled.as_ref() == Some(&signature) && !asked {
            self.changing = None;
            return;
        }
        if !asked && self.changing.as_ref() != Some(&signature) {
            self.changing = Some(signature);
            return;
        }
        self.changing = None;
        self.handled = Some(signature);
        match self.source.follow() {
            Ok(identity) => self.serve(identity),
            Err(error) => {
                tracing::error!(%error, "the new certificate is refused; the old one stays in use");
            }
        }
    }

    fn renew_when_due(&mut self) {
        let current = self.serving.current();
        let summary = current.summary();
        if current.origin() != Origin::Own
            || !renewal_due(summary.not_before, summary.not_after, Timestamp::now())
            || Instant::now() < self.next_renewal
        {
            return;
        }
        match self.source.renew() {
            Ok(identity) => {
                // The new files are looked at once more: another process may have changed the authority meanwhile.
                self.failures = 0;
                self.serve(identity);
            }
            Err(error) => {
                let wait = self.cadence.retry.saturating_mul(1 << self.failures.min(16)).min(self.cadence.retry_cap);
                self.failures = self.failures.saturating_add(1);
                self.next_renewal = Instant::now() + wait;
                tracing::warn!(%error, until = %summary.not_after, retry_seconds = wait.as_secs(),
                    "the certificate could not be renewed; the old one stays in use");
            }
        }
    }

    fn warn_when_near(&mut self) {
        let current = self.serving.current();
        if Instant::now() < self.next_warning {
            return;
        }
        if let Some(warning) = expiry_warning(&current, Timestamp::now()) {
            self.next_warning = Instant::now() + self.cadence.warn;
            tracing::warn!("{warning}");
        }
    }

    fn serve(&self, identity: Identity) {
        let same = self.serving.current().summary().fingerprint == identity.summary().fingerprint;
        if !same {
            let summary = identity.summary();
            tracing::info!(names = ?summary.names, until = %summary.not_after, sha256 = %summary.fingerprint,
                origin = %identity.origin(), "serving a new certificate");
            for warning in identity.warnings() {
                tracing::warn!("{warning}");
            }
        }
        self.serving.swap(identity);
    }
}
