//! The one place that decides who may do what. A snapshot, read without locks; deny is the default.

use std::collections::HashMap;
use std::sync::Arc;

use super::actor::Actor;
use super::rules::Rules;
use crate::auth::{AdminPermit, Authorized, Caller, CatalogPermit, Credential, Denial, Permission, Principal, Scope};
use crate::domain::{AccountName, Actions, Grantee, RepositoryName};
use crate::storage::StorageError;
use crate::storage::metadata::{GrantRecord, Metadata, UserRecord};

/// Users and grants at one moment. Never changes; [`crate::auth::Authenticator::policy`] gives the current one.
#[derive(Debug)]
pub struct Policy {
    pub(in crate::auth) users: HashMap<AccountName, Account>,
    pub(in crate::auth) authenticated: Rules,
    pub(in crate::auth) anonymous: Rules,
    pub(in crate::auth) grants: Vec<GrantRecord>,
    pub(in crate::auth) personal_namespaces: bool,
}

/// What policy knows of a user.
#[derive(Debug)]
pub(in crate::auth) struct Account {
    pub(in crate::auth) admin: bool,
    pub(in crate::auth) disabled: bool,
    epoch: i64,
    pub(in crate::auth) rules: Rules,
}

impl Policy {
    /// The policy of these users and grants. Grants to users that do not exist, and to groups and robots, give nothing to anybody.
    pub fn new(users: Vec<UserRecord>, grants: Vec<GrantRecord>, personal_namespaces: bool) -> Self {
        let account = |user: UserRecord| {
            let account =
                Account { admin: user.admin, disabled: user.disabled, epoch: user.epoch, rules: Rules::default() };
            (user.name, account)
        };
        let mut policy = Self {
            users: users.into_iter().map(account).collect(),
            authenticated: Rules::default(),
            anonymous: Rules::default(),
            grants: Vec::new(),
            personal_namespaces,
        };
        for grant in &grants {
            if let Some(rules) = policy.rules_of(&grant.to) {
                rules.add(&grant.on, grant.allow);
            }
        }
        policy.grants = grants;
        policy
    }

    /// Reads the current policy, for a program that needs it once.
    pub async fn load(store: &dyn Metadata, personal_namespaces: bool) -> Result<Self, StorageError> {
        Ok(Self::new(store.users().await?, store.grants().await?, personal_namespaces))
    }

    fn rules_of(&mut self, grantee: &Grantee) -> Option<&mut Rules> {
        match grantee {
            Grantee::User(name) => self.users.get_mut(name).map(|account| &mut account.rules),
            Grantee::Authenticated => Some(&mut self.authenticated),
            Grantee::Anonymous => Some(&mut self.anonymous),
            Grantee::Group(_) | Grantee::Robot(_) => None,
        }
    }

    /// What `principal` may do to `repository` now. A user who was disabled, or whose epoch has changed, may nothing.
    pub fn allowed(&self, principal: &Principal, repository: &RepositoryName) -> Actions {
        let everybody = self.anonymous.allow(repository);
        match principal {
            Principal::Anonymous => everybody,
            Principal::User { name, epoch, .. } => match self.account(name, *epoch) {
                None => Actions::NONE,
                Some(account) if account.admin || self.owns(name, repository) => Actions::ALL,
                Some(account) => {
                    everybody.union(self.authenticated.allow(repository)).union(account.rules.allow(repository))
                }
            },
            Principal::Operator { .. } => Actions::NONE,
        }
    }

    /// Asks for a permit: current rights, cut to what the credential covers. An expired token counts as none, unless `P` outlives tokens.
    pub fn authorize<P: Permission>(
        &self,
        caller: &Caller,
        repository: &RepositoryName,
    ) -> Result<Authorized<P>, Denial> {
        let (presented, anonymous) = (caller.credential(), Credential::anonymous());
        let credential = if presented.is_expired() && !P::OUTLIVES_TOKEN { &anonymous } else { presented };
        let principal = credential.principal();
        let may = self.allowed(principal, repository).contains(P::ACTION);
        if may && credential.covers(repository, P::ACTION) {
            Ok(Authorized::new(repository.clone(), Actor::new(credential, caller)))
        } else if may {
            Err(Denial::insufficient_scope(P::ACTION, repository))
        } else if *principal == Principal::Anonymous {
            Err(Denial::unauthenticated(P::ACTION, repository))
        } else {
            Err(Denial::forbidden(principal, P::ACTION, repository))
        }
    }

