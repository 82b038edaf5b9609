//! The password verifier: its memory, its queue, and what it counts.

use std::net::{IpAddr, Ipv4Addr};

use super::*;
use crate::auth::credentials::hash_with;
use crate::auth::{DataKey, hash_password};
use crate::domain::Clock;
use crate::storage::metadata::{AddedUser, Metadata, NewUser, sqlite};

const HERE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const THERE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);

fn settings() -> AuthSettings {
    AuthSettings { password_concurrency: 1, password_queue: 2, failures_per_address: 0, ..AuthSettings::for_tests() }
}

fn failed_logins(store: &Arc<dyn Metadata>, settings: &AuthSettings, key: u8) -> FailedLogins {
    FailedLogins::new(Arc::clone(store), settings, &DataKey::new([key; 32]), Clock::system())
}

fn secret(text: &str) -> Secret {
    Secret::new(text).expect("short")
}

/// A verifier before a database with the user alice, whose password is `hunter2`.
struct Login {
    _folder: tempfile::TempDir,
    store: Arc<dyn Metadata>,
    verifier: PasswordVerifier,
}

impl Login {
    async fn with(settings: AuthSettings) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let store = sqlite::open(&folder.path().join("test.db"), Clock::system()).await.expect("opens");
        let password_hash = hash_password(&secret("hunter2"));
        let user = NewUser { name: "alice".parse().expect("a name"), password_hash, admin: false };
        assert_eq!(store.add_user(user, true).await.expect("added"), AddedUser::Added);
        let failed = failed_logins(&store, &settings, 7);
        Self { _folder: folder, verifier: PasswordVerifier::new(&settings, failed), store }
    }

    async fn alice(&self) -> UserRecord {
        self.verifier.read("alice").await.expect("read").user.expect("there")
    }

    async fn attempt(&self, name: &str, password: &str, from: impl Into<IpAddr>) -> Verified {
        let (known, password) = (self.verifier.read(name).await.expect("read"), secret(password));
        let NameRecord { name: hashed, user, failures } = &known;
        let from = Network::of(from.into());
        let attempt =
            LoginAttempt { typed: name, name: hashed, user: user.as_ref(), failures, password: &password, from };
        self.verifier.verify(attempt).await
    }

    /// The same with this row for alice, whatever the database says.
    async fn check(&self, user: &UserRecord, password: &str, from: impl Into<IpAddr>) -> Verified {
        let (password, from) = (secret(password), Network::of(from.into()));
        let name = self.verifier.shared.failed.name("alice");
        let (user, failures) = (Some(user), &FailureRecord::default());
        self.verifier
            .verify(LoginAttempt { typed: "alice", name: &name, user, failures, password: &password, from })
            .await
    }
}

fn is_right(outcome: &Verified) -> bool {
    matches!(outcome, Ok(PasswordOutcome::Right { rehashed: None }))
}

fn is_wrong(outcome: &Verified) -> bool {
    matches!(outcome, Ok(PasswordOutcome::Wrong))
}

/// How long someone who was refused must wait, in seconds.
fn retry_after(outcome: &Verified) -> Option<u64> {
    match outcome {
        Err(CredentialError::RateLimited { retry_after }) => Some(retry_after.as_secs()),
        _ => None,
    }
}

#[tokio::test]
async fn a_right_password_is_remembered_until_something_changes() {
    let login = Login::with(settings()).await;
    let (verifier, epoch) = (&login.verifier, login.alice().await.epoch);
    assert!(is_right(&login.attempt("alice", "hunter2", HERE).await));
    assert!(is_wrong(&login.attempt("alice", "hunter3", HERE).await));
    let remembered = |name: &str, epoch: i64, password: &str, from: Ipv4Addr| {
        verifier.remembers(name, epoch, &secret(password), Network::of(from.into()))
    };
    assert!(remembered("alice", epoch, "hunter2", HERE));
    assert!(!remembered("alice", epoch, "hunter3", HERE));
    assert!(!remembered("alice", epoch, "hunter2", THERE), "a password from a new address is verified");
    assert!(!remembered("alice", epoch + 1, "hunter2", HERE) && !remembered("bob", epoch, "hunter2", HERE));
    assert!(is_right(&login.attempt("alice", "hunter2", THERE).await));
    assert!(remembered("alice", epoch, "hunter2", THERE));
}

#[tokio::test]
async fn what_may_not_be_remembered_is_not() {
    let login = Login::with(settings()).await;
    let disabled = UserRecord { disabled: true, ..login.alice().await };
    assert!(is_wrong(&login.check(&disabled, "hunter2", HERE).await));
    assert_eq!(login.verifier.shared.memory.as_ref().map(Cache::iter).map(Iterator::count), Some(0));
    assert_eq!(login.alice().await.failures.consecutive, 1, "as wrong as any");
    let forgetful = Login::with(AuthSettings { password_memory: Duration::ZERO, ..settings() }).await;
    assert!(is_right(&forgetful.attempt("alice", "hunter2", HERE).await));
}

