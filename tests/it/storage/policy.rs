//! The contract of `Metadata`: users, grants, keys, and the version that grows with each of them.

use portcullis::domain::{AccountName, Glob, Grantee};
use portcullis::storage::metadata::{
    AddedUser, FailureRecord, GrantRecord, LoginName, Metadata, NewUser, RefreshTokenRecord, TokenKeyRecord,
};

use super::subject::{BEGIN, MetadataSubject};

metadata_contract! {
    users_are_added_and_changed,
    an_epoch_never_comes_back,
    grants_add_up,
    a_removed_user_loses_its_grants,
    of_two_that_rotate_one_does,
    refresh_tokens_end_with_their_time_their_number_and_their_user,
    wrong_passwords_are_kept_until_they_are_old_or_forgiven,
}

pub fn account(text: &str) -> AccountName {
    text.parse().expect("an account name")
}

pub async fn add(store: &dyn Metadata, name: &str) -> bool {
    let user = NewUser { name: account(name), password_hash: "$argon2id$1".to_owned(), admin: name == "root" };
    store.add_user(user, true).await.expect("added") == AddedUser::Added
}

/// The name as a login stores it.
fn typed(name: &str) -> LoginName {
    let mut hash = [0; 32];
    hash[..name.len()].copy_from_slice(name.as_bytes());
    LoginName { account: name.parse().ok(), hash }
}

async fn epoch(store: &dyn Metadata, name: &str) -> i64 {
    store.user(&account(name)).await.expect("read").expect("there").epoch
}

/// Whether the policy version grew since `before`, which is set to what it is now.
async fn grew(store: &dyn Metadata, before: &mut i64) -> bool {
    let now = store.policy_version().await.expect("read");
    std::mem::replace(before, now) < now
}

async fn users_are_added_and_changed(store: &MetadataSubject) {
    let mut version = store.policy_version().await.expect("read");
    assert!(add(&**store, "root").await && grew(&**store, &mut version).await);
    assert!(add(&**store, "alice").await && grew(&**store, &mut version).await);
    assert!(!add(&**store, "alice").await && !grew(&**store, &mut version).await);
    let users = store.users().await.expect("read");
    assert_eq!(users.iter().map(|user| user.name.as_str()).collect::<Vec<_>>(), ["alice", "root"]);
    let alice = store.user(&account("alice")).await.expect("read").expect("there");
    assert!(!alice.admin && !alice.disabled && users[1].admin && alice.created_at == BEGIN);
    assert_eq!(alice.password_hash, "$argon2id$1");
    assert_eq!(store.user(&account("bob")).await.expect("read"), None);

    let name = account("alice");
    assert!(!store.rehash_password(&name, "another", "$argon2id$2".to_owned()).await.expect("answered"));
    assert!(store.rehash_password(&name, "$argon2id$1", "$argon2id$2".to_owned()).await.expect("rehashed"));
    assert!(!grew(&**store, &mut version).await);
    let rehashed = store.user(&name).await.expect("read").expect("there");
    assert_eq!((rehashed.password_hash.as_str(), rehashed.epoch), ("$argon2id$2", alice.epoch));

    for absent in [
        store.set_password(&account("bob"), String::new()).await,
        store.set_disabled(&account("bob"), true).await,
        store.remove_user(&account("bob")).await,
    ] {
        assert!(!absent.expect("answered") && !grew(&**store, &mut version).await);
    }
    assert!(store.set_disabled(&name, true).await.expect("set") && grew(&**store, &mut version).await);
    assert!(store.user(&name).await.expect("read").expect("there").disabled);
    assert!(store.set_disabled(&name, false).await.expect("set") && grew(&**store, &mut version).await);
    assert!(!store.user(&name).await.expect("read").expect("there").disabled);
}

async fn an_epoch_never_comes_back(store: &MetadataSubject) {
    let name = account("carol");
    assert!(add(&**store, "alice").await);
    let mut epochs = vec![epoch(&**store, "alice").await];
    for _ in 0..2 {
        assert!(add(&**store, "carol").await);
        epochs.push(epoch(&**store, "carol").await);
        assert!(store.set_password(&name, "new".to_owned()).await.expect("set"));
        epochs.push(epoch(&**store, "carol").await);
        assert!(store.set_disabled(&name, true).await.expect("set"));
        epochs.push(epoch(&**store, "carol").await);
        assert!(store.set_disabled(&name, false).await.expect("set"));
        assert_eq!(epochs.last(), Some(&epoch(&**store, "carol").await), "enabling ends nothing");
        assert!(store.remove_user(&name).await.expect("removed"));
    }
    let count = epochs.len();
    epochs.sort_unstable();
    epochs.dedup();
    assert_eq!(epochs.len(), count);
}

