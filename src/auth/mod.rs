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
mod account_limit;
mod address_limit;
mod authenticator;
mod catalog;
mod credential;
mod denial;
mod error;
mod explanation;
mod familiar;
mod key_ring;
mod ledger;
mod line;
mod login;
mod password;
mod password_rules;
pub mod permit;
mod policy;
mod principal;
mod reach;
mod refresh;
mod rotation;
mod rules;
mod scope;
mod seal;
mod secret;
mod settings;
mod token;
mod token_key;

pub use access::Access;
pub use account_limit::{AccountLimit, Pause};
pub use authenticator::Authenticator;
pub use catalog::CatalogPermit;
pub use credential::{Credential, CredentialError};
pub use denial::{Denial, Refusal};
pub use error::AuthError;
pub use explanation::{Explanation, Obstacle, Reason};
pub use password::{hash_password, is_password_of};
pub use password_rules::{LEAST_PASSWORD_LENGTH, WeakPassword, check_chosen_password};
pub use permit::{Authorized, Continue, Delete, Permission, Pull, Push};
pub use policy::Policy;
pub use principal::Principal;
pub use scope::Scope;
pub use seal::SealKey;
pub use secret::{MAX_PASSWORD_LENGTH, PasswordTooLong, Secret};
pub use settings::AuthSettings;
pub use token::IssuedToken;
