//! What a request presented, once verified.

use std::sync::Arc;
use std::time::Duration;

use super::access_claim::TokenScope;
use crate::auth::{Policy, Principal};
use crate::domain::{AccountName, Action, Actions, Fingerprint, RepositoryName};
use crate::storage::StorageError;

/// A verified credential: who, within which scope. Rights come from [`crate::auth::Policy`] alone.
#[derive(Clone, Debug)]
pub struct Credential {
    principal: Principal,
    id: CredentialId,
    /// `None`: everything that the principal may, because a password, a certificate, or nothing at all, was presented.
    token: Option<Arc<TokenScope>>,
    expired: bool,
}

/// A credential, and the policy that says of its holder that it counts: one look serves for that and for the permits of a request.
#[derive(Clone, Debug)]
pub struct VerifiedCredential {
    /// What was presented.
    pub credential: Credential,
    /// What its holder may do now.
    pub policy: Arc<Policy>,
}

/// Which credential it was, without what is secret of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CredentialId {
    /// None was presented.
    None,
    /// The account's password of this epoch.
    Password {
        /// The account's epoch, which grows with each new password.
        epoch: i64,
    },
    /// A refresh token.
    RefreshToken {
        /// Its SHA-256, by which the database knows it.
        hash: String,
    },
    /// A client certificate.
    Certificate(Fingerprint),
    /// An access token.
    Token {
        /// Its `jti` claim.
        id: Arc<str>,
    },
    /// Access to the data directory, at the command line.
    DataDirectory,
}

/// Why a credential is not accepted.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CredentialError {
    /// Unknown user, disabled user, or wrong password: which of them is not told.
    #[error("wrong user name or password")]
    Wrong,
    /// A token that this registry did not sign, that expired too long ago, or of a user who has changed since.
    #[error("the token is invalid or has expired")]
    Expired,
    /// A certificate of a CA that is trusted to name users, for an unknown or disabled one. The holder of such a certificate may know.
    #[error(
        "the client certificate is for {0}, who is not a user of this registry, or is disabled: ask an administrator"
    )]
    NoSuchUser(AccountName),
    /// Too many passwords wait to be verified.
    #[error("too many logins at once; try again in {} s", retry_after.as_secs())]
    Busy {
        /// When to try again.
        retry_after: Duration,
    },
    /// Too many passwords for this name, or from this address, were wrong: this one was not verified. The answer for unknown names is the same.
    #[error("too many wrong passwords; try again in {} s", retry_after.as_secs())]
    RateLimited {
        /// When the next one is verified.
        retry_after: Duration,
    },
    /// The database failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl Credential {
    /// That of a request without a credential.
    pub fn anonymous() -> Self {
        Self::new(Principal::Anonymous, CredentialId::None)
    }

    /// That of a verified password.
    pub(in crate::auth) fn password(principal: Principal) -> Self {
        let epoch = principal.epoch().unwrap_or_default();
        Self::new(principal, CredentialId::Password { epoch })
    }

    /// That of a verified refresh token.
    pub(in crate::auth) fn refresh_token(principal: Principal, hash: String) -> Self {
        Self::new(principal, CredentialId::RefreshToken { hash })
    }

    /// That of a verified client certificate.
    pub(in crate::auth) fn certificate(principal: Principal, fingerprint: Fingerprint) -> Self {
        Self::new(principal, CredentialId::Certificate(fingerprint))
    }

    /// That of a verified token.
    pub(in crate::auth) fn token(principal: Principal, id: Arc<str>, scope: Arc<TokenScope>, expired: bool) -> Self {
        Self { token: Some(scope), expired, ..Self::new(principal, CredentialId::Token { id }) }
    }

    fn new(principal: Principal, id: CredentialId) -> Self {
        Self { principal, id, token: None, expired: false }
    }

    /// Which one it is.
    pub fn id(&self) -> &CredentialId {
        &self.id
    }

    /// Who it belongs to.
    pub fn principal(&self) -> &Principal {
        &self.principal
    }

    /// Whether it is a token that expired less than a day ago: good for continuing an upload, for nothing else.
    pub fn is_expired(&self) -> bool {
        self.expired
    }

    /// Whether a refresh token may be given for it: for a password alone, because everything else expires.
    pub fn may_be_kept(&self) -> bool {
        matches!(self.id, CredentialId::Password { .. })
    }

    /// Whether a token was presented.
    pub fn is_token(&self) -> bool {
        self.token.is_some()
    }

    pub(in crate::auth) fn covers(&self, repository: &RepositoryName, action: Action) -> bool {
        self.token.as_ref().is_none_or(|scope| scope.covers(repository, action))
    }

    /// The repositories of a token; `None` if the credential covers all that the principal may.
    pub(in crate::auth) fn repositories(&self) -> Option<impl Iterator<Item = (&RepositoryName, Actions)>> {
        self.token.as_ref().map(|scope| scope.repositories())
    }

    pub(in crate::auth) fn covers_catalog(&self) -> bool {
        self.token.as_ref().is_none_or(|scope| scope.covers_catalog())
    }
}
