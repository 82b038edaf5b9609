//! The gate before Argon2: few checks at once, a short line, one check for simultaneous equal attempts, and a brief memory.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_lc_rs::hmac;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared, WeakShared};
use moka::sync::Cache;
use tokio::sync::Semaphore;

use super::password::{self, NOBODYS_HASH, Verdict};
use super::{AuthSettings, Secret};

/// How many verified passwords are remembered at most.
const MEMORY_CAPACITY: u64 = 10_000;
/// About what one check takes, to estimate when the line has moved on.
const CHECK: Duration = Duration::from_millis(50);

/// A keyed hash over all that an attempt consists of. The key is random and lives as long as the process.
type Fingerprint = [u8; 32];
type Work = BoxFuture<'static, Result<Verdict, Busy>>;
/// A check under way, which any number of attempts wait for.
type Flight = Shared<Work>;

/// The line is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Busy {
    pub(super) retry_after: Duration,
}

/// One attempt to log in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attempt<'a> {
    /// The name as typed.
    pub(super) name: &'a str,
    /// The user's epoch, so that nothing remembered outlives a change.
    pub(super) epoch: i64,
    /// The stored hash, or [`NOBODYS_HASH`].
    pub(super) hash: &'a str,
    /// What was typed.
    pub(super) password: &'a Secret,
    /// Whether success may be remembered: never of users who may not log in, lest the quick answer tell something.
    pub(super) remember: bool,
}

/// See the module.
pub(super) struct Gate {
    slots: Arc<Semaphore>,
    line: Arc<Semaphore>,
    memory: Option<Cache<Fingerprint, ()>>,
    flights: Mutex<HashMap<Fingerprint, WeakShared<Work>>>,
    key: hmac::Key,
    busy: Busy,
}

impl Gate {
    pub(super) fn new(settings: &AuthSettings) -> Self {
        let slots = settings.password_concurrency.clamp(1, 1024);
        let places = slots.saturating_add(settings.password_queue).min(Semaphore::MAX_PERMITS);
        let turns = u32::try_from(settings.password_queue / slots).unwrap_or(u32::MAX);
        let memory = (!settings.password_memory.is_zero())
            .then(|| Cache::builder().max_capacity(MEMORY_CAPACITY).time_to_live(settings.password_memory).build());
        Self {
            slots: Arc::new(Semaphore::new(slots)),
            line: Arc::new(Semaphore::new(places)),
            memory,
            flights: Mutex::default(),
            key: hmac::Key::new(hmac::HMAC_SHA256, &rand::random::<[u8; 32]>()),
            busy: Busy { retry_after: Duration::from_secs(1 + CHECK.saturating_mul(turns).as_secs()) },
        }
    }

    /// Checks the password: from memory, by joining an equal attempt under way, or by Argon2 when it is its turn.
    pub(super) async fn check(&self, attempt: Attempt<'_>) -> Result<Verdict, Busy> {
        let fingerprint = self.fingerprint(&attempt);
        if self.memory.as_ref().is_some_and(|memory| memory.get(&fingerprint).is_some()) {
            return Ok(Verdict::Right { rehashed: None });
        }
        self.join_or_start(&attempt, fingerprint).await
    }

