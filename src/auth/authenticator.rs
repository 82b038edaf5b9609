//! The entry: passwords, certificates and tokens in, credentials and tokens out, on a policy that is never older than a quarter of a second, and
//! current when a token is issued.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::Mutex;

use super::access::PolicyCache;
use super::credentials::{AccessTokens, InvalidToken, IssuedToken, PasswordOutcome, RefreshMemory, is_refresh_token};
use super::keys::{KeyRing, KeySchedule, Step, TokenKey, require_data_key};
use super::throttle::{FailedLogins, LoginAttempt, PasswordVerifier};
use super::{AuthError, Credential, CredentialError, DataKey, Principal, Scope, Secret, VerifiedCredential};
use crate::config::AuthSettings;
use crate::domain::{AccountName, Clock, Fingerprint, Network};
use crate::storage::StorageError;
use crate::storage::metadata::{Metadata, UserRecord};

/// Verifies credentials and issues tokens.
pub struct Authenticator {
    pub(super) store: Arc<dyn Metadata>,
    pub(super) clock: Clock,
    pub(super) refresh_lifetime: Option<Duration>,
    data_key: DataKey,
    schedule: KeySchedule,
    pub(super) policies: PolicyCache,
    ring: ArcSwap<KeyRing>,
    tokens: AccessTokens,
    passwords: PasswordVerifier,
    pub(super) refreshed: RefreshMemory,
    /// The policy version that the keys were read at; locked while they are read, so that no older ones overwrite them.
    keys_version: Mutex<i64>,
}

impl Authenticator {
    /// Reads the keys, and makes the first one if there is none. The data key comes from a file outside the database.
    pub async fn open(
        store: Arc<dyn Metadata>,
        settings: AuthSettings,
        data_key: DataKey,
        clock: Clock,
    ) -> Result<Self, AuthError> {
        require_data_key(&*store, &data_key).await?;
        let failed = FailedLogins::new(Arc::clone(&store), &settings, &data_key, clock.clone());
        let authenticator = Self {
            refresh_lifetime: settings.refresh_token_lifetime,
            schedule: KeySchedule::new(&settings),
            policies: PolicyCache::new(Arc::clone(&store), settings.personal_namespaces),
            ring: ArcSwap::default(),
            tokens: AccessTokens::new(&settings),
            passwords: PasswordVerifier::new(&settings, failed),
            refreshed: RefreshMemory::new(settings.password_memory),
            keys_version: Mutex::new(i64::MIN),
            store,
            clock,
            data_key,
        };
        authenticator.reload_policy().await?;
        authenticator.rotate_keys().await?;
        Ok(authenticator)
    }

    /// Verifies a password. `name` is as typed. Unknown users, disabled users and wrong passwords take the same time and give the same
    /// answer; after too many of them, `from` one address or for one name, none is verified for a while ([`CredentialError::RateLimited`]).
    /// One that was right a moment ago, from there, costs no read of the database, and no more than a token: the current policy says
    /// whether the user has changed. A refresh token counts as a password of its user.
    pub async fn password(
        &self,
        name: &str,
        password: &Secret,
        from: IpAddr,
    ) -> Result<VerifiedCredential, CredentialError> {
        let from = Network::of(from);
        if let Some(credential) = self.remembered(name, password, from).await? {
            return Ok(credential);
        }
        if self.refresh_lifetime.is_some() && is_refresh_token(password.expose()) {
            return self.refresh_token_of(name, password.expose()).await;
        }
        let known = self.passwords.read(name).await?;
        let user = known.user.as_ref();
        let attempt = LoginAttempt { typed: name, name: &known.name, user, failures: &known.failures, password, from };
        match (self.passwords.verify(attempt).await?, user) {
            (PasswordOutcome::Right { rehashed }, Some(user)) => self.admit(user, rehashed).await,
            _ => Err(CredentialError::Wrong),
        }
    }

    /// The credential of a user whose password is remembered.
    async fn remembered(
        &self,
        name: &str,
        password: &Secret,
        from: Network,
    ) -> Result<Option<VerifiedCredential>, StorageError> {
        // Of other names nothing is remembered, and no policy is read for those who guess them.
        let Some(account) = name.parse().ok().filter(|_| self.passwords.knows_source(name, from)) else {
            return Ok(None);
        };
        let policy = self.policies.of_account(Some(&account)).await?;
        let remembers = |epoch| self.passwords.remembers(name, epoch, password, from);
        let principal = policy.login_principal().filter(|principal| principal.epoch().is_some_and(remembers));
        Ok(principal.map(|principal| VerifiedCredential { credential: Credential::password(principal), policy }))
    }

    /// The credential of a user who gave the right password.
    async fn admit(&self, user: &UserRecord, rehashed: Option<String>) -> Result<VerifiedCredential, CredentialError> {
        if let Some(new) = rehashed
            && let Err(error) = self.store.rehash_password(&user.name, &user.password_hash, new).await
        {
            tracing::warn!(user = %user.name, %error, "the password's hash could not be renewed and remains as it is");
        }
        self.credential_of(user, Credential::password).await
    }

