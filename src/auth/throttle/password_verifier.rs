//! The way of a password: from memory, by joining an equal attempt under way, or by Argon2 when its turn comes; not at all if the
//! limits refuse it.
//!
//! Only right passwords are remembered, for one epoch of the account, so the policy at hand validates them, and no row is read: see
//! [`PasswordVerifier::remembers`].

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::hmac;
use moka::sync::Cache;
use tokio::sync::Semaphore;

use super::failed_logins::{FailedLogins, Target};
use super::known_sources::KnownSources;
use super::login_state::RateLimited;
use super::queue::Queue;
use super::verification::{Verification, Verifications};
use crate::auth::credentials::{PasswordOutcome, UNKNOWN_ACCOUNT_HASH};
use crate::auth::in_flight::{InFlight, Joined};
use crate::auth::{CredentialError, Secret};
use crate::config::AuthSettings;
use crate::domain::Network;
use crate::storage::StorageError;
use crate::storage::metadata::{FailureRecord, LoginName, UserRecord};

/// How many verified passwords are remembered at most.
const MEMORY_CAPACITY: u64 = 10_000;
/// About what one verification takes, to estimate when the queue has moved on.
const VERIFICATION: Duration = Duration::from_millis(50);

/// A keyed hash over name, epoch and password of an attempt. The key is random and lives as long as the process.
pub(super) type Fingerprint = [u8; 32];
/// What an attempt gets to know.
pub(super) type Verified = Result<PasswordOutcome, CredentialError>;

/// One attempt to log in.
#[derive(Clone, Copy, Debug)]
pub(in crate::auth) struct LoginAttempt<'a> {
    /// The name as typed.
    pub(in crate::auth) typed: &'a str,
    /// The same, as the database knows it.
    pub(in crate::auth) name: &'a LoginName,
    /// The user of that name.
    pub(in crate::auth) user: Option<&'a UserRecord>,
    /// The wrong passwords that came before.
    pub(in crate::auth) failures: &'a FailureRecord,
    /// What was typed.
    pub(in crate::auth) password: &'a Secret,
    /// Where it came from.
    pub(in crate::auth) from: Network,
}

impl<'a> LoginAttempt<'a> {
    /// The user's epoch, so that nothing remembered outlives a change.
    fn epoch(&self) -> i64 {
        self.user.map_or(0, |user| user.epoch)
    }

    fn hash(&self) -> &'a str {
        self.user.map_or(UNKNOWN_ACCOUNT_HASH, |user| &user.password_hash)
    }

    /// Whether a password can be right at all. One of a user who may not log in never is, nor is it remembered: the quick answer would
    /// tell something.
    fn may_pass(&self) -> bool {
        self.user.is_some_and(|user| !user.disabled)
    }
}

/// What the database knows of a name.
pub(in crate::auth) struct NameRecord {
    pub(in crate::auth) name: LoginName,
    pub(in crate::auth) user: Option<UserRecord>,
    pub(in crate::auth) failures: FailureRecord,
}

/// See the module.
pub(in crate::auth) struct PasswordVerifier {
    shared: Arc<Verifications>,
    in_flight: InFlight<Fingerprint, Verified>,
    key: hmac::Key,
}

impl PasswordVerifier {
    pub(in crate::auth) fn new(settings: &AuthSettings, failed: FailedLogins) -> Self {
        let permits = settings.password_concurrency.clamp(1, 1024);
        let places = permits.saturating_add(settings.password_queue);
        let turns = u32::try_from(settings.password_queue / permits).unwrap_or(u32::MAX);
        let remembers = !settings.password_memory.is_zero();
        let memory = || Cache::builder().max_capacity(MEMORY_CAPACITY).time_to_live(settings.password_memory).build();
        let retry_after = Duration::from_secs(1 + VERIFICATION.saturating_mul(turns).as_secs());
        let shared = Verifications {
            permits: Arc::new(Semaphore::new(permits)),
            queue: Queue::new(places, remembers),
            memory: remembers.then(memory),
            sources: KnownSources::new(remembers),
            failed,
            busy: CredentialError::Busy { retry_after },
        };
        let key = hmac::Key::new(hmac::HMAC_SHA256, &rand::random::<[u8; 32]>());
        Self { shared: Arc::new(shared), in_flight: InFlight::default(), key }
    }

