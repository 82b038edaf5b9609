//! The checks of a server. Each works on its own: what one cannot see, the next may.
//!
//! What must be known of a node comes in as values ([`Subject`]), so that nothing here opens, creates or migrates anything.

mod bucket;
mod certificate;
mod clock;
mod data;
mod database;
mod disk;
mod keys;
mod names;
mod port;
mod settings;
mod sockets;

use std::future::Future;
use std::path::PathBuf;
use std::time::Duration;

use crate::config::Config;
use crate::doctor::finding::Finding;
use crate::domain::Clock;
use crate::pki::SubjectName;
use crate::storage::StorageError;
use crate::storage::metadata::Inspection;

pub(crate) use bucket::check as check_bucket;
pub(crate) use data::{Holder, Initialised, holder, inaccessible};
pub(crate) use settings::check as check_configuration;

/// What the checks look at.
pub(crate) struct Subject {
    pub(crate) config: Config,
    pub(crate) data: Data,
    /// Which process serves the data directory.
    pub(crate) holder: Holder,
    /// The names and addresses by which other hosts may know this machine.
    pub(crate) machine: Vec<SubjectName>,
    /// The limit of each connection.
    pub(crate) limit: Duration,
    pub(crate) clock: Clock,
}

/// A data directory, and the files in it that are checked.
pub(crate) struct Data {
    pub(crate) path: PathBuf,
    pub(crate) database: PathBuf,
    pub(crate) lock_file: PathBuf,
    pub(crate) first_password: PathBuf,
    pub(crate) initialised: Initialised,
}

impl Subject {
    fn is_initialised(&self) -> bool {
        matches!(self.data.initialised, Initialised::Here(_))
    }

    /// Whether the registry is, but has never been served from this data directory.
    fn is_elsewhere(&self) -> bool {
        matches!(self.data.initialised, Initialised::Elsewhere)
    }
}

/// Every check but that of the configuration. `inspection` examines the database; it is awaited only if the file exists.
pub(crate) async fn examine(
    subject: &Subject,
    inspection: impl Future<Output = Result<Inspection, StorageError>>,
) -> Vec<Finding> {
    let mut findings = data::check(subject);
    findings.extend(clock::check(subject));
    findings.extend(disk::check(subject));
    if subject.is_initialised() {
        findings.extend(keys::check(subject));
    }
    if subject.is_initialised() || subject.is_elsewhere() {
        findings.extend(database::check(subject, inspection).await);
    }
    if subject.is_initialised() {
        findings.extend(certificate::check(subject));
    }
    let (found, address) = port::check(subject).await;
    findings.extend(found);
    if subject.is_initialised() {
        findings.extend(names::check(subject, address).await);
    }
    findings
}
