//! The gate: its memory, its line, and what it counts.

use std::net::Ipv4Addr;
use std::time::Instant;

use super::*;
use crate::storage::metadata::sqlite::SqliteMetadata;
use crate::storage::metadata::{LoginFailures, Metadata, NewUser, Users};

const HERE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const THERE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);

fn settings() -> AuthSettings {
    AuthSettings { password_concurrency: 1, password_queue: 2, failures_per_address: 0, ..AuthSettings::for_tests() }
}

fn secret(text: &str) -> Secret {
    Secret::new(text).expect("short")
}

/// A gate before a database with the user alice, whose password is `hunter2`.
struct Place {
    _folder: tempfile::TempDir,
    store: Arc<SqliteMetadata>,
    gate: Gate,
}

impl Place {
    async fn with(settings: AuthSettings) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Arc::new(SqliteMetadata::open(&folder.path().join("test.db")).await.expect("opens"));
        let password_hash = password::hash_password(&secret("hunter2"));
        let user = NewUser { name: "alice".parse().expect("a name"), password_hash, admin: false };
        assert!(store.add_user(user).await.expect("added"));
        let ledger = Ledger::new(Arc::clone(&store) as Arc<dyn Metadata>, &settings);
        Self { _folder: folder, gate: Gate::new(&settings, ledger), store }
    }

    async fn user(&self, name: &str) -> Option<UserRecord> {
        let account = name.parse().ok()?;
        self.store.user(&account).await.expect("read")
    }

    async fn alice(&self) -> UserRecord {
        self.user("alice").await.expect("there")
    }

    async fn login(&self, name: &str, password: &str, from: Ipv4Addr) -> Outcome {
        let (user, password) = (self.user(name).await, secret(password));
        let from = Network::of(from.into());
        self.gate.check(Attempt { name, user: user.as_ref(), password: &password, from }).await
    }
}

fn attempt<'a>(user: &'a UserRecord, password: &'a Secret) -> Attempt<'a> {
    Attempt { name: "alice", user: Some(user), password, from: Network::of(HERE.into()) }
}

fn is_right(outcome: &Outcome) -> bool {
    matches!(outcome, Ok(Verdict::Right { rehashed: None }))
}

fn is_wrong(outcome: &Outcome) -> bool {
    matches!(outcome, Ok(Verdict::Wrong))
}

/// How long whoever was refused must wait, in seconds.
fn pause(outcome: &Outcome) -> Option<u64> {
    match outcome {
        Err(CredentialError::Limited { retry_after }) => Some(retry_after.as_secs()),
        _ => None,
    }
}

#[tokio::test]
async fn a_right_password_is_remembered_until_something_changes() {
    let place = Place::with(settings()).await;
    let (gate, alice, right, wrong) = (&place.gate, place.alice().await, secret("hunter2"), secret("hunter3"));
    assert!(is_right(&gate.check(attempt(&alice, &right)).await));
    let start = Instant::now();
    for _ in 0..1000 {
        assert!(is_right(&gate.check(attempt(&alice, &right)).await));
    }
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    assert!(is_wrong(&gate.check(attempt(&alice, &wrong)).await));
    let remembered = |attempt: Attempt<'_>| {
        let fingerprint = gate.fingerprint(&attempt);
        gate.memory.as_ref().is_some_and(|memory| memory.contains_key(&fingerprint))
    };
    assert!(remembered(attempt(&alice, &right)) && !remembered(attempt(&alice, &wrong)));
    assert!(!remembered(attempt(&UserRecord { epoch: alice.epoch + 1, ..alice.clone() }, &right)));
    assert!(!remembered(Attempt { name: "bob", ..attempt(&alice, &right) }));
    let salted_anew = password::hash_password(&right);
    assert!(!remembered(attempt(&UserRecord { password_hash: salted_anew, ..alice.clone() }, &right)));
}

#[tokio::test]
async fn what_may_not_be_remembered_is_not() {
    let place = Place::with(settings()).await;
    let (gate, right) = (&place.gate, secret("hunter2"));
    let disabled = UserRecord { disabled: true, ..place.alice().await };
    assert!(is_wrong(&gate.check(attempt(&disabled, &right)).await));
    assert_eq!(gate.memory.as_ref().map(Cache::iter).map(Iterator::count), Some(0));
    assert_eq!(place.alice().await.failures.in_row, 1, "as wrong as any");
    let forgetful = Place::with(AuthSettings { password_memory: Duration::ZERO, ..settings() }).await;
    assert!(is_right(&forgetful.login("alice", "hunter2", HERE).await));
}

#[tokio::test]
async fn the_line_is_short_and_equal_attempts_share_a_place() {
    let place = Place::with(settings()).await;
    let (gate, alice, right) = (&place.gate, place.alice().await, secret("hunter2"));
    let held = Arc::clone(&gate.slots).acquire_owned().await.expect("open");
    let equal = (0..50).map(|_| gate.check(attempt(&alice, &right)));
    let guesses: Vec<Secret> = (0..10).map(|n| secret(&format!("guess{n}"))).collect();
    let others = guesses.iter().map(|guess| gate.check(attempt(&alice, guess)));
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
    assert_eq!(gate.line.available_permits(), 3, "every place is given back");
}