    /// Whether a password of this name was right from there before.
    pub(in crate::auth) fn knows_source(&self, name: &str, from: Network) -> bool {
        self.shared.sources.id(name, from).is_some()
    }

    /// Whether this password was right a moment ago, of this epoch of the account and from this address: then nothing needs to be read.
    pub(in crate::auth) fn remembers(&self, name: &str, epoch: i64, password: &Secret, from: Network) -> bool {
        let Some(memory) = &self.shared.memory else { return false };
        let fingerprint = self.fingerprint(name, epoch, password);
        memory.get(&fingerprint).is_some() && self.shared.sources.has(name, from, &fingerprint)
    }

    /// Tells the other nodes what this one has seen, and counts what they have.
    pub(in crate::auth) async fn share(&self) -> Result<(), StorageError> {
        self.shared.failed.share().await
    }

    /// The account of this name, if it exists, and the failures of either.
    pub(in crate::auth) async fn read(&self, typed: &str) -> Result<NameRecord, StorageError> {
        let name = self.shared.failed.name(typed);
        let (user, failures) = self.shared.failed.read(&name).await?;
        Ok(NameRecord { name, user, failures })
    }

    /// Verifies the password, as far as the limits admit it. A wrong one counts once for its account, and for each address that gave it.
    pub(in crate::auth) async fn verify(&self, attempt: LoginAttempt<'_>) -> Verified {
        let Verifications { memory, sources, failed, .. } = &*self.shared;
        let LoginAttempt { typed: name, from, .. } = attempt;
        let fingerprint = self.fingerprint(name, attempt.epoch(), attempt.password);
        let hash = attempt.name.hash;
        let known = || sources.tried_while_limited(name, from, &fingerprint) || failed.shared().may_try(hash, from);
        // Asked again when the turn comes; until then it only keeps out what is refused already.
        let _ = failed.login(attempt.failures, from).admit(known)?;
        if memory.as_ref().is_some_and(|memory| memory.get(&fingerprint).is_some()) {
            sources.verified(name, from, &fingerprint);
            failed.shared().verified(hash, from);
            return Ok(PasswordOutcome::Right { rehashed: None });
        }
        let start = || self.verification(&attempt, fingerprint).run();
        let Joined { work, was_under_way } = self.in_flight.join_or_start(fingerprint, start);
        let verified = work.await;
        match &verified {
            Ok(PasswordOutcome::Right { .. }) => {
                sources.verified(name, from, &fingerprint);
                failed.shared().verified(hash, from);
            }
            Ok(PasswordOutcome::Wrong) if was_under_way => failed.failed_from(from),
            Ok(PasswordOutcome::Wrong) | Err(_) => {}
        }
        verified
    }

    fn fingerprint(&self, name: &str, epoch: i64, password: &Secret) -> Fingerprint {
        let mut context = hmac::Context::with_key(&self.key);
        context.update(&epoch.to_be_bytes());
        context.update(&(name.len() as u64).to_be_bytes());
        context.update(name.as_bytes());
        context.update(password.expose().as_bytes());
        let mut fingerprint = [0; 32];
        fingerprint.copy_from_slice(context.sign().as_ref());
        fingerprint
    }

    fn verification(&self, attempt: &LoginAttempt<'_>, fingerprint: Fingerprint) -> Verification {
        Verification {
            shared: Arc::clone(&self.shared),
            target: Target {
                typed: attempt.typed.to_owned(),
                name: attempt.name.clone(),
                exists: attempt.user.is_some(),
                from: attempt.from,
            },
            may_pass: attempt.may_pass(),
            password: attempt.password.clone(),
            hash: attempt.hash().to_owned(),
            fingerprint,
        }
    }
}

impl From<RateLimited> for CredentialError {
    fn from(RateLimited { retry_after }: RateLimited) -> Self {
        Self::RateLimited { retry_after }
    }
}

#[cfg(test)]
#[path = "password_verifier_tests.rs"]
mod tests;
