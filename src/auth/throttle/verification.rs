//! One verification of a password: its place in the queue, Argon2 away from the asynchronous threads, and writing down what came of it.

use std::sync::Arc;

use moka::sync::Cache;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::failed_logins::{FailedLogins, Target};
use super::known_sources::KnownSources;
use super::login_state::{Settled, Verifying};
use super::password_verifier::{Fingerprint, Verified};
use super::queue::{Place, Queue};
use crate::auth::credentials::{PasswordOutcome, UNKNOWN_ACCOUNT_HASH, UnusableHash, verify};
use crate::auth::{CredentialError, Secret};
use crate::storage::metadata::FailureRecord;

/// What all verifications share.
pub(super) struct Verifications {
    /// One for each verification at once.
    pub(super) permits: Arc<Semaphore>,
    pub(super) queue: Arc<Queue>,
    /// Passwords that were right a moment ago.
    pub(super) memory: Option<Cache<Fingerprint, ()>>,
    pub(super) sources: KnownSources,
    pub(super) failed: FailedLogins,
    /// The answer while the queue is full.
    pub(super) busy: CredentialError,
}

/// One verification, with all that it needs to outlive the request.
pub(super) struct Verification {
    pub(super) shared: Arc<Verifications>,
    pub(super) target: Target,
    /// Whether a password can be right at all.
    pub(super) may_pass: bool,
    pub(super) password: Secret,
    pub(super) hash: String,
    pub(super) fingerprint: Fingerprint,
}

/// The place in the queue and the permit, held for as long as a core is taken.
type Turn = (Place, OwnedSemaphorePermit);

impl Verification {
    pub(super) async fn run(self) -> Verified {
        let Verifications { permits, queue, sources, failed, busy, .. } = &*self.shared;
        let Target { typed, from, .. } = &self.target;
        let place = queue.enter(*from, sources.id(typed, *from)).ok_or_else(|| busy.clone())?;
        let _alone = failed.exclusive(typed).await;
        let permit = Arc::clone(permits).acquire_owned().await.map_err(|_| busy.clone())?;
        // Others were verified while this one waited.
        let (_, failures) = failed.read(&self.target.name).await?;
        let known = || {
            sources.tried_while_limited(typed, *from, &self.fingerprint)
                || failed.shared().take_try(self.target.name.hash, *from)
        };
        let verifying = failed.login(&failures, *from).admit(known)?;
        // The turn ends once the outcome is written down.
        let (outcome, _turn) = self.check((place, permit)).await?;
        self.settle(verifying, outcome, failures).await
    }

    /// The turn comes back with the outcome; if no one waits for it any more, it ends with the work.
    async fn check(&self, turn: Turn) -> Result<(PasswordOutcome, Turn), CredentialError> {
        let (name, password, hash) = (self.target.typed.clone(), self.password.clone(), self.hash.clone());
        let work = move || (check_or_spend(&name, &password, &hash), turn);
        tokio::task::spawn_blocking(work).await.map_err(|_| self.shared.busy.clone())
    }

    /// Writes down what came of it.
    async fn settle(&self, verifying: Verifying, outcome: PasswordOutcome, failures: FailureRecord) -> Verified {
        let Verifications { memory, failed, .. } = &*self.shared;
        match verifying.settle(&outcome, self.may_pass) {
            Settled::Wrong => {
                failed.failed(&self.target, failures).await?;
                return Ok(PasswordOutcome::Wrong);
            }
            Settled::Right { ends_consecutive: true } => failed.end_consecutive(&self.target, &failures).await,
            Settled::Right { ends_consecutive: false } => {}
        }
        if let (PasswordOutcome::Right { rehashed: None }, Some(memory)) = (&outcome, memory) {
            memory.insert(self.fingerprint, ());
        }
        Ok(outcome)
    }
}

/// Checks; if the stored hash is unusable, the same time is spent to say no.
fn check_or_spend(name: &str, password: &Secret, hash: &str) -> PasswordOutcome {
    verify(password, hash).unwrap_or_else(|UnusableHash| {
        tracing::error!(user = name, "the stored password hash is damaged or too expensive; set a new password");
        let _ = verify(password, UNKNOWN_ACCOUNT_HASH);
        PasswordOutcome::Wrong
    })
}
