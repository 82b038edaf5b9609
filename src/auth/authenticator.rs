//! The front door: passwords, certificates and tokens in, credentials and tokens out, on a policy that is never older than a quarter of a second, and
//! of this very moment where a token is issued.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::Mutex;

use super::credentials::access_token::{InvalidToken, Tokens};
use super::credentials::password::Outcome;
use super::credentials::refresh_token::{RefreshMemory, is_refresh_token};
use super::keys::key_ring::KeyRing;
use super::keys::schedule::{KeySchedule, Step};
use super::keys::token_key::TokenKey;
use super::throttle::{FailedLogins, LoginAttempt, PasswordVerifier};
use super::{AuthError, Credential, CredentialError, DataKey, IssuedToken, Policy, Principal, Scope, Secret};
use crate::config::AuthSettings;
use crate::domain::{AccountName, Clock, Fingerprint, Network};
use crate::storage::StorageError;
use crate::storage::metadata::{Metadata, UserRecord};

/// How often the policy is read anew when it changes while being read.
const CONSISTENT_READS: usize = 5;

/// Verifies credentials and issues tokens.
pub struct Authenticator {
    pub(super) store: Arc<dyn Metadata>,
    pub(super) clock: Clock,
    pub(super) refresh_lifetime: Option<Duration>,
    personal_namespaces: bool,
    data_key: DataKey,
    schedule: KeySchedule,
    policy: ArcSwap<Policy>,
    ring: ArcSwap<KeyRing>,
    tokens: Tokens,
    passwords: PasswordVerifier,
    pub(super) refreshed: RefreshMemory,
    /// The policy version in force; locked while a new one is read, so that no older one overwrites it.
    version: Mutex<Option<i64>>,
}

impl Authenticator {
    /// Reads the keys, and makes the first one if there is none. The data key comes from a file outside the database.
    pub async fn open(
        store: Arc<dyn Metadata>,
        settings: AuthSettings,
        data_key: DataKey,
        clock: Clock,
    ) -> Result<Self, AuthError> {
        for record in store.token_keys().await? {
            TokenKey::open(&record, &data_key)?;
        }
        let failed = FailedLogins::new(Arc::clone(&store), &settings, &data_key, clock.clone());
        let authenticator = Self {
            personal_namespaces: settings.personal_namespaces,
            refresh_lifetime: settings.refresh_token_lifetime,
            schedule: KeySchedule::new(&settings),
            policy: ArcSwap::from_pointee(Policy::new(Vec::new(), Vec::new(), false)),
            ring: ArcSwap::default(),
            tokens: Tokens::new(&settings),
            passwords: PasswordVerifier::new(&settings, failed),
            refreshed: RefreshMemory::new(settings.password_memory),
            version: Mutex::new(None),
            store,
            clock,
            data_key,
        };
        authenticator.reload_policy().await?;
        authenticator.rotate_keys().await?;
        Ok(authenticator)
    }

    /// Verifies a password. `name` is as typed. Unknown users, disabled users and wrong passwords take the same time and give the same
    /// answer; after too many of them, `from` one address or for one name, nothing is looked at for a while ([`CredentialError::RateLimited`]).
    /// One that was right a moment ago, from there, costs no read of the database, and no more than a token: the policy at hand says
    /// whether the user has changed. A refresh token counts as a password of its user.
    pub async fn password(&self, name: &str, password: &Secret, from: IpAddr) -> Result<Credential, CredentialError> {
        let from = Network::of(from);
        if let Some(credential) = self.remembered(name, password, from) {
            return Ok(credential);
        }
        if self.refresh_lifetime.is_some() && is_refresh_token(password.expose()) {
            return self.refresh_token_of(name, password.expose()).await;
        }
        let known = self.passwords.read(name).await?;
        let user = known.user.as_ref();
        let attempt = LoginAttempt { typed: name, name: &known.name, user, failures: &known.failures, password, from };
        match (self.passwords.verify(attempt).await?, user) {
            (Outcome::Right { rehashed }, Some(user)) => self.admit(user, rehashed).await,
            _ => Err(CredentialError::Wrong),
        }
    }

    /// The credential of a user whose password is remembered.
    fn remembered(&self, name: &str, password: &Secret, from: Network) -> Option<Credential> {
        let principal = self.policy.load().named(&name.parse().ok()?)?;
        let Principal::User { epoch, .. } = &principal else { return None };
        self.passwords.remembers(name, *epoch, password, from).then(|| Credential::password(principal))
    }

    /// The credential of a user who gave the right password.
    async fn admit(&self, user: &UserRecord, rehashed: Option<String>) -> Result<Credential, CredentialError> {
        if let Some(new) = rehashed
            && let Err(error) = self.store.rehash_password(&user.name, &user.password_hash, new).await
        {
            tracing::warn!(user = %user.name, %error, "the password's hash could not be renewed; it stays as it is");
        }
        self.principal_of(user).await.map(Credential::password)
    }

