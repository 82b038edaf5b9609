//! Users: added, shown, disabled, unlocked, removed.

use std::time::Duration;

use super::{Fixture, PASSWORD, name, new_user, settings};
use crate::admin::tests::repositories::push;
use crate::admin::{AdminError, NewPassword, NewUser};
use crate::auth::{Secret, is_password_of};
use crate::config::AuthSettings;
use crate::domain::AccountName;
use crate::storage::metadata::LoginName;

fn login(name: &AccountName) -> LoginName {
    LoginName { account: Some(name.clone()), hash: [0; 32] }
}

#[tokio::test]
async fn a_user_is_added_once_and_listed() {
    let fixture = Fixture::new().await;
    let alice = fixture.add("alice").await;
    let stored = fixture.other.user(&alice).await.expect("read").expect("another process sees the user");
    assert!(is_password_of(&Secret::new(PASSWORD).expect("short"), &stored.password_hash));
    let again = fixture.admin.add_user(&fixture.permit, new_user("alice")).await;
    assert!(matches!(again, Err(AdminError::NameTaken(taken)) if taken == alice));
    let root = NewUser { admin: true, ..new_user("root") };
    fixture.admin.add_user(&fixture.permit, root).await.expect("added");
    let users = fixture.admin.users(&fixture.permit).await.expect("read");
    let listed: Vec<(&str, bool, bool)> =
        users.iter().map(|user| (user.name.as_str(), user.admin, user.disabled)).collect();
    assert_eq!(listed, [("alice", false, false), ("root", true, false)]);
    assert_eq!(fixture.admin.user(&fixture.permit, &alice).await.expect("read"), users[0]);
}

#[tokio::test]
async fn reserved_names_and_easily_guessed_passwords_are_refused() {
    let fixture = Fixture::new().await;
    let refused = fixture.admin.add_user(&fixture.permit, new_user("everyone")).await;
    assert!(matches!(refused, Err(AdminError::ReservedName(_))), "{refused:?}");
    let alice = name("alice");
    for (password, expected) in [("", "is empty"), ("short", "too short"), ("password2026", "first that are guessed")] {
        let refused = NewPassword::chosen(&alice, password).err().map(|error| error.to_string());
        assert!(refused.as_ref().is_some_and(|text| text.contains(expected)), "{password}: {refused:?}");
    }
    let long = NewPassword::chosen(&alice, &"x1".repeat(600));
    assert!(matches!(long, Err(AdminError::LongPassword(_))));
    // A password that was checked for another user is checked again.
    let bob = NewPassword::chosen(&alice, "christopher-robin").expect("not the name of alice");
    let user = NewUser { name: name("christopher-robin"), password: bob, ..new_user("alice") };
    let refused = fixture.admin.add_user(&fixture.permit, user).await;
    assert!(matches!(refused, Err(AdminError::WeakPassword(_))), "{refused:?}");
    assert!(fixture.other.is_new().await.expect("read"), "nothing was changed");
}

#[tokio::test]
async fn a_new_user_owns_no_repository_of_others_unless_allowed() {
    let fixture = Fixture::new().await;
    push(&fixture, "alice/app").await;
    let refused = fixture.admin.add_user(&fixture.permit, new_user("alice")).await;
    let text = refused.expect_err("refused").to_string();
    assert!(text.contains("(alice/app)") && text.contains("--own-existing"), "{text}");
    let allowed = NewUser { own_existing: true, ..new_user("alice") };
    fixture.admin.add_user(&fixture.permit, allowed).await.expect("added");

    let without = Fixture::with(AuthSettings { personal_namespaces: false, ..settings() }).await;
    push(&without, "alice/app").await;
    without.add("alice").await;
}

