//! Refresh tokens: what a client keeps instead of the password, if the operator allows it (RFC 6749, section 6).
//!
//! 256 random bits with a prefix that scanners of leaked secrets can look for; the database holds their SHA-256. A token is good for what
//! the password is good for, also as a password, until it expires or the user is changed. It is not replaced at each use: docker hands the one from
//! `docker login` to its daemon, which cannot give back another.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use data_encoding::HEXLOWER;
use moka::sync::Cache;
use sha2::{Digest, Sha256};

use crate::auth::settings::seconds;
use crate::auth::{AuthError, Authenticator, Credential, CredentialError, Principal, VerifiedCredential};
use crate::storage::metadata::RefreshTokenRecord;

/// What every refresh token begins with.
const PREFIX: &str = "pcl_rt_";
/// What follows the prefix: 256 bits in base64.
const RANDOM_LENGTH: usize = 43;
/// The name that docker and its credential helpers put before an identity token.
const NAME_OF_TOKEN: &str = "<token>";
/// How many tokens are remembered at most.
const MEMORY_CAPACITY: u64 = 10_000;
/// The most that a user has at once; each login makes one, and the oldest is removed for it.
const MOST: u32 = 64;

/// Whether the text has the form of a refresh token.
pub(in crate::auth) fn is_refresh_token(text: &str) -> bool {
    text.strip_prefix(PREFIX).is_some_and(|random| random.len() == RANDOM_LENGTH)
}

/// Refresh tokens that were verified a moment ago, by their hash: as passwords they come with every request. The policy at hand says
/// whether the user has changed since.
pub(in crate::auth) struct RefreshMemory(Option<Cache<String, RefreshTokenRecord>>);

impl RefreshMemory {
    /// One that remembers for so long; zero: not at all.
    pub(in crate::auth) fn new(time: Duration) -> Self {
        let cache = || Cache::builder().max_capacity(MEMORY_CAPACITY).time_to_live(time).build();
        Self((!time.is_zero()).then(cache))
    }
}

impl Authenticator {
    /// Verifies a refresh token that was given as the password of this name, or of none in particular.
    pub(in crate::auth) async fn refresh_token_of(
        &self,
        name: &str,
        token: &str,
    ) -> Result<VerifiedCredential, CredentialError> {
        let verified = match self.remembered_token(&hash(token)).await? {
            Some(verified) => Ok(verified),
            None => self.refresh_token(token).await,
        };
        let verified = verified.map_err(|error| match error {
            CredentialError::Expired => CredentialError::Wrong,
            other => other,
        })?;
        let account = verified.credential.principal().account();
        let is_named = account.is_some_and(|account| account.as_str() == name);
        if is_named || name.is_empty() || name == NAME_OF_TOKEN { Ok(verified) } else { Err(CredentialError::Wrong) }
    }

    async fn remembered_token(&self, hash: &str) -> Result<Option<VerifiedCredential>, CredentialError> {
        let record = self.refreshed.0.as_ref().and_then(|memory| memory.get(hash));
        let Some(record) = record.filter(|record| self.clock.seconds() < record.expires_at) else { return Ok(None) };
        let policy = self.policies.of_account(Some(&record.account)).await?;
        let principal = policy.principal(&record.account, record.epoch);
        let credential = principal.map(|principal| Credential::refresh_token(principal, record.hash));
        Ok(credential.map(|credential| VerifiedCredential { credential, policy }))
    }

    /// A refresh token for a user who has just given the password; `None` if they are switched off, and for anyone else.
    pub async fn issue_refresh_token(&self, principal: &Principal) -> Result<Option<String>, AuthError> {
        let (Some(lifetime), Principal::User { name, epoch, .. }) = (self.refresh_lifetime, principal) else {
            return Ok(None);
        };
        let token = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>()));
        let (hash, created_at) = (hash(&token), self.clock.seconds());
        let record = RefreshTokenRecord {
            hash,
            account: name.clone(),
            epoch: *epoch,
            created_at,
            expires_at: created_at.saturating_add(seconds(lifetime)),
        };
        Ok(self.store.add_refresh_token(record, MOST).await?.then_some(token))
    }

    /// Verifies a refresh token. Those of users who changed since, or were disabled, are invalid, and so are all of them once they are
    /// switched off.
    pub async fn refresh_token(&self, token: &str) -> Result<VerifiedCredential, CredentialError> {
        if self.refresh_lifetime.is_none() || !token.starts_with(PREFIX) {
            return Err(CredentialError::Expired);
        }
        let record = self.store.refresh_token(&hash(token)).await?.ok_or(CredentialError::Expired)?;
        let user = self.store.user(&record.account).await?.filter(|user| !user.disabled && user.epoch == record.epoch);
        match user {
            Some(user) if self.clock.seconds() < record.expires_at => {
                let hash = record.hash.clone();
                let verified =
                    self.credential_of(&user, |principal| Credential::refresh_token(principal, hash)).await?;
                if let RefreshMemory(Some(memory)) = &self.refreshed {
                    memory.insert(record.hash.clone(), record);
                }
                Ok(verified)
            }
            _ => Err(CredentialError::Expired),
        }
    }
}

fn hash(token: &str) -> String {
    HEXLOWER.encode(&Sha256::digest(token))
}
