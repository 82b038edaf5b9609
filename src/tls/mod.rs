//! Keys, certificates and the TLS configuration.
//!
//! A registry that is only reachable over TLS has to bring its own certificates: [`Authority`] makes a private root whose
//! name constraints bind it to this registry's names, [`ensure_leaf`] keeps a 90-day certificate under it, [`Identity`] loads
//! and checks what is served (ours or the operator's), and [`ServingIdentity`] swaps it without dropping a connection.
//! [`ClientVerifier`] says which certificates of clients count, and whom they name.
//! This module knows nothing of HTTP or the registry.

mod acceptor;
pub mod acme;
mod authority;
mod bridge;
mod certificate;
mod chain;
mod clients;
mod constraints;
pub mod danger;
mod error;
mod file_state;
mod fingerprint;
mod freshness;
mod identity;
mod import;
mod inspect;
mod key_mode;
mod leaf;
mod lifetime;
mod new_key_file;
mod pair;
mod paths;
mod pem;
mod pinned_client;
mod private_file;
mod private_key;
mod server_config;
mod serving;
mod source;
mod subject_name;
#[cfg(test)]
mod tests;
mod turns;

pub use acceptor::Acceptor;
pub use authority::{
    Authority, IssuedLeaf, RootKeyPlace, Rotation, StoredRootKey, Succession, move_root_key, seal_root_key,
};
pub use certificate::CertificateSummary;
pub use clients::{
    ClientFiles, ClientFilesError, ClientVerifier, PresentedCertificate, explain_refusal, keep_clients_fresh,
};
pub use constraints::{Constraints, PermittedNames};
pub use error::{TlsError, file_system_advice};
pub use file_state::AuthorityState;
pub use fingerprint::Fingerprint;
pub use freshness::{Cadence, expiry_warning, keep_fresh};
pub use identity::{Identity, Origin};
pub use import::{OperatorFiles, import, remove_import};
pub use inspect::{Inspected, inspect};
pub use key_mode::key_exposure;
pub use leaf::{LeafOutcome, ensure_leaf, renew_leaf};
pub use lifetime::{EXPIRY_WARNING, ISSUING_WARNING, ROOT_WARNING, renewal_due};
pub use new_key_file::NewKeyFile;
pub use paths::TlsPaths;
pub use pem::{PemFault, PemItem, PemText, certificate_to_pem};
pub use pinned_client::pinned_client;
pub use private_file::{NO_FOLLOW, is_temporary, read_kept_key, read_key, temporary_beside, write_key, write_public};
pub use serving::ServingIdentity;
pub use source::IdentitySource;
pub use subject_name::SubjectName;
