//! Logins, tokens and revocation, from end to end on a real database.

use super::*;
use crate::auth::{Authorized, Caller, Continue, Denial, Permission, Pull, Push, hash_password};
use crate::domain::{Fingerprint, ManualClock, RepositoryName};
use crate::storage::metadata::{AddedUser, GrantRecord, Metadata, NewUser, sqlite};

struct Registry {
    _dir: tempfile::TempDir,
    store: Arc<dyn Metadata>,
    auth: Arc<Authenticator>,
}

impl Registry {
    /// With alice, whose password is `wonderland`.
    async fn open() -> Self {
        let (dir, store) = database().await;
        Self::on(dir, store).await
    }

    async fn on(dir: tempfile::TempDir, store: Arc<dyn Metadata>) -> Self {
        let auth = Authenticator::open(store.clone(), AuthSettings::for_tests(), DataKey::generate(), Clock::system())
            .await
            .expect("opened");
        let registry = Self { _dir: dir, store, auth: Arc::new(auth) };
        registry.add("alice", "wonderland", false).await;
        registry
    }

    async fn add(&self, user: &str, password: &str, admin: bool) {
        let user = NewUser { name: account(user), password_hash: hash_password(&secret(password)), admin };
        assert_eq!(self.store.add_user(user, true).await.expect("added"), AddedUser::Added);
    }

    async fn login(&self, user: &str, password: &str) -> Result<Credential, CredentialError> {
        let verified = self.auth.password(user, &secret(password), [192, 0, 2, 1].into()).await;
        verified.map(|verified| verified.credential)
    }

    /// A token of alice's for this scope.
    async fn token(&self, scope: &str) -> String {
        let alice = self.login("alice", "wonderland").await.expect("logged in");
        self.issue(alice.principal(), scope).await.token
    }

    async fn authorize<P: Permission>(&self, credential: &Credential, name: &str) -> Result<Authorized<P>, Denial> {
        let policy = self.auth.policies.of(credential.principal()).await.expect("read");
        policy.authorize(&Caller::for_tests(credential), &repository(name))
    }

    async fn issue(&self, principal: &Principal, scope: &str) -> IssuedToken {
        self.auth.issue(principal, &Scope::parse_all(std::iter::once(scope))).await.expect("a token")
    }
}

async fn database() -> (tempfile::TempDir, Arc<dyn Metadata>) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let store = sqlite::open(&dir.path().join("test.db"), Clock::system()).await.expect("opened");
    (dir, store)
}

fn account(name: &str) -> AccountName {
    name.parse().expect("a name")
}

fn repository(name: &str) -> RepositoryName {
    name.parse().expect("a repository's name")
}

fn secret(text: &str) -> Secret {
    Secret::new(text).expect("short")
}

fn is_wrong<T>(outcome: &Result<T, CredentialError>) -> bool {
    matches!(outcome, Err(CredentialError::Wrong))
}

fn is_void<T>(outcome: &Result<T, CredentialError>) -> bool {
    matches!(outcome, Err(CredentialError::Expired))
}

#[tokio::test]
async fn a_user_who_was_just_added_logs_in_and_uses_the_token_at_once() {
    let registry = Registry::open().await;
    let token = registry.token("repository:alice/app:pull,push,delete repository:bob/app:pull").await;
    let credential = registry.auth.bearer(&token).await.expect("valid").credential;
    assert_eq!(credential.principal().subject(), "user:alice");
    assert!(!credential.is_expired());
    assert!(registry.authorize::<Push>(&credential, "alice/app").await.is_ok());
    assert!(registry.authorize::<Continue>(&credential, "alice/app").await.is_ok());
    assert!(matches!(registry.authorize::<Pull>(&credential, "bob/app").await, Err(Denial::Forbidden(_))));
}

#[tokio::test]
async fn unknown_disabled_and_wrong_give_the_same_answer() {
    let registry = Registry::open().await;
    registry.add("mallory", "secret", true).await;
    registry.store.set_disabled(&account("mallory"), true).await.expect("disabled");
    let mut answers = Vec::new();
    for (user, password) in [
        ("alice", "wrong"),
        ("alice", ""),
        ("mallet", "wonderland"),
        ("mallory", "secret"),
        ("mallory", "wrong"),
        ("Alice", "wonderland"),
        ("", ""),
        ("alice:x", "y"),
        ("a/b", "x"),
    ] {
        let outcome = registry.login(user, password).await;
        assert!(is_wrong(&outcome), "{user} {password}");
        answers.extend(outcome.err().map(|error| error.to_string()));
    }
    answers.dedup();
    assert_eq!(answers.len(), 1);
}

