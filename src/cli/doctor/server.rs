//! The checks of a server, each for itself: what one cannot see, the next may.

use std::time::Duration;

use super::sockets::Process;
use super::{certificate, clock, data, database, disk, keys, names, port, settings};
use crate::cli::context::Context;
use crate::cli::data_directory::DataDirectory;
use crate::cli::owner::act_as_owner;
use crate::config::Config;
use crate::domain::finding::Finding;

/// What the checks look at.
pub(super) struct Subject {
    pub(super) config: Config,
    pub(super) data: DataDirectory,
    /// Who serves the data directory.
    pub(super) holder: Holder,
    /// The limit of each connection.
    pub(super) limit: Duration,
}

/// Who serves the data directory.
#[derive(Debug)]
pub(super) enum Holder {
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
    pub(super) fn is_initialised(&self) -> bool {
        self.data.initialised_on().ok().flatten().is_some()
    }
}

/// Every check. A configuration that is wrong is a finding; the rest is then looked at by the defaults and the flags.
pub(super) async fn examine(context: &Context, limit: Duration) -> Vec<Finding> {
    let (mut findings, config) = settings::check(context);
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
