//! The gate: its memory, its line, and what it counts.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Instant;

use super::*;
use crate::auth::SealKey;
use crate::domain::Clock;
use crate::storage::metadata::{AddedUser, Metadata, NewUser, sqlite};

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
    store: Arc<dyn Metadata>,
    gate: Gate,
}

impl Place {
    async fn with(settings: AuthSettings) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let store = sqlite::open(&folder.path().join("test.db"), Clock::system()).await.expect("opens");
        let password_hash = password::hash_password(&secret("hunter2"));
        let user = NewUser { name: "alice".parse().expect("a name"), password_hash, admin: false };
        assert_eq!(store.add_user(user, true).await.expect("added"), AddedUser::Added);
        let ledger = Ledger::new(Arc::clone(&store), &settings, &SealKey::new([7; 32]));
        Self { _folder: folder, gate: Gate::new(&settings, ledger), store }
    }

    async fn alice(&self) -> UserRecord {
        self.gate.read("alice").await.expect("read").user.expect("there")
    }

    async fn login(&self, name: &str, password: &str, from: impl Into<IpAddr>) -> Outcome {
        let (known, password) = (self.gate.read(name).await.expect("read"), secret(password));
        let Known { name: hashed, user, failures } = &known;
        let from = Network::of(from.into());
        let attempt = Attempt { typed: name, name: hashed, user: user.as_ref(), failures, password: &password, from };
        self.gate.check(attempt).await
    }

    /// The same with this row for alice, whatever the database says.
    async fn check(&self, user: &UserRecord, password: &str, from: impl Into<IpAddr>) -> Outcome {
        let (password, from) = (secret(password), Network::of(from.into()));
        let name = self.gate.ledger.name("alice");
        let (user, failures) = (Some(user), &FailureRecord::default());
        self.gate.check(Attempt { typed: "alice", name: &name, user, failures, password: &password, from }).await
    }
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
    let (gate, epoch) = (&place.gate, place.alice().await.epoch);
    assert!(is_right(&place.login("alice", "hunter2", HERE).await));
    assert!(is_wrong(&place.login("alice", "hunter3", HERE).await));
    let remembered = |name: &str, epoch: i64, password: &str, from: Ipv4Addr| {
        gate.remembers(name, epoch, &secret(password), Network::of(from.into()))
    };
    let start = Instant::now();
    for _ in 0..1000 {
        assert!(remembered("alice", epoch, "hunter2", HERE));
    }
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    assert!(!remembered("alice", epoch, "hunter3", HERE));
    assert!(!remembered("alice", epoch, "hunter2", THERE), "an address that was not here before is looked at");
    assert!(!remembered("alice", epoch + 1, "hunter2", HERE) && !remembered("bob", epoch, "hunter2", HERE));
    assert!(is_right(&place.login("alice", "hunter2", THERE).await));
    assert!(remembered("alice", epoch, "hunter2", THERE));
}

#[tokio::test]
async fn what_may_not_be_remembered_is_not() {
    let place = Place::with(settings()).await;
    let disabled = UserRecord { disabled: true, ..place.alice().await };
    assert!(is_wrong(&place.check(&disabled, "hunter2", HERE).await));
    assert_eq!(place.gate.memory.as_ref().map(Cache::iter).map(Iterator::count), Some(0));
    assert_eq!(place.alice().await.failures.in_row, 1, "as wrong as any");
    let forgetful = Place::with(AuthSettings { password_memory: Duration::ZERO, ..settings() }).await;
    assert!(is_right(&forgetful.login("alice", "hunter2", HERE).await));
}

#[tokio::test]
async fn the_line_is_short_and_equal_attempts_share_a_place() {
    let place = Place::with(settings()).await;
    let (gate, alice) = (&place.gate, place.alice().await);
    let held = Arc::clone(&gate.slots).acquire_owned().await.expect("open");
    let equal = (0..50).map(|_| place.check(&alice, "hunter2", HERE));
    let guesses: Vec<String> = (0..10).map(|n| format!("guess{n}")).collect();
    let others = guesses.iter().map(|guess| place.check(&alice, guess, THERE));
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
    assert!(gate.line.is_empty(), "every place is given back");
}

#[tokio::test]
async fn damaged_hashes_are_wrong_and_old_ones_are_renewed() {
    let place = Place::with(settings()).await;
    let alice = place.alice().await;
    let damaged = UserRecord { password_hash: "damaged".to_owned(), ..alice.clone() };
    assert!(is_wrong(&place.check(&damaged, "hunter2", HERE).await));
    let old = UserRecord { password_hash: password::hash_with(&secret("hunter2"), 64, 1, 1), ..alice };
    assert!(matches!(place.check(&old, "hunter2", HERE).await, Ok(Verdict::Right { rehashed: Some(_) })));
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
        assert_eq!(outcomes.iter().filter(|outcome| outcome.is_err()).count(), 40 - looked_at);
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

/// Wrong passwords of this name, from addresses that are each its own site, all at once.
fn guesses<'a>(place: &'a Place, name: &'a str, count: u8) -> impl Future<Output = Vec<Outcome>> {
    let one = async move |n: u8| place.login(name, &format!("guess{n}"), [198, 51, n, 1]).await;
    futures_util::future::join_all((0..count).map(one))
}

#[tokio::test]
async fn guessers_from_everywhere_leave_room_for_those_who_were_here_before() {
    let place = Place::with(AuthSettings { password_queue: 15, failures_per_account: 0, ..settings() }).await;
    assert!(is_right(&place.login("alice", "hunter2", HERE).await));
    place.gate.memory.as_ref().expect("one").invalidate_all();
    let held = Arc::clone(&place.gate.slots).acquire_owned().await.expect("open");
    let user = async {
        // Comes when the line is as full as guessers can make it.
        tokio::task::yield_now().await;
        let login = place.login("alice", "hunter2", HERE);
        let release = async {
            tokio::time::sleep(Duration::from_millis(200)).await;
            drop(held);
        };
        tokio::join!(login, release).0
    };
    let (outcomes, login) = tokio::join!(guesses(&place, "nobody", 170), user);
    assert!(is_right(&login), "{login:?}");
    assert_eq!(outcomes.iter().filter(|outcome| is_wrong(outcome)).count(), 12, "sixteen places, four of them kept");
    let busy = outcomes.iter().filter(|outcome| matches!(outcome, Err(CredentialError::Busy { .. }))).count();
    assert_eq!(busy, 158);
}

#[tokio::test]
async fn a_restart_forgets_wrong_passwords_of_no_name() {
    let mut place = Place::with(AuthSettings { failures_per_account: 3, ..settings() }).await;
    let names = ["alice", "nobody", "No Name At All"];
    for name in names {
        for n in 0..3 {
            assert!(is_wrong(&place.login(name, &format!("guess{n}"), HERE).await), "{name} {n}");
        }
    }
    let ledger = |seal| {
        let store = Arc::clone(&place.store) as Arc<dyn Metadata>;
        Ledger::new(store, &AuthSettings { failures_per_account: 3, ..settings() }, &SealKey::new([seal; 32]))
    };
    let (same, other) = (ledger(7), ledger(8));
    place.gate = Gate::new(&settings(), same);
    for name in names {
        assert!(pause(&place.login(name, "guess", HERE).await).is_some_and(|wait| wait > 86_000), "{name}");
    }
    place.gate = Gate::new(&settings(), other);
    assert!(
        is_wrong(&place.login("nobody", "guess", HERE).await),
        "what the database holds names no one without the key"
    );
}
