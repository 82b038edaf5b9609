//! The data directory: whether it exists, who owns it, who serves it, and what should have been removed from it.

use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::Subject;
use super::sockets::Process;
use crate::doctor::finding::Finding;

const CHECK: &str = "data";

/// Whether there is a registry.
#[derive(Debug)]
pub(crate) enum Initialised {
    /// Since then, as the marker in the data directory says.
    Here(String),
    /// In the database that nodes share, or it cannot be asked; this data directory has no part of it yet.
    Elsewhere,
    /// There is none.
    No,
    /// It is unknown, for this reason.
    Unknown(String),
}

/// Which process serves a data directory.
#[derive(Debug)]
pub(crate) enum Holder {
    /// None.
    None,
    /// This process.
    Process(Process),
    /// A process that is not visible from here.
    Invisible,
    /// It is unknown, for this reason.
    Unknown(io::Error),
}

/// The process that holds the lock. It is taken in the shared form and released at once, so that it hardly ever gets in the way of a
/// server that starts at this moment.
pub(crate) fn holder(lock_file: &Path) -> Holder {
    let file = match File::open(lock_file) {
        Ok(file) => file,
        // No server has ever been started here.
        Err(error) if error.kind() == io::ErrorKind::NotFound || error.kind() == io::ErrorKind::NotADirectory => {
            return Holder::None;
        }
        Err(error) => return Holder::Unknown(error),
    };
    match file.try_lock_shared() {
        // Dropping the file releases it.
        Ok(()) => Holder::None,
        Err(TryLockError::Error(error)) => Holder::Unknown(error),
        Err(TryLockError::WouldBlock) => {
            let id = fs::read_to_string(lock_file).ok().and_then(|text| text.trim().parse().ok());
            id.and_then(Process::of_id).map_or(Holder::Invisible, Holder::Process)
        }
    }
}

/// The only finding if this process cannot act as the owner of the data directory.
pub(crate) fn inaccessible(error: impl AsRef<str>) -> Finding {
    Finding::problem(
        CHECK,
        error,
        "the server cannot read files that root creates there",
        "run doctor as the owner of the data directory",
    )
}

pub(super) fn check(subject: &Subject) -> Vec<Finding> {
    let path = subject.data.path.display();
    let meta = match fs::metadata(&subject.data.path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound && subject.is_elsewhere() => {
            return vec![elsewhere(subject), serving(subject)];
        }
        Ok(meta) if meta.is_dir() => meta,
        Ok(_) => return vec![not_a_directory(&path.to_string())],
        Err(error) => return vec![no_access(&path.to_string(), &error)],
    };
    let mut findings = access(subject, &meta);
    match &subject.data.initialised {
        Initialised::Here(since) => findings.push(Finding::ok(CHECK, format!("{path}, initialised on {since}"))),
        Initialised::Elsewhere => findings.push(elsewhere(subject)),
        Initialised::No => findings.push(Finding::problem(
            CHECK,
            format!("{path} is not initialised"),
            "it has no keys and no administrator",
            format!("portcullis init --data {path}"),
        )),
        Initialised::Unknown(error) => findings.push(Finding::problem(
            CHECK,
            error,
            "it is unknown whether the directory is initialised",
            format!("run doctor as the owner of {path}"),
        )),
    }
    findings.push(serving(subject));
    findings.extend(first_password(subject));
    findings
}

fn elsewhere(subject: &Subject) -> Finding {
    let path = subject.data.path.display();
    Finding::ok(
        CHECK,
        format!("{path} has no files of the registry yet: `portcullis serve` fetches them from the database"),
    )
}

fn not_a_directory(path: &str) -> Finding {
    let what = format!("{path} is not a directory");
    Finding::problem(CHECK, what, "the server cannot start", "set another with --data DIR")
}

fn no_access(path: &str, error: &io::Error) -> Finding {
    Finding::problem(
        CHECK,
        format!("cannot access {path}: {error}"),
        "all data of the registry is stored there",
        format!("run `portcullis init --data {path}`, set another with --data DIR, or run doctor as its owner"),
    )
}

fn access(subject: &Subject, meta: &fs::Metadata) -> Vec<Finding> {
    let (path, mode, me) = (subject.data.path.display(), meta.mode() & 0o777, rustix::process::geteuid());
    let mut findings = Vec::new();
    if mode & 0o022 != 0 {
        findings.push(Finding::problem(
            CHECK,
            format!("{path} has mode {mode:04o}: users other than its owner can write to it"),
            "anyone who can write there can replace the CA, the keys and the database",
            format!("chmod 700 {path}"),
        ));
    } else if mode & 0o055 != 0 {
        findings.push(Finding::warning(
            CHECK,
            format!("{path} has mode {mode:04o}: users other than its owner can read it"),
            "only the owner should see what is stored there",
            format!("chmod 700 {path}"),
        ));
    }
    if !me.is_root() && me.as_raw() != meta.uid() {
        findings.push(Finding::problem(
            CHECK,
            format!("{path} belongs to user {}, but this is user {}", meta.uid(), me.as_raw()),
            "as this user, neither the server nor doctor can read what is stored there",
            format!("run portcullis as user {}", meta.uid()),
        ));
    }
    findings
}

fn serving(subject: &Subject) -> Finding {
    let path = subject.data.path.display();
    match &subject.holder {
        Holder::Process(process) => Finding::ok("server", format!("{process} serves {path}")),
        Holder::Invisible => Finding::ok("server", format!("a process that is not visible from here serves {path}")),
        Holder::Unknown(error) => {
            Finding::unknown("server", format!("cannot tell whether a server runs on {path}: {error}"))
        }
        Holder::None if subject.is_elsewhere() => {
            Finding::ok("server", "this machine has never served; `portcullis cluster status` lists the nodes that do")
        }
        Holder::None => Finding::problem(
            "server",
            format!("no server runs on {path}"),
            "no client can reach the registry",
            format!("portcullis serve --data {path}, or with systemd: systemctl enable --now portcullis"),
        ),
    }
}

fn first_password(subject: &Subject) -> Option<Finding> {
    let path = &subject.data.first_password;
    path.exists().then(|| {
        Finding::warning(
            CHECK,
            format!("{} still exists", path.display()),
            "anyone who can read it can log in as the administrator",
            "portcullis user passwd admin",
        )
    })
}
