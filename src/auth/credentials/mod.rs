//! Who someone is. A `credential` is what a request presented, once verified; it proves a `principal`. Passwords are hashed in `password` and
//! chosen by `password_rules`; `access_token` signs and verifies tokens, whose rights are an `access_claim`; `refresh_token` is what clients
//! keep instead of a password. A `secret` never shows itself.

mod access_claim;
mod access_token;
mod bcrypt_hash;
mod credential;
mod password;
mod password_rules;
mod principal;
mod refresh_token;
mod secret;

#[cfg(test)]
pub(super) use access_claim::Access;
pub(super) use access_token::{AccessTokens, EXPIRED_GRACE, InvalidToken, IssuedToken, LEEWAY};
pub(crate) use bcrypt_hash::BcryptHash;
pub(crate) use credential::CredentialError;
pub use credential::{Credential, CredentialId, VerifiedCredential};
#[cfg(test)]
pub(super) use password::hash_with;
pub(super) use password::{PasswordOutcome, UNKNOWN_ACCOUNT_HASH, UnusableHash, verify};
pub(crate) use password::{hash_password, is_password_of};
pub(crate) use password_rules::{WeakPassword, check_chosen_password};
pub use principal::Principal;
pub(super) use refresh_token::{RefreshMemory, is_refresh_token};
pub(crate) use secret::{MAX_PASSWORD_LENGTH, PasswordTooLong, Secret};