    /// Asks for a permit to list repositories. Whoever presents nothing, or an expired token, has to log in first.
    pub fn authorize_catalog(self: &Arc<Self>, caller: &Caller) -> Result<CatalogPermit, Denial> {
        let credential = caller.credential();
        let nobody = *credential.principal() == Principal::Anonymous && !credential.is_token();
        if nobody || credential.is_expired() {
            Err(Denial::catalog_unauthenticated())
        } else if credential.covers_catalog() {
            Ok(CatalogPermit::new(Arc::clone(self), Actor::new(credential, caller)))
        } else {
            Err(Denial::catalog_insufficient_scope())
        }
    }

    /// Asks for the permit to administer: for an administrator who presents a credential that covers everything, so not a token.
    pub fn authorize_administration(&self, caller: &Caller) -> Result<AdminPermit, Denial> {
        let credential = caller.credential();
        let account = match credential.principal() {
            Principal::User { name, epoch, .. } if !credential.is_expired() => self.account(name, *epoch),
            _ => return Err(Denial::administration_unauthenticated()),
        };
        match account {
            Some(account) if account.admin && credential.is_token() => Err(Denial::administration_insufficient_scope()),
            Some(account) if account.admin => Ok(AdminPermit::new(Actor::new(credential, caller))),
            _ => Err(Denial::administration_forbidden(credential.principal())),
        }
    }

    /// What is left of the scopes that `principal` asked for; those of which nothing is left fall away.
    pub(in crate::auth) fn cut(&self, principal: &Principal, scopes: &[Scope]) -> Vec<Scope> {
        let cut = |scope: &Scope| match scope {
            Scope::Catalog => Some(Scope::Catalog),
            Scope::Repository { name, actions } => {
                let actions = actions.intersection(self.allowed(principal, name));
                (!actions.is_empty()).then(|| Scope::repository(name.clone(), actions))
            }
        };
        scopes.iter().filter_map(cut).collect()
    }

    /// The user of this name as a principal, if credentials of this epoch still count.
    pub(in crate::auth) fn principal(&self, name: &AccountName, epoch: i64) -> Option<Principal> {
        let account = self.account(name, epoch)?;
        Some(Principal::User { name: name.clone(), admin: account.admin, epoch })
    }

    /// The user of this name as a principal, where there is such a user and he may log in.
    pub(in crate::auth) fn named(&self, name: &AccountName) -> Option<Principal> {
        let account = self.users.get(name)?;
        self.principal(name, account.epoch)
    }

    /// Whether the snapshot says the same of a user as its row.
    pub(in crate::auth) fn agrees_with(&self, user: &UserRecord) -> bool {
        self.users.get(&user.name).is_some_and(|account| {
            account.epoch == user.epoch && account.admin == user.admin && account.disabled == user.disabled
        })
    }

    /// Whether `repository` lies in the personal namespace `NAME/**`.
    pub(in crate::auth) fn owns(&self, name: &AccountName, repository: &RepositoryName) -> bool {
        let mut segments = repository.segments();
        self.personal_namespaces && segments.next() == Some(name.as_str()) && segments.next().is_some()
    }

    /// The user of this name, if credentials of this epoch still count.
    pub(in crate::auth) fn account(&self, name: &AccountName, epoch: i64) -> Option<&Account> {
        self.users.get(name).filter(|account| !account.disabled && account.epoch == epoch)
    }
}

#[cfg(test)]
#[path = "policy_tests.rs"]
mod tests;
