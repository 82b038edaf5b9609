//! Who someone is, and what they may do. Access is denied unless a grant allows it.
//!
//! [`Authenticator`] turns what a request presents (a password, a token, a certificate, nothing) into a [`Credential`]; [`Policy`] turns a
//! credential into a permit, [`Authorized`], [`CatalogPermit`] or [`AdminPermit`], which says who acts ([`Actor`]). Only policy makes
//! permits (and the operator's, at the command line, [`AdminPermit::local_operator`]), and use cases take them as arguments, so an
//! unauthorised path does not compile. Rights are looked up at every use; a token only ever narrows them.
//!
//! | where is it decided | file |
//! |---|---|
//! | whether a password, token or certificate is accepted | `authenticator`, by the kinds in `credentials` |
//! | whether a password is verified now, or the client must wait | `throttle`, drawn at its head |
//! | which passwords may be chosen | `credentials/password_rules` |
//! | how long tokens serve, and what they contain | `credentials/access_token`, `credentials/refresh_token` |
//! | who may do what | `access/policy`, from the grants of `access/rules` |
//! | how soon a change of users or grants takes effect | `access/policy_cache` |
//! | what a denial says, and why something is allowed or denied | `access/denial`, `access/explanation` |
//! | which key signs, and when it is replaced | `keys/key_ring`, `keys/schedule` |
//! | how secrets in the database are encrypted | `keys/data_key` |

mod access;
mod authenticator;
mod credentials;
mod error;
mod in_flight;
mod keys;
mod settings;
mod throttle;

// Public: what a permit says of its holder, for all that records or announces an action, what the fuzz targets read, and what asks for
// permits in tests of a registry.
pub(crate) use access::Explanation;
pub use access::{
    Actor, AdminPermit, Authorized, Caller, CatalogPermit, Continue, Delete, Denial, Permission, Policy, Pull, Push,
    Scope,
};
pub use authenticator::Authenticator;
pub(crate) use credentials::{
    BcryptHash, CredentialError, MAX_PASSWORD_LENGTH, PasswordTooLong, Secret, WeakPassword, check_chosen_password,
    hash_password, is_password_of,
};
pub use credentials::{Credential, CredentialId, Principal, VerifiedCredential};
pub(crate) use error::AuthError;
pub use keys::DataKey;
pub(crate) use keys::{PassphraseSalt, require_data_key};
pub(crate) use throttle::AccountLimit;
