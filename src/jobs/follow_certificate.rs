//! Serves the certificate in its files, whichever process changed them. Files that cannot be served change nothing; until they can be,
//! the job counts as failed, so that its report says why.

use std::sync::Arc;

use super::change::Change;
use super::job::{Cause, Failure};
use crate::pki::identity::source::SourceStamp;
use crate::pki::{Identity, IdentitySource};
use crate::tls::ServingIdentity;

pub(super) struct FollowCertificate {
    serving: Arc<ServingIdentity>,
    source: IdentitySource,
    change: Change<SourceStamp>,
    refused: Option<String>,
}

impl FollowCertificate {
    pub(super) fn new(serving: Arc<ServingIdentity>, source: IdentitySource) -> Self {
        Self { serving, source, change: Change::new(), refused: None }
    }

    pub(super) fn step(&mut self, cause: Cause) -> Result<(), Failure> {
        let signature = self.source.signature();
        if self.change.is_settled(&signature, cause) {
            let followed = match self.source.follow() {
                // The files are not at fault: the next run reads them again.
                Err(error) if error.passes() => return Err(error.into()),
                followed => followed,
            };
            self.change.handled(signature);
            self.refused = followed.map(|identity| serve(&self.serving, identity)).err().map(|error| error.to_string());
        }
        self.refused.as_ref().map_or(Ok(()), |reason| Err(Failure::of(reason)))
    }
}

/// From the next handshake on.
pub(super) fn serve(serving: &ServingIdentity, identity: Identity) {
    let summary = identity.summary();
    if serving.current().summary().fingerprint != summary.fingerprint {
        tracing::info!(names = ?summary.names, until = %summary.not_after, sha256 = %summary.fingerprint,
            origin = %identity.origin(), "serving a new certificate");
        for warning in identity.warnings() {
            tracing::warn!("{warning}");
        }
    }
    serving.swap(identity);
}

#[cfg(test)]
#[path = "follow_certificate_tests.rs"]
mod tests;
