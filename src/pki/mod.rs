//! Makes and keeps certificates: the private authority, ACME, imported and configured pairs, their files and lifetimes.

pub mod acme;
mod authority;
mod bridge;
pub(crate) mod certificate;
pub(crate) mod chain;
mod constraints;
pub(crate) mod error;
pub(crate) mod file_state;
mod freshness;
pub(crate) mod identity;
mod import;
mod inspect;
mod key_mode;
mod leaf;
pub(crate) mod lifetime;
mod new_key_file;
mod pair;
pub(crate) mod paths;
pub(crate) mod pem;
pub(crate) mod private_file;
pub(crate) mod private_key;
pub(crate) mod source;
pub(crate) mod subject_name;
#[cfg(test)]
pub(crate) mod tests;

pub use authority::{
    Authority, IssuedLeaf, RootKeyPlace, Rotation, StoredRootKey, Succession, move_root_key, seal_root_key,
};
pub use certificate::CertificateSummary;
pub use constraints::{Constraints, PermittedNames};
pub use error::{TlsError, file_system_advice};
pub use file_state::AuthorityState;
pub use freshness::expiry_warning;
pub use identity::{Identity, Origin};
pub use import::{OperatorFiles, import, remove_import};
pub use inspect::{Inspected, inspect};
pub use key_mode::key_exposure;
pub use leaf::{LeafOutcome, ensure_leaf, renew_leaf};
pub use lifetime::{EXPIRY_WARNING, ISSUING_WARNING, ROOT_WARNING, renewal_due};
pub use new_key_file::NewKeyFile;
pub use paths::TlsPaths;
pub use pem::{PemFault, PemItem, PemText, certificate_to_pem};
pub use private_file::{NO_FOLLOW, is_temporary, read_kept_key, read_key, temporary_beside, write_key, write_public};
pub use source::IdentitySource;
pub use subject_name::SubjectName;