#[tokio::test]
async fn the_queue_is_short_and_equal_attempts_share_a_place() {
    let login = Login::with(settings()).await;
    let (verifier, alice) = (&login.verifier, login.alice().await);
    let held = Arc::clone(&verifier.shared.permits).acquire_owned().await.expect("open");
    let equal = (0..50).map(|_| login.check(&alice, "hunter2", HERE));
    let guesses: Vec<String> = (0..10).map(|n| format!("guess{n}")).collect();
    let others = guesses.iter().map(|guess| login.check(&alice, guess, THERE));
    let release = async {
        tokio::task::yield_now().await;
        drop(held);
    };
    let ((equal, others), ()) = tokio::join!(
        futures_util::future::join(futures_util::future::join_all(equal), futures_util::future::join_all(others)),
        release
    );
    assert!(equal.iter().all(is_right));
    assert_eq!(others.iter().filter(|outcome| is_wrong(outcome)).count(), 2);
    assert_eq!(others.iter().filter(|outcome| matches!(outcome, Err(CredentialError::Busy { .. }))).count(), 8);
    assert!(verifier.shared.queue.is_empty(), "every place is given back");
}

#[tokio::test]
async fn damaged_hashes_are_wrong_and_old_ones_are_renewed() {
    let login = Login::with(settings()).await;
    let alice = login.alice().await;
    let damaged = UserRecord { password_hash: "damaged".to_owned(), ..alice.clone() };
    assert!(is_wrong(&login.check(&damaged, "hunter2", HERE).await));
    let old = UserRecord { password_hash: hash_with(&secret("hunter2"), 64, 1, 1), ..alice };
    assert!(matches!(login.check(&old, "hunter2", HERE).await, Ok(PasswordOutcome::Right { rehashed: Some(_) })));
}

#[tokio::test]
async fn after_ten_wrong_ones_the_right_one_waits_too_and_so_does_an_unknown_name() {
    let login = Login::with(settings()).await;
    for name in ["alice", "mallet"] {
        for n in 0..10 {
            assert!(is_wrong(&login.attempt(name, &format!("guess{n}"), HERE).await), "{name} {n}");
        }
        // Whole seconds: the first wait may be over already.
        login.attempt(name, "guess", HERE).await.ok();
        for password in ["guess", "hunter2"] {
            assert!(retry_after(&login.attempt(name, password, HERE).await).is_some(), "{name} {password}");
        }
    }
    login.store.clear_login_failures(&"alice".parse().expect("a name")).await.expect("cleared");
    assert!(is_right(&login.attempt("alice", "hunter2", HERE).await), "forgiven at once");
}

#[tokio::test]
async fn what_was_right_from_there_is_still_accepted_and_from_elsewhere_waits() {
    let login = Login::with(AuthSettings { failures_per_account: 10, ..settings() }).await;
    assert!(is_right(&login.attempt("alice", "hunter2", HERE).await));
    for n in 0..10 {
        assert!(is_wrong(&login.attempt("alice", &format!("guess{n}"), THERE).await), "{n}");
    }
    let day = 24 * 60 * 60;
    for password in ["guess", "hunter2"] {
        let wait = retry_after(&login.attempt("alice", password, THERE).await).expect("rate limited");
        assert!((day - 60..=day).contains(&wait), "{wait}");
    }
    // Also when it is not remembered any more.
    assert!(is_right(&login.attempt("alice", "hunter2", HERE).await));
    login.verifier.shared.memory.as_ref().expect("one").invalidate_all();
    assert!(is_right(&login.attempt("alice", "hunter2", HERE).await));
    assert_eq!(login.alice().await.failures.at.len(), 10, "and ends no lock");
    for n in 0..10 {
        assert!(retry_after(&login.attempt("alice", &format!("guess{n}"), HERE).await).is_some(), "{n}");
    }
    assert!(retry_after(&login.attempt("alice", "hunter2", HERE).await).is_some(), "nor is it a way to guess");
}

#[tokio::test]
async fn a_right_password_ends_consecutive_failures_and_not_the_days_count() {
    let login = Login::with(settings()).await;
    for _ in 0..2 {
        for n in 0..9 {
            assert!(is_wrong(&login.attempt("alice", &format!("guess{n}"), HERE).await), "{n}");
        }
        login.verifier.shared.memory.as_ref().expect("one").invalidate_all();
        assert!(is_right(&login.attempt("alice", "hunter2", HERE).await));
    }
    let failures = login.alice().await.failures;
    assert_eq!((failures.at.len(), failures.consecutive), (18, 0));
}

