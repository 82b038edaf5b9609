//! Refresh tokens: what a client keeps instead of the password, where the operator allows it (RFC 6749, section 6).
//!
//! 256 random bits with a prefix that scanners of leaked secrets can look for; the database holds their SHA-256. A token is good for what
//! the password is good for, until its time is over or the user is changed. It is not replaced at each use: docker hands the one from
//! `docker login` to its daemon, which cannot give back another.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use super::settings::{now, seconds};
use super::{AuthError, Authenticator, Credential, CredentialError, Principal};
use crate::storage::metadata::RefreshTokenRecord;

/// What every refresh token begins with.
const PREFIX: &str = "pcl_rt_";
/// The most that a user has at once; each login makes one, and the oldest makes way.
const MOST: u32 = 64;

impl Authenticator {
    /// A refresh token for a user who has just given the password; `None` where they are switched off, and for anybody else.
    pub async fn issue_refresh_token(&self, principal: &Principal) -> Result<Option<String>, AuthError> {
        let (Some(lifetime), Principal::User { name, epoch, .. }) = (self.refresh_lifetime, principal) else {
            return Ok(None);
        };
        let token = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>()));
        let (hash, created_at) = (hash(&token), now());
        let record = RefreshTokenRecord {
            hash,
            account: name.clone(),
            epoch: *epoch,
            created_at,
            expires_at: created_at.saturating_add(seconds(lifetime)),
        };
        Ok(self.store.add_refresh_token(record, MOST).await?.then_some(token))
    }

    /// Verifies a refresh token. Those of users who changed since, or were disabled, are worth nothing, and so are all of them once they
    /// are switched off.
    pub async fn refresh_token(&self, token: &str) -> Result<Credential, CredentialError> {
        if self.refresh_lifetime.is_none() || !token.starts_with(PREFIX) {
            return Err(CredentialError::Expired);
        }
        let record = self.store.refresh_token(&hash(token)).await?.ok_or(CredentialError::Expired)?;
        let user = self.store.user(&record.account).await?.filter(|user| !user.disabled && user.epoch == record.epoch);
        match user {
            Some(user) if now() < record.expires_at => self.credential_of(&user).await,
            _ => Err(CredentialError::Expired),
        }
    }
}

fn hash(token: &str) -> String {
    use std::fmt::Write as _;
    let digest = Sha256::digest(token);
    digest.iter().fold(String::with_capacity(64), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