    /// A user, as the row stands, who has proven who it is.
    pub(super) async fn principal_of(&self, user: &UserRecord) -> Result<Principal, CredentialError> {
        if !self.policy.load().agrees_with(user) {
            // Added or changed a moment ago: the token that is asked for next must not be cut by what was true before.
            self.reload().await?;
        }
        let principal = self.policy.load().principal(&user.name, user.epoch);
        principal.ok_or(CredentialError::Wrong)
    }

    /// The credential of the user whom a verified client certificate names. A changed password does not touch it; disabling or removing
    /// the user does.
    pub async fn certificate(
        &self,
        name: &AccountName,
        fingerprint: Fingerprint,
    ) -> Result<Credential, CredentialError> {
        if self.policy.load().named(name).is_none() {
            // Perhaps added a moment ago.
            self.reload().await?;
        }
        let principal = self.policy.load().named(name);
        principal
            .map(|principal| Credential::certificate(principal, fingerprint))
            .ok_or_else(|| CredentialError::NoSuchUser(name.clone()))
    }

    /// Verifies a token: without waiting, and from memory where it was seen before. One that expired less than a day ago gives a
    /// credential that says so; it only serves to go on with an upload.
    pub fn bearer(&self, token: &str) -> Result<Credential, CredentialError> {
        let now = self.clock.seconds();
        let verified =
            self.tokens.verify(&self.ring.load(), token, now).map_err(|InvalidToken| CredentialError::Expired)?;
        let principal = match &verified.user {
            None => Principal::Anonymous,
            Some((name, epoch)) => self.policy.load().principal(name, *epoch).ok_or(CredentialError::Expired)?,
        };
        Ok(Credential::token(
            principal,
            Arc::clone(&verified.id),
            Arc::clone(&verified.scope),
            verified.is_expired(now),
        ))
    }

    /// Issues a token for what was asked, cut to what is allowed now; that may be nothing. Whether the policy has changed is looked at
    /// first: a token that was cut by what was true a moment ago would refuse its holder for as long as clients keep it.
    pub async fn issue(&self, principal: &Principal, scopes: &[Scope]) -> Result<IssuedToken, AuthError> {
        self.reload_policy().await?;
        let granted = self.policy.load().cut(principal, scopes);
        self.tokens.issue(&self.ring.load(), principal, &granted, self.clock.seconds())
    }

    /// The public keys, as a JWK set (RFC 7517, section 5).
    #[expect(clippy::missing_panics_doc, reason = "a key set always turns into JSON")]
    pub fn jwks(&self) -> serde_json::Value {
        serde_json::to_value(self.ring.load().published())
            .expect("a key set consists of texts, and its maps have texts for keys")
    }

    /// The policy in force.
    pub fn policy(&self) -> Arc<Policy> {
        self.policy.load_full()
    }

    /// Reads users, grants and keys again, if they have changed.
    pub async fn reload_policy(&self) -> Result<(), AuthError> {
        Ok(self.reload().await?)
    }

    async fn reload(&self) -> Result<(), StorageError> {
        let mut loaded = self.version.lock().await;
        let mut version = self.store.policy_version().await?;
        for attempt in 1..=CONSISTENT_READS {
            if *loaded == Some(version) {
                return Ok(());
            }
            let policy = Policy::load(&*self.store, self.personal_namespaces).await?;
            let keys = self.store.token_keys().await?;
            let after = self.store.policy_version().await?;
            // Where it changes faster than it can be read, something newer than before is better than nothing, until the next time.
            if after == version || attempt == CONSISTENT_READS {
                self.policy.store(Arc::new(policy));
                if self.ring.load().records() != keys {
                    self.ring.store(Arc::new(KeyRing::open(keys, &self.data_key)));
                }
                *loaded = (after == version).then_some(version);
                return Ok(());
            }
            version = after;
        }
        Ok(())
    }

    /// Makes and removes the keys for which it is time.
    pub(crate) async fn rotate_keys(&self) -> Result<(), AuthError> {
        let now = self.clock.seconds();
        let ring = self.ring.load_full();
        let steps = self.schedule.due(ring.records(), now);
        if steps.is_empty() {
            return Ok(());
        }
        for step in steps {
            match step {
                Step::Add { successor_of, signs_from } => {
                    let key = TokenKey::generate(&self.data_key, now, signs_from)?;
                    let kid = key.kid.clone();
                    if self.store.add_token_key(key, successor_of).await? {
                        tracing::info!(kid, signs_from, "a new token key is published");
                    }
                }
                Step::Remove(kid) => {
                    self.store.remove_token_key(kid).await?;
                    tracing::info!(kid, "an old token key is removed");
                }
            }
        }
        self.reload_policy().await
    }
}

#[cfg(test)]
#[path = "authenticator_tests.rs"]
mod tests;