#[tokio::test]
async fn a_changed_password_counts_as_soon_as_the_policy_is_read_and_ends_tokens() {
    let registry = Registry::open().await;
    let token = registry.token("repository:alice/app:pull").await;
    registry.store.set_password(&account("alice"), hash_password(&secret("new"))).await.expect("changed");
    registry.auth.reload_policy().await.expect("read");
    assert!(is_wrong(&registry.login("alice", "wonderland").await));
    assert!(registry.login("alice", "new").await.is_ok());
    assert!(is_void(&registry.auth.bearer(&token).await));
}

#[tokio::test]
async fn disabling_and_recreating_end_tokens() {
    let registry = Registry::open().await;
    let token = registry.token("repository:alice/app:pull").await;
    registry.store.set_disabled(&account("alice"), true).await.expect("disabled");
    registry.auth.reload_policy().await.expect("read");
    assert!(is_void(&registry.auth.bearer(&token).await));
    registry.store.set_disabled(&account("alice"), false).await.expect("enabled");
    registry.auth.reload_policy().await.expect("read");
    assert!(is_void(&registry.auth.bearer(&token).await));
    let token = registry.token("repository:alice/app:pull").await;
    registry.store.remove_user(&account("alice")).await.expect("removed");
    registry.add("alice", "wonderland", false).await;
    registry.auth.reload_policy().await.expect("read");
    assert!(is_void(&registry.auth.bearer(&token).await));
}

#[tokio::test]
async fn rights_are_those_of_now_not_of_the_token() {
    let registry = Registry::open().await;
    let grant = GrantRecord {
        to: "user:alice".parse().expect("a grantee"),
        on: "bob/*".parse().expect("a pattern"),
        allow: "push".parse().expect("actions"),
    };
    registry.store.add_grant(grant.clone()).await.expect("added");
    registry.auth.reload_policy().await.expect("read");
    let token = registry.token("repository:bob/app:push").await;
    // As a request does: by the policy that its token was verified by.
    let may = async |token: &str| {
        let caller =
            Caller::new(registry.auth.bearer(token).await.expect("valid"), [192, 0, 2, 1].into(), uuid::Uuid::nil());
        caller.authorize::<Push>(&repository("bob/app")).is_ok()
    };
    assert!(may(&token).await);
    registry.store.remove_grant(&grant.to, &grant.on).await.expect("removed");
    registry.auth.reload_policy().await.expect("read");
    assert!(!may(&token).await);
    registry.store.add_grant(grant).await.expect("added");
    registry.auth.reload_policy().await.expect("read");
    assert!(may(&token).await);
}

#[tokio::test]
async fn a_remembered_password_costs_no_read_of_the_database_and_ends_with_the_user() {
    let registry = Registry::open().await;
    registry.login("alice", "wonderland").await.expect("logged in");
    let login = |from: [u8; 4]| {
        let auth = &registry.auth;
        async move { auth.password("alice", &secret("wonderland"), from.into()).await }
    };
    registry.store.set_disabled(&account("alice"), true).await.expect("disabled");
    assert!(login([192, 0, 2, 1]).await.is_ok(), "until the policy is read again, which it is four times a second");
    registry.auth.reload_policy().await.expect("read");
    assert!(is_wrong(&login([192, 0, 2, 1]).await));
    registry.store.set_disabled(&account("alice"), false).await.expect("enabled");
    registry.auth.reload_policy().await.expect("read");
    assert!(login([192, 0, 2, 1]).await.is_ok());
    // The database is gone, and what is remembered needs it no more.
    registry.store.close().await.expect("closed");
    for _ in 0..100 {
        assert!(login([192, 0, 2, 1]).await.is_ok());
    }
    assert!(matches!(login([192, 0, 2, 2]).await, Err(CredentialError::Storage(_))), "elsewhere it does");
}

