//! Makes and keeps certificates: the private authority, ACME, imported and configured pairs, their files and lifetimes.

pub mod acme;
mod authority;
pub(crate) mod certificate;
pub(crate) mod error;
pub(crate) mod files;
pub(crate) mod identity;
mod leaf;
pub(crate) mod lifetime;
#[cfg(test)]
pub(crate) mod tests;

pub use authority::{
    Authority, IssuedLeaf, RootKeyLocation, RootTransition, RotationRequest, StoredRootKey, move_root_key,
    seal_root_key,
};
pub use certificate::CertificateSummary;
pub use certificate::inspect::{Inspected, inspect};
pub use certificate::name_constraints::{Constraints, PermittedNames};
pub use certificate::pem::{PemFault, PemItem, PemText, certificate_to_pem};
pub use certificate::subject_name::SubjectName;
pub use error::{PkiError, file_system_advice};
pub use files::key_mode::{key_exposure, restrict_kept_key};
pub use files::new_key_file::NewKeyFile;
pub use files::paths::PkiPaths;
pub use files::private_file::{
    NO_FOLLOW, is_temporary, read_kept_key, read_key, temporary_next_to, write_key, write_public,
};
pub use files::stamp::AuthorityStamp;
pub use identity::expiry_warning::expiry_warning;
pub use identity::import::{OperatorFiles, import, remove_import};
pub use identity::source::IdentitySource;
pub use identity::{Identity, Origin};
pub use leaf::{LeafOutcome, ensure_leaf, renew_leaf};
pub use lifetime::{EXPIRY_WARNING, ISSUING_WARNING, ROOT_WARNING, renewal_due};
