//! Access tokens: signing them, and accepting only what this registry signed (RFC 7519, ES256).

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jsonwebtoken::Validation;
use moka::sync::Cache;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::access_claim::{Access, TokenScope};
use super::principal::{ANONYMOUS, USER_PREFIX};
use crate::auth::keys::{ALGORITHM, KeyRing};
use crate::auth::{AuthError, Principal, Scope};
use crate::config::AuthSettings;
use crate::domain::AccountName;

/// How far clocks may differ, in seconds.
pub(in crate::auth) const LEEWAY: i64 = 60;
/// How long after it has expired a token still lets an upload continue, in seconds.
pub(in crate::auth) const EXPIRED_GRACE: i64 = 24 * 60 * 60;
/// A longer token is not from here: see the limit on scopes.
const MAX_LENGTH: usize = 16 * 1024;
/// How many bytes of tokens are remembered as verified.
const CACHE_CAPACITY: u64 = 8 * 1024 * 1024;

/// A new token. `Debug` does not show it.
#[derive(Clone)]
pub struct IssuedToken {
    /// The token itself.
    pub token: String,
    /// How long it serves.
    pub expires_in: Duration,
    /// What it covers.
    pub access: Vec<Access>,
}

impl fmt::Debug for IssuedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { token: _, expires_in, access } = self;
        f.debug_struct("IssuedToken").field("expires_in", expires_in).field("access", access).finish_non_exhaustive()
    }
}

/// The claims of a token. All are required, and of these types.
#[derive(Debug, Serialize, Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: String,
    exp: i64,
    nbf: i64,
    iat: i64,
    jti: String,
    access: Vec<Access>,
    /// The user's epoch; absent for anonymous.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    epoch: Option<i64>,
}

/// A token whose signature and claims were verified. Policy knows whether its user may still log in, and what may be done.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::auth) struct VerifiedToken {
    kid: String,
    /// Its `jti` claim.
    pub(in crate::auth) id: Arc<str>,
    /// The user's name and epoch; `None` for anonymous.
    pub(in crate::auth) user: Option<(AccountName, i64)>,
    pub(in crate::auth) scope: Arc<TokenScope>,
    exp: i64,
}

impl VerifiedToken {
    /// Whether it has expired, leeway included.
    pub(in crate::auth) fn is_expired(&self, now: i64) -> bool {
        self.exp.saturating_add(LEEWAY) < now
    }
}

/// A token that this registry did not sign, that is for another service, or that is not accepted any more.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::auth) struct InvalidToken;

/// Signs and verifies.
pub(in crate::auth) struct AccessTokens {
    issuer: String,
    service: String,
    lifetime: i64,
    validation: Validation,
    verified: Cache<[u8; 32], Arc<VerifiedToken>>,
}

impl AccessTokens {
    pub(in crate::auth) fn new(settings: &AuthSettings) -> Self {
        let mut validation = Validation::new(ALGORITHM);
        validation.set_issuer(&[&settings.issuer]);
        validation.set_audience(&[&settings.service]);
        validation.set_required_spec_claims(&["exp", "nbf", "iss", "aud", "sub"]);
        // Times are checked here, because a token that has just expired still lets an upload continue.
        validation.validate_exp = false;
        let lifetime = settings.token_seconds();
        let remembered = Duration::from_secs(lifetime.saturating_add(LEEWAY).unsigned_abs());
        let verified = Cache::builder()
            .max_capacity(CACHE_CAPACITY)
            .weigher(|_, token: &Arc<VerifiedToken>| 256 + token.scope.weight())
            .time_to_live(remembered)
            .build();
        Self { issuer: settings.issuer.clone(), service: settings.service.clone(), lifetime, validation, verified }
    }

    /// Signs a token for these rights.
    pub(in crate::auth) fn issue(
        &self,
        ring: &KeyRing,
        principal: &Principal,
        scopes: &[Scope],
        now: i64,
    ) -> Result<IssuedToken, AuthError> {
        let key = ring.signing(now).ok_or(AuthError::NoSigningKey)?;
        let access: Vec<Access> = scopes.iter().map(Access::from).collect();
        let claims = Claims {
            iss: self.issuer.clone(),
            sub: principal.subject(),
            aud: self.service.clone(),
            exp: now.saturating_add(self.lifetime),
            nbf: now,
            iat: now,
            jti: uuid::Uuid::new_v4().to_string(),
            access,
            epoch: principal.epoch(),
        };
        let token = jsonwebtoken::encode(&key.header, &claims, &key.private)
            .map_err(|_| AuthError::Cryptography("signing a token"))?;
        Ok(IssuedToken { token, expires_in: Duration::from_secs(self.lifetime.unsigned_abs()), access: claims.access })
    }

    /// Verifies a token, from memory if it was verified before. One that expired less than a day ago still passes; see
    /// [`VerifiedToken::is_expired`].
    pub(in crate::auth) fn verify(
        &self,
        ring: &KeyRing,
        token: &str,
        now: i64,
    ) -> Result<Arc<VerifiedToken>, InvalidToken> {
        if token.len() > MAX_LENGTH {
            return Err(InvalidToken);
        }
        let digest: [u8; 32] = Sha256::digest(token).into();
        let known = self.verified.get(&digest).filter(|known| ring.get(&known.kid).is_some());
        let verified = if let Some(known) = known {
            known
        } else {
            let fresh = Arc::new(self.verify_signature(ring, token, now)?);
            self.verified.insert(digest, Arc::clone(&fresh));
            fresh
        };
        if verified.exp.saturating_add(EXPIRED_GRACE) < now { Err(InvalidToken) } else { Ok(verified) }
    }

    fn verify_signature(&self, ring: &KeyRing, token: &str, now: i64) -> Result<VerifiedToken, InvalidToken> {
        let header = jsonwebtoken::decode_header(token).map_err(|_| InvalidToken)?;
        let kid = header.kid.as_deref().ok_or(InvalidToken)?;
        let key = ring.get(kid).ok_or(InvalidToken)?;
        // Tokens from here have this header and no other: no second algorithm, no key or address of one, nothing critical.
        if header != key.header {
            return Err(InvalidToken);
        }
        let claims =
            jsonwebtoken::decode::<Claims>(token, &key.public, &self.validation).map_err(|_| InvalidToken)?.claims;
        if claims.iss != self.issuer || claims.aud != self.service {
            return Err(InvalidToken);
        }
        let latest = now.saturating_add(LEEWAY);
        if claims.nbf > latest || claims.iat > latest || claims.exp.saturating_add(EXPIRED_GRACE) < now {
            return Err(InvalidToken);
        }
        let user = read_subject(&claims.sub, claims.epoch)?;
        let scope = Arc::new(claims.access.into_iter().collect());
        Ok(VerifiedToken { kid: kid.to_owned(), id: claims.jti.into(), user, scope, exp: claims.exp })
    }
}

/// `anonymous` has no epoch, and a user has one.
fn read_subject(subject: &str, epoch: Option<i64>) -> Result<Option<(AccountName, i64)>, InvalidToken> {
    match (subject.strip_prefix(USER_PREFIX), epoch) {
        (Some(name), Some(epoch)) => Ok(Some((name.parse().map_err(|_| InvalidToken)?, epoch))),
        (None, None) if subject == ANONYMOUS => Ok(None),
        _ => Err(InvalidToken),
    }
}

#[cfg(test)]
#[path = "access_token_tests.rs"]
mod tests;