#[tokio::test]
async fn a_refresh_token_is_a_password_of_its_user_and_is_not_renewed_for_itself() {
    let registry = Registry::open().await;
    registry.add("bob", "builders", false).await;
    let alice = registry.login("alice", "wonderland").await.expect("logged in");
    assert!(alice.may_be_kept());
    let token = registry.auth.issue_refresh_token(alice.principal()).await.expect("issued").expect("switched on");
    for name in ["alice", "", "<token>", "alice"] {
        let credential = registry.login(name, &token).await.expect(name);
        assert_eq!(credential.principal(), alice.principal());
        assert!(!credential.may_be_kept() && !credential.is_token());
    }
    for name in ["bob", "mallet", "Alice"] {
        assert!(is_wrong(&registry.login(name, &token).await), "{name}");
    }
    let mut other = token.clone();
    other.replace_range(10..11, if &token[10..11] == "A" { "B" } else { "A" });
    assert!(is_wrong(&registry.login("alice", &other).await));
    registry.store.set_password(&account("alice"), hash_password(&secret("new"))).await.expect("changed");
    registry.auth.reload_policy().await.expect("read");
    assert!(is_wrong(&registry.login("alice", &token).await), "it ends with the password");
}

#[tokio::test]
async fn many_equal_logins_at_once_all_pass() {
    let registry = Registry::open().await;
    let logins = (0..200).map(|_| registry.login("alice", "wonderland"));
    let outcomes = futures_util::future::join_all(logins).await;
    assert!(outcomes.iter().all(Result::is_ok));
}

#[tokio::test]
async fn hashes_with_other_parameters_are_renewed_at_login() {
    let registry = Registry::open().await;
    let old = crate::auth::credentials::hash_with(&secret("pw"), 64, 1, 1);
    let bob = NewUser { name: account("bob"), password_hash: old.clone(), admin: false };
    registry.store.add_user(bob, true).await.expect("added");
    let before = registry.login("bob", "pw").await.expect("logged in");
    let stored = registry.store.user(&account("bob")).await.expect("read").expect("there");
    assert!(stored.password_hash != old && stored.password_hash.contains("m=19456,t=2,p=1"));
    assert_eq!(registry.login("bob", "pw").await.expect("logged in").principal(), before.principal());
}

#[tokio::test]
async fn keys_are_kept_sealed_rotate_and_survive_a_restart() {
    let (_dir, store) = database().await;
    let store: Arc<dyn Metadata> = store;
    let (data_key, time) = (DataKey::generate(), ManualClock::at(jiff::Timestamp::now()));
    let open = |key: DataKey| Authenticator::open(Arc::clone(&store), AuthSettings::for_tests(), key, time.clock());
    let first = open(data_key.clone()).await.expect("opened");
    let token = first.issue(&Principal::Anonymous, &[]).await.expect("a token").token;
    let second = open(data_key.clone()).await.expect("opened again");
    assert!(second.bearer(&token).await.is_ok());
    assert_eq!(first.jwks(), second.jwks());
    assert_eq!(first.jwks()["keys"].as_array().map(Vec::len), Some(1));
    assert!(matches!(open(DataKey::generate()).await, Err(AuthError::UnreadableTokenKey { .. })));

    let kid = |auth: &Authenticator| auth.jwks()["keys"][0]["kid"].clone();
    let old = kid(&second);
    time.advance(Duration::from_hours(30 * 24));
    second.rotate_keys().await.expect("rotated");
    second.rotate_keys().await.expect("nothing to do");
    assert_eq!(second.jwks()["keys"].as_array().map(Vec::len), Some(2));
    let token = first.issue(&Principal::Anonymous, &[]).await.expect("a token").token;
    assert!(second.bearer(&token).await.is_ok(), "the old key still verifies");
    let token = second.issue(&Principal::Anonymous, &[]).await.expect("a token").token;
    assert!(first.bearer(&token).await.is_ok());
    // Two processes that rotate at once make one key: the other's is refused.
    first.rotate_keys().await.expect("too late");
    assert_eq!(store.token_keys().await.expect("read").len(), 2);
    time.advance(Duration::from_hours(4 * 24));
    second.rotate_keys().await.expect("rotated");
    assert_eq!(store.token_keys().await.expect("read").len(), 1);
    assert_ne!(kid(&second), old, "the old key is gone");
}

