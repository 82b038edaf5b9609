//! Follows the files of CAs and revocation lists of client certificates. Whatever is wrong with new ones, those in use stay in use; until
//! they can be read, the job counts as failed, so that its report says why.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::change::Change;
use super::job::{Cause, Failure};
use crate::domain::Clock;
use crate::pki::files::stamp::FileStamp;
use crate::tls::ClientVerifier;

pub(super) struct FollowClientFiles {
    verifier: Arc<ClientVerifier>,
    clock: Clock,
    change: Change<Vec<FileStamp>>,
    refused: Option<String>,
    warned: BTreeSet<String>,
}

impl FollowClientFiles {
    pub(super) fn new(verifier: Arc<ClientVerifier>, clock: Clock) -> Self {
        Self { verifier, clock, change: Change::new(), refused: None, warned: BTreeSet::new() }
    }

    pub(super) fn step(&mut self, cause: Cause) -> Result<(), Failure> {
        let states = self.verifier.files().states();
        if self.change.is_settled(&states, cause) {
            let reloaded = self.verifier.reload();
            let first = self.change.handled(states);
            if reloaded.is_ok() && !first {
                tracing::info!("the CAs and revocation lists of client certificates have been read again");
            }
            self.refused = reloaded.err().map(|error| error.to_string());
        }
        self.warn();
        self.refused.as_ref().map_or(Ok(()), |reason| Err(Failure::of(reason)))
    }

    /// Says each thing once, until it has been fixed.
    fn warn(&mut self) {
        let warnings: BTreeSet<String> = self.verifier.warnings(self.clock.now()).into_iter().collect();
        for warning in warnings.difference(&self.warned) {
            tracing::warn!("{warning}");
        }
        self.warned = warnings;
    }
}
