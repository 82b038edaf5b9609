//! The gate before Argon2: few checks at once, a short line, one check for simultaneous equal attempts, a brief memory, and a pause for
//! those who guess.
//!
//! What is remembered counts for one epoch of the account, so the policy at hand validates it, and no row is read: see [`Gate::remembers`].

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_lc_rs::hmac;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared, WeakShared};
use moka::sync::Cache;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::address_limit::Network;
use super::familiar::Familiar;
use super::ledger::{Ledger, Target};
use super::line::{Line, Place};
use crate::auth::credentials::password::{self, NOBODYS_HASH, Verdict};
use crate::auth::{CredentialError, Secret};
use crate::config::AuthSettings;
use crate::storage::StorageError;
use crate::storage::metadata::{FailureRecord, LoginName, UserRecord};

/// How many verified passwords are remembered at most.
const MEMORY_CAPACITY: u64 = 10_000;
/// About what one check takes, to estimate when the line has moved on.
const CHECK: Duration = Duration::from_millis(50);

/// A keyed hash over name, epoch and password of an attempt. The key is random and lives as long as the process.
pub(in crate::auth) type Fingerprint = [u8; 32];
type Outcome = Result<Verdict, CredentialError>;
type Work = BoxFuture<'static, Outcome>;
/// A check under way, which any number of attempts wait for.
type Flight = Shared<Work>;

/// One attempt to log in.
#[derive(Clone, Copy, Debug)]
pub(in crate::auth) struct Attempt<'a> {
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

impl<'a> Attempt<'a> {
    /// The user's epoch, so that nothing remembered outlives a change.
    fn epoch(&self) -> i64 {
        self.user.map_or(0, |user| user.epoch)
    }

    fn hash(&self) -> &'a str {
        self.user.map_or(NOBODYS_HASH, |user| &user.password_hash)
    }

    /// Whether a password can be right at all. One of a user who may not log in never is, nor is it remembered, lest the quick answer
    /// tell something.
    fn may_pass(&self) -> bool {
        self.user.is_some_and(|user| !user.disabled)
    }
}

/// What the database knows of a name.
pub(in crate::auth) struct Known {
    pub(in crate::auth) name: LoginName,
    pub(in crate::auth) user: Option<UserRecord>,
    pub(in crate::auth) failures: FailureRecord,
}

/// See the module.
pub(in crate::auth) struct Gate {
    slots: Arc<Semaphore>,
    line: Arc<Line>,
    memory: Option<Cache<Fingerprint, ()>>,
    familiar: Arc<Familiar>,
    ledger: Arc<Ledger>,
    flights: Mutex<HashMap<Fingerprint, WeakShared<Work>>>,
    key: hmac::Key,
    /// What is estimated for a full line.
    moves_in: Duration,
}

impl Gate {
    pub(in crate::auth) fn new(settings: &AuthSettings, ledger: Ledger) -> Self {
        let slots = settings.password_concurrency.clamp(1, 1024);
        let places = slots.saturating_add(settings.password_queue);
        let turns = u32::try_from(settings.password_queue / slots).unwrap_or(u32::MAX);
        let remembers = !settings.password_memory.is_zero();
        let memory = || Cache::builder().max_capacity(MEMORY_CAPACITY).time_to_live(settings.password_memory).build();
        Self {
            slots: Arc::new(Semaphore::new(slots)),
            line: Line::new(places, remembers),
            memory: remembers.then(memory),
            familiar: Arc::new(Familiar::new(remembers)),
            ledger: Arc::new(ledger),
            flights: Mutex::default(),
            key: hmac::Key::new(hmac::HMAC_SHA256, &rand::random::<[u8; 32]>()),
            moves_in: Duration::from_secs(1 + CHECK.saturating_mul(turns).as_secs()),
        }
    }

    /// Whether this password was right a moment ago, of this epoch of the account and from this address: then nothing needs to be read.
    pub(in crate::auth) fn remembers(&self, name: &str, epoch: i64, password: &Secret, from: Network) -> bool {
        let Some(memory) = &self.memory else { return false };
        let fingerprint = self.fingerprint(name, epoch, password);
        memory.get(&fingerprint).is_some() && self.familiar.has(name, from, &fingerprint)
    }

    /// The account of this name, where there is one, and the failures of either.
    pub(in crate::auth) async fn read(&self, typed: &str) -> Result<Known, StorageError> {
        let name = self.ledger.name(typed);
        let (user, failures) = self.ledger.read(&name).await?;
        Ok(Known { name, user, failures })
    }

