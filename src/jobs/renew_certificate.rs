//! Renews the registry's own certificate at two thirds of its life, and warns in time before any certificate expires. Whatever fails
//! here, the certificate in use stays in use.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::follow_certificate::serve;
use super::job::Failure;
use crate::domain::Clock;
use crate::pki::{IdentitySource, Origin, expiry_warning, renewal_due};
use crate::tls::ServingIdentity;

/// Between two warnings of the same certificate.
const WARN_AGAIN: Duration = Duration::from_hours(24);

pub(super) struct RenewCertificate {
    serving: Arc<ServingIdentity>,
    source: IdentitySource,
    clock: Clock,
    warned: Option<Instant>,
}

impl RenewCertificate {
    pub(super) fn new(serving: Arc<ServingIdentity>, source: IdentitySource, clock: Clock) -> Self {
        Self { serving, source, clock, warned: None }
    }

    pub(super) fn step(&mut self) -> Result<(), Failure> {
        let renewed = self.renew_when_due();
        self.warn_when_near();
        renewed
    }

    fn renew_when_due(&self) -> Result<(), Failure> {
        let current = self.serving.current();
        let summary = current.summary();
        if current.origin() == Origin::ManagedCa && renewal_due(summary.not_before, summary.not_after, self.clock.now())
        {
            serve(&self.serving, self.source.renew()?);
        }
        Ok(())
    }

    fn warn_when_near(&mut self) {
        let now = self.clock.instant();
        if self.warned.is_some_and(|warned| now.duration_since(warned) < WARN_AGAIN) {
            return;
        }
        if let Some(warning) = expiry_warning(&self.serving.current(), self.clock.now()) {
            self.warned = Some(now);
            tracing::warn!("{warning}");
        }
    }
}

#[cfg(test)]
#[path = "renew_certificate_tests.rs"]
mod tests;
