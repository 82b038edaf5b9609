//! What policy allows: examples, and agreement with the same question asked the slow way.

use proptest::prelude::*;

use super::*;
use crate::auth::credentials::Access;
use crate::auth::{Continue, CredentialId, Delete, Pull, Push};
use crate::storage::metadata::{FailureRecord, GrantRecord};

fn user(name: &str, admin: bool, disabled: bool) -> UserRecord {
    let name = name.parse().expect("a name");
    UserRecord {
        name,
        password_hash: String::new(),
        admin,
        disabled,
        epoch: 1,
        created_at: 0,
        failures: FailureRecord::default(),
    }
}

fn grant(to: &str, on: &str, allow: &str) -> GrantRecord {
    GrantRecord {
        to: to.parse().expect("a grantee"),
        on: on.parse().expect("a pattern"),
        allow: allow.parse().expect("actions"),
    }
}

/// The policy of an account, or of a client that has not logged in.
fn policy(name: Option<&str>) -> Arc<Policy> {
    let users = [user("alice", false, false), user("root", true, false), user("mallory", true, true)];
    let grants = [
        grant("user:alice", "team/**", "pull,push"),
        grant("user:alice", "single", "delete"),
        grant("authenticated", "shared/*", "pull"),
        grant("anonymous", "public/**", "pull"),
        grant("group:ops", "**", "pull,push,delete"),
        grant("user:mallet", "**", "pull,push,delete"),
    ];
    let grantee = name.map_or(Grantee::Anonymous, |name| Grantee::User(name.parse().expect("a name")));
    Arc::new(Policy::for_tests(&users, &grants, &grantee))
}

fn policy_of(caller: &Caller) -> Arc<Policy> {
    policy(caller.credential().principal().account().map(AccountName::as_str))
}

fn principal(name: &str) -> Principal {
    Principal::User { name: name.parse().expect("a name"), admin: true, epoch: 1 }
}

fn repository(name: &str) -> RepositoryName {
    name.parse().expect("a repository's name")
}

fn anonymous() -> Caller {
    Caller::for_tests(&Credential::anonymous())
}

fn password(name: &str) -> Caller {
    Caller::for_tests(&Credential::password(principal(name)))
}

fn token(who: Principal, scope: &str, expired: bool) -> Caller {
    let scopes = Scope::parse_all(std::iter::once(scope));
    Caller::for_tests(&Credential::token(
        who,
        "jti".into(),
        Arc::new(scopes.iter().map(Access::from).collect()),
        expired,
    ))
}

fn authorize<P: Permission>(caller: &Caller, name: &str) -> Result<Authorized<P>, Denial> {
    policy_of(caller).authorize(caller, &repository(name))
}

fn allowed(who: &Principal, name: &str) -> String {
    policy(who.account().map(AccountName::as_str)).allowed(who, &repository(name)).to_string()
}

#[test]
fn rights_come_from_grants_ownership_and_administration() {
    let alice = principal("alice");
    assert_eq!(allowed(&alice, "alice/app"), "pull,push,delete");
    assert_eq!(allowed(&alice, "alice"), "", "the name itself is not a namespace");
    assert_eq!(allowed(&alice, "alice2/app"), "");
    assert_eq!(allowed(&alice, "bob/app"), "");
    assert_eq!(allowed(&alice, "team/x/y"), "pull,push");
    assert_eq!(allowed(&alice, "single"), "delete");
    assert_eq!(allowed(&alice, "shared/x"), "pull");
    assert_eq!(allowed(&alice, "public/x"), "pull");
    assert_eq!(allowed(&principal("root"), "anything/at/all"), "pull,push,delete");
    assert_eq!(allowed(&Principal::Anonymous, "public/x"), "pull");
    assert_eq!(allowed(&Principal::Anonymous, "shared/x"), "");
}

#[test]
fn a_user_who_is_disabled_unknown_or_of_another_epoch_may_do_nothing() {
    for name in ["mallory", "mallet"] {
        assert_eq!(allowed(&principal(name), "public/x"), "");
        assert_eq!(allowed(&principal(name), &format!("{name}/x")), "");
    }
    let former = Principal::User { name: "root".parse().expect("a name"), admin: true, epoch: 0 };
    assert_eq!(allowed(&former, "public/x"), "");
    assert!(policy(Some("root")).principal(&"root".parse().expect("a name"), 0).is_none());
}

#[test]
fn namespaces_can_be_switched_off() {
    let alice = Grantee::User("alice".parse().expect("a name"));
    let policy = Policy::for_tests(&[user("alice", false, false)], &[], &alice);
    assert!(!policy.allowed(&principal("alice"), &repository("alice/app")).is_empty());
    let policy = Policy { personal_namespaces: false, ..policy };
    assert!(policy.allowed(&principal("alice"), &repository("alice/app")).is_empty());
}