    /// What a user has given a right credential of, by the row that was just read.
    pub(super) async fn credential_of(
        &self,
        user: &UserRecord,
        credential: impl FnOnce(Principal) -> Credential,
    ) -> Result<VerifiedCredential, CredentialError> {
        let mut policy = self.policies.of_account(Some(&user.name)).await?;
        if !policy.agrees_with(user) {
            // Added or changed a moment ago: the token that is asked for next must not be cut by what was true before.
            self.reload_version().await?;
            policy = self.policies.of_account(Some(&user.name)).await?;
        }
        let principal = policy.principal(&user.name, user.epoch).ok_or(CredentialError::Wrong)?;
        Ok(VerifiedCredential { credential: credential(principal), policy })
    }

    /// The credential of the user that a verified client certificate names. A changed password does not touch it; disabling or removing
    /// the user does.
    pub async fn certificate(
        &self,
        name: &AccountName,
        fingerprint: Fingerprint,
    ) -> Result<VerifiedCredential, CredentialError> {
        let mut policy = self.policies.of_account(Some(name)).await?;
        if policy.login_principal().is_none() {
            // Perhaps added a moment ago.
            self.reload_version().await?;
            policy = self.policies.of_account(Some(name)).await?;
        }
        let principal = policy.login_principal().ok_or_else(|| CredentialError::NoSuchUser(name.clone()))?;
        Ok(VerifiedCredential { credential: Credential::certificate(principal, fingerprint), policy })
    }

    /// Verifies a token: from memory if it was seen before, and without waiting while the policy of its user is current. One that expired
    /// less than a day ago gives a credential that says so; it only serves to continue an upload.
    pub async fn bearer(&self, token: &str) -> Result<VerifiedCredential, CredentialError> {
        let now = self.clock.seconds();
        let verified =
            self.tokens.verify(&self.ring.load(), token, now).map_err(|InvalidToken| CredentialError::Expired)?;
        let name = verified.user.as_ref().map(|(name, _)| name);
        let mut policy = self.policies.of_account(name).await?;
        if verified.user.as_ref().is_some_and(|(_, epoch)| policy.knows_no_epoch_from(*epoch)) {
            // Added or changed a moment ago: another node knows it, which issued the token.
            self.reload_version().await?;
            policy = self.policies.of_account(name).await?;
        }
        let principal = match &verified.user {
            None => Principal::Anonymous,
            Some((name, epoch)) => policy.principal(name, *epoch).ok_or(CredentialError::Expired)?,
        };
        let (id, scope) = (Arc::clone(&verified.id), Arc::clone(&verified.scope));
        Ok(VerifiedCredential { credential: Credential::token(principal, id, scope, verified.is_expired(now)), policy })
    }

    /// That of a request without a credential.
    pub async fn anonymous(&self) -> Result<VerifiedCredential, StorageError> {
        Ok(VerifiedCredential { credential: Credential::anonymous(), policy: self.policies.of_account(None).await? })
    }

    /// Issues a token for what was asked, cut to what is allowed now; that may be nothing. Whether the policy has changed is checked
    /// first: a token that was cut by what was true a moment ago would refuse its holder for as long as clients keep it.
    pub async fn issue(&self, principal: &Principal, scopes: &[Scope]) -> Result<IssuedToken, AuthError> {
        self.reload_policy().await?;
        let granted = self.policies.of(principal).await?.cut(principal, scopes);
        self.tokens.issue(&self.ring.load(), principal, &granted, self.clock.seconds())
    }

    /// The public keys, as a JWK set (RFC 7517, section 5).
    pub(crate) fn jwks(&self) -> serde_json::Value {
        serde_json::to_value(self.ring.load().published())
            .expect("a key set consists of texts, and its maps have texts for keys")
    }

    /// Looks whether users, grants or keys have changed, and returns the version. Policies are read again at their next use, keys at once.
    pub async fn reload_policy(&self) -> Result<i64, AuthError> {
        let version = self.reload_version().await?;
        let mut read_at = self.keys_version.lock().await;
        if *read_at < version {
            let keys = self.store.token_keys().await?;
            if self.ring.load().records() != keys {
                self.ring.store(Arc::new(KeyRing::open(keys, &self.data_key)));
            }
            *read_at = version;
        }
        Ok(version)
    }

    async fn reload_version(&self) -> Result<i64, StorageError> {
        let version = self.store.policy_version().await?;
        self.policies.note_version(version);
        Ok(version)
    }

    /// Tells the other nodes what this one has seen of logins, and counts what they have.
    pub(crate) async fn share_logins(&self) -> Result<(), StorageError> {
        self.passwords.share().await
    }

    /// Makes and removes the token keys for which it is time.
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
        self.reload_policy().await?;
        Ok(())
    }
}

#[cfg(test)]
#[path = "authenticator_tests.rs"]
mod tests;
