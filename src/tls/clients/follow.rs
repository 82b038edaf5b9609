//! Follows the files of CAs and revocation lists while the server runs.
//!
//! Whatever is wrong with new ones, those in use stay in use.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::ClientVerifier;
use crate::pki::file_state::FileState;
use crate::pki::turns::take_turns;

/// Between two looks at the files. A change counts after two looks, so that no file is read half-written.
const POLL: Duration = Duration::from_millis(250);

/// Runs until `shutdown`. `reload` asks for a look at the files at once, changed or not (SIGHUP).
pub async fn keep_clients_fresh(verifier: Arc<ClientVerifier>, reload: Arc<Notify>, shutdown: CancellationToken) {
    let follower = Follower { verifier, handled: None, changing: None, warned: BTreeSet::new() };
    let lost = "the files of [client_certificates] are no longer watched; restart the server";
    take_turns(follower, POLL, reload, shutdown, Follower::turn, lost).await;
}

struct Follower {
    verifier: Arc<ClientVerifier>,
    /// The state of the files that was acted on last; at first none, for they may have changed since the server read them.
    handled: Option<Vec<FileState>>,
    /// A state that differs and waits for being seen twice.
    changing: Option<Vec<FileState>>,
    warned: BTreeSet<String>,
}

impl Follower {
    fn turn(&mut self, asked: bool) {
        self.follow_files(asked);
        self.warn();
    }

    fn follow_files(&mut self, asked: bool) {
        let states = self.verifier.files().states();
        if self.handled.as_ref() == Some(&states) && !asked {
            self.changing = None;
            return;
        }
        if !asked && self.changing.as_ref() != Some(&states) {
            self.changing = Some(states);
            return;
        }
        self.changing = None;
        let first = self.handled.replace(states).is_none();
        match self.verifier.reload() {
            Ok(()) if first => {}
            Ok(()) => tracing::info!("CAs and revocation lists of client certificates are read anew"),
            Err(error) => {
                tracing::error!(%error, "the new files of [client_certificates] are refused; what was read before stays in use");
            }
        }
    }

    /// Says each thing once, until it has been mended.
    fn warn(&mut self) {
        let warnings: BTreeSet<String> = self.verifier.roster().warnings(Timestamp::now()).into_iter().collect();
        for warning in warnings.difference(&self.warned) {
            tracing::warn!("{warning}");
        }
        self.warned = warnings;
    }
}