#[test]
fn a_token_only_narrows() {
    let narrow = token(principal("alice"), "repository:alice/app:pull repository:bob/app:push", false);
    assert!(authorize::<Pull>(&narrow, "alice/app").is_ok());
    let denial = authorize::<Push>(&narrow, "alice/app").expect_err("too narrow");
    assert!(matches!(denial, Denial::InsufficientScope(_)));
    assert_eq!(denial.scope().map(ToString::to_string).as_deref(), Some("repository:alice/app:pull,push"));
    let denial = authorize::<Push>(&narrow, "bob/app").expect_err("not hers");
    assert!(matches!(denial, Denial::Forbidden(_)));
    assert_eq!(denial.to_string(), "alice may not push to bob/app: ask an administrator for a grant");
    let permit = authorize::<Delete>(&password("alice"), "alice/app").expect("hers");
    assert_eq!((permit.subject(), permit.repository().as_str()), ("user:alice#1", "alice/app"));
}

#[test]
fn anonymous_clients_are_asked_to_log_in() {
    assert!(authorize::<Pull>(&anonymous(), "public/x").is_ok());
    let denial = authorize::<Push>(&anonymous(), "public/x").expect_err("denied");
    assert!(matches!(denial, Denial::Unauthenticated(_)));
    assert_eq!(denial.scope().map(ToString::to_string).as_deref(), Some("repository:public/x:pull,push"));
    let empty = token(Principal::Anonymous, "", false);
    let denial = authorize::<Pull>(&empty, "public/x").expect_err("too narrow");
    assert!(matches!(denial, Denial::InsufficientScope(_)));
}

#[test]
fn an_expired_token_continues_uploads_and_does_no_more() {
    let expired = token(principal("alice"), "repository:alice/app:pull,push repository:public/x:pull", true);
    assert!(authorize::<Continue>(&expired, "alice/app").is_ok());
    assert!(authorize::<Continue>(&expired, "team/x").is_err());
    let denial = authorize::<Push>(&expired, "alice/app").expect_err("expired");
    assert!(matches!(denial, Denial::Unauthenticated(_)));
    let permit = authorize::<Pull>(&expired, "public/x").expect("everyone may");
    assert_eq!(permit.subject(), "anonymous");
    let disabled = token(principal("mallory"), "repository:mallory/x:push", true);
    assert!(authorize::<Continue>(&disabled, "mallory/x").is_err());
}

#[test]
fn the_catalog_shows_what_may_be_pulled() {
    let catalog = policy_of(&password("alice")).authorize_catalog(&password("alice")).expect("logged in");
    assert!(catalog.may_see(&repository("team/x")) && !catalog.may_see(&repository("single")));
    let everyone = token(Principal::Anonymous, "registry:catalog:*", false);
    let catalog = policy_of(&everyone).authorize_catalog(&everyone).expect("a token for it");
    assert!(catalog.may_see(&repository("public/x")) && !catalog.may_see(&repository("team/x")));
    let denied = |caller: &Caller| policy_of(caller).authorize_catalog(caller).expect_err("denied");
    assert!(matches!(denied(&anonymous()), Denial::Unauthenticated(_)));
    assert!(matches!(denied(&token(principal("alice"), "registry:catalog:*", true)), Denial::Unauthenticated(_)));
    let denial = denied(&token(principal("alice"), "repository:a:pull", false));
    assert!(matches!(denial, Denial::InsufficientScope(_)));
    assert_eq!(denial.scope().map(ToString::to_string).as_deref(), Some("registry:catalog:*"));
}

#[test]
fn administrators_alone_administer_and_not_by_a_token() {
    let permit = policy_of(&password("root")).authorize_administration(&password("root")).expect("an administrator");
    assert_eq!(permit.actor().principal(), &principal("root"));
    let denied = |caller: &Caller| policy_of(caller).authorize_administration(caller).expect_err("denied");
    let token = token(principal("root"), "registry:catalog:*", false);
    assert!(matches!(denied(&token), Denial::InsufficientScope(_)));
    assert!(matches!(denied(&anonymous()), Denial::Unauthenticated(_)));
    for name in ["alice", "mallory", "mallet"] {
        let denial = denied(&password(name));
        assert!(matches!(denial, Denial::Forbidden(_)), "{name}");
        assert_eq!(denial.scope(), None);
    }
    assert!(!allowed(permit.actor().principal(), "a").is_empty());
    let operator = Principal::Operator { user: "root".to_owned() };
    assert_eq!(allowed(&operator, "public/x"), "", "an operator has no grants");
}

