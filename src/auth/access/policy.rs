//! The one place that decides who may do what; deny is the default.
//!
//! A policy is what applies to one account, or to a client that has not logged in, at one version: a snapshot that never changes.
//! [`super::policy_cache`] reads and keeps them.

use std::sync::Arc;

use super::actor::Actor;
use super::rules::Rules;
use crate::auth::{AdminPermit, Authorized, Caller, CatalogPermit, Credential, Denial, Permission, Principal, Scope};
use crate::domain::{AccountName, Actions, Grantee, RepositoryName};
use crate::storage::metadata::{AccountPolicy, UserRecord};

/// What applies to one account. [`crate::auth::Caller`] carries the one by which its credential was verified.
#[derive(Debug, Default)]
pub struct Policy {
    pub(super) version: i64,
    pub(super) account: Option<Account>,
    /// The account's own grants; also those to a user who does not exist, which give nothing.
    pub(super) own: Arc<Rules>,
    pub(super) authenticated: Arc<Rules>,
    pub(super) anonymous: Arc<Rules>,
    pub(super) personal_namespaces: bool,
}

/// What policy knows of a user.
#[derive(Debug)]
pub(super) struct Account {
    pub(super) name: AccountName,
    pub(super) admin: bool,
    pub(super) disabled: bool,
    epoch: i64,
}

impl Account {
    fn of(user: &UserRecord) -> Self {
        Self { name: user.name.clone(), admin: user.admin, disabled: user.disabled, epoch: user.epoch }
    }
}

impl Policy {
    /// The policy of what was read. Rules that are the same as those of the policy `before` are shared with it.
    pub(super) fn new(read: AccountPolicy, personal_namespaces: bool, before: &Self) -> Self {
        let (mut own, mut authenticated, mut anonymous) = (Vec::new(), Vec::new(), Vec::new());
        for grant in read.grants {
            match &grant.to {
                Grantee::Anonymous => anonymous.push(grant),
                Grantee::Authenticated => authenticated.push(grant),
                Grantee::User(_) => own.push(grant),
                // Not yet: they give nothing to anyone.
                Grantee::Group(_) | Grantee::Robot(_) => {}
            }
        }
        Self {
            version: read.version,
            account: read.user.as_ref().map(Account::of),
            own: Arc::new(Rules::new(own)),
            authenticated: Rules::shared(authenticated, &before.authenticated),
            anonymous: Rules::shared(anonymous, &before.anonymous),
            personal_namespaces,
        }
    }

    /// What `principal` may do to `repository` now. A user who was disabled, or whose epoch has changed, may do nothing; neither may a
    /// principal that this is not the policy of.
    pub fn allowed(&self, principal: &Principal, repository: &RepositoryName) -> Actions {
        let everyone = self.anonymous.allow(repository);
        match principal {
            Principal::Anonymous => everyone,
            Principal::User { name, epoch, .. } => match self.account(name, *epoch) {
                None => Actions::NONE,
                Some(account) if account.admin || self.owns(name, repository) => Actions::ALL,
                Some(_) => everyone.union(self.authenticated.allow(repository)).union(self.own.allow(repository)),
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

    /// Asks for a permit to list repositories. A client that presents nothing, or an expired token, has to log in first.
    pub fn authorize_catalog(self: &Arc<Self>, caller: &Caller) -> Result<CatalogPermit, Denial> {
        let credential = caller.credential();
        let presents_nothing = *credential.principal() == Principal::Anonymous && !credential.is_token();
        if presents_nothing || credential.is_expired() {
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

    /// What is left of the scopes that `principal` asked for, without those of which nothing is left.
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

    /// Whether the account is unknown, or known only as it was before it had this epoch.
    pub(in crate::auth) fn knows_no_epoch_from(&self, epoch: i64) -> bool {
        self.account.as_ref().is_none_or(|account| account.epoch < epoch)
    }

    /// The account as a principal, if it exists and may log in.
    pub(in crate::auth) fn login_principal(&self) -> Option<Principal> {
        let account = self.account.as_ref()?;
        self.principal(&account.name, account.epoch)
    }

    /// Whether the snapshot says the same of a user as its row.
    pub(in crate::auth) fn agrees_with(&self, user: &UserRecord) -> bool {
        self.account.as_ref().is_some_and(|account| {
            account.name == user.name
                && account.epoch == user.epoch
                && account.admin == user.admin
                && account.disabled == user.disabled
        })
    }

    /// Whether `repository` is in the personal namespace `NAME/**`.
    pub(super) fn owns(&self, name: &AccountName, repository: &RepositoryName) -> bool {
        let mut segments = repository.segments();
        self.personal_namespaces && segments.next() == Some(name.as_str()) && segments.next().is_some()
    }

    /// The user of this name, if credentials of this epoch still count.
    pub(super) fn account(&self, name: &AccountName, epoch: i64) -> Option<&Account> {
        let account = self.account.as_ref()?;
        (account.name == *name && !account.disabled && account.epoch == epoch).then_some(account)
    }
}

#[cfg(test)]
impl Policy {
    /// What the store would read of these users and grants for one grantee.
    pub(super) fn for_tests(
        users: &[UserRecord],
        grants: &[crate::storage::metadata::GrantRecord],
        grantee: &Grantee,
    ) -> Self {
        let applies = |to: &Grantee| match to {
            Grantee::Anonymous => true,
            Grantee::Authenticated => *grantee != Grantee::Anonymous,
            to => to == grantee,
        };
        let user = users.iter().find(|user| Grantee::User(user.name.clone()) == *grantee).cloned();
        let grants = grants.iter().filter(|grant| applies(&grant.to)).cloned().collect();
        Self::new(AccountPolicy { version: 1, user, grants }, true, &Self::default())
    }
}

#[cfg(test)]
#[path = "policy_tests.rs"]
mod tests;