pub fn grant(to: &str, on: &str, allow: &str) -> GrantRecord {
    GrantRecord {
        to: to.parse().expect("a grantee"),
        on: on.parse().expect("a pattern"),
        allow: allow.parse().expect("actions"),
    }
}

async fn grants_add_up(store: &MetadataSubject) {
    let mut version = store.policy_version().await.expect("read");
    for (to, on, allow) in [
        ("user:alice", "team/**", "pull"),
        ("user:alice", "team/**", "push"),
        ("user:alice", "other", "delete"),
        ("anonymous", "public/**", "pull"),
        ("authenticated", "**", "pull"),
    ] {
        store.add_grant(grant(to, on, allow)).await.expect("added");
        assert!(grew(&**store, &mut version).await);
    }
    let expected = [
        grant("anonymous", "public/**", "pull"),
        grant("authenticated", "**", "pull"),
        grant("user:alice", "other", "delete"),
        grant("user:alice", "team/**", "pull,push"),
    ];
    assert_eq!(store.grants().await.expect("read"), expected);
    let (to, on): (Grantee, Glob) = ("user:alice".parse().expect("valid"), "team/**".parse().expect("valid"));
    assert!(store.remove_grant(&to, &on).await.expect("removed") && grew(&**store, &mut version).await);
    assert!(!store.remove_grant(&to, &on).await.expect("gone") && !grew(&**store, &mut version).await);
    assert_eq!(store.grants().await.expect("read"), expected[..3]);
}

async fn a_removed_user_loses_its_grants(store: &MetadataSubject) {
    assert!(add(&**store, "alice").await);
    let mut version = store.policy_version().await.expect("read");
    for to in ["user:alice", "group:alice"] {
        store.add_grant(grant(to, "team/**", "pull")).await.expect("added");
    }
    assert!(store.remove_user(&account("alice")).await.expect("removed") && grew(&**store, &mut version).await);
    let left = store.grants().await.expect("read");
    assert!(left.iter().all(|grant| grant.to.to_string() != "user:alice"));
    assert!(left.iter().any(|grant| grant.to.to_string() == "group:alice"));
}

fn key(kid: &str, created_at: i64, signs_from: i64) -> TokenKeyRecord {
    TokenKeyRecord { kid: kid.to_owned(), sealed: vec![7; 40], created_at, signs_from, signs_until: i64::MAX }
}

async fn of_two_that_rotate_one_does(store: &MetadataSubject) {
    let mut version = store.policy_version().await.expect("read");
    assert!(!store.add_token_key(key("a", 100, 100), Some("none")).await.expect("answered"));
    assert!(store.add_token_key(key("a", 100, 100), None).await.expect("added") && grew(&**store, &mut version).await);
    assert!(!store.add_token_key(key("b", 100, 100), None).await.expect("answered"));
    assert!(!grew(&**store, &mut version).await);
    assert!(store.add_token_key(key("b", 200, 300), Some("a")).await.expect("added"));
    assert!(!store.add_token_key(key("c", 201, 300), Some("a")).await.expect("answered"));
    let keys = store.token_keys().await.expect("read");
    assert_eq!(keys, [TokenKeyRecord { signs_until: 300, ..key("a", 100, 100) }, key("b", 200, 300)]);

    let other = store.other().await;
    let (one, two) = tokio::join!(
        store.add_token_key(key("d", 400, 400), Some("b")),
        other.add_token_key(key("e", 400, 400), Some("b"))
    );
    assert!(one.expect("answered") != two.expect("answered"));
    version = store.policy_version().await.expect("read");
    assert!(store.remove_token_key("a").await.expect("removed") && grew(&**store, &mut version).await);
    assert!(!store.remove_token_key("a").await.expect("gone") && !grew(&**store, &mut version).await);
    assert_eq!(store.token_keys().await.expect("read").len(), 2);
}