#[test]
fn a_permit_says_who_by_what_from_where_and_in_which_request() {
    let permit = authorize::<Push>(&password("alice"), "alice/app").expect("allowed");
    let actor = permit.actor();
    assert_eq!(actor.principal(), &principal("alice"));
    assert_eq!(actor.credential(), &CredentialId::Password { epoch: 1 });
    assert_eq!(actor.address().map(|address| address.to_string()).as_deref(), Some("192.0.2.1"));
    assert_eq!(actor.request_id(), Some(uuid::Uuid::from_u128(7)));
    let scope = "repository:alice/app:pull,push";
    let permit = authorize::<Pull>(&token(principal("alice"), scope, false), "alice/app");
    assert_eq!(permit.expect("allowed").actor().credential(), &CredentialId::Token { id: "jti".into() });
    let expired = token(principal("alice"), scope, true);
    let permit = authorize::<Pull>(&expired, "public/x").expect("allowed to everyone");
    assert_eq!((permit.actor().principal(), permit.actor().credential()), (&Principal::Anonymous, &CredentialId::None));
    let permit = policy_of(&password("root")).authorize_catalog(&password("root")).expect("allowed");
    assert_eq!(permit.actor().principal(), &principal("root"));
}

#[test]
fn scopes_are_cut_to_what_is_allowed() {
    let asked = Scope::parse_all(["repository:team/x:* repository:bob/app:pull registry:catalog:*"].into_iter());
    let cut: Vec<String> =
        policy(Some("alice")).cut(&principal("alice"), &asked).iter().map(Scope::to_string).collect();
    assert_eq!(cut, ["registry:catalog:*", "repository:team/x:pull,push"]);
}

/// The same question asked grant by grant.
fn reference(users: &[UserRecord], grants: &[GrantRecord], who: &Principal, repository: &RepositoryName) -> Actions {
    let record = match who {
        Principal::Anonymous => None,
        Principal::Operator { .. } => return Actions::NONE,
        Principal::User { name, epoch, .. } => {
            match users.iter().find(|user| user.name == *name && user.epoch == *epoch && !user.disabled) {
                None => return Actions::NONE,
                found => found,
            }
        }
    };
    let mut actions = Actions::NONE;
    if let Some(user) = record
        && (user.admin || repository.as_str().starts_with(&format!("{}/", user.name)))
    {
        actions = Actions::ALL;
    }
    for grant in grants {
        let reaches = match &grant.to {
            Grantee::Anonymous => true,
            Grantee::Authenticated => record.is_some(),
            Grantee::User(name) => record.is_some_and(|user| user.name == *name),
            Grantee::Group(_) | Grantee::Robot(_) => false,
        };
        if reaches && grant.on.matches(repository) {
            actions = actions.union(grant.allow);
        }
    }
    actions
}

fn any_grant() -> impl Strategy<Value = GrantRecord> {
    let grantee = "(user:[abc]|group:a|robot:a|authenticated|anonymous)";
    (grantee, "(\\*\\*|\\*|[abc]\\*?)(/(\\*\\*|\\*|[abc])){0,2}", "(pull|push|delete)(,(pull|push))?")
        .prop_map(|(to, on, allow)| grant(&to, &on, &allow))
}

fn any_users() -> impl Strategy<Value = Vec<UserRecord>> {
    let flags = (any::<bool>(), prop::bool::weighted(0.2), prop::bool::weighted(0.3), 1..3_i64);
    prop::collection::vec(flags, 3).prop_map(|flags| {
        let with_name = ["a", "b", "c"].into_iter().zip(flags);
        with_name
            .filter(|(_, (exists, ..))| *exists)
            .map(|(name, (_, admin, disabled, epoch))| UserRecord { epoch, ..user(name, admin, disabled) })
            .collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(5_000))]
    #[test]
    fn agrees_with_the_reference(
        users in any_users(),
        grants in prop::collection::vec(any_grant(), 0..6),
        who in prop_oneof![Just(None), ("[abc]", 1..3_i64).prop_map(Some)],
        name in "[abc]{1,2}(/[abc]){0,2}",
    ) {
        let who = who.map_or(Principal::Anonymous, |(name, epoch)| Principal::User {
            name: name.parse().expect("a name"),
            admin: true,
            epoch,
        });
        let name = repository(&name);
        let expected = reference(&users, &grants, &who, &name);
        let grantee = who.account().map_or(Grantee::Anonymous, |account| Grantee::User(account.clone()));
        let policy = Policy::for_tests(&users, &grants, &grantee);
        prop_assert_eq!(policy.allowed(&who, &name), expected);
        // The explanation agrees too.
        if let Some(now) = policy.login_principal() {
            let may = policy.allowed(&now, &name).contains(crate::domain::Action::Push);
            prop_assert_eq!(policy.explain(&grantee, crate::domain::Action::Push, &name).is_allowed(), may);
        }
        // What applies to one account says nothing of another.
        let other = Principal::User { name: "z".parse().expect("a name"), admin: true, epoch: 1 };
        prop_assert_eq!(policy.allowed(&other, &name), Actions::NONE);
    }
}