#[tokio::test]
async fn many_guesses_at_once_are_not_more_than_one_after_the_other() {
    let roomy = AuthSettings { password_concurrency: 8, password_queue: 64, ..settings() };
    for (limits, most) in [
        (AuthSettings { failures_per_account: 5, ..roomy.clone() }, 5),
        // Those that are being verified when the limit is reached are verified to their end.
        (AuthSettings { failures_per_account: 0, failures_per_address: 5, ..roomy }, 12),
    ] {
        let login = Login::with(limits).await;
        let names: Vec<String> = (0..40).map(|n| format!("mallet{n}")).collect();
        let guesses = names.iter().enumerate().map(|(n, name)| {
            let name = if most == 5 { "alice" } else { name };
            let login = &login;
            async move { login.attempt(name, &format!("guess{n}"), HERE).await }
        });
        let outcomes = futures_util::future::join_all(guesses).await;
        let verified = outcomes.iter().filter(|outcome| is_wrong(outcome)).count();
        assert!((5..=most).contains(&verified), "{verified}");
        assert_eq!(outcomes.iter().filter(|outcome| outcome.is_err()).count(), 40 - verified);
    }
}

#[tokio::test]
async fn an_address_that_guesses_waits_for_every_name_and_others_do_not() {
    let login = Login::with(AuthSettings { failures_per_address: 3, ..settings() }).await;
    for name in ["alice", "mallet", "ALICE"] {
        assert!(is_wrong(&login.attempt(name, "guess", HERE).await), "{name}");
    }
    for name in ["alice", "mallet"] {
        assert!(
            retry_after(&login.attempt(name, "hunter2", HERE).await).is_some_and(|seconds| seconds >= 58),
            "{name}"
        );
    }
    assert!(is_right(&login.attempt("alice", "hunter2", THERE).await));
}

/// Wrong passwords of this name, from addresses that are each its own site, all at once.
fn guesses<'a>(login: &'a Login, name: &'a str, count: u8) -> impl Future<Output = Vec<Verified>> {
    let one = async move |n: u8| login.attempt(name, &format!("guess{n}"), [198, 51, n, 1]).await;
    futures_util::future::join_all((0..count).map(one))
}

#[tokio::test]
async fn guessers_from_everywhere_leave_room_for_known_sources() {
    let login = Login::with(AuthSettings { password_queue: 15, failures_per_account: 0, ..settings() }).await;
    assert!(is_right(&login.attempt("alice", "hunter2", HERE).await));
    login.verifier.shared.memory.as_ref().expect("one").invalidate_all();
    let held = Arc::clone(&login.verifier.shared.permits).acquire_owned().await.expect("open");
    let user = async {
        // Comes when the queue is as full as guessers can make it.
        tokio::task::yield_now().await;
        let known = login.attempt("alice", "hunter2", HERE);
        let release = async {
            tokio::time::sleep(Duration::from_millis(200)).await;
            drop(held);
        };
        tokio::join!(known, release).0
    };
    let (outcomes, known) = tokio::join!(guesses(&login, "mallet", 170), user);
    assert!(is_right(&known), "{known:?}");
    assert_eq!(outcomes.iter().filter(|outcome| is_wrong(outcome)).count(), 12, "sixteen places, four of them kept");
    let busy = outcomes.iter().filter(|outcome| matches!(outcome, Err(CredentialError::Busy { .. }))).count();
    assert_eq!(busy, 158);
}

#[tokio::test]
async fn a_restart_forgets_wrong_passwords_of_no_name() {
    let mut login = Login::with(AuthSettings { failures_per_account: 3, ..settings() }).await;
    let names = ["alice", "mallet", "No Name At All"];
    for name in names {
        for n in 0..3 {
            assert!(is_wrong(&login.attempt(name, &format!("guess{n}"), HERE).await), "{name} {n}");
        }
    }
    let limits = AuthSettings { failures_per_account: 3, ..settings() };
    let (same, other) = (failed_logins(&login.store, &limits, 7), failed_logins(&login.store, &limits, 8));
    login.verifier = PasswordVerifier::new(&settings(), same);
    for name in names {
        assert!(retry_after(&login.attempt(name, "guess", HERE).await).is_some_and(|wait| wait > 86_000), "{name}");
    }
    login.verifier = PasswordVerifier::new(&settings(), other);
    assert!(
        is_wrong(&login.attempt("mallet", "guess", HERE).await),
        "what the database holds names no one without the key"
    );
}
