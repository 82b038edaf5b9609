//! The contract of policy by account: what decides for one account, with its version, in one read.

use portcullis::domain::Grantee;
use portcullis::storage::metadata::{AccountPolicy, GrantRecord};

use super::policy::{account, add, grant};
use super::subject::MetadataSubject;

metadata_contract! {
    an_account_has_its_own_grants_and_those_of_everyone,
    other_grantees_have_their_own_grants_and_no_account,
    a_client_without_an_account_has_the_grants_of_everyone,
    a_change_by_another_node_is_seen_with_a_newer_version,
}

/// Grants of every kind, with two users, alice and bob.
async fn fill(store: &MetadataSubject) {
    assert!(add(&**store, "alice").await && add(&**store, "bob").await);
    for to in ["user:alice", "user:bob", "group:alice", "robot:alice", "authenticated", "anonymous"] {
        store.add_grant(grant(to, &format!("of-{}/**", to.replace(':', "-")), "pull,push")).await.expect("added");
    }
    store.add_grant(grant("user:alice", "app", "delete")).await.expect("added");
}

fn grantee(text: &str) -> Grantee {
    text.parse().expect("a grantee")
}

/// Who the grants are given to, in order.
fn grantees(policy: &AccountPolicy) -> Vec<String> {
    let mut found: Vec<String> = policy.grants.iter().map(|GrantRecord { to, .. }| to.to_string()).collect();
    found.sort_unstable();
    found
}

async fn an_account_has_its_own_grants_and_those_of_everyone(store: &MetadataSubject) {
    fill(store).await;
    let alice = store.account_policy(&grantee("user:alice")).await.expect("read");
    assert_eq!(alice.user, store.user(&account("alice")).await.expect("read"));
    assert!(alice.user.is_some());
    assert_eq!(alice.version, store.policy_version().await.expect("read"));
    assert_eq!(grantees(&alice), ["anonymous", "authenticated", "user:alice", "user:alice"]);
    assert!(alice.grants.contains(&grant("user:alice", "app", "delete")));
    assert!(alice.grants.contains(&grant("user:alice", "of-user-alice/**", "pull,push")));
    let unknown = store.account_policy(&grantee("user:unknown")).await.expect("read");
    assert_eq!((unknown.user.is_some(), grantees(&unknown)), (false, vec!["anonymous".into(), "authenticated".into()]));
}

async fn other_grantees_have_their_own_grants_and_no_account(store: &MetadataSubject) {
    fill(store).await;
    for (text, expected) in [
        ("group:alice", vec!["anonymous", "authenticated", "group:alice"]),
        ("robot:alice", vec!["anonymous", "authenticated", "robot:alice"]),
        ("authenticated", vec!["anonymous", "authenticated"]),
    ] {
        let found = store.account_policy(&grantee(text)).await.expect("read");
        assert_eq!((found.user.is_some(), grantees(&found)), (false, expected.into_iter().map(String::from).collect()));
    }
}

async fn a_client_without_an_account_has_the_grants_of_everyone(store: &MetadataSubject) {
    fill(store).await;
    let anyone = store.account_policy(&Grantee::Anonymous).await.expect("read");
    assert_eq!(anyone.user, None);
    assert_eq!(anyone.grants, [grant("anonymous", "of-anonymous/**", "pull,push")]);
}

async fn a_change_by_another_node_is_seen_with_a_newer_version(store: &MetadataSubject) {
    fill(store).await;
    let (other, bob) = (store.other().await, account("bob"));
    let before = store.account_policy(&grantee("user:bob")).await.expect("read");
    assert!(other.set_disabled(&bob, true).await.expect("set"));
    let disabled = store.account_policy(&grantee("user:bob")).await.expect("read");
    assert!(disabled.version > before.version && disabled.user.expect("there").disabled);
    assert!(other.remove_user(&bob).await.expect("removed"));
    let removed = store.account_policy(&grantee("user:bob")).await.expect("read");
    assert_eq!((removed.user, removed.grants.len()), (None, 2), "its own grants went with it");
}