#[tokio::test]
async fn a_new_password_ends_the_old_one_and_its_tokens() {
    let fixture = Fixture::new().await;
    let alice = fixture.add("alice").await;
    let before = fixture.other.user(&alice).await.expect("read").expect("there");
    let generated = NewPassword::generated();
    let shown = Secret::new(generated.to_show().expect("generated")).expect("short");
    let replaced = fixture.admin.set_password(&fixture.permit, &alice, generated).await.expect("set");
    assert!(replaced.was(&Secret::new(PASSWORD).expect("short")) && !replaced.was(&shown));
    let after = fixture.other.user(&alice).await.expect("read").expect("there");
    assert!(is_password_of(&shown, &after.password_hash));
    assert!(after.epoch > before.epoch, "tokens issued before are no longer accepted");
    let unknown = fixture.admin.set_password(&fixture.permit, &name("bob"), NewPassword::generated()).await;
    assert!(matches!(unknown, Err(AdminError::UnknownUser(_))));
}

#[tokio::test]
async fn disabling_is_undone_by_enabling_but_not_for_tokens() {
    let fixture = Fixture::new().await;
    let alice = fixture.add("alice").await;
    let epoch = async || fixture.other.user(&alice).await.expect("read").expect("there").epoch;
    let before = epoch().await;
    fixture.admin.disable_user(&fixture.permit, &alice).await.expect("disabled");
    assert!(fixture.admin.user(&fixture.permit, &alice).await.expect("read").disabled);
    fixture.admin.enable_user(&fixture.permit, &alice).await.expect("enabled");
    assert!(!fixture.admin.user(&fixture.permit, &alice).await.expect("read").disabled);
    assert!(epoch().await > before);
    for outcome in [
        fixture.admin.disable_user(&fixture.permit, &name("bob")).await,
        fixture.admin.enable_user(&fixture.permit, &name("bob")).await,
    ] {
        let text = outcome.expect_err("refused").to_string();
        assert_eq!(text, "unknown user bob: see `portcullis user list`; nothing was changed");
    }
}

#[tokio::test]
async fn failed_logins_are_shown_and_reset() {
    let fixture = Fixture::new().await;
    let alice = fixture.add("alice").await;
    let unlocked = fixture.admin.unlock_user(&fixture.permit, &alice).await.expect("unlocked");
    assert_eq!((unlocked.was_locked, unlocked.forgotten), (false, 0));
    let now = fixture.time.clock().seconds();
    for _ in 0..settings().failures_per_account {
        fixture.other.add_login_failure(&login(&alice), now, now - 86_400).await.expect("counted");
    }
    let user = fixture.admin.user(&fixture.permit, &alice).await.expect("read");
    assert_eq!(user.failed_logins, 5);
    assert_eq!(user.locked_until, Some(now + 86_400));
    fixture.time.advance(Duration::from_hours(24));
    let user = fixture.admin.user(&fixture.permit, &alice).await.expect("read");
    assert_eq!((user.failed_logins, user.locked_until), (0, None), "a day later");
    let now = fixture.time.clock().seconds();
    for _ in 0..settings().failures_per_account {
        fixture.other.add_login_failure(&login(&alice), now, now - 86_400).await.expect("counted");
    }
    let unlocked = fixture.admin.unlock_user(&fixture.permit, &alice).await.expect("unlocked");
    assert_eq!((unlocked.was_locked, unlocked.forgotten), (true, 5));
    let user = fixture.admin.user(&fixture.permit, &alice).await.expect("read");
    assert_eq!((user.failed_logins, user.locked_until), (0, None));
    assert!(matches!(fixture.admin.unlock_user(&fixture.permit, &name("bob")).await, Err(AdminError::UnknownUser(_))));
}

#[tokio::test]
async fn a_user_goes_and_the_repositories_stay() {
    let fixture = Fixture::new().await;
    let alice = fixture.add("alice").await;
    for repository in ["alice/app", "alice/other", "alice-two/app", "alicia/app"] {
        push(&fixture, repository).await;
    }
    let removed = fixture.admin.remove_user(&fixture.permit, &alice).await.expect("removed");
    assert_eq!(removed.repositories_left, 2);
    assert_eq!(fixture.other.user(&alice).await.expect("read"), None);
    let again = fixture.admin.remove_user(&fixture.permit, &alice).await;
    assert!(matches!(again, Err(AdminError::UnknownUser(_))));
    fixture.add("bob").await;
    let removed = fixture.admin.remove_user(&fixture.permit, &name("bob")).await.expect("removed");
    assert_eq!(removed.repositories_left, 0);
}
