//! Grants: added, listed, explained, removed.

use super::Fixture;
use crate::admin::{AdminError, Grant};
use crate::domain::{Action, Glob, Grantee, RepositoryName};

fn grant(to: &str, on: &str, allow: &str) -> Grant {
    Grant {
        to: to.parse().expect("a grantee"),
        on: on.parse().expect("a pattern"),
        allow: allow.parse().expect("actions"),
    }
}

fn grantee(text: &str) -> Grantee {
    text.parse().expect("a grantee")
}

fn glob(text: &str) -> Glob {
    text.parse().expect("a pattern")
}

#[tokio::test]
async fn grants_on_one_pattern_add_up_and_are_listed() {
    let fixture = Fixture::new().await;
    fixture.add("alice").await;
    for (to, on, allow) in [
        ("user:alice", "team/**", "pull"),
        ("user:alice", "team/**", "push"),
        ("authenticated", "team/**", "pull"),
        ("anonymous", "public/**", "pull"),
    ] {
        fixture.admin.add_grant(&fixture.permit, grant(to, on, allow)).await.expect("added");
    }
    assert_eq!(fixture.other.grants().await.expect("read").len(), 3, "another process sees them");
    let listed = async |to: Option<Grantee>, on: Option<Glob>| {
        fixture.admin.grants(&fixture.permit, to.as_ref(), on.as_ref()).await.expect("read")
    };
    assert_eq!(listed(None, None).await.len(), 3);
    assert_eq!(listed(Some(grantee("user:alice")), None).await, [grant("user:alice", "team/**", "pull,push")]);
    assert_eq!(listed(None, Some(glob("team/**"))).await.len(), 2);
    assert_eq!(listed(Some(grantee("anonymous")), Some(glob("team/**"))).await, []);
}

#[tokio::test]
async fn nothing_is_granted_to_those_who_cannot_have_it() {
    let fixture = Fixture::new().await;
    let refused = async |to: &str, allow: &str| {
        fixture.admin.add_grant(&fixture.permit, grant(to, "a/**", allow)).await.expect_err("refused")
    };
    assert!(matches!(refused("user:unknown", "pull").await, AdminError::UnknownUser(_)));
    assert!(matches!(refused("group:team", "pull").await, AdminError::UnsupportedGrantee));
    assert!(matches!(refused("robot:ci", "pull").await, AdminError::UnsupportedGrantee));
    assert!(matches!(refused("anonymous", "pull,push").await, AdminError::AnonymousWrites));
    assert!(matches!(refused("anonymous", "delete").await, AdminError::AnonymousWrites));
    assert_eq!(fixture.other.grants().await.expect("read"), []);
}

#[tokio::test]
async fn a_grant_is_explained_until_it_is_removed() {
    let fixture = Fixture::new().await;
    fixture.add("alice").await;
    fixture.admin.add_grant(&fixture.permit, grant("user:alice", "team/**", "pull")).await.expect("added");
    let (alice, team) = (grantee("user:alice"), glob("team/**"));
    let repository: RepositoryName = "team/app".parse().expect("a name");
    let allowed = async |action| {
        let explained = fixture.admin.explain(&fixture.permit, &alice, action, &repository).await;
        explained.expect("read").is_allowed()
    };
    assert!(allowed(Action::Pull).await && !allowed(Action::Push).await);
    fixture.admin.remove_grant(&fixture.permit, &alice, &team).await.expect("removed");
    assert!(!allowed(Action::Pull).await);
    let again = fixture.admin.remove_grant(&fixture.permit, &alice, &team).await.expect_err("refused");
    assert!(again.to_string().contains("portcullis grant list --to user:alice"), "{again}");
}
