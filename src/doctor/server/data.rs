//! The data directory: whether it is there, whose it is, who serves it, and what should not lie in it any more.

use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt;

use super::sockets::Process;
use super::{Holder, Subject};
use crate::doctor::finding::Finding;
use crate::node::data_directory::DataDirectory;

const CHECK: &str = "data";

/// Who holds the lock. It is asked for in the shared form and let go at once, so that a server that starts in this instant is
/// hardly ever in the way of it.
pub(crate) fn holder(data: &DataDirectory) -> Holder {
    let file = match File::open(data.lock_file()) {
        Ok(file) => file,
        // No server has ever been started here.
        Err(error) if error.kind() == io::ErrorKind::NotFound || error.kind() == io::ErrorKind::NotADirectory => {
            return Holder::Nobody;
        }
        Err(error) => return Holder::Unknown(error),
    };
    match file.try_lock_shared() {
        // Dropping the file lets it go.
        Ok(()) => Holder::Nobody,
        Err(TryLockError::Error(error)) => Holder::Unknown(error),
        Err(TryLockError::WouldBlock) => {
            let id = fs::read_to_string(data.lock_file()).ok().and_then(|text| text.trim().parse().ok());
            id.and_then(Process::of_id).map_or(Holder::Somebody, Holder::Process)
        }
    }
}

pub(crate) fn check(subject: &Subject) -> Vec<Finding> {
    let path = subject.data.path().display();
    let meta = match fs::metadata(subject.data.path()) {
        Ok(meta) if meta.is_dir() => meta,
        Ok(_) => {
            return vec![Finding::problem(
                CHECK,
                format!("{path} is no directory"),
                "the server cannot start",
                "name another with --data DIR",
            )];
        }
        Err(error) => {
            return vec![Finding::problem(
                CHECK,
                format!("{path} cannot be looked at: {error}"),
                "the server keeps everything there",
                format!(
                    "run `portcullis init --data {path}`, name another with --data DIR, or run doctor as its owner"
                ),
            )];
        }
    };
    let mut findings = access(subject, &meta);
    match subject.data.initialised_on() {
        Ok(Some(since)) => findings.push(Finding::ok(CHECK, format!("{path}, initialised on {since}"))),
        Ok(None) => findings.push(Finding::problem(
            CHECK,
            format!("{path} is not initialised"),
            "there are no keys and no administrator",
            format!("portcullis init --data {path}"),
        )),
        Err(error) => findings.push(Finding::problem(
            CHECK,
            format!("{error:#}"),
            "the server cannot tell whether it is initialised",
            format!("run doctor as the owner of {path}"),
        )),
    }
    findings.push(serving(subject));
    findings.extend(first_password(subject));
    findings
}

fn access(subject: &Subject, meta: &fs::Metadata) -> Vec<Finding> {
    let (path, mode, me) = (subject.data.path().display(), meta.mode() & 0o777, rustix::process::geteuid());
    let mut findings = Vec::new();
    if mode & 0o022 != 0 {
        findings.push(Finding::problem(
            CHECK,
            format!("{path} has mode {mode:04o}: others than its owner may write in it"),
            "whoever writes there replaces the CA, the keys and the database",
            format!("chmod 700 {path}"),
        ));
    } else if mode & 0o055 != 0 {
        findings.push(Finding::warning(
            CHECK,
            format!("{path} has mode {mode:04o}: others than its owner may look into it"),
            "what lies there is nobody else's business",
            format!("chmod 700 {path}"),
        ));
    }
    if !me.is_root() && me.as_raw() != meta.uid() {
        findings.push(Finding::problem(
            CHECK,
            format!("{path} belongs to the user {}, and this is the user {}", meta.uid(), me.as_raw()),
            "neither the server nor doctor can read what lies there as this user",
            format!("run portcullis as the user {}", meta.uid()),
        ));
    }
    findings
}

fn serving(subject: &Subject) -> Finding {
    let path = subject.data.path().display();
    match &subject.holder {
        Holder::Process(process) => Finding::ok("server", format!("{process} serves {path}")),
        Holder::Somebody => Finding::ok("server", format!("a process that is not seen from here serves {path}")),
        Holder::Unknown(error) => Finding::unknown("server", format!("whether one serves {path}: {error}")),
        Holder::Nobody => Finding::problem(
            "server",
            format!("nothing serves {path}"),
            "no client reaches the registry",
            format!("portcullis serve --data {path}, or with systemd: systemctl enable --now portcullis"),
        ),
    }
}

fn first_password(subject: &Subject) -> Option<Finding> {
    let path = subject.data.first_password();
    path.exists().then(|| {
        Finding::warning(
            CHECK,
            format!("{} still lies there", path.display()),
            "whoever reads it is the administrator",
            "portcullis user passwd admin",
        )
    })
}