    fn fingerprint(&self, attempt: &Attempt<'_>) -> Fingerprint {
        let mut context = hmac::Context::with_key(&self.key);
        for part in [attempt.name.as_bytes(), &attempt.epoch.to_be_bytes(), attempt.hash.as_bytes()] {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
        context.update(attempt.password.expose().as_bytes());
        let mut fingerprint = [0; 32];
        fingerprint.copy_from_slice(context.sign().as_ref());
        fingerprint
    }

    fn join_or_start(&self, attempt: &Attempt<'_>, fingerprint: Fingerprint) -> Flight {
        let mut flights = self.flights.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(flight) = flights.get(&fingerprint).and_then(WeakShared::upgrade) {
            return flight;
        }
        // Whoever waits holds a flight; what nobody waits for is forgotten, so the map is no longer than the line.
        flights.retain(|_, flight| flight.upgrade().is_some());
        let flight = self.start(attempt, fingerprint);
        flights.extend(flight.downgrade().map(|weak| (fingerprint, weak)));
        flight
    }

    fn start(&self, attempt: &Attempt<'_>, fingerprint: Fingerprint) -> Flight {
        let (slots, line, busy) = (Arc::clone(&self.slots), Arc::clone(&self.line), self.busy);
        let memory = self.memory.clone().filter(|_| attempt.remember);
        let (password, hash, name) = (attempt.password.clone(), attempt.hash.to_owned(), attempt.name.to_owned());
        async move {
            let place = line.try_acquire_owned().map_err(|_| busy)?;
            let slot = slots.acquire_owned().await.map_err(|_| busy)?;
            let work = move || {
                // Held until the work is done, also when nobody waits for it any more.
                let _turn = (place, slot);
                check_or_spend(&name, &password, &hash)
            };
            let verdict = tokio::task::spawn_blocking(work).await.map_err(|_| busy)?;
            if let (Verdict::Right { rehashed: None }, Some(memory)) = (&verdict, memory) {
                memory.insert(fingerprint, ());
            }
            Ok(verdict)
        }
        .boxed()
        .shared()
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
mod tests {
    use std::time::Instant;

    use super::*;

    fn settings() -> AuthSettings {
        AuthSettings { password_concurrency: 1, password_queue: 2, ..AuthSettings::for_tests() }
    }

    fn secret(text: &str) -> Secret {
        Secret::new(text).expect("short")
    }

    fn attempt<'a>(hash: &'a str, password: &'a Secret) -> Attempt<'a> {
        Attempt { name: "alice", epoch: 1, hash, password, remember: true }
    }

    const RIGHT: Result<Verdict, Busy> = Ok(Verdict::Right { rehashed: None });

    #[tokio::test]
    async fn a_right_password_is_remembered_until_something_changes() {
        let gate = Gate::new(&settings());
        let (right, wrong) = (secret("hunter2"), secret("hunter3"));
        let hash = password::hash_password(&right);
        assert_eq!(gate.check(attempt(&hash, &right)).await, RIGHT);
        let start = Instant::now();
        for _ in 0..1000 {
            assert_eq!(gate.check(attempt(&hash, &right)).await, RIGHT);
        }
        assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
        assert_eq!(gate.check(attempt(&hash, &wrong)).await, Ok(Verdict::Wrong));
        let remembered = |attempt: Attempt<'_>| {
            let fingerprint = gate.fingerprint(&attempt);
            gate.memory.as_ref().is_some_and(|memory| memory.contains_key(&fingerprint))
        };
        assert!(remembered(attempt(&hash, &right)) && !remembered(attempt(&hash, &wrong)));
        assert!(!remembered(Attempt { epoch: 2, ..attempt(&hash, &right) }));
        assert!(!remembered(Attempt { name: "bob", ..attempt(&hash, &right) }));
        assert!(!remembered(attempt(&password::hash_password(&right), &right)));
    }

    #[tokio::test]
    async fn what_may_not_be_remembered_is_not() {
        let gate = Gate::new(&settings());
        let right = secret("hunter2");
        let hash = password::hash_password(&right);
        assert_eq!(gate.check(Attempt { remember: false, ..attempt(&hash, &right) }).await, RIGHT);
        assert_eq!(gate.memory.as_ref().map(Cache::iter).map(Iterator::count), Some(0));
        let forgetful = Gate::new(&AuthSettings { password_memory: Duration::ZERO, ..settings() });
        assert_eq!(forgetful.check(attempt(&hash, &right)).await, RIGHT);
    }

    #[tokio::test]
    async fn the_line_is_short_and_equal_attempts_share_a_place() {
        let gate = Gate::new(&settings());
        let right = secret("hunter2");
        let hash = password::hash_password(&right);
        let held = Arc::clone(&gate.slots).acquire_owned().await.expect("open");
        let equal = (0..50).map(|_| gate.check(attempt(&hash, &right)));
        let guesses: Vec<Secret> = (0..10).map(|n| secret(&format!("guess{n}"))).collect();
        let others = guesses.iter().map(|guess| gate.check(attempt(&hash, guess)));
        let release = async {
            tokio::task::yield_now().await;
            drop(held);
        };
        let ((equal, others), ()) = tokio::join!(
            futures_util::future::join(futures_util::future::join_all(equal), futures_util::future::join_all(others)),
            release
        );
        assert!(equal.iter().all(|verdict| *verdict == RIGHT));
        assert_eq!(others.iter().filter(|verdict| **verdict == Ok(Verdict::Wrong)).count(), 2);
        assert_eq!(others.iter().filter(|verdict| verdict.is_err()).count(), 8);
        assert_eq!(gate.line.available_permits(), 3, "every place is given back");
    }

    #[tokio::test]
    async fn damaged_hashes_are_wrong_and_old_ones_are_renewed() {
        let gate = Gate::new(&settings());
        let right = secret("hunter2");
        assert_eq!(gate.check(attempt("damaged", &right)).await, Ok(Verdict::Wrong));
        let old = password::hash_with(&right, 64, 1, 1);
        assert!(matches!(gate.check(attempt(&old, &right)).await, Ok(Verdict::Right { rehashed: Some(_) })));
    }
}
