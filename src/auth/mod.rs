//! Who someone is, and what they may do. Access is denied unless a grant allows it.
//!
//! [`Authenticator`] turns what a request presents (a password, a token, a certificate, nothing) into a [`Credential`]; [`Policy`] turns a
//! credential into a permit, [`Authorized`] or [`CatalogPermit`]. Only policy makes permits, and use cases take them as
//! arguments, so an unauthorised path does not compile. Rights are looked up anew at every use, in a snapshot without locks:
//! a token only ever narrows them.
//!
//! Guessing: `login` is the gate before every password check, `line` shares out the places before it, `ledger` counts the wrong ones, by
//! `account_limit` and `address_limit`; `familiar` knows whom a wait for others must not stop. `password_rules`: what may be chosen.

mod access;
mod authenticator;
mod credentials;
mod error;
mod in_flight;
mod keys;
mod settings;
mod throttle;

pub use access::{
    Actor, AdminPermit, Authorized, Blocker, Caller, CatalogPermit, Continue, Delete, Denial, DenialDetail,
    Explanation, Permission, Policy, Pull, Push, Reason, Scope,
};
pub use authenticator::Authenticator;
pub use credentials::{
    Access, Credential, CredentialError, CredentialId, IssuedToken, LEAST_PASSWORD_LENGTH, MAX_PASSWORD_LENGTH,
    PasswordTooLong, Principal, Secret, WeakPassword, check_chosen_password, hash_password, is_password_of,
};
pub use error::AuthError;
pub use keys::DataKey;
pub use throttle::{AccountLimit, AccountState};
