//! Who someone is: passwords, tokens and refresh tokens, and the principal that a credential proves.

mod access_claim;
pub(super) mod access_token;
mod credential;
pub(super) mod password;
mod password_rules;
mod principal;
pub(super) mod refresh_token;
mod secret;

pub use access_claim::Access;
pub use access_token::IssuedToken;
pub use credential::{Credential, CredentialError, CredentialId};
pub use password::{hash_password, is_password_of};
pub use password_rules::{LEAST_PASSWORD_LENGTH, WeakPassword, check_chosen_password};
pub use principal::Principal;
pub use secret::{MAX_PASSWORD_LENGTH, PasswordTooLong, Secret};