    /// Checks the password: from memory, by joining an equal attempt under way, or by Argon2 when it is its turn; not at all where there
    /// were too many wrong ones, unless it is known to be right.
    pub(in crate::auth) async fn check(&self, attempt: Attempt<'_>) -> Outcome {
        let Attempt { typed: name, from, .. } = attempt;
        let fingerprint = self.fingerprint(name, attempt.epoch(), attempt.password);
        let pause = self.ledger.pause(attempt.failures, from);
        if let Some(retry_after) = pause
            && !self.familiar.knows(name, from, &fingerprint)
        {
            return Err(CredentialError::Limited { retry_after });
        }
        if self.memory.as_ref().is_some_and(|memory| memory.get(&fingerprint).is_some()) {
            self.familiar.note(name, from, &fingerprint);
            return Ok(Verdict::Right { rehashed: None });
        }
        let (flight, joined) = self.join_or_start(&attempt, fingerprint);
        let outcome = flight.await;
        match &outcome {
            Ok(Verdict::Right { .. }) => self.familiar.note(name, from, &fingerprint),
            Ok(Verdict::Wrong) if joined => self.ledger.failed_from(from),
            Ok(Verdict::Wrong) | Err(_) => {}
        }
        outcome
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

    /// The flight, and whether it was under way already.
    fn join_or_start(&self, attempt: &Attempt<'_>, fingerprint: Fingerprint) -> (Flight, bool) {
        let mut flights = self.flights.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(flight) = flights.get(&fingerprint).and_then(WeakShared::upgrade) {
            return (flight, true);
        }
        // Whoever waits holds a flight; what nobody waits for is forgotten, so the map is no longer than the line.
        flights.retain(|_, flight| flight.upgrade().is_some());
        let flight = self.look(attempt, fingerprint).run().boxed().shared();
        flights.extend(flight.downgrade().map(|weak| (fingerprint, weak)));
        (flight, false)
    }

    fn look(&self, attempt: &Attempt<'_>, fingerprint: Fingerprint) -> Look {
        Look {
            slots: Arc::clone(&self.slots),
            line: Arc::clone(&self.line),
            memory: self.memory.clone(),
            familiar: Arc::clone(&self.familiar),
            ledger: Arc::clone(&self.ledger),
            busy: CredentialError::Busy { retry_after: self.moves_in },
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

/// One look at a password, with all that it needs to outlive the request.
struct Look {
    slots: Arc<Semaphore>,
    line: Arc<Line>,
    memory: Option<Cache<Fingerprint, ()>>,
    familiar: Arc<Familiar>,
    ledger: Arc<Ledger>,
    busy: CredentialError,
    target: Target,
    may_pass: bool,
    password: Secret,
    hash: String,
    fingerprint: Fingerprint,
}

/// The place in the line and the slot, held for as long as a core is taken.
type Turn = (Place, OwnedSemaphorePermit);

impl Look {
    async fn run(self) -> Outcome {
        let Target { typed, from, .. } = &self.target;
        let place = self.line.enter(*from, self.familiar.pair(typed, *from)).ok_or_else(|| self.busy.clone())?;
        let _alone = self.ledger.turn(typed).await;
        let slot = Arc::clone(&self.slots).acquire_owned().await.map_err(|_| self.busy.clone())?;
        // Others were looked at while this one waited.
        let (_, failures) = self.ledger.read(&self.target.name).await?;
        let pause = self.ledger.pause(&failures, *from);
        if let Some(retry_after) = pause
            && !self.familiar.knows(typed, *from, &self.fingerprint)
        {
            return Err(CredentialError::Limited { retry_after });
        }
        // The turn ends once the outcome is written down.
        let (verdict, _turn) = self.verify((place, slot)).await?;
        self.settle(verdict, failures, pause.is_some()).await
    }

    /// The turn comes back with the verdict; where nobody waits for it any more, it ends with the work.
    async fn verify(&self, turn: Turn) -> Result<(Verdict, Turn), CredentialError> {
        let (name, password, hash) = (self.target.typed.clone(), self.password.clone(), self.hash.clone());
        let work = move || (check_or_spend(&name, &password, &hash), turn);
        tokio::task::spawn_blocking(work).await.map_err(|_| self.busy.clone())
    }

    /// Writes down what came of it. A right password during a pause does not end the row: it was let through because it is known, and
    /// whoever guesses beside it must not profit.
    async fn settle(&self, verdict: Verdict, failures: FailureRecord, paused: bool) -> Outcome {
        if !self.may_pass || verdict == Verdict::Wrong {
            self.ledger.failed(&self.target, failures).await?;
            return Ok(Verdict::Wrong);
        }
        if !paused {
            self.ledger.succeeded(&self.target, &failures).await;
        }
        if let (Verdict::Right { rehashed: None }, Some(memory)) = (&verdict, &self.memory) {
            memory.insert(self.fingerprint, ());
        }
        Ok(verdict)
    }
}

/// Checks; where the stored hash is unusable, the same time is spent to say no.
fn check_or_spend(name: &str, password: &Secret, hash: &str) -> Verdict {
    password::check(password, hash).unwrap_or_else(|password::Unusable| {
        tracing::error!(user = name, "the stored password hash is damaged or too expensive; set a new password");
        let _ = password::check(password, NOBODYS_HASH);
        Verdict::Wrong
    })
}

#[cfg(test)]
#[path = "login_tests.rs"]
mod tests;