#[tokio::test]
async fn damaged_hashes_are_wrong_and_old_ones_are_renewed() {
    let place = Place::with(settings()).await;
    let (gate, right, alice) = (&place.gate, secret("hunter2"), place.alice().await);
    let damaged = UserRecord { password_hash: "damaged".to_owned(), ..alice.clone() };
    assert!(is_wrong(&gate.check(attempt(&damaged, &right)).await));
    let old = UserRecord { password_hash: password::hash_with(&right, 64, 1, 1), ..alice };
    assert!(matches!(gate.check(attempt(&old, &right)).await, Ok(Verdict::Right { rehashed: Some(_) })));
}

#[tokio::test]
async fn after_ten_wrong_ones_the_right_one_waits_too_and_so_does_a_name_of_nobody() {
    let place = Place::with(settings()).await;
    for name in ["alice", "nobody"] {
        for n in 0..10 {
            assert!(is_wrong(&place.login(name, &format!("guess{n}"), HERE).await), "{name} {n}");
        }
        // Whole seconds: the first wait may be over already.
        place.login(name, "guess", HERE).await.ok();
        for password in ["guess", "hunter2"] {
            assert!(pause(&place.login(name, password, HERE).await).is_some(), "{name} {password}");
        }
    }
    place.store.clear_login_failures(&"alice".parse().expect("a name")).await.expect("cleared");
    assert!(is_right(&place.login("alice", "hunter2", HERE).await), "forgiven at once");
}

#[tokio::test]
async fn what_was_right_from_there_goes_on_and_from_elsewhere_waits() {
    let place = Place::with(AuthSettings { failures_per_account: 10, ..settings() }).await;
    assert!(is_right(&place.login("alice", "hunter2", HERE).await));
    for n in 0..10 {
        assert!(is_wrong(&place.login("alice", &format!("guess{n}"), THERE).await), "{n}");
    }
    let day = 24 * 60 * 60;
    for password in ["guess", "hunter2"] {
        let wait = pause(&place.login("alice", password, THERE).await).expect("a pause");
        assert!((day - 60..=day).contains(&wait), "{wait}");
    }
    // Also when it is not remembered any more.
    assert!(is_right(&place.login("alice", "hunter2", HERE).await));
    place.gate.memory.as_ref().expect("one").invalidate_all();
    assert!(is_right(&place.login("alice", "hunter2", HERE).await));
    assert_eq!(place.alice().await.failures.at.len(), 10, "and ends no lock");
    for n in 0..10 {
        assert!(pause(&place.login("alice", &format!("guess{n}"), HERE).await).is_some(), "{n}");
    }
    assert!(pause(&place.login("alice", "hunter2", HERE).await).is_some(), "nor is it a way to guess");
}

#[tokio::test]
async fn a_right_password_ends_the_row_and_not_the_days_count() {
    let place = Place::with(settings()).await;
    for _ in 0..2 {
        for n in 0..9 {
            assert!(is_wrong(&place.login("alice", &format!("guess{n}"), HERE).await), "{n}");
        }
        place.gate.memory.as_ref().expect("one").invalidate_all();
        assert!(is_right(&place.login("alice", "hunter2", HERE).await));
    }
    let failures = place.alice().await.failures;
    assert_eq!((failures.at.len(), failures.in_row), (18, 0));
}

#[tokio::test]
async fn many_guesses_at_once_are_not_more_than_one_after_the_other() {
    let roomy = AuthSettings { password_concurrency: 8, password_queue: 64, ..settings() };
    for (limits, most) in [
        (AuthSettings { failures_per_account: 5, ..roomy.clone() }, 5),
        // Those that are being looked at when the limit is reached are looked at to their end.
        (AuthSettings { failures_per_account: 0, failures_per_address: 5, ..roomy }, 12),
    ] {
        let place = Place::with(limits).await;
        let names: Vec<String> = (0..40).map(|n| format!("nobody{n}")).collect();
        let guesses = names.iter().enumerate().map(|(n, name)| {
            let name = if most == 5 { "alice" } else { name };
            let place = &place;
            async move { place.login(name, &format!("guess{n}"), HERE).await }
        });
        let outcomes = futures_util::future::join_all(guesses).await;
        let looked_at = outcomes.iter().filter(|outcome| is_wrong(outcome)).count();
        assert!((5..=most).contains(&looked_at), "{looked_at}");
        assert_eq!(outcomes.iter().filter(|outcome| pause(outcome).is_some()).count(), 40 - looked_at);
    }
}

#[tokio::test]
async fn an_address_that_guesses_waits_for_every_name_and_others_do_not() {
    let place = Place::with(AuthSettings { failures_per_address: 3, ..settings() }).await;
    for name in ["alice", "nobody", "ALICE"] {
        assert!(is_wrong(&place.login(name, "guess", HERE).await), "{name}");
    }
    for name in ["alice", "nobody"] {
        assert!(pause(&place.login(name, "hunter2", HERE).await).is_some_and(|seconds| seconds >= 58), "{name}");
    }
    assert!(is_right(&place.login("alice", "hunter2", THERE).await));
}
