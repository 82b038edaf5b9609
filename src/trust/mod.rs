//! Trust on the client's host: a registry's private CA, fetched, checked against its pin, and put where container tools look.
//!
//! The order is the safety. [`verify()`] fetches the CA over a connection that it does not trust, believes nothing but the pin,
//! and then connects again with that CA as the only root; if the pinned CA has signed a transition to another, that one replaces it
//! by what the pinned one has signed (`root_transition`). [`verify_file`] does the same with a CA from a file. [`Plan::make`] looks at
//! what is on the host and refuses what would overwrite another CA. Only [`Plan::apply`] writes, whole files or none, and leaves a manifest by which [`remove()`] undoes it.
//! [`crate::doctor`] looks at all of this and changes nothing.
//! No tool's configuration is edited and no daemon restarted.

pub(crate) mod authority_file;
pub(crate) mod client;
pub mod command;
pub(crate) mod containerd;
pub(crate) mod daemons;
pub(crate) mod error;
mod exclusive_lock;
pub(crate) mod file;
pub(crate) mod host;
pub(crate) mod install_record;
pub(crate) mod os_store;
mod pinned_authority;
mod plan;
mod planned_file;
pub(crate) mod registry_address;
mod remove;
pub(crate) mod root_file;
mod root_transition;
pub mod script;
mod script_record;
pub(crate) mod stanza;
mod undo;
mod verify;

pub use error::TrustError;
pub use host::{Home, Host, InstallScope};
pub use pinned_authority::PinnedAuthority;
pub use plan::{Applied, Plan, SystemStore, TrustSettings};
pub use planned_file::{PlannedFile, PlannedState};
pub use registry_address::RegistryAddress;
pub use remove::{RemovalOutcome, RemovedFile, remove};
pub use root_file::RootFile;
pub use stanza::{buildkit_stanza, k3s_stanza};
pub use verify::{verify, verify_file};

use crate::domain::net::Fingerprint;

/// The CA by which `trust` made this host know the registry before; `None` where it did not, or nothing of it is left.
pub fn known_authority(
    host: &Host,
    scope: &InstallScope,
    registry: &RegistryAddress,
) -> Result<Option<Fingerprint>, TrustError> {
    install_record::InstallRecord::authority(host, scope, registry)
}
