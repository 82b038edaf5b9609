//! The checks of a server, each for itself: what one cannot see, the next may.

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

use std::time::Duration;

use crate::config::{Config, ConfigErrors, Loaded};
use crate::doctor::finding::Finding;
use crate::node::data_directory::DataDirectory;
use crate::node::owner::act_as_owner;
use sockets::Process;

/// A configuration that cannot be used.
pub(crate) struct InvalidConfig {
    pub(crate) errors: ConfigErrors,
    /// What flags, variables and defaults say without the file, so that the other checks can run.
    pub(crate) fallback: Option<Config>,
}

/// What the checks look at.
pub(crate) struct Subject {
    pub(crate) config: Config,
    pub(crate) data: DataDirectory,
    /// Who serves the data directory.
    pub(crate) holder: Holder,
    /// The limit of each connection.
    pub(crate) limit: Duration,
}

/// Who serves the data directory.
#[derive(Debug)]
pub(crate) enum Holder {
    /// Nobody.
    Nobody,
    /// This process.
    Process(Process),
    /// One that is not seen from here.
    Somebody,
    /// It cannot be told, for this reason.
    Unknown(std::io::Error),
}

impl Subject {
    pub(crate) fn is_initialised(&self) -> bool {
        self.data.initialised_on().ok().flatten().is_some()
    }
}

/// Every check. A configuration that is wrong is a finding; the rest is then looked at by the defaults and the flags.
pub(crate) async fn examine(loaded: Result<Loaded, InvalidConfig>, limit: Duration) -> Vec<Finding> {
    let (mut findings, config) = settings::check(loaded);
    let Some(config) = config else {
        findings.push(Finding::unknown("data", "it is not known where the data directory lies"));
        return findings;
    };
    let data = DataDirectory::at(&config.data_dir);
    if let Err(error) = act_as_owner(data.path()) {
        findings.push(Finding::problem(
            "data",
            format!("{error:#}"),
            "files that root makes there cannot be read by the server",
            "run doctor as the owner of the data directory",
        ));
        return findings;
    }
    let holder = data::holder(&data);
    let subject = Subject { config, data, holder, limit };
    findings.extend(data::check(&subject));
    findings.extend(clock::check(&subject));
    findings.extend(disk::check(&subject));
    if subject.is_initialised() {
        findings.extend(keys::check(&subject));
        findings.extend(database::check(&subject).await);
        findings.extend(certificate::check(&subject));
    }
    let (found, address) = port::check(&subject).await;
    findings.extend(found);
    if subject.is_initialised() {
        findings.extend(names::check(&subject, address).await);
    }
    findings
}
