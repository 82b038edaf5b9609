//! Makes and keeps certificates: the private authority, ACME, imported and configured pairs, their files and lifetimes.

pub(crate) mod acme;
mod authority;
pub(crate) mod certificate;
pub(crate) mod error;
pub(crate) mod files;
pub(crate) mod identity;
mod leaf;
pub(crate) mod lifetime;
#[cfg(test)]
pub(crate) mod tests;

pub(crate) use authority::{
    Authority, RootKeyLocation, RootTransition, RotationRequest, StoredRootKey, move_root_key, seal_root_key,
};
pub(crate) use certificate::CertificateSummary;
pub(crate) use certificate::inspect::{Inspected, inspect};
pub(crate) use certificate::pem::certificate_to_pem;
pub use certificate::pem::{PemFault, PemItem, PemText};
pub(crate) use certificate::permitted_names::{Constraints, PermittedNames};
pub(crate) use certificate::subject_name::SubjectName;
pub(crate) use error::{PkiError, file_system_advice};
pub(crate) use files::changes::{FileChanges, InPlace};
pub(crate) use files::kept_files::KeptFiles;
pub(crate) use files::key_mode::{key_exposure, restrict_kept_key};
pub(crate) use files::new_key_file::NewKeyFile;
pub(crate) use files::paths::PkiPaths;
pub(crate) use files::private_file::{NO_FOLLOW, read_kept_key, read_key, write_key, write_public};
pub(crate) use files::stamp::AuthorityStamp;
pub(crate) use identity::expiry_warning::expiry_warning;
pub(crate) use identity::import::{OperatorFiles, import};
pub(crate) use identity::source::IdentitySource;
pub(crate) use identity::{Identity, Origin};
pub(crate) use leaf::{ensure_leaf, renew_leaf, served_names};
pub(crate) use lifetime::{EXPIRY_WARNING, ISSUING_WARNING, ROOT_WARNING, renewal_due};