#[tokio::test]
async fn a_known_token_is_verified_and_used_without_the_database() {
    let registry = Registry::open().await;
    let token = registry.token("repository:alice/app:pull,push").await;
    let credential = registry.auth.bearer(&token).await.expect("valid").credential;
    registry.authorize::<Pull>(&credential, "alice/app").await.expect("allowed");
    registry.store.close().await.expect("closed");
    for _ in 0..100 {
        let credential = registry.auth.bearer(&token).await.expect("valid").credential;
        registry.authorize::<Pull>(&credential, "alice/app").await.expect("allowed");
    }
}

#[tokio::test]
async fn the_user_of_a_certificate_must_exist_and_be_enabled_and_has_all_their_rights() {
    let registry = Registry::open().await;
    let alice = registry
        .auth
        .certificate(&account("alice"), Fingerprint::of_der(b""))
        .await
        .expect("just added, and known")
        .credential;
    assert!(!alice.is_token() && !alice.is_expired());
    assert!(registry.authorize::<Push>(&alice, "alice/app").await.is_ok());
    assert!(matches!(registry.authorize::<Push>(&alice, "bob/app").await, Err(Denial::Forbidden(_))));

    let unknown = registry.auth.certificate(&account("mallet"), Fingerprint::of_der(b"")).await;
    assert!(matches!(unknown, Err(CredentialError::NoSuchUser(name)) if name.as_str() == "mallet"));
    registry.store.set_password(&account("alice"), hash_password(&secret("looking-glass"))).await.expect("set");
    registry.auth.reload_policy().await.expect("refreshed");
    assert!(
        registry.auth.certificate(&account("alice"), Fingerprint::of_der(b"")).await.is_ok(),
        "a new password does not touch it"
    );
    registry.store.set_disabled(&account("alice"), true).await.expect("disabled");
    registry.auth.reload_policy().await.expect("refreshed");
    assert!(matches!(
        registry.auth.certificate(&account("alice"), Fingerprint::of_der(b"")).await,
        Err(CredentialError::NoSuchUser(_))
    ));
    assert!(registry.authorize::<Push>(&alice, "alice/app").await.is_err(), "nor is the old credential good");
}

/// 100,000 users and 100,000 grants, in rows that cannot be parsed: reading any of them fails.
async fn crowd(dir: &tempfile::TempDir) {
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(dir.path().join("test.db"));
    let pool = sqlx::SqlitePool::connect_with(options).await.expect("opened");
    for statement in [
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000)
            INSERT INTO users (name, password_hash, admin, epoch, created_at) SELECT 'NOT A NAME ' || i, '', 0, -i, 0 FROM n",
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000)
            INSERT INTO grants (grantee, pattern, can_pull, can_push, can_delete)
            SELECT 'NOT A GRANTEE ' || i, 'NOT A PATTERN', 1, 0, 0 FROM n",
    ] {
        sqlx::query(statement).execute(&pool).await.expect("inserted");
    }
    pool.close().await;
}

#[tokio::test]
async fn of_many_users_and_grants_only_those_of_the_caller_are_read() {
    let (dir, store) = database().await;
    crowd(&dir).await;
    assert!(store.users().await.is_err() && store.grants().await.is_err(), "the others cannot be read");
    let registry = Registry::on(dir, store).await;
    let grant = GrantRecord {
        to: "user:alice".parse().expect("a grantee"),
        on: "bob/*".parse().expect("a pattern"),
        allow: "push".parse().expect("actions"),
    };
    registry.store.add_grant(grant.clone()).await.expect("added");
    let token = registry.token("repository:bob/app:push").await;
    let credential = registry.auth.bearer(&token).await.expect("valid").credential;
    assert!(registry.authorize::<Push>(&credential, "bob/app").await.is_ok());
    let anonymous = registry.authorize::<Pull>(&Credential::anonymous(), "bob/app").await;
    assert!(matches!(anonymous, Err(Denial::Unauthenticated(_))));

    // A change for another user, and then one for alice.
    registry.add("bob", "builders", false).await;
    registry.auth.reload_policy().await.expect("read");
    assert!(registry.login("bob", "builders").await.is_ok());
    assert!(registry.authorize::<Push>(&credential, "bob/app").await.is_ok());
    registry.store.remove_grant(&grant.to, &grant.on).await.expect("removed");
    registry.auth.reload_policy().await.expect("read");
    assert!(registry.authorize::<Push>(&credential, "bob/app").await.is_err());
}