async fn refresh_tokens_end_with_their_time_their_number_and_their_user(store: &MetadataSubject) {
    assert!(add(&**store, "rita").await && add(&**store, "ron").await);
    let token = |hash: &str, owner: &str, created_at: i64| RefreshTokenRecord {
        hash: hash.to_owned(),
        account: account(owner),
        epoch: 7,
        created_at,
        expires_at: created_at + 100,
    };
    let there = async |hash: &str| store.refresh_token(hash).await.expect("read").is_some();
    for (hash, owner, created_at) in [("a", "rita", 1), ("b", "rita", 2), ("c", "ron", 3)] {
        assert!(store.add_refresh_token(token(hash, owner, created_at), 2).await.expect("added"));
    }
    assert_eq!(store.refresh_token("a").await.expect("read"), Some(token("a", "rita", 1)));
    assert_eq!(store.refresh_token("A").await.expect("read"), None);
    assert!(!store.add_refresh_token(token("x", "unknown", 4), 2).await.expect("answered"));
    assert!(store.add_refresh_token(token("d", "rita", 5), 2).await.expect("added"));
    assert!(!there("a").await && there("b").await && there("d").await, "the oldest made way");
    assert!(there("c").await, "those of others stay");
    assert!(store.add_refresh_token(token("e", "ron", 103), 2).await.expect("added"));
    assert!(!there("b").await && !there("c").await && there("d").await, "what had expired is gone");
    assert!(store.remove_user(&account("rita")).await.expect("removed"));
    assert!(!there("d").await && there("e").await);
}

async fn wrong_passwords_are_kept_until_they_are_old_or_forgiven(store: &MetadataSubject) {
    assert!(add(&**store, "fay").await && add(&**store, "finn").await);
    let (fay, unknown_name) = (account("fay"), account("unknown"));
    let failures = async |name: &str| store.user(&account(name)).await.expect("read").expect("there").failures;
    let record = |at: &[i64], consecutive: u32| FailureRecord { at: at.to_vec(), consecutive };
    let (mut version, before) = (store.policy_version().await.expect("read"), epoch(&**store, "fay").await);
    assert_eq!(failures("fay").await, FailureRecord::default());
    for at in [100, 100, 130] {
        store.add_login_failure(&typed("fay"), at, 0).await.expect("counted");
    }
    assert_eq!(failures("fay").await, record(&[100, 100, 130], 3));
    store.end_consecutive_failures(&fay).await.expect("ended");
    store.add_login_failure(&typed("fay"), 150, 100).await.expect("counted");
    assert_eq!(failures("fay").await, record(&[130, 150], 1), "old ones are gone, and the row begins again");
    let listed = store.users().await.expect("read").into_iter().find(|user| user.name == fay);
    assert_eq!(listed.expect("listed").failures, record(&[130, 150], 1));
    assert_eq!(failures("finn").await, FailureRecord::default(), "those of others are others");

    store.add_login_failure(&typed("unknown"), 150, 100).await.expect("counted for an unknown name");
    store.add_login_failure(&typed("unknown"), 151, 100).await.expect("counted");
    store.add_login_failure(&LoginName { account: None, hash: [9; 32] }, 160, 150).await.expect("counted");
    let unknown = async |name: &LoginName| store.unknown_login_failures(name).await.expect("read");
    assert_eq!(unknown(&typed("unknown")).await, record(&[150, 151], 2), "by the same rules");
    assert_eq!(unknown(&LoginName { account: None, hash: [9; 32] }).await, record(&[160], 1));
    assert_eq!(unknown(&typed("fay")).await, FailureRecord::default(), "a user's are kept with the user");
    store.add_login_failure(&LoginName { account: None, hash: [8; 32] }, 300, 155).await.expect("counted");
    assert_eq!(unknown(&typed("unknown")).await, FailureRecord::default(), "what is old is gone");
    assert_eq!(unknown(&LoginName { account: None, hash: [9; 32] }).await, record(&[160], 1));
    store.end_consecutive_failures(&unknown_name).await.expect("nothing to end");
    assert!(!store.clear_login_failures(&unknown_name).await.expect("answered"));
    assert!(store.clear_login_failures(&fay).await.expect("cleared"));
    assert!(store.clear_login_failures(&fay).await.expect("cleared already"));
    assert_eq!(failures("fay").await, FailureRecord::default());
    assert!(
        !grew(&**store, &mut version).await && epoch(&**store, "fay").await == before,
        "the rights of no one changed"
    );

    store.add_login_failure(&typed("fay"), 200, 100).await.expect("counted");
    assert!(store.rehash_password(&fay, "$argon2id$1", "$argon2id$2".to_owned()).await.expect("rehashed"));
    assert_eq!(failures("fay").await, record(&[200], 1));
    let typed = typed("fay");
    let other = store.other().await;
    let (one, two) = tokio::join!(store.add_login_failure(&typed, 201, 0), other.add_login_failure(&typed, 201, 0));
    assert!(one.is_ok() && two.is_ok());
    assert_eq!(failures("fay").await, record(&[200, 201, 201], 3), "of two at once, both count");
    assert!(store.set_password(&fay, "new".to_owned()).await.expect("set"));
    assert_eq!(failures("fay").await, FailureRecord::default());
}
